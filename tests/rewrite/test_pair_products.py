"""A matrix is read once for its product and its transpose's, with the same bits."""

from __future__ import annotations

import numpy as np
import pytest

import graphopt as tf
from graphopt.config import config
from graphopt.ops.fused import FUSED_BOTH
from graphopt.rewrite import pair_products

v1 = tf.compat.v1
NAME = "pair_products"


def run(make, feeds, off=()):
    """Runs what `make` builds; returns the results and the plan."""
    with config(jit="always", passes_off=off), tf.Graph().as_default():
        fed = {v1.placeholder(tf.as_dtype(a.dtype), a.shape): a for a in feeds}
        fetches = make(*fed)
        with v1.Session() as session:
            session.run(v1.global_variables_initializer())
            return session.run(fetches, fed), session.plan(fetches, fed)


def pairs_of(plan):
    return [step for step in plan.steps if step.type == FUSED_BOTH.name]


def arrays(rows, columns, dtype=np.float32):
    rng = np.random.default_rng(7)
    shapes = (rows, columns), (columns,), (rows,)
    return [rng.standard_normal(shape).astype(dtype) for shape in shapes]


def logistic(x, w, y):
    """The loss of a logistic regression and its gradient."""
    z = tf.linalg.matvec(x, w) + 0.25
    losses = tf.nn.sigmoid_cross_entropy_with_logits(labels=y, logits=z)
    return tf.gradients(tf.reduce_mean(losses), [w])[0]


def bits(results):
    return [np.asarray(each).tobytes() for each in results]


@pytest.fixture
def of_any_size(monkeypatch):
    monkeypatch.setattr(pair_products, "SMALLEST", 1)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    "sizes",
    [(2, 3), (8, 16), (13, 7), (255, 33), (256, 130), (257, 2), (700, 129), (1031, 40)],
)
def test_bits_are_those_of_separate_products(of_any_size, sizes, dtype):
    feeds = arrays(*sizes, dtype)
    together, plan = run(logistic, feeds)
    apart, other = run(logistic, feeds, off=(NAME,))
    assert bits([together]) == bits([apart])
    assert len(pairs_of(plan)) == 1
    assert not pairs_of(other)
    x, w, y = (each.astype(np.float64) for each in feeds)
    wanted = x.T @ ((1 / (1 + np.exp(-(x @ w + 0.25))) - y) / len(y))
    np.testing.assert_allclose(together, wanted, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("threads", ["1", "2", "8"])
def test_threads_do_not_change_a_bit(threads, monkeypatch):
    feeds = arrays(5000, 300)
    apart, _ = run(logistic, feeds, off=(NAME,))
    monkeypatch.setenv("GRAPHOPT_THREADS", threads)
    together, plan = run(logistic, feeds)
    assert pairs_of(plan)
    assert bits([together]) == bits([apart])


def test_small_matrices_stay_in_the_cache():
    feeds = arrays(100, 100)
    _, plan = run(logistic, feeds)
    assert not pairs_of(plan)


def test_what_is_between_may_be_wanted_too(of_any_size):
    def make(x, w, y):
        z = tf.linalg.matvec(x, w)
        error = z - y
        loss = tf.reduce_sum(error * error)
        (gradient,) = tf.gradients(loss, [w])
        return [loss, gradient, z, error, tf.reduce_max(z)]

    feeds = arrays(300, 40)
    together, plan = run(make, feeds)
    apart, _ = run(make, feeds, off=(NAME,))
    assert pairs_of(plan)
    assert bits(together) == bits(apart)


def test_a_column_of_weights(of_any_size):
    def make(x, w, y):
        z = tf.matmul(x, w[:, None])
        return tf.gradients(tf.reduce_sum(tf.square(z - y[:, None])), [w])

    feeds = arrays(300, 40)
    together, plan = run(make, feeds)
    assert pairs_of(plan)
    assert bits(together) == bits(run(make, feeds, off=(NAME,))[0])


def test_two_matrices(of_any_size):
    def make(x, w, y, other, v):
        z = tf.linalg.matvec(x, w) * y
        u = tf.linalg.matvec(other, v) + y
        return tf.gradients([tf.exp(z / 9), tf.square(u)], [w, v])

    first, second = arrays(300, 40), arrays(300, 50)
    feeds = [*first, *second[:2]]
    together, plan = run(make, feeds)
    assert len(pairs_of(plan)) == 2
    assert bits(together) == bits(run(make, feeds, off=(NAME,))[0])


@pytest.mark.parametrize(
    "make",
    [
        # What is between waits for all of the first product.
        lambda x, w, y: tf.gradients(
            tf.reduce_sum(tf.nn.softmax(tf.linalg.matvec(x, w)) * y), [w]
        )[0],
        lambda x, w, y: (
            tf.linalg.matvec(x, tf.exp(tf.linalg.matvec(x, w) - y), transpose_a=True)
            * tf.reduce_sum(w)
        ),
        lambda x, w, y: tf.linalg.matvec(x, tf.exp(tf.linalg.matvec(x + 1, w))),
        lambda x, w, y: tf.linalg.matvec(
            x,
            tf.exp(tf.linalg.matvec(x, w) - tf.reduce_sum(tf.linalg.matvec(x, w))),
            transpose_a=True,
        ),
    ],
    ids=["softmax", "a pair", "another matrix", "a sum of the first"],
)
def test_what_waits_stays_apart(make, of_any_size, request):
    feeds = arrays(40, 40)
    feeds = [each / 10 for each in feeds]
    together, plan = run(make, feeds)
    apart, _ = run(make, feeds, off=(NAME,))
    assert bits([together]) == bits([apart])
    assert bool(pairs_of(plan)) == ("a pair" in request.node.name)


def test_training_moves_the_weights_alike(of_any_size):
    values = arrays(300, 40)

    def train(off):
        with config(jit="always", passes_off=off), tf.Graph().as_default():
            w, b = tf.Variable(values[1]), tf.Variable(0.0)
            x = v1.placeholder(tf.float32, [None, 40])
            z = tf.linalg.matvec(x, w) + b
            loss = tf.reduce_mean(tf.square(z - values[2])) + tf.reduce_sum(w * w)
            step = tf.keras.optimizers.Adam(0.1).minimize(loss, var_list=[w, b])
            with v1.Session() as session:
                session.run(v1.global_variables_initializer())
                losses = [session.run([loss, step], {x: values[0]})[0]]
                plan = session.plan([step], {x: values[0]})
                for _ in range(20):
                    losses.append(session.run([loss, step], {x: values[0]})[0])
                return losses, session.run([w, b]), plan

    losses, weights, plan = train(())
    others, same, _ = train((NAME,))
    assert pairs_of(plan)
    assert bits(losses) == bits(others)
    assert bits(weights) == bits(same)
    assert losses[-1] < losses[0]


def test_the_matrix_may_be_written_in_the_same_step(of_any_size):
    values = arrays(300, 40)

    def train(off):
        with config(jit="always", passes_off=off), tf.Graph().as_default():
            x, w = tf.Variable(values[0]), tf.Variable(values[1])
            gradient = logistic(x, w, tf.constant(values[2]))
            step = tf.group(x.assign(x * 0.5), w.assign_sub(gradient))
            with v1.Session() as session:
                session.run(v1.global_variables_initializer())
                for _ in range(3):
                    session.run(step)
                return session.run([x, w])

    assert bits(train(())) == bits(train((NAME,)))


def test_kernels_are_compared_with_numpy(of_any_size):
    a, b, c = arrays(300, 40)
    with tf.Graph().as_default(), v1.Session(debug=True) as session:
        x = v1.placeholder(tf.float32, [300, 40])
        found = session.run(logistic(x, tf.constant(b), tf.constant(c)), {x: a})
        assert pairs_of(session.plan(logistic(x, tf.constant(b), c), {x: a}))
    assert np.isfinite(found).all()


def test_a_plan_counts_its_work_and_names_its_parts(of_any_size):
    _, plan = run(logistic, arrays(300, 40))
    (step,) = pairs_of(plan)
    assert step.fused[0].startswith("MatMul")
    assert "MatMul_1" in step.fused[-1]


def test_checks_of_numbers_keep_products_whole(of_any_size):
    a, b, c = arrays(300, 40)
    a[7] *= 1e30
    b = b * np.float32(1e30)
    with (
        config(jit="always", check_numerics=True),
        tf.Graph().as_default(),
        v1.Session() as session,
    ):
        x = tf.Variable(a)
        session.run(v1.global_variables_initializer())
        with pytest.raises(tf.errors.InvalidArgumentError, match="MatMul"):
            session.run(logistic(x, tf.constant(b), tf.constant(c)))
