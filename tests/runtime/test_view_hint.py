"""The note on errors that says how to see the op."""

from __future__ import annotations

import subprocess
import sys
import types
from pathlib import Path

import numpy as np
import pytest

import graphopt as tf
from graphopt.cli import main

PROGRAM = """
import graphopt as tf
with tf.Graph().as_default():
    x = tf.compat.v1.placeholder(tf.int32, [2], name="x")
    y = tf.gather(tf.constant([1.0, 2.0]), x, name="picked")
    with tf.compat.v1.Session() as session:
        session.run(y, {x: [0, 7]})
"""


def run_gather() -> Exception:
    """Returns the error of an index that is too large."""
    with tf.Graph().as_default():
        x = tf.compat.v1.placeholder(tf.int32, [2], name="x")
        y = tf.gather(tf.constant([1.0, 2.0]), x, name="picked")
        with (
            tf.compat.v1.Session() as session,
            pytest.raises(tf.errors.InvalidArgumentError) as caught,
        ):
            session.run(y, {x: np.array([0, 7], np.int32)})
    return caught.value


def pretend(monkeypatch: pytest.MonkeyPatch, file: str | None) -> None:
    """Makes a file the script that Python was started with."""
    module = types.ModuleType("__main__")
    if file is not None:
        module.__file__ = file
    monkeypatch.setitem(sys.modules, "__main__", module)


def test_the_note_names_script_and_op(monkeypatch, tmp_path):
    (tmp_path / "my train.py").write_text("")
    monkeypatch.chdir(tmp_path)
    pretend(monkeypatch, str(tmp_path / "my train.py"))
    error = run_gather()
    (note,) = error.__notes__
    command = "graphopt view 'my train.py' --no-run --select picked"
    assert note == f"To see it in the graph: {command}"
    assert "graphopt view" not in str(error)


@pytest.mark.parametrize("file", [None, "/nowhere/train.py", "<stdin>"])
def test_no_note_without_a_script(monkeypatch, file):
    pretend(monkeypatch, file)
    assert not getattr(run_gather(), "__notes__", [])


def test_no_note_for_a_function_of_eager_mode(monkeypatch):
    pretend(monkeypatch, __file__)

    @tf.function
    def pick(x):
        return tf.gather(tf.constant([1.0, 2.0]), x)

    with pytest.raises(tf.errors.InvalidArgumentError) as caught:
        pick(tf.constant([0, 7]))
    assert not getattr(caught.value, "__notes__", [])


def test_the_command_of_the_note_shows_the_op(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Path("train.py").write_text(PROGRAM, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "train.py"], capture_output=True, text=True, check=False
    )
    command = done.stderr.strip().splitlines()[-1].partition(": ")[2].split()
    assert command[:3] == ["graphopt", "view", "train.py"]
    assert main([*command[1:], "-o", "page.html", "--no-open"]) == 0
    assert '"select":' in Path("page.html").read_text(encoding="utf-8")


def test_an_op_outside_of_the_train_op_shows_in_the_whole_graph(
    tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    text = (
        "import graphopt as tf\n"
        "with tf.Graph().as_default():\n"
        "    v = tf.Variable(1.0)\n"
        "    tf.keras.optimizers.SGD().minimize(lambda: v * v, [v])\n"
        "    tf.exp(2.0, name='aside')\n"
    )
    Path("train.py").write_text(text, encoding="utf-8")
    arguments = ["view", "train.py", "--no-open", "-o", "page.html"]
    assert main([*arguments, "--select", "aside"]) == 0
    assert "does not need aside; this is the whole graph" in capsys.readouterr().err
    assert '"select":' in Path("page.html").read_text(encoding="utf-8")
