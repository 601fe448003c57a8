"""RAdam: Adam that waits until its second moment can be trusted."""

from __future__ import annotations

from typing import Annotated, Any

from graphopt.dtypes import DType
from graphopt.keras.optimizers.base import Optimizer
from graphopt.keras.optimizers.hyperparameters import (
    EPSILON,
    Constant,
    Epsilon,
    Fraction,
    Number,
    ProperFraction,
)
from graphopt.ops.creation import ones_like
from graphopt.ops.elementwise import cast, pow, sqrt, where


def _check_threshold(name: str, value: float) -> None:
    if value < 4.0:
        raise ValueError(f"`{name}` must be at least 4; got {value}.")


_Threshold = Annotated[float, Constant(check=_check_threshold)]


class RAdam(Optimizer):
    """Adam with a warm-up that follows from the variance of its second moment.

        m <- beta_1 m + (1 - beta_1) g;  v <- beta_2 v + (1 - beta_2) g^2
        rho_inf = 2 / (1 - beta_2) - 1
        rho = rho_inf - 2 t beta_2^t / (1 - beta_2^t)
        r = sqrt((rho - 4) (rho - 2) rho_inf / ((rho_inf - 4) (rho_inf - 2) rho))
        u = m / (1 - beta_1^t)
        w <- w - lr r u sqrt(1 - beta_2^t) / (sqrt(v) + epsilon)       rho > threshold
        w <- w - lr u                                                  else

    Args:
      learning_rate: Number, tensor, callable or schedule.
      beta_1: Number in [0, 1], tensor or callable: decay of the first moment.
      beta_2: Number in [0, 1), tensor or callable: decay of the second moment.
      epsilon: Number > 0; None and 0 stand for 1e-7.
      threshold: Number >= 4: how many samples the second moment has to be worth.
      name: Scope of what it makes.
      **kwargs: As in `Optimizer`.

    >>> import graphopt as tf
    >>> opt, w = tf.keras.optimizers.RAdam(0.1), tf.Variable(10.0)
    >>> _ = opt.minimize(lambda: w * w / 2.0, [w])
    >>> round(float(w), 4)
    9.0

    Source: Liu et al. 2019; `torch.optim.RAdam`, `tfa.optimizers.RectifiedAdam`.
    """

    is_elementwise = True
    slots = {"m": "zeros", "v": "zeros"}

    def __init__(
        self,
        learning_rate: Number = 0.001,
        beta_1: Fraction = 0.9,
        beta_2: ProperFraction = 0.999,
        epsilon: Epsilon = EPSILON,
        threshold: _Threshold = 5.0,
        name: str = "RAdam",
        **kwargs: Any,
    ) -> None:
        super().__init__(name, **kwargs)
        self._take_arguments(locals())

    def coefficients(self, dtype: DType, learning_rate: Any) -> dict[str, Any]:
        """Returns the betas and the factors of both kinds of steps."""
        t = cast(self._step() + 1, dtype)
        beta_1 = self._get_hyper("beta_1", dtype)
        beta_2 = self._get_hyper("beta_2", dtype)
        power = pow(beta_2, t)
        rho_inf = 2.0 / (1.0 - beta_2) - 1.0
        rho = rho_inf - 2.0 * t * power / (1.0 - power)
        is_rectified = rho > self.threshold
        # Where it is not used, the root is taken of a number that has one.
        safe = where(is_rectified, rho, rho_inf + ones_like(rho))
        above = (safe - 4.0) * (safe - 2.0) * rho_inf
        r = sqrt(above / ((rho_inf - 4.0) * (rho_inf - 2.0) * safe))
        plain = learning_rate / (1.0 - pow(beta_1, t))
        return {
            "beta_1": beta_1,
            "beta_2": beta_2,
            "is_rectified": is_rectified,
            "plain": plain,
            "rectified": plain * r * sqrt(1.0 - power),
        }

    def update(
        self,
        w: Any,
        g: Any,
        m: Any,
        v: Any,
        *,
        beta_1: Any,
        beta_2: Any,
        is_rectified: Any,
        plain: Any,
        rectified: Any,
    ) -> tuple[Any, dict[str, Any]]:
        """Returns the new value and slots, by the equation above."""
        m = beta_1 * m + (1.0 - beta_1) * g
        v = beta_2 * v + (1.0 - beta_2) * (g * g)
        rate = where(is_rectified, rectified / (sqrt(v) + self.epsilon), plain)
        return w - rate * m, {"m": m, "v": v}
