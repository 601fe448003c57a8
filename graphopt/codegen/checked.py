"""Operation -> calls of kernels, where every number has to be finite."""

from __future__ import annotations

from graphopt.codegen.elementwise.elementwise import lower_elementwise
from graphopt.codegen.elementwise.finite import look_at
from graphopt.codegen.lower import lower_operation
from graphopt.graph.effects import handles_written
from graphopt.graph.graph import Operation
from graphopt.graph.opspec import Cost, Elementwise, Family
from graphopt.schedule.steps import Lowered, Word


def lower_checked(op: Operation) -> Lowered:
    """Returns how an operation runs where every number has to be finite."""
    lowered = lower_operation(op)
    if lowered.host or not lowered.calls:
        return lowered
    kernel = op.spec.kernel
    if op.spec.integer_kernel is not None and lowered.checks:
        return lowered
    if isinstance(kernel, Elementwise):
        return lower_elementwise(op, checked=True)
    if not isinstance(kernel, Family) or op.spec.cost is Cost.MOVE:
        return lowered
    calls = list(lowered.calls)
    for index, tensor in enumerate(op.outputs):
        calls += look_at(tensor, Word("output", index), op.index)
    for handle in handles_written(op):
        calls += look_at(handle, Word("input", op.inputs.index(handle)), op.index)
    return Lowered(tuple(calls), lowered.scratch, lowered.checks)
