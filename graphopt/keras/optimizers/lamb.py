"""LAMB: Adam with a step that is as long as the variable allows."""

from __future__ import annotations

from typing import Any

from graphopt.dtypes import DType
from graphopt.keras.optimizers.base import Optimizer
from graphopt.keras.optimizers.hyperparameters import EPSILON, Epsilon, Fraction, Number
from graphopt.keras.optimizers.norms import trust_ratio
from graphopt.ops.elementwise import cast, pow, sqrt


class Lamb(Optimizer):
    """Adam's direction, scaled to the norm of each variable.

        m <- beta_1 m + (1 - beta_1) g;        v <- beta_2 v + (1 - beta_2) g^2
        u = m / (1 - beta_1^t) / (sqrt(v / (1 - beta_2^t)) + epsilon)
        w <- w - lr |w| / |u| u

    with norms over the whole variable; the ratio is 1 where one of them is 0.

    Args:
      learning_rate: Number, tensor, callable or schedule.
      beta_1: Number in [0, 1], tensor or callable: decay of the first moment.
      beta_2: Number in [0, 1], tensor or callable: decay of the second moment.
      epsilon: Number > 0; None and 0 stand for 1e-7.
      name: Scope of what it makes.
      **kwargs: As in `Optimizer`.

    >>> import graphopt as tf
    >>> opt, w = tf.keras.optimizers.Lamb(0.1), tf.Variable([3.0, 4.0])
    >>> _ = opt.minimize(lambda: w * w, [w])
    >>> print(w.numpy().round(3))
    [2.646 3.646]

    Source: `keras.optimizers.Lamb` (Keras 3); You et al. 2019.
    """

    slots = {"momentum": "zeros", "velocity": "zeros"}

    def __init__(
        self,
        learning_rate: Number = 0.001,
        beta_1: Fraction = 0.9,
        beta_2: Fraction = 0.999,
        epsilon: Epsilon = EPSILON,
        name: str = "Lamb",
        **kwargs: Any,
    ) -> None:
        super().__init__(name, **kwargs)
        self._take_arguments(locals())

    def coefficients(self, dtype: DType, learning_rate: Any) -> dict[str, Any]:
        """Returns the betas and the corrections of the moments."""
        t = cast(self._step() + 1, dtype)
        beta_1 = self._get_hyper("beta_1", dtype)
        beta_2 = self._get_hyper("beta_2", dtype)
        return {
            "beta_1": beta_1,
            "beta_2": beta_2,
            "correction_1": 1.0 - pow(beta_1, t),
            "correction_2": 1.0 - pow(beta_2, t),
        }

    def update(
        self,
        w: Any,
        g: Any,
        momentum: Any,
        velocity: Any,
        *,
        lr_t: Any,
        beta_1: Any,
        beta_2: Any,
        correction_1: Any,
        correction_2: Any,
    ) -> tuple[Any, dict[str, Any]]:
        """Returns the new value and slots, by the equation above."""
        m = beta_1 * momentum + (1.0 - beta_1) * g
        v = beta_2 * velocity + (1.0 - beta_2) * (g * g)
        u = (m / correction_1) / (sqrt(v / correction_2) + self.epsilon)
        step = trust_ratio(w, u) * lr_t * u
        return w - step, {"momentum": m, "velocity": v}
