"""Which variables a step gives the same values on all ranks.

Those whose new value comes of what ranks have exchanged; a metric, say, is each rank's own.
A fused op may write one of each kind, so it is looked into: what counts is the value that is
stored and not the op.
"""

from __future__ import annotations

from typing import Any

from graphopt.graph.effects import exchanges, handles_written, variable_of
from graphopt.graph.graph import Operation
from graphopt.graph.program import Program
from graphopt.graph.region import Region
from graphopt.graph.tensor import GraphTensor

__all__ = ["find_alike"]


def find_alike(program: Program) -> list[Any]:
    """Returns the keys of the variables.

    Args:
      program: After all passes.
    """
    late: set[GraphTensor] = set()
    found: dict[Any, None] = {}
    for op in program.operations:
        body = op.attrs.get("body")
        if isinstance(body, Region) and len(op.inputs) == body.input_count:
            handles = _follow(op, body, late)
        elif exchanges(op) or not late.isdisjoint(op.inputs):
            late.update(op.outputs)
            handles = handles_written(op)
        else:
            continue
        keys = map(variable_of, handles)
        found.update(dict.fromkeys(key for key in keys if key.piece is None))
    return list(found)


def _follow(
    op: Operation, body: Region, late: set[GraphTensor]
) -> tuple[GraphTensor, ...]:
    """Adds the outputs of a fused op that depend on late inputs; returns what it writes."""
    values = [tensor in late for tensor in op.inputs]
    for instruction in body.instructions:
        values.append(any(values[i] for i in instruction.arguments))
    # What an op makes of its results, as a sum of them, has no more outputs.
    many = len(op.outputs) == len(body.outputs)
    for place, tensor in enumerate(op.outputs):
        which = body.outputs[place : place + 1] if many else body.outputs
        if any(values[value] for value in which):
            late.add(tensor)
    return tuple(op.inputs[index] for index, value in body.stores if values[value])
