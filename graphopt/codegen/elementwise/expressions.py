"""Templates of the registry -> expressions of generated kernel source.

`maximum({0}, zero({0}))` names functions by meaning, for any dtype. Here each becomes
plain arithmetic of the dtype at hand, written out so that LLVM sees no call and can
vectorize, or the name of a compiled function of that dtype (`exp_float32`). The set of
names is closed: nothing that a user writes ever gets into generated source.
"""

from __future__ import annotations

import ast
import functools
from collections.abc import Callable

from graphopt.dtypes import DType

# Written with the argument's text repeated; arguments are names of values, so this
# repeats no work.
MACROS: dict[str, Callable[..., str]] = {
    "sign": lambda t, x: f"({t}({x} > {t}(0)) - {t}({x} < {t}(0)))",
    "zero": lambda t, x: f"{t}(0)",
    "one": lambda t, x: f"{t}(1)",
    "abs": lambda t, x: f"abs({x})",
    "maximum": lambda t, x, y: f"maximum({x}, {y})",
    "minimum": lambda t, x, y: f"minimum({x}, {y})",
    "select": lambda t, c, x, y: f"({x} if {c} else {y})",
    "isnan": lambda t, x: f"({x} != {x})",
    "isinf": lambda t, x: f"(({x} == {x}) & ({x} - {x} != {t}(0)))",
    "isfinite": lambda t, x: f"({x} - {x} == {t}(0))",
    "rsqrt": lambda t, x: f"({t}(1) / sqrt({x}))",
    "sqrt": lambda t, x: f"sqrt({x})",
    "floor": lambda t, x: f"floor({x})",
    "ceil": lambda t, x: f"ceil({x})",
    "round": lambda t, x: f"rint({x})",
    "floormod": lambda t, x, y: f"({x} % {y})",
    "floordiv": lambda t, x, y: f"({x} // {y})",
}
# NaN has no sign; where it can be, it stays.
_SIGN_OF_FLOAT = "({x} if {x} != {x} else {sign})"


@functools.cache
def expand_template(template: str, names: tuple[str, ...], dtype: DType) -> str:
    """Writes a template as Python source over named values.

    Args:
      template: A kernel expression of the registry.
      names: The values that stand for `{0}`, `{1}`, ...
      dtype: The dtype of the operands (of the chosen ones, for `select`).

    Returns:
      An expression that numba compiles; it still has to be cast to the result's dtype.
    """
    tree = ast.parse(template.format(*names), mode="eval").body
    return _write(tree, dtype)


def _write(node: ast.expr, dtype: DType) -> str:
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Constant):
        return repr(node.value)
    if isinstance(node, ast.UnaryOp):
        return f"(-{_write(node.operand, dtype)})"
    if isinstance(node, ast.BinOp):
        sign = _BINARY[type(node.op)]
        return f"({_write(node.left, dtype)} {sign} {_write(node.right, dtype)})"
    if isinstance(node, ast.Compare):
        sign = _COMPARE[type(node.ops[0])]
        right = _write(node.comparators[0], dtype)
        return f"({_write(node.left, dtype)} {sign} {right})"
    assert isinstance(node, ast.Call)
    assert isinstance(node.func, ast.Name)
    arguments = [_write(argument, dtype) for argument in node.args]
    name, kind = node.func.id, "boolean" if dtype.is_bool else dtype.name
    if name in MACROS:
        text = MACROS[name](kind, *arguments)
        if name == "sign" and dtype.is_floating:
            return _SIGN_OF_FLOAT.format(x=arguments[0], sign=text)
        return text
    return f"{name}_{kind}({', '.join(arguments)})"


_BINARY: dict[type[ast.operator], str] = {
    ast.Add: "+",
    ast.Sub: "-",
    ast.Mult: "*",
    ast.Div: "/",
    ast.BitAnd: "&",
    ast.BitOr: "|",
}
_COMPARE: dict[type[ast.cmpop], str] = {
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
    ast.Eq: "==",
    ast.NotEq: "!=",
}
