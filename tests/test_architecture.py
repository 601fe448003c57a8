"""ARCHITECTURE.md is true: its program runs, and passes through each station."""

from __future__ import annotations

import importlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
TEXT = (ROOT / "ARCHITECTURE.md").read_text()
PACKAGE = ROOT / "graphopt"

FOLLOW = """
import json, sys, threading
from pathlib import Path
import graphopt
called = []
def note(frame, event, argument):
    if event == "call":
        code = frame.f_code
        called.append((code.co_filename, code.co_qualname))
threading.setprofile(note)
sys.setprofile(note)
exec(compile(sys.argv[1], "program.py", "exec"))
sys.setprofile(None)
threading.setprofile(None)
print(json.dumps(list(dict.fromkeys(called))))
"""


def read_section(title):
    return TEXT.split(f"## {title}\n", 1)[1].split("\n## ", 1)[0]


def read_table(title):
    """The rows of the table of a section, without its head."""
    rows = [line for line in read_section(title).splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows[2:]]


def test_the_program_passes_through_the_stations_in_order(tmp_path):
    program = re.search(
        r"```python\n(.*?)```", read_section("One step, followed"), re.S
    )
    cache = {"GRAPHOPT_CACHE": "", "GRAPHOPT_CACHE_DIR": str(tmp_path)}
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **cache}
    output = subprocess.run(
        [sys.executable, "-c", FOLLOW, program[1]],
        env=environment,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    called = [
        (str(Path(file).relative_to(PACKAGE)), name)
        for file, name in json.loads(output)
        if Path(file).is_relative_to(PACKAGE)
    ]
    stations = [
        (file.strip("`"), function.strip("`"))
        for _, file, function in read_table("One step, followed")
    ]
    for station in stations:
        assert station in called, f"{station} is not called: mend ARCHITECTURE.md"
    # Behind these, threads work at the same time.
    alone = stations[: stations.index(("codegen/kernels.py", "make_kernels"))]
    assert alone == sorted(alone, key=called.index), "the stations have another order"


@pytest.mark.parametrize("row", read_table("Where is ..."), ids=lambda row: row[0])
def test_places_exist(row):
    assert_exist(row[1])


@pytest.mark.parametrize("row", read_table("The flow"), ids=lambda row: row[0])
def test_types_exist(row):
    assert_exist(row[0])
    for cell in row[2:]:
        for path in re.findall(r"`([\w/.*]+/[\w/.*]*)`", cell):
            assert list(PACKAGE.glob(path)), f"there is no graphopt/{path}"


def assert_exist(text):
    """Checks that files exist, and that each name behind one is in it or is a class."""
    file = None
    for word in re.findall(r"`([^`]+)`", text):
        if "/" in word or word.endswith(".py"):
            file = PACKAGE / word
            assert file.exists(), f"there is no graphopt/{word}"
        elif file is not None and file.suffix == ".py":
            name = ".".join(file.relative_to(ROOT).with_suffix("").parts)
            owner = importlib.import_module(name)
            for part in word.split("."):
                assert hasattr(owner, part), f"{word} is not in {file}"
                owner = getattr(owner, part)


def test_folders_are_all_there():
    section = read_section("The folders, in their order")
    named = set(re.findall(r"`(\w+)(?:\.py)?`", section))
    folders = {path.parent.name for path in PACKAGE.glob("*/__init__.py")}
    rooms = {path.parent.name for path in PACKAGE.glob("codegen/*/__init__.py")}
    missing = (folders | rooms) - named - {"files", "autograph"}
    assert not missing, f"ARCHITECTURE.md says nothing of {sorted(missing)}"
