"""Uniform random numbers of kernels: those of NumPy, bit for bit."""

from __future__ import annotations

import numpy as np
import pytest

import graphopt as tf
from graphopt.codegen import random_numbers
from graphopt.config import config

v1 = tf.compat.v1
SIZES = [(0,), (1,), (3,), (4,), (5,), (1023,), (64, 33), (4099,), (3, 100_001)]


def draws_of(build, jit, runs=3, threads=1):
    """What a session fetches, run after run."""
    with config(jit=jit, threads=threads), tf.Graph().as_default() as graph:
        graph.seed = 5
        fetches = build()
        with v1.Session() as session:
            return [session.run(fetches) for _ in range(runs)]


def assert_same(a, b):
    for x, y in zip(a, b, strict=True):
        for left, right in zip(x, y, strict=True):
            assert left.dtype == right.dtype
            assert left.tobytes() == right.tobytes()


@pytest.mark.parametrize("dtype", [tf.float32, tf.float64], ids=lambda d: d.name)
@pytest.mark.parametrize("shape", SIZES, ids=str)
def test_the_numbers_are_those_of_numpy(shape, dtype):
    def build():
        return [
            tf.random.uniform(shape, dtype=dtype),
            tf.random.uniform(shape, dtype=dtype, seed=9),
            tf.random.stateless_uniform(shape, (-7, 123_456_789_012), dtype=dtype),
        ]

    native = draws_of(build, "always")
    assert_same(native, draws_of(build, "never"))
    assert_same(native, draws_of(build, "always", threads=2))
    if shape != (0,):
        assert native[0][0].tobytes() != native[1][0].tobytes()
        assert native[0][2].tobytes() == native[1][2].tobytes()


def test_the_kernel_fills_an_array_without_the_host():
    with tf.Graph().as_default(), v1.Session() as session:
        plan = session.plan(tf.nn.dropout(tf.ones([100, 100]), 0.5))
        assert "random" in [step.kernel.split()[0] for step in plan.steps]
        assert "host" not in str(plan)


def test_no_number_is_rounded_to_one():
    # Number 83,561 of this key is 1 - 2e-8, nearer to 1 than to the float32 before it.
    drawn = draws_of(lambda: [tf.random.stateless_uniform([90_000], (26, 1))], "always")
    assert drawn[0][0].max() == np.nextafter(np.float32(1), np.float32(0))
    assert drawn[0][0].argmax() == 83_561


def test_compiled_and_interpreted_runs_count_together():
    def third(modes):
        with tf.Graph().as_default() as graph, v1.Session() as session:
            graph.seed = 2
            x = tf.random.uniform([50])
            for jit in modes:
                with config(jit=jit):
                    got = session.run(x)
            return got

    expected = third(["never"] * 4)
    for modes in (["always"] * 4, ["never", "always"] * 2, ["always", "never"] * 2):
        assert third(modes).tobytes() == expected.tobytes()


@pytest.mark.parametrize("jit", ["always", "never"])
def test_steps_in_one_call_draw_as_single_ones(jit):
    def train(whole):
        with config(jit=jit), tf.Graph().as_default() as graph:
            graph.seed = 3
            w = tf.Variable(np.ones(300, np.float32))
            step = w.assign_add(tf.nn.dropout(w, 0.5) - tf.random.uniform([300]))
            with v1.Session() as session:
                session.run(w.initializer)
                if whole:
                    session.run_steps(step.op, 20)
                else:
                    for _ in range(20):
                        session.run(step.op)
                return session.run(w)

    assert train(True).tobytes() == train(False).tobytes()


def test_numbers_inside_of_a_loop():
    def build():
        def body(i, total):
            return i + 1, total + tf.random.stateless_uniform([40], (1, 2))

        _, total = tf.while_loop(lambda i, _: i < 5, body, (0, tf.zeros([40])))
        return [total]

    assert_same(draws_of(build, "always"), draws_of(build, "never"))


def test_a_debug_session_knows_them_and_finds_a_wrong_kernel(monkeypatch):
    def run():
        with tf.Graph().as_default() as graph, v1.Session(debug=True) as session:
            graph.seed = 4
            x = tf.random.uniform([9], name="culprit") * 2.0
            return [session.run(x) for _ in range(2)]

    good = run()
    assert_same([[x] for x in good], [[x] for x in run()])
    assert good[0].tobytes() != good[1].tobytes()
    monkeypatch.setattr(random_numbers, "_BLOCK", 3)
    with pytest.raises(tf.errors.InternalError, match="culprit"):
        run()


def test_a_new_session_begins_anew():
    with tf.Graph().as_default() as graph, config(jit="always"):
        graph.seed = 8
        x = tf.random.uniform([10])
        runs = []
        for _ in range(2):
            with v1.Session() as session:
                runs.append([session.run(x), session.run(x)])
    assert_same(*[[run] for run in runs])
