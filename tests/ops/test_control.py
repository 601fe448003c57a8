"""cond, case, while_loop and custom_gradient, in both modes."""

from __future__ import annotations

import numpy as np
import pytest

import graphopt as tf
from graphopt.config import config

v1 = tf.compat.v1
JIT = pytest.mark.parametrize("jit", ["never", "always"])


@pytest.fixture
def graph():
    with tf.Graph().as_default() as graph:
        yield graph


def run(fetches, feed=None, jit="never"):
    with config(jit=jit), v1.Session() as session:
        session.run(v1.global_variables_initializer())
        return session.run(fetches, feed)


@JIT
def test_cond_runs_one_branch(graph, jit):
    x = v1.placeholder(tf.float32, [None], name="x")
    y = tf.cond(tf.reduce_sum(x) > 0, lambda: x * x, lambda: -x)
    (g,) = tf.gradients(y, [x])
    up = run([y, g], {x: [1, 2]}, jit)
    down = run([y, g], {x: [-1, -2]}, jit)
    np.testing.assert_array_equal(up, [[1, 4], [2, 4]])
    np.testing.assert_array_equal(down, [[1, 2], [-1, -1]])


def test_cond_returns_structures(graph):
    p = v1.placeholder(tf.bool, [])
    result = tf.cond(
        p,
        lambda: {"a": tf.constant(1.0), "b": [tf.constant(2)]},
        lambda: {"a": tf.constant(3.0), "b": [tf.constant(4)]},
    )
    assert run(result, {p: True}) == {"a": 1.0, "b": [2]}
    assert run(result, {p: False}) == {"a": 3.0, "b": [4]}


def test_cond_in_eager_mode_calls_one_function():
    called = []
    result = tf.cond(
        tf.constant(True),
        lambda: called.append(1) or tf.constant(1.0),
        lambda: called.append(2) or tf.constant(2.0),
    )
    assert float(result) == 1.0
    assert called == [1]


def test_cond_has_second_derivatives(graph):
    x = tf.constant(3.0)
    y = tf.cond(x > 0, lambda: x * x * x, lambda: x)
    (g,) = tf.gradients(y, [x])
    (h,) = tf.gradients(g, [x])
    assert run([y, g, h]) == [27.0, 27.0, 18.0]


@JIT
def test_assignments_inside_cond(graph, jit):
    v, w = tf.Variable(1.0), tf.Variable(10.0)
    p = v1.placeholder(tf.bool, [])
    result = tf.cond(p, lambda: v.assign_add(w), lambda: w.assign(v * 2.0))
    with config(jit=jit), v1.Session() as session:
        session.run(v1.global_variables_initializer())
        assert session.run(result, {p: True}) == 11.0
        assert session.run([v, w]) == [11.0, 10.0]
        assert session.run(result, {p: False}) == 22.0
        assert session.run([v, w]) == [11.0, 22.0]


def test_reads_after_assignments_inside_a_branch(graph):
    v = tf.Variable(1.0)

    def branch():
        v.assign_add(1.0)
        v.assign(v * 10.0)
        return v + 0.5

    y = tf.cond(tf.constant(True), branch, lambda: tf.constant(0.0))
    assert run(y) == 20.5


def test_nested_cond(graph):
    x = v1.placeholder(tf.float32, [])
    v = tf.Variable(0.0)

    def positive():
        return tf.cond(x > 10, lambda: v.assign_add(100.0), lambda: v.assign_add(1.0))

    y = tf.cond(x > 0, positive, lambda: v.assign(-5.0))
    for value, want in ((20.0, 100.0), (5.0, 1.0), (-1.0, -5.0)):
        assert run(y, {x: value}) == want


def test_bad_conds(graph):
    one, two = (lambda: tf.constant(1.0)), (lambda: [tf.constant(1.0)] * 2)
    p = v1.placeholder(tf.bool, [])
    with pytest.raises(TypeError, match="two functions"):
        tf.cond(p, one, None)
    with pytest.raises(ValueError, match=r"same structure.*test_control\.py"):
        tf.cond(p, one, two)
    with pytest.raises(TypeError, match="same dtypes; result #0"):
        tf.cond(p, one, lambda: tf.constant(1))
    with pytest.raises(TypeError, match="must be a bool"):
        tf.cond(tf.constant(1.0), one, one)
    with pytest.raises(ValueError, match="must be a scalar"):
        tf.cond(tf.constant([True, False]), one, one)


@pytest.mark.parametrize("mode", ["eager", "graph"])
def test_case_and_switch_case(mode):
    def check():
        x = tf.constant(7)
        pairs = [
            (x < 3, lambda: tf.constant(1)),
            (x < 10, lambda: tf.constant(2)),
            (x < 20, lambda: tf.constant(3)),
        ]
        branches = [lambda: tf.constant(10), lambda: tf.constant(20)]
        results = [
            tf.case(pairs, default=lambda: tf.constant(0)),
            tf.case(pairs[:1], default=lambda: tf.constant(0)),
            tf.switch_case(tf.constant(0), branches),
            tf.switch_case(tf.constant(5), branches),
        ]
        return [int(r) if mode == "eager" else int(r.eval()) for r in results]

    if mode == "eager":
        assert check() == [2, 0, 10, 20]
    else:
        with tf.Graph().as_default():
            assert check() == [2, 0, 10, 20]


@JIT
def test_while_loop_and_its_gradient(graph, jit):
    x, c = v1.placeholder(tf.float32, [None]), tf.constant(2.0)
    _, y = tf.while_loop(
        lambda i, y: i < 3, lambda i, y: (i + 1, y * x * c), (0, tf.ones_like(x))
    )
    gx, gc = tf.gradients(y, [x, c])
    y, gx, gc = run([y, gx, gc], {x: [2.0, 3.0]}, jit)
    np.testing.assert_array_equal(y, [64.0, 216.0])
    np.testing.assert_array_equal(gx, [96.0, 216.0])
    assert gc == 3 * (64 + 216) / 2


def test_while_loop_eagerly():
    x = tf.Variable(2.0)
    with tf.GradientTape() as tape:
        i, y = tf.while_loop(lambda i, y: i < 4, lambda i, y: [i + 1, y * x], [0, 1.0])
    assert int(i) == 4
    assert float(tape.gradient(y, x)) == 32.0


def test_maximum_iterations_and_stopped_gradients(graph):
    x = tf.constant(3.0)
    y = tf.while_loop(lambda y: y < 1e9, lambda y: y * x, [x], maximum_iterations=2)
    z = tf.while_loop(lambda y: y < 20.0, lambda y: y * x, [x], back_prop=False)
    assert tf.gradients(z, [x]) == [None]
    assert run([y, z]) == [[27.0], [27.0]]


def test_assignments_inside_a_loop(graph):
    v = tf.Variable(1.0)

    def body(i):
        v.assign(v * 2.0)
        return i + 1

    i = tf.while_loop(lambda i: i < 5, body, [0])
    with v1.Session() as session:
        session.run(v1.global_variables_initializer())
        assert session.run(i) == [5]
        assert session.run(v) == 32.0


def test_training_inside_a_loop(graph):
    w = tf.Variable(3.0)
    opt = tf.keras.optimizers.SGD(0.1)

    def body(i):
        opt.minimize(lambda: w * w, [w])
        return i + 1

    steps = tf.while_loop(lambda i: i < 10, body, [0])
    with v1.Session() as session:
        session.run(v1.global_variables_initializer())
        session.run(steps)
        assert session.run(w) == pytest.approx(3.0 * 0.8**10, rel=1e-6)
        assert session.run(opt.iterations) == 10


def test_bad_loops(graph):
    start = tf.zeros([2])
    with pytest.raises(TypeError, match="enters the loop with another dtype"):
        tf.while_loop(lambda x: True, lambda x: tf.cast(x, tf.int32), [start])
    with pytest.raises(ValueError, match="another shape than it has after"):
        tf.while_loop(lambda x: True, lambda x: tf.concat([x, x], 0), [start])
    with pytest.raises(ValueError, match="as many values"):
        tf.while_loop(lambda x, y: True, lambda x, y: [x], [start, start])
    with pytest.raises(ValueError, match="No loop variables"):
        tf.while_loop(lambda: True, list, [])


def test_second_derivative_of_a_loop_is_refused(graph):
    x = tf.constant(2.0)
    y = tf.while_loop(lambda y: y < 9.0, lambda y: y * x, [x])
    (g,) = tf.gradients(y, [x])
    with pytest.raises(NotImplementedError, match="second derivative"):
        tf.gradients(g, [x])


@pytest.mark.parametrize("mode", ["eager", "graph"])
def test_custom_gradient(mode):
    @tf.custom_gradient
    def scaled(a, b):
        return (a * b, a + b), lambda g1, g2: (g1 * 10.0, g2 * 100.0)

    def check():
        a, b = tf.constant(1.0), tf.constant(2.0)
        with tf.GradientTape() as tape:
            tape.watch([a, b])
            u, v = scaled(a, b)
        return [u, v, *tape.gradient([u, v], [a, b])]

    if mode == "eager":
        assert list(map(float, check())) == [2.0, 3.0, 10.0, 100.0]
    else:
        with tf.Graph().as_default():
            for jit in ("never", "always"):
                assert run(check(), jit=jit) == [2.0, 3.0, 10.0, 100.0]


def test_custom_gradient_with_the_wrong_number_of_values():
    bad = tf.custom_gradient(lambda x: (x, lambda g: (g, g)))
    x = tf.Variable(1.0)
    with tf.GradientTape() as tape:
        y = bad(x)
    with pytest.raises(ValueError, match="returned 2 values for 1 arguments"):
        tape.gradient(y, x)


@JIT
def test_random_ops_inside_branches_and_loops(graph, jit):
    tf.random.set_seed(5)
    p = v1.placeholder(tf.bool, [])
    drawn = tf.cond(p, lambda: tf.random.normal([]), lambda: tf.constant(0.0))
    _, total = tf.while_loop(
        lambda i, t: i < 3, lambda i, t: (i + 1, t + tf.random.uniform([])), (0, 0.0)
    )

    def values(session):
        return [
            tuple(map(float, session.run([drawn, total], {p: True}))) for _ in "abc"
        ]

    with config(jit=jit), v1.Session() as first, v1.Session() as second:
        once = values(first)
        assert len(set(once)) == 3
        assert values(second) == once


@JIT
def test_as_many_rounds_as_the_run_decides(graph, jit):
    n = v1.placeholder(tf.int32, [])
    x = tf.constant(2.0)
    y = tf.while_loop(
        lambda y: y < 100.0, lambda y: [y * x], [x], maximum_iterations=n
    )[0]
    grown = tf.while_loop(
        lambda a, b: b < 9,
        lambda a, b: (tf.concat([a, a], 0), b + 1),
        (tf.ones([1]), 0),
        shape_invariants=(tf.TensorShape([None]), tf.TensorShape([])),
        maximum_iterations=n,
    )[0]
    fetches = [y, tf.gradients(y, [x])[0], tf.size(grown)]
    for rounds, want in ((3, [16, 32, 8]), (0, [2, 1, 1]), (50, None)):
        found = run(fetches[:2] if want is None else fetches, {n: rounds}, jit)
        assert found == ([128, 448] if want is None else want)


@JIT
def test_derivatives_see_the_numbers_that_were_drawn(graph, jit):
    x, p = tf.constant(2.0), v1.placeholder(tf.bool, [])

    def body(i, total, noises):
        # A loop in the loop, and a branch in that.
        def inner(j, t):
            noise = tf.cond(p, lambda: tf.random.normal([]), lambda: 0.0)
            return j + 1, t + noise

        _, noise = tf.while_loop(lambda j, _: j < 2, inner, (0, tf.random.uniform([])))
        return i + 1, total + x * noise, noises.write(i, noise)

    noises = tf.TensorArray(tf.float32, 4)
    _, total, noises = tf.while_loop(lambda i, *_: i < 4, body, (0, 0.0, noises))
    fetches = [total, noises.stack(), tf.gradients(total, [x])[0]]
    with config(jit=jit), v1.Session() as session:
        plan = session.plan(fetches, {p: True})
        assert not any(step.kernel == "HOST" for step in plan.steps)
        found = [session.run(fetches, {p: True}) for _ in range(3)]
    for got, noise, derivative in found:
        assert len(set(noise.tolist())) == 4
        np.testing.assert_allclose(derivative, noise.sum(), rtol=1e-5)
        np.testing.assert_allclose(got, 2 * noise.sum(), rtol=1e-5)
    assert len({float(got) for got, *_ in found}) == 3


def test_printing_inside_a_loop(graph, capfd):
    def body(i):
        tf.print("round", i)
        return i + 1

    i = tf.while_loop(lambda i: i < 2, body, [0])
    assert run(i) == [2]
    assert capfd.readouterr().err == "round 0\nround 1\n"
