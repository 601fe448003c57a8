"""`tf.contrib` of TensorFlow 1.15: the parts that programs use, loaded when they are used."""

import importlib
from typing import Any

_MODULES: tuple[str, ...] = (
    "cudnn_rnn",
    "distributions",
    "eager",
    "framework",
    "layers",
    "learn",
    "legacy_seq2seq",
    "losses",
    "metrics",
    "opt",
    "rnn",
    "seq2seq",
    "slim",
    "tensorboard",
    "training",
)


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(f"graphopt.v1.contrib.{name}")
    if name.startswith("__"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from graphopt.aliases.missing import say_what

    what = say_what("graphopt.v1", f"contrib.{name}", _MODULES)
    raise AttributeError(
        f"module 'tf.contrib' has no attribute {name!r}. {what}".strip()
    )


def __dir__() -> list[str]:
    return list(_MODULES)
