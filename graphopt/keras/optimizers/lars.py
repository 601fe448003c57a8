"""LARS: momentum with a learning rate for each variable, by its norm."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Annotated, Any

from graphopt.dtypes import DType
from graphopt.keras.optimizers.base import Optimizer
from graphopt.keras.optimizers.hyperparameters import (
    Constant,
    Fraction,
    Number,
    as_number,
)
from graphopt.keras.optimizers.norms import norm
from graphopt.keras.optimizers.options import is_selected
from graphopt.ops.creation import ones_like
from graphopt.ops.elementwise import logical_and, where
from graphopt.runtime.variable import Variable

_Excluded = Annotated[
    Sequence[Any],
    Constant(list, plain=lambda chosen: [x for x in chosen if isinstance(x, str)]),
]


class LARS(Optimizer):
    """Momentum whose step is relative to the norm of each variable.

        rate = trust_coefficient |w| / (|g| + weight_decay |w| + epsilon)
        a <- momentum a + lr rate (g + weight_decay w)
        w <- w - a                                     nesterov: w - (momentum a + ...)

    The rate is 1 where |w| or |g| is 0. Weight decay is part of the equation here: it
    goes through the momentum, as in the paper.

    Args:
      learning_rate: Number, tensor, callable or schedule.
      momentum: Number in [0, 1], tensor or callable.
      weight_decay: Number >= 0.
      trust_coefficient: Number > 0.
      epsilon: Number >= 0.
      nesterov: Whether to look ahead.
      exclude_from_layer_adaptation: Variables, or regular expressions of names, for
        which the rate is 1: biases, say.
      name: Scope of what it makes.
      **kwargs: As in `Optimizer`.

    >>> import graphopt as tf
    >>> opt, w = tf.keras.optimizers.LARS(1.0, trust_coefficient=0.1), tf.Variable(2.0)
    >>> _ = opt.minimize(lambda: w * w, [w])
    >>> round(float(w), 4)
    1.8

    Source: You et al. 2017, algorithm 1; `optax.lars`.
    """

    slots = {"momentum": "zeros"}

    def __init__(
        self,
        learning_rate: Number = 0.01,
        momentum: Fraction = 0.9,
        weight_decay: Any = 0.0,
        trust_coefficient: float = 0.001,
        epsilon: float = 0.0,
        nesterov: bool = False,
        exclude_from_layer_adaptation: _Excluded = (),
        name: str = "LARS",
        **kwargs: Any,
    ) -> None:
        super().__init__(name, weight_decay=weight_decay, **kwargs)
        self._take_arguments(locals())

    def coefficients(self, dtype: DType, learning_rate: Any) -> dict[str, Any]:
        """Returns the momentum factor; the slot has the name `momentum` already."""
        return {"mu": self._get_hyper("momentum", dtype)}

    def _equation_of(self, var: Variable) -> Any:
        excluded = self.exclude_from_layer_adaptation
        weight_decay = self._get_option("weight_decay") if self._decays(var) else None
        return partial(
            self.update,
            adapts=not any(is_selected(var, each) for each in excluded),
            decay=None if weight_decay is None else as_number(weight_decay, var.dtype),
        )

    def _weight_decay_of(self, var: Variable) -> Any:
        # It is in the equation.
        return None

    def update(
        self,
        w: Any,
        g: Any,
        momentum: Any,
        *,
        lr_t: Any,
        mu: Any,
        adapts: bool = True,
        decay: Any = None,
    ) -> tuple[Any, dict[str, Any]]:
        """Returns the new value and slots, by the equation above."""
        rate = lr_t * self._relative_rate(w, g, decay) if adapts else lr_t
        step = rate * (g if decay is None else g + decay * w)
        a = mu * momentum + step
        return w - (mu * a + step if self.nesterov else a), {"momentum": a}

    def _relative_rate(self, w: Any, g: Any, decay: Any) -> Any:
        w_norm, g_norm = norm(w), norm(g)
        below = g_norm + self.epsilon
        if decay is not None:
            below = below + decay * w_norm
        is_defined = logical_and(w_norm > 0.0, g_norm > 0.0)
        one = ones_like(g_norm)
        ratio = self.trust_coefficient * w_norm / where(is_defined, below, one)
        return where(is_defined, ratio, one)
