"""In which order the steps run: a stable topological order of their graph."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

from graphopt.errors import InvalidArgumentError, fail
from graphopt.graph.effects import handles_written
from graphopt.graph.graph import Operation
from graphopt.graph.opspec import Bodies


def step_graph(operations: Sequence[Operation]) -> Any:
    """Returns the networkx graph of what must run before what.

    Edges are labeled `data` or `control`; the order of reads and writes of variables is
    among the control edges since `order_effects`.
    """
    import networkx

    graph: Any = networkx.DiGraph()
    for position, op in enumerate(operations):
        graph.add_node(op, position=position)
    for op in operations:
        for control in op.control_inputs:
            graph.add_edge(control, op, kind="control")
        for tensor in op.inputs:
            graph.add_edge(tensor.op, op, kind="data")
    return graph


def _is_ordered(operations: Sequence[Operation]) -> bool:
    """Returns whether every operation comes after all that it depends on."""
    seen: set[Operation] = set()
    for op in operations:
        if not seen.issuperset(op.control_inputs):
            return False
        if not seen.issuperset(tensor.op for tensor in op.inputs):
            return False
        seen.add(op)
    return True


def order_operations(operations: Sequence[Operation]) -> list[Operation]:
    """Sorts operations topologically, ties broken by their position.

    Raises:
      InvalidArgumentError: The graph has a cycle; the message names its operations.
    """
    # Programs are mostly in order as they come, and then that order is the answer;
    # networkx takes longer to import than such a program takes to start.
    if _is_ordered(operations):
        return list(operations)
    import networkx

    graph = step_graph(operations)
    position = graph.nodes
    try:
        return list(
            networkx.lexicographical_topological_sort(
                graph, key=lambda op: position[op]["position"]
            )
        )
    except networkx.NetworkXUnfeasible:
        edges = networkx.find_cycle(graph)
        names = " -> ".join(repr(edge[0].name) for edge in edges)
        first = edges[0][0]
        raise fail(
            InvalidArgumentError,
            "The graph has a cycle, so nothing can run first",
            got=f"{names} -> {first.name!r}",
            expected="operations that depend only on earlier ones",
            op=first,
            remedy="removing one of the control dependencies",
        ) from None


def put_loops_first(order: Sequence[Operation]) -> list[Operation]:
    """Moves what writes variables, and what depends on that, behind everything else.

    A loop may pause, and a signal may end the step there, so nothing may be written yet.
    """
    loops = [op for op in order if isinstance(op.spec.kernel, Bodies)]
    if not any(op.spec.kernel.kind != "cond" for op in loops):  # type: ignore[union-attr]
        return list(order)
    behind: set[Operation] = set()
    for op in order:
        sources = itertools.chain((t.op for t in op.inputs), op.control_inputs)
        if handles_written(op) or not behind.isdisjoint(sources):
            behind.add(op)
    return [op for op in order if op not in behind] + [
        op for op in order if op in behind
    ]


def put_checks_first(
    order: Sequence[Operation], may_fail: Callable[[Operation], bool]
) -> list[Operation]:
    """Moves writes of variables behind what may fail, where that does not depend on them.

    A step that can fail after a write keeps copies of what it writes. Where a write needs
    nothing that comes late, as the powers of Adam, it is among the first ops.

    Args:
      order: The operations, in order.
      may_fail: Whether an op checks its inputs or runs Python.
    """
    first = next((i for i, op in enumerate(order) if handles_written(op)), len(order))
    behind: set[Operation] = set()
    last = -1
    for place, op in enumerate(order[first:], first):
        sources = itertools.chain((t.op for t in op.inputs), op.control_inputs)
        if handles_written(op) or not behind.isdisjoint(sources):
            behind.add(op)
        elif may_fail(op):
            last = place
    head = order[: last + 1]
    before = [op for op in head if op not in behind]
    return [*before, *(op for op in head if op in behind), *order[last + 1 :]]
