"""Strings as values: arrays of Python's `bytes`, as TensorFlow gives them out."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def as_bytes(value: Any) -> bytes | None:
    """Returns the bytes of a string, text as UTF-8; None for what is no string."""
    if isinstance(value, str):
        # Names of files may hold bytes that are no UTF-8.
        return value.encode("utf-8", "surrogateescape")
    return bytes(value) if isinstance(value, bytes) else None


def string_array(value: Any) -> NDArray[Any] | None:
    """Converts strings, and nests of lists of them, to an array of `bytes`.

    Args:
      value: Strings, lists or arrays of them.

    Returns:
      An array of dtype object; None if something in it is no string.

    Raises:
      ValueError: A list is ragged.

    >>> string_array(["a", b"b"])
    array([b'a', b'b'], dtype=object)
    """
    # Not by way of NumPy's own strings, which lose zeros at the end.
    source = np.asarray(value, object)
    if set(map(type, source.ravel().tolist())) == {bytes}:
        return source if source is value else source.copy()
    flat = [as_bytes(each) for each in source.ravel()]
    if any(each is None for each in flat):
        return None
    array = np.empty(len(flat), object)
    array[:] = flat
    return array.reshape(source.shape)


def to_array(value: Any) -> NDArray[Any]:
    """Returns what an op has computed as an array, a single string too."""
    if type(value) is np.ndarray:
        return value
    if type(value) is bytes:
        # `np.asarray` makes one of NumPy's own strings.
        array = np.empty((), object)
        array[()] = value
        return array
    return np.asarray(value)


def blank(shape: Any, dtype: np.dtype[Any]) -> NDArray[Any]:
    """Returns an array of zeros, of strings one of empty ones.

    >>> blank([2], np.dtype(object))
    array([b'', b''], dtype=object)
    """
    return np.full(shape, b"", dtype) if dtype.kind == "O" else np.zeros(shape, dtype)
