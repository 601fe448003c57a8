"""Adafactor: second moments of a matrix from those of its rows and columns."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from graphopt.dtypes import DType
from graphopt.keras.optimizers.base import Optimizer
from graphopt.keras.optimizers.hyperparameters import Number
from graphopt.keras.optimizers.norms import root_mean_square
from graphopt.ops.elementwise import cast, maximum, minimum, pow, rsqrt, sqrt
from graphopt.ops.reduction import reduce_mean
from graphopt.ops.shaping import expand_dims
from graphopt.runtime.variable import Variable


class Adafactor(Optimizer):
    """Adaptive steps with memory for one row and one column instead of a matrix.

        beta_t = 1 - t^beta_2_decay;  rho = min(lr, 1 / sqrt(t))
        G = g^2 + epsilon_1
        r <- beta_t r + (1 - beta_t) mean(G over columns);  c likewise over rows
        v = r c / mean(r)                          a vector has v itself as a slot
        u = g / sqrt(v);  u <- u / max(1, rms(u) / clip_threshold)
        w <- w - max(epsilon_2, rms(w)) rho u

    with rms the root mean square over the variable. The last two axes are factored.

    Args:
      learning_rate: Number, tensor, callable or schedule.
      beta_2_decay: Number < 0: how fast the average gets longer.
      epsilon_1: Number > 0, added to squares.
      epsilon_2: Number > 0: the least size that a variable is taken to have.
      clip_threshold: Number > 0: the largest root mean square of a step.
      relative_step: Kept for configs of Keras 3, where it changes nothing either: the
        rate is never above 1 / sqrt(t).
      name: Scope of what it makes.
      **kwargs: As in `Optimizer`.

    >>> import graphopt as tf
    >>> opt, w = tf.keras.optimizers.Adafactor(0.5), tf.Variable([[3.0, 4.0]])
    >>> _ = opt.minimize(lambda: w * w, [w])
    >>> print(w.numpy().round(3), [slot.shape for slot in opt.weights[1:]])
    [[1.232 2.232]] [TensorShape([1]), TensorShape([2])]

    Source: `keras.optimizers.Adafactor` (Keras 3); Shazeer and Stern 2018.
    """

    def __init__(
        self,
        learning_rate: Number = 0.001,
        beta_2_decay: float = -0.8,
        epsilon_1: float = 1e-30,
        epsilon_2: float = 1e-3,
        clip_threshold: float = 1.0,
        relative_step: bool = True,
        name: str = "Adafactor",
        **kwargs: Any,
    ) -> None:
        super().__init__(name, **kwargs)
        self._take_arguments(locals())

    @property
    def slots(self) -> dict[str, Any]:
        """Its slots, with what they start as."""
        return dict.fromkeys(("r", "c", "v"), "zeros")

    def _create_slots(self, var_list: Sequence[Variable]) -> None:
        for var in var_list:
            shape = list(var.shape)
            shapes = {"r": shape[:-1], "c": [*shape[:-2], *shape[-1:]], "v": shape}
            for name in self._slots_of(var):
                self.add_slot(var, name, "zeros", shapes[name])

    def _slots_of(self, var: Variable) -> Iterable[str]:
        return ("r", "c") if len(var.shape) >= 2 else ("v",)

    def coefficients(self, dtype: DType, learning_rate: Any) -> dict[str, Any]:
        """Returns the decay of the averages and the rate of this step."""
        t = cast(self._step() + 1, dtype)
        return {
            "rest": pow(t, self.beta_2_decay),
            "rho": minimum(learning_rate, 1.0 / sqrt(t)),
        }

    def update(
        self,
        w: Any,
        g: Any,
        r: Any = None,
        c: Any = None,
        v: Any = None,
        *,
        rest: Any,
        rho: Any,
    ) -> tuple[Any, dict[str, Any]]:
        """Returns the new value and slots, by the equation above."""
        squares = g * g + self.epsilon_1
        if v is None:
            r = (1.0 - rest) * r + rest * reduce_mean(squares, axis=-1)
            c = (1.0 - rest) * c + rest * reduce_mean(squares, axis=-2)
            shares = r / reduce_mean(r, axis=-1, keepdims=True)
            slots = {"r": r, "c": c}
            # The roots of vectors, not one of each element of the matrix.
            u = g * expand_dims(rsqrt(shares), -1) * expand_dims(rsqrt(c), -2)
        else:
            v = (1.0 - rest) * v + rest * squares
            slots = {"v": v}
            u = g / sqrt(v)
        u = u / maximum(root_mean_square(u) / self.clip_threshold, 1.0)
        return w - maximum(root_mean_square(w), self.epsilon_2) * rho * u, slots
