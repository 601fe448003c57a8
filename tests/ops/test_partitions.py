"""Partitions, counts, searches, distances, CTC, and rows of variables."""

from __future__ import annotations

import pathlib
from types import SimpleNamespace

import numpy as np
import pytest

import graphopt as tf
from graphopt.config import config
from tests.golden import record_ctc as recorded
from tests.helpers import run_everywhere

v1 = tf.compat.v1
JIT = pytest.mark.parametrize("jit", ["never", "always"])
RNG = np.random.default_rng(0)


def check(function, *arrays, shapes=None):
    """Runs a function eagerly, interpreted and compiled; returns the result."""
    eager, *others = run_everywhere(function, *arrays, shapes=shapes)
    for other in others:
        for got, want in zip(other, eager, strict=True):
            np.testing.assert_array_equal(got, want)
    return eager


def test_partitions_are_stitched_together_again():
    x = RNG.normal(size=(6, 2))
    parts = np.array([2, 0, 1, 0, 2, 0])

    def function(x, parts):
        pieces = tf.dynamic_partition(x, parts, 3)
        places = tf.dynamic_partition(tf.range(6), parts, 3)
        return [*pieces, tf.dynamic_stitch(places, pieces)]

    *pieces, whole = check(function, x, parts)
    for i, piece in enumerate(pieces):
        np.testing.assert_array_equal(piece, x[parts == i])
    np.testing.assert_array_equal(whole, x)


def test_stitching_constants():
    def function(a, b):
        return tf.dynamic_stitch([[0, 4], [[1], [0]]], [a, b])

    a, b = np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([[[5.0, 6.0]], [[7.0, 8.0]]])
    (found,) = check(function, a, b)
    np.testing.assert_array_equal(found, [[7, 8], [5, 6], [0, 0], [0, 0], [3, 4]])
    with tf.Graph().as_default():
        assert function(tf.constant(a), tf.constant(b)).shape == (5, 2)


def test_inverses_and_counts():
    (found,) = check(tf.math.invert_permutation, np.array([2, 0, 3, 1]))
    np.testing.assert_array_equal(found, [1, 3, 0, 2])
    y, idx, count = check(tf.unique_with_counts, np.array([7, 2, 7, 7, 3]))
    np.testing.assert_array_equal(y, [7, 2, 3])
    np.testing.assert_array_equal(idx, [0, 1, 0, 0, 2])
    np.testing.assert_array_equal(count, [3, 1, 1])


def test_unravel_index_and_cross():
    numbers = np.array([22, 41, 37])
    (found,) = check(lambda x: tf.unravel_index(x, [7, 6]), numbers)
    np.testing.assert_array_equal(found, np.unravel_index(numbers, (7, 6)))
    (one,) = check(lambda x: tf.unravel_index(x, [7, 6]), np.array(22))
    np.testing.assert_array_equal(one, [3, 4])
    a, b = RNG.normal(size=(2, 4, 3))
    (found,) = check(tf.linalg.cross, a, b)
    np.testing.assert_allclose(found, np.cross(a, b), rtol=1e-12)
    with pytest.raises(ValueError, match="3-element vectors"):
        v1.cross(a[:, :2], b[:, :2])


@pytest.mark.parametrize("side", ["left", "right"])
def test_searchsorted(side):
    rows, values = np.sort(RNG.integers(0, 9, (3, 6)), 1), RNG.integers(-1, 11, (3, 4))
    (found,) = check(lambda a, b: tf.searchsorted(a, b, side), rows, values)
    want = [np.searchsorted(r, v, side) for r, v in zip(rows, values, strict=True)]
    np.testing.assert_array_equal(found, want)
    assert tf.searchsorted([1], [2], out_type=tf.int64).dtype is tf.int64
    with pytest.raises(ValueError, match="'right' or 'left'"):
        tf.searchsorted([1], [2], "middle")


def test_histograms():
    x = RNG.normal(size=(50, 3))
    (found,) = check(lambda x: tf.histogram_fixed_width(x, [-1.0, 1.0], 8), x)
    want, _ = np.histogram(np.clip(x, -1, 1), 8, (-1, 1))
    np.testing.assert_array_equal(found, want)
    (bins,) = check(
        lambda x: tf.histogram_fixed_width_bins(x, [0, 5], 5), np.arange(-1, 7)
    )
    np.testing.assert_array_equal(bins, [0, 0, 1, 2, 3, 4, 4, 4])


def test_confusion_matrices():
    labels, found = np.array([1, 2, 4, 1]), np.array([2, 2, 4, 1])

    def function(a, b):
        return (
            tf.math.confusion_matrix(a, b, 5),
            v1.confusion_matrix(a, b, 5, tf.float32, weights=[1.0, 0.5, 2.0, 4.0]),
            tf.math.confusion_matrix(a, b),
        )

    plain, weighted, sized = check(function, labels, found)
    want = np.zeros((5, 5))
    np.add.at(want, (labels, found), 1)
    np.testing.assert_array_equal(plain, want)
    np.testing.assert_array_equal(sized, want)
    assert (
        weighted.dtype == np.float32 and weighted[1, 1] == 4 and weighted[2, 2] == 0.5
    )


def test_saturating_casts():
    def function(x, n):
        return (
            tf.saturate_cast(x, tf.uint8),
            tf.saturate_cast(x, tf.int32),
            tf.saturate_cast(n, tf.int8),
            tf.saturate_cast(n, tf.uint8),
            tf.saturate_cast(n, tf.float32),
        )

    x = np.array([-1e20, -5.5, 3.7, 260.0, 3e9], np.float32)
    n = np.array([-1000, -5, 3, 127, 300], np.int64)
    small, large, signed, unsigned, floats = check(function, x, n)
    np.testing.assert_array_equal(small, [0, 0, 3, 255, 255])
    np.testing.assert_array_equal(large, [-(2**31), -5, 3, 260, 2147483520])
    np.testing.assert_array_equal(signed, [-128, -5, 3, 127, 127])
    np.testing.assert_array_equal(unsigned, [0, 0, 3, 127, 255])
    np.testing.assert_array_equal(floats, n)


@JIT
def test_scattering_extremes(jit):
    with tf.Graph().as_default(), config(jit=jit), v1.Session() as session:
        x, u = v1.placeholder(tf.float64, [4]), v1.placeholder(tf.float64, [3])
        at = [[0], [2], [0]]
        high = tf.tensor_scatter_nd_max(x, at, u)
        low = tf.tensor_scatter_nd_min(x, at, u)
        fetches = [high, low, *tf.gradients(high * [1.0, 2.0, 3.0, 4.0], [x, u])]
        feed = {x: [1, 2, 3, 4], u: [5, 3, 0.5]}
        high, low, by_x, by_u = session.run(fetches, feed)
    np.testing.assert_array_equal(high, [5, 2, 3, 4])
    np.testing.assert_array_equal(low, [0.5, 2, 3, 4])
    # Equal ones share.
    np.testing.assert_array_equal(by_x, [0, 2, 1.5, 4])
    np.testing.assert_array_equal(by_u, [1, 1.5, 0])


def sparse(rows):
    """Something with the parts of a sparse tensor."""
    indices = [(i, j) for i, row in enumerate(rows) for j in range(len(row))]
    return SimpleNamespace(
        indices=np.array(indices, np.int64).reshape(-1, 2),
        values=np.array([v for row in rows for v in row], np.int32),
        dense_shape=np.array([len(rows), max(map(len, rows))], np.int64),
    )


def test_edit_distance():
    given, truth = sparse([[1, 2, 3], [4], [], []]), sparse([[1, 3], [5, 6], [7], []])
    found = tf.edit_distance(given, truth).numpy()
    np.testing.assert_allclose(found, [0.5, 1, 1, 0])
    plain = tf.edit_distance(given, truth, normalize=False).numpy()
    np.testing.assert_array_equal(plain, [1, 2, 1, 0])
    assert tf.edit_distance(sparse([[1]]), sparse([[]])).numpy() == np.inf
    with pytest.raises(TypeError, match="Truth must be a SparseTensor"):
        tf.edit_distance(given, [1])


@pytest.fixture(scope="module")
def golden():
    with np.load(pathlib.Path(recorded.__file__).parent / "ctc.npz") as file:
        return dict(file)


@pytest.mark.parametrize("jit", [None, "never", "always"])
@pytest.mark.parametrize("blank", [0, 4])
@pytest.mark.parametrize("shape", [[6, 4, 5], [None, None, 5]])
def test_ctc_loss(jit, blank, shape, golden):
    labels = recorded.LABELS + (blank == 0) * (recorded.LABELS == 0)
    lengths = recorded.LABEL_LENGTH, recorded.LOGIT_LENGTH

    def loss(x):
        return tf.nn.ctc_loss(labels, x, *lengths, blank_index=blank)

    if jit is None:
        x = tf.constant(recorded.LOGITS)
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = loss(x)
        found = [y.numpy(), tape.gradient(y, x).numpy()]
    else:
        with tf.Graph().as_default(), config(jit=jit), v1.Session() as session:
            x = v1.placeholder(tf.float32, shape)
            y = loss(x)
            fetches = [y, tf.gradients(y, [x])[0]]
            plan = session.plan(fetches, {x: recorded.LOGITS})
            assert not plan.interpreted and all(s.kernel != "HOST" for s in plan.steps)
            found = session.run(fetches, {x: recorded.LOGITS})
    np.testing.assert_allclose(found[0], golden[f"loss_{blank}"], rtol=1e-5)
    np.testing.assert_allclose(
        found[1], golden[f"gradient_{blank}"], rtol=1e-4, atol=1e-6
    )


def test_ctc_loss_of_sparse_labels(golden):
    rows = [
        row[:n].tolist()
        for row, n in zip(recorded.LABELS, recorded.LABEL_LENGTH, strict=True)
    ]
    labels = sparse(rows)
    x = recorded.LOGITS
    loss = v1.nn.ctc_loss(labels, x, recorded.LOGIT_LENGTH)
    np.testing.assert_allclose(loss.numpy(), golden["loss_4"], rtol=1e-5)
    turned = x.transpose(1, 0, 2)
    again = v1.nn.ctc_loss(labels, turned, recorded.LOGIT_LENGTH, time_major=False)
    np.testing.assert_allclose(again.numpy(), golden["loss_4"], rtol=1e-5)
    with tf.Graph().as_default(), v1.Session() as session:
        parts = [v1.placeholder(tf.int64, [None, 2]), v1.placeholder(tf.int32, [None])]
        parts.append(v1.placeholder(tf.int64, [2]))
        given = SimpleNamespace(indices=parts[0], values=parts[1], dense_shape=parts[2])
        y = v1.nn.ctc_loss(given, x, recorded.LOGIT_LENGTH)
        feed = dict(zip(parts, vars(labels).values(), strict=True))
        np.testing.assert_allclose(session.run(y, feed), golden["loss_4"], rtol=1e-5)
    with pytest.raises(ValueError, match="blank_index must be provided"):
        tf.nn.ctc_loss(labels, x, None, recorded.LOGIT_LENGTH)


def test_ctc_loss_of_too_few_steps():
    labels, x = sparse([[1, 1, 1]]), tf.zeros([3, 1, 4])
    with tf.GradientTape() as tape:
        tape.watch(x)
        loss = v1.nn.ctc_loss(labels, x, [3])
    assert loss.numpy() == np.inf
    assert np.all(np.isfinite(tape.gradient(loss, x).numpy()))
    ignored = v1.nn.ctc_loss(labels, x, [3], ignore_longer_outputs_than_inputs=True)
    assert ignored.numpy() == 0


@JIT
def test_rows_of_variables(jit):
    with tf.Graph().as_default(), config(jit=jit), v1.Session() as session:
        w = v1.get_variable("w", initializer=np.arange(8.0).reshape(4, 2))
        i, one = [1, 3], np.ones((2, 2))
        steps = [
            v1.scatter_update(w, i, 5 * one),
            v1.scatter_add(w, i, one),
            v1.scatter_sub(w, i, 2.0),
            v1.scatter_mul(w, 1, [3.0, 3.0]),
            v1.scatter_div(w, i, 2 * one),
            v1.scatter_min(w, i, [[1.0, 9.0], [9.0, 1.0]]),
            v1.scatter_max(w, i, [[0.0, 7.0], [0.0, 0.0]]),
            v1.scatter_nd_update(w, [[0, 1], [2, 0]], [10.0, 20.0]),
            v1.scatter_nd_add(w, [[0, 1]], [0.5]),
            v1.scatter_nd_sub(w, [[2, 0]], [0.5]),
        ]
        session.run(w.initializer)
        want = np.arange(8.0).reshape(4, 2)
        changes = [
            lambda a: a.__setitem__(i, 5.0),
            lambda a: a.__setitem__(i, a[i] + 1),
            lambda a: a.__setitem__(i, a[i] - 2),
            lambda a: a.__setitem__(1, a[1] * 3),
            lambda a: a.__setitem__(i, a[i] / 2),
            lambda a: a.__setitem__(i, np.minimum(a[i], [[1, 9], [9, 1]])),
            lambda a: a.__setitem__(i, np.maximum(a[i], [[0, 7], [0, 0]])),
            lambda a: a.__setitem__(([0, 2], [1, 0]), [10, 20]),
            lambda a: a.__setitem__((0, 1), 10.5),
            lambda a: a.__setitem__((2, 0), 19.5),
        ]
        for step, change in zip(steps, changes, strict=True):
            change(want)
            np.testing.assert_array_equal(session.run(step), want)
            np.testing.assert_array_equal(session.run(w), want)
    with pytest.raises(TypeError, match="changes a variable"):
        v1.scatter_add(np.zeros(3), [0], [1.0])


@JIT
def test_random_crops(jit):
    x = np.arange(60).reshape(5, 4, 3)
    with tf.Graph().as_default(), config(jit=jit), v1.Session() as session:
        part = v1.random_crop(tf.constant(x), [3, 2, 3], seed=1)
        assert part.shape == (3, 2, 3)
        corners = set()
        for _ in range(30):
            found = session.run(part)
            at = np.unravel_index(found[0, 0, 0], x.shape)
            corners.add(tuple(map(int, at)))
            i, j = at[:2]
            np.testing.assert_array_equal(found, x[i : i + 3, j : j + 2])
    assert len(corners) > 4 and all(c[2] == 0 for c in corners)
    with pytest.raises(ValueError, match=r"Need value\.shape >= size"):
        v1.random_crop(x, [6, 1, 1])
