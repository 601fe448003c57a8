"""The examples run, and the aliases of the page are the same objects."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

import graphopt as tf

EXAMPLES = Path(__file__).parents[2] / "examples"


def test_digits_in_graph_mode_reach_97_percent():
    pytest.importorskip("sklearn")
    module = runpy.run_path(str(EXAMPLES / "digits_graph.py"))
    assert module["main"]() >= 0.97


def test_the_five_names_of_the_page_are_one_class():
    optimizer = tf.keras.optimizers.Optimizer
    assert tf.compat.v1.keras.optimizers.Optimizer is optimizer
    assert tf.compat.v2.keras.optimizers.Optimizer is optimizer
    assert tf.compat.v2.optimizers.Optimizer is optimizer
    assert tf.optimizers.Optimizer is optimizer


def test_first_block_of_the_page():
    opt = tf.keras.optimizers.SGD(learning_rate=0.1)
    with tf.Graph().as_default():
        var1, var2 = tf.Variable(2.0), tf.Variable(5.0)

        def loss():
            return 3 * var1 * var1 + 2 * var2 * var2

        opt_op = opt.minimize(loss, var_list=[var1, var2])
        opt_op.run()
        assert var1.eval() == pytest.approx(0.8)
        assert var2.eval() == pytest.approx(3.0)


def test_mean_over_an_unknown_batch_trains():
    with tf.Graph().as_default():
        x = tf.compat.v1.placeholder(tf.float32, [None, 16])
        w = tf.Variable(tf.ones([16, 1]))
        loss = tf.reduce_mean(tf.square(tf.matmul(x, w)))
        op = tf.keras.optimizers.SGD(0.01).minimize(loss, var_list=[w])
        with tf.compat.v1.Session() as session:
            session.run(tf.compat.v1.global_variables_initializer())
            before = session.run(loss, {x: [[1.0] * 16] * 32})
            op.run({x: [[1.0] * 16] * 200})
            assert session.run(loss, {x: [[1.0] * 16] * 32}) < before
