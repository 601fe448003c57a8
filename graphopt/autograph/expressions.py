"""`and`, `or`, `not`, `==` and `assert` of tensors."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from graphopt.autograph.checking import is_staged
from graphopt.graph.hooks import hooks
from graphopt.ops.assertions import Assert
from graphopt.ops.cond import cond as build_cond
from graphopt.ops.elementwise import equal, logical_not

OPERATORS = ("and_", "assert_stmt", "eq", "not_", "not_eq", "or_")
Thunk = Callable[[], Any]


def not_(a: Any) -> Any:
    """Returns `not a`."""
    return logical_not(a) if is_staged(a) else not a


def and_(a: Thunk, b: Thunk) -> Any:
    """Returns `a and b`; b is computed only if a holds."""
    first = a()
    if is_staged(first):
        return build_cond(first, b, lambda: first)
    return first and b()


def or_(a: Thunk, b: Thunk) -> Any:
    """Returns `a or b`; b is computed only if a does not hold."""
    first = a()
    if is_staged(first):
        return build_cond(first, lambda: first, b)
    return first or b()


def eq(a: Any, b: Any) -> Any:
    """Returns `a == b`, of the elements where one of them is a tensor."""
    return equal(a, b) if is_staged(a) or is_staged(b) else a == b


def not_eq(a: Any, b: Any) -> Any:
    """Returns `a != b`, likewise."""
    return not_(eq(a, b))


def assert_stmt(expression1: Any, expression2: Thunk) -> Any:
    """Checks a condition, when the graph runs if it is a tensor.

    Args:
      expression1: The condition.
      expression2: Computes the message.
    """
    if not is_staged(expression1):
        assert expression1, expression2()
        return None
    shown = expression2()
    return Assert(
        hooks.convert(expression1), shown if isinstance(shown, list) else [shown]
    )
