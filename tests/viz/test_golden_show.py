"""What `graphopt show` prints of the examples: a change of the compiler is a diff here.

To write the files anew: `python -m tests.viz.test_golden_show`. What the arena takes depends
on the vectors of the machine and is left out.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
from pathlib import Path

import pytest

from graphopt.cli import main

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
EXAMPLES = ("digits_graph", "tensorflow1_script")


def shown(name: str) -> str:
    """Returns what is printed of an example."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(io.StringIO()):
        assert main(["show", f"examples/{name}.py", "--no-run", "--shapes"]) == 0
    return without_arena(out.getvalue())


def without_arena(text: str) -> str:
    """Leaves the size of the arena out."""
    return re.sub(r"arena [\d.]+ (?:B|[KMG]iB)", "arena", text)


@pytest.mark.parametrize("name", EXAMPLES)
def test_examples_are_shown_as_they_were(name, monkeypatch):
    pytest.importorskip("sklearn")
    monkeypatch.chdir(ROOT)
    golden = HERE / f"golden_show_{name}.txt"
    assert shown(name) == golden.read_text(encoding="utf-8")


if __name__ == "__main__":
    os.chdir(ROOT)
    for each in EXAMPLES:
        (HERE / f"golden_show_{each}.txt").write_text(shown(each), encoding="utf-8")
