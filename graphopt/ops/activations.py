"""Activations of neural networks beyond relu, sigmoid and tanh.

Those with a kink or a saturated end are ops of their own, so that the derivative there
is TensorFlow's; the others are compositions that the fuser makes one loop of.
"""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np

from graphopt import dtypes
from graphopt.errors import InvalidArgumentError, describe_shapes, fail
from graphopt.graph.dispatch import call
from graphopt.graph.hooks import hooks
from graphopt.graph.opspec import Cost, Sample
from graphopt.graph.provenance import user_site
from graphopt.graph.tensor import Tensor
from graphopt.ops.elementwise import (
    abs,
    cast,
    logical_and,
    relu,
    sigmoid,
    square,
    tanh,
    where,
)
from graphopt.ops.elementwise_specs import NUMERIC, binary, elementwise
from graphopt.ops.shaping import concat
from graphopt.ops.special import erfc

# Klambauer et al., "Self-normalizing neural networks", 2017: scale, and scale * alpha.
SELU_SCALE: Final = 1.0507009873554804934193349852946
SELU_SCALE_ALPHA: Final = 1.7580993408473768599402175208123


def _leaky_samples() -> list[Sample]:
    x = np.array([[-2.5, -0.3, 0.7], [1.5, 4.0, -1e-3]])
    kinds = (np.float64, np.float32)
    return [Sample((x.astype(t), t(alpha))) for t in kinds for alpha in (0.2, 1.5)]


RELU6 = elementwise(
    "Relu6",
    numpy=lambda x: np.minimum(np.maximum(x, 0), 6),
    kernel="minimum(maximum({0}, zero({0})), 6)",
    # Between the kinks only: the derivative is 0 at 0 and at 6.
    vjp=lambda g, y, x: (where(logical_and(y > 0, y < 6), g, 0.0),),
    over=NUMERIC,
    domain=(-4.0, 9.0),
    cost=Cost.UNRATED,
)
LEAKY_RELU = binary(
    "LeakyRelu",
    "select({0} > zero({0}), {0}, {0} * {1})",
    lambda x, alpha: np.where(x > 0, x, x * alpha),
    lambda g, y, x, alpha: (where(x > 0, g, g * alpha), where(x > 0, 0.0, g * x)),
    over=dtypes.FLOATING,
    samples=_leaky_samples,
    cost=Cost.UNRATED,
)
ELU = elementwise(
    "Elu",
    numpy=lambda x: np.where(x < 0, np.expm1(x), x),
    kernel="select({0} < zero({0}), expm1({0}), {0})",
    vjp=lambda g, y, x: (where(y < 0, g * (y + 1), g),),
    cost=Cost.FUNCTION,
)
SELU = elementwise(
    "Selu",
    numpy=lambda x: np.where(
        x < 0,
        x.dtype.type(SELU_SCALE_ALPHA) * np.expm1(x),
        x.dtype.type(SELU_SCALE) * x,
    ),
    kernel=f"select({{0}} < zero({{0}}), {SELU_SCALE_ALPHA} * expm1({{0}}), "
    f"{SELU_SCALE} * {{0}})",
    vjp=lambda g, y, x: (where(y < 0, g * (y + SELU_SCALE_ALPHA), g * SELU_SCALE),),
    cost=Cost.FUNCTION,
)
SOFTSIGN = elementwise(
    "Softsign",
    numpy=lambda x: x / (np.absolute(x) + 1),
    kernel="({0} / (abs({0}) + one({0})))",
    vjp=lambda g, y, x: (g / square(1 + abs(x)),),
    cost=Cost.UNRATED,
)


def relu6(features: Any, name: str | None = None) -> Tensor:
    """Returns min(max(x, 0), 6), elementwise.

    Source: `tf.nn.relu6`.
    """
    return call(RELU6, features, name=name)


def elu(features: Any, name: str | None = None) -> Tensor:
    """Returns x, or exp(x) - 1 where x < 0, elementwise.

    Source: `tf.nn.elu`.
    """
    return call(ELU, features, name=name)


def selu(features: Any, name: str | None = None) -> Tensor:
    """Returns scale * x, or scale * alpha * (exp(x) - 1) where x < 0, elementwise.

    Source: `tf.nn.selu`.
    """
    return call(SELU, features, name=name)


def softsign(features: Any, name: str | None = None) -> Tensor:
    """Returns x / (1 + abs(x)), elementwise.

    Source: `tf.nn.softsign`.
    """
    return call(SOFTSIGN, features, name=name)


def leaky_relu(features: Any, alpha: Any = 0.2, name: str | None = None) -> Tensor:
    """Returns x, or alpha * x where x is negative, elementwise; integers give float32.

    >>> import graphopt as tf
    >>> tf.nn.leaky_relu([-2.0, 3.0], alpha=0.5).numpy().tolist()
    [-1.0, 3.0]

    Source: `tf.nn.leaky_relu`.
    """
    features = hooks.convert(features)
    if features.dtype.is_integer:
        features = cast(features, dtypes.float32)
    return call(LEAKY_RELU, features, alpha, name=name)


def gelu(features: Any, approximate: bool = False, name: str | None = None) -> Tensor:
    """Returns x times the probability that a normal number is below x, elementwise.

    x erfc(-x / sqrt(2)) / 2, or, if `approximate`,
    x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2.

    Raises:
      InvalidArgumentError: `features` are no floats.

    Source: `tf.nn.gelu`; Hendrycks and Gimpel, 2016.
    """
    x = _floats(features, "gelu")
    half = 0.5 * x
    # TensorFlow rounds these two to float32 for every dtype, which shows in float64.
    if approximate:
        cubic = float(np.float32(0.044715)) * (x * x * x)
        return half * (1.0 + tanh(math.sqrt(2 / math.pi) * (x + cubic)))
    # erfc keeps what 1 + erf(x) would lose where x is far below 0.
    return half * erfc(-x * float(np.float32(math.sqrt(0.5))))


def swish(features: Any, beta: Any = 1.0, name: str | None = None) -> Tensor:
    """Returns x * sigmoid(beta * x), elementwise.

    >>> import graphopt as tf
    >>> round(float(tf.nn.silu(1.0)), 4)
    0.7311

    Source: `tf.nn.silu`.
    """
    x = _floats(features, "silu")
    return x * sigmoid(x * beta)


silu = swish


def crelu(features: Any, axis: int = -1, name: str | None = None) -> Tensor:
    """Returns relu(x) and relu(-x), joined along an axis.

    Source: `tf.nn.crelu`.
    """
    x = hooks.convert(features)
    return relu(concat([x, -x], axis), name=name)


def _floats(features: Any, what: str) -> Any:
    x = hooks.convert(features)
    if not x.dtype.is_floating:
        raise fail(
            InvalidArgumentError,
            f"`features.dtype` of {what} must be a floating point tensor",
            got=describe_shapes(x),
            site=str(user_site()),
            remedy="tf.cast",
        )
    return x
