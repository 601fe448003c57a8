"""`tf.keras.utils`: helpers around models and data, each loaded at its first use."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from graphopt.files.downloads import get_file as get_file
    from graphopt.keras.saving import (
        deserialize_keras_object as deserialize_keras_object,
    )
    from graphopt.keras.saving import serialize_keras_object as serialize_keras_object
    from graphopt.keras.serialization import CustomObjectScope as CustomObjectScope
    from graphopt.keras.serialization import custom_object_scope as custom_object_scope
    from graphopt.keras.serialization import get_custom_objects as get_custom_objects
    from graphopt.keras.serialization import get_registered_name as get_registered_name
    from graphopt.keras.serialization import (
        get_registered_object as get_registered_object,
    )
    from graphopt.keras.serialization import (
        register_keras_serializable as register_keras_serializable,
    )
    from graphopt.keras.training.data import (
        pack_x_y_sample_weight as pack_x_y_sample_weight,
    )
    from graphopt.keras.training.data import (
        unpack_x_y_sample_weight as unpack_x_y_sample_weight,
    )
    from graphopt.keras.utils.arrays import normalize as normalize
    from graphopt.keras.utils.arrays import to_categorical as to_categorical
    from graphopt.keras.utils.plotting import model_to_dot as model_to_dot
    from graphopt.keras.utils.plotting import plot_model as plot_model
    from graphopt.keras.utils.progress import Progbar as Progbar
    from graphopt.keras.utils.seeds import set_random_seed as set_random_seed

_LATER = {
    "custom_object_scope": "graphopt.keras.serialization",
    "CustomObjectScope": "graphopt.keras.serialization",
    "deserialize_keras_object": "graphopt.keras.saving",
    "model_to_dot": "graphopt.keras.utils.plotting",
    "plot_model": "graphopt.keras.utils.plotting",
    "get_custom_objects": "graphopt.keras.serialization",
    "get_file": "graphopt.files.downloads",
    "get_registered_name": "graphopt.keras.serialization",
    "get_registered_object": "graphopt.keras.serialization",
    "normalize": "graphopt.keras.utils.arrays",
    "pack_x_y_sample_weight": "graphopt.keras.training.data",
    "Progbar": "graphopt.keras.utils.progress",
    "register_keras_serializable": "graphopt.keras.serialization",
    "serialize_keras_object": "graphopt.keras.saving",
    "set_random_seed": "graphopt.keras.utils.seeds",
    "to_categorical": "graphopt.keras.utils.arrays",
    "unpack_x_y_sample_weight": "graphopt.keras.training.data",
}


def __getattr__(name: str) -> Any:
    if name in _LATER:
        return getattr(importlib.import_module(_LATER[name]), name)
    raise AttributeError(f"module 'tf.keras.utils' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(_LATER)
