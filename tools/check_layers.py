"""Checks that every folder has its place in an order and imports only what lies before."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent.parent / "graphopt"
ORDER = [
    ("errors", "dtypes", "config", "lazy", "regular_files"),
    ("files",),
    ("graph",),
    ("ops",),
    ("autodiff", "rewrite"),
    ("autograph",),
    ("schedule",),
    ("codegen",),
    ("runtime",),
    ("parallel",),
    ("sparse", "ragged"),
    ("strings",),
    ("lookup", "image"),
    ("checkpoint",),
    ("data",),
    ("keras",),
    (
        "nn",
        "math",
        "linalg",
        "random",
        "debugging",
        "nest",
        "bitwise",
        "signal",
        "queue",
        "raw_ops",
        "compat",
        "v1",
    ),
    ("train", "version", "distribute", "horovod"),
    ("exchange",),
    ("summary", "io"),
    ("aliases",),
    ("checks",),
    ("viz",),
    ("viewer",),
    ("commands",),
    ("cli",),
    ("__main__",),
]
# The rooms of folders that have some, in the same way.
ROOMS = {
    "codegen": [
        ("machine", "kernel"),
        ("cache",),
        ("compile",),
        ("tape", "maths"),
        ("movement",),
        ("elementwise",),
        ("reductions",),
        ("matmul",),
        ("convolution", "random"),
        ("functions",),
        ("kernels",),
        ("communication",),
        ("lower",),
        ("checked",),
    ],
}


def imports_of(path: Path) -> list[tuple[int, list[str]]]:
    """Returns (line, parts below graphopt) of the imports of a file.

    A name that a module loads when it is used and that type checkers are told of,
    `import x as x` under `if TYPE_CHECKING`, is nothing that the module stands on.
    """
    found = []
    tree = ast.parse(path.read_text())
    promised = {
        id(node)
        for check in tree.body
        if isinstance(check, ast.If) and ast.unparse(check.test) == "TYPE_CHECKING"
        for node in check.body
        if isinstance(node, ast.ImportFrom)
        and all(each.asname == each.name for each in node.names)
    }
    for node in ast.walk(tree):
        if id(node) in promised:
            continue
        if isinstance(node, ast.ImportFrom) and node.module:
            # What is imported from a package may be a module of it.
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        for name in names:
            parts = name.split(".")
            if parts[0] == "graphopt" and len(parts) > 1:
                found.append((node.lineno, parts[1:]))
    return found


def complaints(
    own: str, others: list[tuple[int, str]], order: list[tuple[str, ...]]
) -> list[tuple[int, str]]:
    """Returns (line, what is wrong) of imports.

    Args:
      own: Which folder or room a file is in.
      others: (line, folder or room) of what it imports.
      order: Those that may import from what stands before them.
    """
    rank = {name: place for place, names in enumerate(order) for name in names}
    if own not in rank:
        return [(1, f"{own} is in no rank of tools/check_layers.py")]
    wrong = []
    for line, other in others:
        if other == own:
            continue
        if other not in rank:
            wrong.append((line, f"{other} is in no rank of tools/check_layers.py"))
        elif rank[other] >= rank[own] and rank[own] > 0:
            wrong.append((line, f"{own} may not import {other}"))
    return wrong


def main(package: Path = PACKAGE) -> int:
    """Prints every import that goes to the right or to a sibling.

    Args:
      package: The folder to look at.
    """
    bad = []
    for path in sorted(package.rglob("*.py")):
        parts = [part.removesuffix(".py") for part in path.relative_to(package).parts]
        if parts[0] in ("__init__", "compat", "v1"):
            continue
        imports = imports_of(path)
        folders = [(line, other[0]) for line, other in imports]
        bad += [(path, *each) for each in complaints(parts[0], folders, ORDER)]
        rooms = ROOMS.get(parts[0])
        if rooms is not None and parts[1] != "__init__":
            same = [
                (line, other[1])
                for line, other in imports
                if other[0] == parts[0] and len(other) > 1
            ]
            bad += [(path, *each) for each in complaints(parts[1], same, rooms)]
    for path, line, what in bad:
        print(f"{path}:{line}: {what}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
