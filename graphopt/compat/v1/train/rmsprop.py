"""RMSProp."""

from __future__ import annotations

from typing import Any

from graphopt.compat.v1.train.optimizer import Optimizer
from graphopt.dtypes import DType
from graphopt.ops.elementwise import sqrt


class RMSPropOptimizer(Optimizer):
    """Gradients divided by the root of a running mean of their squares.

        r <- r + (1 - decay) (g^2 - r)
        q <- q + (1 - decay) (g - q)                         centered, else q = 0
        p <- momentum p + lr g / sqrt(r - q^2 + epsilon)
        w <- w - p

    r starts at 1 and epsilon is inside of the root, unlike in
    `tf.keras.optimizers.RMSprop`.

    Args:
      learning_rate: Number, tensor, variable or callable.
      decay: Number in [0, 1), tensor or callable.
      momentum: Number, commonly in [0, 1), tensor or callable.
      epsilon: Number > 0, tensor or callable.
      use_locking: Accepted for compatibility.
      centered: Whether to divide by an estimate of the standard deviation.
      name: Scope of its ops and part of its slots' names.

    >>> import graphopt as tf
    >>> opt, w = tf.compat.v1.train.RMSPropOptimizer(0.1), tf.Variable(1.0)
    >>> opt.apply_gradients([(tf.constant(1.0), w)])
    >>> round(float(w), 4), opt.get_slot_names()
    (0.9, ['momentum', 'rms'])

    Source: `tf.compat.v1.train.RMSPropOptimizer`; Tieleman and Hinton 2012, Graves 2013
    for the centered form.
    """

    def __init__(
        self,
        learning_rate: Any,
        decay: Any = 0.9,
        momentum: Any = 0.0,
        epsilon: Any = 1e-10,
        use_locking: bool = False,
        centered: bool = False,
        name: str = "RMSProp",
    ) -> None:
        super().__init__(
            use_locking,
            name,
            learning_rate=learning_rate,
            decay=decay,
            momentum=momentum,
            epsilon=epsilon,
        )
        self._centered = centered

    @property
    def slots(self) -> dict[str, Any]:
        """Its slots, with what they start as."""
        mean = {"mg": "zeros"} if self._centered else {}
        return {"rms": "ones", **mean, "momentum": "zeros"}

    def coefficients(self, dtype: DType) -> dict[str, Any]:
        """Returns the rate, the factors and epsilon."""
        return {
            "lr": self._get_hyper("learning_rate", dtype),
            "rest": 1.0 - self._get_hyper("decay", dtype),
            "mu": self._get_hyper("momentum", dtype),
            "epsilon": self._get_hyper("epsilon", dtype),
        }

    def update(
        self,
        w: Any,
        g: Any,
        rms: Any,
        momentum: Any,
        mg: Any = None,
        *,
        lr: Any,
        rest: Any,
        mu: Any,
        epsilon: Any,
    ) -> tuple[Any, Any]:
        """Returns the new value and slots, by the equation above."""
        r = rms + rest * (g * g - rms)
        slots, variance = {"rms": r}, r
        if mg is not None:
            q = mg + rest * (g - mg)
            slots["mg"], variance = q, r - q * q
        p = mu * momentum + lr * g / sqrt(variance + epsilon)
        return w - p, {**slots, "momentum": p}
