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

from graphopt.codegen.convolution import direct_convolution
from graphopt.codegen.machine import CACHE
from graphopt.codegen.matmul.layout import (
    gemm_layout,
    multiply_arguments,
    pack_arguments,
)
from graphopt.codegen.matmul.products import layout_call
from graphopt.codegen.reductions.reduce import lower_blocks
from graphopt.dtypes import DType, float32, float64
from graphopt.ops.windows import Axis
from graphopt.schedule.steps import Argument, Call, KernelRequest, Lowered, Word

DTYPES = {"float32": float32, "float64": float64}
BLOCK_BYTES = CACHE
MOST_BLOCKS = 64
# Scratch buffers: patches, a packed operand, the filter's derivative of one block.
_PATCHES, _PACKED, _PART = 0, 1, 2

# The sizes that follow the addresses in `args`.
_SIZES = (
    *("h", "w", "kh", "kw", "oh", "ow", "sh", "sw", "top", "left"),
    *("dh", "dw", "c", "base", "begin", "end"),
)
_HEAD = "def kernel(args, lo, hi):\n"
# Rows of pixels, counted from `base`; windows that stick out are filled with zeros. With
# one channel the patches, of `end` rows, are turned: what a row of pixels takes from a
# place of their windows lies side by side in the image too.
_GATHER = """    width = kw * c
    for row in range(lo, hi):
        n = (base + row) // oh
        first = (base + row - n * oh) * sh - top
        if c == 1:
            for j in range(kw):
                shift = j * dw - left
                b0 = min(ow, max(0, (sw - 1 - shift) // sw))
                b1 = max(b0, min(ow, (w - 1 - shift) // sw + 1))
                for i in range(kh):
                    a = first + i * dh
                    q0, q1 = 0, 0
                    if (a >= 0) & (a < h):
                        q0, q1 = b0, b1
                    source = (n * h + a) * w + shift
                    at = ((i * kw + j) * end + row) * ow
                    for q in range(q0):
                        y[at + q] = {t}(0)
                    if sw == 1:
                        x_at = args[0] + (source + q0) * ITEM
                        copy_row_{t}(x_at, args[1] + (at + q0) * ITEM, q1 - q0)
                    else:
                        for q in range(q0, q1):
                            y[at + q] = x[source + q * sw]
                    for q in range(q1, ow):
                        y[at + q] = {t}(0)
            continue
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
"""
# Rows of the image, counted from image `base`; patches are there for the output rows
# from `begin` to `end` of each image, and rows of an image follow each other.
_SCATTER = """    for row in range(lo, hi):
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
"""
# The first block is copied by the same kernel, so that another batch compiles nothing.
_ADD = """    for k in range(lo, hi):
        y[k] = x[k] if is_first else y[k] + x[k]
"""


# One channel: the images with their padding, then `one_channel` row by row.
_SIZES_OF_ONE = (
    *("h", "w", "hp", "wp", "kh", "kw", "oh", "ow", "sh", "sw"),
    *("top", "left", "dh", "dw", "out"),
)
_PAD = """    for row in range(lo, hi):
        n = row // hp
        a = row - n * hp - top
        at = row * wp
        begin, end = wp, wp
        if (a >= 0) & (a < h):
            begin, end = min(left, wp), min(left + w, wp)
        for q in range(begin):
            y[at + q] = {t}(0)
        x_at = args[0] + (n * h + a) * w * ITEM
        copy_row_{t}(x_at, args[1] + (at + begin) * ITEM, end - begin)
        for q in range(end, wp):
            y[at + q] = {t}(0)
"""
_WINDOWS = "dw, dh * wp, kh, kw, sw"
_CONVOLVE = f"""    for row in range(lo, hi):
        n = row // oh
        x_at = args[0] + (n * hp + (row - n * oh) * sh) * wp * ITEM
        y_at = args[2] + row * ow * out * ITEM
        convolve_row_{{t}}(x_at, {_WINDOWS}, args[1], out, y_at, ow)
"""
# Each image has a derivative of its own.
_CORRELATE = f"""    size = kh * kw * out
    z = pointer_{{t}}(args[2])
    for n in range(lo, hi):
        for k in range(n * size, (n + 1) * size):
            z[k] = {{t}}(0)
        z_at = args[2] + n * size * ITEM
        for row in range(oh):
            x_at = args[0] + (n * hp + row * sh) * wp * ITEM
            g_at = args[1] + (n * oh + row) * ow * out * ITEM
            correlate_row_{{t}}(x_at, {_WINDOWS}, g_at, out, z_at, ow)
"""


def _reach(axis: Axis) -> int:
    """Elements from the first that a window needs to the last, padding included."""
    return (axis.out - 1) * axis.stride + (axis.window - 1) * axis.dilation + 1


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
        """The calls that compute the result of (image, filter)."""
        if self.channels == 1:
            return self._forward_of_one()
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
        """The calls that compute the filter's derivative of (image, filter, dy)."""
        if self.channels == 1:
            return self._to_filter_of_one()
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
            words = (part, Word("output", 0), int(first == 0))
            cost = total * self.item * _BYTE
            request = self._request(_ADD, ("is_first",))
            calls.append(Call(request, words, total, cost=cost))
        return Lowered(tuple(calls), scratch.sizes())

    def to_input(self) -> Lowered:
        """The calls that compute the image's derivative of (image, filter, dy)."""
        if direct := direct_convolution.to_input(self):
            return direct
        calls: list[Call] = []
        scratch = _Scratch()
        filters = _Matrix(Word("input", 1), (1, self.out))
        for image, count, begin, end in self._image_blocks():
            pixels = count * (end - begin) * self.columns.out
            first = (image * self.rows.out + begin) * self.columns.out
            g = _Matrix(Word("input", 2, first * self.out * self.item), (self.out, 1))
            sizes = (pixels, self.depth, self.out)
            if self.is_product:
                target = Word("output", 0, first * self.depth * self.item)
                self._multiply(calls, scratch, g, filters, target, sizes, True)
                continue
            target = Word("scratch", _PATCHES)
            scratch.need(_PATCHES, pixels * self.depth * self.item)
            self._multiply(calls, scratch, g, filters, target, sizes, True)
            words = (target, Word("output", 0), *self._sizes(image, begin, end))
            request = self._request(_SCATTER, _SIZES)
            cost = pixels * self.depth * self.item * _BYTE
            calls.append(Call(request, words, count * self.rows.size, cost=cost))
        return Lowered(tuple(calls), scratch.sizes())

    # ---- one channel

    def _forward_of_one(self) -> Lowered:
        padded, place = self._pad(), Word("scratch", 0)
        words = (place, Word("input", 1), Word("output", 0), *self._sizes_of_one())
        source = self._request(_CONVOLVE, _SIZES_OF_ONE)
        pixels = self.batch * self.rows.out
        cost = self._cost_of_one()
        call = Call(source, words, pixels, cost=cost)
        return Lowered((padded, call), (self._padded_bytes(),))

    def _to_filter_of_one(self) -> Lowered:
        size = self.depth * self.out
        place, part = Word("scratch", 0), Word("scratch", 1)
        words = (place, Word("input", 2), part, *self._sizes_of_one())
        source = self._request(_CORRELATE, _SIZES_OF_ONE)
        call = Call(source, words, self.batch, cost=self._cost_of_one())
        scratch = [self._padded_bytes(), self.batch * size * self.item]
        dtype = self.element
        blocks = [(self.batch, False), (size, True)]
        total = lower_blocks("sum", dtype, dtype, blocks, part, scratch)
        return Lowered((self._pad(), call, *total.calls), total.scratch)

    def _pad(self) -> Call:
        """The call that copies the images with their padding."""
        words = (Word("input", 0), Word("scratch", 0), *self._sizes_of_one())
        cost = self._padded_bytes() * _BYTE
        request = self._request(_PAD, _SIZES_OF_ONE)
        return Call(request, words, self.batch * _reach(self.rows), cost=cost)

    def _padded_bytes(self) -> int:
        return self.batch * _reach(self.rows) * _reach(self.columns) * self.item

    def _cost_of_one(self) -> float:
        pixels = self.batch * self.rows.out * self.columns.out
        return pixels * self.out * self.depth * _TERM

    def _sizes_of_one(self) -> tuple[Argument, ...]:
        r, c = self.rows, self.columns
        sizes: list[Argument] = [r.size, c.size, _reach(r), _reach(c)]
        sizes += [r.window, c.window, r.out, c.out, r.stride, c.stride]
        return (*sizes, r.before, c.before, r.dilation, c.dilation, self.out)

    # ---- blocks

    def _row_blocks(self) -> list[tuple[int, int]]:
        """The first row of pixels of each block, and how many rows it has."""
        total = self.batch * self.rows.out
        count = total if self.is_product else self._rows_in_a_block()
        return [(i, min(count, total - i)) for i in range(0, total, count)]

    def _rows_in_a_block(self) -> int:
        row = self.columns.out * self.depth * self.item
        total = self.batch * self.rows.out
        return max(BLOCK_BYTES // row, -(-total // MOST_BLOCKS), 1)

    def _image_blocks(self) -> list[tuple[int, int, int, int]]:
        """First image, images, first row and behind the last row of each block."""
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
        words = (Word("input", 0), place, *self._sizes(first, 0, count))
        request = self._request(_GATHER, _SIZES)
        calls.append(Call(request, words, count, cost=size * _BYTE))
        pixels = count * self.columns.out
        return _Matrix(place, (1, pixels) if self.channels == 1 else (self.depth, 1))

    def _sizes(self, base: int, begin: int, end: int) -> tuple[Argument, ...]:
        r, c = self.rows, self.columns
        windows = (r.size, c.size, r.window, c.window, r.out, c.out, r.stride, c.stride)
        places = (r.before, c.before, r.dilation, c.dilation, self.channels)
        return (*windows, *places, base, begin, end)

    def _request(self, body: str, sizes: tuple[str, ...]) -> KernelRequest:
        lines = [f"    {name} = pointer_{self.dtype}(args[{i}])" for i, name in _ENDS]
        first = 3 if "args[2]" in body else 2
        lines += [f"    {name} = args[{first + i}]" for i, name in enumerate(sizes)]
        source = _HEAD + "\n".join(lines) + "\n" + body.format(t=self.dtype)
        source = source.replace("ITEM", str(self.item))
        return KernelRequest("windows", source)

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
        layout: Any = gemm_layout(self.dtype, m, n, k, a.strides, b.strides, n)
        scratch.need(_PACKED, layout.scratch_bytes)
        packed: Any = Word("scratch", _PACKED)
        at_a: Any = a.place
        at_b: Any = b.place
        at_c: Any = target
        pack = KernelRequest("gemm", f"pack {self.dtype}")
        code: Any = Word("kernel", kernel=pack)
        if layout.pack_panels:
            words = pack_arguments(layout, at_a, at_b, packed)
            if words != scratch.packed:
                calls.append(layout_call(pack, words, layout))
            # Blocks may be cut differently, and of an operand that changes from one to
            # the next the same words do not mean the same numbers.
            is_kept = keeps_b and layout.form in ("rows", "matrix_vector")
            scratch.packed = words if is_kept else None
        words = multiply_arguments(layout, at_a, at_b, at_c, packed, code)
        request = KernelRequest("gemm", f"{layout.kernel} {self.dtype}")
        calls.append(layout_call(request, words, layout))


_ENDS = ((0, "x"), (1, "y"))
# Nanoseconds for each byte that is only moved, about.
_BYTE = 0.2
# And for each product of an element and a weight, with one channel.
_TERM = 0.02


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
        """The bytes of each buffer."""
        return tuple(self._needed.get(i, 8) for i in range(_PART + 1))
