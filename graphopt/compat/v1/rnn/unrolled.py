"""`static_rnn`, `static_bidirectional_rnn`: cells unrolled over a list of inputs."""

from __future__ import annotations

from typing import Any

from graphopt.compat.v1.rnn.base import assert_cell, static_size
from graphopt.compat.v1.rnn.loops import with_lengths
from graphopt.dtypes import int32
from graphopt.graph import nest
from graphopt.graph.hooks import hooks
from graphopt.keras.variable_scopes import get_variable_scope, variable_scope
from graphopt.ops.creation import zeros_like
from graphopt.ops.elementwise import cast
from graphopt.ops.reversing import reverse_sequence
from graphopt.ops.shaping import concat, stack
from graphopt.ops.splitting import unstack


def static_rnn(
    cell: Any,
    inputs: Any,
    initial_state: Any = None,
    dtype: Any = None,
    sequence_length: Any = None,
    scope: Any = None,
) -> Any:
    """Runs a cell over a list of inputs, one step after the other in the graph.

    Args:
      cell: An `RNNCell`.
      inputs: A list of tensors `[batch, ...]`, one for each step, or of nests of them.
      initial_state: A nest as `cell.state_size`, each `[batch, ...]`; zeros by default.
      dtype: The dtype of the zeros, needed if there is no initial state.
      sequence_length: `[batch]`, integers: as in `dynamic_rnn`.
      scope: The scope of the variables, `rnn` by default.

    Returns:
      The list of outputs, and the state at the end.

    Raises:
      TypeError: `cell` is no cell, or `inputs` no list.
      ValueError: `inputs` is empty, or there is neither an initial state nor a dtype.

    Source: `tf.compat.v1.nn.static_rnn`.
    """
    assert_cell("cell", cell)
    if not isinstance(inputs, (list, tuple)):
        raise TypeError("inputs must be a sequence")
    if not inputs:
        raise ValueError("inputs must not be empty")
    outputs = []
    with variable_scope(scope or "rnn"):
        inputs = [nest.map_structure(hooks.convert, each) for each in inputs]
        batch = static_size(nest.flatten(inputs[0])[0], 0)
        if initial_state is not None:
            state = initial_state
        elif dtype is None:
            raise ValueError("If no initial_state is provided, dtype must be specified")
        else:
            state = cell.zero_state(batch, dtype)
        lengths = None
        if sequence_length is not None:
            lengths = cast(hooks.convert(sequence_length), int32)
        for t, x in enumerate(inputs):
            if t:
                get_variable_scope().reuse_variables()
            output, new = cell(x, state)
            if lengths is not None:
                done = lengths <= t
                zero = nest.map_structure(zeros_like, output)
                output = with_lengths(done, output, zero)
                new = with_lengths(done, new, state)
            state = new
            outputs.append(output)
    return outputs, state


def static_bidirectional_rnn(
    cell_fw: Any,
    cell_bw: Any,
    inputs: Any,
    initial_state_fw: Any = None,
    initial_state_bw: Any = None,
    dtype: Any = None,
    sequence_length: Any = None,
    scope: Any = None,
) -> Any:
    """Runs one cell forward over a list of inputs and another one backward.

    Args:
      cell_fw, cell_bw: The cells.
      inputs: A list of tensors `[batch, width]`.
      initial_state_fw, initial_state_bw: As in `static_rnn`.
      dtype: As in `static_rnn`.
      sequence_length: As in `static_rnn`; the second cell begins at the end of each.
      scope: The scope of the variables, `bidirectional_rnn` by default.

    Returns:
      The list of outputs, of both cells side by side, the state of the first cell and that
      of the second.

    Source: `tf.compat.v1.nn.static_bidirectional_rnn`.
    """
    with variable_scope(scope or "bidirectional_rnn"):
        with variable_scope("fw") as scope_fw:
            output_fw, state_fw = static_rnn(
                cell_fw, inputs, initial_state_fw, dtype, sequence_length, scope_fw
            )
        with variable_scope("bw") as scope_bw:
            turned = _turn(inputs, sequence_length)
            output_bw, state_bw = static_rnn(
                cell_bw, turned, initial_state_bw, dtype, sequence_length, scope_bw
            )
    output_bw = _turn(output_bw, sequence_length)
    pairs = [
        nest.map_structure(lambda f, b: concat([f, b], 1), f, b)
        for f, b in zip(output_fw, output_bw, strict=True)
    ]
    return pairs, state_fw, state_bw


def _turn(steps: Any, lengths: Any) -> list[Any]:
    """Returns a list of steps from the last to the first, each sequence by itself."""
    if lengths is None:
        return list(reversed(steps))
    flat = [nest.flatten(step) for step in steps]
    parts = [
        unstack(reverse_sequence(stack(list(column)), lengths, 0, 1), num=len(steps))
        for column in zip(*flat, strict=True)
    ]
    rows = zip(*parts, strict=True)
    return [nest.pack_as(s, list(row)) for s, row in zip(steps, rows, strict=True)]
