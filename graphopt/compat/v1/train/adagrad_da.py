"""Adagrad by dual averaging."""

from __future__ import annotations

from typing import Any

from graphopt.compat.v1.train.checks import check_not_negative, check_positive
from graphopt.compat.v1.train.optimizer import Optimizer
from graphopt.dtypes import DType
from graphopt.keras import initializers
from graphopt.ops.elementwise import abs, cast, maximum, sign, sqrt
from graphopt.runtime.variable import Variable


class AdagradDAOptimizer(Optimizer):
    """Adagrad with regularization, for sparse linear models.

        a <- a + g;  n <- n + g^2
        w <- -sign(a) lr max(|a| - l1 t, 0) / (l2 t lr + sqrt(n))

    with t = global_step + 1. The old value of w has no part in the new one; a row that a
    sparse gradient names takes all steps since it was last named at once.

    Args:
      learning_rate: Number, tensor, variable or callable.
      global_step: Variable or tensor: the number of steps before this one. It has to be
        passed to `minimize` too, which counts.
      initial_gradient_squared_accumulator_value: Number > 0: what n starts with.
      l1_regularization_strength: Number >= 0, tensor or callable.
      l2_regularization_strength: Number >= 0, tensor or callable.
      use_locking: Accepted for compatibility.
      name: Scope of its ops and part of its slots' names.

    Raises:
      ValueError: A number is out of range.

    >>> import graphopt as tf
    >>> train = tf.compat.v1.train
    >>> w, step = tf.Variable(1.0), tf.Variable(0)
    >>> opt = train.AdagradDAOptimizer(0.5, step)
    >>> opt.apply_gradients([(tf.constant(1.0), w)], global_step=step)
    >>> round(float(w), 4)
    -0.4767

    Source: `tf.compat.v1.train.AdagradDAOptimizer`; Duchi et al. 2011.
    """

    def __init__(
        self,
        learning_rate: Any,
        global_step: Any,
        initial_gradient_squared_accumulator_value: float = 0.1,
        l1_regularization_strength: Any = 0.0,
        l2_regularization_strength: Any = 0.0,
        use_locking: bool = False,
        name: str = "AdagradDA",
    ) -> None:
        check_positive(
            "initial_gradient_squared_accumulator_value",
            initial_gradient_squared_accumulator_value,
        )
        check_not_negative(
            l1_regularization_strength=l1_regularization_strength,
            l2_regularization_strength=l2_regularization_strength,
        )
        super().__init__(
            use_locking,
            name,
            learning_rate=learning_rate,
            l1_regularization_strength=l1_regularization_strength,
            l2_regularization_strength=l2_regularization_strength,
        )
        self._global_step = global_step
        self._initial_value = initial_gradient_squared_accumulator_value

    @property
    def slots(self) -> dict[str, Any]:
        """Its slots, with what they start as."""
        return {
            "gradient_accumulator": "zeros",
            "gradient_squared_accumulator": initializers.Constant(self._initial_value),
        }

    def coefficients(self, dtype: DType) -> dict[str, Any]:
        """Returns the rate and the strengths, which grow with the step."""
        step = self._global_step
        if isinstance(step, Variable):
            step = step.read_value()
        t = cast(step, dtype) + 1.0
        rate = self._get_hyper("learning_rate", dtype)
        l2 = self._get_hyper("l2_regularization_strength", dtype)
        return {
            "lr": rate,
            "l1_t": self._get_hyper("l1_regularization_strength", dtype) * t,
            "l2_t": l2 * t * rate,
        }

    def update(
        self,
        w: Any,
        g: Any,
        gradient_accumulator: Any,
        gradient_squared_accumulator: Any,
        *,
        lr: Any,
        l1_t: Any,
        l2_t: Any,
    ) -> tuple[Any, Any]:
        """Returns the new value and slots, by the equation above."""
        a = gradient_accumulator + g
        n = gradient_squared_accumulator + g * g
        shrunk = sign(a) * maximum(abs(a) - l1_t, 0.0)
        slots = {"gradient_accumulator": a, "gradient_squared_accumulator": n}
        return -lr * shrunk / (l2_t + sqrt(n)), slots
