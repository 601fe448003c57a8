"""Which value a read sees, and in which order updates happen."""

from __future__ import annotations

import threading

import numpy as np
import pytest

import graphopt as tf
from graphopt.config import config

v1 = tf.compat.v1


@pytest.fixture(params=["never", "always"], autouse=True)
def session(request):
    with tf.Graph().as_default(), config(jit=request.param):
        yield


def run(fetches, *variables, times=1):
    """Initializes the variables of the graph and runs."""
    with v1.Session() as session:
        session.run(v1.global_variables_initializer())
        for _ in range(times):
            result = session.run(fetches)
        return result, session.run(list(variables))


def test_a_read_sees_what_was_made_before_it():
    v = tf.Variable([1.0, 2.0])
    read = v * 10.0
    add = v.assign_add([1.0, 1.0])
    late = v * 100.0
    (a, _, b, c), (after,) = run([read, add.op, late, v], v)
    np.testing.assert_array_equal(a, [10.0, 20.0])
    np.testing.assert_array_equal(b, [200.0, 300.0])
    np.testing.assert_array_equal(c, [1.0, 2.0])
    np.testing.assert_array_equal(after, [2.0, 3.0])


def test_ordered_read_sees_the_new_value():
    v = tf.Variable(1.0)
    first = v.assign_add(1.0)
    with tf.control_dependencies([first]):
        second = v.assign_add(10.0)
        middle = v.read_value()
    with tf.control_dependencies([second]):
        end = v.read_value()
    (before, a, b, c), _ = run([v, first, middle, end])
    assert (before, a, c) == (1.0, 2.0, 12.0)
    # Made after both updates, it sees both.
    assert b == 12.0


def test_value_of_an_assignment_is_the_new_one():
    v = tf.Variable(1.0)
    value, (after,) = run(v.assign(v * 5.0 + 1.0), v)
    assert value == after == 6.0


def test_updates_happen_in_the_order_of_creation():
    v = tf.Variable(1.0)
    add, double = v.assign_add(3.0), v.assign(v * 2.0)
    _, (after,) = run([double.op, add.op], v)
    assert after == 8.0


def test_swap_of_two_variables():
    a, b = tf.Variable([1.0, 2.0]), tf.Variable([3.0, 4.0])
    old_a, old_b = a.read_value(), b.read_value()
    swap = tf.group(a.assign(old_b), b.assign(old_a))
    _, (x, y) = run(swap, a, b)
    np.testing.assert_array_equal(x, [3.0, 4.0])
    np.testing.assert_array_equal(y, [1.0, 2.0])


def test_read_through_views_is_kept():
    v = tf.Variable([[1.0, 2.0], [3.0, 4.0]])
    view = tf.reshape(tf.identity(v), [4])
    update = v.assign(v + 1.0)
    with tf.control_dependencies([update]):
        late = tf.reduce_sum(view)
    (early, total), _ = run([view, late])
    np.testing.assert_array_equal(early, [1.0, 2.0, 3.0, 4.0])
    assert total == 10.0


def test_same_result_at_every_run():
    v = tf.Variable(1.0)
    step = v.assign(v * 2.0)
    (before, new), (after,) = run([v, step], v, times=5)
    assert (before, new, after) == (16.0, 32.0, 32.0)


def test_fetches_do_not_depend_on_their_order():
    v = tf.Variable(2.0)
    fetches = [v * 1.0, v.assign_add(1.0), v + 10.0, v]
    forward, _ = run(fetches)
    backward, _ = run(fetches[::-1])
    assert forward == backward[::-1] == [2.0, 3.0, 13.0, 2.0]


def test_a_control_dependency_can_contradict_the_order_of_effects():
    v = tf.Variable(1.0)
    early = v.assign_add(1.0).op
    late = v.assign_add(10.0).op
    with tf.control_dependencies([late]):
        marker = tf.no_op()
    assert marker.control_inputs == (late,)
    _, (after,) = run([marker, early], v)
    assert after == 12.0


def test_threads_lose_no_update_and_see_no_half_step():
    a, b = tf.Variable(0.0), tf.Variable(0.0)
    step = tf.group(a.assign_add(1.0), b.assign_add(1.0))
    torn, session = [], v1.Session()
    session.run(v1.global_variables_initializer())
    session.run([a, b])

    def write():
        for _ in range(300):
            session.run(step)

    def read():
        for _ in range(300):
            x, y = session.run([a, b])
            if x != y:
                torn.append((x, y))

    threads = [threading.Thread(target=f) for f in (write, write, write, read)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert torn == []
    assert session.run([a, b]) == [900.0, 900.0]
