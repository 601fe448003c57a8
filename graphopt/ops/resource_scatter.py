"""Ops that change rows of a variable and leave the others alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphopt.dtypes import COMPLEX, EVERY, FLOATING, DType
from graphopt.errors import InvalidArgumentError, describe_shapes, fail
from graphopt.graph.opspec import (
    NOT_DIFFERENTIABLE,
    Effect,
    Family,
    OpSpec,
    Sample,
    register,
)
from graphopt.graph.provenance import user_site
from graphopt.ops.elementwise_specs import NUMERIC
from graphopt.ops.indexing import check_indices
from graphopt.ops.quietly import quietly

Array = NDArray[Any]


def _infer(handle: Any, indices: Any, updates: Any) -> list[Any]:
    want = (*indices.shape, *handle.shape[1:])
    if not updates.shape.is_compatible_with(want):
        raise fail(
            InvalidArgumentError,
            "Must have updates.shape = indices.shape + variable.shape[1:]",
            got=describe_shapes(handle, indices, updates),
            expected=f"updates of shape {list(want)}",
            site=str(user_site()),
        )
    return []


def _scatter(function: np.ufunc | None) -> Callable[[Array, Array, Array], Array]:
    def compute(value: Array, indices: Array, updates: Array) -> Array:
        check_indices(indices, len(value))
        new = value.copy()
        if function is None:
            flat = indices.reshape(-1)
            rows = updates.reshape((flat.size, *value.shape[1:]))
            # One after the other: of equal indices the last one counts.
            for row, update in zip(flat, rows, strict=True):
                new[row] = update
        else:
            quietly(function.at, new, indices, updates)
        return new

    return compute


def _register(
    option: str, function: np.ufunc | None, over: tuple[DType, ...] = NUMERIC
) -> OpSpec:
    value = np.arange(6.0).reshape(3, 2)
    updates = np.array([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]])
    sample = Sample((value, np.array([2, 0, 2], np.int32), updates))
    return register(
        OpSpec(
            f"ResourceScatter{option.capitalize()}",
            _infer,
            _scatter(function),
            NOT_DIFFERENTIABLE,
            Family("resource_scatter", option),
            lambda: [sample],
            types=("T", "any", "T"),
            dtypes=over,
            effect=Effect.WRITE,
            outputs=0,
            partial_inputs=(0,),
        )
    )


_NUMBERS = (*NUMERIC, *COMPLEX)
SCATTER = {
    "update": _register("update", None, EVERY),
    "add": _register("add", np.add, _NUMBERS),
    "sub": _register("sub", np.subtract, _NUMBERS),
    "mul": _register("mul", np.multiply, _NUMBERS),
    "div": _register("div", np.true_divide, (*FLOATING, *COMPLEX)),
    "min": _register("min", np.minimum),
    "max": _register("max", np.maximum),
}
