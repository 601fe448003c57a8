"""Numbers in order, and what is known of a tensor's shape as a number."""

from __future__ import annotations

import builtins
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphopt import dtypes
from graphopt.dtypes import DType, as_dtype
from graphopt.errors import DecidedByRun, InvalidArgumentError, fail
from graphopt.graph.dispatch import call
from graphopt.graph.hooks import hooks
from graphopt.graph.opspec import (
    NOT_DIFFERENTIABLE,
    BadInput,
    Host,
    OpSpec,
    Sample,
    Source,
    register,
)
from graphopt.graph.provenance import user_site
from graphopt.graph.shape import SCALAR, TensorShape, broadcast_shapes
from graphopt.graph.tensor import Tensor
from graphopt.ops.creation import constant, constant_value, ones, static_ints
from graphopt.ops.deferred import deferrable
from graphopt.ops.elementwise import cast
from graphopt.ops.elementwise_specs import NUMERIC
from graphopt.ops.shaping import concat, expand_dims, identity, reshape

Array = NDArray[Any]
# The dtype of a range is the last of these that one of its bounds has.
_HIERARCHY = (
    dtypes.int32,
    dtypes.int64,
    dtypes.float16,
    dtypes.float32,
    dtypes.float64,
)


def _range_infer(start: Any, limit: Any, delta: Any) -> tuple[TensorShape, DType]:
    values = [constant_value(part) for part in (start, limit, delta)]
    for part in (start, limit, delta):
        if part.shape.rank not in (None, 0):
            raise fail(
                InvalidArgumentError,
                "start, limit and delta of range must be scalars",
                got=f"the shape {part.shape}",
                site=str(user_site()),
            )
    if any(value is None for value in values):
        return TensorShape((None,)), start.dtype
    return TensorShape((len(_range_numpy(*values)),)), start.dtype


def _range_numpy(start: Any, limit: Any, delta: Any) -> Array:
    if not delta or (delta > 0 and start > limit) or (delta < 0 and start < limit):
        raise fail(
            InvalidArgumentError,
            "Requires start <= limit when delta > 0, start >= limit when delta < 0, and "
            "delta != 0",
            got=f"start {start}, limit {limit} and delta {delta}",
            site=str(user_site()),
        )
    dtype = np.asarray(start).dtype
    if dtype.kind == "f":
        count = math.ceil(abs((float(limit) - float(start)) / float(delta)))
    else:
        count = -((int(start) - int(limit)) // int(delta))
    steps = np.arange(count).astype(dtype)
    return np.asarray(start + steps * delta, dtype)


RANGE = register(
    OpSpec(
        "Range",
        _range_infer,
        _range_numpy,
        NOT_DIFFERENTIABLE,
        Host("how many numbers there are depends on the bounds"),
        lambda: [
            Sample(tuple(np.array(v, t) for v in bounds))
            for bounds, t in (
                ((1, 10, 3), np.int32),
                ((5, 0, -2), np.int64),
                ((0, 1, 0.25), np.float32),
                ((2, 2, 1), np.float64),
            )
        ],
        errors=lambda: [
            BadInput(
                tuple(np.array(v) for v in bounds),
                {},
                InvalidArgumentError,
                "Requires start <= limit",
            )
            for bounds in ((3, 1, 1), (1, 3, -1), (1, 3, 0))
        ],
        dtypes=NUMERIC,
    )
)


def range(
    start: Any,
    limit: Any = None,
    delta: Any = 1,
    dtype: Any = None,
    name: str | None = "range",
) -> Tensor:
    """Returns the numbers from `start` to before `limit` in steps of `delta`.

    Args:
      start: The first number; 0 if it is the only bound, which then is the limit.
      limit: What the numbers stay below, or above if delta is negative.
      delta: The step.
      dtype: The element type; by default that of the bounds, the widest one.
      name: Name of the op.

    Raises:
      InvalidArgumentError: The steps lead away from the limit.

    >>> import graphopt as tf
    >>> tf.range(3).numpy().tolist(), tf.range(1, 10, 3).numpy().tolist()
    ([0, 1, 2], [1, 4, 7])

    Source: `tf.range`.
    """
    if limit is None:
        start, limit = 0, start
    given = None if dtype is None else as_dtype(dtype)
    bounds = [hooks.convert(b, dtype_hint=given) for b in (start, limit, delta)]
    if given is None:
        unknown = [b.dtype for b in bounds if b.dtype not in _HIERARCHY]
        given = unknown[0] if unknown else max((b.dtype for b in bounds), key=_rank)
    bounds = [_as_constant(b, given) for b in bounds]
    values = [constant_value(b) for b in bounds]
    if all(value is not None for value in values):
        return constant(_range_numpy(*values), name=name)
    return call(RANGE, *bounds, name=name)


def _rank(dtype: DType) -> int:
    return _HIERARCHY.index(dtype)


def _as_constant(value: Any, dtype: DType) -> Any:
    """Casts a bound, at once if it is known."""
    known = constant_value(value)
    return cast(value, dtype) if known is None else constant(known.astype(dtype.numpy))


def _linspace_dtype(start: Any, stop: Any, num: Any, axis: int = 0) -> list[DType]:
    dtype = hooks.convert(start).dtype
    return [dtype if dtype.is_floating else dtypes.float64]


@deferrable(_linspace_dtype)
def linspace(
    start: Any, stop: Any, num: Any, name: str | None = None, axis: int = 0
) -> Tensor:
    """Returns `num` numbers at equal distances, from `start` to `stop` inclusive.

    Args:
      start: A float tensor, the first number.
      stop: A tensor of the same dtype, the last one.
      num: How many, at least 1.
      name: Name of the op.
      axis: Where the new dimension goes, if the bounds are no scalars.

    Raises:
      InvalidArgumentError: `num` is not positive.

    >>> import graphopt as tf
    >>> tf.linspace(0.0, 1.0, 5).numpy().tolist()
    [0.0, 0.25, 0.5, 0.75, 1.0]

    Source: `tf.linspace`.
    """
    (count,) = static_ints(num, "tf.linspace")
    if count < 1:
        raise fail(
            InvalidArgumentError,
            "Requires num > 0",
            got=str(count),
            site=str(user_site()),
        )
    start = hooks.convert(start)
    stop = hooks.convert(stop, dtype_hint=start.dtype)
    if not start.dtype.is_floating:
        start, stop = cast(start, dtypes.float64), cast(stop, dtypes.float64)
    rank = len(start.shape)
    place = axis + rank + 1 if axis < 0 else axis
    first, last = expand_dims(start, place), expand_dims(stop, place)
    if count == 1:
        return identity(first, name=name)
    numbers = np.arange(count - 1, dtype=start.dtype.numpy)
    numbers = numbers.reshape((count - 1,) + (1,) * (rank - place))
    head = first + (last - first) / (count - 1) * numbers
    # The last number is `stop` itself, whatever the steps round to.
    return concat([head, last], place, name=name or "linspace")


def meshgrid(*args: Any, indexing: str = "xy", name: str | None = "meshgrid") -> Any:
    """Returns for each vector a grid of all combinations that holds its values.

    Args:
      *args: Vectors.
      indexing: "xy" swaps the first two dimensions of the grid, "ij" does not.
      name: Name of the ops.

    >>> import graphopt as tf
    >>> x, y = tf.meshgrid([1, 2], [3, 4, 5])
    >>> x.numpy().tolist(), y.numpy().tolist()
    ([[1, 2], [1, 2], [1, 2]], [[3, 3], [4, 4], [5, 5]])

    Source: `tf.meshgrid`.
    """
    if indexing not in ("xy", "ij"):
        raise ValueError(f"Argument `indexing` must be 'xy' or 'ij'; got {indexing!r}.")
    return list(_meshgrid([hooks.convert(v) for v in args], indexing, name))


@deferrable(lambda args, indexing: [v.dtype for v in args], name="meshgrid")
def _meshgrid(args: Sequence[Any], indexing: str, name: str | None = None) -> list[Any]:
    vectors = [reshape(v, [-1]) for v in args]
    sizes: list[Any] = [v.shape.num_elements() for v in vectors]
    if None in sizes:
        raise DecidedByRun("tf.meshgrid of vectors whose sizes are not known.")
    rank = len(vectors)
    places = list(builtins.range(rank))
    if indexing == "xy" and rank > 1:
        places[:2] = [1, 0]
    dims = [0] * rank
    for size, place in zip(sizes, places, strict=True):
        dims[place] = size
    grids = []
    for vector, size, place in zip(vectors, sizes, places, strict=True):
        shape = [1] * rank
        shape[place] = size
        grids.append(reshape(vector, shape) * ones(dims, vector.dtype))
    return grids


# ---- rank, size


def _number(name: str, of: Any) -> OpSpec:
    return register(
        OpSpec(
            name,
            lambda x, *, dtype: (SCALAR, dtype),
            lambda x, *, dtype: np.array(of(x), dtype.numpy),
            NOT_DIFFERENTIABLE,
            Source(),
            lambda: [Sample((np.zeros((2, 3)),), {"dtype": dtypes.int32})],
            types=("any",),
            strings=True,
        )
    )


RANK = _number("Rank", np.ndim)
SIZE = _number("Size", np.size)


def rank(input: Any, name: str | None = None) -> Tensor:
    """Returns the number of dimensions as a tensor.

    Source: `tf.rank`.
    """
    x = hooks.convert(input)
    if x.shape.rank is not None:
        return constant(x.shape.rank, name=name or "Rank")
    return call(RANK, x, name=name, dtype=dtypes.int32)


def size(input: Any, out_type: Any = dtypes.int32, name: str | None = None) -> Tensor:
    """Returns the number of elements as a tensor.

    Source: `tf.size`.
    """
    x = hooks.convert(input)
    count = x.shape.num_elements()
    if count is not None:
        return constant(count, as_dtype(out_type), name=name or "Size")
    return call(SIZE, x, name=name, dtype=as_dtype(out_type))


def broadcast_static_shape(shape_x: Any, shape_y: Any) -> TensorShape:
    """Returns the shape that two shapes broadcast to.

    Raises:
      ValueError: They do not.

    Source: `tf.broadcast_static_shape`.
    """
    merged = broadcast_shapes(TensorShape(shape_x), TensorShape(shape_y))
    if merged is None:
        raise ValueError(
            f"Incompatible shapes for broadcasting: {shape_x} and {shape_y}."
        )
    return merged
