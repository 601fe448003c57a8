"""`tf.keras.utils`: helpers around models and data, each loaded at its first use."""

from __future__ import annotations

import importlib
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from graphopt.files.downloads import get_file as get_file
    from graphopt.keras.messages import (
        disable_interactive_logging as disable_interactive_logging,
    )
    from graphopt.keras.messages import (
        enable_interactive_logging as enable_interactive_logging,
    )
    from graphopt.keras.messages import (
        is_interactive_logging_enabled as is_interactive_logging_enabled,
    )
    from graphopt.keras.preprocessing.sequence import pad_sequences as pad_sequences
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
    from graphopt.keras.utils.arrays import to_ordinal as to_ordinal
    from graphopt.keras.utils.data import GeneratorEnqueuer as GeneratorEnqueuer
    from graphopt.keras.utils.data import OrderedEnqueuer as OrderedEnqueuer
    from graphopt.keras.utils.data import Sequence as Sequence
    from graphopt.keras.utils.data import SequenceEnqueuer as SequenceEnqueuer
    from graphopt.keras.utils.directories import (
        image_dataset_from_directory as image_dataset_from_directory,
    )
    from graphopt.keras.utils.directories import (
        text_dataset_from_directory as text_dataset_from_directory,
    )
    from graphopt.keras.utils.images import array_to_img as array_to_img
    from graphopt.keras.utils.images import img_to_array as img_to_array
    from graphopt.keras.utils.images import load_img as load_img
    from graphopt.keras.utils.images import save_img as save_img
    from graphopt.keras.utils.plotting import model_to_dot as model_to_dot
    from graphopt.keras.utils.plotting import plot_model as plot_model
    from graphopt.keras.utils.progress import Progbar as Progbar
    from graphopt.keras.utils.seeds import set_random_seed as set_random_seed
    from graphopt.keras.utils.timeseries import split_dataset as split_dataset
    from graphopt.keras.utils.timeseries import (
        timeseries_dataset_from_array as timeseries_dataset_from_array,
    )

_LATER = {
    "array_to_img": "graphopt.keras.utils.images",
    "custom_object_scope": "graphopt.keras.serialization",
    "CustomObjectScope": "graphopt.keras.serialization",
    "deserialize_keras_object": "graphopt.keras.saving",
    "disable_interactive_logging": "graphopt.keras.messages",
    "enable_interactive_logging": "graphopt.keras.messages",
    "GeneratorEnqueuer": "graphopt.keras.utils.data",
    "get_custom_objects": "graphopt.keras.serialization",
    "get_file": "graphopt.files.downloads",
    "get_registered_name": "graphopt.keras.serialization",
    "get_registered_object": "graphopt.keras.serialization",
    "image_dataset_from_directory": "graphopt.keras.utils.directories",
    "img_to_array": "graphopt.keras.utils.images",
    "is_interactive_logging_enabled": "graphopt.keras.messages",
    "load_img": "graphopt.keras.utils.images",
    "model_to_dot": "graphopt.keras.utils.plotting",
    "normalize": "graphopt.keras.utils.arrays",
    "OrderedEnqueuer": "graphopt.keras.utils.data",
    "pack_x_y_sample_weight": "graphopt.keras.training.data",
    "pad_sequences": "graphopt.keras.preprocessing.sequence",
    "plot_model": "graphopt.keras.utils.plotting",
    "Progbar": "graphopt.keras.utils.progress",
    "register_keras_serializable": "graphopt.keras.serialization",
    "save_img": "graphopt.keras.utils.images",
    "Sequence": "graphopt.keras.utils.data",
    "SequenceEnqueuer": "graphopt.keras.utils.data",
    "serialize_keras_object": "graphopt.keras.saving",
    "set_random_seed": "graphopt.keras.utils.seeds",
    "split_dataset": "graphopt.keras.utils.timeseries",
    "text_dataset_from_directory": "graphopt.keras.utils.directories",
    "timeseries_dataset_from_array": "graphopt.keras.utils.timeseries",
    "to_categorical": "graphopt.keras.utils.arrays",
    "to_ordinal": "graphopt.keras.utils.arrays",
    "unpack_x_y_sample_weight": "graphopt.keras.training.data",
}


# Modules of former versions that programs import from: their names are here.
_FORMER = ("data_utils", "generic_utils", "layer_utils", "np_utils", "vis_utils")


if not TYPE_CHECKING:  # checkers know the names, and find those that are misspelt

    def __getattr__(name: str) -> Any:
        if name in _FORMER:
            return sys.modules[__name__]
        if name in _LATER:
            return getattr(importlib.import_module(_LATER[name]), name)
        raise AttributeError(f"module 'tf.keras.utils' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(_LATER)
