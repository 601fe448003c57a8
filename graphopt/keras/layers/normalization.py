"""Normalization by moments: of a batch, of each example, of groups of channels."""

from __future__ import annotations

import math
from typing import Any

from graphopt.dtypes import as_dtype, float16, float32
from graphopt.errors import fail
from graphopt.graph.provenance import user_site
from graphopt.graph.shape import TensorShape
from graphopt.graph.tensor import Tensor
from graphopt.keras.layers.base import InputSpec
from graphopt.keras.layers.options import OptionLayer, choose, read_switch
from graphopt.ops.creation import ones_like, zeros_like
from graphopt.ops.creation import shape as shape_of
from graphopt.ops.elementwise import cast, equal, square, where
from graphopt.ops.normalizing import bessel_factor
from graphopt.ops.reduction import broadcast_to, reduce_sum
from graphopt.ops.shaping import expand_dims, reshape, reshape_like, transpose
from graphopt.ops.statistics import batch_normalization as normalize
from graphopt.ops.statistics import l2_normalize, moments


class _Normalization(OptionLayer):
    """A layer with a gamma and a beta."""

    gamma: Any = None
    beta: Any = None
    center: bool
    scale: bool

    def set_parameters(
        self,
        center: bool,
        scale: bool,
        beta_initializer: Any,
        gamma_initializer: Any,
        beta_regularizer: Any,
        gamma_regularizer: Any,
        beta_constraint: Any,
        gamma_constraint: Any,
    ) -> None:
        """Reads what gamma and beta are made of."""
        self.center, self.scale = center, scale
        self.supports_masking = True
        self.set_options(
            beta_initializer=beta_initializer,
            gamma_initializer=gamma_initializer,
            beta_regularizer=beta_regularizer,
            gamma_regularizer=gamma_regularizer,
            beta_constraint=beta_constraint,
            gamma_constraint=gamma_constraint,
        )

    def add_parameters(self, sizes: list[Any], **more: Any) -> None:
        """Makes gamma and beta, as far as they are wanted."""
        if self.scale:
            self.gamma = self.add_named_weight("gamma", sizes, **more)
        if self.center:
            self.beta = self.add_named_weight("beta", sizes, **more)

    def read_axes(self, axis: Any, input_shape: Any) -> tuple[TensorShape, list[int]]:
        """Returns the shape of the inputs and the axes counted from the first.

        Raises:
          ValueError: An axis does not exist, or its size is unknown.
        """
        shape = TensorShape(input_shape)
        if shape.rank is None:
            raise ValueError(f"Input has undefined rank. Received: {input_shape}.")
        axes = [axis] if isinstance(axis, int) else list(axis)
        rank = len(shape)
        counted = [a + rank if a < 0 else a for a in axes]
        if len(set(counted)) < len(counted):
            raise fail(
                ValueError,
                f"Duplicate axis: {axes} of layer {self.name!r}",
                got=f"axis={axis}",
                expected="different axes",
                site=str(user_site()),
            )
        if any(not 0 <= a < rank for a in counted):
            raise fail(
                ValueError,
                "Invalid value for `axis` argument. Expected 0 <= axis < inputs.rank "
                f"(with inputs.rank={rank}): layer {self.name!r}",
                got=f"axis={axis} for inputs of shape {shape}",
                expected=f"different axes between {-rank} and {rank - 1}",
                site=str(user_site()),
            )
        if any(shape[a] is None for a in counted):
            raise fail(
                ValueError,
                f"Axis {axis} of input tensor should have a defined dimension: Input has "
                f"undefined `axis` dimension in layer {self.name!r}",
                got=f"shape {shape} and axis={axis}",
                expected="a dimension that is known",
                site=str(user_site()),
            )
        return shape, counted

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Returns the shape of the inputs."""
        return input_shape


_PARAMETERS = (
    "center",
    "scale",
    "beta_initializer",
    "gamma_initializer",
    "beta_regularizer",
    "gamma_regularizer",
    "beta_constraint",
    "gamma_constraint",
)


class BatchNormalization(_Normalization):
    """gamma * (x - mean) / sqrt(variance + epsilon) + beta.

    While training, mean and variance are those of the batch, and their running averages
    move towards them; otherwise, and if `trainable` is False, they are the averages.

    Args:
      axis: The dimension, or dimensions, that have a mean of their own.
      momentum: How much of an average is kept.
      epsilon: Keeps the root from 0.
      center: Whether there is a beta.
      scale: Whether there is a gamma.
      beta_initializer, gamma_initializer: For these.
      moving_mean_initializer, moving_variance_initializer: For the averages.
      beta_regularizer, gamma_regularizer: Make terms of `losses` of them.
      beta_constraint, gamma_constraint: Applied after each update.
      synchronized: Accepted for compatibility.
      **kwargs: As in `Layer`.

    >>> import graphopt as tf
    >>> layer = tf.keras.layers.BatchNormalization(momentum=0.5)
    >>> layer(tf.constant([[1.0], [3.0]]), training=True).numpy().round(2).tolist()
    [[-1.0], [1.0]]
    >>> layer.moving_mean.numpy().tolist()
    [1.0]

    Source: `tf.keras.layers.BatchNormalization`; Ioffe and Szegedy, 2015.
    """

    moving_mean_initializer: Any
    moving_variance_initializer: Any
    config_names = (
        "axis",
        "momentum",
        "epsilon",
        *_PARAMETERS[:4],
        "moving_mean_initializer",
        "moving_variance_initializer",
        *_PARAMETERS[4:],
    )

    def __init__(
        self,
        axis: Any = -1,
        momentum: float = 0.99,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Any = "zeros",
        gamma_initializer: Any = "ones",
        moving_mean_initializer: Any = "zeros",
        moving_variance_initializer: Any = "ones",
        beta_regularizer: Any = None,
        gamma_regularizer: Any = None,
        beta_constraint: Any = None,
        gamma_constraint: Any = None,
        synchronized: bool = False,
        **kwargs: Any,
    ) -> None:
        self.fused = kwargs.pop("fused", None)
        for name in ("renorm", "virtual_batch_size", "adjustment"):
            if kwargs.pop(name, None):
                raise NotImplementedError(
                    f"BatchNormalization with {name}; leave {name} out."
                )
        super().__init__(**kwargs)
        self.axis = list(axis) if isinstance(axis, (list, tuple)) else axis
        self.momentum, self.epsilon = momentum, epsilon
        self.set_parameters(
            center,
            scale,
            beta_initializer,
            gamma_initializer,
            beta_regularizer,
            gamma_regularizer,
            beta_constraint,
            gamma_constraint,
        )
        self.set_options(
            moving_mean_initializer=moving_mean_initializer,
            moving_variance_initializer=moving_variance_initializer,
        )
        self.moving_mean: Any = None
        self.moving_variance: Any = None
        self._axes: list[int] = []

    def build(self, input_shape: Any) -> None:
        """Makes gamma, beta and the averages."""
        shape, self._axes = self.read_axes(self.axis, input_shape)
        rank = len(shape)
        self.axis = self._axes
        kept = {axis: shape[axis] for axis in self._axes}
        self.input_spec = InputSpec(ndim=rank, axes=kept)
        if len(kept) == 1:
            sizes = list(kept.values())
        else:
            sizes = [kept.get(i, 1) for i in range(rank)]
        if self.fused is not False:
            self.fused = self._can_be_fused
        # They are float32 also where the layer computes in float16.
        options = {"dtype": self._parameter_dtype, "experimental_autocast": False}
        self.add_parameters(sizes, **options)
        self.moving_mean = self.add_named_weight(
            "moving_mean", sizes, trainable=False, **options
        )
        self.moving_variance = self.add_named_weight(
            "moving_variance", sizes, trainable=False, **options
        )
        self.built = True

    @property
    def _parameter_dtype(self) -> Any:
        dtype = as_dtype(self.dtype or float32)
        return float32 if dtype.name in ("float16", "bfloat16") else dtype

    @property
    def _can_be_fused(self) -> bool:
        """Whether TensorFlow has one op for it, whose variances are unbiased."""
        rank = self.input_spec.ndim
        is_image = rank in (4, 5) and self._axes in ([1], [rank - 1])
        return is_image and as_dtype(self._parameter_dtype) is float32

    def call(self, inputs: Any, training: Any = None, mask: Any = None) -> Any:
        """Returns the normalized inputs; `training` is a bool or a tensor."""
        training = read_switch(training) if self.trainable else False
        rank = len(inputs.shape)
        x = cast(inputs, self._parameter_dtype)
        mean = self.moving_mean.read_value()
        variance = self.moving_variance.read_value()
        if isinstance(training, Tensor) or training:
            found, around = self._moments(x, mask)
            self._update(inputs, training, found, around)
            old = mean, variance
            mean = choose(training, lambda: found, lambda: old[0])
            variance = choose(training, lambda: around, lambda: old[1])
        is_last = self._axes == [rank - 1] or len(self._axes) > 1

        def spread(vector: Any) -> Any:
            """Lets a vector of channels broadcast to the inputs."""
            if vector is None:
                return None
            vector = cast(vector, x.dtype)
            if is_last:
                return vector
            return reshape(
                vector, [-1 if i == self._axes[0] else 1 for i in range(rank)]
            )

        outputs = normalize(
            x,
            spread(mean),
            spread(variance),
            spread(self.beta),
            spread(self.gamma),
            self.epsilon,
        )
        return cast(outputs, as_dtype(self.compute_dtype))

    def _moments(self, x: Any, mask: Any) -> Any:
        others = [i for i in range(len(x.shape)) if i not in self._axes]
        keepdims = len(self._axes) > 1
        if mask is None or self.fused:
            return moments(x, others, keepdims=keepdims)
        weights = expand_dims(cast(mask, x.dtype), -1)
        return masked_moments(x, others, weights, keepdims)

    def _update(self, inputs: Any, training: Any, mean: Any, variance: Any) -> None:
        """Moves the averages towards the moments of a batch."""
        if self.fused:
            variance = variance * _unbias(inputs, self._axes[0], variance.dtype)
        pairs = (self.moving_mean, mean), (self.moving_variance, variance)
        for average, moment in pairs:
            change = (average.read_value() - moment) * (1.0 - self.momentum)
            if isinstance(training, Tensor):
                change = where(training, change, zeros_like(change))
            self.keep_update(average.assign_sub(change))


def _unbias(inputs: Any, axis: int, dtype: Any) -> Any:
    """n / (n - 1), of the n elements that a channel has."""
    rank = len(inputs.shape)
    sizes = [size for i, size in enumerate(inputs.shape) if i != axis]
    if None not in sizes:
        count = math.prod(sizes)
        return float(count / max(count - 1, 1))
    if axis == rank - 1:
        return bessel_factor(inputs, dtype)
    order = [*(i for i in range(rank) if i != axis), axis]
    return bessel_factor(transpose(inputs, order), dtype)


class LayerNormalization(_Normalization):
    """Each example less its mean, divided by its deviation, times gamma plus beta.

    Args:
      axis: The dimension, or dimensions, that mean and deviation are of.
      epsilon: Keeps the root from 0.
      center, scale: Whether there is a beta, and a gamma.
      beta_initializer, gamma_initializer: For these.
      beta_regularizer, gamma_regularizer: Make terms of `losses` of them.
      beta_constraint, gamma_constraint: Applied after each update.
      **kwargs: As in `Layer`.

    >>> import graphopt as tf
    >>> x = tf.constant([[1.0, 3.0], [10.0, 30.0]])
    >>> tf.keras.layers.LayerNormalization()(x).numpy().round(2).tolist()
    [[-1.0, 1.0], [-1.0, 1.0]]

    Source: `tf.keras.layers.LayerNormalization`; Ba et al., 2016.
    """

    config_names = ("axis", "epsilon", *_PARAMETERS)

    def __init__(
        self,
        axis: Any = -1,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Any = "zeros",
        gamma_initializer: Any = "ones",
        beta_regularizer: Any = None,
        gamma_regularizer: Any = None,
        beta_constraint: Any = None,
        gamma_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if not isinstance(axis, (int, list, tuple)):
            raise TypeError(
                "Expected an int or a list/tuple of ints for the argument `axis`; got "
                f"{axis!r}."
            )
        self.axis = list(axis) if isinstance(axis, (list, tuple)) else axis
        self.epsilon = epsilon
        self.set_parameters(
            center,
            scale,
            beta_initializer,
            gamma_initializer,
            beta_regularizer,
            gamma_regularizer,
            beta_constraint,
            gamma_constraint,
        )
        self._axes: list[int] = []

    def build(self, input_shape: Any) -> None:
        """Makes gamma and beta, of the sizes of the axes."""
        shape, self._axes = self.read_axes(self.axis, input_shape)
        self.axis = self._axes
        self.add_parameters([shape[axis] for axis in self._axes])
        self.built = True

    def call(self, inputs: Any) -> Any:
        """Returns the normalized inputs."""
        rank = len(inputs.shape)
        dtype = as_dtype(self.compute_dtype)
        x = cast(inputs, float32 if dtype is float16 else dtype)
        mean, variance = moments(x, self._axes, keepdims=True)
        sizes = [inputs.shape[i] if i in self._axes else 1 for i in range(rank)]

        def spread(parameter: Any) -> Any:
            if parameter is None or self._axes == [rank - 1]:
                return parameter
            return reshape(parameter, sizes)

        beta, gamma = (
            None if part is None else cast(spread(part), x.dtype)
            for part in (self.beta, self.gamma)
        )
        outputs = normalize(x, mean, variance, beta, gamma, self.epsilon)
        return cast(outputs, dtype)


class GroupNormalization(_Normalization):
    """Each group of channels of an example less its mean, divided by its deviation.

    Args:
      groups: The number of groups; -1 for one of each channel, 1 for one of all.
      axis: The dimension of the channels.
      epsilon: Keeps the root from 0.
      center, scale: Whether there is a beta, and a gamma.
      beta_initializer, gamma_initializer: For these.
      beta_regularizer, gamma_regularizer: Make terms of `losses` of them.
      beta_constraint, gamma_constraint: Applied after each update.
      **kwargs: As in `Layer`.

    Raises:
      ValueError: The channels do not fall into so many groups.

    Source: `tf.keras.layers.GroupNormalization`; Wu and He, 2018.
    """

    config_names = ("groups", "axis", "epsilon", *_PARAMETERS)

    def __init__(
        self,
        groups: int = 32,
        axis: int = -1,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Any = "zeros",
        gamma_initializer: Any = "ones",
        beta_regularizer: Any = None,
        gamma_regularizer: Any = None,
        beta_constraint: Any = None,
        gamma_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.groups, self.axis, self.epsilon = groups, axis, epsilon
        self.set_parameters(
            center,
            scale,
            beta_initializer,
            gamma_initializer,
            beta_regularizer,
            gamma_regularizer,
            beta_constraint,
            gamma_constraint,
        )

    def build(self, input_shape: Any) -> None:
        """Makes gamma and beta, `[channels]`."""
        shape, (axis,) = self.read_axes(self.axis, input_shape)
        channels = shape[axis]
        assert channels is not None
        if self.groups == -1:
            self.groups = channels
        if channels < self.groups or channels % self.groups:
            raise fail(
                ValueError,
                f"Number of groups ({self.groups}) "
                + (
                    "cannot be more than the number of channels"
                    if channels < self.groups
                    else "must be a multiple of the number of channels"
                )
                + f" ({channels})",
                got=f"{channels} channels and {self.groups} groups",
                expected="groups of the same size",
                site=str(user_site()),
            )
        self.input_spec = InputSpec(ndim=len(shape), axes={axis: channels})
        self.add_parameters([channels])
        self.built = True

    def call(self, inputs: Any, mask: Any = None) -> Any:
        """Returns the normalized inputs; `mask` broadcasts to them."""
        axis = self.axis % len(inputs.shape)
        grouped = self._in_groups(inputs, axis)
        # Of an example all is added up but the groups.
        others = [i for i in range(1, len(grouped.shape)) if i != axis]
        if mask is None:
            mean, variance = moments(grouped, others, keepdims=True)
        else:
            spread = broadcast_to(cast(mask, inputs.dtype), shape_of(inputs))
            weights = self._in_groups(spread, axis)
            mean, variance = masked_moments(grouped, others, weights, keepdims=True)
        sizes = [1] * len(grouped.shape)
        sizes[axis : axis + 2] = grouped.shape[axis : axis + 2]
        gamma = None if self.gamma is None else reshape(self.gamma, sizes)
        beta = None if self.beta is None else reshape(self.beta, sizes)
        outputs = normalize(grouped, mean, variance, beta, gamma, self.epsilon)
        return reshape(outputs, _sizes_of(inputs))

    def _in_groups(self, inputs: Any, axis: int) -> Any:
        sizes = _sizes_of(inputs)
        channels = inputs.shape[axis]
        sizes[axis : axis + 1] = [self.groups, channels // self.groups]
        return reshape(inputs, sizes)


def _sizes_of(x: Any) -> list[Any]:
    """The sizes of a tensor for `reshape`: -1 where one is unknown, tensors where more."""
    sizes = list(x.shape)
    if sizes.count(None) < 2:
        return [-1 if size is None else size for size in sizes]
    known = shape_of(x)
    return [known[i] if size is None else size for i, size in enumerate(sizes)]


def masked_moments(x: Any, axes: Any, weights: Any, keepdims: bool) -> Any:
    """Mean and variance of elements that count by their weight; 0 where none counts."""
    weights = weights * ones_like(x)
    total = reduce_sum(weights, axes, keepdims=True)
    total = where(equal(total, 0.0), ones_like(total), total)
    mean = reduce_sum(weights * x, axes, keepdims=True) / total
    variance = reduce_sum(weights * square(x - mean), axes, keepdims=True) / total
    if keepdims:
        return mean, variance
    pattern = reduce_sum(x, axes)
    return reshape_like(mean, pattern), reshape_like(variance, pattern)


class UnitNormalization(OptionLayer):
    """Inputs divided by their norm along an axis.

    Args:
      axis: The axis, or axes.
      **kwargs: As in `Layer`.

    >>> import graphopt as tf
    >>> layer = tf.keras.layers.UnitNormalization()
    >>> layer(tf.constant([[3.0, 4.0]])).numpy().round(2)
    array([[0.6, 0.8]], dtype=float32)

    Source: `tf.keras.layers.UnitNormalization`.
    """

    config_names = ("axis",)

    def __init__(self, axis: Any = -1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not isinstance(axis, (int, list, tuple)):
            raise TypeError(
                "Invalid value for `axis` argument: expected an int or a list/tuple of "
                f"ints; got {axis!r}."
            )
        self.axis = list(axis) if isinstance(axis, (list, tuple)) else axis
        self.supports_masking = True

    def build(self, input_shape: Any) -> None:
        """Checks the axes."""
        rank = TensorShape(input_shape).rank
        axes = [self.axis] if isinstance(self.axis, int) else self.axis
        if rank is not None and any(not -rank <= axis < rank for axis in axes):
            raise fail(
                ValueError,
                "Invalid value for `axis` argument of UnitNormalization",
                got=f"axis={self.axis} for inputs of shape {input_shape}",
                site=str(user_site()),
            )
        self.built = True

    def call(self, inputs: Any) -> Any:
        """Returns the normalized inputs."""
        return l2_normalize(inputs, self.axis)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Returns the shape of the inputs."""
        return input_shape
