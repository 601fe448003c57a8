"""Which functions are converted, and calling them so.

A function of the user is converted when it is called while a graph is built; what belongs to
graphopt, NumPy or another library that does not know tensors runs as it is. Where the source
cannot be had (a prompt, `exec`), a function runs as it is too: Python's control flow on plain
values goes on working there, and a condition that is a tensor says what is the matter.
"""

from __future__ import annotations

import functools
import inspect
import weakref
from collections.abc import Callable
from types import CodeType, FunctionType, TracebackType
from typing import Any

from graphopt.autograph import verbosity
from graphopt.autograph.scan import is_library, may_need_conversion
from graphopt.autograph.status import (
    Feature,
    Status,
    as_features,
    current_status,
    with_status,
)
from graphopt.graph.context import building_graph
from graphopt.graph.hooks import hooks
from graphopt.graph.provenance import is_internal

# What a function must have to run as it is, whatever is said.
ARTIFACT = "autograph_info__"

# Why the functions of some code could not be converted, by code.
_refused: weakref.WeakKeyDictionary[CodeType, str] = weakref.WeakKeyDictionary()


def mark_artifact(function: Any) -> Any:
    """Lets a function run as it is."""
    target = function.__func__ if inspect.ismethod(function) else function
    setattr(target, ARTIFACT, True)
    return function


def do_not_convert(func: Callable[..., Any] | None = None) -> Any:
    """Lets a function, and all that it calls, run as Python has it.

    Args:
      func: The function; without it, a decorator is returned.

    >>> import graphopt as tf
    >>> @tf.autograph.experimental.do_not_convert
    ... def choose(flag):
    ...     return 1 if flag else 2
    >>> choose(True)
    1

    Source: `tf.autograph.experimental.do_not_convert`.
    """
    if func is None:
        return do_not_convert

    def unconverted(*args: Any, **kwargs: Any) -> Any:
        with with_status(Status.DISABLED):
            return func(*args, **kwargs)

    if inspect.isfunction(func) or inspect.ismethod(func):
        functools.update_wrapper(unconverted, func)
    return mark_artifact(unconverted)


def convert(
    function: Callable[..., Any],
    features: frozenset[Feature] | None = None,
    recursive: bool = True,
    user_requested: bool = False,
) -> Callable[..., Any]:
    """Returns a function that is converted when it is called while a graph is built.

    What a `tf.function`, `map_fn`, `Dataset.map` and the like do with what they are given.
    In eager mode, inside `do_not_convert` and in a `tf.function` with `autograph=False` the
    function runs as it is.

    Args:
      function: What is called: a function, method, partial or object.
      features: What else is converted.
      recursive: Whether the functions that it calls are converted as well.
      user_requested: Whether it is converted even if it is part of a library.
    """
    if hasattr(function, ARTIFACT):
        return function
    chosen = frozenset() if features is None else as_features(tuple(features))

    def converted(*args: Any, **kwargs: Any) -> Any:
        if building_graph() is None or current_status() is Status.DISABLED:
            return function(*args, **kwargs)
        try:
            with with_status(Status.ENABLED):
                return call_converted(
                    function, args, kwargs, (recursive, user_requested, chosen)
                )
        except Exception as error:
            error.__traceback__ = _without_internals(error.__traceback__)
            raise

    if not isinstance(function, functools.partial) and hasattr(function, "__name__"):
        functools.update_wrapper(converted, function)
        # A signature is asked for again and again; an attribute is found at once.
        converted.__wrapped__ = function  # type: ignore[attr-defined]
    found: Callable[..., Any] = mark_artifact(converted)
    return found


def call_converted(
    function: Any, args: tuple[Any, ...], kwargs: dict[str, Any] | None, how: Any
) -> Any:
    """Calls a function, converted if that can make a difference.

    Args:
      function: What is called.
      args, kwargs: The arguments.
      how: Whether to convert what it calls, whether to convert it even if it is part of
        a library, and the features.
    """
    kwargs = kwargs or {}
    _, requested, features = how
    while isinstance(function, functools.partial):
        args = (*function.args, *args)
        kwargs = {**function.keywords, **kwargs}
        function = function.func
    if hasattr(function, ARTIFACT) or inspect.isclass(function):
        return function(*args, **kwargs)
    if not requested and is_library(function):
        return function(*args, **kwargs)
    parts = _function_of(function)
    if parts is None:
        return function(*args, **kwargs)
    target, own = parts
    if not may_need_conversion(target, (*own, *args), kwargs, features):
        return function(*args, **kwargs)
    made = _convert_form(target, how)
    if made is None:
        return function(*args, **kwargs)
    return made(*own, *args, **kwargs)


def _function_of(function: Any) -> tuple[FunctionType, tuple[Any, ...]] | None:
    """Returns the Python function behind something, and what it gets before arguments."""
    if inspect.ismethod(function):
        inner = function.__func__
        if isinstance(inner, FunctionType):
            return inner, (function.__self__,)
        return None
    if isinstance(function, FunctionType):
        return function, ()
    method = inspect.getattr_static(type(function), "__call__", None)
    if isinstance(method, FunctionType) and not hasattr(method, ARTIFACT):
        return method, (function,)
    return None


def _convert_form(function: FunctionType, how: Any) -> Callable[..., Any] | None:
    """Returns the converted form of a function; None if there is none."""
    code = function.__code__
    if code in _refused:
        return None
    if inspect.isgeneratorfunction(function) or inspect.iscoroutinefunction(function):
        return None
    # The library takes a while to load, and most functions do without.
    from graphopt.autograph import transpile

    try:
        return transpile.convert_function(function, how)
    except Exception as error:
        reason = _refused[code] = transpile.explain(function, error)
        verbosity.warn(
            f"AutoGraph could not transform {function!r} and will run it as-is. {reason} "
            "To silence this warning, decorate the function with "
            "@tf.autograph.experimental.do_not_convert"
        )
        return None


def _without_internals(traceback: TracebackType | None) -> TracebackType | None:
    """Takes the frames of conversion out of a traceback: what is left is the user's."""
    kept = []
    while traceback is not None:
        if not is_internal(traceback.tb_frame.f_code.co_filename, "autograph"):
            kept.append(traceback)
        traceback = traceback.tb_next
    following = None
    for each in reversed(kept):
        each.tb_next = following
        following = each
    return following


def advice() -> str:
    """Says why a tensor was used as a Python value, for the error that is raised then."""
    if current_status() is Status.DISABLED:
        return (
            "AutoGraph is disabled in this function; try decorating it directly with "
            "@tf.function"
        )
    if current_status() is not Status.ENABLED:
        return ""
    frame = inspect.currentframe()
    while frame is not None:
        reason = _refused.get(frame.f_code)
        if reason is not None:
            return f"AutoGraph could not convert {frame.f_code.co_name!r}. {reason}"
        frame = frame.f_back
    return (
        "AutoGraph converts if, while, for, and, or, not and conditional expressions; "
        "this use of a tensor it does not"
    )


hooks.convert_function = convert
hooks.autograph_advice = advice
