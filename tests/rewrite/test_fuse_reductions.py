"""Loops that are reduced while they are in the cache."""

from __future__ import annotations

import numpy as np
import pytest

import graphopt as tf
from graphopt.config import config
from graphopt.rewrite.pipeline import PIPELINE
from tests.rewrite.helpers import assert_same_bits, op_types, rewritten, run

v1 = tf.compat.v1
OFF = ("fuse_reductions",)
LARGE = [
    ((300_001,), None),
    ((1 << 14,), None),
    ((200, 300), (1,)),
    ((200, 300), None),
    ((70, 80, 30), (1, 2)),
    ((1, 40_000), (1,)),
]


def array(shape, dtype=np.float32):
    return np.random.default_rng(len(shape)).standard_normal(shape).astype(dtype)


def types_of(build, *arrays):
    return op_types(rewritten(build, *arrays, passes=PIPELINE))


@pytest.mark.parametrize(("shape", "axis"), LARGE)
@pytest.mark.parametrize(
    "reduce",
    [tf.reduce_sum, tf.reduce_mean, tf.reduce_max, tf.reduce_min, tf.reduce_prod],
    ids=lambda f: f.__name__,
)
def test_the_bits_are_the_same(shape, axis, reduce):
    def build(x):
        y = tf.tanh(x) * 0.5 + 1.0 / x
        return reduce(y, axis), reduce(x * 2.0, axis, keepdims=True)

    assert types_of(build, array(shape)).count("FusedReduce") == 2
    for dtype in (np.float32, np.float64):
        x = array(shape, dtype)
        for a, b in zip(run(build, x), run(build, x, off=OFF), strict=True):
            np.testing.assert_array_equal(a, b)
            assert a.dtype == b.dtype


def test_not_a_number_and_infinities():
    x = array((40_000,))
    x[[5, 30_000]] = np.nan, np.inf

    def build(x):
        y = x * 2.0
        return tf.reduce_max(y), tf.reduce_sum(tf.abs(x)), tf.reduce_any(x > 1e9)

    for a, b in zip(run(build, x), run(build, x, off=OFF), strict=True):
        np.testing.assert_array_equal(a, b)


def test_truth_values_and_integers():
    def build(x):
        n = tf.cast(x * 100.0, tf.int32)
        return tf.reduce_sum(n), tf.reduce_all(x < 50.0), tf.reduce_max(n * 3)

    x = array((50_000,))
    # The two of `n` share a loop, which has one of them only.
    assert types_of(build, x).count("FusedReduce") == 2
    for a, b in zip(run(build, x), run(build, x, off=OFF), strict=True):
        np.testing.assert_array_equal(a, b)


REDUCTIONS = [
    tf.reduce_sum,
    tf.reduce_mean,
    tf.reduce_max,
    tf.reduce_min,
    tf.reduce_prod,
]
COLUMNS = [
    ((300, 100), (0,)),
    ((1001, 64), (0,)),
    # More columns than one piece has, and rows that do not come in fours.
    ((130, 1500), (0,)),
    ((3, 9000), (0,)),
    ((5, 70, 110), (1,)),
    ((5, 70, 110), (0, 2)),
    ((5, 70, 110), (0,)),
]


@pytest.mark.parametrize(("shape", "axis"), COLUMNS)
@pytest.mark.parametrize("reduce", REDUCTIONS, ids=lambda f: f.__name__)
def test_columns_have_the_same_bits(shape, axis, reduce):
    def build(x, y):
        z = 1.0 / x
        # One array, several, and a loop that stores something.
        return (
            reduce(tf.square(x), axis),
            reduce(x * y - x, axis),
            reduce(z - y, axis, keepdims=True),
            z,
        )

    for dtype in (np.float32, np.float64):
        x, y = array(shape, dtype), array(shape, dtype)[::-1].copy()
        assert types_of(build, x, y).count("FusedReduce") == 3
        assert_same_bits(run(build, x, y), run(build, x, y, off=OFF))


def test_columns_of_truth_values_and_integers():
    def build(x):
        n = tf.cast(x * 100.0, tf.int32)
        return (
            tf.reduce_sum(n, 0),
            tf.reduce_all(x < 2.0, 0),
            tf.reduce_any(x > 2.0, 0),
            tf.reduce_min(tf.cast(x * 3.0, tf.int64), 0),
            tf.reduce_prod(tf.cast(x, tf.int32) + 1, 0),
        )

    x = array((301, 100))
    assert types_of(build, x).count("FusedReduce") == 5
    assert_same_bits(run(build, x), run(build, x, off=OFF))


@pytest.mark.parametrize(
    ("shape", "axis"),
    [
        ((40, 1024), None),
        ((9, 2048), None),
        ((300, 100), (1,)),
        ((50, 1500), (1,)),
        ((6, 50, 70), (2,)),
        ((6, 3, 1024), (1, 2)),
    ],
)
@pytest.mark.parametrize("reduce", REDUCTIONS, ids=lambda f: f.__name__)
def test_rows_of_broadcasts_have_the_same_bits(shape, axis, reduce):
    def build(x, row, column):
        z = x * column * row
        return (
            reduce(tf.square(z), axis),
            reduce(x - row, axis),
            # Long, and stored besides.
            reduce(tf.abs(x * row - column) / (x * x + 0.5), axis),
        )

    x, row = array(shape), array(shape[-1:])
    column = array((*shape[:-1], 1)) + 0.5
    assert types_of(build, x, row, column).count("FusedReduce") == 3
    assert_same_bits(run(build, x, row, column), run(build, x, row, column, off=OFF))


def test_rows_shorter_than_those_of_the_loop():
    def build(x, table):
        return tf.reduce_sum(x * table, 2)

    x, table = array((20, 2, 600)), array((2, 600))
    assert types_of(build, x, table) == ["FusedReduce"]
    assert_same_bits(run(build, x, table), run(build, x, table, off=OFF))


def test_infinities_in_columns_and_rows():
    x = array((300, 1024))
    x[5, 7], x[80, 9], x[299, 1023] = np.nan, np.inf, -np.inf

    def build(x):
        return [
            reduce(x * 2.0 - x, axis)
            for reduce in (tf.reduce_max, tf.reduce_min, tf.reduce_sum)
            for axis in (0, 1, None)
        ]

    assert_same_bits(run(build, x), run(build, x, off=OFF))


def test_a_gradient_is_stored_on_the_way():
    def build(x):
        y = x * 3.0
        return tf.reduce_mean(y * y), y * 0.1

    x = array((100, 200))
    assert types_of(build, x) == ["FusedReduce"]
    got, want = run(build, x), run(build, x, off=OFF)
    for a, b in zip(got, want, strict=True):
        np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize(
    "build",
    [
        lambda x: (lambda y: (y, tf.reduce_sum(y)))(x * 2.0),
        lambda x: tf.reduce_sum(tf.transpose(x)[:40] * 2.0, 1),
        lambda x: tf.reduce_sum(tf.reshape(x, [-1, 20]) * 2.0, 0),
        lambda x: tf.reduce_sum(x * x[0]),
        lambda x: tf.reduce_sum(x * x[0], 0),
        lambda x: tf.reduce_sum(x * x[:, :1], 0),
        lambda x: tf.reduce_sum(x[:2] * 2.0),
        lambda x: tf.reduce_sum(x),
        lambda x: tf.reduce_sum(tf.exp(x) * tf.tanh(x) + tf.sin(x) * tf.cos(x) - 1.0),
    ],
    ids=[
        "fetched",
        "small rows",
        "narrow columns",
        "a block would cross rows",
        "columns of a broadcast",
        "columns of another broadcast",
        "small",
        "nothing to compute",
        "much",
    ],
)
def test_where_it_would_not_pay_or_not_work_it_is_left(build):
    x = array((300, 100))
    assert "FusedReduce" not in types_of(build, x)
    assert_same_bits(run(build, x), run(build, x, off=OFF))


def test_the_norm_of_a_variable_before_its_update():
    def build(x):
        v = tf.Variable(np.ones((200, 100), np.float32))
        norm = tf.reduce_sum(v * v)
        with tf.control_dependencies([norm]):
            return norm, v.assign(v * x)

    x = np.full((200, 100), 0.5, np.float32)
    (a, b), (c, d) = run(build, x), run(build, x, off=OFF)
    assert a == c == 20_000.0
    np.testing.assert_array_equal(b, d)


def test_an_update_and_the_norm_of_what_it_writes():
    def build(x):
        v = tf.Variable(np.ones((200, 100), np.float32))
        old = v.read_value()
        new = old * 0.5 + tf.sin(x)
        done = v.assign(new)
        return tf.reduce_sum(tf.square(new - old)), done

    x = array((200, 100))
    types = types_of(build, x)
    assert types.count("FusedReduce") == 1
    assert "FusedElementwise" not in types
    for jit in ("always", "never"):
        assert_same_bits(
            run(build, x, jit=jit, times=3), run(build, x, off=OFF, jit=jit, times=3)
        )


def test_debug_sessions_know_it():
    v1 = tf.compat.v1
    with tf.Graph().as_default(), v1.Session(debug=True) as session:
        v = tf.Variable(np.ones((200, 100), np.float32))
        x = v1.placeholder(tf.float32, [200, 100])
        new = v * 0.5 + tf.sin(x)
        fetches = [tf.reduce_mean(tf.square(new - v)), v.assign(new)]
        session.run(v.initializer)
        for _ in range(2):
            session.run(fetches, {x: array((200, 100))})
        assert "FusedReduce" in str(session.plan(fetches, {x: array((200, 100))}))


def test_a_square_is_computed_for_its_norm_and_not_stored():
    with tf.Graph().as_default() as graph, tf.compat.v1.Session() as session:
        x = tf.Variable(np.linspace(-1.0, 1.0, 1 << 15, dtype=np.float32))
        u = tf.exp(x * 2.0) - x
        y = u / tf.sqrt(tf.reduce_sum(u * u))
        del graph
        session.run(tf.compat.v1.global_variables_initializer())
        plan = session.plan(y)
        assert [step.kernel.split()[0] for step in plan.steps][:2] == [
            "elementwise",
            "fused_reduce",
        ]
        stored = [b for b in plan.buffers if b.nbytes == 4 << 15]
        assert len(stored) == 3, plan
        want = session.run(u)
        want = want / np.linalg.norm(want.astype(np.float64))
        np.testing.assert_allclose(session.run(y), want, rtol=1e-6)


def test_a_square_that_an_update_in_place_waits_for_stays():
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        x = tf.Variable(np.linspace(-1.0, 1.0, 1 << 15, dtype=np.float32))
        old = x.read_value()
        u = old * 2.0 + 1.0
        total = tf.reduce_sum(u * old)
        step = x.assign(u)
        session.run(tf.compat.v1.global_variables_initializer())
        before = session.run(x).astype(np.float64)
        got, after, _ = session.run([total, u, step])
        np.testing.assert_allclose(
            got, ((before * 2.0 + 1.0) * before).sum(), rtol=1e-5
        )
        np.testing.assert_allclose(after, before * 2.0 + 1.0, rtol=1e-6)


@pytest.mark.parametrize("jit", ["always", "never"])
def test_a_loop_that_stores_what_it_reduces(jit):
    """The square of an update is summed where the update is made and written."""
    start = array((40_000,))

    def train(off):
        with config(jit=jit, passes_off=off), tf.Graph().as_default():
            w, m = tf.Variable(start), tf.Variable(start * 0.5)
            new = m.assign(m * 0.9 + w * 0.1)
            update = new / (tf.sqrt(tf.abs(new)) + 0.25) + w * 0.125
            norm = tf.sqrt(tf.reduce_sum(tf.square(update)))
            step = w.assign_sub(update / norm)
            with v1.Session() as session:
                session.run(v1.global_variables_initializer())
                for _ in range(3):
                    session.run(step)
                return session.run([w, m]), session.plan(step)

    together, plan = train(())
    apart, _ = train(OFF)
    for a, b in zip(together, apart, strict=True):
        assert a.tobytes() == b.tobytes()
    if jit == "always":
        (step,) = (step for step in plan.steps if step.type == "FusedReduce")
        assert len(step.fused) > 6
        assert len(step.outputs) == 2


def test_loops_with_functions_stay_apart():
    def build(x):
        y = tf.tanh(tf.exp(x) * 0.5 + 1.0) * x - tf.sin(x) / (x * x + 3.0)
        return y, tf.reduce_sum(tf.square(y))

    types = types_of(build, array((40_000,)))
    assert types.count("FusedElementwise") == 1
    assert types.count("FusedReduce") == 1
