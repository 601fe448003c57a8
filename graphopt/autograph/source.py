"""The syntax tree of a function, found by where its code says that it was written."""

from __future__ import annotations

import ast
import functools
import inspect
import linecache
import textwrap
import types


def function_tree(
    code: types.CodeType,
) -> ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda:
    """Returns the tree of a function; of a lambda, with the lines of its file.

    Raises:
      OSError: The source cannot be had.
      SyntaxError: It is not what the code was made of.
    """
    if code.co_name == "<lambda>":
        return lambda_tree(code)
    lines = linecache.getlines(code.co_filename)
    if lines:
        # As `inspect.getsource`, which first looks at every module there is.
        source = "".join(inspect.getblock(lines[code.co_firstlineno - 1 :]))
    else:
        source = inspect.getsource(code)
    tree = ast.parse(textwrap.dedent(source)).body[0]
    if not isinstance(tree, (ast.FunctionDef, ast.AsyncFunctionDef)):
        raise SyntaxError(f"no function at {code.co_filename}:{code.co_firstlineno}")
    return tree


def lambda_tree(code: types.CodeType) -> ast.Lambda:
    """Returns the tree of a lambda, with the lines of its file.

    Several may stand on one line: the columns of the instructions tell which it is.
    """
    lines = linecache.getlines(code.co_filename)
    if not lines:
        raise OSError(f"could not get the source of {code.co_filename}")
    low, high = _extent(code)
    found: ast.Lambda | None = None
    for node in _lambdas("".join(lines)):
        body = node.body
        first = (body.lineno, body.col_offset)
        last = (body.end_lineno or 0, body.end_col_offset or 0)
        # A lambda inside another is met after it: the innermost one is the last.
        if first <= low and high <= last and node.lineno <= code.co_firstlineno:
            found = node
    if found is None:
        raise SyntaxError(f"no lambda at {code.co_filename}:{code.co_firstlineno}")
    return found


def _extent(code: types.CodeType) -> tuple[tuple[int, int], tuple[int, int]]:
    """Returns where the text of a lambda's body begins and ends, as far as code tells."""
    spans = [
        ((line, column), (end_line, end_column))
        for line, end_line, column, end_column in code.co_positions()
        if line is not None
        and end_line is not None
        and column is not None
        and end_column is not None
        and end_column > column
    ]
    if not spans:
        raise SyntaxError(f"no columns in the code of {code.co_filename}")
    return min(start for start, _ in spans), max(end for _, end in spans)


@functools.lru_cache(maxsize=4)
def _lambdas(text: str) -> list[ast.Lambda]:
    return [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Lambda)]
