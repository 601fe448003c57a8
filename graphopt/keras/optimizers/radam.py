"""RAdam: Adam that waits until its second moment can be trusted."""

from __future__ import annotations

from typing import Any

from graphopt.dtypes import DType
from graphopt.keras.optimizers.base import EPSILON, Optimizer
from graphopt.keras.optimizers.checks import check_fraction
from graphopt.ops.creation import ones_like
from graphopt.ops.elementwise import cast, pow, sqrt, where


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

    slots = {"m": "zeros", "v": "zeros"}

    def __init__(
        self,
        learning_rate: Any = 0.001,
        beta_1: Any = 0.9,
        beta_2: Any = 0.999,
        epsilon: float | None = EPSILON,
        threshold: float = 5.0,
        name: str = "RAdam",
        **kwargs: Any,
    ) -> None:
        super().__init__(name, **kwargs)
        check_fraction("beta_1", beta_1)
        check_fraction("beta_2", beta_2, upper_included=False)
        if threshold < 4.0:
            raise ValueError(f"`threshold` must be at least 4; got {threshold}.")
        self._set_hyper("learning_rate", learning_rate)
        self._set_hyper("decay", self._initial_decay)
        self._set_hyper("beta_1", beta_1)
        self._set_hyper("beta_2", beta_2)
        self.epsilon = epsilon or EPSILON
        self.threshold = threshold

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

    def get_config(self) -> dict[str, Any]:
        """Returns what `from_config` makes the same optimizer of."""
        config = {"epsilon": self.epsilon, "threshold": self.threshold}
        return {**super().get_config(), **config}
