"""Repeating elements, and masks of sequences of different lengths."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphopt import dtypes
from graphopt.dtypes import as_dtype
from graphopt.errors import (
    DtypeMismatchError,
    InvalidArgumentError,
    describe_shapes,
    fail,
)
from graphopt.graph.hooks import hooks
from graphopt.graph.provenance import user_site
from graphopt.graph.tensor import Tensor
from graphopt.ops.creation import constant, constant_value, shape
from graphopt.ops.elementwise import cast, less, maximum
from graphopt.ops.indexing import gather_densely
from graphopt.ops.masks import boolean_mask
from graphopt.ops.reduction import reduce_max
from graphopt.ops.sequences import range
from graphopt.ops.shaping import expand_dims, reshape


def sequence_mask(
    lengths: Any, maxlen: Any = None, dtype: Any = dtypes.bool_, name: str | None = None
) -> Tensor:
    """Returns which places of sequences are in use: those before their length.

    Args:
      lengths: Integers of any shape.
      maxlen: The size of the last dimension; by default the largest length, in which
        case only the run knows the shape.
      dtype: The dtype of the result.
      name: Name of the op.

    Returns:
      `[*lengths.shape, maxlen]`.

    >>> import graphopt as tf
    >>> tf.sequence_mask([1, 3], dtype=tf.int32).numpy().tolist()
    [[1, 0, 0], [1, 1, 1]]

    Source: `tf.sequence_mask`.
    """
    lengths = hooks.convert(lengths)
    if not lengths.dtype.is_integer:
        raise fail(
            DtypeMismatchError,
            "lengths must be integers for sequence_mask",
            got=describe_shapes(lengths),
            site=str(user_site()),
            remedy="tf.cast",
        )
    if maxlen is None:
        known = constant_value(lengths)
        zero = constant(0, lengths.dtype)
        if known is not None:
            maxlen = int(known.max(initial=0))
        else:
            maxlen = maximum(reduce_max(lengths), zero)
    maxlen = hooks.convert(maxlen, dtype_hint=lengths.dtype)
    if maxlen.shape.rank not in (None, 0):
        raise ValueError(
            f"maxlen must be scalar for sequence_mask; got {maxlen!r:.80}."
        )
    places = range(cast(maxlen, lengths.dtype), dtype=lengths.dtype)
    mask = less(places, expand_dims(lengths, -1), name=name)
    return cast(mask, as_dtype(dtype))


def repeat(
    input: Any, repeats: Any, axis: Any = None, name: str | None = None
) -> Tensor:
    """Repeats elements, or slices along an axis.

    Args:
      input: A tensor.
      repeats: How often: one number for all, or `[n]` for the n elements or slices.
      axis: The axis; None for the elements of the flattened tensor.
      name: Name of the op.

    Returns:
      A tensor with more or fewer slices along the axis. In a graph its size is known if
      `repeats` is.

    Raises:
      InvalidArgumentError: `repeats` does not fit, or is negative.

    >>> import graphopt as tf
    >>> tf.repeat([3, 5], [2, 1]).numpy().tolist()
    [3, 3, 5]

    Source: `tf.repeat`.
    """
    x, counts = hooks.convert(input), hooks.convert(repeats)
    if axis is None:
        x, axis = reshape(x, [-1]), 0
    if x.shape.rank is None or counts.shape.rank not in (0, 1):
        raise NotImplementedError(
            "tf.repeat of unknown rank, or with a matrix of counts."
        )
    if not -len(x.shape) <= axis < len(x.shape):
        raise fail(
            InvalidArgumentError,
            f"There is no axis {axis} to repeat along",
            got=describe_shapes(x),
            site=str(user_site()),
        )
    axis = axis % len(x.shape)
    if not counts.dtype.is_integer:
        raise fail(
            DtypeMismatchError,
            "repeats must be integers",
            got=describe_shapes(counts),
            site=str(user_site()),
            remedy="tf.cast",
        )
    size = x.shape[axis]
    if counts.shape and counts.shape[0] == 1:
        counts = reshape(counts, [])
    if counts.shape and None not in (size, counts.shape[0]) and counts.shape[0] != size:
        raise fail(
            InvalidArgumentError,
            "repeats must have one number for each slice",
            got=describe_shapes(x, counts),
            expected=f"{size} numbers, or one",
            site=str(user_site()),
        )
    return gather_densely(x, _indices(x, counts, axis), axis, name=name)


def _indices(x: Any, counts: Any, axis: int) -> Any:
    """Returns which slice each slice of the result is."""
    size, known = x.shape[axis], constant_value(counts)
    if known is not None and np.any(known < 0):
        raise fail(
            InvalidArgumentError,
            "repeats must not be negative",
            got=str(known.min()),
            expected="numbers >= 0",
            site=str(user_site()),
        )
    if size is not None and known is not None:
        return constant(np.repeat(np.arange(size, dtype=np.int32), known))
    places = range(shape(x)[axis] if size is None else size)
    counts = cast(counts, dtypes.int32)
    if counts.shape:
        mask = sequence_mask(counts)
    else:
        row = sequence_mask(expand_dims(counts, 0))
        mask = row | expand_dims(less(places, 0), -1)
    rows = expand_dims(places, -1) + cast(mask, dtypes.int32) * 0
    return boolean_mask(reshape(rows, [-1]), reshape(mask, [-1]))
