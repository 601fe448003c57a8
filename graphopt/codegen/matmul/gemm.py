"""Matrix products: packed panels, a tile of sums in registers, one order of adding.

A compiler needs products for every float dtype and every transposition, cut into as
many pieces as there are threads, with the same bits however they are cut. A BLAS has
its own threads, is slow on small products and may be absent. So this is a product of
our own, as two kernels with the common signature, for C[m, n] = A[m, k] @ B[k, n]; C is
row-major, A and B have any strides, so the four transpositions are one kernel.

`pack` copies the smaller operand into panels, as wide as a register tile and padded
with zeros, in which the tile's inner loop walks straight on. `multiply` packs the other
operand itself, a few panels and `DEPTH_BLOCK` of the depth at a time, on its stack,
where they stay in the cache until used; so any number of threads may run it. Its outer
range counts panels of rows of C, or of columns where C is wider than high. A tile is
12 x 2 vectors with 32 registers and 4 x 3 with 16. Every element of C is a sum of
blocks of `DEPTH_BLOCK` products, each added up in order, whatever tile it falls into.

While a block is multiplied by large tiles, the lines of the next one are brought near, one
at each step of the depth, so that memory and arithmetic work at the same time: 195 GFLOP/s
for 162 at 64, 4096, 4096.

Where only a loop over elements needs the product, an activation or an optimizer's update,
`multiply` keeps a few rows of C on its stack and calls the loop's kernel on them; the
whole product is never stored. It can also add to what C holds.

Products with one row or one column are `gemv`'s. Those with few columns, such as the ten
classes of a last layer, are `gemm_narrow`'s, which packs B only and reads A where it lies:
the same bits in 6.1 us for 9.0 at 128, 256, 10 and in half the time at 20000, 784, 10.
Those whose operands fit into the nearest cache are `gemm_small`'s, which packs nothing.
`gemm_layout` says which kernel it is.
A plan asks for a layout, a scratch buffer and the arguments, then runs `pack` over
[0, pack_panels) if that is not empty, then the kernel over [0, multiply_panels).

GFLOP/s on one core of a shared AVX-512 machine, ours / OpenBLAS (NumPy's, one thread),
interleaved, packing and the call from Python included; dW = Xᵀ·dY, dX = dY·Wᵀ:

    m, k, n           float32: X·W     dW          dX          float64: X·W   dW
    32, 64, 64        162 / 75    167 / 75    151 / 69         70 / 36    75 / 35
    32, 64, 32        138 / 57    141 / 57    143 / 54         63 / 28    62 / 28
    128, 784, 512     197 / 114   228 / 115   211 / 114        82 / 49    97 / 53
    64, 4096, 4096    129 / 100   216 / 99    143 / 97         58 / 43    96 / 53
    4096, 64, 4096    217 / 100   129 / 98    140 / 82         86 / 50    56 / 42
    1000, 1000, 1000  212 / 113   205 / 112   211 / 113        95 / 53    93 / 51
    10000, 1000, 1    25 / 18     17 / 21     10 / 1.9         7.9 / 6.1  6.2 / 4.8

OpenBLAS picks its AVX2 kernels on that processor; told to use those for AVX-512, it is
even with ours at 1000, 1000, 1000 (225 to 217, 213 to 205, 213 to 214) and slower on
the smaller products (132 to 168 at 32, 64, 64). On a machine with AVX2 alone (Zen 3, 102
GFLOP/s at most) ours does 94 at 1000, 1000, 1000, OpenBLAS 95; 86 and 91 at 128, 784, 512.

Compilation takes 0.17 s for `pack`, 0.3 s for `multiply` and 0.2 s for
`multiply_vector`, once for each dtype, and no time where the object code comes from the
cache.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir

from graphopt.codegen.compile.draft import Draft
from graphopt.codegen.compile.native import (
    NativeKernel,
    call_kernel,
    draft_kernel,
    finish_kernel,
    pointer_float32,
    pointer_float64,
    pointer_int64,
)
from graphopt.codegen.machine import Machine, get_machine
from graphopt.codegen.matmul.gemv import (
    draft_add_blocks,
    draft_matrix_vector,
    draft_multiply_both,
)
from graphopt.codegen.matmul.layout import (
    DEPTH_BLOCK,
    MOST_WORDS,
    NARROW_VECTORS,
    RESULT_BYTES,
    GemmLayout,
    Kernel,
    find_shape,
    gemm_layout,
    group_size,
    multiply_arguments,
    pack_arguments,
)
from graphopt.codegen.matmul.narrow import draft_narrow
from graphopt.codegen.matmul.small import draft_small
from graphopt.codegen.matmul.tile import (
    Emitter,
    make_copy,
    make_copy_panels,
    make_stack,
    make_tiles,
    make_transpose,
)

__all__ = [
    "DEPTH_BLOCK",
    "GemmLayout",
    "compile_gemm",
    "draft_gemm",
    "gemm_layout",
    "multiply_arguments",
    "pack_arguments",
]


def _draft_pack(emit: Emitter) -> Draft:
    lanes, item = emit.shape.lanes, emit.item_bytes
    quad = min(4, lanes)
    copy_vectors, copy_quads, copy_items = (
        make_copy(emit, size) for size in (lanes, quad, 1)
    )
    columns = emit.shape.columns
    copy_panels = make_copy_panels(emit, columns)
    transpose = make_transpose(emit, quad)
    reserve_zero = make_stack(64)
    pointer = pointer_float32 if item == 4 else pointer_float64

    def pack(args: Any, lo: int, hi: int) -> None:
        source, target, extent, depth, width = (
            args[0],
            args[1],
            args[2],
            args[3],
            args[6],
        )
        step, depth_step = args[4] * item, args[5] * item
        to_step = width * item
        zero = reserve_zero()
        for i in range(lanes):
            pointer(zero)[i] = 0
        # Here and below, constants that are one value of several of a name are sums: alone
        # numba would take them for its type (`target`).
        whole = lo
        if step == item and width == columns:
            whole = max(lo, min(hi, extent // width))
            at = source + lo * width * item
            to = target + lo * to_step * depth
            copy_panels(at, depth_step, to, to_step * depth, depth, whole - lo)
        for panel in range(whole, hi):
            # Blocks of depth, so that lines read in part are still in the cache when
            # the rest of them is wanted.
            for begin in range(0, depth, 64):
                count = min(64, depth - begin)
                first = panel * width
                valid = min(extent, first + width)
                to = target + (first * depth + begin * width) * item
                last = to + to_step
                while to < last:
                    at = source + first * step + begin * depth_step
                    if step == item and first + lanes <= valid:
                        copy_vectors(at, depth_step, to, to_step, count)
                        size = lanes + 0
                    elif step == item and first + quad <= valid:
                        copy_quads(at, depth_step, to, to_step, count)
                        size = quad + 0
                    elif depth_step == item and first + quad <= valid:
                        done = transpose(at, step, to, to_step, count)
                        for t in range(quad):
                            copy_items(
                                at + t * step + done * item,
                                item,
                                to + t * item + done * to_step,
                                to_step,
                                count - done,
                            )
                        size = quad + 0
                    elif first >= valid and to + lanes * item <= last:
                        copy_vectors(zero, 0, to, to_step, count)
                        size = lanes + 0
                    else:
                        inside = first < valid
                        copy_items(
                            at if inside else zero,
                            depth_step if inside else 0,
                            to,
                            to_step,
                            count,
                        )
                        size = 1
                    first += size
                    to += size * item

    return draft_kernel(pack, f"pack_float{8 * item}", is_vector_code=True)


def _power_of_two(total: int, part: int) -> int:
    """Count the parts of a total, rounded up to a power of two."""
    return 1 << (-(-total // part) - 1).bit_length()


def _draft_multiply(emit: Emitter) -> Draft:
    item, mr, nr = emit.item_bytes, emit.shape.rows, emit.shape.columns
    row_group, column_group = group_size(mr, item), group_size(nr, item)
    stack_bytes = max(row_group * mr, column_group * nr) * DEPTH_BLOCK * item
    reserve_panels, reserve_words = make_stack(stack_bytes), make_stack(64)
    reserve_result = make_stack(RESULT_BYTES)
    reserve_following = make_stack(8 * MOST_WORDS)
    compute_tiles = make_tiles(emit)
    run_shift = (DEPTH_BLOCK * item // 64).bit_length() - 1
    depth_parts = _power_of_two(nr, DEPTH_BLOCK >> run_shift)
    across_parts = _power_of_two(nr * item, 64)

    def multiply(args: Any, lo: int, hi: int) -> None:
        by_columns, source, packed, result = args[0] != 0, args[1], args[2], args[3]
        m, n, k = args[4], args[5], args[6]
        stride, depth_stride, c_stride, pack = args[7], args[8], args[9], args[10]
        adds, follow, unit, place = args[11], args[12], args[13], args[14]
        private, words_at = reserve_panels(), reserve_words()
        words = pointer_int64(words_at)
        own_result, following_at = reserve_result(), reserve_following()
        following = pointer_int64(following_at)
        # What it packs is a part of the other operand, for the same pack kernel.
        width, extent, group = mr + 0, m, row_group + 0
        if by_columns:
            width, extent, group = nr + 0, n, column_group + 0
        if follow != 0:
            group = max(1, min(group, RESULT_BYTES // (mr * n * item)))
            for i in range(args[15]):
                following[i] = args[16 + i]
        words[1], words[4], words[5], words[6] = private, stride, depth_stride, width
        # The lines of what is packed next, which the tiles of one panel share: runs of
        # neighbors along the depth, or single ones across it.
        line_step, shift, part, parts = 0, 0, 0, 1
        if depth_stride == 1:
            line_step, shift = stride * item, run_shift + 0
            part, parts = (DEPTH_BLOCK >> run_shift) * line_step, depth_parts + 0
        elif stride == 1:
            line_step, part, parts = depth_stride * item, 64, across_parts + 0
        # Not `range`, which raises for a step of 0.
        start = lo
        while start < hi:
            stop = min(start + group, hi)
            j_start, j_stop, i_start, i_stop = 0, (n + nr - 1) // nr, start, stop
            if by_columns:
                j_start, j_stop, i_start, i_stop = start, stop, 0, (m + mr - 1) // mr
            c = result
            if follow != 0:
                # Its own rows, under the indices of the whole.
                c = own_result - start * mr * c_stride * item
            begin = 0
            while True:
                depth = min(DEPTH_BLOCK, k - begin)
                at = start * width * stride + begin * depth_stride
                words[0] = source + at * item
                words[2] = extent - start * width
                words[3] = depth
                call_kernel(pack, words_at, 0, stop - start)
                # Where nothing comes next, lines that are near already.
                next_block, panel_step, ahead_step, ahead_part = private, 0, 0, 0
                if begin + depth < k or stop < hi:
                    at = stop * width * stride
                    if begin + depth < k:
                        at = start * width * stride + (begin + depth) * depth_stride
                    next_block, panel_step = source + at * item, width * stride * item
                    ahead_step, ahead_part = line_step, part
                for j in range(j_start, j_stop):
                    for i in range(i_start, i_stop):
                        if by_columns:
                            a = packed + (i * k + begin) * mr * item
                            b = private + (j - start) * depth * nr * item
                            panel, turn = j - start, i
                        else:
                            a = private + (i - start) * depth * mr * item
                            b = packed + (j * k + begin) * nr * item
                            panel, turn = i - start, j
                        ahead = next_block + panel * panel_step
                        ahead += (turn & (parts - 1)) * ahead_part
                        at = c + (i * mr * c_stride + j * nr) * item
                        first = begin + adds
                        compute_tiles(
                            a,
                            b,
                            at,
                            c_stride,
                            depth,
                            first,
                            m - i * mr,
                            n - j * nr,
                            ahead,
                            ahead_step,
                            shift,
                        )
                begin += depth
                if begin >= k:
                    break
            if follow != 0:
                following[place] = c
                end = min(stop * mr, m)
                call_kernel(follow, following_at, start * mr * unit, end * unit)
            start = stop

    return draft_kernel(multiply, f"multiply_float{8 * item}", is_vector_code=True)


def draft_gemm(dtype: Any, kernel: Kernel, *, vector_bits: int | None = None) -> Draft:
    """Draft one kernel of a dtype.

    Args:
        dtype: float32 or float64.
        kernel: One of `Kernel`.
        vector_bits: Width of the vectors, 128, 256 or 512; None for the machine's.

    Returns:
        The draft, for `native.finish_kernel`.

    Raises:
        ValueError: If the dtype has no kernel.
    """
    dtype = np.dtype(dtype)
    shape = find_shape(dtype, vector_bits)
    scalar = ir.FloatType() if dtype == np.float32 else ir.DoubleType()
    emit = Emitter(scalar, dtype.itemsize, shape)
    makers: dict[str, Callable[[Emitter], Draft]] = {
        "pack": _draft_pack,
        "multiply": _draft_multiply,
        "multiply_narrow1": lambda emit: draft_narrow(emit, 1),
        "multiply_narrow": lambda emit: draft_narrow(emit, NARROW_VECTORS),
        "multiply_small": draft_small,
        "multiply_vector": draft_matrix_vector,
        "multiply_both": draft_multiply_both,
        "add_blocks": draft_add_blocks,
    }
    return makers[kernel](emit)


def compile_gemm(
    dtype: Any, kernel: Kernel, *, vector_bits: int | None = None
) -> NativeKernel:
    """Compile one kernel of a dtype, once for each process.

    Args:
        dtype: float32 or float64.
        kernel: One of `Kernel`.
        vector_bits: Width of the vectors, as for `draft_gemm`.

    Returns:
        The kernel.

    Raises:
        ValueError: If the dtype has no kernel.
    """
    return _compile(dtype, kernel, vector_bits, get_machine())


@functools.cache
def _compile(
    dtype: Any, kernel: Kernel, vector_bits: int | None, machine: Machine
) -> NativeKernel:
    return finish_kernel(draft_gemm(dtype, kernel, vector_bits=vector_bits))
