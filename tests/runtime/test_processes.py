"""Sessions after a fork, in spawned children and in many threads at once."""

from __future__ import annotations

import multiprocessing
import threading

import numpy as np
import pytest

import graphopt as tf
from graphopt.config import config
from tests.soak import times

v1 = tf.compat.v1


def train(steps: int = 3) -> list[float]:
    """Trains a little, compiled, and returns the weights."""
    with tf.Graph().as_default(), config(jit="always"):
        x = tf.constant(np.linspace(-1, 1, 24, dtype=np.float32).reshape(6, 4))
        w = tf.Variable(np.ones((4, 2), np.float32))
        loss = tf.reduce_mean(tf.square(tf.tanh(tf.matmul(x, w)) - 0.5))
        opt = tf.keras.optimizers.Adam(0.1)
        op = opt.minimize(loss, var_list=[w])
        with v1.Session() as session:
            session.run(v1.global_variables_initializer())
            for _ in range(steps):
                session.run(op)
            return session.run(w).ravel().tolist()


def in_child(queue: multiprocessing.Queue) -> None:
    """What a child process does."""
    queue.put(train())


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_children_run_after_the_parent_did(method):
    want = train()
    context = multiprocessing.get_context(method)
    queue = context.Queue()
    children = [
        context.Process(target=in_child, args=(queue,)) for _ in range(times(2))
    ]
    for child in children:
        child.start()
    results = [queue.get(timeout=120) for _ in children]
    for child in children:
        child.join(timeout=60)
        assert child.exitcode == 0
    assert results == [want, want]
    assert train() == want


def test_threads_that_compile_at_the_same_time():
    want, results, errors = train(), [], []

    def work():
        try:
            results.append(train())
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=work) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert results == [want] * 6
