"""map_fn, scan, foldl, foldr, vectorized_map and hessians."""

from __future__ import annotations

import numpy as np
import pytest

import graphopt as tf
from graphopt.config import config
from tests.helpers import run_everywhere

v1 = tf.compat.v1
X = np.random.default_rng(0).normal(size=(4, 3))
JIT = pytest.mark.parametrize("jit", ["never", "always"])


def check(function, *arrays, shapes=None):
    """Runs a function eagerly, interpreted and compiled; returns the result."""
    eager, *others = run_everywhere(function, *arrays, shapes=shapes)
    for other in others:
        for got, want in zip(other, eager, strict=True):
            np.testing.assert_allclose(got, want, rtol=1e-12)
    return eager


@pytest.mark.parametrize("shape", [[4, 3], [None, 3], [None, None]])
def test_map_fn(shape):
    (found,) = check(lambda x: tf.map_fn(lambda r: r * r + 1.0, x), X, shapes=[shape])
    np.testing.assert_allclose(found, X * X + 1)


def test_map_fn_of_structures():
    def function(x, y):
        return tf.map_fn(
            lambda e: {"s": e[0] + e[1], "n": tf.cast(tf.reduce_sum(e[0]), tf.int32)},
            (x, y),
            fn_output_signature={"s": tf.float64, "n": tf.int32},
        )["s"]

    (found,) = check(function, X, X[::-1].copy())
    np.testing.assert_allclose(found, X + X[::-1])


def test_map_fn_takes_version_1_and_2_arguments():
    square = v1.map_fn(lambda r: tf.cast(r, tf.int32), X * 10, tf.int32, 10, True)
    np.testing.assert_array_equal(square.numpy(), (X * 10).astype(np.int32))
    spec = tf.TensorSpec([3], tf.float64)
    again = tf.map_fn(lambda r: r, X, fn_output_signature=spec)
    np.testing.assert_array_equal(again.numpy(), X)
    with pytest.raises(ValueError, match="another structure"):
        tf.map_fn(lambda r: (r, r), X)
    with pytest.raises(ValueError, match="at least 1-dimensional"):
        tf.map_fn(lambda r: r, 1.0)
    with pytest.raises(TypeError, match="not callable"):
        tf.map_fn(3, X)


def test_vectorized_map():
    def function(x):
        return tf.vectorized_map(lambda r: (tf.reduce_sum(r), tf.argmax(r)), x)

    total, largest = check(function, X)
    np.testing.assert_allclose(total, X.sum(1))
    np.testing.assert_array_equal(largest, X.argmax(1))


@pytest.mark.parametrize("shape", [[4, 3], [None, 3]])
@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("start", [None, 2.0])
def test_scan(shape, reverse, start):
    init = None if start is None else np.full(3, start)

    def function(x):
        return tf.scan(lambda a, r: 0.5 * a + r, x, init, reverse=reverse)

    (found,) = check(function, X, shapes=[shape])
    rows = list(X[::-1] if reverse else X)
    want = [rows.pop(0)] if start is None else []
    state = want[0] if want else init
    for row in rows:
        state = 0.5 * state + row
        want.append(state)
    np.testing.assert_allclose(found, want[::-1] if reverse else want)


def test_scan_of_structures():
    def function(x):
        start = (tf.zeros([3], tf.float64), tf.constant(0))
        return tf.scan(lambda a, r: (a[0] + r, a[1] + 1), x, start)

    total, count = check(function, X)
    np.testing.assert_allclose(total, np.cumsum(X, 0))
    np.testing.assert_array_equal(count, [1, 2, 3, 4])


def test_folds():
    def digits(fold, **keywords):
        return lambda x: fold(lambda a, d: 10.0 * a + d, x, **keywords)

    ones = np.arange(1.0, 5.0)
    assert check(digits(tf.foldl), ones)[0] == 1234
    assert check(digits(tf.foldr), ones)[0] == 4321
    assert check(digits(tf.foldl, initializer=np.float64(9)), ones)[0] == 91234


@JIT
def test_derivatives(jit):
    def loss(x, w):
        mapped = tf.map_fn(lambda r: tf.tanh(r * w), x)
        return tf.reduce_sum(tf.scan(lambda a, r: a * w + r, mapped) ** 2)

    w = np.array([0.3, -0.5, 0.8])
    with tf.GradientTape() as tape:
        x_, w_ = tf.constant(X), tf.constant(w)
        tape.watch([x_, w_])
        value = loss(x_, w_)
    want = [t.numpy() for t in (value, *tape.gradient(value, [x_, w_]))]
    with tf.Graph().as_default(), config(jit=jit), v1.Session() as session:
        x_ = v1.placeholder(tf.float64, [None, 3])
        w_ = v1.placeholder(tf.float64, [3])
        value = loss(x_, w_)
        fetches = [value, *tf.gradients(value, [x_, w_])]
        plan = session.plan(fetches, {x_: X, w_: w})
        assert not plan.interpreted and all(s.kernel != "HOST" for s in plan.steps)
        found = session.run(fetches, {x_: X, w_: w})
    for got, expected in zip(found, want, strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-10)


@JIT
def test_hessians(jit):
    with tf.Graph().as_default(), config(jit=jit), v1.Session() as session:
        x = tf.constant(X[:2, :2])
        y = tf.reduce_sum(x**3) + x[0, 0] * x[1, 1]
        (found,) = v1.hessians(y, x, "second")
        (same,) = tf.hessians(y, [x])
        got, other = session.run([found, same])
    want = np.zeros((2, 2, 2, 2))
    for i in range(2):
        for j in range(2):
            want[i, j, i, j] = 6 * X[i, j]
    want[0, 0, 1, 1] = want[1, 1, 0, 0] = 1
    np.testing.assert_allclose(got, want, rtol=1e-12)
    np.testing.assert_array_equal(got, other)
