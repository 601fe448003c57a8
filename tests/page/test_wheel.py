"""What is in the wheel and the sdist, and what they say of themselves."""

from __future__ import annotations

import email
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest

import graphopt
from graphopt.viz.html.page import SCRIPTS

ROOT = Path(__file__).parents[2]
# What a page is made of.
PAGE = [
    *(f"graphopt/viz/html/app/{name}" for name in SCRIPTS),
    *(f"graphopt/viz/html/app/{name}.css" for name in ("page", "dark", "picture")),
]


def build(kind, source, target):
    """Builds a wheel or sdist of a folder; returns its path."""
    pytest.importorskip("hatchling")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", kind, "-d", target],
        cwd=source,
        check=True,
        capture_output=True,
        timeout=120,
    )
    (made,) = target.glob("*.whl" if kind == "wheel" else "*.tar.gz")
    return made


def test_wheel_holds_the_package_and_nothing_else(tmp_path):
    wheel = build("wheel", ROOT, tmp_path)
    assert wheel.name.endswith("-py3-none-any.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    package = {n for n in names if n.startswith("graphopt/")}
    assert all(".dist-info/" in name for name in names - package)
    sources = {
        str(path.relative_to(ROOT)) for path in (ROOT / "graphopt").rglob("*.py")
    }
    assert package == sources | {"graphopt/py.typed"} | set(PAGE)


def test_the_sdist_builds_the_same_wheel(tmp_path):
    sdist = build("sdist", ROOT, tmp_path)
    with tarfile.open(sdist) as archive:
        archive.extractall(tmp_path, filter="data")
    (folder,) = (path for path in tmp_path.iterdir() if path.is_dir())
    for name in ("README.md", "LICENSE", "mkdocs.yml", "tests/golden/api.txt"):
        assert (folder / name).exists(), name
    assert not (folder / "build").exists()
    (tmp_path / "here").mkdir()
    (tmp_path / "there").mkdir()
    ours = build("wheel", ROOT, tmp_path / "here")
    theirs = build("wheel", folder, tmp_path / "there")
    ours, theirs = (set(zipfile.ZipFile(each).namelist()) for each in (ours, theirs))
    assert ours == theirs


def test_metadata_say_what_the_package_is(tmp_path):
    wheel = zipfile.ZipFile(build("wheel", ROOT, tmp_path))
    (path,) = (n for n in wheel.namelist() if n.endswith(".dist-info/METADATA"))
    metadata = email.message_from_bytes(wheel.read(path))
    assert metadata["License-Expression"] == "MIT"
    assert metadata["Keywords"]
    assert metadata.get_all("Project-URL")
    classifiers = metadata.get_all("Classifier")
    assert "Typing :: Typed" in classifiers
    start = "Programming Language :: Python :: 3."
    oldest = min(int(c.removeprefix(start)) for c in classifiers if c.startswith(start))
    assert metadata["Requires-Python"] == f">=3.{oldest}"
    (scripts,) = (n for n in wheel.namelist() if n.endswith("entry_points.txt"))
    assert b"graphopt = graphopt.cli:main" in wheel.read(scripts)


def test_classifiers_are_known():
    known = pytest.importorskip("trove_classifiers").classifiers
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert set(project["classifiers"]) <= known
    assert project["version"] == graphopt.__version__
