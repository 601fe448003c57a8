"""Derivatives through traced functions, of any order, and of what they capture."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import graphopt as tf


def embedded():
    table = tf.Variable(np.arange(12, dtype=np.float32).reshape(6, 2))
    lookup = tf.function(lambda i: tf.gather(table, i))
    return table, lookup


def test_a_lookup_in_a_function_has_a_sparse_gradient():
    table, lookup = embedded()
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(lookup(tf.constant([1, 1, 5])) ** 2)
    grad = tape.gradient(loss, table)
    assert isinstance(grad, tf.IndexedSlices)
    want = np.zeros((6, 2), np.float32)
    np.add.at(want, [1, 1, 5], 2 * table.numpy()[[1, 1, 5]])
    np.testing.assert_array_equal(tf.convert_to_tensor(grad).numpy(), want)
    tf.keras.optimizers.SGD(0.5).apply_gradients([(grad, table)])
    np.testing.assert_array_equal(table.numpy()[1], [2.0 - 4.0, 3.0 - 6.0])


def test_a_lookup_of_what_a_function_returns():
    v = tf.Variable([[1.0, 2.0], [3.0, 4.0]])
    f = tf.function(lambda: v * v)
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(tf.gather(f(), [1, 1]))
    np.testing.assert_array_equal(
        tape.gradient(loss, v).numpy(), [[0.0, 0.0], [12.0, 16.0]]
    )


def test_a_persistent_tape_sees_the_derivative_of_a_function():
    f = tf.function(lambda x: x * x * x)
    x = tf.constant(2.0)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(x)
        g = tape.gradient(f(x), x)
        penalty = g * g
    assert float(tape.gradient(penalty, x)) == 2 * 12.0 * 12.0


def test_gradient_penalties_reach_the_variables():
    def penalized(call):
        w = tf.Variable([[1.0, -2.0], [0.5, 3.0]])
        x = tf.constant([[1.0, 2.0]])
        f = call(lambda x: tf.reduce_sum(tf.tanh(tf.matmul(x, w)) ** 2))
        with tf.GradientTape() as outer:
            with tf.GradientTape() as inner:
                inner.watch(x)
                y = f(x)
            g = inner.gradient(y, x)
            loss = tf.reduce_sum(g * g) + y
        return outer.gradient(loss, w).numpy()

    np.testing.assert_allclose(
        penalized(tf.function), penalized(lambda f: f), rtol=1e-5, atol=1e-6
    )


@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_derivatives_of_any_order(order):
    def derivative(f, x, n):
        if n == 0:
            return f(x)
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = derivative(f, x, n - 1)
        return tape.gradient(y, x)

    x = tf.constant(np.float64(1.3))
    got = derivative(tf.function(lambda x: tf.sin(x) * x), x, order)
    want = derivative(lambda x: tf.sin(x) * x, x, order)
    np.testing.assert_allclose(got.numpy(), want.numpy(), rtol=1e-12)


def test_the_derivative_does_not_write_again():
    v = tf.Variable(2.0)

    @tf.function
    def f(x):
        y = x * x * v
        with tf.control_dependencies([v.assign_add(1.0)]):
            z = tf.identity(y)
        return z * v

    x = tf.constant(3.0)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(x)
        y = f(x)
        g = tape.gradient(y, x)
        again = g * 1.0
    assert float(v) == 3.0
    assert float(y) == 9.0 * 2.0 * 3.0
    assert float(g) == 2 * 3.0 * 2.0 * 3.0
    assert float(tape.gradient(again, x)) == 2.0 * 2.0 * 3.0
    assert float(v) == 3.0


def test_random_numbers_are_those_of_the_call():
    @tf.function
    def f(x):
        return x * x * tf.random.uniform([3], 1.0, 2.0)

    x = tf.constant([1.0, 2.0, 3.0])
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(x)
        y = f(x)
        g = tape.gradient(y, x)
        again = tf.reduce_sum(g)
    noise = y.numpy() / x.numpy() ** 2
    np.testing.assert_allclose(g.numpy(), 2 * x.numpy() * noise, rtol=1e-6)
    np.testing.assert_allclose(tape.gradient(again, x).numpy(), 2 * noise, rtol=1e-6)


def test_a_tape_entered_later_is_refused_in_words():
    v = tf.Variable(2.0)
    f = tf.function(lambda x: x * x * v)
    x = tf.constant(3.0)
    with tf.GradientTape() as first:
        first.watch(x)
        y = f(x)
    with tf.GradientTape() as second:
        second.watch(x)
        with pytest.raises(NotImplementedError, match="entered after the call"):
            first.gradient(y, x)


def test_a_captured_tensor_is_an_input():
    x = tf.constant([1.0, 2.0])
    f = tf.function(lambda: tf.reduce_sum(x * x * x))
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = f()
    np.testing.assert_array_equal(tape.gradient(y, x).numpy(), [3.0, 12.0])


def test_a_tape_inside_watches_what_is_captured():
    x = tf.constant([1.0, 2.0])

    @tf.function
    def f():
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = tf.cond(tf.constant(True), lambda: x * x, lambda: x)
        return tape.gradient(y, x)

    np.testing.assert_array_equal(f().numpy(), [2.0, 4.0])


def test_captured_whole_numbers_still_decide_about_shapes():
    shape = tf.constant([2, -1])
    f = tf.function(lambda x: tf.reshape(x, shape))
    assert f(tf.ones([6])).shape == (2, 3)


def test_partial_derivatives_of_what_is_stopped():
    with tf.Graph().as_default():
        a = tf.constant(0.0)
        b = 2.0 * a
        full = tf.gradients(a + b, [a, b])
        stopped = tf.gradients(a + b, [a, b], stop_gradients=[a, b])
        only_b = tf.gradients(b * b + a, [a], stop_gradients=[b])
        found = [g.eval() for g in (*full, *stopped, *only_b)]
    assert found == [3.0, 1.0, 1.0, 1.0, 1.0]


# ---- random functions, called in all ways

expression = st.recursive(
    st.sampled_from(["x", "v", "c"]),
    lambda inner: st.one_of(
        st.tuples(st.sampled_from(["add", "mul"]), inner, inner),
        st.tuples(st.sampled_from(["sin", "square", "gather"]), inner),
    ),
    max_leaves=6,
)


def evaluate(node, values):
    if isinstance(node, str):
        return values[node]
    name, *parts = node
    parts = [evaluate(part, values) for part in parts]
    if name == "gather":
        return tf.gather(parts[0], [2, 0, 0])
    table = {"add": lambda a, b: a + b, "mul": lambda a, b: a * b}
    table |= {"sin": tf.sin, "square": tf.square}
    return table[name](*parts)


@settings(max_examples=40, deadline=None)
@given(node=expression, order=st.integers(1, 3), persistent=st.booleans())
def test_functions_have_the_derivatives_of_their_bodies(node, order, persistent):
    start = np.array([0.5, -1.0, 1.5])

    def results(call):
        x, c = tf.constant(start), tf.constant(start * 0.5)
        v = tf.Variable(start + 1.0)
        f = call(lambda x: evaluate(node, {"x": x, "v": tf.identity(v), "c": c}))
        found = []
        tapes = [tf.GradientTape(persistent=persistent) for _ in range(order)]
        for tape in tapes:
            tape.__enter__()
            tape.watch([x, c])
        y = f(x)
        for tape in reversed(tapes):
            grads = tape.gradient(y, [x, v, c], unconnected_gradients="zero")
            tape.__exit__(None, None, None)
            grads = [tf.convert_to_tensor(g) for g in grads]
            found += [g.numpy() for g in grads]
            y = tf.add_n(grads)
        return found

    for got, want in zip(results(tf.function), results(lambda f: f), strict=True):
        np.testing.assert_allclose(got, want, rtol=1e-9, atol=1e-9)
