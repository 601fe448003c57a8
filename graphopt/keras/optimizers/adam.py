"""Adam and AMSGrad."""

from __future__ import annotations

from typing import Any

from graphopt.dtypes import DType
from graphopt.keras.optimizers.base import Optimizer
from graphopt.keras.optimizers.hyperparameters import EPSILON, Epsilon, Fraction, Number
from graphopt.ops.elementwise import cast, maximum, pow, sqrt


class Adam(Optimizer):
    """Steps of a size that adapts to each element.

        m <- beta_1 m + (1 - beta_1) g
        v <- beta_2 v + (1 - beta_2) g^2
        lr_t = lr sqrt(1 - beta_2^t) / (1 - beta_1^t)
        w <- w - lr_t m / (sqrt(v) + epsilon)

    with t = 1 in the first step. This is the form in which epsilon is outside of the
    root and v is not corrected ("epsilon hat" in the paper), unlike in PyTorch. With
    `amsgrad` the root is that of the largest v so far.

    Args:
      learning_rate: Number, tensor, callable or schedule.
      beta_1: Number in [0, 1), tensor or callable: decay of the first moment.
      beta_2: Number in [0, 1), tensor or callable: decay of the second moment.
      epsilon: Number > 0; None and 0 stand for 1e-7.
      amsgrad: Whether to use the largest second moment.
      name: Scope of what it makes.
      **kwargs: As in `Optimizer`.

    >>> import graphopt as tf
    >>> opt, w = tf.keras.optimizers.Adam(0.1), tf.Variable(10.0)
    >>> _ = opt.minimize(lambda: w * w / 2.0, [w])
    >>> round(float(w), 4)
    9.9

    Source: `tf.keras.optimizers.Adam`; Kingma and Ba 2014; Reddi et al. 2018.
    """

    is_elementwise = True

    def __init__(
        self,
        learning_rate: Number = 0.001,
        beta_1: Fraction = 0.9,
        beta_2: Fraction = 0.999,
        epsilon: Epsilon = EPSILON,
        amsgrad: bool = False,
        name: str = "Adam",
        **kwargs: Any,
    ) -> None:
        super().__init__(name, **kwargs)
        self._take_arguments(locals())

    @property
    def slots(self) -> dict[str, Any]:
        """Its slots, with what they start as."""
        names = ("m", "v", "vhat") if self.amsgrad else ("m", "v")
        return dict.fromkeys(names, "zeros")

    def coefficients(self, dtype: DType, learning_rate: Any) -> dict[str, Any]:
        """Returns the betas and the corrected learning rate."""
        t = cast(self._step() + 1, dtype)
        beta_1 = self._get_hyper("beta_1", dtype)
        beta_2 = self._get_hyper("beta_2", dtype)
        correction = sqrt(1.0 - pow(beta_2, t)) / (1.0 - pow(beta_1, t))
        return {
            "lr_t": learning_rate * correction,
            "beta_1": beta_1,
            "beta_2": beta_2,
            "rest_1": self._rest("beta_1", dtype),
            "rest_2": self._rest("beta_2", dtype),
        }

    def _rest(self, name: str, dtype: DType) -> Any:
        """1 minus a beta, in the dtype of the variables."""
        return 1.0 - self._get_hyper(name, dtype)

    def update(
        self,
        w: Any,
        g: Any,
        m: Any,
        v: Any,
        vhat: Any = None,
        *,
        lr_t: Any,
        beta_1: Any,
        beta_2: Any,
        rest_1: Any,
        rest_2: Any,
    ) -> tuple[Any, dict[str, Any]]:
        """Returns the new value and slots, by the equation above."""
        m = beta_1 * m + rest_1 * g
        v = beta_2 * v + rest_2 * (g * g)
        if vhat is None:
            return w - lr_t * m / (sqrt(v) + self.epsilon), {"m": m, "v": v}
        vhat = maximum(vhat, v)
        step = lr_t * m / (sqrt(vhat) + self.epsilon)
        return w - step, {"m": m, "v": v, "vhat": vhat}

    def set_weights(self, weights: Any) -> None:
        """Sets the weights; the vhat of an AMSGrad is dropped where there is none."""
        params = self.weights
        count = (len(params) - 1) // 2
        if len(weights) == 3 * count + 1 and len(params) == 2 * count + 1:
            weights = weights[: len(params)]
        super().set_weights(weights)
