"""The incomplete gamma and beta functions, on the host."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphopt.dtypes import DType, float32, float64
from graphopt.errors import InvalidArgumentError, describe_shapes, fail
from graphopt.graph.dispatch import call
from graphopt.graph.opspec import Host, OpSpec, Sample, register
from graphopt.graph.provenance import user_site
from graphopt.graph.shape import TensorShape, broadcast_shapes
from graphopt.graph.tensor import Tensor
from graphopt.ops.elementwise import exp, log, log1p
from graphopt.ops.special import lgamma, xlogy

_ON_HOST = Host("NumPy computes it, by series and continued fractions")
_MOST_TERMS = 500


def _infer(*xs: Any) -> tuple[TensorShape, DType]:
    shape = xs[0].shape
    for x in xs[1:]:
        found = broadcast_shapes(shape, x.shape)
        if found is None:
            raise fail(
                InvalidArgumentError,
                "Incompatible shapes",
                got=describe_shapes(*xs),
                site=str(user_site()),
            )
        shape = found
    return shape, xs[0].dtype


def _log_gamma(x: NDArray[Any]) -> NDArray[Any]:
    """The logarithm of the gamma function of numbers with a positive real part."""
    # Lanczos' approximation with g = 7, good to 15 digits.
    c = [
        0.99999999999980993,
        676.5203681218851,
        -1259.1392167224028,
        771.32342877765313,
        -176.61502916214059,
        12.507343278686905,
        -0.13857109526572012,
        9.9843695780195716e-6,
        1.5056327351493116e-7,
    ]
    # Below 1/2 by way of x + 1.
    small = x.real < 0.5
    y = np.where(small, x + 1, x) - 1
    total = c[0] + sum(c[i] / (y + i) for i in range(1, 9))
    t = y + 7.5
    found = 0.9189385332046727 + (y + 0.5) * np.log(t) - t + np.log(total)
    return np.asarray(np.where(small, found - np.log(x), found))


def _igamma(a: Any, x: Any, upper: bool) -> Any:
    """The function itself, of real numbers or of some beside them."""
    a, x = np.broadcast_arrays(a, x)
    with np.errstate(all="ignore"):
        bad = ~((a.real > 0) & (x.real >= 0))
        a_, x_ = np.where(bad, 1.0, a), np.where(bad | np.isinf(x), 1.0, x)
        front = np.exp(a_ * np.log(x_) - x_ - _log_gamma(a_))
        by_series = x_.real < a_.real + 1
        lower = np.where(by_series, _gamma_series(a_, x_) * front, 0.0)
        higher = np.where(by_series, 0.0, _gamma_fraction(a_, x_) * front)
        lower = np.where(by_series, lower, 1 - higher)
        lower = np.where(x == 0, 0.0, np.where(np.isinf(x), 1.0, lower))
        higher = np.where(by_series, 1 - lower, higher)
        higher = np.where(x == 0, 1.0, np.where(np.isinf(x), 0.0, higher))
        return np.where(bad, np.nan, higher if upper else lower)


def _gamma_series(a: NDArray[Any], x: NDArray[Any]) -> NDArray[Any]:
    term = total = 1 / a
    for n in range(1, _MOST_TERMS):
        term = term * x / (a + n)
        total = total + term
        if not np.any(np.abs(term) > 1e-17 * np.abs(total)):
            break
    return np.asarray(total)


def _gamma_fraction(a: NDArray[Any], x: NDArray[Any]) -> NDArray[Any]:
    """Lentz's algorithm."""
    tiny = 1e-300
    b = x + 1 - a
    c = np.full_like(a + x, 1 / tiny)
    d = 1 / np.where(b == 0, tiny, b)
    h = d
    for i in range(1, _MOST_TERMS):
        an = -i * (i - a)
        b = b + 2
        d = an * d + b
        d = 1 / np.where(np.abs(d) < tiny, tiny, d)
        c = b + an / c
        c = np.where(np.abs(c) < tiny, tiny, c)
        h = h * d * c
        if not np.any(np.abs(d * c - 1) > 1e-15):
            break
    return np.asarray(h)


def _betainc(a: Any, b: Any, x: Any) -> Any:
    """The function itself, of real numbers or of some beside them."""
    a, b, x = np.broadcast_arrays(a, b, x)
    with np.errstate(all="ignore"):
        bad = ~((a.real > 0) & (b.real > 0) & (x.real >= 0) & (x.real <= 1))
        a_, b_ = np.where(bad, 1.0, a), np.where(bad, 1.0, b)
        x_ = np.where(bad | (x == 0) | (x == 1), 0.5, x)
        # On the side where the fraction converges.
        flip = x_.real > (a_.real + 1) / (a_.real + b_.real + 2)
        p, q = np.where(flip, b_, a_), np.where(flip, a_, b_)
        y = np.where(flip, 1 - x_, x_)
        scale = _log_gamma(p + q) - _log_gamma(p) - _log_gamma(q)
        front = np.exp(scale + p * np.log(y) + q * np.log(1 - y)) / p
        part = front * _beta_fraction(p, q, y)
        found = np.where(flip, 1 - part, part)
        found = np.where(x == 0, 0.0, np.where(x == 1, 1.0, found))
        return np.where(bad, np.nan, found)


def _beta_fraction(a: NDArray[Any], b: NDArray[Any], x: NDArray[Any]) -> NDArray[Any]:
    tiny = 1e-300
    c = np.ones_like(a + b + x)
    d = 1 - (a + b) * x / (a + 1)
    d = 1 / np.where(np.abs(d) < tiny, tiny, d)
    h = d
    for m in range(1, _MOST_TERMS):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        for step in (even, odd):
            d = 1 + step * d
            d = 1 / np.where(np.abs(d) < tiny, tiny, d)
            c = 1 + step / c
            c = np.where(np.abs(c) < tiny, tiny, c)
            h = h * d * c
        if not np.any(np.abs(d * c - 1) > 1e-15):
            break
    return np.asarray(h)


_FUNCTIONS: dict[str, Callable[..., Any]] = {
    "igamma": lambda a, x: _igamma(a, x, upper=False),
    "igammac": lambda a, x: _igamma(a, x, upper=True),
    "betainc": _betainc,
}


def _value(kind: str, *arrays: NDArray[Any]) -> NDArray[Any]:
    given = [np.asarray(array, np.float64) for array in arrays]
    return np.asarray(_FUNCTIONS[kind](*given), np.result_type(arrays[0]))


def _slope(*arrays: NDArray[Any], kind: str, orders: tuple[int, ...]) -> NDArray[Any]:
    """Derivatives by the arguments, in float64."""
    given = [np.asarray(array, np.float64) for array in arrays]
    found = _differences(kind, given, list(orders))
    return np.asarray(found, np.result_type(arrays[0]))


def _differences(kind: str, given: list[NDArray[Any]], orders: list[int]) -> Any:
    by = next(i for i, order in enumerate(orders) if order)
    less = [order - (i == by) for i, order in enumerate(orders)]
    if not any(less):
        # A step to the side of the real numbers, which loses nothing.
        h = 1e-30
        moved: list[Any] = [x + 1j * h if i == by else x for i, x in enumerate(given)]
        return _FUNCTIONS[kind](*moved).imag / h
    room = np.minimum(1.0, given[by])
    if kind == "betainc" and by == 2:
        room = np.minimum(room, 1.0 - given[by])
    step = 1e-3 * room
    total: Any = 0.0
    for steps, weight in ((1, 8.0), (-1, -8.0), (2, -1.0), (-2, 1.0)):
        moved = [x + steps * step if i == by else x for i, x in enumerate(given)]
        total = total + weight * _differences(kind, moved, less)
    return total / (12 * step)


def _slope_vjp(
    g: Any, y: Any, *xs: Any, kind: str, orders: tuple[int, ...]
) -> tuple[Any, ...]:
    return tuple(
        g * slope_by(kind, xs, tuple(o + (i == by) for i, o in enumerate(orders)))
        for by in range(len(xs))
    )


def slope_by(kind: str, xs: Any, orders: tuple[int, ...]) -> Any:
    """Returns a derivative of a function, of some order by each argument."""
    return call(SLOPE, *xs, kind=kind, orders=orders)


def _density(a: Any, x: Any) -> Any:
    return exp(xlogy(a - 1, x) - x - lgamma(a))


def _beta_sample() -> tuple[NDArray[Any], ...]:
    return (
        np.array([0.5, 2.0, 5.0]),
        np.array([0.7, 3.0, 1.0]),
        np.array([0.1, 0.8, 0.4]),
    )


def _samples() -> list[Sample]:
    a = np.array([0.5, 1.5, 3.0, 10.0])
    return [Sample((a, np.array([0.2, 4.0, 2.5, 12.0])))]


SLOPE: OpSpec = register(
    OpSpec(
        "IncompleteSlope",
        lambda *xs, **_: _infer(*xs),
        _slope,
        _slope_vjp,
        _ON_HOST,
        lambda: [
            Sample(_samples()[0].inputs, {"kind": "igamma", "orders": (1, 0)}),
            Sample(_samples()[0].inputs, {"kind": "igammac", "orders": (1, 0)}),
            Sample(_beta_sample(), {"kind": "betainc", "orders": (1, 0, 0)}),
            Sample(_beta_sample(), {"kind": "betainc", "orders": (0, 1, 0)}),
        ],
        dtypes=(float32, float64),
    )
)
IGAMMA = register(
    OpSpec(
        "Igamma",
        _infer,
        lambda a, x: _value("igamma", a, x),
        lambda g, y, a, x: (g * slope_by("igamma", (a, x), (1, 0)), g * _density(a, x)),
        _ON_HOST,
        _samples,
        dtypes=(float32, float64),
    )
)
IGAMMAC = register(
    OpSpec(
        "Igammac",
        _infer,
        lambda a, x: _value("igammac", a, x),
        lambda g, y, a, x: (
            g * slope_by("igammac", (a, x), (1, 0)),
            -g * _density(a, x),
        ),
        _ON_HOST,
        _samples,
        dtypes=(float32, float64),
    )
)
BETAINC = register(
    OpSpec(
        "Betainc",
        _infer,
        lambda a, b, x: _value("betainc", a, b, x),
        lambda g, y, a, b, x: (
            g * slope_by("betainc", (a, b, x), (1, 0, 0)),
            g * slope_by("betainc", (a, b, x), (0, 1, 0)),
            g
            * exp(
                (a - 1) * log(x)
                + (b - 1) * log1p(-x)
                - (lgamma(a) + lgamma(b) - lgamma(a + b))
            ),
        ),
        _ON_HOST,
        lambda: [Sample(_beta_sample())],
        dtypes=(float32, float64),
    )
)


def igamma(a: Any, x: Any, name: str | None = None) -> Tensor:
    """Returns the lower regularized incomplete gamma function.

    >>> import graphopt as tf
    >>> round(float(tf.math.igamma(2.0, 1.0)), 5)
    0.26424

    Source: `tf.math.igamma`.
    """
    return call(IGAMMA, a, x, name=name)


def igammac(a: Any, x: Any, name: str | None = None) -> Tensor:
    """Returns the upper regularized incomplete gamma function.

    Source: `tf.math.igammac`.
    """
    return call(IGAMMAC, a, x, name=name)


def betainc(a: Any, b: Any, x: Any, name: str | None = None) -> Tensor:
    """Returns the regularized incomplete beta function.

    >>> import graphopt as tf
    >>> round(float(tf.math.betainc(2.0, 3.0, 0.5)), 5)
    0.6875

    Source: `tf.math.betainc`.
    """
    return call(BETAINC, a, b, x, name=name)
