"""Adagrad with proximal regularization."""

from __future__ import annotations

from typing import Any

from graphopt.compat.v1.train.checks import check_not_negative, check_positive
from graphopt.compat.v1.train.optimizer import Optimizer
from graphopt.compat.v1.train.proximal import proximal_step
from graphopt.keras import initializers
from graphopt.ops.elementwise import sqrt


class ProximalAdagradOptimizer(Optimizer):
    """Adagrad with l1 and l2 regularization that makes exact zeros.

        n <- n + g^2;  r = lr / sqrt(n)
        u = w - r g
        w <- sign(u) max(|u| - r l1, 0) / (1 + r l2)

    Args:
      learning_rate: Number, tensor, variable or callable.
      initial_accumulator_value: Number > 0: what n starts with.
      l1_regularization_strength: Number >= 0, tensor or callable.
      l2_regularization_strength: Number >= 0, tensor or callable.
      use_locking: Accepted for compatibility.
      name: Scope of its ops and part of its slots' names.

    Raises:
      ValueError: A number is out of range.

    >>> import graphopt as tf
    >>> opt, w = tf.compat.v1.train.ProximalAdagradOptimizer(0.5), tf.Variable(1.0)
    >>> opt.apply_gradients([(tf.constant(1.0), w)])
    >>> round(float(w), 4)
    0.5233

    Source: `tf.compat.v1.train.ProximalAdagradOptimizer`; Duchi and Singer 2009.
    """

    def __init__(
        self,
        learning_rate: Any,
        initial_accumulator_value: float = 0.1,
        l1_regularization_strength: Any = 0.0,
        l2_regularization_strength: Any = 0.0,
        use_locking: bool = False,
        name: str = "ProximalAdagrad",
    ) -> None:
        strengths = {
            "l1_regularization_strength": l1_regularization_strength,
            "l2_regularization_strength": l2_regularization_strength,
        }
        check_positive("initial_accumulator_value", initial_accumulator_value)
        check_not_negative(**strengths)
        super().__init__(use_locking, name, learning_rate=learning_rate, **strengths)
        self._initial_accumulator_value = initial_accumulator_value

    @property
    def slots(self) -> dict[str, Any]:
        """Its slots, with what they start as."""
        return {"accumulator": initializers.Constant(self._initial_accumulator_value)}

    def update(
        self,
        w: Any,
        g: Any,
        accumulator: Any,
        *,
        learning_rate: Any,
        l1_regularization_strength: Any,
        l2_regularization_strength: Any,
    ) -> tuple[Any, Any]:
        """Returns the new value and slot, by the equation above."""
        l1, l2 = l1_regularization_strength, l2_regularization_strength
        n = accumulator + g * g
        rate = learning_rate / sqrt(n)
        return proximal_step(w, g, rate, l1, l2), {"accumulator": n}
