"""Diagonals and bands of matrices, and the identity matrix."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphopt import dtypes
from graphopt.dtypes import DType
from graphopt.errors import InvalidArgumentError, describe_shapes, fail
from graphopt.graph.dispatch import call
from graphopt.graph.hooks import hooks
from graphopt.graph.opspec import BadInput, Cost, Family, OpSpec, Sample, register
from graphopt.graph.provenance import user_site
from graphopt.graph.shape import UNKNOWN, TensorShape
from graphopt.graph.tensor import Tensor
from graphopt.ops.creation import ones, static_dims, static_ints, zeros_like
from graphopt.ops.deferred import deferrable, shape_of_sizes
from graphopt.ops.reduction import reduce_sum

Array = NDArray[Any]


def _require_rank(x: Any, rank: int, what: str) -> None:
    if not x.shape.unknown_rank and len(x.shape) < rank:
        raise fail(
            InvalidArgumentError,
            f"The input of {what} must have at least {rank} dimensions",
            got=describe_shapes(x),
            site=str(user_site()),
        )


# ---- MatrixDiag, MatrixDiagPart, MatrixSetDiag


def _diag_infer(x: Any, *, rows: int, columns: int) -> tuple[TensorShape, DType]:
    _require_rank(x, 1, "diag")
    if x.shape.unknown_rank:
        return UNKNOWN, x.dtype
    length = x.shape[-1]
    m = length if rows < 0 else rows
    n = length if columns < 0 else columns
    if None not in (length, m, n) and min(m, n) != length:
        raise fail(
            InvalidArgumentError,
            "The number of rows or columns does not fit the diagonal",
            got=f"{m} rows and {n} columns for {describe_shapes(x)}",
            site=str(user_site()),
        )
    return TensorShape((*x.shape[:-1], m, n)), x.dtype


def _diag_numpy(x: Array, *, rows: int, columns: int) -> Array:
    length = x.shape[-1]
    m, n = (length if size < 0 else size for size in (rows, columns))
    out = np.zeros((*x.shape[:-1], m, n), x.dtype)
    along = np.arange(length)
    out[..., along, along] = x
    return out


def _part_infer(x: Any) -> tuple[TensorShape, DType]:
    _require_rank(x, 2, "diag_part")
    if x.shape.unknown_rank:
        return UNKNOWN, x.dtype
    m, n = x.shape[-2:]
    length = None if m is None or n is None else min(m, n)
    return TensorShape((*x.shape[:-2], length)), x.dtype


def _set_infer(x: Any, diagonal: Any) -> tuple[TensorShape, DType]:
    shape, _ = _part_infer(x)
    if not shape.is_compatible_with(diagonal.shape):
        raise fail(
            InvalidArgumentError,
            "The diagonal does not fit the matrix",
            got=describe_shapes(x, diagonal),
            expected=f"a diagonal of shape {shape}",
            site=str(user_site()),
        )
    return x.shape, x.dtype


def _set_numpy(x: Array, diagonal: Array) -> Array:
    out = x.copy()
    along = np.arange(min(x.shape[-2:]))
    out[..., along, along] = diagonal
    return out


MATRIX_DIAG_PART: OpSpec = register(
    OpSpec(
        "MatrixDiagPart",
        _part_infer,
        lambda x: np.array(np.diagonal(x, axis1=-2, axis2=-1), order="C"),
        lambda g, y, x: (set_diag(zeros_like(x), g),),
        Family("diag_part"),
        lambda: [
            Sample((np.arange(float(math.prod(s))).reshape(s),))
            for s in ((3, 3), (2, 4), (2, 3, 2), (0, 3))
        ],
        errors=lambda: [
            BadInput((np.zeros(3),), {}, InvalidArgumentError, "at least 2 dimensions")
        ],
        types=("any",),
        host_dtypes=(),
        cost=Cost.MOVE,
    )
)
MATRIX_DIAG = register(
    OpSpec(
        "MatrixDiag",
        _diag_infer,
        _diag_numpy,
        lambda g, y, x, *, rows, columns: (diag_part(g),),
        Family("diag"),
        lambda: [
            Sample((np.arange(1.0, 7.0).reshape(2, 3),), {"rows": m, "columns": n})
            for m, n in ((-1, -1), (4, -1), (3, 5))
        ],
        errors=lambda: [
            BadInput(
                (np.zeros(3),),
                {"rows": 2, "columns": -1},
                InvalidArgumentError,
                "does not fit",
            )
        ],
        types=("any",),
        host_dtypes=(),
        cost=Cost.MOVE,
    )
)
MATRIX_SET_DIAG = register(
    OpSpec(
        "MatrixSetDiag",
        _set_infer,
        _set_numpy,
        lambda g, y, x, d: (set_diag(g, zeros_like(d)), diag_part(g)),
        Family("set_diag"),
        lambda: [
            Sample((np.arange(12.0).reshape(2, 3, 2), np.full((2, 2), 7.5))),
            Sample((np.arange(4).reshape(2, 2), np.array([8, 9]))),
        ],
        errors=lambda: [
            BadInput(
                (np.zeros((2, 3)), np.zeros(3)), {}, InvalidArgumentError, "not fit"
            )
        ],
        host_dtypes=(),
        cost=Cost.MOVE,
    )
)


def diag(
    diagonal: Any,
    name: str | None = "diag",
    k: int = 0,
    num_rows: int = -1,
    num_cols: int = -1,
    padding_value: Any = 0,
    align: str = "RIGHT_LEFT",
) -> Tensor:
    """Returns matrices with the given main diagonals and zeros elsewhere.

    Args:
      diagonal: `[..., n]`.
      name: Name of the op.
      k: Must be 0, the main diagonal.
      num_rows, num_cols: The size of the matrices, if not square.
      padding_value: Must be 0.
      align: Ignored; there is only one diagonal.

    >>> import graphopt as tf
    >>> tf.linalg.diag([1, 2]).numpy().tolist()
    [[1, 0], [0, 2]]

    Source: `tf.linalg.diag`.
    """
    _main_only(k, "tf.linalg.diag")
    if padding_value:
        raise NotImplementedError("tf.linalg.diag with a padding_value; use set_diag.")
    return call(MATRIX_DIAG, diagonal, name=name, rows=num_rows, columns=num_cols)


def _main_only(k: Any, what: str) -> None:
    if static_ints(k, what) != [0]:
        raise NotImplementedError(f"{what} with other diagonals than the main one.")


def diag_part(input: Any, name: str | None = "diag_part", k: int = 0) -> Tensor:
    """Returns the main diagonals of matrices, `[..., min(m, n)]`.

    Source: `tf.linalg.diag_part`.
    """
    _main_only(k, "tf.linalg.diag_part")
    return call(MATRIX_DIAG_PART, input, name=name)


def set_diag(
    input: Any, diagonal: Any, name: str | None = "set_diag", k: int = 0
) -> Tensor:
    """Returns matrices whose main diagonals are replaced.

    Source: `tf.linalg.set_diag`.
    """
    _main_only(k, "tf.linalg.set_diag")
    return call(MATRIX_SET_DIAG, input, diagonal, name=name)


def trace(x: Any, name: str | None = None) -> Tensor:
    """Returns the sums of the main diagonals of matrices.

    >>> import graphopt as tf
    >>> int(tf.linalg.trace([[1, 2], [3, 4]]))
    5

    Source: `tf.linalg.trace`.
    """
    return reduce_sum(diag_part(x), axis=-1, name=name)


def _eye_shape(
    num_rows: Any,
    num_columns: Any = None,
    batch_shape: Any = None,
    dtype: Any = dtypes.float32,
) -> list[TensorShape]:
    sizes = [num_rows, num_rows if num_columns is None else num_columns]
    before = () if batch_shape is None else shape_of_sizes(batch_shape)
    return [TensorShape([*before, *shape_of_sizes(sizes)])]


@deferrable(
    lambda num_rows, num_columns=None, batch_shape=None, dtype=dtypes.float32: [
        dtypes.as_dtype(dtype)
    ],
    _eye_shape,
)
def eye(
    num_rows: Any,
    num_columns: Any = None,
    batch_shape: Any = None,
    dtype: Any = dtypes.float32,
    name: str | None = None,
) -> Tensor:
    """Returns the identity matrix, or a batch of them.

    Args:
      num_rows, num_columns: The size; square if only the first is given.
      batch_shape: Dimensions in front.
      dtype: The element type.
      name: Name of the op.

    >>> import graphopt as tf
    >>> tf.eye(2, 3, dtype=tf.int32).numpy().tolist()
    [[1, 0, 0], [0, 1, 0]]

    Source: `tf.eye`.
    """
    m = static_dims(num_rows, "tf.eye")[0]
    n = m if num_columns is None else static_dims(num_columns, "tf.eye")[0]
    batch = () if batch_shape is None else static_dims(batch_shape, "tf.eye")
    return diag(ones((*batch, min(m, n)), dtype), name or "eye", 0, m, n)


# ---- bands


def _band_infer(x: Any, *, lower: int, upper: int) -> tuple[TensorShape, DType]:
    _require_rank(x, 2, "band_part")
    return x.shape, x.dtype


def _band_numpy(x: Array, *, lower: int, upper: int) -> Array:
    i = np.arange(x.shape[-2])[:, None]
    j = np.arange(x.shape[-1])
    inside = ((lower < 0) | (i - j <= lower)) & ((upper < 0) | (j - i <= upper))
    return np.where(inside, x, np.zeros((), x.dtype))


BAND_PART: OpSpec = register(
    OpSpec(
        "MatrixBandPart",
        _band_infer,
        _band_numpy,
        lambda g, y, x, **attrs: (call(BAND_PART, g, **attrs),),
        Family("band"),
        lambda: [
            Sample((x.astype(t),), {"lower": lower, "upper": upper})
            for x in (np.arange(1.0, 25.0).reshape(2, 3, 4),)
            for lower, upper, t in (
                (0, -1, np.float64),
                (-1, 0, np.float64),
                (1, 1, np.float16),
                (0, 2, np.int8),
            )
        ],
        errors=lambda: [
            BadInput(
                (np.zeros(3),),
                {"lower": 0, "upper": 0},
                InvalidArgumentError,
                "at least 2 dimensions",
            )
        ],
        types=("any",),
        host_dtypes=(),
        cost=Cost.MOVE,
    )
)


@deferrable(shapes=lambda input, **_: [hooks.convert(input).shape])
def band_part(input: Any, num_lower: Any, num_upper: Any, name: Any = None) -> Tensor:
    """Sets everything but a band around the main diagonal of matrices to zero.

    Args:
      input: `[..., m, n]`.
      num_lower, num_upper: How many diagonals to keep below and above the main one; a
        negative number keeps all.
      name: Name of the op.

    >>> import graphopt as tf
    >>> tf.linalg.band_part([[1, 2], [3, 4]], 0, -1).numpy().tolist()
    [[1, 2], [0, 4]]

    Source: `tf.linalg.band_part`.
    """
    (lower,) = static_ints(num_lower, "tf.linalg.band_part")
    (upper,) = static_ints(num_upper, "tf.linalg.band_part")
    return call(BAND_PART, hooks.convert(input), name=name, lower=lower, upper=upper)
