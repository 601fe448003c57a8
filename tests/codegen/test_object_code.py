"""Object code: reading its symbols, renaming, refusing, loading."""

from __future__ import annotations

import contextlib
import ctypes
import math
import random
import sys

import llvmlite.binding as llvm
import numpy as np
import pytest

from graphopt.codegen.cache import object_code
from graphopt.codegen.cache.object_code import ObjectCodeError
from graphopt.codegen.compile import native, primitives

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads ELF")

C_KERNEL = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64)
SOURCE = """
def exponential(args, lo, hi):
    x = pointer_float64(args[0])
    for i in range(lo, hi):
        x[i] = exp(x[i])
"""
IR = """
    declare void @{outside}()
    define void @entry(i64* %args, i64 %lo, i64 %hi) {{
        call void @{outside}()
        ret void
    }}
"""


@pytest.fixture(scope="module")
def kernel() -> native.NativeKernel:
    namespace = {**primitives.FUNCTIONS, "exp": math.exp}
    return native.compile_source(SOURCE, "exponential", namespace)


def compile_ir(text: str) -> bytes:
    code = object_code.get_target_machine().emit_object(llvm.parse_assembly(text))
    return bytes(code)


def run(address: int) -> np.ndarray:
    x = np.linspace(-2, 2, 9)
    args = np.array([x.ctypes.data], np.int64)
    C_KERNEL(address)(args.ctypes.data, 0, 9)
    return x


def test_object_code_is_that_of_the_kernel(kernel: native.NativeKernel) -> None:
    symbols = {
        symbol.name: symbol for symbol in object_code.read_symbols(kernel.object_code)
    }
    assert symbols[kernel.symbol].section > 0
    assert symbols["exp"].section == 0


def test_renamed_code_computes_the_same(kernel: native.NativeKernel) -> None:
    code = object_code.rename_symbol(kernel.object_code, kernel.symbol, "k_new")
    before = [symbol.name for symbol in object_code.read_symbols(kernel.object_code)]
    after = [symbol.name for symbol in object_code.read_symbols(code)]
    assert after == [{kernel.symbol: "k_new"}.get(name, name) for name in before]
    # The same symbol twice is no clash: every kernel is a library of its own.
    loaded = [object_code.load_object_code(code, "k_new", "twice") for _ in range(2)]
    assert loaded[0].address != loaded[1].address
    for one in loaded:
        assert run(one.address).tobytes() == run(kernel.address).tobytes()


def test_renaming_needs_one_old_and_no_new_name(kernel: native.NativeKernel) -> None:
    for old, new in (("missing", "k_new"), (kernel.symbol, "exp")):
        with pytest.raises(ObjectCodeError, match="cannot rename"):
            object_code.rename_symbol(kernel.object_code, old, new)


@pytest.mark.parametrize("outside", ["system", "execve", "PyErr_SetString", "dlopen"])
def test_code_that_calls_anything_else_is_refused(outside: str) -> None:
    code = compile_ir(IR.format(outside=outside))
    with pytest.raises(ObjectCodeError, match=f"calls {outside}"):
        object_code.load_object_code(code, "entry", "bad")
    # Unless the caller gives the address.
    called: list[int] = []
    callback = ctypes.CFUNCTYPE(None)(lambda: called.append(1))
    address = ctypes.cast(callback, ctypes.c_void_p).value or 0
    good = object_code.load_object_code(code, "entry", "good", {outside: address})
    C_KERNEL(good.address)(None, 0, 0)
    assert called == [1]


def test_entry_must_be_defined(kernel: native.NativeKernel) -> None:
    for missing in ("other", "exp"):
        with pytest.raises(ObjectCodeError, match=f"does not define {missing}"):
            object_code.load_object_code(kernel.object_code, missing, "bad")


def test_what_is_no_object_code_is_an_error_of_its_own(
    kernel: native.NativeKernel,
) -> None:
    good = kernel.object_code
    for length in range(0, len(good), 13):
        with pytest.raises(ObjectCodeError):
            object_code.read_symbols(good[:length])
    rng = random.Random(0)
    for _ in range(300):
        bad = bytearray(good)
        for _ in range(8):
            bad[rng.randrange(len(bad))] = rng.randrange(256)
        with contextlib.suppress(ObjectCodeError):
            object_code.read_symbols(bytes(bad))
