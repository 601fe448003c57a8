"""Callbacks: what happens around batches and epochs of `fit`, `evaluate` and `predict`."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from graphopt.keras.callbacks.base import Callback as Callback
from graphopt.keras.callbacks.base import CallbackList as CallbackList

if TYPE_CHECKING:
    from graphopt.keras.callbacks.backup import BackupAndRestore as BackupAndRestore
    from graphopt.keras.callbacks.logging import BaseLogger as BaseLogger
    from graphopt.keras.callbacks.logging import CSVLogger as CSVLogger
    from graphopt.keras.callbacks.logging import History as History
    from graphopt.keras.callbacks.logging import LambdaCallback as LambdaCallback
    from graphopt.keras.callbacks.logging import RemoteMonitor as RemoteMonitor
    from graphopt.keras.callbacks.progress import ProgbarLogger as ProgbarLogger
    from graphopt.keras.callbacks.rates import (
        LearningRateScheduler as LearningRateScheduler,
    )
    from graphopt.keras.callbacks.rates import ReduceLROnPlateau as ReduceLROnPlateau
    from graphopt.keras.callbacks.saving import ModelCheckpoint as ModelCheckpoint
    from graphopt.keras.callbacks.stopping import EarlyStopping as EarlyStopping
    from graphopt.keras.callbacks.stopping import TerminateOnNaN as TerminateOnNaN
    from graphopt.keras.callbacks.tensorboard import TensorBoard as TensorBoard

_LATER = {
    "BackupAndRestore": "backup",
    "BaseLogger": "logging",
    "CSVLogger": "logging",
    "EarlyStopping": "stopping",
    "History": "logging",
    "LambdaCallback": "logging",
    "LearningRateScheduler": "rates",
    "ModelCheckpoint": "saving",
    "ProgbarLogger": "progress",
    "ReduceLROnPlateau": "rates",
    "RemoteMonitor": "logging",
    "TensorBoard": "tensorboard",
    "TerminateOnNaN": "stopping",
}


if not TYPE_CHECKING:  # checkers know the names, and find those that are misspelt

    def __getattr__(name: str) -> Any:
        if name in _LATER:
            module = importlib.import_module(f"graphopt.keras.callbacks.{_LATER[name]}")
            return getattr(module, name)
        raise AttributeError(f"module 'tf.keras.callbacks' has no attribute {name!r}")


def __dir__() -> list[str]:
    here = {name for name in globals() if not name.startswith("_")}
    hidden = {"Any", "TYPE_CHECKING", "annotations", "importlib"}
    return sorted((here | set(_LATER)) - hidden)
