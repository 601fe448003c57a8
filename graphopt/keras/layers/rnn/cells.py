"""What a recurrent layer does in one step: SimpleRNNCell, LSTMCell, GRUCell, stacks."""

from __future__ import annotations

import inspect
import weakref
from collections.abc import Sequence
from typing import Any

from graphopt.errors import fail
from graphopt.graph import nest
from graphopt.graph.context import building_graph
from graphopt.graph.provenance import user_site
from graphopt.graph.shape import TensorShape
from graphopt.keras import initializers
from graphopt.keras.layers.base import Layer
from graphopt.keras.layers.options import OptionLayer, choose, require
from graphopt.keras.layers.serialization import deserialize, serialize
from graphopt.ops.creation import ones_like, zeros
from graphopt.ops.creation import shape as shape_of
from graphopt.ops.dropout import dropout
from graphopt.ops.matmul import matmul
from graphopt.ops.shaping import concat
from graphopt.ops.splitting import split
from graphopt.runtime.names import name_scope

CELL_NAMES: tuple[str, ...] = (
    "units",
    "activation",
    "use_bias",
    "kernel_initializer",
    "recurrent_initializer",
    "bias_initializer",
    "kernel_regularizer",
    "recurrent_regularizer",
    "bias_regularizer",
    "kernel_constraint",
    "recurrent_constraint",
    "bias_constraint",
    "dropout",
    "recurrent_dropout",
)
GATED_NAMES = (*CELL_NAMES[:2], "recurrent_activation", *CELL_NAMES[2:])


def zero_states(state_size: Any, batch: Any, dtype: Any) -> Any:
    """Returns zeros for sizes of states: numbers, shapes, or a nest of such."""
    if isinstance(state_size, int):
        return zeros([batch, state_size], dtype)
    if isinstance(state_size, TensorShape):
        return zeros([batch, *state_size], dtype)
    found = [zero_states(size, batch, dtype) for size in state_size]
    return tuple(found) if isinstance(state_size, tuple) else found


class DropoutCell(OptionLayer):
    """A cell with masks that are the same in all steps of a call of its layer.

    A layer prepares them before its loop. A cell that is called by itself draws them when
    they are first needed, and keeps them until `reset_dropout_mask`.
    """

    dropout: float
    recurrent_dropout: float

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._masks = _Masks()

    def prepare_masks(self, inputs: Any, state: Any, training: Any) -> None:
        """Draws the masks for the steps that come."""
        self._masks = _Masks()
        self.input_mask(inputs, training)
        self.state_mask(state, training)
        self._masks.is_prepared = True

    def reset_dropout_mask(self) -> None:
        """Forgets the mask of the inputs."""
        self._masks.is_prepared = False
        self._masks.found.pop("input", None)

    def reset_recurrent_dropout_mask(self) -> None:
        """Forgets the mask of the states."""
        self._masks.is_prepared = False
        self._masks.found.pop("state", None)

    def input_mask(self, inputs: Any, training: Any) -> Any:
        """Returns what inputs are multiplied by, or None."""
        return self._mask("input", self.dropout, inputs, training)

    def state_mask(self, state: Any, training: Any) -> Any:
        """Returns what the state is multiplied by before its kernel, or None."""
        return self._mask("state", self.recurrent_dropout, state, training)

    def _mask(self, kind: str, rate: float, like: Any, training: Any) -> Any:
        if not rate or training is None or training is False:
            return None
        graph, masks = building_graph(), self._masks
        known = masks.found.get(kind)
        if known is not None:
            owner, mask = known
            if masks.is_prepared or (owner() if owner else None) is graph:
                return mask
        ones = ones_like(like)
        mask = choose(training, lambda: dropout(ones, rate), lambda: ones)
        masks.found[kind] = (None if graph is None else weakref.ref(graph), mask)
        return mask


class _Masks:
    """Masks by what they are for, with the graph that they belong to.

    Attributes:
      is_prepared: Whether they are for all steps, whatever graph is built in them.
    """

    def __init__(self) -> None:
        self.found: dict[str, Any] = {}
        self.is_prepared = False


class _Cell(DropoutCell):
    """A cell with a kernel for the inputs and one for the state."""

    gates = 1
    kernel: Any = None
    recurrent_kernel: Any = None
    bias: Any = None
    use_bias: bool

    def set_cell(
        self,
        units: int,
        use_bias: bool,
        dropout: Any,
        recurrent_dropout: Any,
        **options: Any,
    ) -> None:
        """Reads the arguments that cells share."""
        require(units, int(units) > 0, "units", "a positive integer")
        self.units, self.use_bias = int(units), use_bias
        self.dropout = min(1.0, max(0.0, dropout))
        self.recurrent_dropout = min(1.0, max(0.0, recurrent_dropout))
        self.set_options(**options)

    @property
    def state_size(self) -> Any:
        """The size of the state."""
        return self.units

    @property
    def output_size(self) -> int:
        """The size of the output."""
        return self.units

    def bias_shape(self) -> list[int]:
        """The shape of the bias."""
        return [self.gates * self.units]

    def build(self, input_shape: Any) -> None:
        """Makes the kernels and the bias."""
        depth = TensorShape(input_shape)[-1]
        if depth is None:
            raise fail(
                ValueError,
                f"The last dimension of the inputs of cell {self.name!r} must be known",
                got=f"shape {input_shape}",
                site=str(user_site()),
            )
        width = self.gates * self.units
        self.kernel = self.add_named_weight("kernel", [depth, width])
        self.recurrent_kernel = self.add_named_weight(
            "recurrent_kernel", [self.units, width], "recurrent"
        )
        if self.use_bias:
            self.bias = self.add_named_weight(
                "bias", self.bias_shape(), **self.bias_options()
            )
        self.built = True

    def bias_options(self) -> dict[str, Any]:
        """What the bias is made with besides what its options say."""
        return {}

    def project(self, inputs: Any) -> Any:
        """Returns inputs times the kernel, plus the bias."""
        x = matmul(inputs, self.kernel)
        return x if self.bias is None else x + self.bias

    def get_initial_state(
        self, inputs: Any = None, batch_size: Any = None, dtype: Any = None
    ) -> Any:
        """Returns zeros for the batch of inputs, or of a size."""
        if inputs is not None:
            batch_size, dtype = shape_of(inputs)[0], inputs.dtype
        if batch_size is None or dtype is None:
            raise ValueError(
                "batch_size and dtype cannot be None while constructing initial state; "
                f"got batch_size={batch_size}, dtype={dtype}."
            )
        return zero_states(self.state_size, batch_size, dtype)

    def dropped_inputs(self, inputs: Any, training: Any) -> Any:
        """Returns inputs with elements that are dropped while training."""
        mask = self.input_mask(inputs, training)
        return inputs if mask is None else inputs * mask

    def dropped_state(self, state: Any, training: Any) -> Any:
        """Returns a state with elements that are dropped while training."""
        mask = self.state_mask(state, training)
        return state if mask is None else state * mask


class SimpleRNNCell(_Cell):
    """activation(inputs @ kernel + state @ recurrent_kernel + bias).

    Args:
      units: The size of the state.
      activation: A name or function.
      use_bias: Whether to add a bias.
      kernel_initializer: For the kernel, `[inputs, units]`.
      recurrent_initializer: For that of the state, `[units, units]`.
      bias_initializer: For the bias, `[units]`.
      kernel_regularizer, recurrent_regularizer, bias_regularizer: Make terms of `losses`.
      kernel_constraint, recurrent_constraint, bias_constraint: Applied after each update.
      dropout: The part of the inputs that is dropped while training.
      recurrent_dropout: The part of the state that is.
      **kwargs: As in `Layer`.

    Source: `tf.keras.layers.SimpleRNNCell`.
    """

    config_names = CELL_NAMES

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
        kernel_constraint: Any = None,
        recurrent_constraint: Any = None,
        bias_constraint: Any = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.set_cell(
            units,
            use_bias,
            dropout,
            recurrent_dropout,
            activation=activation,
            kernel_initializer=kernel_initializer,
            recurrent_initializer=recurrent_initializer,
            bias_initializer=bias_initializer,
            kernel_regularizer=kernel_regularizer,
            recurrent_regularizer=recurrent_regularizer,
            bias_regularizer=bias_regularizer,
            kernel_constraint=kernel_constraint,
            recurrent_constraint=recurrent_constraint,
            bias_constraint=bias_constraint,
        )

    def call(self, inputs: Any, states: Any, training: Any = None) -> Any:
        """Returns the output and the new state."""
        state = states[0] if nest.is_nested(states) else states
        x = self.project(self.dropped_inputs(inputs, training))
        h = matmul(self.dropped_state(state, training), self.recurrent_kernel)
        output = self.activation(x + h)
        return output, [output] if nest.is_nested(states) else output


class LSTMCell(_Cell):
    """A cell with a state c that gates add to and take from.

    i, f, g, o are parts of inputs @ kernel + h @ recurrent_kernel + bias;
    c = sigmoid(f) * c + sigmoid(i) * tanh(g); h = sigmoid(o) * tanh(c).

    Args:
      units: The size of the states.
      activation: That of g and c.
      recurrent_activation: That of the gates i, f and o.
      use_bias: Whether to add a bias.
      kernel_initializer: For the kernel, `[inputs, 4 * units]`.
      recurrent_initializer: For that of the state, `[units, 4 * units]`.
      bias_initializer: For the bias, `[4 * units]`.
      unit_forget_bias: Whether the bias of f begins with 1.
      kernel_regularizer, recurrent_regularizer, bias_regularizer: Make terms of `losses`.
      kernel_constraint, recurrent_constraint, bias_constraint: Applied after each update.
      dropout, recurrent_dropout: As in `SimpleRNNCell`.
      **kwargs: As in `Layer`.

    Source: `tf.keras.layers.LSTMCell`; Hochreiter and Schmidhuber, 1997.
    """

    gates = 4
    config_names = (*GATED_NAMES, "unit_forget_bias")

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
        kernel_constraint: Any = None,
        recurrent_constraint: Any = None,
        bias_constraint: Any = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        **kwargs: Any,
    ) -> None:
        kwargs.pop("implementation", None)
        super().__init__(**kwargs)
        self.unit_forget_bias = unit_forget_bias
        self.set_cell(
            units,
            use_bias,
            dropout,
            recurrent_dropout,
            activation=activation,
            recurrent_activation=recurrent_activation,
            kernel_initializer=kernel_initializer,
            recurrent_initializer=recurrent_initializer,
            bias_initializer=bias_initializer,
            kernel_regularizer=kernel_regularizer,
            recurrent_regularizer=recurrent_regularizer,
            bias_regularizer=bias_regularizer,
            kernel_constraint=kernel_constraint,
            recurrent_constraint=recurrent_constraint,
            bias_constraint=bias_constraint,
        )

    @property
    def state_size(self) -> Any:
        """The sizes of h and c."""
        return [self.units, self.units]

    def bias_options(self) -> dict[str, Any]:
        """The initializer that lets f begin with 1."""
        if not self.unit_forget_bias:
            return {}

        def initialize(shape: Any, dtype: Any = None) -> Any:
            units = self.units
            parts = [
                initializers.make_value(self.bias_initializer, [units], dtype),
                initializers.make_value(initializers.get("ones"), [units], dtype),
                initializers.make_value(self.bias_initializer, [2 * units], dtype),
            ]
            return concat(parts, 0)

        return {"initializer": initialize}

    def call(self, inputs: Any, states: Any, training: Any = None) -> Any:
        """Returns the output h, and the new h and c."""
        h, c = states
        x = self.project(self.dropped_inputs(inputs, training))
        z = x + matmul(self.dropped_state(h, training), self.recurrent_kernel)
        i, f, g, o = split(z, 4, -1)
        gate = self.recurrent_activation
        c = gate(f) * c + gate(i) * self.activation(g)
        h = gate(o) * self.activation(c)
        return h, [h, c]


class GRUCell(_Cell):
    """A cell whose state is a mean of the old one and a candidate, as a gate says.

    z and r are gates of inputs and state; with `reset_after`
    n = tanh(inputs @ kernel + r * (h @ recurrent_kernel + bias)), otherwise r * h comes
    before the kernel; h = z * h + (1 - z) * n.

    Args:
      units: The size of the state.
      activation: That of the candidate.
      recurrent_activation: That of the gates.
      use_bias: Whether to add a bias.
      kernel_initializer: For the kernel, `[inputs, 3 * units]`.
      recurrent_initializer: For that of the state, `[units, 3 * units]`.
      bias_initializer: For the bias, `[2, 3 * units]` with `reset_after`, else `[3 * units]`.
      kernel_regularizer, recurrent_regularizer, bias_regularizer: Make terms of `losses`.
      kernel_constraint, recurrent_constraint, bias_constraint: Applied after each update.
      dropout, recurrent_dropout: As in `SimpleRNNCell`.
      reset_after: Whether the gate r comes after the kernel.
      **kwargs: As in `Layer`.

    Source: `tf.keras.layers.GRUCell`; Cho et al., 2014.
    """

    gates = 3
    config_names = (*GATED_NAMES, "reset_after")

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
        kernel_constraint: Any = None,
        recurrent_constraint: Any = None,
        bias_constraint: Any = None,
        dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        reset_after: bool = True,
        **kwargs: Any,
    ) -> None:
        kwargs.pop("implementation", None)
        super().__init__(**kwargs)
        self.reset_after = reset_after
        self.set_cell(
            units,
            use_bias,
            dropout,
            recurrent_dropout,
            activation=activation,
            recurrent_activation=recurrent_activation,
            kernel_initializer=kernel_initializer,
            recurrent_initializer=recurrent_initializer,
            bias_initializer=bias_initializer,
            kernel_regularizer=kernel_regularizer,
            recurrent_regularizer=recurrent_regularizer,
            bias_regularizer=bias_regularizer,
            kernel_constraint=kernel_constraint,
            recurrent_constraint=recurrent_constraint,
            bias_constraint=bias_constraint,
        )

    def bias_shape(self) -> list[int]:
        """The shape of the bias: a row for the inputs, one for the state."""
        width = 3 * self.units
        return [2, width] if self.reset_after else [width]

    def project(self, inputs: Any) -> Any:
        """Returns inputs times the kernel, plus their bias."""
        x = matmul(inputs, self.kernel)
        if self.bias is None:
            return x
        return x + (self.bias[0] if self.reset_after else self.bias)

    def recurrent_bias(self) -> Any:
        """The bias of the state, or None."""
        return self.bias[1] if self.bias is not None and self.reset_after else None

    def call(self, inputs: Any, states: Any, training: Any = None) -> Any:
        """Returns the output and the new state."""
        h = states[0] if nest.is_nested(states) else states
        x = self.project(self.dropped_inputs(inputs, training))
        xz, xr, xn = split(x, 3, -1)
        seen, kernel, units = (
            self.dropped_state(h, training),
            self.recurrent_kernel,
            self.units,
        )
        gate = self.recurrent_activation
        if self.reset_after:
            p, bias = matmul(seen, kernel), self.recurrent_bias()
            pz, pr, pn = split(p if bias is None else p + bias, 3, -1)
            z, r = gate(xz + pz), gate(xr + pr)
            inner = r * pn
        else:
            pz, pr = split(matmul(seen, kernel[:, : 2 * units]), 2, -1)
            z, r = gate(xz + pz), gate(xr + pr)
            inner = matmul(r * seen, kernel[:, 2 * units :])
        n = self.activation(xn + inner)
        output = z * h + (1.0 - z) * n
        return output, [output] if nest.is_nested(states) else output


class AbstractRNNCell(Layer):
    """What a cell of a program's own may be a subclass of.

    A subclass has `state_size`, `output_size` and `call(inputs, states)`.

    Source: `tf.keras.layers.AbstractRNNCell`.
    """

    @property
    def state_size(self) -> Any:
        """The sizes of the states."""
        raise NotImplementedError("A cell has a `state_size`.")

    @property
    def output_size(self) -> Any:
        """The size of the output."""
        raise NotImplementedError("A cell has an `output_size`.")

    def call(self, inputs: Any, states: Any) -> Any:
        """Returns the output and the new states."""
        raise NotImplementedError("A cell has a `call`.")

    def get_initial_state(
        self, inputs: Any = None, batch_size: Any = None, dtype: Any = None
    ) -> Any:
        """Returns zeros for the batch of inputs, or of a size."""
        if inputs is not None:
            batch_size, dtype = shape_of(inputs)[0], inputs.dtype
        return zero_states(self.state_size, batch_size, dtype)


class StackedRNNCells(Layer):
    """Cells one after the other, as one cell.

    Args:
      cells: The cells, the one of the inputs first.
      **kwargs: As in `Layer`.

    Raises:
      ValueError: One of them is no cell.

    Source: `tf.keras.layers.StackedRNNCells`.
    """

    def __init__(self, cells: Sequence[Any], **kwargs: Any) -> None:
        self.reverse_state_order = kwargs.pop("reverse_state_order", False)
        super().__init__(**kwargs)
        for cell in cells:
            for what in ("call", "state_size"):
                if what not in dir(cell):
                    raise fail(
                        ValueError,
                        f"All cells must have a `{what}`",
                        got=repr(cell),
                        expected="cells, as LSTMCell",
                        site=str(user_site()),
                    )
        self.cells = list(cells)

    @property
    def _ordered(self) -> list[Any]:
        return self.cells[::-1] if self.reverse_state_order else self.cells

    @property
    def state_size(self) -> Any:
        """The sizes of the states of the cells."""
        return tuple(cell.state_size for cell in self._ordered)

    @property
    def output_size(self) -> Any:
        """That of the last cell."""
        return size_of_output(self.cells[-1])

    def get_initial_state(
        self, inputs: Any = None, batch_size: Any = None, dtype: Any = None
    ) -> Any:
        """Returns the initial states of the cells."""
        if inputs is not None:
            batch_size, dtype = shape_of(inputs)[0], inputs.dtype
        return tuple(
            initial_state_of(cell, batch_size, dtype) for cell in self._ordered
        )

    def build(self, input_shape: Any) -> None:
        """Makes the weights of the cells."""
        shape = TensorShape(input_shape)
        for cell in self.cells:
            if isinstance(cell, Layer) and not cell.built:
                with name_scope(cell.name):
                    cell.build(shape)
                cell.built = True
            size = size_of_output(cell)
            shape = TensorShape([shape[0], *TensorShape(size)])
        self.built = True

    def call(
        self, inputs: Any, states: Any, constants: Any = None, training: Any = None
    ) -> Any:
        """Returns the output of the last cell, and the new states."""
        order = list(states)[::-1] if self.reverse_state_order else list(states)
        new = []
        for cell, state in zip(self.cells, order, strict=True):
            is_nested = nest.is_nested(state)
            options = options_of(cell, training, constants)
            step_of = cell if callable(cell) else cell.call
            inputs, after = step_of(inputs, state if is_nested else [state], **options)
            new.append(after if is_nested else nest.flatten(after)[0])
        return inputs, tuple(new[::-1] if self.reverse_state_order else new)

    def prepare_masks(self, inputs: Any, states: Any, training: Any) -> None:
        """Draws the masks of the cells; those behind the first get what it returns."""
        order = list(states)[::-1] if self.reverse_state_order else list(states)
        like = inputs
        for cell, state in zip(self.cells, order, strict=True):
            first = nest.flatten(state)[0]
            if hasattr(cell, "prepare_masks"):
                cell.prepare_masks(like, first, training)
            size = list(TensorShape(size_of_output(cell)))
            like = zeros([shape_of(inputs)[0], *size], inputs.dtype)

    def reset_dropout_mask(self) -> None:
        """Forgets the masks of the inputs."""
        for cell in self.cells:
            if hasattr(cell, "reset_dropout_mask"):
                cell.reset_dropout_mask()

    def reset_recurrent_dropout_mask(self) -> None:
        """Forgets the masks of the states."""
        for cell in self.cells:
            if hasattr(cell, "reset_recurrent_dropout_mask"):
                cell.reset_recurrent_dropout_mask()

    def get_config(self) -> dict[str, Any]:
        """Returns the configs of the cells."""
        cells = [serialize(cell) for cell in self.cells]
        return {**super().get_config(), "cells": cells}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Any:
        """Makes a stack of the configs of its cells."""
        config = dict(config)
        cells = [deserialize(cell, custom_objects) for cell in config.pop("cells")]
        return cls(cells, **config)


def size_of_output(cell: Any) -> Any:
    """Returns the size of a cell's output; that of its first state by default."""
    found = getattr(cell, "output_size", None)
    if found is not None:
        return found
    size = cell.state_size
    if isinstance(size, (list, tuple)) and not isinstance(size, TensorShape):
        return size[0]
    return size


def initial_state_of(cell: Any, batch: Any, dtype: Any) -> Any:
    """Returns the initial states of a cell; zeros unless it says otherwise."""
    make = getattr(cell, "get_initial_state", None)
    if make is not None:
        return make(inputs=None, batch_size=batch, dtype=dtype)
    return zero_states(cell.state_size, batch, dtype)


def options_of(cell: Any, training: Any, constants: Any) -> dict[str, Any]:
    """Returns what a cell's `call` takes besides inputs and states."""
    names = inspect.signature(cell.call).parameters
    options: dict[str, Any] = {}
    if "training" in names:
        options["training"] = training
    if constants is not None and "constants" in names:
        options["constants"] = constants
    return options
