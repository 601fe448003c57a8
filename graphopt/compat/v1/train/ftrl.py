"""FTRL-Proximal: follow the regularized leader."""

from __future__ import annotations

from typing import Any

from graphopt.compat.v1.train.checks import check_not_negative
from graphopt.compat.v1.train.optimizer import Optimizer
from graphopt.dtypes import DType
from graphopt.keras import initializers
from graphopt.keras.optimizers.checks import checked_number
from graphopt.ops.creation import zeros_like
from graphopt.ops.elementwise import abs, pow, sign, sqrt, where


class FtrlOptimizer(Optimizer):
    """Sparse solutions for linear models with many features.

        l2' = l2 + beta / (2 lr)
        n' = n + g^2;  s = (n'^-p - n^-p) / lr
        z <- z + g + 2 shrinkage w - s w
        w <- (sign(z) l1 - z) / (n'^-p / lr + 2 l2')  where |z| > l1, else 0
        n <- n'

    with p = `learning_rate_power`.

    Args:
      learning_rate: Number > 0, tensor, variable or callable.
      learning_rate_power: Number <= 0; 0 is a fixed learning rate.
      initial_accumulator_value: Number >= 0: what n starts with.
      l1_regularization_strength: Number >= 0.
      l2_regularization_strength: Number >= 0.
      use_locking: Accepted for compatibility.
      name: Scope of its ops and part of its slots' names.
      accum_name: What the slot of n is named after its variable, in place of `name`.
      linear_name: The same for z.
      l2_shrinkage_regularization_strength: Number >= 0.
      beta: Number, as in the paper; None is 0.

    Raises:
      ValueError: A number is out of range.

    >>> import graphopt as tf
    >>> opt, w = tf.compat.v1.train.FtrlOptimizer(0.1), tf.Variable(1.0)
    >>> opt.apply_gradients([(tf.constant(5.0), w)])
    >>> round(float(w), 4)
    0.8371

    Source: `tf.compat.v1.train.FtrlOptimizer`; McMahan et al. 2013.
    """

    def __init__(
        self,
        learning_rate: Any,
        learning_rate_power: float = -0.5,
        initial_accumulator_value: float = 0.1,
        l1_regularization_strength: float = 0.0,
        l2_regularization_strength: float = 0.0,
        use_locking: bool = False,
        name: str = "Ftrl",
        accum_name: str | None = None,
        linear_name: str | None = None,
        l2_shrinkage_regularization_strength: float = 0.0,
        beta: float | None = None,
    ) -> None:
        check_not_negative(
            initial_accumulator_value=initial_accumulator_value,
            l1_regularization_strength=l1_regularization_strength,
            l2_regularization_strength=l2_regularization_strength,
            l2_shrinkage_regularization_strength=l2_shrinkage_regularization_strength,
        )
        if checked_number("learning_rate_power", learning_rate_power) > 0.0:
            raise ValueError(
                f"learning_rate_power {learning_rate_power} needs to be negative or "
                "zero."
            )
        super().__init__(
            use_locking,
            name,
            learning_rate=learning_rate,
            learning_rate_power=learning_rate_power,
            l1_regularization_strength=l1_regularization_strength,
            l2_regularization_strength=l2_regularization_strength,
            l2_shrinkage_regularization_strength=l2_shrinkage_regularization_strength,
            beta=0.0 if beta is None else beta,
        )
        self._initial_accumulator_value = initial_accumulator_value
        self._is_root = learning_rate_power == -0.5
        self._op_names = {"accum": accum_name or name, "linear": linear_name or name}

    @property
    def slots(self) -> dict[str, Any]:
        """Its slots, with what they start as."""
        start = initializers.Constant(self._initial_accumulator_value)
        return {"accum": start, "linear": "zeros"}

    def _slot_op_name(self, slot_name: str) -> str:
        return self._op_names[slot_name]

    def coefficients(self, dtype: DType) -> dict[str, Any]:
        """Returns the power and the strengths of the regularization."""
        rate = self._get_hyper("learning_rate", dtype)
        shrinkage = self._get_hyper("l2_shrinkage_regularization_strength", dtype)
        l2 = self._get_hyper("l2_regularization_strength", dtype)
        l2 = l2 + self._get_hyper("beta", dtype) / (2.0 * rate)
        return {
            "lr": rate,
            "power": -self._get_hyper("learning_rate_power", dtype),
            "l1": self._get_hyper("l1_regularization_strength", dtype),
            "twice_l2": 2.0 * l2,
            "twice_shrinkage": 2.0 * shrinkage,
        }

    def _raise_power(self, n: Any, power: Any) -> Any:
        # The default power is a root: 8 times as fast as `pow` on 100,000 elements.
        return sqrt(n) if self._is_root else pow(n, power)

    def update(
        self,
        w: Any,
        g: Any,
        accum: Any,
        linear: Any,
        *,
        lr: Any,
        power: Any,
        l1: Any,
        twice_l2: Any,
        twice_shrinkage: Any,
    ) -> tuple[Any, Any]:
        """Returns the new value and slots, by the equation above."""
        n = accum + g * g
        root = self._raise_power(n, power)
        s = (root - self._raise_power(accum, power)) / lr
        z = linear + (g + twice_shrinkage * w) - s * w
        solved = (sign(z) * l1 - z) / (root / lr + twice_l2)
        value = where(abs(z) > l1, solved, zeros_like(w))
        return value, {"accum": n, "linear": z}
