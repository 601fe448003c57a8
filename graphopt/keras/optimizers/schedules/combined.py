"""Schedules that go up, or that are made of others."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from graphopt.keras.optimizers.schedules.base import LearningRateSchedule, as_float
from graphopt.ops.elementwise import cos, maximum, minimum, where


class LinearWarmup(LearningRateSchedule):
    """Rises in a line to another rate, which takes over from there.

        rate(s) = initial + (after(0) - initial) s / warmup_steps       s < warmup_steps
        rate(s) = after(s - warmup_steps)                               else

    Args:
      after: A rate or a schedule.
      warmup_steps: Steps of the rise.
      initial_learning_rate: The rate at step 0.
      name: Name of the op scope.

    >>> [float(LinearWarmup(0.5, 10)(step)) for step in (0, 5, 10, 20)]
    [0.0, 0.25, 0.5, 0.5]

    Source: `optax.linear_schedule` joined with another; Goyal et al. 2017.
    """

    arguments = ("after", "warmup_steps", "initial_learning_rate", "name")

    def __init__(
        self,
        after: Any,
        warmup_steps: Any,
        initial_learning_rate: Any = 0.0,
        name: str | None = None,
    ) -> None:
        self.after = after
        self.warmup_steps = warmup_steps
        self.initial_learning_rate = initial_learning_rate
        self.name = name

    def __call__(self, step: Any) -> Any:
        """Returns the learning rate at a step."""
        step = as_float(step)
        first, later = self._rate(step * 0.0), maximum(step - self.warmup_steps, 0.0)
        part = minimum(step / self.warmup_steps, 1.0)
        start = self.initial_learning_rate
        rising = start + (first - start) * part
        return where(step < self.warmup_steps, rising, self._rate(later))

    def _rate(self, step: Any) -> Any:
        if isinstance(self.after, LearningRateSchedule):
            return self.after(step)
        return self.after + step * 0.0


class OneCycle(LearningRateSchedule):
    """Up along a cosine to the largest rate, and down again to nearly nothing.

    Args:
      max_learning_rate: The rate after `warmup_fraction` of the steps.
      total_steps: Steps of the cycle.
      warmup_fraction: Number in (0, 1).
      div_factor: The first rate is the largest one divided by it.
      final_div_factor: The last rate is the first one divided by it.
      name: Name of the op scope.

    >>> [round(float(OneCycle(1.0, 100)(step)), 3) for step in (0, 15, 30, 65, 100)]
    [0.04, 0.52, 1.0, 0.5, 0.0]

    Source: `torch.optim.lr_scheduler.OneCycleLR`; Smith and Topin 2017.
    """

    arguments = (
        "max_learning_rate",
        "total_steps",
        "warmup_fraction",
        "div_factor",
        "final_div_factor",
        "name",
    )

    def __init__(
        self,
        max_learning_rate: Any,
        total_steps: Any,
        warmup_fraction: float = 0.3,
        div_factor: Any = 25.0,
        final_div_factor: Any = 1e4,
        name: str | None = None,
    ) -> None:
        if not 0.0 < warmup_fraction < 1.0:
            raise ValueError(
                f"`warmup_fraction` must be in (0, 1); got {warmup_fraction}."
            )
        self.max_learning_rate = max_learning_rate
        self.total_steps = total_steps
        self.warmup_fraction = warmup_fraction
        self.div_factor = div_factor
        self.final_div_factor = final_div_factor
        self.name = name

    def __call__(self, step: Any) -> Any:
        """Returns the learning rate at a step."""
        part = minimum(as_float(step) / self.total_steps, 1.0)
        top, turn = self.max_learning_rate, self.warmup_fraction
        first = top / self.div_factor
        last = first / self.final_div_factor
        up = _along_cosine(first, top, part / turn)
        down = _along_cosine(top, last, (part - turn) / (1.0 - turn))
        return where(part < turn, up, down)


def _along_cosine(start: Any, end: Any, part: Any) -> Any:
    return end + (start - end) * 0.5 * (1.0 + cos(math.pi * part))


class Joined(LearningRateSchedule):
    """One schedule after the other, each counting steps from where it begins.

    Args:
      schedules: Schedules.
      boundaries: The steps at which the second, third, ... begins.
      name: Name of the op scope.

    Raises:
      ValueError: The lengths do not fit.

    >>> from graphopt.keras.optimizers.schedules import ExponentialDecay
    >>> flat = ExponentialDecay(1.0, 1, 1.0)
    >>> joined = Joined([flat, ExponentialDecay(1.0, 1, 0.5)], [3])
    >>> [float(joined(step)) for step in (0, 2, 3, 4, 5)]
    [1.0, 1.0, 1.0, 0.5, 0.25]

    Source: `optax.join_schedules`, `torch.optim.lr_scheduler.SequentialLR`.
    """

    arguments = ("schedules", "boundaries", "name")

    def __init__(
        self,
        schedules: Sequence[LearningRateSchedule],
        boundaries: Sequence[Any],
        name: str | None = None,
    ) -> None:
        if len(boundaries) != len(schedules) - 1:
            raise ValueError(
                "There must be one boundary less than schedules; got "
                f"{len(boundaries)} and {len(schedules)}."
            )
        self.schedules = list(schedules)
        self.boundaries = list(boundaries)
        self.name = name

    def __call__(self, step: Any) -> Any:
        """Returns the learning rate at a step."""
        step = as_float(step)
        rate = self.schedules[0](step)
        for boundary, schedule in zip(self.boundaries, self.schedules[1:], strict=True):
            later = schedule(maximum(step - boundary, 0.0))
            rate = where(step < boundary, rate, later)
        return rate
