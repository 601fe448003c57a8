"""Records layers and values of tf_keras's architectures, for tests/keras/test_applications.py.

Run it from the root of the repository, with an interpreter that has TensorFlow 2.21 and
tf_keras:

    TF_USE_LEGACY_KERAS=1 python tests/golden/record_keras_applications.py
"""

from __future__ import annotations

import json
import pathlib
import sys

import tensorflow as tf

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent.parent))
from tests.golden.keras_application_cases import (
    MODELS,
    describe,
    make_images,
    make_weights,
)

found = {}
for name, (function, options, has_values) in MODELS.items():
    tf.keras.backend.clear_session()
    model = getattr(tf.keras.applications, function)(weights=None, **options)
    found[name] = describe(model)
    if has_values:
        model.set_weights(make_weights(found[name]["weights"]))
        images = make_images(options["input_shape"])
        found[name]["values"] = model(images, training=False).numpy().tolist()
text = ",\n".join(f'"{k}": {json.dumps(v)}' for k, v in sorted(found.items()))
path = pathlib.Path(__file__).parent / "keras_applications.json"
path.write_text(f"{{\n{text}\n}}\n")
