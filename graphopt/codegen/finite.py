"""Kernels that notice NaN and infinities, and those that keep a copy of what they read.

A step that is watched runs the same kernels, plus a look at what each has computed while
it is still in the cache. In an elementwise loop the look is part of the loop, for values
that never leave it matter too: exp(x) may overflow where 1 / (1 + exp(x)) is 0.
"""

from __future__ import annotations

import math
from typing import Final

from graphopt.codegen.elementwise import STATUS_NOT_FINITE, lower_elementwise
from graphopt.codegen.lower import lower_operation
from graphopt.dtypes import DType, float32, float64
from graphopt.graph.effects import handles_written
from graphopt.graph.graph import Operation
from graphopt.graph.opspec import Elementwise, Family
from graphopt.graph.tensor import GraphTensor
from graphopt.schedule.steps import Argument, Call, KernelRequest, Lowered, Word

_LOOK = """def kernel(args, lo, hi):
    x = pointer_{t}(args[0])
    bad = int32(0)
    for i in range(lo, hi):
        bad = int32(bad | int32((x[i] - x[i]) != 0))
    if bad != 0:
        report_status(args[1], {code}, args[2], 0, 0)
"""
_KEEP = """def kernel(args, lo, hi):
    x = pointer_{t}(args[0])
    y = pointer_{t}(args[1])
    bad = int32(0)
    for i in range(lo, hi):
        y[i] = x[i]
        bad = int32(bad | int32((x[i] - x[i]) != 0))
    if bad != 0:
        report_status(args[2], {code}, args[3], 0, 0)
"""
_COPY = """def kernel(args, lo, hi):
    x = pointer_uint8(args[0])
    y = pointer_uint8(args[1])
    for i in range(lo, hi):
        y[i] = x[i]
"""
# Families that only move elements: what comes out has gone in.
_MOVES: Final = """
    arg_extreme band checked_indices concat copy_all diag diag_part first_occurrence
    gather gather_nd roll set_diag slice split split_like tile transpose unpack
"""
MOVES: Final = frozenset(_MOVES.split())


def lower_checked(op: Operation) -> Lowered:
    """Returns how an operation runs where every number has to be finite."""
    lowered = lower_operation(op)
    if lowered.host or not lowered.calls:
        return lowered
    kernel = op.spec.kernel
    if isinstance(kernel, Elementwise):
        return lower_elementwise(op, checked=True)
    if not isinstance(kernel, Family) or kernel.name in MOVES:
        return lowered
    calls = list(lowered.calls)
    for index, tensor in enumerate(op.outputs):
        calls += look_at(tensor, Word("output", index), op.index)
    for handle in handles_written(op):
        calls += look_at(handle, Word("input", op.inputs.index(handle)), op.index)
    return Lowered(tuple(calls), lowered.scratch, lowered.checks)


def look_at(tensor: GraphTensor, where: Word, operation: int) -> list[Call]:
    """Returns the call that looks at a tensor; none where it has no floats."""
    count = _count(tensor)
    if not _can_look(tensor.dtype) or not count:
        return []
    source = _LOOK.format(t=tensor.dtype.name, code=STATUS_NOT_FINITE)
    arguments: tuple[Argument, ...] = (where, Word("status"), operation)
    return [Call(KernelRequest("finite", source), arguments, count)]


def keep_copy(tensor: GraphTensor, operation: int, look: bool) -> list[Call]:
    """Returns the call that copies input 0 to output 0.

    Args:
      tensor: What has the dtype and shape.
      operation: The number to report.
      look: Whether the elements have to be finite.
    """
    count = _count(tensor)
    if not count:
        return []
    if look and _can_look(tensor.dtype):
        source = _KEEP.format(t=tensor.dtype.name, code=STATUS_NOT_FINITE)
        arguments: tuple[Argument, ...] = (
            Word("input", 0),
            Word("output", 0),
            Word("status"),
            operation,
        )
        return [Call(KernelRequest("finite", source), arguments, count)]
    arguments = (Word("input", 0), Word("output", 0))
    size = count * tensor.dtype.size
    return [Call(KernelRequest("finite", _COPY), arguments, size)]


def _can_look(dtype: DType) -> bool:
    """float16 has no kernels; where it appears the host computes, and looks."""
    return dtype in (float32, float64)


def _count(tensor: GraphTensor) -> int:
    return math.prod(int(dim) for dim in tensor.shape if dim is not None)
