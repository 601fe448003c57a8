"""Products with few columns: rows of the first operand are read where they lie.

The last layer of a classifier has ten columns. There is one panel of them, so that what
`multiply` packs of the first operand is used once, and packing takes longer than the
arithmetic. Here the elements are taken from a few rows at a time as they are, in the
order of `multiply`, so the sums have the same bits.
"""

from __future__ import annotations

from typing import Any

from graphopt.codegen.compile.draft import Draft
from graphopt.codegen.compile.native import draft_kernel
from graphopt.codegen.matmul.layout import DEPTH_BLOCK, narrow_rows
from graphopt.codegen.matmul.tile import Emitter, make_row_tile

__all__ = ["draft_narrow"]


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
    many, one = (make_row_tile(emit, rows, vectors) for rows in (high, 1))

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
                    many(x, a_row, item, y, b_step, to, c_stride, depth, begin, n)
                else:
                    one(x, a_row, item, y, b_step, to, c_stride, depth, begin, n)
                begin += depth
                if begin >= k:
                    break
            row += high if whole else 1

    return draft_kernel(
        multiply_narrow,
        f"multiply_narrow{vectors}_float{8 * item}",
        is_vector_code=True,
    )
