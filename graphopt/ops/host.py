"""Ops that call Python while a graph runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphopt import dtypes
from graphopt.dtypes import DType, as_dtype
from graphopt.graph.dispatch import call
from graphopt.graph.opspec import (
    NOT_DIFFERENTIABLE,
    Host,
    OpSpec,
    Sample,
    register,
)
from graphopt.graph.shape import SCALAR, TensorShape


def _infer(*, function: Any, dtype: DType) -> tuple[TensorShape, DType]:
    return SCALAR, dtype


def _compute(*, function: Callable[[], Any], dtype: DType) -> NDArray[Any]:
    return np.asarray(function(), dtype.numpy).reshape(())


PYTHON_SCALAR = register(
    OpSpec(
        "PythonScalar",
        _infer,
        _compute,
        NOT_DIFFERENTIABLE,
        Host("it calls a Python function before each run"),
        lambda: [Sample((), {"function": float, "dtype": dtypes.float32})],
    )
)


def python_scalar(function: Callable[[], Any], dtype: Any) -> Any:
    """Returns a scalar whose value a Python function gives, anew in each run."""
    return call(PYTHON_SCALAR, function=function, dtype=as_dtype(dtype))
