"""Lets a step compute while its values are exchanged.

A start goes right behind the last tensor of its bucket, and what needs no reduced value
comes before all waits. So the backward pass goes on while the first buckets are on their
way, and at its end only the last one is left. No variable is written before the last wait:
a step in which an exchange fails has changed nothing.

Eight layers of 2,048 and 1,024 rows a rank between two machines at 2 Gb/s: the step waits for
2 to 6 % of what the exchange takes, where the last part of 4 MB alone is 3 %, and for all of it
with one bucket that is awaited at once (`tools/measure_overlap.py`, medians of three runs on
two cores of an AMD EPYC beside other work, which makes a rank late now and then).
"""

from __future__ import annotations

from collections.abc import Sequence

from graphopt.graph.graph import Operation
from graphopt.graph.program import Program, Rebuilder
from graphopt.ops.collectives import (
    ALL_REDUCE_START,
    ALL_REDUCE_WAIT,
    REDUCE_SCATTER_START,
    REDUCE_SCATTER_WAIT,
)
from graphopt.ops.exchanged_products import ALL_REDUCE_PRODUCT_START
from graphopt.rewrite.driver import graph_pass

__all__ = ["overlap_collectives"]

_STARTS = (ALL_REDUCE_START, ALL_REDUCE_PRODUCT_START, REDUCE_SCATTER_START)
_WAITS = (ALL_REDUCE_WAIT, REDUCE_SCATTER_WAIT)


@graph_pass(preserves="bits")
def overlap_collectives(program: Program) -> Program:
    """Moves starts up and waits down."""
    operations = program.operations
    if not any(op.spec in _WAITS for op in operations):
        return program
    late = _find_late(operations)
    order = _start_early([op for op in operations if op not in late])
    order += [op for op in operations if op in late]
    rebuilder = Rebuilder(program)
    for op in order:
        rebuilder.copy(op)
    return rebuilder.finish()


def _sources(op: Operation) -> list[Operation]:
    return [*(tensor.op for tensor in op.inputs), *op.control_inputs]


def _find_late(operations: Sequence[Operation]) -> set[Operation]:
    """The waits, and what has to come after one."""
    late: set[Operation] = set()
    for op in operations:
        waits = op.spec in _WAITS
        if waits or any(source in late for source in _sources(op)):
            late.add(op)
    return late


def _start_early(operations: list[Operation]) -> list[Operation]:
    """Puts each start right behind the last op that it needs."""
    order: list[Operation] = []
    done: set[Operation] = set()
    waiting = [op for op in operations if op.spec in _STARTS]
    for op in operations:
        if op.spec not in _STARTS:
            order.append(op)
            done.add(op)
        while waiting and done.issuperset(_sources(waiting[0])):
            start = waiting.pop(0)
            order.append(start)
            done.add(start)
    assert not waiting, waiting
    return order
