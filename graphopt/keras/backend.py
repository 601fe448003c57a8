"""What scripts use of `tf.keras.backend`."""

from __future__ import annotations

from typing import Any

from graphopt.graph.context import modes, reset_default_graph
from graphopt.keras.layers.base import reset_names


def clear_session() -> None:
    """Forgets names of layers, and the graph of the process unless it is in use."""
    reset_names()
    if not any(graph is not None for graph in modes.stack):
        reset_default_graph()


def epsilon() -> float:
    """Returns the small number that Keras adds, 1e-7."""
    return 1e-7


def floatx() -> str:
    """Returns the default dtype of weights."""
    return "float32"


def get_value(x: Any) -> Any:
    """Returns the value of a variable or tensor."""
    graph = getattr(x, "graph", None)
    return x.numpy() if graph is None else x.eval()


def set_value(x: Any, value: Any) -> None:
    """Sets a variable."""
    x.load(value)
