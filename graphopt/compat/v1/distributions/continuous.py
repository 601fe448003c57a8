"""Distributions of real numbers."""

from __future__ import annotations

import math
from typing import Any

from graphopt.compat.v1.distributions.base import (
    FULLY_REPARAMETERIZED,
    LOG_TWO_PI,
    NOT_REPARAMETERIZED,
    Distribution,
    RegisterKL,
    noise,
)
from graphopt.graph.hooks import hooks
from graphopt.ops.elementwise import (
    exp,
    log,
    log1p,
    logical_and,
    sqrt,
    square,
    where,
)
from graphopt.ops.incomplete import betainc, igamma
from graphopt.ops.random_gamma import random_gamma
from graphopt.ops.special import digamma, erfc, erfinv, lgamma, xlogy


def read_parameters(**given: Any) -> list[Any]:
    """Converts parameters, which have one dtype: that of the first tensor among them."""
    dtype = None
    for value in given.values():
        dtype = dtype or getattr(value, "dtype", None)
    return [
        hooks.convert(value, dtype_hint=dtype, name=name)
        for name, value in given.items()
    ]


class Normal(Distribution):
    """Gauss's distribution.

    Args:
      loc: The mean.
      scale: The standard deviation.
      validate_args, allow_nan_stats: Accepted for compatibility.
      name: Its name.

    >>> import graphopt as tf
    >>> normal = tf.compat.v1.distributions.Normal(0.0, 1.0)
    >>> round(float(normal.prob(0.0)), 6), float(normal.cdf(0.0))
    (0.398942, 0.5)

    Source: `tf.compat.v1.distributions.Normal`.
    """

    def __init__(
        self,
        loc: Any,
        scale: Any,
        validate_args: bool = False,
        allow_nan_stats: bool = True,
        name: str = "Normal",
    ) -> None:
        parameters = dict(locals())
        self._loc, self._scale = read_parameters(loc=loc, scale=scale)
        super().__init__(
            self._loc.dtype,
            FULLY_REPARAMETERIZED,
            validate_args,
            allow_nan_stats,
            parameters,
            name=name,
        )

    @property
    def loc(self) -> Any:
        """The mean."""
        return self._loc

    @property
    def scale(self) -> Any:
        """The standard deviation."""
        return self._scale

    @property
    def _like(self) -> Any:
        return self._loc + self._scale * 0

    def _sample(self, dims: list[int], seed: Any) -> Any:
        drawn = noise("normal", dims, self._like, self._dtype, seed)
        return drawn * self._scale + self._loc

    def _standard(self, value: Any) -> Any:
        return (value - self._loc) / self._scale

    def _log_prob(self, value: Any) -> Any:
        size = 0.5 * LOG_TWO_PI + log(self._scale)
        return -0.5 * square(self._standard(value)) - size

    def _cdf(self, value: Any) -> Any:
        return 0.5 * erfc(-self._standard(value) / math.sqrt(2))

    def _survival(self, value: Any) -> Any:
        return 0.5 * erfc(self._standard(value) / math.sqrt(2))

    def _log_cdf(self, value: Any) -> Any:
        return _log_ndtr(self._standard(value))

    def _log_survival(self, value: Any) -> Any:
        return _log_ndtr(-self._standard(value))

    def _entropy(self) -> Any:
        return 0.5 + 0.5 * LOG_TWO_PI + log(self._scale + 0 * self._loc)

    def _mean(self) -> Any:
        return self._like

    def _mode(self) -> Any:
        return self._like

    def _stddev(self) -> Any:
        return self._scale + self._loc * 0

    def _variance(self) -> Any:
        return square(self._stddev())

    def _quantile(self, value: Any) -> Any:
        return self._loc + self._scale * math.sqrt(2) * erfinv(2 * value - 1)


def _log_ndtr(x: Any) -> Any:
    """The logarithm of the normal cdf, far out by its asymptotic series."""
    far = x < -8.0
    near = where(far, -1.0 + 0 * x, x)
    out = where(far, x, -8.0 + 0 * x)
    total: Any = 1.0
    term: Any = 1.0
    step = 1.0 / square(out)
    for k in range(1, 6):
        term = -term * (2 * k - 1) * step
        total = total + term
    tail = -0.5 * square(out) - log(-out) - 0.5 * LOG_TWO_PI + log(total)
    middle = where(
        near > 5.0, log1p(-0.5 * erfc(near / math.sqrt(2))), _log_of_cdf(near)
    )
    return where(far, tail, middle)


def _log_of_cdf(x: Any) -> Any:
    return log(0.5 * erfc(-x / math.sqrt(2)))


class Uniform(Distribution):
    """Numbers in [low, high), all alike.

    Args:
      low, high: The bounds.
      validate_args, allow_nan_stats: Accepted for compatibility.
      name: Its name.

    Source: `tf.compat.v1.distributions.Uniform`.
    """

    def __init__(
        self,
        low: Any = 0.0,
        high: Any = 1.0,
        validate_args: bool = False,
        allow_nan_stats: bool = True,
        name: str = "Uniform",
    ) -> None:
        parameters = dict(locals())
        self._low, self._high = read_parameters(low=low, high=high)
        super().__init__(
            self._low.dtype,
            FULLY_REPARAMETERIZED,
            validate_args,
            allow_nan_stats,
            parameters,
            name=name,
        )

    @property
    def low(self) -> Any:
        """The lower bound."""
        return self._low

    @property
    def high(self) -> Any:
        """The upper bound."""
        return self._high

    def range(self, name: str = "range") -> Any:
        """Returns the difference of the bounds."""
        return self._high - self._low

    @property
    def _like(self) -> Any:
        return self._high - self._low

    def _sample(self, dims: list[int], seed: Any) -> Any:
        drawn = noise("uniform", dims, self._like, self._dtype, seed)
        return self._low + self._like * drawn

    def _prob(self, value: Any) -> Any:
        inside = logical_and(value >= self._low, value < self._high)
        return where(inside, 1.0 / (self._like + 0 * value), 0.0)

    def _cdf(self, value: Any) -> Any:
        part = (value - self._low) / self._like
        return where(part < 0, 0.0, where(part >= 1, 1.0, part))

    def _entropy(self) -> Any:
        return log(self._like)

    def _mean(self) -> Any:
        return (self._low + self._high) / 2

    def _variance(self) -> Any:
        return square(self._like) / 12

    def _stddev(self) -> Any:
        return self._like / math.sqrt(12)

    def _quantile(self, value: Any) -> Any:
        return self._low + self._like * value


class Gamma(Distribution):
    """The gamma distribution; its samples have no derivatives.

    Args:
      concentration: The shape, often called alpha.
      rate: The inverse scale, often called beta.
      validate_args, allow_nan_stats: Accepted for compatibility.
      name: Its name.

    Source: `tf.compat.v1.distributions.Gamma`.
    """

    def __init__(
        self,
        concentration: Any,
        rate: Any,
        validate_args: bool = False,
        allow_nan_stats: bool = True,
        name: str = "Gamma",
    ) -> None:
        parameters = dict(locals())
        self._concentration, self._rate = read_parameters(
            concentration=concentration, rate=rate
        )
        super().__init__(
            self._rate.dtype,
            NOT_REPARAMETERIZED,
            validate_args,
            allow_nan_stats,
            parameters,
            name=name,
        )

    @property
    def concentration(self) -> Any:
        """The shape."""
        return self._concentration

    @property
    def rate(self) -> Any:
        """The inverse scale."""
        return self._rate

    @property
    def _like(self) -> Any:
        return self._concentration + self._rate * 0

    def _sample(self, dims: list[int], seed: Any) -> Any:
        return random_gamma(dims, self._like, None, self._dtype, seed) / self._rate

    def _log_prob(self, value: Any) -> Any:
        a, b = self._concentration, self._rate
        return xlogy(a - 1, value) - b * value - (lgamma(a) - a * log(b))

    def _cdf(self, value: Any) -> Any:
        return igamma(self._like, self._rate * value)

    def _entropy(self) -> Any:
        a = self._like
        return a - log(self._rate) + lgamma(a) + (1 - a) * digamma(a)

    def _mean(self) -> Any:
        return self._concentration / self._rate

    def _variance(self) -> Any:
        return self._concentration / square(self._rate)

    def _stddev(self) -> Any:
        return sqrt(self._concentration) / self._rate

    def _mode(self) -> Any:
        mode = (self._concentration - 1) / self._rate
        return where(self._like > 1, mode, math.nan)


class Exponential(Gamma):
    """The exponential distribution.

    Args:
      rate: The inverse scale.
      validate_args, allow_nan_stats: Accepted for compatibility.
      name: Its name.

    Source: `tf.compat.v1.distributions.Exponential`.
    """

    def __init__(
        self,
        rate: Any,
        validate_args: bool = False,
        allow_nan_stats: bool = True,
        name: str = "Exponential",
    ) -> None:
        parameters = dict(locals())
        (rate,) = read_parameters(rate=rate)
        super().__init__(rate * 0 + 1, rate, validate_args, allow_nan_stats, name)
        parameters.pop("self")
        parameters.pop("__class__")
        self._parameters = parameters
        self._reparameterization_type = FULLY_REPARAMETERIZED

    def _sample(self, dims: list[int], seed: Any) -> Any:
        drawn = noise("uniform", dims, self._rate, self._dtype, seed)
        return -log1p(-drawn) / self._rate

    def _cdf(self, value: Any) -> Any:
        return 1 - exp(-self._rate * value)

    def _survival(self, value: Any) -> Any:
        return exp(-self._rate * value)

    def _log_survival(self, value: Any) -> Any:
        return -self._rate * value

    def _mode(self) -> Any:
        # As TensorFlow's, which is that of a gamma distribution of shape 1.
        return super()._mode()

    def _quantile(self, value: Any) -> Any:
        return -log1p(-value) / self._rate


class Beta(Distribution):
    """The beta distribution, on (0, 1); its samples have no derivatives.

    Args:
      concentration1, concentration0: The shapes, often called alpha and beta.
      validate_args, allow_nan_stats: Accepted for compatibility.
      name: Its name.

    Source: `tf.compat.v1.distributions.Beta`.
    """

    def __init__(
        self,
        concentration1: Any = None,
        concentration0: Any = None,
        validate_args: bool = False,
        allow_nan_stats: bool = True,
        name: str = "Beta",
    ) -> None:
        parameters = dict(locals())
        self._a, self._b = read_parameters(
            concentration1=concentration1, concentration0=concentration0
        )
        super().__init__(
            self._a.dtype,
            NOT_REPARAMETERIZED,
            validate_args,
            allow_nan_stats,
            parameters,
            name=name,
        )

    @property
    def concentration1(self) -> Any:
        """The shape near 1."""
        return self._a

    @property
    def concentration0(self) -> Any:
        """The shape near 0."""
        return self._b

    @property
    def total_concentration(self) -> Any:
        """The sum of both."""
        return self._a + self._b

    @property
    def _like(self) -> Any:
        return self._a + self._b

    def _sample(self, dims: list[int], seed: Any) -> Any:
        total = self._like * 0
        first = random_gamma(dims, self._a + total, None, self._dtype, seed)
        other = None if seed is None else seed + 1
        second = random_gamma(dims, self._b + total, None, self._dtype, other)
        return first / (first + second)

    def _log_normalization(self) -> Any:
        return lgamma(self._a) + lgamma(self._b) - lgamma(self._like)

    def _log_prob(self, value: Any) -> Any:
        powers = xlogy(self._a - 1, value) + (self._b - 1) * log1p(-value)
        return powers - self._log_normalization()

    def _cdf(self, value: Any) -> Any:
        return betainc(self._a + 0 * value, self._b + 0 * value, value + 0 * self._like)

    def _entropy(self) -> Any:
        a, b = self._a, self._b
        return (
            self._log_normalization()
            - (a - 1) * digamma(a)
            - (b - 1) * digamma(b)
            + (a + b - 2) * digamma(a + b)
        )

    def _mean(self) -> Any:
        return self._a / self._like

    def _variance(self) -> Any:
        mean = self._mean()
        return mean * (1 - mean) / (1 + self._like)

    def _mode(self) -> Any:
        mode = (self._a - 1) / (self._like - 2)
        return where(logical_and(self._a > 1, self._b > 1), mode, math.nan)


@RegisterKL(Normal, Normal)
def _normal_normal(a: Any, b: Any) -> Any:
    ratio = square(a.scale / b.scale)
    return square(a.loc - b.loc) / (2 * square(b.scale)) + 0.5 * (
        ratio - 1 - log(ratio)
    )


@RegisterKL(Uniform, Uniform)
def _uniform_uniform(a: Any, b: Any) -> Any:
    inside = logical_and(b.low <= a.low, a.high <= b.high)
    return where(inside, log(b.high - b.low) - log(a.high - a.low), math.inf)


@RegisterKL(Gamma, Gamma)
def _gamma_gamma(a: Any, b: Any) -> Any:
    p, q = a.concentration, b.concentration
    return (
        (p - q) * digamma(p)
        + lgamma(q)
        - lgamma(p)
        + q * log(a.rate)
        - q * log(b.rate)
        + p * (b.rate / a.rate - 1)
    )


@RegisterKL(Beta, Beta)
def _beta_beta(a: Any, b: Any) -> Any:
    def term(p: Any, q: Any) -> Any:
        return (p - q) * digamma(p)

    first = b._log_normalization() - a._log_normalization()
    total_a, total_b = a.total_concentration, b.total_concentration
    return (
        first
        + term(a.concentration1, b.concentration1)
        + term(a.concentration0, b.concentration0)
        + (total_b - total_a) * digamma(total_a)
    )
