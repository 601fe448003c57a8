"""`tf.keras.wrappers`: models for other libraries."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from graphopt.keras.wrappers import scikit_learn as scikit_learn


if not TYPE_CHECKING:  # checkers know the names, and find those that are misspelt

    def __getattr__(name: str) -> Any:
        if name == "scikit_learn":
            return importlib.import_module("graphopt.keras.wrappers.scikit_learn")
        raise AttributeError(f"module 'tf.keras.wrappers' has no attribute {name!r}")


def __dir__() -> list[str]:
    return ["scikit_learn"]
