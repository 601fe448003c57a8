"""Products with few columns: rows of the first operand are read where they lie.

The last layer of a classifier has ten columns. There is one panel of them, so that what
`multiply` packs of the first operand is used once, and packing takes longer than the
arithmetic. Here the elements are taken from a few rows at a time as they are, in the
order of `multiply`, so the sums have the same bits.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir

from graphopt.codegen.draft import Draft
from graphopt.codegen.gemm_layout import DEPTH_BLOCK, narrow_rows
from graphopt.codegen.gemm_tile import Emitter, add_products, make_cells, store_tile
from graphopt.codegen.native import (
    cgutils,
    draft_kernel,
    make_intrinsic,
    types,
)

__all__ = ["draft_narrow"]

_I64 = ir.IntType(64)


def _make_tile(emit: Emitter, rows: int, vectors: int) -> Any:
    """Make the intrinsic that computes some rows of the product, a block of depth.

    Its arguments are the address of the first operand and the bytes from row to row, the
    packed second operand, the result, the elements of its rows, the depth, whether the
    sums are added to the result, and its columns.
    """
    lanes, item = emit.shape.lanes, emit.item_bytes

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        a, a_row, b, c, c_step, depth, adds, columns = values
        tile = make_cells(emit, builder, rows * vectors)
        starts = [builder.add(a, builder.mul(a_row, _I64(r))) for r in range(rows)]
        with cgutils.for_range(builder, depth) as loop:
            at = builder.mul(loop.index, _I64(item))
            b_at = builder.mul(loop.index, _I64(vectors * lanes * item))
            b_at = builder.add(b, b_at)
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
        b: Any,
        c: Any,
        c_step: Any,
        depth: Any,
        adds: Any,
        columns: Any,
    ) -> Any:
        return types.void(*[types.int64] * 8), generate

    return make_intrinsic(compute_tile)


def draft_narrow(emit: Emitter, vectors: int) -> Draft:
    """Draft C[m, n] = A[m, k] @ B[k, n] for n of at most some vectors.

    The arguments are, in order: address of A, whose columns are neighbors, of B in one
    panel, of C; m, n, k; the row stride of A and of C in elements. The outer range counts
    panels of `narrow_rows` rows.

    Args:
        emit: Writer of vector code for the scalar type.
        vectors: Vectors in a row of the tile and of the panel.

    Returns:
        Its draft.
    """
    item, high = emit.item_bytes, narrow_rows(emit.shape)
    b_step = vectors * emit.shape.lanes * item
    many, one = _make_tile(emit, high, vectors), _make_tile(emit, 1, vectors)

    def multiply_narrow(args: Any, lo: int, hi: int) -> None:
        a, b, c, m, n, k = args[0], args[1], args[2], args[3], args[4], args[5]
        a_row, c_stride = args[6] * item, args[7]
        last = min(m, hi * high)
        row = lo * high
        while row < last:
            at, to = a + row * a_row, c + row * c_stride * item
            whole = row + high <= last
            begin = 0
            while True:
                depth = min(DEPTH_BLOCK, k - begin)
                x, y = at + begin * item, b + begin * b_step
                if whole:
                    many(x, a_row, y, to, c_stride, depth, begin, n)
                else:
                    one(x, a_row, y, to, c_stride, depth, begin, n)
                begin += depth
                if begin >= k:
                    break
            row += high if whole else 1

    return draft_kernel(
        multiply_narrow,
        f"multiply_narrow{vectors}_float{8 * item}",
        is_vector_code=True,
    )
