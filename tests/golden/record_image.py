"""Records what TensorFlow gives for the calls of `image_cases.py`.

python tests/golden/record_image.py     (with tensorflow installed)
"""

import sys
from pathlib import Path

import numpy as np

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))


def arrays_of(value):
    """Returns a result as a list of arrays."""
    parts = value if isinstance(value, (list, tuple)) else [value]
    return [np.asarray(part) for part in parts]


def main():
    import tensorflow as tf
    from image_cases import cases, files, reads

    found = {}
    data = {name: write().numpy() for name, write in files(tf).items()}
    for name, contents in data.items():
        found[f"file:{name}"] = np.frombuffer(contents, np.uint8)
    for name, function in {**cases(tf), **reads(tf, data)}.items():
        for i, array in enumerate(arrays_of(function())):
            found[f"{name}:{i}"] = array
    np.savez_compressed(HERE / "image.npz", **found)


if __name__ == "__main__":
    main()
