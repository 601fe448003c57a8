"""Adagrad."""

from __future__ import annotations

from typing import Annotated, Any

from graphopt.keras import initializers
from graphopt.keras.optimizers.base import Optimizer
from graphopt.keras.optimizers.hyperparameters import EPSILON, Constant, Epsilon, Number
from graphopt.ops.elementwise import sqrt


def _check_start(name: str, value: float) -> None:
    if value < 0.0:
        raise ValueError(f"{name} must be non-negative: {value}")


_Start = Annotated[float, Constant(check=_check_start, is_private=True)]


class Adagrad(Optimizer):
    """Steps that get smaller where gradients have been large.

        n <- n + g^2
        w <- w - lr g / (sqrt(n) + epsilon)

    Args:
      learning_rate: Number, tensor, callable or schedule.
      initial_accumulator_value: Number >= 0: what n starts with.
      epsilon: Number > 0; None and 0 stand for 1e-7.
      name: Scope of what it makes.
      **kwargs: As in `Optimizer`.

    Raises:
      ValueError: `initial_accumulator_value` is negative.

    >>> import graphopt as tf
    >>> opt, w = tf.keras.optimizers.Adagrad(0.5), tf.Variable(1.0)
    >>> opt.apply_gradients([(tf.constant(1.0), w)]) is opt.iterations
    True
    >>> round(float(w), 4)
    0.5233

    Source: `tf.keras.optimizers.Adagrad`; Duchi et al. 2011.
    """

    is_elementwise = True
    sparse_rows = "touched"
    accepts_weights_without_iterations = True

    def __init__(
        self,
        learning_rate: Number = 0.001,
        initial_accumulator_value: _Start = 0.1,
        epsilon: Epsilon = EPSILON,
        name: str = "Adagrad",
        **kwargs: Any,
    ) -> None:
        super().__init__(name, **kwargs)
        self._take_arguments(locals())

    @property
    def slots(self) -> dict[str, Any]:
        """Its slots, with what they start as."""
        return {"accumulator": initializers.Constant(self._initial_accumulator_value)}

    def update(
        self, w: Any, g: Any, accumulator: Any, *, lr_t: Any
    ) -> tuple[Any, dict[str, Any]]:
        """Returns the new value and slots, by the equation above."""
        n = accumulator + g * g
        return w - lr_t * g / (sqrt(n) + self.epsilon), {"accumulator": n}
