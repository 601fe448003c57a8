"""Gradient descent with proximal regularization."""

from __future__ import annotations

from typing import Any

from graphopt.compat.v1.train.checks import check_not_negative
from graphopt.compat.v1.train.optimizer import Optimizer
from graphopt.compat.v1.train.proximal import proximal_step


class ProximalGradientDescentOptimizer(Optimizer):
    """Gradient descent with l1 and l2 regularization that makes exact zeros.

        u = w - lr g
        w <- sign(u) max(|u| - lr l1, 0) / (1 + lr l2)

    Args:
      learning_rate: Number, tensor, variable or callable.
      l1_regularization_strength: Number >= 0, tensor or callable.
      l2_regularization_strength: Number >= 0, tensor or callable.
      use_locking: Accepted for compatibility.
      name: Scope of its ops.

    Raises:
      ValueError: A number is negative.

    >>> import graphopt as tf
    >>> opt = tf.compat.v1.train.ProximalGradientDescentOptimizer(0.5, 1.0, 2.0)
    >>> w = tf.Variable([3.0, 0.2])
    >>> opt.apply_gradients([(tf.constant([1.0, 0.0]), w)])
    >>> w.numpy().tolist()
    [1.0, 0.0]

    Source: `tf.compat.v1.train.ProximalGradientDescentOptimizer`; Duchi and Singer 2009.
    """

    def __init__(
        self,
        learning_rate: Any,
        l1_regularization_strength: Any = 0.0,
        l2_regularization_strength: Any = 0.0,
        use_locking: bool = False,
        name: str = "ProximalGradientDescent",
    ) -> None:
        strengths = {
            "l1_regularization_strength": l1_regularization_strength,
            "l2_regularization_strength": l2_regularization_strength,
        }
        check_not_negative(**strengths)
        super().__init__(use_locking, name, learning_rate=learning_rate, **strengths)

    def update(
        self,
        w: Any,
        g: Any,
        *,
        learning_rate: Any,
        l1_regularization_strength: Any,
        l2_regularization_strength: Any,
    ) -> tuple[Any, Any]:
        """Returns the new value, by the equation above."""
        l1, l2 = l1_regularization_strength, l2_regularization_strength
        return proximal_step(w, g, learning_rate, l1, l2), {}
