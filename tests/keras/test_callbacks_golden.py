"""Callbacks against what those of tf_keras do for the same logs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import graphopt as tf
from tests.golden import record_keras_callbacks as cases

GOLDEN = json.loads(Path(cases.__file__).with_name("keras_callbacks.json").read_text())


def test_every_case_is_recorded():
    assert sorted(GOLDEN) == sorted(cases.CASES)


@pytest.mark.parametrize("name", sorted(cases.CASES))
def test_callback_does_what_that_of_keras_does(name, tmp_path):
    got, want = cases.drive(tf.keras, name, tmp_path), dict(GOLDEN[name])
    assert got["rates"] == pytest.approx(want.pop("rates"), rel=1e-6)
    lines = [line for line in want.pop("lines") if line]
    # Ours says more where the loss is not finite, and floats are written as Python's.
    got_lines = [line for line in got["lines"] if line]
    assert [line[:60] for line in got_lines[: len(lines)]] == [
        line[:60] for line in lines
    ]
    assert {key: got[key] for key in want} == want
