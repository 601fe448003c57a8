"""Systems of equations and factors of matrices, in every mode, beside NumPy."""

from __future__ import annotations

import numpy as np
import pytest

import graphopt as tf
from tests.helpers import assert_everywhere
from tests.ops.helpers import gradient_of

v1 = tf.compat.v1
linalg = tf.linalg
RNG = np.random.default_rng(12)
SHAPES = [(3, 3), (2, 4, 4), (2, 1, 3, 3)]
DTYPES = [(np.float64, 1e-9), (np.float32, 2e-4)]
each_dtype = pytest.mark.parametrize(("dtype", "rtol"), DTYPES)
each_shape = pytest.mark.parametrize("shape", SHAPES, ids=str)


def regular(shape, dtype=np.float64):
    x = RNG.normal(size=shape) + 3.0 * np.eye(shape[-2], shape[-1])
    return x.astype(dtype)


def definite(shape, dtype=np.float64):
    x = RNG.normal(size=shape)
    return (x @ np.swapaxes(x, -1, -2) + np.eye(shape[-1])).astype(dtype)


def flip(x):
    return np.swapaxes(x, -1, -2)


@each_shape
@each_dtype
def test_solving(shape, dtype, rtol):
    a, b = regular(shape, dtype), RNG.normal(size=(*shape[:-1], 2)).astype(dtype)
    want = np.linalg.solve(a, b)
    assert_everywhere(linalg.solve, [a, b], want, rtol=rtol)
    turned = np.linalg.solve(flip(a), b)
    assert_everywhere(
        lambda x, y: linalg.solve(x, y, adjoint=True), [a, b], turned, rtol=rtol
    )
    assert_everywhere(linalg.inv, [a], np.linalg.inv(a), rtol=rtol)
    assert_everywhere(
        lambda x: linalg.inv(x, adjoint=True), [a], np.linalg.inv(flip(a)), rtol=rtol
    )
    assert_everywhere(linalg.det, [a], np.linalg.det(a), rtol=rtol)
    assert_everywhere(linalg.slogdet, [a], *np.linalg.slogdet(a), rtol=rtol)
    for lower in (True, False):
        part = np.tril(a) if lower else np.triu(a)
        for adjoint in (True, False):
            want = np.linalg.solve(flip(part) if adjoint else part, b)
            assert_everywhere(
                lambda x, y, lo=lower, ad=adjoint: linalg.triangular_solve(
                    x, y, lower=lo, adjoint=ad
                ),
                [a, b],
                want,
                rtol=rtol,
            )


@each_shape
@each_dtype
def test_definite_matrices(shape, dtype, rtol):
    a, b = definite(shape, dtype), RNG.normal(size=(*shape[:-1], 2)).astype(dtype)
    lower = np.linalg.cholesky(a)
    assert_everywhere(linalg.cholesky, [a], lower, rtol=rtol)
    want = np.linalg.solve(a, b)
    assert_everywhere(linalg.cholesky_solve, [lower, b], want, rtol=10 * rtol)
    assert_everywhere(linalg.logdet, [a], np.linalg.slogdet(a)[1], rtol=rtol)
    assert_everywhere(linalg.eigvalsh, [a], np.linalg.eigvalsh(a), rtol=rtol)

    def rebuilt(x):
        e, v = linalg.eigh(x)
        return e, v @ linalg.diag(e) @ linalg.adjoint(v)

    assert_everywhere(rebuilt, [a], np.linalg.eigvalsh(a), a, rtol=rtol)


@pytest.mark.parametrize("shape", [(4, 3), (3, 4), (2, 3, 3)], ids=str)
@pytest.mark.parametrize("full", [False, True])
@each_dtype
def test_factors_of_any_matrix(shape, full, dtype, rtol):
    a = RNG.normal(size=shape).astype(dtype)
    k, (m, n) = min(shape[-2:]), shape[-2:]
    values = np.linalg.svd(a, compute_uv=False)
    assert_everywhere(lambda x: linalg.svd(x, compute_uv=False), [a], values, rtol=rtol)

    def rebuilt(x):
        s, u, v = linalg.svd(x, full_matrices=full)
        assert u.shape[-2:] == [m, m if full else k]
        assert v.shape[-2:] == [n, n if full else k]
        return s, u[..., :k] @ linalg.diag(s) @ linalg.adjoint(v[..., :k])

    assert_everywhere(rebuilt, [a], values, a, rtol=rtol)

    def orthogonal(x):
        q, r = linalg.qr(x, full_matrices=full)
        assert q.shape[-2:] == [m, m if full else k]
        assert r.shape[-2:] == [m if full else k, n]
        eye = linalg.matmul(q, q, adjoint_a=True)
        return q @ r, eye, linalg.band_part(r, 0, -1) - r

    size = m if full else k
    eye = np.broadcast_to(np.eye(size), (*shape[:-2], size, size)).astype(dtype)
    r_shape = (*shape[:-2], size, n)
    assert_everywhere(orthogonal, [a], a, eye, np.zeros(r_shape, dtype), rtol=rtol)


@pytest.mark.parametrize("shape", [(5, 3), (3, 5), (2, 4, 4)], ids=str)
def test_least_squares(shape):
    a, b = RNG.normal(size=shape), RNG.normal(size=(*shape[:-1], 2))
    want = np.linalg.pinv(a) @ b
    for fast in (True, False):
        assert_everywhere(
            lambda x, y, f=fast: linalg.lstsq(x, y, fast=f), [a, b], want, rtol=1e-8
        )
    assert_everywhere(linalg.pinv, [a], np.linalg.pinv(a), rtol=1e-9)
    ridge = np.linalg.solve(flip(a) @ a + 0.3 * np.eye(shape[-1]), flip(a) @ b)
    assert_everywhere(
        lambda x, y: linalg.lstsq(x, y, l2_regularizer=0.3), [a, b], ridge, rtol=1e-8
    )


def test_rank_and_pseudo_inverse_of_a_singular_matrix():
    a = np.array([[1.0, 2.0], [2.0, 4.0], [3.0, 6.0]])
    assert_everywhere(linalg.matrix_rank, [a], np.int32(1))
    assert_everywhere(linalg.pinv, [a], np.linalg.pinv(a), rtol=1e-12)


def test_norm_of_matrices_by_singular_values():
    x = RNG.normal(size=(2, 3, 4))
    for axes in ((1, 2), (0, 2), (-1, 0)):
        want = np.linalg.norm(x, 2, axes)
        assert_everywhere(lambda t, a=axes: tf.norm(t, 2, a), [x], want, rtol=1e-12)
        kept = np.linalg.norm(x, 2, axes, keepdims=True)
        assert_everywhere(
            lambda t, a=axes: tf.norm(t, 2, a, keepdims=True), [x], kept, rtol=1e-12
        )


def test_only_one_triangle_is_read():
    a = definite((3, 3))
    garbage = np.triu(np.full((3, 3), 1e6), 1)
    half = np.tril(a) + garbage
    for function in (linalg.cholesky, linalg.eigvalsh):
        np.testing.assert_allclose(function(half), function(a), rtol=1e-12)
    b = RNG.normal(size=(3, 1))
    got = linalg.triangular_solve(half, b)
    np.testing.assert_allclose(got, linalg.triangular_solve(np.tril(a), b))


def numeric_gradient(function, a, step=1e-6):
    grad = np.zeros_like(a)
    for index in np.ndindex(a.shape):
        moved = np.zeros_like(a)
        moved[index] = step
        up, down = (float(function(tf.constant(a + s * moved))) for s in (1, -1))
        grad[index] = (up - down) / (2 * step)
    return grad


COMPOSED = {
    "lstsq": lambda a: linalg.lstsq(a, np.arange(8.0).reshape(4, 2)),
    "lstsq slow": lambda a: linalg.lstsq(a, np.arange(8.0).reshape(4, 2), fast=False),
    "pinv": linalg.pinv,
    "norm": lambda a: tf.norm(a, 2, (0, 1)),
    "inv adjoint": lambda a: linalg.inv(a[:3], adjoint=True),
    "cholesky_solve": lambda a: linalg.cholesky_solve(a[:3], a[1:, :1]),
    "broadcast": lambda a: linalg.solve(a[:3], tf.ones([2, 3, 1], tf.float64)),
}


@pytest.mark.parametrize("function", COMPOSED.values(), ids=COMPOSED)
def test_derivatives_of_compositions(function):
    a = regular((4, 3))
    weights = RNG.normal(size=tuple(function(tf.constant(a)).shape))
    (grad,) = gradient_of(lambda t: tf.reduce_sum(function(t) * weights), a)
    want = numeric_gradient(lambda t: tf.reduce_sum(function(t) * weights), a)
    np.testing.assert_allclose(grad, want, rtol=1e-5, atol=1e-6)


def test_equal_singular_values_have_finite_derivatives():
    for function in (
        lambda t: linalg.svd(t)[1],
        lambda t: linalg.eigh(t)[1],
        lambda t: linalg.svd(t, compute_uv=False),
    ):
        (grad,) = gradient_of(lambda t, f=function: tf.reduce_sum(f(t)), np.eye(3))
        assert np.isfinite(grad).all()


def test_unknown_sizes():
    with tf.Graph().as_default(), v1.Session() as session:
        a = v1.placeholder(tf.float64, [None, None])
        b = v1.placeholder(tf.float64, [None, 1])
        x, (s, _, _) = linalg.solve(a, b), linalg.svd(a)
        assert x.shape == [None, 1]
        for size in (2, 3):
            matrix, rhs = regular((size, size)), np.ones((size, 1))
            got, values = session.run([x, s], {a: matrix, b: rhs})
            np.testing.assert_allclose(got, np.linalg.solve(matrix, rhs))
            np.testing.assert_allclose(values, np.linalg.svd(matrix)[1])


def test_training_through_a_factorization():
    target = definite((3, 3))
    with tf.Graph().as_default(), v1.Session() as session:
        w = tf.Variable(np.eye(3))
        loss = tf.reduce_sum((linalg.cholesky(w @ linalg.adjoint(w)) - target) ** 2)
        step = tf.keras.optimizers.SGD(0.01).minimize(loss, [w])
        session.run(v1.global_variables_initializer())
        losses = [session.run([loss, step])[0] for _ in range(20)]
    assert losses[-1] < losses[0]


def test_names_of_version_1():
    a, b = regular((3, 3)), RNG.normal(size=(3, 2))
    pairs = [
        (v1.matrix_solve(a, b), linalg.solve(a, b)),
        (v1.matrix_inverse(a), linalg.inv(a)),
        (v1.matrix_determinant(a), linalg.det(a)),
        (v1.log_matrix_determinant(a)[1], linalg.slogdet(a)[1]),
        (v1.matrix_triangular_solve(a, b, lower=False),) * 2,
        (v1.self_adjoint_eig(a)[0], linalg.eigh(a)[0]),
        (v1.self_adjoint_eigvals(a), linalg.eigvalsh(a)),
        (v1.svd(a)[0], linalg.svd(a)[0]),
        (v1.qr(a)[1], linalg.qr(a)[1]),
        (v1.matrix_solve_ls(a, b), linalg.lstsq(a, b)),
        (v1.matrix_transpose(a), a.T),
        (v1.matrix_band_part(a, 0, -1), np.triu(a)),
        (v1.trace(a), np.trace(a)),
    ]
    for got, want in pairs:
        np.testing.assert_allclose(got, want)


def test_matmul_with_adjoint_and_transpose():
    with pytest.raises(ValueError, match="Only one of transpose and adjoint"):
        tf.matmul(np.eye(2), np.eye(2), transpose_a=True, adjoint_a=True)
