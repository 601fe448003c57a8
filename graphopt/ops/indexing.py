"""Gather and scatter: taking and changing slices by their indices."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphopt import dtypes
from graphopt.dtypes import DType, as_dtype
from graphopt.errors import (
    DecidedByRun,
    InvalidArgumentError,
    OpError,
    OutOfRangeError,
    describe_shapes,
    fail,
)
from graphopt.graph.dispatch import call
from graphopt.graph.graph import Operation
from graphopt.graph.hooks import hooks
from graphopt.graph.indexed_slices import IndexedSlices
from graphopt.graph.opspec import BadInput, Cost, Family, OpSpec, Sample, register
from graphopt.graph.provenance import user_site
from graphopt.graph.shape import UNKNOWN, TensorShape
from graphopt.graph.status import Report
from graphopt.graph.tensor import Tensor
from graphopt.ops.clipping import clip_by_norm
from graphopt.ops.creation import static_dims, static_ints
from graphopt.ops.deferred import deferrable, shape_of_sizes
from graphopt.ops.elementwise import cast, equal, where
from graphopt.ops.shaping import concat, expand_dims, reshape, squeeze

# ---- indices out of range


def index_error(
    shape: Sequence[int | None], position: int, value: int, limit: int, op: Any = None
) -> InvalidArgumentError:
    """Makes the error for an index that is out of range.

    Args:
      shape: The shape of the indices.
      position: Which of them it is, counted through all dimensions.
      value: The index.
      limit: What it has to stay below.
      op: The operation, where there is one.
    """
    place = np.unravel_index(position, [int(d or 0) for d in shape]) if shape else ()
    name = "indices" + (f"[{','.join(str(i) for i in place)}]" if shape else "")
    return fail(
        InvalidArgumentError,
        f"{name} = {value} is not in [0, {limit})",
        got=f"the index {value}",
        expected=f"0 to {limit - 1}" if limit else "none: the dimension is empty",
        remedy="tf.clip_by_value on the indices",
        op=op,
        site=str(user_site()) if op is None else None,
    )


def check_indices(indices: NDArray[Any], limits: Any) -> None:
    """Raises an error if an index is not from 0 to before its limit."""
    wrong = (indices < 0) | (indices >= limits)
    if wrong.any():
        at = int(np.flatnonzero(wrong)[0])
        limit = int(np.broadcast_to(limits, indices.shape).ravel()[at])
        raise index_error(indices.shape, at, int(indices.ravel()[at]), limit)


def element_error(what: str, index: int, size: int, op: Any = None) -> OutOfRangeError:
    """Makes the error for an element that an array of tensors does not have."""
    return fail(
        OutOfRangeError,
        f"Tried to {what} index {index} but array size is: {size}",
        got=f"the index {index}",
        expected=f"0 to {size - 1}" if size else "none: the array is empty",
        remedy="a larger size, or dynamic_size=True",
        op=op,
        site=str(user_site()) if op is None else None,
    )


def explain_index(
    place: int, limit: Callable[[Operation, int], int | None]
) -> Callable[[Report], OpError]:
    """Returns the `OpSpec.explain` of an op whose kernel checks indices.

    Args:
      place: Which input the indices are.
      limit: `(op, position) -> limit` of the index at a position of that input.
    """

    def explain(report: Report) -> OpError:
        op, position = report.op, report.index
        most = int(limit(op, position) or 0)
        return index_error(op.inputs[place].shape, position, report.value, most, op)

    return explain


def explain_element(what: str) -> Callable[[Report], OpError]:
    """Returns the `OpSpec.explain` of an op on one element of an array of tensors."""

    def explain(report: Report) -> OpError:
        size = int(report.op.inputs[0].shape[0] or 0)
        return element_error(what, report.value, size, report.op)

    return explain


def require_integers(indices: Any, what: str) -> None:
    """Raises an error if indices are no integers."""
    if not indices.dtype.is_integer:
        raise fail(
            InvalidArgumentError,
            f"{what} must be integers",
            got=describe_shapes(indices),
            expected="int32 or int64",
            site=str(user_site()),
            remedy="tf.cast(x, tf.int32)",
        )


# ---- gather


def split_dims(
    params: Sequence[int], indices: Sequence[int], axis: int, batch_dims: int
) -> tuple[int, int, int, int, int]:
    """Returns (batch, outer, count, n, inner): what a gather loops over.

    It reads `[batch, outer, n, inner]` and `[batch, count]` and writes
    `[batch, outer, count, inner]`.
    """
    return (
        math.prod(params[:batch_dims]),
        math.prod(params[batch_dims:axis]),
        math.prod(indices[batch_dims:]),
        params[axis],
        math.prod(params[axis + 1 :]),
    )


def _gather_infer(
    params: Any, indices: Any, *, axis: int, batch_dims: int
) -> tuple[TensorShape, DType]:
    require_integers(indices, "The indices of gather")
    shape, taken = params.shape, indices.shape
    if shape.unknown_rank or taken.unknown_rank:
        return UNKNOWN, params.dtype
    if (
        not 0 <= batch_dims <= axis < len(shape)
        or batch_dims > len(taken)
        or (
            batch_dims and not shape[:batch_dims].is_compatible_with(taken[:batch_dims])
        )
    ):
        raise fail(
            InvalidArgumentError,
            "The axis or the batch dimensions of gather do not fit",
            got=f"axis {axis} and batch_dims {batch_dims} for "
            f"{describe_shapes(params, indices)}",
            expected=f"0 <= batch_dims <= axis < {len(shape)} and equal batch "
            "dimensions",
            site=str(user_site()),
        )
    if batch_dims:
        taken = shape[:batch_dims].merge_with(taken[:batch_dims]) + taken[batch_dims:]
    before, after = tuple(shape), tuple(taken)
    dims = (
        *after[:batch_dims],
        *before[batch_dims:axis],
        *after[batch_dims:],
        *before[axis + 1 :],
    )
    return TensorShape(dims), params.dtype


def _gather_numpy(
    params: NDArray[Any], indices: NDArray[Any], *, axis: int, batch_dims: int
) -> NDArray[Any]:
    check_indices(indices, params.shape[axis])
    if not batch_dims:
        return np.array(np.take(params, indices, axis), order="C")
    sizes = split_dims(params.shape, indices.shape, axis, batch_dims)
    batch, outer, count, n, inner = sizes
    rows = params.reshape(batch, outer, n, inner)
    taken = indices.reshape(batch, 1, count)
    found = rows[np.arange(batch)[:, None, None], np.arange(outer)[:, None], taken]
    head = params.shape[:axis] + indices.shape[batch_dims:]
    return np.ascontiguousarray(found).reshape(head + params.shape[axis + 1 :])


def _gather_vjp(
    g: Any, y: Any, params: Any, indices: Any, *, axis: int, batch_dims: int
) -> tuple[Any, None]:
    # Of whole rows the derivative is sparse: an optimizer touches those rows only.
    if not axis and not batch_dims and params.shape.rank:
        inner = params.shape[1:]
        if params.shape.is_fully_defined() and inner.num_elements() != 0:
            values = reshape(g, [-1, *inner])
            return IndexedSlices(values, reshape(indices, [-1]), params.shape), None
    grad = call(GATHER_GRAD, g, indices, params, axis=axis, batch_dims=batch_dims)
    return grad, None


def _gather_samples() -> list[Sample]:
    x = np.arange(24.0).reshape(2, 3, 4)
    cases: list[tuple[Any, Any, int, int]] = [
        (x, np.array([1, 0, 1], np.int32), 0, 0),
        (x, np.array([[2, 2], [0, 1]], np.int64), 1, 0),
        (x, np.array(3, np.int32), 2, 0),
        (x, np.array([[2], [1]], np.int32), 1, 1),
        (x, np.array([[3, 3, 0], [1, 2, 1]], np.int32), 2, 1),
        (x, np.array([[0, 1, 2], [2, 1, 3]], np.int32), 2, 2),
        (x, np.zeros(0, np.int32), 1, 0),
        (x[:, :, :0], np.array([1], np.int32), 1, 0),
        (x.astype(np.float32), np.array([1], np.uint8), 0, 0),
        (x > 5, np.array([1, 1], np.int32), 1, 0),
    ]
    return [
        Sample((params, indices), {"axis": axis, "batch_dims": batch})
        for params, indices, axis, batch in cases
    ]


def _gather_errors() -> list[BadInput]:
    x, plain = np.zeros((3, 2)), {"axis": 0, "batch_dims": 0}
    outside = r"indices\[1\] = 3 is not in \[0, 3\)"
    return [
        BadInput((x, np.array([0, 3])), plain, InvalidArgumentError, outside),
        BadInput((x, np.array(-1)), plain, InvalidArgumentError, "indices = -1 is not"),
        BadInput((x, np.array([0.5])), plain, InvalidArgumentError, "be integers"),
        BadInput(
            (x, np.array([0])),
            {"axis": 2, "batch_dims": 0},
            InvalidArgumentError,
            "do not fit",
        ),
    ]


def _gather_grad_numpy(
    g: NDArray[Any],
    indices: NDArray[Any],
    params: NDArray[Any],
    *,
    axis: int,
    batch_dims: int,
) -> NDArray[Any]:
    check_indices(indices, params.shape[axis])
    sizes = split_dims(params.shape, indices.shape, axis, batch_dims)
    batch, outer, count, n, inner = sizes
    out = np.zeros((batch, outer, n, inner), g.dtype)
    rows = indices.reshape(batch, 1, count)
    at = (np.arange(batch)[:, None, None], np.arange(outer)[:, None], rows)
    np.add.at(out, at, g.reshape(batch, outer, count, inner))
    return out.reshape(params.shape)


def _gather_grad_samples() -> list[Sample]:
    out = []
    for sample in _gather_samples():
        params, indices = sample.inputs
        if params.dtype != np.bool_:
            taken = _gather_numpy(params, indices, **sample.attrs)
            out.append(Sample((taken * 0.7, indices, params), sample.attrs))
    return out


GATHER: OpSpec = register(
    OpSpec(
        "GatherV2",
        _gather_infer,
        _gather_numpy,
        _gather_vjp,
        Family("gather"),
        _gather_samples,
        errors=_gather_errors,
        types=("any", "any"),
        host_dtypes=(),
        strings=True,
        explain=explain_index(1, lambda op, _: op.inputs[0].shape[op.attrs["axis"]]),
        cost=Cost.MOVE,
        partial_inputs=(0,),
    )
)
GATHER_GRAD: OpSpec = register(
    OpSpec(
        "GatherGrad",
        lambda g, indices, params, **_attrs: (params.shape, g.dtype),
        _gather_grad_numpy,
        lambda gg, y, g, indices, params, *, axis, batch_dims: (
            call(GATHER, gg, indices, axis=axis, batch_dims=batch_dims),
            None,
            None,
        ),
        Family("gather_grad"),
        _gather_grad_samples,
        types=("any", "any", "any"),
        kernel_inputs=(0, 1),
        explain=explain_index(1, lambda op, _: op.inputs[2].shape[op.attrs["axis"]]),
    )
)


def _add_rows_like(values: Any, indices: Any, like: Any) -> Any:
    return call(GATHER_GRAD, values, indices, like, axis=0, batch_dims=0)


hooks.operators["add_rows_like"] = _add_rows_like


@deferrable()
def gather(
    params: Any,
    indices: Any,
    validate_indices: Any = None,
    axis: Any = None,
    batch_dims: int = 0,
    name: str | None = None,
) -> Tensor:
    """Takes slices of a tensor along an axis, by their indices.

    Args:
      params: The tensor.
      indices: Integers of any shape.
      validate_indices: Ignored; indices are always checked.
      axis: The axis; by default the first after the batch dimensions.
      batch_dims: How many leading dimensions the two have in common.
      name: Name of the op.

    Returns:
      `params.shape[:axis] + indices.shape[batch_dims:] + params.shape[axis + 1:]`.

    Raises:
      InvalidArgumentError: An index is out of range.

    >>> import graphopt as tf
    >>> tf.gather([[1, 2], [3, 4], [5, 6]], [2, 0]).numpy().tolist()
    [[5, 6], [1, 2]]

    Source: `tf.gather`.
    """
    params, indices = hooks.convert(params), hooks.convert(indices)
    if batch_dims < 0:
        batch_dims += len(indices.shape)
    along = batch_dims if axis is None else static_ints(axis, "tf.gather")[0]
    if along < 0:
        if params.shape.unknown_rank:
            raise DecidedByRun("tf.gather along axis -1 of an unknown rank.")
        along += len(params.shape)
    return call(
        GATHER, params, indices, name=name, axis=along, batch_dims=int(batch_dims)
    )


def gather_densely(
    params: Any, indices: Any, axis: int, batch_dims: int = 0, name: Any = None
) -> Any:
    """As `gather`, for ops whose derivative is a tensor even along the first axis."""
    if axis:
        return gather(params, indices, axis=axis, batch_dims=batch_dims, name=name)
    lifted = gather(expand_dims(params, 0), indices, axis=1)
    return squeeze(lifted, 0, name=name)


def embedding_lookup(
    params: Any, ids: Any, max_norm: Any = None, name: str | None = None
) -> Tensor:
    """Returns the rows of a table that ids name.

    Args:
      params: The table, `[rows, ...]`, or a list of its parts in order.
      ids: Integers of any shape.
      max_norm: The largest norm of a row; longer ones are scaled down.
      name: Name of the op.

    Raises:
      InvalidArgumentError: An id is no row.

    Source: `tf.nn.embedding_lookup`.
    """
    if isinstance(params, (list, tuple)):
        if len(params) > 1:
            params = concat(list(params), 0)
        else:
            params = params[0]
    rows = gather(params, ids, name=name or "embedding_lookup")
    if max_norm is None:
        return rows
    rank = len(hooks.convert(ids).shape)
    return clip_by_norm(rows, max_norm, axes=list(range(rank, len(rows.shape))))


def _one_hot_dtypes(
    indices: Any,
    depth: Any,
    on_value: Any = None,
    off_value: Any = None,
    axis: int | None = None,
    dtype: Any = None,
) -> list[DType]:
    if dtype is not None:
        return [as_dtype(dtype)]
    values = [v for v in (on_value, off_value) if v is not None]
    return [hooks.convert(values[0]).dtype if values else dtypes.float32]


def _one_hot_shapes(
    indices: Any,
    depth: Any,
    on_value: Any = None,
    off_value: Any = None,
    axis: int | None = None,
    dtype: Any = None,
) -> list[TensorShape]:
    shape = hooks.convert(indices).shape
    if shape.unknown_rank:
        return [shape]
    dims = list(shape)
    place = len(dims) if axis is None or axis == -1 else axis
    dims.insert(place, shape_of_sizes([depth])[0])
    return [TensorShape(dims)]


@deferrable(_one_hot_dtypes, _one_hot_shapes)
def one_hot(
    indices: Any,
    depth: Any,
    on_value: Any = None,
    off_value: Any = None,
    axis: int | None = None,
    dtype: Any = None,
    name: str | None = None,
) -> Tensor:
    """Returns vectors that are `on_value` at one index and `off_value` elsewhere.

    An index outside of [0, depth) gives a vector of `off_value`.

    Args:
      indices: Integers of any shape.
      depth: The length of the vectors.
      on_value, off_value: 1 and 0 if not given.
      axis: Where the new dimension goes; by default it is the last.
      dtype: The dtype of the result; by default that of the values, else float32.
      name: Name of the op.

    >>> import graphopt as tf
    >>> tf.one_hot([1, -1], 3).numpy().tolist()
    [[0.0, 1.0, 0.0], [0.0, 0.0, 0.0]]

    Source: `tf.one_hot`.
    """
    indices = hooks.convert(indices)
    require_integers(indices, "The indices of one_hot")
    (size,) = static_dims(depth, "tf.one_hot")
    values = [v for v in (on_value, off_value) if v is not None]
    if dtype is None:
        dtype = hooks.convert(values[0]).dtype if values else dtypes.float32
    kind = as_dtype(dtype).numpy.type
    on = hooks.convert(kind(1) if on_value is None else on_value, dtype=dtype)
    off = hooks.convert(kind(0) if off_value is None else off_value, dtype=dtype)
    if indices.dtype.size < 4:
        indices = cast(indices, dtypes.int32)
    if indices.shape.unknown_rank:
        raise DecidedByRun("tf.one_hot of a tensor of unknown rank.")
    rank = len(indices.shape)
    position = rank if axis is None or axis == -1 else axis
    classes = np.arange(size, dtype=indices.dtype.numpy)
    classes = classes.reshape((size,) + (1,) * (rank - position))
    is_class = equal(expand_dims(indices, position), classes)
    return where(is_class, on, off, name=name or "one_hot")
