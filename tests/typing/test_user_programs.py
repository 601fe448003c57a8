"""Programs of users pass strict type checks, and run; editors complete and show arguments."""

from __future__ import annotations

import inspect
import os
import subprocess
import sys
from pathlib import Path

import pytest

import graphopt as tf

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
PROGRAMS = sorted((HERE / "programs").glob("*.py"))
PRINTED = {
    "functions": "3 (3, 1) [1] float32 True True\n6.0 ()\n",
    "keras_model": "['loss', 'mean_absolute_error'] 2 2\n",
    "sessions": "3 [None, 1] Mean True\n",
}


def run(*arguments, cwd):
    """Runs Python where this project is found, and returns what it did."""
    found = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    return subprocess.run(
        [sys.executable, *map(str, arguments)],
        cwd=cwd,
        env={**os.environ, "PYTHONPATH": found, "MYPYPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("path", PROGRAMS, ids=lambda path: path.stem)
def test_a_program_runs(path, tmp_path):
    done = run(path, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, PRINTED[path.stem]), done.stderr


def test_programs_pass_strict_type_checks(tmp_path):
    pytest.importorskip("mypy", reason="needs mypy")
    # Without the options of this project, from elsewhere.
    options = ["--strict", "--config-file=", "--no-error-summary"]
    done = run("-m", "mypy", *options, *PROGRAMS, cwd=tmp_path)
    assert (done.stdout, done.returncode) == ("", 0), done.stdout + done.stderr


WRONG = """import graphopt as tf
tf.add(1.0, y=2.0, nome="sum")
tf.nn.softmax_cross_entropy(1)
x: int = tf.reduce_sum([1.0])
@tf.function
def f(x: tf.Tensor) -> tf.Tensor: return x
f(tf.constant(1.0), 2)
tf.truediv(1, 2).numpie()
"""


def test_mistakes_are_found(tmp_path):
    pytest.importorskip("mypy", reason="needs mypy")
    program = tmp_path / "wrong.py"
    program.write_text(WRONG)
    done = run("-m", "mypy", "--strict", "--config-file=", program, cwd=tmp_path)
    lines = [line for line in done.stdout.splitlines() if ": error:" in line]
    assert [int(line.split(":")[1]) for line in lines] == [2, 3, 4, 7, 8], done.stdout


@pytest.mark.parametrize(
    ("function", "names"),
    [
        (tf.add, ["x", "y", "name"]),
        (tf.tanh, ["x", "name"]),
        (tf.nn.relu, ["features", "name"]),
        (tf.reduce_sum, ["input_tensor", "axis", "keepdims", "name"]),
        (tf.bitwise.left_shift, ["x", "y", "name"]),
        (tf.compat.v1.argmax, ["input", "axis", "name", "dimension", "output_type"]),
    ],
)
def test_signatures_are_real(function, names):
    assert list(inspect.signature(function).parameters) == names
    assert inspect.signature(function).return_annotation == "Tensor"


def complete(jedi, text):
    """Returns what an editor with jedi offers at the end of a text."""
    script = jedi.Script("import graphopt as tf\n" + text)
    return {each.name for each in script.complete()}


@pytest.mark.parametrize("path", ["tf", "tf.nn", "tf.compat.v1", "tf.keras.layers"])
def test_editors_complete_names(path):
    jedi = pytest.importorskip("jedi", reason="needs jedi")
    module = tf
    for part in path.split(".")[1:]:
        module = getattr(module, part)
    public = {name for name in dir(module) if not name.startswith("_")}
    public -= {name for name in public if inspect.ismodule(getattr(module, name))}
    assert not public - complete(jedi, path + ".")


def test_editors_show_arguments():
    jedi = pytest.importorskip("jedi", reason="needs jedi")
    (signature,) = jedi.Script("import graphopt as tf\ntf.add(").get_signatures()
    assert [each.name for each in signature.params] == ["x", "y", "name"]
    assert "numpy" in complete(jedi, "tf.add(1, 2).")
