"""Sums, means and extremes of the rows that belong together."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphopt.dtypes import COMPLEX, DType, float64
from graphopt.errors import InvalidArgumentError, describe_shapes, fail
from graphopt.graph.dispatch import call
from graphopt.graph.hooks import hooks
from graphopt.graph.opspec import BadInput, Family, Host, OpSpec, Sample, register
from graphopt.graph.provenance import user_site
from graphopt.graph.shape import UNKNOWN, TensorShape
from graphopt.graph.tensor import Tensor
from graphopt.ops.creation import constant_value, ones_like, static_dims
from graphopt.ops.deferred import deferrable
from graphopt.ops.elementwise import cast, equal, maximum, where
from graphopt.ops.elementwise_specs import NUMERIC
from graphopt.ops.indexing import (
    check_indices,
    explain_index,
    gather,
    require_integers,
)
from graphopt.ops.shaping import reshape

Array = NDArray[Any]


def _require_prefix(data: Any, ids: Any) -> None:
    require_integers(ids, "segment_ids")
    if data.shape.unknown_rank or ids.shape.unknown_rank:
        return
    if not data.shape[: len(ids.shape)].is_compatible_with(ids.shape):
        raise fail(
            InvalidArgumentError,
            "data.shape must start with segment_ids.shape",
            got=describe_shapes(data, ids),
            site=str(user_site()),
        )


def _infer(data: Any, ids: Any, *, num_segments: int) -> tuple[TensorShape, DType]:
    _require_prefix(data, ids)
    if data.shape.unknown_rank or ids.shape.unknown_rank:
        return UNKNOWN, data.dtype
    inner = data.shape[len(ids.shape) :]
    return TensorShape((num_segments, *inner)), data.dtype


def _smallest(dtype: np.dtype[Any]) -> Any:
    return -np.inf if dtype.kind == "f" else np.iinfo(dtype).min


def _largest(dtype: np.dtype[Any]) -> Any:
    return np.inf if dtype.kind == "f" else np.iinfo(dtype).max


_START: dict[str, tuple[np.ufunc, Callable[[np.dtype[Any]], Any]]] = {
    "sum": (np.add, lambda dtype: 0),
    "max": (np.maximum, _smallest),
    "min": (np.minimum, _largest),
}


def _combine(kind: str) -> Callable[..., Array]:
    function, start = _START[kind]

    def compute(data: Array, ids: Array, *, num_segments: int) -> Array:
        # A negative id takes its row out.
        check_indices(np.maximum(ids, 0), num_segments) if ids.size else None
        rows = data.reshape((ids.size, *data.shape[ids.ndim :]))
        flat = ids.ravel()
        out = np.full((num_segments, *rows.shape[1:]), start(data.dtype), data.dtype)
        # In the order of the rows, as the kernel does: the same bits.
        function.at(out, flat[flat >= 0], rows[flat >= 0])
        return out

    return compute


def _pick(values: Any, ids: Any, data: Any) -> Any:
    """Returns for each row of data what its segment has; 0 for a negative id."""
    rows = gather(values, maximum(ids, 0))
    kept = ids >= 0
    extra = len(data.shape) - len(ids.shape)
    if extra:
        kept = reshape(kept, [-1 if d is None else d for d in ids.shape] + [1] * extra)
    return where(kept, rows, 0)


def _sum_vjp(g: Any, y: Any, data: Any, ids: Any, **_attrs: Any) -> tuple[Any, None]:
    return _pick(g, ids, data), None


def _extreme_vjp(
    g: Any, y: Any, data: Any, ids: Any, *, num_segments: int
) -> tuple[Any, None]:
    # Equal extremes share the cotangent in equal parts, as TensorFlow does.
    chosen = cast(equal(data, _pick(y, ids, data)), data.dtype)
    count = call(UNSORTED_SEGMENT_SUM, chosen, ids, num_segments=num_segments)
    shares = g / maximum(count, ones_like(count))
    return chosen * _pick(shares, ids, data), None


def _samples() -> list[Sample]:
    rng = np.random.default_rng(6)
    x = rng.permutation(24).reshape(6, 4) / 8
    ids = np.array([2, 0, 2, -1, 0, 2], np.int32)
    out = [Sample((x, ids), {"num_segments": 3})]
    out += [Sample((x[:, 0], ids.astype(np.int64)), {"num_segments": 5})]
    out += [Sample((x, ids[:, None].repeat(4, 1)), {"num_segments": 3})]
    out += [Sample((x.reshape(2, 3, 4), ids.reshape(2, 3)), {"num_segments": 3})]
    out += [Sample((x[:0], ids[:0]), {"num_segments": 2})]
    wide = rng.permutation(3000).reshape(6, 500).astype(np.float32)
    out += [Sample((wide, ids), {"num_segments": 3})]
    return out + [
        Sample(((x * 8).astype(t), ids), {"num_segments": 3})
        for t in (np.int32, np.uint8, np.float32)
    ]


def _errors() -> list[BadInput]:
    x, three = np.zeros((2, 3)), {"num_segments": 3}
    return [
        BadInput(
            (x, np.array([0, 3])), three, InvalidArgumentError, r"= 3 is not in \[0, 3"
        ),
        BadInput((x, np.array([0, 1, 2])), three, InvalidArgumentError, "must start"),
        BadInput((x, np.zeros(2)), three, InvalidArgumentError, "must be integers"),
    ]


def _unsorted(kind: str, vjp: Any) -> OpSpec:
    return register(
        OpSpec(
            f"UnsortedSegment{kind.capitalize()}",
            _infer,
            _combine(kind),
            vjp,
            Family("segments", kind),
            _samples,
            errors=_errors,
            types=("T", "any"),
            dtypes=(*NUMERIC, *COMPLEX) if kind == "sum" else NUMERIC,
            explain=explain_index(1, lambda op, _: op.attrs["num_segments"]),
        )
    )


UNSORTED_SEGMENT_SUM: OpSpec = _unsorted("sum", _sum_vjp)
UNSORTED_SEGMENT_MAX = _unsorted("max", _extreme_vjp)
UNSORTED_SEGMENT_MIN = _unsorted("min", _extreme_vjp)


# ---- sorted ids: the last one says how many segments there are


def _segments_of(ids: Array) -> int:
    """Returns how many segments sorted ids name.

    Raises:
      InvalidArgumentError: They are not sorted, or negative.
    """
    if ids.size and (np.any(np.diff(ids) < 0) or ids[0] < 0):
        raise fail(
            InvalidArgumentError,
            "segment ids are not increasing",
            got=str(ids.tolist())[:80],
            expected="0 <= ids[i] <= ids[i + 1]",
            site=str(user_site()),
            remedy="tf.math.unsorted_segment_sum",
        )
    return int(ids[-1]) + 1 if ids.size else 0


def _sorted_infer(data: Any, ids: Any) -> tuple[TensorShape, DType]:
    _require_prefix(data, ids)
    if ids.shape.rank not in (None, 1):
        raise fail(
            InvalidArgumentError,
            "segment_ids should be a vector",
            got=describe_shapes(ids),
            site=str(user_site()),
        )
    if data.shape.unknown_rank:
        return UNKNOWN, data.dtype
    known = constant_value(ids)
    rows = None if known is None else _segments_of(known)
    return TensorShape((rows, *data.shape[1:])), data.dtype


def _sorted_extreme_vjp(g: Any, y: Any, data: Any, ids: Any) -> tuple[Any, None]:
    chosen = cast(equal(data, gather(y, ids)), data.dtype)
    count = segment_sum(chosen, ids)
    return chosen * gather(g / maximum(count, ones_like(count)), ids), None


def _sort(kind: str, vjp: Any) -> OpSpec:
    def compute(data: Array, ids: Array) -> Array:
        count = _segments_of(ids)
        out = _combine(kind)(data, ids, num_segments=count)
        # Unlike the unsorted ops, these give 0 where there are no rows.
        out[~np.isin(np.arange(count), ids)] = 0
        return out

    return register(
        OpSpec(
            f"Segment{kind.capitalize()}",
            _sorted_infer,
            compute,
            vjp,
            Host("how many rows there are depends on the last id"),
            _sorted_samples,
            errors=_sorted_errors,
            types=("T", "any"),
            dtypes=(*NUMERIC, *COMPLEX) if kind == "sum" else NUMERIC,
        )
    )


def _sorted_samples() -> list[Sample]:
    return [
        Sample((np.arange(8.0).reshape(4, 2), np.array([0, 0, 2, 2], np.int32))),
        Sample((np.arange(3), np.array([0, 0, 1]))),
        Sample((np.zeros((0, 2)), np.zeros(0, np.int32))),
    ]


def _sorted_errors() -> list[BadInput]:
    return [
        BadInput((np.zeros(2), ids), {}, InvalidArgumentError, words)
        for ids, words in (
            (np.array([1, 0]), "not increasing"),
            (np.array([-1, 0]), "not increasing"),
            (np.array([0, 0, 1]), "must start"),
        )
    ]


SEGMENT_SUM: OpSpec = _sort("sum", lambda g, y, data, ids: (gather(g, ids), None))
SEGMENT_MAX = _sort("max", _sorted_extreme_vjp)
SEGMENT_MIN = _sort("min", _sorted_extreme_vjp)


# ---- public functions


def segment_sum(data: Any, segment_ids: Any, name: str | None = None) -> Tensor:
    """Adds up the rows that have the same id; the ids must be sorted.

    Args:
      data: `[n, ...]`.
      segment_ids: `[n]` integers, increasing, from 0.
      name: Name of the op.

    Returns:
      `[segment_ids[-1] + 1, ...]`.

    Raises:
      InvalidArgumentError: The ids are not sorted.

    >>> import graphopt as tf
    >>> tf.math.segment_sum([1.0, 2.0, 3.0], [0, 0, 2]).numpy().tolist()
    [3.0, 0.0, 3.0]

    Source: `tf.math.segment_sum`.
    """
    return call(SEGMENT_SUM, data, segment_ids, name=name)


def segment_mean(data: Any, segment_ids: Any, name: str | None = None) -> Tensor:
    """Returns the means of the rows that have the same id; the ids must be sorted.

    Source: `tf.math.segment_mean`.
    """
    data, ids = hooks.convert(data), hooks.convert(segment_ids)
    total = segment_sum(data, ids, name=name)
    return _mean(total, segment_sum(ones_like(ids), ids))


def segment_max(data: Any, segment_ids: Any, name: str | None = None) -> Tensor:
    """Returns the largest of the rows that have the same id; 0 where there are none.

    Source: `tf.math.segment_max`.
    """
    return call(SEGMENT_MAX, data, segment_ids, name=name)


def segment_min(data: Any, segment_ids: Any, name: str | None = None) -> Tensor:
    """Returns the smallest of the rows that have the same id; 0 where there are none.

    Source: `tf.math.segment_min`.
    """
    return call(SEGMENT_MIN, data, segment_ids, name=name)


def unsorted_segment_sum(
    data: Any, segment_ids: Any, num_segments: Any, name: str | None = None
) -> Tensor:
    """Adds up the rows that have the same id, in the order in which they come.

    Args:
      data: `segment_ids.shape + [...]`.
      segment_ids: Integers below `num_segments`; a negative id takes its row out.
      num_segments: The number of rows of the result.
      name: Name of the op.

    Raises:
      InvalidArgumentError: An id is too large.

    >>> import graphopt as tf
    >>> tf.math.unsorted_segment_sum([1.0, 2.0, 4.0], [1, -1, 1], 2).numpy().tolist()
    [0.0, 5.0]

    Source: `tf.math.unsorted_segment_sum`.
    """
    return _unsorted_call(UNSORTED_SEGMENT_SUM, data, segment_ids, num_segments, name)


def unsorted_segment_max(
    data: Any, segment_ids: Any, num_segments: Any, name: str | None = None
) -> Tensor:
    """Returns the largest of the rows that have the same id.

    A segment without rows gets minus infinity, or the smallest integer.

    Source: `tf.math.unsorted_segment_max`.
    """
    return _unsorted_call(UNSORTED_SEGMENT_MAX, data, segment_ids, num_segments, name)


def unsorted_segment_min(
    data: Any, segment_ids: Any, num_segments: Any, name: str | None = None
) -> Tensor:
    """Returns the smallest of the rows that have the same id.

    Source: `tf.math.unsorted_segment_min`.
    """
    return _unsorted_call(UNSORTED_SEGMENT_MIN, data, segment_ids, num_segments, name)


def unsorted_segment_mean(
    data: Any, segment_ids: Any, num_segments: Any, name: str | None = None
) -> Tensor:
    """Returns the means of the rows that have the same id; 0 where there are none.

    Source: `tf.math.unsorted_segment_mean`.
    """
    data, ids = hooks.convert(data), hooks.convert(segment_ids)
    total = unsorted_segment_sum(data, ids, num_segments, name)
    return _mean(total, unsorted_segment_sum(ones_like(ids), ids, num_segments))


def _unsorted_call(
    spec: OpSpec, data: Any, ids: Any, num_segments: Any, name: str | None
) -> Any:
    given = data, ids, num_segments
    return _UNSORTED[spec.name](*given, name=name)


def _waiting(spec: OpSpec) -> Any:
    @deferrable(name=spec.name)
    def reduce(data: Any, ids: Any, num_segments: Any, name: str | None = None) -> Any:
        (count,) = static_dims(num_segments, spec.name)
        return call(spec, data, ids, name=name, num_segments=count)

    return reduce


_UNSORTED = {
    spec.name: _waiting(spec)
    for spec in (UNSORTED_SEGMENT_SUM, UNSORTED_SEGMENT_MAX, UNSORTED_SEGMENT_MIN)
}


def _mean(total: Any, count: Any) -> Any:
    """Divides each row by how many went into it; integers round towards zero."""
    shape = [-1] + [1] * (len(total.shape) - 1)
    count = reshape(maximum(count, ones_like(count)), shape)
    if total.dtype.is_floating:
        return total / cast(count, total.dtype)
    return cast(cast(total, float64) / cast(count, float64), total.dtype)


hooks.operators["add_rows"] = unsorted_segment_sum
