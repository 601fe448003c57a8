"""Sparse tensors: against dense ones, in both modes, with derivatives."""

import numpy as np
import pytest

import graphopt as tf

v1 = tf.compat.v1
A = np.array([[0.0, 2.0, 0.0], [0.0, 0.0, 0.0], [3.0, 0.0, -4.0]], np.float32)
B = np.arange(6, dtype=np.float32).reshape(3, 2) + 1


def sparse(array=A):
    return tf.sparse.from_dense(array)


def dense(sp):
    return tf.sparse.to_dense(sp).numpy()


def test_parts_and_round_trip():
    sp = sparse()
    assert sp.indices.numpy().tolist() == [[0, 1], [2, 0], [2, 2]]
    assert sp.values.numpy().tolist() == [2.0, 3.0, -4.0]
    assert sp.shape == (3, 3) and sp.dtype is tf.float32
    assert np.array_equal(dense(sp), A)
    nine = tf.sparse.to_dense(sp, default_value=9).numpy()
    assert np.array_equal(nine, np.where(A == 0, 9, A))
    with pytest.raises(ValueError, match="do not fit"):
        tf.SparseTensor([[0]], [1.0, 2.0], [3])
    with pytest.raises(TypeError, match=r"tf\.SparseTensor"):
        tf.sparse.to_dense(A)


@pytest.mark.parametrize("adjoint_a", [False, True])
@pytest.mark.parametrize("adjoint_b", [False, True])
def test_products(adjoint_a, adjoint_b):
    left = A.T if adjoint_a else A
    b = B.T if adjoint_b else B
    got = tf.sparse.sparse_dense_matmul(sparse(), b, adjoint_a, adjoint_b).numpy()
    np.testing.assert_allclose(got, left @ B)
    other = tf.sparse.sparse_dense_matmul(B.T, sparse(), False, adjoint_a).numpy()
    np.testing.assert_allclose(other, B.T @ left)


def test_functions_agree_with_dense_ones():
    sp = sparse()
    assert np.array_equal(dense(tf.sparse.transpose(sp)), A.T)
    assert np.array_equal(dense(tf.sparse.reshape(sp, [1, -1])), A.reshape(1, 9))
    assert np.array_equal(dense(tf.sparse.slice(sp, [1, 0], [5, 2])), A[1:, :2])
    joined = tf.sparse.concat(1, [sp, sp])
    assert np.array_equal(dense(joined), np.concatenate([A, A], 1))
    assert joined.indices.numpy().tolist() == sorted(joined.indices.numpy().tolist())
    assert np.array_equal(dense(tf.sparse.add(sp, sp)), 2 * A)
    assert np.array_equal(tf.sparse.add(B @ B.T, sp).numpy(), B @ B.T + A)
    assert np.array_equal(tf.sparse.reduce_sum(sp, 1).numpy(), A.sum(1))
    assert tf.sparse.reduce_max(sp, 1).numpy().tolist() == [2.0, 0.0, 3.0]
    assert dense(tf.sparse.retain(sp, [True, False, False])).sum() == 2
    assert tf.sparse.expand_dims(sp, 1).shape == (3, 1, 3)
    assert np.array_equal(dense(tf.sparse.eye(2, 3)), np.eye(2, 3))
    assert tf.sparse.reset_shape(sp, [4, 4]).shape == (4, 4)
    filled, empty = tf.sparse.fill_empty_rows(sp, 7.0)
    assert empty.numpy().tolist() == [False, True, False]
    assert dense(filled)[1].tolist() == [7.0, 0.0, 0.0]
    assert np.array_equal(dense(tf.sparse.map_values(tf.square, sp)), A**2)
    assert np.array_equal(dense(sp * 2.0), A * 2)
    assert np.array_equal(dense(sp * [[1.0], [2.0], [3.0]]), A * [[1], [2], [3]])
    parts = tf.sparse.split(sp, 2, axis=1)
    assert [
        np.array_equal(dense(p), a)
        for p, a in zip(parts, (A[:, :2], A[:, 2:]), strict=True)
    ]
    words = tf.SparseTensor([[0, 0], [1, 0], [1, 1]], [2, 0, 1], [2, 2])
    assert tf.sparse.to_indicator(words, 3).numpy().tolist() == [
        [False, False, True],
        [True, True, False],
    ]


def test_softmax_is_of_what_is_there():
    got = dense(tf.sparse.softmax(sparse()))
    assert got[0].tolist() == [0.0, 1.0, 0.0] and got[1].tolist() == [0.0, 0.0, 0.0]
    e = np.exp(np.array([3.0, -4.0]) - 3)
    np.testing.assert_allclose(got[2, [0, 2]], e / e.sum(), rtol=1e-6)


def test_segments():
    data = tf.constant(B)
    ids = [0, 0, 1]
    total = tf.sparse.segment_sum(data, [2, 0, 1], ids).numpy()
    assert np.array_equal(total, [B[2] + B[0], B[1]])
    root = tf.sparse.segment_sqrt_n(data, [2, 0, 1], ids).numpy()
    np.testing.assert_allclose(root, [(B[2] + B[0]) / np.sqrt(2), B[1]], rtol=1e-6)


def test_derivatives():
    b, values = tf.Variable(B), tf.Variable([2.0, 3.0, -4.0])
    with tf.GradientTape() as tape:
        sp = tf.SparseTensor([[0, 1], [2, 0], [2, 2]], values, [3, 3])
        loss = tf.reduce_sum(tf.sparse.sparse_dense_matmul(sp, b) ** 2)
    with tf.GradientTape() as other:
        loss_of_dense = tf.reduce_sum(tf.matmul(tf.constant(A), b) ** 2)
    got_values, got = tape.gradient(loss, [values, b])
    np.testing.assert_allclose(got, other.gradient(loss_of_dense, b), rtol=1e-6)
    product = A @ B
    wanted = [2 * product[i] @ B[j] for i, j in ((0, 1), (2, 0), (2, 2))]
    np.testing.assert_allclose(got_values, wanted, rtol=1e-6)


def test_placeholders_fetches_and_training():
    with tf.Graph().as_default(), v1.Session() as session:
        x = v1.sparse_placeholder(tf.float32, [3, 3], name="x")
        anything = v1.sparse_placeholder(tf.float32)
        w = v1.Variable(B)
        y = v1.sparse_tensor_dense_matmul(x, w)
        train = v1.train.GradientDescentOptimizer(0.01).minimize(tf.reduce_sum(y**2))
        session.run(v1.global_variables_initializer())
        value = v1.SparseTensorValue([[0, 1], [2, 0], [2, 2]], [2.0, 3.0, -4.0], [3, 3])
        np.testing.assert_allclose(session.run(y, {x: value}), A @ B)
        back = session.run({"x": x, "y": [y]}, {x: tuple(value)})["x"]
        assert isinstance(back, v1.SparseTensorValue)
        assert back.indices.tolist() == value.indices and back.dense_shape.tolist() == [
            3,
            3,
        ]
        before = session.run(tf.reduce_sum(y**2), {x: value})
        session.run(train, {x: value})
        assert session.run(tf.reduce_sum(y**2), {x: value}) < before
        whole = v1.sparse_tensor_to_dense(anything)
        assert np.array_equal(session.run(whole, {anything: value}), A)
        smaller = v1.SparseTensorValue(np.zeros((0, 2)), [], [2, 2])
        assert session.run(whole, {anything: smaller}).shape == (2, 2)
        with pytest.raises(ValueError, match="Cannot feed the sparse"):
            session.run(whole, {anything: [1.0]})
    with pytest.raises(RuntimeError, match="eager"):
        v1.sparse_placeholder(tf.float32)


def test_version_1():
    got = v1.sparse_to_dense([[0, 1], [2, 0]], [3, 2], [5.0, 6.0], -1.0).numpy()
    assert got.tolist() == [[-1.0, 5.0], [-1.0, -1.0], [6.0, -1.0]]
    assert v1.sparse_to_dense([1, 2], [4], 1).numpy().tolist() == [0, 1, 1, 0]
    assert v1.sparse_reduce_sum(sparse(), reduction_axes=0, keep_dims=True).shape == (
        1,
        3,
    )
    assert v1.SparseTensor is tf.SparseTensor is tf.sparse.SparseTensor


@pytest.mark.parametrize("combiner", ["sum", "mean", "sqrtn"])
def test_lookups_are_weighted(combiner):
    table = np.arange(10, dtype=np.float32).reshape(5, 2)
    ids = tf.SparseTensor([[0, 0], [0, 1], [1, 0]], [3, 1, 4], [2, 2])
    weights = tf.SparseTensor([[0, 0], [0, 1], [1, 0]], [2.0, 0.5, 3.0], [2, 2])
    got = tf.nn.embedding_lookup_sparse(table, ids, weights, combiner).numpy()
    total = np.stack([2 * table[3] + 0.5 * table[1], 3 * table[4]])
    divisor = {"sum": [1, 1], "mean": [2.5, 3], "sqrtn": [np.sqrt(4.25), 3]}[combiner]
    np.testing.assert_allclose(got, total / np.array(divisor)[:, None], rtol=1e-6)
    plain = tf.nn.embedding_lookup_sparse(table, ids, None).numpy()
    np.testing.assert_allclose(plain, [(table[3] + table[1]) / 2, table[4]])
    parts = [table[::2], table[1::2]]
    old = v1.nn.embedding_lookup_sparse(parts, ids, None, combiner="mean").numpy()
    np.testing.assert_allclose(old, plain)


def test_lookups_leave_out_bad_ids():
    table = np.arange(10, dtype=np.float32).reshape(5, 2)
    ids = tf.SparseTensor([[0, 0], [2, 1]], [-1, 4], [3, 2])
    got = v1.nn.safe_embedding_lookup_sparse(table, ids).numpy()
    assert got.tolist() == [[0.0, 0.0], [0.0, 0.0], table[4].tolist()]
    other = v1.nn.safe_embedding_lookup_sparse(table, ids, default_id=1).numpy()
    assert other.tolist() == [table[1].tolist(), table[1].tolist(), table[4].tolist()]
    with pytest.raises(TypeError, match="sparse tensor"):
        tf.nn.embedding_lookup_sparse(table, [1], None)
    with pytest.raises(ValueError, match="combiner"):
        tf.nn.embedding_lookup_sparse(table, ids, None, "max")


def test_lookups_train_a_table():
    table = tf.Variable(np.ones((5, 2), np.float32))
    ids = tf.SparseTensor([[0, 0], [0, 1]], [3, 1], [1, 2])
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(tf.nn.embedding_lookup_sparse(table, ids, None, "sum"))
    slope = tf.convert_to_tensor(tape.gradient(loss, table)).numpy()
    assert slope.sum(1).tolist() == [0.0, 2.0, 0.0, 2.0, 0.0]
