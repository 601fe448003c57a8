"""Python's built-in functions that mean something else for tensors."""

from __future__ import annotations

import builtins
import functools
import sys
import types
from collections.abc import Callable
from typing import Any

from malt.operators import py_builtins

from graphopt.autograph.checking import is_staged
from graphopt.autograph.status import Feature
from graphopt.ops import printing
from graphopt.ops.creation import shape
from graphopt.ops.elementwise import cast, maximum
from graphopt.ops.functional import vectorized_map
from graphopt.ops.indexing import gather
from graphopt.ops.selecting import argsort, sort
from graphopt.ops.sequences import range as range_of_tensors
from graphopt.ops.tensor_array import TensorArray

_print = builtins.print


def overload(
    function: Any, args: Any, kwargs: Any, scope: Any
) -> Callable[..., Any] | None:
    """Returns what is called for a built-in function; None for any other function."""
    if not isinstance(function, (types.BuiltinFunctionType, type)) or (
        isinstance(function, type)
        and id(function) not in _OVERLOADS
        and function is not super
    ):
        return None
    if function is eval:
        return lambda *given: py_builtins.eval_in_original_context(eval, given, scope)
    if function is super:
        return lambda *given: py_builtins.super_in_original_context(super, given, scope)
    if function is globals:
        return lambda: py_builtins.globals_in_original_context(scope)
    if function is locals:
        return lambda: py_builtins.locals_in_original_context(scope)
    if function is print:
        features = scope.how[2]
        is_wanted = Feature.ALL in features or Feature.BUILTIN_FUNCTIONS in features
        return print_ if is_wanted else _print
    return _OVERLOADS.get(id(function), function)


def _on_elements(name: str) -> Callable[..., Any]:
    """A function of iterables that leaves a data set to itself."""
    plain = getattr(builtins, name)

    def function(*args: Any, **kwargs: Any) -> Any:
        for each in args:
            own = getattr(type(each), "_autograph_builtin", None)
            if own is not None:
                found = own(name, args, kwargs)
                if found is not None:
                    return found
        return plain(*args, **kwargs)

    return functools.update_wrapper(function, plain)


def len_(s: Any) -> Any:
    """Returns the number of elements along the first axis, a tensor if only a run knows."""
    if isinstance(s, TensorArray):
        return s.size()
    if not is_staged(s):
        return len(s)
    if s.shape.rank == 0:
        raise ValueError(
            f"len requires a non-scalar tensor, got one of shape {s.shape}"
        )
    if s.shape.rank is not None and s.shape[0] is not None:
        return int(s.shape[0])
    return shape(s)[0]


def int_(x: Any = 0, *base: Any, **keywords: Any) -> Any:
    """Returns an int, of a tensor one of int32."""
    if not is_staged(x):
        return int(x, *base, **keywords)
    if base not in ((), (10,)):
        raise NotImplementedError(f"base {base[0]} not supported for int")
    return cast(x, "int32")


def float_(x: Any = 0) -> Any:
    """Returns a float, of a tensor one of float32."""
    return cast(x, "float32") if is_staged(x) else float(x)


def range_(*bounds: Any) -> Any:
    """Returns a range, of tensors a tensor; none where the bounds are the wrong way round."""
    if not any(is_staged(bound) for bound in bounds):
        return range(*bounds)
    if len(bounds) == 3:
        return range_of_tensors(*bounds)
    start, stop = bounds if len(bounds) == 2 else (0, bounds[0])
    return range_of_tensors(start, maximum(start, stop))


def print_(*objects: Any, **keywords: Any) -> Any:
    """Prints; when the graph runs, if one of the objects is a tensor."""
    if not any(is_staged(each) for each in objects):
        _print(*objects, **keywords)
        return None
    stream = keywords.get("file") or sys.stdout
    return printing.print(
        *objects,
        output_stream=stream,
        sep=keywords.get("sep") or " ",
        end=keywords.get("end", "\n"),
    )


def sorted_(iterable: Any, /, *, key: Any = None, reverse: bool = False) -> Any:
    """Returns the elements in order, of a vector as a tensor."""
    if not is_staged(iterable):
        return sorted(iterable, key=key, reverse=reverse)
    if iterable.shape.rank not in (None, 1):
        raise ValueError("sort only supports only 1D tensors")
    direction = "DESCENDING" if reverse else "ASCENDING"
    if key is None:
        return sort(iterable, direction=direction)
    mapped = vectorized_map(key, iterable)
    return gather(iterable, argsort(mapped, direction=direction))


_OVERLOADS: dict[int, Callable[..., Any]] = {
    id(len): len_,
    id(int): int_,
    id(float): float_,
    id(range): range_,
    id(sorted): sorted_,
    **{
        id(getattr(builtins, name)): _on_elements(name)
        for name in ("enumerate", "zip", "map", "filter", "any", "all", "next", "iter")
    },
}
