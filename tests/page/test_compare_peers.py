"""The tool that compares with other frameworks, with graphopt alone."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

TOOLS = Path(__file__).resolve().parent.parent.parent / "tools"


@pytest.fixture
def workloads(monkeypatch):
    monkeypatch.syspath_prepend(str(TOOLS))
    from peers import workloads

    return workloads


@pytest.mark.parametrize("name", ["two_scalars", "small_perceptron", "regression"])
def test_the_reference_follows_the_gradient_of_the_loss(workloads, name):
    w = workloads.WORKLOADS[name]
    params, data = workloads.make_arrays(w)
    params = [p.astype(np.float64) for p in params]
    grads = workloads._gradients(w, params, data)

    def loss(params):
        if w.model == "quadratic":
            return 3 * params[0] ** 2 + 2 * params[1] ** 2
        h = data[0].astype(np.float64)
        for i in range(0, len(params), 2):
            h = h @ params[i] + params[i + 1]
            h = np.maximum(h, 0) if i + 2 < len(params) else h
        if w.loss == "squares":
            return np.mean((h - data[1]) ** 2)
        logs = h - h.max(1, keepdims=True)
        logs -= np.log(np.exp(logs).sum(1, keepdims=True))
        return -np.mean(logs[np.arange(len(h)), data[1]])

    rng = np.random.default_rng(0)
    for k, g in enumerate(grads):
        direction = rng.standard_normal(g.shape)
        moved = [list(params), list(params)]
        moved[0][k], moved[1][k] = (
            params[k] + 1e-6 * direction,
            params[k] - 1e-6 * direction,
        )
        slope = (loss(moved[0]) - loss(moved[1])) / 2e-6
        assert abs(slope - np.sum(g * direction)) <= 1e-5 * max(1, abs(slope))


def test_a_wrong_result_is_noticed(workloads):
    w = workloads.WORKLOADS["small_perceptron"]
    right = workloads.expected_results(w)[0]
    assert workloads.error_of(w, right) == 0
    wrong = [p + 0.01 * w.rate * np.abs(p).max() for p in right]
    start, _ = workloads.make_arrays(w)
    assert workloads.error_of(w, start) > w.tolerance
    assert workloads.error_of(w, wrong) > 0


def test_a_run_with_graphopt_alone(tmp_path):
    report = tmp_path / "report.json"
    command = [sys.executable, str(TOOLS / "compare_peers.py"), "--rounds", "1"]
    command += ["--workloads", "two_scalars", "--seconds", "0.02"]
    for name in ("tensorflow", "jax", "torch"):
        command += ["--python", f"{name}={tmp_path / 'none'}"]
    done = subprocess.run(
        [*command, "--markdown", "--json", str(report)],
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (run,) = json.loads(report.read_text())["results"]["two_scalars"]["graphopt"]
    assert run["right"]
    assert run["step_us"] > 0
    assert "jax is left out" in done.stderr
    assert "| two scalars, SGD |" in done.stdout
