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
    ("train", "version"),
    ("exchange",),
    ("summary", "io"),
    ("aliases",),
    ("checks",),
    ("viz",),
    ("commands",),
    ("cli",),
    ("__main__",),
]
RANK = {name: rank for rank, names in enumerate(ORDER) for name in names}


def imports_of(path: Path) -> list[tuple[int, str]]:
    """Returns (line, first part below graphopt) of the imports of a file."""
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module]
            if node.module == "graphopt":
                names = [f"graphopt.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        else:
            continue
        for name in names:
            parts = name.split(".")
            if parts[0] == "graphopt" and len(parts) > 1:
                found.append((node.lineno, parts[1]))
    return found


def main(package: Path = PACKAGE) -> int:
    """Prints every import that goes to the right or to a sibling.

    Args:
      package: The folder to look at.
    """
    bad = 0
    for path in sorted(package.rglob("*.py")):
        own = path.relative_to(package).parts[0].removesuffix(".py")
        if own in ("__init__", "compat", "v1"):
            continue
        if own not in RANK:
            bad += 1
            print(f"{path}: {own} is in no rank of ORDER in tools/check_layers.py")
            continue
        for line, other in imports_of(path):
            if other == own:
                continue
            if other not in RANK:
                bad += 1
                print(f"{path}:{line}: {other} is in no rank of ORDER")
                continue
            if RANK[other] >= RANK[own] and RANK[own] > 0:
                bad += 1
                print(f"{path}:{line}: {own} may not import {other}")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
