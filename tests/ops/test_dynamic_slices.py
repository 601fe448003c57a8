"""Slices whose bounds are tensors mean what they mean with numbers."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import graphopt as tf
from graphopt.config import config
from tests.helpers import assert_everywhere

v1 = tf.compat.v1
X = np.arange(20.0).reshape(5, 4)
BOUNDS = (None, -7, -5, -2, 0, 1, 4, 5, 9)


@pytest.mark.parametrize("step", [None, 1, 2, -1, -3])
def test_every_range_of_python(step):
    wrong = []
    for start, stop in itertools.product(BOUNDS, BOUNDS):
        given = [n for n in (start, stop) if n is not None]
        if not given:
            continue
        names = [start is not None, stop is not None]

        def cut(x, *bounds, names=names):
            rest = iter(bounds)
            first, last = (next(rest) if name else None for name in names)
            return x[first:last:step]

        want = X[start:stop:step]
        eager = cut(tf.constant(X), *map(tf.constant, given)).numpy()
        with tf.Graph().as_default(), v1.Session() as session:
            x = v1.placeholder(tf.float64, [None, 4])
            places = [v1.placeholder(tf.int32, []) for _ in given]
            y = cut(x, *places)
            graph = session.run(y, {x: X, **dict(zip(places, given, strict=True))})
        for got in (eager, graph):
            if got.shape != want.shape or not (got == want).all():
                wrong.append((start, stop))
    assert not wrong


def test_bounds_beside_other_keys():
    x = np.arange(24.0).reshape(2, 3, 4)
    i, j = np.int32(1), np.int64(3)
    assert_everywhere(lambda t, a: t[0, a:, ::2], [x, i], x[0, 1:, ::2])
    assert_everywhere(lambda t, a: t[..., :a], [x, j], x[..., :3])
    assert_everywhere(lambda t, a: t[:, None, a, 1:], [x, i], x[:, None, 1, 1:])
    assert_everywhere(lambda t, a, b: t[a, ..., a:b], [x, i, j], x[1, ..., 1:3])
    step = np.int32(-2)
    assert_everywhere(lambda t, s: t[:, :, ::s], [x, step], x[:, :, ::-2])


def test_step_of_zero():
    with tf.Graph().as_default():
        i = v1.placeholder(tf.int32, [])
        with pytest.raises(ValueError, match="strides must be non-zero"):
            _ = tf.constant(X)[i::0]


def test_index_into_a_dimension_of_unknown_size():
    with tf.Graph().as_default(), v1.Session() as session:
        x, i = v1.placeholder(tf.float64, [None, 4]), v1.placeholder(tf.int32, [])
        row = x[i]
        for index in (0, 2, -1, -5):
            got = session.run(row, {x: X, i: index})
            np.testing.assert_array_equal(got, X[index])
        with pytest.raises(tf.errors.InvalidArgumentError):
            session.run(row, {x: X, i: 5})


def test_slice_of_a_static_size_is_native():
    with tf.Graph().as_default(), config(jit="always"), v1.Session() as session:
        x, i = v1.placeholder(tf.float64, [5, 4]), v1.placeholder(tf.int32, [2])
        y = tf.slice(x, i, [2, 3])
        assert y.shape == [2, 3]
        got = session.run(y, {x: X, i: [1, 0]})
        np.testing.assert_array_equal(got, X[1:3, :3])
        (runner,) = session._runners.values()
        (plan,) = runner.plans.values()
        assert plan.executable is not None
        with pytest.raises(tf.errors.InvalidArgumentError):
            session.run(y, {x: X, i: [4, 0]})


def test_slice_with_tensors():
    begin, size = np.array([1, 2]), np.array([3, -1])
    want = X[1:4, 2:]
    assert_everywhere(lambda x, b, s: tf.slice(x, b, s), [X, begin, size], want)
    assert_everywhere(
        lambda x, b: tf.slice(x, [b[0], 2], [-1, 1]), [X, begin], X[1:, 2:3]
    )
    assert_everywhere(
        lambda x, b, e: tf.strided_slice(x, b, e, [2, 1]),
        [X, begin, np.array([5, 4])],
        X[1:5:2, 2:4],
    )
    with pytest.raises(TypeError, match="integers"):
        tf.slice(X, [0.5, 0], [1, 1])


def test_derivative_of_a_slice_with_tensors():
    with tf.Graph().as_default(), v1.Session() as session:
        x, i = v1.placeholder(tf.float64, [5, 4]), v1.placeholder(tf.int32, [])
        (grad,) = tf.gradients(tf.reduce_sum(x[i : i + 2] ** 2), [x])
        got = session.run(grad, {x: X, i: 1})
    want = np.zeros_like(X)
    want[1:3] = 2 * X[1:3]
    np.testing.assert_array_equal(got, want)


def test_slices_in_a_function():
    @tf.function
    def window(x, i):
        return x[i : i + 2]

    for i in range(4):
        got = window(tf.constant(X), tf.constant(i))
        np.testing.assert_array_equal(got, X[i : i + 2])
