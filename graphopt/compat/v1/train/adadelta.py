"""Adadelta."""

from __future__ import annotations

from typing import Any

from graphopt.compat.v1.train.optimizer import Optimizer
from graphopt.ops.elementwise import sqrt


class AdadeltaOptimizer(Optimizer):
    """Steps in proportion to the steps before.

        n <- rho n + (1 - rho) g^2
        u = sqrt(d + epsilon) / sqrt(n + epsilon) g
        w <- w - lr u
        d <- rho d + (1 - rho) u^2

    Args:
      learning_rate: Number, tensor, variable or callable; 1 is the paper's form.
      rho: Number in [0, 1), tensor or callable.
      epsilon: Number > 0, tensor or callable.
      use_locking: Accepted for compatibility.
      name: Scope of its ops and part of its slots' names.

    >>> import graphopt as tf
    >>> opt, w = tf.compat.v1.train.AdadeltaOptimizer(1.0, epsilon=1.0), tf.Variable(1.0)
    >>> opt.apply_gradients([(tf.constant(2.0), w)])
    >>> round(float(w), 4)
    -0.8257

    Source: `tf.compat.v1.train.AdadeltaOptimizer`; Zeiler 2012.
    """

    slots = {"accum": "zeros", "accum_update": "zeros"}

    def __init__(
        self,
        learning_rate: Any = 0.001,
        rho: Any = 0.95,
        epsilon: Any = 1e-8,
        use_locking: bool = False,
        name: str = "Adadelta",
    ) -> None:
        super().__init__(
            use_locking, name, learning_rate=learning_rate, rho=rho, epsilon=epsilon
        )

    def update(
        self,
        w: Any,
        g: Any,
        accum: Any,
        accum_update: Any,
        *,
        learning_rate: Any,
        rho: Any,
        epsilon: Any,
    ) -> tuple[Any, Any]:
        """Returns the new value and slots, by the equation above."""
        n = rho * accum + (1.0 - rho) * (g * g)
        u = sqrt(accum_update + epsilon) / sqrt(n + epsilon) * g
        d = rho * accum_update + (1.0 - rho) * (u * u)
        return w - learning_rate * u, {"accum": n, "accum_update": d}
