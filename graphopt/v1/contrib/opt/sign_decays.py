"""Functions for `sign_decay_fn`: how much a sign counts, by the step."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from graphopt.dtypes import float32
from graphopt.ops.creation import zeros_like
from graphopt.ops.elementwise import cast, cos, floor, greater_equal, maximum, where

Decay = Callable[[Any], Any]


def _part(global_step: Any, decay_steps: int) -> Any:
    """How far a step is on its way to the last, at most 1."""
    step = cast(global_step, float32)
    return maximum(1.0 - step / float(decay_steps), 0.0)


def get_linear_decay_fn(decay_steps: int) -> Decay:
    """Returns a function from steps to 1 - step / decay_steps, at least 0.

    Source: `tf.contrib.opt.get_linear_decay_fn`.
    """
    return lambda global_step: _part(global_step, decay_steps)


def get_cosine_decay_fn(
    decay_steps: int, num_periods: float = 0.5, zero_after: float | None = None
) -> Decay:
    """Returns a function from steps to half of 1 + cos(2 pi num_periods part).

    Args:
      decay_steps: The last step.
      num_periods: How many periods of the cosine there are.
      zero_after: After how many periods it stays 0.

    Source: `tf.contrib.opt.get_cosine_decay_fn`.
    """

    def decay(global_step: Any) -> Any:
        done = 1.0 - _part(global_step, decay_steps)
        value = 0.5 * (1.0 + cos(2.0 * math.pi * num_periods * done))
        return _cut(value, done, num_periods, zero_after)

    return decay


def get_restart_decay_fn(
    decay_steps: int, num_periods: float = 1, zero_after: float | None = None
) -> Decay:
    """Returns a function from steps to half a cosine, again and again.

    Args:
      decay_steps: The last step.
      num_periods: How often it starts.
      zero_after: After how many periods it stays 0.

    Source: `tf.contrib.opt.get_restart_decay_fn`.
    """

    def decay(global_step: Any) -> Any:
        done = 1.0 - _part(global_step, decay_steps)
        periods = num_periods * done
        value = 0.5 * (1.0 + cos(math.pi * (periods - floor(periods))))
        return _cut(value, done, num_periods, zero_after)

    return decay


def _cut(value: Any, done: Any, num_periods: float, zero_after: float | None) -> Any:
    if zero_after is None:
        return value
    return where(
        greater_equal(num_periods * done, zero_after), zeros_like(value), value
    )
