"""float32 stays close to float64 over long sums and long training."""

from __future__ import annotations

import numpy as np
import pytest

import graphopt as tf
from graphopt.config import config

v1 = tf.compat.v1


@pytest.mark.parametrize("jit", ["always", "never"])
def test_a_long_sum(jit):
    with tf.Graph().as_default(), config(jit=jit), v1.Session() as session:
        x = v1.placeholder(tf.float32, [None])
        total, mean = tf.reduce_sum(x), tf.reduce_mean(x)
        value = np.full(1 << 25, 0.1, np.float32)
        exact = float(np.float32(0.1)) * len(value)
        got = session.run([total, mean], {x: value})
        assert abs(float(got[0]) / exact - 1) < 1e-6
        assert abs(float(got[1]) * len(value) / exact - 1) < 1e-6


def test_the_loss_of_a_network_over_two_thousand_steps():
    curves = {}
    for dtype in ("float32", "float64"):
        rng = np.random.default_rng(3)
        with tf.Graph().as_default(), v1.Session() as session:
            x = tf.constant(rng.standard_normal((400, 10)), dtype)
            y = tf.constant(np.sin(rng.standard_normal((400, 1))), dtype)
            w1 = tf.Variable(rng.standard_normal((10, 16)) * 0.3, dtype=dtype)
            w2 = tf.Variable(rng.standard_normal((16, 1)) * 0.3, dtype=dtype)
            predicted = tf.matmul(tf.tanh(tf.matmul(x, w1)), w2)
            loss = tf.reduce_mean(tf.math.squared_difference(predicted, y))
            train = tf.keras.optimizers.SGD(0.02, momentum=0.9).minimize(loss, [w1, w2])
            session.run(v1.global_variables_initializer())
            curve = []
            for _ in range(40):
                session.run_steps(train, 50)
                curve.append(float(session.run(loss)))
        curves[dtype] = np.array(curve)
    assert curves["float64"][-1] < 0.9 * curves["float64"][0]
    np.testing.assert_allclose(curves["float32"], curves["float64"], rtol=1e-3)
