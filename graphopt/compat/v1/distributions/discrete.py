"""Distributions of whole numbers, of classes, and of the chances of classes."""

from __future__ import annotations

from typing import Any

from graphopt.compat.v1.distributions.base import (
    FULLY_REPARAMETERIZED,
    NOT_REPARAMETERIZED,
    Distribution,
    RegisterKL,
    noise,
)
from graphopt.dtypes import as_dtype, float32, int32, int64
from graphopt.graph.hooks import hooks
from graphopt.graph.shape import TensorShape
from graphopt.ops.creation import constant_value
from graphopt.ops.elementwise import (
    cast,
    exp,
    floor,
    log,
    log1p,
    sigmoid,
    softplus,
    where,
)
from graphopt.ops.incomplete import igammac
from graphopt.ops.indexing import one_hot
from graphopt.ops.nn import log_softmax, sigmoid_cross_entropy_with_logits, softmax
from graphopt.ops.random_gamma import random_gamma, random_poisson
from graphopt.ops.reduction import reduce_sum
from graphopt.ops.selecting import argmax
from graphopt.ops.shaping import expand_dims
from graphopt.ops.special import digamma, lgamma, xlogy


def _logits_and_probs(
    logits: Any, probs: Any, classes: bool, what: str
) -> tuple[Any, Any]:
    if (logits is None) == (probs is None):
        raise ValueError(f"{what}: must pass probs or logits, but not both.")
    if probs is None:
        logits = hooks.convert(logits, name="logits")
        return logits, softmax(logits) if classes else sigmoid(logits)
    probs = hooks.convert(probs, name="probs")
    return log(probs) if classes else log(probs) - log1p(-probs), probs


class Bernoulli(Distribution):
    """0 or 1.

    Args:
      logits: The logarithm of the odds of 1.
      probs: The probability of 1.
      dtype: The dtype of samples, int32 by default.
      validate_args, allow_nan_stats: Accepted for compatibility.
      name: Its name.

    Source: `tf.compat.v1.distributions.Bernoulli`.
    """

    def __init__(
        self,
        logits: Any = None,
        probs: Any = None,
        dtype: Any = int32,
        validate_args: bool = False,
        allow_nan_stats: bool = True,
        name: str = "Bernoulli",
    ) -> None:
        parameters = dict(locals())
        self._logits, self._probs = _logits_and_probs(logits, probs, False, name)
        super().__init__(
            as_dtype(dtype),
            NOT_REPARAMETERIZED,
            validate_args,
            allow_nan_stats,
            parameters,
            name=name,
        )

    @property
    def logits(self) -> Any:
        """The logarithm of the odds of 1."""
        return self._logits

    @property
    def probs(self) -> Any:
        """The probability of 1."""
        return self._probs

    @property
    def _like(self) -> Any:
        return self._logits

    def _sample(self, dims: list[int], seed: Any) -> Any:
        kind = self._probs.dtype
        drawn = noise("uniform", dims, self._probs, kind, seed)
        return cast(drawn < self._probs, self._dtype)

    def _value(self, value: Any) -> Any:
        return cast(hooks.convert(value), self._logits.dtype)

    def _log_prob(self, value: Any) -> Any:
        logits = self._logits + 0 * value
        return -sigmoid_cross_entropy_with_logits(value + 0 * logits, logits)

    def _entropy(self) -> Any:
        return -self._logits * (sigmoid(self._logits) - 1) + softplus(-self._logits)

    def _mean(self) -> Any:
        return self._probs + 0

    def _variance(self) -> Any:
        return self._probs * (1 - self._probs)

    def _mode(self) -> Any:
        return cast(self._probs > 0.5, self._dtype)


class Categorical(Distribution):
    """A class, by its number.

    Args:
      logits: `[..., classes]`: unnormalized logarithms of probabilities.
      probs: `[..., classes]`: probabilities.
      dtype: The dtype of samples, int32 by default.
      validate_args, allow_nan_stats: Accepted for compatibility.
      name: Its name.

    Source: `tf.compat.v1.distributions.Categorical`.
    """

    def __init__(
        self,
        logits: Any = None,
        probs: Any = None,
        dtype: Any = int32,
        validate_args: bool = False,
        allow_nan_stats: bool = True,
        name: str = "Categorical",
    ) -> None:
        parameters = dict(locals())
        self._logits, self._probs = _logits_and_probs(logits, probs, True, name)
        super().__init__(
            as_dtype(dtype),
            NOT_REPARAMETERIZED,
            validate_args,
            allow_nan_stats,
            parameters,
            name=name,
        )

    @property
    def logits(self) -> Any:
        """Logarithms of probabilities, up to a constant."""
        return self._logits

    @property
    def probs(self) -> Any:
        """Probabilities."""
        return self._probs

    @property
    def event_size(self) -> Any:
        """The number of classes."""
        return hooks.convert(self._classes)

    @property
    def _classes(self) -> int:
        count = self._logits.shape[-1]
        if count is None:
            raise ValueError("The number of classes must be known; set the shape.")
        return int(count)

    @property
    def _like(self) -> Any:
        return self._logits[..., 0]

    def _chosen(self, dims: list[int], seed: Any) -> Any:
        """Draws classes by the largest of logits with Gumbel's noise."""
        kind = self._logits.dtype
        drawn = noise("uniform", dims, self._logits, kind, seed)
        return argmax(self._logits - log(-log1p(-drawn) + 1e-37), -1)

    def _sample(self, dims: list[int], seed: Any) -> Any:
        return cast(self._chosen(dims, seed), self._dtype)

    def _value(self, value: Any) -> Any:
        return cast(hooks.convert(value), int64)

    def _log_prob(self, value: Any) -> Any:
        chosen = one_hot(value, self._classes, dtype=self._logits.dtype)
        return reduce_sum(_times(chosen, log_softmax(self._logits)), -1)

    def _cdf(self, value: Any) -> Any:
        rank = len(value.shape)
        numbers = hooks.convert(list(range(self._classes)), dtype=int64)
        # Of smaller classes, without the class itself, as TensorFlow 1 has it.
        below = cast(numbers < expand_dims(value, rank), self._logits.dtype)
        return reduce_sum(_times(below, self._probs), -1)

    def _entropy(self) -> Any:
        return -reduce_sum(_times(softmax(self._logits), log_softmax(self._logits)), -1)

    def _mode(self) -> Any:
        return cast(argmax(self._logits, -1), self._dtype)


def _times(weights: Any, values: Any) -> Any:
    """A product that is 0 where the weight is, whatever the value."""
    return where(weights > 0, weights * values, 0.0)


class OneHotCategorical(Categorical):
    """A class, as a vector that is 1 at its number.

    Args:
      logits: `[..., classes]`: unnormalized logarithms of probabilities.
      probs: `[..., classes]`: probabilities.
      dtype: The dtype of samples, int32 by default.
      validate_args, allow_nan_stats: Accepted for compatibility.
      name: Its name.

    Source: `tf.contrib.distributions.OneHotCategorical`.
    """

    def __init__(
        self,
        logits: Any = None,
        probs: Any = None,
        dtype: Any = int32,
        validate_args: bool = False,
        allow_nan_stats: bool = True,
        name: str = "OneHotCategorical",
    ) -> None:
        super().__init__(logits, probs, dtype, validate_args, allow_nan_stats, name)

    @property
    def event_shape(self) -> TensorShape:
        """The number of classes."""
        found: TensorShape = self._logits.shape[-1:]
        return found

    def _sample(self, dims: list[int], seed: Any) -> Any:
        return one_hot(self._chosen(dims, seed), self._classes, dtype=self._dtype)

    def _value(self, value: Any) -> Any:
        return cast(hooks.convert(value), self._logits.dtype)

    def _log_prob(self, value: Any) -> Any:
        return reduce_sum(_times(value, log_softmax(self._logits)), -1)

    def _cdf(self, value: Any) -> Any:
        raise self._missing("cdf")

    def _mean(self) -> Any:
        return softmax(self._logits)

    def _mode(self) -> Any:
        return one_hot(argmax(self._logits, -1), self._classes, dtype=self._dtype)


class RelaxedOneHotCategorical(Distribution):
    """Vectors of chances near one class, with derivatives.

    Args:
      temperature: How far from one class.
      logits: `[..., classes]`: unnormalized logarithms of probabilities.
      probs: `[..., classes]`: probabilities.
      dtype: Accepted for compatibility.
      validate_args, allow_nan_stats: Accepted for compatibility.
      name: Its name.

    Source: `tf.contrib.distributions.RelaxedOneHotCategorical`;
    https://arxiv.org/abs/1611.00712.
    """

    def __init__(
        self,
        temperature: Any,
        logits: Any = None,
        probs: Any = None,
        dtype: Any = float32,
        validate_args: bool = False,
        allow_nan_stats: bool = True,
        name: str = "RelaxedOneHotCategorical",
    ) -> None:
        parameters = dict(locals())
        self._logits, self._probs = _logits_and_probs(logits, probs, True, name)
        kind = self._logits.dtype
        self._temperature = hooks.convert(temperature, dtype_hint=kind)
        super().__init__(
            kind,
            FULLY_REPARAMETERIZED,
            validate_args,
            allow_nan_stats,
            parameters,
            name=name,
        )

    @property
    def temperature(self) -> Any:
        """How far from one class."""
        return self._temperature

    @property
    def logits(self) -> Any:
        """Logarithms of probabilities, up to a constant."""
        return self._logits

    @property
    def probs(self) -> Any:
        """Probabilities."""
        return self._probs

    @property
    def event_shape(self) -> TensorShape:
        """The number of classes."""
        found: TensorShape = self._logits.shape[-1:]
        return found

    @property
    def _like(self) -> Any:
        return self._logits[..., 0]

    def _sample(self, dims: list[int], seed: Any) -> Any:
        drawn = noise("uniform", dims, self._logits, self._dtype, seed)
        gumbel = -log(-log1p(-drawn) + 1e-37)
        return softmax((gumbel + self._logits) / expand_dims(self._temperature, -1))

    def _log_prob(self, value: Any) -> Any:
        t = self._temperature
        k = int(self._logits.shape[-1])
        scores = log_softmax(self._logits - log(value) * expand_dims(t, -1))
        size = lgamma(hooks.convert(float(k), dtype=self._dtype)) + (k - 1) * log(t)
        return reduce_sum(scores - log(value), -1) + size


class Multinomial(Distribution):
    """How often each class comes in several draws.

    Args:
      total_count: How many draws.
      logits: `[..., classes]`: unnormalized logarithms of probabilities.
      probs: `[..., classes]`: probabilities.
      validate_args, allow_nan_stats: Accepted for compatibility.
      name: Its name.

    Source: `tf.compat.v1.distributions.Multinomial`.
    """

    def __init__(
        self,
        total_count: Any,
        logits: Any = None,
        probs: Any = None,
        validate_args: bool = False,
        allow_nan_stats: bool = True,
        name: str = "Multinomial",
    ) -> None:
        parameters = dict(locals())
        self._logits, self._probs = _logits_and_probs(logits, probs, True, name)
        kind = self._probs.dtype
        self._total = hooks.convert(total_count, dtype_hint=kind)
        super().__init__(
            kind,
            NOT_REPARAMETERIZED,
            validate_args,
            allow_nan_stats,
            parameters,
            name=name,
        )

    @property
    def total_count(self) -> Any:
        """How many draws."""
        return self._total

    @property
    def logits(self) -> Any:
        """Logarithms of probabilities, up to a constant."""
        return self._logits

    @property
    def probs(self) -> Any:
        """Probabilities."""
        return self._probs

    @property
    def event_shape(self) -> TensorShape:
        """The number of classes."""
        found: TensorShape = self._logits.shape[-1:]
        return found

    @property
    def _like(self) -> Any:
        return self._logits[..., 0] + self._total * 0

    def _sample(self, dims: list[int], seed: Any) -> Any:
        known = constant_value(self._total)
        if known is None or len(set(known.ravel().tolist())) != 1:
            raise NotImplementedError(
                "Multinomial.sample where total_count is not one number known while the "
                "graph is built."
            )
        count = int(known.ravel()[0])
        logits = self._logits + expand_dims(self._like * 0, -1)
        draws = Categorical(logits)._sample([count, *dims], seed)
        classes = int(self._logits.shape[-1])
        return reduce_sum(one_hot(draws, classes, dtype=self._dtype), 0)

    def _log_prob(self, counts: Any) -> Any:
        powers = reduce_sum(_times(counts, log_softmax(self._logits)), -1)
        ways = lgamma(self._total + 1) - reduce_sum(lgamma(counts + 1), -1)
        return powers + ways

    def _mean(self) -> Any:
        return expand_dims(self._total, -1) * self._probs

    def _variance(self) -> Any:
        return self._mean() * (1 - self._probs)


class Dirichlet(Distribution):
    """Vectors of chances; its samples have no derivatives.

    Args:
      concentration: `[..., classes]`.
      validate_args, allow_nan_stats: Accepted for compatibility.
      name: Its name.

    Source: `tf.compat.v1.distributions.Dirichlet`.
    """

    def __init__(
        self,
        concentration: Any,
        validate_args: bool = False,
        allow_nan_stats: bool = True,
        name: str = "Dirichlet",
    ) -> None:
        parameters = dict(locals())
        self._concentration = hooks.convert(concentration, name="concentration")
        super().__init__(
            self._concentration.dtype,
            NOT_REPARAMETERIZED,
            validate_args,
            allow_nan_stats,
            parameters,
            name=name,
        )

    @property
    def concentration(self) -> Any:
        """As given."""
        return self._concentration

    @property
    def total_concentration(self) -> Any:
        """Its sum over the classes."""
        return reduce_sum(self._concentration, -1)

    @property
    def event_shape(self) -> TensorShape:
        """The number of classes."""
        found: TensorShape = self._concentration.shape[-1:]
        return found

    @property
    def _like(self) -> Any:
        return self.total_concentration

    def _sample(self, dims: list[int], seed: Any) -> Any:
        drawn = random_gamma(dims, self._concentration, None, self._dtype, seed)
        return drawn / reduce_sum(drawn, -1, keepdims=True)

    def _log_normalization(self) -> Any:
        return reduce_sum(lgamma(self._concentration), -1) - lgamma(self._like)

    def _log_prob(self, value: Any) -> Any:
        powers = reduce_sum(xlogy(self._concentration - 1, value), -1)
        return powers - self._log_normalization()

    def _entropy(self) -> Any:
        a, total = self._concentration, self._like
        k = float(a.shape[-1])
        spread = (total - k) * digamma(total) - reduce_sum((a - 1) * digamma(a), -1)
        return self._log_normalization() + spread

    def _mean(self) -> Any:
        return self._concentration / expand_dims(self._like, -1)

    def _variance(self) -> Any:
        mean = self._mean()
        return mean * (1 - mean) / (1 + expand_dims(self._like, -1))

    def _mode(self) -> Any:
        k = float(self._concentration.shape[-1])
        mode = (self._concentration - 1) / expand_dims(self._like - k, -1)
        good = reduce_sum(cast(self._concentration > 1, self._dtype), -1) >= k
        return where(expand_dims(good, -1), mode, float("nan"))


class Poisson(Distribution):
    """Counts of events.

    Args:
      rate: How many there are on average.
      log_rate: The logarithm of that.
      validate_args, allow_nan_stats: Accepted for compatibility.
      name: Its name.

    Source: `tf.contrib.distributions.Poisson`.
    """

    def __init__(
        self,
        rate: Any = None,
        log_rate: Any = None,
        validate_args: bool = False,
        allow_nan_stats: bool = True,
        name: str = "Poisson",
    ) -> None:
        parameters = dict(locals())
        if (rate is None) == (log_rate is None):
            raise ValueError("Must specify exactly one of `rate` and `log_rate`.")
        if rate is None:
            self._log_rate = hooks.convert(log_rate)
            self._rate = exp(self._log_rate)
        else:
            self._rate = hooks.convert(rate)
            self._log_rate = log(self._rate)
        super().__init__(
            self._rate.dtype,
            NOT_REPARAMETERIZED,
            validate_args,
            allow_nan_stats,
            parameters,
            name=name,
        )

    @property
    def rate(self) -> Any:
        """How many there are on average."""
        return self._rate

    @property
    def log_rate(self) -> Any:
        """The logarithm of that."""
        return self._log_rate

    @property
    def _like(self) -> Any:
        return self._rate

    def _sample(self, dims: list[int], seed: Any) -> Any:
        return random_poisson(dims, self._rate, self._dtype, seed)

    def _log_prob(self, value: Any) -> Any:
        return value * self._log_rate - lgamma(1 + value) - self._rate

    def _cdf(self, value: Any) -> Any:
        return igammac(floor(value) + 1 + 0 * self._rate, self._rate + 0 * value)

    def _mean(self) -> Any:
        return self._rate + 0

    def _variance(self) -> Any:
        return self._rate + 0

    def _mode(self) -> Any:
        return floor(self._rate)


@RegisterKL(Bernoulli, Bernoulli)
def _bernoulli_bernoulli(a: Any, b: Any) -> Any:
    down = softplus(-b.logits) - softplus(-a.logits)
    up = softplus(b.logits) - softplus(a.logits)
    return sigmoid(a.logits) * down + sigmoid(-a.logits) * up


@RegisterKL(Categorical, Categorical)
def _categorical_categorical(a: Any, b: Any) -> Any:
    change = log_softmax(a.logits) - log_softmax(b.logits)
    return reduce_sum(_times(softmax(a.logits), change), -1)


@RegisterKL(Dirichlet, Dirichlet)
def _dirichlet_dirichlet(a: Any, b: Any) -> Any:
    change = a.concentration - b.concentration
    total = expand_dims(digamma(a.total_concentration), -1)
    spread = reduce_sum(change * (digamma(a.concentration) - total), -1)
    return spread + b._log_normalization() - a._log_normalization()


@RegisterKL(Poisson, Poisson)
def _poisson_poisson(a: Any, b: Any) -> Any:
    return a.rate * (a.log_rate - b.log_rate) - a.rate + b.rate
