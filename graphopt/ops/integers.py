"""Ops on integers: bits, divisions that round towards zero, and counting.

`&` and `|` have kernels. Shifts and counts of bits run on the host: C leaves a shift
by more bits than there are undefined, and here it has a defined result.
"""

from __future__ import annotations

from typing import Any

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
    Cost,
    Host,
    OpSpec,
    Sample,
    register,
)
from graphopt.graph.provenance import user_site
from graphopt.graph.shape import TensorShape
from graphopt.graph.tensor import Tensor
from graphopt.ops.creation import constant_value, shape, static_ints, zeros_like
from graphopt.ops.deferred import deferrable
from graphopt.ops.elementwise import cast, division_error, where
from graphopt.ops.elementwise_specs import INTEGERS, NUMERIC, binary, elementwise
from graphopt.ops.indexing import gather

Array = NDArray[Any]


# ---- bits


def _shift_left(x: Array, y: Array) -> Array:
    bits = x.dtype.itemsize * 8
    # The sign bit is a bit like others; what is shifted out is gone.
    moved = np.left_shift(x, np.clip(y, 0, bits - 1))
    return np.asarray(np.where(y >= bits, x.dtype.type(0), moved))


def _shift_right(x: Array, y: Array) -> Array:
    # By all bits but one at most: of a number below 0 its sign is left, -1.
    bits = x.dtype.itemsize * 8
    moved = np.right_shift(x, np.clip(y, 0, bits - 1))
    return np.asarray(np.where((y >= bits) & (x >= 0), x.dtype.type(0), moved))


def _bits_samples() -> list[Sample]:
    x = np.array([[5, 0, 127, 1], [12, 3, 6, 2]])
    y = np.array([3, 1, 2, 7])
    return [Sample((x.astype(d.numpy), y.astype(d.numpy))) for d in INTEGERS]


def _bitwise(
    name: str, sign: str, function: Any, host_dtypes: tuple[DType, ...] = ()
) -> OpSpec:
    return binary(
        name,
        f"({{0}} {sign} {{1}})",
        function,
        NOT_DIFFERENTIABLE,
        over=INTEGERS,
        samples=_bits_samples,
        host_dtypes=host_dtypes,
        cost=Cost.UNRATED,
    )


BITWISE_AND = _bitwise("BitwiseAnd", "&", np.bitwise_and)
BITWISE_OR = _bitwise("BitwiseOr", "|", np.bitwise_or)
# The expressions of the others are never lowered: they run on the host.
BITWISE_XOR = _bitwise("BitwiseXor", "-", np.bitwise_xor, INTEGERS)
LEFT_SHIFT = binary(
    "LeftShift",
    "({0} + {1})",
    _shift_left,
    NOT_DIFFERENTIABLE,
    over=INTEGERS,
    samples=_bits_samples,
    host_dtypes=INTEGERS,
    cost=Cost.UNRATED,
)
RIGHT_SHIFT = binary(
    "RightShift",
    "({0} + {1})",
    _shift_right,
    NOT_DIFFERENTIABLE,
    over=INTEGERS,
    samples=_bits_samples,
    host_dtypes=INTEGERS,
    cost=Cost.UNRATED,
)
INVERT = elementwise(
    "Invert",
    numpy=np.invert,
    kernel="{0}",
    vjp=NOT_DIFFERENTIABLE,
    over=INTEGERS,
    host_dtypes=INTEGERS,
    cost=Cost.UNRATED,
)


def _count_bits(x: Array) -> Array:
    unsigned = np.ascontiguousarray(x).reshape(-1, 1).view(np.uint8)
    counts = np.unpackbits(unsigned, axis=-1).sum(-1, dtype=np.uint8)
    return np.asarray(counts.reshape(x.shape))


POPULATION_COUNT = elementwise(
    "PopulationCount",
    numpy=_count_bits,
    kernel="{0}",
    vjp=NOT_DIFFERENTIABLE,
    over=INTEGERS,
    result=dtypes.uint8,
    host_dtypes=INTEGERS,
    cost=Cost.UNRATED,
)


def bitwise_and(x: Any, y: Any, name: str | None = None) -> Tensor:
    """Returns the bits in both, elementwise.

    Source: `tf.bitwise.bitwise_and`.
    """
    return call(BITWISE_AND, x, y, name=name)


def bitwise_or(x: Any, y: Any, name: str | None = None) -> Tensor:
    """Returns the bits in either, elementwise.

    Source: `tf.bitwise.bitwise_or`.
    """
    return call(BITWISE_OR, x, y, name=name)


def bitwise_xor(x: Any, y: Any, name: str | None = None) -> Tensor:
    """Returns the bits in one and not the other, elementwise.

    Source: `tf.bitwise.bitwise_xor`.
    """
    return call(BITWISE_XOR, x, y, name=name)


def left_shift(x: Any, y: Any, name: str | None = None) -> Tensor:
    """Returns x shifted left by y bits; 0 if that is all of them, elementwise.

    Source: `tf.bitwise.left_shift`.
    """
    return call(LEFT_SHIFT, x, y, name=name)


def right_shift(x: Any, y: Any, name: str | None = None) -> Tensor:
    """Returns x shifted right by y bits, its sign kept; 0 or -1 if that is all of them, elementwise.

    Source: `tf.bitwise.right_shift`.
    """
    return call(RIGHT_SHIFT, x, y, name=name)


def invert(x: Any, name: str | None = None) -> Tensor:
    """Returns the other bits, elementwise.

    Source: `tf.bitwise.invert`.
    """
    return call(INVERT, x, name=name)


def population_count(x: Any, name: str | None = None) -> Tensor:
    """Returns how many bits are 1, as uint8, elementwise.

    Source: `tf.bitwise.population_count`.
    """
    return call(POPULATION_COUNT, x, name=name)


# ---- divisions that round towards zero


def _truncate_div(x: Array, y: Array) -> Array:
    if x.dtype.kind not in "iu":
        return np.asarray(np.trunc(x / y))
    if not np.all(y):
        raise division_error()
    rounded = np.floor_divide(x, y)
    inexact = np.mod(x, y) != 0
    return np.asarray(rounded + (inexact & ((x < 0) != (y < 0))))


def _truncate_mod(x: Array, y: Array) -> Array:
    if x.dtype.kind in "iu" and not np.all(y):
        raise division_error()
    return np.asarray(np.fmod(x, y))


def _signed_samples() -> list[Sample]:
    x, y = np.array([7, -7, 7, -7, 6, 0]), np.array([3, 3, -3, -3, 3, 5])
    out = []
    for dtype in INTEGERS:
        pair = (abs(x), abs(y)) if dtype.is_unsigned else (x, y)
        out.append(Sample(tuple(a.astype(dtype.numpy) for a in pair)))
    quotients = np.array([7.3, -7.3, 0.4])
    floats = (np.float64, np.float32)
    return [*out, *(Sample((quotients.astype(t), t(-2.1))) for t in floats)]


TRUNCATE_DIV = binary(
    "TruncateDiv",
    "({0} / {1})",
    _truncate_div,
    lambda g, z, x, y: (None, None),
    samples=_signed_samples,
    host_dtypes=NUMERIC,
    cost=Cost.UNRATED,
)
TRUNCATE_MOD = binary(
    "TruncateMod",
    "({0} / {1})",
    _truncate_mod,
    lambda g, z, x, y: (g, -g * truncatediv(x, y)),
    samples=_signed_samples,
    host_dtypes=NUMERIC,
    cost=Cost.UNRATED,
)


def truncatediv(x: Any, y: Any, name: str | None = None) -> Tensor:
    """Returns x / y rounded towards zero, elementwise.

    Source: `tf.math.truncatediv`.
    """
    return call(TRUNCATE_DIV, x, y, name=name)


def truncatemod(x: Any, y: Any, name: str | None = None) -> Tensor:
    """Returns x - y * truncatediv(x, y), which has the sign of x, elementwise.

    Source: `tf.math.truncatemod`.
    """
    return call(TRUNCATE_MOD, x, y, name=name)


# ---- counting


def _bincount_infer(
    values: Any,
    weights: Any,
    *,
    low: int,
    high: int | None,
    by_rows: bool,
    binary: bool,
) -> tuple[TensorShape, DType]:
    if not values.dtype.is_integer:
        raise fail(
            InvalidArgumentError,
            "bincount counts integers",
            got=describe_shapes(values),
            expected="int32 or int64",
            site=str(user_site()),
            remedy="tf.cast",
        )
    weighted = weights.shape.rank != 1 or weights.shape[0] != 0
    if weighted and not weights.shape.is_compatible_with(values.shape):
        raise fail(
            InvalidArgumentError,
            "bincount needs one weight for each number",
            got=describe_shapes(values, weights),
            expected="weights in the shape of the numbers",
            site=str(user_site()),
        )
    if by_rows and values.shape.rank not in (None, 1, 2):
        raise fail(
            InvalidArgumentError,
            "bincount along an axis takes vectors and matrices",
            got=describe_shapes(values),
            expected="one or two dimensions",
            site=str(user_site()),
        )
    width = high if high is not None and high == low else None
    known = constant_value(values)
    if known is not None:
        width = _width(known, low, high)
    rows = [values.shape[0]] if by_rows and values.shape.rank == 2 else []
    return TensorShape([*rows, width]), weights.dtype


def _width(values: Array, low: int, high: int | None) -> int:
    """Returns how many counts there are."""
    width = max(low, int(values.max(initial=-1)) + 1)
    return width if high is None else min(width, high)


def _bincount_numpy(
    values: Array,
    weights: Array,
    *,
    low: int,
    high: int | None,
    by_rows: bool,
    binary: bool,
) -> Array:
    if values.size and values.min() < 0:
        raise fail(
            InvalidArgumentError,
            "Input arr must be non-negative!",
            got=f"the number {values.min()}",
            expected="numbers >= 0",
            site=str(user_site()),
        )
    width = _width(values, low, high)
    table = values if by_rows and values.ndim == 2 else values.reshape(1, -1)
    weighted = weights.shape == values.shape and weights.ndim == values.ndim
    counts = np.zeros((len(table), width), weights.dtype)
    row, column = np.nonzero(table < width)
    amounts: Any = 1
    if weighted and values.size:
        amounts = weights.reshape(table.shape)[row, column]
    if binary:
        counts[row, table[row, column]] = 1
    else:
        np.add.at(counts, (row, table[row, column]), amounts)
    return counts if by_rows and values.ndim == 2 else counts[0]


def _bincount_vjp(
    g: Any, y: Any, values: Any, weights: Any, *, by_rows: bool, binary: bool, **_: Any
) -> tuple[Any, Any]:
    if binary or by_rows or (weights.shape.rank == 1 and weights.shape[0] == 0):
        return None, None
    return None, _gather_or_zero(g, values)


BINCOUNT = register(
    OpSpec(
        "DenseBincount",
        _bincount_infer,
        _bincount_numpy,
        _bincount_vjp,
        Host("how many counts there are depends on the values"),
        lambda: [
            Sample(
                (np.array(v, np.int32), np.array(w)),
                {"low": low, "high": high, "by_rows": rows, "binary": binary},
            )
            for v, w, low, high, rows, binary in (
                ([1, 1, 3], [0.5, 1.5, 2.0], 0, None, False, False),
                ([1, 1, 3], [0.5, 1.5, 2.0], 6, None, False, False),
                ([1, 1, 3], np.zeros(0, np.int32), 2, 2, False, False),
                ([[1, 0], [2, 2]], np.zeros(0, np.int64), 3, 3, True, True),
                ([], np.zeros(0, np.int32), 0, None, False, False),
            )
        ],
        errors=lambda: [
            BadInput(
                (np.array([-1]), np.zeros(0)),
                {"low": 0, "high": None, "by_rows": False, "binary": False},
                InvalidArgumentError,
                "non-negative",
            ),
            BadInput(
                (np.array([0.5]), np.zeros(0)),
                {"low": 0, "high": None, "by_rows": False, "binary": False},
                InvalidArgumentError,
                "counts integers",
            ),
            BadInput(
                (np.array([1, 2]), np.ones(3)),
                {"low": 0, "high": None, "by_rows": False, "binary": False},
                InvalidArgumentError,
                "one weight",
            ),
        ],
        types=("any", "any"),
    )
)


def _gather_or_zero(table: Any, indices: Any) -> Any:
    """Returns entries of a vector, 0 for what is beyond its end, as `maxlength` leaves."""
    size = cast(shape(table)[0], indices.dtype)
    inside = indices < size
    found = gather(table, where(inside, indices, 0))
    return where(inside, found, zeros_like(found))


@deferrable(
    lambda arr, weights=None, dtype=dtypes.int32, **_: [
        as_dtype(dtype) if weights is None else hooks.convert(weights).dtype
    ]
)
def bincount(
    arr: Any,
    weights: Any = None,
    minlength: Any = None,
    maxlength: Any = None,
    dtype: Any = dtypes.int32,
    name: str | None = None,
    axis: int | None = None,
    binary_output: bool = False,
) -> Tensor:
    """Counts how often each number occurs.

    Args:
      arr: Integers >= 0 of any shape.
      weights: What each of them adds to its count, in the same shape; 1 by default.
      minlength: The smallest number of counts; the rest are 0.
      maxlength: The largest number of counts; what is not below it is not counted.
      dtype: The dtype of the counts, unless there are weights.
      name: Name of the op.
      axis: None to count everything; -1 to count in each row of a matrix.
      binary_output: Whether to say only if a number occurs, as 1 or 0.

    Returns:
      `[n]` counts, with n - 1 the largest number; of each row with `axis`.

    Raises:
      InvalidArgumentError: A number is negative, or the weights do not fit.

    >>> import graphopt as tf
    >>> tf.math.bincount([1, 1, 3]).numpy().tolist()
    [0, 2, 0, 1]

    Source: `tf.math.bincount`.
    """
    if axis not in (None, 0, -1):
        raise ValueError(
            f"Unsupported value for argument axis={axis}; expected -1 or None."
        )
    if binary_output and weights is not None:
        raise ValueError(
            "Arguments `binary_output` and `weights` are mutually exclusive."
        )
    values = hooks.convert(arr)
    if weights is None:
        weights = hooks.convert(np.zeros(0, as_dtype(dtype).numpy))
    low = 0 if minlength is None else static_ints(minlength, "tf.math.bincount")[0]
    high = None
    if maxlength is not None:
        high = static_ints(maxlength, "tf.math.bincount")[0]
        low = min(low, high)
    attrs = {"low": low, "high": high, "by_rows": axis == -1, "binary": binary_output}
    return call(BINCOUNT, values, weights, name=name, **attrs)
