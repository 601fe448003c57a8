"""Optimizers whose steps are larger where a gradient agrees with those before."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from graphopt.compat.v1.train import Optimizer, get_or_create_global_step
from graphopt.dtypes import DType
from graphopt.ops.creation import constant
from graphopt.ops.elementwise import cast, exp, sign


class _SignOptimizer(Optimizer):
    """Scales gradients by how their sign agrees with that of their running mean."""

    slots = {"m": "zeros"}

    def __init__(
        self,
        learning_rate: Any,
        factor: Any,
        beta: Any,
        sign_decay_fn: Callable[[Any], Any] | None,
        use_locking: bool,
        name: str,
    ) -> None:
        super().__init__(
            use_locking, name, learning_rate=learning_rate, factor=factor, beta=beta
        )
        self._sign_decay_fn = sign_decay_fn

    def coefficients(self, dtype: DType) -> dict[str, Any]:
        """Returns the rate, the factor and how much a sign counts."""
        weight = constant(1.0, dtype)
        if self._sign_decay_fn is not None:
            step = get_or_create_global_step()
            weight = cast(self._sign_decay_fn(step), dtype)
        return {
            "lr": self._get_hyper("learning_rate", dtype),
            "factor": self._get_hyper("factor", dtype),
            "beta": self._get_hyper("beta", dtype),
            "weight": weight,
        }


class AddSignOptimizer(_SignOptimizer):
    """Steps of lr (alpha + f sign(g) sign(m)) g, with m a running mean of gradients.

    Args:
      learning_rate: Number, tensor, variable or callable.
      alpha: The factor of a gradient without a direction.
      beta: How much of the mean is kept.
      sign_decay_fn: From the global step to f; 1 by default.
      use_locking: Accepted for compatibility.
      name: Scope of its ops and part of its slots' names.

    Source: `tf.contrib.opt.AddSignOptimizer`; Bello et al. 2017.
    """

    def __init__(
        self,
        learning_rate: Any = 0.1,
        alpha: Any = 1.0,
        beta: Any = 0.9,
        sign_decay_fn: Callable[[Any], Any] | None = None,
        use_locking: bool = False,
        name: str = "AddSignOptimizer",
    ) -> None:
        super().__init__(learning_rate, alpha, beta, sign_decay_fn, use_locking, name)

    def update(
        self, w: Any, g: Any, m: Any, *, lr: Any, factor: Any, beta: Any, weight: Any
    ) -> tuple[Any, Any]:
        """Returns the new value and slot, by the equation above."""
        m = m * beta + g * (1.0 - beta)
        return w - lr * (factor + weight * sign(g) * sign(m)) * g, {"m": m}


class PowerSignOptimizer(_SignOptimizer):
    """Steps of lr base ** (f sign(g) sign(m)) g, with m a running mean of gradients.

    Args:
      learning_rate: Number, tensor, variable or callable.
      base: What is raised to the power; a number.
      beta: How much of the mean is kept.
      sign_decay_fn: From the global step to f; 1 by default.
      use_locking: Accepted for compatibility.
      name: Scope of its ops and part of its slots' names.

    Source: `tf.contrib.opt.PowerSignOptimizer`; Bello et al. 2017.
    """

    def __init__(
        self,
        learning_rate: Any = 0.1,
        base: float = math.e,
        beta: Any = 0.9,
        sign_decay_fn: Callable[[Any], Any] | None = None,
        use_locking: bool = False,
        name: str = "PowerSignOptimizer",
    ) -> None:
        power = math.log(base)
        super().__init__(learning_rate, power, beta, sign_decay_fn, use_locking, name)

    def update(
        self, w: Any, g: Any, m: Any, *, lr: Any, factor: Any, beta: Any, weight: Any
    ) -> tuple[Any, Any]:
        """Returns the new value and slot, by the equation above; `factor` is log(base)."""
        m = m * beta + g * (1.0 - beta)
        return w - lr * exp(factor * weight * sign(g) * sign(m)) * g, {"m": m}
