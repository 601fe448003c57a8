"""Ranks and sizes that only the run knows: the same kernels, in one native part."""

import json
import threading

import numpy as np
import pytest

import graphopt as tf
from graphopt.exchange.node_link import graph_to_json
from graphopt.exchange.reader import graph_from_json

v1 = tf.compat.v1
X = np.arange(24, dtype=np.float32).reshape(4, 6) / 7 - 1.3


def n(x):
    return tf.shape(x)[0]


# What is done with a placeholder of unknown rank.
OF_UNKNOWN_RANK = {
    "reduce_sum": lambda x: tf.reduce_sum(x, 1),
    "reduce_mean": lambda x: tf.reduce_mean(x, -1, keepdims=True),
    "reduce_max": lambda x: tf.reduce_max(x, [0, 1]),
    "reduce_logsumexp": lambda x: tf.reduce_logsumexp(x, 1),
    "argmax": lambda x: tf.argmax(x, 1),
    "transpose": lambda x: tf.transpose(x),
    "split": lambda x: tf.split(x, 2, axis=1)[1],
    "split into sizes": lambda x: tf.split(x, [2, 4], axis=1)[0],
    "unstack": lambda x: tf.unstack(x, num=6, axis=1)[2],
    "stack": lambda x: tf.stack([x, 2 * x], 1),
    "one_hot": lambda x: tf.one_hot(tf.cast(x, tf.int32), 3),
    "concat": lambda x: tf.concat([x, x], 1),
    "reverse": lambda x: tf.reverse(x, [1]),
    "roll": lambda x: tf.roll(x, 1, -1),
    "moments": lambda x: tf.nn.moments(x, [0])[1],
    "l2_normalize": lambda x: tf.math.l2_normalize(x, 1),
    "softmax": lambda x: tf.nn.softmax(x),
    "gather": lambda x: tf.gather(x, [1, 0], axis=-1),
    "einsum": lambda x: tf.einsum("ij,kj->ik", x, x),
    "tensordot": lambda x: tf.tensordot(x, x, [[1], [1]]),
    "matrix_transpose": lambda x: tf.linalg.matrix_transpose(x),
    "mirrored pad": lambda x: tf.pad(x, [[1, 1], [2, 0]], "REFLECT"),
    "cross entropy": lambda x: tf.nn.softmax_cross_entropy_with_logits(
        labels=tf.nn.softmax(-x), logits=x
    ),
    "sparse cross entropy": lambda x: tf.nn.sparse_softmax_cross_entropy_with_logits(
        labels=[0, 1, 5, 2], logits=x
    ),
    "dropout": lambda x: tf.nn.dropout(x, rate=0.0) * 3,
}
# What is done with sizes that follow from the shape of a placeholder.
OF_SIZES = {
    "zeros": lambda x: tf.zeros([n(x), 3]) + x[:, :3],
    "fill": lambda x: tf.fill([n(x), 6], 7.0) * x,
    "tile": lambda x: tf.tile(x, [1, n(x)]),
    "slice": lambda x: tf.slice(x, [0, 0], [n(x) - 1, 2]),
    "slice from": lambda x: tf.slice(x, [n(x) - 2, 0], [-1, 2]),
    "x[:n]": lambda x: x[: n(x) // 2],
    "x[n - 1]": lambda x: x[n(x) - 1],
    "x[-n:]": lambda x: x[-(n(x) - 1) :],
    "split": lambda x: tf.split(x, [n(x) - 1, 1])[0],
    "eye": lambda x: tf.eye(n(x)) @ x,
    "linspace": lambda x: tf.linspace(0.0, 1.0, n(x))[:, None] * x,
    "range": lambda x: tf.cast(tf.range(n(x)), tf.float32)[:, None] * x,
    "pad": lambda x: tf.pad(x, [[0, 10 - n(x)], [0, 0]]),
    "one_hot": lambda x: tf.one_hot([0, 1], n(x)) @ x,
    "reshape": lambda x: tf.reshape(x, [n(x) * 2, 3]),
    "reshape to a product": lambda x: tf.reshape(x, [tf.reduce_prod(tf.shape(x))]),
    "broadcast_to": lambda x: tf.broadcast_to(x[0], [n(x) + 1, 6]),
    "scatter_nd": lambda x: tf.scatter_nd([[1]], [x[0]], [n(x), 6]),
    "meshgrid": lambda x: tf.meshgrid(x[:, 0], x[:, 1])[0],
    "band_part": lambda x: tf.linalg.band_part(x, n(x) - 3, 0),
    "segments": lambda x: tf.math.unsorted_segment_sum(x, [0, 1, 1, 2], n(x)),
    "conv2d_transpose": lambda x: v1.nn.conv2d_transpose(
        x[None, :, :, None], tf.ones([3, 3, 2, 1]), [1, 2 * n(x), 12, 2], [1, 2, 2, 1]
    ),
    "maximum": lambda x: tf.zeros([tf.maximum(n(x), 6)]) + x,
    "where": lambda x: tf.zeros([tf.where(n(x) > 2, 6, 5)]) + x,
    "ceil": lambda x: x[
        : tf.cast(tf.math.ceil(tf.cast(n(x), tf.float32) / 3), tf.int32)
    ],
    "gathered": lambda x: tf.zeros(tf.gather(tf.shape(x), [1, 0])) + tf.transpose(x),
}


def run_in_graph(function, shape, value=X):
    """Values and gradient in three runs, and the plan of both."""
    with tf.Graph().as_default(), v1.Session() as session:
        x = v1.placeholder(tf.float32, shape)
        fetches = [function(x)]
        if fetches[0].dtype.is_floating:
            weights = tf.cos(fetches[0])
            found = tf.gradients(tf.reduce_sum(fetches[0] * weights), x)
            fetches += [each for each in found if each is not None]
        found = [session.run(fetches, {x: value}) for _ in range(3)]
        plan = session.plan(fetches, {x: value})
    for each in found[1:]:
        for a, b in zip(found[0], each, strict=True):
            np.testing.assert_allclose(a, b, rtol=2e-6, atol=1e-6)
    return found[-1], plan


def run_eagerly(function, value=X):
    x = tf.constant(value)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = function(x)
        total = tf.reduce_sum(y * tf.cos(y)) if y.dtype.is_floating else None
    found = [y.numpy()]
    slope = None if total is None else tape.gradient(total, x)
    return found if slope is None else [*found, slope.numpy()]


@pytest.mark.parametrize("name", OF_UNKNOWN_RANK)
def test_unknown_rank(name):
    check(OF_UNKNOWN_RANK[name], None)


@pytest.mark.parametrize("name", OF_SIZES)
def test_sizes_computed_in_the_graph(name):
    check(OF_SIZES[name], [None, 6])


def check(function, shape):
    found, plan = run_in_graph(function, shape)
    found_eagerly = run_eagerly(function)
    assert len(found) == len(found_eagerly)
    for got, expected in zip(found, found_eagerly, strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-6)
    assert not plan.interpreted
    assert [step.type for step in plan.steps if step.kernel == "HOST"] == []


def test_what_is_known_of_shapes_before_the_run():
    with tf.Graph().as_default():
        x = v1.placeholder(tf.float32, [None, 6])
        k = v1.placeholder(tf.int32, [])
        for tensor, shape in (
            (tf.tile(x, [1, n(x)]), [None, None]),
            (tf.tile(x, [n(x), 2]), [None, 12]),
            (tf.pad(x, [[0, k], [1, 1]]), [None, 8]),
            (tf.eye(k, 3), [None, 3]),
            (tf.one_hot([1, 2], k), [2, None]),
            (tf.one_hot([1, 2], k, axis=0), [None, 2]),
            (tf.broadcast_to(x, [k, 1, 6]), [None, 1, 6]),
            (tf.split(x, [k, 1, -1], axis=1)[1], [None, None]),
            (tf.math.top_k(x, k)[1], [None, None]),
            (tf.scatter_nd([[0]], [1.0], [k]), [None]),
            (tf.reverse(x, [k]), [None, 6]),
            (tf.random.normal([k, 3]), [None, 3]),
        ):
            assert tensor.shape.as_list() == shape


def test_data_decide_a_size_and_only_that_is_a_host_step():
    with tf.Graph().as_default(), v1.Session() as session:
        x = v1.placeholder(tf.float32, [None, 6])
        k = v1.placeholder(tf.int32, [])
        w = tf.Variable(np.ones((6, 2), np.float32))
        rows = tf.tile(x, [k, 1])
        loss = tf.reduce_sum(rows) + tf.reduce_sum(tf.square(x @ w))
        step = v1.train.GradientDescentOptimizer(0.1).minimize(loss)
        session.run(w.initializer)
        plan = session.plan([step, loss], {x: X, k: 2})
        hosts = [s.type for s in plan.steps if s.kernel == "HOST"]
        assert hosts == ["Deferred", "Sum"] and not plan.interpreted
        for times in (2, 3, 0):
            feed = {x: X, k: times}
            expected = X.sum() * times + np.square(X @ session.run(w)).sum()
            got, _ = session.run([loss, step], feed)
            np.testing.assert_allclose(got, expected, rtol=1e-5)
            got = session.run(tf.gradients(rows, x)[0], feed)
            np.testing.assert_array_equal(got, np.full_like(X, times))


def test_second_derivatives():
    def function(x):
        return tf.reduce_sum(tf.reduce_mean(tf.square(x), 1) ** 3)

    with tf.Graph().as_default(), v1.Session() as session:
        x = v1.placeholder(tf.float32)
        (first,) = tf.gradients(function(x), x)
        (second,) = tf.gradients(first, x)
        third = tf.gradients(second, x)[0]
        got = session.run([first, second, third], {x: X})
    with tf.GradientTape(persistent=True) as c:
        v = tf.constant(X)
        c.watch(v)
        with tf.GradientTape() as b:
            b.watch(v)
            with tf.GradientTape() as a:
                a.watch(v)
                y = function(v)
            first = a.gradient(y, v)
        second = b.gradient(first, v)
    expected = [first, second, c.gradient(second, v)]
    for one, other in zip(got, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-5)


def test_several_ranks_with_one_placeholder():
    with tf.Graph().as_default(), v1.Session() as session:
        x = v1.placeholder(tf.float32)
        y = tf.reduce_sum(x, -1)
        for shape in ([3], [2, 3], [2, 2, 3], [3]):
            value = np.arange(np.prod(shape), dtype=np.float32).reshape(shape)
            for _ in range(3):
                np.testing.assert_array_equal(session.run(y, {x: value}), value.sum(-1))
        with pytest.raises(ValueError, match="reduction dimension"):
            session.run(y, {x: 1.0})


def test_in_branches_loops_and_functions():
    with tf.Graph().as_default(), v1.Session() as session:
        x = v1.placeholder(tf.float32)
        branch = tf.cond(x[0, 0] > 0, lambda: tf.reduce_sum(x, 1), lambda: x[:, 0])
        _, total = tf.while_loop(
            lambda i, a: i < 3,
            lambda i, a: (i + 1, a + tf.reduce_sum(tf.tile(x, [n(x), 1]))),
            (0, 0.0),
        )
        for _ in range(3):
            got = session.run([branch, total], {x: X})
        np.testing.assert_allclose(got[0], X[:, 0])
        np.testing.assert_allclose(got[1], 12 * X.sum(), rtol=1e-5)

    @tf.function(input_signature=[tf.TensorSpec(None)])
    def mean(x):
        return tf.reduce_mean(x, 0) + tf.zeros([tf.shape(x)[1]])

    np.testing.assert_allclose(mean(X), X.mean(0), rtol=1e-5)
    np.testing.assert_allclose(mean(X[:2]), X[:2].mean(0), rtol=1e-5)


def test_calls_that_wait_are_written_to_files():
    with tf.Graph().as_default() as graph:
        x = v1.placeholder(tf.float32, [None, 2], name="x")
        y = tf.tile(x, [n(x), 1], name="y")
    values = json.loads(json.dumps(graph_to_json(graph, (), [y])))
    loaded = graph_from_json(values)
    assert str(loaded.graph) == str(graph)
    with v1.Session(graph=loaded.graph) as session:
        got = session.run("y:0", {"x:0": [[1, 2], [3, 4]]})
        assert got.tolist() == [[1, 2], [3, 4], [1, 2], [3, 4]]


def test_a_call_that_waits_leaves_nothing_else_in_the_graph():
    with tf.Graph().as_default() as graph:
        x = v1.placeholder(tf.float32)
        tf.reduce_mean(x, 1)
        tf.transpose(x, name="turned")
        tf.one_hot(tf.cast(x, tf.int32), 3)
        types = [op.type for op in graph.get_operations()]
        assert types.count("Deferred") == 3 and len(types) == 5
        assert graph.get_operations()[2].name == "turned"


def test_errors_name_the_line_of_the_call():
    with tf.Graph().as_default(), v1.Session() as session:
        x = v1.placeholder(tf.float32)
        y = tf.split(x, 4, axis=1)[0]
        with pytest.raises(tf.errors.InvalidArgumentError, match=r"test_deferred.py"):
            session.run(y, {x: X})


def test_random_numbers_of_sizes_from_the_graph_are_those_of_numbers():
    def draw(size):
        return [
            tf.random.normal([size, 3], seed=5),
            tf.random.uniform([size], seed=6),
            tf.random.uniform([size], 0, 9, tf.int32, seed=7),
            v1.truncated_normal([size, 2], seed=8),
        ]

    def run(build, feed):
        with tf.Graph().as_default(), v1.Session() as session:
            tf.random.set_seed(1)
            fetches, feeds = build()
            return [session.run(fetches, {p: feed for p in feeds}) for _ in range(3)]

    def from_shape():
        x = v1.placeholder(tf.float32, [None, 6])
        return draw(n(x)), [x]

    for one, other in zip(
        run(from_shape, X), run(lambda: (draw(4), []), None), strict=True
    ):
        for a, b in zip(one, other, strict=True):
            np.testing.assert_array_equal(a, b)


def test_threads_that_build_one_graph_lose_nothing():
    with tf.Graph().as_default() as graph:
        x = v1.placeholder(tf.float32)

    def build(kept):
        with graph.as_default():
            for _ in range(200):
                kept.append(tf.reduce_mean(tf.transpose(x) + 1.0, 0))

    kept = [[] for _ in range(4)]
    threads = [threading.Thread(target=build, args=(each,)) for each in kept]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    operations = graph.get_operations()
    assert len({op.name for op in operations}) == len(operations)
    assert all(operations[op.index] is op for op in operations)
    with v1.Session(graph=graph) as session:
        found = session.run([tensors[-1] for tensors in kept], {x: X})
    for value in found:
        np.testing.assert_allclose(value, X.T.mean(0) + 1, rtol=1e-5)
