"""`dynamic_rnn`, `bidirectional_dynamic_rnn` and `raw_rnn`: cells in native loops."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from graphopt.compat.v1.rnn.base import assert_cell, map_sizes, static_size
from graphopt.dtypes import int32
from graphopt.errors import fail
from graphopt.graph import nest
from graphopt.graph.hooks import hooks
from graphopt.graph.provenance import user_site
from graphopt.graph.shape import TensorShape
from graphopt.keras.variable_scopes import (
    AUTO_REUSE,
    get_variable_scope,
    variable_scope,
)
from graphopt.ops.creation import zeros
from graphopt.ops.elementwise import cast, logical_or, minimum, where
from graphopt.ops.padding import reverse
from graphopt.ops.reduction import reduce_all, reduce_max
from graphopt.ops.reversing import reverse_sequence
from graphopt.ops.shaping import reshape, transpose
from graphopt.ops.tensor_array import TensorArray
from graphopt.ops.while_loop import while_loop


def called_again(function: Callable[..., Any]) -> Callable[..., Any]:
    """Wraps the body of a loop, which is traced more than once.

    The first time its variables are made as the scope says, after that they are found.
    """
    scope = get_variable_scope()
    calls: list[Any] = []

    def traced(*arguments: Any) -> Any:
        reuse = scope.reuse or (AUTO_REUSE if calls else None)
        calls.append(True)
        with variable_scope(scope, reuse=reuse):
            return function(*arguments)

    return traced


def with_lengths(done: Any, new: Any, old: Any) -> Any:
    """Returns a nest of tensors, `[batch, ...]`, with the old values of rows that are done."""

    def one(after: Any, before: Any) -> Any:
        if hasattr(after, "_with_parts") or after.shape.rank == 0:
            return after
        flags = reshape(done, [-1] + [1] * (len(after.shape) - 1))
        return where(flags, before, after)

    return nest.map_structure(one, new, old)


def time_first(tensor: Any) -> Any:
    """Exchanges the first two dimensions."""
    rank = tensor.shape.rank
    if rank is None:
        raise ValueError("Inputs of an unknown rank; set their shape.")
    return transpose(tensor, [1, 0, *range(2, rank)])


def dynamic_rnn(
    cell: Any,
    inputs: Any,
    sequence_length: Any = None,
    initial_state: Any = None,
    dtype: Any = None,
    parallel_iterations: int | None = None,
    swap_memory: bool = False,
    time_major: bool = False,
    scope: Any = None,
) -> Any:
    """Runs a cell over sequences, in one native loop.

    Args:
      cell: An `RNNCell`.
      inputs: `[batch, time, ...]`, or a nest of such tensors; `[time, batch, ...]` if
        `time_major`.
      sequence_length: `[batch]`, integers: how long each sequence is. Outputs behind it are
        0, and the state is that of the last step.
      initial_state: A nest as `cell.state_size`, each `[batch, ...]`; zeros by default.
      dtype: The dtype of the zeros, needed if there is no initial state.
      parallel_iterations: Accepted for compatibility.
      swap_memory: Accepted for compatibility.
      time_major: Whether time comes before the batch, in inputs and outputs.
      scope: The scope of the variables, `rnn` by default.

    Returns:
      The outputs, `[batch, time, ...]` (`[time, batch, ...]` if `time_major`), and the
      state at the end.

    Raises:
      TypeError: `cell` is no cell.
      ValueError: There is neither an initial state nor a dtype, or the inputs have less
        than two dimensions.

    >>> import graphopt as tf
    >>> v1 = tf.compat.v1
    >>> with tf.Graph().as_default():
    ...     cell = v1.nn.rnn_cell.GRUCell(4)
    ...     outputs, state = v1.nn.dynamic_rnn(cell, tf.ones([2, 5, 3]), dtype=tf.float32)
    ...     print(outputs.shape, state.shape, v1.trainable_variables()[0].name)
    (2, 5, 4) (2, 4) rnn/gru_cell/gates/kernel:0

    Source: `tf.compat.v1.nn.dynamic_rnn`.
    """
    assert_cell("cell", cell)
    with variable_scope(scope or "rnn"):
        flat = [hooks.convert(each) for each in nest.flatten(inputs)]
        for each in flat:
            if each.shape.rank is not None and each.shape.rank < 2:
                raise fail(
                    ValueError,
                    "Inputs of dynamic_rnn must have at least two dimensions",
                    got=f"shape {each.shape}",
                    expected="[batch, time, ...]",
                    site=str(user_site()),
                )
        if not time_major:
            flat = [time_first(each) for each in flat]
        first = flat[0]
        steps, batch = static_size(first, 0), static_size(first, 1)
        lengths = None
        if sequence_length is not None:
            lengths = _lengths(sequence_length, first)
        if initial_state is not None:
            state = nest.map_structure(hooks.convert, initial_state)
        elif dtype is None:
            raise ValueError("If there is no initial_state, you must give a dtype.")
        elif getattr(cell, "get_initial_state", None) is not None:
            state = cell.get_initial_state(None, batch, dtype)
        else:
            state = cell.zero_state(batch, dtype)
        inputs = nest.pack_as(inputs, flat)
        outputs, state = _run(cell, inputs, state, lengths, steps, batch, dtype)
        if not time_major:
            outputs = nest.map_structure(time_first, outputs)
    return outputs, state


def _lengths(sequence_length: Any, first: Any) -> Any:
    lengths = cast(hooks.convert(sequence_length), int32)
    if lengths.shape.rank not in (None, 1) or not lengths.shape.is_compatible_with(
        first.shape[1:2]
    ):
        raise fail(
            ValueError,
            "sequence_length must be a vector of length batch_size",
            got=f"shape {lengths.shape}",
            expected=f"shape {first.shape[1:2]}",
            site=str(user_site()),
        )
    return lengths


def _run(
    cell: Any, inputs: Any, state: Any, lengths: Any, steps: Any, batch: Any, dtype: Any
) -> Any:
    """Runs a cell over inputs, `[time, batch, ...]`."""
    arrays = [
        TensorArray(x.dtype, steps, clear_after_read=False).unstack(x)
        for x in nest.flatten(inputs)
    ]
    kind = dtype or nest.flatten(state)[0].dtype

    def output_array(size: Any) -> TensorArray:
        dims = TensorShape(size)
        flow = zeros([steps, batch, *dims], kind)
        return TensorArray(kind, flow=flow)

    kept = map_sizes(output_array, cell.output_size)
    bound = steps if lengths is None else minimum(steps, reduce_max(lengths))

    def body(t: Any, state: Any, kept: Any) -> Any:
        x = nest.pack_as(inputs, [array.read(t) for array in arrays])
        for step, whole in zip(nest.flatten(x), nest.flatten(inputs), strict=True):
            step.shape = whole.shape[1:]
        output, new = cell(x, state)
        new = _as_state(new, state)
        if lengths is not None:
            done = t >= lengths
            output = with_lengths(done, output, nest.map_structure(_zero, output))
            new = with_lengths(done, new, state)
        written = [
            array.write(t, value)
            for array, value in zip(
                nest.flatten(kept), nest.flatten(output), strict=True
            )
        ]
        return t + 1, new, nest.pack_as(kept, written)

    _, state, kept = while_loop(
        lambda t, *_: t < bound,
        called_again(body),
        (hooks.convert(0), state, kept),
        maximum_iterations=steps if isinstance(steps, int) else None,
        name="while",
    )
    return nest.map_structure(lambda array: array.stack(), kept), state


def _zero(tensor: Any) -> Any:
    return hooks.convert(tensor.dtype.numpy.type(0))


def _as_state(new: Any, old: Any) -> Any:
    """Returns a new state in the structure of the old one."""
    flat, wanted = nest.flatten(new), nest.flatten(old)
    if len(flat) != len(wanted):
        raise fail(
            ValueError,
            "A cell returns a state of another structure than it is given",
            got=f"{len(flat)} tensors",
            expected=f"{len(wanted)}",
            site=str(user_site()),
        )
    return nest.pack_as(old, flat)


def bidirectional_dynamic_rnn(
    cell_fw: Any,
    cell_bw: Any,
    inputs: Any,
    sequence_length: Any = None,
    initial_state_fw: Any = None,
    initial_state_bw: Any = None,
    dtype: Any = None,
    parallel_iterations: int | None = None,
    swap_memory: bool = False,
    time_major: bool = False,
    scope: Any = None,
) -> Any:
    """Runs one cell forward over sequences and another one backward.

    Args:
      cell_fw, cell_bw: The cells.
      inputs: As in `dynamic_rnn`.
      sequence_length: As in `dynamic_rnn`; the second cell begins at the end of each.
      initial_state_fw, initial_state_bw: As in `dynamic_rnn`.
      dtype: As in `dynamic_rnn`.
      parallel_iterations: Accepted for compatibility.
      swap_memory: Accepted for compatibility.
      time_major: As in `dynamic_rnn`.
      scope: The scope of the variables, `bidirectional_rnn` by default; those of the cells
        are in `fw` and `bw`.

    Returns:
      The outputs of both, and the states of both.

    Source: `tf.compat.v1.nn.bidirectional_dynamic_rnn`.
    """
    assert_cell("cell_fw", cell_fw)
    assert_cell("cell_bw", cell_bw)
    time, batch = (0, 1) if time_major else (1, 0)

    def turned(tensor: Any) -> Any:
        if sequence_length is None:
            return reverse(hooks.convert(tensor), [time])
        return reverse_sequence(tensor, sequence_length, time, batch)

    with variable_scope(scope or "bidirectional_rnn"):
        with variable_scope("fw") as scope_fw:
            output_fw, state_fw = dynamic_rnn(
                cell_fw,
                inputs,
                sequence_length,
                initial_state_fw,
                dtype,
                time_major=time_major,
                scope=scope_fw,
            )
        with variable_scope("bw") as scope_bw:
            output_bw, state_bw = dynamic_rnn(
                cell_bw,
                nest.map_structure(turned, inputs),
                sequence_length,
                initial_state_bw,
                dtype,
                time_major=time_major,
                scope=scope_bw,
            )
        output_bw = nest.map_structure(turned, output_bw)
    return (output_fw, output_bw), (state_fw, state_bw)


def raw_rnn(
    cell: Any,
    loop_fn: Callable[..., Any],
    parallel_iterations: int | None = None,
    swap_memory: bool = False,
    scope: Any = None,
) -> Any:
    """Runs a cell whose inputs a function makes from its outputs, until all are finished.

    How long that takes only the run knows, so the loop runs on the host.

    Args:
      cell: An `RNNCell`.
      loop_fn: From (time, output of the cell, its state, loop state) to (which examples are
        finished, the next input, the next state, what to emit, loop state); first called
        with (0, None, None, None).
      parallel_iterations: Accepted for compatibility.
      swap_memory: Accepted for compatibility.
      scope: The scope of the variables, `rnn` by default.

    Returns:
      A nest of `TensorArray`s of what was emitted, the final state, and the loop state.

    Source: `tf.compat.v1.nn.raw_rnn`.
    """
    assert_cell("cell", cell)
    if not callable(loop_fn):
        raise TypeError("loop_fn must be a callable")
    with variable_scope(scope or "rnn"):
        time = hooks.convert(0)
        finished, x, state, emitted, loop_state = loop_fn(time, None, None, None)
        finished = hooks.convert(finished)
        x = nest.map_structure(hooks.convert, x)
        state = nest.map_structure(hooks.convert, state)
        batch = static_size(nest.flatten(x)[0], 0)
        kind = nest.flatten(state)[0].dtype
        if emitted is None:
            sizes = cell.output_size
            zero = map_sizes(lambda s: zeros([batch, *TensorShape(s)], kind), sizes)
        else:
            zero = nest.map_structure(
                lambda e: zeros([batch, *e.shape], e.dtype),
                nest.map_structure(hooks.convert, emitted),
            )
        arrays = nest.map_structure(
            lambda e: TensorArray(e.dtype, 0, dynamic_size=True, element_shape=e.shape),
            zero,
        )
        has_loop_state = loop_state is not None

        def body(
            time: Any, finished: Any, x: Any, arrays: Any, state: Any, loop_state: Any
        ) -> Any:
            output, cell_state = cell(x, state)
            given = loop_state if has_loop_state else None
            found = loop_fn(time + 1, output, cell_state, given)
            next_finished, next_x, next_state, emit, next_loop = found
            emit = output if emit is None else emit
            emit = with_lengths(finished, nest.map_structure(hooks.convert, emit), zero)
            next_state = with_lengths(
                finished, nest.map_structure(hooks.convert, next_state), state
            )
            written = nest.map_structure(lambda a, e: a.write(time, e), arrays, emit)
            if next_loop is None:
                next_loop = loop_state
            return (
                time + 1,
                logical_or(finished, next_finished),
                nest.pack_as(x, nest.flatten(next_x)),
                written,
                _as_state(next_state, state),
                next_loop,
            )

        loop_vars = (
            time,
            finished,
            x,
            arrays,
            state,
            loop_state if has_loop_state else hooks.convert(0),
        )
        found = while_loop(
            lambda _, finished, *__: ~reduce_all(finished),
            called_again(body),
            loop_vars,
        )
    return found[3], found[4], found[5] if has_loop_state else None
