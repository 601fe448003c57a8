"""Adagrad."""

from __future__ import annotations

from typing import Any

from graphopt.compat.v1.train.checks import check_positive
from graphopt.compat.v1.train.optimizer import Optimizer
from graphopt.keras import initializers
from graphopt.ops.elementwise import sqrt


class AdagradOptimizer(Optimizer):
    """Steps that get smaller where gradients have been large.

        n <- n + g^2
        w <- w - lr g / sqrt(n)

    There is no epsilon, unlike in `tf.keras.optimizers.Adagrad`: what n starts with
    keeps the root from zero.

    Args:
      learning_rate: Number, tensor, variable or callable.
      initial_accumulator_value: Number > 0: what n starts with.
      use_locking: Accepted for compatibility.
      name: Scope of its ops and part of its slots' names.

    Raises:
      ValueError: `initial_accumulator_value` is not positive.

    >>> import graphopt as tf
    >>> opt, w = tf.compat.v1.train.AdagradOptimizer(0.5), tf.Variable(1.0)
    >>> opt.apply_gradients([(tf.constant(1.0), w)])
    >>> round(float(w), 4)
    0.5233

    Source: `tf.compat.v1.train.AdagradOptimizer`; Duchi et al. 2011.
    """

    def __init__(
        self,
        learning_rate: Any,
        initial_accumulator_value: float = 0.1,
        use_locking: bool = False,
        name: str = "Adagrad",
    ) -> None:
        check_positive("initial_accumulator_value", initial_accumulator_value)
        super().__init__(use_locking, name, learning_rate=learning_rate)
        self._initial_accumulator_value = initial_accumulator_value

    @property
    def slots(self) -> dict[str, Any]:
        """Its slots, with what they start as."""
        return {"accumulator": initializers.Constant(self._initial_accumulator_value)}

    def update(
        self, w: Any, g: Any, accumulator: Any, *, learning_rate: Any
    ) -> tuple[Any, Any]:
        """Returns the new value and slot, by the equation above."""
        n = accumulator + g * g
        return w - learning_rate * g / sqrt(n), {"accumulator": n}
