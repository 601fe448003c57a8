"""Norms, moments and normalizations against NumPy."""

from __future__ import annotations

import numpy as np
import pytest

import graphopt as tf
from tests.ops.helpers import gradient_of, run_everywhere, run_in_graph

X = np.random.default_rng(0).standard_normal((3, 4, 5))
AXES = [None, 0, -1, (0, 2), [1]]


def tupled(axis):
    return tuple(axis) if isinstance(axis, list) else axis


def logsumexp(x, axis, keepdims):
    return np.log(np.sum(np.exp(x), axis=axis, keepdims=keepdims))


ORACLES = {
    "reduce_logsumexp": logsumexp,
    "reduce_variance": lambda x, a, k: np.var(x, axis=a, keepdims=k),
    "reduce_std": lambda x, a, k: np.std(x, axis=a, keepdims=k),
    "reduce_euclidean_norm": lambda x, a, k: np.sqrt(np.sum(x * x, axis=a, keepdims=k)),
    "count_nonzero": lambda x, a, k: np.sum(x != 0, axis=a, keepdims=k),
}


@pytest.mark.parametrize("name", ORACLES)
@pytest.mark.parametrize("axis", AXES)
@pytest.mark.parametrize("keepdims", [False, True])
def test_reductions(name, axis, keepdims):
    function = getattr(tf.math, name)
    for x in (X, X.astype(np.float32), np.where(X > 0, X, 0)):
        got = run_everywhere(lambda x: function(x, axis, keepdims), x)
        expected = ORACLES[name](x, tupled(axis), keepdims)
        np.testing.assert_allclose(got, expected, rtol=1e-5)


def test_logsumexp_at_infinity():
    rows = np.array(
        [[-np.inf, -np.inf], [np.inf, 1.0], [np.inf, np.inf], [np.nan, 1.0], [1e4, 0.0]]
    )
    got = run_everywhere(lambda x: tf.reduce_logsumexp(x, axis=1), rows)
    np.testing.assert_array_equal(got, [-np.inf, np.inf, np.inf, np.nan, 1e4])
    (grad,) = gradient_of(tf.reduce_logsumexp, np.array([1000.0, 1000.0]))
    assert grad.tolist() == [0.5, 0.5]


def test_integers_and_errors():
    whole = np.array([[3, 4], [0, 5]], np.int32)
    assert tf.math.reduce_euclidean_norm(whole, axis=1).numpy().tolist() == [5, 5]
    got = tf.math.count_nonzero(whole, dtype=tf.int32)
    assert got.dtype == tf.int32
    assert got.numpy() == 3
    assert tf.math.count_nonzero([True, False]).numpy() == 1
    for name in ("reduce_variance", "reduce_std"):
        with pytest.raises(TypeError, match="must be either real or complex"):
            getattr(tf.math, name)(whole)
    with pytest.raises(tf.errors.InvalidArgumentError, match="reduction dimension"):
        tf.reduce_logsumexp(X, axis=3)


def test_moments():
    for axes, keepdims in (([0], False), ([0, 1], True), ([-1], False)):
        for index, oracle in enumerate((np.mean, np.var)):
            got = run_everywhere(
                lambda x: tf.nn.moments(x, axes, None, keepdims)[index], X
            )
            expected = oracle(X, axis=tuple(axes), keepdims=keepdims)
            np.testing.assert_allclose(got, expected, atol=1e-12)
    half = tf.nn.moments(tf.constant(X.astype(np.float16)), [0])
    assert [t.dtype for t in half] == [tf.float16, tf.float16]
    shifts, _ = gradient_of(
        lambda x, y: tf.nn.moments(x, [0, 1, 2])[1] * y, X, np.array(2.0)
    )
    np.testing.assert_allclose(shifts, 4 * (X - X.mean()) / X.size, rtol=1e-9)


def test_weighted_moments():
    weights = np.array([1.0, 2.0, 3.0, 4.0])[:, None]
    mean, variance = (
        run_everywhere(lambda x: tf.nn.weighted_moments(x, [0, 1], weights)[i], X)
        for i in (0, 1)
    )
    full = np.broadcast_to(weights, X.shape)
    expected = np.average(X, axis=(0, 1), weights=full)
    np.testing.assert_allclose(mean, expected)
    np.testing.assert_allclose(
        variance, np.average((X - expected) ** 2, axis=(0, 1), weights=full)
    )
    kept = tf.nn.weighted_moments(tf.constant(X), [0], weights, keepdims=True)
    assert [t.shape for t in kept] == [(1, 4, 5), (1, 4, 5)]


def test_normalize_moments():
    shifted = X.ravel() - 0.5
    sums = (np.float64(X.size), shifted.sum(), (shifted**2).sum())
    mean, variance = tf.nn.normalize_moments(*sums, shift=np.float64(0.5))
    assert mean.numpy() == pytest.approx(X.mean())
    assert variance.numpy() == pytest.approx(X.var())


@pytest.mark.parametrize("has_offset", [True, False])
@pytest.mark.parametrize("has_scale", [True, False])
def test_batch_normalization(has_offset, has_scale):
    mean, variance = X.mean((0, 1)), X.var((0, 1))
    offset, scale = (np.arange(5.0) if h else None for h in (has_offset, has_scale))
    got = run_everywhere(
        lambda x: tf.nn.batch_normalization(x, mean, variance, offset, scale, 1e-3), X
    )
    expected = (X - mean) / np.sqrt(variance + 1e-3)
    expected = expected * (1 if scale is None else scale)
    expected = expected + (0 if offset is None else offset)
    np.testing.assert_allclose(got, expected, atol=1e-12)


@pytest.mark.parametrize("axis", [None, -1, (0, 1)])
def test_l2_normalize(axis):
    got = run_everywhere(lambda x: tf.math.l2_normalize(x, axis), X)
    norm = np.sqrt(np.sum(X * X, axis=axis, keepdims=True))
    np.testing.assert_allclose(got, X / norm)
    assert not tf.nn.l2_normalize(np.zeros(3)).numpy().any()


def test_unknown_batch():
    x = X.reshape(12, 5)
    got = run_in_graph(
        lambda x: tf.math.reduce_std(x, axis=0), x, jit="always", shapes=[[None, 5]]
    )
    np.testing.assert_allclose(got, x.std(0))
