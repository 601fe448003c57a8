"""The wheel holds what the package reads at run time."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from graphopt.viz.html.page import SCRIPTS

ROOT = Path(__file__).resolve().parent.parent


def test_the_wheel_holds_the_page_and_its_licence(tmp_path: Path) -> None:
    builder = pytest.importorskip("hatchling.builders.wheel")
    code = (
        f"from {builder.__name__} import WheelBuilder\n"
        f"list(WheelBuilder({str(ROOT)!r}).build(directory={str(tmp_path)!r}))"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60, cwd=ROOT)
    (wheel,) = tmp_path.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    folder = "graphopt/viz/html"
    for name in (*SCRIPTS, "worker.js", "page.css", "dark.css", "picture.css"):
        assert f"{folder}/app/{name}" in names
    assert f"{folder}/vendor/dagre.min.js" in names
    assert f"{folder}/vendor/dagre.LICENSE" in names
    assert "graphopt/py.typed" in names
    assert wheel.name.endswith("-py3-none-any.whl")
