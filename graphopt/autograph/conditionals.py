"""`if` and the conditional expression on tensors: `tf.cond` of both branches."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from malt.operators.variables import Undefined, UndefinedReturnValue

from graphopt.autograph.checking import (
    as_condition,
    check_branch_values,
    is_staged,
    zero_like,
)
from graphopt.graph.body import BodyGraph
from graphopt.graph.context import building_graph, entered
from graphopt.ops.cond import cond as build_cond
from graphopt.ops.elementwise import LOGICAL_NOT

OPERATORS = ("if_exp", "if_stmt")
Thunk = Callable[[], Any]


def if_stmt(
    cond: Any,
    body: Thunk,
    orelse: Thunk,
    get_state: Callable[[], tuple[Any, ...]],
    set_state: Callable[[Any], None],
    symbol_names: tuple[str, ...],
    nouts: int,
) -> None:
    """Runs one of two branches, by Python if the condition is no tensor.

    Args:
      cond: The condition.
      body, orelse: The branches; they change variables of the user.
      get_state, set_state: Read and set these variables.
      symbol_names: Their names.
      nouts: How many of them are used after the statement; they come first.
    """
    if not is_staged(cond):
        if cond:
            body()
        else:
            orelse()
        return
    cond = as_condition(cond, "if statement")
    before = get_state()
    names = symbol_names[:nouts]
    found: dict[str, list[Any]] = {}

    def values_of(run: Thunk) -> list[Any]:
        set_state(before)
        run()
        return list(get_state()[:nouts])

    def main() -> Any:
        values = values_of(body)
        gone = [i for i, v in enumerate(values) if isinstance(v, UndefinedReturnValue)]
        if gone:
            # What is returned elsewhere tells what stands for it here.
            with entered(BodyGraph(building_graph())):
                others = values_of(orelse)
            _stand_in(values, others, gone)
        _check_defined(values, names, "main")
        found["main"] = values
        # A branch without values is kept for what it does.
        return tuple(values) or 0

    def other() -> Any:
        values = found["else"] = values_of(orelse)
        gone = [i for i, v in enumerate(values) if isinstance(v, UndefinedReturnValue)]
        values = list(values)
        _stand_in(values, found["main"], gone)
        _check_defined(values, names, "else")
        check_branch_values(found["main"], values, names)
        return tuple(values) or 0

    result = build_cond(cond, main, other)
    after = list(result) if nouts else []
    for i, name in enumerate(names):
        if name.startswith(DID_RETURN) and found["main"][i] is True:
            last = found["else"][i]
            if last is True or (last is before[i] and _is_negation(cond, last)):
                # Whatever is decided, the function has returned.
                after[i] = True
    set_state((*after, *before[nouts:]))


# The name of the variable that says whether the function has returned.
DID_RETURN = "do_return"


def _is_negation(cond: Any, value: Any) -> bool:
    op = getattr(cond, "op", None)
    return op is not None and op.spec is LOGICAL_NOT and op.inputs[0] is value


def _stand_in(values: list[Any], others: list[Any], places: list[int]) -> None:
    """Puts zeros in place of what a branch does not return.

    It is looked at only where the function has returned, which is in the other branch.
    """
    for i in places:
        if not isinstance(others[i], UndefinedReturnValue) and others[i] is not None:
            values[i] = zero_like(others[i])[0]


def _check_defined(values: Any, names: Any, which: str) -> None:
    for name, value in zip(names, values, strict=True):
        if isinstance(value, Undefined):
            raise ValueError(f"'{name}' must also be initialized in the {which} branch")
        if isinstance(value, UndefinedReturnValue):
            raise ValueError(f"the {which} branch must also have a return statement.")


def if_exp(cond: Any, if_true: Thunk, if_false: Thunk, expr_repr: str) -> Any:
    """Returns one of two values.

    Args:
      cond: The condition.
      if_true, if_false: Compute the values.
      expr_repr: The expression, for errors.
    """
    if not is_staged(cond):
        return if_true() if cond else if_false()
    found: list[Any] = []

    def branch(run: Thunk) -> Thunk:
        def traced() -> Any:
            value = run()
            if found:
                check_branch_values((found[0],), (value,), (expr_repr,))
            found.append(value)
            return value

        return traced

    return build_cond(
        as_condition(cond, "if statement"), branch(if_true), branch(if_false)
    )
