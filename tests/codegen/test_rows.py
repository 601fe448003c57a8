"""Softmax and the cross entropies, for rows of any length."""

from __future__ import annotations

import numpy as np
import pytest

import graphopt as tf
from graphopt.config import config

v1 = tf.compat.v1
LENGTHS = [1, 2, 3, 5, 7, 8, 10, 15, 16, 17, 31, 33, 64, 100, 1000, 1023, 1025, 2050]
DTYPES = [np.float32, np.float64]


def run(make, *feeds):
    with config(jit="always"), tf.Graph().as_default():
        fed = {v1.placeholder(tf.as_dtype(a.dtype), a.shape): a for a in feeds}
        fetches = make(*fed)
        with v1.Session() as session:
            return session.run(fetches, fed)


def logits(rows, n, dtype):
    rng = np.random.default_rng(rows * 7 + n)
    return (rng.standard_normal((rows, n)) * 3).astype(dtype)


def exact(x):
    """Returns softmax and its logarithm in extended precision."""
    x = x.astype(np.longdouble)
    x = x - x.max(1, keepdims=True)
    total = np.exp(x).sum(1, keepdims=True)
    return np.exp(x) / total, x - np.log(total)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n", LENGTHS)
def test_softmax(n, dtype):
    for rows in (1, 3, 70):
        x = logits(rows, n, dtype)
        soft, log_soft = run(lambda x: (tf.nn.softmax(x), tf.nn.log_softmax(x)), x)
        wanted, wanted_log = exact(x)
        eps = np.finfo(dtype).eps
        # The difference from the largest is rounded before the power is taken.
        within = (8 + np.abs(x - x.max(1, keepdims=True))) * eps
        assert (np.abs(soft - wanted) <= within * wanted).all()
        scale = np.abs(wanted_log) + np.abs(x - x.max(1, keepdims=True)) + 4
        assert (np.abs(log_soft - wanted_log) <= 2 * eps * scale).all()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("n", LENGTHS)
def test_cross_entropies(n, dtype):
    rng = np.random.default_rng(n)
    for rows in (1, 3, 70):
        x = logits(rows, n, dtype)
        labels = rng.integers(0, n, rows).astype(np.int32)
        given = rng.dirichlet(np.ones(n), rows).astype(dtype)

        def make(x, labels, given):
            sparse = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, x)
            dense = tf.nn.softmax_cross_entropy_with_logits(given, x)
            return (
                *(sparse, tf.gradients(sparse, x)[0]),
                *(dense, tf.gradients(dense, x)[0]),
            )

        sparse, sparse_slope, dense, dense_slope = run(make, x, labels, given)
        soft, log_soft = exact(x)
        one = np.eye(n)[labels]
        close = {"rtol": 40 * np.finfo(dtype).eps, "atol": 20 * np.finfo(dtype).eps}
        np.testing.assert_allclose(sparse, -(one * log_soft).sum(1), **close)
        np.testing.assert_allclose(sparse_slope, soft - one, **close)
        np.testing.assert_allclose(dense, -(given * log_soft).sum(1), **close)
        np.testing.assert_allclose(dense_slope, soft - given, **close)


@pytest.mark.parametrize("n", [3, 16, 21, 1030])
def test_special_values_stay_in_their_rows(n):
    x = logits(8, n, np.float32)
    plain, plain_log = run(lambda x: (tf.nn.softmax(x), tf.nn.log_softmax(x)), x)
    x[1, n // 2] = np.nan
    x[2, n - 1] = np.inf
    x[3, :] = -np.inf
    x[4, 1:] = -np.inf
    x[5, :] = 3e38
    x[6, 0] = -np.inf
    soft, log_soft = run(lambda x: (tf.nn.softmax(x), tf.nn.log_softmax(x)), x)
    for row in (0, 7):
        assert soft[row].tobytes() == plain[row].tobytes()
        assert log_soft[row].tobytes() == plain_log[row].tobytes()
    for row in (1, 2, 3):
        assert np.isnan(soft[row]).all()
        assert np.isnan(log_soft[row, n // 2])
    np.testing.assert_array_equal(soft[4], np.eye(n)[0])
    np.testing.assert_array_equal(log_soft[4, 1:], -np.inf)
    np.testing.assert_allclose(soft[5], 1 / n, rtol=1e-6)
    assert soft[6, 0] == 0
    assert log_soft[6, 0] == -np.inf
    np.testing.assert_allclose(soft[6].sum(), 1, rtol=1e-6)


@pytest.mark.parametrize("n", [3, 10, 100, 3000])
def test_a_row_has_the_same_bits_among_any_others(n):
    x = logits(300, n, np.float32)
    whole = run(tf.nn.softmax, x)
    for first, last in ((0, 1), (17, 18), (5, 299)):
        assert run(tf.nn.softmax, x[first:last]).tobytes() == (
            whole[first:last].tobytes()
        )


@pytest.mark.parametrize("label", [-1, 10])
def test_a_label_that_is_no_class_is_named(label):
    x, labels = logits(500, 10, np.float32), np.zeros(500, np.int32)
    labels[321] = label

    def make(x, labels):
        return tf.nn.sparse_softmax_cross_entropy_with_logits(labels, x)

    with pytest.raises(tf.errors.InvalidArgumentError, match=f"{label}"):
        run(make, x, labels)
