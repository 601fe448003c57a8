"""Functions that generated kernels may call, one for each dtype: `exp_float32`, ..."""

from __future__ import annotations

import math
from typing import Any

import numba
import numpy as np

from graphopt.codegen import native, vector_math

_jit: Any = numba.njit(error_model="numpy", nogil=True)
_VECTORIZED = [
    "exp",
    "expm1",
    "log",
    "log1p",
    "tanh",
    "sigmoid",
    "softplus",
    "erf",
    "sin",
    "cos",
    "pow",
]


def _tangent(x: Any) -> Any:
    return math.tan(x)


_tan: Any = _jit(_tangent)


def make_namespace() -> dict[str, Any]:
    """Returns the global names of generated kernels: types, pointers and functions."""
    names: dict[str, Any] = {
        "boolean": numba.boolean,
        "sqrt": np.sqrt,
        "floor": np.floor,
        "ceil": np.ceil,
        "rint": np.rint,
        "report_status": native.report_status,
    }
    for name in ("int8", "int16", "int32", "int64", "uint8", "float32", "float64"):
        names[name] = getattr(numba, name)
        names[f"pointer_{name}"] = getattr(native, f"pointer_{name}")
    for kind in ("float32", "float64"):
        for name in _VECTORIZED:
            names[f"{name}_{kind}"] = getattr(vector_math, name)
        names[f"tan_{kind}"] = _tan
    return names
