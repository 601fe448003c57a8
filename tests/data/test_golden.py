"""Pipelines give what TensorFlow's give."""

import json
from pathlib import Path

import pytest

import graphopt as tf
from tests.data.pipelines import PIPELINES
from tests.data.showing import show_element

GOLDEN = json.loads((Path(__file__).parent.parent / "golden" / "data.json").read_text())


@pytest.mark.parametrize("name", sorted(PIPELINES))
def test_elements_are_those_of_tensorflow(name):
    dataset = PIPELINES[name](tf)
    wanted = GOLDEN[name]
    assert [show_element(e) for e in dataset.as_numpy_iterator()] == wanted["elements"]
    # Once more, now that functions are compiled.
    assert [show_element(e) for e in dataset.as_numpy_iterator()] == wanted["elements"]


@pytest.mark.parametrize("name", sorted(PIPELINES))
def test_sizes_and_specifications_are_those_of_tensorflow(name):
    dataset = PIPELINES[name](tf)
    assert repr(dataset.element_spec) == GOLDEN[name]["spec"]
    assert int(dataset.cardinality()) == GOLDEN[name]["size"]


def test_every_pipeline_is_recorded():
    assert set(GOLDEN) == set(PIPELINES)
