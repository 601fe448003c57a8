"""Callbacks that end training: `EarlyStopping` and `TerminateOnNaN`."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphopt.keras.callbacks.base import Callback, plain_logs
from graphopt.keras.callbacks.monitoring import check_mode, grows, value_in
from graphopt.keras.messages import write_line


class EarlyStopping(Callback):
    """Ends training when a metric no longer gets better.

    Args:
      monitor: The name of the metric in the logs.
      min_delta: By how much it has to get better for that to count.
      patience: How many epochs without that it takes.
      verbose: 1 for a line when it happens.
      mode: `"min"`, `"max"`, or `"auto"`: by the name, accuracies and areas grow.
      baseline: A value that the metric has to get better than.
      restore_best_weights: Whether the model gets the weights of its best epoch back, at
        the end of training for whatever reason.
      start_from_epoch: The first epoch that is looked at.

    Source: `tf.keras.callbacks.EarlyStopping`.
    """

    def __init__(
        self,
        monitor: str = "val_loss",
        min_delta: float = 0,
        patience: int = 0,
        verbose: int = 0,
        mode: str = "auto",
        baseline: float | None = None,
        restore_best_weights: bool = False,
        start_from_epoch: int = 0,
    ) -> None:
        super().__init__()
        self.monitor, self.patience, self.verbose = monitor, patience, verbose
        self.baseline, self.restore_best_weights = baseline, restore_best_weights
        self.start_from_epoch = start_from_epoch
        mode = check_mode(mode, "EarlyStopping")
        self.monitor_op: Any = np.less
        if grows(monitor, mode, ("acc", "accuracy", "auc")):
            self.monitor_op = np.greater
        self.min_delta = abs(min_delta) * (1 if self.monitor_op is np.greater else -1)
        self.best_weights: Any = None
        self.best: Any = None
        self.wait = self.stopped_epoch = self.best_epoch = 0

    def on_train_begin(self, logs: Any = None) -> None:
        """Forgets former trainings."""
        self.wait = self.stopped_epoch = self.best_epoch = 0
        self.best = np.inf if self.monitor_op is np.less else -np.inf
        self.best_weights = None

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Looks at the metric."""
        current = self.get_monitor_value(logs)
        if current is None or epoch < self.start_from_epoch:
            return
        if self.restore_best_weights and self.best_weights is None:
            # Also where no epoch is ever better than what there was before.
            self._keep(epoch)
        self.wait += 1
        if self._is_improvement(current, self.best):
            self.best, self.best_epoch = current, epoch
            if self.restore_best_weights:
                self._keep(epoch)
            if self.baseline is None or self._is_improvement(current, self.baseline):
                self.wait = 0
            return
        if self.wait >= self.patience and epoch > 0:
            self.stopped_epoch = epoch
            self.model.stop_training = True

    def on_train_end(self, logs: Any = None) -> None:
        """Restores the best weights, if asked to."""
        if self.stopped_epoch > 0 and self.verbose > 0:
            write_line(f"Epoch {self.stopped_epoch + 1}: early stopping")
        if self.restore_best_weights and self.best_weights is not None:
            if self.verbose > 0:
                write_line(
                    "Restoring model weights from the end of the best epoch: "
                    f"{self.best_epoch + 1}."
                )
            self.model.set_weights(self.best_weights)

    def get_monitor_value(self, logs: Any) -> Any:
        """Returns the metric, or None with a warning."""
        return value_in(logs, self.monitor, "Early stopping")

    def _keep(self, epoch: int) -> None:
        self.best_weights, self.best_epoch = self.model.get_weights(), epoch

    def _is_improvement(self, value: Any, reference: Any) -> bool:
        return bool(self.monitor_op(value - self.min_delta, reference))


class TerminateOnNaN(Callback):
    """Ends training at the batch whose loss is not finite, and says what else is not.

    Source: `tf.keras.callbacks.TerminateOnNaN`.
    """

    def on_batch_end(self, batch: int, logs: Any = None) -> None:
        """Looks at the loss."""
        loss = plain_logs(logs).get("loss")
        if loss is None or np.isfinite(loss).all():
            return
        write_line(f"Batch {batch}: Invalid loss, terminating training")
        write_line(describe_not_finite(self.model, loss))
        self.model.stop_training = True


def describe_not_finite(model: Any, loss: Any) -> str:
    """Says which weights of a model are not finite, and what names the op.

    Args:
      model: The model.
      loss: The loss.
    """
    bad = []
    for weight in getattr(model, "weights", None) or ():
        values = weight.numpy() if hasattr(weight, "numpy") else np.asarray(weight)
        if values.dtype.kind not in "fc":
            continue
        count = int((~np.isfinite(values)).sum())
        if count:
            name = getattr(weight, "name", "a weight")
            bad.append(f"{name} ({count} of {values.size} elements)")
    where = (
        f"The loss is {loss}; all weights are finite, so it is the loss itself, or a "
    )
    where += "value between, that is not: look for a logarithm or a division."
    if bad:
        shown = ", ".join(bad[:5]) + (", ..." if len(bad) > 5 else "")
        where = f"The loss is {loss}, and so are weights: {shown}."
    return (
        f"{where} Try tf.debugging.enable_check_numerics() before `fit`, which names the "
        "op and its line, a smaller learning rate, or a look at the data."
    )
