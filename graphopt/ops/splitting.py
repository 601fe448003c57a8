"""Taking tensors apart: split and unstack."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphopt.dtypes import DType
from graphopt.errors import DecidedByRun, InvalidArgumentError, describe_shapes, fail
from graphopt.graph.dispatch import call_all
from graphopt.graph.hooks import hooks
from graphopt.graph.opspec import BadInput, Cost, Family, OpSpec, Sample, register
from graphopt.graph.provenance import user_site
from graphopt.graph.shape import TensorShape
from graphopt.graph.tensor import Tensor
from graphopt.ops.creation import constant_value, shape, static_ints, zeros_like
from graphopt.ops.deferred import deferrable
from graphopt.ops.shaping import concat, identity, reshape, squeeze, stack

Array = NDArray[Any]
Types = list[tuple[TensorShape, DType]]


def _check_axis(axis: int, x: Any, what: str) -> int:
    """Returns the axis counted from the first.

    Raises:
      InvalidArgumentError: There is no such axis.
      NotImplementedError: The rank is not known.
    """
    rank = x.shape.rank
    if rank is None:
        raise DecidedByRun(f"tf.{what} of a tensor of unknown rank.")
    if not -rank <= axis < rank:
        raise fail(
            InvalidArgumentError,
            f"The axis of {what} is out of range",
            got=f"axis {axis} for {describe_shapes(x)}",
            expected=f"{-rank} to {rank - 1}" if rank else "a tensor with dimensions",
            site=str(user_site()),
        )
    return int(axis % rank)


def _fill(parts: Sequence[Any], like: Sequence[Any]) -> list[Any]:
    """Returns cotangents with zeros for the outputs that nothing uses."""
    return [zeros_like(y) if g is None else g for g, y in zip(parts, like, strict=True)]


# ---- split


def part_sizes(dim: int | None, sizes: Sequence[int]) -> list[int | None]:
    """Returns the sizes of the parts, a -1 worked out if the whole is known.

    Raises:
      InvalidArgumentError: They do not add up to the whole.
    """
    open_parts = sizes.count(-1)
    known = sum(size for size in sizes if size != -1)
    wrong = open_parts > 1 or any(size < -1 for size in sizes)
    if dim is not None:
        wrong |= known > dim if open_parts else known != dim
    if wrong:
        raise fail(
            InvalidArgumentError,
            "Number of ways to split should evenly divide the split dimension, and the "
            "sizes of the parts should add up to it",
            got=f"the sizes {list(sizes)} for a dimension of {dim}",
            site=str(user_site()),
        )
    rest = None if dim is None else dim - known
    return [rest if size == -1 else size for size in sizes]


def _split_infer(x: Any, *, sizes: tuple[int, ...], axis: int) -> Types:
    at = _check_axis(axis, x, "split")
    head, tail = x.shape[:at], x.shape[at + 1 :]
    parts = part_sizes(x.shape[at], sizes)
    return [(TensorShape((*head, size, *tail)), x.dtype) for size in parts]


def _split_numpy(x: Array, *, sizes: tuple[int, ...], axis: int) -> tuple[Array, ...]:
    parts = part_sizes(x.shape[axis], sizes)
    ends = np.cumsum(np.array(parts, np.int64))[:-1]
    return tuple(np.ascontiguousarray(part) for part in np.split(x, ends, axis))


SPLIT = register(
    OpSpec(
        "SplitV",
        _split_infer,
        _split_numpy,
        lambda g, y, x, *, sizes, axis: (concat(_fill(g, y), axis),),
        Family("split"),
        lambda: [
            Sample((x.astype(t),), {"sizes": sizes, "axis": axis})
            for x in (np.arange(24.0).reshape(2, 3, 4),)
            for sizes, axis, t in (
                ((1, 1), 0, np.float64),
                ((1, -1, 0), 1, np.float64),
                ((2, 2), -1, np.float64),
                ((1, 2, 1), 2, np.int8),
                ((3, 0), 1, np.float16),
            )
        ],
        errors=lambda: [
            BadInput(
                (np.zeros((2, 3)),),
                {"sizes": sizes, "axis": axis},
                InvalidArgumentError,
                words,
            )
            for sizes, axis, words in (
                ((1, 1), 1, "add up"),
                ((4, -1), 1, "add up"),
                ((-1, -1), 1, "add up"),
                ((1, 1), 2, "out of range"),
            )
        ],
        types=("any",),
        outputs=-1,
        host_dtypes=(),
        strings=True,
        cost=Cost.MOVE,
    )
)


def _number_of_parts(sizes: Any, num: int | None) -> int:
    """How many parts there are, which must be known while the graph is built."""
    if num is not None:
        return num
    if isinstance(sizes, (list, tuple)):
        return len(sizes)
    if not isinstance(sizes, Tensor):
        return int(sizes) if np.ndim(sizes) == 0 else len(sizes)
    known = constant_value(sizes)
    if known is not None and not known.ndim:
        return int(known)
    count = sizes.shape[0] if sizes.shape.rank == 1 else None
    if count is None:
        raise ValueError(
            "tf.split into as many parts as only the run decides; give `num`, or a "
            "vector of sizes of a known length."
        )
    return int(count)


def _split_dtypes(
    value: Any, num_or_size_splits: Any, axis: Any = 0, num: int | None = None
) -> list[DType]:
    return [hooks.convert(value).dtype] * _number_of_parts(num_or_size_splits, num)


def _split_shapes(
    value: Any, num_or_size_splits: Any, axis: Any = 0, num: int | None = None
) -> list[TensorShape]:
    count = _number_of_parts(num_or_size_splits, num)
    along = axis if isinstance(axis, int) else constant_value(axis)
    if value.shape.rank is None or along is None:
        return [TensorShape(None)] * count
    dims = list(value.shape)
    dims[int(along)] = None
    return [TensorShape(dims)] * count


@deferrable(_split_dtypes, _split_shapes)
def split(
    value: Any,
    num_or_size_splits: Any,
    axis: Any = 0,
    num: int | None = None,
    name: str | None = "split",
) -> list[Any]:
    """Cuts a tensor into parts along an axis.

    Args:
      value: The tensor.
      num_or_size_splits: How many equal parts, or a list of their sizes, of which one
        may be -1.
      axis: The axis.
      num: Ignored; how many sizes there are is always known.
      name: Name of the op.

    Raises:
      InvalidArgumentError: The parts do not add up to the dimension.

    >>> import graphopt as tf
    >>> [part.numpy().tolist() for part in tf.split([1, 2, 3, 4, 5], [2, -1])]
    [[1, 2], [3, 4, 5]]

    Source: `tf.split`.
    """
    value = hooks.convert(value)
    at = _check_axis(static_ints(axis, "tf.split")[0], value, "split")
    sizes = static_ints(num_or_size_splits, "tf.split")
    if not isinstance(num_or_size_splits, (list, tuple)) and not np.ndim(
        constant_value(num_or_size_splits)  # type: ignore[arg-type]
    ):
        if value.shape[at] is None:
            return _split_unknown(value, sizes[0], at)
        sizes = _equal_parts(value.shape[at], sizes[0])
    if len(sizes) == 1:
        part_sizes(value.shape[at], sizes)
        return [identity(value, name=name)]
    return list(call_all(SPLIT, value, name=name, sizes=tuple(sizes), axis=at))


def _split_unknown(value: Any, count: int, at: int) -> list[Any]:
    """Splits a dimension that the run decides: it is two, of which the first is known."""
    sizes = [shape(value)[i] if d is None else d for i, d in enumerate(value.shape)]
    parts = reshape(value, [*sizes[:at], count, -1, *sizes[at + 1 :]])
    return unstack(parts, count, at)


def _equal_parts(dim: int, count: int) -> list[int]:
    if count < 1 or dim % count:
        raise fail(
            InvalidArgumentError,
            "Number of ways to split should evenly divide the split dimension",
            got=f"{count} parts of a dimension of {dim}",
            expected=f"a divisor of {dim}",
            remedy="a list of sizes",
            site=str(user_site()),
        )
    return [dim // count] * count


# ---- unstack


def _unpack_infer(x: Any, *, num: int, axis: int) -> Types:
    at = _check_axis(axis, x, "unstack")
    if x.shape[at] not in (None, num):
        raise fail(
            InvalidArgumentError,
            f"Input shape axis {axis} must equal {num}",
            got=describe_shapes(x),
            site=str(user_site()),
        )
    shape = x.shape[:at] + x.shape[at + 1 :]
    return [(shape, x.dtype)] * num


def _unpack_numpy(x: Array, *, num: int, axis: int) -> tuple[Array, ...]:
    return tuple(np.array(part, order="C") for part in np.moveaxis(x, axis, 0))


UNPACK = register(
    OpSpec(
        "Unpack",
        _unpack_infer,
        _unpack_numpy,
        lambda g, y, x, *, num, axis: (stack(_fill(g, y), axis),),
        Family("unpack"),
        lambda: [
            Sample((x,), {"num": x.shape[axis], "axis": axis})
            for x in (np.arange(24.0).reshape(2, 3, 4), np.zeros((2, 0, 2)))
            for axis in (0, -1)
        ],
        errors=lambda: [
            BadInput(
                (np.zeros((2, 3)),),
                {"num": num, "axis": axis},
                InvalidArgumentError,
                words,
            )
            for num, axis, words in ((2, 1, "must equal"), (2, 2, "out of range"))
        ],
        types=("any",),
        outputs=-1,
        host_dtypes=(),
        strings=True,
        cost=Cost.MOVE,
    )
)


def _unstack_dtypes(value: Any, num: int | None = None, axis: int = 0) -> list[DType]:
    if num is None:
        raise ValueError(f"Cannot infer argument `num` from shape {value.shape}.")
    return [hooks.convert(value).dtype] * num


@deferrable(_unstack_dtypes)
def unstack(
    value: Any, num: int | None = None, axis: int = 0, name: str | None = "unstack"
) -> list[Any]:
    """Takes a tensor apart along an axis; the opposite of `stack`.

    Args:
      value: The tensor.
      num: The size of the axis, where it is not known.
      axis: The axis.
      name: Name of the op.

    Raises:
      ValueError: The size is neither given nor known.

    >>> import graphopt as tf
    >>> [row.numpy().tolist() for row in tf.unstack([[1, 2], [3, 4]])]
    [[1, 2], [3, 4]]

    Source: `tf.unstack`.
    """
    value = hooks.convert(value)
    at = _check_axis(axis, value, "unstack")
    count = value.shape[at] if num is None else int(num)
    if count is None:
        raise ValueError(f"Cannot infer argument `num` from shape {value.shape}.")
    _unpack_infer(value, num=count, axis=at)
    if count < 2:
        return [squeeze(value, at, name=name)] * count
    return list(call_all(UNPACK, value, name=name, num=count, axis=at))
