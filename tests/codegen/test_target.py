"""The target of kernels: what it reads, and that numba's own target is left alone."""

from __future__ import annotations

import ctypes
import re
from pathlib import Path

import numba
import numpy as np
import pytest

import graphopt
from graphopt.codegen.compile import native, primitives
from graphopt.codegen.compile.module import optimize
from graphopt.codegen.maths.special_functions import FUNCTIONS

C_KERNEL = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64)


def test_min_and_max_are_those_of_two_integers() -> None:
    source = """
def choose(args, lo, hi):
    args[0] = min(lo, hi)
    args[1] = max(lo, hi)
    args[2] = min(max(lo, 3), hi)
"""
    kernel = native.compile_source(source, "choose", {})
    for lo, hi in ((-5, 7), (7, -5), (4, 4), (-(2**63), 2**63 - 1)):
        args = np.zeros(3, np.int64)
        C_KERNEL(kernel.address)(args.ctypes.data, lo, hi)
        assert args.tolist() == [min(lo, hi), max(lo, hi), min(max(lo, 3), hi)]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", ["sqrt", "floor", "ceil", "rint"])
def test_roots_and_roundings_are_instructions(name: str, dtype: str) -> None:
    source = f"""
def apply(args, lo, hi):
    x = pointer_{dtype}(args[0])
    for i in range(lo, hi):
        x[i] = f(x[i])
"""
    function = primitives.FUNCTIONS[name]
    pointer = primitives.FUNCTIONS[f"pointer_{dtype}"]
    kernel = native.compile_source(
        source, "apply", {"f": function, f"pointer_{dtype}": pointer}
    )
    x = np.array([0.0, 0.5, 1.5, 2.5, 2.75, 1e30, np.inf, np.nan], dtype)
    expected = getattr(np, name)(x)
    args = np.array([x.ctypes.data], np.int64)
    C_KERNEL(kernel.address)(args.ctypes.data, 0, x.size)
    np.testing.assert_array_equal(x, expected)


def test_only_the_entry_can_be_called() -> None:
    source = """
def fill(args, lo, hi):
    x = pointer_float64(args[0])
    for i in range(lo, hi):
        x[i] = f(x[i])
"""
    names = {
        "f": FUNCTIONS["digamma"],
        "pointer_float64": primitives.FUNCTIONS["pointer_float64"],
    }
    module = native.translate_source(source, "fill", names)
    assert len(module.texts) > 1
    defined = [f for f in optimize(module).functions if not f.is_declaration]
    assert [f.name for f in defined if f.linkage.name == "external"] == [module.entry]


@pytest.mark.parametrize("numbers", ["hi", "lo, hi", "lo, hi, 3", "0, hi, 1"])
def test_loops_count_as_in_python(numbers: str) -> None:
    # What a loop does to its number does not change how often it runs.
    source = f"""
def count(args, lo, hi):
    at = 0
    for i in range({numbers}):
        at += 1
        args[at] = i
        i += 10
    args[0] = at
"""
    kernel = native.compile_source(source, "count", {})
    for lo, hi in (2, 9), (9, 2), (4, 4), (-5, 0), (-5, 3), (-3, -1):
        words = np.full(20, -1)
        C_KERNEL(kernel.address)(words.ctypes.data, lo, hi)
        expected = list(eval(f"range({numbers})", {"lo": lo, "hi": hi}))
        assert words[1 : 1 + words[0]].tolist() == expected


@pytest.mark.parametrize("step", ["0", "-1", "args[0]"])
def test_loops_that_might_not_end_are_refused(step: str) -> None:
    source = f"""
def refused(args, lo, hi):
    for i in range(lo, hi, {step}):
        args[1] += i
"""
    with pytest.raises(ValueError, match="refused may raise an exception"):
        native.compile_source(source, "refused", {})


def test_numba_compiles_for_its_users_as_ever() -> None:
    native.compile_source("def nothing(args, lo, hi):\n    pass\n", "nothing", {})

    @numba.njit
    def function(x):
        return np.sqrt(x).sum() + max(1, 2, len(x)) + min(x)

    assert function(np.array([4.0, 9.0])) == 11.0


def test_private_names_of_numba_are_in_one_file() -> None:
    # They can change with any version of numba: one place to look at then.
    names = "_create_empty_module|_internal_codegen|_library_class|_lookup_global"
    private = re.compile(rf"\b({names}|_target_data|_add_module|_codegen)\b")
    package = Path(graphopt.__file__).parent
    users = [p for p in package.rglob("*.py") if private.search(p.read_text("utf-8"))]
    assert [p.name for p in users] == ["target.py"]
