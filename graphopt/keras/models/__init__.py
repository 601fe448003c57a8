"""Models: layers made of layers, with `compile` and `fit`."""

import importlib
from typing import TYPE_CHECKING, Any

from graphopt.keras.models.model import Model as Model
from graphopt.keras.models.sequential import Sequential as Sequential

if TYPE_CHECKING:
    from graphopt.keras.models.cloning import clone_model as clone_model
    from graphopt.keras.models.saving import load_model as load_model
    from graphopt.keras.models.saving import model_from_config as model_from_config
    from graphopt.keras.models.saving import model_from_json as model_from_json
    from graphopt.keras.models.saving import save_model as save_model

_LATER = {
    "clone_model": "cloning",
    "load_model": "saving",
    "model_from_config": "saving",
    "model_from_json": "saving",
    "save_model": "saving",
}


if not TYPE_CHECKING:  # checkers know the names, and find those that are misspelt

    def __getattr__(name: str) -> Any:
        if name in _LATER:
            module = importlib.import_module(f"graphopt.keras.models.{_LATER[name]}")
            return getattr(module, name)
        raise AttributeError(f"module 'tf.keras.models' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(["Model", "Sequential", *_LATER])
