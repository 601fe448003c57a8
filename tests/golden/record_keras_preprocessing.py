"""Records what tf_keras's preprocessing layers return, for tests/keras/test_preprocessing.py.

Run it from the root of the repository, with an interpreter that has TensorFlow 2.21 and
tf_keras:

    TF_USE_LEGACY_KERAS=1 python tests/golden/record_keras_preprocessing.py
"""

from __future__ import annotations

import json
import pathlib
import sys

import tensorflow as tf

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent.parent))
from tests.golden.keras_preprocessing_cases import compute

found = compute(tf.keras.layers)
text = ",\n".join(f'"{k}": {json.dumps(v)}' for k, v in sorted(found.items()))
path = pathlib.Path(__file__).parent / "keras_preprocessing.json"
path.write_text(f"{{\n{text}\n}}\n")
