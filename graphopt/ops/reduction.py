"""Ops that combine elements along axes: sum, mean, prod, max, min, any, all."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphopt import dtypes
from graphopt.dtypes import DType
from graphopt.errors import DecidedByRun, InvalidArgumentError, describe_shapes, fail
from graphopt.graph.dispatch import call
from graphopt.graph.hooks import hooks
from graphopt.graph.opspec import (
    NOT_DIFFERENTIABLE,
    REGISTRY,
    Cost,
    Elementwise,
    Family,
    OpSpec,
    Sample,
    Source,
    register,
)
from graphopt.graph.provenance import user_site
from graphopt.graph.shape import UNKNOWN, TensorShape, broadcast_shapes
from graphopt.graph.tensor import Tensor, is_symbolic
from graphopt.ops.creation import constant_value, static_dims
from graphopt.ops.deferred import deferrable, shape_of_sizes
from graphopt.ops.elementwise import cast, equal, where
from graphopt.ops.elementwise_specs import NUMERIC
from graphopt.ops.shaping import reshape_like_reduced

Axes = tuple[int, ...] | None


def normalize_axes(axis: Any, rank: int | None, name: str) -> Axes:
    """Returns axes as sorted non-negative numbers; None stands for all of them.

    Raises:
      InvalidArgumentError: An axis is out of range or given twice.
    """
    if axis is None:
        return None
    if not isinstance(axis, (list, tuple, int)):
        axis = constant_value(axis)
        if axis is None:
            raise DecidedByRun(f"{name} with axes that only the run decides.")
    axes = [int(a) for a in np.ravel(np.asarray(axis, np.int64))]
    if rank is None:
        raise DecidedByRun(f"{name} along axes of a tensor of unknown rank.")
    found = sorted(a + rank if a < 0 else a for a in axes)
    if any(not 0 <= a < rank for a in found) or len(set(found)) < len(found):
        raise fail(
            InvalidArgumentError,
            f"Invalid reduction dimension for {name}",
            got=f"axis {axes} for a tensor of {rank} dimensions",
            expected=f"different axes from {-rank} to {rank - 1}",
            remedy="axis=None for all dimensions",
            site=str(user_site()),
        )
    return tuple(found)


def infer_reduction(x: Any, *, axis: Axes, keepdims: bool) -> tuple[TensorShape, DType]:
    """Returns the shape and dtype of a reduction along normalized axes."""
    if axis is None:
        if x.shape.unknown_rank:
            return (UNKNOWN if keepdims else TensorShape(())), x.dtype
        axis = tuple(range(len(x.shape)))
    if keepdims:
        dims = [1 if i in axis else dim for i, dim in enumerate(x.shape)]
    else:
        dims = [dim for i, dim in enumerate(x.shape) if i not in axis]
    return TensorShape(dims), x.dtype


def _samples(over: Sequence[DType]) -> Callable[[], list[Sample]]:
    def make() -> list[Sample]:
        rng = np.random.default_rng(1)
        out = []
        for dtype in over:
            array = rng.uniform(-2, 2, (2, 3, 4)) * (1 if dtype.is_floating else 3)
            # No two elements are equal, for extremes have no derivative there.
            x = (array > 0) if dtype.is_bool else (rng.permutation(24) - 12.5) / 8
            x = x.reshape(2, 3, 4) if dtype.is_floating else np.rint(array)
            x = (array > 0) if dtype.is_bool else x
            x = np.absolute(x) if dtype.is_unsigned else x
            for axis in (None, (0,), (1,), (2,), (0, 2), (0, 1), (1, 2), ()):
                keepdims = axis == (0, 2)
                attrs = {"axis": axis, "keepdims": keepdims}
                out.append(Sample((x.astype(dtype.numpy),), attrs))
            whole = {"axis": None, "keepdims": False}
            if not dtype.is_floating or over is not NUMERIC:
                continue
            long = np.tile(x.ravel(), 400)[:9001].astype(dtype.numpy)
            out += [Sample((long,), whole), Sample((long[:0],), whole)]
        return out

    return make


def _reduction(
    name: str,
    compute: Any,
    vjp: Any,
    over: Sequence[DType] = NUMERIC,
    also: Sequence[DType] = (),
) -> OpSpec:
    def evaluate(x: NDArray[Any], *, axis: Axes, keepdims: bool) -> Any:
        with np.errstate(all="ignore"):
            return np.asarray(compute(x, axis, keepdims), x.dtype)

    return register(
        OpSpec(
            name,
            infer_reduction,
            evaluate,
            vjp,
            Family("reduce", name.lower()),
            _samples(over),
            dtypes=(*over, *also),
        )
    )


def _wide(x: NDArray[Any]) -> Any:
    """The type to add up in: of 64 bits for floats, so that a sum has one rounding."""
    if x.dtype.kind == "c":
        return np.complex128
    return np.float64 if x.dtype.kind == "f" else x.dtype


def _extreme(function: Any, lowest: bool) -> Any:
    def compute(x: NDArray[Any], axis: Axes, keepdims: bool) -> Any:
        if x.dtype.kind == "f":
            empty: Any = -np.inf if lowest else np.inf
        else:
            info = np.iinfo(x.dtype)
            empty = info.min if lowest else info.max
        return function(x, axis=axis, keepdims=keepdims, initial=empty)

    return compute


def _sum_vjp(g: Any, y: Any, x: Any, *, axis: Axes, keepdims: bool) -> tuple[Any]:
    return (broadcast_like(_restore_dimensions(g, x, axis, keepdims), x),)


def _mean_vjp(g: Any, y: Any, x: Any, *, axis: Axes, keepdims: bool) -> tuple[Any]:
    count = call(REDUCED_COUNT, x, axis=axis)
    return (broadcast_like(_restore_dimensions(g, x, axis, keepdims) / count, x),)


def _extreme_vjp(g: Any, y: Any, x: Any, *, axis: Axes, keepdims: bool) -> tuple[Any]:
    # Equal extremes share the cotangent in equal parts, as TensorFlow does.
    chosen = cast(equal(x, _restore_dimensions(y, x, axis, keepdims)), x.dtype)
    count = reduce_sum(chosen, axis=axis, keepdims=True)
    return (chosen / count * _restore_dimensions(g, x, axis, keepdims),)


def _prod_vjp(g: Any, y: Any, x: Any, *, axis: Axes, keepdims: bool) -> tuple[Any]:
    # The product of the others is y / x, or, at the only zero, the rest without it.
    is_zero = equal(x, 0)
    others = where(is_zero, 1.0, x)
    zeros = reduce_sum(cast(is_zero, x.dtype), axis=axis, keepdims=True)
    rest = reduce_prod(others, axis=axis, keepdims=True)
    at_zero = where(is_zero & equal(zeros, 1), rest, 0.0)
    product = where(equal(zeros, 0), rest / others, at_zero)
    return (
        call(REGISTRY["MulNoNan"], product, _restore_dimensions(g, x, axis, keepdims)),
    )


def _restore_dimensions(g: Any, x: Any, axis: Axes, keepdims: bool) -> Any:
    """Gives a reduced tensor its dimensions of size 1 back."""
    return g if keepdims else reshape_like_reduced(g, x, axis)


SUM = _reduction(
    "Sum",
    lambda x, axis, keep: np.sum(x, axis=axis, keepdims=keep, dtype=_wide(x)),
    _sum_vjp,
    also=dtypes.COMPLEX,
)


def _mean(x: NDArray[Any], axis: Axes, keepdims: bool) -> Any:
    total = np.sum(x, axis=axis, keepdims=keepdims, dtype=_wide(x))
    count = x.size // max(np.size(total), 1) if x.size else 0
    if x.dtype.kind in "fc":
        return np.true_divide(total, count)
    return total // max(count, 1)


MEAN = _reduction("Mean", _mean, _mean_vjp, dtypes.FLOATING, dtypes.COMPLEX)
PROD = _reduction(
    "Prod",
    lambda x, axis, keep: np.prod(x, axis=axis, keepdims=keep, dtype=_wide(x)),
    _prod_vjp,
    also=dtypes.COMPLEX,
)
MAX = _reduction("Max", _extreme(np.max, True), _extreme_vjp)
MIN = _reduction("Min", _extreme(np.min, False), _extreme_vjp)
_BOOL = (dtypes.bool_,)
ANY = _reduction(
    "Any",
    lambda x, axis, keep: np.any(x, axis=axis, keepdims=keep),
    NOT_DIFFERENTIABLE,
    _BOOL,
)
ALL = _reduction(
    "All",
    lambda x, axis, keep: np.all(x, axis=axis, keepdims=keep),
    NOT_DIFFERENTIABLE,
    _BOOL,
)


# ---- broadcasting to, and summing to, the shape of another tensor


def _like_samples() -> list[Sample]:
    rng = np.random.default_rng(4)
    pairs = [((3, 1), (2, 3, 4)), ((), (3,)), ((4,), (3, 4)), ((2, 3), (2, 3))]
    return [
        Sample((rng.random(small).astype(d), rng.random(large).astype(d)))
        for small, large in pairs
        for d in (np.float64, np.float32)
    ]


def _sum_like_samples() -> list[Sample]:
    return [Sample(tuple(reversed(sample.inputs))) for sample in _like_samples()]


def _broadcast_like_infer(x: Any, pattern: Any) -> tuple[TensorShape, DType]:
    merged = broadcast_shapes(x.shape, pattern.shape)
    if merged is None or (
        merged.rank is not None and merged.rank != pattern.shape.rank
    ):
        raise fail(
            InvalidArgumentError,
            "Incompatible shapes for BroadcastLike",
            got=describe_shapes(x, pattern),
            site=str(user_site()),
        )
    return pattern.shape, x.dtype


def _sum_like(x: NDArray[Any], pattern: NDArray[Any]) -> NDArray[Any]:
    extra = x.ndim - pattern.ndim
    axes = tuple(range(extra)) + tuple(
        i + extra
        for i, dim in enumerate(pattern.shape)
        if dim == 1 and x.shape[i + extra] != 1
    )
    total = np.sum(x, axis=axes, dtype=_wide(x)).astype(x.dtype)
    summed: NDArray[Any] = total.reshape(pattern.shape)
    return summed


BROADCAST_LIKE = register(
    OpSpec(
        "BroadcastLike",
        _broadcast_like_infer,
        lambda x, pattern: np.broadcast_to(x, pattern.shape).copy(),
        lambda g, y, x, pattern: (g, None),
        Elementwise("{0}"),
        _like_samples,
        types=("any", "any"),
        kernel_inputs=(0,),
        strings=True,
        cost=Cost.MOVE,
    )
)
SUM_LIKE = register(
    OpSpec(
        "SumLike",
        lambda x, pattern: (pattern.shape, x.dtype),
        _sum_like,
        lambda g, y, x, pattern: (broadcast_like(g, x), None),
        Family("reduce", "sum_like"),
        _sum_like_samples,
        types=("any", "any"),
        kernel_inputs=(0,),
    )
)


BROADCAST_TO = register(
    OpSpec(
        "BroadcastTo",
        lambda x, *, dims: _broadcast_like_infer(x, _Pattern(dims)),
        lambda x, *, dims: np.broadcast_to(x, dims).copy(),
        lambda g, y, x, *, dims: (g,),
        Elementwise("{0}"),
        lambda: [Sample((np.arange(3.0),), {"dims": (2, 3)})],
        types=("any",),
        strings=True,
        cost=Cost.UNRATED,
    )
)


class _Pattern:
    """Something that has only a shape."""

    dtype = dtypes.int32

    def __init__(self, dims: tuple[int, ...]) -> None:
        self.shape = TensorShape(dims)


def _to_shape(input: Any, shape: Any) -> list[TensorShape]:
    return [shape_of_sizes(shape)]


@deferrable(shapes=_to_shape)
def broadcast_to(input: Any, shape: Any, name: str | None = None) -> Tensor:
    """Repeats a tensor along dimensions of size 1 and new ones in front.

    Source: `tf.broadcast_to`.
    """
    return call(BROADCAST_TO, input, name=name, dims=static_dims(shape, "broadcast_to"))


def _count_of(x: Any, axis: Axes) -> int:
    return math.prod(d for i, d in enumerate(x.shape) if axis is None or i in axis)


REDUCED_COUNT = register(
    OpSpec(
        "ReducedCount",
        lambda x, *, axis: (TensorShape(()), x.dtype),
        lambda x, *, axis: np.asarray(_count_of(x, axis), x.dtype),
        lambda g, y, x, *, axis: (None,),
        Source(),
        lambda: [Sample((np.zeros((2, 3)),), {"axis": (1,)})],
        types=("any",),
    )
)


def broadcast_like(x: Any, pattern: Any, name: str | None = None) -> Any:
    """Repeats `x` to the shape of another tensor."""
    if x.shape == pattern.shape and x.shape.is_fully_defined():
        return x
    return call(BROADCAST_LIKE, x, pattern, name=name)


def sum_like(x: Any, pattern: Any, name: str | None = None) -> Any:
    """Sums `x` over whatever was broadcast to get from `pattern`'s shape to its own."""
    if x.shape == pattern.shape and x.shape.is_fully_defined():
        return x
    return call(SUM_LIKE, x, pattern, name=name)


# ---- public functions


def _make_reduction(spec: OpSpec, name: str) -> Callable[..., Tensor]:
    """Makes what a public reduction calls."""

    def along(input_tensor: Any, axis: Any, keepdims: bool, name: Any = None) -> Tensor:
        axes = normalize_axes(axis, input_tensor.shape.rank, spec.name)
        return call(spec, input_tensor, name=name, axis=axes, keepdims=bool(keepdims))

    waiting = deferrable(name=name)(along)

    def reduce(input_tensor: Any, axis: Any, keepdims: bool, name: Any) -> Tensor:
        x = hooks.convert(input_tensor)
        # An eager tensor, whose rank is there, need not go by way of the decorator.
        waits = axis is not None and is_symbolic(x)
        return (waiting if waits else along)(x, axis, keepdims, name)

    return reduce


_reduce_sum = _make_reduction(SUM, "reduce_sum")
_reduce_prod = _make_reduction(PROD, "reduce_prod")
_reduce_max = _make_reduction(MAX, "reduce_max")
_reduce_min = _make_reduction(MIN, "reduce_min")
_reduce_any = _make_reduction(ANY, "reduce_any")
_reduce_all = _make_reduction(ALL, "reduce_all")
_reduce_float_mean = _make_reduction(MEAN, "reduce_mean")


def reduce_sum(
    input_tensor: Any, axis: Any = None, keepdims: bool = False, name: str | None = None
) -> Tensor:
    """Returns the sum, added up in float64, along axes.

    Args:
      input_tensor: The tensor.
      axis: The axis or axes to reduce; None for all.
      keepdims: Whether reduced dimensions stay, with size 1.
      name: Name of the op.

    Raises:
      InvalidArgumentError: An axis is out of range.

    Source: `tf.math.reduce_sum`.
    """
    return _reduce_sum(input_tensor, axis, keepdims, name)


def reduce_prod(
    input_tensor: Any, axis: Any = None, keepdims: bool = False, name: str | None = None
) -> Tensor:
    """Returns the product along axes.

    Args:
      input_tensor: The tensor.
      axis: The axis or axes to reduce; None for all.
      keepdims: Whether reduced dimensions stay, with size 1.
      name: Name of the op.

    Raises:
      InvalidArgumentError: An axis is out of range.

    Source: `tf.math.reduce_prod`.
    """
    return _reduce_prod(input_tensor, axis, keepdims, name)


def reduce_max(
    input_tensor: Any, axis: Any = None, keepdims: bool = False, name: str | None = None
) -> Tensor:
    """Returns the largest value along axes.

    Args:
      input_tensor: The tensor.
      axis: The axis or axes to reduce; None for all.
      keepdims: Whether reduced dimensions stay, with size 1.
      name: Name of the op.

    Raises:
      InvalidArgumentError: An axis is out of range.

    Source: `tf.math.reduce_max`.
    """
    return _reduce_max(input_tensor, axis, keepdims, name)


def reduce_min(
    input_tensor: Any, axis: Any = None, keepdims: bool = False, name: str | None = None
) -> Tensor:
    """Returns the smallest value along axes.

    Args:
      input_tensor: The tensor.
      axis: The axis or axes to reduce; None for all.
      keepdims: Whether reduced dimensions stay, with size 1.
      name: Name of the op.

    Raises:
      InvalidArgumentError: An axis is out of range.

    Source: `tf.math.reduce_min`.
    """
    return _reduce_min(input_tensor, axis, keepdims, name)


def reduce_any(
    input_tensor: Any, axis: Any = None, keepdims: bool = False, name: str | None = None
) -> Tensor:
    """Returns whether any element is true along axes.

    Args:
      input_tensor: The tensor.
      axis: The axis or axes to reduce; None for all.
      keepdims: Whether reduced dimensions stay, with size 1.
      name: Name of the op.

    Raises:
      InvalidArgumentError: An axis is out of range.

    Source: `tf.math.reduce_any`.
    """
    return _reduce_any(input_tensor, axis, keepdims, name)


def reduce_all(
    input_tensor: Any, axis: Any = None, keepdims: bool = False, name: str | None = None
) -> Tensor:
    """Returns whether all elements are true along axes.

    Args:
      input_tensor: The tensor.
      axis: The axis or axes to reduce; None for all.
      keepdims: Whether reduced dimensions stay, with size 1.
      name: Name of the op.

    Raises:
      InvalidArgumentError: An axis is out of range.

    Source: `tf.math.reduce_all`.
    """
    return _reduce_all(input_tensor, axis, keepdims, name)


def reduce_mean(
    input_tensor: Any, axis: Any = None, keepdims: bool = False, name: Any = None
) -> Tensor:
    """Returns the mean along axes; integers are divided with the fraction cut off.

    >>> import graphopt as tf
    >>> tf.reduce_mean(tf.constant([[1.0, 2.0], [3.0, 5.0]]), axis=0).numpy().tolist()
    [2.0, 3.5]

    Source: `tf.math.reduce_mean`.
    """
    x = hooks.convert(input_tensor)
    if x.dtype.is_differentiable:
        return _reduce_float_mean(x, axis, keepdims, name)
    mean = _reduce_float_mean(cast(x, dtypes.float64), axis, keepdims, name)
    return cast(mean, x.dtype)
