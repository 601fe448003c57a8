"""Distributions with heavier tails than Gauss's: Laplace's and Student's."""

from __future__ import annotations

import math
from typing import Any

from graphopt.compat.v1.distributions.base import (
    FULLY_REPARAMETERIZED,
    NOT_REPARAMETERIZED,
    Distribution,
    RegisterKL,
    noise,
)
from graphopt.compat.v1.distributions.continuous import read_parameters
from graphopt.ops.elementwise import abs as abs_
from graphopt.ops.elementwise import exp, log, log1p, sign, sqrt, square, where
from graphopt.ops.incomplete import betainc
from graphopt.ops.random_gamma import random_gamma
from graphopt.ops.special import digamma, lgamma


class Laplace(Distribution):
    """Laplace's distribution.

    Args:
      loc: The mean.
      scale: The scale.
      validate_args, allow_nan_stats: Accepted for compatibility.
      name: Its name.

    Source: `tf.compat.v1.distributions.Laplace`.
    """

    def __init__(
        self,
        loc: Any,
        scale: Any,
        validate_args: bool = False,
        allow_nan_stats: bool = True,
        name: str = "Laplace",
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
        """The scale."""
        return self._scale

    @property
    def _like(self) -> Any:
        return self._loc + self._scale * 0

    def _sample(self, dims: list[int], seed: Any) -> Any:
        half = noise("uniform", dims, self._like, self._dtype, seed) - 0.5
        # A half that is -1/2 would be infinite.
        size = log1p(-2 * abs_(half) * (1 - 1e-7))
        return self._loc - self._scale * sign(half) * size

    def _standard(self, value: Any) -> Any:
        return (value - self._loc) / self._scale

    def _log_prob(self, value: Any) -> Any:
        return -abs_(self._standard(value)) - math.log(2) - log(self._scale)

    def _cdf(self, value: Any) -> Any:
        z = self._standard(value)
        return 0.5 - 0.5 * sign(z) * (exp(-abs_(z)) - 1)

    def _log_cdf(self, value: Any) -> Any:
        return _log_cdf_laplace(self._standard(value))

    def _log_survival(self, value: Any) -> Any:
        return _log_cdf_laplace(-self._standard(value))

    def _survival(self, value: Any) -> Any:
        return self._cdf(2 * self._loc - value)

    def _entropy(self) -> Any:
        return math.log(2) + 1 + log(self._scale + self._loc * 0)

    def _mean(self) -> Any:
        return self._like

    def _mode(self) -> Any:
        return self._like

    def _stddev(self) -> Any:
        return math.sqrt(2) * (self._scale + self._loc * 0)

    def _variance(self) -> Any:
        return square(self._stddev())

    def _quantile(self, value: Any) -> Any:
        half = value - 0.5
        return self._loc - self._scale * sign(half) * log1p(-2 * abs_(half))


def _log_cdf_laplace(z: Any) -> Any:
    below = -math.log(2) + where(z < 0, z, 0.0)
    return where(z < 0, below, log1p(-0.5 * exp(-abs_(z))))


class StudentT(Distribution):
    """Student's distribution; its samples have derivatives by loc and scale only.

    Args:
      df: The degrees of freedom.
      loc: The center.
      scale: The scale.
      validate_args, allow_nan_stats: Accepted for compatibility.
      name: Its name.

    Source: `tf.compat.v1.distributions.StudentT`.
    """

    def __init__(
        self,
        df: Any,
        loc: Any,
        scale: Any,
        validate_args: bool = False,
        allow_nan_stats: bool = True,
        name: str = "StudentT",
    ) -> None:
        parameters = dict(locals())
        self._df, self._loc, self._scale = read_parameters(df=df, loc=loc, scale=scale)
        super().__init__(
            self._scale.dtype,
            NOT_REPARAMETERIZED,
            validate_args,
            allow_nan_stats,
            parameters,
            name=name,
        )

    @property
    def df(self) -> Any:
        """The degrees of freedom."""
        return self._df

    @property
    def loc(self) -> Any:
        """The center."""
        return self._loc

    @property
    def scale(self) -> Any:
        """The scale."""
        return self._scale

    @property
    def _like(self) -> Any:
        return self._df * 0 + self._loc + self._scale * 0

    def _sample(self, dims: list[int], seed: Any) -> Any:
        df = self._df + self._like * 0
        normal = noise("normal", dims, self._like, self._dtype, seed)
        other = None if seed is None else seed + 1
        gamma = random_gamma(dims, 0.5 * df, None, self._dtype, other) * 2
        return normal * sqrt(df / gamma) * self._scale + self._loc

    def _log_prob(self, value: Any) -> Any:
        y, df = (value - self._loc) / self._scale, self._df
        size = log(abs_(self._scale)) + 0.5 * log(df) + 0.5 * math.log(math.pi)
        size = size + lgamma(0.5 * df) - lgamma(0.5 * (df + 1))
        return -0.5 * (df + 1) * log1p(square(y) / df) - size

    def _cdf(self, value: Any) -> Any:
        y = (value - self._loc) / abs_(self._scale)
        df = self._df + 0 * y
        half = 0.5 * betainc(0.5 * df, 0.5 + 0 * df, df / (square(y) + df))
        return where(y < 0, half, 1 - half)

    def _entropy(self) -> Any:
        half = 0.5 * self._df
        log_beta = lgamma(half) + lgamma(0.5 + 0 * half) - lgamma(half + 0.5)
        spread = 0.5 * (self._df + 1) * (digamma(half + 0.5) - digamma(half))
        size = log(abs_(self._scale)) + 0.5 * log(self._df) + log_beta
        return size + spread + 0 * self._like

    def _mean(self) -> Any:
        return where(self._df + 0 * self._like > 1, self._like, math.nan)

    def _variance(self) -> Any:
        df = self._df + 0 * self._like
        spread = square(self._scale) * df / where(df > 2, df - 2, 1.0)
        return where(df > 2, spread, where(df > 1, math.inf, math.nan))

    def _mode(self) -> Any:
        return self._like


@RegisterKL(Laplace, Laplace)
def _laplace_laplace(a: Any, b: Any) -> Any:
    far, ratio = abs_(a.loc - b.loc), a.scale / b.scale
    return -log(ratio) - 1 + far / b.scale + ratio * exp(-far / a.scale)
