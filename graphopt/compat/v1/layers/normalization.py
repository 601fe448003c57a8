"""`tf.layers`: batch normalization."""

from __future__ import annotations

import math
from typing import Any

from graphopt.compat.v1.layers.base import (
    ONES,
    ZEROS,
    InputSpec,
    Layer,
    choose,
    read_switch,
)
from graphopt.dtypes import float16, float32
from graphopt.errors import fail
from graphopt.graph.provenance import user_site
from graphopt.graph.shape import TensorShape
from graphopt.graph.tensor import Tensor
from graphopt.ops.creation import zeros_like
from graphopt.ops.elementwise import cast, where
from graphopt.ops.normalizing import bessel_factor
from graphopt.ops.shaping import identity, reshape, transpose
from graphopt.ops.statistics import batch_normalization as normalize
from graphopt.ops.statistics import moments


class BatchNormalization(Layer):
    """gamma * (x - mean) / sqrt(variance + epsilon) + beta.

    In training, mean and variance are those of the batch, and their running averages are
    updated by the ops that the layer puts into the collection `UPDATE_OPS`; otherwise they
    are the averages.

    Args:
      axis: The dimension, or dimensions, that have a mean of their own.
      momentum: How much of an average is kept.
      epsilon: Keeps the root from 0.
      center: Whether there is a beta.
      scale: Whether there is a gamma.
      beta_initializer, gamma_initializer: For these.
      moving_mean_initializer, moving_variance_initializer: For the averages.
      beta_regularizer, gamma_regularizer: Make terms of the loss of them.
      beta_constraint, gamma_constraint: Applied after each update.
      renorm, renorm_clipping, renorm_momentum: `renorm` must be False.
      fused: Whether the average is of the unbiased variance; by default for images and volumes.
      trainable: Whether gamma and beta are trainable.
      virtual_batch_size, adjustment: Must be None.
      name, **kwargs: As in `Layer`.

    Raises:
      NotImplementedError: `renorm`, `virtual_batch_size` or `adjustment` is given.

    Source: `tf.compat.v1.layers.BatchNormalization`; Ioffe and Szegedy, 2015.
    """

    def __init__(
        self,
        axis: Any = -1,
        momentum: Any = 0.99,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Any = ZEROS,
        gamma_initializer: Any = ONES,
        moving_mean_initializer: Any = ZEROS,
        moving_variance_initializer: Any = ONES,
        beta_regularizer: Any = None,
        gamma_regularizer: Any = None,
        beta_constraint: Any = None,
        gamma_constraint: Any = None,
        renorm: bool = False,
        renorm_clipping: Any = None,
        renorm_momentum: Any = 0.99,
        fused: bool | None = None,
        trainable: bool = True,
        virtual_batch_size: int | None = None,
        adjustment: Any = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(trainable, name, **kwargs)
        for what, given in (
            ("renorm", renorm),
            ("virtual_batch_size", virtual_batch_size),
            ("adjustment", adjustment),
        ):
            if given:
                raise NotImplementedError(
                    f"BatchNormalization({what}={given!r}); leave {what} out."
                )
        self.axis = [int(axis)] if not isinstance(axis, (list, tuple)) else list(axis)
        self.momentum, self.epsilon = momentum, epsilon
        self.center, self.scale, self.fused = center, scale, fused
        self.beta_initializer, self.gamma_initializer = (
            beta_initializer,
            gamma_initializer,
        )
        self.moving_mean_initializer = moving_mean_initializer
        self.moving_variance_initializer = moving_variance_initializer
        self.beta_regularizer, self.gamma_regularizer = (
            beta_regularizer,
            gamma_regularizer,
        )
        self.beta_constraint, self.gamma_constraint = beta_constraint, gamma_constraint
        self.gamma: Any = None
        self.beta: Any = None
        self.moving_mean: Any = None
        self.moving_variance: Any = None

    def build(self, input_shape: Any) -> None:
        """Makes gamma, beta and the averages."""
        shape = TensorShape(input_shape)
        rank = shape.rank
        if rank is None:
            raise ValueError(f"Input has undefined rank. Received: {input_shape}.")
        self.axis = [a + rank if a < 0 else a for a in self.axis]
        if any(not 0 <= a < rank for a in self.axis) or any(
            shape[a] is None for a in self.axis
        ):
            raise fail(
                ValueError,
                "Input has undefined `axis` dimension",
                got=f"shape {shape} and axis {self.axis}",
                expected="dimensions that exist and are known",
                site=str(user_site()),
            )
        if self.fused is None or self.fused:
            self.fused = rank in (4, 5) and self.axis in ([1], [rank - 1])
        kept = {a: shape[a] for a in self.axis}
        if len(kept) == 1:
            sizes = [shape[self.axis[0]]]
        else:
            sizes = [kept.get(i, 1) for i in range(rank)]
        self.input_spec = InputSpec(ndim=rank)
        options = {"shape": sizes, "dtype": self._parameter_dtype}
        if self.scale:
            self.gamma = self.add_weight(
                "gamma",
                initializer=self.gamma_initializer,
                regularizer=self.gamma_regularizer,
                constraint=self.gamma_constraint,
                **options,
            )
        if self.center:
            self.beta = self.add_weight(
                "beta",
                initializer=self.beta_initializer,
                regularizer=self.beta_regularizer,
                constraint=self.beta_constraint,
                **options,
            )
        self.moving_mean = self.add_weight(
            "moving_mean",
            initializer=self.moving_mean_initializer,
            trainable=False,
            **options,
        )
        self.moving_variance = self.add_weight(
            "moving_variance",
            initializer=self.moving_variance_initializer,
            trainable=False,
            **options,
        )
        self.built = True

    @property
    def _parameter_dtype(self) -> Any:
        return float32 if self.dtype is float16 or self.dtype is None else self.dtype

    def call(self, inputs: Any, training: Any = False) -> Any:
        """Returns the normalized inputs; `training` is a bool or a tensor."""
        training = read_switch(training)
        rank = len(inputs.shape)
        others = [i for i in range(rank) if i not in self.axis]
        is_last = self.axis == [rank - 1] or len(self.axis) > 1
        x = cast(inputs, self._parameter_dtype)

        def spread(vector: Any) -> Any:
            """Lets a vector of channels broadcast to the inputs."""
            if vector is None or is_last:
                return vector
            sizes = [-1 if i == self.axis[0] else 1 for i in range(rank)]
            return reshape(vector, sizes)

        mean, variance = (
            self.moving_mean.read_value(),
            self.moving_variance.read_value(),
        )
        if isinstance(training, Tensor) or training:
            found, around = moments(x, others, keepdims=len(self.axis) > 1)
            self._update(inputs, training, others, found, around)
            old_mean, old_variance = mean, variance
            mean = choose(training, lambda: found, lambda: old_mean)
            variance = choose(training, lambda: around, lambda: old_variance)
        outputs = normalize(
            x,
            spread(mean),
            spread(variance),
            spread(self.beta),
            spread(self.gamma),
            self.epsilon,
        )
        return identity(cast(outputs, inputs.dtype), name="normalized")

    def _update(
        self, inputs: Any, training: Any, others: list[int], mean: Any, variance: Any
    ) -> None:
        """Moves the averages towards the moments of a batch."""
        if self.fused:
            order = [*others, *self.axis]
            variance = variance * _unbias(inputs, order, variance.dtype)
        pairs = (self.moving_mean, mean), (self.moving_variance, variance)
        for average, moment in pairs:
            change = (average - moment) * (1 - self.momentum)
            if isinstance(training, Tensor):
                change = where(training, change, zeros_like(change))
            self.add_update(
                average.assign_sub(change, name="AssignMovingAvg", read_value=False)
            )


def _unbias(inputs: Any, order: list[int], dtype: Any) -> Any:
    if None not in inputs.shape:
        count = math.prod(inputs.shape[i] for i in order[:-1])
        return float(count / max(count - 1, 1))
    if order == list(range(len(order))):
        return bessel_factor(inputs, dtype)
    return bessel_factor(transpose(inputs, order), dtype)


def batch_normalization(
    inputs: Any,
    axis: Any = -1,
    momentum: Any = 0.99,
    epsilon: float = 1e-3,
    center: bool = True,
    scale: bool = True,
    beta_initializer: Any = ZEROS,
    gamma_initializer: Any = ONES,
    moving_mean_initializer: Any = ZEROS,
    moving_variance_initializer: Any = ONES,
    beta_regularizer: Any = None,
    gamma_regularizer: Any = None,
    beta_constraint: Any = None,
    gamma_constraint: Any = None,
    training: Any = False,
    trainable: bool = True,
    name: str | None = None,
    reuse: Any = None,
    renorm: bool = False,
    renorm_clipping: Any = None,
    renorm_momentum: Any = 0.99,
    fused: bool | None = None,
    virtual_batch_size: int | None = None,
    adjustment: Any = None,
) -> Tensor:
    """Normalizes by the moments of the batch, or, unless training, by their averages.

    The averages move only if a training step runs the ops of `UPDATE_OPS`:

        with tf.control_dependencies(tf.get_collection(tf.GraphKeys.UPDATE_OPS)):
            step = optimizer.minimize(loss)

    Args:
      inputs: `[batch, ..., channels]`.
      training: Whether the moments are those of the batch: a bool or a tensor.
      axis, momentum, epsilon, center, scale: As in `BatchNormalization`; so are all the
        others.
      beta_initializer, gamma_initializer: Likewise.
      moving_mean_initializer, moving_variance_initializer: Likewise.
      beta_regularizer, gamma_regularizer, beta_constraint, gamma_constraint: Likewise.
      trainable, renorm, renorm_clipping, renorm_momentum, fused: Likewise.
      virtual_batch_size, adjustment: Likewise.
      name: Name of the scope; `batch_normalization`, numbered, by default.
      reuse: Whether the variables of `name` exist; as in `variable_scope`.

    Source: `tf.compat.v1.layers.batch_normalization`; Ioffe and Szegedy, 2015.
    """
    layer = BatchNormalization(
        axis,
        momentum,
        epsilon,
        center,
        scale,
        beta_initializer,
        gamma_initializer,
        moving_mean_initializer,
        moving_variance_initializer,
        beta_regularizer,
        gamma_regularizer,
        beta_constraint,
        gamma_constraint,
        renorm,
        renorm_clipping,
        renorm_momentum,
        fused,
        trainable,
        virtual_batch_size,
        adjustment,
        name,
        _scope=name,
        _reuse=reuse,
    )
    return layer(inputs, training=training)
