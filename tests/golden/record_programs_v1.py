"""Records what programs of `tests/compat` compute on TensorFlow, as `programs_v1_NAME.npz`.

Run it with a Python that has TensorFlow 2.21 and tf_keras, from the root of the repository,
with `TF_USE_LEGACY_KERAS=1`; with names, only these programs are recorded. Those of
`tf.contrib` also need tf_slim, which carries contrib's layers on.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import numpy as np
import tensorflow as tf

sys.path.insert(0, str(Path(__file__).parent.parent.parent))
tf.compat.v1.disable_v2_behavior()
for path in sorted((Path(__file__).parent.parent / "compat").glob("programs_*.py")):
    name = path.stem.removeprefix("programs_")
    if sys.argv[1:] and name not in sys.argv[1:]:
        continue
    program = importlib.import_module(f"tests.compat.{path.stem}")
    results = program.record(tf.compat.v1)
    np.savez_compressed(Path(__file__).parent / f"programs_v1_{name}.npz", **results)
