"""The vector builder: choices that keep NaN, masks, loops, functions by name."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
import pytest
from numba.core.errors import TypingError

from graphopt.codegen import functions
from graphopt.codegen.compile import native
from graphopt.codegen.compile.intrinsics import intrinsic
from graphopt.codegen.compile.vectors import Code, Pointer, Value, fold
from graphopt.codegen.matmul.tile import find_function

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


def run_intrinsic(function: Any, call: str, *arrays: np.ndarray[Any, Any]) -> None:
    """Runs one call of a function, for which `x0`, `x1` ... are float32 pointers."""
    lines = [f"    x{i} = pointer_float32(args[{i}])\n" for i in range(len(arrays))]
    source = f"def once(args, lo, hi):\n{''.join(lines)}    {call}\n"
    names = {**functions.make_namespace(), "f": function}
    kernel = native.compile_source(source, "once", names)
    args = np.array([a.ctypes.data for a in arrays], np.int64)
    C_KERNEL(kernel.address)(args.ctypes.data, 0, 1)


@pytest.mark.parametrize("count", [-1, 0, 1, 7, 8, 100])
def test_masks_read_and_write_the_first_lanes_only(count: int) -> None:
    @intrinsic("x: pointer, y: pointer, n: word")
    def copy(code: Code, x: Pointer, y: Pointer, n: Value) -> None:
        mask = code.mask(n, 8)
        y.store(x.load(8, mask) + 1.0, mask)

    x, y = np.arange(8, dtype=np.float32), np.full(8, -1, np.float32)
    run_intrinsic(copy, f"f(x0, x1, {count})", x, y)
    inside = np.arange(8) < count
    np.testing.assert_array_equal(y, np.where(inside, x + 1, -1))


def test_lanes_are_combined_by_halves() -> None:
    @intrinsic("x: pointer, y: pointer")
    def add(code: Code, x: Pointer, y: Pointer) -> None:
        y.store(fold(x.load(4), lambda a, b: a + b))

    x, y = np.array([1e8, 1, -1e8, 1], np.float32), np.zeros(1, np.float32)
    run_intrinsic(add, "f(x0, x1)", x, y)
    assert y[0] == (x[0] + x[2]) + (x[1] + x[3])


@pytest.mark.parametrize("bounds", [(0, 5, 1), (2, 9, 3), (4, 4, 1), (7, 3, 2)])
def test_loops_count_as_range_does(bounds: tuple[int, int, int]) -> None:
    @intrinsic("x: pointer, start: word, stop: word")
    def count(code: Code, x: Pointer, start: Value, stop: Value) -> None:
        with code.for_range(start, stop, bounds[2]) as i:
            x.at(i).store(x.at(i).load() + 1.0)

    x = np.zeros(16, np.float32)
    run_intrinsic(count, f"f(x0, {bounds[0]}, {bounds[1]})", x)
    assert np.flatnonzero(x).tolist() == list(range(*bounds))


def test_arguments_of_other_types_are_refused() -> None:
    source = "def once(args, lo, hi):\n    copy_rows(lo, 0, 0, 0, 0, 0, 0, lo, 0, 0)\n"
    with pytest.raises(TypingError):
        native.compile_source(source, "once", functions.make_namespace())


def test_a_tile_is_found_by_its_name() -> None:
    assert find_function("add_tile_float32x8_4x3") is not None
    for name in ("tile_float32x8_4x3", "add_tile_int32x8_4x3", "add_tile_float32x8_4"):
        assert find_function(name) is None
        with pytest.raises(KeyError):
            functions.make_namespace()[name]
