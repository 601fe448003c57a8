"""Ops that call Python while a graph runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphopt import dtypes
from graphopt.dtypes import DType, as_dtype
from graphopt.errors import (
    InvalidArgumentError,
    OpError,
    OutOfRangeError,
    ResourceExhaustedError,
    UnimplementedError,
    fail,
)
from graphopt.graph.context import building_graph, entered
from graphopt.graph.dispatch import call, call_all
from graphopt.graph.hooks import hooks
from graphopt.graph.opspec import (
    NOT_DIFFERENTIABLE,
    Effect,
    Host,
    OpSpec,
    Sample,
    register,
)
from graphopt.graph.provenance import user_site
from graphopt.graph.shape import SCALAR, UNKNOWN, TensorShape
from graphopt.ops.creation import as_array

REASON = "it calls a Python function"


def _infer(*, function: Any, dtype: DType) -> tuple[TensorShape, DType]:
    return SCALAR, dtype


def _compute(*, function: Callable[[], Any], dtype: DType) -> NDArray[Any]:
    return as_promised(function(), dtype, 0).reshape(())


PYTHON_SCALAR = register(
    OpSpec(
        "PythonScalar",
        _infer,
        _compute,
        NOT_DIFFERENTIABLE,
        Host("it calls a Python function before each run"),
        lambda: [Sample((), {"function": float, "dtype": dtypes.float32})],
        untrusted="calls Python",
    )
)


def python_scalar(function: Callable[[], Any], dtype: Any) -> Any:
    """Returns a scalar whose value a Python function gives, anew in each run."""
    return call(PYTHON_SCALAR, function=function, dtype=as_dtype(dtype))


# ---- functions of arrays


def infer_python(
    *inputs: Any, types: tuple[DType, ...], shapes: Any = None, **_: Any
) -> list[tuple[TensorShape, DType]]:
    """What is known of a Python function's results: what the caller said."""
    found = [UNKNOWN] * len(types) if shapes is None else shapes
    return list(zip(found, types, strict=True))


def run_python(function: Callable[[], Any], types: tuple[DType, ...]) -> Any:
    """Calls a function in eager mode and checks what it returns.

    Raises:
      OpError: The function raised, or returned something else than was promised.
    """
    try:
        with entered(None):
            results = function()
    except OpError:
        raise
    except Exception as error:
        raise fail(
            raise_as(error),
            f"{type(error).__name__}: {error}",
            got="an exception of the Python function",
            site=str(user_site()),
        ) from error
    if not types:
        return ()
    arrays = tuple(
        as_promised(value, dtype, i)
        for i, (value, dtype) in enumerate(
            zip(list_results(results, len(types)), types, strict=True)
        )
    )
    return arrays[0] if len(arrays) == 1 else arrays


def list_results(results: Any, count: int) -> Sequence[Any]:
    """Returns what a function returned as a list; one value may come without one.

    Raises:
      InvalidArgumentError: There are more or fewer.
    """
    if count == 1 and not isinstance(results, (list, tuple)):
        return [results]
    if not isinstance(results, (list, tuple)) or len(results) != count:
        raise fail(
            InvalidArgumentError,
            f"A Python function returned something else than {count} values",
            got=repr(results)[:80],
            expected=f"{count} values, as Tout says",
            site=str(user_site()),
        )
    return results


def raise_as(error: Exception) -> type[OpError]:
    """The class of `tf.errors` that TensorFlow translates an exception to."""
    table: tuple[tuple[type[Exception], type[OpError]], ...] = (
        (NotImplementedError, UnimplementedError),
        (StopIteration, OutOfRangeError),
        (MemoryError, ResourceExhaustedError),
    )
    for builtin, ours in table:
        if isinstance(error, builtin):
            return ours
    return InvalidArgumentError


def as_promised(value: Any, dtype: DType, index: int) -> NDArray[Any]:
    """Converts what a function returned by the rules for all that becomes a tensor.

    Raises:
      InvalidArgumentError: It is no number, or one of another dtype.
    """
    has_type = isinstance(value, (np.ndarray, np.generic)) or hasattr(value, "dtype")
    try:
        # What has a dtype keeps it; Python's numbers take the promised one.
        array = as_array(value, None if has_type else dtype)
    except (TypeError, ValueError) as error:
        raise fail(
            InvalidArgumentError,
            f"{index}-th value returned by a Python function is no {dtype.name}",
            got=f"{value!r:.80}",
            expected=dtype.name,
            site=str(user_site()),
        ) from error
    if array.dtype != dtype.numpy:
        raise fail(
            InvalidArgumentError,
            f"{index}-th value returned by a Python function is {array.dtype.name}, "
            f"but expects {dtype.name}",
            got=f"{array.dtype.name}{list(array.shape)}",
            expected=dtype.name,
            site=str(user_site()),
        )
    return np.array(array, order="C")


def _py_func(
    *arrays: NDArray[Any], function: Any, types: tuple[DType, ...], **_: Any
) -> Any:
    # Copies, for the function may keep or change what it is given.
    given = [
        a.item() if a.dtype == object and not a.ndim else np.array(a) for a in arrays
    ]
    return run_python(lambda: function(*given), types)


PY_FUNC = register(
    OpSpec(
        "PyFunc",
        infer_python,
        _py_func,
        NOT_DIFFERENTIABLE,
        Host(REASON),
        lambda: [
            Sample((np.ones(2),), {"function": np.exp, "types": (dtypes.float64,)})
        ],
        types=("any",),
        effect=Effect.HOST,
        outputs=-1,
        strings=True,
        untrusted="calls Python",
    )
)


def call_python(
    spec: OpSpec, function: Any, inputs: Sequence[Any], types: Any, name: Any
) -> Any:
    """Adds the op of a Python function to the current graph.

    Returns:
      A tensor, or, as `types` is, a list of them; the op if there are no results.
    """
    graph = building_graph()
    assert graph is not None
    is_list = isinstance(types, (list, tuple))
    wanted = tuple(as_dtype(t) for t in (types if is_list else [types]))
    outputs = call_all(spec, *inputs, name=name, function=function, types=wanted)
    if not wanted:
        return graph.operations[-1]
    return list(outputs) if is_list else outputs[0]


def numpy_function(
    func: Callable[..., Any],
    inp: Sequence[Any],
    Tout: Any,
    stateful: bool = True,
    name: str | None = None,
) -> Any:
    """Calls a Python function of arrays as an op; no gradient flows through it.

    Args:
      func: Takes an array for each input, returns an array or a list of them.
      inp: Tensors.
      Tout: The dtype of the result, or a list of dtypes.
      stateful: Accepted for compatibility; the op is never merged with another one.
      name: Name of the op.

    Raises:
      InvalidArgumentError: When it runs: the function raised, or returned another
        dtype than it promised.

    >>> import graphopt as tf
    >>> tf.numpy_function(np.cumsum, [tf.constant([1.0, 2.0])], tf.float32)
    <tf.Tensor: shape=(2,), dtype=float32, numpy=array([1., 3.], dtype=float32)>

    Source: `tf.numpy_function`.
    """
    inputs = [hooks.convert(x) for x in inp]
    if building_graph() is not None:
        return call_python(PY_FUNC, func, inputs, Tout, name)
    is_list = isinstance(Tout, (list, tuple))
    types = tuple(as_dtype(t) for t in (Tout if is_list else [Tout]))
    results = _py_func(*(x.array for x in inputs), function=func, types=types)
    if not types:
        return None
    if len(types) == 1:
        results = (results,)
    tensors = [hooks.convert(array) for array in results]
    return tensors if is_list else tensors[0]


py_func = numpy_function
