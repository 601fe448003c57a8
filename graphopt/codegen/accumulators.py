"""The accumulators of a reduction, in registers.

A reduction of neighbors has `LANES` accumulators, and every one of them takes each
`LANES`-th number. Written as a loop over memory they are loaded and stored for each
number, 5.2 ms for the sum of squares of 32 million float32 on one core that reads them in
3.5; so this loop is written in LLVM's terms, with the same order of adding.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from llvmlite import ir

from graphopt.codegen.native import cgutils, make_intrinsic, types
from graphopt.codegen.reduce import LANES

__all__ = ["make_accumulators"]

_I64 = ir.IntType(64)
_WIDTH: Final = 8
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


def make_accumulators() -> dict[str, Any]:
    """Returns `accumulate_sum` and its like, under their names.

    Each takes a pointer to float32 or float64, the first index, the index after the last
    one and a pointer to eight float64; it combines as many whole rounds of `LANES` as
    there are, leaves there what every eighth accumulator makes, in their order, and
    returns the index after those numbers.
    """
    return {f"accumulate_{name}": _make(*kind) for name, kind in _KINDS.items()}
