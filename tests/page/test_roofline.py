"""`tools/bench.py --roofline`: numbers for each kernel, and a picture."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

BENCH = Path(__file__).parents[2] / "tools" / "bench.py"


def run(*arguments):
    return subprocess.run(
        [sys.executable, str(BENCH), "--roofline", *arguments],
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_kernels_with_their_rates_and_a_picture(tmp_path):
    pytest.importorskip("matplotlib")
    picture = tmp_path / "roofline.png"
    done = run("perceptron", "--json", "--picture", str(picture))
    assert done.returncode == 0, done.stderr
    (rows,) = json.loads(done.stdout).values()
    product = next(row for row in rows if row["op"] == "MatMul")
    # Two operations for each of 128 x 784 x 512 products.
    flops = 2 * 128 * 784 * 512
    assert product["gflops"] * product["microseconds"] * 1e3 == pytest.approx(flops)
    assert product["bound"] == "arithmetic"
    assert 0.01 < product["limit"] < 2
    assert sum(row["share"] for row in rows) == pytest.approx(1)
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_a_table_by_default():
    done = run("perceptron")
    assert done.returncode == 0, done.stderr
    assert "GFLOP/s" in done.stdout
    assert "MatMul" in done.stdout


def test_an_unknown_workload_is_named():
    done = run("nonsense")
    assert done.returncode == 1
    assert "no workload 'nonsense'" in done.stderr
    assert "perceptron" in done.stderr
