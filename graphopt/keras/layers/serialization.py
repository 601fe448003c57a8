"""Layers by class name and config."""

from __future__ import annotations

import importlib
from typing import Any

from graphopt.keras import serialization


def serialize(layer: Any, use_legacy_format: bool = False) -> Any:
    """Returns class name and config as plain values.

    Source: `tf.keras.layers.serialize`.
    """
    return serialization.serialize(layer)


class _Classes(dict[str, Any]):
    """Layers and models by name, loaded when they are asked for."""

    def __missing__(self, name: str) -> Any:
        for module in ("graphopt.keras.layers", "graphopt.keras.models"):
            found = getattr(importlib.import_module(module), name, None)
            if found is not None:
                return found
        raise ValueError(
            f"Unknown layer {name!r}; expected the name of a class in tf.keras.layers, "
            "or one in custom_objects."
        )


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
    name, own = config["class_name"], dict(config.get("config", {}))
    cls = (custom_objects or {}).get(name) or _Classes()[name]
    return cls.from_config(own)
