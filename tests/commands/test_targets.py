"""What of a program is shown: what ran, how far it runs, and how it may end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import graphopt
from graphopt.cli import main
from tests.viz.test_page import Elements

ROOT = str(Path(graphopt.__file__).parents[1])
HEAD = "import sys, numpy as np, graphopt as tf\nv1 = tf.compat.v1\n"
FUNCTION = HEAD + (
    "w = tf.Variable(tf.zeros([3, 1]), name='w')\n"
    "@tf.function\n"
    "def evaluate(x):\n"
    "    return tf.reduce_sum(tf.matmul(x, w))\n"
    "@tf.function\n"
    "def train(x):\n"
    "    with tf.GradientTape() as tape:\n"
    "        loss = tf.reduce_mean(tf.matmul(x, w) ** 2.0)\n"
    "    w.assign_sub(tape.gradient(loss, w))\n"
    "    return loss\n"
    "for i in range(3):\n"
    "    sys.stderr.write(f'round {i}\\n')\n"
    "    evaluate(tf.ones([500, 3]))\n"
    "    train(tf.ones([8, 3]))\n"
)
EAGER = HEAD + (
    "w = tf.Variable([1.0, 2.0])\n"
    "optimizer = tf.keras.optimizers.Adam()\n"
    "while True:\n"
    "    optimizer.apply_gradients([(tf.ones([2]), w)])\n"
)
FIT = HEAD + (
    "model = tf.keras.Sequential([tf.keras.layers.Dense(4), tf.keras.layers.Dense(1)])\n"
    "model.compile('sgd', 'mse')\n"
    "model.fit(np.ones((64, 3)), np.ones((64, 1)), epochs=10**6, verbose=0)\n"
)
GRAPH = HEAD + (
    "with tf.Graph().as_default():\n"
    "    x = v1.placeholder(tf.float32, name='x')\n"
    "    count = tf.Variable(0.0, trainable=False, name='count')\n"
    "    w = tf.Variable([1.0, 2.0, 3.0], name='w')\n"
    "    loss = tf.reduce_sum(x * w)\n"
    "    step = v1.train.AdamOptimizer().minimize(loss, var_list=[w])\n"
    "    tick = count.assign_add(1.0)\n"
    "    with v1.Session() as session:\n"
    "        session.run(v1.global_variables_initializer())\n"
    "        session.run(tick)\n"
    "        for i in range(5):\n"
    "            sys.stderr.write(f'round {i}\\n')\n"
    "            session.run(step, {x: np.ones((7, 3), np.float32)})\n"
)


def write(folder: Path, text: str, name: str = "program.py") -> str:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return str(path)


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (FUNCTION, "train(float32[8,3])"),
        (EAGER, "apply_gradients(float32[2])"),
        (FIT, "train_step(float32[32,3], float32[32,1])"),
        (GRAPH, "Adam(float32[7,3])"),
    ],
)
def test_what_trains_is_shown_with_the_sizes_it_had(text, name, tmp_path, capsys):
    program = write(tmp_path, text)
    assert main(["show", program, "--json"]) == 0
    plan = json.loads(capsys.readouterr().out)["plan"]
    assert plan["steps"] and plan["assumed_size"] is None
    assert main(["show", program, "--list", "--json"]) == 0
    ran = json.loads(capsys.readouterr().out)
    taken = [each for each in ran if each["taken"]]
    assert [(t["name"], t["kind"], t["runs"]) for t in taken] == [(name, "trains", 1)]


@pytest.mark.parametrize(
    "verb", ["show", "kernels", "profile", "export", "view", "diff"]
)
def test_every_verb_ends_the_script_at_its_first_step(verb, tmp_path, capsys):
    program = write(tmp_path, FUNCTION)
    more = {
        "profile": ["--steps", "2"],
        "export": ["-o", str(tmp_path / "graph.svg")],
        "view": ["-o", str(tmp_path / "graph.html"), "--no-open"],
        "diff": ["--pass", "all"],
    }
    assert main([verb, program, *more.get(verb, [])]) in (0, 1)
    captured = capsys.readouterr()
    assert "round 0" in captured.err and "round 1" not in captured.err


def test_run_runs_it_to_its_end(tmp_path, capsys):
    program = write(tmp_path, FUNCTION)
    assert main(["show", program, "--run", "--list", "--json"]) == 0
    captured = capsys.readouterr()
    assert "round 2" in captured.err
    runs = {each["name"]: each["runs"] for each in json.loads(captured.out)}
    assert runs == {"evaluate(float32[500,3])": 3, "train(float32[8,3])": 3}


def test_no_run_ends_it_before(tmp_path, capsys):
    assert main(["show", write(tmp_path, GRAPH), "--no-run"]) == 0
    captured = capsys.readouterr()
    assert "round 0" not in captured.err and "passes" not in captured.out.split("\n")[0]


def test_another_run_is_taken_by_number_or_name(tmp_path, capsys):
    program = write(tmp_path, FUNCTION)
    for name in ("evaluate", "0"):
        assert main(["show", program, "--take", name, "-q"]) == 0
        assert "evaluate(float32[500,3])" in capsys.readouterr().out
    assert main(["show", program, "--take", "evluate"]) == 3
    assert "did you mean 'evaluate" in capsys.readouterr().err
    assert main(["profile", program, "--take", "evaluate", "--steps", "2"]) == 0
    assert "profile of " in capsys.readouterr().out


def test_what_only_writes_is_no_training_step(tmp_path, capsys):
    assert main(["show", write(tmp_path, GRAPH), "--list"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert any(line.startswith("0 ") and "writes" in line for line in lines)
    assert any(line.startswith("1*") and "trains" in line for line in lines)


def test_a_placeholder_without_a_shape_has_the_one_it_was_fed(tmp_path, capsys):
    program = write(tmp_path, GRAPH)
    assert main(["kernels", program]) == 0
    capsys.readouterr()
    # Of a fetch that never ran too.
    assert main(["show", program, "--fetch", "mul:0"]) == 0
    assert "float32[7, 3]" in capsys.readouterr().out


def test_values_of_scripts_are_targets(tmp_path, capsys):
    program = write(tmp_path, FUNCTION + "model = 3\n")
    assert main(["show", f"{program}:train", "-q"]) == 0
    assert "gradient_tape" in capsys.readouterr().out
    assert main(["show", f"{program}:model"]) == 3
    assert "--run runs it" in capsys.readouterr().err
    assert main(["show", f"{program}:model", "--run"]) == 3
    assert "of type int" in capsys.readouterr().err
    assert main(["show", f"{program}:trian", "--run"]) == 3
    assert "did you mean 'train'?" in capsys.readouterr().err


def test_a_script_that_fails_shows_what_it_had(tmp_path, capsys):
    program = write(tmp_path, GRAPH.replace("tick = ", "tick = wrong\n    tick = "))
    assert main(["show", program]) == 4
    captured = capsys.readouterr()
    assert "MatMul" in captured.out or "Adam" in captured.out
    assert "failed; this is what it had built" in captured.err
    assert "NameError" in captured.err and "tick = wrong" in captured.err


def test_the_page_of_a_script_that_fails_names_the_line(tmp_path, capsys):
    program = write(tmp_path, GRAPH.replace("tick = ", "tick = wrong\n    tick = "))
    out = tmp_path / "page.html"
    assert main(["view", program, "--no-open", "-o", str(out)]) == 4
    failure = Elements(out.read_text()).data["failure"]
    assert "program.py:9: tick = wrong: NameError" in failure


def test_a_script_that_fails_at_once_shows_nothing(tmp_path, capsys):
    assert main(["show", write(tmp_path, "1 / 0\n")]) == 4
    captured = capsys.readouterr()
    assert not captured.out and "ZeroDivisionError" in captured.err


def test_an_interrupt_shows_what_there_is(tmp_path):
    program = write(
        tmp_path,
        HEAD + "import time\n"
        "with tf.Graph().as_default():\n"
        "    y = tf.exp(tf.zeros([2]), name='seen')\n"
        "    sys.stderr.write('ready\\n'); sys.stderr.flush()\n"
        "    time.sleep(100)\n",
    )
    with subprocess.Popen(
        [sys.executable, "-m", "graphopt", "show", program],
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": ROOT},
    ) as process:
        assert process.stderr is not None and process.stdout is not None
        assert process.stderr.readline() == "ready\n"
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "seen  Exp" in out
    assert "interrupted; this is what there was" in err


def test_a_script_that_takes_long_gives_a_sign_of_life(tmp_path):
    program = write(
        tmp_path,
        HEAD + "import time\n"
        "with tf.Graph().as_default():\n"
        "    y = tf.exp(tf.zeros([2]))\n"
        "    time.sleep(3)\n",
    )
    arguments = [sys.executable, "-m", "graphopt", "show", program]
    environment = {**os.environ, "PYTHONPATH": ROOT}
    for quiet in ([], ["-q"]):
        done = subprocess.run(
            [*arguments, *quiet],
            capture_output=True,
            text=True,
            timeout=60,
            env=environment,
        )
        assert done.returncode == 0
        assert ("Ctrl-C shows what there is" in done.stderr) is (not quiet)


def test_times_of_another_plan_are_refused(tmp_path, capsys):
    program = write(tmp_path, FUNCTION)
    other = write(tmp_path, FUNCTION.replace("[8, 3]", "[9, 3]"), "other.py")
    times = str(tmp_path / "times.json")
    assert main(["profile", program, "--steps", "2", "--times", times]) == 0
    page = ["--no-open", "--force", "-o", str(tmp_path / "page.html"), "--times", times]
    assert main(["view", program, *page]) == 0
    capsys.readouterr()
    assert main(["view", other, *page]) == 2
    assert "times of another plan" in capsys.readouterr().err


def test_view_measures_in_the_same_run(tmp_path, capsys):
    program = write(
        tmp_path,
        HEAD + "sys.stderr.write('once\\n')\n"
        "x = v1.placeholder(tf.float32, [None, 3]) if False else None\n"
        "v1.disable_eager_execution()\n"
        "w = v1.get_variable('w', [3])\n"
        "loss = tf.reduce_sum(w * w)\n"
        "step = v1.train.AdamOptimizer().minimize(loss)\n"
        "with v1.Session() as session:\n"
        "    session.run(v1.global_variables_initializer())\n"
        "    while True: session.run(step)\n",
    )
    environment = {**os.environ, "PYTHONPATH": ROOT}
    out = str(tmp_path / "page.html")
    done = subprocess.run(
        [
            *(sys.executable, "-m", "graphopt", "view", program),
            *("--profile", "3", "--no-open", "-o", out),
        ],
        capture_output=True,
        text=True,
        timeout=60,
        env=environment,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("once") == 1


def test_view_shows_two_targets_beside_each_other(tmp_path, capsys):
    program = write(tmp_path, FUNCTION)
    other = write(tmp_path, FUNCTION.replace("** 2.0", "** 3.0"), "other.py")
    out = tmp_path / "page.html"
    arguments = ["view", program, other, "--no-open", "-o", str(out)]
    assert main(arguments) == 0
    page = out.read_text()
    assert "program.py" in page and "other.py" in page
    assert main([*arguments, "--force", "--profile", "2"]) == 2
    assert "of one graph, not of two" in capsys.readouterr().err
