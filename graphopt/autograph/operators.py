"""What generated code calls: one function for each statement that is converted."""

from __future__ import annotations

import types
from typing import Any

from malt.core.converter import ConversionOptions, Feature
from malt.operators.data_structures import ListPopOpts, ListStackOpts
from malt.operators.slices import GetItemOpts
from malt.operators.variables import Undefined, UndefinedReturnValue, ld, ldu

from graphopt.autograph import (
    builtin_functions,
    calls,
    conditionals,
    containers,
    expressions,
    loops,
)
from graphopt.autograph.checking import is_staged
from graphopt.autograph.prepare import current_exception
from graphopt.autograph.status import Feature as OwnFeature
from graphopt.autograph.status import Status, with_status

mark = calls.mark_artifact


class FunctionScope:
    """The block around the body of a converted function.

    Args:
      function_name: Of the user.
      scope_name: Under which generated code knows this object.
      options: Those of the conversion.
    """

    def __init__(self, function_name: str, scope_name: str, options: Any) -> None:
        self.name = scope_name
        self.options = options
        features = frozenset(OwnFeature[f.name] for f in options.optional_features)
        self.how = (options.recursive, False, features)
        self._status = with_status(Status.ENABLED) if options.user_requested else None

    def __enter__(self) -> FunctionScope:
        if self._status is not None:
            self._status.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        if self._status is not None:
            self._status.__exit__(*error)

    def ret(self, value: Any, did_return: Any) -> Any:
        """Returns what the function returns; None if it has not.

        Raises:
          ValueError: It has in some cases only, and only a run knows in which.
        """
        if isinstance(value, UndefinedReturnValue):
            return None
        if is_staged(did_return):
            raise ValueError(
                "the else branch must also have a return statement: not every way through "
                "the function returns a value"
            )
        return value


def with_function_scope(thunk: Any, scope_name: str, options: Any) -> Any:
    """As the block, for a lambda."""
    with FunctionScope("lambda_", scope_name, options) as scope:
        return thunk(scope)


def converted_call(f: Any, args: Any, kwargs: Any, caller_fn_scope: Any) -> Any:
    """Calls a function from a converted one."""
    found = builtin_functions.overload(f, args, kwargs, caller_fn_scope)
    if found is not None:
        return found(*args, **(kwargs or {}))
    recursive = caller_fn_scope.how[0]
    if not recursive:
        return f(*args, **(kwargs or {}))
    return calls.call_converted(f, args, kwargs, caller_fn_scope.how)


def namespace() -> types.ModuleType:
    """Returns the module that generated code knows as `ag__`."""
    module = types.ModuleType("ag__")
    for part in (conditionals, containers, expressions, loops):
        for name in part.OPERATORS:
            setattr(module, name, getattr(part, name))
    own = (
        FunctionScope,
        with_function_scope,
        converted_call,
        current_exception,
        ConversionOptions,
        Feature,
        GetItemOpts,
        ListPopOpts,
        ListStackOpts,
        Undefined,
        UndefinedReturnValue,
        ld,
        ldu,
    )
    for each in own:
        setattr(module, each.__name__, each)
    module.autograph_artifact = calls.mark_artifact  # type: ignore[attr-defined]
    module.STD = ConversionOptions(  # type: ignore[attr-defined]
        recursive=True, user_requested=False, optional_features=None
    )
    return module
