"""Transposed convolutions, which make sequences, images and volumes larger."""

from __future__ import annotations

from typing import Any

from graphopt.errors import fail
from graphopt.graph.provenance import user_site
from graphopt.graph.shape import TensorShape
from graphopt.keras.layers.convolutional import BaseConv, as_before, as_channels_last
from graphopt.keras.layers.options import read_numbers, require
from graphopt.ops.creation import shape as shape_of
from graphopt.ops.volumes import conv_transpose


class _Transpose(BaseConv):
    """The derivative of a convolution by its inputs."""

    config_names = (
        "filters",
        "kernel_size",
        "strides",
        "padding",
        "output_padding",
        "data_format",
        "dilation_rate",
        "groups",
        "activation",
        "use_bias",
        "kernel_initializer",
        "bias_initializer",
        "kernel_regularizer",
        "bias_regularizer",
        "activity_regularizer",
        "kernel_constraint",
        "bias_constraint",
    )

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        output_padding: Any = None,
        data_format: str | None = None,
        dilation_rate: Any = 1,
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        **kwargs: Any,
    ) -> None:
        self.take_groups(kwargs)
        super().__init__(activity_regularizer=activity_regularizer, **kwargs)
        require(filters, int(filters) > 0, "filters", "a positive integer")
        self.filters = int(filters)
        self.set_windows(kernel_size, strides, padding, data_format, dilation_rate)
        if output_padding is not None:
            output_padding = read_numbers(
                output_padding, self.rank, "output_padding", allow_zero=True
            )
            for stride, more in zip(self.strides, output_padding, strict=True):
                if stride <= more:
                    raise fail(
                        ValueError,
                        "Strides must be greater than output padding",
                        got=f"strides={self.strides}, output_padding={output_padding}",
                        site=str(user_site()),
                    )
        self.output_padding = output_padding
        self.use_bias = use_bias
        self.set_options(
            activation=activation,
            kernel_initializer=kernel_initializer,
            bias_initializer=bias_initializer,
            kernel_regularizer=kernel_regularizer,
            bias_regularizer=bias_regularizer,
            kernel_constraint=kernel_constraint,
            bias_constraint=bias_constraint,
        )

    def build(self, input_shape: Any) -> None:
        """Makes the kernel, `[..., filters, channels]`, and the bias."""
        channels = self.channels_of(input_shape)
        self.kernel = self.add_named_weight(
            "kernel", [*self.kernel_size, self.filters, channels]
        )
        self.add_bias_weight(self.filters)
        self.set_spec(channels)
        self.built = True

    def _larger(self, i: int, size: Any) -> Any:
        """The size of the result along a dimension, a number or a tensor."""
        stride, window = self.strides[i], self.kernel_size[i]
        window += (window - 1) * (self.dilation_rate[i] - 1)
        if self.output_padding is None:
            more = max(window - stride, 0) if self.padding == "valid" else 0
            return size * stride + more
        inside = 2 * (window // 2) if self.padding == "same" else 0
        return (size - 1) * stride + window - inside + self.output_padding[i]

    def spatial_shape(self, spatial: Any) -> list[int | None]:
        """Returns the spatial sizes of the result."""
        return [
            None if size is None else self._larger(i, size)
            for i, size in enumerate(spatial)
        ]

    def compute_output_shape(self, input_shape: Any) -> TensorShape:
        """Returns the shape of the outputs."""
        return self.shape_with(input_shape, self.filters)

    def call(self, inputs: Any) -> Any:
        """Returns the larger result."""
        x = as_channels_last(self, inputs)
        spatial = x.shape[1:-1]
        if None in spatial and self.rank != 2:
            raise NotImplementedError(
                f"{type(self).__name__} of inputs of shape {inputs.shape}; only the batch "
                "may be unknown."
            )
        sizes = [
            self._larger(i, shape_of(x)[i + 1] if size is None else size)
            for i, size in enumerate(spatial)
        ]
        batch = x.shape[0] if x.shape[0] is not None else shape_of(x)[0]
        outputs = conv_transpose(
            x,
            self.kernel,
            [batch, *sizes, self.filters],
            list(self.strides),
            self.padding.upper(),
            None,
            list(self.dilation_rate),
        )
        return self.finish(as_before(self, outputs))


class Conv1DTranspose(_Transpose):
    """A transposed convolution of sequences, with bias and activation.

    Args:
      filters: The number of channels of the outputs.
      kernel_size, strides, padding, data_format, dilation_rate: Those of the convolution
        that it is the derivative of.
      output_padding: What is added to the size of the result, less than the strides; by
        default the size is made of the others.
      activation, use_bias: As in `Conv1D`.
      kernel_initializer: For the kernel, `[size, filters, channels]`.
      bias_initializer, kernel_regularizer, bias_regularizer: As in `Conv1D`.
      activity_regularizer, kernel_constraint, bias_constraint: As in `Conv1D`.
      **kwargs: As in `Layer`.

    Source: `tf.keras.layers.Conv1DTranspose`.
    """

    rank = 1


class Conv2DTranspose(_Transpose):
    """A transposed convolution of images, with bias and activation.

    Args:
      filters, kernel_size, strides, padding, output_padding: As in `Conv1DTranspose`.
      data_format, dilation_rate, activation, use_bias: As in `Conv1DTranspose`.
      kernel_initializer: For the kernel, `[height, width, filters, channels]`.
      bias_initializer, kernel_regularizer, bias_regularizer: As in `Conv1D`.
      activity_regularizer, kernel_constraint, bias_constraint: As in `Conv1D`.
      **kwargs: As in `Layer`.

    >>> import graphopt as tf
    >>> tf.keras.layers.Conv2DTranspose(2, 3, strides=2)(tf.ones([4, 5, 5, 3])).shape
    TensorShape([4, 11, 11, 2])

    Source: `tf.keras.layers.Conv2DTranspose`.
    """

    rank = 2


class Conv3DTranspose(_Transpose):
    """A transposed convolution of volumes, with bias and activation.

    Args:
      filters, kernel_size, strides, padding, output_padding: As in `Conv1DTranspose`.
      data_format, dilation_rate, activation, use_bias: As in `Conv1DTranspose`.
      kernel_initializer, bias_initializer, kernel_regularizer: As in `Conv1D`.
      bias_regularizer, activity_regularizer: As in `Conv1D`.
      kernel_constraint, bias_constraint, **kwargs: As in `Conv1D`.

    Source: `tf.keras.layers.Conv3DTranspose`.
    """

    rank = 3
