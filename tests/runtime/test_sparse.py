"""IndexedSlices, scatters on variables and sparse updates by optimizers."""

from __future__ import annotations

import numpy as np
import pytest

import graphopt as tf
from graphopt.config import config

v1 = tf.compat.v1
MODES = pytest.mark.parametrize("jit", ["eager", "never", "always"])


def in_mode(jit, build):
    """Returns what `build` returns, computed eagerly or in a session."""
    if jit == "eager":
        return [np.asarray(tf.convert_to_tensor(x)) for x in build()]
    with tf.Graph().as_default(), config(jit=jit), v1.Session() as session:
        fetches = build()
        session.run(v1.global_variables_initializer())
        return session.run(fetches)


@MODES
def test_gradient_of_a_gather_is_sparse(jit):
    kinds = []

    def build():
        table = tf.Variable(np.arange(8.0, dtype=np.float32).reshape(4, 2))
        with tf.GradientTape() as tape:
            rows = tf.gather(table, [[1, 3], [1, 1]])
            loss = tf.reduce_sum(rows * rows)
        grad = tape.gradient(loss, table)
        kinds.append(type(grad))
        return [tf.convert_to_tensor(grad), grad.values, grad.indices]

    dense, values, indices = in_mode(jit, build)
    assert kinds == [tf.IndexedSlices]
    np.testing.assert_array_equal(dense, [[0, 0], [12, 18], [0, 0], [12, 14]])
    np.testing.assert_array_equal(indices, [1, 3, 1, 1])
    assert values.shape == (4, 2)


@MODES
def test_sparse_gradients_add_up_and_become_dense_where_they_must(jit):
    def build():
        table = tf.Variable([[1.0], [2.0], [3.0]])
        with tf.GradientTape(persistent=True) as tape:
            twice = tf.gather(table, [0, 2]) * tf.gather(table, [2, 2])
            mixed = tf.reduce_sum(tf.gather(table, [1])) + tf.reduce_sum(table)
            through = tf.gather(table * 2.0, [1])
        return [
            tf.convert_to_tensor(tape.gradient(y, table))
            for y in (twice, mixed, through)
        ]

    twice, mixed, through = in_mode(jit, build)
    np.testing.assert_array_equal(twice, [[3], [0], [7]])
    np.testing.assert_array_equal(mixed, [[1], [2], [1]])
    np.testing.assert_array_equal(through, [[0], [2], [0]])


def test_fetching_slices_gives_their_parts():
    with tf.Graph().as_default() as graph, v1.Session() as session:
        table = tf.Variable(np.ones((3, 2), np.float32))
        (grad,) = tf.gradients(tf.gather(table, [2, 0]), [table])
        session.run(table.initializer)
        for _ in range(3):
            got = session.run({"g": grad})["g"]
            size = len(graph)
        assert len(graph) == size
    np.testing.assert_array_equal(got.values, np.ones((2, 2)))
    np.testing.assert_array_equal(got.indices, [2, 0])
    np.testing.assert_array_equal(got.dense_shape, [3, 2])


@MODES
@pytest.mark.parametrize(
    ("option", "want"),
    [
        ("update", [[1, 2], [9, 9], [7, 8]]),
        ("add", [[1, 2], [5, 6], [15, 16]]),
        ("sub", [[1, 2], [1, 2], [-5, -4]]),
        ("mul", [[1, 2], [6, 8], [315, 378]]),
        ("max", [[1, 2], [3, 4], [9, 9]]),
        ("min", [[1, 2], [2, 2], [5, 6]]),
    ],
)
def test_scatters(jit, option, want):
    rows = {
        "update": [[7.0, 8.0], [9.0, 9.0], [7.0, 8.0]],
        "add": [[1.0, 1.0], [2.0, 2.0], [9.0, 9.0]],
        "sub": [[1.0, 1.0], [2.0, 2.0], [9.0, 9.0]],
        "mul": [[7.0, 7.0], [2.0, 2.0], [9.0, 9.0]],
        "max": [[7.0, 7.0], [2.0, 2.0], [9.0, 9.0]],
        "min": [[7.0, 7.0], [2.0, 2.0], [9.0, 9.0]],
    }[option]

    def build():
        v = tf.Variable([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
        delta = tf.IndexedSlices(tf.constant(rows), tf.constant([2, 1, 2]))
        return [getattr(v, f"scatter_{option}")(delta)]

    np.testing.assert_array_equal(in_mode(jit, build)[0], want)


@MODES
def test_bad_scatters(jit):
    def build():
        v = tf.Variable([[1.0], [2.0]], name="rows")
        return [v.scatter_add(tf.IndexedSlices([[1.0]], [2]))]

    words = r"\[0\] = 2 is not in \[0, 2\).*test_sparse\.py"
    with pytest.raises(tf.errors.InvalidArgumentError, match=words):
        in_mode(jit, build)

    def wrong_shape():
        v = tf.Variable([[1.0], [2.0]])
        return [v.scatter_add(tf.IndexedSlices([[1.0, 2.0]], [1]))]

    with pytest.raises(ValueError, match=r"updates\.shape"):
        in_mode(jit, wrong_shape)


@MODES
@pytest.mark.parametrize(
    "name", ["SGD", "Adam", "Adagrad", "Adadelta", "Adamax", "Nadam", "RMSprop", "Ftrl"]
)
def test_one_equation_for_dense_and_sparse(jit, name):
    """With every row named, sparse and dense updates are the same."""
    start = np.random.default_rng(1).normal(size=(4, 3)).astype(np.float32)
    grads = np.random.default_rng(2).normal(size=(4, 3)).astype(np.float32)

    def build():
        results = []
        for sparse in (True, False):
            opt = getattr(tf.keras.optimizers, name)(0.1)
            w = tf.Variable(start)
            g = tf.constant(grads)
            if sparse:
                order = [2, 0, 3, 1]
                g = tf.IndexedSlices(tf.constant(grads[order]), tf.constant(order))
                g.dense_shape = (4, 3)
            done = opt.apply_gradients([(g, w)])
            with tf.control_dependencies([done] if jit != "eager" else []):
                results.append(w.read_value())
        return results

    sparse, dense = in_mode(jit, build)
    np.testing.assert_allclose(sparse, dense, rtol=1e-6)
    assert np.abs(sparse - start).max() > 1e-4


@MODES
def test_rows_that_are_not_named_stay(jit):
    def build():
        w = tf.Variable(np.ones((5, 2), np.float32))
        opt = tf.keras.optimizers.SGD(1.0, momentum=0.9)
        g = tf.IndexedSlices(tf.ones([3, 2]), tf.constant([4, 1, 4]), (5, 2))
        done = opt.apply_gradients([(g, w)])
        with tf.control_dependencies([done] if jit != "eager" else []):
            return [w.read_value(), opt.get_slot(w, "momentum").read_value()]

    w, momentum = in_mode(jit, build)
    np.testing.assert_array_equal(w[:, 0], [1, 0, 1, 1, -1])
    np.testing.assert_array_equal(momentum[:, 0], [0, -1, 0, 0, -2])


@MODES
def test_bad_index_in_a_sparse_step_changes_nothing(jit):
    words = r"= 9 is not in \[0, 4\)"
    if jit == "eager":
        opt, w = tf.keras.optimizers.Adam(0.1), tf.Variable(np.ones((4, 2)))
        g = tf.IndexedSlices(tf.ones([1, 2], tf.float64), tf.constant([9]), (4, 2))
        with pytest.raises(tf.errors.InvalidArgumentError, match=words):
            opt.apply_gradients([(g, w)])
        np.testing.assert_array_equal(w.numpy(), np.ones((4, 2)))
        assert int(opt.iterations) == 0
        return
    with tf.Graph().as_default(), config(jit=jit), v1.Session() as session:
        ids = v1.placeholder(tf.int32, [None])
        other, w = tf.Variable(2.0), tf.Variable(np.ones((4, 2), np.float32))
        opt = tf.keras.optimizers.Adagrad(0.1)
        grad = tf.IndexedSlices(tf.ones([1, 2]), ids, (4, 2))
        train = opt.apply_gradients([(tf.constant(1.0), other), (grad, w)])
        session.run(v1.global_variables_initializer())
        train.run({ids: [1]})
        before = session.run([other, w, *opt.weights])
        with pytest.raises(tf.errors.InvalidArgumentError, match=words):
            train.run({ids: [9]})
        for a, b in zip(session.run([other, w, *opt.weights]), before, strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("mode", ["eager", "graph"])
def test_custom_optimizer_gets_unique_rows(mode):
    class Rows(tf.keras.optimizers.Optimizer):
        def __init__(self, name="Rows", **kwargs):
            super().__init__(name, **kwargs)
            self._set_hyper("learning_rate", 1.0)

        def _resource_apply_sparse(self, grad, var, indices, apply_state=None):
            rows = tf.gather(var, indices) - grad
            return self._resource_scatter_update(var, indices, rows)

    def build():
        w = tf.Variable(np.zeros((4, 1), np.float32))
        g = tf.IndexedSlices(tf.ones([3, 1]), tf.constant([2, 0, 2]), (4, 1))
        done = Rows().apply_gradients([(g, w)])
        with tf.control_dependencies([done] if mode == "graph" else []):
            return [w.read_value()]

    (w,) = in_mode("eager" if mode == "eager" else "never", build)
    np.testing.assert_array_equal(w[:, 0], [-1, 0, -2, 0])


def test_embedding_trains():
    with tf.Graph().as_default():
        ids = v1.placeholder(tf.int32, [None])
        table = tf.Variable(np.zeros((10, 4), np.float32))
        loss = tf.reduce_mean(tf.square(tf.nn.embedding_lookup(table, ids) - 1.0))
        train = tf.keras.optimizers.SGD(2.0).minimize(loss, var_list=[table])
        with config(jit="always"), v1.Session() as session:
            session.run(v1.global_variables_initializer())
            for _ in range(50):
                session.run(train, {ids: [3, 7, 3]})
            value = session.run(table)
    np.testing.assert_allclose(value[[3, 7]], 1.0, atol=1e-3)
    assert not value[[0, 1, 2, 4, 5, 6, 8, 9]].any()
