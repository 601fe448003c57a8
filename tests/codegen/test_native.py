"""Kernels: pointers, generated source, object code, error reports."""

from __future__ import annotations

import ctypes
import inspect
import linecache
import math
import sys

import llvmlite.binding as llvm
import numba
import numpy as np
import pytest

from graphopt.codegen.compile import native, primitives
from tests.codegen.conftest import ALLOWED_SYMBOLS, read_undefined_symbols

C_KERNEL = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64)
INTEGERS = [f"{sign}{bits}" for sign in ("int", "uint") for bits in (8, 16, 32, 64)]
DTYPES = ["float32", "float64", *INTEGERS]

ADAM = """
def adam(args, lo, hi):
    p, g = pointer_float32(args[0]), pointer_float32(args[1])
    m, v = pointer_float32(args[2]), pointer_float32(args[3])
    lr = pointer_float32(args[4])[0]
    for i in range(lo, hi):
        m[i] += (g[i] - m[i]) * float32(0.1)
        v[i] += (g[i] * g[i] - v[i]) * float32(0.001)
        p[i] -= lr * m[i] / (sqrt(v[i]) + float32(1e-7))
"""


def run(address: int, words: list[int], lo: int, hi: int) -> None:
    args = np.array(words, np.int64)
    C_KERNEL(address)(args.ctypes.data, lo, hi)


def namespace() -> dict[str, object]:
    return {**primitives.FUNCTIONS, "float32": numba.float32, "exp": math.exp}


@pytest.mark.parametrize("dtype", DTYPES)
def test_pointers_read_and_write_every_dtype(dtype: str) -> None:
    source = f"""
def negate(args, lo, hi):
    x, y = pointer_{dtype}(args[0]), pointer_{dtype}(args[1])
    for i in range(lo, hi):
        y[i] = -x[i]
"""
    kernel = native.compile_source(source, "negate", namespace())
    x = np.arange(9).astype(dtype)
    y = np.full_like(x, 77)
    run(kernel.address, [x.ctypes.data, y.ctypes.data], 2, 7)
    expected = np.full_like(x, 77)
    expected[2:7] = np.negative(x[2:7])
    assert np.array_equal(y, expected)


def test_generated_source_is_shown_by_inspect() -> None:
    kernel = native.compile_source(ADAM, "adam", namespace())
    assert kernel.name == "adam"
    assert "".join(linecache.getlines("<kernel adam>")) == ADAM
    variables: dict[str, object] = {}
    exec(compile(ADAM, "<kernel adam>", "exec"), variables)
    assert inspect.getsource(variables["adam"]) == ADAM.lstrip()  # type: ignore[arg-type]


def test_source_without_the_function_is_refused() -> None:
    with pytest.raises(KeyError, match="no function 'other'"):
        native.compile_source(ADAM, "other", namespace())


@pytest.mark.skipif(sys.platform != "linux", reason="reads ELF")
def test_object_code_needs_mathematics_alone() -> None:
    kernel = native.compile_source(ADAM, "adam", namespace())
    assert read_undefined_symbols(kernel.object_code) <= ALLOWED_SYMBOLS
    source = """
def risky(args, lo, hi):
    x, n = pointer_float64(args[0]), pointer_int64(args[1])
    for i in range(lo, hi):
        x[i] = exp(x[i]) / x[i + 1] + x[i] ** 2.5
        n[i] = n[i] // n[i + 1] + n[i] % n[i + 2]
"""
    kernel = native.compile_source(source, "risky", namespace())
    names = read_undefined_symbols(kernel.object_code)
    assert "exp" in names
    assert names <= ALLOWED_SYMBOLS


def test_division_by_zero_raises_nothing() -> None:
    source = """
def divide(args, lo, hi):
    x = pointer_float64(args[0])
    for i in range(lo, hi):
        x[i] = 1.0 / x[i]
"""
    kernel = native.compile_source(source, "divide", namespace())
    x = np.array([0.0, 2.0, -0.0])
    run(kernel.address, [x.ctypes.data], 0, 3)
    assert np.array_equal(x, [np.inf, 0.5, -np.inf])


def test_object_code_loads_without_numba() -> None:
    kernel = native.compile_source(ADAM, "adam", namespace())
    engine = llvm.create_lljit_compiler()
    builder = llvm.JITLibraryBuilder().add_object_img(kernel.object_code)
    library = builder.export_symbol(kernel.symbol).link(engine, "adam")
    results = []
    for address in (kernel.address, library[kernel.symbol]):
        buffers = [np.linspace(1, 2, 50, dtype=np.float32) for _ in range(5)]
        run(address, [b.ctypes.data for b in buffers], 0, 50)
        results.append(buffers)
    assert np.array_equal(results[0], results[1])
    assert results[0][0][1] < np.linspace(1, 2, 50)[1]


def test_kernels_call_kernels() -> None:
    inner = native.compile_source(ADAM, "adam", namespace())
    source = """
def outer(args, lo, hi):
    call_kernel(args[0], args[1], lo, hi)
"""
    outer = native.compile_source(source, "outer", namespace())
    buffers = [np.ones(4, np.float32) for _ in range(5)]
    words = np.array([b.ctypes.data for b in buffers], np.int64)
    run(outer.address, [inner.address, words.ctypes.data], 1, 3)
    assert list(buffers[0] < 1) == [False, True, True, False]


def test_first_report_stays() -> None:
    source = """
def check(args, lo, hi):
    x = pointer_int64(args[0])
    for i in range(lo, hi):
        if x[i] < 0:
            report_status(args[1], 5, 17, i, x[i])
"""
    kernel = native.compile_source(source, "check", namespace())
    x, status = np.array([1, -7, -8]), np.zeros(4, np.int64)
    run(kernel.address, [x.ctypes.data, status.ctypes.data], 0, 3)
    assert status.tolist() == [5, 17, 1, -7]


def test_kernels_that_could_raise_are_refused() -> None:
    source = """
def refused(args, lo, hi):
    for i in range(lo, hi, args[0]):
        args[1] += i
"""
    with pytest.raises(ValueError, match="refused may raise an exception or allocate"):
        native.compile_source(source, "refused", {})


@pytest.mark.parametrize("value", ["np.ones(hi)", "[lo, hi]", "max(lo, hi, 3)"])
def test_kernels_with_arrays_and_lists_are_refused(value: str) -> None:
    source = f"""
def refused(args, lo, hi):
    x = {value}
    args[0] = x[0]
"""
    with pytest.raises((numba.core.errors.NumbaError, NotImplementedError)):
        native.compile_source(source, "refused", {"np": np})
