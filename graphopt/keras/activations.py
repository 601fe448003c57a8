"""Activation functions by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from graphopt.graph.hooks import hooks
from graphopt.ops.elementwise import exp, relu, sigmoid, softplus, tanh
from graphopt.ops.nn import log_softmax, softmax


def linear(x: Any) -> Any:
    """Returns its input."""
    return hooks.convert(x)


_BY_NAME: dict[str, Callable[..., Any]] = {
    "linear": linear,
    "relu": relu,
    "sigmoid": sigmoid,
    "tanh": tanh,
    "softmax": softmax,
    "log_softmax": log_softmax,
    "softplus": softplus,
    "exponential": exp,
}


def get(identifier: Any) -> Callable[..., Any]:
    """Returns an activation for a name or a function; None is `linear`.

    Raises:
      ValueError: No activation has that name.

    Source: `tf.keras.activations.get`.
    """
    if identifier is None:
        return linear
    if isinstance(identifier, str):
        if identifier not in _BY_NAME:
            raise ValueError(
                f"Unknown activation function {identifier!r}; expected one of "
                f"{list(_BY_NAME)}."
            )
        return _BY_NAME[identifier]
    if callable(identifier):
        return identifier  # type: ignore[no-any-return]
    raise ValueError(f"Could not interpret activation {identifier!r}.")
