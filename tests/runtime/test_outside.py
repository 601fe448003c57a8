"""Ops about the world outside of the graph: before the step, after it, never inside."""

import threading

import numpy as np
import pytest

import graphopt as tf
from graphopt.ops.outside import ENQUEUE, GET_NEXT, add_outside

v1 = tf.compat.v1


def numbers(log, size=3):
    """A handler that counts its calls."""

    def handler(_store):
        log.append(len(log))
        return [np.full(size, float(len(log)), np.float32)]

    return handler


@pytest.fixture
def session():
    with tf.Graph().as_default(), v1.Session() as made:
        yield made


def test_what_is_taken_is_taken_once_a_run(session):
    log = []
    (x,) = add_outside(GET_NEXT, numbers(log), (), [tf.float32], [[3]])
    total = tf.reduce_sum(x)
    first, again, total_value = session.run([x, x * 1.0, total])
    assert first.tolist() == again.tolist() == [1.0] * 3
    assert (total_value, len(log)) == (3.0, 1)
    assert session.run(x).tolist() == [2.0] * 3


def test_what_is_fed_or_not_wanted_is_not_taken(session):
    log = []
    (x,) = add_outside(GET_NEXT, numbers(log), (), [tf.float32], [[3]])
    y = x + 1.0
    assert session.run(y, {x: [1.0, 2.0, 3.0]}).tolist() == [2.0, 3.0, 4.0]
    assert session.run(tf.constant(1.0) + 1.0) == 2.0
    assert not log


def test_the_step_is_native_and_uncut(session):
    log = []
    (x,) = add_outside(GET_NEXT, numbers(log), (), [tf.float32], [[None]])
    v = tf.Variable(0.0)
    step = v.assign_add(tf.reduce_sum(x * x))
    session.run(v.initializer)
    session.run(step)
    plan = session.plan(step)
    assert not plan.interpreted
    assert all(part.kernel != "HOST" for part in plan.steps)


def test_shapes_may_change_from_run_to_run(session):
    sizes = iter([3, 3, 5, 2])

    def handler(_store):
        return [np.ones(next(sizes), np.float32)]

    (x,) = add_outside(GET_NEXT, handler, (), [tf.float32], [[None]])
    v = tf.Variable(0.0)
    step = v.assign_add(tf.reduce_sum(x))
    session.run(v.initializer)
    assert [float(session.run(step)) for _ in range(4)] == [3.0, 6.0, 11.0, 13.0]


def test_what_is_given_comes_after_the_step(session):
    given = []
    v = tf.Variable(1.0)
    doubled = v.assign_add(v * 1.0)
    op = add_outside(ENQUEUE, lambda _store, *a: given.append(a) or (), [doubled])
    session.run(v.initializer)
    assert session.run(op) is None
    session.run(tf.group(op, tf.no_op()))
    assert [float(a) for (a,) in given] == [2.0, 4.0]


def test_inputs_are_computed_before(session):
    n = v1.placeholder(tf.int32, [])
    (x,) = add_outside(
        GET_NEXT, lambda _store, n: [np.arange(n)], [n * 2 + 1], [tf.int64], [[None]]
    )
    assert session.run(x, {n: 2}).tolist() == [0, 1, 2, 3, 4]


def test_taking_what_is_given_in_the_same_run_is_refused(session):
    op = add_outside(ENQUEUE, lambda _store, *a: (), [tf.constant(1.0)])
    with tf.control_dependencies([op]):
        (x,) = add_outside(GET_NEXT, numbers([]), (), [tf.float32], [[3]])
    with pytest.raises(NotImplementedError, match="two runs"):
        session.run(x)


def test_a_run_that_waits_lets_others_run(session):
    ready = threading.Event()

    def wait(_store):
        assert ready.wait(20)
        return [np.zeros(1, np.float32)]

    (x,) = add_outside(GET_NEXT, wait, (), [tf.float32], [[1]])
    y = tf.constant(1.0) + 1.0
    results = []
    thread = threading.Thread(target=lambda: results.append(session.run(x)))
    thread.start()
    assert session.run(y) == 2.0
    ready.set()
    thread.join()
    assert results[0].tolist() == [0.0]


def test_inside_of_a_branch_it_runs_on_the_host(session):
    log = []
    which = v1.placeholder(tf.bool, [])
    y = tf.cond(
        which,
        lambda: add_outside(GET_NEXT, numbers(log), (), [tf.float32], [[3]])[0],
        lambda: tf.zeros([3]),
    )
    assert session.run(y, {which: False}).tolist() == [0.0] * 3
    assert not log
    assert session.run(y, {which: True}).tolist() == [1.0] * 3


def test_errors_name_the_op(session):
    def end(_store):
        raise tf.errors.OutOfRangeError("over")

    (x,) = add_outside(GET_NEXT, end, (), [tf.float32], [[3]], name="mine")
    with pytest.raises(tf.errors.OutOfRangeError, match=r"mine.*test_outside\.py"):
        session.run(x + 1.0)


def test_run_steps_takes_for_each_step(session):
    log = []
    (x,) = add_outside(GET_NEXT, numbers(log), (), [tf.float32], [[3]])
    v = tf.Variable(0.0)
    step = v.assign_add(tf.reduce_sum(x))
    session.run(v.initializer)
    assert session.run_steps(step, 4) == 30.0
    assert len(log) == 4


def test_callables_and_profiles_take_too(session):
    log = []
    (x,) = add_outside(GET_NEXT, numbers(log), (), [tf.float32], [[3]])
    call = session.make_callable(x * 2.0)
    assert call().tolist() == [2.0] * 3
    assert call().tolist() == [4.0] * 3
    assert session.profile(x * 3.0, runs=2).steps
    assert len(log) == 3
