"""Callbacks that set the learning rate: by epoch, or when a metric no longer gets better."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from graphopt.keras.callbacks.base import Callback
from graphopt.keras.callbacks.monitoring import (
    check_mode,
    grows,
    learning_rate,
    set_learning_rate,
    value_in,
)
from graphopt.keras.messages import warn_user, write_line


class LearningRateScheduler(Callback):
    """Sets the learning rate before each epoch.

    Args:
      schedule: From the epoch, from 0 on, and the learning rate to the new one, a float;
        it may also take the epoch alone.
      verbose: 1 for a line each time.

    Source: `tf.keras.callbacks.LearningRateScheduler`.
    """

    def __init__(self, schedule: Callable[..., Any], verbose: int = 0) -> None:
        super().__init__()
        self.schedule, self.verbose = schedule, verbose

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Sets the rate.

        Raises:
          ValueError: The schedule does not return a float.
        """
        before = float(learning_rate(self.model))
        try:
            rate = self.schedule(epoch, before)
        except TypeError:
            rate = self.schedule(epoch)
        value = rate.numpy() if hasattr(rate, "numpy") else rate
        if not isinstance(value, (float, np.floating, np.ndarray)):
            raise ValueError(
                f'The output of the "schedule" function should be float. Got: {rate}'
            )
        if np.asarray(value).dtype.kind != "f":
            raise ValueError(
                f"The dtype of `lr` Tensor should be float. Got: {rate.dtype}"
            )
        set_learning_rate(self.model, value)
        if self.verbose > 0:
            write_line(
                f"\nEpoch {epoch + 1}: LearningRateScheduler setting learning rate to "
                f"{rate}."
            )

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Adds the rate to the logs, as `lr`."""
        if logs is not None:
            logs["lr"] = learning_rate(self.model)


class ReduceLROnPlateau(Callback):
    """Lowers the learning rate when a metric no longer gets better.

    Args:
      monitor: The name of the metric in the logs.
      factor: What the rate is multiplied by, below 1.
      patience: After how many epochs without improvement.
      verbose: 1 for a line each time.
      mode: `"min"`, `"max"`, or `"auto"`: by the name, accuracies grow.
      min_delta: By how much the metric has to get better for that to count.
      cooldown: How many epochs nothing happens after that.
      min_lr: The rate never gets below this.
      **kwargs: `epsilon`, the former name of `min_delta`.

    Raises:
      ValueError: A factor of 1 or more.

    Source: `tf.keras.callbacks.ReduceLROnPlateau`.
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        factor: float = 0.1,
        patience: int = 10,
        verbose: int = 0,
        mode: str = "auto",
        min_delta: float = 1e-4,
        cooldown: int = 0,
        min_lr: float = 0,
        **kwargs: Any,
    ) -> None:
        super().__init__()
        if factor >= 1.0:
            raise ValueError(
                f"ReduceLROnPlateau does not support a factor >= 1.0. Got {factor}"
            )
        if "epsilon" in kwargs:
            min_delta = kwargs.pop("epsilon")
            warn_user("`epsilon` argument is deprecated, use `min_delta` instead.")
        if kwargs:
            raise TypeError(
                f"ReduceLROnPlateau: unexpected arguments {sorted(kwargs)}."
            )
        self.monitor, self.factor, self.patience = monitor, factor, patience
        self.verbose, self.min_delta, self.cooldown = verbose, min_delta, cooldown
        self.min_lr = min_lr
        self.mode = check_mode(mode, "Learning rate reduction")
        self._reset()

    def _reset(self) -> None:
        self._grows = grows(self.monitor, self.mode)
        self.best = -np.inf if self._grows else np.inf
        self.cooldown_counter = self.wait = 0

    def monitor_op(self, value: Any, best: Any) -> bool:
        """Whether a value is better than another, by more than `min_delta`."""
        if self._grows:
            return bool(value > best + self.min_delta)
        return bool(value < best - self.min_delta)

    def on_train_begin(self, logs: Any = None) -> None:
        """Forgets former trainings."""
        self._reset()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Looks at the metric; adds the rate to the logs, as `lr`."""
        logs = {} if logs is None else logs
        logs["lr"] = learning_rate(self.model)
        current = value_in(logs, self.monitor, "Learning rate reduction is")
        if current is None:
            return
        if self.in_cooldown():
            self.cooldown_counter -= 1
            self.wait = 0
        if self.monitor_op(current, self.best):
            self.best, self.wait = current, 0
        elif not self.in_cooldown():
            self.wait += 1
            if self.wait >= self.patience:
                self._reduce(epoch)

    def _reduce(self, epoch: int) -> None:
        old = learning_rate(self.model)
        if old <= np.float32(self.min_lr):
            return
        new = max(old * self.factor, self.min_lr)
        set_learning_rate(self.model, new)
        if self.verbose > 0:
            write_line(
                f"\nEpoch {epoch + 1}: ReduceLROnPlateau reducing learning rate to {new}."
            )
        self.cooldown_counter, self.wait = self.cooldown, 0

    def in_cooldown(self) -> bool:
        """Whether the rate was lowered a short time ago."""
        return self.cooldown_counter > 0
