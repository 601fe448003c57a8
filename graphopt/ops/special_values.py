"""Special functions in NumPy: what the ops of `special` compute in eager mode.

All take and give float64. The methods are the textbook ones: an argument is moved by a
recurrence to where a short series is exact to the last bits, and arguments below zero
are mapped to positive ones by the reflection formula. `codegen.maths.special_functions` has
the same steps for one number at a time.
"""

from __future__ import annotations

import itertools
import math
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

# zeta(k) - 1 for k from 2: the terms of log(gamma(2 + z)), which halve twice a step
# for abs(z) <= 1/2.
_LAST = 200
ZETA_MINUS_ONE: Final = tuple(
    math.fsum(n**-k for n in range(2, _LAST))
    + _LAST ** (1 - k) / (k - 1)
    + 0.5 * _LAST**-k
    + k / 12 * _LAST ** (-k - 1)
    - k * (k + 1) * (k + 2) / 720 * _LAST ** (-k - 3)
    for k in range(2, 31)
)
EULER: Final = 0.57721566490153286061
# B(2k) / (2k), B being the numbers of Bernoulli: the asymptotic series of digamma.
DIGAMMA: Final = (
    1 / 12,
    -1 / 120,
    1 / 252,
    -1 / 240,
    1 / 132,
    -691 / 32760,
    1 / 12,
)
# B(2k) / (2k (2k - 1)): that of the logarithm of gamma.
STIRLING: Final = (
    1 / 12,
    -1 / 360,
    1 / 1260,
    -1 / 1680,
    1 / 1188,
    -691 / 360360,
    1 / 156,
    -3617 / 122400,
)
# B(2k) / (2k)!: the correction of Euler and Maclaurin to a sum.
MACLAURIN: Final = (
    1 / 12,
    -1 / 720,
    1 / 30240,
    -1 / 1209600,
    1 / 47900160,
    -691 / 1307674368000,
    1 / 74724249600,
    -3617 / 10670622842880000,
    43867 / 5109094217170944000,
    -174611 / 802857662698291200000,
)
# From here on the asymptotic series are exact.
FAR: Final = 10.0
# Arguments of zeta below this are not counted up from: there may be 10 ** 10 steps.
LOWEST: Final = -20.0


def erfc(x: Array) -> Array:
    """1 - erf(x), exact where erf is nearly 1."""
    return np.asarray(np.frompyfunc(math.erfc, 1, 1)(x.astype(np.float64)), np.float64)


def erf(x: Array) -> Array:
    """The error function."""
    return np.asarray(np.frompyfunc(math.erf, 1, 1)(x.astype(np.float64)), np.float64)


# The start of erfinv near 0, a polynomial of w = -log(1 - x * x), after Giles,
# "Approximating the erfinv function", 2010.
ERFINV_NEAR: Final = (
    2.81022636e-08,
    3.43273939e-07,
    -3.5233877e-06,
    -4.39150654e-06,
    0.00021858087,
    -0.00125372503,
    -0.00417768164,
    0.246640727,
    1.50140941,
)


def erfinv(x: Array) -> Array:
    """The inverse of erf: a good start, then three steps of Halley's method."""
    x = x.astype(np.float64)
    a = np.absolute(x)
    w = -np.log1p(-a * a)
    near = np.polyval(ERFINV_NEAR, w - 2.5)
    tail = np.maximum(w, 5.0) + math.log(2.0)
    far = np.sqrt(tail - 0.5 * np.log(math.pi * tail))
    y = np.where(w < 5.0, near * a, far)
    for _ in range(3):
        # Beyond 1/2 the distance to 1 is exact, and what erfc is good for.
        rest = np.where(a < 0.5, erf(y) - a, (1.0 - a) - erfc(y))
        step = rest * (0.5 * math.sqrt(math.pi)) * np.exp(y * y)
        y = y - step / (1.0 + y * step)
    y = np.where(a == 1.0, np.inf, np.where(a > 1.0, np.nan, y))
    return np.copysign(y, x)


def _near_two(z: Array) -> Array:
    """log(gamma(2 + z)) for abs(z) <= 1/2."""
    total = np.zeros_like(z)
    for k, value in reversed(list(enumerate(ZETA_MINUS_ONE, 2))):
        total = total * z + (value / k if k % 2 == 0 else -value / k)
    return z * ((1.0 - EULER) + z * total)


def lgamma(x: Array) -> Array:
    """log(abs(gamma(x))), relatively exact also near its zeros at 1 and 2."""
    x = x.astype(np.float64)
    below = x < 0.5
    whole = np.rint(x)
    positive = np.where(below & (x <= 0), 1.0 - x, np.where(below, x + 1.0, x))
    w, product = np.where(np.isfinite(positive), positive, 20.0), np.ones_like(x)
    for _ in range(8):
        down = (w > 2.5) & (w < FAR)
        w = np.where(down, w - 1.0, w)
        product = np.where(down, product * w, product)
    middle = _near_two(np.where(w < 1.5, w - 1.0, w - 2.0))
    middle = middle - np.where(w < 1.5, np.log1p(np.minimum(w, 1.5) - 1.0), 0.0)
    middle = middle + np.log(product)
    far_w = np.maximum(positive, FAR)
    series = np.polyval(STIRLING[::-1], 1.0 / (far_w * far_w)) / far_w
    far = (far_w - 0.5) * np.log(far_w) - far_w + 0.5 * math.log(2 * math.pi) + series
    y = np.where(positive >= FAR, far, middle)
    y = np.where(below & (x > 0), y - np.log(x), y)
    sine = np.sin(math.pi * (x - whole))
    reflected = math.log(math.pi) - np.log(np.absolute(sine)) - y
    y = np.where(x <= 0, np.where(x == whole, np.inf, reflected), y)
    return np.where(np.isinf(x), np.inf, np.where(np.isnan(x), x, y))


def digamma(x: Array) -> Array:
    """The derivative of log(gamma(x)); NaN at 0, -1, -2, ..."""
    x = x.astype(np.float64)
    w = np.where(x <= 0, 1.0 - x, x)
    total = np.zeros_like(x)
    for _ in range(10):
        low = w < FAR
        total = np.where(low, total - 1.0 / w, total)
        w = np.where(low, w + 1.0, w)
    z = 1.0 / (w * w)
    y = total + (np.log(w) - 0.5 / w - z * np.polyval(DIGAMMA[::-1], z))
    whole = np.rint(x)
    cotangent = math.pi / np.tan(math.pi * (x - whole))
    y = np.where(x <= 0, np.where(x == whole, np.nan, y - cotangent), y)
    return np.where(x == np.inf, np.inf, y)


def zeta(x: Array, q: Array) -> Array:
    """The sum of (q + n) ** -x over n = 0, 1, 2, ..., for x > 1."""
    x, q = np.broadcast_arrays(x.astype(np.float64), q.astype(np.float64))
    good = (x > 1) & np.isfinite(x) & np.isfinite(q) & ((q > 0) | (x == np.floor(x)))
    good &= (q > 0) | (q != np.floor(q))
    s, w = np.where(good, x, 2.0), np.where(good, q, 1.0)
    total = _zeta_above(s, np.where(w < LOWEST, w - np.floor(w), w))
    if (w < LOWEST).any():
        # All terms (f + m) ** -s above f, and those below that q has, which are a
        # difference of two more sums.
        below = w < LOWEST
        rest = np.where(below, 1.0 - (w - np.floor(w)), 1.0)
        end = np.where(below, 1.0 - w, 1.0)
        both = _zeta_above(s, rest) - _zeta_above(s, end)
        total = np.where(below, total + np.where(s % 2.0 == 1.0, -both, both), total)
    total = np.where(good, total, np.where((x > 1) & (q == np.inf), 0.0, np.nan))
    total = np.where((x > 1) & (q <= 0) & (q == np.floor(q)), np.inf, total)
    endless = np.where(q > 1, 0.0, np.where(q == 1, 1.0, np.where(q < 1, np.inf, q)))
    return np.where(x == 1, np.inf, np.where(x == np.inf, endless, total))


def _zeta_above(s: Array, w: Array) -> Array:
    """`zeta` for w above `LOWEST`: a few terms, and the rest by a series."""
    total = w**-s
    for count in itertools.count():
        low = (w <= FAR) | (count < 9)
        if not low.any():
            break
        w = np.where(low, w + 1.0, w)
        total = np.where(low, total + w**-s, total)
    last = w**-s
    total = total + last * w / (s - 1.0) - 0.5 * last
    factor = s * last / w
    for k, coefficient in enumerate(MACLAURIN):
        total = total + coefficient * factor
        factor = factor * (s + 2 * k + 1) * (s + 2 * k + 2) / (w * w)
    return np.asarray(total)


def polygamma(a: Array, x: Array) -> Array:
    """The derivative of order a of digamma, for whole a >= 0."""
    order = a.astype(np.float64)
    bad = (order != np.floor(order)) | (order < 0) | (order > 170)
    whole = np.where(bad, 1.0, order)
    factorial = np.asarray(np.frompyfunc(math.gamma, 1, 1)(whole + 1.0), np.float64)
    sign = np.where(np.mod(whole, 2.0) == 1.0, 1.0, -1.0)
    y = sign * factorial * zeta(whole + 1.0, x)
    y = np.where(order == 0, digamma(np.broadcast_to(x, y.shape)), y)
    return np.where(bad, np.nan, y)
