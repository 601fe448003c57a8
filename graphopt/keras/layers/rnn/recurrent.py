"""SimpleRNN, LSTM and GRU: layers that know their cells, and how to run them fast."""

from __future__ import annotations

from typing import Any

from graphopt.graph.shape import TensorShape
from graphopt.keras.layers.base import InputSpec
from graphopt.keras.layers.rnn.base import RNN
from graphopt.keras.layers.rnn.cells import (
    CELL_NAMES,
    GATED_NAMES,
    GRUCell,
    LSTMCell,
    SimpleRNNCell,
)
from graphopt.keras.layers.rnn.recurrences import (
    GRURule,
    LSTMRule,
    Rule,
    SimpleRule,
    has_slope,
    run_recurrence,
)
from graphopt.ops.elementwise import cast, where
from graphopt.ops.reduction import reduce_any
from graphopt.ops.scan import cumsum
from graphopt.ops.shaping import expand_dims

_FLAGS = ("return_sequences", "return_state", "go_backwards", "stateful", "unroll")


class _Recurrent(RNN):
    """An RNN with a cell of ours, whose arguments are its own."""

    cell_names: tuple[str, ...]

    def __init__(
        self,
        cell: Any,
        return_sequences: bool,
        return_state: bool,
        go_backwards: bool,
        stateful: bool,
        unroll: bool,
        time_major: bool,
        **kwargs: Any,
    ) -> None:
        kwargs.pop("implementation", None)
        super().__init__(
            cell,
            return_sequences,
            return_state,
            go_backwards,
            stateful,
            unroll,
            time_major,
            **kwargs,
        )
        self.input_spec = InputSpec(ndim=3)

    def __getattr__(self, name: str) -> Any:
        # `units` and the like are the cell's.
        if name in type(self).cell_names and "cell" in vars(self):
            return getattr(self.cell, name)
        return super().__getattr__(name)

    def build(self, input_shape: Any) -> None:
        """Makes the weights of the cell, and states that are kept."""
        super().build(input_shape)
        shape = TensorShape(input_shape)
        self.input_spec = InputSpec(ndim=3, axes={-1: shape[-1]})

    def rule(self) -> Rule | None:
        """Returns what a round does, if its derivative is known."""
        raise NotImplementedError

    def run(
        self, x: Any, mask: Any, states: list[Any], training: Any, constants: Any
    ) -> tuple[Any, Any, Any]:
        """Runs the cell over inputs; with a rule, projects those of all steps at once."""
        rule = self.rule()
        if rule is None:
            return super().run(x, mask, states, training, constants)
        cell = self.cell
        dropped = cell.input_mask(x[0], training)
        drop = cell.state_mask(states[0], training)
        try:
            projected = cell.project(x if dropped is None else x * dropped)
        finally:
            cell.reset_dropout_mask()
            cell.reset_recurrent_dropout_mask()
        is_filled = mask is not None and self.zero_output_for_mask
        wants_outputs = self.return_sequences or is_filled
        outputs, final = run_recurrence(
            rule,
            projected,
            states,
            cast(cell.recurrent_kernel, projected.dtype),
            self._recurrent_bias(),
            mask,
            drop,
            wants_outputs,
        )
        last = final[0]
        if mask is not None:
            outputs, last = self._mask(outputs, last, mask)
        return outputs, last, final

    def _recurrent_bias(self) -> Any:
        return None

    def _mask(self, outputs: Any, last: Any, mask: Any) -> tuple[Any, Any]:
        """Outputs of masked steps: those of the step before, at first zeros; or zeros."""
        if self.zero_output_for_mask:
            outputs = where(expand_dims(mask, -1), outputs, 0.0)
            return outputs, outputs[-1]
        if outputs is not None:
            seen = cumsum(cast(mask, "int32"), 0) > 0
            outputs = where(expand_dims(seen, -1), outputs, 0.0)
        return outputs, where(expand_dims(reduce_any(mask, 0), -1), last, 0.0)

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of the constructor."""
        config = super().get_config()
        cell = config.pop("cell")["config"]
        if "time_major" not in type(self).config_names:
            config.pop("time_major", None)
        config.update({name: cell[name] for name in self.cell_names})
        return config

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Any:
        """Makes a layer of its config."""
        return cls(**config)


class SimpleRNN(_Recurrent):
    """Sequences through `SimpleRNNCell`: h = activation(x @ kernel + h @ kernel_2 + bias).

    Args:
      units, activation, use_bias: As in `SimpleRNNCell`.
      kernel_initializer, recurrent_initializer, bias_initializer: As in `SimpleRNNCell`.
      kernel_regularizer, recurrent_regularizer, bias_regularizer: As in `SimpleRNNCell`.
      activity_regularizer: Makes a term of `losses` of the outputs.
      kernel_constraint, recurrent_constraint, bias_constraint: As in `SimpleRNNCell`.
      dropout, recurrent_dropout: As in `SimpleRNNCell`.
      return_sequences, return_state, go_backwards, stateful, unroll: As in `RNN`.
      **kwargs: As in `RNN`.

    >>> import graphopt as tf
    >>> tf.keras.layers.SimpleRNN(4)(tf.ones([2, 5, 3])).shape
    TensorShape([2, 4])

    Source: `tf.keras.layers.SimpleRNN`.
    """

    cell_names = CELL_NAMES
    config_names = (*_FLAGS, "activity_regularizer")

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        recurrent_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        recurrent_constraint: Any = None,
        bias_constraint: Any = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        **kwargs: Any,
    ) -> None:
        cell = SimpleRNNCell(
            units,
            activation,
            use_bias,
            kernel_initializer,
            recurrent_initializer,
            bias_initializer,
            kernel_regularizer,
            recurrent_regularizer,
            bias_regularizer,
            kernel_constraint,
            recurrent_constraint,
            bias_constraint,
            dropout,
            recurrent_dropout,
            name="simple_rnn_cell",
            dtype=kwargs.get("dtype"),
            trainable=kwargs.get("trainable", True),
        )
        super().__init__(
            cell,
            return_sequences,
            return_state,
            go_backwards,
            stateful,
            unroll,
            kwargs.pop("time_major", False),
            activity_regularizer=activity_regularizer,
            **kwargs,
        )

    def rule(self) -> Rule | None:
        """Returns what a round does, if its derivative is known."""
        activation = self.cell.activation
        return SimpleRule(activation) if has_slope(activation) else None


class LSTM(_Recurrent):
    """Sequences through `LSTMCell`.

    Args:
      units, activation, recurrent_activation, use_bias: As in `LSTMCell`.
      kernel_initializer, recurrent_initializer, bias_initializer: As in `LSTMCell`.
      unit_forget_bias: As in `LSTMCell`.
      kernel_regularizer, recurrent_regularizer, bias_regularizer: As in `LSTMCell`.
      activity_regularizer: Makes a term of `losses` of the outputs.
      kernel_constraint, recurrent_constraint, bias_constraint: As in `LSTMCell`.
      dropout, recurrent_dropout: As in `LSTMCell`.
      return_sequences, return_state, go_backwards, stateful: As in `RNN`.
      time_major, unroll: As in `RNN`.
      **kwargs: As in `RNN`.

    >>> import graphopt as tf
    >>> layer = tf.keras.layers.LSTM(4, return_sequences=True, return_state=True)
    >>> outputs, h, c = layer(tf.ones([2, 5, 3]))
    >>> outputs.shape, c.shape
    (TensorShape([2, 5, 4]), TensorShape([2, 4]))

    Source: `tf.keras.layers.LSTM`; Hochreiter and Schmidhuber, 1997.
    """

    cell_names = (*GATED_NAMES, "unit_forget_bias")
    config_names = (*_FLAGS, "time_major", "activity_regularizer")

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        recurrent_activation: Any = "sigmoid",
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
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        time_major: bool = False,
        unroll: bool = False,
        **kwargs: Any,
    ) -> None:
        cell = LSTMCell(
            units,
            activation,
            recurrent_activation,
            use_bias,
            kernel_initializer,
            recurrent_initializer,
            bias_initializer,
            unit_forget_bias,
            kernel_regularizer,
            recurrent_regularizer,
            bias_regularizer,
            kernel_constraint,
            recurrent_constraint,
            bias_constraint,
            dropout,
            recurrent_dropout,
            name="lstm_cell",
            dtype=kwargs.get("dtype"),
            trainable=kwargs.get("trainable", True),
        )
        super().__init__(
            cell,
            return_sequences,
            return_state,
            go_backwards,
            stateful,
            unroll,
            time_major,
            activity_regularizer=activity_regularizer,
            **kwargs,
        )

    def rule(self) -> Rule | None:
        """Returns what a round does, if its derivative is known."""
        found = self.cell.activation, self.cell.recurrent_activation
        return LSTMRule(*found) if all(map(has_slope, found)) else None


class GRU(_Recurrent):
    """Sequences through `GRUCell`.

    Args:
      units, activation, recurrent_activation, use_bias: As in `GRUCell`.
      kernel_initializer, recurrent_initializer, bias_initializer: As in `GRUCell`.
      kernel_regularizer, recurrent_regularizer, bias_regularizer: As in `GRUCell`.
      activity_regularizer: Makes a term of `losses` of the outputs.
      kernel_constraint, recurrent_constraint, bias_constraint: As in `GRUCell`.
      dropout, recurrent_dropout: As in `GRUCell`.
      return_sequences, return_state, go_backwards, stateful, unroll: As in `RNN`.
      time_major: As in `RNN`.
      reset_after: As in `GRUCell`.
      **kwargs: As in `RNN`.

    >>> import graphopt as tf
    >>> tf.keras.layers.GRU(4)(tf.ones([2, 5, 3])).shape
    TensorShape([2, 4])

    Source: `tf.keras.layers.GRU`; Cho et al., 2014.
    """

    cell_names = (*GATED_NAMES, "reset_after")
    config_names = (*_FLAGS, "time_major", "activity_regularizer")

    def __init__(
        self,
        units: int,
        activation: Any = "tanh",
        recurrent_activation: Any = "sigmoid",
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        recurrent_initializer: Any = "orthogonal",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        recurrent_regularizer: Any = None,
        bias_regularizer: Any = None,
        activity_regularizer: Any = None,
        kernel_constraint: Any = None,
        recurrent_constraint: Any = None,
        bias_constraint: Any = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        time_major: bool = False,
        reset_after: bool = True,
        **kwargs: Any,
    ) -> None:
        cell = GRUCell(
            units,
            activation,
            recurrent_activation,
            use_bias,
            kernel_initializer,
            recurrent_initializer,
            bias_initializer,
            kernel_regularizer,
            recurrent_regularizer,
            bias_regularizer,
            kernel_constraint,
            recurrent_constraint,
            bias_constraint,
            dropout,
            recurrent_dropout,
            reset_after,
            name="gru_cell",
            dtype=kwargs.get("dtype"),
            trainable=kwargs.get("trainable", True),
        )
        super().__init__(
            cell,
            return_sequences,
            return_state,
            go_backwards,
            stateful,
            unroll,
            time_major,
            activity_regularizer=activity_regularizer,
            **kwargs,
        )

    def rule(self) -> Rule | None:
        """Returns what a round does, if its derivative is known."""
        found = self.cell.activation, self.cell.recurrent_activation
        is_known = self.cell.reset_after and all(map(has_slope, found))
        return GRURule(*found) if is_known else None

    def _recurrent_bias(self) -> Any:
        return self.cell.recurrent_bias()
