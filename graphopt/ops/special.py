"""Special functions, and products and quotients in which a zero wins over NaN."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from graphopt.dtypes import FLOATING
from graphopt.graph.dispatch import call
from graphopt.graph.hooks import hooks
from graphopt.graph.opspec import Cost, Sample
from graphopt.graph.tensor import Tensor
from graphopt.ops import special_values as values
from graphopt.ops.creation import ones_like
from graphopt.ops.elementwise import (
    cast,
    exp,
    logical_and,
    logical_not,
    logical_or,
    negative,
    not_equal,
    softplus,
    square,
)
from graphopt.ops.elementwise_specs import binary, elementwise

ERFC = elementwise(
    "Erfc",
    numpy=values.erfc,
    kernel="erfc({0})",
    vjp=lambda g, y, x: (g * (-2 / math.sqrt(math.pi)) * exp(-square(x)),),
    cost=Cost.FUNCTION,
)
ERFINV = elementwise(
    "Erfinv",
    numpy=values.erfinv,
    kernel="erfinv({0})",
    vjp=lambda g, y, x: (g * (math.sqrt(math.pi) / 2) * exp(square(y)),),
    domain=(-0.9, 0.9),
    cost=Cost.FUNCTION,
    near_zero_ulps=64,
)
LGAMMA = elementwise(
    "Lgamma",
    numpy=values.lgamma,
    kernel="lgamma({0})",
    vjp=lambda g, y, x: (g * digamma(x),),
    domain=(0.3, 12.0),
    cost=Cost.FUNCTION,
    near_zero_ulps=64,
)
DIGAMMA = elementwise(
    "Digamma",
    numpy=values.digamma,
    kernel="digamma({0})",
    vjp=lambda g, y, x: (g * polygamma(ones_like(x), x),),
    domain=(2.0, 12.0),
    cost=Cost.FUNCTION,
    near_zero_ulps=64,
)


def _zeta_vjp(g: Any, z: Any, x: Any, q: Any) -> tuple[Any, Any]:
    # The derivative by x has no name in any library; TensorFlow has none either.
    return None, g * -x * zeta(x + 1, q)


ZETA = binary(
    "Zeta",
    "zeta({0}, {1})",
    values.zeta,
    _zeta_vjp,
    over=FLOATING,
    samples=lambda: [
        Sample(
            (
                np.array([2.0, 3.5, 1.0], np.float32),
                np.array([1.0, 0.5, 2.0], np.float32),
            )
        ),
        Sample((np.array([2.0, 3.0, 0.5]), np.array([-1.5, 0.0, 2.0]))),
    ],
    cost=Cost.FUNCTION,
    near_zero_ulps=64,
)
POLYGAMMA = binary(
    "Polygamma",
    "polygamma({0}, {1})",
    values.polygamma,
    lambda g, z, a, x: (None, g * polygamma(a + 1, x)),
    over=FLOATING,
    samples=lambda: [
        Sample(
            (np.array([0, 1, 3], np.float32), np.array([1.0, 0.5, 2.5], np.float32))
        ),
        Sample((np.array([1.0, 2.0, 0.5]), np.array([-1.5, 3.0, 2.0]))),
    ],
    cost=Cost.FUNCTION,
    near_zero_ulps=64,
)


# ---- a zero wins over whatever it is multiplied with


def _zero_wins(function: Any, winner: int) -> Callable[[Any, Any], Any]:
    def compute(x: Any, y: Any) -> Any:
        x, y = np.broadcast_arrays(x, y)
        return np.where((x, y)[winner] == 0, x.dtype.type(0), function(x, y))

    return compute


def _xlogy_vjp(g: Any, z: Any, x: Any, y: Any) -> tuple[Any, Any]:
    not_zero = cast(not_equal(x, 0), x.dtype)
    return g * xlogy(not_zero, y), g * xdivy(x, y)


def _xlog1py_vjp(g: Any, z: Any, x: Any, y: Any) -> tuple[Any, Any]:
    not_zero = cast(not_equal(x, 0), x.dtype)
    return g * xlog1py(not_zero, y), g * xdivy(x, y + 1)


def _xdivy_vjp(g: Any, z: Any, x: Any, y: Any) -> tuple[Any, Any]:
    not_zero = cast(not_equal(x, 0), x.dtype)
    return g * xdivy(not_zero, y), g * xdivy(negative(x), square(y))


def _divide_no_nan_vjp(g: Any, z: Any, x: Any, y: Any) -> tuple[Any, Any]:
    by_y = divide_no_nan(divide_no_nan(negative(x), y), y)
    return divide_no_nan(g, y), g * by_y


def _no_nan(
    name: str,
    expression: str,
    winner: int,
    function: Any,
    vjp: Any,
    cost: Cost = Cost.UNRATED,
    **options: Any,
) -> Any:
    kernel = f"select({{{winner}}} == zero({{{winner}}}), zero({{0}}), {expression})"
    return binary(
        name,
        kernel,
        _zero_wins(function, winner),
        vjp,
        over=FLOATING,
        domain=(0.4, 2.0),
        cost=cost,
        **options,
    )


XLOGY = _no_nan("Xlogy", "{0} * log({1})", 0, lambda x, y: x * np.log(y), _xlogy_vjp)
XLOG1PY = _no_nan(
    "Xlog1py", "{0} * log1p({1})", 0, lambda x, y: x * np.log1p(y), _xlog1py_vjp
)
XDIVY = _no_nan("Xdivy", "{0} / {1}", 0, np.true_divide, _xdivy_vjp)
MUL_NO_NAN = _no_nan(
    "MulNoNan",
    "{0} * {1}",
    1,
    np.multiply,
    lambda g, z, x, y: (multiply_no_nan(g, y), multiply_no_nan(x, g)),
    complex=True,
)
DIV_NO_NAN = _no_nan("DivNoNan", "{0} / {1}", 1, np.true_divide, _divide_no_nan_vjp)


# ---- public functions


def erfc(x: Any, name: str | None = None) -> Tensor:
    """Returns 1 - erf(x), exact where erf is nearly 1, elementwise.

    Source: `tf.math.erfc`.
    """
    return call(ERFC, x, name=name)


def erfinv(x: Any, name: str | None = None) -> Tensor:
    """Returns the y for which erf(y) is x, elementwise.

    Source: `tf.math.erfinv`.
    """
    return call(ERFINV, x, name=name)


def lgamma(x: Any, name: str | None = None) -> Tensor:
    """Returns the logarithm of abs(gamma(x)), elementwise.

    Source: `tf.math.lgamma`.
    """
    return call(LGAMMA, x, name=name)


def digamma(x: Any, name: str | None = None) -> Tensor:
    """Returns the derivative of lgamma, elementwise.

    Source: `tf.math.digamma`.
    """
    return call(DIGAMMA, x, name=name)


def xlogy(x: Any, y: Any, name: str | None = None) -> Tensor:
    """Returns x * log(y), or 0 where x is 0, elementwise.

    Source: `tf.math.xlogy`.
    """
    return call(XLOGY, x, y, name=name)


def xlog1py(x: Any, y: Any, name: str | None = None) -> Tensor:
    """Returns x * log(1 + y), or 0 where x is 0, elementwise.

    Source: `tf.math.xlog1py`.
    """
    return call(XLOG1PY, x, y, name=name)


def xdivy(x: Any, y: Any, name: str | None = None) -> Tensor:
    """Returns x / y, or 0 where x is 0, elementwise.

    Source: `tf.math.xdivy`.
    """
    return call(XDIVY, x, y, name=name)


def multiply_no_nan(x: Any, y: Any, name: str | None = None) -> Tensor:
    """Returns x * y, or 0 where y is 0, elementwise.

    Source: `tf.math.multiply_no_nan`.
    """
    return call(MUL_NO_NAN, x, y, name=name)


def divide_no_nan(x: Any, y: Any, name: str | None = None) -> Tensor:
    """Returns x / y, or 0 where y is 0, elementwise.

    Source: `tf.math.divide_no_nan`.
    """
    return call(DIV_NO_NAN, x, y, name=name)


def zeta(x: Any, q: Any, name: str | None = None) -> Tensor:
    """Returns the sum of (q + n) ** -x over n = 0, 1, 2, ..., elementwise.

    >>> import graphopt as tf
    >>> round(float(tf.math.zeta(2.0, 1.0)), 4)
    1.6449

    Source: `tf.math.zeta`.
    """
    return call(ZETA, x, q, name=name)


def polygamma(a: Any, x: Any, name: str | None = None) -> Tensor:
    """Returns the derivative of order a (a whole number) of digamma, elementwise.

    Source: `tf.math.polygamma`.
    """
    return call(POLYGAMMA, a, x, name=name)


def reciprocal_no_nan(x: Any, name: str | None = None) -> Tensor:
    """Returns 1 / x, or 0 where x is 0, elementwise.

    Source: `tf.math.reciprocal_no_nan`.
    """
    x = hooks.convert(x)
    return call(DIV_NO_NAN, ones_like(x), x, name=name)


def log_sigmoid(x: Any, name: str | None = None) -> Tensor:
    """Returns the logarithm of sigmoid(x), which is -softplus(-x), elementwise.

    Source: `tf.math.log_sigmoid`.
    """
    return negative(softplus(negative(x)), name=name)


def rint(x: Any, name: str | None = None) -> Tensor:
    """Returns the nearest integer, halves to even, elementwise.

    >>> import graphopt as tf
    >>> tf.math.rint([0.5, 1.5, -1.7]).numpy().tolist()
    [0.0, 2.0, -2.0]

    Source: `tf.math.rint`.
    """
    return call(RINT, x, name=name)


RINT = elementwise(
    "Rint",
    numpy=np.rint,
    kernel="round({0})",
    vjp=lambda g, y, x: (None,),
    cost=Cost.UNRATED,
)


def logical_xor(x: Any, y: Any, name: str | None = "LogicalXor") -> Tensor:
    """Returns whether one of x and y is true and the other is not, elementwise.

    Source: `tf.math.logical_xor`.
    """
    return logical_and(logical_or(x, y), logical_not(logical_and(x, y)), name=name)
