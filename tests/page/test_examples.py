"""The examples run, and the aliases of the page are the same objects."""

from __future__ import annotations

import re
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

import graphopt as tf
from tests.parallel.launching import needs_mpi, run_ranks

EXAMPLES = Path(__file__).parents[2] / "examples"


def test_digits_in_graph_mode_reach_97_percent():
    pytest.importorskip("sklearn")
    module = runpy.run_path(str(EXAMPLES / "digits_graph.py"))
    assert module["main"]() >= 0.97


def test_the_five_names_of_the_page_are_one_class():
    optimizer = tf.keras.optimizers.Optimizer
    assert tf.compat.v1.keras.optimizers.Optimizer is optimizer
    assert tf.compat.v2.keras.optimizers.Optimizer is optimizer
    assert tf.compat.v2.optimizers.Optimizer is optimizer
    assert tf.optimizers.Optimizer is optimizer


def run_example(name):
    """Runs an example in a process of its own and returns what it prints."""
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / name)],
        capture_output=True,
        text=True,
        check=True,
        timeout=200,
        cwd=EXAMPLES.parent,
    )
    return done.stdout


def test_digits_in_eager_mode_reach_97_percent():
    pytest.importorskip("sklearn")
    module = runpy.run_path(str(EXAMPLES / "digits_eager.py"))
    assert module["main"]() >= 0.97


def test_one_two_and_four_ranks_end_with_the_same_weights():
    pytest.importorskip("sklearn")
    needs_mpi()
    alone = run_example("several_ranks.py").splitlines()[-1]
    accuracy = float(re.findall(r"(\d+\.\d) %", alone)[0])
    assert accuracy >= 96.0
    for ranks in (2, 4):
        done = run_ranks("-n", str(ranks), EXAMPLES / "several_ranks.py")
        assert done.code == 0, done
        assert [done.lines_of(rank)[-1] for rank in range(ranks)] == [alone] * ranks


def test_examples_of_the_page():
    lines = run_example("reference_page.py").splitlines()
    assert lines[0].endswith("(0.7999999523162842, 3.0)")
    assert lines[1].endswith("(0.7999999523162842, 3.0)")
    before, after = map(float, re.findall(r"\d\.\d+", lines[2]))
    assert after < before / 4
    assert lines[3].endswith("[ 2.9  -0.45]")


def test_tensorflow_1_script_runs_as_it_stands():
    last = run_example("tensorflow1_script.py").splitlines()[-1]
    slope, offset = map(float, re.findall(r"\d\.\d+", last))
    assert slope == pytest.approx(3.0, abs=0.1)
    assert offset == pytest.approx(2.0, abs=0.1)


def test_picture_of_all_optimizers(tmp_path):
    pytest.importorskip("matplotlib")
    module = runpy.run_path(str(EXAMPLES / "optimizers.py"))
    names = {name.partition(",")[0].lower() for name in module["OPTIMIZERS"]}
    assert names == set(tf.keras.optimizers.CLASSES) - {"lossscaleoptimizer"}
    left = module["main"](tmp_path / "optimizers.png")
    # Rosenbrock starts at 5, Beale at 14.
    worst = max(left, key=left.get)
    assert left[worst] < 1.0, worst
    assert (tmp_path / "optimizers.png").read_bytes().startswith(b"\x89PNG")


def test_mean_over_an_unknown_batch_trains():
    with tf.Graph().as_default():
        x = tf.compat.v1.placeholder(tf.float32, [None, 16])
        w = tf.Variable(tf.ones([16, 1]))
        loss = tf.reduce_mean(tf.square(tf.matmul(x, w)))
        op = tf.keras.optimizers.SGD(0.01).minimize(loss, var_list=[w])
        with tf.compat.v1.Session() as session:
            session.run(tf.compat.v1.global_variables_initializer())
            before = session.run(loss, {x: [[1.0] * 16] * 32})
            op.run({x: [[1.0] * 16] * 200})
            assert session.run(loss, {x: [[1.0] * 16] * 32}) < before


@pytest.mark.parametrize(
    ("name", "arguments", "said"),
    [
        ("tensorflow1_language_model", ["--steps=30"], r"loss \d\.\d{3}\nshe"),
        ("tensorflow1_gan", [], r"step 2000: .*\nmean radius (0\.9|1\.0)"),
    ],
)
def test_tensorflow_1_programs_run(name, arguments, said):
    command = [sys.executable, "-m", "graphopt", "run", str(EXAMPLES / f"{name}.py")]
    done = subprocess.run(
        [*command, *arguments], capture_output=True, text=True, check=True, timeout=200
    )
    assert re.search(said, done.stdout), done.stdout
