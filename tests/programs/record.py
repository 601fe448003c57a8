"""Records what the programs print on TensorFlow 2.21 with tf_keras: python record.py.

`import tensorflow` gives them `tensorflow.compat.v1`, for TensorFlow 1.15 runs on no Python
of today. Programs with `tf.contrib` get tf_slim for it, which carries its layers on, and are
left out where it is not installed.
"""

import contextlib
import io
import json
import os
import runpy
import sys
import types
from pathlib import Path

os.environ["TF_USE_LEGACY_KERAS"] = "1"
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
import tensorflow.compat.v1 as tf

tf.disable_v2_behavior()
with contextlib.suppress(ImportError):
    import tf_slim

    tf.contrib = types.SimpleNamespace(
        slim=tf_slim, layers=tf_slim.layers, framework=tf_slim
    )
    sys.modules["tensorflow.contrib.slim"] = tf_slim
sys.modules["tensorflow"] = tf
FOLDER = Path(__file__).parent


def main():
    path = FOLDER / "recorded.json"
    recorded = {}
    names = sys.argv[1:]
    if names:
        recorded = json.loads(path.read_text())
    for script in sorted((FOLDER / "scripts").glob("*.py")):
        if names and script.stem not in names:
            continue
        if "contrib" in script.read_text() and not hasattr(tf, "contrib"):
            continue
        tf.reset_default_graph()
        sys.argv = [str(script)]
        out = io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.suppress(SystemExit):
            runpy.run_path(str(script), run_name="__main__")
        recorded[script.stem] = out.getvalue().splitlines()
        sys.stderr.write(f"{script.stem}: {recorded[script.stem]}\n")
    path.write_text(json.dumps(recorded, indent=1, sort_keys=True) + "\n")


main()
