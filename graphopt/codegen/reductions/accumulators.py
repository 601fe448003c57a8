"""The accumulators of a reduction, in vectors.

A reduction of neighbors has `LANES` accumulators, and every one of them takes each
`LANES`-th element. Written as a loop over memory they are loaded and stored for each
element, and so are those of columns for each row: sums of squares of 32 million float32
take 5.5 ms on a core that reads them in 3.5, and 4.5 where these loops are written in
LLVM's terms, with the same order of adding. They compile faster, too.
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
    maximum,
    minimum,
    select,
)
from graphopt.ops.blocks import LANES

__all__ = ["make_accumulators"]

_WIDTH: Final = 8
_ROWS: Final = 4
# What an accumulator begins with, and what it becomes.
_Combine = Callable[[Value, Value], Value]
_KINDS: Final[dict[str, tuple[float, _Combine]]] = {
    "sum": (0.0, lambda total, x: total + x),
    "max": (-float("inf"), lambda total, x: maximum(x, total)),
    "min": (float("inf"), lambda total, x: minimum(x, total)),
}


def _make_accumulate(start: float, combine: _Combine) -> Any:
    """Makes the function that combines elements with the accumulators."""

    def accumulate(
        code: Code, x: Pointer, begin: Value, end: Value, eight: Pointer
    ) -> Value:
        cells = [
            code.cell(code.constant(FLOAT64, start, _WIDTH))
            for _ in range(LANES // _WIDTH)
        ]
        rounds = (end - begin) // LANES
        with code.for_range(rounds) as index:
            at = begin + index * LANES
            for number, cell in enumerate(cells):
                value = x.at(at + number * _WIDTH).load(_WIDTH).to(FLOAT64)
                cell.set(combine(cell.get(), value))
        total = code.constant(FLOAT64, start, _WIDTH)
        for cell in cells:
            total = combine(total, cell.get())
        eight.store(total)
        return begin + rounds * LANES

    signature = "x: pointer, begin: word, end: word, eight: pointer float64 -> word"
    return intrinsic(signature)(accumulate)


def _make_rows(start: float, combine: _Combine) -> Any:
    """Makes the function that combines rows with an accumulator for each column."""

    def add_rows(
        code: Code,
        x: Pointer,
        at: Value,
        step: Value,
        rows: Value,
        part: Pointer,
        width: Value,
    ) -> None:
        whole = width // _WIDTH * _WIDTH

        def add(first: Value, many: int) -> None:
            start = at + first * step
            with code.for_range(0, whole, _WIDTH) as column:
                cell = part.at(column)
                total = cell.load(_WIDTH)
                for r in range(many):
                    row = start + step * r
                    value = x.at(row + column).load(_WIDTH)
                    if many > 1:
                        # Rows are too far apart for the processor to foresee them.
                        x.at(row + step * many + column).prefetch()
                    total = combine(total, value.to(FLOAT64))
                cell.store(total)

        fours = rows // _ROWS * _ROWS
        with code.for_range(0, fours, _ROWS) as first:
            add(first, _ROWS)
        with code.for_range(fours, rows) as first:
            add(first, 1)
        # What is no whole vector, of all rows. There is room for a whole one behind the
        # last accumulator.
        left = width - whole
        with code.if_(left > 0):
            mask = code.mask(left, _WIDTH)
            place = part.at(whole)
            sofar = code.cell(place.load(_WIDTH))
            with code.for_range(rows) as row:
                value = x.at(at + step * row + whole).load(_WIDTH, mask)
                before = sofar.get()
                total = combine(before, value.to(FLOAT64))
                sofar.set(select(mask, total, before))
            place.store(sofar.get())

    return intrinsic(
        "x: pointer, at: word, step: word, rows: word, part: pointer float64, "
        "width: word"
    )(add_rows)


def make_accumulators() -> dict[str, Any]:
    """Returns `accumulate_sum`, `rows_sum` and their like, under their names.

    Each of the first takes a pointer to float32 or float64, the first index, the index
    after the last one and a pointer to eight float64; it combines as many whole rounds of
    `LANES` as there are, leaves there what every eighth accumulator makes, in their order,
    and returns the index after those elements. Each of the second takes a pointer, the
    first index, the step from row to row, their number, a pointer to float64 and the length
    of a row; it combines what is there with the rows.
    """
    rows = {f"rows_{name}": _make_rows(*kind) for name, kind in _KINDS.items()}
    lanes = {f"accumulate_{name}": _make_accumulate(*_KINDS[name]) for name in _KINDS}
    return rows | lanes
