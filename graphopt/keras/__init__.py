"""The Keras part: optimizers, layers, losses and models, over public op functions only.

Nothing in the compiler knows of this folder. A layer is a function with variables, an
optimizer is a function from gradients to assignments; both only call ops, so what they
build is a graph like any other.
"""

import importlib
from typing import TYPE_CHECKING, Any

from graphopt.keras import activations as activations
from graphopt.keras import constraints as constraints
from graphopt.keras import initializers as initializers
from graphopt.keras import optimizers as optimizers
from graphopt.keras import regularizers as regularizers

if TYPE_CHECKING:
    from graphopt.keras import applications as applications
    from graphopt.keras import backend as backend
    from graphopt.keras import callbacks as callbacks
    from graphopt.keras import datasets as datasets
    from graphopt.keras import experimental as experimental
    from graphopt.keras import layers as layers
    from graphopt.keras import losses as losses
    from graphopt.keras import metrics as metrics
    from graphopt.keras import mixed_precision as mixed_precision
    from graphopt.keras import models as models
    from graphopt.keras import preprocessing as preprocessing
    from graphopt.keras import saving as saving
    from graphopt.keras import utils as utils
    from graphopt.keras import wrappers as wrappers
    from graphopt.keras.functional import KerasTensor as KerasTensor
    from graphopt.keras.layers.input_layer import Input as Input
    from graphopt.keras.models import Model as Model
    from graphopt.keras.models import Sequential as Sequential

__version__ = "2.15.0"
# Loaded when they are first asked for.
_MODULES = (
    "applications",
    "backend",
    "callbacks",
    "datasets",
    "experimental",
    "layers",
    "losses",
    "metrics",
    "mixed_precision",
    "models",
    "preprocessing",
    "saving",
    "utils",
    "wrappers",
)
_LATER = {
    "Input": "layers.input_layer",
    "KerasTensor": "functional",
    "Model": "models",
    "Sequential": "models",
}


if not TYPE_CHECKING:  # checkers know the names, and find those that are misspelt

    def __getattr__(name: str) -> Any:
        if name in _MODULES:
            return importlib.import_module(f"graphopt.keras.{name}")
        if name in _LATER:
            module = importlib.import_module(f"graphopt.keras.{_LATER[name]}")
            found = globals()[name] = getattr(module, name)
            return found
        raise AttributeError(f"module 'tf.keras' has no attribute {name!r}")


def __dir__() -> list[str]:
    here = {n for n in globals() if not n.startswith("_")}
    hidden = {"Any", "TYPE_CHECKING", "importlib"}
    return sorted((here | set(_MODULES) | set(_LATER)) - hidden)
