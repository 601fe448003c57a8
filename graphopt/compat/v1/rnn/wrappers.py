"""Cells around cells: MultiRNNCell, DropoutWrapper, ResidualWrapper, DeviceWrapper."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

from graphopt.compat.v1.rnn.base import RNNCell, assert_cell, map_sizes
from graphopt.compat.v1.rnn.cells import LSTMStateTuple
from graphopt.graph import nest
from graphopt.graph.shape import TensorShape
from graphopt.keras.variable_scopes import variable_scope
from graphopt.ops.dropout import dropout
from graphopt.ops.elementwise import floor
from graphopt.ops.random_stateful import uniform
from graphopt.ops.shaping import concat, reshape
from graphopt.ops.tensor_array import TensorArray
from graphopt.runtime.collections import device


class MultiRNNCell(RNNCell):
    """Several cells, each of which gets the output of the one before.

    Args:
      cells: The cells, the first one first.
      state_is_tuple: Whether the state is a tuple of their states, not one tensor.

    Source: `tf.compat.v1.nn.rnn_cell.MultiRNNCell`.
    """

    def __init__(self, cells: Any, state_is_tuple: bool = True) -> None:
        super().__init__()
        if not nest.is_nested(cells):
            raise TypeError(f"cells must be a list or tuple, but saw: {cells}.")
        if not cells:
            raise ValueError("Must specify at least one cell for MultiRNNCell.")
        for cell in cells:
            assert_cell("cells", cell)
        self._cells = list(cells)
        self._state_is_tuple = state_is_tuple
        if not state_is_tuple and any(nest.is_nested(c.state_size) for c in cells):
            raise ValueError(
                "Some cells return tuples of states, but the flag state_is_tuple is not "
                f"set. State sizes are: {[c.state_size for c in cells]}"
            )

    @property
    def state_size(self) -> Any:
        """A tuple of the sizes of the states, or their sum."""
        sizes = tuple(cell.state_size for cell in self._cells)
        return sizes if self._state_is_tuple else sum(sizes)

    @property
    def output_size(self) -> Any:
        """That of the last cell."""
        return self._cells[-1].output_size

    def zero_state(self, batch_size: Any, dtype: Any) -> Any:
        """Returns the zero states of the cells."""
        if self._state_is_tuple:
            return tuple(cell.zero_state(batch_size, dtype) for cell in self._cells)
        return super().zero_state(batch_size, dtype)

    def call(self, inputs: Any, state: Any) -> Any:
        """Runs the cells one after the other."""
        new_states, at = [], 0
        for i, cell in enumerate(self._cells):
            with variable_scope(f"cell_{i}"):
                if self._state_is_tuple:
                    own = state[i]
                else:
                    own = state[:, at : at + cell.state_size]
                    at += cell.state_size
                inputs, new = cell(inputs, own)
                new_states.append(new)
        if self._state_is_tuple:
            return inputs, tuple(new_states)
        return inputs, concat(new_states, 1)


class CellWrapper(RNNCell):
    """A cell that changes what another one does; it has no scope of its own."""

    def __init__(self, cell: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        assert_cell("cell", cell)
        self._cell = cell

    @property
    def wrapped_cell(self) -> Any:
        """The cell inside."""
        return self._cell

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

    def __call__(self, inputs: Any, state: Any, scope: Any = None, **more: Any) -> Any:
        """Runs the cell inside, in the scope that it would have alone."""
        return self._around(inputs, state, scope)

    def _around(self, inputs: Any, state: Any, scope: Any) -> Any:
        if scope is None:
            return self._cell(inputs, state)
        return self._cell(inputs, state, scope=scope)


class DropoutWrapper(CellWrapper):
    """Dropout of the inputs, states and outputs of a cell.

    Args:
      cell: The cell.
      input_keep_prob, output_keep_prob, state_keep_prob: How likely an element is kept: a
        number or a scalar tensor; 1 for no dropout.
      variational_recurrent: Whether all steps of a run, and all examples, have one mask.
      input_size: The size of the inputs, needed for that.
      dtype: The dtype of inputs, states and outputs, needed for that.
      seed: The seed.
      dropout_state_filter_visitor: Says of each part of the state whether it is dropped;
        by default all but the cells of LSTMs.
      **kwargs: As in `RNNCell`.

    Source: `tf.compat.v1.nn.rnn_cell.DropoutWrapper`; https://arxiv.org/abs/1512.05287.
    """

    def __init__(
        self,
        cell: Any,
        input_keep_prob: Any = 1.0,
        output_keep_prob: Any = 1.0,
        state_keep_prob: Any = 1.0,
        variational_recurrent: bool = False,
        input_size: Any = None,
        dtype: Any = None,
        seed: int | None = None,
        dropout_state_filter_visitor: Callable[[Any], Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(cell, dtype=dtype, **kwargs)
        visitor = dropout_state_filter_visitor
        if visitor is not None and not callable(visitor):
            raise TypeError("dropout_state_filter_visitor must be callable")
        self._visitor = visitor or _drops_state
        self._keep = {}
        given = {"input": input_keep_prob, "state": state_keep_prob}
        for what, prob in {**given, "output": output_keep_prob}.items():
            if isinstance(prob, (int, float)) and not 0.0 <= prob <= 1.0:
                raise ValueError(
                    f"Parameter {what}_keep_prob must be between 0 and 1: {prob}"
                )
            if getattr(getattr(prob, "shape", None), "unknown_rank", False):
                # A placeholder of unknown shape stands for a number.
                prob = reshape(prob, [])
            self._keep[what] = prob
        self._seed = seed
        self._noise: dict[str, Any] | None = None
        if variational_recurrent:
            if dtype is None:
                raise ValueError(
                    "When variational_recurrent=True, dtype must be provided"
                )
            self._draw_noise(input_size, dtype)

    def _draw_noise(self, input_size: Any, dtype: Any) -> None:
        sizes = {"state": self._cell.state_size, "output": self._cell.output_size}
        if self._drops("input"):
            if input_size is None:
                raise ValueError(
                    "When variational_recurrent=True and input_keep_prob < 1.0 or is "
                    "unknown, input_size must be provided"
                )
            sizes["input"] = input_size
        self._noise = {}
        for what, size in sizes.items():
            numbers = iter(range(1_000))
            self._noise[what] = map_sizes(
                lambda s, what=what, numbers=numbers: uniform(
                    [1, *TensorShape(s)],
                    dtype=dtype,
                    seed=self._seed_of(what, next(numbers)),
                ),
                size,
            )

    def _drops(self, what: str) -> bool:
        prob = self._keep[what]
        return not isinstance(prob, (int, float)) or prob < 1

    def _seed_of(self, what: str, index: int) -> int | None:
        if self._seed is None:
            return None
        text = f"{self._seed}{what}_{index}".encode()
        return int(hashlib.md5(text, usedforsecurity=False).hexdigest()[:8], 16) & (
            0x7FFFFFFF
        )

    def _drop(self, what: str, values: Any, only: Any = True) -> Any:
        if not self._drops(what):
            return values
        prob = self._keep[what]
        flat = nest.flatten(values)
        chosen = _spread(only, values)
        if self._noise is not None:
            noises = nest.flatten(self._noise[what])
            found = [
                v / prob * floor(prob + noise) if drop else v
                for v, noise, drop in zip(flat, noises, chosen, strict=True)
            ]
        else:
            rate = 1 - prob
            found = [
                dropout(v, rate, seed=self._seed_of(what, i)) if drop else v
                for i, (v, drop) in enumerate(zip(flat, chosen, strict=True))
            ]
        return nest.pack_as(values, found)

    def _around(self, inputs: Any, state: Any, scope: Any) -> Any:
        inputs = self._drop("input", inputs)
        output, new_state = super()._around(inputs, state, scope)
        if self._drops("state"):
            only = _visit(self._visitor, new_state)
            new_state = self._drop("state", new_state, only)
        return self._drop("output", output), new_state


def _drops_state(part: Any) -> Any:
    """Which parts of a state are dropped: not the cells of LSTMs."""
    if isinstance(part, LSTMStateTuple):
        return LSTMStateTuple(False, True)
    return not isinstance(part, TensorArray)


def _visit(visitor: Callable[[Any], Any], state: Any) -> Any:
    """Asks about each part of a state, going into tuples that the visitor drops whole."""
    answer = visitor(state)
    if answer is True and nest.is_nested(state):
        parts = [_visit(visitor, part) for part in state]
        return type(state)(*parts) if hasattr(state, "_fields") else type(state)(parts)
    return answer


def _spread(only: Any, values: Any) -> list[bool]:
    if not nest.is_nested(values):
        return [bool(only)]
    if not nest.is_nested(only):
        return [bool(only)] * len(nest.flatten(values))
    pairs = zip(only, values, strict=True)
    return [flag for o, v in pairs for flag in _spread(o, v)]


class ResidualWrapper(CellWrapper):
    """Adds the inputs of a cell to its outputs.

    Args:
      cell: The cell.
      residual_fn: From inputs and outputs to the outputs; by default their sum.
      **kwargs: As in `RNNCell`.

    Source: `tf.compat.v1.nn.rnn_cell.ResidualWrapper`.
    """

    def __init__(self, cell: Any, residual_fn: Any = None, **kwargs: Any) -> None:
        super().__init__(cell, **kwargs)
        self._residual_fn = residual_fn

    def _around(self, inputs: Any, state: Any, scope: Any) -> Any:
        outputs, new_state = super()._around(inputs, state, scope)
        if self._residual_fn is not None:
            return self._residual_fn(inputs, outputs), new_state
        for a, b in zip(nest.flatten(inputs), nest.flatten(outputs), strict=True):
            if not a.shape.is_compatible_with(b.shape):
                raise ValueError(
                    f"ResidualWrapper: inputs of shape {a.shape} and outputs of shape "
                    f"{b.shape} do not add up."
                )
        return nest.map_structure(lambda a, b: a + b, inputs, outputs), new_state


class DeviceWrapper(CellWrapper):
    """Runs a cell on a device, of which there is one.

    Args:
      cell: The cell.
      device: The name of the device.
      **kwargs: As in `RNNCell`.

    Source: `tf.compat.v1.nn.rnn_cell.DeviceWrapper`.
    """

    def __init__(self, cell: Any, device: Any, **kwargs: Any) -> None:
        super().__init__(cell, **kwargs)
        self._device = device

    def zero_state(self, batch_size: Any, dtype: Any) -> Any:
        """Returns the zero state of the cell inside."""
        with device(self._device):
            return super().zero_state(batch_size, dtype)

    def _around(self, inputs: Any, state: Any, scope: Any) -> Any:
        with device(self._device):
            return super()._around(inputs, state, scope)
