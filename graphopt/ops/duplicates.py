"""Rows named by indices of which some may be equal, as in a sparse gradient.

TensorFlow makes the indices unique, so that their number depends on the data. Here it
stays: every place that names a row gets the sum over all places that name it, and what
is computed for a row is then the same at each of them, so that writing it back several
times does no harm. Shapes stay known and nothing has to be sorted.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphopt.dtypes import COMPLEX, FLOATING, DType, int32, int64
from graphopt.errors import InvalidArgumentError
from graphopt.graph.dispatch import call
from graphopt.graph.opspec import (
    NOT_DIFFERENTIABLE,
    BadInput,
    Cost,
    Family,
    OpSpec,
    Sample,
    register,
)
from graphopt.graph.shape import TensorShape
from graphopt.ops.indexing import check_indices, explain_index, require_integers

Array = NDArray[Any]


def _check_infer(indices: Any, *, limit: int) -> tuple[TensorShape, DType]:
    require_integers(indices, "indices")
    return indices.shape, indices.dtype


def _check_numpy(indices: Array, *, limit: int) -> Array:
    check_indices(indices, limit)
    return indices


CHECKED_INDICES = register(
    OpSpec(
        "CheckedIndices",
        _check_infer,
        _check_numpy,
        NOT_DIFFERENTIABLE,
        Family("checked_indices"),
        lambda: [
            Sample((np.array([[2, 0], [1, 2]], dtype),), {"limit": 3})
            for dtype in (np.int32, np.int64)
        ],
        errors=lambda: [
            BadInput(
                (np.array([0, 3], np.int32),),
                {"limit": 3},
                InvalidArgumentError,
                r"= 3 is not in \[0, 3",
            )
        ],
        dtypes=(int32, int64),
        explain=explain_index(0, lambda op, _: op.attrs["limit"]),
        cost=Cost.MOVE,
    )
)


def _first_numpy(indices: Array, *, limit: int) -> Array:
    _, first, inverse = np.unique(indices, return_index=True, return_inverse=True)
    return np.asarray(first[inverse.reshape(-1)], np.int32)


FIRST_OCCURRENCE = register(
    OpSpec(
        "FirstOccurrence",
        lambda indices, *, limit: (indices.shape, int32),
        _first_numpy,
        NOT_DIFFERENTIABLE,
        Family("first_occurrence"),
        lambda: [
            Sample((np.array(indices, dtype),), {"limit": 9})
            for dtype in (np.int32, np.int64)
            for indices in ([4, 0, 4, 8, 0, 4], [1], [])
        ],
        dtypes=(int32, int64),
        cost=Cost.MOVE,
    )
)


def _sum_numpy(values: Array, first: Array) -> Array:
    sums = np.zeros_like(values)
    np.add.at(sums, first, values)
    return sums[first]


def _sum_vjp(g: Any, y: Any, values: Any, first: Any) -> tuple[Any, None]:
    # Who adds up to whom is mutual, so the rule is the op itself.
    return call(SUM_DUPLICATES, g, first), None


def _sum_samples() -> list[Sample]:
    first = np.array([0, 1, 0, 3, 1, 0], np.int32)
    x = np.random.default_rng(3).standard_normal((6, 300))
    return [
        Sample((x[:, :4], first)),
        Sample((x.astype(np.float32), first)),
        Sample((x[:, 0], first)),
        Sample((x[:0], first[:0])),
    ]


SUM_DUPLICATES = register(
    OpSpec(
        "SumDuplicates",
        lambda values, first: (values.shape, values.dtype),
        _sum_numpy,
        _sum_vjp,
        Family("sum_duplicates"),
        _sum_samples,
        types=("T", "int32"),
        dtypes=(*FLOATING, *COMPLEX),
    )
)


def checked_indices(indices: Any, limit: int) -> Any:
    """Returns indices after a check that each is in [0, limit).

    Raises:
      InvalidArgumentError: One is not, when the op runs.
    """
    return call(CHECKED_INDICES, indices, limit=limit)


def first_occurrence(indices: Any, limit: int) -> Any:
    """Returns, for each index, the first place that has the same one.

    Args:
      indices: `[n]`, int32 or int64, each in [0, limit).
      limit: The number of rows that indices may name.
    """
    return call(FIRST_OCCURRENCE, indices, limit=limit)


def sum_duplicates(values: Any, indices: Any, limit: int) -> Any:
    """Returns, for each index, the sum of the rows with that index.

    Args:
      values: `[n, ...]`, floating-point.
      indices: `[n]`, int32 or int64, each in [0, limit).
      limit: The number of rows that indices may name.

    Returns:
      A tensor like `values`, whose rows with equal indices are equal.
    """
    return call(SUM_DUPLICATES, values, call(FIRST_OCCURRENCE, indices, limit=limit))
