"""Functions with Python's control flow give what TensorFlow gives, errors included."""

import json
from pathlib import Path

import numpy as np
import pytest

import graphopt as tf
from tests.golden.autograph_cases import cases
from tests.golden.record_autograph import run

RECORDED = json.loads(
    (Path(__file__).parent.parent / "golden/autograph.json").read_text()
)["cases"]
# What TensorFlow refuses and Python does not: the value is Python's.
BETTER = {
    "nested_conditional_expression": [1.0, 2.0, 3.0],
    "maximum_iterations": [7],
}
# TensorFlow's errors for tensors of two dtypes name its own ops.
OTHER_WORDS = {
    "dtype_changes_in_loop",
    "attributes_of_objects",
    "undefined_before_loop",
    "assertion",
    "vector_condition",
    "float_condition",
}
OTHER_CLASS = {
    "InaccessibleTensorError": "ValueError",
    # A TypeError, too.
    "dtype_changes_in_loop": "InvalidArgumentError",
}


@pytest.fixture(scope="module")
def functions():
    return cases(tf)


def same(found, expected):
    if isinstance(expected, list):
        assert len(found) == len(expected)
        return all(map(same, found, expected))
    if expected is None:
        return found is None
    assert found["dtype"] == expected["dtype"]
    assert found["shape"] == expected["shape"]
    np.testing.assert_allclose(found["values"], expected["values"], rtol=1e-6)
    return True


@pytest.mark.parametrize("name", sorted(RECORDED))
def test_function_gives_what_tensorflow_gives(name, functions):
    function, arguments = functions[name]
    for i, (given, expected) in enumerate(zip(arguments, RECORDED[name], strict=True)):
        found = run(tf, function, given)
        if name in BETTER:
            assert found["result"]["values"] == [BETTER[name][i]]
        elif "error" in expected:
            assert "error" in found, found
            wanted = expected["error"]
            names = (wanted, OTHER_CLASS.get(wanted), OTHER_CLASS.get(name))
            assert found["error"] in names
            if name not in OTHER_WORDS:
                # What comes after TensorFlow's first words is ours.
                assert found["message"][:44] == expected["message"][:44]
        else:
            assert "result" in found, found
            assert same(found["result"], expected["result"])


def test_every_case_is_recorded(functions):
    assert sorted(functions) == sorted(RECORDED)
    assert sum(len(rows) for rows in RECORDED.values()) >= 100
