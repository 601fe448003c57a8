"""The accumulators of a reduction, in vectors.

A reduction of neighbors has `LANES` accumulators, and every one of them takes each
`LANES`-th number. Written as a loop over memory they are loaded and stored for each
number, and so are those of columns for each row: sums of squares of 32 million float32 took
5.5 ms on a core that reads them in 3.5, and take 4.5 where these loops are written in
LLVM's terms, with the same order of adding. They compile faster, too.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from llvmlite import ir

from graphopt.codegen.compile.native import cgutils, make_intrinsic, types
from graphopt.codegen.matmul.layout import TileShape
from graphopt.codegen.matmul.tile import Emitter
from graphopt.codegen.reductions.block_sizes import LANES

__all__ = ["make_accumulators"]

_I64 = ir.IntType(64)
_WIDTH: Final = 8
_ROWS: Final = 4
_VECTOR = ir.VectorType(ir.DoubleType(), _WIDTH)


def _add(builder: Any, total: Any, x: Any) -> Any:
    return builder.fadd(total, x)


def _extreme(comparison: str) -> Callable[[Any, Any, Any], Any]:
    def combine(builder: Any, total: Any, x: Any) -> Any:
        # NaN is taken, and nothing takes the place of it.
        beyond = builder.fcmp_ordered(comparison, x, total)
        taken = builder.or_(beyond, builder.fcmp_unordered("uno", x, x))
        return builder.select(taken, x, total)

    return combine


_KINDS: Final[dict[str, tuple[float, Callable[[Any, Any, Any], Any]]]] = {
    "sum": (0.0, _add),
    "max": (-float("inf"), _extreme(">=")),
    "min": (float("inf"), _extreme("<=")),
}


def _make(start: float, combine: Callable[[Any, Any, Any], Any]) -> Any:
    """Makes the function that combines numbers with the accumulators."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        x, begin, end, eight = values
        kind = signature.args[0].dtype
        item = kind.bitwidth // 8
        vector = ir.VectorType(x.type.pointee, _WIDTH)
        cells = [cgutils.alloca_once(builder, _VECTOR) for _ in range(LANES // _WIDTH)]
        for cell in cells:
            builder.store(ir.Constant(_VECTOR, [start] * _WIDTH), cell)
        rounds = builder.sdiv(builder.sub(end, begin), _I64(LANES))
        with cgutils.for_range(builder, rounds) as loop:
            at = builder.add(begin, builder.mul(loop.index, _I64(LANES)))
            for number, cell in enumerate(cells):
                place = builder.gep(x, [builder.add(at, _I64(number * _WIDTH))])
                place = builder.bitcast(place, vector.as_pointer())
                taken = builder.load(place, align=item)
                if item == 4:
                    taken = builder.fpext(taken, _VECTOR)
                total = combine(builder, builder.load(cell), taken)
                builder.store(total, cell)
        total = ir.Constant(_VECTOR, [start] * _WIDTH)
        for cell in cells:
            total = combine(builder, total, builder.load(cell))
        place = builder.bitcast(eight, _VECTOR.as_pointer())
        builder.store(total, place, align=8)
        return builder.add(begin, builder.mul(rounds, _I64(LANES)))

    def accumulate(
        typing_context: Any, x: Any, begin: Any, end: Any, eight: Any
    ) -> Any:
        return types.int64(x, types.int64, types.int64, eight), generate

    return make_intrinsic(accumulate)


def _make_rows(start: float, combine: Callable[[Any, Any, Any], Any]) -> Any:
    """Makes the function that combines rows with an accumulator for each column."""
    lanes = ir.Constant(ir.VectorType(_I64, _WIDTH), [_I64(i) for i in range(_WIDTH)])

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        x, at, step, rows, part, width = values
        item = signature.args[0].dtype.bitwidth // 8
        shape = TileShape(_WIDTH, 1, 1, fused=False)
        emit = Emitter(x.type.pointee, item, shape)
        whole = builder.mul(builder.sdiv(width, _I64(_WIDTH)), _I64(_WIDTH))

        def find(index: Any) -> Any:
            place = builder.gep(x, [index])
            return builder.bitcast(place, emit.vector.as_pointer())

        def cell_of(column: Any) -> Any:
            return builder.bitcast(builder.gep(part, [column]), _VECTOR.as_pointer())

        def add_to(total: Any, taken: Any) -> Any:
            if item == 4:
                taken = builder.fpext(taken, _VECTOR)
            return combine(builder, total, taken)

        def add(first: Any, many: int) -> None:
            start = builder.add(at, builder.mul(first, step))
            bounds = (builder, _I64(0), whole, _I64(_WIDTH), _I64)
            with cgutils.for_range_slice(*bounds) as (column, _):
                cell = cell_of(column)
                total = builder.load(cell, align=8)
                for r in range(many):
                    row = builder.add(start, builder.mul(step, _I64(r)))
                    place = find(builder.add(row, column))
                    taken = builder.load(place, align=item)
                    if many > 1:
                        # Rows are too far apart for the processor to foresee them.
                        later = builder.add(row, builder.mul(step, _I64(many)))
                        place = find(builder.add(later, column))
                        emit.prefetch(builder, builder.ptrtoint(place, _I64))
                    total = add_to(total, taken)
                builder.store(total, cell, align=8)

        fours = builder.mul(builder.sdiv(rows, _I64(_ROWS)), _I64(_ROWS))
        for begin, end, many in ((_I64(0), fours, _ROWS), (fours, rows, 1)):
            bounds = (builder, begin, end, _I64(many), _I64)
            with cgutils.for_range_slice(*bounds) as (first, _):
                add(first, many)
        # What is no whole vector, of all rows. There is room for a whole one behind the
        # last accumulator.
        left = builder.sub(width, whole)
        with builder.if_then(builder.icmp_signed(">", left, _I64(0))):
            mask = builder.icmp_signed("<", lanes, emit.splat(builder, left))
            cell = cell_of(whole)
            so_far = cgutils.alloca_once(builder, _VECTOR)
            builder.store(builder.load(cell, align=8), so_far)
            with cgutils.for_range(builder, rows) as loop:
                row = builder.add(at, builder.mul(step, loop.index))
                place = find(builder.add(row, whole))
                before = builder.load(so_far)
                total = add_to(before, emit.masked_load(builder, place, mask))
                builder.store(builder.select(mask, total, before), so_far)
            builder.store(builder.load(so_far), cell, align=8)
        return context.get_dummy_value()

    def add_rows(
        typing_context: Any,
        x: Any,
        at: Any,
        step: Any,
        rows: Any,
        part: Any,
        width: Any,
    ) -> Any:
        word = types.int64
        return types.void(x, word, word, word, part, word), generate

    return make_intrinsic(add_rows)


def make_accumulators() -> dict[str, Any]:
    """Returns `accumulate_sum`, `rows_sum` and their like, under their names.

    Each of the first takes a pointer to float32 or float64, the first index, the index after the last
    one and a pointer to eight float64; it combines as many whole rounds of `LANES` as
    there are, leaves there what every eighth accumulator makes, in their order, and
    returns the index after those numbers. Each of the second takes a pointer, the first
    index, the step from row to row, their number, a pointer to float64 and the length of
    a row; it combines what is there with the rows.
    """
    rows = {f"rows_{name}": _make_rows(*kind) for name, kind in _KINDS.items()}
    return rows | {f"accumulate_{name}": _make(*kind) for name, kind in _KINDS.items()}
