"""Pad, tile, reverse, roll, running sums, diagonals and sequences against NumPy's."""

from __future__ import annotations

import numpy as np
import pytest

import graphopt as tf
from tests.helpers import assert_everywhere

X = np.random.default_rng(4).standard_normal((3, 4, 5))
UNKNOWN = [(None, None, None)]


@pytest.mark.parametrize("mode", ["constant", "REFLECT", "symmetric"])
@pytest.mark.parametrize(
    "pairs", [((1, 0), (0, 2), (0, 0)), ((2, 2), (3, 1), (0, 4)), ((0, 0),) * 3]
)
def test_pad(mode, pairs):
    want = np.pad(X, pairs, mode.lower())
    assert_everywhere(lambda x: tf.pad(x, pairs, mode), [X], want)
    if mode == "constant":
        want = np.pad(X, pairs, constant_values=-1.5)
        assert_everywhere(
            lambda x: tf.pad(x, np.array(pairs), constant_values=-1.5),
            [X],
            want,
            shapes=UNKNOWN,
        )


def test_derivative_of_mirrored_elements_adds_up():
    x = tf.constant([1.0, 2.0, 3.0])
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = tf.reduce_sum(tf.pad(x, [[2, 1]], "REFLECT"))
    assert tape.gradient(y, x).numpy().tolist() == [1.0, 3.0, 2.0]


@pytest.mark.parametrize(
    ("pairs", "mode", "words"),
    [
        ([[1, 1]], "CONSTANT", "a pair of paddings"),
        ([[1, 1], [0, -1], [0, 0]], "CONSTANT", "non-negative"),
        ([[3, 0], [0, 0], [0, 0]], "REFLECT", "less than the dimension size"),
        ([[4, 0], [0, 0], [0, 0]], "SYMMETRIC", "no greater than the dimension size"),
        ([[1, 1, 1]], "CONSTANT", "2 columns"),
    ],
)
def test_pad_refuses(pairs, mode, words):
    with pytest.raises(tf.errors.InvalidArgumentError, match=words):
        tf.pad(X, pairs, mode)


def test_pad_refuses_other_modes():
    with pytest.raises(ValueError, match="mode"):
        tf.pad(X, [[0, 0]] * 3, "WRAP")


@pytest.mark.parametrize("times", [(1, 1, 1), (2, 3, 1), (1, 2, 2), (0, 1, 2)])
def test_tile(times):
    assert_everywhere(
        lambda x: tf.tile(x, times), [X], np.tile(X, times), shapes=UNKNOWN
    )


@pytest.mark.parametrize("axis", [0, -1, [0, 2], []])
def test_reverse(axis):
    assert_everywhere(
        lambda x: tf.reverse(x, axis),
        [X],
        np.flip(X, tuple(np.ravel(axis).astype(int))),
    )
    for bad in (3, [1, -2]):
        with pytest.raises(tf.errors.InvalidArgumentError, match=r"tf\.reverse"):
            tf.reverse(X, bad)


@pytest.mark.parametrize(
    ("shift", "axis"), [(1, 0), (-7, 1), ([1, 2], [0, 2]), ([3, 4], [1, 1]), (5, -1)]
)
def test_roll(shift, axis):
    assert_everywhere(
        lambda x: tf.roll(x, shift, axis), [X], np.roll(X, shift, axis), shapes=UNKNOWN
    )


@pytest.mark.parametrize("axis", [0, 1, -1])
@pytest.mark.parametrize("exclusive", [False, True])
@pytest.mark.parametrize("reverse", [False, True])
def test_running_sums(axis, exclusive, reverse):
    def want(function, neutral):
        x = np.flip(X, axis) if reverse else X
        y = function(x, axis=axis)
        if exclusive:
            y = np.roll(y, 1, axis)
            np.moveaxis(y, axis, 0)[0] = neutral
        return np.flip(y, axis) if reverse else y

    options = {"exclusive": exclusive, "reverse": reverse}
    assert_everywhere(
        lambda x: tf.cumsum(x, axis, **options), [X], want(np.cumsum, 0), rtol=1e-15
    )
    assert_everywhere(
        lambda x: tf.math.cumprod(x, axis, **options),
        [X],
        want(np.cumprod, 1),
        rtol=1e-15,
    )


def test_sums_keep_their_precision():
    x = np.full(100_000, 0.1, np.float32)
    assert abs(float(tf.cumsum(x)[-1]) - 1e5 * np.float64(np.float32(0.1))) < 1e-3


def test_diagonals():
    d = X[:, 0, :3]
    square = np.einsum("ij,jk->ijk", d, np.eye(3))
    assert_everywhere(tf.linalg.diag, [d], square)
    assert_everywhere(tf.linalg.diag_part, [X], np.diagonal(X, 0, 1, 2), shapes=UNKNOWN)
    assert_everywhere(tf.linalg.trace, [X], np.trace(X, 0, 1, 2), rtol=1e-15)
    assert_everywhere(
        lambda x: tf.linalg.band_part(x, 1, 0), [X], np.tril(np.triu(X, -1))
    )
    assert_everywhere(
        lambda x: tf.linalg.band_part(x, -1, 0), [X], np.tril(X), shapes=UNKNOWN
    )
    changed = X.copy()
    changed[:, range(4), range(4)] = 7
    assert_everywhere(
        lambda x: tf.linalg.set_diag(x, tf.fill([3, 4], np.float64(7))), [X], changed
    )
    with pytest.raises(NotImplementedError, match="main one"):
        tf.linalg.diag(d, k=1)


def test_eye():
    assert_everywhere(lambda: tf.eye(3), [], np.eye(3, dtype=np.float32))
    want = np.broadcast_to(np.eye(2, 3, dtype=np.int64), (4, 2, 3))
    assert_everywhere(lambda: tf.eye(2, 3, [4], tf.int64), [], want)


@pytest.mark.parametrize(
    ("bounds", "want"),
    [
        ((5,), np.arange(5, dtype=np.int32)),
        ((3, 18, 4), np.arange(3, 18, 4, np.int32)),
        ((3, 0, -1), np.arange(3, 0, -1, np.int32)),
        ((3, 1.0, -0.5), np.arange(3, 1, -0.5, np.float32)),
        ((np.int64(2), 4), np.arange(2, 4)),
        ((2, 2), np.zeros(0, np.int32)),
    ],
)
def test_range(bounds, want):
    assert_everywhere(lambda: tf.range(*bounds), [], want)
    typed = tf.range(*bounds, dtype=tf.float64)
    np.testing.assert_array_equal(typed, want.astype(np.float64), strict=True)


def test_range_whose_size_only_the_run_knows():
    assert_everywhere(
        lambda n: tf.range(n) * 2, [np.int32(3)], np.array([0, 2, 4], np.int32)
    )
    assert_everywhere(
        lambda x: tf.range(tf.shape(x)[0]),
        [X],
        np.arange(3, dtype=np.int32),
        shapes=UNKNOWN,
    )
    with pytest.raises(tf.errors.InvalidArgumentError, match="Requires start <= limit"):
        tf.range(3, 1)


@pytest.mark.parametrize("num", [1, 2, 7])
def test_linspace(num):
    assert_everywhere(
        lambda: tf.linspace(1.0, 10.0, num),
        [],
        np.linspace(1, 10, num, dtype=np.float32),
        rtol=1e-6,
    )
    for axis in (0, 1, -1):
        want = np.linspace([1, 2], [3.0, 8], num, axis=axis)
        got = tf.linspace(np.array([1.0, 2]), np.array([3.0, 8]), num, axis=axis)
        np.testing.assert_allclose(got, want)
    with pytest.raises(tf.errors.InvalidArgumentError, match="num > 0"):
        tf.linspace(0.0, 1.0, 0)


@pytest.mark.parametrize("indexing", ["xy", "ij"])
def test_meshgrid(indexing):
    vectors = [np.arange(2), np.arange(3), np.arange(4)]
    for count in (1, 2, 3):
        want = np.meshgrid(*vectors[:count], indexing=indexing)
        assert_everywhere(
            lambda *v: tf.meshgrid(*v, indexing=indexing), vectors[:count], *want
        )


def test_rank_and_size():
    assert_everywhere(
        lambda x: (tf.rank(x), tf.size(x)), [X], np.int32(3), np.int32(60)
    )
    assert_everywhere(
        lambda x: (tf.rank(x), tf.size(x, tf.int64)),
        [X],
        np.int32(3),
        np.int64(60),
        shapes=[None],
    )
    assert tf.broadcast_static_shape([2, 1], [3]) == (2, 3)
    with pytest.raises(ValueError, match="Incompatible"):
        tf.broadcast_static_shape([2], [3])


def test_shapes_that_the_run_decides():
    v1 = tf.compat.v1
    values = np.arange(24.0, dtype="f").reshape(2, 3, 4)
    with tf.Graph().as_default(), v1.Session() as session:
        x = v1.placeholder(tf.float32, [None, None, 4])
        size = tf.shape(x)
        y = tf.reshape(x * 1.0, [size[1], size[0] * 2, 2])
        z = tf.reshape(y, tf.concat([size[:2], [2, 2]], 0))
        back = tf.reshape(z, [size[0], -1])
        assert (y.shape, z.shape) == ((None, None, 2), (None, None, 2, 2))
        assert back.shape == (None, None)
        grad = tf.gradients(tf.reduce_sum(back * back), x)[0]
        plan = session.plan([y, z, back, grad], {x: values})
        assert not plan.interpreted
        assert not any(step.host for step in plan.steps)
        for _ in range(2):
            got = session.run([y, z, back, grad], {x: values})
        shapes = [(3, 4, 2), (2, 3, 2, 2), (2, 12)]
        for array, shape in zip(got, shapes, strict=False):
            np.testing.assert_array_equal(array, values.reshape(shape))
        np.testing.assert_array_equal(got[3], 2 * values)
        with pytest.raises(ValueError, match="reshape"):
            session.run(tf.reshape(x, [size[0], size[1], 3]), {x: values})
