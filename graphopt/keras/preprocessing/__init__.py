"""`tf.keras.preprocessing`: images, texts and sequences as arrays and datasets."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from graphopt.keras.preprocessing import image as image
    from graphopt.keras.preprocessing import sequence as sequence
    from graphopt.keras.preprocessing import text as text
    from graphopt.keras.utils.directories import (
        image_dataset_from_directory as image_dataset_from_directory,
    )
    from graphopt.keras.utils.directories import (
        text_dataset_from_directory as text_dataset_from_directory,
    )
    from graphopt.keras.utils.timeseries import (
        timeseries_dataset_from_array as timeseries_dataset_from_array,
    )

_MODULES = ("image", "sequence", "text")
_LATER = (
    "image_dataset_from_directory",
    "text_dataset_from_directory",
    "timeseries_dataset_from_array",
)


if not TYPE_CHECKING:  # checkers know the names, and find those that are misspelt

    def __getattr__(name: str) -> Any:
        if name in _MODULES:
            return importlib.import_module(f"graphopt.keras.preprocessing.{name}")
        if name in _LATER:
            return getattr(importlib.import_module("graphopt.keras.utils"), name)
        raise AttributeError(
            f"module 'tf.keras.preprocessing' has no attribute {name!r}"
        )


def __dir__() -> list[str]:
    return sorted({*_MODULES, *_LATER})
