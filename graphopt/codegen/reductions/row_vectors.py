"""What softmax needs of a row, in vectors.

A softmax is a maximum, an exponential, a sum and a division for each row. Written as loops
over the elements of a row the maximum and the sum keep everything else from being
vectorized, and rows of ten classes are too short for it anyway. Here each of them takes
`WIDTH` numbers at a time; the exponential, which is most of the work, runs over the
elements of many rows as one loop (`rows`).

The order of a sum is that of the row alone, for any processor: `WIDTH` sums in float64,
added by halves, and then what is left of the row.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from graphopt.codegen.compile.intrinsics import intrinsic
from graphopt.codegen.compile.vectors import (
    FLOAT64,
    Code,
    Pointer,
    Value,
    fold,
    select,
)

__all__ = ["make_row_functions"]

WIDTH: Final = 16
_WIDTHS: Final = (WIDTH, 4, 1)
_Combine = Callable[[Value, Value], Value]


def _walk(code: Code, n: Value, visit: Callable[[Value, int], None]) -> None:
    """Writes what visits the elements of a row, `WIDTH` at a time, then four, then one.

    What is left is no masked vector: reading the next row would have to wait for that
    to be written, for they overlap.

    Args:
      code: Where it is written.
      n: The length of the row.
      visit: Takes the index in the row and how many elements there are.
    """
    begin = code.word(0)
    for width in _WIDTHS:
        whole = n - n % width
        with code.for_range(begin, whole, width) as index:
            visit(index, width)
            # Or the compiler would unroll the loops, in half of its time, for nothing.
            code.barrier()
        begin = whole


def _make_fold(start: float, combine: _Combine, result: str) -> Any:
    """Makes the function that combines the elements of a row.

    Args:
      start: What every lane begins with.
      combine: Writes the combination of two vectors.
      result: The type to combine in: `element` or `float64`.
    """

    def fold_row(code: Code, x: Pointer, at: Value, n: Value) -> Value:
        wide = FLOAT64 if result == "float64" else x.element
        most = code.cell(code.constant(wide, start, WIDTH))
        left = code.cell(code.constant(wide, start))

        def visit(index: Value, width: int) -> None:
            value = x.at(at + index).load(width).to(wide)
            cell = most
            if width < WIDTH:
                value, cell = fold(value, combine), left
            cell.set(combine(cell.get(), value))

        _walk(code, n, visit)
        return combine(fold(most.get(), combine), left.get())

    return intrinsic(f"x: pointer, at: word, n: word -> {result}")(fold_row)


def _make_each(apply: Callable[[Value, Value], Value]) -> Any:
    """Makes the function that writes `apply(x, value)` for the elements x of a row."""

    def each(
        code: Code, x: Pointer, y: Pointer, at: Value, n: Value, value: Value
    ) -> None:
        def visit(index: Value, width: int) -> None:
            index = at + index
            result = apply(x.at(index).load(width), value.splat(width))
            y.at(index).store(result)

        _walk(code, n, visit)

    signature = "x: pointer, y: pointer, at: word, n: word, value: element"
    return intrinsic(signature)(each)


def make_row_functions() -> dict[str, Any]:
    """Returns the functions of a row, under their names.

    All take a pointer to float32 or float64, the index of the row's first element and the
    length of the row. `row_top` returns the largest element, of those that are not NaN,
    and `row_total` the sum. `row_minus` and `row_over` take a second pointer, after the
    first, and an element at the end, and write there what is left of each element without
    it and divided by it.
    """
    return {
        "row_top": _make_fold(
            -float("inf"), lambda a, b: select(b > a, b, a), "element"
        ),
        "row_total": _make_fold(0.0, lambda a, b: a + b, "float64"),
        "row_minus": _make_each(lambda x, value: x - value),
        "row_over": _make_each(lambda x, value: x / value),
    }
