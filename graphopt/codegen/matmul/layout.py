"""How a matrix product is cut, decided before anything is compiled.

The kernels themselves are `gemm`'s. What a plan has to know of them, the tile, the
panels, the scratch buffer and the order of the arguments, is here, because a program
whose kernels all come from the cache plans products without importing numba.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np

from graphopt.codegen.machine import CACHE, NEAR_CACHE, WIDTHS, get_machine

__all__ = [
    "DEPTH_BLOCK",
    "MOST_WORDS",
    "PANEL_VECTORS",
    "RESULT_BYTES",
    "STRIP_BYTES",
    "GemmLayout",
    "Kernel",
    "TileShape",
    "find_shape",
    "gemm_layout",
    "group_size",
    "multiply_arguments",
    "narrow_rows",
    "pack_arguments",
]

DEPTH_BLOCK: Final = 256
"""Products summed in registers before the sum is added to the result."""
PANEL_VECTORS: Final = 8
"""Vectors of results in a panel, the unit of the kernel's outer range."""

RESULT_BYTES: Final = CACHE // 2
"""Room for rows of a product that a loop uses up at once; it stays in the cache."""
STRIP_BYTES: Final = CACHE // 4
"""Rows of a matrix that are read a second time while they are in the cache."""
MOST_WORDS: Final = 128
"""The most arguments of the kernel of that loop."""

NARROW_DEPTH: Final = 64
"""Products of few columns and less depth are small, and need no kernel of their own."""

NARROW_VECTORS: Final = 2
"""Vectors in a row of a tile that reads the first operand where it lies, at most."""

SMALL_BYTES: Final = NEAR_CACHE
"""What an operand of a small product may take, so that both stay in the nearest cache."""
SMALL_COPY: Final = 1 << 10
"""Elements of the second operand of a small product that may be copied."""

_STACK_BYTES: Final = CACHE // 4

Strides = tuple[int, int]
Kernel = Literal[
    "pack",
    "multiply",
    "multiply_narrow1",
    "multiply_narrow",
    "multiply_small",
    "multiply_vector",
    "multiply_both",
    "add_blocks",
]


@dataclass(frozen=True)
class TileShape:
    """The register tile of one dtype on one width of vectors.

    Attributes:
        lanes: Elements in a vector.
        rows: Rows of C in a tile.
        vectors: Vectors in a row of a tile.
        fused: Whether the machine multiplies and adds with one rounding.
    """

    lanes: int
    rows: int
    vectors: int
    fused: bool

    @property
    def columns(self) -> int:
        """Columns of C in a tile."""
        return self.lanes * self.vectors

    @property
    def prefetches(self) -> bool:
        """Whether a step of the depth takes long enough to hide a prefetch.

        With 24 products of 512 bits it does. With 12 of 256 bits it is a third of the
        instructions that are not products: 85 GFLOP/s for 94 at 1000, 1000, 1000 (Zen 3).
        """
        return self.rows * self.vectors > 16


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
        kernel: Which kernel computes: "multiply", "multiply_vector", "multiply_small", or
            for few columns "multiply_narrow" and, for those of one vector,
            "multiply_narrow1".
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


def find_shape(dtype: np.dtype[Any], vector_bits: int | None) -> TileShape:
    """Choose the register tile.

    Args:
        dtype: float32 or float64.
        vector_bits: Width of the vectors; None for the machine's.

    Returns:
        The tile.

    Raises:
        ValueError: If there is no kernel for them.
    """
    machine = get_machine()
    bits = machine.vector_bits if vector_bits is None else vector_bits
    if dtype not in (np.float32, np.float64) or bits not in WIDTHS:
        raise ValueError(f"no product of {dtype} with vectors of {bits} bits")
    # 24 accumulators of 32 registers, 12 of 16: the rest hold a row of B and one
    # broadcast element of A.
    has_many = bits == 512 or machine.family == "arm"
    rows, vectors = (12, 2) if has_many else (4, 3)
    return TileShape(bits // 8 // dtype.itemsize, rows, vectors, machine.is_fused)


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
    by_rows: bool = False,
    adds: bool = False,
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
        vector_bits: Width of the vectors; None for the machine's.
        by_rows: Whether the form has to be "rows", for one whose rows are used at once.
        adds: Whether the kernel has to be "multiply", which can add to what is there.

    Returns:
        The layout.

    Raises:
        ValueError: If a size is negative or the dtype has no kernel.
    """
    if min(m, n, k) < 0:
        raise ValueError(f"no product of sizes m={m}, n={n}, k={k}")
    dtype = np.dtype(dtype)
    shape = find_shape(dtype, vector_bits)
    make = functools.partial(
        GemmLayout, m, n, k, a_strides, b_strides, c_stride, shape=shape
    )
    is_vector = (n == 1 and 1 in a_strides) or (m == 1 and 1 in b_strides)
    if is_vector and not (by_rows or adds):
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
    if (
        not (by_rows or adds)
        and a_strides[1] == 1
        and 1 < n <= NARROW_VECTORS * shape.lanes
        and k >= NARROW_DEPTH
    ):
        vectors = _narrow_vectors(shape, n)
        high = narrow_rows(shape)
        return make(
            form="rows",
            kernel="multiply_narrow1" if vectors == 1 else "multiply_narrow",
            pack_panels=1,
            multiply_panels=-(-m // high),
            group=max(1, _STACK_BYTES // (high * k * dtype.itemsize)),
            scratch_bytes=vectors * shape.lanes * k * dtype.itemsize,
        )
    if not (by_rows or adds) and is_small(shape, (m, n, k), b_strides, dtype.itemsize):
        high = narrow_rows(shape)
        return make(
            form="rows",
            kernel="multiply_small",
            pack_panels=0,
            multiply_panels=-(-m // high),
            group=1,
            scratch_bytes=0,
        )
    # The smaller operand is packed beforehand, for its copy is written to memory;
    # the other is packed by `multiply` on its way through the cache.
    by_columns = m < n and not by_rows
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
        group=group_size(private, dtype.itemsize),
        scratch_bytes=pack_panels * width * k * dtype.itemsize,
    )


def is_small(
    shape: TileShape, size: tuple[int, int, int], b_strides: Strides, item: int
) -> bool:
    """Whether a product is one for `gemm_small`.

    Args:
        shape: The register tile.
        size: Rows and columns of the product, and its depth.
        b_strides: Row and column stride of B.
        item: Bytes of an element.
    """
    m, n, k = size
    width = NARROW_VECTORS * shape.lanes
    if m < narrow_rows(shape) or min(n, k) < 1 or k > DEPTH_BLOCK:
        return False
    if b_strides[1] != 1 or n < width:
        return k * max(n, width) <= SMALL_COPY and m * k * item <= SMALL_BYTES
    return max(m, n) * k * item <= SMALL_BYTES


def _narrow_vectors(shape: TileShape, n: int) -> int:
    """Count the vectors in a row of a product of few columns."""
    return 1 if n <= shape.lanes else NARROW_VECTORS


def narrow_rows(shape: TileShape) -> int:
    """Count the rows of a tile that reads the first operand where it lies."""
    return min(8, shape.rows)


def group_size(width: int, item_bytes: int) -> int:
    """Count the panels, `width` elements wide, that fit on a kernel's stack."""
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
        width = layout.shape.columns
        if layout.kernel.startswith("multiply_narrow"):
            width = layout.shape.lanes * _narrow_vectors(layout.shape, layout.n)
        return (b, scratch, layout.n, k, b_column, b_row, width)
    if layout.form == "matrix_vector":
        return (b, scratch, 1, k, b_column, b_row, 1)
    return (a, scratch, 1, k, row, column, 1)


@dataclass(frozen=True)
class Following:
    """The kernel that uses up rows of a product, in the form "rows".

    Attributes:
        kernel: Its address.
        arguments: Its arguments, of which one is the address of the product.
        place: Which one that is; its value does not matter.
        unit: How much of the kernel's range belongs to a row of the product.
    """

    kernel: Any
    arguments: tuple[Any, ...]
    place: int
    unit: int


def multiply_arguments(
    layout: GemmLayout,
    a: int,
    b: int,
    c: int,
    scratch: int,
    pack: int,
    *,
    adds: bool = False,
    following: Following | None = None,
) -> tuple[int, ...]:
    """Write the arguments of the main kernel, `layout.kernel`.

    Those of `multiply` are, in order: 1 if A was packed, 0 if B; address of the other
    operand, address of the packed one, address of C, m, n, k, the other operand's
    stride along rows or columns of C and along the depth in elements, row stride of C
    in elements, address of the `pack` kernel, 1 if the product is added to what C holds,
    address of the kernel that follows or 0, its unit, place, number of arguments, and
    those. For those of `multiply_vector` see `gemv.draft_matrix_vector`, for those of
    `multiply_narrow` see `gemm_narrow.draft_narrow`.

    Args:
        layout: From `gemm_layout`.
        a: Address of A.
        b: Address of B.
        c: Address of C, row-major.
        scratch: Address of the scratch buffer that `pack` has filled.
        pack: Address of the `pack` kernel of the same dtype and vector width.
        adds: Whether the product is added to C; for `multiply` only.
        following: What uses up the rows of the product, which is then not stored.

    Returns:
        Sixteen words and those of `following`, eight for the other kernels.

    Raises:
        ValueError: The layout's form does not do what is asked for.
    """
    if following is not None and layout.form != "rows":
        raise ValueError(f"nothing can follow a product in the form {layout.form!r}")
    if adds and layout.kernel != "multiply":
        raise ValueError(f"{layout.kernel} cannot add to what is there")
    m, n, k = layout.m, layout.n, layout.k
    (row, column), (b_row, b_column) = layout.a_strides, layout.b_strides
    tail = (m, n, k)
    if layout.kernel.startswith("multiply_narrow"):
        return (a, scratch, c, *tail, row, layout.c_stride)
    if layout.kernel == "multiply_small":
        return (a, b, c, *tail, row, column, b_row, b_column, layout.c_stride)
    last: tuple[Any, ...] = (layout.c_stride, pack, int(adds), 0, 0, 0, 0)
    if following is not None:
        words = following.arguments
        last = (layout.c_stride, pack, int(adds), following.kernel, following.unit)
        last = (*last, following.place, len(words), *words)
    if layout.form == "columns":
        return (1, b, scratch, c, *tail, b_column, b_row, *last)
    if layout.form == "rows":
        return (0, a, scratch, c, *tail, row, column, *last)
    if layout.form == "matrix_vector":
        x = scratch if layout.pack_panels else b
        return (a, x, c, m, k, row, column, layout.c_stride)
    x = scratch if layout.pack_panels else a
    return (b, x, c, n, k, b_column, b_row, 1)
