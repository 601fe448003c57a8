"""The cells of `tf.nn.rnn_cell`: BasicRNNCell, GRUCell, BasicLSTMCell, LSTMCell."""

from __future__ import annotations

from typing import Any, NamedTuple

from graphopt.compat.v1.rnn.base import RNNCell
from graphopt.ops.activations import relu6
from graphopt.ops.clipping import clip_by_value
from graphopt.ops.elementwise import relu, sigmoid, tanh
from graphopt.ops.matmul import matmul
from graphopt.ops.nn import bias_add
from graphopt.ops.shaping import concat
from graphopt.ops.splitting import split


class LSTMStateTuple(NamedTuple):
    """The state of an LSTM: what the cell holds, and its output.

    Source: `tf.compat.v1.nn.rnn_cell.LSTMStateTuple`.
    """

    c: Any
    h: Any

    @property
    def dtype(self) -> Any:
        """The element type of both.

        Raises:
          TypeError: They differ.
        """
        if self.c.dtype is not self.h.dtype:
            raise TypeError(
                f"Inconsistent internal state: {self.c.dtype} vs {self.h.dtype}"
            )
        return self.c.dtype


_ACTIVATIONS = {"relu": relu, "relu6": relu6, "sigmoid": sigmoid, "tanh": tanh}


def activation_of(activation: Any) -> Any:
    """Returns the function that an argument `activation` names; tanh by default."""
    if activation is None:
        return tanh
    if not isinstance(activation, str):
        return activation
    found = _ACTIVATIONS.get(activation)
    if found is None:
        from graphopt import nn

        found = getattr(nn, activation, None)
    if found is None:
        raise ValueError(f"Unknown activation function: {activation}")
    return found


class BasicRNNCell(RNNCell):
    """The plainest cell: `output = new_state = tanh(W [input, state] + b)`.

    Args:
      num_units: The size of the state.
      activation: By default tanh.
      reuse: Whether variables exist in the scope.
      name: The name of the scope; `basic_rnn_cell` by default.
      dtype: The dtype of variables; by default that of the inputs.
      **kwargs: As in `RNNCell`.

    Source: `tf.compat.v1.nn.rnn_cell.BasicRNNCell`.
    """

    def __init__(
        self,
        num_units: int,
        activation: Any = None,
        reuse: Any = None,
        name: str | None = None,
        dtype: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(_reuse=reuse, name=name, dtype=dtype, **kwargs)
        self._num_units = int(num_units)
        self._activation = activation_of(activation)

    @property
    def state_size(self) -> int:
        """`num_units`."""
        return self._num_units

    @property
    def output_size(self) -> int:
        """`num_units`."""
        return self._num_units

    def build(self, inputs_shape: Any) -> None:
        """Makes `kernel` and `bias`."""
        rows = self._require_width(inputs_shape) + self._num_units
        self._kernel = self.add_weight("kernel", [rows, self._num_units])
        self._bias = self.add_weight("bias", [self._num_units], initializer="zeros")

    def call(self, inputs: Any, state: Any) -> Any:
        """Computes the output, which is the new state."""
        product = matmul(concat([inputs, state], 1), self._kernel)
        output = self._activation(bias_add(product, self._bias))
        return output, output


class GRUCell(RNNCell):
    """Gated recurrent unit.

    Args:
      num_units: The size of the state.
      activation: By default tanh.
      reuse: Whether variables exist in the scope.
      kernel_initializer: Of the weights.
      bias_initializer: Of the biases; by default 1 for the gates and 0 for the rest.
      name: The name of the scope; `gru_cell` by default.
      dtype: The dtype of variables; by default that of the inputs.
      **kwargs: As in `RNNCell`.

    Source: `tf.compat.v1.nn.rnn_cell.GRUCell`; https://arxiv.org/abs/1406.1078.
    """

    def __init__(
        self,
        num_units: int,
        activation: Any = None,
        reuse: Any = None,
        kernel_initializer: Any = None,
        bias_initializer: Any = None,
        name: str | None = None,
        dtype: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(_reuse=reuse, name=name, dtype=dtype, **kwargs)
        self._num_units = int(num_units)
        self._activation = activation_of(activation)
        self._kernel_initializer = kernel_initializer
        self._bias_initializer = bias_initializer

    @property
    def state_size(self) -> int:
        """`num_units`."""
        return self._num_units

    @property
    def output_size(self) -> int:
        """`num_units`."""
        return self._num_units

    def build(self, inputs_shape: Any) -> None:
        """Makes kernels and biases of the gates and of the candidate."""
        n = self._num_units
        rows = self._require_width(inputs_shape) + n
        init, bias = self._kernel_initializer, self._bias_initializer
        self._gates = (
            self.add_weight("gates/kernel", [rows, 2 * n], initializer=init),
            self.add_weight("gates/bias", [2 * n], initializer=bias or "ones"),
        )
        self._candidate = (
            self.add_weight("candidate/kernel", [rows, n], initializer=init),
            self.add_weight("candidate/bias", [n], initializer=bias or "zeros"),
        )

    def call(self, inputs: Any, state: Any) -> Any:
        """Computes the output, which is the new state."""
        kernel, bias = self._gates
        gates = sigmoid(bias_add(matmul(concat([inputs, state], 1), kernel), bias))
        r, u = split(gates, 2, axis=1)
        kernel, bias = self._candidate
        product = matmul(concat([inputs, r * state], 1), kernel)
        c = self._activation(bias_add(product, bias))
        output = u * state + (1 - u) * c
        return output, output


class BasicLSTMCell(RNNCell):
    """LSTM without peepholes, projection or clipping.

    Args:
      num_units: The size of cell and output.
      forget_bias: Added to the input of the forget gate.
      state_is_tuple: Whether the state is an `LSTMStateTuple`, not `[c, h]` in one tensor.
      activation: By default tanh.
      reuse: Whether variables exist in the scope.
      name: The name of the scope; `basic_lstm_cell` by default.
      dtype: The dtype of variables; by default that of the inputs.
      **kwargs: As in `RNNCell`.

    Source: `tf.compat.v1.nn.rnn_cell.BasicLSTMCell`; https://arxiv.org/abs/1409.2329.
    """

    def __init__(
        self,
        num_units: int,
        forget_bias: float = 1.0,
        state_is_tuple: bool = True,
        activation: Any = None,
        reuse: Any = None,
        name: str | None = None,
        dtype: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(_reuse=reuse, name=name, dtype=dtype, **kwargs)
        self._num_units = int(num_units)
        self._forget_bias = forget_bias
        self._state_is_tuple = state_is_tuple
        self._activation = activation_of(activation)

    @property
    def state_size(self) -> Any:
        """Two times `num_units`."""
        n = self._num_units
        return LSTMStateTuple(n, n) if self._state_is_tuple else 2 * n

    @property
    def output_size(self) -> int:
        """`num_units`."""
        return self._num_units

    def build(self, inputs_shape: Any) -> None:
        """Makes `kernel` and `bias`."""
        n = self._num_units
        rows = self._require_width(inputs_shape) + n
        self._kernel = self.add_weight("kernel", [rows, 4 * n])
        self._bias = self.add_weight("bias", [4 * n], initializer="zeros")

    def call(self, inputs: Any, state: Any) -> Any:
        """Computes the output and the new state."""
        c, h = parts_of(state, self._state_is_tuple)
        product = matmul(concat([inputs, h], 1), self._kernel)
        i, j, f, o = split(bias_add(product, self._bias), 4, axis=1)
        new_c = c * sigmoid(f + self._forget_bias) + sigmoid(i) * self._activation(j)
        new_h = self._activation(new_c) * sigmoid(o)
        return new_h, joined(new_c, new_h, self._state_is_tuple)


def parts_of(state: Any, is_tuple: bool) -> Any:
    """Returns (c, h) of the state of an LSTM."""
    return state if is_tuple else split(state, 2, axis=1)


def joined(c: Any, h: Any, is_tuple: bool) -> Any:
    """Returns the state of an LSTM."""
    return LSTMStateTuple(c, h) if is_tuple else concat([c, h], 1)


class LSTMCell(RNNCell):
    """LSTM, if wanted with peepholes, clipping and a projection of the output.

    Args:
      num_units: The size of the cell.
      use_peepholes: Whether gates see the cell.
      cell_clip: The largest magnitude of the cell.
      initializer: Of the weights.
      num_proj: The size of the output, if it is projected.
      proj_clip: The largest magnitude of the projected output.
      num_unit_shards, num_proj_shards: Accepted for compatibility.
      forget_bias: Added to the input of the forget gate.
      state_is_tuple: Whether the state is an `LSTMStateTuple`, not `[c, h]` in one tensor.
      activation: By default tanh.
      reuse: Whether variables exist in the scope.
      name: The name of the scope; `lstm_cell` by default.
      dtype: The dtype of variables; by default that of the inputs.
      **kwargs: As in `RNNCell`.

    Source: `tf.compat.v1.nn.rnn_cell.LSTMCell`;
    https://research.google.com/pubs/archive/43905.pdf.
    """

    def __init__(
        self,
        num_units: int,
        use_peepholes: bool = False,
        cell_clip: Any = None,
        initializer: Any = None,
        num_proj: int | None = None,
        proj_clip: Any = None,
        num_unit_shards: int | None = None,
        num_proj_shards: int | None = None,
        forget_bias: float = 1.0,
        state_is_tuple: bool = True,
        activation: Any = None,
        reuse: Any = None,
        name: str | None = None,
        dtype: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(_reuse=reuse, name=name, dtype=dtype, **kwargs)
        self._num_units = int(num_units)
        self._use_peepholes = use_peepholes
        self._cell_clip = cell_clip
        self._initializer = initializer
        self._num_proj = num_proj
        self._proj_clip = proj_clip
        self._forget_bias = forget_bias
        self._state_is_tuple = state_is_tuple
        self._activation = activation_of(activation)

    @property
    def state_size(self) -> Any:
        """`num_units` and the size of the output."""
        n, m = self._num_units, self.output_size
        return LSTMStateTuple(n, m) if self._state_is_tuple else n + m

    @property
    def output_size(self) -> int:
        """`num_proj`, or `num_units`."""
        return self._num_proj or self._num_units

    def build(self, inputs_shape: Any) -> None:
        """Makes the variables."""
        n, init = self._num_units, self._initializer
        rows = self._require_width(inputs_shape) + self.output_size
        self._kernel = self.add_weight("kernel", [rows, 4 * n], initializer=init)
        self._bias = self.add_weight("bias", [4 * n], initializer="zeros")
        if self._use_peepholes:
            self._peepholes = {
                gate: self.add_weight(f"w_{gate}_diag", [n], initializer=init)
                for gate in "fio"
            }
        if self._num_proj is not None:
            self._projection = self.add_weight(
                "projection/kernel", [n, self._num_proj], initializer=init
            )

    def _seen(self, gate: str, c: Any) -> Any:
        return self._peepholes[gate] * c if self._use_peepholes else 0.0

    def call(self, inputs: Any, state: Any) -> Any:
        """Computes the output and the new state."""
        n = self._num_units
        if self._state_is_tuple:
            c, h = state
        else:
            c, h = state[:, :n], state[:, n:]
        product = matmul(concat([inputs, h], 1), self._kernel)
        i, j, f, o = split(bias_add(product, self._bias), 4, axis=1)
        act = self._activation
        kept = sigmoid(f + self._forget_bias + self._seen("f", c)) * c
        new_c = kept + sigmoid(i + self._seen("i", c)) * act(j)
        if self._cell_clip is not None:
            new_c = clip_by_value(new_c, -self._cell_clip, self._cell_clip)
        new_h = sigmoid(o + self._seen("o", new_c)) * act(new_c)
        if self._num_proj is not None:
            new_h = matmul(new_h, self._projection)
            if self._proj_clip is not None:
                new_h = clip_by_value(new_h, -self._proj_clip, self._proj_clip)
        return new_h, joined(new_c, new_h, self._state_is_tuple)
