"""Products and losses where the run decides several sizes: one compiled step."""

import numpy as np
import pytest

import graphopt as tf

v1 = tf.compat.v1
X = np.random.RandomState(0).randn(2, 3, 4).astype(np.float32)
W = np.random.RandomState(1).randn(4, 5).astype(np.float32)


@pytest.mark.parametrize(
    ("equation", "shapes"),
    [
        ("abc,cd->abd", ([None, None, 4], [4, 5])),
        ("abc,cd->abd", ([None, None, None], [None, None])),
        ("abc,abd->acd", ([None, None, 4], [None, None, 4])),
        ("abc,bd->abcd", ([None, None, None], [None, 4])),
    ],
)
def test_einsum(equation, shapes):
    values = [X, W if equation.endswith("abd") else X]
    if equation.startswith("abc,bd"):
        values[1] = W[:3, :4]
    with tf.Graph().as_default(), v1.Session() as session:
        fed = [v1.placeholder(tf.float32, shape) for shape in shapes]
        y = tf.einsum(equation, *fed)
        slope = tf.gradients(tf.reduce_sum(y * y), fed[0])[0]
        feed = dict(zip(fed, values, strict=True))
        got, got_slope = session.run([y, slope], feed)
    wanted = np.einsum(equation, *values)
    np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=1e-5)
    operand, result = equation.split("->")[0].split(",")[1], equation.split("->")[1]
    back = np.einsum(f"{result},{operand}->abc", 2 * wanted, values[1])
    np.testing.assert_allclose(got_slope, back, rtol=1e-4, atol=1e-4)


def test_tensordot_and_layers():
    with tf.Graph().as_default(), v1.Session() as session:
        x = v1.placeholder(tf.float32, [None, None, 4])
        y = tf.tensordot(x, W, [[2], [0]])
        assert y.shape.as_list() == [None, None, 5]
        z = v1.layers.dense(x, 5, kernel_initializer=v1.constant_initializer(W))
        session.run(v1.global_variables_initializer())
        for rows in (X, X[:1, :2]):
            got = session.run([y, z], {x: rows})
            np.testing.assert_allclose(got[0], rows @ W, rtol=1e-5, atol=1e-6)
            np.testing.assert_allclose(got[1], rows @ W, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("classes", [4, None])
@pytest.mark.parametrize("is_sparse", [True, False])
def test_cross_entropies(classes, is_sparse):
    labels = np.array([[0, 1, 2], [3, 0, 1]])
    given = labels if is_sparse else np.eye(4, dtype=np.float32)[labels]
    with tf.Graph().as_default(), v1.Session() as session:
        x = v1.placeholder(tf.float32, [None, None, classes])
        kind = tf.int64 if is_sparse else tf.float32
        y = v1.placeholder(kind, [None, None] if is_sparse else [None, None, 4])
        function = (
            tf.nn.sparse_softmax_cross_entropy_with_logits
            if is_sparse
            else tf.nn.softmax_cross_entropy_with_logits
        )
        loss = function(labels=y, logits=x)
        slope = tf.gradients(loss, x)[0]
        got, got_slope = session.run([loss, slope], {x: X, y: given})
    e = np.exp(X - X.max(-1, keepdims=True))
    p = e / e.sum(-1, keepdims=True)
    chosen = np.take_along_axis(p, labels[..., None], -1)[..., 0]
    np.testing.assert_allclose(got, -np.log(chosen), rtol=1e-5)
    np.testing.assert_allclose(got_slope, p - np.eye(4)[labels], rtol=1e-4, atol=1e-6)


def test_a_training_step_is_compiled():
    with tf.Graph().as_default(), v1.Session() as session:
        x = v1.placeholder(tf.float32, [None, None, 4])
        y = v1.placeholder(tf.int32, [None, None])
        logits = v1.layers.dense(x, 5)
        loss = tf.reduce_mean(
            tf.nn.sparse_softmax_cross_entropy_with_logits(labels=y, logits=logits)
        )
        train = v1.train.GradientDescentOptimizer(0.1).minimize(loss)
        session.run(v1.global_variables_initializer())
        feed = {x: X, y: np.zeros((2, 3), np.int32)}
        first = session.run(loss, feed)
        for _ in range(5):
            session.run(train, feed)
        assert session.run(loss, feed) < first
        assert "python" not in str(session.plan(train, feed)).lower()


def test_split_of_a_dimension_that_the_run_decides():
    with tf.Graph().as_default(), v1.Session() as session:
        x = v1.placeholder(tf.float32, [None, None, 4])
        parts = tf.split(x, 3, axis=1)
        assert [part.shape.as_list() for part in parts] == [[None, None, 4]] * 3
        slope = tf.gradients(tf.reduce_sum(parts[1]), x)[0]
        rows = np.arange(2 * 6 * 4, dtype=np.float32).reshape(2, 6, 4)
        got = session.run([*parts, slope], {x: rows})
        for mine, theirs in zip(got, np.split(rows, 3, 1), strict=False):
            assert np.array_equal(mine, theirs)
        assert got[3][:, 2:4].all() and not got[3][:, :2].any()
        with pytest.raises(tf.errors.InvalidArgumentError):
            session.run(parts, {x: X[:, :2]})


def test_nests_are_fed():
    with tf.Graph().as_default(), v1.Session() as session:
        cell = v1.nn.rnn_cell.BasicLSTMCell(2)
        state = cell.zero_state(1, tf.float32)
        value = v1.nn.rnn_cell.LSTMStateTuple(np.ones((1, 2)), np.zeros((1, 2)))
        total = tf.reduce_sum(state.c) + 10 * tf.reduce_sum(state.h)
        assert session.run(total, {state: value}) == 2
        with pytest.raises(ValueError, match="another structure"):
            session.run(total, {state: (1, 2, 3)})


def test_labels_of_a_higher_rank_are_a_matrix():
    with tf.Graph().as_default(), v1.Session() as session:
        x = v1.placeholder(tf.float32, [None, 4])
        labels = tf.stop_gradient([tf.one_hot([0, 2, 1], 4)])
        loss = v1.nn.softmax_cross_entropy_with_logits_v2(logits=x, labels=labels)
        wanted = tf.nn.sparse_softmax_cross_entropy_with_logits([0, 2, 1], x)
        assert np.array_equal(*session.run([loss, wanted], {x: X[0]}))
