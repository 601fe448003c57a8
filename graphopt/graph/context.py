"""What mode a thread is in: eager, or building which graph."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from graphopt.graph.graph import Graph


class _Modes(threading.local):
    """The stack of graphs that this thread builds; None on it stands for eager."""

    def __init__(self) -> None:
        self.stack: list[Graph | None] = []
        self.tapes: tuple[Any, ...] = ()


modes = _Modes()
_eager_by_default = True
_global_graph: Graph | None = None
# Set by graph.py, which imports this module.
graph_class: Callable[[], Graph] | None = None


def building_graph() -> Graph | None:
    """Returns the graph that ops are added to now, or None in eager mode."""
    if modes.stack:
        return modes.stack[-1]
    return None if _eager_by_default else get_default_graph()


def executing_eagerly() -> bool:
    """Returns whether ops run at once on this thread.

    >>> executing_eagerly()
    True

    Source: `tf.executing_eagerly`.
    """
    return building_graph() is None


def get_default_graph() -> Graph:
    """Returns the innermost graph of this thread, or the graph of the process.

    Source: `tf.compat.v1.get_default_graph`.
    """
    global _global_graph
    for graph in reversed(modes.stack):
        if graph is not None:
            return graph
    if _global_graph is None:
        assert graph_class is not None
        _global_graph = graph_class()
    return _global_graph


def reset_default_graph() -> None:
    """Replaces the graph of the process by an empty one.

    Raises:
      AssertionError: A `with graph.as_default()` block is open.

    Source: `tf.compat.v1.reset_default_graph`.
    """
    global _global_graph
    if any(graph is not None for graph in modes.stack):
        raise AssertionError(
            "Do not call reset_default_graph() inside a `with graph.as_default()`."
        )
    _global_graph = None


def set_eager_by_default(eager: bool) -> None:
    """Chooses the mode outside of every `with` block, for the process."""
    global _eager_by_default
    _eager_by_default = eager


@contextlib.contextmanager
def entered(graph: Graph | None) -> Iterator[Graph | None]:
    """Makes `graph` (None: eager mode) current for a `with` block on this thread."""
    stack = modes.stack
    depth = len(stack)
    stack.append(graph)
    try:
        yield graph
    finally:
        if len(stack) != depth + 1 or stack[-1] is not graph:
            del stack[depth:]
            raise RuntimeError("Graphs were left in another order than entered.")
        stack.pop()


def swap_global_graph(graph: Graph | None) -> Graph | None:
    """Puts another default graph of the process in place; returns the one before.

    Args:
      graph: The graph; None for one that is made when it is asked for.
    """
    global _global_graph
    before, _global_graph = _global_graph, graph
    return before


def is_eager_by_default() -> bool:
    """Returns the mode outside of every `with` block."""
    return _eager_by_default
