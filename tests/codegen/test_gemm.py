"""Products: accuracy, layouts, cuts, edges."""

from __future__ import annotations

import ctypes
import functools
import itertools
import platform
import re
import sys
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import graphopt as tf
from graphopt.codegen import kernels
from graphopt.codegen.cache.object_code import NativeKernel
from graphopt.codegen.compile.native import compile_module
from graphopt.codegen.machine import (
    WIDTHS,
    Machine,
    assume,
    find_machine,
    get_machine,
)
from graphopt.codegen.matmul import layout as gemm_layout
from graphopt.codegen.matmul import products
from graphopt.codegen.matmul.gemm import make_kernel
from graphopt.codegen.matmul.layout import KernelName, TileShape, find_shape
from tests.codegen.conftest import ALLOWED_SYMBOLS, read_undefined_symbols

C_KERNEL = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64)
CANARY = -12345.0
SIZES = [
    (1, 1, 1),
    (3, 5, 7),
    (12, 32, 16),
    (13, 33, 17),
    (25, 70, 300),
    (70, 25, 520),
    (100, 10, 31),
    (1, 100, 40),
    (100, 1, 40),
    (130, 1, 777),
    (1, 133, 600),
    (2, 200, 3),
    (200, 2, 257),
    # Operands that are read where they lie, and such as are copied first.
    (4, 16, 8),
    (9, 40, 64),
    (33, 65, 100),
    (64, 64, 64),
    (8, 32, 256),
    (40, 10, 64),
    (20, 30, 10),
    (61, 1, 3),
]
EMPTY = [(5, 6, 0), (0, 6, 5), (5, 0, 6), (1, 9, 0), (9, 1, 0)]


@functools.cache
def compile_on(
    machine: Machine, name: KernelName, dtype: str, shape: TileShape
) -> NativeKernel:
    request = make_kernel(name, dtype, shape).request
    return compile_module(kernels._translate(request))


def compile_gemm(
    dtype: Any, name: KernelName, vector_bits: int | None = None
) -> NativeKernel:
    shape = find_shape(dtype, vector_bits)
    return compile_on(get_machine(), name, np.dtype(dtype).name, shape)


def in_panels(panels: int, size: int) -> list[tuple[int, int]]:
    return [(lo, min(lo + size, panels)) for lo in range(0, panels, size)]


def multiply(
    a: NDArray, b: NDArray, bits: int | None = None, cut: int = 1 << 30, pad: int = 0
) -> NDArray:
    """Multiply with the kernels, canaries around every buffer they write to."""
    (m, k), n, item = a.shape, b.shape[1], a.itemsize
    outer = np.full((m + 2, n + pad + 2), CANARY, a.dtype)
    c = outer[1:-1, 1 : 1 + n]
    strides = [tuple(s // item for s in x.strides) for x in (a, b)]
    layout = gemm_layout.gemm_layout(
        a.dtype, m, n, k, *strides, outer.shape[1], vector_bits=bits
    )
    pack = compile_gemm(a.dtype, "pack", vector_bits=bits)
    main = compile_gemm(a.dtype, layout.kernel, vector_bits=bits)
    scratch = np.full(layout.scratch_bytes // item + 32, CANARY, a.dtype)
    at = (a.ctypes.data, b.ctypes.data)
    inner = scratch[16:].ctypes.data
    words = np.array(products.pack_arguments(layout, *at, inner), np.int64)
    for lo, hi in in_panels(layout.pack_panels, cut):
        C_KERNEL(pack.address)(words.ctypes.data, lo, hi)
    words = np.array(
        products.multiply_arguments(layout, *at, c.ctypes.data, inner, pack.address),
        np.int64,
    )
    for lo, hi in reversed(in_panels(layout.multiply_panels, cut)):
        C_KERNEL(main.address)(words.ctypes.data, lo, hi)
    assert np.all(scratch[:16] == CANARY)
    assert np.all(scratch[-16:] == CANARY)
    result = c.copy()
    c[...] = CANARY
    assert np.all(outer == CANARY)
    return result


def make(m: int, n: int, dtype: Any, seed: int, transposed: bool) -> NDArray:
    rng = np.random.default_rng(seed)
    if transposed:
        return rng.standard_normal((n, m)).astype(dtype).T
    return rng.standard_normal((m, n)).astype(dtype)


def check(a: NDArray, b: NDArray, c: NDArray) -> None:
    wide = np.longdouble if a.dtype == np.float64 else np.float64
    exact = a.astype(wide) @ b.astype(wide)
    bound = np.abs(a).astype(wide) @ np.abs(b).astype(wide)
    k = max(1, a.shape[1])
    assert np.all(np.abs(c - exact) <= k * np.finfo(a.dtype).eps * bound)


@pytest.mark.parametrize("bits", WIDTHS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("size", SIZES)
def test_products_are_within_the_bound(
    dtype: Any, bits: int, size: tuple[int, int, int]
) -> None:
    m, n, k = size
    for a_turned, b_turned in itertools.product([False, True], repeat=2):
        a, b = make(m, k, dtype, 1, a_turned), make(k, n, dtype, 2, b_turned)
        c = multiply(a, b, bits, pad=3)
        check(a, b, c)
        for cut in (1, 2, 3):
            assert np.array_equal(multiply(a, b, bits, cut), c)


@pytest.mark.skipif(platform.machine() != "x86_64", reason="has generic processors")
@pytest.mark.parametrize("processor", [128, 256])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_vectors_may_be_wider_than_the_processor_has_them(
    dtype: Any, processor: int
) -> None:
    # Where the processor has them, they are made of several all the same.
    machine = replace(find_machine(processor), vector_bits=512)
    with assume(machine):
        for m, n, k in [(40, 70, 300), (33, 65, 100), (20, 10, 300), (1, 133, 60)]:
            a, b = make(m, k, dtype, 1, False), make(k, n, dtype, 2, True)
            check(a, b, multiply(a, b))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_random_sizes_and_strides(dtype: Any) -> None:
    rng = np.random.default_rng(3)
    for _ in range(60):
        m, n, k = (int(x) for x in rng.integers(1, 90, 3))
        a = rng.standard_normal((2 * m, 3 * k)).astype(dtype)[::2, ::3]
        b = rng.standard_normal((3 * k, 2 * n)).astype(dtype)[::-3, ::-2]
        check(a, b, multiply(a, b))
        check(a, b, multiply(np.ascontiguousarray(a), b))


@pytest.mark.parametrize("bits", WIDTHS)
def test_small_products_are_not_packed(bits: int) -> None:
    def kernel(m: int, n: int, k: int, b_strides: tuple[int, int] | None = None) -> str:
        strides = (k, 1), b_strides or (n, 1)
        layout = gemm_layout.gemm_layout(
            "float32", m, n, k, *strides, n, vector_bits=bits
        )
        return str(layout.kernel)

    assert kernel(32, 64, 64) == "multiply_small"
    assert kernel(32, 32, 10, (1, 10)) == "multiply_small"
    assert kernel(32, 10, 32) == "multiply_small"
    # A large operand, much to copy, more than a block of depth, few rows.
    assert kernel(32, 512, 64) == "multiply"
    assert kernel(32, 64, 64, (1, 64)) == "multiply"
    assert kernel(32, 64, 257) == "multiply"
    assert kernel(3, 64, 64) == "multiply"
    # A row of the result is one tile, as wide as two vectors at most.
    narrow = 2 * bits // 32
    assert kernel(32, narrow, 257) == "multiply_narrow"
    assert kernel(32, narrow + 1, 257) == "multiply"


@pytest.mark.parametrize("size", [(40, 1, 9), (1, 40, 9), (32, 64, 64), (32, 8, 99)])
def test_a_product_that_adds_has_the_kernel_that_can(
    size: tuple[int, int, int],
) -> None:
    m, n, k = size
    layout = gemm_layout.gemm_layout("float32", m, n, k, (k, 1), (n, 1), n, adds=True)
    assert layout.kernel == "multiply"
    assert layout.pack_panels > 0
    words = products.multiply_arguments(layout, 0, 0, 0, 0, 0, adds=True)
    assert len(words) == 16


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_bits_do_not_depend_on_the_kernel(dtype: Any, monkeypatch: Any) -> None:
    for m, n, k in [(8, 32, 40), (33, 70, 90), (50, 10, 33), (17, 33, 17)]:
        a = make(m, k, dtype, 1, transposed=False)
        b = make(k, n, dtype, 2, transposed=False)
        small = multiply(a, b)
        with monkeypatch.context() as patch:
            patch.setattr(gemm_layout, "is_small", lambda *_: False)
            packed = multiply(a, b)
        assert small.tobytes() == packed.tobytes()


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    "size", [(5, 6, 0), (0, 6, 5), (5, 0, 6), (1, 9, 0), (9, 1, 0)]
)
def test_empty_products(dtype: Any, size: tuple[int, int, int]) -> None:
    m, n, k = size
    a, b = np.ones((m, k), dtype), np.ones((k, n), dtype)
    assert np.array_equal(multiply(a, b), np.zeros((m, n)))


@pytest.mark.parametrize("size", [(13, 37, 270), (37, 13, 270), (1, 40, 9), (40, 1, 9)])
def test_nan_and_infinity_stay_in_their_row_and_column(
    size: tuple[int, int, int],
) -> None:
    m, n, k = size
    for turned in (False, True):
        a, b = np.ones((m, k), np.float32), np.ones((k, n), np.float32)
        a[m // 2, k - 1] = np.nan
        b[k - 2, n // 2] = np.inf
        if turned:
            a, b = np.asfortranarray(a), np.asfortranarray(b)
        with np.errstate(invalid="ignore"):
            assert np.array_equal(multiply(a, b), a @ b, equal_nan=True)


def test_what_lies_beyond_the_operands_is_not_read_into_results() -> None:
    for m, n, k in SIZES:
        big_a = np.full((m + 3, k + 3), np.nan, np.float32)
        big_b = np.full((k + 3, n + 3), np.nan, np.float32)
        a, b = big_a[:m, :k], big_b[:k, :n]
        a[...], b[...] = 1, 2
        assert np.array_equal(multiply(a, b), np.full((m, n), 2.0 * k))


@pytest.mark.skipif(sys.platform != "linux", reason="reads ELF")
@pytest.mark.parametrize("bits", WIDTHS)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_kernels_need_nothing_from_outside(dtype: Any, bits: int) -> None:
    for name in ("pack", "multiply", "multiply_vector"):
        kernel = compile_gemm(np.dtype(dtype), name, vector_bits=bits)
        assert read_undefined_symbols(kernel.object_code) <= ALLOWED_SYMBOLS


def test_bad_requests_are_refused() -> None:
    with pytest.raises(ValueError, match="sizes"):
        gemm_layout.gemm_layout(np.float32, -1, 2, 3, (3, 1), (2, 1), 2)
    with pytest.raises(ValueError, match="int32"):
        gemm_layout.gemm_layout(np.int32, 1, 2, 3, (3, 1), (2, 1), 2)
    with pytest.raises(ValueError, match="64 bits"):
        compile_gemm("float32", "pack", vector_bits=64)


def test_a_plan_shows_the_text_of_a_product() -> None:
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        a = tf.constant(np.ones((100, 70), np.float32))
        plan = session.plan(tf.matmul(a, a, transpose_b=True))
    texts = [kernel.source for kernel in plan.kernels if kernel.family == "gemm"]
    assert len(texts) == 2
    for text in texts:
        assert text.startswith("def kernel(args, lo, hi):\n")
        assert "# size" in text
        assert not re.search(r"[{}]", text)
    lanes = get_machine().vector_bits // 32
    assert any(f"multiply_panels_float32x{lanes}_" in text for text in texts)
