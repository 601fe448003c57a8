"""Which elementwise ops share a loop."""

from __future__ import annotations

import numpy as np

import graphopt as tf
from graphopt.rewrite.pipeline import PIPELINE
from tests.rewrite.helpers import op_types, rewritten

v1 = tf.compat.v1


def test_a_training_step_of_scalars_is_one_op():
    def build():
        a, b = tf.Variable(2.0), tf.Variable(5.0)
        optimizer = tf.keras.optimizers.Adam(0.1)
        return [optimizer.minimize(3 * a * a + 2 * b * b, [a, b])]

    types = op_types(rewritten(build, passes=PIPELINE))
    assert types.count("FusedElementwise") == 1
    assert not [t for t in types if t not in ("FusedElementwise", "ReadVariableOp")]


def test_scalars_on_both_sides_of_another_op_stay_apart():
    def build(x):
        before = tf.exp(x[0] * 2.0) + 1.0
        wide = tf.reduce_sum(tf.sort(tf.fill([5], before) * x))
        return tf.tanh(wide) * 3.0, before

    types = op_types(rewritten(build, np.ones(5, np.float32), passes=PIPELINE))
    # Two of scalars, and the product in between.
    assert types.count("FusedElementwise") == 3


def test_a_scalar_read_after_a_write_stays_behind_it():
    with tf.Graph().as_default(), v1.Session() as session:
        v = tf.Variable(1.0)
        old = v * 10.0
        with tf.control_dependencies([v.assign_add(1.0)]):
            new = v.read_value() * 100.0
        session.run(v.initializer)
        for i in range(1, 5):
            assert session.run([old, new]) == [10.0 * i, 100.0 * (i + 1)]


def test_who_uses_a_constant_waits_for_what_it_waits_for():
    with tf.Graph().as_default(), v1.Session() as session:
        v, w = tf.Variable(1.0), tf.Variable(0.0)
        with tf.control_dependencies([v.assign_add(1.0)]):
            one = tf.constant(1.0)
        copy = w.assign(one)
        with tf.control_dependencies([copy]):
            after = v.read_value()
        session.run([v.initializer, w.initializer])
        assert session.run(after) == 2.0
        assert session.run(one) == 1.0
        assert session.run(v) == 3.0
