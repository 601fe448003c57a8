"""The tile of `direct_convolution` in registers.

As the tile of `gemm_tile` it keeps sums in registers, but its operands lie where they are:
rows and depth have steps of their own, and the depth is a loop in a loop, over the pixels
of a row and over rows. How large a tile is stands in the text of a kernel, so that a
convolution compiles the one or two that it needs.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir

from graphopt.codegen.compile.native import (
    cgutils,
    literal_intrinsic,
    make_intrinsic,
    types,
)
from graphopt.codegen.convolution.channels import Lanes, Load, Store
from graphopt.codegen.matmul.tile import (
    add_products,
    make_cells,
    make_stack,
    store_tile,
)
from graphopt.codegen.reductions.block_sizes import IMAGE_BYTES

__all__ = ["make_tile_functions"]

_I64 = ir.IntType(64)


def _make_add_tile(dtype: np.dtype[Any]) -> Any:
    """Makes the intrinsic that computes a tile of sums of products.

    Its first three arguments are literal: the rows of the tile, the vectors in a row, and
    whether the vectors of the second operand have to be masked as the result's are. Then,
    in bytes: the first operand, its steps along the rows, the depth and the outer depth;
    the second operand, its steps along both depths. Then the result, the elements of its
    rows, both depths, whether it is added to, and how many columns exist.
    """
    emit = Lanes(dtype)
    lanes = emit.shape.lanes

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        rows, vectors, masked = (kind.literal_value for kind in signature.args[:3])
        a, a_row, a_step, a_outer, b, b_step, b_outer = values[3:10]
        c, c_step, depth, outer, adds, columns = values[10:]
        tile = make_cells(emit, builder, rows * vectors)
        masks = [
            emit.mask(builder, builder.sub(columns, _I64(lanes * v)))
            for v in range(vectors)
        ]

        def load(at: Any, v: int) -> Any:
            if not masked:
                return emit.load(builder, at, lanes * v, emit.vector)
            place = emit.at(builder, at, lanes * v, emit.vector)
            return emit.masked_load(builder, place, masks[v])

        with cgutils.for_range(builder, outer) as far:
            a_far = builder.add(a, builder.mul(far.index, a_outer))
            b_far = builder.add(b, builder.mul(far.index, b_outer))
            with cgutils.for_range(builder, depth) as near:
                a_at = builder.add(a_far, builder.mul(near.index, a_step))
                b_at = builder.add(b_far, builder.mul(near.index, b_step))
                row = [load(b_at, v) for v in range(vectors)]
                for r in range(rows):
                    at = builder.add(a_at, builder.mul(a_row, _I64(r)))
                    x = emit.load(builder, at, 0, emit.scalar)
                    add_products(emit, builder, x, row, tile[r * vectors :])
        limits = (_I64(rows), columns)
        store_tile(emit, builder, tile, (rows, vectors), (c, c_step), adds, limits)
        return context.get_dummy_value()

    def add_tile(
        typing_context: Any,
        rows: Any,
        vectors: Any,
        masked: Any,
        a: Any,
        a_row: Any,
        a_step: Any,
        a_outer: Any,
        b: Any,
        b_step: Any,
        b_outer: Any,
        c: Any,
        c_step: Any,
        depth: Any,
        outer: Any,
        adds: Any,
        columns: Any,
    ) -> Any:
        sizes = (rows, vectors, masked)
        if not all(isinstance(kind, types.IntegerLiteral) for kind in sizes):
            return None
        return types.void(*sizes, *[types.int64] * 13), generate

    return literal_intrinsic(add_tile)


def _make_copy_rows(dtype: np.dtype[Any]) -> Any:
    """Makes the intrinsic that copies rows of an image, with zeros around it.

    It takes the address of the image, the first row, which may lie before it, how many,
    the image's rows, the length of one, the zeros before it, and the address and the
    length of the rows that are written.
    """
    emit = Lanes(dtype)

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        image, first, count, h, w, left, target, line = values

        def smaller(x: Any, y: Any) -> Any:
            return builder.select(builder.icmp_signed("<", x, y), x, y)

        begin = smaller(left, line)
        inside = builder.sub(smaller(builder.add(left, w), line), begin)
        with cgutils.for_range(builder, count) as row:
            to = emit.place(builder, target, builder.mul(row.index, line))

            def clear(emit: Lanes, at: Any, load: Load, store: Store) -> None:
                store(ir.Constant(emit.vector, None), emit.place(builder, to, at))

            emit.for_vectors(builder, line, clear, grouped=False)
            number = builder.add(first, row.index)
            # As a number without a sign it is too large before the image, too.
            with builder.if_then(builder.icmp_unsigned("<", number, h)):
                source = emit.place(builder, image, builder.mul(number, w))
                moved = emit.place(builder, to, begin)

                def copy(emit: Lanes, at: Any, load: Load, store: Store) -> None:
                    value = load(emit.place(builder, source, at))
                    store(value, emit.place(builder, moved, at))

                emit.for_vectors(builder, inside, copy, grouped=False)
        return context.get_dummy_value()

    def copy_rows(
        typing_context: Any,
        image: Any,
        first: Any,
        count: Any,
        h: Any,
        w: Any,
        left: Any,
        target: Any,
        line: Any,
    ) -> Any:
        return types.void(*[types.int64] * 8), generate

    return make_intrinsic(copy_rows)


def make_tile_functions() -> dict[str, Any]:
    """Returns the functions of this file, by the names that kernels call."""
    made = {"image_buffer": make_stack(IMAGE_BYTES)}
    for dtype in (np.dtype(np.float32), np.dtype(np.float64)):
        made[f"add_tile_{dtype.name}"] = _make_add_tile(dtype)
        made[f"copy_rows_{dtype.name}"] = _make_copy_rows(dtype)
    return made
