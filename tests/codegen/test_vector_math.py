"""Functions of vector_math: accuracy, special values, vectorization."""

from __future__ import annotations

import ctypes
import functools
import math
import platform
import re
import sys

import numpy as np
import pytest
from numpy.typing import NDArray

from graphopt.codegen.cache.object_code import get_target_machine
from graphopt.codegen.compile import native, primitives
from graphopt.codegen.compile.module import Module, emit_object, optimize
from graphopt.codegen.maths import vector_math
from tests.codegen.conftest import read_undefined_symbols

C_KERNEL = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64)
NAMESPACE = {
    **primitives.FUNCTIONS,
    **vector_math.FUNCTIONS,
}
DOUBLE = ["exp", "expm1", "log", "log1p", "tanh", "sigmoid", "softplus"]
SINGLE = [*DOUBLE, "erf", "erfc", "sin", "cos"]
CASES = [("float32", name) for name in SINGLE] + [("float64", name) for name in DOUBLE]
LIMITS = {("float64", "tanh"): 3.0}

needs_wide_reference = pytest.mark.skipif(
    np.finfo(np.longdouble).nmant < 60, reason="long double is no wider than double"
)


@functools.cache
def translate_function(dtype: str, name: str, count: int) -> Module:
    # Pointers are read before the loop: in it, a store could change the addresses.
    reads = [f"x{i} = pointer_{dtype}(args[{i}])" for i in range(count)]
    values = ", ".join(f"x{i}[i]" for i in range(count))
    source = f"""
def apply(args, lo, hi):
    {"; ".join(reads)}
    y = pointer_{dtype}(args[{count}])
    for i in range(lo, hi):
        y[i] = {name}({values})
"""
    return native.translate_source(source, "apply", NAMESPACE)


@functools.cache
def compile_function(dtype: str, name: str, count: int = 1) -> native.NativeKernel:
    return native.compile_module(translate_function(dtype, name, count))


def apply(name: str, *operands: NDArray) -> NDArray:
    kernel = compile_function(operands[0].dtype.name, name, len(operands))
    result = np.empty_like(operands[0])
    words = [*(x.ctypes.data for x in operands), result.ctypes.data]
    args = np.array(words, np.int64)
    C_KERNEL(kernel.address)(args.ctypes.data, 0, result.size)
    return result


def compute_reference(name: str, x: NDArray) -> NDArray:
    wide = x.astype(np.longdouble)
    if name in ("erf", "erfc"):
        values = [getattr(math, name)(v) for v in x.tolist()]
        return np.array(values).astype(np.longdouble)
    if name == "sigmoid":
        return 1 / (1 + np.exp(-wide))
    if name == "softplus":
        return np.log1p(np.exp(-np.abs(wide))) + np.maximum(wide, 0)
    result: NDArray = getattr(np, name)(wide)
    return result


def count_ulps(result: NDArray, exact: NDArray) -> NDArray:
    """Measure errors in ulps; a result that should be denormal may be zero."""
    kind = np.finfo(result.dtype)
    size = np.maximum(np.abs(exact), np.longdouble(kind.tiny))
    with np.errstate(all="ignore"):
        ulp = np.exp2(np.floor(np.log2(size)) - kind.nmant)
        errors = np.abs(result - exact) / ulp
        rounded = exact.astype(result.dtype)
    errors[(result == rounded) | (np.isnan(result) & np.isnan(rounded))] = 0
    is_flushed = (np.abs(exact) < kind.tiny) & (result == 0)
    errors[is_flushed & (np.signbit(result) == np.signbit(exact))] = 0
    errors[np.isnan(errors)] = np.inf
    return errors


def make_samples(dtype: str) -> NDArray:
    """All exponents by striding over the bits, the usual ranges, the edges."""
    rng = np.random.default_rng(0)
    if dtype == "float32":
        strided = np.arange(0, 2**32, 2**32 // 300_000, dtype=np.uint64)
        bits: NDArray = strided.astype(np.uint32).view(np.float32)
    else:
        bits = np.arange(0, 2**64 - 2**46, 2**46, dtype=np.uint64).view(np.float64)
    kind = np.finfo(dtype)
    edges = [0.0, -0.0, np.inf, -np.inf, np.nan, 1, -1, -1 + kind.epsneg, -1 - kind.eps]
    edges += [kind.tiny, -kind.tiny, kind.tiny / 4, -kind.tiny / 4, kind.max, kind.min]
    # The float32 nearest to a multiple of pi / 2; where exponentials end.
    edges += [16367173 * 2.0**72, 88.72283172607422, 88.72283935546875, -87.33654]
    edges += [-87.33655, 709.782712893384, 709.7827128933841, -708.3964, -708.3965]
    parts = [bits, edges]
    parts += [rng.uniform(-width, width, 60_000) for width in (1, 20, 120, 760)]
    parts += [10 ** rng.uniform(-12, 1, 60_000), -(10 ** rng.uniform(-12, 1, 60_000))]
    with np.errstate(over="ignore"):
        return np.concatenate([np.asarray(part).astype(dtype) for part in parts])


@needs_wide_reference
@pytest.mark.parametrize(("dtype", "name"), CASES)
def test_errors_are_within_two_ulps(dtype: str, name: str) -> None:
    x = make_samples(dtype)
    with np.errstate(all="ignore"):
        exact = compute_reference(name, x)
    result = apply(name, x)
    errors = count_ulps(result, exact)
    worst = int(np.argmax(errors))
    limit = LIMITS.get((dtype, name), 2.0)
    assert errors[worst] <= limit, (x[worst], result[worst], exact[worst])
    if name in ("expm1", "log1p", "tanh", "erf", "sin"):
        ordered = ~np.isnan(result)
        assert np.array_equal(np.signbit(result[ordered]), np.signbit(exact[ordered]))


@needs_wide_reference
def test_powers_are_within_two_ulps() -> None:
    rng = np.random.default_rng(0)
    count = 100_000
    edges = [0.0, -0.0, 1, -1, 2, -2, 0.5, -0.5, 3, -3, np.inf, -np.inf, np.nan]
    edges += [1e-38, 3e38, -3e38, 2.0**24, 2.0**24 - 1, 1e-45, 0.99999994, 1.0000001]
    pairs = [np.meshgrid(edges, edges)]
    for base, power in (
        (np.exp(rng.uniform(-88, 88, count)), rng.uniform(-3, 3, count)),
        (rng.uniform(0, 3, count), rng.uniform(-80, 80, count)),
        (rng.uniform(0.99, 1.01, count), rng.uniform(-9000, 9000, count)),
        (rng.normal(0, 9, count), rng.integers(-20, 20, count)),
    ):
        pairs.append([base, power])
    x, y = (
        np.concatenate([pair[i].ravel() for pair in pairs]).astype(np.float32)
        for i in range(2)
    )
    with np.errstate(all="ignore"):
        exact = np.power(x.astype(np.longdouble), y.astype(np.longdouble))
    result = apply("pow", x, y)
    errors = count_ulps(result, exact)
    worst = int(np.argmax(errors))
    assert errors[worst] <= 2, (x[worst], y[worst], result[worst], exact[worst])
    ordered = ~np.isnan(result)
    assert np.array_equal(np.signbit(result[ordered]), np.signbit(exact[ordered]))


@pytest.mark.parametrize("name", ["erf", "erfc", "sin", "cos"])
def test_other_double_functions_are_those_of_the_library(name: str) -> None:
    x = np.linspace(-5, 5, 1001)
    expected = [getattr(math, name)(v) for v in x.tolist()]
    np.testing.assert_array_almost_equal_nulp(apply(name, x), expected, 2)


def test_double_power_is_that_of_the_library() -> None:
    x, y = np.linspace(0.1, 5, 99), np.linspace(-5, 5, 99)
    np.testing.assert_array_almost_equal_nulp(apply("pow", x, y), x**y, 2)


@pytest.mark.skipif(sys.platform != "linux", reason="reads ELF")
@pytest.mark.skipif(platform.machine() != "x86_64", reason="reads x86 assembly")
@pytest.mark.parametrize(("dtype", "name"), [*CASES, ("float32", "pow")])
def test_functions_are_vectorized_and_call_nothing(dtype: str, name: str) -> None:
    module = translate_function(dtype, name, 2 if name == "pow" else 1)
    symbols = read_undefined_symbols(emit_object(module))
    assert not symbols - {"_GLOBAL_OFFSET_TABLE_"}
    assembly = get_target_machine().emit_assembly(optimize(module))
    # Results in double where float32 is computed in double; packed in any case.
    is_double = name in ("softplus", "erfc", "sin", "cos", "pow") or dtype == "float64"
    suffix = "pd" if is_double else "ps"
    assert re.search(rf"\sv?(fn?madd\w*|mul){suffix}\s.*%[xyz]mm", assembly)


def test_parts_of_a_loop_give_the_same_bits() -> None:
    x = np.linspace(-90, 90, 1003, dtype=np.float32)
    for name in SINGLE:
        kernel = compile_function("float32", name)
        whole, parts = apply(name, x), np.empty_like(x)
        args = np.array([x.ctypes.data, parts.ctypes.data], np.int64)
        for lo in range(0, x.size, 7):
            hi = min(lo + 7, x.size)
            C_KERNEL(kernel.address)(args.ctypes.data, lo, hi)
        assert np.array_equal(whole, parts, equal_nan=True)
