"""Switching the checks of numbers on and off, and what they are in eager mode."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphopt import config
from graphopt.graph.hooks import hooks
from graphopt.graph.opspec import OpSpec
from graphopt.graph.provenance import user_site
from graphopt.graph.tensor import EagerTensor
from graphopt.runtime.eager import run_eagerly
from graphopt.runtime.not_finite import bad_eager, bad_eager_write, is_finite
from graphopt.runtime.store import VariableKey


def enable_check_numerics(
    stack_height_limit: int = 30, path_length_limit: int = 50
) -> None:
    """Makes NaN and infinities errors, in eager mode, functions and sessions.

    A run raises InvalidArgumentError before it has changed any variable. The message
    names the first op whose output is not finite though its inputs are, the line that
    made the op, and the value; or the feed, variable or constant that was not finite to
    begin with. The new values of variables are checked as well.

    It concerns every run of the process from here on, of graphs that are there already
    too. Compiled steps get kernels that check, and copy the variables that they will
    write; switched off again, they are as fast as they were.

    Args:
      stack_height_limit: Accepted; the message has the one line that made the op.
      path_length_limit: Accepted; paths are shown as they are.

    >>> import graphopt as tf
    >>> tf.debugging.enable_check_numerics()
    >>> try:
    ...     tf.math.log(tf.constant([1.0, 0.0]))
    ... except tf.errors.InvalidArgumentError as error:
    ...     print(str(error).split(";")[0])
    ... finally:
    ...     tf.debugging.disable_check_numerics()
    Detected Infinity or NaN in output 0 of eagerly-executing op "Log" (# of outputs: 1) : Tensor had Inf values

    Source: `tf.debugging.enable_check_numerics`.
    """
    config.change(check_numerics=True)


def disable_check_numerics() -> None:
    """Undoes `enable_check_numerics`; does nothing if it was not called.

    Source: `tf.debugging.disable_check_numerics`.
    """
    config.change(check_numerics=False)


def _run_checked(spec: OpSpec, inputs: tuple[Any, ...], attrs: dict[str, Any]) -> Any:
    """Computes an op eagerly and looks at what it gave."""
    with np.errstate(all="ignore"):
        results = run_eagerly(spec, inputs, attrs)
    outputs = results if isinstance(results, tuple) else (results,)
    for index, tensor in enumerate(outputs):
        if not is_finite(tensor.array):
            arrays = [x.array if isinstance(x, EagerTensor) else x for x in inputs]
            shown = [np.asarray(x) for x in arrays if isinstance(x, np.ndarray)]
            raise bad_eager(
                spec.name, index, len(outputs), tensor.array, shown, str(user_site())
            )
    return results


def _check_write(
    spec: OpSpec, key: VariableKey, arrays: tuple[Any, ...], new: Any
) -> None:
    """Refuses a new value of an eager variable."""
    if not is_finite(np.asarray(new)):
        raise bad_eager_write(
            spec.name, key.name, np.asarray(new), arrays, str(user_site())
        )


@config.on_change
def _follow_setting() -> None:
    """Puts the checks where eager ops pass, or takes them away: off they cost nothing."""
    is_on = config.settings.check_numerics
    hooks.run_eagerly = _run_checked if is_on else run_eagerly
    hooks.on_eager_write = _check_write if is_on else None


_follow_setting()
