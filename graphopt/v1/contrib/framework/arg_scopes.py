"""`arg_scope`: arguments that functions get in a block, unless they are given others."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator
from typing import Any

from graphopt.errors import fail
from graphopt.graph.context import get_default_graph
from graphopt.graph.provenance import user_site

Scope = dict[str, dict[str, Any]]
# The functions that take arguments of scopes, by key, with the names of those.
_DECORATED: dict[str, tuple[str, ...]] = {}


def _stack() -> list[Scope]:
    graph = get_default_graph()
    found: list[Scope] = (graph.home or graph).attachments.setdefault(
        "arg_scopes", [{}]
    )
    return found


def current_arg_scope() -> Scope:
    """Returns the arguments of the innermost scope, by function.

    Source: `tf.contrib.framework.current_arg_scope`.
    """
    return _stack()[-1]


def arg_scope_func_key(op: Any) -> str:
    """Returns what a function is known by in a scope.

    Source: `tf.contrib.framework.arg_scope_func_key`.
    """
    return str(getattr(op, "_key_op", str(op)))


def has_arg_scope(func: Any) -> bool:
    """Returns whether a function takes arguments of scopes.

    Source: `tf.contrib.framework.has_arg_scope`.
    """
    return arg_scope_func_key(func) in _DECORATED


def arg_scoped_arguments(func: Any) -> tuple[str, ...]:
    """Returns the names of the arguments that a scope may give a function.

    Source: `tf.contrib.framework.arg_scoped_arguments`.
    """
    return _DECORATED[arg_scope_func_key(func)]


def add_arg_scope(func: Callable[..., Any]) -> Callable[..., Any]:
    """Makes a function take arguments of scopes; a decorator.

    Source: `tf.contrib.framework.add_arg_scope`.
    """
    key = arg_scope_func_key(func)

    @functools.wraps(func)
    def func_with_args(*args: Any, **kwargs: Any) -> Any:
        given = current_arg_scope().get(key)
        return func(*args, **({**given, **kwargs} if given else kwargs))

    code = getattr(func, "__code__", None)
    names = code.co_varnames[: code.co_argcount] if code is not None else ()
    defaults = len(getattr(func, "__defaults__", None) or ())
    _DECORATED[key] = tuple(names[len(names) - defaults :])
    func_with_args._key_op = key  # type: ignore[attr-defined]
    return func_with_args


@contextlib.contextmanager
def arg_scope(list_ops_or_scope: Any, **kwargs: Any) -> Iterator[Scope]:
    """Gives functions arguments in a block, those of outer scopes included.

    Args:
      list_ops_or_scope: Functions, or a scope that another `arg_scope` returned.
      **kwargs: The arguments; none for a scope that is entered again.

    Raises:
      TypeError: It is neither a list nor a scope.
      ValueError: A function takes no arguments of scopes, or a scope is given arguments.

    Source: `tf.contrib.framework.arg_scope`.
    """
    stack = _stack()
    if isinstance(list_ops_or_scope, dict):
        if kwargs:
            raise ValueError(
                "When attempting to re-use a scope by suppling a dictionary, kwargs must "
                f"be empty; got {sorted(kwargs)}."
            )
        scope = dict(list_ops_or_scope)
    elif isinstance(list_ops_or_scope, (list, tuple)):
        scope = dict(stack[-1])
        for function in list_ops_or_scope:
            key = arg_scope_func_key(function)
            if key not in _DECORATED:
                raise fail(
                    ValueError,
                    f"{getattr(function, '__name__', function)} is not decorated with "
                    "@add_arg_scope",
                    got=repr(function),
                    expected="a function of tf.contrib.layers, or one decorated so",
                    site=str(user_site()),
                )
            scope[key] = {**scope.get(key, {}), **kwargs}
    else:
        raise TypeError(
            "list_ops_or_scope must either be a list/tuple or reused scope (i.e. dict); "
            f"got {list_ops_or_scope!r:.100}."
        )
    stack.append(scope)
    try:
        yield scope
    finally:
        stack.pop()
