"""What special functions in kernels need from outside, and what they never do."""

from __future__ import annotations

import pytest

from graphopt.codegen import functions
from graphopt.codegen.compile import native
from graphopt.codegen.maths.special_functions import FUNCTIONS
from tests.codegen.conftest import ALLOWED_SYMBOLS, read_undefined_symbols

TWO = ("atan2", "zeta", "polygamma")


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_kernels_need_only_the_mathematical_library(name: str, dtype: str) -> None:
    second = ", x[i + 1]" if name in TWO else ""
    source = f"""
def apply(args, lo, hi):
    x = pointer_{dtype}(args[0])
    for i in range(lo, hi):
        x[i] = {dtype}({name}_{dtype}(x[i]{second}))
"""
    kernel = native.compile_source(source, "apply", functions.make_namespace())
    assert read_undefined_symbols(kernel.object_code) <= ALLOWED_SYMBOLS
