"""Functions that the text of a kernel calls, declared in words and written in `vectors`.

    @intrinsic("x: pointer, at: word, n: word -> element")
    def row_top(code, x, at, n):
        ...

numba asks what the types are and has the code written where the function is called: there
is no call in the result. The words for types are

    word              int64: a size, an index, an address in bytes
    pointer           a pointer to elements of any type
    element           the type of what the first pointer points to
    real              float32 if all arguments that are `real` are, else float64
    same              the one type that numba unifies all arguments that are `same` to
    float64, ...      that type; behind `pointer`, what it points to

and nothing is returned without an arrow.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from typing import Any

import numba
import numba.extending

from graphopt.codegen.compile.target import make_flags
from graphopt.codegen.compile.vectors import ELEMENTS, Code, Pointer, Value

__all__ = ["inline", "intrinsic"]

# numba's annotations are partial: as Any they do not stand in the way.
_types: Any = numba.types
_make: Any = numba.extending.intrinsic


def _read(signature: str) -> tuple[list[str], list[str], str]:
    """Returns the names and the types of parameters, and the type of the result."""
    parameters, _, result = signature.partition("->")
    names, kinds = [], []
    for parameter in parameters.split(","):
        if parameter.strip():
            name, kind = parameter.split(":")
            names.append(name.strip())
            kinds.append(kind.strip())
    return names, kinds, result.strip() or "none"


class _Unknown(Exception):
    """The arguments have no type that the words stand for."""


def _resolve(typing: Any, words: Sequence[str], operands: Sequence[Any]) -> Any:
    """Returns a function that gives the type that a word stands for in a call."""
    pairs = list(zip(words, operands, strict=True))
    reals = [operand for word, operand in pairs if word == "real"]
    same = [_types.unliteral(operand) for word, operand in pairs if word == "same"]
    pointers = [operand for word, operand in pairs if word == "pointer"]

    def resolve(word: str, operand: Any) -> Any:
        if word == "word":
            return _types.int64
        if word == "real":
            is_single = all(each == _types.float32 for each in reals)
            return _types.float32 if is_single else _types.float64
        if word == "same":
            unified = typing.unify_types(*same)
            if unified is None:
                raise _Unknown
            return unified
        if word == "element":
            return pointers[0].dtype
        if word == "pointer":
            if not isinstance(operand, _types.CPointer):
                raise _Unknown
            return operand
        if word.startswith("pointer "):
            return _types.CPointer(resolve(word.removeprefix("pointer "), None))
        return getattr(_types, word)

    return resolve


def _wrap(code: Code, kind: Any, raw: Any) -> Value | Pointer:
    if isinstance(kind, _types.CPointer):
        return Pointer(code, raw, ELEMENTS[str(kind.dtype)])
    return Value(
        code, raw, ELEMENTS["boolean" if kind == _types.boolean else str(kind)]
    )


def intrinsic(signature: str, name: str = "") -> Callable[[Callable[..., Any]], Any]:
    """Makes a function for kernels of one that writes code.

    Args:
      signature: `name: type` of each parameter, separated by commas; behind an arrow
        the type of the result.
      name: The name for numba's errors, if it is not that of the function.

    Returns:
      A decorator. What it decorates takes the code and a `Value` or a `Pointer` for
      each parameter, and returns a `Value` if there is a result.
    """
    names, kinds, result = _read(signature)

    def decorate(write: Callable[..., Any]) -> Any:
        def define(typing: Any, *operands: Any) -> Any:
            resolve = _resolve(typing, kinds, operands)
            try:
                taken = [resolve(*pair) for pair in zip(kinds, operands, strict=True)]
            except _Unknown:
                return None
            returned = resolve(result, None)

            def generate(context: Any, builder: Any, types: Any, values: Any) -> Any:
                code = Code(builder)
                arguments = map(_wrap, [code] * len(values), taken, values)
                value = write(code, *arguments)
                return context.get_dummy_value() if value is None else value.raw

            return returned(*taken), generate

        define.__name__, define.__doc__ = name or write.__name__, write.__doc__
        return _declare(define, names)

    return decorate


def _declare(define: Callable[..., Any], names: Sequence[str]) -> Any:
    """Makes the function for numba, which asks `define` what it is for given types."""
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    parameters = [inspect.Parameter(each, kind) for each in ("typing", *names)]
    define.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    return _make(define)


def inline(function: Callable[..., Any]) -> Any:
    """Makes a function for kernels of one in Python, of float64 and returning one.

    It is compiled into each kernel that calls it.
    """

    def define(typing: Any, *operands: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            inlined = context.compile_subroutine(
                builder, function, signature, flags=make_flags()
            )
            return context.call_internal(builder, inlined.fndesc, signature, values)

        kinds = [
            _types.float64 if isinstance(operand, _types.Number) else operand
            for operand in operands
        ]
        return _types.float64(*kinds), generate

    define.__name__, define.__doc__ = function.__name__, function.__doc__
    return _declare(define, list(inspect.signature(function).parameters))
