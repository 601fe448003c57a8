"""Activation functions by name.

Those that Keras and `tf.nn` share are Keras's here, with its arguments. A softmax or sigmoid
in eager mode leaves at its result what it was computed of: a loss takes that, which is exact
where a probability is next to 0 or 1. (In a graph the loss looks at the op.)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from graphopt.graph.hooks import hooks
from graphopt.graph.tensor import EagerTensor, Tensor
from graphopt.keras import serialization
from graphopt.ops import nn as _nn
from graphopt.ops.activations import elu as _elu
from graphopt.ops.activations import gelu as gelu
from graphopt.ops.activations import leaky_relu as _leaky_relu
from graphopt.ops.activations import relu6 as relu6
from graphopt.ops.activations import selu as selu
from graphopt.ops.activations import softsign as softsign
from graphopt.ops.activations import swish as swish
from graphopt.ops.clipping import clip_by_value
from graphopt.ops.elementwise import abs, cast, exp, maximum, minimum, sqrt, where
from graphopt.ops.elementwise import relu as _relu
from graphopt.ops.elementwise import sigmoid as _sigmoid
from graphopt.ops.elementwise import softplus as softplus
from graphopt.ops.elementwise import tanh as tanh
from graphopt.ops.special import log_sigmoid as log_sigmoid


def linear(x: Any) -> Tensor:
    """Returns its input."""
    return hooks.convert(x)


def relu(
    x: Any,
    alpha: float = 0.0,
    max_value: float | None = None,
    threshold: float = 0.0,
    negative_slope: float | None = None,
) -> Tensor:
    """Returns max(x, 0), elementwise; or another bent line.

    x above the threshold, up to `max_value`; alpha * (x - threshold) elsewhere.

    Args:
      x: A tensor.
      alpha: The slope below the threshold.
      max_value: The largest value.
      threshold: Where the line bends.
      negative_slope: Keras 3's name of `alpha`.

    >>> relu([-2.0, 1.0, 9.0], alpha=0.5, max_value=6.0).numpy().tolist()
    [-1.0, 1.0, 6.0]

    Source: `tf.keras.activations.relu`.
    """
    slope = alpha if negative_slope is None else negative_slope
    if not slope and not threshold:
        result = _relu(x)
    elif not threshold:
        result = _leaky_relu(x, slope)
    else:
        x = hooks.convert(x)
        result = where(x > threshold, x, slope * (x - threshold))
    return result if max_value is None else minimum(result, max_value)


def elu(x: Any, alpha: float = 1.0) -> Tensor:
    """Returns x, or alpha * (exp(x) - 1) below 0, elementwise.

    Source: `tf.keras.activations.elu`; Clevert et al. 2016.
    """
    result = _elu(x)
    return result if alpha == 1.0 else where(result > 0.0, result, alpha * result)


def leaky_relu(
    x: Any, alpha: float = 0.2, negative_slope: float | None = None
) -> Tensor:
    """Returns x, or alpha * x below 0, elementwise.

    Source: `keras.activations.leaky_relu` of Keras 3.
    """
    return _leaky_relu(x, alpha if negative_slope is None else negative_slope)


def softmax(x: Any, axis: int = -1) -> Tensor:
    """Returns exp(x) divided by its sum along an axis.

    Source: `tf.keras.activations.softmax`.
    """
    x = hooks.convert(x)
    result = _nn.softmax(x, axis)
    if isinstance(result, EagerTensor) and axis in (-1, len(x.shape) - 1):
        result._keras_logits = x  # type: ignore[attr-defined]
    return result


def log_softmax(x: Any, axis: int = -1) -> Tensor:
    """Returns the logarithm of `softmax`.

    Source: `keras.activations.log_softmax` of Keras 3.
    """
    return _nn.log_softmax(x, axis)


def sigmoid(x: Any) -> Tensor:
    """Returns 1 / (1 + exp(-x)), elementwise.

    Source: `tf.keras.activations.sigmoid`.
    """
    x = hooks.convert(x)
    result = _sigmoid(x)
    if isinstance(result, EagerTensor):
        result._keras_logits = x  # type: ignore[attr-defined]
    return result


def exponential(x: Any) -> Tensor:
    """Returns exp(x), elementwise.

    Source: `tf.keras.activations.exponential`.
    """
    return exp(x)


def hard_sigmoid(x: Any) -> Tensor:
    """Returns 0.2 x + 0.5, cut off at 0 and 1.

    Source: `tf.keras.activations.hard_sigmoid` of TensorFlow 2.
    """
    return clip_by_value(0.2 * hooks.convert(x) + 0.5, 0.0, 1.0)


def hard_silu(x: Any) -> Tensor:
    """Returns x times x / 6 + 0.5 cut off at 0 and 1.

    Source: `keras.activations.hard_silu` of Keras 3; Howard et al. 2019.
    """
    x = hooks.convert(x)
    return x * clip_by_value(x / 6.0 + 0.5, 0.0, 1.0)


def hard_tanh(x: Any) -> Tensor:
    """Returns x, cut off at -1 and 1.

    Source: `keras.activations.hard_tanh` of Keras 3.
    """
    return clip_by_value(x, -1.0, 1.0)


def hard_shrink(x: Any, threshold: float = 0.5) -> Tensor:
    """Returns x where it is further from 0 than the threshold, else 0.

    Source: `keras.activations.hard_shrink` of Keras 3.
    """
    x = hooks.convert(x)
    return where(abs(x) > threshold, x, 0.0 * x)


def soft_shrink(x: Any, threshold: float = 0.5) -> Tensor:
    """Returns x moved towards 0 by the threshold; 0 where it is nearer than that.

    Source: `keras.activations.soft_shrink` of Keras 3.
    """
    x = hooks.convert(x)
    return maximum(x - threshold, 0.0) + minimum(x + threshold, 0.0)


def tanh_shrink(x: Any) -> Tensor:
    """Returns x - tanh(x).

    Source: `keras.activations.tanh_shrink` of Keras 3.
    """
    x = hooks.convert(x)
    return x - tanh(x)


def threshold(x: Any, threshold: float, default_value: float) -> Tensor:
    """Returns x above a threshold, another value elsewhere.

    Source: `keras.activations.threshold` of Keras 3.
    """
    x = hooks.convert(x)
    return where(x > threshold, x, cast(default_value, x.dtype))


def celu(x: Any, alpha: float = 1.0) -> Tensor:
    """Returns max(x, 0) + min(alpha * (exp(x / alpha) - 1), 0).

    Source: `keras.activations.celu` of Keras 3; Barron 2017.
    """
    x = hooks.convert(x)
    return maximum(x, 0.0) + alpha * _elu(minimum(x, 0.0) / alpha)


def glu(x: Any, axis: int = -1) -> Tensor:
    """Returns one half of x along an axis, times the sigmoid of the other half.

    Source: `keras.activations.glu` of Keras 3; Dauphin et al. 2017.
    """
    from graphopt.ops.splitting import split

    left, right = split(hooks.convert(x), 2, axis=axis)
    return left * _sigmoid(right)


def squareplus(x: Any, b: float = 4.0) -> Tensor:
    """Returns (x + sqrt(x^2 + b)) / 2.

    Source: `keras.activations.squareplus` of Keras 3; Barron 2021.
    """
    x = hooks.convert(x)
    return (x + sqrt(x * x + b)) / 2.0


def sparse_plus(x: Any) -> Tensor:
    """Returns 0 up to -1, x from 1 on, and (x + 1)^2 / 4 between.

    Source: `keras.activations.sparse_plus` of Keras 3.
    """
    x = hooks.convert(x)
    between = (x + 1.0) * (x + 1.0) / 4.0
    return where(x <= -1.0, 0.0 * x, where(x < 1.0, between, x))


def sparse_sigmoid(x: Any) -> Tensor:
    """Returns (x + 1) / 2, cut off at 0 and 1.

    Source: `keras.activations.sparse_sigmoid` of Keras 3.
    """
    return clip_by_value((hooks.convert(x) + 1.0) / 2.0, 0.0, 1.0)


def mish(x: Any) -> Tensor:
    """Returns x tanh(softplus(x)).

    Source: `tf.keras.activations.mish`; Misra 2019.
    """
    x = hooks.convert(x)
    return x * tanh(softplus(x))


silu = swish
hard_swish = hard_silu
_BY_NAME: dict[str, Callable[..., Any]] = {
    "linear": linear,
    "relu": relu,
    "sigmoid": sigmoid,
    "tanh": tanh,
    "softmax": softmax,
    "log_softmax": log_softmax,
    "softplus": softplus,
    "exponential": exponential,
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
    "hard_silu": hard_silu,
    "hard_swish": hard_silu,
    "hard_tanh": hard_tanh,
    "hard_shrink": hard_shrink,
    "soft_shrink": soft_shrink,
    "tanh_shrink": tanh_shrink,
    "threshold": threshold,
    "celu": celu,
    "glu": glu,
    "squareplus": squareplus,
    "sparse_plus": sparse_plus,
    "sparse_sigmoid": sparse_sigmoid,
    "log_sigmoid": log_sigmoid,
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
            return own() if isinstance(own, type) else own
        if identifier not in _BY_NAME:
            raise ValueError(
                f"Unknown activation function {identifier!r}; expected one of "
                f"{list(_BY_NAME)}."
            )
        return _BY_NAME[identifier]
    if isinstance(identifier, dict):
        return serialization.deserialize(identifier, _BY_NAME, "activation function")
    if callable(identifier):
        return identifier
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
