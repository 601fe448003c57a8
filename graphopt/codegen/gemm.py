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

Products with one row or one column are `gemv`'s; `gemm_layout` says which kernel it is.
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
the smaller products (132 to 168 at 32, 64, 64).

Compilation takes 0.2 s for `pack`, 0.35 s for `multiply` and 0.25 s for
`multiply_vector`, once for each dtype, and no time where the object code comes from the
cache.
"""

from __future__ import annotations

import functools
import platform
from dataclasses import dataclass
from typing import Any, Final, Literal

import llvmlite.binding as llvm
import numpy as np
from llvmlite import ir

from graphopt.codegen.gemm_tile import (
    DEPTH_BLOCK,
    Emitter,
    TileShape,
    make_copy,
    make_stack,
    make_tiles,
    make_transpose,
)
from graphopt.codegen.gemv import PANEL_VECTORS, compile_matrix_vector
from graphopt.codegen.native import (
    NativeKernel,
    call_kernel,
    compile_kernel,
    pointer_float32,
    pointer_float64,
    pointer_int64,
)

__all__ = [
    "DEPTH_BLOCK",
    "GemmLayout",
    "compile_gemm",
    "gemm_layout",
    "get_vector_bits",
    "multiply_arguments",
    "pack_arguments",
]

_STACK_BYTES: Final = 1 << 16

Strides = tuple[int, int]
Kernel = Literal["pack", "multiply", "multiply_vector"]


@dataclass(frozen=True)
class GemmLayout:
    """How one product is cut: what a plan has to know before anything runs.

    Attributes:
        m: Rows of C.
        n: Columns of C.
        k: Depth of the product.
        a_strides: Row and column stride of A, in elements.
        b_strides: Row and column stride of B, in elements.
        c_stride: Elements from one row of C to the next.
        form: What the outer range of the main kernel counts. "rows": panels of rows
            of C, with B packed beforehand. "columns": panels of columns of C, with A
            packed beforehand. "matrix_vector" (n = 1) and "vector_matrix" (m = 1):
            panels of results.
        kernel: Which kernel computes: "multiply" or "multiply_vector".
        pack_panels: End of the outer range of the `pack` kernel, which begins at 0; 0
            if nothing is to be packed.
        multiply_panels: End of the main kernel's outer range, which begins at 0.
        group: Panels that share one visit of the packed operand; the best chunks of
            the main kernel are multiples of it. Results do not depend on the cuts.
        scratch_bytes: Size of the scratch buffer, best on a 64-byte boundary.
        shape: The register tile.
    """

    m: int
    n: int
    k: int
    a_strides: Strides
    b_strides: Strides
    c_stride: int
    form: Literal["rows", "columns", "matrix_vector", "vector_matrix"]
    kernel: Kernel
    pack_panels: int
    multiply_panels: int
    group: int
    scratch_bytes: int
    shape: TileShape


@functools.cache
def _host_features() -> frozenset[str]:
    features = llvm.get_host_cpu_features()
    return frozenset(name for name, present in features.items() if present)


def get_vector_bits() -> int:
    """Find the widest vector the host computes floats with.

    Returns:
        512, 256 or 128 bits.
    """
    features = _host_features()
    if "avx512f" in features:
        return 512
    return 256 if "avx2" in features else 128


def _find_shape(dtype: np.dtype[Any], vector_bits: int | None) -> TileShape:
    bits = get_vector_bits() if vector_bits is None else vector_bits
    if dtype not in (np.float32, np.float64) or bits not in (128, 256, 512):
        raise ValueError(f"no product of {dtype} with vectors of {bits} bits")
    is_arm = platform.machine().lower() in ("aarch64", "arm64")
    # 24 accumulators of 32 registers, 12 of 16: the rest hold a row of B and one
    # broadcast element of A.
    rows, vectors = (12, 2) if bits == 512 or is_arm else (4, 3)
    fused = is_arm or "fma" in _host_features()
    return TileShape(bits // 8 // dtype.itemsize, rows, vectors, fused)


def gemm_layout(
    dtype: Any,
    m: int,
    n: int,
    k: int,
    a_strides: Strides,
    b_strides: Strides,
    c_stride: int,
    *,
    vector_bits: int | None = None,
) -> GemmLayout:
    """Decide how C[m, n] = A[m, k] @ B[k, n] is computed.

    Args:
        dtype: float32 or float64.
        m: Rows of C, >= 0.
        n: Columns of C, >= 0.
        k: Depth, >= 0; with 0 the product is all zeros.
        a_strides: Row and column stride of A, in elements.
        b_strides: Row and column stride of B, in elements.
        c_stride: Elements from one row of C, which is row-major, to the next.
        vector_bits: Width of the vectors; None for the host's widest.

    Returns:
        The layout.

    Raises:
        ValueError: If a size is negative or the dtype has no kernel.
    """
    if min(m, n, k) < 0:
        raise ValueError(f"no product of sizes m={m}, n={n}, k={k}")
    dtype = np.dtype(dtype)
    shape = _find_shape(dtype, vector_bits)
    make = functools.partial(
        GemmLayout, m, n, k, a_strides, b_strides, c_stride, shape=shape
    )
    if (n == 1 and 1 in a_strides) or (m == 1 and 1 in b_strides):
        by_matrix = n == 1 and 1 in a_strides
        x_stride = b_strides[0] if by_matrix else a_strides[1]
        must_pack = x_stride != 1 and k > 1
        return make(
            form="matrix_vector" if by_matrix else "vector_matrix",
            kernel="multiply_vector",
            pack_panels=int(must_pack),
            multiply_panels=-(
                -(m if by_matrix else n) // (PANEL_VECTORS * shape.lanes)
            ),
            group=1,
            scratch_bytes=k * dtype.itemsize if must_pack else 0,
        )
    # The smaller operand is packed beforehand, for its copy is written to memory;
    # the other is packed by `multiply` on its way through the cache.
    by_columns = m < n
    rows, columns = (
        (-(-m // shape.rows), shape.rows),
        (-(-n // shape.columns), shape.columns),
    )
    (pack_panels, width), (panels, private) = (
        (rows, columns) if by_columns else (columns, rows)
    )
    return make(
        form="columns" if by_columns else "rows",
        kernel="multiply",
        pack_panels=pack_panels,
        multiply_panels=panels,
        group=_group_size(private, dtype.itemsize),
        scratch_bytes=pack_panels * width * k * dtype.itemsize,
    )


def _group_size(width: int, item_bytes: int) -> int:
    return max(1, _STACK_BYTES // (width * DEPTH_BLOCK * item_bytes))


def pack_arguments(layout: GemmLayout, a: int, b: int, scratch: int) -> tuple[int, ...]:
    """Write the arguments of the `pack` kernel.

    They are, in order: address of the operand, address of the scratch buffer, extent
    along the panels (rows of A or columns of B), depth, the operand's stride along
    the extent and along the depth in elements, width of a panel in elements.

    Args:
        layout: From `gemm_layout`.
        a: Address of A.
        b: Address of B.
        scratch: Address of the scratch buffer, `layout.scratch_bytes` long.

    Returns:
        Seven words.
    """
    (row, column), (b_row, b_column), k = layout.a_strides, layout.b_strides, layout.k
    if layout.form == "columns":
        return (a, scratch, layout.m, k, row, column, layout.shape.rows)
    if layout.form == "rows":
        return (b, scratch, layout.n, k, b_column, b_row, layout.shape.columns)
    if layout.form == "matrix_vector":
        return (b, scratch, 1, k, b_column, b_row, 1)
    return (a, scratch, 1, k, row, column, 1)


def multiply_arguments(
    layout: GemmLayout, a: int, b: int, c: int, scratch: int, pack: int
) -> tuple[int, ...]:
    """Write the arguments of the main kernel, `layout.kernel`.

    Those of `multiply` are, in order: 1 if A was packed, 0 if B; address of the other
    operand, address of the packed one, address of C, m, n, k, the other operand's
    stride along rows or columns of C and along the depth in elements, row stride of C
    in elements, address of the `pack` kernel. For those of `multiply_vector` see
    `gemv.compile_matrix_vector`.

    Args:
        layout: From `gemm_layout`.
        a: Address of A.
        b: Address of B.
        c: Address of C, row-major.
        scratch: Address of the scratch buffer that `pack` has filled.
        pack: Address of the `pack` kernel of the same dtype and vector width.

    Returns:
        Eleven words, eight for `multiply_vector`.
    """
    m, n, k = layout.m, layout.n, layout.k
    (row, column), (b_row, b_column) = layout.a_strides, layout.b_strides
    tail = (m, n, k)
    if layout.form == "columns":
        return (1, b, scratch, c, *tail, b_column, b_row, layout.c_stride, pack)
    if layout.form == "rows":
        return (0, a, scratch, c, *tail, row, column, layout.c_stride, pack)
    if layout.form == "matrix_vector":
        x = scratch if layout.pack_panels else b
        return (a, x, c, m, k, row, column, layout.c_stride)
    x = scratch if layout.pack_panels else a
    return (b, x, c, n, k, b_column, b_row, 1)


def _compile_pack(emit: Emitter) -> NativeKernel:
    lanes, item = emit.shape.lanes, emit.item_bytes
    quad = min(4, lanes)
    copy_vectors, copy_quads, copy_items = (
        make_copy(emit, size) for size in (lanes, quad, 1)
    )
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
        pointer(zero)[0] = 0
        for panel in range(lo, hi):
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
                        size = lanes
                    elif step == item and first + quad <= valid:
                        copy_quads(at, depth_step, to, to_step, count)
                        size = quad
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
                        size = quad
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

    return compile_kernel(pack, f"pack_float{8 * item}")


def _compile_multiply(emit: Emitter) -> NativeKernel:
    item, mr, nr = emit.item_bytes, emit.shape.rows, emit.shape.columns
    row_group, column_group = _group_size(mr, item), _group_size(nr, item)
    stack_bytes = max(row_group * mr, column_group * nr) * DEPTH_BLOCK * item
    reserve_panels, reserve_words = make_stack(stack_bytes), make_stack(64)
    compute_tiles = make_tiles(emit)

    def multiply(args: Any, lo: int, hi: int) -> None:
        by_columns, source, packed, c = args[0] != 0, args[1], args[2], args[3]
        m, n, k = args[4], args[5], args[6]
        stride, depth_stride, c_stride, pack = args[7], args[8], args[9], args[10]
        private, words_at = reserve_panels(), reserve_words()
        words = pointer_int64(words_at)
        # What it packs is a part of the other operand, for the same pack kernel.
        width, extent, group = mr, m, row_group
        if by_columns:
            (
                width,
                extent,
                group,
            ) = nr, n, column_group
        words[1], words[4], words[5], words[6] = private, stride, depth_stride, width
        # Not `range`, which raises for a step of 0.
        start = lo
        while start < hi:
            stop = min(start + group, hi)
            j_start, j_stop, i_start, i_stop = 0, (n + nr - 1) // nr, start, stop
            if by_columns:
                j_start, j_stop, i_start, i_stop = start, stop, 0, (m + mr - 1) // mr
            begin = 0
            while True:
                depth = min(DEPTH_BLOCK, k - begin)
                at = start * width * stride + begin * depth_stride
                words[0] = source + at * item
                words[2] = extent - start * width
                words[3] = depth
                call_kernel(pack, words_at, 0, stop - start)
                for j in range(j_start, j_stop):
                    for i in range(i_start, i_stop):
                        if by_columns:
                            a = packed + (i * k + begin) * mr * item
                            b = private + (j - start) * depth * nr * item
                        else:
                            a = private + (i - start) * depth * mr * item
                            b = packed + (j * k + begin) * nr * item
                        at = c + (i * mr * c_stride + j * nr) * item
                        compute_tiles(
                            a, b, at, c_stride, depth, begin, m - i * mr, n - j * nr
                        )
                begin += depth
                if begin >= k:
                    break
            start = stop

    return compile_kernel(multiply, f"multiply_float{8 * item}")


@functools.cache
def compile_gemm(
    dtype: Any, kernel: Kernel, *, vector_bits: int | None = None
) -> NativeKernel:
    """Compile one kernel of a dtype, once for each process.

    Args:
        dtype: float32 or float64.
        kernel: "pack", "multiply" or "multiply_vector".
        vector_bits: Width of the vectors, 128, 256 or 512; None for the host's
            widest.

    Returns:
        The kernel.

    Raises:
        ValueError: If the dtype has no kernel.
    """
    dtype = np.dtype(dtype)
    shape = _find_shape(dtype, vector_bits)
    scalar = ir.FloatType() if dtype == np.float32 else ir.DoubleType()
    emit = Emitter(scalar, dtype.itemsize, shape)
    if kernel == "multiply_vector":
        return compile_matrix_vector(emit)
    return _compile_pack(emit) if kernel == "pack" else _compile_multiply(emit)
