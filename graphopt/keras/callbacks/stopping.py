"""Callbacks that end training: `EarlyStopping` and `TerminateOnNaN`."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphopt import config
from graphopt.errors import OpError
from graphopt.graph.context import building_graph
from graphopt.keras.callbacks.base import Callback, plain_logs
from graphopt.keras.callbacks.monitoring import check_mode, grows, value_in
from graphopt.keras.layers.base import Layer
from graphopt.keras.messages import write_line

# Of weights that are copied after each batch.
MOST_BYTES = 64 << 20


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
    """Ends training at the batch whose loss is not finite, and names the op that made it.

    The weights of before each batch are kept, if they are no more than 64 MB. With them the
    batch is repeated, op by op, until one gives what is not finite.

    Source: `tf.keras.callbacks.TerminateOnNaN`.
    """

    def __init__(self) -> None:
        super().__init__()
        self._before: Any = None
        self._culprit: Any = None

    def on_train_begin(self, logs: Any = None) -> None:
        """Keeps the weights to begin with."""
        self._before = self._culprit = None
        if getattr(self.model, "built", False):
            self._keep(None)

    def on_batch_end(self, batch: int, logs: Any = None) -> None:
        """Looks at the loss."""
        loss = plain_logs(logs).get("loss")
        piece = getattr(getattr(self.model, "_training", None), "piece", None)
        if loss is None or np.isfinite(loss).all():
            if piece is not None:
                self._keep(piece)
            return
        write_line(f"Batch {batch}: Invalid loss, terminating training")
        write_line(describe_not_finite(self.model, loss))
        if self._culprit is None:
            self._culprit = piece
        found = first_not_finite(self.model, self._culprit, self._before)
        if found:
            write_line(found)
        self.model.stop_training = True

    def _keep(self, piece: Any) -> None:
        """Keeps the weights; or the batch after which they are not finite any more."""
        if self._culprit is not None:
            return
        weights = self.model.get_weights()
        if sum(weight.nbytes for weight in weights) > MOST_BYTES:
            return
        if all(np.isfinite(w).all() for w in weights if w.dtype.kind in "fc"):
            self._before = weights
        elif self._before is not None:
            self._culprit = piece


def first_not_finite(model: Any, piece: Any, weights: Any) -> str:
    """Repeats a batch op by op, and says which op is the first that is not finite.

    Args:
      model: The model; its weights are afterwards what they were.
      piece: The batch, as the trainer has it; nothing is said if it is None.
      weights: The weights before it.
    """
    if piece is None or weights is None or building_graph() is not None:
        return ""
    # Loaded by those whose training failed.
    from graphopt.autodiff.tape import GradientTape
    from graphopt.graph.tensor import EagerTensor
    from graphopt.keras.training.data import unpack_x_y_sample_weight, without_none

    leaves = [EagerTensor(rows[-1, ...]) for rows in piece.rows]
    x, y, weight = unpack_x_y_sample_weight(without_none(piece.data, leaves))
    now, was_on = model.get_weights(), config.settings.check_numerics
    model.set_weights(weights)
    config.change(check_numerics=True)
    try:
        with GradientTape() as tape:
            predictions = model(x, training=True)
            loss = model.compute_loss(x, y, predictions, weight)
        tape.gradient(loss, model.trainable_variables)
    except OpError as error:
        layer = _innermost_layer(error)
        where = f" in layer {layer!r}" if layer else ""
        return f"The first op that is not finite{where}: {error.message}"
    finally:
        config.change(check_numerics=was_on)
        model.set_weights(now)
    return (
        "Loss and gradients of that batch are finite when it is repeated: it is the "
        "optimizer's update that is not, or what was drawn at random."
    )


def _innermost_layer(error: BaseException) -> str:
    """The name of the layer whose call an error came from."""
    name, trace = "", error.__traceback__
    while trace is not None:
        owner = trace.tb_frame.f_locals.get("self")
        if trace.tb_frame.f_code.co_name == "call" and isinstance(owner, Layer):
            name = owner.name
        trace = trace.tb_next
    return name


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
        f"{where} Try a smaller learning rate, a look at the data, or "
        "tf.debugging.enable_check_numerics() before `fit`, which stops at the op."
    )
