"""Schedule-free AdamW: averaging in place of a schedule."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from graphopt.dtypes import DType
from graphopt.keras.optimizers.base import Optimizer
from graphopt.keras.optimizers.hyperparameters import Fraction, Number
from graphopt.keras.optimizers.state import starts_as
from graphopt.ops.elementwise import cast, minimum, pow, sqrt
from graphopt.runtime.variable import Variable


class ScheduleFreeAdamW(Optimizer):
    """Adam whose variables lie between what is optimized and its average.

        v <- beta_2 v + (1 - beta_2) g^2
        z <- z - lr min(t / warmup_steps, 1) g / (sqrt(v / (1 - beta_2^t)) + epsilon)
        x <- (1 - 1/t) x + z / t
        w <- (1 - beta_1) z + beta_1 x

    x is not stored: before a step it is (w - (1 - beta_1) z) / beta_1. The slot
    `momentum` is z, and starts as the variable.

    Args:
      learning_rate: Number, tensor, callable or schedule.
      beta_1: Number in (0, 1], tensor or callable: how near w is to the average.
      beta_2: Number in [0, 1], tensor or callable: decay of the second moment.
      epsilon: Number > 0.
      warmup_steps: Steps in which the learning rate grows to its value.
      name: Scope of what it makes.
      **kwargs: As in `Optimizer`.

    >>> import graphopt as tf
    >>> opt, w = tf.keras.optimizers.ScheduleFreeAdamW(0.1), tf.Variable(1.0)
    >>> _ = opt.minimize(lambda: w * w, [w])
    >>> round(float(w), 4)
    0.9

    Source: `keras.optimizers.ScheduleFreeAdamW` (Keras 3); Defazio et al. 2024.
    """

    def __init__(
        self,
        learning_rate: Number = 0.0025,
        beta_1: Fraction = 0.9,
        beta_2: Fraction = 0.999,
        epsilon: float = 1e-8,
        warmup_steps: int = 0,
        name: str = "ScheduleFreeAdamW",
        **kwargs: Any,
    ) -> None:
        super().__init__(name, **kwargs)
        self._take_arguments(locals())

    @property
    def slots(self) -> dict[str, Any]:
        """Its slots, with what they start as."""
        return {"momentum": "its variable", "velocity": "zeros"}

    def _create_slots(self, var_list: Sequence[Variable]) -> None:
        for var in var_list:
            self.add_slot(var, "momentum", starts_as(var))
        for var in var_list:
            self.add_slot(var, "velocity")

    def coefficients(self, dtype: DType, learning_rate: Any) -> dict[str, Any]:
        """Returns the warmed-up rate, the betas and the weight of a new z."""
        t = cast(self._step() + 1, dtype)
        beta_2 = self._get_hyper("beta_2", dtype)
        rate = learning_rate
        if self.warmup_steps:
            rate = rate * minimum(t / self.warmup_steps, 1.0)
        return {
            "rate": rate,
            "beta_1": self._get_hyper("beta_1", dtype),
            "beta_2": beta_2,
            "correction": 1.0 - pow(beta_2, t),
            "weight": 1.0 / t,
        }

    def update(
        self,
        w: Any,
        g: Any,
        momentum: Any,
        velocity: Any,
        *,
        rate: Any,
        beta_1: Any,
        beta_2: Any,
        correction: Any,
        weight: Any,
    ) -> tuple[Any, dict[str, Any]]:
        """Returns the new value and slots, by the equation above."""
        x = (w - (1.0 - beta_1) * momentum) / beta_1
        v = beta_2 * velocity + (1.0 - beta_2) * (g * g)
        z = momentum - rate * g / (sqrt(v / correction) + self.epsilon)
        x = (1.0 - weight) * x + weight * z
        return (1.0 - beta_1) * z + beta_1 * x, {"momentum": z, "velocity": v}
