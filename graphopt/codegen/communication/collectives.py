"""Collectives as calls of kernels."""

from __future__ import annotations

from graphopt.codegen.movement.moves import lower_copy
from graphopt.graph.graph import Operation
from graphopt.schedule.steps import Lowered


def lower_collective(op: Operation) -> Lowered:
    """Returns how an operation exchanges values; one rank keeps what it has."""
    if op.attrs["size"] == 1:
        return lower_copy(op)
    return Lowered(host="it exchanges values with other processes")
