"""The vector builder: choices that keep NaN, for elements of any type."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
import pytest

from graphopt.codegen import functions
from graphopt.codegen.compile import native

C_KERNEL = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64)
DTYPES = ["float32", "float64", "int8", "int16", "int32", "int64", "uint8"]
SOURCE = """
def choose(args, lo, hi):
    x = pointer_{s}(args[0])
    y = pointer_{t}(args[1])
    z = pointer_{t}(args[2])
    for i in range(lo, hi):
        z[i] = {name}(x[i], y[i])
"""
# What each gives: the first if it compares so with the second or is NaN.
SIGNS = {
    "maximum": np.greater_equal,
    "minimum": np.less_equal,
    "larger": np.greater,
    "smaller": np.less,
}


def choose(name: str, x: np.ndarray[Any, Any], y: np.ndarray[Any, Any]) -> Any:
    source = SOURCE.format(name=name, s=x.dtype.name, t=y.dtype.name)
    kernel = native.compile_source(source, "choose", functions.make_namespace())
    z = np.empty_like(y)
    args = np.array([a.ctypes.data for a in (x, y, z)], np.int64)
    C_KERNEL(kernel.address)(args.ctypes.data, 0, len(x))
    return z


def pairs(dtype: str) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    values: list[Any] = [0, 1, 2, 100]
    if dtype != "uint8":
        values += [-1, -100]
    if dtype == "uint8":
        values += [200, 255]
    if dtype.startswith("float"):
        # NaN of both signs: which one is chosen shows in the bits.
        values += [-0.0, np.inf, -np.inf, np.nan, -np.nan]
    x, y = np.meshgrid(np.array(values, dtype), np.array(values, dtype))
    return x.ravel(), y.ravel()


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", SIGNS)
def test_choices_give_ties_and_nan_as_their_names_say(name: str, dtype: str) -> None:
    x, y = pairs(dtype)
    expected = np.where(SIGNS[name](x, y) | (x != x), x, y)
    assert choose(name, x, y).tobytes() == expected.tobytes()


@pytest.mark.parametrize("name", SIGNS)
def test_operands_of_two_types_are_compared_as_the_wider_one(name: str) -> None:
    x, y = pairs("float32")
    wide = y.astype(np.float64) * (1 + 1e-12)
    expected = np.where(SIGNS[name](x.astype(np.float64), wide) | (x != x), x, wide)
    assert choose(name, x, wide).tobytes() == expected.tobytes()
