"""`BackupAndRestore`: a training that was killed goes on where it was.

One file holds the weights of the model and its optimizer, where training was, and the
state of everything random. It is replaced at once, so that a process that is killed while
it writes leaves the file before. With the same seed set and the same data, the rest of the
training is bitwise what it would have been.
"""

from __future__ import annotations

import json
import os
import signal
import threading
from pathlib import Path
from typing import Any

import numpy as np

from graphopt.checkpoint.files import write_file
from graphopt.errors import fail
from graphopt.graph.context import building_graph
from graphopt.graph.provenance import user_site
from graphopt.keras.callbacks.base import Callback
from graphopt.keras.callbacks.monitoring import learning_rate, set_learning_rate
from graphopt.keras.messages import warn_user
from graphopt.keras.random_state import random_state, set_random_state
from graphopt.parallel.ranks import write_once

FILE = "backup.safetensors"
FORMAT = 1


class TrainingState:
    """What `fit` asks where to begin: `model._training_state` while it runs.

    Attributes:
      saved: The (epoch, batch) that the backup is from, batch None at the end of an
        epoch; None without a backup.
    """

    def __init__(self) -> None:
        self.saved: tuple[int, int | None] | None = None

    def initial_counters(
        self, initial_epoch: int, steps_per_epoch: int | None = None
    ) -> tuple[int, int]:
        """Returns the epoch and the batch in it to begin with.

        Args:
          initial_epoch: Where `fit` would begin without a backup.
          steps_per_epoch: How many batches an epoch has, if that is known.
        """
        if self.saved is None:
            return initial_epoch, 0
        epoch, batch = self.saved
        if batch is None or (steps_per_epoch and batch + 1 >= steps_per_epoch):
            return epoch + 1, 0
        return epoch, batch + 1


class BackupAndRestore(Callback):
    """Saves the state of training, and takes it up again when `fit` begins.

    Args:
      backup_dir: A folder of its own for the backup.
      save_freq: `"epoch"`, or after how many batches; False for neither.
      delete_checkpoint: Whether the backup is removed once training ended.
      save_before_preemption: Whether a backup is made when the process gets SIGTERM, at
        the end of the batch; the process ends then.

    Raises:
      ValueError: In a graph; or neither `save_freq` nor `save_before_preemption`.

    Source: `tf.keras.callbacks.BackupAndRestore`.
    """

    def __init__(
        self,
        backup_dir: Any,
        save_freq: Any = "epoch",
        delete_checkpoint: bool = True,
        save_before_preemption: bool = False,
    ) -> None:
        super().__init__()
        self.backup_dir = os.fspath(backup_dir)
        self.save_freq, self.delete_checkpoint = save_freq, delete_checkpoint
        self.save_before_preemption = save_before_preemption
        if building_graph() is not None:
            raise ValueError(
                "BackupAndRestore only supports eager mode. In graph mode, consider "
                "using ModelCheckpoint, and `initial_epoch` in `model.fit()`."
            )
        if not save_freq and not save_before_preemption:
            raise ValueError(
                "Either `save_freq` or `save_before_preemption` must be set."
            )
        if save_freq and save_freq != "epoch" and not isinstance(save_freq, int):
            raise ValueError(
                f'save_freq: expected "epoch" or an integer, got {save_freq!r}.'
            )
        self._batches = self._current_epoch = 0
        self._terminated = False
        self._before: Any = None

    @property
    def _path(self) -> Path:
        return Path(self.backup_dir) / FILE

    def _implements_train_batch_hooks(self) -> bool:
        return self.save_freq != "epoch" or self.save_before_preemption

    def on_train_begin(self, logs: Any = None) -> None:
        """Restores the backup, if there is one."""
        state = TrainingState()
        self.model._training_state = state
        self._batches, self._terminated = 0, False
        if not getattr(self.model, "built", True):
            warn_user(
                "To use the BackupAndRestore callback, your model must be built before "
                f"you call `fit()`. Model {self.model} is unbuilt. Try a call of it on a "
                "batch of data, or model.build(...)."
            )
        if self._path.exists():
            state.saved = restore(self.model, self._path)
        if self.save_before_preemption and (
            threading.current_thread() is threading.main_thread()
        ):
            self._before = signal.signal(signal.SIGTERM, self._note_signal)

    def _note_signal(self, number: int, frame: Any) -> None:
        self._terminated = True

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Saves, if there were enough batches or the process is to end.

        Raises:
          SystemExit: The process was told to end.
        """
        self._batches += 1
        if self._terminated:
            self._save(batch)
            raise SystemExit(128 + signal.SIGTERM)
        by_batches = self.save_freq and self.save_freq != "epoch"
        if by_batches and self._batches >= self.save_freq:
            self._batches = 0
            self._save(batch)

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Notes which epoch it is."""
        self._current_epoch = epoch

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Saves, if that is done after epochs."""
        self._current_epoch = epoch
        if self.save_freq == "epoch":
            self._save(None)

    def on_train_end(self, logs: Any = None) -> None:
        """Removes the backup, unless it is to stay."""
        if self.delete_checkpoint:
            self._path.unlink(missing_ok=True)
        if self._before is not None:
            signal.signal(signal.SIGTERM, self._before)
            self._before = None
        self.model._training_state = None

    def _save(self, batch: int | None) -> None:
        save(self.model, self._path, self._current_epoch, batch)


def save(model: Any, path: Path, epoch: int, batch: int | None) -> None:
    """Writes the state of a training; the file before stays until it is whole.

    Args:
      model: The model that is trained.
      path: The file.
      epoch: The epoch that it is in.
      batch: The batch after which it is; None at the end of an epoch.
    """
    from safetensors.numpy import save as to_bytes

    arrays = {f"model.{i}": np.asarray(w) for i, w in enumerate(model.get_weights())}
    for i, weight in enumerate(_optimizer_weights(model)):
        arrays[f"optimizer.{i}"] = np.asarray(weight)
    plain = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    head = {
        "format": FORMAT,
        "epoch": epoch,
        "batch": batch,
        "shapes": {name: list(array.shape) for name, array in arrays.items()},
        "learning_rate": _rate(model),
        "random": random_state(),
    }
    data = to_bytes(plain, {"training": json.dumps(head)})
    write_once(path, lambda: write_file(str(path), data))


def restore(model: Any, path: Path) -> tuple[int, int | None]:
    """Takes up the state of a training.

    Returns:
      The epoch and batch that it is from; batch None at the end of an epoch.

    Raises:
      ValueError: The file is of another model.
    """
    from safetensors import safe_open

    with safe_open(path, framework="numpy") as file:
        head = json.loads(file.metadata()["training"])
        arrays = {
            name: file.get_tensor(name).reshape(shape)
            for name, shape in head["shapes"].items()
        }
    weights = [arrays[f"model.{i}"] for i in range(_count(arrays, "model."))]
    own = [np.shape(weight) for weight in model.get_weights()]
    if own != [weight.shape for weight in weights]:
        raise fail(
            ValueError,
            f"BackupAndRestore: the backup in {path.parent} is of another model",
            got=f"weights of shapes {[weight.shape for weight in weights]}",
            expected=str(own),
            site=str(user_site()),
            remedy="another backup_dir, or removing that folder",
        )
    model.set_weights(weights)
    slots = [arrays[f"optimizer.{i}"] for i in range(_count(arrays, "optimizer."))]
    if slots:
        if len(_optimizer_weights(model)) != len(slots):
            model.optimizer.build(model.trainable_variables)
        _set_optimizer_weights(model, slots)
    if head["learning_rate"] is not None:
        set_learning_rate(model, head["learning_rate"])
    if not set_random_state(head["random"]):
        warn_user(
            "BackupAndRestore: the seed that is set is not that of the backup, so random "
            "numbers are others than they would have been. Try "
            "tf.keras.utils.set_random_seed before the model is made."
        )
    return head["epoch"], head["batch"]


def _count(arrays: dict[str, Any], prefix: str) -> int:
    return sum(name.startswith(prefix) for name in arrays)


def _rate(model: Any) -> float | None:
    """The learning rate, where callbacks may have set it."""
    rate = getattr(getattr(model, "optimizer", None), "lr", None)
    return float(learning_rate(model)) if hasattr(rate, "assign") else None


def _optimizer_variables(model: Any) -> list[Any]:
    optimizer = getattr(model, "optimizer", None)
    found = getattr(optimizer, "variables", None) or []
    return list(found() if callable(found) else found)


def _optimizer_weights(model: Any) -> list[Any]:
    return [variable.numpy() for variable in _optimizer_variables(model)]


def _set_optimizer_weights(model: Any, values: list[Any]) -> None:
    for variable, value in zip(_optimizer_variables(model), values, strict=True):
        variable.assign(value)
