"""Matrices that are solved, inverted and factorized, by LAPACK on the host.

Each op here is one call of NumPy for a whole batch of matrices. LAPACK does the work at the
speed of any framework's, so a kernel of our own would gain nothing; the steps around it
stay native. Derivatives are written with the same ops, so that there are higher ones.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphopt import dtypes
from graphopt.dtypes import DType
from graphopt.errors import DecidedByRun, InvalidArgumentError, describe_shapes, fail
from graphopt.graph.dispatch import as_inputs, call
from graphopt.graph.hooks import hooks
from graphopt.graph.opspec import BadInput, Host, OpSpec, Sample, register
from graphopt.graph.provenance import user_site
from graphopt.graph.shape import UNKNOWN, TensorShape, broadcast_shapes
from graphopt.graph.tensor import Tensor
from graphopt.ops.creation import zeros_like
from graphopt.ops.deferred import deferrable
from graphopt.ops.diagonal import band_part, diag_part, set_diag
from graphopt.ops.elementwise import log, where
from graphopt.ops.matmul import matmul
from graphopt.ops.quietly import quietly
from graphopt.ops.reduction import reduce_sum
from graphopt.ops.shaping import expand_dims, transpose

Array = NDArray[Any]
REASON = "LAPACK computes it"
DTYPES = (dtypes.float32, dtypes.float64, *dtypes.COMPLEX)


@deferrable()
def matrix_transpose(
    a: Any, name: str | None = None, conjugate: bool = False
) -> Tensor:
    """Exchanges the last two dimensions.

    Args:
      a: `[..., m, n]`.
      name: Name of the op.
      conjugate: Whether to take complex conjugates too.

    Returns:
      `[..., n, m]`.

    Source: `tf.linalg.matrix_transpose`.
    """
    a = hooks.convert(a)
    require_matrix(a, "matrix_transpose")
    if a.shape.rank is None:
        raise DecidedByRun("matrix_transpose of a tensor of unknown rank.")
    order = list(range(len(a.shape)))
    order[-2:] = order[-1], order[-2]
    flipped = transpose(a, order, name=name)
    return (
        hooks.operators["conj"](flipped)
        if conjugate and a.dtype.is_complex
        else flipped
    )


def adjoint(matrix: Any, name: str | None = None) -> Tensor:
    """Returns the transpose of matrices, conjugated where they are complex.

    Source: `tf.linalg.adjoint`.
    """
    return matrix_transpose(matrix, name, conjugate=True)


def _adjoint(x: Array) -> Array:
    return np.asarray(np.conj(np.swapaxes(x, -1, -2)))


def require_matrix(x: Any, what: str, square: bool = False) -> None:
    """Refuses what is no matrix, or batch of matrices.

    Raises:
      InvalidArgumentError: It has too few dimensions, or is not square.
    """
    if x.shape.unknown_rank:
        return
    if len(x.shape) < 2:
        expected = "matrices: two dimensions or more"
    elif square and None not in x.shape[-2:] and x.shape[-2] != x.shape[-1]:
        expected = "square matrices"
    else:
        return
    raise fail(
        InvalidArgumentError,
        f"The input of {what} must be {'square' if square else 'a matrix'}",
        got=describe_shapes(x),
        expected=expected,
        site=str(user_site()),
    )


def lapack(function: Callable[..., Any], *arrays: Any, message: str) -> Any:
    """Calls a function of `numpy.linalg`.

    Raises:
      InvalidArgumentError: It failed, as of a singular matrix.
    """
    try:
        return quietly(function, *arrays)
    except np.linalg.LinAlgError as error:
        raise fail(
            InvalidArgumentError,
            message,
            got=str(error),
            expected="a matrix for which the result exists",
            site=str(user_site()),
        ) from None


_SINGULAR = "Input matrix is not invertible."


# ---- systems of equations


def _solve_infer(matrix: Any, rhs: Any, **_attrs: bool) -> tuple[TensorShape, DType]:
    require_matrix(matrix, "solve", square=True)
    require_matrix(rhs, "solve")
    if matrix.shape.unknown_rank or rhs.shape.unknown_rank:
        return UNKNOWN, matrix.dtype
    rows, (rows_b, columns) = matrix.shape[-1], rhs.shape[-2:]
    batch = broadcast_shapes(matrix.shape[:-2], rhs.shape[:-2])
    if batch is None or (None not in (rows, rows_b) and rows != rows_b):
        raise fail(
            InvalidArgumentError,
            "Input matrix and rhs are incompatible",
            got=describe_shapes(matrix, rhs),
            expected="[..., m, m] and [..., m, k]",
            site=str(user_site()),
            remedy="tf.expand_dims(b, -1) for one vector",
        )
    return TensorShape((*batch, rows if rows is not None else rows_b, columns)), (
        matrix.dtype
    )


def _solve_numpy(matrix: Array, rhs: Array, *, adjoint: bool) -> Array:
    matrix = _adjoint(matrix) if adjoint else matrix
    return np.asarray(lapack(np.linalg.solve, matrix, rhs, message=_SINGULAR))


def _solve_vjp(g: Any, y: Any, matrix: Any, rhs: Any, *, adjoint: bool) -> Any:
    to_rhs = solve(matrix, g, adjoint=not adjoint)
    if adjoint:
        return -_product(y, to_rhs), to_rhs
    return -_product(to_rhs, y), to_rhs


def _product(a: Any, b: Any) -> Any:
    """a times the adjoint of b."""
    return matmul(a, adjoint(b))


def _regular(*shape: int, seed: int = 3) -> Array:
    """Matrices that are far from singular."""
    x = np.random.default_rng(seed).normal(size=shape)
    return x + 3.0 * np.eye(shape[-2], shape[-1])


def _solve_samples(**options: Any) -> list[Sample]:
    rhs = np.random.default_rng(4).normal(size=(3, 2))
    batch = np.random.default_rng(5).normal(size=(2, 3, 1))
    out = []
    for adjoint_ in (False, True):
        attrs = {"adjoint": adjoint_, **options}
        out.append(Sample((_regular(3, 3), rhs), attrs))
        out.append(Sample((_regular(2, 3, 3), batch), attrs))
    single = (_regular(3, 3).astype(np.float32), rhs.astype(np.float32))
    return [*out, Sample(single, attrs), Sample((_regular(3, 3), batch), attrs)]


def _solve_errors(**options: Any) -> list[BadInput]:
    attrs = {"adjoint": False, **options}
    error = InvalidArgumentError
    return [
        BadInput((np.zeros((2, 3)), np.zeros((2, 1))), attrs, error, "square"),
        BadInput((np.eye(2), np.zeros((3, 1))), attrs, error, "incompatible"),
        BadInput((np.eye(2), np.zeros(2)), attrs, error, "must be a matrix"),
        BadInput((np.zeros((2, 2)), np.ones((2, 1))), attrs, error, "not invertible"),
    ]


SOLVE = register(
    OpSpec(
        "MatrixSolve",
        _solve_infer,
        _solve_numpy,
        _solve_vjp,
        Host(REASON),
        _solve_samples,
        errors=_solve_errors,
        dtypes=DTYPES,
        holomorphic=False,
    )
)


def _triangle(matrix: Array, lower: bool) -> Array:
    return np.tril(matrix) if lower else np.triu(matrix)


def _triangular_numpy(
    matrix: Array, rhs: Array, *, lower: bool, adjoint: bool
) -> Array:
    return _solve_numpy(_triangle(matrix, lower), rhs, adjoint=adjoint)


def _triangular_vjp(
    g: Any, y: Any, matrix: Any, rhs: Any, *, lower: bool, adjoint: bool
) -> Any:
    to_rhs = triangular_solve(matrix, g, lower=lower, adjoint=not adjoint)
    to_matrix = -_product(y, to_rhs) if adjoint else -_product(to_rhs, y)
    kept = band_part(to_matrix, -1, 0) if lower else band_part(to_matrix, 0, -1)
    return kept, to_rhs


TRIANGULAR_SOLVE = register(
    OpSpec(
        "MatrixTriangularSolve",
        _solve_infer,
        _triangular_numpy,
        _triangular_vjp,
        Host(REASON),
        lambda: [*_solve_samples(lower=True), *_solve_samples(lower=False)],
        errors=lambda: _solve_errors(lower=True),
        dtypes=DTYPES,
        holomorphic=False,
    )
)


# ---- inverses and determinants


def _square_infer(x: Any) -> tuple[TensorShape, DType]:
    require_matrix(x, "this op", square=True)
    return x.shape, x.dtype


def _det_infer(x: Any) -> tuple[TensorShape, DType]:
    shape, dtype = _square_infer(x)
    return UNKNOWN if shape.unknown_rank else shape[:-2], dtype


def _square_samples() -> list[Sample]:
    return [
        Sample((_regular(*shape, seed=seed).astype(dtype),))
        for shape in ((3, 3), (2, 2, 2), (1, 1))
        for seed, dtype in ((3, np.float64), (8, np.float64), (3, np.float32))
    ]


def _square_errors() -> list[BadInput]:
    return [BadInput((np.zeros((2, 3)),), {}, InvalidArgumentError, "square")]


INVERSE = register(
    OpSpec(
        "MatrixInverse",
        _square_infer,
        lambda x: np.asarray(lapack(np.linalg.inv, x, message=_SINGULAR)),
        lambda g, y, x: (-matmul(adjoint(y), _product(g, y)),),
        Host(REASON),
        _square_samples,
        errors=lambda: [
            *_square_errors(),
            BadInput((np.ones((2, 2)),), {}, InvalidArgumentError, "not invertible"),
        ],
        dtypes=DTYPES,
        holomorphic=False,
    )
)


def _per_matrix(x: Any) -> Any:
    return expand_dims(expand_dims(x, -1), -1)


def _conj(x: Any) -> Any:
    return hooks.operators["conj"](x) if x.dtype.is_complex else x


DETERMINANT = register(
    OpSpec(
        "MatrixDeterminant",
        _det_infer,
        lambda x: np.asarray(quietly(np.linalg.det, x), x.dtype),
        lambda g, y, x: (_per_matrix(g * _conj(y)) * adjoint(inv(x)),),
        Host(REASON),
        _square_samples,
        errors=_square_errors,
        dtypes=DTYPES,
        holomorphic=False,
    )
)


def _slogdet_infer(x: Any) -> list[tuple[TensorShape, DType]]:
    # The logarithm has the dtype of the matrix, complex too, as in TensorFlow.
    return [_det_infer(x)] * 2


def _slogdet_numpy(x: Array) -> tuple[Array, Array]:
    sign, log_abs = quietly(np.linalg.slogdet, x)
    return np.asarray(sign, x.dtype), np.asarray(log_abs, x.dtype)


def _slogdet_vjp(g: Any, y: Any, x: Any) -> Any:
    if g[1] is None:
        return (None,)
    return (_per_matrix(g[1]) * adjoint(inv(x)),)


SLOGDET = register(
    OpSpec(
        "LogMatrixDeterminant",
        _slogdet_infer,
        _slogdet_numpy,
        _slogdet_vjp,
        Host(REASON),
        _square_samples,
        errors=_square_errors,
        dtypes=DTYPES,
        holomorphic=False,
        outputs=2,
    )
)


# ---- Cholesky


def _cholesky_numpy(x: Array) -> Array:
    message = "Cholesky decomposition was not successful. The input might not be valid."
    return np.asarray(lapack(np.linalg.cholesky, x, message=message))


def _cholesky_vjp(g: Any, y: Any, x: Any) -> Any:
    # Murray, "Differentiation of the Cholesky decomposition", 2016; symmetric, as
    # TensorFlow's, although only the lower triangle is read.
    inner = band_part(matmul(adjoint(y), g), -1, 0)
    inner = set_diag(inner, 0.5 * diag_part(inner))
    half = triangular_solve(y, inner, adjoint=True)
    full = adjoint(triangular_solve(y, adjoint(half), adjoint=True))
    return (0.5 * (full + adjoint(full)),)


def _definite(*shape: int, seed: int = 3) -> Array:
    x = np.random.default_rng(seed).normal(size=shape)
    return x @ np.swapaxes(x, -1, -2) + np.eye(shape[-1])


CHOLESKY = register(
    OpSpec(
        "Cholesky",
        _square_infer,
        _cholesky_numpy,
        _cholesky_vjp,
        Host(REASON),
        lambda: [
            Sample((_definite(*shape).astype(dtype),), symmetric=True)
            for shape in ((3, 3), (2, 2, 2), (1, 1))
            for dtype in (np.float64, np.float32)
        ],
        errors=lambda: [
            *_square_errors(),
            BadInput((-np.eye(2),), {}, InvalidArgumentError, "not successful"),
        ],
        dtypes=DTYPES,
        holomorphic=False,
    )
)


# ---- public functions


def solve(
    matrix: Any, rhs: Any, adjoint: bool = False, name: str | None = None
) -> Tensor:
    """Solves systems of linear equations.

    Args:
      matrix: `[..., m, m]`, not singular.
      rhs: `[..., m, k]`; batches broadcast.
      adjoint: Whether to solve with the adjoint of the matrix.
      name: Name of the op.

    Returns:
      `[..., m, k]`: x with matrix x = rhs.

    Raises:
      InvalidArgumentError: A matrix is singular, or the shapes do not fit.

    >>> import graphopt as tf
    >>> tf.linalg.solve([[2.0, 0.0], [0.0, 4.0]], [[2.0], [2.0]]).numpy().tolist()
    [[1.0], [0.5]]

    Source: `tf.linalg.solve`.
    """
    return call(SOLVE, matrix, rhs, name=name, adjoint=bool(adjoint))


def triangular_solve(
    matrix: Any,
    rhs: Any,
    lower: bool = True,
    adjoint: bool = False,
    name: str | None = None,
) -> Tensor:
    """Solves systems of linear equations whose matrix is a triangle.

    Args:
      matrix: `[..., m, m]`, of which only one triangle is read.
      rhs: `[..., m, k]`; batches broadcast.
      lower: Whether it is the lower triangle.
      adjoint: Whether to solve with the adjoint of that triangle.
      name: Name of the op.

    Raises:
      InvalidArgumentError: There is a 0 on the diagonal, or the shapes do not fit.

    Source: `tf.linalg.triangular_solve`.
    """
    options = {"lower": bool(lower), "adjoint": bool(adjoint)}
    return call(TRIANGULAR_SOLVE, matrix, rhs, name=name, **options)


def inv(input: Any, adjoint: bool = False, name: str | None = None) -> Tensor:
    """Returns the inverse of square matrices, of their adjoint if asked for.

    Raises:
      InvalidArgumentError: A matrix is singular.

    >>> import graphopt as tf
    >>> tf.linalg.inv([[2.0, 0.0], [0.0, 4.0]]).numpy().tolist()
    [[0.5, 0.0], [0.0, 0.25]]

    Source: `tf.linalg.inv`.
    """
    matrix = hooks.convert(input)
    matrix = matrix_transpose(matrix, conjugate=True) if adjoint else matrix
    return call(INVERSE, matrix, name=name)


def det(input: Any, name: str | None = None) -> Tensor:
    """Returns the determinants of square matrices, `[..., m, m]` to `[...]`.

    Source: `tf.linalg.det`.
    """
    return call(DETERMINANT, input, name=name)


def slogdet(input: Any, name: str | None = None) -> Any:
    """Returns the sign of determinants and the logarithm of their absolute value.

    Source: `tf.linalg.slogdet`.
    """
    return call(SLOGDET, input, name=name)


def cholesky(input: Any, name: str | None = None) -> Tensor:
    """Returns lower triangles L with L times its adjoint the given matrices.

    Args:
      input: `[..., m, m]`, positive definite; only the lower triangle is read.
      name: Name of the op.

    Raises:
      InvalidArgumentError: A matrix is not positive definite.

    >>> import graphopt as tf
    >>> tf.linalg.cholesky([[4.0, 2.0], [2.0, 2.0]]).numpy().tolist()
    [[2.0, 0.0], [1.0, 1.0]]

    Source: `tf.linalg.cholesky`.
    """
    return call(CHOLESKY, input, name=name)


def cholesky_solve(chol: Any, rhs: Any, name: str | None = None) -> Tensor:
    """Solves systems of linear equations with the `cholesky` of their matrices.

    Args:
      chol: `[..., m, m]`, what `cholesky` returned.
      rhs: `[..., m, k]`.
      name: Name of the op.

    Source: `tf.linalg.cholesky_solve`.
    """
    chol, rhs = as_inputs(SOLVE, (chol, rhs), name)
    return triangular_solve(chol, triangular_solve(chol, rhs), adjoint=True, name=name)


def logdet(matrix: Any, name: str | None = None) -> Tensor:
    """Returns the logarithm of the determinants of positive definite matrices.

    Source: `tf.linalg.logdet`.
    """
    diagonal = diag_part(cholesky(matrix))
    if diagonal.dtype.is_complex:
        diagonal = hooks.operators["real"](diagonal)
    return 2.0 * reduce_sum(log(diagonal), axis=-1, name=name)


def safe_reciprocal(x: Any) -> Any:
    """Returns 1 / x, and 0 for 0, also in its derivatives."""
    is_zero = x == 0
    return where(is_zero, zeros_like(x), 1.0 / where(is_zero, zeros_like(x) + 1.0, x))
