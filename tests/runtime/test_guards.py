"""Updates that keep what is there unless a condition holds are jumped over."""

from __future__ import annotations

import numpy as np
import pytest

import graphopt as tf
from graphopt.config import config
from graphopt.rewrite.guards import SMALLEST

COUNT = 3 * SMALLEST


def jumps_in(session, fetches, *conditions):
    plan = session.plan(fetches, dict.fromkeys(conditions, True))
    return sum(step.kernel.startswith("jump") for step in plan.steps)


def build(kind, passes_off=()):
    """Returns a session, a step, the condition to feed and the variable."""
    condition = tf.compat.v1.placeholder(tf.bool, [])
    rows = tf.constant(np.arange(COUNT, dtype=np.float32))
    v = tf.Variable(np.linspace(-1.0, 1.0, COUNT, dtype=np.float32))
    old = v.read_value()
    if kind == "chain":
        new = tf.tanh(old + rows) * 2.0
    elif kind == "norm":
        new = old * tf.sqrt(tf.reduce_sum(old * old))
    elif kind == "matmul":
        square = tf.reshape(old, [SMALLEST, 3])
        product = tf.matmul(square, square, transpose_a=True)
        new = tf.reshape(tf.matmul(square, product), [COUNT])
    else:
        raise AssertionError(kind)
    step = v.assign(tf.where(condition, new, old), read_value=False)
    return step, condition, v, new


@pytest.mark.parametrize("kind", ["chain", "norm", "matmul"])
def test_same_bits_as_without_jumps(kind):
    results = []
    for jit in ("never", "always"):
        with tf.Graph().as_default(), config(jit=jit):
            step, condition, v, _ = build(kind)
            with tf.compat.v1.Session() as session:
                session.run(tf.compat.v1.global_variables_initializer())
                seen = []
                for value in (False, True, False, True):
                    session.run(step, {condition: value})
                    seen.append(session.run(v))
                results.append(seen)
                if jit == "always":
                    assert jumps_in(session, step, condition) == 1
    for a, b in zip(*results, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(
        results[1][0], np.linspace(-1.0, 1.0, COUNT, dtype="f")
    )
    np.testing.assert_array_equal(results[1][1], results[1][2])
    assert (results[1][2] != results[1][3]).any()


def test_what_is_fetched_is_computed():
    with tf.Graph().as_default(), config(jit="always"):
        step, condition, v, new = build("norm")
        with tf.compat.v1.Session() as session:
            session.run(tf.compat.v1.global_variables_initializer())
            before = session.run(v)
            got, _ = session.run([new, step], {condition: False})
            want = before * np.linalg.norm(before)
            np.testing.assert_allclose(got, want, rtol=1e-5)
            np.testing.assert_array_equal(session.run(v), before)


def test_small_updates_stay_in_one_kernel():
    with tf.Graph().as_default(), config(jit="always"):
        condition = tf.compat.v1.placeholder(tf.bool, [])
        v = tf.Variable(np.ones(8, np.float32))
        step = v.assign(tf.where(condition, v * 2.0, v), read_value=False)
        with tf.compat.v1.Session() as session:
            assert jumps_in(session, step, condition) == 0


def test_variable_written_twice_is_not_jumped_over():
    with tf.Graph().as_default(), config(jit="always"):
        step, condition, v, _ = build("chain")
        with tf.control_dependencies([step]):
            again = v.assign_add(tf.ones([COUNT]), read_value=False)
        with tf.compat.v1.Session() as session:
            session.run(tf.compat.v1.global_variables_initializer())
            before = session.run(v)
            session.run(again, {condition: False})
            np.testing.assert_array_equal(session.run(v), before + 1.0)


def test_other_old_value_is_no_condition():
    with tf.Graph().as_default(), config(jit="always"):
        condition = tf.compat.v1.placeholder(tf.bool, [])
        v, w = (tf.Variable(np.full(COUNT, x, np.float32)) for x in (1.0, 2.0))
        step = v.assign(tf.where(condition, v * 4.0, w), read_value=False)
        with tf.compat.v1.Session() as session:
            session.run(tf.compat.v1.global_variables_initializer())
            assert jumps_in(session, step, condition) == 0
            session.run(step, {condition: False})
            assert session.run(v)[0] == 2.0


def test_condition_of_the_update_itself():
    # The condition needs what the update computes, so that has to run.
    with tf.Graph().as_default(), config(jit="always"):
        v = tf.Variable(np.full(COUNT, 2.0, np.float32))
        new = v * v
        small = tf.reduce_max(new) < 100.0
        step = v.assign(tf.where(small, new, v), read_value=False)
        with tf.compat.v1.Session() as session:
            session.run(tf.compat.v1.global_variables_initializer())
            for want in (4.0, 16.0, 16.0):
                session.run(step)
                assert session.run(v)[0] == want


def test_checks_of_what_is_not_used_still_fail():
    with tf.Graph().as_default(), config(jit="always"):
        condition = tf.compat.v1.placeholder(tf.bool, [])
        index = tf.compat.v1.placeholder(tf.int32, [COUNT])
        v = tf.Variable(np.ones(COUNT, np.float32))
        new = tf.gather(v.read_value(), index) * 2.0
        step = v.assign(tf.where(condition, new, v), read_value=False)
        with tf.compat.v1.Session() as session:
            session.run(tf.compat.v1.global_variables_initializer())
            bad = np.full(COUNT, COUNT, np.int32)
            with pytest.raises(tf.errors.InvalidArgumentError, match="index"):
                session.run(step, {condition: False, index: bad})


def test_two_conditions():
    with tf.Graph().as_default(), config(jit="always"):
        a, b = (tf.compat.v1.placeholder(tf.bool, []) for _ in range(2))
        v, w = (tf.Variable(np.full(COUNT, x, np.float32)) for x in (1.0, 2.0))
        both = tf.exp(v.read_value() + w.read_value())
        steps = tf.group(
            v.assign(tf.where(a, both, v), read_value=False),
            w.assign(tf.where(b, both * 2.0, w), read_value=False),
        )
        with tf.compat.v1.Session() as session:
            session.run(tf.compat.v1.global_variables_initializer())
            assert jumps_in(session, steps, a, b) == 2
            session.run(steps, {a: False, b: True})
            values = session.run(v)[0], session.run(w)[0]
            np.testing.assert_allclose(values, [1.0, 2.0 * np.exp(3.0)], rtol=1e-5)


def test_accumulation_jumps_over_the_update_of_all_variables():
    with tf.Graph().as_default(), config(jit="always"):
        variables = [tf.Variable(np.ones(COUNT, np.float32)) for _ in range(3)]
        opt = tf.keras.optimizers.Adam(
            0.1, gradient_accumulation_steps=3, global_clipnorm=1.0
        )
        pairs = [(tf.ones([COUNT]), v) for v in variables]
        train = opt.apply_gradients(pairs)
        with tf.compat.v1.Session() as session:
            session.run(tf.compat.v1.global_variables_initializer())
            assert 1 <= jumps_in(session, train) <= 3
            session.run_steps(train, 7)
            assert session.run(opt.iterations) == 2
