"""Taking tensors apart and putting them together by numbers: partitions, stitches, inverses."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from graphopt import dtypes
from graphopt.dtypes import DType, as_dtype
from graphopt.errors import InvalidArgumentError, describe_shapes, fail
from graphopt.graph.dispatch import call
from graphopt.graph.hooks import hooks
from graphopt.graph.opspec import (
    NOT_DIFFERENTIABLE,
    BadInput,
    Host,
    OpSpec,
    Sample,
    register,
)
from graphopt.graph.provenance import user_site
from graphopt.graph.shape import TensorShape
from graphopt.graph.tensor import Tensor
from graphopt.ops.clipping import clip_by_value
from graphopt.ops.creation import constant_value, ones_like, zeros, zeros_like
from graphopt.ops.creation import shape as shape_of
from graphopt.ops.elementwise import cast, equal, floor, floordiv, floormod, multiply
from graphopt.ops.masks import boolean_mask, unique
from graphopt.ops.reduction import reduce_max
from graphopt.ops.scan import cumsum
from graphopt.ops.scatter import tensor_scatter_nd_add, tensor_scatter_nd_update
from graphopt.ops.segments import unsorted_segment_sum
from graphopt.ops.shaping import concat, expand_dims, reshape, stack


def dynamic_partition(
    data: Any, partitions: Any, num_partitions: int, name: str | None = None
) -> list[Any]:
    """Returns the slices that belong to each of several numbers.

    Args:
      data: `partitions.shape + ...`.
      partitions: Integers from 0 to before `num_partitions`.
      num_partitions: How many lists there are.
      name: Name of the op.

    >>> import graphopt as tf
    >>> [t.numpy().tolist() for t in tf.dynamic_partition([5, 6, 7], [1, 0, 1], 2)]
    [[6], [5, 7]]

    Source: `tf.dynamic_partition`.
    """
    if num_partitions < 1:
        raise ValueError(f"num_partitions must be at least 1; got {num_partitions}.")
    data, partitions = hooks.convert(data), hooks.convert(partitions)
    return [
        boolean_mask(data, equal(partitions, i), name=name)
        for i in range(int(num_partitions))
    ]


def dynamic_stitch(indices: Any, data: Any, name: str | None = None) -> Tensor:
    """Puts slices where numbers say; of equal numbers the last one counts.

    Args:
      indices: A list of integers of any shape.
      data: A list of tensors, `indices[i].shape + ...`.
      name: Name of the op.

    Returns:
      As many slices as the largest number says; those that nothing names are 0.

    >>> import graphopt as tf
    >>> tf.dynamic_stitch([[2], [0, 1]], [[7], [5, 6]]).numpy().tolist()
    [5, 6, 7]

    Source: `tf.dynamic_stitch`.
    """
    places = [cast(hooks.convert(each), dtypes.int32) for each in indices]
    parts = [hooks.convert(each) for each in data]
    if len(places) != len(parts) or not places:
        raise ValueError(
            f"tf.dynamic_stitch needs as many data as indices: {len(parts)} and "
            f"{len(places)}."
        )
    rest = parts[0].shape[len(places[0].shape) :]
    if None in rest:
        raise NotImplementedError("tf.dynamic_stitch of slices of unknown shape.")
    flat = concat([reshape(each, [-1]) for each in places], 0)
    rows = concat([reshape(each, [-1, *rest]) for each in parts], 0)
    known = [constant_value(each) for each in places]
    if all(each is not None for each in known):
        size: Any = max((int(k.max()) + 1 for k in known if k.size), default=0)  # type: ignore[union-attr]
    else:
        size = reduce_max(flat) + 1
    blank = zeros([size, *rest], rows.dtype)
    return tensor_scatter_nd_update(blank, expand_dims(flat, 1), rows, name)


def invert_permutation(x: Any, name: str | None = None) -> Tensor:
    """Returns the permutation that undoes another one.

    >>> import graphopt as tf
    >>> tf.math.invert_permutation([2, 0, 1]).numpy().tolist()
    [1, 2, 0]

    Source: `tf.math.invert_permutation`.
    """
    x = hooks.convert(x)
    if x.shape.rank not in (None, 1):
        raise fail(
            InvalidArgumentError,
            "invert_permutation expects a 1D vector",
            got=describe_shapes(x),
            site=str(user_site()),
        )
    numbers = cumsum(ones_like(x)) - 1
    return tensor_scatter_nd_update(zeros_like(x), expand_dims(x, 1), numbers, name)


class UniqueWithCounts(NamedTuple):
    """What `unique_with_counts` returns."""

    y: Any
    idx: Any
    count: Any


def unique_with_counts(
    x: Any, out_idx: Any = dtypes.int32, name: str | None = None
) -> UniqueWithCounts:
    """Returns the different elements of a vector, which each is, and how many there are.

    >>> import graphopt as tf
    >>> tf.unique_with_counts([5, 1, 5]).count.numpy().tolist()
    [2, 1]

    Source: `tf.unique_with_counts`.
    """
    y, idx = unique(x, out_idx, name)
    zero = zeros(shape_of(y), out_idx)
    counts = tensor_scatter_nd_add(zero, expand_dims(idx, 1), ones_like(idx))
    return UniqueWithCounts(y, idx, counts)


def unravel_index(indices: Any, dims: Any, name: str | None = None) -> Any:
    """Returns the coordinates of elements from their numbers.

    Args:
      indices: A scalar or vector of integers.
      dims: The shape that they count through, `[rank]`.
      name: Name of the op.

    Returns:
      `[rank]`, or `[rank, n]`.

    >>> import graphopt as tf
    >>> tf.unravel_index([2, 5], [3, 3]).numpy().tolist()
    [[0, 1], [2, 2]]

    Source: `tf.unravel_index`.
    """
    indices = hooks.convert(indices)
    dims = hooks.convert(dims, dtype_hint=indices.dtype)
    if dims.shape.rank != 1 or dims.shape[0] is None:
        raise fail(
            InvalidArgumentError,
            "The dims of unravel_index must be a vector of known length",
            got=describe_shapes(dims),
            site=str(user_site()),
        )
    left, found = indices, []
    for axis in reversed(range(dims.shape[0])):
        found.append(floormod(left, dims[axis]))
        left = floordiv(left, dims[axis])
    return stack(found[::-1], 0, name=name)


def cross(a: Any, b: Any, name: str | None = None) -> Tensor:
    """Returns the cross product of vectors of three elements.

    >>> import graphopt as tf
    >>> tf.linalg.cross([1.0, 0.0, 0.0], [0.0, 1.0, 0.0]).numpy().tolist()
    [0.0, 0.0, 1.0]

    Source: `tf.linalg.cross`.
    """
    a = hooks.convert(a)
    b = hooks.convert(b, dtype_hint=a.dtype)
    if not a.shape.rank or a.shape[-1] != 3 or a.shape != b.shape:
        raise fail(
            InvalidArgumentError,
            "Cross-products are only defined for 3-element vectors of equal shapes",
            got=describe_shapes(a, b),
            expected="[..., 3]",
            site=str(user_site()),
        )
    x = [a[..., i] for i in range(3)]
    y = [b[..., i] for i in range(3)]
    parts = [
        multiply(x[(i + 1) % 3], y[(i + 2) % 3]) - x[(i + 2) % 3] * y[(i + 1) % 3]
        for i in range(3)
    ]
    return stack(parts, -1, name=name)


# ---- searchsorted


def _search_infer(
    rows: Any, values: Any, *, side: str, dtype: DType
) -> tuple[TensorShape, DType]:
    known = rows.shape.rank is not None and values.shape.rank is not None
    if known and not rows.shape[:-1].is_compatible_with(values.shape[:-1]):
        raise fail(
            InvalidArgumentError,
            "Leading dimensions of searchsorted's arguments must be equal",
            got=describe_shapes(rows, values),
            site=str(user_site()),
        )
    return values.shape, dtype


def _search(
    rows: NDArray[Any], values: NDArray[Any], *, side: Any, dtype: DType
) -> NDArray[Any]:
    flat = rows.reshape(-1, rows.shape[-1])
    wanted = values.reshape(len(flat), -1)
    found = [np.searchsorted(r, v, side) for r, v in zip(flat, wanted, strict=True)]
    return np.asarray(found, dtype.numpy).reshape(values.shape)


SEARCH = register(
    OpSpec(
        "SearchSorted",
        _search_infer,
        _search,
        NOT_DIFFERENTIABLE,
        Host("NumPy searches"),
        lambda: [
            Sample(
                (
                    np.array([[1.0, 3.0, 3.0], [2.0, 4.0, 6.0]]),
                    np.array([[3.0], [5.0]]),
                ),
                {"side": side, "dtype": dtypes.int32},
            )
            for side in ("left", "right")
        ],
        errors=lambda: [
            BadInput(
                (np.zeros((2, 3)), np.zeros((3, 1))),
                {"side": "left", "dtype": dtypes.int32},
                InvalidArgumentError,
                "must be equal",
            )
        ],
    )
)


def searchsorted(
    sorted_sequence: Any,
    values: Any,
    side: str = "left",
    out_type: Any = dtypes.int32,
    name: str | None = None,
) -> Tensor:
    """Returns where values belong in sorted rows.

    Args:
      sorted_sequence: `[..., n]`, ascending.
      values: `[..., m]`.
      side: "left" for before equal elements, "right" for behind them.
      out_type: int32 or int64.
      name: Name of the op.

    >>> import graphopt as tf
    >>> tf.searchsorted([1, 3, 5], [3, 4], side="right").numpy().tolist()
    [2, 2]

    Source: `tf.searchsorted`.
    """
    if side not in ("left", "right"):
        raise ValueError(f"side must be either 'right' or 'left'. Saw: {side}.")
    kind = as_dtype(out_type)
    return call(SEARCH, sorted_sequence, values, name=name, side=side, dtype=kind)


# ---- counts


def histogram_fixed_width_bins(
    values: Any,
    value_range: Any,
    nbins: Any = 100,
    dtype: Any = dtypes.int32,
    name: str | None = None,
) -> Tensor:
    """Returns the number of the bin of each value; bins are of one width.

    Args:
      values: Numbers.
      value_range: Lower and upper bound, `[2]`; what is outside belongs to the outer bins.
      nbins: How many bins there are.
      dtype: int32 or int64.
      name: Name of the op.

    Source: `tf.histogram_fixed_width_bins`.
    """
    values = hooks.convert(values)
    bounds = hooks.convert(value_range, dtype_hint=values.dtype)
    count = int(np.asarray(constant_value(hooks.convert(nbins))))
    if not values.dtype.is_floating:
        values, bounds = cast(values, dtypes.float64), cast(bounds, dtypes.float64)
    part = (values - bounds[0]) / (bounds[1] - bounds[0])
    at = clip_by_value(floor(count * part), 0.0, float(count - 1))
    return cast(at, as_dtype(dtype), name=name)


def histogram_fixed_width(
    values: Any,
    value_range: Any,
    nbins: Any = 100,
    dtype: Any = dtypes.int32,
    name: str | None = None,
) -> Tensor:
    """Counts the values in each of several bins of one width.

    >>> import graphopt as tf
    >>> values = [-1.0, 0.0, 1.5, 2.0, 5.0, 15.0]
    >>> tf.histogram_fixed_width(values, [0.0, 5.0], nbins=5).numpy().tolist()
    [2, 1, 1, 0, 2]

    Source: `tf.histogram_fixed_width`.
    """
    at = reshape(histogram_fixed_width_bins(values, value_range, nbins, dtype), [-1])
    count = int(np.asarray(constant_value(hooks.convert(nbins))))
    return unsorted_segment_sum(ones_like(at), at, count, name)


def confusion_matrix(
    labels: Any,
    predictions: Any,
    num_classes: Any = None,
    weights: Any = None,
    dtype: Any = dtypes.int32,
    name: str | None = None,
) -> Tensor:
    """Counts how often each class was taken for each.

    Args:
      labels: `[n]`: the right classes.
      predictions: `[n]`: what they were taken for.
      num_classes: How many classes there are; by default as many as there must be.
      weights: `[n]`: what each counts; 1 by default.
      dtype: The dtype of the counts.
      name: Name of the op.

    Returns:
      `[classes, classes]`: rows are labels, columns predictions.

    >>> import graphopt as tf
    >>> tf.math.confusion_matrix([1, 2, 2], [1, 0, 2]).numpy().tolist()
    [[0, 0, 0], [0, 1, 0], [1, 0, 1]]

    Source: `tf.math.confusion_matrix`.
    """
    kind = as_dtype(dtype)
    labels = cast(hooks.convert(labels), dtypes.int64)
    predictions = cast(hooks.convert(predictions), dtypes.int64)
    labels, predictions = reshape(labels, [-1]), reshape(predictions, [-1])
    both = stack([labels, predictions], 1)
    if num_classes is None:
        known = constant_value(both)
        if known is not None:
            num_classes = int(known.max()) + 1 if known.size else 0
        else:
            num_classes = cast(reduce_max(both) + 1, dtypes.int32)
    ones = ones_like(labels, dtype=kind)
    if weights is not None:
        ones = cast(hooks.convert(weights), kind)
    blank = zeros([num_classes, num_classes], kind)
    return tensor_scatter_nd_add(blank, both, ones, name)


def saturate_cast(value: Any, dtype: Any, name: str | None = None) -> Tensor:
    """Casts to another dtype; what does not fit becomes its largest or smallest number.

    >>> import graphopt as tf
    >>> tf.saturate_cast([-5.0, 100.0, 300.0], tf.uint8).numpy().tolist()
    [0, 100, 255]

    Source: `tf.saturate_cast`.
    """
    value, kind = hooks.convert(value), as_dtype(dtype)
    if value.dtype.is_bool or kind.is_bool:
        return cast(value, kind, name=name)
    low, high = _bounds(kind)
    have_low, have_high = _bounds(value.dtype)
    own = value.dtype.numpy.type
    low, high = max(low, have_low), min(high, have_high)
    if value.dtype.is_floating and not kind.is_floating:
        # The largest integer may not be a number of the float type.
        top = own(high)
        while float(top) > high:
            top = np.nextafter(top, own(0))
        high = float(top)
    if (low, high) != (have_low, have_high):
        value = clip_by_value(value, own(low), own(high))
    return cast(value, kind, name=name)


def _bounds(kind: DType) -> tuple[float, float]:
    if kind.is_floating:
        return -math.inf, math.inf
    return kind.min, kind.max


# ---- edit distance


def _distance(a: list[int], b: list[int]) -> int:
    row = list(range(len(b) + 1))
    for i, x in enumerate(a):
        before, row[0] = row[0], i + 1
        for j, y in enumerate(b):
            before, row[j + 1] = (
                row[j + 1],
                min(row[j + 1] + 1, row[j] + 1, before + (x != y)),
            )
    return row[-1]


def _sequences(indices: Any, values: Any) -> dict[tuple[int, ...], list[int]]:
    found: dict[tuple[int, ...], list[int]] = {}
    for place, value in zip(indices.tolist(), values.tolist(), strict=True):
        found.setdefault(tuple(place[:-1]), []).append(value)
    return found


def _edit_compute(
    h_indices: NDArray[Any],
    h_values: NDArray[Any],
    h_shape: NDArray[Any],
    t_indices: NDArray[Any],
    t_values: NDArray[Any],
    t_shape: NDArray[Any],
    *,
    normalize: bool,
) -> NDArray[Any]:
    dims = np.maximum(h_shape, t_shape)[:-1]
    out = np.zeros(tuple(int(d) for d in dims), np.float32)
    given, wanted = _sequences(h_indices, h_values), _sequences(t_indices, t_values)
    for place in given.keys() | wanted.keys():
        truth = wanted.get(place, [])
        distance = float(_distance(given.get(place, []), truth))
        if normalize:
            distance = distance / len(truth) if truth else math.inf * bool(distance)
        out[place] = distance
    return out


def _edit_infer(*xs: Any, normalize: bool) -> tuple[TensorShape, DType]:
    first, second = constant_value(xs[2]), constant_value(xs[5])
    if first is None or second is None:
        rank = xs[2].shape[0] if xs[2].shape.rank == 1 else None
        dims = None if rank is None else [None] * (rank - 1)
        return TensorShape(dims), dtypes.float32
    return TensorShape(np.maximum(first, second)[:-1].tolist()), dtypes.float32


EDIT_DISTANCE = register(
    OpSpec(
        "EditDistance",
        _edit_infer,
        _edit_compute,
        NOT_DIFFERENTIABLE,
        Host("Python compares the sequences"),
        lambda: [
            Sample(
                (
                    np.array([[0, 0], [0, 1], [1, 0]]),
                    np.array([3, 5, 1]),
                    np.array([2, 2]),
                    np.array([[0, 0], [1, 0], [1, 1]]),
                    np.array([3, 1, 2]),
                    np.array([2, 2]),
                ),
                {"normalize": normalize},
            )
            for normalize in (True, False)
        ],
        types=("any",),
    )
)


def edit_distance(
    hypothesis: Any, truth: Any, normalize: bool = True, name: str = "edit_distance"
) -> Tensor:
    """Returns how many insertions, deletions and changes make one sequence of another.

    Args:
      hypothesis, truth: Sparse tensors, `[..., length]`.
      normalize: Whether to divide by the length of the truth.
      name: Name of the op.

    Returns:
      `[...]`, float32.

    Source: `tf.edit_distance`.
    """
    parts = []
    for what, each in (("Hypothesis", hypothesis), ("Truth", truth)):
        if not all(hasattr(each, n) for n in ("indices", "values", "dense_shape")):
            raise TypeError(f"{what} must be a SparseTensor: {each!r}.")
        parts += [each.indices, each.values, each.dense_shape]
    return call(EDIT_DISTANCE, *parts, name=name, normalize=bool(normalize))
