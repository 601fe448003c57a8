"""Records what TensorFlow gives for the functions of `autograph_cases.py`.

    python tests/golden/record_autograph.py     (with tensorflow installed)

A value is its dtype, shape and elements; an error is the name of its class and its message
without the traceback that TensorFlow puts in front.
"""

import json
import sys
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))


def describe(value):
    """Returns a result as JSON."""
    if value is None:
        return None
    if isinstance(value, (list, tuple)):
        return [describe(part) for part in value]
    array = np.asarray(value)
    return {
        "dtype": array.dtype.name,
        "shape": list(array.shape),
        "values": array.ravel().tolist(),
    }


def run(tf, function, arguments):
    """Calls a function on tensors of arrays; returns a description of what comes out."""
    given = [tf.constant(a) if isinstance(a, np.ndarray) else a for a in arguments]
    try:
        return {"result": describe(function(*given))}
    except Exception as error:
        lines = [line.strip() for line in str(error).splitlines() if line.strip()]
        if lines[:1] == ["in user code:"]:
            lines = lines[1:]
            while lines and (lines[0].startswith("File") or "Error: " not in lines[0]):
                lines = lines[1:]
        text = lines[0].partition("Error: ")[2] or lines[0] if lines else ""
        return {"error": type(error).__name__, "message": text[:120]}


def main():
    import tensorflow as tf
    from autograph_cases import cases

    found = {
        name: [run(tf, function, given) for given in arguments]
        for name, (function, arguments) in cases(tf).items()
    }
    text = json.dumps({"version": tf.__version__, "cases": found}, indent=1)
    (HERE / "autograph.json").write_text(text + "\n")


if __name__ == "__main__":
    main()
