"""Functions for elementwise kernels that the compiler can vectorize.

A call of the C library in a loop keeps the loop scalar: 2 ns an element for exp, 13 for
tanh, when the arithmetic around it takes 0.1. So the functions here are straight lines
of arithmetic, without branches, tables or calls, which LLVM turns into vectors of
whatever width the host has. They are intrinsics for use inside kernels, for float32 and
float64 arguments (two of the same dtype for `pow`). A multiply-add is fused where the
host can do that; nothing else about the arithmetic is left to the compiler.

The methods are the classical ones. Exponentials: x = n ln 2 + r, a polynomial, n added
to the exponent bits. Logarithms: a mantissa around 1 and the series of the inverse
hyperbolic tangent. Sine and cosine of any float32: products with pieces of 1 / (2 pi)
that are exact in double precision, of which those that matter are chosen by size.
Softplus, erfc, sine, cosine and power of float32 are computed in double precision and
rounded once. For float64, erf, erfc, sin, cos and pow are calls of the C library.

NaN, infinities, signed zeros and denormal arguments are treated as C says, except that
results which should be denormal may be 0; under flush-to-zero, which the loop that runs
kernels sets, denormal arguments are zeros too. Largest errors in ulps, over a stride
through all bit patterns and random arguments, and nanoseconds an element on one core of
a shared AVX-512 machine, interleaved (NumPy's float32 functions are within 4 ulps):

                     float32                        float64
                ulps   ns    libm  NumPy      ulps   ns    libm  NumPy
    exp         0.98  0.17   1.9   0.36       0.97  0.52   3.3   0.58
    expm1       1.41  0.18  10.5   0.29       1.82  0.53   9.7   0.77
    log         0.82  0.30   2.0   0.27       0.79  0.71   3.0   0.61
    log1p       0.83  0.35   9.5   0.28       0.79  0.80   8.9   0.63
    tanh        1.31  0.34  13.1   0.18       2.51  0.81  13.4   0.85
    sigmoid     1.50  0.35   2.2   0.57       1.50  0.97   3.6   1.2
    softplus    0.51  1.2   17.5  15          1.65  1.6   19.8  17
    erf         1.02  0.43  13.6   -          library
    erfc        0.58  1.0   11     -          library
    sin, cos    0.51  1.1    7.4   0.43       library, 15
    pow         0.51  1.3    3.5   0.44       library, 9

Each use adds about 5 ms, at most 15, to the compilation of a kernel.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final

from graphopt.codegen.compile.intrinsics import intrinsic
from graphopt.codegen.compile.vectors import (
    FLOAT32,
    FLOAT64,
    Code,
    Value,
    evaluate,
    fma,
    select,
)
from graphopt.codegen.maths.coefficients import (
    ATANH_DOUBLE,
    ATANH_MIDDLE,
    ATANH_SINGLE,
    COS,
    ERF_FAR,
    ERF_NEAR,
    ERFC,
    EXP2,
    EXP_DOUBLE,
    EXP_SINGLE,
    LN2_DOUBLE,
    LN2_SINGLE,
    SIN,
    TANH,
    TURNS,
)

__all__ = ["FUNCTIONS", "call_library"]


def _reduce_exponent(x: Value) -> tuple[Value, Value]:
    """Writes x = n * ln 2 + r; returns n as the lowest bits of a word, and r."""
    high, low = LN2_SINGLE if x.element is FLOAT32 else LN2_DOUBLE
    shifted = fma(x, 1 / math.log(2), x.element.shifter)
    n = shifted - x.element.shifter
    r = fma(n, -high, x)
    return shifted.to_bits(), fma(n, -low, r)


def _add_exponent(x: Value, bits: Value) -> Value:
    """Multiplies a number near 1 by the power of two that the lowest bits say."""
    return x.from_bits(x.to_bits() + (bits << x.element.mantissa_bits))


def _exp(x: Value) -> Value:
    single = x.element is FLOAT32
    bits, r = _reduce_exponent(x)
    q = evaluate(r, EXP_SINGLE if single else EXP_DOUBLE)
    y = _add_exponent(fma(r * r, q, r) + 1.0, bits)
    # The largest argument with a finite result, the smallest with a normal one.
    high, low = (
        (88.72283172607422, -87.33654022216797)
        if single
        else (709.782712893384, -708.3964185322641)
    )
    y = select(x < low, 0.0, y)
    y = select(x > high, math.inf, y)
    return select(x.is_nan(), x, y)


def _expm1(x: Value) -> Value:
    single = x.element is FLOAT32
    high, low = (88.72283172607422, -20.0) if single else (709.782712893384, -50.0)
    inside = select(x < low, low, x)
    bits, r = _reduce_exponent(inside)
    p = fma(r * r, evaluate(r, EXP_SINGLE if single else EXP_DOUBLE), r)
    # Half of 2**n, for 2**n itself may be too large where the result is not.
    half = _add_exponent(p.constant(0.5), bits)
    y = fma(half, p, half - 0.5)
    y = y + y
    y = select(x > high, math.inf, y)
    # Also keeps the sign of zero and what is too small to be scaled.
    return select(abs(x) < 2.0 ** (-26 if single else -55), x, _keep_nan(x, y))


def _keep_nan(x: Value, y: Value) -> Value:
    return select(x.is_nan(), x, y)


def _split(x: Value) -> tuple[Value, Value]:
    """Writes a positive normal x as 2**k * m, m within sqrt(1/2) and sqrt(2)."""
    element = x.element
    places = element.mantissa_bits
    root = element.encode(math.sqrt(0.5))
    moved = (x.to_bits() + (element.encode(1.0) - root)).as_unsigned()
    m = x.from_bits((moved & (2**places - 1)) + root)
    # An integer in the lowest places of 2**places is that much added to it.
    base = 2.0**places
    k = x.from_bits((moved >> places) | element.encode(base))
    return k - (base + element.bias), m


def _log_one_plus(
    f: Value, k: Value, correction: Value | None, coefficients: tuple[float, ...]
) -> Value:
    """Computes k * ln 2 + log(1 + f) for small f, a correction added to f."""
    high, low = LN2_SINGLE if f.element is FLOAT32 else LN2_DOUBLE
    s = f / (f + 2.0)
    z = s * s
    half = f * f * 0.5
    tail = s * fma(z, evaluate(z, coefficients), half)
    tail = fma(k, low, tail)
    if correction is not None:
        tail = tail + correction
    return fma(k, high, f - (half - tail))


def _log(x: Value) -> Value:
    single = x.element is FLOAT32
    lift = 24.0 if single else 54.0
    is_small = x < x.element.smallest
    k, m = _split(select(is_small, x * 2.0**lift, x))
    k = select(is_small, k - lift, k)
    coefficients = ATANH_SINGLE if single else ATANH_DOUBLE
    y = _log_one_plus(m - 1.0, k, None, coefficients)
    y = select(x < 0.0, math.nan, y)
    y = select(x.equals(0.0), -math.inf, y)
    return _keep_nan(x, select(x.equals(math.inf), x, y))


def _log1p(x: Value) -> Value:
    single = x.element is FLOAT32
    u = x + 1.0
    k, m = _split(u)
    is_near = k.equals(0.0)
    f = select(is_near, x, m - 1.0)
    # What rounding 1 + x has lost, where it has lost anything.
    lost = select(x > 1.0, 1.0 - (u - x), x - (u - 1.0)) / u
    lost = select(is_near, 0.0, lost)
    y = _log_one_plus(f, k, lost, ATANH_SINGLE if single else ATANH_DOUBLE)
    y = select(x < -1.0, math.nan, y)
    y = select(x.equals(-1.0), -math.inf, y)
    y = select(x.equals(math.inf), x, y)
    return select(abs(x) < 2.0 ** (-26 if single else -55), x, _keep_nan(x, y))


def _tanh(x: Value) -> Value:
    a = abs(x)
    if x.element is FLOAT64:
        e = _expm1(select(a > 30.0, 60.0, a + a))
        y = e / (e + 2.0)
    else:
        s = x * x
        near = fma(a * s, evaluate(s, TANH), a)
        # Beyond 9 the result is 1 and the exponential must not overflow.
        e = _exp(select(a > 10.0, 20.0, a + a))
        y = select(a < 0.625, near, 1.0 - 2.0 / (e + 1.0))
    return _keep_nan(x, y.call("copysign", x))


def _sigmoid(x: Value) -> Value:
    single = x.element is FLOAT32
    low = -87.33654022216797 if single else -708.3964185322641
    # exp(-x) in two parts: its rounding alone could cost two ulps of the quotient,
    # which are won back by one step of Newton's method.
    bounded = select(x < low, low, select(x > -low, -low, x))
    bits, r = _reduce_exponent(-bounded)
    t = fma(r * r, evaluate(r, EXP_SINGLE if single else EXP_DOUBLE), r)
    main = t + 1.0
    scale = _add_exponent(x.constant(1.0), bits)
    whole = main * scale
    divisor = whole + 1.0
    lost = fma(t - (main - 1.0), scale, 1.0 - (divisor - whole))
    y = 1.0 / divisor
    y = select(x < low, 0.0, fma(-y, y * lost, y))
    return _keep_nan(x, y)


def _softplus(x: Value) -> Value:
    # max(x, 0) + log(1 + e), e = exp(-abs(x)) <= 1. In single precision the errors of
    # two functions would add up to more than two ulps, so they are computed in double,
    # with the shorter polynomials.
    single = x.element is FLOAT32
    wide = x.to(FLOAT64) if single else x
    a, lowest = abs(wide), 708.3964185322641
    bits, r = _reduce_exponent(-select(a > lowest, lowest, a))
    q = evaluate(r, EXP_SINGLE if single else EXP_DOUBLE)
    e = _add_exponent(fma(r * r, q, r) + 1.0, bits)
    # 1 + e is never formed: e itself, or half of it, is the small number wanted.
    is_large = e > math.sqrt(2) - 1
    f = select(is_large, (e - 1.0) * 0.5, e)
    k = select(is_large, 1.0, wide.constant(0.0))
    y = _log_one_plus(f, k, None, ATANH_MIDDLE if single else ATANH_DOUBLE)
    y = y + select(wide > 0.0, wide, wide.constant(0.0))
    y = select(wide < -lowest, 0.0, y)
    y = _keep_nan(wide, y)
    return y.to(FLOAT32) if single else y


def _erf(x: Value) -> Value:
    a, s = abs(x), x * x
    near = fma(evaluate(s, ERF_NEAR), a, a)
    bounded = select(a > 4.0, 4.0, a)
    far = fma(evaluate(bounded, ERF_FAR), bounded, -bounded)
    y = select(a > 0.927734375, 1.0 - _exp(far), near)
    return _keep_nan(x, y.call("copysign", x))


def _erfc(x: Value) -> Value:
    wide = abs(x).to(FLOAT64)
    # Beyond 10.2 the result is 0.
    a = select(wide > 10.2, 10.2, wide)
    q = (a - 2.5) / (a + 2.5)
    y = _exp(-a * a) * evaluate(q, ERFC) / fma(a, 2.0, 1.0)
    y = select(wide > 10.2, 0.0, y)
    y = select(x < 0.0, 2.0 - y, y).to(FLOAT32)
    return select(x.is_nan(), x, y)


def _pow(x: Value, y: Value) -> Value:
    base, power = abs(x).to(FLOAT64), y.to(FLOAT64)
    k, m = _split(base)
    f = m - 1.0
    logarithm = fma(
        _log_one_plus(f, k.constant(0.0), None, ATANH_MIDDLE), 1 / math.log(2), k
    )
    logarithm = select(base.equals(0.0), -math.inf, logarithm)
    logarithm = select(base.equals(math.inf), math.inf, logarithm)
    t = logarithm * power
    t = select(t > 300.0, 300.0, t)
    t = select(t < -300.0, -300.0, t)
    shifted = t + FLOAT64.shifter
    r = t - (shifted - FLOAT64.shifter)
    z = _add_exponent(evaluate(r, EXP2), shifted.to_bits()).to(FLOAT32)

    is_integer = y.round().equals(y)
    half = y * 0.5
    is_odd = is_integer & ~half.round().equals(half)
    # The sign bit, not a comparison: -0.0 has one as well.
    z = select(is_odd & (x.to_bits() < 0), -z, z)
    z = select((x < 0.0) & ~is_integer & (x > -math.inf), math.nan, z)
    z = select(x.is_nan(), x, z)
    z = select(y.is_nan(), y, z)
    is_unit = abs(x).equals(1.0) & abs(y).equals(math.inf)
    is_one = x.equals(1.0) | y.equals(0.0)
    return select(is_unit | is_one, 1.0, z)


def _sin_cos(x: Value, quarter: int) -> Value:
    """Computes the sine a number of quarter turns later."""
    wide = x.to(FLOAT64)
    # Four pieces are enough once those are left out that give whole turns.
    a = abs(wide)
    is_beyond = [a > 2.0**54, a > 2.0**83, a > 2.0**112]
    parts = []
    for first in range(4):
        piece = wide.constant(TURNS[first])
        for step, beyond in enumerate(is_beyond, 1):
            piece = select(beyond, TURNS[first + step], piece)
        parts.append(wide * piece)
    # Whole quarters are taken from the large parts before these are added, so that what
    # cancels near a multiple of a quarter cancels exactly.
    f, quarters = wide.constant(0.0), wide.constant(0.0)
    for part in parts[:2]:
        turns = part - part.round()
        whole = (turns * 4.0).round()
        quarters, f = quarters + whole, f + fma(turns, 4.0, -whole)
    for part in parts[2:]:
        f = fma(part, 4.0, f)
    whole = f.round()
    f = f - whole
    shifted = quarters + whole + FLOAT64.shifter
    square = f * f
    bits = shifted.to_bits() + quarter
    is_odd, is_minus = (bits & 1).equals(1), (bits & 2).equals(2)
    y = select(is_odd, evaluate(square, COS), f * evaluate(square, SIN))
    y = select(is_minus, -y, y).to(FLOAT32)
    return y if quarter else select(x.equals(0.0), x, y)


def _sin(x: Value) -> Value:
    return _sin_cos(x, 0)


def _cos(x: Value) -> Value:
    return _sin_cos(x, 1)


def call_library(name: str, *operands: Value) -> Value:
    """Calls a function of the C library, which takes and returns float64."""
    first, kind = operands[0], FLOAT64.scalar
    raw = first.code.call(name, kind, *(each.to(FLOAT64).raw for each in operands))
    return Value(first.code, raw, FLOAT64).to(first.element)


def _publish(name: str, compute: Callable[..., Value], has_double: bool = True) -> Any:
    """Makes the intrinsic of a function.

    Args:
      name: Its name, also in the C library.
      compute: Writes it.
      has_double: Whether it does so for float64, too.
    """

    def write(code: Code, *operands: Value) -> Value:
        if operands[0].element is FLOAT64 and not has_double:
            return call_library(name, *operands)
        return compute(*operands)

    two = ", y: real" if compute is _pow else ""
    return intrinsic(f"x: real{two} -> real", name)(write)


FUNCTIONS: Final[dict[str, Any]] = {
    "exp": _publish("exp", _exp),
    "expm1": _publish("expm1", _expm1),
    "log": _publish("log", _log),
    "log1p": _publish("log1p", _log1p),
    "tanh": _publish("tanh", _tanh),
    "sigmoid": _publish("sigmoid", _sigmoid),
    "softplus": _publish("softplus", _softplus),
    "erf": _publish("erf", _erf, has_double=False),
    "erfc": _publish("erfc", _erfc, has_double=False),
    "sin": _publish("sin", _sin, has_double=False),
    "cos": _publish("cos", _cos, has_double=False),
    "pow": _publish("pow", _pow, has_double=False),
}
"""Functions for kernels, of float32 and of float64."""
