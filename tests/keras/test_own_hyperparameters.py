"""Optimizers that list their hyperparameters: no constructor, no private name."""

from __future__ import annotations

import inspect

import numpy as np
import pytest

import graphopt as tf

v1 = tf.compat.v1


class SignOfMomentum(tf.keras.optimizers.Optimizer):
    hyperparameters = {"learning_rate": 0.25, "beta": 0.5}
    slots = {"m": "zeros"}

    def update(self, w, g, m, *, learning_rate, beta):
        m = beta * m + (1.0 - beta) * g
        return w - learning_rate * tf.sign(m), {"m": m}


def test_the_constructor_takes_them_and_the_options():
    assert str(inspect.signature(SignOfMomentum)) == (
        "(learning_rate=0.25, beta=0.5, name='SignOfMomentum', **kwargs)"
    )
    made = SignOfMomentum(0.5, beta=0.25, name="own", clipnorm=1.0)
    assert (made.learning_rate, made.beta, made.clipnorm) == (0.5, 0.25, 1.0)
    again = SignOfMomentum.from_config(made.get_config())
    assert again.get_config() == made.get_config()
    with pytest.raises(TypeError, match="multiple values"):
        SignOfMomentum(0.5, learning_rate=0.1)
    with pytest.raises(TypeError, match="rate"):
        SignOfMomentum(rate=0.5)


@pytest.mark.parametrize("dtype", [tf.float32, tf.float64])
@pytest.mark.parametrize("mode", ["eager", "graph"])
def test_it_trains_by_its_equation(mode, dtype):
    gradients = [np.array([1.0, -2.0]), np.array([-0.25, 4.0])]
    w, m = np.array([1.0, 1.0]), np.zeros(2)
    for g in gradients:
        m = 0.5 * m + 0.5 * g
        w = w - 0.25 * np.sign(m)
    optimizer = SignOfMomentum()
    with tf.Graph().as_default() if mode == "graph" else tf.init_scope():
        v = tf.Variable([1.0, 1.0], dtype=dtype)
        if mode == "eager":
            for g in gradients:
                optimizer.apply_gradients([(tf.constant(g, dtype), v)])
            assert v.numpy().tolist() == w.tolist()
            return
        fed = v1.placeholder(dtype, [2])
        train = optimizer.apply_gradients([(fed, v)])
        with v1.Session() as session:
            session.run(v1.global_variables_initializer())
            for g in gradients:
                session.run(train, {fed: g})
            assert session.run(v).tolist() == w.tolist()


def test_a_schedule_and_a_new_value_compile_nothing_again():
    schedule = tf.keras.optimizers.schedules.PiecewiseConstantDecay([0], [1.0, 0.5])
    v = tf.Variable(0.0)
    optimizer = SignOfMomentum(schedule)
    for _ in range(2):
        optimizer.apply_gradients([(tf.constant(1.0), v)])
    assert float(v) == -1.5
    optimizer = SignOfMomentum(1.0)
    optimizer.apply_gradients([(tf.constant(1.0), v)])
    optimizer.learning_rate = 0.5
    optimizer.apply_gradients([(tf.constant(1.0), v)])
    assert float(v) == -3.0


def test_a_subclass_inherits_the_constructor():
    class Slower(SignOfMomentum):
        hyperparameters = {**SignOfMomentum.hyperparameters, "divisor": 2.0}

        def update(self, w, g, m, *, learning_rate, beta, divisor):
            return super().update(
                w, g, m, learning_rate=learning_rate / divisor, beta=beta
            )

    v = tf.Variable(1.0)
    Slower(divisor=5.0, learning_rate=1.0).apply_gradients([(tf.constant(1.0), v)])
    assert float(v) == pytest.approx(0.8)


def make(**attributes):
    """Returns a class with attributes."""
    return type("Own", (tf.keras.optimizers.Optimizer,), attributes)


MISTAKES = {
    "an option": (
        lambda: make(hyperparameters={"clipnorm": 1.0}),
        "clipnorm.*every optimizer takes",
    ),
    "no name": (lambda: make(hyperparameters={"two words": 1.0}), "is no name"),
    "not a number": (
        lambda: make(hyperparameters={"beta": 1.0})(beta="much"),
        "beta",
    ),
    "an argument that nobody gives": (
        lambda: make(
            hyperparameters={"learning_rate": 0.1},
            update=lambda self, w, g, *, momentum: (w, {}),
        )().apply_gradients([(tf.constant(1.0), tf.Variable(1.0))]),
        "needs an argument 'momentum', which is neither a slot",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_mistakes_are_named(mistake):
    function, words = MISTAKES[mistake]
    with pytest.raises((TypeError, ValueError), match=words):
        function()
