"""Activation functions by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from graphopt.graph.hooks import hooks
from graphopt.keras import serialization
from graphopt.ops.activations import elu, gelu, leaky_relu, relu6, selu, softsign, swish
from graphopt.ops.clipping import clip_by_value
from graphopt.ops.elementwise import exp, relu, sigmoid, softplus, tanh
from graphopt.ops.nn import log_softmax, softmax


def linear(x: Any) -> Any:
    """Returns its input."""
    return hooks.convert(x)


def hard_sigmoid(x: Any) -> Any:
    """Returns 0.2 x + 0.5, cut off at 0 and 1.

    Source: `tf.keras.activations.hard_sigmoid` of TensorFlow 2.
    """
    return clip_by_value(0.2 * hooks.convert(x) + 0.5, 0.0, 1.0)


def mish(x: Any) -> Any:
    """Returns x tanh(softplus(x)).

    Source: `tf.keras.activations.mish`; Misra 2019.
    """
    x = hooks.convert(x)
    return x * tanh(softplus(x))


_BY_NAME: dict[str, Callable[..., Any]] = {
    "linear": linear,
    "relu": relu,
    "sigmoid": sigmoid,
    "tanh": tanh,
    "softmax": softmax,
    "log_softmax": log_softmax,
    "softplus": softplus,
    "exponential": exp,
    "elu": elu,
    "selu": selu,
    "gelu": gelu,
    "swish": swish,
    "silu": swish,
    "relu6": relu6,
    "leaky_relu": leaky_relu,
    "softsign": softsign,
    "hard_sigmoid": hard_sigmoid,
    "mish": mish,
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
        own = serialization.get_registered_object(identifier)
        if own is not None:
            return own() if isinstance(own, type) else own  # type: ignore[no-any-return]
        if identifier not in _BY_NAME:
            raise ValueError(
                f"Unknown activation function {identifier!r}; expected one of "
                f"{list(_BY_NAME)}."
            )
        return _BY_NAME[identifier]
    if isinstance(identifier, dict):
        return serialization.deserialize(  # type: ignore[no-any-return]
            identifier, _BY_NAME, "activation function"
        )
    if callable(identifier):
        return identifier  # type: ignore[no-any-return]
    raise ValueError(f"Could not interpret activation {identifier!r}.")


def serialize(activation: Any) -> Any:
    """Returns the name of an activation, or class name and config of an object.

    Source: `tf.keras.activations.serialize`.
    """
    names = {id(function): name for name, function in reversed(_BY_NAME.items())}
    return names.get(id(activation)) or serialization.serialize(activation)


def deserialize(name: Any, custom_objects: Any = None) -> Callable[..., Any]:
    """Returns what `serialize` wrote down.

    Source: `tf.keras.activations.deserialize`.
    """
    with serialization.custom_object_scope(custom_objects or {}):
        return get(name)
