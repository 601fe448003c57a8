"""Learning rates along a cosine of the global step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from graphopt.compat.v1.train.decays import decayed
from graphopt.graph.tensor import Tensor
from graphopt.keras.optimizers import schedules
from graphopt.keras.optimizers.schedules.linear_cosine import (
    decaying_noise,
    linear_cosine,
)
from graphopt.runtime.variable import Variable


def cosine_decay(
    learning_rate: Any,
    global_step: Any,
    decay_steps: Any,
    alpha: Any = 0.0,
    name: str | None = None,
) -> Any:
    """learning_rate * ((1 - alpha) * (1 + cos(pi * min(s, n) / n)) / 2 + alpha).

    Args:
      learning_rate: Number or tensor: the rate at step 0.
      global_step: Variable, tensor or number >= 0.
      decay_steps: Number > 0 or tensor: n.
      alpha: Number or tensor: the last rate as a fraction of the first.
      name: Scope of the ops.

    Returns:
      As `exponential_decay`.

    >>> import graphopt as tf
    >>> float(tf.compat.v1.train.cosine_decay(1.0, 10, 10, alpha=0.25)())
    0.25

    Source: `tf.compat.v1.train.cosine_decay`; Loshchilov and Hutter 2016.
    """
    return decayed(
        lambda step, of: schedules.CosineDecay(
            of(learning_rate), of(decay_steps), of(alpha)
        )(step),
        learning_rate,
        global_step,
        name or "CosineDecay",
    )


def cosine_decay_restarts(
    learning_rate: Any,
    global_step: Any,
    first_decay_steps: Any,
    t_mul: float = 2.0,
    m_mul: Any = 1.0,
    alpha: Any = 0.0,
    name: str | None = None,
) -> Any:
    """Cosine decay that starts again, each time for `t_mul` times as many steps.

    Args:
      learning_rate: Number or tensor: the rate at step 0.
      global_step: Variable, tensor or number >= 0.
      first_decay_steps: Number > 0 or tensor: steps of the first period.
      t_mul: Number >= 1: how much longer each period is than the one before.
      m_mul: Number or tensor: how much its first rate changes.
      alpha: Number or tensor: the lowest rate as a fraction of the first.
      name: Scope of the ops.

    Returns:
      As `exponential_decay`.

    Raises:
      NotImplementedError: `t_mul` is a tensor.

    >>> import graphopt as tf
    >>> float(tf.compat.v1.train.cosine_decay_restarts(1.0, 4, 4, m_mul=0.5)())
    0.5

    Source: `tf.compat.v1.train.cosine_decay_restarts`; Loshchilov and Hutter 2016.
    """
    if isinstance(t_mul, (Tensor, Variable)):
        raise NotImplementedError(
            f"cosine_decay_restarts needs t_mul as a number; got {t_mul!r}."
        )
    return decayed(
        lambda step, of: schedules.CosineDecayRestarts(
            of(learning_rate), of(first_decay_steps), t_mul, of(m_mul), of(alpha)
        )(step),
        learning_rate,
        global_step,
        name or "SGDRDecay",
    )


def linear_cosine_decay(
    learning_rate: Any,
    global_step: Any,
    decay_steps: Any,
    num_periods: Any = 0.5,
    alpha: Any = 0.0,
    beta: Any = 0.001,
    name: str | None = None,
) -> Any:
    """learning_rate * ((alpha + 1 - f) * (1 + cos(2 pi num_periods f)) / 2 + beta).

    with f = min(global_step, decay_steps) / decay_steps.

    Args:
      learning_rate: Number or tensor: the rate at step 0, nearly.
      global_step: Variable, tensor or number >= 0.
      decay_steps: Number > 0 or tensor.
      num_periods: Number or tensor: periods of the cosine.
      alpha: Number or tensor.
      beta: Number or tensor: the last rate as a fraction of the first.
      name: Scope of the ops.

    Returns:
      As `exponential_decay`.

    >>> import graphopt as tf
    >>> round(float(tf.compat.v1.train.linear_cosine_decay(1.0, 5, 10)()), 4)
    0.251

    Source: `tf.compat.v1.train.linear_cosine_decay`; Bello et al. 2017.
    """
    return decayed(
        lambda step, of: linear_cosine(
            step,
            of(learning_rate),
            of(decay_steps),
            of(num_periods),
            of(alpha),
            of(beta),
        ),
        learning_rate,
        global_step,
        name or "LinearCosineDecay",
    )


def noisy_linear_cosine_decay(
    learning_rate: Any,
    global_step: Any,
    decay_steps: Any,
    initial_variance: Any = 1.0,
    variance_decay: Any = 0.55,
    num_periods: Any = 0.5,
    alpha: Any = 0.0,
    beta: Any = 0.001,
    name: str | None = None,
) -> Any:
    """Linear cosine decay with normal noise, whose variance decays, on the line.

    The variance is initial_variance / (1 + s) ** variance_decay at step s. The rate may
    be negative while it is large.

    Args:
      learning_rate: Number or tensor: the rate at step 0, but for the noise.
      global_step: Variable, tensor or number >= 0.
      decay_steps: Number > 0 or tensor.
      initial_variance: Number >= 0 or tensor.
      variance_decay: Number or tensor.
      num_periods: Number or tensor: periods of the cosine.
      alpha: Number or tensor.
      beta: Number or tensor.
      name: Scope of the ops.

    Returns:
      As `exponential_decay`; the noise is drawn anew in each step.

    >>> import graphopt as tf
    >>> rate = tf.compat.v1.train.noisy_linear_cosine_decay(1.0, 5, 10, 0.0)
    >>> round(float(rate()), 4)
    0.251

    Source: `tf.compat.v1.train.noisy_linear_cosine_decay`; Bello et al. 2017.
    """

    def rate_at(step: Any, of: Callable[[Any], Any]) -> Any:
        def noise(step: Any) -> Any:
            return decaying_noise(step, of(initial_variance), of(variance_decay))

        return linear_cosine(
            step,
            of(learning_rate),
            of(decay_steps),
            of(num_periods),
            of(alpha),
            of(beta),
            noise,
        )

    return decayed(
        rate_at, learning_rate, global_step, name or "NoisyLinearCosineDecay"
    )
