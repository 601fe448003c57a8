"""`ModelCheckpoint`: the model, or its weights, saved while it is trained."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import numpy as np

from graphopt.errors import fail
from graphopt.files.file_system import isdir, makedirs
from graphopt.graph.provenance import user_site
from graphopt.keras.callbacks.base import Callback, plain_logs
from graphopt.keras.callbacks.monitoring import check_mode, grows, value_in
from graphopt.keras.messages import warn_user, write_line
from graphopt.parallel.ranks import is_writer


class ModelCheckpoint(Callback):
    """Saves the model after epochs, or after a number of batches.

    Args:
      filepath: Where; `{epoch}`, `{batch}` and the names of logs in braces are replaced,
        as in `weights.{epoch:02d}-{val_loss:.2f}`. Epochs are counted from 1.
      monitor: The metric that says which is the best.
      verbose: 1 for a line each time.
      save_best_only: Whether only what is better than all before is saved.
      save_weights_only: Whether `model.save_weights` is called, or `model.save`.
      mode: `"min"`, `"max"`, or `"auto"`: by the name, accuracies grow.
      save_freq: `"epoch"`, or after how many batches.
      options: Passed to the function that saves, if there are any.
      initial_value_threshold: What the first has to be better than.
      **kwargs: `period`, of former versions: how many epochs lie between two; and
        `load_weights_on_restart`.

    Raises:
      ValueError: Another `save_freq`.

    Source: `tf.keras.callbacks.ModelCheckpoint`.
    """

    def __init__(
        self,
        filepath: Any,
        monitor: str = "val_loss",
        verbose: int = 0,
        save_best_only: bool = False,
        save_weights_only: bool = False,
        mode: str = "auto",
        save_freq: Any = "epoch",
        options: Any = None,
        initial_value_threshold: float | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__()
        self.filepath, self.monitor, self.verbose = (
            os.fspath(filepath),
            monitor,
            verbose,
        )
        self.save_best_only, self.save_weights_only = save_best_only, save_weights_only
        self.save_freq, self._options = save_freq, options
        if save_freq != "epoch" and not isinstance(save_freq, int):
            raise ValueError(
                f"Unrecognized save_freq: {save_freq}. Expected save_freq are "
                '"epoch" or integer'
            )
        self.load_weights_on_restart = kwargs.pop("load_weights_on_restart", False)
        self.period = kwargs.pop("period", 1)
        if self.period != 1:
            warn_user("`period` argument is deprecated. Please use `save_freq`.")
        if kwargs:
            raise TypeError(f"ModelCheckpoint: unexpected arguments {sorted(kwargs)}.")
        mode = check_mode(mode, "ModelCheckpoint")
        is_growing = grows(monitor, mode) or (
            mode == "auto" and monitor.startswith("fmeasure")
        )
        self.monitor_op: Any = np.greater if is_growing else np.less
        worst = -np.inf if is_growing else np.inf
        self.best = (
            worst if initial_value_threshold is None else initial_value_threshold
        )
        self.epochs_since_last_save = 0
        self._batches_since_last_save, self._last_batch_seen = 0, -1
        self._current_epoch = 0

    def _implements_train_batch_hooks(self) -> bool:
        return bool(self.save_freq != "epoch")

    def on_train_begin(self, logs: Any = None) -> None:
        """Loads the newest weights, if asked to."""
        if self.load_weights_on_restart:
            newest = newest_match(self.filepath)
            if newest is not None:
                self.model.load_weights(newest)

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Saves, if there were enough batches."""
        if self.save_freq == "epoch":
            return
        # Of several batches at once, `fit` calls this for the last one only.
        is_new = batch <= self._last_batch_seen
        self._batches_since_last_save += (
            batch + 1 if is_new else batch - self._last_batch_seen
        )
        self._last_batch_seen = batch
        if self._batches_since_last_save >= self.save_freq:
            self._batches_since_last_save = 0
            self._save(self._current_epoch, batch, logs)

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Notes which epoch it is."""
        self._current_epoch = epoch

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Saves, if that is done after epochs."""
        self.epochs_since_last_save += 1
        if self.save_freq == "epoch" and self.epochs_since_last_save >= self.period:
            self._save(epoch, None, logs)

    def _save(self, epoch: int, batch: int | None, logs: Any) -> None:
        logs = plain_logs(logs)
        self.epochs_since_last_save = 0
        path = self._path_of(epoch, batch, logs)
        if self.save_best_only:
            current = value_in(logs, self.monitor, "Saving the best model only is")
            if current is None:
                return
            if not self.monitor_op(current, self.best):
                self._say(epoch, f"{self.monitor} did not improve from {self.best:.5f}")
                return
            self._say(
                epoch,
                f"{self.monitor} improved from {self.best:.5f} to {current:.5f}, saving "
                f"model to {path}",
            )
            self.best = current
        else:
            self._say(epoch, f"saving model to {path}")
        self._write(path)

    def _say(self, epoch: int, text: str) -> None:
        if self.verbose > 0 and is_writer():
            write_line(f"\nEpoch {epoch + 1}: {text}")

    def _path_of(self, epoch: int, batch: int | None, logs: dict[str, Any]) -> str:
        numbers: dict[str, Any] = {"epoch": epoch + 1}
        if batch is not None and "batch" not in logs:
            numbers["batch"] = batch + 1
        try:
            return str(self.filepath.format(**numbers, **logs))
        except KeyError as error:
            raise KeyError(
                f'Failed to format this callback filepath: "{self.filepath}". Reason: '
                f"{error}; expected one of {sorted({*numbers, *logs})}."
            ) from error

    def _write(self, path: str) -> None:
        makedirs(Path(path).parent)
        if self.save_weights_only and isdir(path):
            raise fail(
                OSError,
                "Please specify a non-directory filepath for ModelCheckpoint. Filepath "
                "used is an existing directory",
                got=path,
                site=str(user_site()),
            )
        save = self.model.save_weights if self.save_weights_only else self.model.save
        options = {} if self._options is None else {"options": self._options}
        save(path, overwrite=True, **options)


def newest_match(pattern: str) -> str | None:
    """Returns the newest file that a pattern with `{names}` stands for, or None."""
    folder = Path(pattern).parent
    parts = re.split(r"\{[^}]*\}", Path(pattern).name)
    expression = re.compile(".*".join(re.escape(part) for part in parts) + r"(\..*)?")
    if not folder.is_dir():
        return None
    found = [path for path in folder.iterdir() if expression.fullmatch(path.name)]
    if not found:
        return None
    return str(max(found, key=lambda path: (path.stat().st_mtime, path.name)))
