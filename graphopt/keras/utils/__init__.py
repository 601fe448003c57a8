"""`tf.keras.utils`: helpers around models and data, each loaded at its first use."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from graphopt.files.downloads import get_file as get_file
    from graphopt.keras.utils.arrays import normalize as normalize
    from graphopt.keras.utils.arrays import to_categorical as to_categorical
    from graphopt.keras.utils.progress import Progbar as Progbar

_LATER = {
    "Progbar": "graphopt.keras.utils.progress",
    "get_file": "graphopt.files.downloads",
    "normalize": "graphopt.keras.utils.arrays",
    "to_categorical": "graphopt.keras.utils.arrays",
}


def __getattr__(name: str) -> Any:
    if name in _LATER:
        return getattr(importlib.import_module(_LATER[name]), name)
    raise AttributeError(f"module 'tf.keras.utils' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(_LATER)
