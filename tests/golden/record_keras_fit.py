"""Records what `fit` of tf_keras reports and leaves, for the cases of `keras_fit_cases`.

Run with TensorFlow 2.21, tf_keras and `TF_USE_LEGACY_KERAS=1`:

    python tests/golden/record_keras_fit.py tests/golden/keras_fit.npz
"""

import json
import sys

import keras_fit_cases as cases
import numpy as np
import tensorflow as tf


def main(path):
    """Writes the file."""
    arrays = {}
    histories = {}
    for name in cases.CASES:
        history, weights = cases.run(tf, name)
        histories[name] = {
            k: [float(v) for v in values] for k, values in history.items()
        }
        for index, weight in enumerate(weights):
            arrays[f"{name}/{index}"] = weight
    arrays["histories"] = np.array(json.dumps(histories))
    arrays["versions"] = np.array(f"tensorflow {tf.__version__}")
    np.savez_compressed(path, **arrays)


if __name__ == "__main__":
    main(sys.argv[1])
