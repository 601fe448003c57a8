"""Vector code for products: what the kernels of `gemm` and `gemv` are made of.

numba has no vector types and its vectorizer does not keep a tile of sums in registers,
so these intrinsics write vector instructions in LLVM's terms, for any number of lanes.
They hold whole loops, and the functions around them are short, because most of the
time of a compilation goes to numba's reading of Python, not to LLVM.

All addresses and steps are bytes, sizes and counts are elements, all are int64.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from llvmlite import ir

from graphopt.codegen.compile.native import cgutils, make_intrinsic, types
from graphopt.codegen.matmul.layout import DEPTH_BLOCK, TileShape

__all__ = [
    "Emitter",
    "add_products",
    "make_cells",
    "make_copy",
    "make_copy_panels",
    "make_row_tile",
    "make_stack",
    "make_tiles",
    "make_transpose",
    "store_tile",
]

_I8, _I32, _I64 = ir.IntType(8), ir.IntType(32), ir.IntType(64)


class Emitter:
    """Vector code of one scalar type, for the intrinsics below."""

    def __init__(self, scalar: ir.Type, item_bytes: int, shape: TileShape) -> None:
        """Prepare the vector type and the names of LLVM intrinsics."""
        self.scalar, self.item_bytes, self.shape = scalar, item_bytes, shape
        self.vector = ir.VectorType(scalar, shape.lanes)
        letter = "i" if isinstance(scalar, ir.IntType) else "f"
        self.suffix = f"v{shape.lanes}{letter}{8 * item_bytes}"

    def at(self, builder: Any, address: Any, offset: int, kind: ir.Type) -> Any:
        """Point to what lies `offset` elements after an address."""
        moved = builder.add(address, _I64(offset * self.item_bytes))
        return builder.inttoptr(moved, kind.as_pointer())

    def load(self, builder: Any, address: Any, offset: int, kind: ir.Type) -> Any:
        """Load a value of any alignment."""
        pointer = self.at(builder, address, offset, kind)
        return builder.load(pointer, align=self.item_bytes)

    def store(self, builder: Any, value: Any, address: Any, offset: int) -> None:
        """Store a value at any alignment."""
        pointer = self.at(builder, address, offset, value.type)
        builder.store(value, pointer, align=self.item_bytes)

    def prefetch(self, builder: Any, address: Any) -> None:
        """Have a line of memory brought near, if there is one at the address."""
        pointer = builder.inttoptr(address, _I8.as_pointer())
        kind = ir.FunctionType(ir.VoidType(), [pointer.type, _I32, _I32, _I32])
        name = "llvm.prefetch.p0i8"
        function = cgutils.get_or_insert_function(builder.module, kind, name)
        # To be read; kept in the second-level cache; data.
        builder.call(function, [pointer, _I32(0), _I32(2), _I32(1)])

    def splat(self, builder: Any, scalar: Any) -> Any:
        """Fill a vector with one value."""
        kind = ir.VectorType(scalar.type, self.shape.lanes)
        undefined = ir.Constant(kind, ir.Undefined)
        first = builder.insert_element(undefined, scalar, _I32(0))
        zeros = ir.Constant(
            ir.VectorType(_I32, self.shape.lanes), [0] * self.shape.lanes
        )
        return builder.shuffle_vector(first, undefined, zeros)

    def multiply_add(self, builder: Any, x: Any, y: Any, total: Any) -> Any:
        """Compute x * y + total as the machine does it best."""
        if not self.shape.fused:
            return builder.fadd(builder.fmul(x, y), total)
        kind = ir.FunctionType(self.vector, [self.vector] * 3)
        name = f"llvm.fma.{self.suffix}"
        fma = cgutils.get_or_insert_function(builder.module, kind, name)
        return builder.call(fma, [x, y, total])

    def interleave(self, builder: Any, x: Any, y: Any, upper: bool) -> Any:
        """Take the lower or upper halves of two vectors in turn."""
        half = self.shape.lanes // 2
        start = half if upper else 0
        order = [start + i // 2 + (i % 2) * 2 * half for i in range(2 * half)]
        indices = ir.Constant(ir.VectorType(_I32, 2 * half), order)
        return builder.shuffle_vector(x, y, indices)

    def sum_lanes(self, builder: Any, value: Any) -> Any:
        """Add the lanes of a vector by halves, in a fixed order."""
        lanes = self.shape.lanes
        width = lanes // 2
        while width:
            order = [min(i + width, lanes - 1) for i in range(lanes)]
            indices = ir.Constant(ir.VectorType(_I32, lanes), order)
            value = builder.fadd(value, builder.shuffle_vector(value, value, indices))
            width //= 2
        return builder.extract_element(value, _I32(0))

    def mask(self, builder: Any, count: Any) -> Any:
        """Choose the first `count` lanes; `count` may be negative or too large."""
        lanes = self.shape.lanes
        lane = ir.Constant(ir.VectorType(_I64, lanes), [_I64(i) for i in range(lanes)])
        return builder.icmp_signed("<", lane, self.splat(builder, count))

    def masked_load(self, builder: Any, pointer: Any, mask: Any) -> Any:
        """Load the chosen lanes, zeros elsewhere, reading no others."""
        zero = ir.Constant(self.vector, None)
        kind = ir.FunctionType(
            self.vector, [pointer.type, _I32, mask.type, self.vector]
        )
        name = f"llvm.masked.load.{self.suffix}.p0"
        function = cgutils.get_or_insert_function(builder.module, kind, name)
        return builder.call(function, [pointer, _I32(self.item_bytes), mask, zero])

    def masked_store(self, builder: Any, value: Any, pointer: Any, mask: Any) -> None:
        """Store the chosen lanes, writing no others."""
        kind = ir.FunctionType(
            ir.VoidType(), [self.vector, pointer.type, _I32, mask.type]
        )
        name = f"llvm.masked.store.{self.suffix}.p0"
        function = cgutils.get_or_insert_function(builder.module, kind, name)
        builder.call(function, [value, pointer, _I32(self.item_bytes), mask])


def _emit_tile(
    emit: Emitter, builder: Any, values: Sequence[Any], rows: int, vectors: int
) -> None:
    """Emit code that computes one register tile of C, or the part that exists."""
    a, b, *target, depth, accumulate, row_count, column_count = values[:8]
    ahead, ahead_step, shift = values[8:]
    shape, lanes, item = emit.shape, emit.shape.lanes, emit.item_bytes
    tile = make_cells(emit, builder, rows * vectors)
    with cgutils.for_range(builder, depth) as loop:
        a_at = builder.add(a, builder.mul(loop.index, _I64(shape.rows * item)))
        b_at = builder.add(b, builder.mul(loop.index, _I64(shape.columns * item)))
        b_row = [
            emit.load(builder, b_at, lanes * v, emit.vector) for v in range(vectors)
        ]
        for r in range(rows):
            x = emit.load(builder, a_at, r, emit.scalar)
            add_products(emit, builder, x, b_row, tile[r * vectors :])
        if shape.prefetches:
            line = builder.ashr(loop.index, shift)
            neighbor = builder.sub(loop.index, builder.shl(line, shift))
            place = builder.add(ahead, builder.mul(line, ahead_step))
            emit.prefetch(builder, builder.add(place, builder.shl(neighbor, _I64(6))))
    limits = (row_count, column_count)
    store_tile(emit, builder, tile, (rows, vectors), target, accumulate, limits)


def make_cells(emit: Emitter, builder: Any, count: int) -> list[Any]:
    """Make vectors of sums that begin as zeros."""
    # Promoted to registers: these are only ever loaded and stored whole.
    cells = [cgutils.alloca_once(builder, emit.vector) for _ in range(count)]
    for cell in cells:
        builder.store(ir.Constant(emit.vector, [0.0] * emit.shape.lanes), cell)
    return cells


def add_products(
    emit: Emitter, builder: Any, x: Any, row: Sequence[Any], cells: Sequence[Any]
) -> None:
    """Add the products of a scalar and the vectors of a row to the first cells."""
    factor = emit.splat(builder, x)
    for vector, cell in zip(row, cells, strict=False):
        total = emit.multiply_add(builder, factor, vector, builder.load(cell))
        builder.store(total, cell)


def store_tile(
    emit: Emitter,
    builder: Any,
    tile: Sequence[Any],
    size: tuple[int, int],
    target: Sequence[Any],
    accumulate: Any,
    limits: tuple[Any, Any],
) -> None:
    """Emit code that stores a tile, or the part of it that exists.

    Args:
        emit: Writer of vector code.
        builder: LLVM's builder.
        tile: Vectors of sums, row after row.
        size: Rows of the tile, and vectors of a row.
        target: Address of its first element, elements from row to row.
        accumulate: Not 0 if the sums are added to what is there.
        limits: Rows and columns that exist; either may be more than the tile has.
    """
    (rows, vectors), (c, c_step), lanes = size, target, emit.shape.lanes
    (row_count, column_count), item = limits, emit.item_bytes
    cells = range(rows * vectors)
    adds = builder.icmp_signed("!=", accumulate, _I64(0))
    row_at = [builder.add(c, builder.mul(c_step, _I64(r * item))) for r in range(rows)]
    whole_rows = builder.icmp_signed(">=", row_count, _I64(rows))
    whole_columns = builder.icmp_signed(">=", column_count, _I64(lanes * vectors))
    with builder.if_else(builder.and_(whole_rows, whole_columns)) as (whole, part):
        with whole:
            with builder.if_then(adds):
                for i in cells:
                    r, offset = i // vectors, lanes * (i % vectors)
                    old = emit.load(builder, row_at[r], offset, emit.vector)
                    total = builder.fadd(old, builder.load(tile[i]))
                    builder.store(total, tile[i])
            for i in cells:
                r, offset = i // vectors, lanes * (i % vectors)
                emit.store(builder, builder.load(tile[i]), row_at[r], offset)
        with part:
            # By way of memory, in a loop: written out for each vector of the tile, this
            # rare case would be most of the code and of the time to compile it.
            copy = cgutils.alloca_once(builder, emit.vector, size=len(tile))
            for i in cells:
                at = builder.gep(copy, [_I64(i)])
                builder.store(builder.load(tile[i]), at)
            masks = [
                emit.mask(builder, builder.sub(column_count, _I64(lanes * v)))
                for v in range(vectors)
            ]
            none = emit.mask(builder, _I64(0))
            high = builder.select(whole_rows, _I64(rows), row_count)
            with cgutils.for_range(builder, high) as loop:
                row = builder.add(
                    c, builder.mul(loop.index, builder.mul(c_step, _I64(item)))
                )
                first = builder.mul(loop.index, _I64(vectors))
                for v, mask in enumerate(masks):
                    reads = builder.select(adds, mask, none)
                    place = emit.at(builder, row, lanes * v, emit.vector)
                    old = emit.masked_load(builder, place, reads)
                    at = builder.gep(copy, [builder.add(first, _I64(v))])
                    total = builder.load(at)
                    sum_ = builder.fadd(old, total)
                    total = builder.select(adds, sum_, total)
                    emit.masked_store(builder, total, place, mask)


def make_tiles(emit: Emitter) -> Any:
    """Make the intrinsic that computes the tile where two panels meet.

    A short panel of rows is computed four rows at a time, a narrow one of columns
    with fewer vectors in a row: less work is wasted on what does not exist, and the sums
    are the same.

    With each step of the depth a large tile has one line brought near, of what will be
    packed next: the memory works while the processor multiplies. The lines lie in runs of
    `1 << shift` neighbors, `ahead_step` bytes from run to run.
    """
    shape, item = emit.shape, emit.item_bytes

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        a, b, c, c_step, depth, accumulate, row_count, column_count = values[:8]

        def choose(values: Sequence[Any], rows: int, vectors: int) -> None:
            if vectors == 1:
                _emit_tile(emit, builder, values, rows, vectors)
                return
            fewer = _I64(shape.lanes * (vectors - 1))
            is_wide = builder.icmp_signed(">", column_count, fewer)
            with builder.if_else(is_wide) as (wide, narrow):
                with wide:
                    _emit_tile(emit, builder, values, rows, vectors)
                with narrow:
                    choose(values, rows, vectors - 1)

        few = min(4, shape.rows)
        if few == shape.rows:
            choose(values, few, shape.vectors)
            return context.get_dummy_value()
        is_high = builder.icmp_signed(">=", row_count, _I64(shape.rows))
        with builder.if_else(is_high) as (high, low):
            with high:
                choose(values, shape.rows, shape.vectors)
            with (
                low,
                cgutils.for_range_slice(
                    builder, _I64(0), row_count, _I64(few), _I64
                ) as (first, _),
            ):
                a_at = builder.add(a, builder.mul(first, _I64(item)))
                c_at = builder.mul(builder.mul(first, c_step), _I64(item))
                c_at = builder.add(c, c_at)
                left = builder.sub(row_count, first)
                moved = (a_at, b, c_at, c_step, depth, accumulate, left, column_count)
                choose((*moved, *values[8:]), few, shape.vectors)
        return context.get_dummy_value()

    def compute_tiles(
        typing_context: Any,
        a: Any,
        b: Any,
        c: Any,
        c_step: Any,
        depth: Any,
        accumulate: Any,
        row_count: Any,
        column_count: Any,
        ahead: Any,
        ahead_step: Any,
        shift: Any,
    ) -> Any:
        return types.void(*[types.int64] * 11), generate

    return make_intrinsic(compute_tiles)


def make_row_tile(emit: Emitter, rows: int, vectors: int) -> Any:
    """Make the intrinsic that computes a tile of rows that are read where they lie.

    Its arguments are the address of the first operand, the bytes from row to row and from
    column to column in it; that of the second operand and its bytes from row to row; the
    result and the elements of its rows; the depth, whether the sums are added to the
    result, and the columns that exist.
    """
    lanes = emit.shape.lanes

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        a, a_row, a_step, b, b_row, c, c_step, depth, adds, columns = values
        tile = make_cells(emit, builder, rows * vectors)
        starts = [builder.add(a, builder.mul(a_row, _I64(r))) for r in range(rows)]
        with cgutils.for_range(builder, depth) as loop:
            at = builder.mul(loop.index, a_step)
            b_at = builder.add(b, builder.mul(loop.index, b_row))
            row = [
                emit.load(builder, b_at, lanes * v, emit.vector) for v in range(vectors)
            ]
            for r in range(rows):
                x = emit.load(builder, builder.add(starts[r], at), 0, emit.scalar)
                add_products(emit, builder, x, row, tile[r * vectors :])
        limits = (_I64(rows), columns)
        store_tile(emit, builder, tile, (rows, vectors), (c, c_step), adds, limits)
        return context.get_dummy_value()

    def compute_tile(
        typing_context: Any,
        a: Any,
        a_row: Any,
        a_step: Any,
        b: Any,
        b_row: Any,
        c: Any,
        c_step: Any,
        depth: Any,
        adds: Any,
        columns: Any,
    ) -> Any:
        return types.void(*[types.int64] * 10), generate

    return make_intrinsic(compute_tile)


def make_copy(emit: Emitter, size: int) -> Any:
    """Make the intrinsic that copies `count` times `size` neighbors."""
    kind = ir.VectorType(emit.scalar, size) if size > 1 else emit.scalar

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        source, source_step, target, target_step, count = values
        with cgutils.for_range(builder, count) as loop:
            at = builder.add(source, builder.mul(loop.index, source_step))
            to = builder.add(target, builder.mul(loop.index, target_step))
            emit.store(builder, emit.load(builder, at, 0, kind), to, 0)
            # Memory decides the speed of this loop. Without the barrier the compiler
            # spends a third of its time on finding that out.
            barrier = ir.FunctionType(ir.VoidType(), [])
            builder.asm(barrier, "", "~{memory}", [], side_effect=True)
        return context.get_dummy_value()

    def copy(
        typing_context: Any,
        source: Any,
        source_step: Any,
        target: Any,
        target_step: Any,
        count: Any,
    ) -> Any:
        return types.void(*[types.int64] * 5), generate

    return make_intrinsic(copy)


def make_copy_panels(emit: Emitter, width: int) -> Any:
    """Make the intrinsic that copies rows of neighbors to panels, `width` to each.

    Long runs of neighbors are what the processor reads ahead: panel by panel, with a
    few neighbors of each row, the rows of a large matrix come four times as slowly.
    """
    lanes, item = emit.shape.lanes, emit.item_bytes

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        source, source_step, target, panel_step, rows, panels = values
        row_bytes = _I64(width * item)
        with cgutils.for_range(builder, rows) as row:
            line = builder.add(source, builder.mul(row.index, source_step))
            to_line = builder.add(target, builder.mul(row.index, row_bytes))
            with cgutils.for_range(builder, panels) as panel:
                at = builder.add(line, builder.mul(panel.index, row_bytes))
                to = builder.add(to_line, builder.mul(panel.index, panel_step))
                for first in range(0, width, lanes):
                    value = emit.load(builder, at, first, emit.vector)
                    emit.store(builder, value, to, first)
                # As above.
                barrier = ir.FunctionType(ir.VoidType(), [])
                builder.asm(barrier, "", "~{memory}", [], side_effect=True)
        return context.get_dummy_value()

    def copy_panels(
        typing_context: Any,
        source: Any,
        source_step: Any,
        target: Any,
        panel_step: Any,
        rows: Any,
        panels: Any,
    ) -> Any:
        return types.void(*[types.int64] * 6), generate

    return make_intrinsic(copy_panels)


def make_transpose(emit: Emitter, quad: int) -> Any:
    """Make the intrinsic that copies `quad` rows, transposed, `lanes` at a time.

    It returns how many of the `count` elements of each row it has copied.
    """
    lanes, item = emit.shape.lanes, emit.item_bytes

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        start, source_step, to, target_step, count = values
        loops = builder.sdiv(count, _I64(lanes))
        with cgutils.for_range(builder, loops) as loop:
            source = builder.add(start, builder.mul(loop.index, _I64(lanes * item)))
            target = builder.mul(loop.index, builder.mul(target_step, _I64(lanes)))
            target = builder.add(to, target)
            emit_block(builder, source, source_step, target, target_step)
        return builder.mul(loops, _I64(lanes))

    def emit_block(
        builder: Any, source: Any, source_step: Any, target: Any, target_step: Any
    ) -> None:
        lines = []
        for _ in range(quad):
            lines.append(emit.load(builder, source, 0, emit.vector))
            ahead = builder.add(source, _I64(DEPTH_BLOCK * item))
            emit.prefetch(builder, ahead)
            source = builder.add(source, source_step)
        width = 1
        while width < quad:
            # One round of a perfect shuffle: after log2(quad) of them the elements
            # of one column are neighbors.
            half = quad // 2
            lines = [
                emit.interleave(builder, lines[i // 2], lines[i // 2 + half], i % 2 > 0)
                for i in range(quad)
            ]
            width *= 2
        for line in lines:
            for start in range(0, lanes, quad):
                order = ir.Constant(
                    ir.VectorType(_I32, quad), list(range(start, start + quad))
                )
                part = builder.shuffle_vector(line, line, order)
                emit.store(builder, part, target, 0)
                target = builder.add(target, target_step)

    def transpose(
        typing_context: Any,
        source: Any,
        source_step: Any,
        target: Any,
        target_step: Any,
        count: Any,
    ) -> Any:
        return types.int64(*[types.int64] * 5), generate

    return make_intrinsic(transpose)


def make_stack(count: int) -> Any:
    """Make the intrinsic that reserves `count` bytes of stack, on a cache line."""

    def reserve_stack(typing_context: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            # Not by numba's helper, which also stores zeros to every byte.
            with builder.goto_entry_block():
                space = builder.alloca(ir.ArrayType(ir.IntType(8), count))
            space.align = 64
            return builder.ptrtoint(space, _I64)

        return types.int64(), generate

    return make_intrinsic(reserve_stack)
