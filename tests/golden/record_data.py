"""Writes down what TensorFlow's pipelines give: `python tests/golden/record_data.py`.

For the pipelines in `tests/data/pipelines.py`, their elements, what is known of elements
and how many there are. It needs `tensorflow-cpu`; the tests read the file alone.
"""

import json
import sys
from pathlib import Path

import tensorflow as tf

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent.parent))

from tests.data.pipelines import PIPELINES  # noqa: E402
from tests.data.showing import show_element  # noqa: E402


def main():
    found = {}
    for name, make in PIPELINES.items():
        dataset = make(tf)
        found[name] = {
            "spec": repr(dataset.element_spec),
            "size": int(dataset.cardinality()),
            "elements": [show_element(e) for e in dataset.as_numpy_iterator()],
        }
    text = json.dumps(found, separators=(",", ":"), sort_keys=True)
    (HERE / "data.json").write_text(text + "\n")


if __name__ == "__main__":
    main()
