"""Stochastic gradient descent."""

from __future__ import annotations

from typing import Any

from graphopt.dtypes import DType
from graphopt.keras.optimizers.base import Optimizer
from graphopt.keras.optimizers.checks import is_zero
from graphopt.keras.optimizers.hyperparameters import Fraction, Number


class SGD(Optimizer):
    """Gradient descent, with momentum if asked for.

        w <- w - lr g                                           momentum == 0
        a <- momentum a - lr g;  w <- w + a                     momentum > 0
        a <- momentum a - lr g;  w <- w + momentum a - lr g     nesterov

    The learning rate is inside the accumulator `a`, unlike in TensorFlow 1's
    MomentumOptimizer and in PyTorch.

    Args:
      learning_rate: Number, tensor, callable or schedule.
      momentum: Number in [0, 1], tensor or callable.
      nesterov: Whether to look ahead.
      name: Scope of what it makes.
      **kwargs: As in `Optimizer`.

    Raises:
      ValueError: `momentum` is outside of [0, 1].

    >>> import graphopt as tf
    >>> opt, w = tf.keras.optimizers.SGD(0.1, momentum=0.9), tf.Variable(10.0)
    >>> loss = lambda: w * w / 2.0
    >>> for _ in range(2):
    ...     _ = opt.minimize(loss, [w])
    >>> round(float(w), 4)
    7.2

    Source: `tf.keras.optimizers.SGD`; Sutskever et al. 2013 for Nesterov's momentum.
    """

    is_elementwise = True
    sparse_rows = "touched"

    def __init__(
        self,
        learning_rate: Number = 0.01,
        momentum: Fraction = 0.0,
        nesterov: bool = False,
        name: str = "SGD",
        **kwargs: Any,
    ) -> None:
        super().__init__(name, **kwargs)
        self._take_arguments(locals())
        self._momentum = callable(momentum) or not is_zero(momentum)

    @property
    def slots(self) -> dict[str, Any]:
        """Its slots, with what they start as."""
        return {"momentum": "zeros"} if self._momentum else {}

    def coefficients(self, dtype: DType, learning_rate: Any) -> dict[str, Any]:
        """Returns the momentum factor; the slot has the name `momentum` already."""
        return {"mu": self._get_hyper("momentum", dtype)} if self._momentum else {}

    def update(
        self, w: Any, g: Any, momentum: Any = None, *, lr_t: Any, mu: Any = None
    ) -> tuple[Any, dict[str, Any]]:
        """Returns the new value and slots, by the equation above."""
        if momentum is None:
            return w - lr_t * g, {}
        a = mu * momentum - lr_t * g
        step = mu * a - lr_t * g if self.nesterov else a
        return w + step, {"momentum": a}
