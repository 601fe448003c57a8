"""A run behaves as if its ops were executed in the order of their creation."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import graphopt as tf
from graphopt.config import config

v1 = tf.compat.v1
jits = pytest.mark.parametrize("jit", ["never", "always"])


@jits
def test_a_clip_after_an_update_clips_what_was_updated(jit):
    with tf.Graph().as_default(), config(jit=jit), v1.Session() as session:
        w = tf.Variable(-3.0)
        train = v1.train.GradientDescentOptimizer(0.1).minimize((w - 1.0) ** 2)
        clip = w.assign(tf.clip_by_value(w, -10.0, 10.0))
        session.run(v1.global_variables_initializer())
        for _ in range(100):
            session.run([train, clip])
        np.testing.assert_allclose(session.run(w), 1.0, atol=1e-6)


@jits
def test_two_train_ops_of_one_run_apply_one_after_the_other(jit):
    with tf.Graph().as_default(), config(jit=jit), v1.Session() as session:
        w = tf.Variable([8.0, -8.0])
        optimizer = v1.train.GradientDescentOptimizer(0.25)
        first = optimizer.minimize(tf.reduce_sum(w * w))
        second = optimizer.minimize(tf.reduce_sum(w * w * w) / 3.0)
        session.run(v1.global_variables_initializer())
        session.run([first, second])
        # w <- w - w / 2, then w <- w - w ** 2 / 4
        np.testing.assert_array_equal(session.run(w), [0.0, -8.0])


@jits
def test_an_initial_value_made_of_another_one_follows_what_ran(jit):
    with tf.Graph().as_default(), config(jit=jit), v1.Session() as session:
        v = tf.Variable(tf.random.normal([3]))
        z = tf.Variable(v.initialized_value() * 2.0)
        y = tf.Variable(z.initialized_value() + 1.0)
        session.run(v.initializer)
        for _ in range(3):
            session.run(z.initializer)
            np.testing.assert_array_equal(session.run(z), session.run(v) * 2.0)
        session.run(v1.global_variables_initializer())
        a, b, c = session.run([v, z, y])
        np.testing.assert_array_equal(b, a * 2.0)
        np.testing.assert_array_equal(c, a * 2.0 + 1.0)


@jits
def test_an_initial_value_is_there_without_the_variable_it_is_made_of(jit):
    with tf.Graph().as_default(), config(jit=jit), v1.Session() as session:
        v = tf.Variable([1.0, 2.0])
        z = tf.Variable(v.initialized_value() * 2.0)
        session.run(z.initializer)
        np.testing.assert_array_equal(session.run(z), [2.0, 4.0])
        assert not v1.is_variable_initialized(v)


@jits
def test_a_variable_fetched_beside_its_initializer_has_the_initial_value(jit):
    with tf.Graph().as_default(), config(jit=jit), v1.Session() as session:
        v = tf.Variable([1.0, 2.0])
        add = v.assign_add([1.0, 1.0], read_value=False)
        _, value = session.run([v.initializer, v])
        np.testing.assert_array_equal(value, [1.0, 2.0])
        _, value, _ = session.run([v.initializer, v, add])
        np.testing.assert_array_equal(value, [1.0, 2.0])
        np.testing.assert_array_equal(session.run(v), [2.0, 3.0])


def late_check():
    """A lookup of rows that were just updated, by an index that may be bad."""
    table = tf.Variable([[1.0], [2.0], [3.0]])
    index = v1.placeholder(tf.int32, [2])
    update = table.assign(table * 2.0, read_value=False)
    rows = tf.gather(table, index)
    last = table.assign_add([[1.0], [1.0], [1.0]], read_value=False)
    return table, index, [update, last, rows]


@pytest.mark.parametrize("debug", [False, True])
@jits
def test_a_check_after_a_write_fails_without_a_trace(jit, debug):
    with tf.Graph().as_default(), config(jit=jit), v1.Session(debug=debug) as session:
        table, index, fetches = late_check()
        session.run(table.initializer)
        for _ in range(3):
            session.run(table.initializer)
            with pytest.raises(tf.errors.InvalidArgumentError, match="3"):
                session.run(fetches, {index: [0, 3]})
            np.testing.assert_array_equal(session.run(table), [[1.0], [2.0], [3.0]])
            rows = session.run(fetches, {index: [0, 2]})[2]
            np.testing.assert_array_equal(rows, [[2.0], [6.0]])
            np.testing.assert_array_equal(session.run(table), [[3.0], [5.0], [7.0]])


def test_a_check_after_a_write_is_compiled():
    with tf.Graph().as_default(), v1.Session() as session:
        _, index, fetches = late_check()
        plan = session.plan(fetches, {index: [0, 1]})
        assert plan.interpreted == ""


@jits
def test_python_after_a_write_that_fails_leaves_no_trace(jit):
    def fail(value):
        if value > 2.0:
            raise ValueError("enough")
        return value

    with tf.Graph().as_default(), config(jit=jit), v1.Session() as session:
        v, w = tf.Variable(1.0), tf.Variable(1.0)
        add = v.assign_add(1.0, read_value=False)
        seen = tf.py_function(fail, [v], tf.float32)
        then = w.assign(seen, read_value=False)
        session.run(v1.global_variables_initializer())
        session.run([add, then])
        for _ in range(3):
            with pytest.raises(tf.errors.InvalidArgumentError, match="enough"):
                session.run([add, then])
            assert session.run([v, w]) == [2.0, 2.0]


@pytest.mark.parametrize("debug", [False, True])
@jits
def test_a_failed_step_draws_its_numbers_again(jit, debug):
    with tf.Graph().as_default(), config(jit=jit):
        index = v1.placeholder(tf.int32, [])
        noise = tf.random.uniform([4], seed=7)
        picked = tf.gather(noise, index)
        v = tf.Variable(tf.zeros([4]))
        step = v.assign_add(noise + picked, read_value=False)

        def train(bad):
            with v1.Session(debug=debug) as session:
                session.run(v.initializer)
                for _ in range(5):
                    if bad:
                        with pytest.raises(tf.errors.InvalidArgumentError):
                            session.run(step, {index: 9})
                    session.run(step, {index: 1})
                return session.run(v)

        np.testing.assert_array_equal(train(True), train(False))


@jits
def test_a_step_that_fails_among_several_draws_its_numbers_again(jit):
    with tf.Graph().as_default(), config(jit=jit):
        index = v1.placeholder(tf.int32, [])
        noise = tf.random.uniform([4], seed=7)
        v = tf.Variable(tf.zeros([4]))
        step = v.assign_add(noise + tf.gather(noise, index), read_value=False)

        def train(*portions):
            with v1.Session() as session:
                session.run(v.initializer)
                for rows in portions:
                    try:
                        session.run_steps(step, len(rows), feeds={index: rows})
                    except tf.errors.InvalidArgumentError:
                        assert 9 in rows
                return session.run(v)

        whole = train([1, 2, 3, 1, 2])
        np.testing.assert_array_equal(train([1, 2, 9], [3, 1], [9], [2]), whole)


def test_half_precision_steps_are_compiled_between_the_writes():
    with tf.Graph().as_default(), v1.Session() as session:
        v = tf.Variable(np.float16(1.0))
        w = tf.Variable(1.0)
        step = tf.group(v.assign_add(np.float16(0.5)), w.assign_add(1.0))
        session.run(v1.global_variables_initializer())
        assert session.plan(step).interpreted == ""
        session.run(step)
        session.run(step)
        assert session.run([v, w]) == [2.0, 3.0]


# ---- random programs, in three executions

SIZE = 3
values = st.integers(-4, 4)
statement = st.one_of(
    st.tuples(st.just("assign"), st.integers(0, 2), st.integers(0, 2), values),
    st.tuples(st.just("add"), st.integers(0, 2), st.integers(0, 2), values),
    st.tuples(st.just("sub"), st.integers(0, 2), st.integers(0, 2), values),
    st.tuples(st.just("rows"), st.integers(0, 2), st.integers(0, 2), values),
    st.tuples(st.just("train"), st.integers(0, 2), st.integers(0, 2), values),
    st.tuples(st.just("read"), st.integers(0, 2), st.integers(0, 2), values),
    st.tuples(st.just("keep"), st.integers(0, 2), st.integers(0, 2), values),
    st.tuples(st.just("lookup"), st.integers(0, 2), st.integers(0, 2), values),
)


def execute(statements, variables, optimizer):
    """Executes statements; returns what was read and what has to run.

    All numbers are whole and small, so that every order of adding them is exact.
    """
    reads, updates, kept = [], [], tf.zeros([SIZE])
    for kind, i, j, number in statements:
        target, source = variables[i], variables[j]
        if kind == "assign":
            updates.append(target.assign(tf.clip_by_value(source + kept, -9.0, number)))
        elif kind == "add":
            updates.append(target.assign_add(source * 0.5 + float(number)))
        elif kind == "sub":
            updates.append(target.assign_sub(kept))
        elif kind == "rows":
            slices = tf.IndexedSlices(
                tf.gather(source, [1, 1, 0]), tf.constant([0, 2, 0]), target.shape
            )
            updates.append(target.scatter_add(slices))
        elif kind == "train":
            updates.append(
                optimizer.minimize(
                    lambda t=target, s=source, n=number: tf.reduce_sum(
                        t * (tf.stop_gradient(s) + float(n))
                    ),
                    [target],
                )
            )
        elif kind == "keep":
            kept = source + float(number)
        elif kind == "lookup":
            reads.append(tf.gather(source, [abs(number) % SIZE, 0]))
        else:
            reads.append(source * 2.0 - target)
    return reads, updates


def starts():
    return [np.array([k, 2.0 - k, 3.0], np.float32) for k in range(3)]


def in_eager_mode(statements):
    variables = [tf.Variable(a) for a in starts()]
    optimizer = tf.keras.optimizers.SGD(0.5)
    reads, _ = execute(statements, variables, optimizer)
    return [r.numpy() for r in reads], [v.numpy() for v in variables]


def in_a_function(statements):
    variables = [tf.Variable(a) for a in starts()]
    optimizer = tf.keras.optimizers.SGD(0.5)
    optimizer.iterations  # noqa: B018 (made outside, as slots of SGD are not needed)

    @tf.function
    def run():
        return execute(statements, variables, optimizer)[0]

    reads = run()
    return [r.numpy() for r in reads], [v.numpy() for v in variables]


def in_a_graph(statements):
    with tf.Graph().as_default(), v1.Session() as session:
        variables = [tf.Variable(a) for a in starts()]
        reads, updates = execute(statements, variables, tf.keras.optimizers.SGD(0.5))
        session.run(v1.global_variables_initializer())
        got, _ = session.run([reads, updates])
        return got, session.run(variables)


@jits
@settings(max_examples=60, deadline=None)
@given(statements=st.lists(statement, min_size=1, max_size=10))
def test_graph_function_and_eager_mode_agree(jit, statements):
    with config(jit=jit):
        reads, ends = in_eager_mode(statements)
        for other in (in_a_graph, in_a_function):
            got_reads, got_ends = other(statements)
            for a, b in zip([*reads, *ends], [*got_reads, *got_ends], strict=True):
                np.testing.assert_array_equal(a, b)
