"""`tf.keras.saving`: models in files, and names of classes and functions in them."""

from graphopt.keras.models.saving import load_model as load_model
from graphopt.keras.models.saving import save_model as save_model
from graphopt.keras.serialization import custom_object_scope as custom_object_scope
from graphopt.keras.serialization import deserialize_object as _deserialize_object
from graphopt.keras.serialization import get_custom_objects as get_custom_objects
from graphopt.keras.serialization import get_registered_name as get_registered_name
from graphopt.keras.serialization import get_registered_object as get_registered_object
from graphopt.keras.serialization import (
    register_keras_serializable as register_keras_serializable,
)
from graphopt.keras.serialization import serialize as _serialize

# An import by another name is private to type checkers.
deserialize_keras_object = _deserialize_object
serialize_keras_object = _serialize

__all__ = ["deserialize_keras_object", "serialize_keras_object"]
