"""The decays of TensorFlow: from a first rate down to a last one."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from graphopt.graph.hooks import hooks
from graphopt.keras.optimizers.schedules.base import LearningRateSchedule, as_float
from graphopt.ops.elementwise import (
    ceil,
    cos,
    equal,
    floor,
    log,
    minimum,
    pow,
    where,
)


class ExponentialDecay(LearningRateSchedule):
    """rate(s) = initial * decay_rate ** (s / decay_steps).

    Args:
      initial_learning_rate: The rate at step 0.
      decay_steps: Steps in which the rate is multiplied by `decay_rate` once.
      decay_rate: The factor.
      staircase: Whether s / decay_steps is cut to a whole number.
      name: Name of the op scope.

    >>> float(ExponentialDecay(1.0, 10, 0.25)(5))
    0.5

    Source: `tf.keras.optimizers.schedules.ExponentialDecay`.
    """

    arguments = (
        "initial_learning_rate",
        "decay_steps",
        "decay_rate",
        "staircase",
        "name",
    )

    def __init__(
        self,
        initial_learning_rate: Any,
        decay_steps: Any,
        decay_rate: Any,
        staircase: bool = False,
        name: str | None = None,
    ) -> None:
        self.initial_learning_rate = initial_learning_rate
        self.decay_steps = decay_steps
        self.decay_rate = decay_rate
        self.staircase = staircase
        self.name = name

    def __call__(self, step: Any) -> Any:
        """Returns the learning rate at a step."""
        periods = as_float(step) / self.decay_steps
        if self.staircase:
            periods = floor(periods)
        return self.initial_learning_rate * pow(self.decay_rate, periods)


class PiecewiseConstantDecay(LearningRateSchedule):
    """rate(s) = values[i] for boundaries[i - 1] < s <= boundaries[i].

    Args:
      boundaries: Steps, ascending.
      values: Rates, one more than boundaries.
      name: Name of the op scope.

    Raises:
      ValueError: The lengths do not fit.

    Source: `tf.keras.optimizers.schedules.PiecewiseConstantDecay`.
    """

    arguments = ("boundaries", "values", "name")

    def __init__(
        self, boundaries: Sequence[Any], values: Sequence[Any], name: str | None = None
    ) -> None:
        if len(boundaries) != len(values) - 1:
            raise ValueError(
                "The length of boundaries should be 1 less than the length of values; "
                f"got {len(boundaries)} boundaries and {len(values)} values."
            )
        self.boundaries = boundaries
        self.values = values
        self.name = name

    def __call__(self, step: Any) -> Any:
        """Returns the learning rate at a step."""
        step = as_float(step)
        rate = hooks.convert(self.values[0], dtype_hint=step.dtype)
        for boundary, value in zip(self.boundaries, self.values[1:], strict=True):
            rate = where(step > boundary, value, rate)
        return rate


class PolynomialDecay(LearningRateSchedule):
    """rate(s) = (initial - end) * (1 - min(s, n) / n) ** power + end, n = decay_steps.

    With `cycle`, n grows to the next multiple of `decay_steps` that is not below s.

    Args:
      initial_learning_rate: The rate at step 0.
      decay_steps: When `end_learning_rate` is reached.
      end_learning_rate: The last rate.
      power: The exponent; 1 is a straight line.
      cycle: Whether to start again and again, from ever lower rates.
      name: Name of the op scope.

    >>> round(float(PolynomialDecay(1.0, 10, 0.1, power=2.0)(5)), 4)
    0.325

    Source: `tf.keras.optimizers.schedules.PolynomialDecay`.
    """

    arguments = (
        "initial_learning_rate",
        "decay_steps",
        "end_learning_rate",
        "power",
        "cycle",
        "name",
    )

    def __init__(
        self,
        initial_learning_rate: Any,
        decay_steps: Any,
        end_learning_rate: Any = 0.0001,
        power: Any = 1.0,
        cycle: bool = False,
        name: str | None = None,
    ) -> None:
        self.initial_learning_rate = initial_learning_rate
        self.decay_steps = decay_steps
        self.end_learning_rate = end_learning_rate
        self.power = power
        self.cycle = cycle
        self.name = name

    def __call__(self, step: Any) -> Any:
        """Returns the learning rate at a step."""
        step = as_float(step)
        steps = self.decay_steps
        if self.cycle:
            steps = steps * where(equal(step, 0), 1.0, ceil(step / steps))
        else:
            step = minimum(step, steps)
        drop = self.initial_learning_rate - self.end_learning_rate
        return drop * pow(1.0 - step / steps, self.power) + self.end_learning_rate


class InverseTimeDecay(LearningRateSchedule):
    """rate(s) = initial / (1 + decay_rate * s / decay_steps).

    Args:
      initial_learning_rate: The rate at step 0.
      decay_steps: How often the decay is applied.
      decay_rate: The factor.
      staircase: Whether s / decay_steps is cut to a whole number.
      name: Name of the op scope.

    Source: `tf.keras.optimizers.schedules.InverseTimeDecay`.
    """

    arguments = ExponentialDecay.arguments

    def __init__(
        self,
        initial_learning_rate: Any,
        decay_steps: Any,
        decay_rate: Any,
        staircase: bool = False,
        name: str | None = None,
    ) -> None:
        self.initial_learning_rate = initial_learning_rate
        self.decay_steps = decay_steps
        self.decay_rate = decay_rate
        self.staircase = staircase
        self.name = name

    def __call__(self, step: Any) -> Any:
        """Returns the learning rate at a step."""
        periods = as_float(step) / self.decay_steps
        if self.staircase:
            periods = floor(periods)
        return self.initial_learning_rate / (1.0 + self.decay_rate * periods)


class CosineDecay(LearningRateSchedule):
    """Half a cosine from the initial rate down to `alpha` of it, after a warmup.

    rate(s) = from * ((1 - alpha) * (1 + cos(pi * s / decay_steps)) / 2 + alpha), where
    `from` is `initial_learning_rate`, or, after `warmup_steps` steps on a straight line
    up to it, `warmup_target`.

    Args:
      initial_learning_rate: The rate at step 0.
      decay_steps: Steps of the cosine.
      alpha: The last rate as a fraction of the highest.
      name: Name of the op scope.
      warmup_target: The rate at the end of the warmup; None for no warmup.
      warmup_steps: Steps of the warmup.

    Source: `tf.keras.optimizers.schedules.CosineDecay`; Loshchilov and Hutter 2016.
    """

    arguments = (
        "initial_learning_rate",
        "decay_steps",
        "alpha",
        "name",
        "warmup_target",
        "warmup_steps",
    )

    def __init__(
        self,
        initial_learning_rate: Any,
        decay_steps: Any,
        alpha: Any = 0.0,
        name: str | None = None,
        warmup_target: Any = None,
        warmup_steps: Any = 0,
    ) -> None:
        self.initial_learning_rate = initial_learning_rate
        self.decay_steps = decay_steps
        self.alpha = alpha
        self.name = name
        self.warmup_target = warmup_target
        self.warmup_steps = warmup_steps

    def __call__(self, step: Any) -> Any:
        """Returns the learning rate at a step."""
        step, initial = as_float(step), self.initial_learning_rate
        if self.warmup_target is None:
            return self._decay(minimum(step, self.decay_steps), initial)
        step = minimum(step, self.decay_steps + self.warmup_steps)
        slope = (self.warmup_target - initial) / max(self.warmup_steps, 1)
        decayed = self._decay(step - self.warmup_steps, self.warmup_target)
        return where(step < self.warmup_steps, slope * step + initial, decayed)

    def _decay(self, step: Any, start: Any) -> Any:
        cosine = 0.5 * (1.0 + cos(step / self.decay_steps * math.pi))
        return start * ((1.0 - self.alpha) * cosine + self.alpha)


class CosineDecayRestarts(LearningRateSchedule):
    """Cosine decay that starts again, each time for `t_mul` times as many steps.

    Args:
      initial_learning_rate: The rate at step 0.
      first_decay_steps: Steps of the first period.
      t_mul: How much longer each period is than the one before.
      m_mul: How much the rate at the start changes from period to period.
      alpha: The lowest rate as a fraction of the initial one.
      name: Name of the op scope.

    Source: `tf.keras.optimizers.schedules.CosineDecayRestarts`; Loshchilov and Hutter
    2016.
    """

    arguments = (
        "initial_learning_rate",
        "first_decay_steps",
        "t_mul",
        "m_mul",
        "alpha",
        "name",
    )

    def __init__(
        self,
        initial_learning_rate: Any,
        first_decay_steps: Any,
        t_mul: Any = 2.0,
        m_mul: Any = 1.0,
        alpha: Any = 0.0,
        name: str | None = None,
    ) -> None:
        self.initial_learning_rate = initial_learning_rate
        self.first_decay_steps = first_decay_steps
        self.t_mul = t_mul
        self.m_mul = m_mul
        self.alpha = alpha
        self.name = name

    def __call__(self, step: Any) -> Any:
        """Returns the learning rate at a step."""
        done, t_mul = as_float(step) / self.first_decay_steps, self.t_mul
        if t_mul == 1.0:
            restart = floor(done)
            fraction = done - restart
        else:
            restart = floor(log(1.0 - done * (1.0 - t_mul)) / math.log(t_mul))
            length = pow(t_mul, restart)
            fraction = (done - (1.0 - length) / (1.0 - t_mul)) / length
        height = pow(self.m_mul, restart)
        cosine = 0.5 * height * (1.0 + cos(fraction * math.pi))
        return self.initial_learning_rate * ((1.0 - self.alpha) * cosine + self.alpha)
