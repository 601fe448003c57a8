"""Values of ops and layers as JSON: dtypes, shapes, arrays, slices and nests of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from graphopt.dtypes import DType, as_dtype
from graphopt.graph.shape import TensorShape
from graphopt.graph.strings import string_array
from graphopt.graph.tensor import EagerTensor
from graphopt.ops.printing import Slot

_PLAIN = (bool, int, float, str, type(None))


def encode(value: Any, special: Callable[[Any], Any] | None = None) -> Any:
    """Returns a value as what JSON can hold.

    Args:
      value: The value.
      special: Encodes what only the caller knows; returns None for anything else.

    Raises:
      NotImplementedError: It cannot be written down.

    >>> decode(encode((1, slice(0, None, 2)))) == (1, slice(0, None, 2))
    True
    """
    own = special(value) if special is not None else None
    if own is not None:
        return own
    if type(value) in _PLAIN:
        return value
    if isinstance(value, Slot):
        return {"$slot": int(value)}
    if isinstance(value, DType):
        return {"$dtype": value.name}
    if isinstance(value, TensorShape):
        return {"$shape": None if value.rank is None else list(value)}
    if isinstance(value, slice):
        parts = (value.start, value.stop, value.step)
        return {"$slice": [encode(part, special) for part in parts]}
    if value is Ellipsis:
        return {"$ellipsis": True}
    if isinstance(value, EagerTensor):
        return {**encode(value.array, special), "$tensor": True}
    if isinstance(value, (np.ndarray, np.generic)):
        return _encode_array(np.asarray(value))
    if isinstance(value, tuple):
        return {"$tuple": [encode(part, special) for part in value]}
    if isinstance(value, list):
        return [encode(part, special) for part in value]
    if isinstance(value, dict):
        if all(isinstance(key, str) and not key.startswith("$") for key in value):
            return {key: encode(part, special) for key, part in value.items()}
        pairs = [[encode(k, special), encode(v, special)] for k, v in value.items()]
        return {"$dict": pairs}
    raise NotImplementedError(
        f"A model with {value!r:.80} ({type(value).__name__}) as an argument cannot be "
        "written down; use a layer with `get_config` in its place."
    )


def _encode_array(array: np.ndarray[Any, Any]) -> dict[str, Any]:
    if array.dtype == object:
        listed = [item.decode("latin-1") for item in array.ravel()]
        return {"$array": listed, "dtype": "string", "shape": list(array.shape)}
    if array.dtype.kind == "c":
        listed = [[float(z.real), float(z.imag)] for z in array.ravel()]
        return {"$array": listed, "dtype": array.dtype.name, "shape": list(array.shape)}
    flat = array.astype(np.float64) if array.dtype == np.float16 else array
    listed = flat.ravel().tolist()
    return {"$array": listed, "dtype": array.dtype.name, "shape": list(array.shape)}


def decode(value: Any, special: Callable[[dict[str, Any]], Any] | None = None) -> Any:
    """Returns what `encode` encoded.

    Args:
      value: What JSON gave.
      special: Decodes a dict that only the caller knows; returns None for any other.
    """
    if isinstance(value, list):
        return [decode(part, special) for part in value]
    if not isinstance(value, dict):
        return value
    own = special(value) if special is not None else None
    if own is not None:
        return own
    if "$slot" in value:
        return Slot(value["$slot"])
    if "$dtype" in value:
        return as_dtype(value["$dtype"])
    if "$shape" in value:
        return TensorShape(value["$shape"])
    if "$slice" in value:
        return slice(*(decode(part, special) for part in value["$slice"]))
    if "$ellipsis" in value:
        return Ellipsis
    if "$array" in value:
        array = _decode_array(value)
        return EagerTensor(array) if value.get("$tensor") else array
    if "$tuple" in value:
        return tuple(decode(part, special) for part in value["$tuple"])
    if "$dict" in value:
        return {decode(k, special): decode(v, special) for k, v in value["$dict"]}
    return {key: decode(part, special) for key, part in value.items()}


def _decode_array(value: dict[str, Any]) -> np.ndarray[Any, Any]:
    listed, dtype, shape = value["$array"], value["dtype"], value["shape"]
    if dtype == "string":
        found = string_array([item.encode("latin-1") for item in listed])
        assert found is not None
        return found.reshape(shape)
    if dtype.startswith("complex"):
        listed = [complex(*pair) for pair in listed]
    return np.array(listed, dtype).reshape(shape)
