"""Derivatives at zeros, poles and edges, where a formula alone gives NaN."""

from __future__ import annotations

import numpy as np
import pytest

import graphopt as tf
from graphopt.config import config

v1 = tf.compat.v1
SINGULAR = np.array([0.0, -1.0, -np.inf, np.nan, np.inf, 4.0])


def in_all_modes(function, x):
    """The derivative of a function, eagerly, traced, interpreted and compiled."""

    def derivative(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = function(x)
        return tape.gradient(y, x)

    found = [
        derivative(tf.constant(x)).numpy(),
        tf.function(derivative)(tf.constant(x)).numpy(),
    ]
    for jit in ("never", "always"):
        with tf.Graph().as_default(), config(jit=jit), v1.Session() as session:
            fed = v1.placeholder(x.dtype, x.shape)
            found.append(session.run(derivative(fed), {fed: x}))
    return found


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("function", [tf.sqrt, tf.math.rsqrt, tf.math.reciprocal])
def test_nothing_flows_into_what_was_not_chosen(function, dtype):
    x = SINGULAR.astype(dtype)
    slope = {
        "sqrt": 0.25,
        "rsqrt": -1 / 16,
        "reciprocal": -1 / 16,
    }[function.__name__]
    for got in in_all_modes(lambda x: tf.where(tf.equal(x, 4.0), function(x), 0.0), x):
        np.testing.assert_allclose(got, [0, 0, 0, 0, 0, slope], rtol=1e-6)


def test_the_slope_itself_stays_infinite():
    for got in in_all_modes(tf.sqrt, np.array([0.0])):
        assert got[0] == np.inf


def test_a_second_derivative_where_the_first_cotangent_is_zero():
    x = tf.constant([4.0])
    g = tf.constant([0.0])
    with tf.GradientTape() as outer:
        outer.watch(g)
        with tf.GradientTape() as inner:
            inner.watch(x)
            y = tf.sqrt(x)
        dx = inner.gradient(y, x, output_gradients=g)
    np.testing.assert_allclose(outer.gradient(dx, g).numpy(), [0.25])


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("exclusive", [False, True])
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_running_products_with_zeros(axis, exclusive, reverse):
    rng = np.random.default_rng(3)
    x = rng.standard_normal((4, 5, 3))
    x[rng.random(x.shape) < 0.4] = 0.0
    weights = rng.standard_normal(x.shape)

    def function(x):
        y = tf.math.cumprod(x, axis, exclusive=exclusive, reverse=reverse)
        return tf.reduce_sum(y * weights)

    want = np.zeros(x.shape)
    for at in np.ndindex(*x.shape):
        # A product is linear in each factor, so a difference is exact.
        high, low = x.copy(), x.copy()
        high[at], low[at] = 1.0, 0.0
        want[at] = float(function(tf.constant(high)) - function(tf.constant(low)))
    for got in in_all_modes(function, x):
        np.testing.assert_allclose(got, want, rtol=1e-9, atol=1e-12)


def test_products_of_infinite_numbers_that_nobody_asked_for():
    x = np.array([[np.inf, 1.0, 2.0], [3.0, 1.0, 2.0]])

    def function(x):
        return tf.where(tf.constant([False, True]), tf.reduce_prod(x, 1), 0.0)

    for got in in_all_modes(function, x):
        np.testing.assert_array_equal(got, [[0, 0, 0], [2.0, 6.0, 3.0]])


def growing(x):
    _, y = tf.while_loop(
        lambda i, y: i < 3,
        lambda i, y: (i + 1, tf.concat([y, y[-1:] * x], 0)),
        (tf.constant(0), tf.reshape(x, [1])),
        shape_invariants=(tf.TensorShape([]), tf.TensorShape([None])),
    )
    return tf.reduce_sum(y)


def ranges(x):
    return tf.while_loop(
        lambda i, y: i < 4,
        lambda i, y: (i + 1, y + tf.reduce_sum(tf.cast(tf.range(i), x.dtype)) * x),
        (tf.constant(0), x),
    )[1]


def masks(x):
    return tf.while_loop(
        lambda i, y: i < 3,
        lambda i, y: (i + 1, y * tf.reduce_sum(tf.boolean_mask(y, y > 0.5))),
        (tf.constant(0), tf.stack([x * 0.3, x * 0.2, x * 0.35])),
    )[1]


def places(x):
    def body(i, y):
        return i + 1, y * tf.cast(tf.shape(tf.where(y > 0.5))[0] + 1, y.dtype)

    start = tf.stack([x * 0.3, x * 0.2, x * 0.35])
    return tf.while_loop(lambda i, y: i < 3, body, (tf.constant(0), start))[1]


def branches(x):
    values = tf.stack([x * 0.3, x * 0.2, x * 0.35])
    return tf.cond(
        x > 0.0,
        lambda: tf.reduce_sum(tf.boolean_mask(values, values > 0.5)),
        lambda: x,
    )


@pytest.mark.parametrize(
    ("function", "slope"),
    # Recorded from TensorFlow 2.21, but for those that follow from the formula.
    [
        (growing, 1 + 4 + 12 + 32),
        (ranges, 5.0),
        # Two of three are over a half in the first round, then all: 3 * 4 * 4.
        (places, (0.3 + 0.35 + 0.2) * 48),
        (branches, 0.65),
    ],
)
def test_sizes_that_only_a_round_knows(function, slope):
    for got in in_all_modes(function, np.array(2.0)):
        np.testing.assert_allclose(got, slope, rtol=1e-6)


def test_masks_in_rounds_agree_with_eager_mode():
    eager, *others = in_all_modes(masks, np.array(2.0))
    for got in others:
        np.testing.assert_allclose(got, eager, rtol=1e-12)


@pytest.mark.parametrize("constant", [np.asarray, tf.constant])
def test_a_mask_of_two_dimensions(constant):
    mask = np.array([[True, False], [False, True]])
    for got in in_all_modes(
        lambda x: tf.boolean_mask(x * x, constant(mask)), np.array([[1.0, 2], [3, 4]])
    ):
        np.testing.assert_array_equal(got, [[2.0, 0.0], [0.0, 8.0]])
