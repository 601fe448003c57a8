"""Which names a file has for those who read it without running it.

An editor knows what a module names from its text: definitions, `import x as x`, and what
stands under `if TYPE_CHECKING`. Names that are loaded when they are used are there only if
they are written down so.
"""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent


def find_file(module: str) -> Path:
    """Returns the file of a module of this project."""
    path = ROOT / module.replace(".", "/")
    return path / "__init__.py" if path.is_dir() else path.with_suffix(".py")


@cache
def list_static_names(module: str) -> frozenset[str]:
    """Returns the public names of a module, by the rules of typed packages.

    A name is public if it is defined, or imported `as` itself or with `*`; other imports
    are for the file alone.

    Args:
      module: Its name, as `graphopt.nn`.
    """
    names: set[str] = set()
    _collect(ast.parse(find_file(module).read_text()).body, names)
    return frozenset(name for name in names if not name.startswith("_"))


def _collect(body: list[ast.stmt], names: set[str]) -> None:
    for node in body:
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            names.add(node.name)
        elif isinstance(node, ast.ImportFrom) and node.names[0].name == "*":
            names |= list_static_names(str(node.module))
        elif isinstance(node, (ast.Import, ast.ImportFrom)):
            names |= {each.name for each in node.names if each.asname == each.name}
        elif isinstance(node, (ast.Assign, ast.AnnAssign)):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            found = [each for target in targets for each in ast.walk(target)]
            names |= {each.id for each in found if isinstance(each, ast.Name)}
        elif isinstance(node, ast.If):
            # `else` of a type check is what runs, not what an editor sees.
            _collect(node.body, names)
        elif isinstance(node, ast.Try):
            _collect([*node.body, *node.orelse], names)
