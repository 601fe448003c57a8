"""FTRL-Proximal: follow the regularized leader."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

from graphopt.dtypes import DType
from graphopt.keras import initializers
from graphopt.keras.optimizers.base import Optimizer
from graphopt.keras.optimizers.hyperparameters import Constant, Hyperparameter, Number
from graphopt.ops.creation import zeros_like
from graphopt.ops.elementwise import abs, pow, sign, sqrt, where
from graphopt.runtime.variable import Variable


def _check_amount(name: str, value: float) -> None:
    if value < 0.0:
        raise ValueError(f"`{name}` needs to be positive or zero. Received: {value}.")


def _check_power(name: str, value: float) -> None:
    if value > 0.0:
        raise ValueError(f"`{name}` needs to be negative or zero. Received: {value}.")


_Power = Annotated[float, Hyperparameter(_check_power)]
_Strength = Annotated[float, Hyperparameter(_check_amount)]
_Amount = Annotated[float, Constant(check=_check_amount, is_private=True)]


class Ftrl(Optimizer):
    """Sparse solutions for linear models with many features.

        l2' = l2 + beta / (2 lr)
        n' = n + g^2;  s = (n'^-p - n^-p) / lr
        z <- z + g + 2 shrinkage w - s w
        w <- (sign(z) l1 - z) / (n'^-p / lr + 2 l2')  where |z| > l1, else 0
        n <- n'

    with p = `learning_rate_power`.

    Args:
      learning_rate: Number, tensor, callable or schedule.
      learning_rate_power: Number <= 0; 0 is a fixed learning rate.
      initial_accumulator_value: Number >= 0: what n starts with.
      l1_regularization_strength: Number >= 0.
      l2_regularization_strength: Number >= 0.
      name: Scope of what it makes.
      l2_shrinkage_regularization_strength: Number >= 0.
      beta: Number, as in the paper.
      **kwargs: As in `Optimizer`.

    Raises:
      ValueError: A number is out of range, or `learning_rate_power` becomes another number
        than -0.5, or becomes -0.5, when a train op exists in a graph.

    >>> import graphopt as tf
    >>> opt, w = tf.keras.optimizers.Ftrl(0.1), tf.Variable(1.0)
    >>> opt.apply_gradients([(tf.constant(5.0), w)]) is opt.iterations
    True
    >>> round(float(w), 4)
    0.8371

    Source: `tf.keras.optimizers.Ftrl`; McMahan et al. 2013.
    """

    is_elementwise = True
    sparse_rows = "touched"
    # Whether the power is the number -0.5.
    _is_root: bool = True

    def __init__(
        self,
        learning_rate: Number = 0.001,
        learning_rate_power: _Power = -0.5,
        initial_accumulator_value: _Amount = 0.1,
        l1_regularization_strength: _Strength = 0.0,
        l2_regularization_strength: _Strength = 0.0,
        name: str = "Ftrl",
        l2_shrinkage_regularization_strength: _Amount = 0.0,
        beta: Number = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(name, **kwargs)
        self._take_arguments(locals())

    def _set_hyper(self, name: str, value: Any) -> None:
        if name == "learning_rate_power":
            # A root takes a tenth of the time of a power.
            is_root = isinstance(value, (int, float)) and value == -0.5
            in_graph = any(key.graph is not None for key in self._slots)
            if in_graph and is_root != self._is_root:
                raise ValueError(
                    f"learning_rate_power={value} after a train op was built in a graph "
                    f"{'with' if self._is_root else 'without'} -0.5; make the optimizer "
                    "with it, or with a tensor."
                )
            self._is_root = is_root
        super()._set_hyper(name, value)

    @property
    def slots(self) -> dict[str, Any]:
        """Its slots, with what they start as."""
        start = initializers.Constant(self._initial_accumulator_value)
        return {"accumulator": start, "linear": "zeros"}

    def _create_slots(self, var_list: Sequence[Variable]) -> None:
        # Both slots of a variable before those of the next, unlike in other optimizers.
        for var in var_list:
            super()._create_slots([var])

    def coefficients(self, dtype: DType, learning_rate: Any) -> dict[str, Any]:
        """Returns the power and the strengths of the regularization."""
        l2 = self._get_hyper("l2_regularization_strength", dtype)
        return {
            "power": -self._get_hyper("learning_rate_power", dtype),
            "l1": self._get_hyper("l1_regularization_strength", dtype),
            "l2": l2 + self._get_hyper("beta", dtype) / (2.0 * learning_rate),
        }

    def update(
        self,
        w: Any,
        g: Any,
        accumulator: Any,
        linear: Any,
        *,
        lr_t: Any,
        power: Any,
        l1: Any,
        l2: Any,
    ) -> tuple[Any, dict[str, Any]]:
        """Returns the new value and slots, by the equation above."""
        n = accumulator + g * g
        root = self._power(n, power)
        s = (root - self._power(accumulator, power)) / lr_t
        shrinkage = 2.0 * self._l2_shrinkage_regularization_strength
        z = linear + (g + shrinkage * w if shrinkage else g) - s * w
        solved = (sign(z) * l1 - z) / (root / lr_t + 2.0 * l2)
        value = where(abs(z) > l1, solved, zeros_like(w))
        return value, {"accumulator": n, "linear": z}

    def _power(self, x: Any, power: Any) -> Any:
        return sqrt(x) if self._is_root else pow(x, power)
