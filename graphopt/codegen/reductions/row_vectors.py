"""What softmax needs of a row, in vectors.

A softmax is a maximum, an exponential, a sum and a division for each row. Written as loops
over the numbers of a row the maximum and the sum keep everything else from being
vectorized, and rows of ten classes are too short for it anyway. Here each of them takes
`WIDTH` numbers at a time; the exponential, which is most of the work, runs over the
numbers of many rows as one loop (`rows`).

The order of a sum is that of the row alone, for any processor: `WIDTH` sums in float64,
added by halves, and then what is left of the row.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from llvmlite import ir

from graphopt.codegen.compile.native import cgutils, make_intrinsic, types

__all__ = ["make_row_functions"]

WIDTH: Final = 16
_WIDTHS: Final = (WIDTH, 4, 1)
_I64 = ir.IntType(64)
_Combine = Callable[[Any, Any, Any], Any]


def _walk(builder: Any, n: Any, visit: Callable[[Any, int], None]) -> None:
    """Emits what visits the numbers of a row, `WIDTH` at a time, then four, then one.

    What is left is no masked vector: reading the next row would have to wait for that
    to be written, for they overlap.

    Args:
      builder: LLVM's builder.
      n: The length of the row.
      visit: Takes the index in the row and how many numbers there are.
    """
    begin = _I64(0)
    for width in _WIDTHS:
        whole = builder.sub(n, builder.srem(n, _I64(width)))
        bounds = (begin, whole, _I64(width), _I64)
        with cgutils.for_range_slice(builder, *bounds) as (index, _):
            visit(index, width)
            # Or the compiler would unroll the loops, in half of its time, for nothing.
            barrier = ir.FunctionType(ir.VoidType(), [])
            builder.asm(barrier, "", "~{memory}", [], side_effect=True)
        begin = whole


def _place(builder: Any, pointer: Any, index: Any, width: int) -> Any:
    vector = ir.VectorType(pointer.type.pointee, width)
    return builder.bitcast(builder.gep(pointer, [index]), vector.as_pointer())


def _fold(builder: Any, value: Any, combine: _Combine) -> Any:
    """Emits what combines the lanes of a vector by halves."""
    width = value.type.count
    while width > 1:
        width //= 2
        halves = []
        for start in (0, width):
            lanes = list(range(start, start + width))
            order = ir.Constant(ir.VectorType(ir.IntType(32), width), lanes)
            halves.append(builder.shuffle_vector(value, value, order))
        value = combine(builder, *halves)
    return builder.extract_element(value, ir.IntType(32)(0))


def _larger(builder: Any, a: Any, b: Any) -> Any:
    return builder.select(builder.fcmp_ordered(">", b, a), b, a)


def _add(builder: Any, a: Any, b: Any) -> Any:
    return builder.fadd(a, b)


def _make_fold(start: float, combine: _Combine, is_wide: bool) -> Any:
    """Makes the function that combines the numbers of a row.

    Args:
      start: What every lane begins with.
      combine: Emits the combination of two vectors.
      is_wide: Whether to combine in float64.
    """

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        x, at, n = values
        align = signature.args[0].dtype.bitwidth // 8
        scalar = ir.DoubleType() if is_wide else x.type.pointee
        lanes = ir.VectorType(scalar, WIDTH)
        most = cgutils.alloca_once(builder, lanes)
        builder.store(ir.Constant(lanes, [start] * WIDTH), most)
        left = cgutils.alloca_once(builder, scalar)
        builder.store(ir.Constant(scalar, start), left)

        def visit(index: Any, width: int) -> None:
            place = _place(builder, x, builder.add(at, index), width)
            taken = builder.load(place, align=align)
            if is_wide and align == 4:
                taken = builder.fpext(taken, ir.VectorType(scalar, width))
            cell = most
            if width < WIDTH:
                taken, cell = _fold(builder, taken, combine), left
            builder.store(combine(builder, builder.load(cell), taken), cell)

        _walk(builder, n, visit)
        whole = _fold(builder, builder.load(most), combine)
        return combine(builder, whole, builder.load(left))

    def fold(typing_context: Any, x: Any, at: Any, n: Any) -> Any:
        result = types.float64 if is_wide else x.dtype
        return result(x, types.int64, types.int64), generate

    return make_intrinsic(fold)


def _make_each(operation: str) -> Any:
    """Makes the function that writes `x op value` for the numbers x of a row."""

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        x, y, at, n, value = values
        align = signature.args[0].dtype.bitwidth // 8
        undefined = ir.Constant(ir.VectorType(value.type, WIDTH), ir.Undefined)
        lane = ir.IntType(32)
        first = builder.insert_element(undefined, value, lane(0))

        def visit(index: Any, width: int) -> None:
            index = builder.add(at, index)
            zeros = ir.Constant(ir.VectorType(lane, width), [0] * width)
            second = builder.shuffle_vector(first, undefined, zeros)
            taken = builder.load(_place(builder, x, index, width), align=align)
            result = getattr(builder, operation)(taken, second)
            builder.store(result, _place(builder, y, index, width), align=align)

        _walk(builder, n, visit)
        return context.get_dummy_value()

    def each(typing_context: Any, x: Any, y: Any, at: Any, n: Any, value: Any) -> Any:
        word = types.int64
        return types.void(x, y, word, word, x.dtype), generate

    return make_intrinsic(each)


def make_row_functions() -> dict[str, Any]:
    """Returns the functions of a row, under their names.

    All take a pointer to float32 or float64, the index of the row's first number and the
    length of the row. `row_top` returns the largest number, of those that are not NaN,
    and `row_total` the sum. `row_minus` and `row_over` take a second pointer, after the
    first, and a number at the end, and write there what is left of each number without
    it and divided by it.
    """
    return {
        "row_top": _make_fold(-float("inf"), _larger, is_wide=False),
        "row_total": _make_fold(0.0, _add, is_wide=True),
        "row_minus": _make_each("fsub"),
        "row_over": _make_each("fdiv"),
    }
