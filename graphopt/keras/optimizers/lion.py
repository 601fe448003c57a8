"""Lion: steps of one size, in the direction of a sign."""

from __future__ import annotations

from typing import Annotated, Any

from graphopt.dtypes import DType
from graphopt.keras.optimizers.base import Optimizer
from graphopt.keras.optimizers.checks import check_fraction, is_zero
from graphopt.keras.optimizers.hyperparameters import Fraction, Hyperparameter, Number
from graphopt.ops.elementwise import sign


def _check_beta_1(name: str, value: Any) -> None:
    check_fraction(name, value)
    if is_zero(value):
        raise ValueError(
            f"`{name}` must be in (0, 1]; with 0 the optimizer degenerates to SignSGD."
        )


_Beta1 = Annotated[Any, Hyperparameter(_check_beta_1)]


class Lion(Optimizer):
    """Moves every element by the learning rate, up or down.

        w <- w - lr sign(beta_1 m + (1 - beta_1) g)
        m <- beta_2 m + (1 - beta_2) g

    It wants a learning rate a third to a tenth of Adam's, and more weight decay.

    Args:
      learning_rate: Number, tensor, callable or schedule.
      beta_1: Number in (0, 1], tensor or callable: how much the step looks back.
      beta_2: Number in [0, 1], tensor or callable: decay of the momentum.
      name: Scope of what it makes.
      **kwargs: As in `Optimizer`.

    Raises:
      ValueError: `beta_1` is 0, or one of them is out of range.

    >>> import graphopt as tf
    >>> opt, w = tf.keras.optimizers.Lion(0.1), tf.Variable([3.0, -5.0])
    >>> _ = opt.minimize(lambda: w * w, [w])
    >>> print(w.numpy())
    [ 2.9 -4.9]

    Source: `keras.optimizers.Lion` (Keras 3); Chen et al. 2023.
    """

    is_elementwise = True
    slots = {"momentum": "zeros"}

    def __init__(
        self,
        learning_rate: Number = 0.001,
        beta_1: _Beta1 = 0.9,
        beta_2: Fraction = 0.99,
        name: str = "Lion",
        **kwargs: Any,
    ) -> None:
        super().__init__(name, **kwargs)
        self._take_arguments(locals())

    def coefficients(self, dtype: DType, learning_rate: Any) -> dict[str, Any]:
        """Returns the betas."""
        return {
            "beta_1": self._get_hyper("beta_1", dtype),
            "beta_2": self._get_hyper("beta_2", dtype),
        }

    def update(
        self, w: Any, g: Any, momentum: Any, *, lr_t: Any, beta_1: Any, beta_2: Any
    ) -> tuple[Any, dict[str, Any]]:
        """Returns the new value and slots, by the equation above."""
        m = momentum
        direction = sign(beta_1 * m + (1.0 - beta_1) * g)
        return w - lr_t * direction, {"momentum": beta_2 * m + (1.0 - beta_2) * g}
