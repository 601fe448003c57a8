"""Trigonometric and hyperbolic functions and their inverses."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphopt.dtypes import FLOATING
from graphopt.graph.dispatch import call
from graphopt.graph.opspec import Cost
from graphopt.graph.tensor import Tensor
from graphopt.ops.elementwise import cos, reciprocal, sqrt, square
from graphopt.ops.elementwise_specs import binary, elementwise


def _tan_vjp(g: Any, y: Any, x: Any) -> tuple[Any]:
    return (g * square(reciprocal(cos(x))),)


def _atan2_vjp(g: Any, z: Any, y: Any, x: Any) -> tuple[Any, Any]:
    scaled = g / (square(x) + square(y))
    return x * scaled, -y * scaled


TAN = elementwise(
    "Tan",
    numpy=np.tan,
    kernel="tan({0})",
    vjp=_tan_vjp,
    domain=(-1.2, 1.2),
    complex=True,
    cost=Cost.FUNCTION,
)
ASIN = elementwise(
    "Asin",
    numpy=np.arcsin,
    kernel="asin({0})",
    vjp=lambda g, y, x: (g * reciprocal(sqrt(1 - square(x))),),
    domain=(-0.9, 0.9),
    complex=True,
    cost=Cost.FUNCTION,
)
ACOS = elementwise(
    "Acos",
    numpy=np.arccos,
    kernel="acos({0})",
    vjp=lambda g, y, x: (-g * reciprocal(sqrt(1 - square(x))),),
    domain=(-0.9, 0.9),
    complex=True,
    cost=Cost.FUNCTION,
)
ATAN = elementwise(
    "Atan",
    numpy=np.arctan,
    kernel="atan({0})",
    vjp=lambda g, y, x: (g * reciprocal(1 + square(x)),),
    complex=True,
    cost=Cost.FUNCTION,
)
ATAN2 = binary(
    "Atan2",
    "atan2({0}, {1})",
    np.arctan2,
    _atan2_vjp,
    over=FLOATING,
    domain=(0.3, 2.0),
    cost=Cost.FUNCTION,
)
SINH = elementwise(
    "Sinh",
    numpy=np.sinh,
    kernel="sinh({0})",
    vjp=lambda g, y, x: (g * cosh(x),),
    complex=True,
    cost=Cost.FUNCTION,
)
COSH = elementwise(
    "Cosh",
    numpy=np.cosh,
    kernel="cosh({0})",
    vjp=lambda g, y, x: (g * sinh(x),),
    complex=True,
    cost=Cost.FUNCTION,
)
# The derivatives of the inverses are written with y, which stays exact where x * x
# has lost the 1 next to it.
ASINH = elementwise(
    "Asinh",
    numpy=np.arcsinh,
    kernel="asinh({0})",
    vjp=lambda g, y, x: (g / cosh(y),),
    complex=True,
    cost=Cost.FUNCTION,
)
ACOSH = elementwise(
    "Acosh",
    numpy=np.arccosh,
    kernel="acosh({0})",
    vjp=lambda g, y, x: (g / sinh(y),),
    domain=(1.3, 4.0),
    complex=True,
    cost=Cost.FUNCTION,
)
ATANH = elementwise(
    "Atanh",
    numpy=np.arctanh,
    kernel="atanh({0})",
    vjp=lambda g, y, x: (g * reciprocal(1 - square(x)),),
    domain=(-0.8, 0.8),
    complex=True,
    cost=Cost.FUNCTION,
)


def tan(x: Any, name: str | None = None) -> Tensor:
    """Returns the tangent of x in radians, elementwise.

    Source: `tf.math.tan`.
    """
    return call(TAN, x, name=name)


def asin(x: Any, name: str | None = None) -> Tensor:
    """Returns the angle in [-pi/2, pi/2] whose sine is x, elementwise.

    Source: `tf.math.asin`.
    """
    return call(ASIN, x, name=name)


def acos(x: Any, name: str | None = None) -> Tensor:
    """Returns the angle in [0, pi] whose cosine is x, elementwise.

    Source: `tf.math.acos`.
    """
    return call(ACOS, x, name=name)


def atan(x: Any, name: str | None = None) -> Tensor:
    """Returns the angle in (-pi/2, pi/2) whose tangent is x, elementwise.

    Source: `tf.math.atan`.
    """
    return call(ATAN, x, name=name)


def sinh(x: Any, name: str | None = None) -> Tensor:
    """Returns the hyperbolic sine, elementwise.

    Source: `tf.math.sinh`.
    """
    return call(SINH, x, name=name)


def cosh(x: Any, name: str | None = None) -> Tensor:
    """Returns the hyperbolic cosine, elementwise.

    Source: `tf.math.cosh`.
    """
    return call(COSH, x, name=name)


def asinh(x: Any, name: str | None = None) -> Tensor:
    """Returns the inverse of the hyperbolic sine, elementwise.

    Source: `tf.math.asinh`.
    """
    return call(ASINH, x, name=name)


def acosh(x: Any, name: str | None = None) -> Tensor:
    """Returns the inverse of the hyperbolic cosine, NaN below 1, elementwise.

    Source: `tf.math.acosh`.
    """
    return call(ACOSH, x, name=name)


def atanh(x: Any, name: str | None = None) -> Tensor:
    """Returns the inverse of the hyperbolic tangent, NaN beyond -1 and 1, elementwise.

    Source: `tf.math.atanh`.
    """
    return call(ATANH, x, name=name)


def atan2(y: Any, x: Any, name: str | None = None) -> Tensor:
    """Returns the angle from the x axis to the point (x, y), in [-pi, pi], elementwise.

    >>> import graphopt as tf
    >>> [round(a, 4) for a in tf.atan2([1.0, -1.0], [1.0, 0.0]).numpy().tolist()]
    [0.7854, -1.5708]

    Source: `tf.math.atan2`.
    """
    return call(ATAN2, y, x, name=name)
