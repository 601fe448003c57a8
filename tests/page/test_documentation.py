"""What the documentation shows is what happens: doctests, README, names."""

from __future__ import annotations

import ast
import doctest
import importlib
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import graphopt

ROOT = Path(__file__).parents[2]
# It runs the command line when imported.
NOT_IMPORTED = {"graphopt.__main__"}
MODULES = sorted(
    found.name
    for found in pkgutil.walk_packages(graphopt.__path__, "graphopt.")
    if found.name not in NOT_IMPORTED
)


def _doctests():
    finder = doctest.DocTestFinder(exclude_empty=True)
    # All first: a module that another one loads changes it while it is searched.
    modules = [importlib.import_module(name) for name in MODULES]
    for name, module in zip(MODULES, modules, strict=True):
        for test in finder.find(module, name):
            if test.examples:
                yield test


DOCTESTS = list(_doctests())
# `graphopt.v1` switches the modes of the process when it is imported.
graphopt.compat.v1.enable_v2_behavior()
graphopt.config.strict_sessions(False)


@pytest.mark.parametrize("test", DOCTESTS, ids=lambda test: test.name)
def test_doctest(test):
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE)
    report: list[str] = []
    runner.run(test, out=report.append)
    assert not runner.failures, "".join(report)


def test_importing_loads_neither_numba_nor_networkx():
    code = (
        "import sys; before = set(sys.modules); import graphopt;"
        "print(sorted({m.partition('.')[0] for m in set(sys.modules) - before}))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )
    loaded = set(ast.literal_eval(done.stdout))
    assert "graphopt" in loaded
    assert not loaded & {"numba", "llvmlite", "networkx", "rich", "safetensors"}


def test_one_fetch_without_writes_loads_no_numba():
    code = (
        "import sys; import graphopt as tf\n"
        "with tf.Graph().as_default():\n"
        "    x = tf.constant([[1.0, 2.0]])\n"
        "    print(tf.matmul(x, x, transpose_b=True).eval().tolist())\n"
        "print('numba' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )
    assert done.stdout.split("\n")[:2] == ["[[5.0]]", "False"]


@pytest.mark.parametrize("name", MODULES)
def test_every_module_says_what_it_is_for(name):
    module = importlib.import_module(name)
    assert module.__doc__, name


def test_every_folder_of_code_is_a_package():
    # Others are not walked: their examples would not be run, nor their names checked.
    package = Path(graphopt.__file__).parent
    folders = {path.parent for path in package.rglob("*.py")}
    assert not [folder for folder in folders if not (folder / "__init__.py").exists()]
