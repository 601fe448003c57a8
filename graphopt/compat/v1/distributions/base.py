"""`Distribution`: what all distributions have, and divergences between two."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from graphopt.compat.v1.scopes import op_scope
from graphopt.dtypes import int32
from graphopt.graph.hooks import hooks
from graphopt.graph.shape import TensorShape
from graphopt.graph.tensor import Tensor
from graphopt.ops.creation import constant_value, shape, zeros, zeros_like
from graphopt.ops.elementwise import exp, log, log1p, sqrt
from graphopt.ops.random_stateful import NORMAL, UNIFORM, draw_numbers


class ReparameterizationType:
    """Whether samples have derivatives by the parameters.

    Source: `tf.compat.v1.distributions.ReparameterizationType`.
    """

    def __init__(self, rep_type: str) -> None:
        self._rep_type = rep_type

    def __repr__(self) -> str:
        return f"<Reparameterization Type: {self._rep_type}>"


FULLY_REPARAMETERIZED = ReparameterizationType("FULLY_REPARAMETERIZED")
NOT_REPARAMETERIZED = ReparameterizationType("NOT_REPARAMETERIZED")


def noise(kind: str, dims: list[int], like: Any, dtype: Any, seed: Any) -> Any:
    """Draws numbers of shape `dims + like.shape`.

    Args:
      kind: "uniform" in [0, 1), or "normal".
      dims: Known dimensions in front.
      like: A tensor, of whose shape some dimensions may not be known.
      dtype: The element type.
      seed: The seed of the op.
    """
    spec = UNIFORM if kind == "uniform" else NORMAL
    if like.shape.is_fully_defined():
        return draw_numbers(spec, [*dims, *like.shape], dtype, seed, None)
    pattern = zeros([*dims, *[1] * len(like.shape)], dtype) + zeros_like(like)
    return draw_numbers(spec, shape(pattern), dtype, seed, None)


class Distribution:
    """A probability distribution, or a batch of them.

    A subclass has `_batch_shape` and `_event_shape`, and defines as much as it can of
    `_sample` (of the dimensions in front), `_log_prob` or `_prob`, `_cdf` or `_log_cdf`,
    `_entropy`, `_mean`, `_variance`, `_mode`, `_quantile`.

    Args:
      dtype: The element type of samples.
      reparameterization_type: Whether samples have derivatives.
      validate_args: Accepted for compatibility; arguments are not checked in the run.
      allow_nan_stats: Accepted for compatibility; undefined statistics are NaN.
      parameters: What it was made with.
      graph_parents: Accepted for compatibility.
      name: Its name.

    Source: `tf.compat.v1.distributions.Distribution`.
    """

    def __init__(
        self,
        dtype: Any,
        reparameterization_type: ReparameterizationType = NOT_REPARAMETERIZED,
        validate_args: bool = False,
        allow_nan_stats: bool = True,
        parameters: dict[str, Any] | None = None,
        graph_parents: Any = None,
        name: str | None = None,
    ) -> None:
        self._dtype = dtype
        self._reparameterization_type = reparameterization_type
        self._validate_args, self._allow_nan_stats = validate_args, allow_nan_stats
        kept = dict(parameters or {})
        for unwanted in ("self", "__class__"):
            kept.pop(unwanted, None)
        self._parameters = kept
        self._name = name or type(self).__name__

    # ---- what it is

    @property
    def name(self) -> str:
        """Its name."""
        return self._name

    @property
    def dtype(self) -> Any:
        """The element type of samples."""
        return self._dtype

    @property
    def parameters(self) -> dict[str, Any]:
        """What it was made with."""
        return dict(self._parameters)

    @property
    def reparameterization_type(self) -> ReparameterizationType:
        """Whether samples have derivatives by the parameters."""
        return self._reparameterization_type

    @property
    def allow_nan_stats(self) -> bool:
        """As given."""
        return self._allow_nan_stats

    @property
    def validate_args(self) -> bool:
        """As given."""
        return self._validate_args

    @property
    def _like(self) -> Any:
        """A tensor of shape `batch_shape`."""
        raise NotImplementedError

    @property
    def batch_shape(self) -> TensorShape:
        """The shape of the batch of distributions."""
        found: TensorShape = self._like.shape
        return found

    @property
    def event_shape(self) -> TensorShape:
        """The shape of one sample."""
        return TensorShape([])

    def batch_shape_tensor(self, name: str = "batch_shape_tensor") -> Any:
        """Returns `batch_shape` as a tensor."""
        return shape(self._like)

    def event_shape_tensor(self, name: str = "event_shape_tensor") -> Any:
        """Returns `event_shape` as a tensor."""
        return hooks.convert([int(dim or 0) for dim in self.event_shape], dtype=int32)

    def is_scalar_event(self, name: str = "is_scalar_event") -> Any:
        """Returns whether a sample is a scalar."""
        return hooks.convert(self.event_shape.rank == 0)

    def is_scalar_batch(self, name: str = "is_scalar_batch") -> Any:
        """Returns whether it is one distribution."""
        return hooks.convert(self.batch_shape.rank == 0)

    def copy(self, **override_parameters_kwargs: Any) -> Any:
        """Returns the same distribution with other parameters."""
        return type(self)(**{**self._parameters, **override_parameters_kwargs})

    # ---- what a subclass defines

    def _sample(self, dims: list[int], seed: Any) -> Any:
        raise self._missing("sample")

    def _log_prob(self, value: Any) -> Any:
        return log(self._prob(value))

    def _prob(self, value: Any) -> Any:
        raise self._missing("prob")

    def _log_cdf(self, value: Any) -> Any:
        return log(self._cdf(value))

    def _cdf(self, value: Any) -> Any:
        raise self._missing("cdf")

    def _survival(self, value: Any) -> Any:
        return 1.0 - self._cdf(value)

    def _log_survival(self, value: Any) -> Any:
        return log1p(-self._cdf(value))

    def _entropy(self) -> Any:
        raise self._missing("entropy")

    def _mean(self) -> Any:
        raise self._missing("mean")

    def _variance(self) -> Any:
        raise self._missing("variance")

    def _stddev(self) -> Any:
        return sqrt(self._variance())

    def _mode(self) -> Any:
        raise self._missing("mode")

    def _quantile(self, value: Any) -> Any:
        raise self._missing("quantile")

    def _covariance(self) -> Any:
        raise self._missing("covariance")

    def _missing(self, what: str) -> NotImplementedError:
        return NotImplementedError(f"{what} is not implemented: {type(self).__name__}")

    def _has(self, method: str) -> bool:
        return getattr(type(self), method) is not getattr(Distribution, method)

    # ---- what users call

    def sample(
        self, sample_shape: Any = (), seed: int | None = None, name: str = "sample"
    ) -> Any:
        """Returns samples, `sample_shape + batch_shape + event_shape`.

        Args:
          sample_shape: How many: a number or a shape.
          seed: The seed of the op.
          name: Name of the op.
        """
        known = sample_shape
        if isinstance(sample_shape, Tensor):
            known = constant_value(sample_shape)
            if known is None:
                raise NotImplementedError(
                    "Distribution.sample of as many as only the run decides; give a number."
                )
        dims = [int(dim or 0) for dim in TensorShape(known)]
        with op_scope(name, "sample"):
            return self._sample(dims, seed)

    def _value(self, value: Any) -> Any:
        return hooks.convert(value, dtype_hint=self._dtype)

    def log_prob(self, value: Any, name: str = "log_prob") -> Any:
        """Returns the logarithm of the density, or of the probability, at values."""
        with op_scope(name, "log_prob"):
            return self._log_prob(self._value(value))

    def prob(self, value: Any, name: str = "prob") -> Any:
        """Returns the density, or the probability, at values."""
        with op_scope(name, "prob"):
            value = self._value(value)
            return (
                self._prob(value) if self._has("_prob") else exp(self._log_prob(value))
            )

    def cdf(self, value: Any, name: str = "cdf") -> Any:
        """Returns the probability of samples up to values."""
        with op_scope(name, "cdf"):
            value = self._value(value)
            if self._has("_cdf") or not self._has("_log_cdf"):
                return self._cdf(value)
            return exp(self._log_cdf(value))

    def log_cdf(self, value: Any, name: str = "log_cdf") -> Any:
        """Returns the logarithm of `cdf`."""
        with op_scope(name, "log_cdf"):
            return self._log_cdf(self._value(value))

    def survival_function(self, value: Any, name: str = "survival_function") -> Any:
        """Returns the probability of samples above values."""
        with op_scope(name, "survival_function"):
            return self._survival(self._value(value))

    def log_survival_function(
        self, value: Any, name: str = "log_survival_function"
    ) -> Any:
        """Returns the logarithm of `survival_function`."""
        with op_scope(name, "log_survival_function"):
            return self._log_survival(self._value(value))

    def quantile(self, value: Any, name: str = "quantile") -> Any:
        """Returns the values whose `cdf` is given."""
        with op_scope(name, "quantile"):
            return self._quantile(self._value(value))

    def entropy(self, name: str = "entropy") -> Any:
        """Returns Shannon's entropy, in nats."""
        with op_scope(name, "entropy"):
            return self._entropy()

    def mean(self, name: str = "mean") -> Any:
        """Returns the mean."""
        with op_scope(name, "mean"):
            return self._mean()

    def variance(self, name: str = "variance") -> Any:
        """Returns the variance."""
        with op_scope(name, "variance"):
            return self._variance()

    def stddev(self, name: str = "stddev") -> Any:
        """Returns the standard deviation."""
        with op_scope(name, "stddev"):
            return self._stddev()

    def mode(self, name: str = "mode") -> Any:
        """Returns the most likely value."""
        with op_scope(name, "mode"):
            return self._mode()

    def covariance(self, name: str = "covariance") -> Any:
        """Returns the covariance of the elements of a sample."""
        with op_scope(name, "covariance"):
            return self._covariance()

    def cross_entropy(self, other: Any, name: str = "cross_entropy") -> Any:
        """Returns the entropy plus the divergence from another distribution."""
        with op_scope(name, "cross_entropy"):
            return self._entropy() + kl_divergence(self, other)

    def kl_divergence(self, other: Any, name: str = "kl_divergence") -> Any:
        """Returns Kullback and Leibler's divergence from another distribution."""
        with op_scope(name, "kl_divergence"):
            return kl_divergence(self, other)

    def __repr__(self) -> str:
        return (
            f"<tf.distributions.{type(self).__name__} {self._name!r} "
            f"batch_shape={self.batch_shape} event_shape={self.event_shape} "
            f"dtype={self._dtype.name}>"
        )


_DIVERGENCES: dict[tuple[type, type], Callable[..., Any]] = {}


def kl_divergence(
    distribution_a: Any,
    distribution_b: Any,
    allow_nan_stats: bool = True,
    name: str | None = None,
) -> Any:
    """Returns Kullback and Leibler's divergence of two distributions.

    Args:
      distribution_a, distribution_b: The distributions.
      allow_nan_stats: Accepted for compatibility.
      name: Name of the op.

    Raises:
      NotImplementedError: No divergence is registered for the two kinds.

    >>> import graphopt as tf
    >>> normal = tf.compat.v1.distributions.Normal
    >>> float(tf.compat.v1.distributions.kl_divergence(normal(1.0, 1.0), normal(0.0, 1.0)))
    0.5

    Source: `tf.compat.v1.distributions.kl_divergence`.
    """
    pairs = [
        (a, b)
        for a in type(distribution_a).__mro__
        for b in type(distribution_b).__mro__
        if (a, b) in _DIVERGENCES
    ]
    if not pairs:
        raise NotImplementedError(
            "No KL(distribution_a || distribution_b) registered for distribution_a type "
            f"{type(distribution_a).__name__} and distribution_b type "
            f"{type(distribution_b).__name__}"
        )
    with op_scope(name, "KullbackLeibler"):
        return _DIVERGENCES[pairs[0]](distribution_a, distribution_b)


class RegisterKL:
    """Registers a function as the divergence of two kinds of distributions.

    Args:
      dist_cls_a, dist_cls_b: The classes.

    Source: `tf.compat.v1.distributions.RegisterKL`.
    """

    def __init__(self, dist_cls_a: type, dist_cls_b: type) -> None:
        self._key = (dist_cls_a, dist_cls_b)

    def __call__(self, kl_fn: Callable[..., Any]) -> Callable[..., Any]:
        """Registers the function and returns it.

        Raises:
          TypeError: It is no function.
          ValueError: There is one for these classes.
        """
        if not callable(kl_fn):
            raise TypeError(f"kl_fn must be callable, received: {kl_fn}")
        if self._key in _DIVERGENCES:
            a, b = self._key
            raise ValueError(
                f"KL({a.__name__} || {b.__name__}) has already been registered to: "
                f"{_DIVERGENCES[self._key]}"
            )
        _DIVERGENCES[self._key] = kl_fn
        return kl_fn


LOG_TWO_PI = math.log(2 * math.pi)
