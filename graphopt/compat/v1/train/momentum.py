"""Gradient descent with momentum."""

from __future__ import annotations

from typing import Any

from graphopt.compat.v1.train.optimizer import Optimizer
from graphopt.dtypes import DType


class MomentumOptimizer(Optimizer):
    """Steps along a sum of gradients that forgets.

        a <- momentum a + g
        w <- w - lr a                       use_nesterov == False
        w <- w - lr (g + momentum a)        use_nesterov == True

    The learning rate is outside of the accumulator `a`, unlike in
    `tf.keras.optimizers.SGD`: a new rate acts on all that was accumulated.

    Args:
      learning_rate: Number, tensor, variable or callable.
      momentum: Number, commonly in [0, 1), tensor, variable or callable.
      use_locking: Accepted for compatibility.
      name: Scope of its ops and part of its slots' names.
      use_nesterov: Whether to look ahead.

    >>> import graphopt as tf
    >>> opt, w = tf.compat.v1.train.MomentumOptimizer(0.1, 0.9), tf.Variable(10.0)
    >>> for _ in range(2):
    ...     opt.minimize(lambda: w * w / 2.0)
    >>> round(float(w), 4), round(float(opt.get_slot(w, "momentum")), 4)
    (7.2, 18.0)

    Source: `tf.compat.v1.train.MomentumOptimizer`; Sutskever et al. 2013.
    """

    slots = {"momentum": "zeros"}

    def __init__(
        self,
        learning_rate: Any,
        momentum: Any,
        use_locking: bool = False,
        name: str = "Momentum",
        use_nesterov: bool = False,
    ) -> None:
        super().__init__(
            use_locking, name, learning_rate=learning_rate, momentum=momentum
        )
        self._use_nesterov = use_nesterov

    def coefficients(self, dtype: DType) -> dict[str, Any]:
        """Returns the rate and the factor; the slot is called `momentum` already."""
        return {
            "lr": self._get_hyper("learning_rate", dtype),
            "mu": self._get_hyper("momentum", dtype),
        }

    def update(
        self, w: Any, g: Any, momentum: Any, *, lr: Any, mu: Any
    ) -> tuple[Any, Any]:
        """Returns the new value and slot, by the equation above."""
        a = mu * momentum + g
        step = lr * g + lr * mu * a if self._use_nesterov else lr * a
        return w - step, {"momentum": a}
