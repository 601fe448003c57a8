"""Gather, scatter and segments against NumPy's, in every mode, and bad indices."""

from __future__ import annotations

import numpy as np
import pytest

import graphopt as tf
from graphopt.config import config
from tests.helpers import assert_everywhere, run_everywhere

X = np.arange(60.0).reshape(3, 4, 5)


@pytest.mark.parametrize("axis", [0, 1, 2, -1])
@pytest.mark.parametrize("shape", [(), (3,), (2, 2), (0,)])
@pytest.mark.parametrize("dtype", [np.int32, np.int64])
def test_gather(axis, shape, dtype):
    indices = np.random.default_rng(0).integers(0, 3, shape).astype(dtype)
    assert_everywhere(
        lambda x, i: tf.gather(x, i, axis=axis),
        [X, indices],
        np.take(X, indices, axis),
        shapes=[(None, 4, None), (None,) * len(shape)],
    )


def test_gather_in_batches():
    indices = np.random.default_rng(0).integers(0, 4, (3, 6))
    want = np.take_along_axis(X, indices[:, :, None], 1)
    assert_everywhere(lambda x, i: tf.gather(x, i, batch_dims=1), [X, indices], want)
    assert_everywhere(
        lambda x, i: tf.gather(x, i, axis=-2, batch_dims=-1), [X, indices], want
    )
    last = np.stack([X[b][:, indices[b]] for b in range(3)])
    assert_everywhere(
        lambda x, i: tf.gather(x, i, axis=2, batch_dims=1), [X, indices], last
    )


def bad_index(function, *arrays):
    """Returns the messages of the error in each mode, without place and op."""
    messages = []
    with pytest.raises(tf.errors.InvalidArgumentError) as caught:
        function(*map(tf.constant, arrays))
    messages.append(str(caught.value))
    for jit in ("never", "always"):
        with tf.Graph().as_default(), config(jit=jit):
            feeds = {tf.compat.v1.placeholder(a.dtype, a.shape): a for a in arrays}
            y = function(*feeds)
            with tf.compat.v1.Session() as session:
                with pytest.raises(tf.errors.InvalidArgumentError) as caught:
                    session.run(y, feeds)
                assert "test_indexing.py:" in str(caught.value)
                assert y.op.name in str(caught.value)
        messages.append(str(caught.value))
    return {
        message.partition("; op")[0].partition("; created")[0] for message in messages
    }


@pytest.mark.parametrize(
    ("function", "indices", "start"),
    [
        (
            lambda x, i: tf.gather(x, i),
            [[0, 1], [2, 3]],
            "indices[1,1] = 3 is not in [0, 3)",
        ),
        (lambda x, i: tf.gather(x, i), -1, "indices = -1 is not in [0, 3)"),
        (lambda x, i: tf.gather(x, i, axis=1), [7], "indices[0] = 7 is not in [0, 4)"),
        (
            lambda x, i: tf.gather(x, i, axis=2, batch_dims=1),
            [[0], [5], [9]],
            "indices[1,0] = 5 is not in [0, 5)",
        ),
        (lambda x, i: tf.gather(x[:0], i), [0], "indices[0] = 0 is not in [0, 0)"),
        (
            lambda x, i: tf.gather_nd(x, i),
            [[0, 3], [1, 4]],
            "indices[1,1] = 4 is not in [0, 4)",
        ),
        (
            lambda x, i: tf.tensor_scatter_nd_add(x, i, x[:1]),
            [[-2]],
            "indices[0,0] = -2 is not in [0, 3)",
        ),
        (
            lambda x, i: tf.tensor_scatter_nd_update(x, i, x[:1]),
            [[3]],
            "indices[0,0] = 3 is not in [0, 3)",
        ),
        (
            lambda x, i: tf.math.unsorted_segment_sum(x, i, 2),
            [0, -5, 2],
            "indices[2] = 2 is not in [0, 2)",
        ),
    ],
)
def test_bad_indices_are_named_alike_in_every_mode(function, indices, start):
    (message,) = bad_index(function, X, np.array(indices, np.int32))
    assert message.startswith(start)
    assert "got the index" in message
    assert "expected " in message


def test_the_gradient_checks_indices_too():
    with tf.Graph().as_default(), config(jit="always"):
        x = tf.compat.v1.placeholder(tf.float64, [2, 3])
        i = tf.compat.v1.placeholder(tf.int32, [2])
        (grad,) = tf.gradients(tf.reduce_sum(tf.gather(x, i, axis=1)), x)
        with tf.compat.v1.Session() as session:
            feeds = {x: np.zeros((2, 3)), i: [1, 1]}
            want = [[0, 2, 0], [0, 2, 0]]
            np.testing.assert_array_equal(session.run(grad, feeds), want)
            with pytest.raises(tf.errors.InvalidArgumentError, match="= 3 is not in"):
                session.run(grad, feeds | {i: [0, 3]})


def test_a_bad_index_changes_no_variable():
    with tf.Graph().as_default(), config(jit="always"):
        table = tf.Variable(np.ones((3, 2), np.float32))
        i = tf.compat.v1.placeholder(tf.int32, [None])
        loss = tf.reduce_sum(tf.nn.embedding_lookup(table, i))
        step = tf.optimizers.SGD(0.5).minimize(loss, [table])
        with tf.compat.v1.Session() as session:
            session.run(tf.compat.v1.global_variables_initializer())
            session.run(step, {i: [2, 0, 2]})
            want = [[0.5, 0.5], [1, 1], [0, 0]]
            np.testing.assert_array_equal(session.run(table), want)
            with pytest.raises(tf.errors.InvalidArgumentError, match="is not in"):
                session.run(step, {i: [0, 3]})
            np.testing.assert_array_equal(session.run(table), want)


def test_embedding_lookup_limits_norms():
    table = np.array([[3.0, 4.0], [0.3, 0.4]])
    assert_everywhere(
        lambda t, i: tf.nn.embedding_lookup(t, i, max_norm=1.0),
        [table, np.array([[0, 1]])],
        [[[0.6, 0.8], [0.3, 0.4]]],
        rtol=1e-12,
    )
    parts = [table[:1], table[1:]]
    got = tf.nn.embedding_lookup(parts, [1, 0])
    np.testing.assert_array_equal(got.numpy(), table[[1, 0]])


def test_gather_nd():
    i = np.array([[[1, 2], [0, 0]], [[2, 3], [2, 1]]])
    assert_everywhere(tf.gather_nd, [X, i], X[i[..., 0], i[..., 1]])
    assert_everywhere(
        tf.gather_nd, [X, i[..., :0]], np.broadcast_to(X, (2, 2, 3, 4, 5))
    )
    with pytest.raises(NotImplementedError, match="batch_dims"):
        tf.gather_nd(X, i, batch_dims=1)


def test_scatter():
    i = np.array([[2], [0], [2]], np.int32)
    updates = np.arange(15.0).reshape(3, 5)
    want = np.zeros((4, 5))
    want[2], want[0] = updates[0] + updates[2], updates[1]
    assert_everywhere(lambda i, u: tf.scatter_nd(i, u, [4, 5]), [i, updates], want)
    base = np.ones((4, 5))
    assert_everywhere(tf.tensor_scatter_nd_add, [base, i, updates], base + want)
    assert_everywhere(tf.tensor_scatter_nd_sub, [base, i, updates], base - want)
    last = base.copy()
    last[2], last[0] = updates[2], updates[1]
    assert_everywhere(tf.tensor_scatter_nd_update, [base, i, updates], last)
    everything = np.zeros((2, 0), np.int32)
    both = np.stack([base, 2 * base])
    assert_everywhere(tf.tensor_scatter_nd_add, [base, everything, both], 4 * base)
    assert_everywhere(tf.tensor_scatter_nd_update, [base, everything, both], 2 * base)


def test_scatter_refuses_other_shapes():
    for function in (tf.tensor_scatter_nd_add, tf.tensor_scatter_nd_update):
        with pytest.raises(
            tf.errors.InvalidArgumentError, match=r"Must have updates\.shape"
        ):
            function(np.zeros((3, 2)), [[0], [1]], np.zeros(2))


@pytest.mark.parametrize("axis", [None, -1, 0, 1])
def test_one_hot(axis):
    i = np.array([[0, 2], [-1, 3], [1, 1]], np.int32)
    want = np.eye(4)[np.clip(i, 0, 3)] * (i >= 0)[..., None]
    want = want if axis in (None, -1) else np.moveaxis(want, -1, axis)
    assert_everywhere(
        lambda i: tf.one_hot(i, 4, axis=axis), [i], want.astype(np.float32)
    )


def test_one_hot_values():
    i = np.array([1, 0], np.uint8)
    want = np.array([[-2, 5], [5, -2]], np.int64)
    assert_everywhere(
        lambda i: tf.one_hot(i, 2, on_value=np.int64(5), off_value=np.int64(-2)),
        [i],
        want,
    )
    assert tf.one_hot([1], 2, dtype=tf.bool).numpy().tolist() == [[False, True]]
    assert tf.one_hot(np.uint8(7), 300).numpy().argmax() == 7
    with pytest.raises(tf.errors.InvalidArgumentError, match="must be integers"):
        tf.one_hot([0.5], 2)


IDS = np.array([2, 0, 2, -1, 0], np.int32)
ROWS = np.random.default_rng(1).standard_normal((5, 3)).astype(np.float32)


def segments(reduce, start):
    """Combines the rows of each segment, in order."""
    groups = [ROWS[k == IDS] for k in range(4)]
    return np.array([reduce(g, 0) if len(g) else start * np.ones(3) for g in groups])


@pytest.mark.parametrize(
    ("function", "want"),
    [
        (tf.math.unsorted_segment_sum, segments(np.sum, 0)),
        (tf.math.unsorted_segment_mean, segments(np.mean, 0)),
        (tf.math.unsorted_segment_max, segments(np.max, -np.inf)),
        (tf.math.unsorted_segment_min, segments(np.min, np.inf)),
    ],
)
def test_unsorted_segments(function, want):
    assert_everywhere(
        lambda x, i: function(x, i, 4),
        [ROWS, IDS],
        want.astype(np.float32),
        rtol=1e-6,
        shapes=[(None, 3), (None,)],
    )


def test_sums_of_segments_have_the_same_bits_in_every_mode():
    rng = np.random.default_rng(2)
    x = rng.standard_normal((1000, 300)).astype(np.float32)
    ids = rng.integers(-1, 7, 1000)
    eager, interpreted, compiled = run_everywhere(
        lambda x, i: tf.math.unsorted_segment_sum(x, i, 7), x, ids
    )
    assert eager[0].tobytes() == interpreted[0].tobytes() == compiled[0].tobytes()


def test_sorted_segments():
    ids = np.array([0, 0, 1, 3, 3])
    want = [ROWS[:2].sum(0), ROWS[2], np.zeros(3), ROWS[3:].sum(0)]
    assert_everywhere(
        tf.math.segment_sum, [ROWS, ids], np.array(want, np.float32), rtol=1e-6
    )
    counts = np.array([2, 1, 1, 2])[:, None]
    assert_everywhere(
        tf.math.segment_mean,
        [ROWS, ids],
        np.array(want / counts, np.float32),
        rtol=1e-6,
    )
    for function, reduce in (
        (tf.math.segment_max, np.max),
        (tf.math.segment_min, np.min),
    ):
        groups = [reduce(ROWS[:2], 0), ROWS[2], np.zeros(3), reduce(ROWS[3:], 0)]
        assert_everywhere(function, [ROWS, ids], np.array(groups, np.float32))
    with tf.Graph().as_default():
        assert tf.math.segment_sum(ROWS, ids).shape == (4, 3)
    whole = tf.math.segment_mean([3, 4, -4, -5], [0, 0, 1, 1])
    assert whole.dtype == tf.int32
    assert whole.numpy().tolist() == [3, -4]


def test_second_derivative_of_a_lookup():
    table = tf.constant(X[0])
    ids = tf.constant([1, 1, 3])
    with tf.GradientTape() as outer:
        outer.watch(table)
        with tf.GradientTape() as inner:
            inner.watch(table)
            y = tf.reduce_sum(tf.gather(table, ids) ** 3.0)
        first = tf.convert_to_tensor(inner.gradient(y, table))
    counts = np.array([0, 2, 0, 1])[:, None]
    np.testing.assert_allclose(first, 3 * counts * X[0] ** 2)
    second = tf.convert_to_tensor(outer.gradient(first, table))
    np.testing.assert_allclose(second, 6 * counts * X[0])
