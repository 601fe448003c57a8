"""The tools that predict and compare trainings of several ranks."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys

import pytest

from tests.parallel.failures import networks_or_reason
from tests.parallel.launching import ROOT, needs_mpi

TOOLS = ROOT / "tools"


@pytest.fixture
def model(monkeypatch):
    monkeypatch.syspath_prepend(str(TOOLS))
    return importlib.import_module("scale_model")


def test_a_sum_takes_longer_with_more_machines_and_bytes(model):
    for network in model.NETWORKS:
        assert model.sum_seconds(1, 1e6, network, 1e-10) == 0.0
        for nbytes in (8, 1e6, 1e9):
            times = [
                model.sum_seconds(nodes, nbytes, network, 1e-10)
                for nodes in model.NODES
            ]
            assert times == sorted(times)
        # However many machines: each byte is sent twice.
        large = model.sum_seconds(1024, 1e9, network, 0.0)
        assert large == pytest.approx(2e9 * network.byte, rel=0.01)


def test_the_terms_of_a_message_are_found(model):
    times = {size: 2e-5 + size * 1e-9 for size in model.SIZES}
    found = model.fit_network("", times)
    assert found.begin == pytest.approx(2e-5)
    assert found.byte == pytest.approx(1e-9)


def test_what_is_hidden_takes_no_time(model):
    step = model.Step(1.0, 64 << 20)
    free = model.step_seconds(step, lambda nbytes: 0.0)
    assert free == pytest.approx(1.0)
    # 16 buckets of a hundredth of a second each: the last one is waited for.
    assert model.step_seconds(step, lambda nbytes: 0.01) == pytest.approx(1.01)
    plain = model.step_seconds(step, lambda n: n / 1e9, is_hidden=False)
    assert plain == pytest.approx(1.0 + step.nbytes / 1e9)
    for network in model.NETWORKS:
        values = model.efficiencies(step, network, 1e-10, is_hidden=True)
        assert values[0] == 1.0 and all(0 < value <= 1 for value in values)


def test_two_ranks_are_compared_with_one(tmp_path):
    needs_mpi()
    report = tmp_path / "report.json"
    command = [sys.executable, str(TOOLS / "compare_several_ranks.py")]
    command += ["--workloads", "small,words", "--rounds", "1", "--json", str(report)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    results = json.loads(report.read_text())["results"]
    for name in ("small", "words"):
        (one,) = results[name]["graphopt"]
        assert one["right"] and one["error"] < 1e-4, one
    assert "| graphopt |" in done.stdout


def test_the_overlap_of_two_machines_is_measured(tmp_path):
    needs_mpi()
    if reason := networks_or_reason(1.0):
        pytest.skip(f"machines cannot be made of this one: {reason}")
    report = tmp_path / "report.json"
    command = [sys.executable, str(TOOLS / "measure_overlap.py"), "--gbits", "1"]
    command += ["--layers", "2", "--width", "256", "--rows", "64", "--rounds", "2"]
    command += ["--bucket", "65536", "--json", str(report)]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(report.read_text())
    assert len(set(found["hashes"].values())) == 1
    for rows in found["times"].values():
        assert len(rows) == 2 * found["steps"]
        assert all(part > 0 for row in rows for part in row)
    # Two layers of 256 KiB, in two ways, and as many steps: all of it came by the cable.
    steps = 2 * (1 + 2 * (1 + found["steps"]))
    assert found["sent_bytes"] > steps * 2 * 256 * 256 * 4
    assert found["processor"] in done.stdout and "the same bits" in done.stdout


def test_measuring_an_overlap_without_machines_says_what_it_needs(tmp_path):
    # No `ip` in the path, as without root.
    command = [sys.executable, str(TOOLS / "measure_overlap.py")]
    done = subprocess.run(
        command,
        env={"PATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 2
    assert "as root" in done.stderr
