"""How objects of Keras show themselves: as the call that makes one like them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

# Longer values than this say no more than their beginning.
_LONGEST = 40


def describe_call(thing: Any, arguments: Mapping[str, Any]) -> str:
    """Returns `ClassName(argument=value, ...)`, without arguments that are None.

    >>> class Decay: pass
    >>> describe_call(Decay(), {"rate": 0.5, "steps": 10, "name": None})
    'Decay(rate=0.5, steps=10)'
    """
    parts = [f"{k}={_shorten(v)}" for k, v in arguments.items() if v is not None]
    return f"{type(thing).__name__}({', '.join(parts)})"


def describe_config(thing: Any) -> str:
    """Returns the call that makes an object like one that has a `get_config`."""
    try:
        config = thing.get_config()
    except NotImplementedError:
        # Of a subclass that says nothing of its arguments.
        return f"{type(thing).__name__}()"
    return describe_call(thing, config)


def _shorten(value: Any) -> str:
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, Mapping) and "class_name" in value:
        return str(value["class_name"])
    text = repr(value)
    return text if len(text) <= _LONGEST else text[: _LONGEST - 3] + "..."
