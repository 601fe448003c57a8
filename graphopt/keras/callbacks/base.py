"""`Callback` and `CallbackList`: what happens around batches and epochs.

A step of a small model takes microseconds, a Python call for each callback and batch as
long again. So a list knows which hooks somebody has defined, and calls no other:
`wants_batches` tells `fit` whether anybody wants each batch at all. If nobody does, many
steps may run natively at once, with a call of `on_train_batch_end` now and then for the
progress bar, if `shows_progress`. Logs of a batch may be a function: it is called, once,
when a callback looks at them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from graphopt.errors import fail
from graphopt.graph import nest
from graphopt.graph.provenance import user_site

Logs = dict[str, Any]


class Callback:
    """What a script does while a model is trained, evaluated or used.

    A subclass defines what it needs of the hooks. `logs` is a dict of numbers: the loss
    and metrics, those of the validation with `val_` before their names.

    Attributes:
      model: The model, from `set_model` on; `model.stop_training = True` ends training
        after the batch or epoch.
      params: A dict with `verbose`, `epochs` and `steps`.

    Source: `tf.keras.callbacks.Callback`.
    """

    # Whether logs may be tensors; they are numbers always.
    _supports_tf_logs = False

    def __init__(self) -> None:
        self.validation_data: Any = None
        self.model: Any = None
        self.params: dict[str, Any] = {}

    def set_params(self, params: dict[str, Any]) -> None:
        """Keeps what `fit` was called with."""
        self.params = params

    def set_model(self, model: Any) -> None:
        """Keeps the model."""
        self.model = model

    def on_batch_begin(self, batch: int, logs: Any = None) -> None:
        """The same as `on_train_batch_begin`."""

    def on_batch_end(self, batch: int, logs: Any = None) -> None:
        """The same as `on_train_batch_end`."""

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Called before an epoch; the first one is 0."""

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Called after an epoch and its validation."""

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Called before a batch of training; the first one of an epoch is 0."""
        self.on_batch_begin(batch, logs=logs)

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Called after a batch of training, with the metrics of the epoch so far."""
        self.on_batch_end(batch, logs=logs)

    def on_test_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Called before a batch of an evaluation."""

    def on_test_batch_end(self, batch: int, logs: Any = None) -> None:
        """Called after a batch of an evaluation."""

    def on_predict_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Called before a batch of `predict`."""

    def on_predict_batch_end(self, batch: int, logs: Any = None) -> None:
        """Called after a batch of `predict`; `logs["outputs"]` are the predictions."""

    def on_train_begin(self, logs: Any = None) -> None:
        """Called once, before training."""

    def on_train_end(self, logs: Any = None) -> None:
        """Called once, after training, with the logs of the last epoch."""

    def on_test_begin(self, logs: Any = None) -> None:
        """Called before an evaluation, also one that `fit` does after an epoch."""

    def on_test_end(self, logs: Any = None) -> None:
        """Called after an evaluation."""

    def on_predict_begin(self, logs: Any = None) -> None:
        """Called before `predict`."""

    def on_predict_end(self, logs: Any = None) -> None:
        """Called after `predict`."""

    def _implements_train_batch_hooks(self) -> bool:
        return any(self._defines(hook) for hook in _BATCH_HOOKS["train"])

    def _implements_test_batch_hooks(self) -> bool:
        return any(self._defines(hook) for hook in _BATCH_HOOKS["test"])

    def _implements_predict_batch_hooks(self) -> bool:
        return any(self._defines(hook) for hook in _BATCH_HOOKS["predict"])

    def _defines(self, hook: str) -> bool:
        """Whether the class, or this object alone, has a hook of its own."""
        own = getattr(type(self), hook, None) is not getattr(Callback, hook)
        return own or hook in vars(self)


_BATCH_HOOKS = {
    "train": (
        "on_batch_begin",
        "on_batch_end",
        "on_train_batch_begin",
        "on_train_batch_end",
    ),
    "test": ("on_test_batch_begin", "on_test_batch_end"),
    "predict": ("on_predict_batch_begin", "on_predict_batch_end"),
}
# A hook is called if it, or what it calls, is defined.
_SOURCES = {
    "on_train_batch_begin": ("on_train_batch_begin", "on_batch_begin"),
    "on_train_batch_end": ("on_train_batch_end", "on_batch_end"),
}


def plain_logs(logs: Any) -> Logs:
    """Returns logs as numbers: a function is called, tensors become floats or arrays."""
    if callable(logs):
        logs = logs()
    if not logs:
        return {} if logs is None else logs
    for key, value in logs.items():
        if not isinstance(value, (int, float, str)):
            # In place: callbacks add to the logs what those after them are to see.
            logs[key] = nest.map_structure(_plain, value)
    return logs


def _plain(value: Any) -> Any:
    value = value.numpy() if hasattr(value, "numpy") else value
    if isinstance(value, (np.ndarray, np.generic)) and value.ndim == 0:
        return value.item()
    return value


class CallbackList:
    """Callbacks that are called one after the other.

    Args:
      callbacks: A callback or a nest of them.
      add_history: Whether a `History` is added, if there is none.
      add_progbar: Whether a `ProgbarLogger` is added, if there is none.
      model: Passed to `set_model` of each.
      **params: Passed to `set_params` of each.

    Source: `tf.keras.callbacks.CallbackList`.
    """

    def __init__(
        self,
        callbacks: Any = None,
        add_history: bool = False,
        add_progbar: bool = False,
        model: Any = None,
        **params: Any,
    ) -> None:
        from graphopt.keras.callbacks.logging import History
        from graphopt.keras.callbacks.progress import ProgbarLogger

        self.callbacks: list[Any] = nest.flatten(callbacks) if callbacks else []
        for callback in self.callbacks:
            _check(callback)
        self.params: dict[str, Any] = {}
        self.model: Any = None
        self._history = self._one(History)
        self._progbar = self._one(ProgbarLogger)
        if add_history and self._history is None:
            self._history = History()
            self.callbacks.append(self._history)
        if add_progbar and self._progbar is None:
            self._progbar = ProgbarLogger(count_mode="steps")
            self.callbacks.append(self._progbar)
        self._hooks: dict[str, list[Callable[..., None]]] = {}
        if model:
            self.set_model(model)
        if params:
            self.set_params(params)
        self._find_hooks()

    def _one(self, kind: type) -> Any:
        found = [item for item in self.callbacks if isinstance(item, kind)]
        return found[-1] if found else None

    def _find_hooks(self) -> None:
        """Notes which batch hooks are defined, and by whom."""
        self._hooks = {}
        wants = {}
        for mode in _BATCH_HOOKS:
            callbacks = [
                item
                for item in self.callbacks
                if getattr(item, f"_implements_{mode}_batch_hooks", lambda: True)()
            ]
            wants[mode] = any(item is not self._progbar for item in callbacks)
            for when in ("begin", "end"):
                hook = f"on_{mode}_batch_{when}"
                self._hooks[hook] = [
                    getattr(item, hook) for item in callbacks if _calls(item, hook)
                ]
        self.wants_batches = wants["train"]
        self.wants_test_batches = wants["test"]
        self.wants_predict_batches = wants["predict"]
        self.shows_progress = getattr(self._progbar, "verbose", 0) == 1

    def append(self, callback: Any) -> None:
        """Adds a callback after the others."""
        self.callbacks.append(callback)
        self._find_hooks()

    def set_params(self, params: dict[str, Any]) -> None:
        """Passes a dict with `verbose`, `epochs` and `steps` to all."""
        self.params = params
        for callback in self.callbacks:
            callback.set_params(params)
        self._find_hooks()

    def set_model(self, model: Any) -> None:
        """Passes the model to all, and the history to the model."""
        self.model = model
        if self._history is not None:
            model.history = self._history
        for callback in self.callbacks:
            callback.set_model(model)
        self._find_hooks()

    def _call(self, hook: str, *args: Any, logs: Any) -> None:
        logs = plain_logs(logs)
        for callback in self.callbacks:
            getattr(callback, hook)(*args, logs)

    def _call_batch(self, hook: str, batch: int, logs: Any) -> None:
        hooks = self._hooks[hook]
        if not hooks:
            return
        bar = getattr(self._progbar, hook, None)
        for call in hooks:
            # The bar is drawn only now and then, and asks for logs only then.
            if call != bar:
                logs = plain_logs(logs)
            call(batch, logs)

    def on_batch_begin(self, batch: int, logs: Any = None) -> None:
        """The same as `on_train_batch_begin`."""
        self._call_batch("on_train_batch_begin", batch, logs)

    def on_batch_end(self, batch: int, logs: Any = None) -> None:
        """The same as `on_train_batch_end`."""
        self._call_batch("on_train_batch_end", batch, logs)

    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Calls the hook of those that define it."""
        self._call_batch("on_train_batch_begin", batch, logs)

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        """Calls the hook of those that define it."""
        self._call_batch("on_train_batch_end", batch, logs)

    def on_test_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Calls the hook of those that define it."""
        self._call_batch("on_test_batch_begin", batch, logs)

    def on_test_batch_end(self, batch: int, logs: Any = None) -> None:
        """Calls the hook of those that define it."""
        self._call_batch("on_test_batch_end", batch, logs)

    def on_predict_batch_begin(self, batch: int, logs: Any = None) -> None:
        """Calls the hook of those that define it."""
        self._call_batch("on_predict_batch_begin", batch, logs)

    def on_predict_batch_end(self, batch: int, logs: Any = None) -> None:
        """Calls the hook of those that define it."""
        self._call_batch("on_predict_batch_end", batch, logs)

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        """Calls the hook of all."""
        self._call("on_epoch_begin", epoch, logs=logs)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Calls the hook of all; what one adds to the logs, those after it see."""
        self._call("on_epoch_end", epoch, logs=logs)

    def on_train_begin(self, logs: Any = None) -> None:
        """Calls the hook of all."""
        self._find_hooks()
        self._call("on_train_begin", logs=logs)

    def on_train_end(self, logs: Any = None) -> None:
        """Calls the hook of all."""
        self._call("on_train_end", logs=logs)

    def on_test_begin(self, logs: Any = None) -> None:
        """Calls the hook of all."""
        self._call("on_test_begin", logs=logs)

    def on_test_end(self, logs: Any = None) -> None:
        """Calls the hook of all."""
        self._call("on_test_end", logs=logs)

    def on_predict_begin(self, logs: Any = None) -> None:
        """Calls the hook of all."""
        self._call("on_predict_begin", logs=logs)

    def on_predict_end(self, logs: Any = None) -> None:
        """Calls the hook of all."""
        self._call("on_predict_end", logs=logs)

    def __iter__(self) -> Iterator[Any]:
        return iter(self.callbacks)


def _calls(callback: Any, hook: str) -> bool:
    if not isinstance(callback, Callback):
        return hasattr(callback, hook)
    return any(callback._defines(source) for source in _SOURCES.get(hook, (hook,)))


def _check(callback: Any) -> None:
    """Refuses what is no callback, as a class that was not called.

    Raises:
      TypeError: It is none.
    """
    if isinstance(callback, type) or not hasattr(callback, "on_epoch_end"):
        is_class = isinstance(callback, type) and hasattr(callback, "on_epoch_end")
        raise fail(
            TypeError,
            "callbacks: an item is no callback",
            got=repr(callback),
            expected="objects of tf.keras.callbacks.Callback",
            site=str(user_site()),
            remedy=f"{callback.__name__}(...), an object of it" if is_class else None,
        )
