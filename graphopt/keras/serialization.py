"""Objects by name, and as plain values: what layers, losses, initializers and so on share.

Nothing is imported by a name from a config: names are looked up in a table, in what
`register_keras_serializable` and `custom_object_scope` made known, or in the
`custom_objects` that the caller passes.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any

Table = Mapping[str, Callable[..., Any]]


class _Scopes(threading.local):
    """The objects of the scopes of this thread."""

    def __init__(self) -> None:
        self.objects: dict[str, Any] = {}


_scopes = _Scopes()
# What the whole process knows: `get_custom_objects` returns it.
_custom_objects: dict[str, Any] = {}
_registered: dict[str, Any] = {}
_names: dict[int, str] = {}


def get_custom_objects() -> dict[str, Any]:
    """Returns the dict of objects by name in which configs are looked up; it may be changed.

    Source: `tf.keras.utils.get_custom_objects`.
    """
    return _custom_objects


@contextlib.contextmanager
def custom_object_scope(*objects: Mapping[str, Any]) -> Iterator[None]:
    """Makes classes and functions known by name in a block.

    Args:
      *objects: Dicts from names to classes or functions.

    >>> import graphopt as tf
    >>> def double(x): return 2 * x
    >>> with tf.keras.utils.custom_object_scope({"double": double}):
    ...     layer = tf.keras.layers.Activation("double")
    >>> float(layer(tf.constant(3.0)))
    6.0

    Source: `tf.keras.utils.custom_object_scope`.
    """
    before = _scopes.objects
    _scopes.objects = {**before, **{k: v for part in objects for k, v in part.items()}}
    try:
        yield
    finally:
        _scopes.objects = before


CustomObjectScope = custom_object_scope


def register_keras_serializable(
    package: str = "Custom", name: str | None = None
) -> Callable[[Any], Any]:
    """Makes a class or function known by `package>name`, for loading models.

    Args:
      package: What the name begins with.
      name: The name; by default that of the class or function.

    Raises:
      ValueError: The name is taken, or a class has no `get_config`.

    >>> import graphopt as tf
    >>> @tf.keras.utils.register_keras_serializable("mine")
    ... class Twice(tf.keras.layers.Layer):
    ...     def call(self, inputs):
    ...         return 2 * inputs
    >>> tf.keras.utils.get_registered_name(Twice)
    'mine>Twice'

    Source: `tf.keras.utils.register_keras_serializable`.
    """

    def register(thing: Any) -> Any:
        full = f"{package}>{name or thing.__name__}"
        if isinstance(thing, type) and not hasattr(thing, "get_config"):
            raise ValueError(
                f"Cannot register a class that does not have a get_config() method: "
                f"{thing!r}."
            )
        known = _registered.get(full)
        if known is not None and known.__qualname__ != thing.__qualname__:
            raise ValueError(f"{full} has already been registered to {known!r}.")
        _registered[full] = thing
        _names[id(thing)] = full
        return thing

    return register


def get_registered_name(thing: Any) -> str:
    """Returns the name that a class or function was registered under, else its own.

    Source: `tf.keras.utils.get_registered_name`.
    """
    return str(_names.get(id(thing), thing.__name__))


def get_registered_object(
    name: str, custom_objects: Any = None, module_objects: Any = None
) -> Any:
    """Returns what is known by a name; None if nothing is.

    Source: `tf.keras.utils.get_registered_object`.
    """
    for table in (
        custom_objects or {},
        _scopes.objects,
        _custom_objects,
        _registered,
        module_objects or {},
    ):
        if name in table:
            return table[name]
    return None


def serialize(thing: Any) -> Any:
    """Returns class name and config as plain values, or the name of a function."""
    if thing is None:
        return None
    if hasattr(thing, "get_config"):
        known = get_registered_name(type(thing))
        return {"class_name": known, "config": thing.get_config()}
    name: Any = getattr(thing, "__name__", None)
    if name is None:
        raise ValueError(
            f"{thing!r} cannot be written down: it has neither a `get_config` nor a name."
        )
    if id(thing) in _names:
        return _names[id(thing)]
    return name


def deserialize(
    config: Any, table: Table, what: str, custom_objects: Table | None = None
) -> Any:
    """Makes an object of what `serialize` returned, or of a name.

    Args:
      config: A dict with `class_name` and `config`, or a name.
      table: Classes by name.
      what: What they are, for messages.
      custom_objects: Other classes and functions by name, looked at first.

    Raises:
      ValueError: Nothing has that name.
    """
    is_name = isinstance(config, str)
    name = config if is_name else str(config.get("class_name"))
    found = get_registered_object(name, custom_objects)
    if found is None:
        found = table.get(name)
    if found is None:
        raise ValueError(
            f"Unknown {what} {name!r}; expected one of {sorted(table)}, or a name in "
            "custom_objects."
        )
    if is_name:
        return found() if isinstance(found, type) else found
    options = config.get("config", {})
    if not isinstance(found, type):
        # A function that was written down as an object.
        return found
    if hasattr(found, "from_config"):
        with custom_object_scope(custom_objects or {}):
            return found.from_config(options)
    return found(**options)


def get(identifier: Any, table: Table, what: str) -> Any:
    """Returns an object for a name, a config, a class or a function; None for None.

    Raises:
      ValueError: It stands for none.
    """
    if identifier is None:
        return None
    if isinstance(identifier, (str, dict)):
        return deserialize(identifier, table, what)
    if isinstance(identifier, type):
        return identifier()
    if callable(identifier):
        return identifier
    raise ValueError(f"Could not interpret {what} identifier: {identifier!r}.")


# ---- layers and models


class _Classes(Mapping[str, Any]):
    """The classes of layers and models by name, loaded when one is looked up."""

    def __getitem__(self, name: str) -> Any:
        from graphopt.keras import layers, models

        if name in ("Sequential", "Model", "Functional"):
            return models.Sequential if name == "Sequential" else models.Model
        if name == "OpLayer":
            from graphopt.keras.layers.ops import OpLayer

            return OpLayer
        if name in dir(layers):
            found = getattr(layers, name)
            if isinstance(found, type):
                return found
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        from graphopt.keras import layers

        names = [n for n in dir(layers) if isinstance(getattr(layers, n), type)]
        return iter([*names, "Sequential", "Model", "Functional", "OpLayer"])

    def __len__(self) -> int:
        return len(list(iter(self)))


CLASSES = _Classes()


def serialize_object(layer: Any) -> dict[str, Any]:
    """Returns class name and config of a layer or model."""
    return {
        "class_name": get_registered_name(type(layer)),
        "config": layer.get_config(),
    }


def deserialize_object(config: Any, custom_objects: Table | None = None) -> Any:
    """Makes a layer or model of what `serialize_object` returned.

    Raises:
      ValueError: Nothing has that name.
    """
    return deserialize(config, CLASSES, "layer", custom_objects)
