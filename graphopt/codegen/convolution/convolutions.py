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
      convolution: The convolution.
    """

    def __init__(self, convolution: Convolution) -> None:
        self.convolution = convolution
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
        convolution = self.convolution
        if convolution.is_product:
            return _Matrix(Word("input", 0), (convolution.depth, 1))
        size = count * convolution.columns.out * convolution.depth * convolution.item
        kernel = _GATHER.fill(t=convolution.dtype)
        self.calls.append(convolution.call(kernel, count, size * _BYTE, base=first))
        return _Matrix(self.need(_PATCHES, size), (convolution.depth, 1))

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
        layout = gemm_layout(self.convolution.dtype, m, n, k, a.strides, b.strides, n)
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


def forward(convolution: Convolution) -> Lowered:
    """Returns the calls that compute the result of (image, filter)."""
    if convolution.channels == 1:
        return one_channel.forward(convolution)
    if direct := direct_convolution.forward(convolution):
        return direct
    plan, filters = _Plan(convolution), _Matrix(Word("input", 1), (convolution.out, 1))
    for first, count in _row_blocks(convolution):
        patches = plan.lay_out_patches(first, count)
        sizes = (count * convolution.columns.out, convolution.out, convolution.depth)
        result = Word(
            "output",
            0,
            first * convolution.columns.out * convolution.out * convolution.item,
        )
        plan.multiply(patches, filters, result, sizes, True)
    return plan.finish()


def to_filter(convolution: Convolution) -> Lowered:
    """Returns the calls that compute the filter's derivative of (image, filter, dy)."""
    if convolution.channels == 1:
        return one_channel.to_filter(convolution)
    if direct := direct_convolution.to_filter(convolution):
        return direct
    plan, total = _Plan(convolution), convolution.depth * convolution.out
    for first, count in _row_blocks(convolution):
        patches = plan.lay_out_patches(first, count)
        turned = _Matrix(patches.place, patches.strides[::-1])
        offset = first * convolution.columns.out * convolution.out * convolution.item
        g = _Matrix(Word("input", 2, offset), (convolution.out, 1))
        sizes = (convolution.depth, convolution.out, count * convolution.columns.out)
        if convolution.is_product:
            plan.multiply(turned, g, Word("output", 0), sizes, False)
            continue
        part = plan.need(_PART, total * convolution.item)
        plan.multiply(turned, g, part, sizes, False)
        kernel, cost = _ADD.fill(t=convolution.dtype), total * convolution.item * _BYTE
        words = {"x": part, "is_first": int(first == 0)}
        plan.calls.append(convolution.call(kernel, total, cost, **words))
    return plan.finish()


def to_input(convolution: Convolution) -> Lowered:
    """Returns the calls that compute the image's derivative of (image, filter, dy)."""
    if direct := direct_convolution.to_input(convolution):
        return direct
    plan, filters = _Plan(convolution), _Matrix(Word("input", 1), (1, convolution.out))
    for image, count, begin, end in _image_blocks(convolution):
        pixels = count * (end - begin) * convolution.columns.out
        first = (image * convolution.rows.out + begin) * convolution.columns.out
        g = _Matrix(
            Word("input", 2, first * convolution.out * convolution.item),
            (convolution.out, 1),
        )
        sizes = (pixels, convolution.depth, convolution.out)
        if convolution.is_product:
            target = Word("output", 0, first * convolution.depth * convolution.item)
            plan.multiply(g, filters, target, sizes, True)
            continue
        nbytes = pixels * convolution.depth * convolution.item
        plan.multiply(g, filters, plan.need(_PATCHES, nbytes), sizes, True)
        kernel, rows = _SCATTER.fill(t=convolution.dtype), count * convolution.rows.size
        block = {"base": image, "begin": begin, "end": end}
        plan.calls.append(convolution.call(kernel, rows, nbytes * _BYTE, **block))
    return plan.finish()


def _row_blocks(convolution: Convolution) -> list[tuple[int, int]]:
    """Returns the first row of pixels of each block, and how many rows it has."""
    total = convolution.batch * convolution.rows.out
    count = total if convolution.is_product else _rows_in_a_block(convolution)
    return [(i, min(count, total - i)) for i in range(0, total, count)]


def _rows_in_a_block(convolution: Convolution) -> int:
    row = convolution.columns.out * convolution.depth * convolution.item
    total = convolution.batch * convolution.rows.out
    return max(BLOCK_BYTES // row, -(-total // MOST_BLOCKS), 1)


def _image_blocks(convolution: Convolution) -> list[tuple[int, int, int, int]]:
    """Returns the first image, images, first row and behind the last row of each block."""
    height = convolution.rows.out
    if convolution.is_product:
        return [(0, convolution.batch, 0, height)]
    count = _rows_in_a_block(convolution)
    images = count // height
    if images:
        steps = range(0, convolution.batch, images)
        return [(i, min(images, convolution.batch - i), 0, height) for i in steps]
    return [
        (image, 1, begin, min(begin + count, height))
        for image in range(convolution.batch)
        for begin in range(0, height, count)
    ]
