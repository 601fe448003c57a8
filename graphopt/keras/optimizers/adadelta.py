"""Adadelta."""

from __future__ import annotations

from typing import Any

from graphopt.dtypes import DType
from graphopt.keras.optimizers.base import Optimizer
from graphopt.keras.optimizers.hyperparameters import EPSILON, Epsilon, Fraction, Number
from graphopt.ops.elementwise import sqrt


class Adadelta(Optimizer):
    """Steps in the units of the variable, from the sizes of the steps before.

        n <- rho n + (1 - rho) g^2
        u = g sqrt(d + epsilon) / sqrt(n + epsilon)
        w <- w - lr u
        d <- rho d + (1 - rho) u^2

    Args:
      learning_rate: Number, tensor, callable or schedule; the paper has 1.
      rho: Number in [0, 1], tensor or callable: decay of the two averages.
      epsilon: Number > 0; None and 0 stand for 1e-7.
      name: Scope of what it makes.
      **kwargs: As in `Optimizer`.

    >>> import graphopt as tf
    >>> opt, w = tf.keras.optimizers.Adadelta(1.0), tf.Variable(1.0)
    >>> opt.apply_gradients([(tf.constant(1.0), w)]) is opt.iterations
    True
    >>> round(float(w), 5)
    0.99859

    Source: `tf.keras.optimizers.Adadelta`; Zeiler 2012.
    """

    is_elementwise = True
    slots = {"accum_grad": "zeros", "accum_var": "zeros"}
    sparse_rows = "touched"
    accepts_weights_without_iterations = True

    def __init__(
        self,
        learning_rate: Number = 0.001,
        rho: Fraction = 0.95,
        epsilon: Epsilon = EPSILON,
        name: str = "Adadelta",
        **kwargs: Any,
    ) -> None:
        super().__init__(name, **kwargs)
        self._take_arguments(locals())

    def coefficients(self, dtype: DType, learning_rate: Any) -> dict[str, Any]:
        """Returns rho and 1 - rho."""
        rho = self._get_hyper("rho", dtype)
        return {"rho": rho, "rest": 1.0 - rho}

    def update(
        self,
        w: Any,
        g: Any,
        accum_grad: Any,
        accum_var: Any,
        *,
        lr_t: Any,
        rho: Any,
        rest: Any,
    ) -> tuple[Any, dict[str, Any]]:
        """Returns the new value and slots, by the equation above."""
        n = rho * accum_grad + rest * (g * g)
        u = sqrt(accum_var + self.epsilon) / sqrt(n + self.epsilon) * g
        d = rho * accum_var + rest * (u * u)
        return w - lr_t * u, {"accum_grad": n, "accum_var": d}
