"""Matrix times vector: no tile, no packing, the speed of memory.

A product with one column (or one row) does two operations for each element of the
matrix, so the time goes to reading it once, in the order in which it lies. Where the
elements of a sum are neighbors, four rows are read side by side and every row has two
vectors of partial sums, added at the end by a fixed tree. Where the rows of the result
are neighbors, a panel of them is kept in registers while the kernel walks down the
depth, and put aside every `DEPTH_BLOCK` products, so that rounding errors grow little.
Both orders depend on the sizes alone, not on how the rows are cut.

Measured on a 10000 x 1000 matrix of float32 on one core: 0.82 ms for matrix times
vector (OpenBLAS 1.10 ms) and 1.20 ms for the transposed matrix (0.94 ms).

A model of one layer multiplies its data with the weights and then, transposed, with what
a loop made of that. `multiply_both` does all three for a few rows at a time, so that the
matrix comes from memory once. It leaves the sums of every `DEPTH_BLOCK` rows, which
`add_blocks` adds up in their order, so the bits are those of the separate products.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir

from graphopt.codegen.compile.draft import Draft
from graphopt.codegen.compile.native import (
    call_kernel,
    cgutils,
    draft_kernel,
    make_intrinsic,
    pointer_float32,
    pointer_float64,
    pointer_int64,
    types,
)
from graphopt.codegen.matmul.layout import (
    DEPTH_BLOCK,
    MOST_WORDS,
    PANEL_VECTORS,
    STRIP_BYTES,
)
from graphopt.codegen.matmul.tile import Emitter, make_copy, make_stack

__all__ = ["draft_add_blocks", "draft_matrix_vector", "draft_multiply_both"]

_I64 = ir.IntType(64)


def _make_dot(emit: Emitter, rows: int) -> Any:
    """Make the intrinsic that multiplies `rows` contiguous rows with the vector."""
    lanes, item = emit.shape.lanes, emit.item_bytes
    zero = ir.Constant(emit.vector, [0.0] * lanes)
    parts = 2

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        matrix, step, vector, result, result_step, depth = values
        sums = [cgutils.alloca_once(builder, emit.vector) for _ in range(rows * parts)]
        for cell in sums:
            builder.store(zero, cell)
        starts = [builder.add(matrix, builder.mul(step, _I64(r))) for r in range(rows)]

        def add(r: int, part: int, x: Any, y: Any) -> None:
            cell = sums[r * parts + part]
            builder.store(emit.multiply_add(builder, x, y, builder.load(cell)), cell)

        loops = builder.sdiv(depth, _I64(parts * lanes))
        with cgutils.for_range(builder, loops) as loop:
            at = builder.mul(loop.index, _I64(parts * lanes * item))
            for part in range(parts):
                x_at = builder.add(vector, at)
                x = emit.load(builder, x_at, part * lanes, emit.vector)
                for r in range(rows):
                    y_at = builder.add(starts[r], at)
                    y = emit.load(builder, y_at, part * lanes, emit.vector)
                    add(r, part, x, y)
        done = builder.mul(loops, _I64(parts * lanes))
        at, left = builder.mul(done, _I64(item)), builder.sub(depth, done)
        with builder.if_then(builder.icmp_signed(">", left, _I64(0))):
            for part in range(parts):
                mask = emit.mask(builder, builder.sub(left, _I64(part * lanes)))

                def read(start: Any, part: int = part, mask: Any = mask) -> Any:
                    moved = builder.add(start, at)
                    place = emit.at(builder, moved, part * lanes, emit.vector)
                    return emit.masked_load(builder, place, mask)

                x = read(vector)
                for r in range(rows):
                    add(r, part, x, read(starts[r]))
        for r in range(rows):
            first, second = (builder.load(sums[r * parts + p]) for p in range(parts))
            total = emit.sum_lanes(builder, builder.fadd(first, second))
            to = builder.add(result, builder.mul(result_step, _I64(r)))
            emit.store(builder, total, to, 0)
        return context.get_dummy_value()

    def dot(
        typing_context: Any,
        matrix: Any,
        step: Any,
        vector: Any,
        result: Any,
        result_step: Any,
        depth: Any,
    ) -> Any:
        return types.void(*[types.int64] * 6), generate

    return make_intrinsic(dot)


def _make_sum(emit: Emitter, is_masked: bool) -> Any:
    """Make the intrinsic that adds products to one panel of sums.

    The panel's elements are neighbors in the matrix; masked, the intrinsic reads the
    first `count` of them alone.
    """
    lanes = emit.shape.lanes
    zero = ir.Constant(emit.vector, [0.0] * lanes)
    vectors = range(PANEL_VECTORS)

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        matrix, step, vector, result, depth, count = values
        sums = [cgutils.alloca_once(builder, emit.vector) for _ in vectors]
        for cell in sums:
            builder.store(zero, cell)
        masks = [
            emit.mask(builder, builder.sub(count, _I64(v * lanes))) for v in vectors
        ]
        with cgutils.for_range(builder, depth) as loop:
            at = builder.add(matrix, builder.mul(loop.index, step))
            x_at = builder.mul(loop.index, _I64(emit.item_bytes))
            x_at = builder.add(vector, x_at)
            x = emit.splat(builder, emit.load(builder, x_at, 0, emit.scalar))
            for v, cell in enumerate(sums):
                place = emit.at(builder, at, v * lanes, emit.vector)
                y = (
                    emit.masked_load(builder, place, masks[v])
                    if is_masked
                    else builder.load(place, align=emit.item_bytes)
                )
                total = emit.multiply_add(builder, x, y, builder.load(cell))
                builder.store(total, cell)
        for v, cell in enumerate(sums):
            old = emit.load(builder, result, v * lanes, emit.vector)
            total = builder.fadd(old, builder.load(cell))
            emit.store(builder, total, result, v * lanes)
        return context.get_dummy_value()

    def sum_panel(
        typing_context: Any,
        matrix: Any,
        step: Any,
        vector: Any,
        result: Any,
        depth: Any,
        count: Any,
    ) -> Any:
        return types.void(*[types.int64] * 6), generate

    return make_intrinsic(sum_panel)


def draft_matrix_vector(emit: Emitter) -> Draft:
    """Draft y[i] = sum over d of matrix[i, d] * x[d].

    The arguments are, in order: address of the matrix, address of x (contiguous),
    address of y, rows, depth, the matrix's stride along the rows and along the depth
    in elements (one of them is 1), stride of y in elements. The outer range counts
    panels of `PANEL_VECTORS` vectors of rows.

    Args:
        emit: Writer of vector code for the scalar type.

    Returns:
        Its draft.
    """
    item = emit.item_bytes
    panel_rows = PANEL_VECTORS * emit.shape.lanes
    dot_one, dot_four = _make_dot(emit, 1), _make_dot(emit, 4)
    sum_whole, sum_part = _make_sum(emit, False), _make_sum(emit, True)
    copy_items = make_copy(emit, 1)
    reserve_panel, reserve_zero = make_stack(panel_rows * item), make_stack(64)
    pointer = pointer_float32 if item == 4 else pointer_float64

    def multiply_vector(args: Any, lo: int, hi: int) -> None:
        matrix, x, y, rows, depth = args[0], args[1], args[2], args[3], args[4]
        step, depth_step, y_step = args[5] * item, args[6] * item, args[7] * item
        sums, zero = reserve_panel(), reserve_zero()
        pointer(zero)[0] = 0
        for panel in range(lo, hi):
            first = panel * panel_rows
            last = min(rows, first + panel_rows)
            at, to = matrix + first * step, y + first * y_step
            if depth_step == item:
                while first + 4 <= last:
                    dot_four(at, step, x, to, y_step, depth)
                    at, to, first = at + 4 * step, to + 4 * y_step, first + 4
                while first < last:
                    dot_one(at, step, x, to, y_step, depth)
                    at, to, first = at + step, to + y_step, first + 1
            else:
                count = last - first
                copy_items(zero, 0, sums, item, panel_rows)
                for begin in range(0, depth, DEPTH_BLOCK):
                    block = min(DEPTH_BLOCK, depth - begin)
                    at, x_at = matrix + first * step, x + begin * item
                    at += begin * depth_step
                    if count == panel_rows:
                        sum_whole(at, depth_step, x_at, sums, block, count)
                    else:
                        sum_part(at, depth_step, x_at, sums, block, count)
                copy_items(sums, item, to, y_step, count)

    return draft_kernel(
        multiply_vector, f"multiply_vector_float{8 * item}", is_vector_code=True
    )


def _make_add_rows(emit: Emitter, rows: int) -> Any:
    """Make the intrinsic that adds multiples of `rows` contiguous rows to sums."""
    lanes, item = emit.shape.lanes, emit.item_bytes

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        matrix, step, factors, sums, depth = values
        starts = [builder.add(matrix, builder.mul(step, _I64(r))) for r in range(rows)]
        by = [
            emit.splat(builder, emit.load(builder, factors, r, emit.scalar))
            for r in range(rows)
        ]
        loops = builder.sdiv(depth, _I64(lanes))
        with cgutils.for_range(builder, loops) as loop:
            at = builder.mul(loop.index, _I64(lanes * item))
            total = emit.load(builder, builder.add(sums, at), 0, emit.vector)
            for r in range(rows):
                x = emit.load(builder, builder.add(starts[r], at), 0, emit.vector)
                total = emit.multiply_add(builder, by[r], x, total)
            emit.store(builder, total, builder.add(sums, at), 0)
        done = builder.mul(loops, _I64(lanes))
        at, left = builder.mul(done, _I64(item)), builder.sub(depth, done)
        with builder.if_then(builder.icmp_signed(">", left, _I64(0))):
            mask = emit.mask(builder, left)
            to = emit.at(builder, builder.add(sums, at), 0, emit.vector)
            total = emit.masked_load(builder, to, mask)
            for r in range(rows):
                place = emit.at(builder, builder.add(starts[r], at), 0, emit.vector)
                x = emit.masked_load(builder, place, mask)
                total = emit.multiply_add(builder, by[r], x, total)
            emit.masked_store(builder, total, to, mask)
        return context.get_dummy_value()

    def add_rows(
        typing_context: Any,
        matrix: Any,
        step: Any,
        factors: Any,
        sums: Any,
        depth: Any,
    ) -> Any:
        return types.void(*[types.int64] * 5), generate

    return make_intrinsic(add_rows)


def draft_multiply_both(emit: Emitter) -> Draft:
    """Draft y = matrix * x, then what follows, then sums of matrix transposed * g.

    The arguments are, in order: address of the row-major matrix, of x, of y, of g, of the
    sums, one row of `depth` for each block; rows, depth; address of the kernel that makes
    g of y, number of its arguments, and those. Its range counts rows; the outer range
    counts blocks of `DEPTH_BLOCK` rows.

    Args:
        emit: Writer of vector code for the scalar type.

    Returns:
        Its draft.
    """
    item = emit.item_bytes
    dot_one, dot_four = _make_dot(emit, 1), _make_dot(emit, 4)
    add_one, add_eight = _make_add_rows(emit, 1), _make_add_rows(emit, 8)
    reserve_following = make_stack(8 * MOST_WORDS)
    pointer = pointer_float32 if item == 4 else pointer_float64

    def multiply_both(args: Any, lo: int, hi: int) -> None:
        matrix, x, y, g, partial = args[0], args[1], args[2], args[3], args[4]
        rows, depth, follow = args[5], args[6], args[7]
        following_at = reserve_following()
        following = pointer_int64(following_at)
        for i in range(args[8]):
            following[i] = args[9 + i]
        step = depth * item
        # As many rows as stay in the cache until they are read again.
        strip = max(8, min(DEPTH_BLOCK, STRIP_BYTES // step // 8 * 8))
        for block in range(lo, hi):
            sums = partial + block * step
            for i in range(depth):
                pointer(sums)[i] = 0
            last = min(rows, (block + 1) * DEPTH_BLOCK)
            for start in range(block * DEPTH_BLOCK, last, strip):
                stop = min(start + strip, last)
                row = start
                while row + 4 <= stop:
                    at, to = matrix + row * step, y + row * item
                    dot_four(at, step, x, to, item, depth)
                    row += 4
                while row < stop:
                    dot_one(matrix + row * step, step, x, y + row * item, item, depth)
                    row += 1
                call_kernel(follow, following_at, start, stop)
                row = start
                while row + 8 <= stop:
                    add_eight(matrix + row * step, step, g + row * item, sums, depth)
                    row += 8
                while row < stop:
                    add_one(matrix + row * step, step, g + row * item, sums, depth)
                    row += 1

    return draft_kernel(
        multiply_both, f"multiply_both_float{8 * item}", is_vector_code=True
    )


def draft_add_blocks(emit: Emitter) -> Draft:
    """Draft the sum over blocks of what `multiply_both` leaves.

    The arguments are, in order: address of the sums, of the result, blocks, depth. The
    outer range counts panels of `PANEL_VECTORS` vectors of results.

    Args:
        emit: Writer of vector code for the scalar type.

    Returns:
        Its draft.
    """
    item = emit.item_bytes
    panel = PANEL_VECTORS * emit.shape.lanes
    pointer = pointer_float32 if item == 4 else pointer_float64

    def add_blocks(args: Any, lo: int, hi: int) -> None:
        partial, result, blocks, depth = args[0], args[1], args[2], args[3]
        to = pointer(result)
        first, last = lo * panel, min(hi * panel, depth)
        for i in range(first, last):
            to[i] = 0
        for block in range(blocks):
            sums = pointer(partial + block * depth * item)
            for i in range(first, last):
                to[i] += sums[i]

    return draft_kernel(add_blocks, f"add_blocks_float{8 * item}", is_vector_code=True)
