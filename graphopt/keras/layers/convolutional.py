"""Convolutions of sequences, images and volumes."""

from __future__ import annotations

from typing import Any

from graphopt.errors import fail
from graphopt.graph.context import building_graph
from graphopt.graph.provenance import user_site
from graphopt.graph.shape import TensorShape
from graphopt.keras.layers.base import InputSpec
from graphopt.keras.layers.options import (
    OptionLayer,
    read_data_format,
    read_numbers,
    require,
)
from graphopt.ops.creation import shape as shape_of
from graphopt.ops.layouts import to_channels_first, to_channels_last
from graphopt.ops.padding import pad
from graphopt.ops.shaping import concat, reshape
from graphopt.ops.splitting import split
from graphopt.ops.volumes import convolution


def windows_along(
    size: int | None, window: int, stride: int, dilation: int, padding: str
) -> int | None:
    """Returns how many windows fit along a dimension; None if its size is unknown."""
    if size is None:
        return None
    if padding == "valid":
        size -= dilation * (window - 1)
    return -(-size // stride)


def sizes_of(x: Any) -> list[Any]:
    """Returns the sizes of a tensor: numbers, or tensors where they are not known."""
    if None not in x.shape:
        return list(x.shape)
    found = shape_of(x)
    return [found[i] if size is None else size for i, size in enumerate(x.shape)]


class BaseConv(OptionLayer):
    """What all convolutions share: windows, channels, a bias and an activation.

    Attributes:
      rank: The number of spatial dimensions.
    """

    rank: int
    filters: int
    groups = 1
    kernel: Any = None
    bias: Any = None
    paddings: tuple[str, ...] = ("valid", "same")
    default_format: str | None = None

    def set_windows(
        self,
        kernel_size: Any,
        strides: Any,
        padding: Any,
        data_format: Any,
        dilation_rate: Any,
    ) -> None:
        """Reads the sizes of windows and how they are laid.

        Raises:
          ValueError: They are none, or strides come with dilations.
        """
        rank = self.rank
        self.kernel_size = read_numbers(kernel_size, rank, "kernel_size")
        self.strides = read_numbers(strides, rank, "strides")
        self.dilation_rate = read_numbers(dilation_rate, rank, "dilation_rate")
        if max(self.strides) > 1 and max(self.dilation_rate) > 1:
            raise fail(
                ValueError,
                "`strides > 1` not supported in conjunction with `dilation_rate > 1`",
                got=f"strides={self.strides} and dilation_rate={self.dilation_rate}",
                site=str(user_site()),
            )
        self.padding = str(padding).lower()
        if self.padding not in self.paddings:
            raise fail(
                ValueError,
                "The `padding` argument must be one of "
                + ", ".join(f"'{each}'" for each in self.paddings),
                got=repr(padding),
                site=str(user_site()),
            )
        self.data_format = read_data_format(data_format, self.default_format)
        self.channel_axis = 1 if self.data_format == "channels_first" else -1
        letters = {1: "W", 2: "HW", 3: "DHW"}[rank]
        is_last = self.channel_axis == -1
        self.layout = f"N{letters}C" if is_last else f"NC{letters}"
        self.input_spec = InputSpec(min_ndim=rank + 2)

    @staticmethod
    def take_groups(kwargs: dict[str, Any]) -> None:
        """Takes arguments out that configs of Keras have, and that change nothing.

        Raises:
          NotImplementedError: There are several groups.
        """
        if kwargs.pop("groups", 1) != 1:
            raise NotImplementedError("Groups of channels are for Conv1D, 2D and 3D.")
        for name in ("initializer", "regularizer", "constraint"):
            kwargs.pop(f"kernel_{name}", None)

    def channels_of(self, input_shape: Any) -> int:
        """Returns the number of channels of the inputs.

        Raises:
          ValueError: It is not known.
        """
        shape = TensorShape(input_shape)
        axis = -1 if self.channel_axis == -1 else len(shape) - self.rank - 1
        channels = shape[axis]
        if channels is None:
            raise fail(
                ValueError,
                f"The channel dimension of the inputs to layer {self.name!r} should be "
                "defined",
                got=f"shape {shape}",
                expected="channels that are known",
                site=str(user_site()),
                remedy="Input, or input_shape, with the number of channels",
            )
        return channels

    def set_spec(self, channels: int) -> None:
        """Lets the base check the channels of inputs."""
        axis = -1 if self.channel_axis == -1 else -self.rank - 1
        self.input_spec = InputSpec(min_ndim=self.rank + 2, axes={axis: channels})

    def add_bias_weight(self, size: int) -> None:
        """Makes the bias, if there is one."""
        self.bias = self.add_named_weight("bias", [size]) if self.use_bias else None

    use_bias: bool

    def finish(self, outputs: Any) -> Any:
        """Adds the bias and applies the activation."""
        if self.use_bias:
            bias = self.bias
            if self.channel_axis == 1:
                bias = reshape(bias, [-1] + [1] * self.rank)
            outputs = outputs + bias
        return self.activation(outputs)

    def pad_causally(self, inputs: Any, axis: int) -> Any:
        """Returns sequences with zeros before, so that no step sees later ones."""
        pads = [[0, 0], [0, 0], [0, 0]]
        pads[axis][0] = self.dilation_rate[0] * (self.kernel_size[0] - 1)
        return pad(inputs, pads)

    def spatial_shape(self, spatial: Any) -> list[int | None]:
        """Returns how many windows fit into the spatial dimensions."""
        windows = zip(
            spatial, self.kernel_size, self.strides, self.dilation_rate, strict=True
        )
        return [windows_along(*window, self.padding) for window in windows]

    def shape_with(self, input_shape: Any, channels: int) -> TensorShape:
        """Returns the shape of outputs with a number of channels.

        Raises:
          ValueError: There would be none.
        """
        shape = TensorShape(input_shape)
        ahead = len(shape) - self.rank - 1
        if self.channel_axis == -1:
            spatial = self.spatial_shape(shape[ahead:-1])
            sizes = [*shape[:ahead], *spatial, channels]
        else:
            spatial = self.spatial_shape(shape[ahead + 1 :])
            sizes = [*shape[:ahead], channels, *spatial]
        if any(size is not None and size <= 0 for size in spatial):
            raise fail(
                ValueError,
                "One of the dimensions in the output is <= 0 due to downsampling in "
                f"{self.name}",
                got=f"input shape {shape}, which gives {spatial}",
                expected=f"inputs of at least {self.kernel_size}",
                site=str(user_site()),
                remedy="larger inputs, or padding='same'",
            )
        return TensorShape(sizes)


class _Conv(BaseConv):
    """A convolution whose filters see all channels, or those of their group."""

    config_names = (
        "filters",
        "kernel_size",
        "strides",
        "padding",
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
        data_format: str | None = None,
        dilation_rate: Any = 1,
        groups: int = 1,
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
        super().__init__(activity_regularizer=activity_regularizer, **kwargs)
        require(filters, int(filters) > 0, "filters", "a positive integer")
        require(groups, int(groups) > 0, "groups", "a positive integer")
        if filters % groups:
            raise fail(
                ValueError,
                "The number of filters must be evenly divisible by the number of groups",
                got=f"groups={groups}, filters={filters}",
                site=str(user_site()),
            )
        self.filters, self.groups = int(filters), int(groups)
        self.set_windows(kernel_size, strides, padding, data_format, dilation_rate)
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
        """Makes the kernel, `[..., channels / groups, filters]`, and the bias."""
        channels = self.channels_of(input_shape)
        if channels % self.groups:
            raise fail(
                ValueError,
                "The number of input channels must be evenly divisible by the number of "
                "groups",
                got=f"groups={self.groups}, and inputs of shape {input_shape}",
                site=str(user_site()),
            )
        self.compute_output_shape(input_shape)
        self.kernel = self.add_named_weight(
            "kernel", [*self.kernel_size, channels // self.groups, self.filters]
        )
        self.add_bias_weight(self.filters)
        self.set_spec(channels)
        self.built = True

    def call(self, inputs: Any) -> Any:
        """Returns the convolved inputs."""
        rank = inputs.shape.rank
        if rank > self.rank + 2:
            return self._over_batches(inputs)
        padding = self.padding
        if padding == "causal":
            time = 2 if self.channel_axis == 1 else 1
            inputs, padding = self.pad_causally(inputs, time), "valid"
        options = list(self.strides), padding.upper(), self.layout
        dilations = list(self.dilation_rate)
        if self.groups == 1:
            outputs = convolution(inputs, self.kernel, *options, dilations)
        else:
            axis = 1 if self.channel_axis == 1 else rank - 1
            parts = zip(
                split(inputs, self.groups, axis),
                split(self.kernel, self.groups, self.rank + 1),
                strict=True,
            )
            outputs = concat(
                [convolution(x, k, *options, dilations) for x, k in parts], axis
            )
        return self.finish(outputs)

    def _over_batches(self, inputs: Any) -> Any:
        """Convolves inputs with several dimensions before those of an example."""
        ahead = inputs.shape.rank - self.rank - 1
        whole = sizes_of(inputs)
        outputs = self.call(reshape(inputs, [-1, *whole[ahead:]]))
        found = reshape(outputs, [*whole[:ahead], *sizes_of(outputs)[1:]])
        if building_graph() is not None:
            found.set_shape(self.compute_output_shape(inputs.shape))
        return found

    def compute_output_shape(self, input_shape: Any) -> TensorShape:
        """Returns the shape of the outputs."""
        return self.shape_with(input_shape, self.filters)


class Conv1D(_Conv):
    """A convolution of sequences, `[batch, steps, channels]`, with bias and activation.

    Args:
      filters: The number of channels of the outputs.
      kernel_size: The size of the windows.
      strides: From one window to the next.
      padding: "valid", "same" or "causal"; with the last no step sees later ones.
      data_format: "channels_last" or "channels_first".
      dilation_rate: From one element of a window to the next.
      groups: The number of groups of channels that are convolved on their own.
      activation: A name or function; None for none.
      use_bias: Whether to add a bias.
      kernel_initializer: For the kernel, `[size, channels / groups, filters]`.
      bias_initializer: For the bias, `[filters]`.
      kernel_regularizer, bias_regularizer: Make terms of `losses` of them.
      activity_regularizer: Makes one of the outputs.
      kernel_constraint, bias_constraint: Applied after each update.
      **kwargs: As in `Layer`.

    Raises:
      ValueError: A size is not positive, or strides come with dilations.

    Source: `tf.keras.layers.Conv1D`.
    """

    rank = 1
    paddings = ("valid", "same", "causal")
    default_format = "channels_last"


class Conv2D(_Conv):
    """A convolution of images, `[batch, height, width, channels]`.

    Args:
      filters: The number of channels of the outputs.
      kernel_size: The size of the windows: a number, or one for each dimension.
      strides: From one window to the next, likewise.
      padding: "valid" or "same".
      data_format: "channels_last", or "channels_first" for `[batch, channels, height, width]`.
      dilation_rate: From one element of a window to the next.
      groups, activation, use_bias: As in `Conv1D`.
      kernel_initializer: For the kernel, `[height, width, channels / groups, filters]`.
      bias_initializer, kernel_regularizer, bias_regularizer: As in `Conv1D`.
      activity_regularizer, kernel_constraint, bias_constraint: As in `Conv1D`.
      **kwargs: As in `Layer`.

    Raises:
      ValueError: A size is not positive, or strides come with dilations.

    >>> import graphopt as tf
    >>> tf.keras.layers.Conv2D(2, 3, activation="relu")(tf.ones([4, 28, 28, 3])).shape
    TensorShape([4, 26, 26, 2])

    Source: `tf.keras.layers.Conv2D`.
    """

    rank = 2


class Conv3D(_Conv):
    """A convolution of volumes, `[batch, depth, height, width, channels]`.

    Args:
      filters: The number of channels of the outputs.
      kernel_size, strides, padding, data_format, dilation_rate: As in `Conv2D`.
      groups, activation, use_bias: As in `Conv1D`.
      kernel_initializer, bias_initializer, kernel_regularizer: As in `Conv1D`.
      bias_regularizer, activity_regularizer: As in `Conv1D`.
      kernel_constraint, bias_constraint, **kwargs: As in `Conv1D`.

    Source: `tf.keras.layers.Conv3D`.
    """

    rank = 3


def as_channels_last(layer: BaseConv, inputs: Any) -> Any:
    """Returns inputs with the channels at the end."""
    if layer.channel_axis == -1:
        return inputs
    return to_channels_last(inputs, layer.rank + 2)


def as_before(layer: BaseConv, outputs: Any) -> Any:
    """Returns outputs with the channels where the layer has them."""
    if layer.channel_axis == -1:
        return outputs
    return to_channels_first(outputs, layer.rank + 2)
