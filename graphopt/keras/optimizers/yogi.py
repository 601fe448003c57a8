"""Yogi: Adam whose second moment moves by at most one gradient."""

from __future__ import annotations

from typing import Annotated, Any

from graphopt.dtypes import DType
from graphopt.keras import initializers
from graphopt.keras.optimizers.base import Optimizer
from graphopt.keras.optimizers.hyperparameters import Constant, Fraction, Number
from graphopt.ops.elementwise import cast, pow, sign, sqrt


def _check_start(name: str, value: float) -> None:
    if value < 0.0:
        raise ValueError(f"`{name}` must not be negative; got {value}.")


_Start = Annotated[float, Constant(check=_check_start)]


class Yogi(Optimizer):
    """Adam with an additive second moment, which does not forget sparse gradients.

        m <- beta_1 m + (1 - beta_1) g
        v <- v - (1 - beta_2) sign(v - g^2) g^2
        w <- w - lr sqrt(1 - beta_2^t) / (1 - beta_1^t) m / (sqrt(v) + epsilon)

    Args:
      learning_rate: Number, tensor, callable or schedule.
      beta_1: Number in [0, 1], tensor or callable: decay of the first moment.
      beta_2: Number in [0, 1], tensor or callable: decay of the second moment.
      epsilon: Number > 0.
      initial_accumulator_value: Number >= 0 that both moments start with.
      name: Scope of what it makes.
      **kwargs: As in `Optimizer`.

    >>> import graphopt as tf
    >>> opt, w = tf.keras.optimizers.Yogi(0.1), tf.Variable(10.0)
    >>> _ = opt.minimize(lambda: w * w / 2.0, [w])
    >>> round(float(w), 4)
    9.9003

    Source: Zaheer et al. 2018; defaults of `tfa.optimizers.Yogi`.
    """

    is_elementwise = True

    def __init__(
        self,
        learning_rate: Number = 0.01,
        beta_1: Fraction = 0.9,
        beta_2: Fraction = 0.999,
        epsilon: float = 1e-3,
        initial_accumulator_value: _Start = 1e-6,
        name: str = "Yogi",
        **kwargs: Any,
    ) -> None:
        super().__init__(name, **kwargs)
        self._take_arguments(locals())

    @property
    def slots(self) -> dict[str, Any]:
        """Its slots, with what they start as."""
        start = initializers.Constant(self.initial_accumulator_value)
        return {"m": start, "v": start}

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
        }

    def update(
        self, w: Any, g: Any, m: Any, v: Any, *, lr_t: Any, beta_1: Any, beta_2: Any
    ) -> tuple[Any, dict[str, Any]]:
        """Returns the new value and slots, by the equation above."""
        square = g * g
        m = beta_1 * m + (1.0 - beta_1) * g
        v = v - (1.0 - beta_2) * sign(v - square) * square
        return w - lr_t * m / (sqrt(v) + self.epsilon), {"m": m, "v": v}
