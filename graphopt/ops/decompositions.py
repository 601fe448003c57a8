"""Eigenvalues, singular values, orthogonal factors, and what is made of them.

The derivatives are those of TensorFlow (Giles 2008; Walter and Lehmann 2018). Where two
eigenvalues or singular values are equal the derivative of their vectors does not exist,
and the terms that would be infinite are left out, as TensorFlow does.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphopt.errors import InvalidArgumentError
from graphopt.graph.dispatch import as_inputs, call, call_all
from graphopt.graph.hooks import hooks
from graphopt.graph.opspec import BadInput, Host, OpSpec, Sample, register
from graphopt.graph.shape import UNKNOWN, TensorShape
from graphopt.graph.tensor import Tensor
from graphopt.ops.creation import constant, zeros_like
from graphopt.ops.diagonal import band_part, diag, diag_part, eye, set_diag
from graphopt.ops.elementwise import cast, where
from graphopt.ops.linear_systems import (
    DTYPES,
    REASON,
    SOLVE,
    adjoint,
    cholesky,
    cholesky_solve,
    lapack,
    require_matrix,
    safe_reciprocal,
    triangular_solve,
)
from graphopt.ops.matmul import matmul
from graphopt.ops.reduction import reduce_max, reduce_sum
from graphopt.ops.shaping import concat, expand_dims

Array = NDArray[Any]


# ---- eigenvalues of symmetric matrices


def _eigh_infer(x: Any, *, compute_v: bool) -> Any:
    require_matrix(x, "eigh", square=True)
    unknown = x.shape.unknown_rank
    values = (UNKNOWN if unknown else x.shape[:-1], x.dtype)
    return [values, (x.shape if compute_v else TensorShape([0]), x.dtype)]


def _eigh_numpy(x: Array, *, compute_v: bool) -> Any:
    message = "The eigenvalues of a matrix do not converge"
    if not compute_v:
        values = lapack(np.linalg.eigvalsh, x, message=message)
        return np.asarray(values, x.dtype), np.zeros(0, x.dtype)
    values, vectors = lapack(np.linalg.eigh, x, message=message)
    return np.asarray(values, x.dtype), np.asarray(vectors, x.dtype)


def _eigh_vjp(g: Any, y: Any, x: Any, *, compute_v: bool) -> Any:
    g_values, g_vectors = g
    if not compute_v:
        values, vectors = call_all(EIGH, x, compute_v=True)
        g_vectors = None
    else:
        values, vectors = y
    inner = diag(g_values) if g_values is not None else None
    if g_vectors is not None:
        # 1 / (e_j - e_i) off the diagonal
        gaps = expand_dims(values, -2) - expand_dims(values, -1)
        mixed = safe_reciprocal(gaps) * matmul(adjoint(vectors), g_vectors)
        inner = mixed if inner is None else inner + mixed
    if inner is None:
        return (None,)
    full = matmul(vectors, matmul(inner, adjoint(vectors)))
    # Only the lower triangle is read.
    lower = band_part(full + adjoint(full), -1, 0)
    return (set_diag(lower, 0.5 * diag_part(lower)),)


def _symmetric(*shape: int) -> Array:
    x = np.random.default_rng(6).normal(size=shape)
    return x + np.swapaxes(x, -1, -2)


EIGH = register(
    OpSpec(
        "SelfAdjointEigV2",
        _eigh_infer,
        _eigh_numpy,
        _eigh_vjp,
        Host(REASON),
        lambda: [
            Sample((_symmetric(*shape).astype(dtype),), {"compute_v": v})
            for shape in ((3, 3), (2, 2, 2))
            for dtype, v in (
                (np.float64, True),
                (np.float64, False),
                (np.float32, True),
            )
        ],
        errors=lambda: [
            BadInput(
                (np.zeros((2, 3)),), {"compute_v": True}, InvalidArgumentError, "square"
            )
        ],
        dtypes=DTYPES,
        holomorphic=False,
        outputs=2,
    )
)


# ---- singular values


def _svd_infer(x: Any, *, compute_uv: bool, full_matrices: bool) -> Any:
    require_matrix(x, "svd")
    real = x.dtype.real_dtype
    if x.shape.unknown_rank:
        return [(UNKNOWN, real), (UNKNOWN, x.dtype), (UNKNOWN, x.dtype)]
    *batch, m, n = x.shape
    k = None if None in (m, n) else min(m, n)
    values = (TensorShape((*batch, k)), real)
    if not compute_uv:
        none = (TensorShape([0]), x.dtype)
        return [values, none, none]
    u = TensorShape((*batch, m, m if full_matrices else k))
    v = TensorShape((*batch, n, n if full_matrices else k))
    return [values, (u, x.dtype), (v, x.dtype)]


def _svd_numpy(x: Array, *, compute_uv: bool, full_matrices: bool) -> Any:
    message = "The singular values of a matrix do not converge"
    if not compute_uv:
        values = lapack(
            lambda a: np.linalg.svd(a, compute_uv=False), x, message=message
        )
        return np.asarray(values), np.zeros(0, x.dtype), np.zeros(0, x.dtype)
    u, s, vh = lapack(lambda a: np.linalg.svd(a, full_matrices), x, message=message)
    return s, u, np.array(np.conj(np.swapaxes(vh, -1, -2)), order="C")


def _svd_vjp(g: Any, y: Any, x: Any, *, compute_uv: bool, full_matrices: bool) -> Any:
    g_s, g_u, g_v = g
    if not compute_uv or full_matrices:
        if compute_uv and not (g_u is None and g_v is None):
            if x.shape.unknown_rank or x.shape[-1] != x.shape[-2]:
                raise NotImplementedError(
                    "The derivative of tf.linalg.svd by u or v with full_matrices=True; "
                    "use full_matrices=False."
                )
        else:
            g_u = g_v = None
            y = call(SVD, x, compute_uv=True, full_matrices=False)
    if g_s is None and g_u is None and g_v is None:
        return (None,)
    if x.dtype.is_complex and not (g_u is None and g_v is None):
        raise NotImplementedError(
            "The derivative of tf.linalg.svd of complex matrices by u or v; that by s "
            "is there."
        )
    s, u, v = y
    inner = None if g_s is None else diag(cast(g_s, x.dtype))
    rest = None
    if g_u is not None or g_v is not None:
        squares = s * s
        # 1 / (s_j^2 - s_i^2) off the diagonal
        gaps = safe_reciprocal(expand_dims(squares, -2) - expand_dims(squares, -1))
        inverse = safe_reciprocal(s)
    if g_u is not None:
        turned = matmul(adjoint(u), g_u)
        term = gaps * (turned - adjoint(turned)) * expand_dims(s, -2)
        inner = term if inner is None else inner + term
        outside = (g_u - matmul(u, turned)) * expand_dims(inverse, -2)
        rest = matmul(outside, adjoint(v))
    if g_v is not None:
        turned = matmul(adjoint(v), g_v)
        term = expand_dims(s, -1) * (gaps * (turned - adjoint(turned)))
        inner = term if inner is None else inner + term
        outside = (g_v - matmul(v, turned)) * expand_dims(inverse, -2)
        more = matmul(u, adjoint(outside))
        rest = more if rest is None else rest + more
    result = matmul(u, matmul(inner, adjoint(v)))
    return (result if rest is None else result + rest,)


def _svd_samples() -> list[Sample]:
    rng = np.random.default_rng(9)
    cases = [
        ((3, 3), True, True),
        ((4, 2), True, False),
        ((2, 3), True, False),
        ((2, 3, 2), True, False),
        ((3, 2), False, False),
    ]
    out = [
        Sample((rng.normal(size=shape),), {"compute_uv": uv, "full_matrices": full})
        for shape, uv, full in cases
    ]
    single = rng.normal(size=(4, 2)).astype(np.float32)
    return [*out, Sample((single,), {"compute_uv": True, "full_matrices": True})]


SVD: OpSpec = register(
    OpSpec(
        "Svd",
        _svd_infer,
        _svd_numpy,
        _svd_vjp,
        Host(REASON),
        _svd_samples,
        errors=lambda: [
            BadInput(
                (np.zeros(3),),
                {"compute_uv": True, "full_matrices": False},
                InvalidArgumentError,
                "must be a matrix",
            )
        ],
        dtypes=DTYPES,
        holomorphic=False,
        outputs=3,
    )
)


# ---- orthogonal and triangular factors


def _qr_infer(x: Any, *, full_matrices: bool) -> Any:
    require_matrix(x, "qr")
    if x.shape.unknown_rank:
        return [(UNKNOWN, x.dtype)] * 2
    *batch, m, n = x.shape
    k = m if full_matrices else None if None in (m, n) else min(m, n)
    return [
        (TensorShape((*batch, m, k)), x.dtype),
        (TensorShape((*batch, k, n)), x.dtype),
    ]


def _qr_numpy(x: Array, *, full_matrices: bool) -> Any:
    mode: Any = "complete" if full_matrices else "reduced"
    found = lapack(lambda a: np.linalg.qr(a, mode), x, message="QR failed")
    return np.asarray(found[0]), np.asarray(found[1])


def _qr_vjp(g: Any, y: Any, x: Any, *, full_matrices: bool) -> Any:
    q, r = y
    g_q, g_r = (zeros_like(v) if c is None else c for c, v in zip(g, y, strict=True))
    m, n = (None, None) if x.shape.unknown_rank else x.shape[-2:]
    if m is None or n is None:
        raise NotImplementedError("The derivative of tf.linalg.qr of an unknown shape.")
    if full_matrices and m > n:
        raise NotImplementedError(
            "The derivative of tf.linalg.qr of more rows than columns with "
            "full_matrices=True; use full_matrices=False."
        )
    if m >= n:
        return (_deep_qr_vjp(q, r, g_q, g_r),)
    # x = [a, b] with a square: a = q u, b = q v.
    b, (u, g_u), g_v = x[..., m:], (r[..., :m], g_r[..., :m]), g_r[..., m:]
    to_a = _deep_qr_vjp(q, u, g_q + matmul(b, adjoint(g_v)), g_u)
    return (concat([to_a, matmul(q, g_v)], axis=-1),)


def _deep_qr_vjp(q: Any, r: Any, g_q: Any, g_r: Any) -> Any:
    def over_r(x: Any) -> Any:
        """x times the inverse of the adjoint of r."""
        return adjoint(triangular_solve(r, adjoint(x), lower=False))

    turned, other = matmul(adjoint(q), g_q), matmul(r, adjoint(g_r))
    skew = (turned - adjoint(turned)) + (other - adjoint(other))
    lower = band_part(skew, -1, 0)
    inside = matmul(q, g_r + over_r(lower))
    return inside + over_r(g_q - matmul(q, turned))


def _qr_samples() -> list[Sample]:
    rng = np.random.default_rng(11)
    cases = [((3, 3), True), ((4, 2), False), ((2, 4), False), ((2, 3, 2), False)]
    out = [Sample((rng.normal(size=s),), {"full_matrices": full}) for s, full in cases]
    single = rng.normal(size=(4, 2)).astype(np.float32)
    return [*out, Sample((single,), {"full_matrices": True})]


QR = register(
    OpSpec(
        "Qr",
        _qr_infer,
        _qr_numpy,
        _qr_vjp,
        Host(REASON),
        _qr_samples,
        errors=lambda: [
            BadInput(
                (np.zeros(3),),
                {"full_matrices": False},
                InvalidArgumentError,
                "must be a matrix",
            )
        ],
        dtypes=DTYPES,
        holomorphic=False,
        outputs=2,
    )
)


# ---- public functions


def eigh(tensor: Any, name: str | None = None) -> tuple[Any, Any]:
    """Returns eigenvalues, the smallest first, and eigenvectors of symmetric matrices.

    Args:
      tensor: `[..., n, n]`, symmetric or Hermitian; only the lower triangle is read.
      name: Name of the op.

    Returns:
      `e`, `[..., n]`, and `v`, `[..., n, n]`, whose columns are the vectors:
      tensor v = v diag(e).

    >>> import graphopt as tf
    >>> tf.linalg.eigh([[2.0, 0.0], [0.0, 1.0]])[0].numpy().tolist()
    [1.0, 2.0]

    Source: `tf.linalg.eigh`.
    """
    values, vectors = call_all(EIGH, tensor, name=name, compute_v=True)
    return values, vectors


def eigvalsh(tensor: Any, name: str | None = None) -> Tensor:
    """Returns the eigenvalues of symmetric matrices, the smallest first.

    Source: `tf.linalg.eigvalsh`.
    """
    return call(EIGH, tensor, name=name, compute_v=False)[0]


def svd(
    tensor: Any,
    full_matrices: bool = False,
    compute_uv: bool = True,
    name: str | None = None,
) -> Any:
    """Returns singular values and vectors of matrices: tensor = u diag(s) v^H.

    Args:
      tensor: `[..., m, n]`; k is the smaller of m and n.
      full_matrices: Whether u and v are square; else they have k columns.
      compute_uv: Whether to return u and v.
      name: Name of the op.

    Returns:
      `s`, `[..., k]`, the largest first; with `compute_uv` also `u` and `v`. The order,
      and that v comes and not its adjoint, is TensorFlow's and not NumPy's.

    >>> import graphopt as tf
    >>> tf.linalg.svd([[3.0, 0.0], [0.0, 4.0]], compute_uv=False).numpy().tolist()
    [4.0, 3.0]

    Source: `tf.linalg.svd`.
    """
    options = {"compute_uv": bool(compute_uv), "full_matrices": bool(full_matrices)}
    s, u, v = call_all(SVD, tensor, name=name, **options)
    return (s, u, v) if compute_uv else s


def qr(
    input: Any, full_matrices: bool = False, name: str | None = None
) -> tuple[Any, Any]:
    """Returns matrices with orthonormal columns and upper triangles: input = q r.

    Args:
      input: `[..., m, n]`; k is the smaller of m and n.
      full_matrices: Whether q is square; else it has k columns.
      name: Name of the op.

    Returns:
      `q`, `[..., m, k]`, and `r`, `[..., k, n]`. Their signs are LAPACK's.

    Source: `tf.linalg.qr`.
    """
    q, r = call_all(QR, input, name=name, full_matrices=bool(full_matrices))
    return q, r


def pinv(
    a: Any, rcond: Any = None, validate_args: bool = False, name: str | None = None
) -> Tensor:
    """Returns pseudo-inverses of matrices, by their singular values.

    Args:
      a: `[..., m, n]`.
      rcond: Singular values not above this part of the largest count as 0; by default
        10 max(m, n) times the rounding error of the dtype.
      validate_args: Accepted for compatibility.
      name: Name of the op.

    Source: `tf.linalg.pinv`.
    """
    a = hooks.convert(a)
    s, u, v = svd(a)
    if rcond is None:
        largest = max(dim or 1 for dim in a.shape[-2:])
        rcond = 10.0 * largest * float(np.finfo(a.dtype.numpy).eps)
    limit = constant(rcond, s.dtype) * reduce_max(s, axis=-1, keepdims=True)
    inverse = where(s > limit, safe_reciprocal(s), zeros_like(s))
    scaled = v * expand_dims(cast(inverse, a.dtype), -2)
    return matmul(scaled, adjoint(u), name=name)


def lstsq(
    matrix: Any,
    rhs: Any,
    l2_regularizer: float = 0.0,
    fast: bool = True,
    name: str | None = None,
) -> Any:
    """Solves systems of linear equations as well as that is possible.

        x = argmin |matrix x - rhs|^2 + l2_regularizer |x|^2

    and where many x do equally well, the smallest.

    Args:
      matrix: `[..., m, n]`.
      rhs: `[..., m, k]`.
      l2_regularizer: Number >= 0; used only if `fast`, as in TensorFlow.
      fast: Whether to solve the normal equations, which needs full rank and squares the
        condition; else the singular values are used.
      name: Name of the op.

    Returns:
      `[..., n, k]`.

    Raises:
      InvalidArgumentError: `fast` and the rank is not full.

    Source: `tf.linalg.lstsq`.
    """
    a, b = as_inputs(SOLVE, (matrix, rhs), name)
    require_matrix(a, "lstsq")
    if not fast:
        return matmul(pinv(a), b, name=name)
    m, n = (None, None) if a.shape.unknown_rank else a.shape[-2:]
    if m is None or n is None:
        raise NotImplementedError("tf.linalg.lstsq of matrices of unknown size.")
    ridge = hooks.convert(l2_regularizer, dtype_hint=a.dtype) * eye(
        min(m, n), dtype=a.dtype
    )
    if m >= n:
        normal = matmul(adjoint(a), a) + ridge
        return cholesky_solve(cholesky(normal), matmul(adjoint(a), b), name=name)
    normal = matmul(a, adjoint(a)) + ridge
    return matmul(adjoint(a), cholesky_solve(cholesky(normal), b), name=name)


def self_adjoint_eig(tensor: Any, name: str | None = None) -> tuple[Any, Any]:
    """Returns eigenvalues and eigenvectors; as `eigh`.

    Source: `tf.compat.v1.self_adjoint_eig`.
    """
    return eigh(tensor, name)


def matrix_rank(a: Any, tol: Any = None, name: str | None = None) -> Tensor:
    """Returns how many singular values of each matrix are above a limit, as int32.

    Args:
      a: `[..., m, n]`.
      tol: The limit; by default max(m, n) times the largest value and the rounding
        error of the dtype.
      name: Name of the op.

    Source: `tf.linalg.matrix_rank`.
    """
    a = hooks.convert(a)
    s = svd(a, compute_uv=False)
    if tol is None:
        eps = float(np.finfo(a.dtype.numpy).eps)
        largest = max(dim or 1 for dim in a.shape[-2:])
        tol = eps * largest * reduce_max(s, axis=-1, keepdims=True)
    return reduce_sum(cast(s > tol, "int32"), axis=-1, name=name)
