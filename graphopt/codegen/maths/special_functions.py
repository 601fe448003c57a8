"""Special functions for kernels: calls of the C library, and series it does not have.

They work on one number in double precision, and float32 results are rounded once. What
has no entry in the C library (erfinv, digamma, zeta, polygamma) takes the same steps as
its NumPy counterpart in `ops.special_values`, which explains them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numba.core.cgutils
from llvmlite import ir

from graphopt.codegen.compile.native import make_intrinsic, types
from graphopt.codegen.compile.target import make_flags
from graphopt.codegen.maths.lane import DOUBLE, SINGLE, Number
from graphopt.codegen.maths.vector_math import _call_library
from graphopt.ops.special_values import (
    DIGAMMA,
    ERFINV_NEAR,
    FAR,
    LOWEST,
    MACLAURIN,
)

__all__ = ["FUNCTIONS", "from_library"]

cgutils: Any = numba.core.cgutils

_LIBRARY = {
    "tan": 1,
    "asin": 1,
    "acos": 1,
    "atan": 1,
    "atan2": 2,
    "sinh": 1,
    "cosh": 1,
    "asinh": 1,
    "acosh": 1,
    "atanh": 1,
    "erf": 1,
    "erfc": 1,
    "lgamma": 1,
    "tgamma": 1,
}


def from_library(name: str, count: int) -> Any:
    """Makes the intrinsic that calls a function of the C library."""

    def call(form: Any, builder: Any, values: Any) -> Any:
        numbers = [Number(builder, form, value, False) for value in values]
        if form is DOUBLE:
            return _call_library(builder, name, *values)
        wide = [number.to_double().value for number in numbers]
        result = Number(builder, DOUBLE, _call_library(builder, name, *wide), False)
        return result.to_single().value

    def define(operands: tuple[Any, ...]) -> Any:
        single = all(operand == types.float32 for operand in operands)
        result = types.float32 if single else types.float64
        form = SINGLE if single else DOUBLE

        def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            return call(form, builder, values)

        return result(*[result] * count), generate

    if count == 1:

        def one(typing_context: Any, x: Any) -> Any:
            return define((x,))

        function: Any = one
    else:

        def two(typing_context: Any, x: Any, y: Any) -> Any:
            return define((x, y))

        function = two
    function.__name__ = name
    function.__doc__ = f"Call `{name}` of the C library."
    return make_intrinsic(function)


def _jit(function: Any) -> Any:
    """Makes what kernels call of a function in Python, for one number or two.

    It is compiled into each kernel that calls it.
    """

    def define(operands: tuple[Any, ...]) -> Any:
        kinds = [
            types.float64 if isinstance(operand, types.Number) else operand
            for operand in operands
        ]

        def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            made = context.compile_subroutine(
                builder, function, signature, flags=make_flags()
            )
            return context.call_internal(builder, made.fndesc, signature, values)

        return types.float64(*kinds), generate

    def one(typing_context: Any, x: Any) -> Any:
        return define((x,))

    def two(typing_context: Any, x: Any, y: Any) -> Any:
        return define((x, y))

    made: Any = one if function.__code__.co_argcount == 1 else two
    made.__name__ = function.__name__
    return make_intrinsic(made)


_calls = {name: from_library(name, count) for name, count in _LIBRARY.items()}
_erf, _erfc, _tgamma = _calls["erf"], _calls["erfc"], _calls["tgamma"]


def _polynomial(coefficients: Sequence[float]) -> Any:
    """Makes the intrinsic that evaluates a polynomial, in the steps of np.polyval."""

    def polynomial(typing_context: Any, x: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            number = Number(builder, DOUBLE, values[0], False)
            total = number.constant(0.0)
            for coefficient in coefficients:
                total = total * number + coefficient
            return total.value

        return types.float64(types.float64), generate

    return make_intrinsic(polynomial)


def _table(numbers: Sequence[float]) -> Any:
    """Makes the intrinsic that reads one of some constants, unchecked.

    A loop over a tuple checks its index, which not every version of LLVM sees through.
    """

    def look_up(typing_context: Any, k: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            kind = ir.ArrayType(ir.DoubleType(), len(numbers))
            constants = cgutils.global_constant(
                builder, "table", ir.Constant(kind, list(numbers))
            )
            return builder.load(builder.gep(constants, [ir.IntType(64)(0), values[0]]))

        return types.float64(types.int64), generate

    return make_intrinsic(look_up)


_evaluate_near: Any = _polynomial(ERFINV_NEAR)
_evaluate_bernoulli: Any = _polynomial(DIGAMMA[::-1])
_maclaurin: Any = _table(MACLAURIN)


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


_jit_digamma: Any = _jit(_digamma)
_jit_zeta_above: Any = _jit(_zeta_above)
_jit_zeta: Any = _jit(_zeta)


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
    "erfinv": _jit(_erfinv),
    "digamma": _jit_digamma,
    "zeta": _jit_zeta,
    "polygamma": _jit(_polygamma),
}
