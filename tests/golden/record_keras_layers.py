"""Records what tf_keras's layers compute, for tests/keras/test_layers_golden.py.

Run it from the root of the repository, with an interpreter that has TensorFlow 2.21 and
tf_keras; with names, only these cases are recorded anew:

    TF_USE_LEGACY_KERAS=1 python tests/golden/record_keras_layers.py
"""

from __future__ import annotations

import json
import pathlib
import sys

import numpy as np
import tensorflow as tf

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent.parent))
from tests.golden.keras_layer_cases import (
    CASES,
    call,
    cotangent,
    make_input,
    make_weight,
)

HERE = pathlib.Path(__file__).parent


def short(name):
    """The name of a weight within its layer."""
    return name.split("/", 1)[-1].split(":")[0]


def plain(value):
    """A config without what says where a class is defined."""
    if isinstance(value, dict):
        if set(value) >= {"class_name", "config"}:
            return {
                "class_name": value["class_name"],
                "config": plain(value["config"]),
            }
        return {k: plain(v) for k, v in value.items()}
    if isinstance(value, (np.ndarray, np.generic)):
        return float(np.float32(value.item()).astype(str))
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    return value if isinstance(value, (str, int, float, type(None))) else repr(value)


def record(name, case, arrays):
    """Records a layer's weights, outputs, gradients and config."""
    make, spec, options = case
    tf.keras.backend.clear_session()
    layer = make(tf.keras.layers)
    inputs = make_input(name, spec)
    flat = inputs if isinstance(inputs, list) else [inputs]
    tensors = [tf.constant(x) for x in flat]
    is_list = isinstance(inputs, list)
    call(name, layer, tensors, is_list, options)
    facts = {"weights": [[short(w.name), list(w.shape)] for w in layer.weights]}
    facts["trainable"] = len(layer.trainable_weights)
    layer.set_weights(
        [make_weight(name, short(w.name), w.shape) for w in layer.weights]
    )
    with tf.GradientTape() as tape:
        tape.watch([t for t in tensors if t.dtype.is_floating])
        outputs = call(name, layer, tensors, is_list, options)
        found = tf.nest.flatten(outputs)
        total = tf.add_n(
            [
                tf.reduce_sum(y * cotangent(name, i, y.shape))
                for i, y in enumerate(found)
                if y.dtype.is_floating
            ]
        )
    floats = [t for t in tensors if t.dtype.is_floating]
    sources = floats + layer.trainable_weights
    slopes = tape.gradient(total, sources, unconnected_gradients="zero")
    slopes = [tf.convert_to_tensor(g).numpy() for g in slopes]
    for i, y in enumerate(found):
        arrays[f"{name}/y{i}"] = y.numpy()
    for i, g in enumerate(slopes):
        arrays[f"{name}/g{i}"] = g
    for i, w in enumerate(layer.non_trainable_weights):
        arrays[f"{name}/s{i}"] = w.numpy()
    if layer.losses:
        arrays[f"{name}/losses"] = np.array([loss.numpy() for loss in layer.losses])
    facts["outputs"] = len(found)
    mask = getattr(found[0], "_keras_mask", None)
    if mask is not None:
        arrays[f"{name}/mask"] = np.asarray(mask)
    config = layer.get_config()
    facts["config"] = plain(config)
    options = {k: v for k, v in options.items() if k not in ("mask", "attention_mask")}
    stand_ins = [tf.keras.Input(x.shape[1:], dtype=x.dtype) for x in flat]
    outputs = call(name, make(tf.keras.layers), stand_ins, is_list, options)
    facts["shapes"] = [list(y.shape) for y in tf.nest.flatten(outputs)]
    return facts


def main():
    """Records all cases, or those that are named."""
    chosen = sys.argv[1:] or list(CASES)
    facts, arrays = {}, {}
    if sys.argv[1:]:
        facts = json.loads((HERE / "keras_layers.json").read_text())
        arrays = dict(np.load(HERE / "keras_layers.npz"))
        stale = [k for k in arrays if k.split("/")[0] in chosen]
        for key in stale:
            del arrays[key]
    for name in chosen:
        facts[name] = record(name, CASES[name], arrays)
    text = ",\n".join(f'"{k}": {json.dumps(v)}' for k, v in sorted(facts.items()))
    (HERE / "keras_layers.json").write_text(f"{{\n{text}\n}}\n")
    np.savez_compressed(HERE / "keras_layers.npz", **dict(sorted(arrays.items())))


if __name__ == "__main__":
    main()
