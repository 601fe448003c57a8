"""Random ops: what they repeat, what they never repeat, and their moments."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import graphopt as tf
from graphopt.config import config

JITS = ["never", "always", None]
DRAWS = {
    "uniform": lambda **seed: tf.random.uniform([3, 2], **seed),
    "integers": lambda **seed: tf.random.uniform([5], 0, 1 << 20, tf.int32, **seed),
    "normal": lambda **seed: tf.random.normal([3, 2], **seed),
    "truncated": lambda **seed: tf.random.truncated_normal([3, 2], **seed),
    "categorical": lambda **seed: tf.random.categorical(np.zeros((2, 99)), 8, **seed),
    "shuffle": lambda **seed: tf.random.shuffle(np.arange(99), **seed),
    "dropout": lambda **seed: tf.nn.dropout(np.ones(64, np.float32), 0.5, **seed),
}


def eager_runs(draw, count, global_seed, **op_seed):
    tf.random.set_seed(global_seed)
    return [draw(**op_seed).numpy() for _ in range(count)]


def graph_runs(draw, count, global_seed, jit=None, **op_seed):
    with tf.Graph().as_default(), config(jit=jit):
        tf.random.set_seed(global_seed)
        drawn = draw(**op_seed)
        with tf.compat.v1.Session() as session:
            return [session.run(drawn) for _ in range(count)]


def differ(values):
    return all(not np.array_equal(a, b) for a, b in itertools.combinations(values, 2))


@pytest.mark.parametrize("name", DRAWS)
def test_every_run_draws_anew_and_a_seed_repeats_it(name):
    draw = DRAWS[name]
    for runs in (eager_runs, graph_runs):
        for op_seed in ({}, {"seed": 3}):
            first = runs(draw, 5, 11, **op_seed)
            assert differ(first)
            np.testing.assert_array_equal(first, runs(draw, 5, 11, **op_seed))
            assert differ([first[0], runs(draw, 1, 12, **op_seed)[0]])


@pytest.mark.parametrize("name", DRAWS)
@pytest.mark.parametrize("jit", JITS)
def test_graphs_draw_what_eager_calls_draw(name, jit):
    draw = DRAWS[name]
    eager = eager_runs(draw, 4, 5, seed=3)
    np.testing.assert_array_equal(graph_runs(draw, 4, 5, jit, seed=3), eager)
    # Without a seed of its own the op is known by its number.
    (first, second, *_) = eager_runs(draw, 2, 5)
    with tf.Graph().as_default(), config(jit=jit):
        tf.random.set_seed(5)
        drawn = [draw(), draw()]
        with tf.compat.v1.Session() as session:
            np.testing.assert_array_equal(session.run(drawn), [first, second])
            assert differ([session.run(drawn[0]), first])


def test_global_seed_set_outside_a_graph_holds_inside():
    values = []
    for _ in range(2):
        tf.random.set_seed(4)
        with tf.Graph().as_default(), tf.compat.v1.Session() as session:
            values.append(session.run(tf.random.uniform([3])))
    np.testing.assert_array_equal(*values)


def test_without_any_seed_nothing_repeats():
    tf.random.set_seed(None)
    draw = DRAWS["uniform"]
    assert differ([draw().numpy(), draw().numpy(), *graph_runs(draw, 2, None)])
    # An op seed alone makes a graph repeatable.
    runs = [graph_runs(draw, 2, None, seed=9) for _ in range(2)]
    np.testing.assert_array_equal(*runs)


def test_sessions_begin_anew_and_are_independent():
    with tf.Graph().as_default():
        drawn = tf.random.normal([4], seed=1)
        with tf.compat.v1.Session() as one, tf.compat.v1.Session() as two:
            a = [one.run(drawn) for _ in range(3)]
            b = [two.run(drawn) for _ in range(3)]
    np.testing.assert_array_equal(a, b)


def test_one_draw_in_a_run_whatever_is_fetched():
    with tf.Graph().as_default():
        tf.compat.v1.set_random_seed(2)
        x = tf.random.uniform([3])
        other = tf.random.uniform([3])
        twice = x + x
        with tf.compat.v1.Session() as session:
            a, b = session.run([x, twice])
            np.testing.assert_array_equal(b, a + a)
            # Not fetched, so not drawn from: the next draw of `other` is its first.
            first_of_other = session.run(other)
        with tf.compat.v1.Session() as session:
            np.testing.assert_array_equal(session.run([x, other])[1], first_of_other)


def test_two_ops_are_never_merged():
    with tf.Graph().as_default(), config(jit="always"):
        x, y = tf.random.uniform([8]), tf.random.uniform([8])
        with tf.compat.v1.Session() as session:
            assert session.run(tf.reduce_sum(tf.abs(x - y))) > 0


@pytest.mark.parametrize(
    ("function", "mean", "variance"),
    [
        (lambda n: tf.random.uniform(n, -1.0, 3.0), 1, 16 / 12),
        (lambda n: tf.random.normal(n, 2.0, 3.0), 2, 9),
        (lambda n: tf.random.truncated_normal(n, 1.0, 2.0), 1, 4 * 0.7737),
        (lambda n: tf.random.uniform(n, -5, 6, tf.int64), 0, 10),
        (lambda n: tf.random.stateless_uniform(n, [1, 2], -3, 4, tf.int32), 0, 4),
        (lambda n: tf.random.stateless_normal(n, [1, 2]), 0, 1),
    ],
)
def test_moments(function, mean, variance):
    tf.random.set_seed(8)
    x = function([200_000]).numpy().astype(np.float64)
    deviation = np.sqrt(variance)
    assert abs(x.mean() - mean) < 5 * deviation / np.sqrt(x.size)
    assert x.var() == pytest.approx(variance, rel=0.02)


@pytest.mark.parametrize("dtype", [tf.float16, tf.float32, tf.float64])
def test_uniform_never_reaches_one(dtype):
    tf.random.set_seed(1)
    x = tf.random.uniform([1 << 16], dtype=dtype)
    assert x.dtype == dtype
    assert 0 <= x.numpy().min() <= x.numpy().max() < 1


def test_truncated_within_two_deviations():
    tf.random.set_seed(1)
    x = tf.random.truncated_normal([50_000]).numpy()
    assert np.abs(x).max() <= 2


@pytest.mark.parametrize(
    "draw",
    [
        lambda logits, n: tf.random.categorical(logits, n, seed=5),
        lambda logits, n: tf.random.stateless_categorical(logits, n, (3, 4)),
    ],
)
def test_categorical_frequencies(draw):
    p = np.array([[0.1, 0.2, 0.7], [0.5, 0.0, 0.5]])
    with np.errstate(divide="ignore"):
        drawn = draw(np.log(p), 20_000)
    assert drawn.dtype == tf.int64
    assert drawn.shape == [2, 20_000]
    for row, expected in zip(drawn.numpy(), p, strict=True):
        frequency = np.bincount(row, minlength=3) / row.size
        np.testing.assert_allclose(frequency, expected, atol=0.015)
        assert not frequency[expected == 0].any()


def test_shuffle_keeps_rows():
    x = np.arange(40).reshape(20, 2)
    y = tf.random.shuffle(x).numpy()
    np.testing.assert_array_equal(y[np.argsort(y[:, 0])], x)
    assert tf.random.shuffle(3.0).numpy() == 3.0


def test_shapes():
    assert tf.random.uniform([]).shape == []
    assert tf.random.normal([0, 3]).shape == [0, 3]
    assert tf.random.normal(tf.constant([2, 3])).shape == [2, 3]
    with tf.Graph().as_default():
        x = tf.compat.v1.placeholder(tf.float32, [None, 2])
        y = tf.random.normal(tf.shape(x))
        assert y.shape == [None, 2]
        with tf.compat.v1.Session() as session:
            assert session.run(y, {x: np.ones((5, 2))}).shape == (5, 2)


# ---- dropout


def test_dropout_scales_what_it_keeps():
    tf.random.set_seed(3)
    x = np.arange(1.0, 100_001.0)
    y = tf.nn.dropout(x, rate=0.2).numpy()
    kept = y != 0
    np.testing.assert_allclose(y[kept], x[kept] / 0.8)
    assert kept.mean() == pytest.approx(0.8, abs=0.01)
    assert tf.nn.dropout(x, 0).numpy() is not None
    np.testing.assert_array_equal(tf.nn.dropout(x, 0.0).numpy(), x)


@pytest.mark.parametrize("noise_shape", [(1, 50), [None, 1], (40, 50)])
@pytest.mark.parametrize("rows", [40, None])
def test_dropout_noise_shape(noise_shape, rows):
    with tf.Graph().as_default():
        x = tf.compat.v1.placeholder(tf.float32, [rows, 50])
        if rows is None and noise_shape[0] == 40:
            noise_shape = None
        y = tf.nn.dropout(x, 0.5, noise_shape)
        with tf.compat.v1.Session() as session:
            kept = session.run(y, {x: np.ones((40, 50))}) != 0
    assert 0.1 < kept.mean() < 0.9
    if noise_shape is not None and 1 in noise_shape:
        axis = list(noise_shape).index(1)
        assert (kept.min(axis) == kept.max(axis)).all()


def test_dropout_gradient_uses_the_same_mask():
    with tf.Graph().as_default(), config(jit="always"):
        x = tf.compat.v1.placeholder(tf.float32, [None])
        rate = tf.compat.v1.placeholder(tf.float32, [])
        y = tf.nn.dropout(x, rate)
        (g,) = tf.gradients(y, [x])
        with tf.compat.v1.Session() as session:
            feeds = {x: np.ones(500), rate: 0.5}
            for _ in range(3):
                np.testing.assert_array_equal(*session.run([y, g], feeds))


def test_dropout_trains_compiled():
    with tf.Graph().as_default():
        w = tf.Variable(np.ones(1000, np.float32))
        loss = tf.reduce_sum(tf.nn.dropout(w, 0.5, seed=1))
        step = tf.keras.optimizers.SGD(1.0).minimize(loss, var_list=[w])
        with tf.compat.v1.Session() as session:
            session.run(tf.compat.v1.global_variables_initializer())
            session.run(step)
            assert set(session.run(w).tolist()) == {1.0, -1.0}
            session.run(step)
            assert set(session.run(w).tolist()) == {1.0, -1.0, -3.0}


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: tf.nn.dropout([1.0], 1.0), ValueError, r"range \[0, 1\)"),
        (lambda: tf.nn.dropout([1.0], -0.1), ValueError, r"range \[0, 1\)"),
        (lambda: tf.nn.dropout([1], 0.5), ValueError, "floating point tensor"),
        (lambda: tf.random.uniform([2], dtype=tf.int32), ValueError, "specify maxval"),
        (lambda: tf.random.uniform([2], 0, 9, tf.int8), ValueError, "invalid value"),
        (lambda: tf.random.normal([2], dtype=tf.int32), ValueError, "use a float type"),
        (lambda: tf.random.uniform([2], 5, 5, tf.int32), ValueError, "Need minval"),
        (lambda: tf.random.uniform([2], [1], 5, tf.int32), ValueError, "be scalars"),
        (lambda: tf.random.categorical([0.0], 2), ValueError, "must be a matrix"),
        (lambda: tf.random.uniform([-2]), ValueError, "must be >= 0"),
        (lambda: tf.random.stateless_uniform([2], [1]), ValueError, r"shape \[2\]"),
        (
            lambda: tf.random.stateless_uniform([2], [1, 2], dtype=tf.int32),
            ValueError,
            "specify maxval",
        ),
    ],
)
def test_bad_arguments(call, error, words):
    with pytest.raises(error, match=words):
        call()
    with tf.Graph().as_default(), pytest.raises(error, match=words):
        drawn = call()
        with tf.compat.v1.Session() as session:
            session.run(drawn)


def test_names_of_version_1():
    v1 = tf.compat.v1
    with tf.Graph().as_default():
        v1.set_random_seed(1)
        drawn = [
            v1.random_normal([2]),
            v1.random_uniform([2]),
            v1.truncated_normal([2]),
            v1.random_shuffle([1, 2]),
            v1.multinomial([[0.0, 0.0]], 3),
        ]
        with v1.Session() as session:
            assert [len(np.ravel(v)) for v in session.run(drawn)] == [2, 2, 2, 2, 3]


# ---- inside control flow and functions


@pytest.mark.parametrize("jit", JITS)
def test_bodies_draw_anew(jit):
    with tf.Graph().as_default(), config(jit=jit):
        tf.random.set_seed(6)
        rounds = tf.while_loop(
            lambda i, x: i < 3,
            lambda i, x: (i + 1, tf.concat([x[1:], tf.random.uniform([1])], 0)),
            (tf.constant(0), tf.zeros([3])),
        )[1]
        branch = tf.cond(
            tf.constant(True), lambda: tf.random.normal([2]), lambda: tf.zeros([2])
        )
        runs = []
        for _ in range(2):
            with tf.compat.v1.Session() as session:
                runs.append([session.run([rounds, branch]) for _ in range(4)])
    first = [np.concatenate(values) for values in runs[0]]
    assert differ(first)
    assert len(set(np.concatenate([v[:3] for v in first]).tolist())) == 12
    np.testing.assert_array_equal(first, [np.concatenate(v) for v in runs[1]])


def test_functions_draw_anew():
    draw = tf.function(lambda x: tf.nn.dropout(x, 0.5))
    x = tf.ones([64])
    assert differ([draw(x).numpy() for _ in range(4)])
