"""Layers against recorded values of tf_keras: outputs, gradients, states, masks, configs."""

from __future__ import annotations

import json
import pathlib

import numpy as np
import pytest

import graphopt as tf
from tests.golden.keras_layer_cases import (
    CASES,
    SEVERAL,
    call,
    cotangent,
    make_input,
    make_weight,
)

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
    is_list = isinstance(inputs, list)
    call(name, layer, flat, is_list, options)
    layer.set_weights(
        [make_weight(name, short(w.name), w.shape) for w in layer.weights]
    )
    return layer, is_list, flat, options


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("name", CASES)
def test_values_are_those_of_keras(name, compiled):
    layer, is_list, flat, options = build(name)
    facts = FACTS[name]
    assert len(layer.trainable_weights) == facts["trainable"]
    floats = [x for x in flat if x.dtype.is_floating]

    def run(*tensors):
        sources = [x for x in tensors if x.dtype.is_floating]
        with tf.GradientTape() as tape:
            tape.watch(sources)
            outputs = tf.nest.flatten(call(name, layer, tensors, is_list, options))
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

    traced = tf.function(run) if compiled else run
    outputs, slopes = traced(*flat)
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


def plain(value):
    """A config without what says where a class is defined, as the recorder stores it."""
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    return value if isinstance(value, (str, int, float, type(None))) else repr(value)


# What graphopt does not have, or has no use for.
LEFT_OUT = {"dtype", "sparse", "batch_input_shape", "implementation", "time_major"}
LEFT_OUT |= {"query_shape", "key_shape", "value_shape"}
# What depthwise convolutions inherit in Keras, and do not use.
UNUSED = {"kernel_initializer", "kernel_regularizer", "kernel_constraint"}


def is_same(found, want):
    if isinstance(want, dict) and isinstance(found, dict):
        return all(
            key in LEFT_OUT or is_same(found.get(key), value)
            for key, value in want.items()
        )
    if isinstance(want, list) and isinstance(found, list):
        return len(want) == len(found) and all(map(is_same, found, want))
    if isinstance(want, float):
        return found == pytest.approx(want)
    return found == want


@pytest.mark.parametrize("name", CASES)
def test_configs_are_those_of_keras_and_make_the_same_layer(name):
    tf.keras.backend.clear_session()
    layer, is_list, flat, options = build(name)
    config = layer.get_config()
    want = FACTS[name]["config"]
    found = plain(config)
    wrong = [
        key
        for key, value in want.items()
        if key not in LEFT_OUT
        and not (key in UNUSED and "depthwise_initializer" in want)
        and not is_same(found.get(key), value)
    ]
    assert not wrong, {key: (found.get(key), want[key]) for key in wrong}
    json.dumps(config)
    twin = type(layer).from_config(json.loads(json.dumps(config)))
    call(name, twin, flat, is_list, options)
    twin.set_weights(layer.get_weights())
    pairs = zip(
        tf.nest.flatten(call(name, twin, flat, is_list, options)),
        tf.nest.flatten(call(name, layer, flat, is_list, options)),
        strict=True,
    )
    if options.get("training") is None:
        for found, expected in pairs:
            np.testing.assert_array_equal(found.numpy(), expected.numpy())


@pytest.mark.parametrize("name", CASES)
def test_shapes_are_known_as_far_as_in_keras(name):
    _, is_list, flat, options = build(name)
    options = {k: v for k, v in options.items() if k not in ("mask", "attention_mask")}
    layer = CASES[name][0](tf.keras.layers)
    inputs = [tf.keras.Input(x.shape[1:], dtype=x.dtype) for x in flat]
    outputs = call(name, layer, inputs, is_list, options)
    found = [list(y.shape) for y in tf.nest.flatten(outputs)]
    assert found == FACTS[name]["shapes"]
    shapes = [(None, *x.shape[1:]) for x in flat]
    if name in SEVERAL:
        computed = layer.compute_output_shape(*shapes)
    else:
        computed = layer.compute_output_shape(shapes if is_list else shapes[0])
    computed = computed if isinstance(computed, list) else [computed]
    assert [list(s) for s in computed] == found[: len(computed)]
    model = tf.keras.Model(inputs, outputs)
    model(flat)
