"""`tf.layers`: transposed convolutions, which make images and volumes larger."""

from __future__ import annotations

from typing import Any

from graphopt import nn
from graphopt.compat.v1.layers.base import ZEROS
from graphopt.compat.v1.layers.convolutional import Convolution
from graphopt.graph.shape import TensorShape
from graphopt.graph.tensor import Tensor
from graphopt.ops.creation import shape as shape_of


class _Transpose(Convolution):
    """The derivative of a convolution by its inputs."""

    def __init__(
        self,
        rank: int,
        filters: int,
        kernel_size: Any,
        strides: Any,
        padding: str,
        data_format: str,
        activation: Any,
        use_bias: bool,
        kernel_initializer: Any,
        bias_initializer: Any,
        kernel_regularizer: Any,
        bias_regularizer: Any,
        activity_regularizer: Any,
        kernel_constraint: Any,
        bias_constraint: Any,
        trainable: bool,
        name: str | None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            rank,
            filters,
            kernel_size,
            strides,
            padding,
            data_format,
            1,
            activation,
            use_bias,
            bias_initializer,
            bias_regularizer,
            bias_constraint,
            trainable=trainable,
            name=name,
            activity_regularizer=activity_regularizer,
            **kwargs,
        )
        self.kernel_initializer = kernel_initializer
        self.kernel_regularizer = kernel_regularizer
        self.kernel_constraint = kernel_constraint

    def build(self, input_shape: Any) -> None:
        """Makes the kernel, `[..., filters, channels]`, and the bias."""
        channels = self.channels_of(input_shape)
        self.kernel = self.add_weight(
            "kernel",
            shape=[*self.kernel_size, self.filters, channels],
            initializer=self.kernel_initializer,
            regularizer=self.kernel_regularizer,
            constraint=self.kernel_constraint,
        )
        self.add_bias_weight()

    def compute_output_shape(self, input_shape: Any) -> TensorShape:
        """Returns the shape of the result."""
        shape = TensorShape(input_shape)
        is_first = self.channel_axis == 1
        spatial = shape[2:] if is_first else shape[1:-1]
        windows = zip(spatial, self.strides, self.kernel_size, strict=True)
        larger = [
            None
            if size is None
            else size * stride + (max(k - stride, 0) if self.padding == "valid" else 0)
            for size, stride, k in windows
        ]
        rest = [self.filters, *larger] if is_first else [*larger, self.filters]
        return TensorShape([shape[0], *rest])

    def _sizes_in_run(self, inputs: Any, sizes: TensorShape) -> list[Any]:
        """The sizes of the result, as tensors where they are not known yet."""
        found: list[Any] = list(sizes)
        first = 2 if self.channel_axis == 1 else 1
        for i, size in enumerate(sizes):
            if size is not None:
                continue
            found[i] = shape_of(inputs)[i]
            if i > 0:
                stride, k = self.strides[i - first], self.kernel_size[i - first]
                more = max(k - stride, 0) if self.padding == "valid" else 0
                found[i] = found[i] * stride + more
        return found

    def call(self, inputs: Any) -> Any:
        """Returns the larger result."""
        sizes = self.compute_output_shape(inputs.shape)
        if None in sizes[1:] and self.rank != 2:
            raise NotImplementedError(
                f"{type(self).__name__} of inputs of shape {inputs.shape}; only the batch "
                "may be unknown."
            )
        function = nn.conv2d_transpose if self.rank == 2 else nn.conv3d_transpose
        outputs = function(
            inputs,
            self.kernel,
            self._sizes_in_run(inputs, sizes),
            list(self.strides),
            self.padding.upper(),
            self.layout,
        )
        return self.finish(outputs)


class Conv2DTranspose(_Transpose):
    """A transposed convolution of images, with a bias and an activation.

    Source: `tf.compat.v1.layers.Conv2DTranspose`.
    """

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = (1, 1),
        padding: str = "valid",
        data_format: str = "channels_last",
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = None,
        bias_initializer: Any = ZEROS,
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        trainable: bool = True,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            2,
            filters,
            kernel_size,
            strides,
            padding,
            data_format,
            activation,
            use_bias,
            kernel_initializer,
            bias_initializer,
            kernel_regularizer,
            bias_regularizer,
            activity_regularizer,
            kernel_constraint,
            bias_constraint,
            trainable,
            name,
            **kwargs,
        )


class Conv3DTranspose(_Transpose):
    """A transposed convolution of volumes, with a bias and an activation.

    Source: `tf.compat.v1.layers.Conv3DTranspose`.
    """

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = (1, 1, 1),
        padding: str = "valid",
        data_format: str = "channels_last",
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = None,
        bias_initializer: Any = ZEROS,
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        bias_constraint: Any = None,
        trainable: bool = True,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            3,
            filters,
            kernel_size,
            strides,
            padding,
            data_format,
            activation,
            use_bias,
            kernel_initializer,
            bias_initializer,
            kernel_regularizer,
            bias_regularizer,
            activity_regularizer,
            kernel_constraint,
            bias_constraint,
            trainable,
            name,
            **kwargs,
        )


def conv2d_transpose(
    inputs: Any,
    filters: int,
    kernel_size: Any,
    strides: Any = (1, 1),
    padding: str = "valid",
    data_format: str = "channels_last",
    activation: Any = None,
    use_bias: bool = True,
    kernel_initializer: Any = None,
    bias_initializer: Any = ZEROS,
    kernel_regularizer: Any = None,
    bias_regularizer: Any = None,
    activity_regularizer: Any = None,
    kernel_constraint: Any = None,
    bias_constraint: Any = None,
    trainable: bool = True,
    name: str | None = None,
    reuse: Any = None,
) -> Tensor:
    """Spreads images, `[batch, height, width, channels]`, over larger ones; arguments are those of `conv2d`.

    Source: `tf.compat.v1.layers.conv2d_transpose`.
    """
    layer = Conv2DTranspose(
        filters,
        kernel_size,
        strides,
        padding,
        data_format,
        activation,
        use_bias,
        kernel_initializer,
        bias_initializer,
        kernel_regularizer,
        bias_regularizer,
        activity_regularizer,
        kernel_constraint,
        bias_constraint,
        trainable,
        name,
        _scope=name,
        _reuse=reuse,
    )
    return layer(inputs)


def conv3d_transpose(
    inputs: Any,
    filters: int,
    kernel_size: Any,
    strides: Any = (1, 1, 1),
    padding: str = "valid",
    data_format: str = "channels_last",
    activation: Any = None,
    use_bias: bool = True,
    kernel_initializer: Any = None,
    bias_initializer: Any = ZEROS,
    kernel_regularizer: Any = None,
    bias_regularizer: Any = None,
    activity_regularizer: Any = None,
    kernel_constraint: Any = None,
    bias_constraint: Any = None,
    trainable: bool = True,
    name: str | None = None,
    reuse: Any = None,
) -> Tensor:
    """Spreads volumes, `[batch, depth, height, width, channels]`, over larger ones; arguments are those of `conv3d`.

    Source: `tf.compat.v1.layers.conv3d_transpose`.
    """
    layer = Conv3DTranspose(
        filters,
        kernel_size,
        strides,
        padding,
        data_format,
        activation,
        use_bias,
        kernel_initializer,
        bias_initializer,
        kernel_regularizer,
        bias_regularizer,
        activity_regularizer,
        kernel_constraint,
        bias_constraint,
        trainable,
        name,
        _scope=name,
        _reuse=reuse,
    )
    return layer(inputs)
