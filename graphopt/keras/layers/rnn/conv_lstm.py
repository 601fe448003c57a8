"""ConvLSTM1D, ConvLSTM2D and ConvLSTM3D: LSTMs whose products are convolutions."""

from __future__ import annotations

from typing import Any

from graphopt.graph.shape import TensorShape
from graphopt.keras import initializers
from graphopt.keras.layers.base import InputSpec
from graphopt.keras.layers.convolutional import BaseConv
from graphopt.keras.layers.options import require
from graphopt.keras.layers.rnn.base import RNN
from graphopt.keras.layers.rnn.cells import GATED_NAMES
from graphopt.ops.creation import shape as shape_of
from graphopt.ops.creation import zeros
from graphopt.ops.shaping import concat, reshape
from graphopt.ops.splitting import split
from graphopt.ops.volumes import convolution

_CELL_NAMES = (
    "filters",
    "kernel_size",
    "strides",
    "padding",
    "data_format",
    "dilation_rate",
    *GATED_NAMES[1:],
    "unit_forget_bias",
)


class _ConvLSTMCell(BaseConv):
    """A step of a ConvLSTM; `state_size` is known when it is built."""

    config_names = _CELL_NAMES
    recurrent_kernel: Any = None

    def __init__(self, rank: int, options: dict[str, Any], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.rank = rank
        filters = options["filters"]
        require(filters, int(filters) > 0, "filters", "a positive integer")
        self.filters = int(filters)
        windows = ("kernel_size", "strides", "padding", "data_format", "dilation_rate")
        self.set_windows(*(options[name] for name in windows))
        self.use_bias = options["use_bias"]
        self.unit_forget_bias = options["unit_forget_bias"]
        for name in ("dropout", "recurrent_dropout"):
            if options[name]:
                raise NotImplementedError(
                    f"ConvLSTM with {name}; put SpatialDropout layers around it."
                )
            setattr(self, name, 0.0)
        kinds = ("activation", "initializer", "regularizer", "constraint")
        self.set_options(
            **{k: v for k, v in options.items() if k.rpartition("_")[2] in kinds}
        )
        self.state_size: Any = [TensorShape([filters])] * 2
        self.output_size: Any = TensorShape([filters])

    def build(self, input_shape: Any) -> None:
        """Makes the kernels and the bias."""
        channels = self.channels_of(input_shape)
        shape = self.shape_with(input_shape, self.filters)
        self.output_size = shape[1:]
        self.state_size = [shape[1:]] * 2
        width = 4 * self.filters
        self.kernel = self.add_named_weight(
            "kernel", [*self.kernel_size, channels, width]
        )
        self.recurrent_kernel = self.add_named_weight(
            "recurrent_kernel", [*self.kernel_size, self.filters, width], "recurrent"
        )
        if self.use_bias:
            more: dict[str, Any] = {}
            if self.unit_forget_bias:
                more["initializer"] = self._first_bias
            self.bias = self.add_named_weight("bias", [width], **more)
        self.built = True

    def _first_bias(self, shape: Any, dtype: Any = None) -> Any:
        """The bias at the beginning, that of the forget gate 1."""
        n, ones = self.filters, initializers.get("ones")
        parts = [(self.bias_initializer, n), (ones, n), (self.bias_initializer, 2 * n)]
        return concat(
            [initializers.make_value(make, [size], dtype) for make, size in parts], 0
        )

    def project(self, inputs: Any) -> Any:
        """Returns inputs convolved with the kernel, plus the bias."""
        x = convolution(
            inputs,
            self.kernel,
            list(self.strides),
            self.padding.upper(),
            self.layout,
            list(self.dilation_rate),
        )
        if self.bias is None:
            return x
        bias = self.bias
        if self.channel_axis == 1:
            bias = reshape(bias, [-1] + [1] * self.rank)
        return x + bias

    def call(self, inputs: Any, states: Any, training: Any = None) -> Any:
        """Returns the output h, and the new h and c, for projected inputs."""
        h, c = states
        moved = convolution(h, self.recurrent_kernel, 1, "SAME", self.layout)
        axis = 1 if self.channel_axis == 1 else self.rank + 1
        i, f, g, o = split(inputs + moved, 4, axis)
        gate = self.recurrent_activation
        c = gate(f) * c + gate(i) * self.activation(g)
        h = gate(o) * self.activation(c)
        return h, [h, c]


class _ConvLSTM(RNN):
    """An LSTM of images; subclasses say of how many dimensions."""

    rank: int
    config_names = (
        "return_sequences",
        "return_state",
        "go_backwards",
        "stateful",
        "unroll",
        "activity_regularizer",
    )

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = 1,
        padding: str = "valid",
        data_format: str | None = None,
        dilation_rate: Any = 1,
        activation: Any = "tanh",
        recurrent_activation: Any = "hard_sigmoid",
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
        unit_forget_bias: bool = True,
        kernel_regularizer: Any = None,
        recurrent_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        recurrent_constraint: Any = None,
        bias_constraint: Any = None,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        **kwargs: Any,
    ) -> None:
        given = locals()
        options = {name: given[name] for name in _CELL_NAMES}
        cell = _ConvLSTMCell(
            self.rank,
            options,
            name=f"conv_lstm_cell{self.rank}d",
            dtype=kwargs.get("dtype"),
            trainable=kwargs.get("trainable", True),
        )
        super().__init__(
            cell,
            return_sequences,
            return_state,
            go_backwards,
            stateful,
            kwargs.pop("unroll", False),
            activity_regularizer=activity_regularizer,
            **kwargs,
        )
        self.input_spec = InputSpec(ndim=self.rank + 3)

    def __getattr__(self, name: str) -> Any:
        # `filters` and the like are the cell's.
        if name in _CELL_NAMES and "cell" in vars(self):
            return getattr(self.cell, name)
        return super().__getattr__(name)

    def build(self, input_shape: Any) -> None:
        """Makes the weights of the cell, whose names are those of the layer."""
        shape = TensorShape(input_shape)
        if not self.cell.built:
            self.cell.build(TensorShape([shape[0], *shape[2:]]))
        super().build(input_shape)

    def get_initial_state(self, inputs: Any) -> Any:
        """Returns zeros of the shape of the outputs."""
        batch = inputs.shape[0] if inputs.shape[0] is not None else shape_of(inputs)[0]
        sizes = self.cell.output_size
        return [zeros([batch, *sizes], inputs.dtype) for _ in range(2)]

    def run(
        self, x: Any, mask: Any, states: list[Any], training: Any, constants: Any
    ) -> tuple[Any, Any, Any]:
        """Convolves the inputs of all steps at once, then runs the cell."""
        steps, batch = x.shape[0], x.shape[1]
        if steps is None:
            steps = shape_of(x)[0]
        if batch is None:
            batch = shape_of(x)[1]
        projected = self.cell.project(reshape(x, [-1, *x.shape[2:]]))
        x = reshape(projected, [steps, batch, *projected.shape[1:]])
        return super().run(x, mask, states, training, constants)

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of the constructor."""
        config = super().get_config()
        cell = config.pop("cell")["config"]
        config.update({name: cell[name] for name in _CELL_NAMES})
        return config

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Any:
        """Makes a layer of its config."""
        return cls(**config)


class ConvLSTM1D(_ConvLSTM):
    """An LSTM of sequences in time: `[batch, time, steps, channels]`.

    Args:
      filters, kernel_size, strides, padding, data_format, dilation_rate: As in `Conv1D`,
        of the inputs; the state is convolved with padding "same".
      activation, recurrent_activation, use_bias, unit_forget_bias: As in `LSTM`.
      kernel_initializer, recurrent_initializer, bias_initializer: As in `LSTM`.
      kernel_regularizer, recurrent_regularizer, bias_regularizer: As in `LSTM`.
      activity_regularizer: As in `LSTM`.
      kernel_constraint, recurrent_constraint, bias_constraint: As in `LSTM`.
      return_sequences, return_state, go_backwards, stateful: As in `RNN`.
      dropout, recurrent_dropout: Must be 0.
      **kwargs: As in `Layer`.

    Source: `tf.keras.layers.ConvLSTM1D`; Shi et al., 2015.
    """

    rank = 1


class ConvLSTM2D(_ConvLSTM):
    """An LSTM of images in time: `[batch, time, height, width, channels]`.

    Args:
      filters, kernel_size, strides, padding, data_format: As in `ConvLSTM1D`.
      dilation_rate, activation, recurrent_activation, use_bias: As in `ConvLSTM1D`.
      kernel_initializer, recurrent_initializer, bias_initializer: As in `LSTM`.
      unit_forget_bias: As in `LSTM`.
      kernel_regularizer, recurrent_regularizer, bias_regularizer: As in `LSTM`.
      activity_regularizer: As in `LSTM`.
      kernel_constraint, recurrent_constraint, bias_constraint: As in `LSTM`.
      return_sequences, return_state, go_backwards, stateful: As in `RNN`.
      dropout, recurrent_dropout: Must be 0.
      **kwargs: As in `Layer`.

    >>> import graphopt as tf
    >>> tf.keras.layers.ConvLSTM2D(2, 3)(tf.ones([1, 4, 6, 6, 3])).shape
    TensorShape([1, 4, 4, 2])

    Source: `tf.keras.layers.ConvLSTM2D`; Shi et al., 2015.
    """

    rank = 2


class ConvLSTM3D(_ConvLSTM):
    """An LSTM of volumes in time: `[batch, time, depth, height, width, channels]`.

    Args:
      filters, kernel_size, strides, padding, data_format: As in `ConvLSTM1D`.
      dilation_rate, activation, recurrent_activation, use_bias: As in `ConvLSTM1D`.
      kernel_initializer, recurrent_initializer, bias_initializer: As in `LSTM`.
      unit_forget_bias: As in `LSTM`.
      kernel_regularizer, recurrent_regularizer, bias_regularizer: As in `LSTM`.
      activity_regularizer: As in `LSTM`.
      kernel_constraint, recurrent_constraint, bias_constraint: As in `LSTM`.
      return_sequences, return_state, go_backwards, stateful: As in `RNN`.
      dropout, recurrent_dropout: Must be 0.
      **kwargs: As in `Layer`.

    Source: `tf.keras.layers.ConvLSTM3D`; Shi et al., 2015.
    """

    rank = 3
