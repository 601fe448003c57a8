"""Nadam: Adam with Nesterov's momentum."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from graphopt.dtypes import DType
from graphopt.keras.optimizers.base import Optimizer
from graphopt.keras.optimizers.hyperparameters import (
    EPSILON,
    Epsilon,
    Fraction,
    Number,
    as_number,
)
from graphopt.keras.optimizers.schedules import LearningRateSchedule
from graphopt.keras.optimizers.updates import Step, chosen
from graphopt.ops.elementwise import cast, pow, sqrt
from graphopt.runtime.variable import Variable


class Nadam(Optimizer):
    """Adam that looks ahead, with a momentum that warms up.

        mu_t = beta_1 (1 - 0.96^(schedule_decay t) / 2);  c <- c mu_t
        m <- beta_1 m + (1 - beta_1) g
        v <- beta_2 v + (1 - beta_2) g^2
        step = (1 - mu_t) g / (1 - c) + mu_(t+1) m / (1 - c mu_(t+1))
        w <- w - lr step / (sqrt(v / (1 - beta_2^t)) + epsilon)

    with t = 1 in the first step and c = 1 before it. `decay` is what TensorFlow calls
    `schedule_decay`; it does not change the learning rate.

    Args:
      learning_rate: Number, tensor or callable.
      beta_1: Number in [0, 1], tensor or callable: decay of the mean.
      beta_2: Number in [0, 1], tensor or callable: decay of the second moment.
      epsilon: Number > 0; None and 0 stand for 1e-7.
      name: Scope of what it makes.
      **kwargs: As in `Optimizer`, and `schedule_decay`, 0.004 by default.

    Raises:
      ValueError: `learning_rate` is a schedule.

    >>> import graphopt as tf
    >>> opt, w = tf.keras.optimizers.Nadam(0.1), tf.Variable(1.0)
    >>> opt.apply_gradients([(tf.constant(5.0), w)]) is opt.iterations
    True
    >>> round(float(w), 4)
    0.8944

    Source: `tf.keras.optimizers.Nadam` (OptimizerV2); Dozat 2016.
    """

    is_elementwise = True
    slots = {"m": "zeros", "v": "zeros"}
    sparse_rows = "all slots"

    def __init__(
        self,
        learning_rate: Number = 0.001,
        beta_1: Fraction = 0.9,
        beta_2: Fraction = 0.999,
        epsilon: Epsilon = EPSILON,
        name: str = "Nadam",
        **kwargs: Any,
    ) -> None:
        # The keyword `decay` is overwritten, as TensorFlow does.
        kwargs["decay"] = kwargs.pop("schedule_decay", 0.004)
        if isinstance(kwargs.get("lr", learning_rate), LearningRateSchedule):
            raise ValueError(
                "The Nadam optimizer does not support "
                "tf.keras.optimizers.LearningRateSchedules as the learning rate."
            )
        super().__init__(name, **kwargs)
        self._take_arguments(locals())
        self._m_cache: Variable | None = None

    def _create_slots(self, var_list: Sequence[Variable]) -> None:
        if self._m_cache is None:
            self._m_cache = self.add_weight(
                "momentum_cache",
                shape=[],
                dtype=var_list[0].dtype,
                initializer="ones",
                trainable=False,
            )
        super()._create_slots(var_list)

    def _decayed_lr(self, var_dtype: Any) -> Any:
        return self._get_hyper("learning_rate", var_dtype)

    def _begin_step(self, step: Step) -> list[Any]:
        assert self._m_cache is not None
        # One product of momenta for all dtypes, moved on once a step.
        dtype = self._m_cache.dtype
        before = self._m_cache.read_value()
        self._cache_t = before * self._momentum(dtype, cast(self._step() + 1, dtype))
        kept = chosen(step.only_if, self._cache_t, before)
        # Part of the step, but nothing waits for it: what does is not read in place.
        return [self._m_cache.assign(kept, read_value=False)]

    def _momentum(self, dtype: DType, t: Any) -> Any:
        decay = pow(as_number(0.96, dtype), self._initial_decay * t)
        return self._get_hyper("beta_1", dtype) * (1.0 - 0.5 * decay)

    def coefficients(self, dtype: DType, learning_rate: Any) -> dict[str, Any]:
        """Returns the factors of gradient and mean, and the betas."""
        t = cast(self._step() + 1, dtype)
        beta_1 = self._get_hyper("beta_1", dtype)
        beta_2 = self._get_hyper("beta_2", dtype)
        mu, mu_next = self._momentum(dtype, t), self._momentum(dtype, t + 1.0)
        c = cast(self._cache_t, dtype)
        return {
            "beta_1": beta_1,
            "beta_2": beta_2,
            "rest_1": 1.0 - beta_1,
            "rest_2": 1.0 - beta_2,
            "factor_g": (1.0 - mu) / (1.0 - c),
            "factor_m": mu_next / (1.0 - c * mu_next),
            "correction": 1.0 - pow(beta_2, t),
        }

    def update(
        self,
        w: Any,
        g: Any,
        m: Any,
        v: Any,
        *,
        lr_t: Any,
        beta_1: Any,
        beta_2: Any,
        rest_1: Any,
        rest_2: Any,
        factor_g: Any,
        factor_m: Any,
        correction: Any,
    ) -> tuple[Any, dict[str, Any]]:
        """Returns the new value and slots, by the equation above."""
        m = beta_1 * m + rest_1 * g
        v = beta_2 * v + rest_2 * (g * g)
        step = factor_g * g + factor_m * m
        return (
            w - lr_t * step / (sqrt(v / correction) + self.epsilon),
            {"m": m, "v": v},
        )

    def get_config(self) -> dict[str, Any]:
        """Returns what `from_config` makes the same optimizer of."""
        # The keyword `decay` is overwritten; this one is not.
        return {**super().get_config(), "schedule_decay": self._initial_decay}
