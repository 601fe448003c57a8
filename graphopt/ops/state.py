"""Ops on variables and ops that only order others."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphopt import dtypes
from graphopt.dtypes import DType
from graphopt.errors import InvalidArgumentError, describe_shapes, fail
from graphopt.graph.context import building_graph
from graphopt.graph.dispatch import call
from graphopt.graph.opspec import (
    NOT_DIFFERENTIABLE,
    Alias,
    Cost,
    Effect,
    Elementwise,
    Host,
    OpSpec,
    Sample,
    Source,
    register,
)
from graphopt.graph.provenance import user_site
from graphopt.graph.shape import TensorShape
from graphopt.ops.elementwise_specs import NUMERIC

_NUMBERS = (*NUMERIC, *dtypes.COMPLEX)


def _in_the_executor(*_arrays: Any, **_attrs: Any) -> Any:
    raise AssertionError("The executor handles variables itself.")


def _handle_sample() -> list[Sample]:
    return [Sample((np.array([1.0, 2.0]),), {})]


# The output stands for the storage; fetching it gives the value.
VAR_HANDLE = register(
    OpSpec(
        "VarHandleOp",
        lambda *, variable, dtype, shape: (TensorShape(shape), dtype),
        _in_the_executor,
        NOT_DIFFERENTIABLE,
        Source(),
        lambda: [Sample((), {"variable": None, "dtype": dtypes.float32, "shape": ()})],
        is_handle=True,
    )
)
READ = register(
    OpSpec(
        "ReadVariableOp",
        lambda handle, **_attrs: (handle.shape, handle.dtype),
        lambda value, **_attrs: value,
        lambda g, y, handle, **_attrs: (g,),
        Alias(),
        _handle_sample,
        types=("any",),
        effect=Effect.READ,
        strings=True,
        takes_slices=True,
    )
)


# The value of a variable where it has one, else the second input.
INITIALIZED_VALUE = register(
    OpSpec(
        "InitializedValue",
        lambda handle, initial, **_attrs: (handle.shape, handle.dtype),
        lambda value, initial, **_attrs: value,
        lambda g, y, handle, initial, **_attrs: (g, None),
        Host("only the run knows which variables have a value"),
        lambda: [Sample((np.array([1.0, 2.0]), np.array([3.0, 4.0])))],
        types=("T", "T"),
        effect=Effect.READ,
        strings=True,
    )
)


def _assign_infer(
    handle: Any, value: Any, **_attrs: Any
) -> list[tuple[TensorShape, DType]]:
    if not handle.shape.is_compatible_with(value.shape):
        raise fail(
            InvalidArgumentError,
            "Cannot assign a value of another shape than the variable's",
            got=f"shape {value.shape} for {describe_shapes(handle)}",
            expected=f"shape {handle.shape}",
            op=getattr(handle, "op", None),
            site=str(user_site()),
        )
    return []


def _assignment(
    name: str, expression: str, function: Any, over: Any, cost: Cost
) -> OpSpec:
    return register(
        OpSpec(
            name,
            _assign_infer,
            function,
            NOT_DIFFERENTIABLE,
            Elementwise(expression),
            lambda: [Sample((np.array([1.0, 2.0]), np.array([3.0, 4.0])))],
            types=("T", "T"),
            dtypes=over,
            effect=Effect.WRITE,
            outputs=0,
            strings=over is dtypes.EVERY,
            cost=cost,
        )
    )


ASSIGN = _assignment(
    "AssignVariableOp",
    "{1}",
    lambda old, new, **_attrs: new,
    dtypes.EVERY,
    Cost.MOVE,
)
ASSIGN_ADD = _assignment(
    "AssignAddVariableOp", "({0} + {1})", np.add, _NUMBERS, Cost.ARITHMETIC
)
ASSIGN_SUB = _assignment(
    "AssignSubVariableOp", "({0} - {1})", np.subtract, _NUMBERS, Cost.ARITHMETIC
)

NO_OP = register(
    OpSpec(
        "NoOp",
        list,
        lambda: (),
        NOT_DIFFERENTIABLE,
        Source(),
        lambda: [Sample(())],
        outputs=0,
    )
)


def no_op(name: str | None = None) -> Any:
    """Returns an op that does nothing but can depend on others; None in eager mode.

    Source: `tf.no_op`.
    """
    return call(NO_OP, name=name) if building_graph() is not None else None


def group(*inputs: Any, name: str | None = None) -> Any:
    """Returns an op that is done when all its inputs are; None in eager mode.

    Args:
      *inputs: Operations, tensors, variables or lists of them.
      name: Name of the op.

    Source: `tf.group`.
    """
    graph = building_graph()
    if graph is None:
        return None
    flat: list[Any] = []
    stack = list(reversed(inputs))
    while stack:
        item = stack.pop()
        if isinstance(item, (list, tuple)):
            stack.extend(reversed(item))
        elif item is not None:
            flat.append(item)
    with graph.control_dependencies(flat):
        return call(NO_OP, name=name or "group_deps")
