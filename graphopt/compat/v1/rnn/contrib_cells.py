"""Cells of `tf.contrib.rnn` that `tf.nn.rnn_cell` does not have."""

from __future__ import annotations

from typing import Any

from graphopt.compat.v1.rnn.base import RNNCell, assert_cell
from graphopt.compat.v1.rnn.cells import (
    LSTMCell,
    LSTMStateTuple,
    activation_of,
)
from graphopt.compat.v1.rnn.linear import linear
from graphopt.graph import nest
from graphopt.graph.hooks import hooks
from graphopt.keras.initializers import Constant, RandomUniform
from graphopt.keras.variable_scopes import get_variable, variable_scope
from graphopt.ops.dropout import dropout
from graphopt.ops.elementwise import relu, sigmoid, tanh
from graphopt.ops.indexing import embedding_lookup
from graphopt.ops.matmul import matmul
from graphopt.ops.nn import bias_add, softmax
from graphopt.ops.reduction import reduce_sum
from graphopt.ops.shaping import concat, expand_dims, reshape
from graphopt.ops.splitting import split
from graphopt.ops.statistics import batch_normalization, moments


class _Around(RNNCell):
    """A cell around another one, with variables and a scope of its own."""

    def __init__(self, cell: Any, reuse: Any = None, **kwargs: Any) -> None:
        super().__init__(_reuse=reuse, **kwargs)
        assert_cell("cell", cell)
        self._cell = cell

    @property
    def state_size(self) -> Any:
        """That of the cell inside."""
        return self._cell.state_size

    @property
    def output_size(self) -> Any:
        """That of the cell inside."""
        return self._cell.output_size

    def zero_state(self, batch_size: Any, dtype: Any) -> Any:
        """Returns the zero state of the cell inside."""
        return self._cell.zero_state(batch_size, dtype)


class OutputProjectionWrapper(_Around):
    """Maps the outputs of a cell to another size.

    Args:
      cell: The cell.
      output_size: The size of the outputs.
      activation: Of the outputs; none by default.
      reuse: Whether variables exist in the scope.

    Source: `tf.contrib.rnn.OutputProjectionWrapper`.
    """

    def __init__(
        self, cell: Any, output_size: int, activation: Any = None, reuse: Any = None
    ) -> None:
        super().__init__(cell, reuse)
        if output_size < 1:
            raise ValueError(f"Parameter output_size must be > 0: {output_size}.")
        self._output_size = output_size
        self._activation = None if activation is None else activation_of(activation)

    @property
    def output_size(self) -> int:
        """`output_size`."""
        return self._output_size

    def call(self, inputs: Any, state: Any) -> Any:
        """Runs the cell and maps its output."""
        output, new_state = self._cell(inputs, state)
        projected = linear(output, self._output_size, True)
        if self._activation is not None:
            projected = self._activation(projected)
        return projected, new_state


class InputProjectionWrapper(_Around):
    """Maps the inputs of a cell to another size.

    Args:
      cell: The cell.
      num_proj: The size of what the cell gets.
      activation: Of that; none by default.
      input_size: Accepted for compatibility.
      reuse: Whether variables exist in the scope.

    Source: `tf.contrib.rnn.InputProjectionWrapper`.
    """

    def __init__(
        self,
        cell: Any,
        num_proj: int,
        activation: Any = None,
        input_size: Any = None,
        reuse: Any = None,
    ) -> None:
        super().__init__(cell, reuse)
        self._num_proj = num_proj
        self._activation = None if activation is None else activation_of(activation)

    def call(self, inputs: Any, state: Any) -> Any:
        """Maps the inputs and runs the cell."""
        projected = linear(inputs, self._num_proj, True)
        if self._activation is not None:
            projected = self._activation(projected)
        return self._cell(projected, state)


class EmbeddingWrapper(_Around):
    """Looks the inputs of a cell up in a table.

    Args:
      cell: The cell.
      embedding_classes: The number of rows.
      embedding_size: The length of a row.
      initializer: Of the table; by default uniform numbers of variance 1.
      reuse: Whether variables exist in the scope.

    Source: `tf.contrib.rnn.EmbeddingWrapper`.
    """

    def __init__(
        self,
        cell: Any,
        embedding_classes: int,
        embedding_size: int,
        initializer: Any = None,
        reuse: Any = None,
    ) -> None:
        super().__init__(cell, reuse)
        if embedding_classes <= 0 or embedding_size <= 0:
            raise ValueError(
                "Both embedding_classes and embedding_size must be > 0: "
                f"{embedding_classes}, {embedding_size}."
            )
        self._shape = [embedding_classes, embedding_size]
        self._initializer = initializer

    def call(self, inputs: Any, state: Any) -> Any:
        """Looks the inputs up and runs the cell."""
        initializer = self._initializer
        if initializer is None:
            initializer = RandomUniform(-(3**0.5), 3**0.5)
        dtype = nest.flatten(state)[0].dtype
        table = get_variable("embedding", self._shape, dtype, initializer)
        rows = embedding_lookup(table, reshape(inputs, [-1]))
        return self._cell(rows, state)


class LayerNormBasicLSTMCell(RNNCell):
    """LSTM with layer normalization and dropout of what enters the cell.

    Args:
      num_units: The size of cell and output.
      forget_bias: Added to the input of the forget gate.
      input_size: Accepted for compatibility.
      activation: By default tanh.
      layer_norm: Whether to normalize.
      norm_gain, norm_shift: What gain and shift begin with.
      dropout_keep_prob: How likely an element is kept.
      dropout_prob_seed: The seed of dropout.
      reuse: Whether variables exist in the scope.

    Source: `tf.contrib.rnn.LayerNormBasicLSTMCell`; https://arxiv.org/abs/1607.06450.
    """

    def __init__(
        self,
        num_units: int,
        forget_bias: float = 1.0,
        input_size: Any = None,
        activation: Any = tanh,
        layer_norm: bool = True,
        norm_gain: float = 1.0,
        norm_shift: float = 0.0,
        dropout_keep_prob: Any = 1.0,
        dropout_prob_seed: int | None = None,
        reuse: Any = None,
    ) -> None:
        super().__init__(_reuse=reuse)
        self._num_units = num_units
        self._forget_bias = forget_bias
        self._activation = activation_of(activation)
        self._layer_norm = layer_norm
        self._gain, self._shift = norm_gain, norm_shift
        self._keep_prob, self._seed = dropout_keep_prob, dropout_prob_seed

    @property
    def state_size(self) -> Any:
        """Two times `num_units`."""
        return LSTMStateTuple(self._num_units, self._num_units)

    @property
    def output_size(self) -> int:
        """`num_units`."""
        return self._num_units

    def _normalized(self, x: Any, scope: str) -> Any:
        if not self._layer_norm:
            return x
        with variable_scope(scope):
            size = [self._num_units]
            gamma = get_variable("gamma", size, x.dtype, Constant(self._gain))
            beta = get_variable("beta", size, x.dtype, Constant(self._shift))
        mean, variance = moments(x, [1], keepdims=True)
        return batch_normalization(x, mean, variance, beta, gamma, 1e-12)

    def call(self, inputs: Any, state: Any) -> Any:
        """Computes the output and the new state."""
        c, h = state
        product = linear([inputs, h], 4 * self._num_units, not self._layer_norm)
        i, j, f, o = split(product, 4, axis=1)
        i, j = self._normalized(i, "input"), self._normalized(j, "transform")
        f, o = self._normalized(f, "forget"), self._normalized(o, "output")
        g = self._activation(j)
        keep = self._keep_prob
        if not isinstance(keep, (int, float)) or keep < 1:
            g = dropout(g, 1 - keep, seed=self._seed)
        new_c = c * sigmoid(f + self._forget_bias) + sigmoid(i) * g
        new_c = self._normalized(new_c, "state")
        new_h = self._activation(new_c) * sigmoid(o)
        return new_h, LSTMStateTuple(new_c, new_h)


class LSTMBlockCell(RNNCell):
    """LSTM whose gates come in the order input, candidate, forget, output.

    Args:
      num_units: The size of cell and output.
      forget_bias: Added to the input of the forget gate.
      cell_clip: The largest magnitude of the cell; none by default.
      use_peephole: Whether gates see the cell.
      dtype: The dtype of variables; by default that of the inputs.
      reuse: Whether variables exist in the scope.
      name: The name of the scope.

    Source: `tf.contrib.rnn.LSTMBlockCell`.
    """

    def __init__(
        self,
        num_units: int,
        forget_bias: float = 1.0,
        cell_clip: float | None = None,
        use_peephole: bool = False,
        dtype: Any = None,
        reuse: Any = None,
        name: str | None = "lstm_cell",
    ) -> None:
        super().__init__(_reuse=reuse, dtype=dtype, name=name)
        self._inner_cell = LSTMCell(
            num_units,
            use_peepholes=use_peephole,
            cell_clip=cell_clip if cell_clip and cell_clip > 0 else None,
            forget_bias=forget_bias,
        )

    @property
    def state_size(self) -> Any:
        """Two times `num_units`."""
        return self._inner_cell.state_size

    @property
    def output_size(self) -> int:
        """`num_units`."""
        return self._inner_cell.output_size

    def build(self, inputs_shape: Any) -> None:
        """Makes the variables, in the scope of this cell."""
        self._inner_cell._dtype = self._dtype
        self._inner_cell.build(inputs_shape)
        self._inner_cell.built = True
        self._own = self._inner_cell.variables

    def call(self, inputs: Any, state: Any) -> Any:
        """Computes the output and the new state."""
        return self._inner_cell.call(inputs, state)


class CudnnCompatibleLSTMCell(LSTMBlockCell):
    """The LSTM of cuDNN: `LSTMBlockCell` without a bias of the forget gate.

    Source: `tf.contrib.cudnn_rnn.CudnnCompatibleLSTMCell`.
    """

    def __init__(self, num_units: int, reuse: Any = None) -> None:
        super().__init__(num_units, 0.0, reuse=reuse, name="cudnn_compatible_lstm_cell")


class CudnnCompatibleGRUCell(RNNCell):
    """The GRU of cuDNN, whose reset gate acts on what the state has become.

    Args:
      num_units: The size of the state.
      reuse: Whether variables exist in the scope.
      kernel_initializer: Of the weights.

    Source: `tf.contrib.cudnn_rnn.CudnnCompatibleGRUCell`.
    """

    def __init__(
        self, num_units: int, reuse: Any = None, kernel_initializer: Any = None
    ) -> None:
        super().__init__(_reuse=reuse)
        self._num_units, self._initializer = num_units, kernel_initializer

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
        n, width = self._num_units, self._require_width(inputs_shape)
        sizes = {
            "gates": (width + n, 2 * n, "ones"),
            "candidate/input_projection": (width, n, "zeros"),
            "candidate/hidden_projection": (n, n, "zeros"),
        }
        self._maps = {
            name: (
                self.add_weight(
                    f"{name}/kernel", [rows, columns], initializer=self._initializer
                ),
                self.add_weight(f"{name}/bias", [columns], initializer=bias),
            )
            for name, (rows, columns, bias) in sizes.items()
        }

    def _map(self, x: Any, name: str) -> Any:
        kernel, bias = self._maps[name]
        return bias_add(matmul(x, kernel), bias)

    def call(self, inputs: Any, state: Any) -> Any:
        """Computes the output, which is the new state."""
        gates = sigmoid(self._map(concat([inputs, state], 1), "gates"))
        r, u = split(gates, 2, axis=1)
        hidden = r * self._map(state, "candidate/hidden_projection")
        c = tanh(self._map(inputs, "candidate/input_projection") + hidden)
        output = (1 - u) * c + u * state
        return output, output


class NASCell(RNNCell):
    """The cell that neural architecture search found.

    Args:
      num_units: The size of the cell.
      num_proj: The size of the output, if it is projected.
      use_bias: Whether there is a bias.
      reuse: Whether variables exist in the scope.
      **kwargs: As in `RNNCell`.

    Source: `tf.contrib.rnn.NASCell`; https://arxiv.org/abs/1611.01578.
    """

    def __init__(
        self,
        num_units: int,
        num_proj: int | None = None,
        use_bias: bool = False,
        reuse: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(_reuse=reuse, **kwargs)
        self._num_units, self._num_proj = num_units, num_proj
        self._use_bias = use_bias

    @property
    def state_size(self) -> Any:
        """`num_units` and the size of the output."""
        return LSTMStateTuple(self._num_units, self.output_size)

    @property
    def output_size(self) -> int:
        """`num_proj`, or `num_units`."""
        return self._num_proj or self._num_units

    def build(self, inputs_shape: Any) -> None:
        """Makes the variables."""
        n, width = self._num_units, self._require_width(inputs_shape)
        self._recurrent = self.add_weight("recurrent_kernel", [self.output_size, 8 * n])
        self._kernel = self.add_weight("kernel", [width, 8 * n])
        if self._use_bias:
            self._bias = self.add_weight("bias", [8 * n], initializer="zeros")
        if self._num_proj is not None:
            self._projection = self.add_weight(
                "projection_weights", [n, self._num_proj]
            )

    def call(self, inputs: Any, state: Any) -> Any:
        """Computes the output and the new state."""
        c, m = state
        recurrent = matmul(m, self._recurrent)
        if self._use_bias:
            recurrent = bias_add(recurrent, self._bias)
        a = split(recurrent, 8, axis=1)
        b = split(matmul(inputs, self._kernel), 8, axis=1)
        first = tanh(sigmoid(b[0] + a[0]) * relu(b[1] + a[1]))
        second = tanh(sigmoid(b[2] + a[2]) + relu(b[3] * a[3]))
        third = tanh(tanh(b[4] + a[4]) * sigmoid(b[5] + a[5]))
        fourth = sigmoid(tanh(b[6] + a[6]) + sigmoid(b[7] + a[7]))
        new_c = tanh(first + c) * second
        new_m = tanh(new_c * tanh(third + fourth))
        if self._num_proj is not None:
            new_m = matmul(new_m, self._projection)
        return new_m, LSTMStateTuple(new_c, new_m)


class AttentionCellWrapper(_Around):
    """Attends to the last outputs of a cell.

    Args:
      cell: The cell.
      attn_length: How many outputs are remembered.
      attn_size: The size of the outputs; that of the cell by default.
      attn_vec_size: The size of the hidden layer of the attention; `attn_size` by default.
      input_size: The size of what the cell gets; that of the inputs by default.
      state_is_tuple: Whether the state is a tuple, not one tensor.
      reuse: Whether variables exist in the scope.

    Source: `tf.contrib.rnn.AttentionCellWrapper`; https://arxiv.org/abs/1601.06733.
    """

    def __init__(
        self,
        cell: Any,
        attn_length: int,
        attn_size: int | None = None,
        attn_vec_size: int | None = None,
        input_size: int | None = None,
        state_is_tuple: bool = True,
        reuse: Any = None,
    ) -> None:
        super().__init__(cell, reuse)
        if nest.is_nested(cell.state_size) and not state_is_tuple:
            raise ValueError(
                "Cell returns tuple of states, but the flag state_is_tuple is not set. "
                f"State size is: {cell.state_size}"
            )
        if attn_length <= 0:
            raise ValueError(
                f"attn_length should be greater than zero, got {attn_length}"
            )
        self._state_is_tuple = state_is_tuple
        self._attn_size = attn_size or cell.output_size
        self._attn_vec_size = attn_vec_size or self._attn_size
        self._input_size = input_size
        self._attn_length = attn_length

    @property
    def state_size(self) -> Any:
        """The sizes of the state of the cell, of the attention and of what it attends to."""
        size = self._attn_size
        sizes = (self._cell.state_size, size, size * self._attn_length)
        return sizes if self._state_is_tuple else sum(sizes)

    @property
    def output_size(self) -> int:
        """`attn_size`."""
        return self._attn_size

    def zero_state(self, batch_size: Any, dtype: Any) -> Any:
        """Returns zeros of the sizes of the state."""
        return RNNCell.zero_state(self, batch_size, dtype)

    def call(self, inputs: Any, state: Any) -> Any:
        """Runs the cell on inputs and attention, and attends anew."""
        size, length = self._attn_size, self._attn_length
        if self._state_is_tuple:
            own, attns, past = state
        else:
            at = self._cell.state_size
            own, attns = state[:, :at], state[:, at : at + size]
            past = state[:, at + size :]
        past = reshape(past, [-1, length, size])
        width = self._input_size or inputs.shape[1]
        output, new = self._cell(linear([inputs, attns], width, True), own)
        query = concat(nest.flatten(new), 1) if self._state_is_tuple else new
        new_attns = self._attend(query, past)
        with variable_scope("attn_output_projection"):
            output = linear([output, new_attns], size, True)
        past = concat([past[:, 1:], expand_dims(output, 1)], 1)
        new_state = (new, new_attns, reshape(past, [-1, length * size]))
        return output, new_state if self._state_is_tuple else concat(new_state, 1)

    def _attend(self, query: Any, past: Any) -> Any:
        vectors = self._attn_vec_size
        with variable_scope("attention"):
            k = get_variable("attn_w", [1, 1, self._attn_size, vectors], past.dtype)
            v = get_variable("attn_v", [vectors], past.dtype)
            weights = reshape(hooks.convert(k.read_value()), [self._attn_size, vectors])
            flat = matmul(reshape(past, [-1, self._attn_size]), weights)
            features = reshape(flat, [-1, self._attn_length, vectors])
            y = expand_dims(linear(query, vectors, True), 1)
            scores = softmax(reduce_sum(v * tanh(features + y), 2))
            return reduce_sum(expand_dims(scores, 2) * past, 1)
