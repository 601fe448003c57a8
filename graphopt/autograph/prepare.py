"""What diastatic-malt does not take is written in another way before it sees a function."""

from __future__ import annotations

import ast
import sys
from typing import Any

from malt.pyct import errors


def prepare(tree: Any, qualified_name: str) -> Any:
    """Rewrites the tree of a function, with the same meaning.

    - `except X as error` becomes an assignment at the beginning of the handler.
    - A private name of a class (`self.__x`) gets the name that Python gives it.
    - Annotations of the function go: they may name what its code does not.
    - A body of a docstring alone gets a `pass`.

    Args:
      tree: The tree, which is changed.
      qualified_name: `Class.method` tells the class of private names.

    Raises:
      UnsupportedLanguageElementError: There is a `match` statement.
    """
    owner = qualified_name.rpartition(".")[0].rpartition(".")[2].lstrip("_")
    _Rewriter("" if owner == "<locals>" else owner).visit(tree)
    if isinstance(tree, ast.Lambda):
        return tree
    tree.returns = None
    given = tree.args
    every = [*given.posonlyargs, *given.args, *given.kwonlyargs]
    for argument in [*every, given.vararg, given.kwarg]:
        if argument is not None:
            argument.annotation = None
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef) and ast.get_docstring(node) is not None:
            node.body.append(ast.copy_location(ast.Pass(), node.body[-1]))
    return tree


class _Rewriter(ast.NodeTransformer):
    def __init__(self, owner: str) -> None:
        self.owner = owner

    def _mangle(self, name: str) -> str:
        if self.owner and name.startswith("__") and not name.endswith("__"):
            return f"_{self.owner}{name}"
        return name

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        node.attr = self._mangle(node.attr)
        return self.generic_visit(node)

    def visit_Name(self, node: ast.Name) -> ast.AST:
        node.id = self._mangle(node.id)
        return node

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> ast.AST:
        self.generic_visit(node)
        if node.name is None:
            return node
        bound = ast.parse(f"{node.name} = ag__.current_exception()").body[0]
        for part in ast.walk(bound):
            ast.copy_location(part, node)
        node.body.insert(0, bound)
        node.name = None
        return node

    def visit_Match(self, node: ast.Match) -> ast.AST:
        raise errors.UnsupportedLanguageElementError(
            "match statements are not supported; use if"
        )


def current_exception() -> BaseException | None:
    """Returns the exception that is being handled."""
    return sys.exc_info()[1]
