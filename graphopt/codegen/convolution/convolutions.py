"""Convolutions and their derivatives -> matrix products of patches.

The window of an output pixel, laid out as a row, times the filter as a matrix is the
pixel: with `patches` [pixels, kh kw c] and the filter [kh kw c, out],

    y = patches @ filter,  d filter = patches' @ dy,  d patches = dy @ filter'

and d x is what gathers d patches back. The products are `gemm`'s, at its speed; what is
left is to copy windows. Patches are made for a block of output rows at a time, small
enough to stay in the cache until the product has used them; no more than
`MOST_BLOCKS` blocks, so that a plan stays short. Each element of a result is a sum in a
fixed order: blocks one after the other, each as `gemm` adds.

Milliseconds on one core of a shared AVX-512 machine, a loop over windows and patches
(GFLOP/s), best of 15; images, channels, filters of 3 x 3:

    images, channels, out       y                 d image           d filter
    64 of 28 x 28, 1, 16        1.3   0.2 (70)    3.4   0.8 (19)    1.4   0.13 (111)
    64 of 14 x 14, 16, 32       5.0   0.7 (155)   14.7  0.7 (173)   3.0   0.8 (142)
    16 of 56 x 56, 64, 64       105   20 (189)    460   18 (209)    93    21 (174)

Where windows have neither holes nor steps (for the derivative of the image), and a few
rows of an image fit into the cache, `direct_convolution` does without patches, a quarter
to twice as fast. With one channel a window is too short for the product, and `one_channel`
makes the result and the filter's derivative.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from graphopt.codegen.convolution import direct_convolution, one_channel
from graphopt.codegen.kernel import KernelTemplate
from graphopt.codegen.machine import CACHE
from graphopt.codegen.matmul.layout import gemm_layout
from graphopt.codegen.matmul.products import product_calls
from graphopt.dtypes import DType, float32, float64
from graphopt.ops.windows import Axis
from graphopt.schedule.steps import Call, Lowered, Word

DTYPES = {"float32": float32, "float64": float64}
BLOCK_BYTES = CACHE
MOST_BLOCKS = 64
# Scratch buffers: patches, a packed operand, the filter's derivative of one block.
_PATCHES, _PACKED, _PART = 0, 1, 2

# Rows of pixels, counted from `base`; windows that stick out are filled with zeros.
_SIZES = "h, w, kh, kw, oh, ow, sh, sw, top, left, dh, dw, c"
_GATHER = KernelTemplate(
    "windows",
    f"x: input {{t}}, y: scratch {{t}}, {_SIZES}, base",
    """
    width = kw * c
    for row in range(lo, hi):
        n = (base + row) // oh
        first = (base + row - n * oh) * sh - top
        for column in range(ow):
            at = (row * ow + column) * kh * width
            start = column * sw - left
            inside = (start >= 0) & (start + (kw - 1) * dw < w) & (dw == 1)
            for i in range(kh):
                a = first + i * dh
                line = at + i * width
                if (a < 0) | (a >= h):
                    for k in range(width):
                        y[line + k] = {t}(0)
                elif inside:
                    source = ((n * h + a) * w + start) * c
                    for k in range(width):
                        y[line + k] = x[source + k]
                else:
                    for j in range(kw):
                        b = start + j * dw
                        cell = line + j * c
                        if (b < 0) | (b >= w):
                            for k in range(c):
                                y[cell + k] = {t}(0)
                        else:
                            source = ((n * h + a) * w + b) * c
                            for k in range(c):
                                y[cell + k] = x[source + k]
""",
)
# Rows of the image, counted from image `base`; patches are there for the output rows
# from `begin` to `end` of each image, and rows of an image follow each other.
_SCATTER = KernelTemplate(
    "windows",
    f"x: scratch {{t}}, y: output {{t}}, {_SIZES}, base, begin, end",
    """
    for row in range(lo, hi):
        n = row // h
        r = row - n * h + top
        line = (base * h + row) * w
        if begin == 0:
            for k in range(line * c, (line + w) * c):
                y[k] = {t}(0)
        for i in range(kh):
            a = r - i * dh
            if (a < 0) | (a % sh != 0):
                continue
            a = a // sh
            if (a < begin) | (a >= end):
                continue
            pixels = (n * (end - begin) + a - begin) * ow
            for j in range(kw):
                cell = (i * kw + j) * c
                for q in range(ow):
                    column = q * sw + j * dw - left
                    if (column < 0) | (column >= w):
                        continue
                    source = (pixels + q) * kh * kw * c + cell
                    at = (line + column) * c
                    for k in range(c):
                        y[at + k] += x[source + k]
""",
)
# The first block is copied by the same kernel, so that another batch compiles nothing.
_ADD = KernelTemplate(
    "windows",
    "x: scratch {t}, y: output {t}, is_first",
    """
    for k in range(lo, hi):
        y[k] = x[k] if is_first else y[k] + x[k]
""",
)
# Nanoseconds for each byte that is only moved, about.
_BYTE = 0.2


class _Matrix(NamedTuple):
    """An operand: where it is and its strides, in elements."""

    place: Word
    strides: tuple[int, int]


@dataclass(frozen=True)
class Convolution:
    """The sizes of a convolution, and the calls it is made of.

    Attributes:
      dtype: Name of the element type.
      batch: Images.
      channels, out: Channels of the image and of the result.
      rows, columns: Where the windows lie.
    """

    dtype: str
    batch: int
    channels: int
    out: int
    rows: Axis
    columns: Axis

    @property
    def item(self) -> int:
        """Bytes of an element."""
        return np.dtype(self.dtype).itemsize

    @property
    def element(self) -> DType:
        """The element type."""
        return DTYPES[self.dtype]

    @property
    def depth(self) -> int:
        """Elements of a window."""
        return self.rows.window * self.columns.window * self.channels

    @property
    def is_product(self) -> bool:
        """Whether an image is its own patches."""
        return all(
            axis.window == axis.stride == 1 and axis.before == axis.after == 0
            for axis in (self.rows, self.columns)
        )

    def forward(self) -> Lowered:
        """Returns the calls that compute the result of (image, filter)."""
        if self.channels == 1:
            return one_channel.forward(self)
        if direct := direct_convolution.forward(self):
            return direct
        calls: list[Call] = []
        scratch = _Scratch()
        filters = _Matrix(Word("input", 1), (self.out, 1))
        for first, count in self._row_blocks():
            patches = self._patches(calls, scratch, first, count)
            pixels = count * self.columns.out
            result = Word("output", 0, first * self.columns.out * self.out * self.item)
            sizes = (pixels, self.out, self.depth)
            self._multiply(calls, scratch, patches, filters, result, sizes, True)
        return Lowered(tuple(calls), scratch.sizes())

    def to_filter(self) -> Lowered:
        """Returns the calls that compute the filter's derivative of (image, filter, dy)."""
        if self.channels == 1:
            return one_channel.to_filter(self)
        if direct := direct_convolution.to_filter(self):
            return direct
        calls: list[Call] = []
        scratch = _Scratch()
        total = self.depth * self.out
        for first, count in self._row_blocks():
            patches = self._patches(calls, scratch, first, count)
            pixels = count * self.columns.out
            offset = first * self.columns.out * self.out * self.item
            turned = _Matrix(patches.place, patches.strides[::-1])
            g = _Matrix(Word("input", 2, offset), (self.out, 1))
            sizes = (self.depth, self.out, pixels)
            if self.is_product:
                result = Word("output", 0)
                self._multiply(calls, scratch, turned, g, result, sizes, False)
                continue
            part = Word("scratch", _PART)
            scratch.need(_PART, total * self.item)
            self._multiply(calls, scratch, turned, g, part, sizes, False)
            cost = total * self.item * _BYTE
            kernel = _ADD.fill(t=self.dtype)
            calls.append(
                kernel.call(total, cost=cost, x=part, is_first=int(first == 0))
            )
        return Lowered(tuple(calls), scratch.sizes())

    def to_input(self) -> Lowered:
        """Returns the calls that compute the image's derivative of (image, filter, dy)."""
        if direct := direct_convolution.to_input(self):
            return direct
        calls: list[Call] = []
        scratch = _Scratch()
        filters = _Matrix(Word("input", 1), (1, self.out))
        for image, count, begin, end in self._image_blocks():
            pixels = count * (end - begin) * self.columns.out
            first = (image * self.rows.out + begin) * self.columns.out
            g = _Matrix(Word("input", 2, first * self.out * self.item), (self.out, 1))
            product = (pixels, self.depth, self.out)
            if self.is_product:
                target = Word("output", 0, first * self.depth * self.item)
                self._multiply(calls, scratch, g, filters, target, product, True)
                continue
            target = Word("scratch", _PATCHES)
            scratch.need(_PATCHES, pixels * self.depth * self.item)
            self._multiply(calls, scratch, g, filters, target, product, True)
            sizes = {**self.sizes(), "c": self.channels}
            sizes |= {"base": image, "begin": begin, "end": end}
            cost = pixels * self.depth * self.item * _BYTE
            kernel = _SCATTER.fill(t=self.dtype)
            calls.append(kernel.call(count * self.rows.size, cost=cost, **sizes))
        return Lowered(tuple(calls), scratch.sizes())

    # ---- blocks

    def _row_blocks(self) -> list[tuple[int, int]]:
        """Returns the first row of pixels of each block, and how many rows it has."""
        total = self.batch * self.rows.out
        count = total if self.is_product else self._rows_in_a_block()
        return [(i, min(count, total - i)) for i in range(0, total, count)]

    def _rows_in_a_block(self) -> int:
        row = self.columns.out * self.depth * self.item
        total = self.batch * self.rows.out
        return max(BLOCK_BYTES // row, -(-total // MOST_BLOCKS), 1)

    def _image_blocks(self) -> list[tuple[int, int, int, int]]:
        """Returns the first image, images, first row and behind the last row of each block."""
        height = self.rows.out
        if self.is_product:
            return [(0, self.batch, 0, height)]
        count = self._rows_in_a_block()
        images = count // height
        if images:
            steps = range(0, self.batch, images)
            return [(i, min(images, self.batch - i), 0, height) for i in steps]
        return [
            (image, 1, begin, min(begin + count, height))
            for image in range(self.batch)
            for begin in range(0, height, count)
        ]

    # ---- calls

    def _patches(
        self, calls: list[Call], scratch: _Scratch, first: int, count: int
    ) -> _Matrix:
        """Lays out the windows of some rows of pixels; returns them as a matrix."""
        if self.is_product:
            return _Matrix(Word("input", 0), (self.depth, 1))
        place = Word("scratch", _PATCHES)
        size = count * self.columns.out * self.depth * self.item
        scratch.need(_PATCHES, size)
        sizes = {**self.sizes(), "c": self.channels, "base": first}
        kernel = _GATHER.fill(t=self.dtype)
        calls.append(kernel.call(count, cost=size * _BYTE, **sizes))
        return _Matrix(place, (self.depth, 1))

    def sizes(self) -> dict[str, Any]:
        """Returns the sizes of images and windows, by the names that kernels have."""
        sizes: dict[str, Any] = {}
        for axis, names in ((self.rows, _ROW_NAMES), (self.columns, _COLUMN_NAMES)):
            steps = (axis.stride, axis.before, axis.dilation)
            values = (axis.size, axis.window, axis.out, *steps)
            sizes |= zip(names, values, strict=True)
        return sizes

    def _multiply(
        self,
        calls: list[Call],
        scratch: _Scratch,
        a: _Matrix,
        b: _Matrix,
        target: Word,
        sizes: tuple[int, int, int],
        keeps_b: bool,
    ) -> None:
        """Adds the calls of a product.

        Args:
          calls: Takes them.
          scratch: Takes the size of the packed operand.
          a: [m, k].
          b: [k, n].
          target: [m, n], row-major.
          sizes: m, n and k.
          keeps_b: Whether `b` is the same in all products of these calls.
        """
        m, n, k = sizes
        layout = gemm_layout(self.dtype, m, n, k, a.strides, b.strides, n)
        scratch.need(_PACKED, layout.scratch_bytes)
        packed = Word("scratch", _PACKED)
        *packing, call = product_calls(layout, a.place, b.place, target, packed)
        if packing:
            (pack,) = packing
            if pack.arguments != scratch.packed:
                calls.append(pack)
            # Blocks may be cut differently, and of an operand that changes from one to
            # the next the same words do not mean the same elements.
            is_kept = keeps_b and layout.form in ("rows", "matrix_vector")
            scratch.packed = pack.arguments if is_kept else None
        calls.append(call)


_ROW_NAMES = ("h", "kh", "oh", "sh", "top", "dh")
_COLUMN_NAMES = ("w", "kw", "ow", "sw", "left", "dw")


class _Scratch:
    """How large the scratch buffers have to be, and what is packed in one of them.

    Attributes:
      packed: The arguments of the call that packed what the buffer for a packed operand
        holds; None if that is nothing that another block could use.
    """

    def __init__(self) -> None:
        self._needed: dict[int, int] = {}
        self.packed: tuple[Any, ...] | None = None

    def need(self, number: int, nbytes: int) -> None:
        """Makes a buffer at least so large."""
        self._needed[number] = max(self._needed.get(number, 8), nbytes, 8)

    def sizes(self) -> tuple[int, ...]:
        """Returns the bytes of each buffer."""
        return tuple(self._needed.get(i, 8) for i in range(_PART + 1))
