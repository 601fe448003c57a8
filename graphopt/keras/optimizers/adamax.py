"""Adamax: Adam with the infinity norm."""

from __future__ import annotations

from typing import Any

from graphopt.dtypes import DType
from graphopt.keras.optimizers.base import Optimizer
from graphopt.keras.optimizers.hyperparameters import EPSILON, Epsilon, Fraction, Number
from graphopt.ops.elementwise import abs, cast, maximum, pow


class Adamax(Optimizer):
    """Adam whose second moment is a maximum that decays.

        m <- beta_1 m + (1 - beta_1) g
        v <- max(beta_2 v, |g|)
        w <- w - lr / (1 - beta_1^t) m / (v + epsilon)

    with t = 1 in the first step.

    Args:
      learning_rate: Number, tensor, callable or schedule.
      beta_1: Number in [0, 1], tensor or callable: decay of the mean.
      beta_2: Number in [0, 1], tensor or callable: decay of the maximum.
      epsilon: Number > 0; None and 0 stand for 1e-7.
      name: Scope of what it makes.
      **kwargs: As in `Optimizer`.

    >>> import graphopt as tf
    >>> opt, w = tf.keras.optimizers.Adamax(0.1), tf.Variable(1.0)
    >>> opt.apply_gradients([(tf.constant(5.0), w)]) is opt.iterations
    True
    >>> round(float(w), 4)
    0.9

    Source: `tf.keras.optimizers.Adamax`; Kingma and Ba 2014, section 7.1.
    """

    is_elementwise = True
    slots = {"m": "zeros", "v": "zeros"}
    sparse_rows = "touched"

    def __init__(
        self,
        learning_rate: Number = 0.001,
        beta_1: Fraction = 0.9,
        beta_2: Fraction = 0.999,
        epsilon: Epsilon = EPSILON,
        name: str = "Adamax",
        **kwargs: Any,
    ) -> None:
        super().__init__(name, **kwargs)
        self._take_arguments(locals())

    def coefficients(self, dtype: DType, learning_rate: Any) -> dict[str, Any]:
        """Returns the betas and the corrected learning rate."""
        t = cast(self._step() + 1, dtype)
        beta_1 = self._get_hyper("beta_1", dtype)
        return {
            "lr_t": learning_rate / (1.0 - pow(beta_1, t)),
            "beta_1": beta_1,
            "beta_2": self._get_hyper("beta_2", dtype),
            "rest_1": 1.0 - beta_1,
        }

    def update(
        self,
        w: Any,
        g: Any,
        m: Any,
        v: Any,
        *,
        lr_t: Any,
        beta_1: Any,
        beta_2: Any,
        rest_1: Any,
    ) -> tuple[Any, dict[str, Any]]:
        """Returns the new value and slots, by the equation above."""
        m = beta_1 * m + rest_1 * g
        v = maximum(beta_2 * v, abs(g))
        return w - lr_t * m / (v + self.epsilon), {"m": m, "v": v}
