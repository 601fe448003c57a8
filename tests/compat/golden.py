"""Compares the results of a program with those that TensorFlow computed."""

from __future__ import annotations

from pathlib import Path

import numpy as np

GOLDEN = Path(__file__).parent.parent / "golden"


def compare(name, results, rtol=2e-5, atol=2e-6):
    """Compares every array; strings exactly."""
    with np.load(GOLDEN / f"programs_v1_{name}.npz") as file:
        golden = dict(file)
    assert set(results) ^ set(golden) == set()
    for key, want in golden.items():
        got = np.asarray(results[key])
        assert got.dtype == want.dtype, key
        if want.dtype.kind in "USb":
            assert got.tolist() == want.tolist(), key
        else:
            np.testing.assert_allclose(got, want, rtol, atol, err_msg=key)


def host_steps(session, fetches, feeds=None):
    """Returns what of a run is not compiled, and why."""
    plan = session.plan(fetches, feeds)
    why = [plan.interpreted] if plan.interpreted else []
    return why + [(step.name, step.host) for step in plan.steps if step.host]
