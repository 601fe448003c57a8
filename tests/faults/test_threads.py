"""Eight threads in one session: nothing is lost, nothing is seen half done."""

from __future__ import annotations

import threading

import numpy as np
import pytest

import graphopt as tf
from graphopt.config import config
from tests.soak import times

v1 = tf.compat.v1
THREADS = 8
RUNS = times(500)


def run_all(*workers):
    errors = []

    def guarded(work):
        try:
            work()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=guarded, args=(work,)) for work in workers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(300)
        assert not thread.is_alive()
    if errors:
        raise errors[0]


@pytest.mark.parametrize("jit", ["always", "never"])
def test_updates_are_neither_lost_nor_torn(jit):
    with tf.Graph().as_default(), config(jit=jit), v1.Session() as session:
        a, b = tf.Variable(np.zeros(1000)), tf.Variable(np.zeros(1000))
        with tf.control_dependencies([a.assign_add(tf.ones([1000], tf.float64))]):
            both = tf.group(b.assign_sub(tf.ones([1000], tf.float64)))
        session.run(v1.global_variables_initializer())
        stop = threading.Event()
        left = [THREADS - 1]
        seen = []

        def write():
            for _ in range(RUNS):
                session.run_operation(both)
            left[0] -= 1
            if not left[0]:
                stop.set()

        def read():
            while True:
                x, y = session.run([a, b])
                seen.append(np.array_equal(x, -y) and np.ptp(x) == 0)
                if stop.is_set() or not left[0]:
                    break

        run_all(*[write] * (THREADS - 1), read)
        assert all(seen)
        assert seen
        total = (THREADS - 1) * RUNS
        np.testing.assert_array_equal(session.run(a), np.full(1000, total))


def test_first_runs_of_many_fetches_at_the_same_time():
    with tf.Graph().as_default(), config(jit="always"), v1.Session() as session:
        x = v1.placeholder(tf.float32, [None, 3])
        fetches = [
            tf.reduce_sum(tf.tanh(x * float(i + 1)) @ tf.ones([3, 2]), 0)
            for i in range(THREADS)
        ]
        value = np.arange(12, dtype=np.float32).reshape(4, 3) / 7
        barrier = threading.Barrier(THREADS)

        def work(i):
            barrier.wait(60)
            for j in range(2 * THREADS):
                k = (i + j) % THREADS
                expected = np.tanh(value * np.float32(k + 1)).sum() * np.ones(2)
                np.testing.assert_allclose(
                    session.run(fetches[k], {x: value}), expected, rtol=1e-5
                )

        run_all(*[lambda i=i: work(i) for i in range(THREADS)])


def test_eager_updates_of_shared_variables():
    v = tf.Variable(np.zeros(100))
    optimizer = tf.keras.optimizers.SGD(1.0)
    gradient = tf.constant(-np.ones(100))
    optimizer.apply_gradients([(gradient, v)])

    def work():
        for _ in range(100):
            optimizer.apply_gradients([(gradient, v)])

    run_all(*[work] * THREADS)
    np.testing.assert_array_equal(v.numpy(), np.full(100, 100 * THREADS + 1))
