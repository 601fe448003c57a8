"""Convolutions of each channel on its own, and such that are mixed afterwards."""

from __future__ import annotations

from typing import Any

from graphopt.graph.shape import TensorShape
from graphopt.keras.layers.convolutional import BaseConv, as_before, as_channels_last
from graphopt.keras.layers.options import require
from graphopt.ops.depthwise import depthwise_conv2d, separable_conv2d
from graphopt.ops.shaping import expand_dims, squeeze


class _PerChannel(BaseConv):
    """A convolution with filters of their own for each channel."""

    depthwise_kernel: Any = None

    def add_depthwise_kernel(self, channels: int) -> None:
        """Makes the kernel, `[..., channels, multiplier]`."""
        self.depthwise_kernel = self.add_named_weight(
            "depthwise_kernel",
            [*self.kernel_size, channels, self.depth_multiplier],
            "depthwise",
        )

    depth_multiplier: int

    def convolve(self, inputs: Any, *more: Any) -> Any:
        """Returns inputs convolved channel by channel, and mixed by a second kernel."""
        x = as_channels_last(self, inputs)
        kernels = [self.depthwise_kernel, *more]
        strides, gaps = list(self.strides), list(self.dilation_rate)
        padding = self.padding
        if self.rank == 1:
            if padding == "causal":
                x, padding = self.pad_causally(x, 1), "valid"
            # An image of height 1.
            x, kernels = expand_dims(x, 1), [expand_dims(k, 0) for k in kernels]
            strides, gaps = [1, *strides], [1, *gaps]
        options = strides, padding.upper(), None, gaps
        if more:
            outputs = separable_conv2d(x, kernels[0], kernels[1], *options)
        else:
            outputs = depthwise_conv2d(x, kernels[0], *options)
        if self.rank == 1:
            outputs = squeeze(outputs, [1])
        return self.finish(as_before(self, outputs))


class _Depthwise(_PerChannel):
    """A depthwise convolution."""

    config_names = (
        "kernel_size",
        "strides",
        "padding",
        "depth_multiplier",
        "data_format",
        "dilation_rate",
        "groups",
        "activation",
        "use_bias",
        "depthwise_initializer",
        "bias_initializer",
        "depthwise_regularizer",
        "bias_regularizer",
        "activity_regularizer",
        "depthwise_constraint",
        "bias_constraint",
    )

    def __init__(
        self,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        depth_multiplier: int = 1,
        data_format: str | None = None,
        dilation_rate: Any = 1,
        activation: Any = None,
        use_bias: bool = True,
        depthwise_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        depthwise_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        depthwise_constraint: Any = None,
        bias_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        self.take_groups(kwargs)
        super().__init__(activity_regularizer=activity_regularizer, **kwargs)
        self.set_windows(kernel_size, strides, padding, data_format, dilation_rate)
        require(
            depth_multiplier,
            int(depth_multiplier) > 0,
            "depth_multiplier",
            "a positive integer",
        )
        self.depth_multiplier, self.use_bias = int(depth_multiplier), use_bias
        self.set_options(
            activation=activation,
            depthwise_initializer=depthwise_initializer,
            bias_initializer=bias_initializer,
            depthwise_regularizer=depthwise_regularizer,
            bias_regularizer=bias_regularizer,
            depthwise_constraint=depthwise_constraint,
            bias_constraint=bias_constraint,
        )

    def build(self, input_shape: Any) -> None:
        """Makes the kernel, `[..., channels, multiplier]`, and the bias."""
        channels = self.channels_of(input_shape)
        self.add_depthwise_kernel(channels)
        self.add_bias_weight(channels * self.depth_multiplier)
        self.set_spec(channels)
        self.built = True

    def call(self, inputs: Any) -> Any:
        """Returns the convolved inputs."""
        return self.convolve(inputs)

    def compute_output_shape(self, input_shape: Any) -> TensorShape:
        """Returns the shape of the outputs."""
        channels = self.channels_of(input_shape) * self.depth_multiplier
        return self.shape_with(input_shape, channels)


class DepthwiseConv1D(_Depthwise):
    """A convolution of each channel of sequences on its own.

    Args:
      kernel_size, strides, padding: As in `Conv1D`.
      depth_multiplier: The number of outputs of each channel.
      data_format, dilation_rate, activation, use_bias: As in `Conv1D`.
      depthwise_initializer: For the kernel, `[size, channels, multiplier]`.
      bias_initializer, depthwise_regularizer, bias_regularizer: As in `Conv1D`.
      activity_regularizer, depthwise_constraint, bias_constraint: As in `Conv1D`.
      **kwargs: As in `Layer`.

    Source: `tf.keras.layers.DepthwiseConv1D`.
    """

    rank = 1


class DepthwiseConv2D(_Depthwise):
    """A convolution of each channel of images on its own.

    Args:
      kernel_size, strides, padding: As in `Conv2D`.
      depth_multiplier: The number of outputs of each channel.
      data_format, dilation_rate, activation, use_bias: As in `Conv2D`.
      depthwise_initializer: For the kernel, `[height, width, channels, multiplier]`.
      bias_initializer, depthwise_regularizer, bias_regularizer: As in `Conv1D`.
      activity_regularizer, depthwise_constraint, bias_constraint: As in `Conv1D`.
      **kwargs: As in `Layer`.

    Source: `tf.keras.layers.DepthwiseConv2D`.
    """

    rank = 2


class _Separable(_PerChannel):
    """A convolution of each channel on its own, then one of windows of one element."""

    pointwise_kernel: Any = None
    config_names = (
        "filters",
        "kernel_size",
        "strides",
        "padding",
        "data_format",
        "dilation_rate",
        "groups",
        "depth_multiplier",
        "activation",
        "use_bias",
        "depthwise_initializer",
        "pointwise_initializer",
        "bias_initializer",
        "depthwise_regularizer",
        "pointwise_regularizer",
        "bias_regularizer",
        "activity_regularizer",
        "depthwise_constraint",
        "pointwise_constraint",
        "bias_constraint",
    )

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: Any = 1,
        depth_multiplier: int = 1,
        activation: Any = None,
        use_bias: bool = True,
        depthwise_initializer: Any = "glorot_uniform",
        pointwise_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        depthwise_regularizer: Any = None,
        pointwise_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        depthwise_constraint: Any = None,
        pointwise_constraint: Any = None,
        bias_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        self.take_groups(kwargs)
        super().__init__(activity_regularizer=activity_regularizer, **kwargs)
        require(filters, int(filters) > 0, "filters", "a positive integer")
        self.filters = int(filters)
        self.set_windows(kernel_size, strides, padding, data_format, dilation_rate)
        self.depth_multiplier, self.use_bias = int(depth_multiplier), use_bias
        self.set_options(
            activation=activation,
            depthwise_initializer=depthwise_initializer,
            pointwise_initializer=pointwise_initializer,
            bias_initializer=bias_initializer,
            depthwise_regularizer=depthwise_regularizer,
            pointwise_regularizer=pointwise_regularizer,
            bias_regularizer=bias_regularizer,
            depthwise_constraint=depthwise_constraint,
            pointwise_constraint=pointwise_constraint,
            bias_constraint=bias_constraint,
        )

    def build(self, input_shape: Any) -> None:
        """Makes the two kernels and the bias."""
        channels = self.channels_of(input_shape)
        self.add_depthwise_kernel(channels)
        ones = [1] * self.rank
        self.pointwise_kernel = self.add_named_weight(
            "pointwise_kernel",
            [*ones, self.depth_multiplier * channels, self.filters],
            "pointwise",
        )
        self.add_bias_weight(self.filters)
        self.set_spec(channels)
        self.built = True

    def call(self, inputs: Any) -> Any:
        """Returns the convolved inputs."""
        return self.convolve(inputs, self.pointwise_kernel)

    def compute_output_shape(self, input_shape: Any) -> TensorShape:
        """Returns the shape of the outputs."""
        return self.shape_with(input_shape, self.filters)


class SeparableConv1D(_Separable):
    """A convolution of each channel of sequences on its own, and a mix of the channels.

    Args:
      filters, kernel_size, strides, padding: As in `Conv1D`.
      data_format, dilation_rate: As in `Conv1D`.
      depth_multiplier: The number of outputs of each channel, before they are mixed.
      activation, use_bias: As in `Conv1D`.
      depthwise_initializer: For the first kernel, `[size, channels, multiplier]`.
      pointwise_initializer: For the second, `[1, channels * multiplier, filters]`.
      bias_initializer: For the bias, `[filters]`.
      depthwise_regularizer, pointwise_regularizer, bias_regularizer: As in `Conv1D`.
      activity_regularizer: As in `Conv1D`.
      depthwise_constraint, pointwise_constraint, bias_constraint: As in `Conv1D`.
      **kwargs: As in `Layer`.

    Source: `tf.keras.layers.SeparableConv1D`.
    """

    rank = 1
    paddings = ("valid", "same", "causal")


class SeparableConv2D(_Separable):
    """A convolution of each channel of images on its own, and a mix of the channels.

    Args:
      filters, kernel_size, strides, padding: As in `Conv2D`.
      data_format, dilation_rate: As in `Conv2D`.
      depth_multiplier: The number of outputs of each channel, before they are mixed.
      activation, use_bias: As in `Conv1D`.
      depthwise_initializer: For the first kernel, `[height, width, channels, multiplier]`.
      pointwise_initializer: For the second, `[1, 1, channels * multiplier, filters]`.
      bias_initializer: For the bias, `[filters]`.
      depthwise_regularizer, pointwise_regularizer, bias_regularizer: As in `Conv1D`.
      activity_regularizer: As in `Conv1D`.
      depthwise_constraint, pointwise_constraint, bias_constraint: As in `Conv1D`.
      **kwargs: As in `Layer`.

    Source: `tf.keras.layers.SeparableConv2D`.
    """

    rank = 2
