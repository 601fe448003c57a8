"""What a name is that is not there: another version's, out of scope, or misspelt."""

from __future__ import annotations

import difflib
import importlib
from types import ModuleType
from typing import Any

# What programs ask for and this package does not do, by the beginning of the path.
OUT_OF_SCOPE = {
    "tpu": "graphopt runs on CPUs; there are no TPUs",
    "contrib.tpu": "graphopt runs on CPUs; there are no TPUs",
    "lite": "graphopt trains; use LiteRT (ai-edge-litert) for .tflite models",
    "xla": "graphopt compiles every step; leave the scope out",
    "mlir": "graphopt has no MLIR; see `graphopt kernels`",
    "profiler": "use `graphopt profile script.py` or session.profile",
    "quantization": "graphopt computes in the dtypes that the program has",
    "contrib.quantize": "graphopt computes in the dtypes that the program has",
    "contrib.tensorrt": "graphopt runs on CPUs",
    "contrib.graph_editor": "graphs are not edited; passes are (see CONTRIBUTING)",
    "contrib.cloud": "graphopt reads local files",
    "load_op_library": "ops of shared libraries are TensorFlow's own; see py_function",
    "load_library": "ops of shared libraries are TensorFlow's own; see py_function",
    "estimator": "not in this version; use a session, or a loop with GradientTape",
    "contrib.learn.Estimator": "not in this version; use a session",
    "feature_column": "not in this version; compute features with NumPy",
    "saved_model": "not in this version; tf.train.Checkpoint saves variables",
}


def say_what(root: str, path: str, known: Any = ()) -> str:
    """Returns a sentence on a name that is missing, or an empty string.

    Args:
      root: The namespace, `graphopt`, `graphopt.v1` or `graphopt.compat.v1`.
      path: The name below it, with dots.
      known: The names that are there beside it.

    >>> say_what("graphopt", "Session")
    'It is a name of TensorFlow 1: tf.compat.v1.Session, or `import graphopt.v1 as tf`.'
    """
    parts = path.split(".")
    for length in range(len(parts), 0, -1):
        reason = OUT_OF_SCOPE.get(".".join(parts[:length]))
        if reason is not None:
            return f"It is out of scope: {reason}."
    if root == "graphopt" and has_name("graphopt.compat.v1", path):
        return (
            f"It is a name of TensorFlow 1: tf.compat.v1.{path}, or "
            "`import graphopt.v1 as tf`."
        )
    if root != "graphopt.v1" and parts[0] in ("contrib", "examples"):
        return "It is a name of TensorFlow 1.15: `import graphopt.v1 as tf`."
    if root != "graphopt" and has_name("graphopt", path):
        return f"It is a name of TensorFlow 2: graphopt.{path}."
    close = difflib.get_close_matches(parts[-1], list(known), n=1, cutoff=0.75)
    return f"Did you mean {close[0]!r}?" if close else ""


def has_name(root: str, path: str) -> bool:
    """Returns whether a namespace has a name, which may have dots."""
    found: Any = importlib.import_module(root)
    for part in path.split("."):
        # What a module does not list would only be explained once more.
        if isinstance(found, ModuleType) and part not in dir(found):
            return False
        if not hasattr(found, part):
            return False
        found = getattr(found, part)
    return True


def missing_name(root: str, name: str) -> AttributeError:
    """Returns the error for a name that a namespace has not."""
    module = importlib.import_module(root)
    what = say_what(root, name, dir(module))
    text = f"module {root!r} has no attribute {name!r}"
    return AttributeError(f"{text}. {what}" if what else text)
