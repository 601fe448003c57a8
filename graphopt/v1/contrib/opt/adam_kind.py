"""Optimizers that are Adam but for one thing."""

from __future__ import annotations

from typing import Any

from graphopt.compat.v1.train import AdamOptimizer
from graphopt.dtypes import DType
from graphopt.ops.elementwise import abs, cast, maximum, sqrt


class LazyAdamOptimizer(AdamOptimizer):
    """Adam that moves only the rows that a sparse gradient names.

    The equation is that of `AdamOptimizer`; moments of other rows stay as they are.

    Source: `tf.contrib.opt.LazyAdamOptimizer`.
    """

    sparse_rows = "touched"


class NadamOptimizer(AdamOptimizer):
    """Adam with Nesterov's momentum: the step looks ahead.

        w <- w - lr_t (beta1 m + (1 - beta1) g) / (sqrt(v) + epsilon)

    with all else as in `AdamOptimizer`.

    Args:
      learning_rate, beta1, beta2, epsilon, use_locking: As in `AdamOptimizer`.
      name: Scope of its ops and part of its slots' names.

    Source: `tf.contrib.opt.NadamOptimizer`; Dozat 2016.
    """

    def __init__(
        self,
        learning_rate: Any = 0.001,
        beta1: Any = 0.9,
        beta2: Any = 0.999,
        epsilon: Any = 1e-8,
        use_locking: bool = False,
        name: str = "Nadam",
    ) -> None:
        super().__init__(learning_rate, beta1, beta2, epsilon, use_locking, name)

    def update(
        self,
        w: Any,
        g: Any,
        m: Any,
        v: Any,
        *,
        lr_t: Any,
        rest_1: Any,
        rest_2: Any,
        epsilon: Any,
    ) -> tuple[Any, Any]:
        """Returns the new value and slots, by the equation above."""
        m = m + rest_1 * (g - m)
        v = v + rest_2 * (g * g - v)
        ahead = m + rest_1 * (g - m)
        return w - lr_t * ahead / (sqrt(v) + epsilon), {"m": m, "v": v}


class AdaMaxOptimizer(AdamOptimizer):
    """Adam with the largest gradient, which fades, in the place of the second moment.

        m <- m + (1 - beta1) (g - m)
        v <- max(beta2 v, |g|)
        w <- w - lr / (1 - beta1^t) m / (v + epsilon)

    Args:
      learning_rate, beta1, beta2, epsilon, use_locking: As in `AdamOptimizer`.
      name: Scope of its ops and part of its slots' names.

    Source: `tf.contrib.opt.AdaMaxOptimizer`; Kingma and Ba 2014.
    """

    sparse_rows = "touched"

    def __init__(
        self,
        learning_rate: Any = 0.001,
        beta1: Any = 0.9,
        beta2: Any = 0.999,
        epsilon: Any = 1e-8,
        use_locking: bool = False,
        name: str = "AdaMax",
    ) -> None:
        super().__init__(learning_rate, beta1, beta2, epsilon, use_locking, name)

    def coefficients(self, dtype: DType) -> dict[str, Any]:
        """Returns the corrected rate and the betas."""
        power = cast(self._power("beta1").read_value(), dtype)
        return {
            "lr_t": self._get_hyper("learning_rate", dtype) / (1.0 - power),
            "rest_1": 1.0 - self._get_hyper("beta1", dtype),
            "rest_2": self._get_hyper("beta2", dtype),
            "epsilon": self._get_hyper("epsilon", dtype),
        }

    def update(
        self,
        w: Any,
        g: Any,
        m: Any,
        v: Any,
        *,
        lr_t: Any,
        rest_1: Any,
        rest_2: Any,
        epsilon: Any,
    ) -> tuple[Any, Any]:
        """Returns the new value and slots, by the equation above; `rest_2` is beta2."""
        m = m + rest_1 * (g - m)
        v = maximum(rest_2 * v, abs(g))
        return w - lr_t * m / (v + epsilon), {"m": m, "v": v}
