"""Norms, moments and what is made of them: compositions of means and sums."""

from __future__ import annotations

import math
from typing import Any

from graphopt import dtypes
from graphopt.dtypes import as_dtype
from graphopt.errors import DtypeMismatchError, describe_shapes, fail
from graphopt.graph.hooks import hooks
from graphopt.graph.provenance import user_site
from graphopt.graph.tensor import Tensor
from graphopt.ops.creation import constant, ones_like, zeros_like
from graphopt.ops.deferred import deferrable
from graphopt.ops.elementwise import (
    add,
    cast,
    exp,
    is_finite,
    log,
    maximum,
    multiply,
    not_equal,
    rsqrt,
    sqrt,
    square,
    squared_difference,
    where,
)
from graphopt.ops.reduction import (
    broadcast_like,
    normalize_axes,
    reduce_max,
    reduce_mean,
    reduce_sum,
)
from graphopt.ops.shaping import reshape, reshape_like, stop_gradient


def reduce_logsumexp(
    input_tensor: Any, axis: Any = None, keepdims: bool = False, name: Any = None
) -> Tensor:
    """Returns log(sum(exp(x))) along axes, without overflow on the way.

    Args:
      input_tensor: Floats.
      axis: The axis or axes to reduce; None for all.
      keepdims: Whether reduced dimensions stay, with size 1.
      name: Name of the op.

    >>> import graphopt as tf
    >>> round(float(tf.reduce_logsumexp([1000.0, 1000.0])), 3)
    1000.693

    Source: `tf.math.reduce_logsumexp`.
    """
    x = hooks.convert(input_tensor)
    top = reduce_max(x, axis, keepdims=True)
    # An infinite maximum would make inf - inf of its own element.
    shift = stop_gradient(where(is_finite(top), top, zeros_like(top)))
    total = log(reduce_sum(exp(x - shift), axis, keepdims))
    if not keepdims:
        shift = reshape_like(shift, total)
    return add(total, shift, name=name)


def reduce_variance(
    input_tensor: Any, axis: Any = None, keepdims: bool = False, name: Any = None
) -> Tensor:
    """Returns the mean of the squared distances from the mean, along axes.

    Raises:
      TypeError: The numbers are integers.

    >>> import graphopt as tf
    >>> tf.math.reduce_variance([[1.0, 2.0], [3.0, 4.0]], axis=0).numpy().tolist()
    [1.0, 1.0]

    Source: `tf.math.reduce_variance`.
    """
    x = _real(input_tensor, "reduce_variance")
    mean = reduce_mean(x, axis, keepdims=True)
    return reduce_mean(square(x - mean), axis, keepdims, name)


def reduce_std(
    input_tensor: Any, axis: Any = None, keepdims: bool = False, name: Any = None
) -> Tensor:
    """Returns the root of the variance along axes.

    Raises:
      TypeError: The numbers are integers.

    Source: `tf.math.reduce_std`.
    """
    x = _real(input_tensor, "reduce_std")
    return sqrt(reduce_variance(x, axis, keepdims), name=name)


def reduce_euclidean_norm(
    input_tensor: Any, axis: Any = None, keepdims: bool = False, name: Any = None
) -> Tensor:
    """Returns the root of the sum of squares along axes; integers are cut off.

    >>> import graphopt as tf
    >>> float(tf.math.reduce_euclidean_norm([3.0, 4.0]))
    5.0

    Source: `tf.math.reduce_euclidean_norm`.
    """
    x = hooks.convert(input_tensor)
    if not x.dtype.is_floating:
        wide = cast(x, dtypes.float64)
        return cast(reduce_euclidean_norm(wide, axis, keepdims, name), x.dtype)
    return sqrt(reduce_sum(square(x), axis, keepdims), name=name)


def count_nonzero(
    input: Any,
    axis: Any = None,
    keepdims: bool = False,
    dtype: Any = dtypes.int64,
    name: str | None = None,
) -> Tensor:
    """Returns the number of elements that are not zero, along axes.

    >>> import graphopt as tf
    >>> tf.math.count_nonzero([[0, 1, 0], [1, 1, 0]], axis=1).numpy().tolist()
    [1, 2]

    Source: `tf.math.count_nonzero`.
    """
    x = hooks.convert(input)
    counted = x if x.dtype.is_bool else not_equal(x, zeros_like(x))
    total = reduce_sum(cast(counted, dtypes.int64), axis, keepdims, name)
    return cast(total, as_dtype(dtype))


def _real(x: Any, what: str) -> Any:
    x = hooks.convert(x)
    if not x.dtype.is_floating:
        raise fail(
            DtypeMismatchError,
            f"Input of {what} must be either real or complex",
            got=describe_shapes(x),
            site=str(user_site()),
            remedy="tf.cast",
        )
    return x


# ---- moments and normalization


def moments(
    x: Any,
    axes: Any,
    shift: Any = None,
    keepdims: bool = False,
    name: str | None = None,
) -> tuple[Any, Any]:
    """Returns mean and variance along axes; float16 is summed in float32.

    Args:
      x: Floats.
      axes: The axes to reduce.
      shift: Ignored, as in TensorFlow.
      keepdims: Whether reduced dimensions stay, with size 1.
      name: Name of the op.

    Source: `tf.nn.moments`.
    """
    x = hooks.convert(x)
    wide = cast(x, dtypes.float32) if x.dtype is dtypes.float16 else x
    mean = reduce_mean(wide, axes, keepdims=True)
    # The sum of the distances from the mean is 0, so no gradient is lost here.
    distance = squared_difference(wide, stop_gradient(mean))
    variance = reduce_mean(distance, axes, keepdims)
    if not keepdims:
        mean = reshape_like(mean, variance)
    return cast(mean, x.dtype), cast(variance, x.dtype)


def weighted_moments(
    x: Any,
    axes: Any,
    frequency_weights: Any,
    keepdims: bool = False,
    name: str | None = None,
) -> tuple[Any, Any]:
    """Returns mean and variance along axes of elements that count by their weight.

    Source: `tf.nn.weighted_moments`.
    """
    x = hooks.convert(x)
    weights = cast(hooks.convert(frequency_weights, dtype_hint=x.dtype), x.dtype)
    weights = broadcast_like(weights, x)
    total = reduce_sum(weights, axes, keepdims=True)
    mean = reduce_sum(weights * x, axes, keepdims=True) / total
    distance = squared_difference(x, stop_gradient(mean))
    variance = reduce_sum(weights * distance, axes, keepdims=True) / total
    if keepdims:
        return mean, variance
    pattern = reduce_sum(x, axes)
    return reshape_like(mean, pattern), reshape_like(variance, pattern)


def sufficient_statistics(
    x: Any,
    axes: Any,
    shift: Any = None,
    keepdims: bool = False,
    name: str | None = None,
) -> tuple[Any, Any, Any, Any]:
    """Returns what mean and variance along axes are computed from.

    Args:
      x: Floats.
      axes: The axes to reduce.
      shift: What is taken from each number first, for accuracy; a scalar or None.
      keepdims: Whether reduced dimensions stay, with size 1.
      name: Name of the op.

    Returns:
      How many numbers there are, their sum, the sum of their squares, and the shift.

    Source: `tf.nn.sufficient_statistics`.
    """
    x = hooks.convert(x)
    reduced = normalize_axes(axes, x.shape.rank, "sufficient_statistics")
    sizes = [x.shape[i] for i in reduced or range(len(x.shape))]
    if None in sizes:
        one = reduce_sum(ones_like(x), axes)
        count = reshape(one, [-1])[0]
    else:
        count = constant(float(math.prod(sizes)), x.dtype)
    if shift is not None:
        shift = hooks.convert(shift, dtype=x.dtype)
    moved = x if shift is None else x - shift
    sums = reduce_sum(moved, axes, keepdims), reduce_sum(square(moved), axes, keepdims)
    return count, *sums, shift


def normalize_moments(
    counts: Any,
    mean_ss: Any,
    variance_ss: Any,
    shift: Any = None,
    name: str | None = None,
) -> tuple[Any, Any]:
    """Returns mean and variance from a count, a sum and a sum of squares.

    Args:
      counts: How many numbers were added.
      mean_ss: Their sum, less `shift` for each.
      variance_ss: The sum of their squares, likewise shifted.
      shift: What was taken from each, or None.
      name: Name of the op.

    Source: `tf.nn.normalize_moments`.
    """
    divisor = 1 / hooks.convert(counts)
    shifted = multiply(mean_ss, divisor)
    mean = shifted if shift is None else shifted + shift
    return mean, multiply(variance_ss, divisor) - square(shifted)


def batch_normalization(
    x: Any,
    mean: Any,
    variance: Any,
    offset: Any,
    scale: Any,
    variance_epsilon: Any,
    name: str | None = None,
) -> Tensor:
    """Returns scale * (x - mean) / sqrt(variance + epsilon) + offset.

    Args:
      x: Any tensor; the others broadcast to it.
      mean, variance: Its moments.
      offset, scale: What the result is shifted and multiplied by, or None.
      variance_epsilon: Keeps the root from 0.
      name: Name of the op.

    Source: `tf.nn.batch_normalization`; Ioffe and Szegedy, 2015.
    """
    x, mean = hooks.convert(x), hooks.convert(mean)
    factor = rsqrt(hooks.convert(variance) + variance_epsilon)
    if scale is not None:
        factor = factor * scale
    rest = -mean * factor if offset is None else offset - mean * factor
    return add(x * cast(factor, x.dtype), cast(rest, x.dtype), name=name)


@deferrable(shapes=lambda x, **_: [x.shape])
def l2_normalize(
    x: Any, axis: Any = None, epsilon: Any = 1e-12, name: str | None = None
) -> Tensor:
    """Returns x / sqrt(max(sum(x ** 2), epsilon)), the sum taken along an axis.

    >>> import graphopt as tf
    >>> [round(v, 2) for v in tf.math.l2_normalize([3.0, 4.0]).numpy().tolist()]
    [0.6, 0.8]

    Source: `tf.math.l2_normalize`.
    """
    x = hooks.convert(x)
    normalize_axes(axis, x.shape.rank, "l2_normalize")
    squares = reduce_sum(square(x), axis, keepdims=True)
    return multiply(x, rsqrt(maximum(squares, epsilon)), name=name)
