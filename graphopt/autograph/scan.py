"""Whether converting a function can make a difference, without converting it.

Most functions are a straight line of calls: `loss = f(x); tape.gradient(...)`. Converting
them changes nothing and costs tens of milliseconds, and the first one the import of
diastatic-malt. So the syntax tree is looked at first. A function needs conversion if

- it has a statement or expression that conversion is about (`if`, `while`, `for`, `and`,
  `or`, `not`, a conditional expression, a chain of comparisons, `assert` if asked for), or
- it calls a built-in function that means something else for tensors, or
- what it calls, or could call, needs it.

The last is decided by what names stand for now: global names, variables of enclosing
functions, arguments of this call, and their attributes, as far as plain look-up finds them
(no property of the user runs). Where all of these are graphopt's, NumPy's, tensors and numbers, nothing
of the user's can be called but what is written here. Whatever is not understood counts as
needing conversion.
"""

from __future__ import annotations

import ast
import builtins
import functools
import inspect
import types
import weakref
from typing import Any

import numpy as np

from graphopt.autograph.source import function_tree
from graphopt.autograph.status import Feature

# Modules whose functions are called as they are, by the first part of their names or, with
# a dot, by the whole.
LIBRARIES = frozenset(
    (
        "PIL",
        "abc",
        "builtins",
        "cProfile",
        "collections",
        "contextlib",
        "copy",
        "dataclasses",
        "enum",
        "functools",
        "graphopt",
        "inspect",
        "io",
        "ipdb",
        "itertools",
        "json",
        "keras",
        "linecache",
        "logging",
        "malt",
        "math",
        "matplotlib",
        "mock",
        "numpy",
        "operator",
        "os",
        "pandas",
        "pathlib",
        "pdb",
        "posixpath",
        "pstats",
        "random",
        "re",
        "string",
        "sys",
        "tensorflow",
        "tf_keras",
        "threading",
        "time",
        "types",
        "typing",
        "urllib",
        "warnings",
        "weakref",
    )
)
# Built-in functions whose meaning conversion changes for tensors, or that look around them.
_CHANGED = frozenset(
    (
        "eval",
        "exec",
        "float",
        "getattr",
        "globals",
        "int",
        "iter",
        "len",
        "locals",
        "range",
        "sorted",
        "super",
        "vars",
    )
)
# Those that it changes for data sets.
_OF_DATA = frozenset(("all", "any", "enumerate", "filter", "map", "next", "zip"))
_STATEMENTS = (
    ast.If,
    ast.While,
    ast.For,
    ast.AsyncFor,
    ast.IfExp,
    ast.BoolOp,
)
_PLAIN = (bool, int, float, complex, str, bytes, type(None), np.ndarray, np.generic)
# How many elements of a list or dictionary are looked at.
_MANY = 5000


def module_of(thing: Any) -> str:
    """Returns the name of the module that a function, class or object is of."""
    if isinstance(thing, types.ModuleType):
        return thing.__name__
    module = getattr(thing, "__module__", None)
    if not isinstance(module, str):
        module = type(thing).__module__
    return module


def is_library(thing: Any) -> bool:
    """Whether a function, class or object belongs to a library that is left alone."""
    if isinstance(thing, types.MethodType):
        thing = thing.__func__
    if isinstance(thing, types.FunctionType):
        # A decorator copies `__module__`; the globals tell where the code is from.
        name = thing.__globals__.get("__name__", "")
        return isinstance(name, str) and name.partition(".")[0] in LIBRARIES
    if not isinstance(thing, (type, types.ModuleType, types.BuiltinFunctionType)):
        method = inspect.getattr_static(type(thing), "__call__", None)
        if isinstance(method, types.FunctionType):
            return is_library(method)
    return module_of(thing).partition(".")[0] in LIBRARIES


class _Outline:
    """What is written in a function, found once.

    Attributes:
      has_statements: Whether there is a statement that conversion is about.
      has_assertions: Whether there is an `assert`.
      chains: The names that are used, with the attributes that follow, and whether that is
        called at once.
      local: Names that are assigned here and are no arguments.
      arguments: The names of the arguments.
    """

    def __init__(self, tree: ast.AST) -> None:
        self.has_statements = False
        self.has_assertions = False
        self.chains: set[tuple[str, tuple[str, ...], bool]] = set()
        self.local: set[str] = set()
        given = tree.args  # type: ignore[attr-defined]
        every = [*given.posonlyargs, *given.args, *given.kwonlyargs]
        extra = [a for a in (given.vararg, given.kwarg) if a is not None]
        self.arguments = {a.arg for a in every}
        self.local |= {a.arg for a in extra}
        body = tree.body  # type: ignore[attr-defined]
        for part in body if isinstance(body, list) else [body]:
            self._visit(part)
        self.local -= self.arguments

    def _visit(self, node: ast.AST, is_called: bool = False) -> None:
        if isinstance(node, _STATEMENTS) or (
            isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not)
        ):
            self.has_statements = True
            return
        if isinstance(node, ast.Compare) and len(node.ops) > 1:
            self.has_statements = True
            return
        if isinstance(node, ast.Assert):
            self.has_assertions = True
        chain = _chain(node)
        if chain is not None:
            if isinstance(node.ctx, ast.Load):  # type: ignore[attr-defined]
                self.chains.add((*chain, is_called))
            elif not chain[1]:
                self.local.add(chain[0])
            else:
                self.chains.add((chain[0], chain[1][:-1], False))
            return
        if isinstance(node, ast.Call):
            self._visit(node.func, True)
            for part in [*node.args, *(k.value for k in node.keywords)]:
                self._visit(part)
            return
        if isinstance(node, (ast.FunctionDef, ast.Lambda, ast.AsyncFunctionDef)):
            if not isinstance(node, ast.Lambda):
                self.local.add(node.name)
            given = node.args
            every = [*given.posonlyargs, *given.args, *given.kwonlyargs]
            every += [a for a in (given.vararg, given.kwarg) if a is not None]
            self.local |= {a.arg for a in every}
        if isinstance(node, (ast.Import, ast.ImportFrom, ast.ClassDef)):
            self.has_statements = True
            return
        for child in ast.iter_child_nodes(node):
            if not isinstance(child, ast.arguments):
                self._visit(child)
            else:
                for default in [*child.defaults, *filter(None, child.kw_defaults)]:
                    self._visit(default)


def _chain(node: ast.AST) -> tuple[str, tuple[str, ...]] | None:
    """Returns the name and attributes of `a.b.c`, None for anything else."""
    attributes: list[str] = []
    while isinstance(node, ast.Attribute):
        attributes.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        return None
    return node.id, tuple(reversed(attributes))


_outlines: weakref.WeakKeyDictionary[types.CodeType, _Outline | None] = (
    weakref.WeakKeyDictionary()
)


def _outline_of(function: types.FunctionType) -> _Outline | None:
    """Returns the outline of a function; None if its source cannot be had or understood."""
    code = function.__code__
    if code not in _outlines:
        _outlines[code] = _read_outline(function)
    return _outlines[code]


def _read_outline(function: types.FunctionType) -> _Outline | None:
    try:
        return _Outline(function_tree(function.__code__))
    except (OSError, TypeError, SyntaxError, ValueError):
        return None


class _Scan:
    """One look at a function and what it calls."""

    def __init__(self, features: frozenset[Feature]) -> None:
        self.features = features
        self.seen: set[int] = set()

    def needs(self, function: types.FunctionType, arguments: dict[str, Any]) -> bool:
        """Whether a function, or what it calls, needs conversion."""
        if id(function) in self.seen:
            return False
        self.seen.add(id(function))
        outline = _outline_of(function)
        if outline is None or outline.has_statements:
            return True
        asks = {Feature.ALL, Feature.LISTS, Feature.BUILTIN_FUNCTIONS}
        if self.features & asks:
            return True
        if outline.has_assertions and Feature.ASSERT_STATEMENTS in self.features:
            return True
        cells = dict(
            zip(
                function.__code__.co_freevars,
                function.__closure__ or (),
                strict=True,
            )
        )
        # Where `zip` and the like are called, whether of a data set.
        looks_for_data = not _OF_DATA.isdisjoint(name for name, _, _ in outline.chains)
        for name, attributes, is_called in outline.chains:
            if name in outline.local:
                continue
            if looks_for_data and "data" in attributes:
                return True
            if name in outline.arguments:
                if name not in arguments:
                    if looks_for_data:
                        return True
                    continue
                value = arguments[name]
            elif name in cells:
                try:
                    value = cells[name].cell_contents
                except ValueError:
                    return True
            elif name in function.__globals__:
                value = function.__globals__[name]
            elif name in _CHANGED:
                return True
            elif hasattr(builtins, name):
                continue
            else:
                # It will be a NameError.
                continue
            if looks_for_data and hasattr(type(value), "_autograph_builtin"):
                return True
            if self._chain_needs(value, attributes, is_called):
                return True
        return False

    def _chain_needs(self, value: Any, attributes: Any, is_called: bool) -> bool:
        for attribute in attributes:
            if is_safe(value):
                return False
            owner = value
            try:
                value = inspect.getattr_static(owner, attribute)
            except AttributeError:
                return True
            if isinstance(value, types.FunctionType) and not isinstance(
                owner, (type, types.ModuleType)
            ):
                value = types.MethodType(value, owner)
            elif isinstance(value, (staticmethod, classmethod)):
                value = getattr(owner, attribute)
            elif isinstance(value, property) and is_library(value.fget):
                # As the variables of a model; it is no code of the user that runs.
                value = getattr(owner, attribute)
            elif (
                hasattr(type(value), "__get__")
                and not isinstance(value, (types.FunctionType, types.MethodType))
                and not is_safe(value)
            ):
                return True
        return self._value_needs(value, is_called)

    def _value_needs(self, value: Any, is_called: bool) -> bool:
        if hasattr(value, "autograph_info__") or is_safe(value):
            return False
        if isinstance(value, functools.partial):
            parts = [value.func, *value.args, *value.keywords.values()]
            return any(self._value_needs(part, True) for part in parts)
        if isinstance(value, types.FunctionType):
            return self.needs(value, {})
        if isinstance(value, types.MethodType):
            function = value.__func__
            if not isinstance(function, types.FunctionType):
                return not is_library(function)
            names = list(inspect.signature(function).parameters)
            return self.needs(function, dict(zip(names[:1], [value.__self__])))  # noqa: B905
        if isinstance(value, (list, tuple, set, frozenset)) and len(value) < _MANY:
            return any(self._value_needs(part, False) for part in value)
        if isinstance(value, dict) and len(value) < _MANY:
            return any(self._value_needs(part, False) for part in value.values())
        if is_called and not isinstance(value, (type, types.ModuleType)):
            # A layer of the user: the call is graphopt's, which converts what it calls.
            return not is_library(value)
        return True


def is_safe(value: Any) -> bool:
    """Whether nothing of the user's can be called through a value."""
    if isinstance(value, _PLAIN):
        return True
    if isinstance(value, (list, tuple, dict, set, frozenset, functools.partial)):
        return False
    if isinstance(value, (types.FunctionType, types.MethodType)):
        return is_library(value)
    if isinstance(value, (type, types.ModuleType, types.BuiltinFunctionType)):
        return is_library(value)
    module = type(value).__module__.partition(".")[0]
    return module in LIBRARIES and module not in ("builtins", "types")


def may_need_conversion(
    function: types.FunctionType,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    features: frozenset[Feature],
) -> bool:
    """Returns whether converting a function can make a difference to this call.

    Args:
      function: A Python function.
      args, kwargs: The arguments of the call.
      features: What else is converted.
    """
    try:
        bound = inspect.signature(function).bind(*args, **kwargs)
    except (TypeError, ValueError):
        # Python will say what is wrong with them.
        return True
    scan = _Scan(features)
    parameters = bound.signature.parameters
    given: dict[str, Any] = {}
    rest: list[Any] = []
    for name, value in bound.arguments.items():
        kind = parameters[name].kind
        if kind in (parameters[name].VAR_POSITIONAL, parameters[name].VAR_KEYWORD):
            rest += value if isinstance(value, tuple) else value.values()
        else:
            given[name] = value
    if any(scan._value_needs(value, False) for value in rest):
        return True
    return scan.needs(function, given)
