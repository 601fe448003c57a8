"""Random numbers of kernels: those of NumPy, bit for bit."""

from __future__ import annotations

import numpy as np
import pytest

import graphopt as tf
from graphopt.codegen.random import random_numbers
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


@pytest.mark.parametrize("kind", ["uniform", "normal", "truncated_normal"])
@pytest.mark.parametrize("dtype", [tf.float32, tf.float64], ids=lambda d: d.name)
@pytest.mark.parametrize("shape", SIZES, ids=str)
def test_the_numbers_are_those_of_numpy(shape, dtype, kind):
    def build():
        draw = getattr(tf.random, kind)
        stateless = getattr(tf.random, f"stateless_{kind}")
        return [
            draw(shape, dtype=dtype),
            draw(shape, dtype=dtype, seed=9),
            stateless(shape, (-7, 123_456_789_012), dtype=dtype),
        ]

    native = draws_of(build, "always")
    assert_same(native, draws_of(build, "never"))
    assert_same(native, draws_of(build, "always", threads=2))
    if shape != (0,):
        assert native[0][0].tobytes() != native[1][0].tobytes()
        assert native[0][2].tobytes() == native[1][2].tobytes()


@pytest.mark.parametrize("kind", ["normal", "truncated_normal"])
def test_rare_ways_to_a_normal_number_are_those_of_numpy(kind):
    # One number of 270 lies beside the layers' common part, one of 3,700 in the tail; the
    # truncated ones are drawn again up to a dozen times.
    def build():
        draw = getattr(tf.random, f"stateless_{kind}")
        return [draw([2_000_000], (seed, 0), dtype=tf.float64) for seed in (1, 2)]

    native = draws_of(build, "always", runs=1)
    assert_same(native, draws_of(build, "never", runs=1))
    furthest = np.abs(native[0]).max()
    assert furthest <= 2.0 if kind == "truncated_normal" else furthest > 4.5


WORD = 2**32


@pytest.mark.parametrize(
    ("low", "high"),
    [
        (-5, 7),
        (3, 4),
        (0, 3 * 2**29),
        (-(2**31), 2**31 - 1),
        (0, WORD - 1),
        (0, WORD),
        (7, WORD + 8),
        (0, 3 * 2**61),
        (-(2**63), 2**63 - 1),
    ],
)
@pytest.mark.parametrize("shape", [(0,), (), (5,), (3, 10_001)], ids=str)
def test_integers_are_those_of_numpy(low, high, shape):
    def build():
        kinds = [tf.int64] + [tf.int32] * (low >= -(2**31) and high < 2**31)
        drawn = [tf.random.uniform(shape, low, high, kind) for kind in kinds]
        stateless = tf.random.stateless_uniform
        return [*drawn, stateless(shape, (-7, 12), low, high, tf.int64)]

    native = draws_of(build, "always")
    assert_same(native, draws_of(build, "never"))
    assert all(np.all((x >= low) & (x < high)) for run in native for x in run)


@pytest.mark.parametrize("jit", ["always", "never"])
def test_no_integer_between_the_bounds_is_an_error_of_the_op(jit):
    with config(jit=jit), tf.Graph().as_default():
        high = v1.placeholder(tf.int32, [])
        v = tf.Variable(1.0)
        drawn = tf.random.uniform([3], 5, high, tf.int32, name="dice")
        step = v.assign_add(tf.reduce_sum(tf.cast(drawn, tf.float32)))
        with v1.Session() as session:
            session.run(v.initializer)
            with pytest.raises(tf.errors.InvalidArgumentError) as caught:
                session.run(step, {high: 5})
            message = str(caught.value)
            assert "Need minval < maxval, got 5 >= 5" in message
            assert "'dice'" in message and "test_random_numbers.py" in message
            assert session.run(v) == 1.0
            assert session.run(step, {high: 6}) == 16.0


@pytest.mark.parametrize(
    "build",
    [
        lambda: tf.random.uniform([9], 0, 5, tf.int32),
        lambda: tf.nn.dropout(tf.ones([100, 100]), 0.5),
        lambda: tf.random.normal([100], 1.0, 2.0),
        lambda: tf.random.truncated_normal([100], 1.0, 2.0),
    ],
)
def test_the_kernel_fills_an_array_without_the_host(build):
    with tf.Graph().as_default(), v1.Session() as session:
        plan = session.plan(build())
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
            noise = tf.random.uniform([300]) + tf.random.normal([300])
            step = w.assign_add(tf.nn.dropout(w, 0.5) - noise)
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
    i_seed = 6

    def build():
        def body(i, total):
            more = tf.random.stateless_uniform([40], (1, 2))
            return i + 1, total + more + tf.random.truncated_normal([40], seed=i_seed)

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
