"""RMSprop."""

from __future__ import annotations

from typing import Any

from graphopt.dtypes import DType
from graphopt.keras.optimizers.base import Optimizer
from graphopt.keras.optimizers.checks import is_zero
from graphopt.keras.optimizers.hyperparameters import EPSILON, Epsilon, Fraction, Number
from graphopt.ops.elementwise import sqrt


class RMSprop(Optimizer):
    """Gradients divided by the root of their mean square.

        r <- rho r + (1 - rho) g^2
        q <- rho q + (1 - rho) g                       centered only
        d = r - q^2 if centered, else r
        w <- w - lr g / (sqrt(d) + epsilon)            momentum == 0
        p <- momentum p + lr g / sqrt(d + epsilon);  w <- w - p        momentum > 0

    The epsilon is outside of the root without momentum and inside of it with momentum,
    as in TensorFlow.

    Args:
      learning_rate: Number, tensor, callable or schedule.
      rho: Number in [0, 1], tensor or callable: decay of the averages.
      momentum: Number in [0, 1], tensor or callable.
      epsilon: Number > 0; None and 0 stand for 1e-7.
      centered: Whether the mean is subtracted, so that d estimates the variance.
      name: Scope of what it makes.
      **kwargs: As in `Optimizer`.

    Raises:
      ValueError: `momentum` is outside of [0, 1].

    >>> import graphopt as tf
    >>> opt, w = tf.keras.optimizers.RMSprop(0.1), tf.Variable(1.0)
    >>> opt.apply_gradients([(tf.constant(5.0), w)]) is opt.iterations
    True
    >>> round(float(w), 4)
    0.6838

    Source: `tf.keras.optimizers.RMSprop` (OptimizerV2); Hinton's lecture 6e, 2012.
    """

    is_elementwise = True
    accepts_weights_without_iterations = True

    def __init__(
        self,
        learning_rate: Number = 0.001,
        rho: Fraction = 0.9,
        momentum: Fraction = 0.0,
        epsilon: Epsilon = EPSILON,
        centered: bool = False,
        name: str = "RMSprop",
        **kwargs: Any,
    ) -> None:
        super().__init__(name, **kwargs)
        self._take_arguments(locals())
        self._momentum = not is_zero(momentum)

    @property
    def sparse_rows(self) -> str:  # type: ignore[override]
        """Which rows a sparse gradient changes; TensorFlow's rule."""
        return "touched" if self._momentum else "all slots"

    @property
    def slots(self) -> dict[str, Any]:
        """Its slots, with what they start as."""
        names = ["rms"]
        names += ["momentum"] if self._momentum else []
        names += ["mg"] if self.centered else []
        return dict.fromkeys(names, "zeros")

    def coefficients(self, dtype: DType, learning_rate: Any) -> dict[str, Any]:
        """Returns rho, 1 - rho and the momentum factor."""
        rho = self._get_hyper("rho", dtype)
        scalars = {"rho": rho, "rest": 1.0 - rho}
        if self._momentum:
            scalars["mu"] = self._get_hyper("momentum", dtype)
        return scalars

    def update(
        self,
        w: Any,
        g: Any,
        rms: Any,
        momentum: Any = None,
        mg: Any = None,
        *,
        lr_t: Any,
        rho: Any,
        rest: Any,
        mu: Any = None,
    ) -> tuple[Any, dict[str, Any]]:
        """Returns the new value and slots, by the equation above."""
        r = rho * rms + rest * (g * g)
        slots, d = {"rms": r}, r
        if mg is not None:
            q = rho * mg + rest * g
            slots["mg"], d = q, r - q * q
        if momentum is None:
            return w - lr_t * g / (sqrt(d) + self.epsilon), slots
        p = mu * momentum + lr_t * g / sqrt(d + self.epsilon)
        return w - p, {**slots, "momentum": p}
