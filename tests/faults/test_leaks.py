"""Memory stays flat over steps, sessions and graphs that are built again."""

from __future__ import annotations

import gc
from pathlib import Path

import numpy as np

import graphopt as tf
from graphopt.codegen.kernels import record
from graphopt.config import config
from tests.soak import times

v1 = tf.compat.v1
MEGABYTE = 1 << 20


def resident_bytes():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


def build_and_run(runs):
    with tf.Graph().as_default(), v1.Session() as session:
        x = v1.placeholder(tf.float32, [None, 20])
        w = tf.Variable(np.ones((20, 10), np.float32))
        loss = tf.reduce_mean(tf.math.squared_difference(tf.matmul(x, w), 1.0))
        train = tf.keras.optimizers.Adam(0.01).minimize(loss, [w])
        session.run(v1.global_variables_initializer())
        batches = [np.ones((n, 20), np.float32) for n in (3, 4, 5)]
        for i in range(runs):
            session.run([loss, train], {x: batches[i % 3]})


def grown(work):
    gc.collect()
    before, kernels = resident_bytes(), record.kernels
    work()
    gc.collect()
    assert record.kernels == kernels
    return resident_bytes() - before


def test_steps():
    with config(jit="always"):
        build_and_run(500)
        assert grown(lambda: build_and_run(times(10_000))) < 5 * MEGABYTE


def test_graphs_built_again():
    with config(jit="always"):
        for _ in range(30):
            build_and_run(2)
        assert (
            grown(lambda: [build_and_run(2) for _ in range(times(300))]) < 5 * MEGABYTE
        )


def test_eager_steps_and_functions():
    def work(count):
        v = tf.Variable(np.ones((20, 10), np.float32))
        optimizer = tf.keras.optimizers.Adam(0.01)
        step = tf.function(lambda x: tf.reduce_sum(x * v))
        for _ in range(count):
            optimizer.minimize(lambda: tf.reduce_sum(v * v), [v])
            step(tf.ones([20, 10]))

    work(200)
    assert grown(lambda: work(times(3000))) < 5 * MEGABYTE
    for _ in range(20):
        work(2)
    assert grown(lambda: [work(2) for _ in range(200)]) < 5 * MEGABYTE
