"""Attributes of ops as plain JSON values, and back.

Numbers, strings, truth values and None stand for themselves. Everything else is an
object with one key that says what it is:

| object | attribute |
|---|---|
| `{"float": "nan"}` | a float that JSON has no number for |
| `{"dtype": "float32"}` | an element type |
| `{"shape": [null, 3]}` | a shape; null for an unknown size, or an unknown rank |
| `{"tuple": [...]}`, `{"list": [...]}` | values in order |
| `{"ellipsis": true}` | `...` in a slice |
| `{"array": {"dtype", "shape", "data"}}` | little-endian bytes in base64 |
| `{"variable": "name"}` | the storage of a variable, listed under `variables` |
| `{"stream": [kind, first, second]}` | the key of a random op's numbers |
| `{"body": {...}}` | a branch or a loop's body: a graph with `inputs` and `outputs` |
| `{"python": "name"}` | a Python function: shown, never loaded |
"""

from __future__ import annotations

import base64
import binascii
import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from graphopt.dtypes import EVERY, DType, string
from graphopt.errors import InvalidArgumentError, fail
from graphopt.graph.body import Body
from graphopt.graph.shape import TensorShape
from graphopt.ops.creation import LARGEST_BYTES, MOST_DIMENSIONS
from graphopt.ops.printing import Slot, Text
from graphopt.ops.random_stateful import RandomStream
from graphopt.runtime.store import VariableKey

_DTYPES = {dtype.name: dtype for dtype in (*EVERY, string)}
_INT64 = 1 << 63
DEEPEST = 32

Encoder = Callable[[Any], Any]


def encode(value: Any, encode_body: Encoder) -> Any:
    """Writes an attribute as JSON values.

    Args:
      value: The attribute.
      encode_body: Writes the body of a branch or loop.

    Raises:
      InvalidArgumentError: It is of a kind that no graph of a user has.

    >>> encode((1, None, ...), repr), encode(TensorShape([None, 2]), repr)
    ({'tuple': [1, None, {'ellipsis': True}]}, {'shape': [None, 2]})
    """
    if isinstance(value, float) and not math.isfinite(value):
        return {"float": repr(float(value))}
    if isinstance(value, Slot):
        return {"slot": int(value)}
    if isinstance(value, Text):
        return {"text": str.__str__(value)}
    if isinstance(value, dict):
        items = [[encode(each, encode_body) for each in pair] for pair in value.items()]
        return {"map": items}
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, bytes):
        return {"bytes": base64.b64encode(value).decode()}
    if isinstance(value, np.generic):
        return encode(value.item(), encode_body)
    if isinstance(value, DType):
        return {"dtype": value.name}
    if isinstance(value, TensorShape):
        return {"shape": None if value.unknown_rank else list(value)}
    if isinstance(value, (tuple, list)):
        kind = "tuple" if isinstance(value, tuple) else "list"
        return {kind: [encode(item, encode_body) for item in value]}
    if value is ...:
        return {"ellipsis": True}
    if isinstance(value, np.ndarray):
        return {"array": encode_array(value)}
    if isinstance(value, VariableKey):
        return {"variable": value.name}
    if isinstance(value, RandomStream):
        return {"stream": [value.kind, value.first, value.second]}
    if isinstance(value, Body):
        return {"body": encode_body(value)}
    if callable(value):
        return {"python": str(getattr(value, "__name__", type(value).__name__))}
    if type(value).__module__.startswith("graphopt."):
        # A table, an iterator: what Python keeps for an op.
        return {"python": type(value).__name__}
    raise fail(
        InvalidArgumentError,
        f"An attribute of type {type(value).__name__} cannot be written to a file",
        got=f"{value!r:.60}",
        expected="a graph as it was built, before any rewrite",
    )


def encode_array(array: np.ndarray[Any, Any]) -> dict[str, Any]:
    """Writes an array as dtype, shape and base64, of strings as one each."""
    if array.dtype == object:
        return {
            "dtype": "string",
            "shape": list(array.shape),
            "data": [base64.b64encode(each).decode() for each in array.ravel()],
        }
    plain = np.ascontiguousarray(array)
    little = plain.astype(plain.dtype.newbyteorder("<"), copy=False)
    return {
        "dtype": array.dtype.name,
        "shape": list(array.shape),
        "data": base64.b64encode(little.tobytes()).decode(),
    }


# ---- reading


def bad(what: str, got: Any = None, expected: str | None = None) -> Any:
    """Makes the error for something in a file that cannot be."""
    shown = None if got is None else f"{got!r:.80}"
    return fail(
        InvalidArgumentError,
        f"The graph cannot be loaded: {what}",
        got=shown,
        expected=expected,
    )


class Decoder:
    """Reads attributes.

    Args:
      variables: The storage of each variable, by name.
      decode_body: Reads the body of a branch or loop.
    """

    def __init__(
        self, variables: Mapping[str, VariableKey], decode_body: Callable[[Any], Body]
    ) -> None:
        self.variables = variables
        self.decode_body = decode_body

    def decode(self, value: Any, depth: int = 0) -> Any:
        """Reads an attribute.

        Raises:
          InvalidArgumentError: It is none, or one that must not be loaded.
        """
        if value is None or isinstance(value, (bool, str, float)):
            return value
        if isinstance(value, int):
            return _check_int(value)
        if not isinstance(value, dict) or len(value) != 1 or depth > DEEPEST:
            raise bad("an attribute is malformed", value)
        ((kind, content),) = value.items()
        if kind in ("tuple", "list") and isinstance(content, list):
            items = [self.decode(item, depth + 1) for item in content]
            return tuple(items) if kind == "tuple" else items
        if kind == "map" and isinstance(content, list):
            return self._decode_map(content, depth + 1)
        if kind == "variable":
            if not isinstance(content, str) or content not in self.variables:
                raise bad("an op uses a variable that is not listed", content)
            return self.variables[content]
        if kind == "body":
            return self.decode_body(content)
        if kind == "python":
            raise bad(
                "it uses a Python function, or another object that no file holds",
                content,
            )
        reader = _READERS.get(kind)
        if reader is None:
            raise bad("an attribute is of an unknown kind", kind)
        return reader(content)

    def _decode_map(self, content: list[Any], depth: int) -> dict[Any, Any]:
        found = {}
        for pair in content:
            if not isinstance(pair, list) or len(pair) != 2:
                raise bad("an attribute is malformed", pair)
            key, value = (self.decode(each, depth) for each in pair)
            try:
                found[key] = value
            except TypeError:
                raise bad("a key of an attribute is malformed", pair) from None
        return found


def _decode_slot(content: Any) -> Slot:
    if type(content) is not int or content < 0:
        raise bad("an attribute is malformed", content)
    return Slot(content)


def _decode_text(content: Any) -> Text:
    if not isinstance(content, str):
        raise bad("an attribute is malformed", content)
    return Text(content)


def _check_int(value: Any) -> int:
    if type(value) is not int or not -_INT64 <= value < 2 * _INT64:
        raise bad("a number is no integer of 64 bits", value)
    return value


def _decode_float(content: Any) -> float:
    if content not in ("nan", "inf", "-inf"):
        raise bad("a float is malformed", content)
    return float(content)


def decode_dtype(content: Any) -> DType:
    """Reads the name of an element type."""
    found = _DTYPES.get(content) if isinstance(content, str) else None
    if found is None:
        raise bad("there is no such dtype", content, "one of " + ", ".join(_DTYPES))
    return found


def decode_shape(content: Any) -> TensorShape:
    """Reads a shape; sizes are not negative and their product is no memory bomb."""
    if content is None:
        return TensorShape(None)
    if not isinstance(content, list) or len(content) > MOST_DIMENSIONS:
        raise bad("a shape is malformed", content)
    for size in content:
        if size is not None and (type(size) is not int or not 0 <= size < _INT64):
            raise bad("a shape is malformed", content)
    known = [size for size in content if size]
    if math.prod(known) > LARGEST_BYTES:
        raise bad("a tensor would be too large", content)
    return TensorShape(content)


def decode_array(content: Any) -> np.ndarray[Any, Any]:
    """Reads an array; its size is compared with the data before any is allocated."""
    if not isinstance(content, dict) or set(content) != {"dtype", "shape", "data"}:
        raise bad("an array is malformed", content)
    dtype, shape = decode_dtype(content["dtype"]), decode_shape(content["shape"])
    data = content["data"]
    count = shape.num_elements()
    if dtype.is_string and count is not None:
        return _decode_strings(data, count).reshape(tuple(map(int, content["shape"])))
    if count is None or not isinstance(data, str):
        raise bad("an array is malformed", content["shape"])
    nbytes = count * dtype.size
    if len(data) != 4 * ((nbytes + 2) // 3):
        raise bad(
            "an array has not as many bytes as its shape says",
            f"{len(data)} characters of base64",
            f"those of {nbytes} bytes",
        )
    try:
        raw = base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError) as error:
        raise bad("an array is malformed", str(error)) from None
    if len(raw) != nbytes:
        raise bad("an array is malformed", len(raw), f"{nbytes} bytes")
    array = np.frombuffer(raw, dtype.numpy.newbyteorder("<"))
    if dtype.is_bool and not np.isin(np.frombuffer(raw, np.uint8), (0, 1)).all():
        raise bad("a bool is neither 0 nor 1")
    native = array.astype(dtype.numpy)
    return native.reshape(tuple(int(size or 0) for size in shape))


def _decode_strings(data: Any, count: int) -> np.ndarray[Any, Any]:
    if not isinstance(data, list) or len(data) != count:
        raise bad("an array of strings has not as many as its shape says")
    array = np.empty(count, object)
    for i, each in enumerate(data):
        try:
            array[i] = base64.b64decode(each, validate=True)
        except (TypeError, ValueError) as error:
            raise bad("a string is malformed", str(error)) from None
    return array


def _decode_bytes(content: Any) -> bytes:
    return bytes(_decode_strings([content], 1)[0])


def _decode_stream(content: Any) -> RandomStream:
    if not isinstance(content, list) or len(content) != 3:
        raise bad("the key of a random op is malformed", content)
    return RandomStream(*map(_check_int, content))


def _decode_ellipsis(content: Any) -> Any:
    if content is not True:
        raise bad("an attribute is malformed", content)
    return ...


_READERS: dict[str, Callable[[Any], Any]] = {
    "float": _decode_float,
    "dtype": decode_dtype,
    "shape": decode_shape,
    "array": decode_array,
    "bytes": _decode_bytes,
    "slot": _decode_slot,
    "text": _decode_text,
    "stream": _decode_stream,
    "ellipsis": _decode_ellipsis,
}
