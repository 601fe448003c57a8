"""Layerwise adaptive rates: each variable's step is as large as its norm allows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from graphopt.compat.v1.train import MomentumOptimizer
from graphopt.dtypes import DType
from graphopt.ops.creation import constant, ones_like
from graphopt.ops.einsum import norm
from graphopt.ops.elementwise import greater, logical_and, where
from graphopt.runtime.variable import Variable


class LARSOptimizer(MomentumOptimizer):
    """Momentum, with a learning rate of its own for each variable.

        rate = learning_rate eeta |w| / (|g| + weight_decay |w| + epsilon)
        a <- momentum a + rate (g + weight_decay w)
        w <- w - a

    where both norms are above 0, and with the learning rate as it is otherwise. Sparse
    gradients are those of `MomentumOptimizer`.

    Args:
      learning_rate: Number, tensor, variable or callable.
      momentum: Number, tensor, variable or callable.
      weight_decay: How much of a weight is added to its gradient.
      eeta: The factor of the rate.
      epsilon: Keeps the quotient finite.
      name: Scope of its ops and part of its slots' names.
      skip_list: Parts of names of variables that are updated by momentum alone.
      use_nesterov: Whether to look ahead.

    Source: `tf.contrib.opt.LARSOptimizer`; You, Gitman and Ginsburg 2017.
    """

    def __init__(
        self,
        learning_rate: Any,
        momentum: Any = 0.9,
        weight_decay: float = 0.0001,
        eeta: float = 0.001,
        epsilon: float = 0.0,
        name: str = "LARSOptimizer",
        skip_list: Sequence[str] | None = None,
        use_nesterov: bool = False,
    ) -> None:
        if momentum < 0.0:
            raise ValueError(f"momentum should be positive: {momentum}.")
        super().__init__(learning_rate, momentum, False, name, use_nesterov)
        self._weight_decay, self._eeta, self._epsilon = weight_decay, eeta, epsilon
        self._skip_list = skip_list
        self._rates: dict[DType, Any] = {}
        self._is_scaled = False

    def _is_skipped(self, var: Variable) -> bool:
        return any(part in var.name for part in self._skip_list or ())

    def coefficients(self, dtype: DType) -> dict[str, Any]:
        """Returns the rate, for sparse gradients, and the factor of the slot."""
        found = super().coefficients(dtype)
        self._rates[dtype] = found["lr"]
        return found

    def _scalars(self, dtype: DType) -> dict[str, Any]:
        found = super()._scalars(dtype)
        if self._is_scaled:
            found["lr"] = constant(1.0, dtype)
        return found

    def _apply_dense(self, grad: Any, var: Variable) -> Any:
        rate = self._rates[var.dtype]
        if not self._is_skipped(var):
            weight = var.read_value()
            size, slope = norm(weight), norm(grad)
            quotient = (
                self._eeta * size / (slope + self._weight_decay * size + self._epsilon)
            )
            both = logical_and(greater(size, 0.0), greater(slope, 0.0))
            rate = rate * where(both, quotient, ones_like(quotient))
            grad = grad + self._weight_decay * weight
        # The slot adds up steps, for their rates differ.
        self._is_scaled = True
        try:
            return super()._apply_dense(grad * rate, var)
        finally:
            self._is_scaled = False
