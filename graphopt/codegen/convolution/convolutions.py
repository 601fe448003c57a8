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

from typing import NamedTuple

from graphopt.codegen.convolution import direct_convolution, one_channel
from graphopt.codegen.convolution.sizes import SIZES, Convolution
from graphopt.codegen.kernel import KernelTemplate
from graphopt.codegen.machine import CACHE
from graphopt.codegen.matmul.layout import gemm_layout
from graphopt.codegen.matmul.products import product_calls
from graphopt.schedule.steps import Argument, Call, Lowered, Word

__all__ = ["forward", "to_filter", "to_input"]

BLOCK_BYTES = CACHE
MOST_BLOCKS = 64

# Rows of pixels, counted from `base`; windows that stick out are filled with zeros.
_GATHER = KernelTemplate(
    "windows",
    f"x: input {{t}}, y: scratch {{t}}, {SIZES}, base",
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
    f"x: scratch {{t}}, y: output {{t}}, {SIZES}, base, begin, end",
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


# Scratch buffers: patches, a packed operand, the filter's derivative of one block.
_PATCHES, _PACKED, _PART = (Word("scratch", i) for i in range(3))


class _Matrix(NamedTuple):
    """An operand: where it is and its strides, in elements."""

    place: Word
    strides: tuple[int, int]


class _Plan:
    """The calls of a convolution, while they are made.

    Args:
      made: The convolution.
    """

    def __init__(self, made: Convolution) -> None:
        self.made = made
        self.calls: list[Call] = []
        self._needed = {place.index: 8 for place in (_PATCHES, _PACKED, _PART)}
        # The arguments of the call that packed what the buffer for a packed operand
        # holds; None if that is nothing that another block could use.
        self._packed: tuple[Argument, ...] | None = None

    def need(self, place: Word, nbytes: int) -> Word:
        """Makes a scratch buffer at least so large; returns it."""
        self._needed[place.index] = max(self._needed[place.index], nbytes)
        return place

    def lay_out_patches(self, first: int, count: int) -> _Matrix:
        """Lays out the windows of some rows of pixels; returns them as a matrix."""
        made = self.made
        if made.is_product:
            return _Matrix(Word("input", 0), (made.depth, 1))
        size = count * made.columns.out * made.depth * made.item
        kernel = _GATHER.fill(t=made.dtype)
        self.calls.append(made.call(kernel, count, size * _BYTE, base=first))
        return _Matrix(self.need(_PATCHES, size), (made.depth, 1))

    def multiply(
        self,
        a: _Matrix,
        b: _Matrix,
        target: Word,
        sizes: tuple[int, int, int],
        keeps_b: bool,
    ) -> None:
        """Adds the calls of a product.

        Args:
          a: [m, k].
          b: [k, n].
          target: [m, n], row-major.
          sizes: m, n and k.
          keeps_b: Whether `b` is the same in all products of these calls.
        """
        m, n, k = sizes
        layout = gemm_layout(self.made.dtype, m, n, k, a.strides, b.strides, n)
        packed = self.need(_PACKED, layout.scratch_bytes)
        *packing, call = product_calls(layout, a.place, b.place, target, packed)
        for pack in packing:
            if pack.arguments != self._packed:
                self.calls.append(pack)
            # Blocks may be cut differently, and of an operand that changes from one to
            # the next the same words do not mean the same elements.
            is_kept = keeps_b and layout.form in ("rows", "matrix_vector")
            self._packed = pack.arguments if is_kept else None
        self.calls.append(call)

    def finish(self) -> Lowered:
        """Returns the calls and the sizes of the scratch buffers."""
        return Lowered(tuple(self.calls), tuple(self._needed.values()))


def forward(made: Convolution) -> Lowered:
    """Returns the calls that compute the result of (image, filter)."""
    if made.channels == 1:
        return one_channel.forward(made)
    if direct := direct_convolution.forward(made):
        return direct
    plan, filters = _Plan(made), _Matrix(Word("input", 1), (made.out, 1))
    for first, count in _row_blocks(made):
        patches = plan.lay_out_patches(first, count)
        sizes = (count * made.columns.out, made.out, made.depth)
        result = Word("output", 0, first * made.columns.out * made.out * made.item)
        plan.multiply(patches, filters, result, sizes, True)
    return plan.finish()


def to_filter(made: Convolution) -> Lowered:
    """Returns the calls that compute the filter's derivative of (image, filter, dy)."""
    if made.channels == 1:
        return one_channel.to_filter(made)
    if direct := direct_convolution.to_filter(made):
        return direct
    plan, total = _Plan(made), made.depth * made.out
    for first, count in _row_blocks(made):
        patches = plan.lay_out_patches(first, count)
        turned = _Matrix(patches.place, patches.strides[::-1])
        offset = first * made.columns.out * made.out * made.item
        g = _Matrix(Word("input", 2, offset), (made.out, 1))
        sizes = (made.depth, made.out, count * made.columns.out)
        if made.is_product:
            plan.multiply(turned, g, Word("output", 0), sizes, False)
            continue
        part = plan.need(_PART, total * made.item)
        plan.multiply(turned, g, part, sizes, False)
        kernel, cost = _ADD.fill(t=made.dtype), total * made.item * _BYTE
        words = {"x": part, "is_first": int(first == 0)}
        plan.calls.append(made.call(kernel, total, cost, **words))
    return plan.finish()


def to_input(made: Convolution) -> Lowered:
    """Returns the calls that compute the image's derivative of (image, filter, dy)."""
    if direct := direct_convolution.to_input(made):
        return direct
    plan, filters = _Plan(made), _Matrix(Word("input", 1), (1, made.out))
    for image, count, begin, end in _image_blocks(made):
        pixels = count * (end - begin) * made.columns.out
        first = (image * made.rows.out + begin) * made.columns.out
        g = _Matrix(Word("input", 2, first * made.out * made.item), (made.out, 1))
        sizes = (pixels, made.depth, made.out)
        if made.is_product:
            target = Word("output", 0, first * made.depth * made.item)
            plan.multiply(g, filters, target, sizes, True)
            continue
        nbytes = pixels * made.depth * made.item
        plan.multiply(g, filters, plan.need(_PATCHES, nbytes), sizes, True)
        kernel, rows = _SCATTER.fill(t=made.dtype), count * made.rows.size
        block = {"base": image, "begin": begin, "end": end}
        plan.calls.append(made.call(kernel, rows, nbytes * _BYTE, **block))
    return plan.finish()


def _row_blocks(made: Convolution) -> list[tuple[int, int]]:
    """Returns the first row of pixels of each block, and how many rows it has."""
    total = made.batch * made.rows.out
    count = total if made.is_product else _rows_in_a_block(made)
    return [(i, min(count, total - i)) for i in range(0, total, count)]


def _rows_in_a_block(made: Convolution) -> int:
    row = made.columns.out * made.depth * made.item
    total = made.batch * made.rows.out
    return max(BLOCK_BYTES // row, -(-total // MOST_BLOCKS), 1)


def _image_blocks(made: Convolution) -> list[tuple[int, int, int, int]]:
    """Returns the first image, images, first row and behind the last row of each block."""
    height = made.rows.out
    if made.is_product:
        return [(0, made.batch, 0, height)]
    count = _rows_in_a_block(made)
    images = count // height
    if images:
        steps = range(0, made.batch, images)
        return [(i, min(images, made.batch - i), 0, height) for i in steps]
    return [
        (image, 1, begin, min(begin + count, height))
        for image in range(made.batch)
        for begin in range(0, height, count)
    ]
