"""Activations against those of tf_keras and Keras 3."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import graphopt as tf
from tests.golden import record_keras_activations as cases

activations = tf.keras.activations
with np.load(Path(cases.__file__).with_name("keras_activations.npz")) as _file:
    GOLDEN = dict(_file)
CASES = {**cases.OF_KERAS2, **cases.OF_KERAS3}


def test_every_activation_has_a_case():
    tested = {label.split()[0] for label in CASES}
    assert set(activations._BY_NAME) - tested == {"hard_swish"}


@pytest.mark.parametrize("mode", ["eager", "function"])
@pytest.mark.parametrize("label", sorted(CASES))
def test_values_and_slopes(label, mode):
    function = getattr(activations, label.split()[0])
    assert activations.get(label.split()[0]) is function

    def run(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            y = function(x, **CASES[label])
        return y, tape.gradient(y, x)

    run = tf.function(run) if mode == "function" else run
    y, slope = run(tf.constant(cases.INPUTS))
    np.testing.assert_allclose(y, GOLDEN[label], rtol=2e-5, atol=1e-6)
    # Where a line bends, either slope is right.
    near = np.isclose(slope, GOLDEN[f"{label}/gradient"], rtol=1e-4, atol=1e-5)
    bends = np.isin(cases.INPUTS, [-1.0, 0.0, 0.5, 1.0])
    assert (near | bends).all()


def test_serialize_and_back():
    for name, function in activations._BY_NAME.items():
        assert activations.get(activations.serialize(function)) is function, name
    assert activations.get(None) is activations.linear
    with pytest.raises(ValueError, match="Unknown activation function 'rellu'"):
        activations.get("rellu")


@pytest.mark.parametrize("mode", ["eager", "function"])
def test_losses_are_exact_for_confident_predictions(mode):
    losses = tf.keras.losses
    logits = tf.constant([[0.0, 100.0]])

    def run(logits):
        with tf.GradientTape(persistent=True) as tape:
            tape.watch(logits)
            rows = activations.softmax(logits)
            sparse = losses.sparse_categorical_crossentropy([0], rows)
            dense = losses.categorical_crossentropy([[1.0, 0.0]], rows)
            binary = losses.binary_crossentropy(
                [[1.0, 0.0]], activations.sigmoid(logits)
            )
        return [
            (value, tape.gradient(value, logits)) for value in (sparse, dense, binary)
        ]

    run = tf.function(run) if mode == "function" else run
    sparse, dense, binary = run(logits)
    for value, slope in (sparse, dense):
        assert value.numpy().tolist() == [100.0]
        assert slope.numpy().tolist() == [[-1.0, 1.0]]
    assert float(binary[0][0]) == pytest.approx((np.log(2) + 100) / 2)
    assert binary[1].numpy().tolist() == [[-0.25, 0.5]]


def test_a_softmax_along_another_axis_is_not_taken_for_classes():
    x = tf.constant(cases.INPUTS)
    rows = activations.softmax(x, axis=0)
    loss = tf.keras.losses.sparse_categorical_crossentropy(np.zeros(7, np.int32), rows)
    want = -np.log(np.clip(rows.numpy(), 1e-7, 1 - 1e-7))
    probabilities = np.exp(-want) / np.exp(-want).sum(1, keepdims=True)
    np.testing.assert_allclose(loss, -np.log(probabilities[:, 0]), rtol=1e-4)
