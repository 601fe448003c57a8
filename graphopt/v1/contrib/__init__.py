"""`tf.contrib` of TensorFlow 1.15: the parts that programs use, loaded when they are used."""

import importlib
from typing import Any

_MODULES: tuple[str, ...] = (
    "cudnn_rnn",
    "distributions",
    "legacy_seq2seq",
    "rnn",
    "seq2seq",
)


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(f"graphopt.v1.contrib.{name}")
    raise AttributeError(f"module 'tf.contrib' has no attribute {name!r}")


def __dir__() -> list[str]:
    return list(_MODULES)
