"""`tf.layers`: convolutions of sequences, images and volumes."""

from __future__ import annotations

from typing import Any

from graphopt import nn
from graphopt.compat.v1.layers.base import (
    ZEROS,
    InputSpec,
    Layer,
    activate,
    channel_axis,
)
from graphopt.compat.v1.layers.pooling import layout_of, read_padding
from graphopt.errors import fail
from graphopt.graph.provenance import user_site
from graphopt.graph.shape import TensorShape
from graphopt.graph.tensor import Tensor
from graphopt.ops.padding import pad
from graphopt.ops.volumes import numbers_of


class Convolution(Layer):
    """A layer with windows, a bias and an activation; subclasses say which.

    Args:
      rank: The number of spatial dimensions.
      filters: The number of channels of the result.
      kernel_size: The size of the windows: a number, or one for each dimension.
      strides: From one window to the next, likewise.
      padding: "valid" or "same"; for sequences also "causal".
      data_format: "channels_last" or "channels_first".
      dilation_rate: From one element of a window to the next.
      **options: `activation`, `use_bias`, the initializers, regularizers and constraints
        of variables, and what `Layer` takes.
    """

    def __init__(
        self,
        rank: int,
        filters: int,
        kernel_size: Any,
        strides: Any,
        padding: str,
        data_format: str,
        dilation_rate: Any,
        activation: Any,
        use_bias: bool,
        bias_initializer: Any,
        bias_regularizer: Any,
        bias_constraint: Any,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        self.rank, self.filters = rank, int(filters)
        if self.filters <= 0:
            raise fail(
                ValueError,
                "Invalid value for argument `filters`",
                got=repr(filters),
                expected="a positive integer",
                site=str(user_site()),
            )
        self.kernel_size = tuple(numbers_of(kernel_size, rank, "kernel_size"))
        self.strides = tuple(numbers_of(strides, rank, "strides"))
        self.dilation_rate = tuple(numbers_of(dilation_rate, rank, "dilation_rate"))
        if max(self.strides) > 1 and max(self.dilation_rate) > 1:
            raise fail(
                ValueError,
                "`strides > 1` not supported in conjunction with `dilation_rate > 1`",
                got=f"{self.strides} and {self.dilation_rate}",
                site=str(user_site()),
            )
        self.padding = read_padding(padding, ("causal",) if rank == 1 else ())
        self.data_format = data_format
        self.layout = layout_of(data_format, rank + 2)
        self.channel_axis = channel_axis(data_format)
        self.activation, self.use_bias = activation, use_bias
        self.bias_initializer = bias_initializer
        self.bias_regularizer, self.bias_constraint = bias_regularizer, bias_constraint
        self.input_spec = InputSpec(ndim=rank + 2)
        self.kernel: Any = None
        self.bias: Any = None

    def channels_of(self, input_shape: Any) -> int:
        """Returns the number of channels of the inputs.

        Raises:
          ValueError: It is not known.
        """
        channels = TensorShape(input_shape)[self.channel_axis]
        if channels is None:
            raise fail(
                ValueError,
                "The channel dimension of the inputs should be defined",
                got=f"shape {input_shape}",
                expected="channels that are known",
                site=str(user_site()),
                remedy="a placeholder with the number of channels",
            )
        return channels

    def add_bias_weight(self) -> None:
        """Makes the bias, if there is one."""
        if self.use_bias:
            self.bias = self.add_weight(
                "bias",
                shape=[self.filters],
                initializer=self.bias_initializer,
                regularizer=self.bias_regularizer,
                constraint=self.bias_constraint,
            )
        self.built = True

    def finish(self, outputs: Any) -> Any:
        """Adds the bias and applies the activation."""
        if self.use_bias:
            outputs = nn.bias_add(outputs, self.bias, self.layout)
        return activate(self.activation, outputs)


class _Conv(Convolution):
    """A convolution whose filters see all channels."""

    def __init__(
        self,
        rank: int,
        filters: int,
        kernel_size: Any,
        strides: Any,
        padding: str,
        data_format: str,
        dilation_rate: Any,
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
            dilation_rate,
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
        """Makes the kernel, `[..., channels, filters]`, and the bias."""
        channels = self.channels_of(input_shape)
        self.kernel = self.add_weight(
            "kernel",
            shape=[*self.kernel_size, channels, self.filters],
            initializer=self.kernel_initializer,
            regularizer=self.kernel_regularizer,
            constraint=self.kernel_constraint,
        )
        self.add_bias_weight()

    def call(self, inputs: Any) -> Any:
        """Returns the convolved inputs."""
        padding = self.padding
        if padding == "causal":
            before = self.dilation_rate[0] * (self.kernel_size[0] - 1)
            pads = [[0, 0], [before, 0], [0, 0]]
            if self.channel_axis == 1:
                pads = [[0, 0], [0, 0], [before, 0]]
            inputs, padding = pad(inputs, pads), "valid"
        outputs = nn.convolution(
            inputs,
            self.kernel,
            list(self.strides),
            padding.upper(),
            self.layout,
            list(self.dilation_rate),
        )
        return self.finish(outputs)


class Conv1D(_Conv):
    """A convolution of sequences, with a bias and an activation.

    Source: `tf.compat.v1.layers.Conv1D`.
    """

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        data_format: str = "channels_last",
        dilation_rate: Any = 1,
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
            1,
            filters,
            kernel_size,
            strides,
            padding,
            data_format,
            dilation_rate,
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


class Conv2D(_Conv):
    """A convolution of images, with a bias and an activation.

    Source: `tf.compat.v1.layers.Conv2D`.
    """

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = (1, 1),
        padding: str = "valid",
        data_format: str = "channels_last",
        dilation_rate: Any = (1, 1),
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
            dilation_rate,
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


class Conv3D(_Conv):
    """A convolution of volumes, with a bias and an activation.

    Source: `tf.compat.v1.layers.Conv3D`.
    """

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = (1, 1, 1),
        padding: str = "valid",
        data_format: str = "channels_last",
        dilation_rate: Any = (1, 1, 1),
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
            dilation_rate,
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


def conv1d(
    inputs: Any,
    filters: int,
    kernel_size: Any,
    strides: Any = 1,
    padding: str = "valid",
    data_format: str = "channels_last",
    dilation_rate: Any = 1,
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
    """Convolves sequences, `[batch, width, channels]`; as `conv2d`.

    Source: `tf.compat.v1.layers.conv1d`.
    """
    layer = Conv1D(
        filters,
        kernel_size,
        strides,
        padding,
        data_format,
        dilation_rate,
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


def conv2d(
    inputs: Any,
    filters: int,
    kernel_size: Any,
    strides: Any = (1, 1),
    padding: str = "valid",
    data_format: str = "channels_last",
    dilation_rate: Any = (1, 1),
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
    """Convolves images with a kernel that it makes, adds a bias, applies an activation.

    Args:
      inputs: `[batch, height, width, channels]`.
      filters: The number of channels of the result.
      kernel_size: The size of the windows: a number, or one for each dimension.
      strides: From one window to the next, likewise.
      padding: "valid" or "same".
      data_format: "channels_last" or "channels_first".
      dilation_rate: From one element of a window to the next.
      activation: A function or a name; None for none.
      use_bias: Whether there is a bias.
      kernel_initializer, bias_initializer: For the variables.
      kernel_regularizer, bias_regularizer: Make terms of the loss of them.
      activity_regularizer: Makes one of the result.
      kernel_constraint, bias_constraint: Applied after each update.
      trainable: Whether the variables are trainable.
      name: Name of the scope; by default `conv2d`, numbered.
      reuse: Whether the variables of `name` exist; as in `variable_scope`.

    Raises:
      ValueError: The channels are not known, or variables exist and are not reused.

    Source: `tf.compat.v1.layers.conv2d`.
    """
    layer = Conv2D(
        filters,
        kernel_size,
        strides,
        padding,
        data_format,
        dilation_rate,
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


def conv3d(
    inputs: Any,
    filters: int,
    kernel_size: Any,
    strides: Any = (1, 1, 1),
    padding: str = "valid",
    data_format: str = "channels_last",
    dilation_rate: Any = (1, 1, 1),
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
    """Convolves volumes, `[batch, depth, height, width, channels]`; as `conv2d`.

    Source: `tf.compat.v1.layers.conv3d`.
    """
    layer = Conv3D(
        filters,
        kernel_size,
        strides,
        padding,
        data_format,
        dilation_rate,
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
