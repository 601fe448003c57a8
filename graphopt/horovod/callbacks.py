"""Callbacks for `fit` in Horovod's way: each rank has its own data."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from graphopt.horovod.exchange import broadcast_variables
from graphopt.horovod.state import find_ranks, size
from graphopt.keras.callbacks.base import Callback
from graphopt.keras.messages import write_line

__all__ = [
    "BroadcastGlobalVariablesCallback",
    "LearningRateScheduleCallback",
    "LearningRateWarmupCallback",
    "MetricAverageCallback",
]


class BroadcastGlobalVariablesCallback(Callback):
    """Gives the model and the optimizer the values of one rank, when training begins.

    What is made later, as weights at the first batch, begins with the values of rank 0.

    Args:
      root_rank: Which rank.
      device: Accepted for compatibility.
      local_variables: None.

    Source: `horovod.keras.callbacks.BroadcastGlobalVariablesCallback`.
    """

    def __init__(
        self, root_rank: int, device: str = "", local_variables: Any = None
    ) -> None:
        super().__init__()
        self.root_rank, self.device = root_rank, device

    def on_train_begin(self, logs: Any = None) -> None:
        """Exchanges the values."""
        if find_ranks() is None or not self.model.built:
            return
        optimizer = self.model.optimizer
        # One rank may have read slots from a file that the others have not made yet.
        if hasattr(optimizer, "build"):
            optimizer.build(list(self.model.trainable_variables))
        own: Any = getattr(optimizer, "weights", [])
        own = own() if callable(own) else own
        broadcast_variables([*self.model.variables, *own], self.root_rank)


class MetricAverageCallback(Callback):
    """Makes the logs of an epoch the means over all ranks; place it before others.

    Args:
      device: Accepted for compatibility.

    Source: `horovod.keras.callbacks.MetricAverageCallback`.
    """

    def __init__(self, device: str = "") -> None:
        super().__init__()

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Averages."""
        found = find_ranks()
        if found is None or not logs:
            return
        names = sorted(name for name, value in logs.items() if np.ndim(value) == 0)
        values = np.array([float(logs[name]) for name in names], np.float64)
        means = found.all_reduce(values, "sum") / found.size
        logs.update(zip(names, means.tolist(), strict=True))


class LearningRateScheduleCallback(Callback):
    """Multiplies the learning rate by what a function of the epoch says.

    Args:
      initial_lr: The rate.
      multiplier: A factor, or a function from the epoch to one; without `staircase` the
        epoch is a float that grows with every batch.
      start_epoch: The first epoch that this is for.
      end_epoch: The epoch before which it ends, or None.
      staircase: Whether the rate changes between epochs only.
      momentum_correction: Whether the momentum of a batch with a new rate is scaled by
        the ratio of the rates.
      steps_per_epoch: How many batches an epoch has; by default what `fit` knows.

    Source: `horovod.keras.callbacks.LearningRateScheduleCallback`.
    """

    def __init__(
        self,
        initial_lr: float,
        multiplier: float | Callable[[float], float],
        start_epoch: int = 0,
        end_epoch: int | None = None,
        staircase: bool = True,
        momentum_correction: bool = True,
        steps_per_epoch: int | None = None,
    ) -> None:
        super().__init__()
        if initial_lr is None:
            raise ValueError("Parameter `initial_lr` is required; got None.")
        self.initial_lr = initial_lr
        self.start_epoch, self.end_epoch = start_epoch, end_epoch
        self.staircase, self.momentum_correction = staircase, momentum_correction
        self.steps_per_epoch, self.current_epoch = steps_per_epoch, 0
        if callable(multiplier):
            self.multiplier = multiplier
        else:
            constant = float(multiplier)
            self.staircase = True
            self.multiplier = lambda epoch: constant
        self._momentum: float | None = None

    def on_train_begin(self, logs: Any = None) -> None:
        """Finds out how many batches there are."""
        if not self.staircase and not self.steps_per_epoch:
            self.steps_per_epoch = self.params.get("steps")
            if not self.steps_per_epoch:
                raise ValueError(
                    "Could not autodetect the number of steps per epoch; please specify "
                    "the steps_per_epoch parameter."
                )

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Notes which epoch it is."""
        self.current_epoch = epoch

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Sets the rate."""
        epoch = self.current_epoch
        if epoch < self.start_epoch or (
            self.end_epoch is not None and epoch >= self.end_epoch
        ):
            return
        if self.staircase and batch == 0:
            self._set_rate(epoch)
        elif not self.staircase:
            assert self.steps_per_epoch is not None
            self._set_rate(epoch + batch / self.steps_per_epoch)

    def _set_rate(self, epoch: float) -> None:
        optimizer = self.model.optimizer
        before = float(optimizer.learning_rate)
        now = self.initial_lr * self.multiplier(epoch)
        optimizer.learning_rate = now
        if self.momentum_correction and "momentum" in optimizer._hyper and before:
            self._momentum = float(optimizer.momentum)
            optimizer.momentum = self._momentum * now / before

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Takes the momentum back."""
        if self._momentum is not None:
            self.model.optimizer.momentum = self._momentum
            self._momentum = None

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Adds the rate to the logs."""
        if logs is not None:
            logs["lr"] = float(self.model.optimizer.learning_rate)


class LearningRateWarmupCallback(LearningRateScheduleCallback):
    """Lets the learning rate grow from that of one rank to that of all.

        rate = initial_lr / size * (1 + epoch (size - 1) / warmup_epochs)

    Args:
      initial_lr: The rate at the end.
      warmup_epochs: How many epochs it grows.
      momentum_correction: As in `LearningRateScheduleCallback`.
      steps_per_epoch: As in `LearningRateScheduleCallback`.
      verbose: 1 for a line at the end.

    Source: `horovod.keras.callbacks.LearningRateWarmupCallback`.
    """

    def __init__(
        self,
        initial_lr: float,
        warmup_epochs: float = 5,
        momentum_correction: bool = True,
        steps_per_epoch: int | None = None,
        verbose: int = 0,
    ) -> None:
        def multiplier(epoch: float) -> float:
            assert self.steps_per_epoch is not None
            # So that the last batch of the last epoch has the whole rate.
            at = epoch + 1.0 / self.steps_per_epoch
            return 1.0 / size() * (at * (size() - 1) / warmup_epochs + 1)

        super().__init__(
            initial_lr,
            multiplier,
            start_epoch=0,
            end_epoch=int(warmup_epochs),
            staircase=False,
            momentum_correction=momentum_correction,
            steps_per_epoch=steps_per_epoch,
        )
        self.warmup_epochs, self.verbose = warmup_epochs, verbose

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Says that it is over, if it is."""
        super().on_epoch_end(epoch, logs)
        if self.end_epoch is not None and epoch == self.end_epoch - 1 and self.verbose:
            rate = float(self.model.optimizer.learning_rate)
            write_line(
                f"\nEpoch {epoch + 1}: finished gradual learning rate warmup to {rate}."
            )
