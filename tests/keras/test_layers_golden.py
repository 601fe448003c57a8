"""Layers against recorded values of tf_keras: outputs, gradients, states, masks, configs."""

from __future__ import annotations

import json
import pathlib

import numpy as np
import pytest

import graphopt as tf
from tests.golden.keras_layer_cases import CASES, cotangent, make_input, make_weight

GOLDEN = pathlib.Path(__file__).parent.parent / "golden"
FACTS = json.loads((GOLDEN / "keras_layers.json").read_text())
ARRAYS = np.load(GOLDEN / "keras_layers.npz")


def short(name):
    return name.split("/", 1)[-1].split(":")[0]


def build(name):
    """Returns a layer with the weights of a case, and its inputs."""
    make, spec, options = CASES[name]
    layer = make(tf.keras.layers)
    inputs = make_input(name, spec)
    flat = [tf.constant(x) for x in (inputs if isinstance(inputs, list) else [inputs])]
    given = flat if isinstance(inputs, list) else flat[0]
    layer(given, **options)
    layer.set_weights(
        [make_weight(name, short(w.name), w.shape) for w in layer.weights]
    )
    return layer, given, flat, options


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("name", CASES)
def test_values_are_those_of_keras(name, compiled):
    layer, given, flat, options = build(name)
    facts = FACTS[name]
    assert len(layer.trainable_weights) == facts["trainable"]
    floats = [x for x in flat if x.dtype.is_floating]

    def run(*tensors):
        given_now = list(tensors) if isinstance(given, list) else tensors[0]
        sources = [x for x in tensors if x.dtype.is_floating]
        with tf.GradientTape() as tape:
            tape.watch(sources)
            outputs = tf.nest.flatten(layer(given_now, **options))
            total = tf.add_n(
                [
                    tf.reduce_sum(y * cotangent(name, i, y.shape))
                    for i, y in enumerate(outputs)
                    if y.dtype.is_floating
                ]
            )
        slopes = tape.gradient(
            total, sources + layer.trainable_weights, unconnected_gradients="zero"
        )
        return outputs, [tf.convert_to_tensor(g) for g in slopes]

    call = tf.function(run) if compiled else run
    outputs, slopes = call(*flat)
    assert len(outputs) == facts["outputs"]
    for i, y in enumerate(outputs):
        want = ARRAYS[f"{name}/y{i}"]
        assert y.dtype.name == want.dtype.name
        np.testing.assert_allclose(y.numpy(), want, rtol=2e-5, atol=2e-6)
    assert len(slopes) == len(floats) + facts["trainable"]
    for i, g in enumerate(slopes):
        want = ARRAYS[f"{name}/g{i}"]
        scale = max(1.0, float(np.abs(want).max()))
        np.testing.assert_allclose(g.numpy(), want, rtol=2e-4, atol=2e-5 * scale)
    trained = {id(w) for w in layer.trainable_weights}
    states = [w for w in layer.weights if id(w) not in trained]
    for i, w in enumerate(states):
        np.testing.assert_allclose(
            w.numpy(), ARRAYS[f"{name}/s{i}"], rtol=1e-5, atol=1e-6
        )


@pytest.mark.parametrize("name", CASES)
def test_weights_have_the_names_and_order_of_keras(name):
    layer, *_ = build(name)
    found = [[short(w.name), list(w.shape)] for w in layer.weights]
    assert found == FACTS[name]["weights"]
