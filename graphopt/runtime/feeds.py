"""What `Session.run` is fed: values for tensors, converted without loss."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphopt.dtypes import DType
from graphopt.errors import describe_shapes, fail
from graphopt.graph import nest
from graphopt.graph.dispatch import safe_cast
from graphopt.graph.graph import Graph
from graphopt.graph.provenance import user_site
from graphopt.graph.strings import string_array
from graphopt.graph.tensor import EagerTensor, GraphTensor
from graphopt.ops.creation import is_masked
from graphopt.runtime.variable import Variable

Array = NDArray[Any]


def feed_target(graph: Graph, key: Any) -> GraphTensor:
    """Returns the tensor that a key of a feed_dict stands for.

    Raises:
      TypeError: It stands for none.
    """
    if isinstance(key, GraphTensor) and key.op.graph is graph:
        return key
    try:
        tensor = graph.as_graph_element(key, allow_operation=False)
    except (KeyError, ValueError, TypeError) as error:
        raise fail(
            TypeError,
            f"Cannot interpret feed_dict key as Tensor: {error.args[0]}",
            got=f"the key {key!r:.80}",
            expected="a tensor of the graph, or its name as 'x:0'",
            site=str(user_site()),
            remedy="the placeholder itself as the key",
        ) from None
    assert isinstance(tensor, GraphTensor)
    return tensor


def nested_feeds(key: Any, value: Any) -> list[tuple[Any, Any]]:
    """Returns what is fed to each tensor of a nest, as the state of a cell.

    Raises:
      ValueError: The value has another structure.
    """
    keys, values = nest.flatten(key), nest.flatten(value)
    if len(keys) != len(values):
        raise fail(
            ValueError,
            "Cannot feed a nest of tensors with a nest of another structure",
            got=f"{len(values)} values",
            expected=f"{len(keys)}, one for each tensor",
            site=str(user_site()),
        )
    return list(zip(keys, values, strict=True))


def feed_value(tensor: GraphTensor, value: Any) -> Array:
    """Converts a fed value to a contiguous array of the tensor's dtype.

    Raises:
      TypeError: A tensor was fed, or the numbers do not fit the dtype.
      ValueError: The shape does not fit, or the value is no array.
    """
    dtype = tensor.dtype
    if type(value) is np.ndarray and value.dtype == dtype.numpy and not dtype.is_string:
        array: Array | None = value
    elif isinstance(value, (GraphTensor, Variable)):
        raise fail(
            TypeError,
            "The value of a feed cannot be a symbolic tensor or variable",
            got=f"{value!r} for {tensor.name!r}",
            expected="a Python number, a list or a NumPy array",
            op=tensor.op,
            remedy="session.run(...) first, to get its value",
        )
    else:
        array = convert_feed(tensor, value)
    assert array is not None
    shape = tensor.shape
    if array.shape != shape and not shape.is_compatible_with(array.shape):
        raise fail(
            ValueError,
            f"Cannot feed value of shape {array.shape} for Tensor {tensor.name!r}, "
            f"which has shape {shape}",
            got=f"{array.dtype}{list(array.shape)}",
            expected=describe_shapes(tensor),
            op=tensor.op,
            remedy="a placeholder with None where the size varies",
        )
    if not array.flags.c_contiguous or not array.flags.aligned:
        array = np.array(array, order="C")
    return array


class Rows:
    """What each of the steps of `run_steps` is fed: rows of an array, or of an iterable.

    Args:
      tensor: What is fed.
      values: An array `[n, ...]`, a list, or an iterable.
      n: The number of steps.

    Raises:
      ValueError: An array or list has another number of rows.
    """

    # Rows that are taken from an iterator for one native call.
    STAGED = 64

    def __init__(self, tensor: GraphTensor, values: Any, n: int) -> None:
        if hasattr(values, "__len__") and len(values) != n:
            raise fail(
                ValueError,
                f"The values of {tensor.name!r} for run_steps do not fit",
                got=f"{len(values)} rows",
                expected=f"{n}, one for each step",
                op=tensor.op,
                remedy="feed_dict for a value that all steps share",
            )
        self.tensor = tensor
        self.array: Array | None = None
        self.staged: list[Array] = []
        if is_masked(values):
            feed_value(tensor, values)
        if isinstance(values, np.ndarray) and values.ndim:
            # All rows are converted and checked at once, as one of them would be.
            first = feed_value(tensor, values[0])
            if values.dtype == first.dtype:
                self.array = np.ascontiguousarray(values)
        self.source = iter(()) if self.array is not None else iter(values)
        self.taken = 0

    def count_ready(self, wanted: int) -> int:
        """Returns how many rows of one shape can be taken now."""
        if self.array is not None:
            return wanted
        wanted = min(wanted, self.STAGED)
        while len(self.staged) < wanted:
            try:
                value = next(self.source)
            except StopIteration:
                break
            row = feed_value(self.tensor, value)
            # The iterator may give the same buffer again, with other numbers.
            self.staged.append(row.copy())
            if row.shape != self.staged[0].shape:
                return len(self.staged) - 1
        if not self.staged:
            raise fail(
                ValueError,
                f"The values of {self.tensor.name!r} for run_steps do not fit",
                got=f"an iterable that ended after {self.taken} values",
                expected="one for each step",
                op=self.tensor.op,
                remedy="a smaller n",
            )
        same = self.staged[0].shape
        return next(
            (i for i, row in enumerate(self.staged) if row.shape != same),
            len(self.staged),
        )

    def take(self, count: int) -> Array:
        """Returns the next rows as one array."""
        start, self.taken = self.taken, self.taken + count
        if self.array is not None:
            return self.array[start : start + count]
        rows, self.staged = self.staged[:count], self.staged[count:]
        return np.stack(rows)


def convert_feed(tensor: GraphTensor, value: Any) -> Array:
    """Converts a fed value that is no array of the tensor's dtype.

    Raises:
      TypeError: The numbers do not fit the dtype.
      ValueError: It is no array.
    """
    if isinstance(value, EagerTensor):
        value = value.array
    if tensor.dtype.is_string and value is not None:
        return _fed_strings(tensor, value)
    if value is None:
        raise _no_feed(
            ValueError, f"Cannot feed None for Tensor {tensor.name!r}", tensor
        )
    if is_masked(value):
        what = f"Cannot feed a masked array for Tensor {tensor.name!r}"
        raise _no_feed(TypeError, what, tensor, "a masked array", "array.filled(0)")
    if isinstance(value, np.ndarray) and value.dtype.kind in "biufc":
        array = np.asarray(value)
    elif isinstance(value, (bytes, str)):
        what = f"could not convert string to {tensor.dtype.name}: {value!r:.40}"
        raise _no_feed(ValueError, what, tensor, "a string", "float(...)")
    else:
        array = _host_array(tensor, value)
    array = array.astype(array.dtype.newbyteorder("="), copy=False)
    cast = safe_cast(array, tensor.dtype)
    if cast is None:
        cast = _whole_numbers(array, tensor.dtype)
    if cast is None:
        raise _not_fitting(tensor, array, value)
    return cast


def _fed_strings(tensor: GraphTensor, value: Any) -> Array:
    try:
        strings = string_array(
            os.fspath(value) if isinstance(value, os.PathLike) else value
        )
    except ValueError:
        strings = None
    if strings is None:
        what = f"Cannot feed what is no string for Tensor {tensor.name!r}"
        raise _no_feed(TypeError, what, tensor, f"{value!r:.80}", "strings, or bytes")
    return strings


def _whole_numbers(array: Array, dtype: DType) -> Array | None:
    """Returns floats as integers if each of them is one that the dtype holds, or None."""
    if not dtype.is_integer or array.dtype.kind != "f":
        return None
    # Compared as floats of 64 bits: an integer's largest number may round up to one
    # that it does not hold.
    wide = array.astype(np.float64)
    low, high = float(dtype.min), float(dtype.max)
    fits = np.isfinite(wide) & (np.trunc(wide) == wide) & (wide >= low)
    fits &= (wide <= high) if int(high) == dtype.max else (wide < high)
    return array.astype(dtype.numpy) if bool(np.all(fits)) else None


def _not_fitting(tensor: GraphTensor, array: Array, value: Any) -> TypeError:
    return fail(
        TypeError,
        f"Cannot feed values of dtype {array.dtype} for Tensor {tensor.name!r}",
        got=f"{value!r:.80}",
        expected=f"values that {tensor.dtype.name} holds without loss",
        op=tensor.op,
        remedy="converting the array before it is fed",
    )


def _no_feed(
    error: type[Any],
    what: str,
    tensor: GraphTensor,
    got: str = "None",
    remedy: str = "a value, or leaving the key out",
) -> Any:
    wanted = describe_shapes(tensor)
    return fail(error, what, got=got, expected=wanted, op=tensor.op, remedy=remedy)


def _host_array(tensor: GraphTensor, value: Any) -> Array:
    try:
        array = np.asarray(value)
    except ValueError as error:
        raise fail(
            ValueError,
            f"Cannot feed a sequence that is no array for Tensor {tensor.name!r}",
            got=str(error),
            expected="rows of one length",
            op=tensor.op,
            remedy="padding the shorter rows",
        ) from None
    if array.dtype.kind not in "biufc":
        raise _not_fitting(tensor, array, value)
    return array
