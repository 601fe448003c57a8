"""Orthonormal columns of a matrix."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphopt import dtypes
from graphopt.dtypes import DType
from graphopt.errors import InvalidArgumentError, describe_shapes, fail
from graphopt.graph.dispatch import call
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

Array = NDArray[Any]


def _infer(x: Any) -> tuple[TensorShape, DType]:
    if x.shape.unknown_rank:
        return x.shape, x.dtype
    rows, columns = x.shape.as_list() if x.shape.rank == 2 else (0, 1)
    if rows is not None and columns is not None and rows < columns:
        raise fail(
            InvalidArgumentError,
            "Orthonormal columns need a matrix with at least as many rows",
            got=describe_shapes(x),
            expected="[m, n], m >= n",
            site=str(user_site()),
        )
    return x.shape, x.dtype


def _numpy(x: Array) -> Array:
    q, r = np.linalg.qr(x.astype(np.float64))
    # With this sign the columns of random normal numbers are uniformly distributed.
    return np.asarray(q * np.where(np.diagonal(r) < 0, -1.0, 1.0)).astype(x.dtype)


ORTHONORMAL: OpSpec = register(
    OpSpec(
        "OrthonormalColumns",
        _infer,
        _numpy,
        NOT_DIFFERENTIABLE,
        Host("matrices are factored by NumPy"),
        lambda: [
            Sample((np.random.default_rng(0).standard_normal(shape).astype(t),))
            for shape, t in (
                ((3, 3), np.float64),
                ((5, 2), np.float32),
                ((4, 1), np.float16),
                ((2, 0), np.float64),
            )
        ],
        errors=lambda: [
            BadInput((np.zeros((2, 3)),), {}, InvalidArgumentError, "as many rows"),
            BadInput((np.zeros(3),), {}, InvalidArgumentError, "as many rows"),
        ],
        dtypes=dtypes.FLOATING,
    )
)


def orthonormal_columns(x: Any, name: str | None = None) -> Any:
    """Returns Q of x = QR, with a diagonal of R that is not negative.

    Args:
      x: `[m, n]`, m >= n.
      name: Name of the op.

    Source: the initializer of Saxe et al. 2013; Mezzadri 2007 for the sign.
    """
    return call(ORTHONORMAL, x, name=name)
