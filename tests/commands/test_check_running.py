"""`graphopt check`: what is slow or wrong in how a program runs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from graphopt.cli import main

HEAD = "import time, numpy as np, graphopt as tf\nv1 = tf.compat.v1\n"
STEP = (
    "w = tf.Variable(tf.ones([4, 1]))\n"
    "@tf.function\n"
    "def step(x, k=1.0):\n"
    "    with tf.GradientTape() as tape:\n"
    "        loss = tf.reduce_mean(tf.matmul(x, w) ** 2.0) * k\n"
    "    w.assign_sub(0.01 * tape.gradient(loss, w))\n"
    "    return loss\n"
)


def check(folder: Path, text: str, capsys, *options: str):
    program = folder / "program.py"
    program.write_text(HEAD + text)
    code = main(["check", str(program), "--json", *options])
    found = json.loads(capsys.readouterr().out)["findings"]
    assert code == any(each["severity"] != "note" for each in found)
    return {each["check"]: each for each in found}


def in_graph(text: str) -> str:
    lines = [f"    {line}\n" for line in text.splitlines()]
    return "with tf.Graph().as_default():\n" + "".join(lines)


GRAPH = (
    "x = v1.placeholder(tf.float32, [None, 2], name='x')\n"
    "y = v1.placeholder(tf.float32, [None], name='y')\n"
    "w = tf.Variable([[1.0], [2.0]], name='w')\n"
    "loss = tf.reduce_mean({loss}, name='loss')\n"
    "step = v1.train.GradientDescentOptimizer({rate}).minimize(loss, var_list=[w])\n"
    "with v1.Session() as session:\n"
    "    session.run(v1.global_variables_initializer())\n"
    "    for i in range({runs}):\n"
    "        n = {rows}\n"
    "        feeds = {{x: np.ones((n, 2), np.float32), y: np.ones(n, np.float32)}}\n"
    "        session.run([step, loss], feeds)\n"
)
GOOD = {"loss": "(tf.squeeze(x @ w) - y) ** 2.0", "rate": 0.1, "runs": 12, "rows": "3"}


def graph(**changes):
    return in_graph(GRAPH.format(**{**GOOD, **changes}))


def test_nothing_is_found_in_good_programs(tmp_path, capsys):
    assert not check(tmp_path, graph(), capsys)
    loop = STEP + "for _ in range(20): step(tf.ones([8, 4]))\n"
    assert not check(tmp_path, loop, capsys)


def test_a_result_that_is_nan_says_how_to_find_it(tmp_path, capsys):
    bad = graph(loss="tf.sqrt(tf.squeeze(x @ w) - 4.0) * y")
    found = check(tmp_path, bad, capsys)
    assert found["not-finite"]["severity"] == "error"
    assert "was NaN in run 1" in found["not-finite"]["message"]
    assert "graphopt check --nan" in found["not-finite"]["remedy"]
    found = check(tmp_path, bad, capsys, "--nan")
    assert found["not-finite"]["op"] == "Sqrt"
    assert found["not-finite"]["site"].endswith("program.py:7")


def test_a_feed_that_changes_nothing(tmp_path, capsys):
    found = check(tmp_path, graph(loss="(x @ w) ** 2.0"), capsys)
    assert found["unused-feed"]["op"] == "y"
    assert found["unused-feed"]["site"].endswith("program.py:5")


def test_sizes_that_are_planned_again_and_again(tmp_path, capsys):
    found = check(tmp_path, graph(rows="i + 2"), capsys)
    assert "11 other sizes" in found["many-shapes"]["message"]
    # Buckets are no mistake.
    assert not check(tmp_path, graph(rows="i % 8 + 2", runs=80), capsys)


@pytest.mark.filterwarnings("ignore:The function")
def test_a_function_that_is_traced_again_and_again(tmp_path, capsys):
    loop = STEP + "for i in range(8): step(tf.ones([8, 4]), float(i))\n"
    found = check(tmp_path, loop, capsys)
    assert "'step' was traced 8 times" in found["retracing"]["message"]


def test_an_eager_training_loop(tmp_path, capsys):
    loop = STEP.replace("@tf.function\n", "")
    loop += "for _ in range(700): step(tf.ones([8, 4]))\n"
    found = check(tmp_path, loop, capsys)
    assert "ran one by one under a GradientTape" in found["eager-loop"]["message"]
    assert found["eager-loop"]["site"].endswith("program.py:6")


def test_a_pipeline_that_the_steps_wait_for(tmp_path, capsys):
    loop = STEP + (
        "def load(x):\n"
        "    time.sleep(0.01)\n"
        "    return x\n"
        "data = tf.data.Dataset.from_tensor_slices(np.ones((60, 8, 4), np.float32))\n"
        "data = data.map(lambda x: tf.ensure_shape(\n"
        "    tf.numpy_function(load, [x], tf.float32), [8, 4]))\n"
        "for x in data: step(x)\n"
    )
    found = check(tmp_path, loop, capsys)
    assert "for data and ran for" in found["input-bound"]["message"]


@pytest.mark.filterwarnings("ignore:The step")
def test_a_step_that_is_interpreted(tmp_path, capsys):
    text = in_graph(
        "w = tf.Variable(np.ones(3, np.complex64), name='w')\n"
        "step = w.assign_sub(w * 0.5)\n"
        "with v1.Session() as session:\n"
        "    session.run(w.initializer)\n"
        "    for _ in range(3): session.run(step)\n"
    )
    found = check(tmp_path, text, capsys)
    assert "has complex numbers" in found["interpreted"]["message"]


def test_a_step_that_is_cut(tmp_path, capsys):
    loss = "tf.numpy_function(np.sign, [y], tf.float32) * tf.squeeze(x @ w)"
    found = check(tmp_path, graph(loss=loss), capsys)
    assert "leaves native code for" in found["host-step"]["message"]
    assert found["host-step"]["severity"] == "note"


def test_a_cut_step_of_several_sizes_is_told_once(tmp_path, capsys):
    loss = "tf.numpy_function(np.sign, [y], tf.float32) * tf.squeeze(x @ w)"
    program = tmp_path / "program.py"
    program.write_text(HEAD + graph(loss=loss, rows="i % 3 + 2"))
    main(["check", str(program), "--json"])
    found = json.loads(capsys.readouterr().out)["findings"]
    assert [each["check"] for each in found].count("host-step") == 1


def test_a_variable_of_the_loss_that_nothing_trains(tmp_path, capsys):
    text = graph(loss="(tf.squeeze(x @ w) - y + tf.Variable(1.0, name='b')) ** 2.0")
    found = check(tmp_path, text, capsys)
    assert found["not-trained"]["op"] == "b"
    assert found["not-trained"]["severity"] == "warning"


def test_what_dropout_makes_is_not_blamed_on_the_user(tmp_path, capsys):
    loss = "tf.nn.dropout(tf.squeeze(x @ w) - y, rate=tf.constant(0.5))"
    assert not check(tmp_path, graph(loss=loss), capsys)
