"""Records activations of tf_keras, and of Keras 3 where only it has them.

python tests/golden/record_keras_activations.py   with tf_keras 2.21 and keras 3
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

OF_KERAS2 = {
    "linear": {},
    "relu": {},
    "relu alpha": {"alpha": 0.3},
    "relu max": {"max_value": 1.5},
    "relu threshold": {"threshold": 0.5, "alpha": 0.2, "max_value": 2.0},
    "sigmoid": {},
    "tanh": {},
    "softmax": {},
    "softmax axis": {"axis": 0},
    "softplus": {},
    "softsign": {},
    "exponential": {},
    "elu": {},
    "elu alpha": {"alpha": 0.3},
    "selu": {},
    "gelu": {},
    "gelu approximate": {"approximate": True},
    "swish": {},
    "hard_sigmoid": {},
    "mish": {},
}
OF_KERAS3 = {
    "leaky_relu": {},
    "leaky_relu slope": {"negative_slope": 0.4},
    "relu6": {},
    "log_softmax": {},
    "silu": {},
    "hard_silu": {},
    "hard_tanh": {},
    "hard_shrink": {},
    "soft_shrink": {"threshold": 0.3},
    "tanh_shrink": {},
    "threshold": {"threshold": 0.5, "default_value": 7.0},
    "celu": {"alpha": 0.7},
    "glu": {},
    "squareplus": {},
    "sparse_plus": {},
    "sparse_sigmoid": {},
    "log_sigmoid": {},
}
INPUTS = np.concatenate(
    [
        np.linspace(-4, 4, 22, dtype=np.float32),
        np.array([-30.0, 0.5, 0.0, 1.0, -1.0, 12.0], np.float32),
    ]
).reshape(7, 4)


def main():
    """Writes keras_activations.npz next to this file."""
    os.environ["KERAS_BACKEND"] = "tensorflow"
    import keras
    import tensorflow as tf
    import tf_keras

    found = {}
    for module, cases in ((tf_keras, OF_KERAS2), (keras, OF_KERAS3)):
        for label, options in cases.items():
            function = getattr(module.activations, label.split()[0])
            x = tf.constant(INPUTS)
            with tf.GradientTape() as tape:
                tape.watch(x)
                y = function(x, **options)
            found[label] = np.asarray(y)
            found[f"{label}/gradient"] = tape.gradient(y, x).numpy()
    np.savez(Path(__file__).with_name("keras_activations.npz"), **found)


if __name__ == "__main__":
    main()
