"""`stack_bidirectional_rnn` and `stack_bidirectional_dynamic_rnn` of `tf.contrib.rnn`."""

from __future__ import annotations

from typing import Any

from graphopt.compat.v1.rnn.loops import bidirectional_dynamic_rnn
from graphopt.compat.v1.rnn.unrolled import static_bidirectional_rnn
from graphopt.keras.variable_scopes import variable_scope
from graphopt.ops.shaping import concat


def _check(cells_fw: Any, cells_bw: Any, first: Any, second: Any) -> None:
    for what, cells in (("cells_fw", cells_fw), ("cells_bw", cells_bw)):
        if not isinstance(cells, list) or not cells:
            raise ValueError(f"{what} must be a list of RNNCells (one per layer).")
    if len(cells_fw) != len(cells_bw):
        raise ValueError("Forward and Backward cells must have the same depth.")
    for what, states in (("initial_states_fw", first), ("initial_states_bw", second)):
        if states is not None and len(states) != len(cells_fw):
            raise ValueError(f"{what} must be a list of state tensors (one per layer).")


def stack_bidirectional_dynamic_rnn(
    cells_fw: Any,
    cells_bw: Any,
    inputs: Any,
    initial_states_fw: Any = None,
    initial_states_bw: Any = None,
    dtype: Any = None,
    sequence_length: Any = None,
    parallel_iterations: int | None = None,
    time_major: bool = False,
    scope: Any = None,
    swap_memory: bool = False,
) -> Any:
    """Stacks bidirectional networks: each layer gets the outputs of the one before.

    Args:
      cells_fw, cells_bw: A cell for each layer and direction.
      inputs: As in `dynamic_rnn`.
      initial_states_fw, initial_states_bw: A state for each layer; zeros by default.
      dtype: As in `dynamic_rnn`.
      sequence_length: As in `dynamic_rnn`.
      parallel_iterations: Accepted for compatibility.
      time_major: As in `dynamic_rnn`.
      scope: The scope of the variables, `stack_bidirectional_rnn` by default.
      swap_memory: Accepted for compatibility.

    Returns:
      The outputs of the last layer, of both directions side by side, and the states of
      all layers, of each direction.

    Source: `tf.contrib.rnn.stack_bidirectional_dynamic_rnn`.
    """
    _check(cells_fw, cells_bw, initial_states_fw, initial_states_bw)
    states_fw, states_bw = [], []
    with variable_scope(scope or "stack_bidirectional_rnn"):
        for i, (fw, bw) in enumerate(zip(cells_fw, cells_bw, strict=True)):
            with variable_scope(f"cell_{i}"):
                outputs, (state_fw, state_bw) = bidirectional_dynamic_rnn(
                    fw,
                    bw,
                    inputs,
                    sequence_length,
                    initial_states_fw[i] if initial_states_fw else None,
                    initial_states_bw[i] if initial_states_bw else None,
                    dtype,
                    time_major=time_major,
                )
            inputs = concat(outputs, 2)
            states_fw.append(state_fw)
            states_bw.append(state_bw)
    return inputs, tuple(states_fw), tuple(states_bw)


def stack_bidirectional_rnn(
    cells_fw: Any,
    cells_bw: Any,
    inputs: Any,
    initial_states_fw: Any = None,
    initial_states_bw: Any = None,
    dtype: Any = None,
    sequence_length: Any = None,
    scope: Any = None,
) -> Any:
    """Stacks bidirectional networks over a list of inputs.

    Source: `tf.contrib.rnn.stack_bidirectional_rnn`.
    """
    _check(cells_fw, cells_bw, initial_states_fw, initial_states_bw)
    states_fw, states_bw = [], []
    with variable_scope(scope or "stack_bidirectional_rnn"):
        for i, (fw, bw) in enumerate(zip(cells_fw, cells_bw, strict=True)):
            with variable_scope(f"cell_{i}") as each:
                inputs, state_fw, state_bw = static_bidirectional_rnn(
                    fw,
                    bw,
                    inputs,
                    initial_states_fw[i] if initial_states_fw else None,
                    initial_states_bw[i] if initial_states_bw else None,
                    dtype,
                    sequence_length,
                    each,
                )
            states_fw.append(state_fw)
            states_bw.append(state_bw)
    return inputs, tuple(states_fw), tuple(states_bw)
