"""Five epochs of `fit` report and leave what those of tf_keras do, from the same weights."""

import json
from pathlib import Path

import numpy as np
import pytest

import graphopt as tf
from tests.golden import keras_fit_cases as cases

GOLDEN = np.load(Path(__file__).parent.parent / "golden" / "keras_fit.npz")
HISTORIES = json.loads(str(GOLDEN["histories"]))


@pytest.mark.parametrize("name", cases.CASES)
def test_fit_reports_and_leaves_what_keras_does(name):
    history, weights = cases.run(tf, name)
    want = HISTORIES[name]
    assert list(history) == list(want)
    for key, values in want.items():
        np.testing.assert_allclose(history[key], values, 2e-4, 2e-5, err_msg=key)
    recorded = sorted(k for k in GOLDEN.files if k.startswith(f"{name}/"))
    assert len(weights) == len(recorded)
    for index, weight in enumerate(weights):
        want_weight = GOLDEN[f"{name}/{index}"]
        np.testing.assert_allclose(weight, want_weight, 1e-3, 2e-4, err_msg=str(index))
