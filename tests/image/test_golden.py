"""Images come out as in TensorFlow, eagerly and in a graph."""

from pathlib import Path

import numpy as np
import pytest

import graphopt as tf
from graphopt.graph.context import entered
from graphopt.graph.graph import Graph
from tests.golden.image_cases import cases, reads
from tests.golden.record_image import arrays_of

FILE = Path(__file__).parent.parent / "golden/image.npz"


@pytest.fixture(scope="module")
def recorded():
    with np.load(FILE) as file:
        return {name: file[name] for name in file.files}


def names(make):
    return sorted(make)


DATA = {
    name.removeprefix("file:"): array.tobytes()
    for name, array in np.load(FILE).items()
    if name.startswith("file:")
}
CALLS = cases(tf)
READS = reads(tf, DATA)


def compare(found, name, recorded, slack):
    for i, array in enumerate(found):
        expected = recorded[f"{name}:{i}"]
        assert array.dtype == expected.dtype
        assert array.shape == expected.shape
        if array.dtype.kind == "f":
            np.testing.assert_allclose(array, expected, rtol=3e-5, atol=3e-6)
        elif array.dtype.kind in "iu" and slack:
            assert np.abs(array.astype(int) - expected.astype(int)).max() <= slack
        else:
            np.testing.assert_array_equal(array, expected)
    assert f"{name}:{len(found)}" not in recorded


@pytest.mark.parametrize("name", names(CALLS))
def test_call_gives_what_tensorflow_gives(name, recorded):
    # Rounding to an integer may fall to either side.
    slack = 1 if "integers" in name else 0
    compare(arrays_of(CALLS[name]()), name, recorded, slack)


@pytest.mark.parametrize("name", names(READS))
def test_file_reads_as_in_tensorflow(name, recorded):
    # TensorFlow decodes by a faster cosine transform, which is off by a few levels.
    slack = 4 if "jp" in name else 0
    compare(arrays_of(READS[name]()), name, recorded, slack)


def test_calls_give_the_same_in_a_graph(recorded):
    chosen = [name for name in CALLS if "(10, 14)" in name or "resize " not in name]
    chosen = chosen[::3]
    with tf.config.config(jit="never"), entered(Graph()):
        made = {name: CALLS[name]() for name in chosen}
        with tf.compat.v1.Session() as session:
            for name, tensors in made.items():
                parts = tensors if isinstance(tensors, (list, tuple)) else [tensors]
                slack = 1 if "integers" in name else 0
                compare(session.run(list(parts)), name, recorded, slack)
