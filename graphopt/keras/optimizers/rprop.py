"""Rprop: steps that grow while a gradient keeps its sign, for whole batches."""

from __future__ import annotations

from typing import Annotated, Any

import numpy as np

from graphopt.keras import initializers
from graphopt.keras.optimizers.base import Optimizer
from graphopt.keras.optimizers.checks import check_not_negative
from graphopt.keras.optimizers.hyperparameters import Hyperparameter
from graphopt.ops.creation import zeros_like
from graphopt.ops.elementwise import maximum, minimum, sign, where


def _check_first_step(name: str, value: Any) -> None:
    if not isinstance(value, (int, float, np.number)):
        raise ValueError(
            "The learning rate of Rprop is the first size of its steps, a number; "
            f"got {value!r}."
        )
    check_not_negative(name, value)


_FirstStep = Annotated[float, Hyperparameter(_check_first_step)]


class Rprop(Optimizer):
    """Resilient backpropagation: only the signs of the gradients count.

        c = g p
        step <- min(eta_plus step, step_max)      where c > 0
        step <- max(eta_minus step, step_min)     where c < 0, and there g <- 0
        w <- w - sign(g) step;  p <- g

    with p the gradient of the step before. It is for gradients without noise.

    Args:
      learning_rate: Number >= 0 that every step size starts with; setting it later
        changes nothing.
      eta_minus: Number in (0, 1).
      eta_plus: Number > 1.
      step_min: The smallest step.
      step_max: The largest step.
      name: Scope of what it makes.
      **kwargs: As in `Optimizer`.

    Raises:
      ValueError: A number is out of range, or the learning rate is no number.

    >>> import graphopt as tf
    >>> opt, w = tf.keras.optimizers.Rprop(0.1), tf.Variable(10.0)
    >>> for _ in range(3):
    ...     _ = opt.minimize(lambda: w * w, [w])
    >>> round(float(w), 4)
    9.636

    Source: Riedmiller and Braun 1993; `torch.optim.Rprop`.
    """

    is_elementwise = True

    def __init__(
        self,
        learning_rate: _FirstStep = 0.01,
        eta_minus: float = 0.5,
        eta_plus: float = 1.2,
        step_min: float = 1e-6,
        step_max: float = 50.0,
        name: str = "Rprop",
        **kwargs: Any,
    ) -> None:
        super().__init__(name, **kwargs)
        if not 0.0 < eta_minus < 1.0 < eta_plus:
            raise ValueError(
                "Expected 0 < eta_minus < 1 < eta_plus; got "
                f"eta_minus={eta_minus}, eta_plus={eta_plus}."
            )
        if not 0.0 <= step_min <= step_max:
            raise ValueError(
                "Expected 0 <= step_min <= step_max; got "
                f"step_min={step_min}, step_max={step_max}."
            )
        self._take_arguments(locals())
        # The keyword `lr` may have replaced it.
        self._first_step = float(self._hyper["learning_rate"])

    @property
    def slots(self) -> dict[str, Any]:
        """Its slots, with what they start as."""
        first = initializers.Constant(self._first_step)
        return {"previous": "zeros", "step": first}

    def update(
        self, w: Any, g: Any, previous: Any, step: Any
    ) -> tuple[Any, dict[str, Any]]:
        """Returns the new value and slots, by the equation above."""
        c = g * previous
        longer = minimum(self.eta_plus * step, self.step_max)
        shorter = maximum(self.eta_minus * step, self.step_min)
        step = where(c > 0.0, longer, where(c < 0.0, shorter, step))
        g = where(c < 0.0, zeros_like(g), g)
        return w - sign(g) * step, {"previous": g, "step": step}
