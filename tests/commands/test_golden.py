"""What the verbs print: a change of their words is a diff here.

To write the files anew: `python -m tests.commands.test_golden`. What depends on the machine,
sizes of arenas and names of kernels, is left out.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import sys
import tempfile
from pathlib import Path
from unittest import mock

import pytest

from graphopt.cli import main
from graphopt.commands.verbs import SUMMARIES
from tests.commands.test_check_running import HEAD, STEP, graph
from tests.viz.test_golden_show import without_arena

FOLDER = Path(__file__).with_name("golden")
LOOP = "for _ in range(3): step(tf.ones([8, 4]))\n"
PROGRAMS = {
    "function.py": HEAD + STEP + LOOP,
    "other.py": HEAD + STEP.replace("** 2.0", "** 3.0") + LOOP,
    "graph.py": HEAD + graph(rows="i + 2", loss="tf.sqrt(tf.squeeze(x @ w) - 4.0)"),
    "fails.py": HEAD + graph().replace("loss, var_list=[w]", "lose, var_list=[w]"),
    "fit.py": HEAD
    + (
        "model = tf.keras.Sequential([tf.keras.layers.Dense(1)])\n"
        "model.compile('sgd', 'mse')\n"
        "model.fit(np.ones((4, 3)), np.ones((4, 1)), epochs=2, verbose=0)\n"
    ),
}
CASES = {
    "show_function": ["show", "function.py"],
    "show_fit": ["show", "fit.py", "-q"],
    "show_failed": ["show", "fails.py", "-q"],
    "show_fetch": ["show", "graph.py", "--fetch", "loss:0", "--shapes", "-q"],
    "list": ["show", "graph.py", "--list", "--run"],
    "list_json": ["show", "function.py", "--list", "--json"],
    "kernels": ["kernels", "function.py"],
    "diff": ["diff", "function.py", "other.py"],
    "diff_pass": ["diff", "function.py", "--pass", "fuse_elementwise"],
    "check": ["check", "graph.py", "-v"],
    "check_nan": ["check", "graph.py", "--nan"],
    "check_json": ["check", "graph.py", "--json"],
    "mermaid": ["export", "function.py", "-o", "-", "-f", "mermaid"],
    "misspelt": ["show", "function.py", "--take", "stop"],
    "help": ["--help"],
    **{f"help_{verb}": [verb, "--help"] for verb in SUMMARIES},
}
TEXT_OF_KERNELS = re.compile(r"k_[0-9a-f]{8,}")


def printed(arguments: list[str]) -> str:
    """Returns what a command prints, data and messages, and its exit code."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(arguments)
    parts = [f"$ graphopt {' '.join(arguments)}", out.getvalue(), err.getvalue()]
    text = without_arena("\n".join([*parts, f"exit code {code}\n"]))
    text = text.replace(str(Path.cwd()), "FOLDER")
    text = TEXT_OF_KERNELS.sub("k_", text)
    # How tracebacks point at a place in a line depends on the version of Python.
    return re.sub(r"^ *[~^]+\n", "", text, flags=re.MULTILINE)


@contextlib.contextmanager
def in_folder(folder: Path):
    """Enters a folder with the programs, on a terminal of 80 columns."""
    for name, text in PROGRAMS.items():
        (folder / name).write_text(text, encoding="utf-8")
    with contextlib.chdir(folder), mock.patch.dict(os.environ, {"COLUMNS": "80"}):
        yield


@pytest.mark.parametrize("name", CASES)
def test_what_is_printed(name, tmp_path):
    if name.startswith("help") and sys.version_info >= (3, 13):
        pytest.skip("argparse of later versions writes options in another way")
    with in_folder(tmp_path):
        text = printed(CASES[name])
    golden = FOLDER / f"{name}.txt"
    assert text == golden.read_text(encoding="utf-8")
    beyond = [line for line in text.splitlines()[1:] if len(line) > 80]
    assert not beyond or not name.startswith("help")


def test_no_golden_text_is_left_over():
    assert {path.stem for path in FOLDER.glob("*.txt")} == set(CASES)


def record() -> None:
    """Writes the files anew."""
    for path in FOLDER.glob("*.txt"):
        path.unlink()
    for name, arguments in CASES.items():
        with tempfile.TemporaryDirectory() as folder, in_folder(Path(folder)):
            text = printed(arguments)
        (FOLDER / f"{name}.txt").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    record()
