"""Editors and type checkers know every public name, those loaded later too."""

from __future__ import annotations

import ast
import importlib
import inspect

import pytest

import graphopt
import graphopt.compat.v1
from tests.golden.record_api import PATH
from tests.typing.static_names import find_file, list_static_names

LINES = [line for line in PATH.read_text().splitlines() if line]
MODULES = ["tf", "tf.compat.v1"] + [
    line.removesuffix(": module")
    for line in LINES
    if line.endswith(": module") and line != "tf.test.mock: module"
]
# Names that only the run has, and why.
ONLY_WHEN_RUN = {
    "tf.compat.v1.app.flags": "those of absl-py, where it is installed",
}


def find_module(path):
    """Returns the module that users call `tf...`."""
    found = graphopt
    for part in path.split(".")[1:]:
        found = getattr(found, part)
    return found


def names_in(path):
    """Returns the names that the list of the API has in a module."""
    start = path + "."
    heads = {line.partition("(")[0].partition(":")[0].split(" = ")[0] for line in LINES}
    rest = {head.removeprefix(start) for head in heads if head.startswith(start)}
    return {name for name in rest if "." not in name}


@pytest.mark.parametrize("path", [p for p in MODULES if p not in ONLY_WHEN_RUN])
def test_public_names_are_static(path):
    module = find_module(path)
    missing = sorted(names_in(path) - list_static_names(module.__name__))
    assert not missing, (
        f"import these `as` themselves in {module.__name__}, those that are loaded later "
        "under `if TYPE_CHECKING`"
    )


@pytest.mark.parametrize("path", MODULES)
def test_static_names_exist(path):
    module = find_module(path)
    names = list_static_names(module.__name__)
    missing = sorted(name for name in names if not hasattr(module, name))
    assert not missing, f"{module.__name__} promises names that it lacks"


@pytest.mark.parametrize("path", MODULES)
def test_static_imports_are_what_the_run_has(path):
    module = find_module(path)
    body = ast.parse(find_file(module.__name__).read_text()).body
    checks = [
        n for n in body if isinstance(n, ast.If) and "TYPE_CHECKING" in ast.dump(n)
    ]
    for node in (each for check in checks for each in check.body):
        if not isinstance(node, ast.ImportFrom):
            continue
        source = importlib.import_module(str(node.module))
        for each in node.names:
            if each.asname == each.name:
                promised = getattr(source, each.name)
                if source.__name__.startswith("graphopt") and source is not graphopt:
                    own = list_static_names(source.__name__)
                    assert each.name in own or inspect.ismodule(promised), each.name
                assert getattr(module, each.name) is promised, each.name


def test_reasons_are_still_needed():
    for path in ONLY_WHEN_RUN:
        module = find_module(path)
        assert names_in(path) - list_static_names(module.__name__)
