"""`RNN`: any cell in a native loop over time steps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from graphopt.errors import fail
from graphopt.graph import nest
from graphopt.graph.context import building_graph
from graphopt.graph.hooks import hooks
from graphopt.graph.provenance import user_site
from graphopt.graph.shape import TensorShape
from graphopt.keras.layers.base import Layer
from graphopt.keras.layers.options import OptionLayer
from graphopt.keras.layers.rnn.cells import (
    StackedRNNCells,
    initial_state_of,
    options_of,
    size_of_output,
)
from graphopt.keras.layers.serialization import deserialize, serialize
from graphopt.ops.creation import shape as shape_of
from graphopt.ops.creation import zeros
from graphopt.ops.elementwise import where
from graphopt.ops.padding import reverse
from graphopt.ops.shaping import expand_dims, reshape, transpose
from graphopt.ops.tensor_array import TensorArray
from graphopt.ops.while_loop import while_loop
from graphopt.runtime.names import name_scope
from graphopt.runtime.variable import Variable


def time_first(tensor: Any) -> Any:
    """Exchanges the first two dimensions."""
    return transpose(tensor, [1, 0, *range(2, tensor.shape.rank)])


def size_in_run(tensor: Any, axis: int) -> Any:
    """Returns a size as a number, or as a tensor where it is not known."""
    size = tensor.shape[axis]
    return shape_of(tensor)[axis] if size is None else size


class _Kept:
    """States that a layer keeps from one batch to the next; they are no weights."""

    def __init__(self) -> None:
        self.variables: list[Any] | None = None


class RNN(OptionLayer):
    """A cell that is called on each step of sequences.

    Args:
      cell: A layer with `call(inputs, states)`, which returns the output and the new states,
        and with `state_size`; or a list of such, which are stacked.
      return_sequences: Whether the outputs of all steps are returned, or that of the last.
      return_state: Whether the last states are returned, too.
      go_backwards: Whether the steps are taken from the last to the first.
      stateful: Whether a batch begins with the states that the one before ended with.
      unroll: Accepted for compatibility; loops are compiled.
      time_major: Whether time comes before the batch, in inputs and outputs.
      **kwargs: As in `Layer`; `zero_output_for_mask`, whether outputs of masked steps are 0
        instead of those of the step before.

    Raises:
      ValueError: `cell` is no cell.

    >>> import graphopt as tf
    >>> layer = tf.keras.layers.RNN(tf.keras.layers.SimpleRNNCell(4), return_sequences=True)
    >>> layer(tf.ones([2, 5, 3])).shape
    TensorShape([2, 5, 4])

    Source: `tf.keras.layers.RNN`.
    """

    flags = (
        "return_sequences",
        "return_state",
        "go_backwards",
        "stateful",
        "unroll",
        "time_major",
    )
    config_names: tuple[str, ...] = flags

    def __init__(
        self,
        cell: Any,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        time_major: bool = False,
        **kwargs: Any,
    ) -> None:
        if isinstance(cell, (list, tuple)):
            cell = StackedRNNCells(cell)
        for what in ("call", "state_size"):
            if what not in dir(cell):
                raise fail(
                    ValueError,
                    f"Argument `cell` should have a `{what}`",
                    got=repr(cell),
                    expected="a cell, as LSTMCell",
                    site=str(user_site()),
                )
        self.zero_output_for_mask = kwargs.pop("zero_output_for_mask", False)
        length = kwargs.pop("input_length", None)
        width = kwargs.pop("input_dim", None)
        if (length, width) != (None, None) and "input_shape" not in kwargs:
            kwargs["input_shape"] = (length, width)
        super().__init__(**kwargs)
        self.cell = cell
        self.return_sequences, self.return_state = return_sequences, return_state
        self.go_backwards, self.stateful, self.unroll = go_backwards, stateful, unroll
        self.time_major = time_major
        self.supports_masking = True
        self._kept = _Kept()
        self._num_constants = 0

    # ---- states

    @property
    def states(self) -> Any:
        """The states that a stateful layer keeps; None for each otherwise."""
        if self._kept.variables is None:
            return [None] * len(nest.flatten(self.cell.state_size))
        return self._kept.variables

    def get_initial_state(self, inputs: Any) -> Any:
        """Returns the states before the first step: those of the cell, or zeros."""
        first = nest.flatten(inputs)[0]
        batch = size_in_run(first, 1 if self.time_major else 0)
        return initial_state_of(self.cell, batch, first.dtype)

    def reset_states(self, states: Any = None) -> None:
        """Sets the states of a stateful layer to 0, or to arrays.

        Raises:
          AttributeError: The layer keeps none.
          ValueError: The number or shapes of the arrays are others, or the size of the batch is not known.
        """
        if not self.stateful:
            raise AttributeError("Layer must be stateful.")
        if self._kept.variables is None:
            raise fail(
                ValueError,
                f"If an RNN is stateful, it needs to know its batch size: layer {self.name!r}",
                got="a layer that was not called",
                remedy="batch_input_shape in the first layer, or batch_shape in Input",
                site=str(user_site()),
            )
        variables = self._kept.variables
        values = nest.flatten(states) if states is not None else [None] * len(variables)
        if len(values) != len(variables):
            raise ValueError(
                f"Layer {self.name} expects {len(variables)} states, but it received "
                f"{len(values)} state values."
            )
        for variable, value in zip(variables, values, strict=True):
            if value is not None and tuple(variable.shape) != tuple(value.shape):
                raise ValueError(
                    f"A state of layer {self.name} has shape {tuple(variable.shape)}, the "
                    f"given one {tuple(value.shape)}."
                )
            variable.assign(
                zeros(variable.shape, variable.dtype) if value is None else value
            )

    reset_state = reset_states

    # ---- weights

    def build(self, input_shape: Any) -> None:
        """Makes the weights of the cell, and states that are kept."""
        first = _first_shape(input_shape)
        steps = 0 if self.time_major else 1

        def without_time(shape: Any) -> TensorShape:
            sizes = [size for i, size in enumerate(TensorShape(shape)) if i != steps]
            return TensorShape(sizes)

        if is_shape(input_shape):
            step_shape = without_time(input_shape)
        else:
            step_shape = nest.map_structure(without_time, input_shape)
        if isinstance(self.cell, Layer) and not self.cell.built:
            with name_scope(self.cell.name):
                self.cell.build(step_shape)
            self.cell.built = True
        if self.stateful:
            self._make_kept(first[1 if self.time_major else 0])
        self.built = True

    def _make_kept(self, batch: Any) -> None:
        if batch is None:
            raise fail(
                ValueError,
                f"If an RNN is stateful, it needs to know its batch size: layer {self.name!r}",
                got="a batch of unknown size",
                remedy="batch_input_shape in the first layer, or batch_size in Input",
                site=str(user_site()),
            )
        initial = initial_state_of(self.cell, batch, self.compute_dtype)
        self._kept.variables = [
            Variable(hooks.convert(state), trainable=False, name="state")
            for state in nest.flatten(initial)
        ]

    # ---- calling

    def __call__(
        self,
        inputs: Any,
        initial_state: Any = None,
        constants: Any = None,
        **kwargs: Any,
    ) -> Any:
        """Calls the layer; inputs may be a list of inputs, states and constants."""
        count = self._num_constants
        # A tuple is a nest of inputs, as in Keras; a list has the states behind.
        if isinstance(inputs, list):
            parts = list(inputs)
            inputs = parts[0]
            if count:
                constants, parts = parts[-count:], parts[:-count]
            if len(parts) > 1 and initial_state is None:
                initial_state = parts[1:]
        if constants is not None:
            constants = list(constants) if nest.is_nested(constants) else [constants]
            self._num_constants = len(constants)
            kwargs["constants"] = constants
        if initial_state is not None:
            kwargs["initial_state"] = initial_state
        return super().__call__(inputs, **kwargs)

    def call(
        self,
        inputs: Any,
        mask: Any = None,
        training: Any = None,
        initial_state: Any = None,
        constants: Any = None,
    ) -> Any:
        """Returns the outputs, `[batch, time, ...]` or `[batch, ...]`, and the states."""
        states = self._initial(inputs, initial_state)
        if isinstance(mask, (list, tuple)):
            mask = mask[0]
        x, mask = self._in_time(inputs, mask)
        outputs, last, final = self.run(x, mask, states, training, constants)
        if self.stateful:
            for kept, state in zip(self.states, nest.flatten(final), strict=True):
                self.keep_update(kept.assign(state))
        if self.return_sequences:
            output = (
                outputs if self.time_major else nest.map_structure(time_first, outputs)
            )
        else:
            output = last
        if not self.return_state:
            return output
        return [output, *(final if isinstance(final, (list, tuple)) else [final])]

    def _initial(self, inputs: Any, initial_state: Any) -> Any:
        size = self.cell.state_size
        if initial_state is not None:
            flat = nest.flatten(initial_state)
            count = len(nest.flatten(size))
            if len(flat) != count:
                raise fail(
                    ValueError,
                    f"Layer {self.name!r} expects {count} states",
                    got=f"{len(flat)} initial states",
                    site=str(user_site()),
                )
            dtype = nest.flatten(inputs)[0].dtype
            states = [hooks.convert(s, dtype_hint=dtype) for s in flat]
        elif self.stateful:
            states = [v.read_value() for v in self.states]
        else:
            states = [
                hooks.convert(s) for s in nest.flatten(self.get_initial_state(inputs))
            ]
        return states

    def _in_time(self, inputs: Any, mask: Any) -> tuple[Any, Any]:
        """Inputs and mask with time first, in the order in which steps are taken."""

        def turn(tensor: Any) -> Any:
            tensor = hooks.convert(tensor)
            if not self.time_major:
                tensor = time_first(tensor)
            return reverse(tensor, [0]) if self.go_backwards else tensor

        return nest.map_structure(turn, inputs), None if mask is None else turn(mask)

    def run(
        self, x: Any, mask: Any, states: list[Any], training: Any, constants: Any
    ) -> tuple[Any, Any, Any]:
        """Runs the cell over inputs, `[time, batch, ...]`.

        Returns:
          The outputs of all steps, that of the last one, and the states at the end.
        """
        cell = self.cell
        packed = _pack_states(cell.state_size, states)
        options = options_of(cell, training, constants)
        flat = nest.flatten(x)
        steps, batch = size_in_run(flat[0], 0), size_in_run(flat[0], 1)
        if hasattr(cell, "prepare_masks"):
            first = nest.map_structure(lambda part: part[0], x)
            given = packed if hasattr(cell, "cells") else states[0]
            cell.prepare_masks(first, given, training)
        step_of = cell if callable(cell) else cell.call
        arrays = [
            TensorArray(part.dtype, steps, clear_after_read=False).unstack(part)
            for part in flat
        ]
        masks = None
        if mask is not None:
            masks = TensorArray(mask.dtype, steps, clear_after_read=False).unstack(mask)
        dtype = states[0].dtype if states else flat[0].dtype
        sizes = _output_sizes(cell)
        zero = [zeros([batch, *size], dtype) for size in sizes]
        kept = [
            TensorArray(dtype, flow=zeros([steps, batch, *size], dtype))
            for size in sizes
        ]
        count, width = len(states), len(sizes)
        single = len(sizes) == 1

        def body(t: Any, *values: Any) -> Any:
            old, before = list(values[:count]), list(values[count : count + width])
            parts = [array.read(t) for array in arrays]
            if building_graph() is not None:
                for part, whole in zip(parts, flat, strict=True):
                    part.shape = whole.shape[1:]
            step = nest.pack_as(x, parts)
            output, new = step_of(step, _pack_states(cell.state_size, old), **options)
            out, new = nest.flatten(output), nest.flatten(new)
            if masks is not None:
                on = masks.read(t)
                new = _choose_rows(on, new, old)
                fill = zero if self.zero_output_for_mask else before
                out = _choose_rows(on, out, fill)
            written = [
                array.write(t, value)
                for array, value in zip(values[count + width :], out, strict=True)
            ]
            return [t + 1, *new, *out, *written]

        try:
            found = while_loop(
                lambda t, *_: t < steps,
                body,
                [hooks.convert(0), *states, *zero, *kept],
                maximum_iterations=steps if isinstance(steps, int) else None,
            )
        finally:
            for reset in ("reset_dropout_mask", "reset_recurrent_dropout_mask"):
                getattr(cell, reset, lambda: None)()
        final = list(found[1 : 1 + count])
        last = list(found[1 + count : 1 + count + width])
        outputs = [array.stack() for array in found[1 + count + width :]]
        if single:
            return outputs[0], last[0], _pack_states(cell.state_size, final)
        structure = size_of_output(cell)
        return (
            nest.pack_as(structure, outputs),
            nest.pack_as(structure, last),
            _pack_states(cell.state_size, final),
        )

    # ---- what comes out

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """Returns the mask of the outputs, and None for the states."""
        mask = nest.flatten(mask)[0] if mask is not None else None
        of_output = mask if self.return_sequences else None
        if not self.return_state:
            return of_output
        return [of_output] + [None] * len(nest.flatten(self.cell.state_size))

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Returns the shapes of the outputs, and of the states if they are returned."""
        first = _first_shape(input_shape)
        batch, steps = first[0], first[1]
        if self.time_major:
            batch, steps = steps, batch
        ahead = [batch]
        if self.return_sequences:
            ahead = [steps, batch] if self.time_major else [batch, steps]
        outputs = [TensorShape([*ahead, *size]) for size in _output_sizes(self.cell)]
        found: Any = outputs[0] if len(outputs) == 1 else outputs
        if not self.return_state:
            return found
        sizes = nest.flatten(self.cell.state_size)
        states = [TensorShape([batch, *_dims(size)]) for size in sizes]
        return [found, *states]

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of the constructor; the cell as its config."""
        config = super().get_config()
        if self._num_constants:
            config["num_constants"] = self._num_constants
        if self.zero_output_for_mask:
            config["zero_output_for_mask"] = True
        return {**config, "cell": serialize(self.cell)}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Any:
        """Makes a layer of its config."""
        config = dict(config)
        count = config.pop("num_constants", 0)
        cell = config.pop("cell")
        if isinstance(cell, dict):
            cell = deserialize(cell, custom_objects)
        layer = cls(cell, **config)
        layer._num_constants = count
        return layer


def _choose_rows(on: Any, new: Sequence[Any], old: Sequence[Any]) -> list[Any]:
    """Rows of new tensors where a mask is true, of old ones elsewhere."""
    found = []
    for after, before in zip(new, old, strict=True):
        rank = after.shape.rank
        flags = (
            expand_dims(on, -1) if rank == 2 else reshape(on, [-1] + [1] * (rank - 1))
        )
        found.append(where(flags, after, before))
    return found


def _dims(size: Any) -> list[int | None]:
    return [size] if isinstance(size, int) else list(TensorShape(size))


def _output_sizes(cell: Any) -> list[list[int | None]]:
    size = size_of_output(cell)
    if isinstance(size, (int, TensorShape)):
        return [_dims(size)]
    return [_dims(each) for each in nest.flatten(size)]


def _pack_states(state_size: Any, states: list[Any]) -> Any:
    """The states in the structure of their sizes; a list for one."""
    if isinstance(state_size, (int, TensorShape)):
        return list(states)
    return nest.pack_as(state_size, list(states))


def is_shape(value: Any) -> bool:
    """Returns whether a value is a shape, not a nest of shapes."""
    if isinstance(value, TensorShape):
        return True
    return isinstance(value, (list, tuple)) and all(
        size is None or isinstance(size, int) for size in value
    )


def _first_shape(input_shape: Any) -> TensorShape:
    if is_shape(input_shape):
        return TensorShape(input_shape)
    parts = input_shape.values() if isinstance(input_shape, dict) else input_shape
    return _first_shape(next(iter(parts)))
