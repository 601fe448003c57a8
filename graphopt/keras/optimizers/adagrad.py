"""Adagrad."""

from __future__ import annotations

from typing import Any

from graphopt.keras import initializers
from graphopt.keras.optimizers.base import EPSILON, Optimizer
from graphopt.ops.elementwise import sqrt


class Adagrad(Optimizer):
    """Steps that get smaller where gradients have been large.

        n <- n + g^2
        w <- w - lr g / (sqrt(n) + epsilon)

    Args:
      learning_rate: Number, tensor, callable or schedule.
      initial_accumulator_value: Number >= 0: what n starts with.
      epsilon: Number > 0; None and 0 stand for 1e-7.
      name: Scope of what it makes.
      **kwargs: As in `Optimizer`.

    Raises:
      ValueError: `initial_accumulator_value` is negative.

    >>> import graphopt as tf
    >>> opt, w = tf.keras.optimizers.Adagrad(0.5), tf.Variable(1.0)
    >>> opt.apply_gradients([(tf.constant(1.0), w)]) is opt.iterations
    True
    >>> round(float(w), 4)
    0.5233

    Source: `tf.keras.optimizers.Adagrad`; Duchi et al. 2011.
    """

    sparse_rows = "touched"
    accepts_weights_without_iterations = True

    def __init__(
        self,
        learning_rate: Any = 0.001,
        initial_accumulator_value: float = 0.1,
        epsilon: float | None = EPSILON,
        name: str = "Adagrad",
        **kwargs: Any,
    ) -> None:
        if initial_accumulator_value < 0.0:
            raise ValueError(
                "initial_accumulator_value must be non-negative: "
                f"{initial_accumulator_value}"
            )
        super().__init__(name, **kwargs)
        self._set_hyper("learning_rate", learning_rate)
        self._set_hyper("decay", self._initial_decay)
        self._initial_accumulator_value = initial_accumulator_value
        self.epsilon = epsilon or EPSILON

    def _slot_initializers(self) -> dict[str, Any]:
        return {"accumulator": initializers.Constant(self._initial_accumulator_value)}

    def update(
        self, w: Any, g: Any, accumulator: Any, *, lr_t: Any
    ) -> tuple[Any, dict[str, Any]]:
        """Returns the new value and slots, by the equation above."""
        n = accumulator + g * g
        return w - lr_t * g / (sqrt(n) + self.epsilon), {"accumulator": n}

    def get_config(self) -> dict[str, Any]:
        """Returns what `from_config` makes the same optimizer of."""
        config = {
            "initial_accumulator_value": self._initial_accumulator_value,
            "epsilon": self.epsilon,
        }
        return {**super().get_config(), **config}
