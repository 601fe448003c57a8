"""Tries the ops of a loop one by one, each in a kernel of its own."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphopt.codegen.lower import lower_operation
from graphopt.dtypes import from_numpy
from graphopt.graph.graph import Graph
from graphopt.graph.opspec import Elementwise
from graphopt.graph.program import Program
from graphopt.graph.region import Instruction, Region
from graphopt.graph.shape import TensorShape
from graphopt.ops.creation import PLACEHOLDER
from graphopt.ops.fused import FUSED_ELEMENTWISE
from graphopt.runtime.executable import Executable
from graphopt.runtime.reference import (
    Bounded,
    Difference,
    evaluate_instruction,
    find_difference,
)
from graphopt.runtime.store import VariableStore
from graphopt.schedule.build import build_schedule

Array = NDArray[Any]


def find_wrong_instruction(
    body: Region, values: list[Bounded]
) -> tuple[Instruction, Difference] | None:
    """Returns the first op of a loop whose own kernel differs from NumPy.

    Args:
      body: The loop.
      values: The inputs and what NumPy computes from them.
    """
    for instruction in body.instructions:
        if not isinstance(instruction.spec.kernel, Elementwise):
            continue  # A product, which has kernels of its own.
        arrays = [np.asarray(values[i].value) for i in instruction.arguments]
        expected = evaluate_instruction(instruction, [Bounded(a, 0.0) for a in arrays])
        found = find_difference(_run_alone(instruction, arrays, body.shape), expected)
        if found is not None:
            return instruction, found
    return None


def _run_alone(
    instruction: Instruction, arrays: list[Array], shape: tuple[int, ...]
) -> Array:
    """Compiles a loop of one op and runs it."""
    graph = Graph(is_rewritten=True)
    feeds = []
    for array in arrays:
        dtype = from_numpy(array.dtype)
        assert dtype is not None
        types = [(TensorShape(array.shape), dtype)]
        attrs = {"dtype": dtype, "shape": TensorShape(array.shape)}
        op = graph.add_operation(PLACEHOLDER, (), attrs, output_types=types)
        feeds.append(op.outputs[0])
    count = len(feeds)
    alone = Instruction(
        instruction.spec,
        tuple(range(count)),
        instruction.dtype,
        instruction.attrs,
        instruction.name,
        instruction.site,
    )
    body = Region(shape, count, (alone,), (count,), ())
    types = [(TensorShape(shape), instruction.dtype)]
    op = graph.add_operation(
        FUSED_ELEMENTWISE, feeds, {"body": body}, output_types=types
    )
    program = Program(graph, tuple(feeds), op.outputs, ())
    schedule = build_schedule(program, lower_operation)
    given = [np.ascontiguousarray(a).reshape(a.shape) for a in arrays]
    return Executable(schedule, VariableStore()).run(given)[0]
