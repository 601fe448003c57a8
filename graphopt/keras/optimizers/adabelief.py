"""AdaBelief: steps by how far a gradient is from what was expected."""

from __future__ import annotations

from typing import Any

from graphopt.dtypes import DType
from graphopt.keras.optimizers.base import Optimizer
from graphopt.keras.optimizers.hyperparameters import Fraction, Number
from graphopt.ops.elementwise import cast, pow, sqrt


class AdaBelief(Optimizer):
    """Adam with the variance of the gradient around its mean.

        m <- beta_1 m + (1 - beta_1) g
        s <- beta_2 s + (1 - beta_2) (g - m)^2 + epsilon
        w <- w - lr m / (1 - beta_1^t) / (sqrt(s / (1 - beta_2^t)) + epsilon)

    Args:
      learning_rate: Number, tensor, callable or schedule.
      beta_1: Number in [0, 1], tensor or callable: decay of the mean.
      beta_2: Number in [0, 1], tensor or callable: decay of the variance.
      epsilon: Number > 0.
      name: Scope of what it makes.
      **kwargs: As in `Optimizer`.

    >>> import graphopt as tf
    >>> opt, w = tf.keras.optimizers.AdaBelief(0.1), tf.Variable(10.0)
    >>> _ = opt.minimize(lambda: w * w / 2.0, [w])
    >>> round(float(w), 4)
    9.8889

    Source: Zhuang et al. 2020, algorithm 2; epsilon as its authors have it for
    TensorFlow.
    """

    is_elementwise = True
    slots = {"m": "zeros", "s": "zeros"}

    def __init__(
        self,
        learning_rate: Number = 0.001,
        beta_1: Fraction = 0.9,
        beta_2: Fraction = 0.999,
        epsilon: float = 1e-14,
        name: str = "AdaBelief",
        **kwargs: Any,
    ) -> None:
        super().__init__(name, **kwargs)
        self._take_arguments(locals())

    def coefficients(self, dtype: DType, learning_rate: Any) -> dict[str, Any]:
        """Returns the betas, the corrected learning rate and the other correction."""
        t = cast(self._step() + 1, dtype)
        beta_1 = self._get_hyper("beta_1", dtype)
        beta_2 = self._get_hyper("beta_2", dtype)
        return {
            "lr_t": learning_rate / (1.0 - pow(beta_1, t)),
            "beta_1": beta_1,
            "beta_2": beta_2,
            "correction": 1.0 - pow(beta_2, t),
        }

    def update(
        self,
        w: Any,
        g: Any,
        m: Any,
        s: Any,
        *,
        lr_t: Any,
        beta_1: Any,
        beta_2: Any,
        correction: Any,
    ) -> tuple[Any, dict[str, Any]]:
        """Returns the new value and slots, by the equation above."""
        m = beta_1 * m + (1.0 - beta_1) * g
        away = g - m
        s = beta_2 * s + (1.0 - beta_2) * (away * away) + self.epsilon
        return w - lr_t * m / (sqrt(s / correction) + self.epsilon), {"m": m, "s": s}
