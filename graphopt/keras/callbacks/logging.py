"""Callbacks that keep, write or send the logs: `History`, `CSVLogger`, `RemoteMonitor`."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from graphopt.files.file_system import GFile, exists
from graphopt.keras.callbacks.base import Callback
from graphopt.keras.messages import warn_user
from graphopt.parallel.ranks import is_writer


class History(Callback):
    """Keeps the logs of all epochs; `fit` makes one and returns it.

    Attributes:
      epoch: The numbers of the epochs.
      history: For each name the values, one an epoch.

    Source: `tf.keras.callbacks.History`.
    """

    def __init__(self) -> None:
        super().__init__()
        self.history: dict[str, list[Any]] = {}
        self.epoch: list[int] = []

    def on_train_begin(self, logs: Any = None) -> None:
        """Begins the list of epochs."""
        self.epoch = []

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Keeps the logs."""
        self.epoch.append(epoch)
        for name, value in (logs or {}).items():
            self.history.setdefault(name, []).append(value)
        self.model.history = self


class BaseLogger(Callback):
    """Averages the logs of batches over an epoch.

    `fit` does so itself; this is for lists of callbacks that a script calls.

    Args:
      stateful_metrics: Names of logs that are averages already: the last one counts.

    Source: `tf.keras.callbacks.BaseLogger`.
    """

    def __init__(self, stateful_metrics: Iterable[str] | None = None) -> None:
        super().__init__()
        self.stateful_metrics = set(stateful_metrics or [])
        self.seen = 0
        self.totals: dict[str, Any] = {}

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Begins the sums."""
        self.seen = 0
        self.totals = {}

    def on_batch_end(self, batch: int, logs: Any = None) -> None:
        """Adds the logs, weighted by `logs["size"]`."""
        logs = logs or {}
        size = logs.get("size", 0)
        self.seen += size * logs.get("num_steps", 1)
        for name, value in logs.items():
            if name in self.stateful_metrics:
                self.totals[name] = value
            else:
                self.totals[name] = self.totals.get(name, 0) + value * size

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Puts the averages into the logs."""
        if logs is None:
            return
        for name in self.params["metrics"]:
            if name in self.totals:
                stateful = name in self.stateful_metrics
                total = self.totals[name]
                logs[name] = total if stateful else total / self.seen


class LambdaCallback(Callback):
    """A callback of functions.

    Args:
      on_epoch_begin: Called with the epoch and logs.
      on_epoch_end: Likewise.
      on_batch_begin: Called with the batch and logs.
      on_batch_end: Likewise.
      on_train_begin: Called with logs.
      on_train_end: Likewise.
      **kwargs: Other hooks, as `on_test_begin` and `on_train_batch_end`, or attributes.

    >>> import graphopt as tf
    >>> epochs = []
    >>> keep = tf.keras.callbacks.LambdaCallback(
    ...     on_epoch_end=lambda epoch, logs: epochs.append(epoch))
    >>> tf.keras.callbacks.CallbackList([keep]).on_epoch_end(3)
    >>> epochs
    [3]

    Source: `tf.keras.callbacks.LambdaCallback`.
    """

    def __init__(
        self,
        on_epoch_begin: Callable[..., Any] | None = None,
        on_epoch_end: Callable[..., Any] | None = None,
        on_batch_begin: Callable[..., Any] | None = None,
        on_batch_end: Callable[..., Any] | None = None,
        on_train_begin: Callable[..., Any] | None = None,
        on_train_end: Callable[..., Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__()
        hooks = {
            "on_epoch_begin": on_epoch_begin,
            "on_epoch_end": on_epoch_end,
            "on_batch_begin": on_batch_begin,
            "on_batch_end": on_batch_end,
            "on_train_begin": on_train_begin,
            "on_train_end": on_train_end,
        }
        given = {name: hook for name, hook in hooks.items() if hook is not None}
        vars(self).update(kwargs | given)


class CSVLogger(Callback):
    """Writes the logs of each epoch as a line of a file.

    Args:
      filename: The file.
      separator: What stands between two values.
      append: Whether what is in the file stays.

    Source: `tf.keras.callbacks.CSVLogger`.
    """

    def __init__(
        self, filename: Any, separator: str = ",", append: bool = False
    ) -> None:
        super().__init__()
        self.filename, self.sep, self.append = os.fspath(filename), separator, append
        self.writer: Any = None
        self.keys: list[str] | None = None
        self.append_header = True
        self.csv_file: Any = None

    def on_train_begin(self, logs: Any = None) -> None:
        """Opens the file, which rank 0 writes if there are several."""
        if not is_writer():
            return
        if self.append and exists(self.filename):
            with GFile(self.filename, "r") as file:
                self.append_header = not file.readline()
        self.csv_file = GFile(self.filename, "a" if self.append else "w")

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Writes a line; the first epoch decides which columns there are."""
        if self.csv_file is None:
            return
        logs = logs or {}
        if self.keys is None:
            self.keys = sorted(logs)
            if not any(key.startswith("val_") for key in self.keys):
                # An epoch without validation may be followed by one with it.
                self.keys += [f"val_{key}" for key in self.keys]
        if self.writer is None:
            self.writer = csv.DictWriter(
                self.csv_file, ["epoch", *self.keys], delimiter=self.sep
            )
            if self.append_header:
                self.writer.writeheader()
        row = {key: _cell(logs.get(key, "NA")) for key in self.keys}
        self.writer.writerow({"epoch": epoch, **row})
        self.csv_file.flush()

    def on_train_end(self, logs: Any = None) -> None:
        """Closes the file."""
        if self.csv_file is not None:
            self.csv_file.close()
        self.writer = None


def _cell(value: Any) -> Any:
    if isinstance(value, str) or np.ndim(value) == 0:
        return value
    return f'"[{", ".join(map(str, value))}]"'


class RemoteMonitor(Callback):
    """Sends the logs of each epoch to a server.

    Args:
      root: Its address.
      path: What is appended to it.
      field: The field of a form that the logs are in, as JSON.
      headers: Headers of the request.
      send_as_json: Whether the body is the JSON itself.

    Source: `tf.keras.callbacks.RemoteMonitor`.
    """

    def __init__(
        self,
        root: str = "http://localhost:9000",
        path: str = "/publish/epoch/end/",
        field: str = "data",
        headers: dict[str, str] | None = None,
        send_as_json: bool = False,
    ) -> None:
        super().__init__()
        if not root.startswith(("http://", "https://")):
            raise ValueError(f"RemoteMonitor: expected an http address, got {root!r}.")
        self.root, self.path, self.field = root, path, field
        self.headers, self.send_as_json = headers, send_as_json

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Sends the logs; says so if the server cannot be reached, and goes on."""
        # Few scripts use this class, and each `fit` loads this file for `History`.
        import urllib.error
        import urllib.parse
        import urllib.request

        send = {"epoch": epoch}
        for name, value in (logs or {}).items():
            is_array = isinstance(value, (np.ndarray, np.generic))
            send[name] = value.tolist() if is_array else value
        text = json.dumps(send)
        headers = dict(self.headers or {})
        if self.send_as_json:
            body = text.encode()
            headers.setdefault("Content-Type", "application/json")
        else:
            body = urllib.parse.urlencode({self.field: text}).encode()
        request = urllib.request.Request(self.root + self.path, body, headers)
        try:
            urllib.request.urlopen(request, timeout=10).close()
        except (urllib.error.URLError, OSError) as error:
            warn_user(
                f"Could not reach RemoteMonitor root server at {self.root}: {error}"
            )
