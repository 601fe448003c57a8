"""TensorProto: arrays in messages."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphopt.errors import DataLossError
from graphopt.files import messages as m

# TensorFlow's numbers of dtypes (tensorflow/core/framework/types.proto).
NUMBERS = {
    "float32": 1,
    "float64": 2,
    "int32": 3,
    "uint8": 4,
    "int16": 5,
    "int8": 6,
    "string": 7,
    "complex64": 8,
    "int64": 9,
    "bool": 10,
    "uint16": 17,
    "complex128": 18,
    "float16": 19,
    "uint32": 22,
    "uint64": 23,
}
_NAMES = {number: name for name, number in NUMBERS.items()}
_FIELDS = {
    "float32": "float_val",
    "float64": "double_val",
    "int64": "int64_val",
    "bool": "bool_val",
}
# The most elements of a tensor that a message states without its bytes.
MOST_ELEMENTS = 1 << 28


def make_tensor_proto(array: Any) -> Any:
    """Returns the message of an array; strings and bytes become strings."""
    array = np.asarray(array)
    shape = m.TensorShape(dim=[m.Dim(size=size) for size in array.shape])
    if array.dtype.kind in "OSU":
        strings = [
            s.encode() if isinstance(s, str) else bytes(s) for s in array.ravel()
        ]
        return m.Tensor(dtype=7, tensor_shape=shape, string_val=strings)
    little = np.ascontiguousarray(array).astype(
        array.dtype.newbyteorder("<"), copy=False
    )
    return m.Tensor(
        dtype=NUMBERS[array.dtype.name],
        tensor_shape=shape,
        tensor_content=little.tobytes(),
    )


def make_ndarray(tensor: Any) -> NDArray[Any]:
    """Returns the array of a message; strings are bytes in an array of objects.

    Raises:
      DataLossError: Shape and bytes do not fit together.
      NotImplementedError: Its dtype is not one of NumPy's.
    """
    name = _NAMES.get(tensor.dtype)
    if name is None:
        raise NotImplementedError(f"a tensor of TensorFlow's dtype {tensor.dtype}")
    dims = tuple(dim.size for dim in tensor.tensor_shape.dim)
    if any(size < 0 for size in dims) or math.prod(dims) > MOST_ELEMENTS:
        raise DataLossError(f"a tensor of shape {dims!r:.80}")
    count = math.prod(dims)
    if name == "string":
        strings = np.empty(len(tensor.string_val), object)
        strings[:] = [bytes(each) for each in tensor.string_val]
        return _spread(strings, count, dims)
    dtype = np.dtype(name).newbyteorder("<")
    content = tensor.tensor_content
    if len(content):
        if len(content) != count * dtype.itemsize:
            raise DataLossError(f"{len(content)} bytes for {name} {dims}")
        return np.frombuffer(bytes(content), dtype).reshape(dims)
    values = np.asarray(getattr(tensor, _FIELDS.get(name, "int_val")), dtype)
    return _spread(values, count, dims)


def _spread(values: NDArray[Any], count: int, dims: tuple[int, ...]) -> NDArray[Any]:
    """Repeats the last element, as messages leave it to the reader to do."""
    if values.size > count:
        raise DataLossError(f"{values.size} elements for the shape {dims}")
    whole = np.zeros(count, values.dtype)
    whole[: values.size] = values
    if values.size:
        whole[values.size :] = values[-1]
    return whole.reshape(dims)
