"""Learning rates that change with the global step, as functions.

The equations are those of `tf.keras.optimizers.schedules` wherever there is one. In a
graph a function returns a tensor; in eager mode it returns a function without arguments,
which an optimizer calls in each step.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from graphopt.dtypes import DType, float32, float64, int32, int64
from graphopt.graph.context import building_graph
from graphopt.graph.hooks import hooks
from graphopt.graph.tensor import Tensor
from graphopt.keras.optimizers import schedules
from graphopt.ops.elementwise import cast, exp
from graphopt.runtime.names import name_scope
from graphopt.runtime.variable import Variable


def _dtype_of(value: Any) -> DType:
    """The dtype of a rate: its own if it has one, float32 for Python's numbers."""
    if isinstance(value, (int, float)) and not isinstance(value, np.generic):
        return float32
    dtype: DType = hooks.convert(value).dtype
    return dtype if dtype.is_floating else float32


def _in_dtype(value: Any, dtype: DType) -> Any:
    """Tensors in the dtype of the rate; numbers take it where they meet a tensor."""
    return cast(value, dtype) if isinstance(value, (Tensor, Variable)) else value


def decayed(
    rate_at: Callable[..., Any], learning_rate: Any, global_step: Any, name: str
) -> Any:
    """Returns a rate at a step, or in eager mode a function that does.

    Args:
      rate_at: Function of the step and of what turns tensors into its dtype.
      learning_rate: What decides the dtype.
      global_step: Variable, tensor or number.
      name: Scope of the ops.
    """
    if global_step is None:
        raise ValueError(
            "None values not supported: global_step is required; got None; try "
            "tf.compat.v1.train.get_or_create_global_step()."
        )
    dtype = _dtype_of(learning_rate)

    def rate() -> Any:
        with name_scope(name):
            step = cast(global_step, dtype)
            return cast(rate_at(step, lambda x: _in_dtype(x, dtype)), dtype)

    return rate() if building_graph() is not None else rate


def exponential_decay(
    learning_rate: Any,
    global_step: Any,
    decay_steps: Any,
    decay_rate: Any,
    staircase: bool = False,
    name: str | None = None,
) -> Any:
    """learning_rate * decay_rate ** (global_step / decay_steps).

    Args:
      learning_rate: Number or tensor: the rate at step 0.
      global_step: Variable, tensor or number >= 0.
      decay_steps: Number > 0 or tensor.
      decay_rate: Number > 0 or tensor.
      staircase: Whether global_step / decay_steps is cut to a whole number.
      name: Scope of the ops.

    Returns:
      A tensor; in eager mode a function that returns it.

    Raises:
      ValueError: `global_step` is None.

    >>> import graphopt as tf
    >>> step = tf.Variable(5)
    >>> float(tf.compat.v1.train.exponential_decay(1.0, step, 10, 0.25)())
    0.5

    Source: `tf.compat.v1.train.exponential_decay`.
    """
    return decayed(
        lambda step, of: schedules.ExponentialDecay(
            of(learning_rate), of(decay_steps), of(decay_rate), staircase
        )(step),
        learning_rate,
        global_step,
        name or "ExponentialDecay",
    )


def natural_exp_decay(
    learning_rate: Any,
    global_step: Any,
    decay_steps: Any,
    decay_rate: Any,
    staircase: bool = False,
    name: str | None = None,
) -> Any:
    """learning_rate * exp(-decay_rate * global_step / decay_steps).

    Args:
      learning_rate: Number or tensor: the rate at step 0.
      global_step: Variable, tensor or number >= 0.
      decay_steps: Number > 0 or tensor.
      decay_rate: Number or tensor.
      staircase: Whether global_step / decay_steps is cut to a whole number.
      name: Scope of the ops.

    Returns:
      As `exponential_decay`.

    >>> import graphopt as tf
    >>> rate = tf.compat.v1.train.natural_exp_decay(1.0, 3, 1, 0.5)
    >>> round(float(rate()), 4)
    0.2231

    Source: `tf.compat.v1.train.natural_exp_decay`.
    """

    def factor(of: Callable[[Any], Any]) -> Any:
        symbolic = isinstance(decay_rate, (Tensor, Variable))
        return exp(-of(decay_rate)) if symbolic else math.exp(-decay_rate)

    return decayed(
        lambda step, of: schedules.ExponentialDecay(
            of(learning_rate), of(decay_steps), factor(of), staircase
        )(step),
        learning_rate,
        global_step,
        name or "NaturalExpDecay",
    )


def inverse_time_decay(
    learning_rate: Any,
    global_step: Any,
    decay_steps: Any,
    decay_rate: Any,
    staircase: bool = False,
    name: str | None = None,
) -> Any:
    """learning_rate / (1 + decay_rate * global_step / decay_steps).

    Args:
      learning_rate: Number or tensor: the rate at step 0.
      global_step: Variable, tensor or number >= 0.
      decay_steps: Number > 0 or tensor.
      decay_rate: Number or tensor.
      staircase: Whether global_step / decay_steps is cut to a whole number.
      name: Scope of the ops.

    Returns:
      As `exponential_decay`.

    >>> import graphopt as tf
    >>> float(tf.compat.v1.train.inverse_time_decay(1.0, 2, 1, 0.5)())
    0.5

    Source: `tf.compat.v1.train.inverse_time_decay`.
    """
    return decayed(
        lambda step, of: schedules.InverseTimeDecay(
            of(learning_rate), of(decay_steps), of(decay_rate), staircase
        )(step),
        learning_rate,
        global_step,
        name or "InverseTimeDecay",
    )


def polynomial_decay(
    learning_rate: Any,
    global_step: Any,
    decay_steps: Any,
    end_learning_rate: Any = 0.0001,
    power: Any = 1.0,
    cycle: bool = False,
    name: str | None = None,
) -> Any:
    """(learning_rate - end) * (1 - min(s, n) / n) ** power + end, n = decay_steps.

    Args:
      learning_rate: Number or tensor: the rate at step 0.
      global_step: Variable, tensor or number >= 0.
      decay_steps: Number > 0 or tensor.
      end_learning_rate: Number or tensor: the last rate.
      power: Number or tensor.
      cycle: Whether n grows to the next multiple of `decay_steps`.
      name: Scope of the ops.

    Returns:
      As `exponential_decay`.

    >>> import graphopt as tf
    >>> rate = tf.compat.v1.train.polynomial_decay(1.0, 5, 10, 0.1, power=2.0)
    >>> round(float(rate()), 4)
    0.325

    Source: `tf.compat.v1.train.polynomial_decay`.
    """
    return decayed(
        lambda step, of: schedules.PolynomialDecay(
            of(learning_rate),
            of(decay_steps),
            of(end_learning_rate),
            of(power),
            cycle,
        )(step),
        learning_rate,
        global_step,
        name or "PolynomialDecay",
    )


def piecewise_constant(
    x: Any, boundaries: Sequence[Any], values: Sequence[Any], name: str | None = None
) -> Any:
    """values[i] for boundaries[i - 1] < x <= boundaries[i].

    Args:
      x: Variable, tensor or number: the step.
      boundaries: Ascending, of the dtype of `x`; int32 will do for int64.
      values: One more than boundaries, all of one dtype.
      name: Scope of the ops.

    Returns:
      As `exponential_decay`.

    Raises:
      ValueError: The lengths or the dtypes do not fit.

    >>> import graphopt as tf
    >>> rate = tf.compat.v1.train.piecewise_constant(3, [2, 5], [1.0, 0.5, 0.1])
    >>> float(rate())
    0.5

    Source: `tf.compat.v1.train.piecewise_constant`.
    """
    # Before the first step rather than in it: a wrong list is known now.
    schedules.PiecewiseConstantDecay(boundaries, values)
    of_x = hooks.convert(x).dtype
    for boundary in boundaries:
        found = hooks.convert(boundary).dtype
        if found is not of_x and not (found is int32 and of_x is int64):
            raise ValueError(
                f"Boundaries ({found}) must have the same dtype as x ({of_x}); got "
                f"{boundary!r}."
            )
    kinds = [hooks.convert(value).dtype for value in values]
    for kind in kinds:
        if kind is not kinds[0]:
            raise ValueError(
                "Values must have elements all with the same dtype "
                f"({kinds[0]} vs {kind}); got {list(values)!r}."
            )

    def rate() -> Any:
        # Integers beyond 2^24 would not survive float32.
        wide = of_x if of_x.is_floating else float64
        with name_scope(name or "PiecewiseConstant"):
            limits = [_in_dtype(boundary, wide) for boundary in boundaries]
            schedule = schedules.PiecewiseConstantDecay(limits, values)
            return cast(schedule(cast(x, wide)), kinds[0])

    return rate() if building_graph() is not None else rate


piecewise_constant_decay = piecewise_constant
