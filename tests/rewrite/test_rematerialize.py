"""Cheap loops that are computed where they are used."""

from __future__ import annotations

import numpy as np
import pytest

import graphopt as tf
from graphopt.rewrite import rematerialize
from graphopt.rewrite.pipeline import PIPELINE
from tests.rewrite.helpers import assert_same_bits, op_types, rewritten, run

v1 = tf.compat.v1
OFF = ("rematerialize",)


@pytest.fixture(autouse=True)
def smaller(monkeypatch):
    """Lets arrays of 2**14 numbers count as large."""
    monkeypatch.setattr(rematerialize, "SMALLEST", 1 << 14)


def array(shape=(200, 128)):
    return np.random.default_rng(len(shape)).standard_normal(shape).astype(np.float32)


def types_of(build, *arrays):
    return op_types(rewritten(build, *arrays, passes=PIPELINE))


def loops(build, *arrays):
    types = types_of(build, *arrays)
    return sum(
        t not in ("FusedReduce", "Sum", "Mean", "Max", "ExpandDims") for t in types
    )


def assert_it_changes_no_bit(build, *arrays):
    for jit in ("always", "never"):
        assert_same_bits(
            run(build, *arrays, jit=jit), run(build, *arrays, jit=jit, off=OFF)
        )


def test_rows_and_columns_of_squares():
    def build(x):
        squares = x * x + 1e-3
        return tf.reduce_mean(squares, 0), tf.reduce_mean(squares, 1)

    assert types_of(build, array()) == ["FusedReduce"] * 2
    assert_it_changes_no_bit(build, array())


def test_what_is_measured_and_then_used():
    def build(x, row):
        scaled = x * row
        return x - scaled / tf.sqrt(tf.reduce_sum(tf.square(scaled)))

    x, row = array((80, 1024)), array((1024,))
    types = types_of(build, x, row)
    assert "Mul" not in types
    assert "FusedReduce" in types
    assert_it_changes_no_bit(build, x, row)


def test_a_user_of_two_of_them():
    def build(x, y):
        a = x * 2.0
        b = y * tf.reduce_sum(a)
        largest = tf.reduce_max(b)
        return (a - largest) * (b - largest)

    x, y = array(), array()[::-1].copy()
    types = types_of(build, x, y)
    assert types == ["FusedReduce", "FusedReduce", "FusedElementwise"]
    assert_it_changes_no_bit(build, x, y)


def square_of(x):
    return (lambda y: (tf.reduce_sum(y, 0), tf.reduce_max(y, 1)))(x)


@pytest.mark.parametrize(
    ("build", "count"),
    [
        (lambda x: (*square_of(x * x), x * x), 1),
        (lambda x: square_of(tf.exp(x)), 1),
        (lambda x: square_of(x / 3.0), 1),
        (lambda x: square_of(x * tf.ones([200, 128]) * x[::-1]), 2),
        (lambda x: square_of(x[:8] * 2.0), 2),
        (lambda x: (tf.reduce_sum(x * 2.0, 0), tf.cumsum(x * 2.0)), 2),
        (lambda x: tf.reduce_sum(x * 2.0, 0), 0),
    ],
    ids=["fetched", "function", "division", "two large", "small", "scan", "one user"],
)
def test_where_it_would_not_pay_or_not_help_it_is_left(build, count):
    assert loops(build, array()) == count
    assert_it_changes_no_bit(build, array())


def test_it_never_reads_a_variable_after_it_was_written():
    def build(x):
        v = tf.Variable(array())
        doubled = v * 2.0
        total = tf.reduce_sum(doubled, 0)
        with tf.control_dependencies([total]):
            done = v.assign_add(x)
        with tf.control_dependencies([done]):
            later = tf.reduce_max(doubled, 1)
        return total, later, tf.identity(done)

    assert_it_changes_no_bit(build, array())
    _, later, after = run(build, array())
    np.testing.assert_array_equal(later, (array() * 2).max(1))
    np.testing.assert_array_equal(after, array() + array())


def test_what_others_wait_for_stays():
    def build(x):
        doubled = x * 2.0
        with tf.control_dependencies([doubled]):
            one = tf.constant(1.0) + x[0, 0]
        return tf.reduce_sum(doubled, 0), tf.reduce_max(doubled, 1), one

    assert_it_changes_no_bit(build, array())


def test_debug_sessions_know_it():
    with tf.Graph().as_default(), v1.Session(debug=True) as session:
        x = v1.placeholder(tf.float32, [200, 128])
        squares = tf.square(x)
        fetches = [tf.reduce_mean(squares, 0), tf.reduce_mean(squares, 1)]
        rows, columns = session.run(fetches, {x: array()})
        np.testing.assert_allclose(rows, np.square(array()).mean(0), rtol=1e-5)
        np.testing.assert_allclose(columns, np.square(array()).mean(1), rtol=1e-5)
        assert str(session.plan(fetches, {x: array()})).count("fused_reduce") >= 2


def test_an_adafactor_step_stores_nothing_of_the_size_of_its_matrix():
    with tf.Graph().as_default(), v1.Session() as session:
        w = tf.Variable(array((256, 1024)))
        gradient = tf.constant(array((256, 1024)) * 0.5)
        step = tf.keras.optimizers.Adafactor(0.01).apply_gradients([(gradient, w)])
        session.run(v1.global_variables_initializer())
        assert session.plan(step).peak_bytes < 256 * 1024
