"""`tf.compat`: names of other versions of TensorFlow, as modules `v1` and `v2`."""

import numbers
import os
from typing import TYPE_CHECKING, Any

import numpy as np

from graphopt.graph.dimension import dimension_at_index as dimension_at_index
from graphopt.graph.dimension import dimension_value as dimension_value

if TYPE_CHECKING:
    from graphopt.compat import v1 as v1
    from graphopt.compat import v2 as v2


if not TYPE_CHECKING:  # checkers know the names, and find those that are misspelt

    def __getattr__(name: str) -> Any:
        # Loaded when asked for, since they import the package that this one is part of.
        if name in ("v1", "v2"):
            import importlib

            return importlib.import_module(f"graphopt.compat.{name}")
        raise AttributeError(f"module 'graphopt.compat' has no attribute {name!r}")


def __dir__() -> list[str]:
    hidden = {"Any", "TYPE_CHECKING", "np", "numbers", "os"}
    here = [n for n in globals() if not n.startswith("_") and n not in hidden]
    return sorted({*here, "v1", "v2"})


integral_types = (numbers.Integral, np.integer)
real_types = (numbers.Real, np.integer, np.floating)
complex_types = (numbers.Complex, np.number)
bytes_or_text_types = (bytes, str)


def as_bytes(bytes_or_text: Any, encoding: str = "utf-8") -> bytes:
    """Returns text as bytes, and bytes as they are.

    Raises:
      TypeError: It is neither.

    Source: `tf.compat.as_bytes`.
    """
    if isinstance(bytes_or_text, (bytes, bytearray)):
        return bytes(bytes_or_text)
    if isinstance(bytes_or_text, str):
        return bytes_or_text.encode(encoding)
    raise TypeError(f"Expected binary or unicode string, got {bytes_or_text!r:.80}")


def as_text(bytes_or_text: Any, encoding: str = "utf-8") -> str:
    """Returns bytes as text, and text as it is.

    Raises:
      TypeError: It is neither.

    Source: `tf.compat.as_text`.
    """
    if isinstance(bytes_or_text, str):
        return bytes_or_text
    if isinstance(bytes_or_text, bytes):
        return bytes_or_text.decode(encoding)
    raise TypeError(f"Expected binary or unicode string, got {bytes_or_text!r:.80}")


as_str = as_text


def as_str_any(value: Any, encoding: str = "utf-8") -> str:
    """Returns anything as text; bytes are decoded."""
    return value.decode(encoding) if isinstance(value, bytes) else str(value)


def path_to_str(path: Any) -> Any:
    """Returns the text of a path, and what is none as it is."""
    return os.fspath(path) if hasattr(path, "__fspath__") else path


def path_to_bytes(path: Any) -> bytes:
    """Returns a path as bytes."""
    return as_bytes(path_to_str(path))


def forward_compatible(year: int, month: int, day: int) -> bool:
    """Returns True: nothing waits for other versions."""
    return True
