"""What is in the wheel."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from graphopt.viz.html.page import SCRIPTS

ROOT = Path(__file__).parents[2]
# What a page is made of.
PAGE = [
    *(f"graphopt/viz/html/app/{name}" for name in SCRIPTS),
    *(f"graphopt/viz/html/app/{name}.css" for name in ("page", "dark", "picture")),
]


def test_wheel_holds_the_package_and_nothing_else(tmp_path):
    pytest.importorskip("hatchling")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", tmp_path],
        cwd=ROOT,
        check=True,
        capture_output=True,
        timeout=120,
    )
    (wheel,) = tmp_path.glob("*.whl")
    assert wheel.name.endswith("-py3-none-any.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    package = {n for n in names if n.startswith("graphopt/")}
    assert all(".dist-info/" in name for name in names - package)
    sources = {
        str(path.relative_to(ROOT)) for path in (ROOT / "graphopt").rglob("*.py")
    }
    assert package == sources | {"graphopt/py.typed"} | set(PAGE)
