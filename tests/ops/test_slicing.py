"""Slices against NumPy's, in every mode."""

from __future__ import annotations

import numpy as np
import pytest

import graphopt as tf
from graphopt.config import config
from tests.helpers import assert_everywhere

X = np.arange(60.0).reshape(3, 4, 5)
KEYS = [
    np.s_[1],
    np.s_[-1, 2],
    np.s_[0, 1, 2],
    np.s_[...],
    np.s_[()],
    np.s_[:, ::2],
    np.s_[::-1, ..., ::-2],
    np.s_[5:, 1:1],
    np.s_[-100:100, 3:0:-1],
    np.s_[None, 1, :, None, -2:],
    np.s_[..., None],
    np.s_[..., 1:-1, 0],
    np.s_[np.int64(1), : np.int32(2)],
]


@pytest.mark.parametrize("key", KEYS, ids=str)
@pytest.mark.parametrize("dtype", [np.float64, np.float16, np.int8, np.bool_])
def test_brackets_mean_what_they_mean_in_numpy(key, dtype):
    x = X.astype(dtype)
    assert_everywhere(lambda t: t[key], [x], x[key])


@pytest.mark.parametrize("key", KEYS, ids=str)
def test_brackets_with_dimensions_that_only_the_run_knows(key):
    assert_everywhere(lambda t: t[key], [X], X[key], shapes=[(None, 4, None)])


def test_derivative_of_brackets_is_zero_elsewhere():
    for key in KEYS:
        x = tf.constant(X)
        with tf.GradientTape() as outer:
            outer.watch(x)
            with tf.GradientTape() as inner:
                inner.watch(x)
                y = tf.reduce_sum(x[key] ** 3.0)
            first = inner.gradient(y, x)
        second = outer.gradient(first, x)
        want = np.zeros_like(X)
        want[key] = 1
        np.testing.assert_allclose(first, want * 3 * X**2)
        np.testing.assert_allclose(second, want * 6 * X)


def test_brackets_take_scalar_tensors():
    assert_everywhere(lambda t: t[tf.constant(1), tf.constant(2) :], [X], X[1, 2:])
    assert_everywhere(lambda t, i: t[i], [X, np.int32(2)], X[2], shapes=[X.shape, ()])
    assert_everywhere(lambda t, i: t[:, i, 1:], [X, np.int64(-1)], X[:, -1, 1:])
    assert_everywhere(lambda t, i: t[..., i, :, None], [X, 3], X[:, 3, :, None])


def test_the_derivative_by_a_symbolic_index_is_a_tensor():
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        x = tf.compat.v1.placeholder(tf.float64, [3, 2])
        i = tf.compat.v1.placeholder(tf.int32, [])
        (grad,) = tf.gradients(tf.reduce_sum(x[i] ** 2.0), x)
        got = session.run(grad, {x: np.ones((3, 2)), i: -1})
        np.testing.assert_array_equal(got, [[0, 0], [0, 0], [2, 2]])


def test_brackets_on_variables():
    v = tf.Variable(X)
    np.testing.assert_array_equal(v[1, ::-1], X[1, ::-1])
    np.testing.assert_array_equal(v[tf.Variable(1)], X[1])
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        v = tf.Variable(X)
        session.run(v.initializer)
        np.testing.assert_array_equal(session.run(v[1, ::-1]), X[1, ::-1])


def test_iteration_takes_rows():
    assert [row.numpy().tolist() for row in tf.constant([[1, 2], [3, 4]])] == [
        [1, 2],
        [3, 4],
    ]


def test_a_shape_can_be_taken_apart():
    def flatten(t):
        return tf.reshape(t, [tf.shape(t)[0], -1])

    assert_everywhere(flatten, [X], X.reshape(3, -1), shapes=[(None, 4, 5)])
    with tf.Graph().as_default():
        x = tf.compat.v1.placeholder(tf.float32, [None, 4, 5])
        assert tf.zeros([tf.shape(x)[1], tf.shape(x)[-1]]).shape == (4, 5)


@pytest.mark.parametrize("key", [1.0, "a", [0, 1], np.array([1]), True, slice(0.5)])
def test_brackets_refuse_other_keys(key):
    with pytest.raises(TypeError, match=r"valid indices.*got .*test_slicing"):
        tf.constant([1, 2, 3])[key]


@pytest.mark.parametrize(
    ("key", "words"),
    [
        (3, "slice index 3 of dimension 0 out of bounds"),
        ((0, -5), "slice index -5 of dimension 1 out of bounds"),
        ((0, 0, 0, 0), "Index out of range using input dim 3"),
        ((..., ...), "one ellipsis"),
        (slice(None, None, 0), "strides must be non-zero"),
    ],
)
def test_brackets_out_of_bounds(key, words):
    with pytest.raises(tf.errors.InvalidArgumentError, match=words):
        tf.constant(X)[key]
    for jit in ("never", "always"):
        with tf.Graph().as_default(), config(jit=jit):
            x = tf.compat.v1.placeholder(tf.float64, [None, None, None])
            with tf.compat.v1.Session() as session, pytest.raises(ValueError):
                session.run(x[key], {x: X})


def test_slice():
    assert_everywhere(
        lambda t: tf.slice(t, [1, 0, 2], [2, -1, 3]),
        [X],
        X[1:3, :, 2:5],
        shapes=[(None, None, 5)],
    )
    assert_everywhere(lambda t: tf.slice(t, [3, 0, 0], [0, 2, -1]), [X], X[3:, :2])


@pytest.mark.parametrize("jit", ["never", "always"])
def test_slice_must_not_reach_out_of_the_tensor(jit):
    with tf.Graph().as_default(), config(jit=jit):
        x = tf.compat.v1.placeholder(tf.float64, [None])
        part = tf.slice(x, [2], [3])
        assert part.shape == (3,)
        with tf.compat.v1.Session() as session:
            np.testing.assert_array_equal(
                session.run(part, {x: np.arange(5.0)}), [2, 3, 4]
            )
            with pytest.raises(tf.errors.InvalidArgumentError, match="Expected begin"):
                session.run(part, {x: np.arange(4.0)})


def test_strided_slice():
    x = tf.constant(X)
    got = tf.strided_slice(x, [0, 1, 9], [2, 4, 9], [1, 2, 1], begin_mask=4, end_mask=4)
    np.testing.assert_array_equal(got, X[0:2, 1:4:2, :])
    got = tf.strided_slice(
        x, [0, 0, 1], [0, 0, 2], ellipsis_mask=2, new_axis_mask=1, shrink_axis_mask=4
    )
    np.testing.assert_array_equal(got, X[None, ..., 1])
    with pytest.raises(tf.errors.InvalidArgumentError, match="equal size"):
        tf.strided_slice(x, [0, 1], [2], [1])
    with pytest.raises(NotImplementedError, match="var"):
        tf.strided_slice(x, [0], [2], [1], var=tf.Variable(X))


@pytest.mark.parametrize(
    ("parts", "axis", "bounds"),
    [
        (2, 1, [2]),
        (5, -1, [1, 2, 3, 4]),
        ([1, 0, 3], 1, [1, 1]),
        ([2, -1], 2, [2]),
        ([3], 0, []),
        (np.array([1, 2]), 0, [1]),
    ],
    ids=str,
)
def test_split(parts, axis, bounds):
    want = np.split(X, bounds, axis)
    assert_everywhere(lambda t: tf.split(t, parts, axis), [X], *want)


@pytest.mark.parametrize(
    ("parts", "axis"),
    [(2, 0), (0, 0), ([1, 1], 0), ([4, -1], 0), ([-1, -1], 0), (1, 3)],
)
def test_split_that_does_not_add_up(parts, axis):
    with pytest.raises(tf.errors.InvalidArgumentError, match="got "):
        tf.split(X, parts, axis)


def test_split_and_concat_are_opposites():
    x = tf.constant(X)
    with tf.GradientTape() as tape:
        tape.watch(x)
        a, b = tf.split(x, [1, 3], axis=1)
        y = tf.reduce_sum(a * 2.0) + tf.reduce_sum(b * b)
    want = 2 * X
    want[:, 0] = 2
    np.testing.assert_allclose(tape.gradient(y, x), want)
    np.testing.assert_array_equal(tf.concat(tf.split(x, 5, 2), 2), X)


def test_unstack():
    assert_everywhere(lambda t: tf.unstack(t, axis=-2), [X], *np.moveaxis(X, 1, 0))
    with tf.Graph().as_default():
        x = tf.compat.v1.placeholder(tf.float32, [None, 2])
        assert len(tf.unstack(x, num=4)) == 4
        with pytest.raises(ValueError, match="Cannot infer"):
            tf.unstack(x)
    with pytest.raises(tf.errors.InvalidArgumentError, match="must equal 4"):
        tf.unstack(X, num=4)
    with pytest.raises(tf.errors.InvalidArgumentError, match="out of range"):
        tf.unstack(X, axis=3)


def test_symbolic_indices_of_unknown_rank_are_refused():
    with tf.Graph().as_default():
        i = tf.compat.v1.placeholder(tf.int32, [])
        x = tf.compat.v1.placeholder(tf.float32)
        assert x[i:].shape.rank is None
        with pytest.raises(NotImplementedError, match=r"tf\.gather"):
            x[i]
        begin = tf.compat.v1.placeholder(tf.int32, [None])
        with pytest.raises(NotImplementedError, match="known size"):
            tf.slice(x, begin, [1])
