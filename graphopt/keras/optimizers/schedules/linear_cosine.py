"""Cosine decays on a falling line, with or without noise."""

from __future__ import annotations

import math
from typing import Any

from graphopt.keras.optimizers.schedules.base import LearningRateSchedule, as_float
from graphopt.ops.elementwise import cos, minimum, pow, sqrt
from graphopt.ops.random_stateful import normal


def linear_cosine(
    step: Any,
    learning_rate: Any,
    steps: Any,
    periods: Any,
    alpha: Any,
    beta: Any,
    noise: Any = None,
) -> Any:
    """Returns learning_rate ((alpha + 1 - f) (1 + cos(2 pi periods f)) / 2 + beta).

    Args:
      step: Scalar; f is min(step, steps) / steps.
      learning_rate: The first rate, nearly.
      steps: Steps of the decay.
      periods: Periods of the cosine.
      alpha: Added to the line.
      beta: The last rate as a fraction of the first.
      noise: Function of the step whose value is added to the line, or None.
    """
    step = minimum(step, steps)
    linear = (steps - step) / steps
    if noise is not None:
        linear = linear + noise(step)
    cosine = 0.5 * (1.0 + cos(math.pi * 2.0 * periods * (step / steps)))
    return learning_rate * ((alpha + linear) * cosine + beta)


def decaying_noise(step: Any, variance: Any, decay: Any, seed: Any = None) -> Any:
    """Returns a normal number of variance `variance` / (1 + step) ** `decay`."""
    scale = sqrt(variance / pow(1.0 + step, decay))
    return scale * normal([], dtype=step.dtype, seed=seed)


class LinearCosineDecay(LearningRateSchedule):
    """rate(s) = initial ((alpha + 1 - f) (1 + cos(2 pi num_periods f)) / 2 + beta).

    with f = min(s, decay_steps) / decay_steps.

    Args:
      initial_learning_rate: The rate at step 0, nearly.
      decay_steps: Steps of the decay.
      num_periods: Periods of the cosine.
      alpha: Added to the line.
      beta: The last rate as a fraction of the first.
      name: Name of the op scope.

    >>> round(float(LinearCosineDecay(1.0, 10)(5)), 4)
    0.251

    Source: `tf.keras.experimental.LinearCosineDecay`; Bello et al. 2017.
    """

    arguments: tuple[str, ...] = (
        "initial_learning_rate",
        "decay_steps",
        "num_periods",
        "alpha",
        "beta",
        "name",
    )

    def __init__(
        self,
        initial_learning_rate: Any,
        decay_steps: Any,
        num_periods: Any = 0.5,
        alpha: Any = 0.0,
        beta: Any = 0.001,
        name: str | None = None,
    ) -> None:
        self.initial_learning_rate = initial_learning_rate
        self.decay_steps = decay_steps
        self.num_periods = num_periods
        self.alpha = alpha
        self.beta = beta
        self.name = name

    def __call__(self, step: Any) -> Any:
        """Returns the learning rate at a step."""
        return linear_cosine(
            as_float(step),
            self.initial_learning_rate,
            self.decay_steps,
            self.num_periods,
            self.alpha,
            self.beta,
            self._noise(),
        )

    def _noise(self) -> Any:
        return None


class NoisyLinearCosineDecay(LinearCosineDecay):
    """Linear cosine decay with normal noise on the line, drawn anew in each step.

    The noise has variance initial_variance / (1 + s) ** variance_decay.

    Args:
      initial_learning_rate: The rate at step 0, but for the noise.
      decay_steps: Steps of the decay.
      initial_variance: Number >= 0.
      variance_decay: How fast the variance falls.
      num_periods: Periods of the cosine.
      alpha: Added to the line.
      beta: The last rate as a fraction of the first.
      seed: Seed of the noise.
      name: Name of the op scope.

    >>> round(float(NoisyLinearCosineDecay(1.0, 10, initial_variance=0.0)(5)), 4)
    0.251

    Source: `tf.keras.experimental.NoisyLinearCosineDecay`; Bello et al. 2017.
    """

    arguments = (
        "initial_learning_rate",
        "decay_steps",
        "initial_variance",
        "variance_decay",
        "num_periods",
        "alpha",
        "beta",
        "seed",
        "name",
    )

    def __init__(
        self,
        initial_learning_rate: Any,
        decay_steps: Any,
        initial_variance: Any = 1.0,
        variance_decay: Any = 0.55,
        num_periods: Any = 0.5,
        alpha: Any = 0.0,
        beta: Any = 0.001,
        seed: int | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(
            initial_learning_rate, decay_steps, num_periods, alpha, beta, name
        )
        self.initial_variance = initial_variance
        self.variance_decay = variance_decay
        self.seed = seed

    def _noise(self) -> Any:
        return lambda step: decaying_noise(
            step, self.initial_variance, self.variance_decay, self.seed
        )
