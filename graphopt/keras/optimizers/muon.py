"""Muon: momentum made orthogonal, for the matrices of a network."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Annotated, Any

from graphopt.dtypes import DType
from graphopt.keras.optimizers.base import Optimizer
from graphopt.keras.optimizers.hyperparameters import (
    EPSILON,
    Constant,
    Epsilon,
    Fraction,
    Number,
)
from graphopt.keras.optimizers.norms import norm
from graphopt.ops.elementwise import cast, pow, sqrt
from graphopt.ops.matmul import matmul
from graphopt.runtime.variable import Variable

_Patterns = Annotated[
    Sequence[str] | None, Constant(lambda patterns: list(patterns or ()))
]


class Muon(Optimizer):
    """Matrices move by an orthogonal matrix, everything else by AdamW.

        m <- momentum m + g;  d = g + momentum m with nesterov, else m
        w <- w - lr rms_rate sqrt(max(rows, columns)) orthogonalized(d)

    `orthogonalized` brings all singular values near 1, by `ns_steps` rounds of

        x <- a x + (b x x' + c (x x')^2) x                            x = d / |d| at first

    Variables that are no matrix, whose name has "embedding" in it, or that
    `exclude_layers` names, are updated by the equation of `AdamW`.

    Args:
      learning_rate: Number, tensor, callable or schedule.
      adam_beta_1: Number in [0, 1]: decay of AdamW's first moment.
      adam_beta_2: Number in [0, 1]: decay of AdamW's second moment.
      adam_weight_decay: Weight decay of what AdamW updates; None for none.
      epsilon: Number > 0, for AdamW.
      weight_decay: Weight decay of the matrices; None for none.
      exclude_layers: Regular expressions of names of variables for AdamW.
      exclude_embeddings: Whether embeddings are for AdamW.
      muon_a: The number a of the iteration.
      muon_b: The number b of the iteration.
      muon_c: The number c of the iteration.
      adam_lr_ratio: AdamW's learning rate, relative to the other.
      momentum: Number in [0, 1], tensor or callable.
      ns_steps: Number of rounds of the iteration.
      nesterov: Whether to look ahead.
      rms_rate: Size of a step, relative to that of AdamW; None leaves out both factors.
      name: Scope of what it makes.
      **kwargs: As in `Optimizer`.

    >>> import graphopt as tf
    >>> opt = tf.keras.optimizers.Muon(1.0, weight_decay=None, rms_rate=None)
    >>> w = tf.Variable([[2.0, 0.0], [0.0, 1.0]])
    >>> _ = opt.apply_gradients([(tf.constant([[6.0, 0.0], [0.0, 2.0]]), w)])
    >>> bool(tf.reduce_all(tf.abs(tf.linalg.diag_part(w) - [1.0, 0.0]) < 0.3))
    True

    Source: `keras.optimizers.Muon` (Keras 3); Jordan et al. 2024; Liu et al. 2025.
    """

    def __init__(
        self,
        learning_rate: Number = 0.001,
        adam_beta_1: Fraction = 0.9,
        adam_beta_2: Fraction = 0.999,
        adam_weight_decay: Any = 0.004,
        epsilon: Epsilon = EPSILON,
        weight_decay: Any = 0.004,
        exclude_layers: _Patterns = None,
        exclude_embeddings: bool = True,
        muon_a: float = 3.4445,
        muon_b: float = -4.7750,
        muon_c: float = 2.0315,
        adam_lr_ratio: float = 1.0,
        momentum: Fraction = 0.95,
        ns_steps: int = 5,
        nesterov: bool = True,
        rms_rate: float | None = 0.2,
        name: str = "Muon",
        **kwargs: Any,
    ) -> None:
        super().__init__(name, weight_decay=weight_decay, **kwargs)
        self._take_arguments(locals())

    def _is_for_adam(self, var: Variable) -> bool:
        name = var.key.name
        return (
            len(var.shape) != 2
            or (self.exclude_embeddings and "embedding" in name.lower())
            or any(re.search(pattern, name) for pattern in self.exclude_layers)
        )

    @property
    def slots(self) -> dict[str, Any]:
        """Its slots, with what they start as."""
        return {"momentum": "zeros", "velocity": "zeros"}

    def _create_slots(self, var_list: Sequence[Variable]) -> None:
        for var in var_list:
            for name in self._slots_of(var):
                self.add_slot(var, name)

    def _slots_of(self, var: Variable) -> Iterable[str]:
        return ("momentum", "velocity") if self._is_for_adam(var) else ("momentum",)

    def _equation_of(self, var: Variable) -> Callable[..., Any]:
        return self.adam_update if self._is_for_adam(var) else self.update

    def _weight_decay_of(self, var: Variable) -> Any:
        if not self._decays(var):
            return None
        return (
            self.adam_weight_decay
            if self._is_for_adam(var)
            else self._get_option("weight_decay")
        )

    def coefficients(self, dtype: DType, learning_rate: Any) -> dict[str, Any]:
        """Returns the momentum factor, the betas and the corrected learning rate."""
        t = cast(self._step() + 1, dtype)
        beta_1 = self._get_hyper("adam_beta_1", dtype)
        beta_2 = self._get_hyper("adam_beta_2", dtype)
        correction = sqrt(1.0 - pow(beta_2, t)) / (1.0 - pow(beta_1, t))
        return {
            "mu": self._get_hyper("momentum", dtype),
            "beta_1": beta_1,
            "beta_2": beta_2,
            "adam_rate": learning_rate * self.adam_lr_ratio * correction,
        }

    def update(
        self, w: Any, g: Any, momentum: Any, *, lr_t: Any, mu: Any, **_: Any
    ) -> tuple[Any, dict[str, Any]]:
        """Returns the new value and slots of a matrix, by the equation above."""
        m = mu * momentum + g
        step = self.orthogonalized(g + mu * m if self.nesterov else m)
        if self.rms_rate is not None:
            step = step * (self.rms_rate * math.sqrt(max(w.shape)))
        return w - lr_t * step, {"momentum": m}

    def orthogonalized(self, x: Any) -> Any:
        """Returns a matrix with the singular vectors of another and values near 1.

        Args:
          x: `[rows, columns]`.
        """
        rows, columns = x.shape
        # x x' is the smaller product if x is wide.
        x = x / (norm(x) + 1e-7)
        tall = rows > columns
        for _ in range(self.ns_steps):
            a = matmul(x, x, transpose_a=tall, transpose_b=not tall)
            b = self.muon_b * a + self.muon_c * matmul(a, a)
            x = self.muon_a * x + (matmul(x, b) if tall else matmul(b, x))
        return x

    def adam_update(
        self,
        w: Any,
        g: Any,
        momentum: Any,
        velocity: Any,
        *,
        adam_rate: Any,
        beta_1: Any,
        beta_2: Any,
        **_: Any,
    ) -> tuple[Any, dict[str, Any]]:
        """Returns the new value and slots of what is no matrix, as in `Adam`."""
        m = beta_1 * momentum + (1.0 - beta_1) * g
        v = beta_2 * velocity + (1.0 - beta_2) * (g * g)
        step = adam_rate * m / (sqrt(v) + self.epsilon)
        return w - step, {"momentum": m, "velocity": v}

    def get_config(self) -> dict[str, Any]:
        """Returns what `from_config` makes the same optimizer of."""
        return {"weight_decay": None, **super().get_config()}
