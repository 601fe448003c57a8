"""Objects by name, and as plain values: what constraints, regularizers and initializers share.

Nothing is imported by a name from a config: names are looked up in a table, or in the
`custom_objects` that the caller passes.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

Table = Mapping[str, Callable[..., Any]]


def serialize(thing: Any) -> Any:
    """Returns class name and config as plain values, or the name of a function."""
    if thing is None:
        return None
    if hasattr(thing, "get_config"):
        return {"class_name": type(thing).__name__, "config": thing.get_config()}
    return thing.__name__


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
    found = {**table, **(custom_objects or {})}.get(name)
    if found is None:
        raise ValueError(
            f"Unknown {what} {name!r}; expected one of {sorted(table)}, or a name in "
            "custom_objects."
        )
    if is_name:
        return found() if isinstance(found, type) else found
    return found(**config.get("config", {}))


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
