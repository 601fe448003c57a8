"""How a matrix product is cut, decided before anything is compiled.

The kernels themselves are `gemm`'s. What a plan has to know of them, the tile, the panels
and the scratch buffer, is here.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np

from graphopt.codegen.machine import NEAR_CACHE, PACKED_BYTES, WIDTHS, get_machine

__all__ = [
    "DEPTH_BLOCK",
    "MOST_WORDS",
    "PANEL_VECTORS",
    "GemmLayout",
    "KernelName",
    "TileShape",
    "find_shape",
    "gemm_layout",
    "group_size",
    "narrow_rows",
]

DEPTH_BLOCK: Final = 256
"""Products summed in registers before the sum is added to the result."""
PANEL_VECTORS: Final = 8
"""Vectors of results in a panel, the unit of the kernel's outer range."""

MOST_WORDS: Final = 128
"""The most arguments of a kernel that uses up a product."""

NARROW_DEPTH: Final = 64
"""Products of few columns and less depth are small, and need no kernel of their own."""

NARROW_VECTORS: Final = 2
"""Vectors in a row of a tile that reads the first operand where it lies, at most."""

SMALL_BYTES: Final = NEAR_CACHE
"""What an operand of a small product may take, so that both stay in the nearest cache."""
SMALL_COPY: Final = 1 << 10
"""Elements of the second operand of a small product that may be copied."""

Strides = tuple[int, int]
KernelName = Literal[
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


@dataclass(frozen=True)
class GemmLayout:
    """How one product is cut: what a plan has to know before anything runs.

    Attributes:
      dtype: Name of the element type.
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

    dtype: str
    m: int
    n: int
    k: int
    a_strides: Strides
    b_strides: Strides
    c_stride: int
    form: Literal["rows", "columns", "matrix_vector", "vector_matrix"]
    kernel: KernelName
    pack_panels: int
    multiply_panels: int
    group: int
    scratch_bytes: int
    shape: TileShape

    @property
    def packs_first(self) -> bool:
        """Whether A is the operand that is packed, if one is."""
        return self.form in ("columns", "vector_matrix")

    @property
    def packed_strides(self) -> Strides:
        """Strides of that operand: along the panels and along the depth."""
        return self.a_strides if self.packs_first else self.b_strides[::-1]

    @property
    def panel_width(self) -> int:
        """Elements in a row of a panel."""
        if self.kernel == "multiply_vector":
            return 1
        if self.kernel.startswith("multiply_narrow"):
            return self.shape.lanes * _narrow_vectors(self.shape, self.n)
        return self.shape.rows if self.packs_first else self.shape.columns


def find_shape(dtype: Any, vector_bits: int | None = None) -> TileShape:
    """Chooses the register tile.

    Args:
      dtype: float32 or float64.
      vector_bits: Width of the vectors; None for the machine's.

    Returns:
      The tile.

    Raises:
      ValueError: If there is no kernel for them.
    """
    dtype, machine = np.dtype(dtype), get_machine()
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
    """Decides how C[m, n] = A[m, k] @ B[k, n] is computed.

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
        GemmLayout, dtype.name, m, n, k, a_strides, b_strides, c_stride, shape=shape
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
            group=max(1, PACKED_BYTES // (high * k * dtype.itemsize)),
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
    """Whether a product is one for `multiply_small`.

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
    """Returns the vectors in a row of a product of few columns."""
    return 1 if n <= shape.lanes else NARROW_VECTORS


def narrow_rows(shape: TileShape) -> int:
    """Returns the rows of a tile that reads the first operand where it lies."""
    return min(8, shape.rows)


def group_size(width: int, item_bytes: int) -> int:
    """Returns the panels, `width` elements wide, that fit on a kernel's stack."""
    return max(1, PACKED_BYTES // (width * DEPTH_BLOCK * item_bytes))
