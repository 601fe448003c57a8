"""Special functions for kernels: calls of the C library, and series it does not have.

They work on one number in double precision, and float32 results are rounded once. What
has no entry in the C library (erfinv, digamma, zeta, polygamma) takes the same steps as
its NumPy counterpart in `ops.special_values`, which explains them.
"""

from __future__ import annotations

import math
from typing import Any, Final

from graphopt.codegen.compile.intrinsics import inline, intrinsic
from graphopt.codegen.compile.vectors import FLOAT64, Code, Value
from graphopt.codegen.maths.vector_math import call_library
from graphopt.ops.special_values import (
    DIGAMMA,
    ERFINV_NEAR,
    FAR,
    LOWEST,
    MACLAURIN,
)

__all__ = ["FUNCTIONS", "from_library"]

_LIBRARY: Final = (
    *("tan", "asin", "acos", "atan", "sinh", "cosh", "asinh", "acosh", "atanh"),
    *("erf", "erfc", "lgamma", "tgamma"),
)


def from_library(name: str, count: int = 1) -> Any:
    """Makes the intrinsic that calls a function of the C library."""

    def write(code: Code, *operands: Value) -> Value:
        return call_library(name, *operands)

    two = ", y: real" if count == 2 else ""
    return intrinsic(f"x: real{two} -> real", name)(write)


_calls = {name: from_library(name) for name in _LIBRARY}
_erf, _erfc, _tgamma = _calls["erf"], _calls["erfc"], _calls["tgamma"]


def _polynomial(*coefficients: float) -> Any:
    """Makes the intrinsic that evaluates a polynomial, in the steps of np.polyval."""

    def polynomial(code: Code, x: Value) -> Value:
        total = x.constant(0.0)
        for coefficient in coefficients:
            total = total * x + coefficient
        return total

    return intrinsic("x: float64 -> float64")(polynomial)


@intrinsic("k: word -> float64")
def _maclaurin(code: Code, k: Value) -> Value:
    """Reads one of the constants, unchecked.

    A loop over a tuple checks its index, which not every version of LLVM sees through.
    """
    return code.table("maclaurin", FLOAT64, MACLAURIN).at(k).load()


_evaluate_near: Any = _polynomial(*ERFINV_NEAR)
_evaluate_bernoulli: Any = _polynomial(*DIGAMMA[::-1])


def _erfinv(x: Any) -> Any:
    y = float(x)
    a = abs(y)
    if not a < 1.0:
        return y * math.inf if a == 1.0 else math.nan
    w = -math.log1p(-a * a)
    if w < 5.0:
        y = _evaluate_near(w - 2.5) * a
    else:
        tail = w + math.log(2.0)
        y = math.sqrt(tail - 0.5 * math.log(math.pi * tail))
    for _ in range(3):
        rest = _erf(y) - a if a < 0.5 else (1.0 - a) - _erfc(y)
        step = rest * (0.5 * math.sqrt(math.pi)) * math.exp(y * y)
        y = y - step / (1.0 + y * step)
    return math.copysign(y, float(x))


# Below -2 ** 52 every number is whole. (`math.floor` gives an integer here, and none holds
# -1e300.)
ALL_WHOLE = -4503599627370496.0


def _digamma(x: Any) -> Any:
    w = float(x)
    if w == math.inf:
        return math.inf
    reflected = 0.0
    if w <= 0.0:
        if w < ALL_WHOLE or w == math.floor(w):
            return math.nan
        whole = float(round(w))
        reflected = math.pi / math.tan(math.pi * (w - whole))
        w = 1.0 - w
    total = 0.0
    while w < FAR:
        total = total - 1.0 / w
        w = w + 1.0
    z = 1.0 / (w * w)
    y = total + (math.log(w) - 0.5 / w - z * _evaluate_bernoulli(z))
    return y - reflected


def _zeta(x: Any, q: Any) -> Any:
    s, w = float(x), float(q)
    if s == 1.0:
        return math.inf
    if not s > 1.0 or w != w:
        return math.nan
    if w == math.inf:
        return 0.0
    if s == math.inf:
        return 0.0 if w > 1.0 else (1.0 if w == 1.0 else math.inf)
    if w <= 0.0:
        if w < ALL_WHOLE or w == math.floor(w):
            return math.inf
        if s != math.floor(s):
            return math.nan
    if w < LOWEST:
        part = w - math.floor(w)
        both = _jit_zeta_above(s, 1.0 - part) - _jit_zeta_above(s, 1.0 - w)
        return _jit_zeta_above(s, part) + (-both if s % 2.0 == 1.0 else both)
    return _jit_zeta_above(s, w)


def _zeta_above(s: Any, w: Any) -> Any:
    total = w**-s
    count = 0
    while w <= FAR or count < 9:
        w = w + 1.0
        total = total + w**-s
        count += 1
    last = w**-s
    total = total + last * w / (s - 1.0) - 0.5 * last
    factor = s * last / w
    for k in range(len(MACLAURIN)):
        total = total + _maclaurin(k) * factor
        factor = factor * (s + 2.0 * k + 1.0) * (s + 2.0 * k + 2.0) / (w * w)
    return total


_jit_digamma: Any = inline(_digamma)
_jit_zeta_above: Any = inline(_zeta_above)
_jit_zeta: Any = inline(_zeta)


def _polygamma(a: Any, x: Any) -> Any:
    order = float(a)
    if order != math.floor(order) or order < 0.0 or order > 170.0:
        return math.nan
    if order == 0.0:
        return _jit_digamma(x)
    sign = 1.0 if order % 2.0 == 1.0 else -1.0
    return sign * _tgamma(order + 1.0) * _jit_zeta(order + 1.0, x)


FUNCTIONS: dict[str, Any] = {
    **{name: _calls[name] for name in _calls if name not in ("erf", "erfc", "tgamma")},
    "atan2": from_library("atan2", 2),
    "erfinv": inline(_erfinv),
    "digamma": _jit_digamma,
    "zeta": _jit_zeta,
    "polygamma": inline(_polygamma),
}
