"""What objects of Keras say that they are."""

from __future__ import annotations

import pytest

import graphopt as tf

keras = tf.keras


class Silent(keras.optimizers.schedules.LearningRateSchedule):
    def __call__(self, step):
        return 0.1


CASES = {
    "Adam(learning_rate=0.1, beta_1=0.9, beta_2=0.999, name='Adam')": (
        keras.optimizers.Adam(0.1)
    ),
    "Huber(name='huber_loss', delta=1.0)": keras.losses.Huber(),
    "MeanSquaredError(reduction='sum', name='mean_squared_error')": (
        keras.losses.MeanSquaredError(reduction="sum")
    ),
    "BinaryAccuracy(name='binary_accuracy', threshold=0.5)": (
        keras.metrics.BinaryAccuracy()
    ),
    "L2(l2=0.5)": keras.regularizers.L2(0.5),
    "MaxNorm(max_value=2, axis=0)": keras.constraints.MaxNorm(2),
    "RandomNormal(mean=0.0, stddev=0.05, seed=1)": (
        keras.initializers.RandomNormal(seed=1)
    ),
    "PolynomialDecay(initial_learning_rate=0.1, decay_steps=10, end_learning_rate=0.0, "
    "power=1.0, cycle=False)": (
        keras.optimizers.schedules.PolynomialDecay(0.1, 10, 0.0)
    ),
    "Silent()": Silent(),
}


@pytest.mark.parametrize("text", CASES)
def test_an_object_shows_the_call_that_makes_one_like_it(text):
    assert repr(CASES[text]) == text


def test_layers_and_models_say_how_many_weights_they_have():
    model = keras.Sequential([keras.layers.Dense(3, name="last")], name="net")
    assert repr(model) == "<Sequential 'net'>"
    model.build([None, 2])
    assert repr(model) == "<Sequential 'net', 9 weights>"
    assert repr(model.layers[0]) == "<Dense 'last', 9 weights>"


def test_an_optimizer_shows_its_numbers_as_they_are_by_now():
    optimizer, w = keras.optimizers.SGD(0.5), tf.Variable(1.0)
    optimizer.apply_gradients([(tf.constant(1.0), w)])
    text = "SGD(learning_rate={}, momentum=0.0, name='SGD')"
    assert repr(optimizer) == text.format(0.5)
    optimizer.learning_rate.assign(0.25)
    assert repr(optimizer) == text.format(0.25)
    with tf.Graph().as_default():
        optimizer = keras.optimizers.SGD(0.5)
        v = tf.Variable(1.0)
        optimizer.minimize(lambda: v * 2.0, [v])
        assert repr(optimizer) == text.format(0.5)


def test_an_optimizer_in_a_graph_shows_its_tensors():
    with tf.Graph().as_default():
        rate = tf.constant(0.5, name="rate")
        assert "learning_rate=<tf.Tensor 'rate:0'" in repr(keras.optimizers.SGD(rate))
