"""Functions that generated kernels may call, one for each dtype: `exp_float32`, ..."""

from __future__ import annotations

import math
from typing import Any

import numba
import numpy as np

from graphopt.codegen import native

_jit: Any = numba.njit(error_model="numpy", nogil=True)


def _libm(function: Any, kind: Any) -> Any:
    @_jit
    def call(x: Any) -> Any:
        return kind(function(x))

    return call


@_jit
def _pow(x: Any, y: Any) -> Any:
    return x**y


def _sigmoid(exp: Any, kind: Any) -> Any:
    one = kind(1)

    @_jit
    def sigmoid(x: Any) -> Any:
        return one / (one + exp(-x))

    return sigmoid


def _softplus(exp: Any, log1p: Any, kind: Any) -> Any:
    zero = kind(0)

    @_jit
    def softplus(x: Any) -> Any:
        large = x if (x >= zero) | (x != x) else zero
        return large + log1p(-abs(x) * zero + exp(-abs(x)))

    return softplus


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
    for kind in (numba.float32, numba.float64):
        made = {
            name: _libm(getattr(math, name), kind)
            for name in "exp expm1 log log1p sin cos tan tanh erf".split()
        }
        made["pow"] = _pow
        made["sigmoid"] = _sigmoid(made["exp"], kind)
        made["softplus"] = _softplus(made["exp"], made["log1p"], kind)
        names.update({f"{name}_{kind.name}": call for name, call in made.items()})
    return names
