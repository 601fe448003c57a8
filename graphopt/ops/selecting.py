"""Ops that put elements into order: argmax, argmin, sort, top_k."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from graphopt import dtypes
from graphopt.dtypes import DType, as_dtype
from graphopt.errors import DecidedByRun, InvalidArgumentError, describe_shapes, fail
from graphopt.graph.dispatch import call, call_all
from graphopt.graph.hooks import hooks
from graphopt.graph.opspec import (
    NOT_DIFFERENTIABLE,
    BadInput,
    Cost,
    Family,
    Host,
    OpSpec,
    Sample,
    register,
)
from graphopt.graph.provenance import user_site
from graphopt.graph.shape import UNKNOWN, TensorShape
from graphopt.graph.tensor import Tensor
from graphopt.ops.creation import static_ints
from graphopt.ops.deferred import deferrable
from graphopt.ops.elementwise import cast, is_finite, logical_and, where
from graphopt.ops.elementwise_specs import NUMERIC
from graphopt.ops.indexing import GATHER_GRAD, gather, gather_densely
from graphopt.ops.reduction import reduce_all, reduce_sum
from graphopt.ops.shaping import expand_dims, transpose

Array = NDArray[Any]

# ---- argmax, argmin


def _arg_infer(x: Any, *, axis: int, dtype: DType) -> tuple[TensorShape, DType]:
    if x.shape.unknown_rank:
        return UNKNOWN, dtype
    rank = len(x.shape)
    if not -rank <= axis < rank:
        raise fail(
            InvalidArgumentError,
            "Expected dimension in the range of the rank",
            got=f"axis {axis} for {describe_shapes(x)}",
            expected=f"{-rank} to {rank - 1}",
            site=str(user_site()),
        )
    if x.shape[axis] == 0:
        raise fail(
            InvalidArgumentError,
            f"Reduction axis {axis} is empty in shape {x.shape}",
            got=describe_shapes(x),
            expected="at least one element to choose from",
            remedy="an axis that is not empty",
            site=str(user_site()),
        )
    at = axis % rank
    return TensorShape(d for i, d in enumerate(x.shape) if i != at), dtype


def _arg(name: str, choose: Any) -> OpSpec:
    def samples() -> list[Sample]:
        x = np.random.default_rng(7).integers(-4, 4, (3, 4, 5)).astype(np.float64)
        holed = x.copy()
        holed[1, 2, 3] = holed[1, 3, 3] = np.nan
        cases: list[tuple[Any, int, DType]] = [
            (x, a, dtypes.int64) for a in (0, 1, 2, -1)
        ]
        cases += [(holed, 1, dtypes.int32), (x.astype(np.int8), 2, dtypes.int32)]
        cases += [(x > 0, 0, dtypes.int64), (x[:0], 1, dtypes.int64)]
        return [Sample((a,), {"axis": axis, "dtype": d}) for a, axis, d in cases]

    return register(
        OpSpec(
            name,
            _arg_infer,
            lambda x, *, axis, dtype: np.asarray(choose(x, axis), dtype.numpy),
            NOT_DIFFERENTIABLE,
            Family("arg_extreme", "max" if choose is np.argmax else "min"),
            samples,
            cost=Cost.MOVE,
            errors=lambda: [
                BadInput(
                    (np.zeros((2, 0)),),
                    {"axis": axis, "dtype": dtypes.int64},
                    InvalidArgumentError,
                    words,
                )
                for axis, words in ((1, "axis 1 is empty"), (2, "Expected dimension"))
            ],
            dtypes=dtypes.ALL,
        )
    )


ARG_MAX = _arg("ArgMax", np.argmax)
ARG_MIN = _arg("ArgMin", np.argmin)


def argmax(
    input: Any, axis: Any = None, output_type: Any = dtypes.int64, name: Any = None
) -> Tensor:
    """Returns the index of the largest element along an axis, the first of equal ones.

    NaN counts as larger than every number, as in NumPy.

    Args:
      input: The tensor.
      axis: The axis; 0 if not given.
      output_type: int32 or int64.
      name: Name of the op.

    Raises:
      InvalidArgumentError: The axis has no elements.

    >>> import graphopt as tf
    >>> tf.math.argmax([[1.0, 3.0, 3.0], [2.0, 0.0, 1.0]], axis=1).numpy().tolist()
    [1, 0]

    Source: `tf.math.argmax`.
    """
    return _arg_call(ARG_MAX, input, axis, output_type, name)


def argmin(
    input: Any, axis: Any = None, output_type: Any = dtypes.int64, name: Any = None
) -> Tensor:
    """Returns the index of the smallest element along an axis, the first of equal ones.

    NaN counts as smaller than every number, as in NumPy.

    Source: `tf.math.argmin`.
    """
    return _arg_call(ARG_MIN, input, axis, output_type, name)


def _arg_call(spec: OpSpec, x: Any, axis: Any, output_type: Any, name: Any) -> Any:
    (along,) = static_ints(0 if axis is None else axis, spec.name)
    return call(spec, x, name=name, axis=along, dtype=as_dtype(output_type))


# ---- sort, top_k


def _descending(x: Array) -> Array:
    """Returns the order of the last axis, largest first, the first of equal ones first."""
    backward = np.argsort(x[..., ::-1], axis=-1, kind="stable")
    order: Array = x.shape[-1] - 1 - backward[..., ::-1]
    return order


def _order_numpy(x: Array, *, descending: bool) -> Array:
    order = _descending(x) if descending else np.argsort(x, axis=-1, kind="stable")
    return order.astype(np.int32)


def _needs_axis(x: Any, what: str) -> None:
    if not x.shape and not x.shape.unknown_rank:
        raise fail(
            InvalidArgumentError,
            f"input of {what} must have at least one dimension",
            got=describe_shapes(x),
            site=str(user_site()),
        )


def _order_infer(x: Any, *, descending: bool) -> tuple[TensorShape, DType]:
    _needs_axis(x, "sort")
    return x.shape, dtypes.int32


SORT_ORDER = register(
    OpSpec(
        "SortOrder",
        _order_infer,
        _order_numpy,
        NOT_DIFFERENTIABLE,
        Host("sorting is done by NumPy"),
        lambda: [
            Sample((np.array([[3.0, 1.0, 3.0], [2.0, 9.0, 2.0]]),), {"descending": d})
            for d in (False, True)
        ],
        errors=lambda: [
            BadInput(
                (np.zeros(()),), {"descending": True}, InvalidArgumentError, "at least"
            )
        ],
    )
)


@deferrable(lambda **_: [dtypes.int32], lambda values, **_: [values.shape])
def argsort(
    values: Any,
    axis: int = -1,
    direction: str = "ASCENDING",
    stable: bool = False,
    name: str | None = None,
) -> Tensor:
    """Returns the indices that put an axis into order; equal values keep theirs.

    Args:
      values: The tensor.
      axis: The axis.
      direction: "ASCENDING" or "DESCENDING".
      stable: Ignored; the order of equal values is always kept.
      name: Name of the op.

    >>> import graphopt as tf
    >>> tf.argsort([3, 1, 2]).numpy().tolist()
    [1, 2, 0]

    Source: `tf.argsort`.
    """
    values, perm = _axis_last(hooks.convert(values), axis)
    order = call(SORT_ORDER, values, name=name, descending=_is_descending(direction))
    return order if perm is None else transpose(order, perm)


@deferrable(shapes=lambda values, **_: [values.shape])
def sort(
    values: Any, axis: int = -1, direction: str = "ASCENDING", name: str | None = None
) -> Tensor:
    """Sorts along an axis.

    Args:
      values: The tensor.
      axis: The axis.
      direction: "ASCENDING" or "DESCENDING".
      name: Name of the op.

    Raises:
      ValueError: The direction is unknown.

    Source: `tf.sort`.
    """
    values, perm = _axis_last(hooks.convert(values), axis)
    order = call(SORT_ORDER, values, descending=_is_descending(direction))
    along = len(values.shape) - 1
    ordered = gather_densely(values, order, along, along, name or "sort")
    return ordered if perm is None else transpose(ordered, perm)


def _is_descending(direction: str) -> bool:
    if direction not in ("ASCENDING", "DESCENDING"):
        raise ValueError(
            f"Argument `direction` should be one of 'ASCENDING' or 'DESCENDING'; got "
            f"{direction!r}."
        )
    return direction == "DESCENDING"


def _axis_last(x: Any, axis: int) -> tuple[Any, list[int] | None]:
    """Swaps an axis with the last one; the permutation undoes itself."""
    _needs_axis(x, "sort")
    rank = x.shape.rank
    if rank is None:
        raise DecidedByRun("Sorting a tensor of unknown rank.")
    if not -rank <= axis < rank:
        raise fail(
            InvalidArgumentError,
            "The axis to sort along is out of range",
            got=f"axis {axis} for {describe_shapes(x)}",
            site=str(user_site()),
        )
    if axis in (-1, rank - 1):
        return x, None
    perm = list(range(rank))
    perm[axis], perm[-1] = perm[-1], perm[axis]
    return transpose(x, perm), perm


def _top_infer(x: Any, *, k: int) -> list[tuple[TensorShape, DType]]:
    _needs_axis(x, "top_k")
    if x.shape.unknown_rank:
        return [(UNKNOWN, x.dtype), (UNKNOWN, dtypes.int32)]
    last = x.shape[-1]
    if k < 0 or (last is not None and last < k):
        raise fail(
            InvalidArgumentError,
            f"input must have at least k columns. Had {last}, needed {k}",
            got=describe_shapes(x),
            site=str(user_site()),
        )
    shape = TensorShape((*x.shape[:-1], k))
    return [(shape, x.dtype), (shape, dtypes.int32)]


def _top_numpy(x: Array, *, k: int) -> tuple[Array, Array]:
    order = _descending(x)[..., :k]
    return np.take_along_axis(x, order, -1), order.astype(np.int32)


def _top_vjp(g: Any, y: Any, x: Any, *, k: int) -> tuple[Any]:
    if g[0] is None:
        return (None,)
    along = len(x.shape) - 1
    return (call(GATHER_GRAD, g[0], y[1], x, axis=along, batch_dims=along),)


TOP_K = register(
    OpSpec(
        "TopKV2",
        _top_infer,
        _top_numpy,
        _top_vjp,
        Host("sorting is done by NumPy"),
        lambda: [
            *(
                Sample((np.array([[3.0, 1.0, 2.7], [2.0, 9.0, 2.5]]),), {"k": k})
                for k in (0, 2, 3)
            ),
            # Of equal values the first is taken.
            Sample((np.array([3.0, 1.0, 3.0, 3.0], np.float32),), {"k": 2}),
        ],
        errors=lambda: [
            BadInput((np.zeros((2, 3)),), {"k": 4}, InvalidArgumentError, "at least k")
        ],
        outputs=2,
        dtypes=NUMERIC,
    )
)


class TopKV2(NamedTuple):
    """The values and the indices that `top_k` returns."""

    values: Any
    indices: Any


def top_k(
    input: Any,
    k: Any = 1,
    sorted: bool = True,
    index_type: Any = dtypes.int32,
    name: str | None = None,
) -> TopKV2:
    """Returns the k largest elements along the last axis, largest first.

    Args:
      input: `[..., n]`.
      k: How many.
      sorted: Ignored; the result is always sorted.
      index_type: The dtype of the indices.
      name: Name of the op.

    Returns:
      `values` and `indices`, both `[..., k]`; of equal elements the first comes first.

    Raises:
      InvalidArgumentError: There are fewer than k elements.

    >>> import graphopt as tf
    >>> values, indices = tf.math.top_k([1.0, 4.0, 2.0], k=2)
    >>> values.numpy().tolist(), indices.numpy().tolist()
    ([4.0, 2.0], [1, 2])

    Source: `tf.math.top_k`.
    """
    values, indices = _top_k(input, k, index_type, name)
    return TopKV2(values, indices)


def _top_shapes(input: Any, k: Any, index_type: Any) -> list[TensorShape]:
    x = hooks.convert(input)
    if x.shape.rank is None:
        return [UNKNOWN, UNKNOWN]
    return [TensorShape([*x.shape[:-1], None])] * 2


@deferrable(
    lambda input, k, index_type: [hooks.convert(input).dtype, as_dtype(index_type)],
    _top_shapes,
    "top_k",
)
def _top_k(input: Any, k: Any, index_type: Any, name: str | None = None) -> list[Any]:
    (count,) = static_ints(k, "tf.math.top_k")
    values, indices = call_all(TOP_K, input, name=name, k=count)
    return [values, cast(indices, as_dtype(index_type))]


@deferrable(
    lambda **_: [dtypes.bool_],
    lambda targets, **_: [hooks.convert(targets).shape],
)
def in_top_k(targets: Any, predictions: Any, k: Any, name: str | None = None) -> Tensor:
    """Returns whether the prediction for the target is among the k largest.

    Classes that tie with the k-th all count as being among them. A target that is no
    class, or a row with a number that is not finite, gives False.

    Args:
      targets: `[batch]` integers.
      predictions: `[batch, classes]`.
      k: How many.
      name: Name of the op.

    >>> import graphopt as tf
    >>> tf.math.in_top_k([1, 0], [[0.1, 0.9], [0.1, 0.9]], k=1).numpy().tolist()
    [True, False]

    Source: `tf.math.in_top_k`.
    """
    targets, predictions = hooks.convert(targets), hooks.convert(predictions)
    if predictions.shape.unknown_rank:
        raise DecidedByRun("tf.math.in_top_k of predictions of unknown rank.")
    classes = predictions.shape[-1]
    if classes is None:
        raise NotImplementedError("tf.math.in_top_k of an unknown number of classes.")
    known = logical_and(targets >= 0, targets < classes)
    value = gather(predictions, where(known, targets, 0), axis=1, batch_dims=1)
    larger = cast(predictions > expand_dims(value, 1), dtypes.int32)
    found = logical_and(known, reduce_sum(larger, axis=1) < k)
    finite = reduce_all(is_finite(predictions), axis=1)
    return logical_and(found, finite, name=name)
