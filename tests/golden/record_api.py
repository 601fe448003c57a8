"""Writes down the public API: each name of `graphopt` and what it is called with.

    python -m tests.golden.record_api

`api.txt` then has a line for each name of the two public namespaces and of all that is in
them, classes with their constructors and methods; `tests/contract/test_api.py` compares.
Annotations are left out: they change with Python's versions, and nobody calls with them.
"""

from __future__ import annotations

import ast
import inspect
import re
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import graphopt
import graphopt.compat.v1

PATH = Path(__file__).parent / "api.txt"
ROOTS = {"tf": graphopt, "tf.compat.v1": graphopt.compat.v1}
# Namespaces with thousands of names of their own, which other tests compare.
LEFT_OUT = ("tf.raw_ops", "tf.compat.v1.raw_ops", "tf.compat.v2", "tf.v1")
_ADDRESS = re.compile(r" at 0x[0-9a-f]+")


def is_ours(thing: Any) -> bool:
    """Whether something is defined in this project."""
    return str(getattr(thing, "__module__", "")).partition(".")[0] == "graphopt"


def list_names(module: types.ModuleType) -> tuple[set[str], set[str]]:
    """Returns what a file names as its own, and what it imports for itself.

    Its own are `import x as x`, assignments and the words of tables; which modules it has besides
    depends on what was loaded before. `from m import x` is no export, and neither is
    `import x as y`.
    """
    found: set[str] = set()
    helpers: set[str] = set()
    path = getattr(module, "__file__", None)
    body = ast.parse(Path(path).read_text()).body if path else []
    for node in body:
        # A module by another name: `spectral = signal`.
        if isinstance(node, ast.Assign):
            found |= {each.id for each in node.targets if isinstance(each, ast.Name)}
    for node in (each for part in body for each in ast.walk(part)):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            found |= {each.name for each in node.names if each.asname == each.name}
            helpers |= {each.asname or each.name for each in node.names}
        keys: list[Any] = []
        if isinstance(node, ast.Dict):
            keys = list(node.keys)
        elif isinstance(node, (ast.Tuple, ast.List, ast.Set)):
            keys = node.elts
        found |= {str(k.value) for k in keys if isinstance(k, ast.Constant)}
    return found, helpers - found


def describe_signature(thing: Any) -> str:
    """Returns the arguments of a function or class, with defaults and no annotations."""
    try:
        signature = inspect.signature(thing)
    except (TypeError, ValueError):
        return "(...)"
    empty = inspect.Parameter.empty
    plain = [p.replace(annotation=empty) for p in signature.parameters.values()]
    made = signature.replace(
        parameters=plain, return_annotation=inspect.Signature.empty
    )
    return _ADDRESS.sub("", str(made))


def describe_class(path: str, cls: type) -> Iterator[str]:
    """Yields a line for a class and one for each public method that it defines."""
    yield f"{path}{describe_signature(cls) if is_ours(cls) else ''}: class"
    for name, member in sorted(vars(cls).items()) if is_ours(cls) else ():
        if name.startswith("_"):
            continue
        if isinstance(member, (staticmethod, classmethod)):
            member = member.__func__
        if inspect.isfunction(member):
            yield f"{path}.{name}{describe_signature(member)}"
        elif isinstance(member, property) or inspect.isdatadescriptor(member):
            yield f"{path}.{name}: property"
        elif not isinstance(member, types.MemberDescriptorType):
            yield f"{path}.{name}: attribute"


def describe_module(
    path: str, module: types.ModuleType, seen: dict[int, str]
) -> Iterator[str]:
    """Yields a line for each public name of a module and of the modules in it.

    Args:
      path: What users call it.
      module: The module.
      seen: The first path of each thing that was described, by its id; others are said to
        be the same.
    """
    modules, helpers = list_names(module)
    names = {name for name in dir(module) if not name.startswith("_")}
    for name in sorted(names - helpers):
        thing, here = getattr(module, name), f"{path}.{name}"
        is_module = isinstance(thing, types.ModuleType)
        if here in LEFT_OUT or (is_module and name not in modules):
            continue
        is_shared = is_module or isinstance(thing, type) or callable(thing)
        if is_shared and id(thing) in seen:
            yield f"{here} = {seen[id(thing)]}"
            continue
        if is_shared:
            seen[id(thing)] = here
        if is_module:
            yield f"{here}: module"
            if thing.__name__.startswith("graphopt"):
                yield from describe_module(here, thing, seen)
        elif isinstance(thing, type):
            yield from describe_class(here, thing)
        elif callable(thing) and not hasattr(thing, "shape"):
            yield f"{here}{describe_signature(thing) if is_ours(thing) else ''}"
        else:
            yield f"{here}: {type(thing).__name__}"


def describe_api() -> list[str]:
    """Returns the lines of `api.txt`."""
    seen: dict[int, str] = {id(module): path for path, module in ROOTS.items()}
    lines = []
    for path, module in ROOTS.items():
        lines += describe_module(path, module, seen)
    return lines


if __name__ == "__main__":
    PATH.write_text("\n".join(describe_api()) + "\n")
