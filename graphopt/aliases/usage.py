"""Which names of TensorFlow a program uses, from its text.

The program is not run. Names are followed from imports (`import tensorflow as tf`, `from
tensorflow.keras.layers import Dense`, `import keras`) and from assignments of a name to
another (`slim = tf.contrib.slim`), in the order of the text; modules beside the program
that it imports are read too.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

ROOTS = {"tensorflow": "", "tensorflow_core": "", "keras": "keras", "tf_keras": "keras"}
# Files of one program that are read.
MOST_FILES = 500


@dataclass(frozen=True)
class Use:
    """A name of TensorFlow in a program.

    Attributes:
      path: Below `tensorflow`, as `compat.v1.train.AdamOptimizer`; empty for itself.
      file: Where it stands.
      line: Where it stands.
      keywords: What it is called with by name, None where it is not called.
      positional: How many arguments it is called with by position.
      tentative: Whether the program goes on if the name is not there.
    """

    path: str
    file: str
    line: int
    keywords: tuple[str, ...] | None = None
    positional: int = 0
    tentative: bool = False


def uses_of(text: str, file: str = "<text>") -> list[Use]:
    """Returns the names that a program uses, in the order of its text.

    Raises:
      SyntaxError: It is no Python of this version.

    >>> program = "import tensorflow as tf\\ntf.layers.dense(tf.zeros([2]), units=3)"
    >>> [(use.path, use.line, use.keywords) for use in uses_of(program)]
    [('', 1, None), ('layers.dense', 2, ('units',)), ('zeros', 2, ())]
    """
    reader = _Reader(file)
    reader.visit(ast.parse(text, file))
    return reader.uses


def uses_of_program(paths: Iterable[Path]) -> tuple[list[Use], list[str]]:
    """Returns the names that files, and the modules beside them that they import, use.

    Args:
      paths: The files.

    Returns:
      The uses, and a sentence for each file that could not be read.
    """
    waiting, seen = [path.resolve() for path in paths], set[Path]()
    uses: list[Use] = []
    unread: list[str] = []
    while waiting and len(seen) < MOST_FILES:
        path = waiting.pop(0)
        if path in seen:
            continue
        seen.add(path)
        try:
            reader = _Reader(_show(path))
            reader.visit(ast.parse(path.read_bytes(), str(path)))
        except (OSError, SyntaxError, ValueError) as error:
            unread.append(f"{_show(path)}: {error}")
            continue
        uses += reader.uses
        waiting += _files_of(path.parent, reader.others)
    return uses, unread


def _show(path: Path) -> str:
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def _files_of(folder: Path, modules: Iterable[str]) -> list[Path]:
    """Returns the files of modules that lie beside a program."""
    found = []
    for module in modules:
        place = folder.joinpath(*module.split("."))
        for path in (place.with_suffix(".py"), place / "__init__.py"):
            if path.is_file():
                found.append(path)
    return found


class _Reader(ast.NodeVisitor):
    def __init__(self, file: str) -> None:
        self.file = file
        self.names: dict[str, str] = {}
        self.uses: list[Use] = []
        self.others: list[str] = []
        self.own: set[str | None] = set()
        self._tentative = 0

    def _use(self, path: str, node: ast.AST, call: ast.Call | None = None) -> None:
        parts = path.split(".")
        if any(
            ".".join(parts[:length]) in self.own for length in range(1, len(parts) + 1)
        ):
            return
        keywords = None
        positional = 0
        if call is not None:
            keywords = tuple(each.arg for each in call.keywords if each.arg)
            positional = len(call.args)
        line = getattr(node, "lineno", 0)
        tentative = bool(self._tentative)
        self.uses.append(Use(path, self.file, line, keywords, positional, tentative))

    def visit_Try(self, node: ast.Try) -> None:
        caught = any(_catches_missing(each) for each in node.handlers)
        self._tentative += caught
        for each in node.body:
            self.visit(each)
        self._tentative -= caught
        for rest in (*node.handlers, *node.orelse, *node.finalbody):
            self.visit(rest)

    def _below(self, module: str) -> str | None:
        """Returns the path of a module below `tensorflow`, None for others."""
        head, _, rest = module.partition(".")
        if head not in ROOTS:
            return None
        return ".".join(part for part in (ROOTS[head], rest) if part)

    def visit_Import(self, node: ast.Import) -> None:
        for each in node.names:
            path = self._below(each.name)
            if path is None:
                self.others.append(each.name)
                continue
            self._use(path, node)
            head = each.name.partition(".")[0]
            self.names[each.asname or head] = path if each.asname else ROOTS[head]

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        module = node.module or ""
        path = None if node.level else self._below(module)
        if path is None:
            self.others.append(module)
            self.others += [f"{module}.{a.name}".lstrip(".") for a in node.names]
            return
        for each in node.names:
            if each.name == "*":
                self._use(path, node)
                continue
            full = f"{path}.{each.name}".lstrip(".")
            self._use(full, node)
            self.names[each.asname or each.name] = full

    def visit_Assign(self, node: ast.Assign) -> None:
        self.visit(node.value)
        path = self._path(node.value)
        for target in node.targets:
            if isinstance(target, ast.Name):
                if path is not None and isinstance(node.value, ast.Attribute):
                    self.names[target.id] = path
            elif self._path(target) is not None:
                # Programs keep things of their own in the module: `tf.model = ...`.
                self.own.add(self._path(target))
            else:
                self.visit(target)

    def _path(self, node: ast.AST) -> str | None:
        parts: list[str] = []
        while isinstance(node, ast.Attribute):
            parts.append(node.attr)
            node = node.value
        if not isinstance(node, ast.Name) or node.id not in self.names:
            return None
        return ".".join(part for part in (self.names[node.id], *parts[::-1]) if part)

    def visit_Call(self, node: ast.Call) -> None:
        path = self._path(node.func)
        if path is None:
            self.visit(node.func)
        else:
            self._use(path, node.func, node)
        for each in (*node.args, *node.keywords):
            self.visit(each)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        path = self._path(node)
        if path is None:
            self.generic_visit(node)
        else:
            self._use(path, node)


def _catches_missing(handler: ast.ExceptHandler) -> bool:
    """Returns whether an `except` is for names that are not there."""
    if handler.type is None:
        return True
    names = {each.id for each in ast.walk(handler.type) if isinstance(each, ast.Name)}
    return bool(names & {"ImportError", "ModuleNotFoundError", "AttributeError"})
