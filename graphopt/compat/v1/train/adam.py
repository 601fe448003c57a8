"""Adam."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from graphopt.compat.v1.train.optimizer import Optimizer
from graphopt.dtypes import DType
from graphopt.graph.context import building_graph
from graphopt.ops.elementwise import cast, sqrt
from graphopt.runtime.variable import Variable


class AdamOptimizer(Optimizer):
    """Steps of a size that adapts to each element.

        lr_t = lr sqrt(1 - beta2^t) / (1 - beta1^t)
        m <- m + (1 - beta1) (g - m)
        v <- v + (1 - beta2) (g^2 - v)
        w <- w - lr_t m / (sqrt(v) + epsilon)

    with t = 1 in the first step. The powers of the betas are variables, `beta1_power`
    and `beta2_power`, which every step multiplies by beta1 and beta2, also where that
    step had a gradient for some of the variables only. A sparse gradient moves all rows,
    for m of the rows that it does not name is not zero.

    Args:
      learning_rate: Number, tensor, variable or callable.
      beta1: Number in [0, 1), tensor or callable: decay of the first moment.
      beta2: Number in [0, 1), tensor or callable: decay of the second moment.
      epsilon: Number > 0, tensor or callable; "epsilon hat" of the paper.
      use_locking: Accepted for compatibility.
      name: Scope of its ops and part of its slots' names.

    >>> import graphopt as tf
    >>> opt = tf.compat.v1.train.AdamOptimizer(0.1)
    >>> w = tf.Variable(10.0, name="w")
    >>> opt.minimize(lambda: w * w / 2.0)
    >>> round(float(w), 4), [v.name for v in opt.variables()]
    (9.9, ['beta1_power:0', 'beta2_power:0', 'w/Adam:0', 'w/Adam_1:0'])

    Source: `tf.compat.v1.train.AdamOptimizer`; Kingma and Ba 2014.
    """

    sparse_rows = "all"

    slots = {"m": "zeros", "v": "zeros"}

    def __init__(
        self,
        learning_rate: Any = 0.001,
        beta1: Any = 0.9,
        beta2: Any = 0.999,
        epsilon: Any = 1e-8,
        use_locking: bool = False,
        name: str = "Adam",
    ) -> None:
        super().__init__(
            use_locking,
            name,
            learning_rate=learning_rate,
            beta1=beta1,
            beta2=beta2,
            epsilon=epsilon,
        )

    def _create_slots(self, var_list: Sequence[Variable]) -> None:
        for name in ("beta1", "beta2"):
            start = self._hyper[name]
            if callable(start) and not isinstance(start, Variable):
                start = start()
            self._create_non_slot_variable(start, f"{name}_power", var_list)
        super()._create_slots(var_list)

    def _power(self, name: str) -> Variable:
        power = self._get_non_slot_variable(f"{name}_power", building_graph())
        assert power is not None
        return power

    def coefficients(self, dtype: DType) -> dict[str, Any]:
        """Returns the corrected rate and the betas."""
        power_1, power_2 = (
            cast(self._power(name).read_value(), dtype) for name in ("beta1", "beta2")
        )
        rate = self._get_hyper("learning_rate", dtype)
        return {
            "lr_t": rate * sqrt(1.0 - power_2) / (1.0 - power_1),
            "rest_1": 1.0 - self._get_hyper("beta1", dtype),
            "rest_2": 1.0 - self._get_hyper("beta2", dtype),
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
        """Returns the new value and slots, by the equation above."""
        m = m + rest_1 * (g - m)
        v = v + rest_2 * (g * g - v)
        return w - lr_t * m / (sqrt(v) + epsilon), {"m": m, "v": v}

    def _finish(self, update_ops: list[Any], name_scope: str) -> Any:
        steps = []
        for name in ("beta1", "beta2"):
            power = self._power(name)
            factor = self._get_hyper(name, power.dtype)
            new = power.read_value() * factor
            steps.append(power.assign(new, read_value=False))
        return super()._finish([*update_ops, *steps], name_scope)
