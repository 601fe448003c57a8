"""Layers by class name and config."""

from __future__ import annotations

from typing import Any

from graphopt.keras.serialization import deserialize_object, serialize_object


def serialize(layer: Any, use_legacy_format: bool = False) -> Any:
    """Returns class name and config as plain values.

    Source: `tf.keras.layers.serialize`.
    """
    return serialize_object(layer)


def deserialize(
    config: Any, custom_objects: Any = None, use_legacy_format: bool = False
) -> Any:
    """Makes a layer of what `serialize` returned.

    Args:
      config: A dict with `class_name` and `config`.
      custom_objects: Other classes by name, looked at first.
      use_legacy_format: Accepted for compatibility.

    Raises:
      ValueError: Nothing has that name.

    Source: `tf.keras.layers.deserialize`.
    """
    return deserialize_object(config, custom_objects)
