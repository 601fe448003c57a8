"""Normal distributions of vectors, and batches of distributions as one of several events."""

from __future__ import annotations

from typing import Any

from graphopt.compat.v1.distributions.base import (
    Distribution,
    RegisterKL,
    kl_divergence,
)
from graphopt.compat.v1.distributions.continuous import Normal
from graphopt.graph.hooks import hooks
from graphopt.graph.shape import TensorShape
from graphopt.ops.creation import ones
from graphopt.ops.diagonal import diag
from graphopt.ops.elementwise import square
from graphopt.ops.reduction import reduce_sum
from graphopt.ops.shaping import expand_dims


class Independent(Distribution):
    """A batch of distributions of which the last dimensions are parts of one event.

    Args:
      distribution: The distribution.
      reinterpreted_batch_ndims: How many dimensions; by default all but the first.
      validate_args: Accepted for compatibility.
      name: Its name.

    Source: `tf.contrib.distributions.Independent`.
    """

    def __init__(
        self,
        distribution: Any,
        reinterpreted_batch_ndims: int | None = None,
        validate_args: bool = False,
        name: str | None = None,
    ) -> None:
        parameters = dict(locals())
        rank = len(distribution.batch_shape)
        count = reinterpreted_batch_ndims
        self._count = max(rank - 1, 0) if count is None else int(count)
        if self._count > rank:
            raise ValueError(
                f"reinterpreted_batch_ndims ({self._count}) cannot exceed "
                f"distribution.batch_ndims ({rank})"
            )
        self._inner = distribution
        super().__init__(
            distribution.dtype,
            distribution.reparameterization_type,
            validate_args,
            distribution.allow_nan_stats,
            parameters,
            name=name or "Independent" + distribution.name,
        )

    @property
    def distribution(self) -> Any:
        """The distribution inside."""
        return self._inner

    @property
    def batch_shape(self) -> TensorShape:
        """The dimensions that are left."""
        shape: TensorShape = self._inner.batch_shape
        return shape[: len(shape) - self._count]

    @property
    def event_shape(self) -> TensorShape:
        """The last dimensions of the batch, and the event inside."""
        shape: TensorShape = self._inner.batch_shape
        inner: TensorShape = self._inner.event_shape
        return shape[len(shape) - self._count :] + inner

    @property
    def _like(self) -> Any:
        return self._sum(self._inner._like)

    def _sum(self, value: Any) -> Any:
        axes = list(range(-self._count, 0))
        return reduce_sum(value, axes) if axes else value

    def _sample(self, dims: list[int], seed: Any) -> Any:
        return self._inner._sample(dims, seed)

    def _value(self, value: Any) -> Any:
        return self._inner._value(value)

    def _log_prob(self, value: Any) -> Any:
        return self._sum(self._inner._log_prob(value))

    def _entropy(self) -> Any:
        return self._sum(self._inner._entropy())

    def _mean(self) -> Any:
        return self._inner._mean()

    def _variance(self) -> Any:
        return self._inner._variance()

    def _stddev(self) -> Any:
        return self._inner._stddev()

    def _mode(self) -> Any:
        return self._inner._mode()


class MultivariateNormalDiag(Independent):
    """Normal vectors whose elements are independent.

    Args:
      loc: The mean, `[..., k]`; 0 by default.
      scale_diag: Standard deviations, `[..., k]`; 1 by default.
      scale_identity_multiplier: One for all elements, `[...]`, added to those.
      validate_args, allow_nan_stats: Accepted for compatibility.
      name: Its name.

    Raises:
      ValueError: Nothing tells how many elements there are.

    Source: `tf.contrib.distributions.MultivariateNormalDiag`.
    """

    def __init__(
        self,
        loc: Any = None,
        scale_diag: Any = None,
        scale_identity_multiplier: Any = None,
        validate_args: bool = False,
        allow_nan_stats: bool = True,
        name: str = "MultivariateNormalDiag",
    ) -> None:
        parameters = dict(locals())
        if loc is None and scale_diag is None:
            raise ValueError("Must pass at least one of loc and scale_diag.")
        first = hooks.convert(loc if loc is not None else scale_diag)
        loc = first * 0 if loc is None else hooks.convert(loc)
        if scale_diag is not None:
            scale = hooks.convert(scale_diag, dtype_hint=loc.dtype)
        else:
            scale = ones(loc.shape[-1:], loc.dtype)
        if scale_identity_multiplier is not None:
            extra = hooks.convert(scale_identity_multiplier, dtype_hint=loc.dtype)
            extra = expand_dims(extra, -1)
            scale = scale * extra if scale_diag is None else scale + extra
        super().__init__(Normal(loc, scale), 1, validate_args, name)
        for unwanted in ("self", "__class__", "first"):
            parameters.pop(unwanted, None)
        self._parameters = parameters

    @property
    def loc(self) -> Any:
        """The mean."""
        return self._inner.loc

    def _covariance(self) -> Any:
        return diag(square(self._inner._stddev()))


@RegisterKL(Independent, Independent)
def _independent_independent(a: Any, b: Any) -> Any:
    if a._count != b._count:
        raise NotImplementedError(
            "The divergence of two Independent distributions of events of different ranks."
        )
    return a._sum(kl_divergence(a.distribution, b.distribution))
