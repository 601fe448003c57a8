"""AdamW: Adam with decoupled weight decay."""

from __future__ import annotations

from typing import Any

from graphopt import dtypes
from graphopt.dtypes import DType
from graphopt.keras.optimizers.adam import Adam
from graphopt.keras.optimizers.hyperparameters import EPSILON
from graphopt.ops.elementwise import cast


class AdamW(Adam):
    """Adam that also takes a part of each variable away.

        w <- w - lr weight_decay w;  then as `Adam`

    The part does not go through Adam's equation, unlike a penalty in the loss.

    Args:
      learning_rate: Number, tensor, callable or schedule.
      weight_decay: Number >= 0.
      beta_1: Number in [0, 1], tensor or callable: decay of the first moment.
      beta_2: Number in [0, 1], tensor or callable: decay of the second moment.
      epsilon: Number > 0; None and 0 stand for 1e-7.
      amsgrad: Whether to use the largest second moment.
      name: Scope of what it makes.
      **kwargs: As in `Optimizer`.

    Raises:
      ValueError: `weight_decay` is None.

    >>> import graphopt as tf
    >>> opt, w = tf.keras.optimizers.AdamW(0.1, weight_decay=0.5), tf.Variable(10.0)
    >>> _ = opt.minimize(lambda: w * w / 2.0, [w])
    >>> round(float(w), 4)
    9.4

    Source: `keras.optimizers.AdamW` (Keras 3); Loshchilov and Hutter 2017.
    """

    # Keras 3 rounds 1 - beta once, OptimizerV2 rounds beta before: with float32 variables
    # they are 7e-6 of a step apart.
    wide_hyperparameters = True

    def __init__(
        self,
        learning_rate: Any = 0.001,
        weight_decay: Any = 0.004,
        beta_1: Any = 0.9,
        beta_2: Any = 0.999,
        epsilon: float | None = EPSILON,
        amsgrad: bool = False,
        name: str = "AdamW",
        **kwargs: Any,
    ) -> None:
        if weight_decay is None:
            raise ValueError(
                "Argument `weight_decay` must be a float. Received: weight_decay=None"
            )
        super().__init__(
            learning_rate,
            beta_1,
            beta_2,
            epsilon,
            amsgrad,
            name,
            weight_decay=weight_decay,
            **kwargs,
        )

    def _rest(self, name: str, dtype: DType) -> Any:
        return cast(1.0 - self._get_hyper(name, dtypes.float64), dtype)
