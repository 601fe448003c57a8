"""Floats to integers, defined for every number (`ops.truncation` says how).

The instruction for it is not: what LLVM makes of a number out of range differs between the
vectors of a loop and what is left of it, between widths of vectors, and between
processors. Here a number that does not fit becomes the smallest integer before it is
converted. It is one comparison more, and LLVM makes vectors of it.
"""

from __future__ import annotations

from typing import Any

from graphopt.codegen.compile.intrinsics import intrinsic
from graphopt.codegen.compile.vectors import ELEMENTS, Code, Value, select

__all__ = ["truncate_int32", "truncate_int64"]


def _make_truncation(element: str) -> Any:
    """Makes the function that rounds a float towards zero to an integer."""

    def truncate(code: Code, x: Value) -> Value:
        limit = 2.0 ** (8 * ELEMENTS[element].nbytes - 1)
        # NaN is not inside.
        fits = select(abs(x) < limit, x, x.constant(-limit))
        return fits.to(ELEMENTS[element])

    return intrinsic(f"x: real -> {element}", f"truncate_{element}")(truncate)


truncate_int32 = _make_truncation("int32")
truncate_int64 = _make_truncation("int64")
