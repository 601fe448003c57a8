"""Convolutions of images with one channel, without patches.

A window of nine elements is too short for the product of `convolutions`: laying patches
out and packing them takes three times what the arithmetic does. With one channel there is
nothing to lay out. The image is copied once, with its padding; a tile has the results of
eight neighboring pixels, one vector of output channels each, and every element of the
window is a broadcast from the image. For the filter's derivative a tile has nine elements
of a window, summed over a row of pixels; each image makes its own, and they are added up by
the kernel that adds up columns.

Microseconds on one core, 64 images of 28 by 28, 16 filters of 3 by 3, as patches and as
this: the result 390 and 206, the derivative of the filter 447 and 131.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from textwrap import indent
from typing import Final

from graphopt.codegen.convolution.sizes import SIZES, Convolution
from graphopt.codegen.kernel import Kernel, KernelTemplate
from graphopt.codegen.matmul.layout import find_shape
from graphopt.codegen.reductions.reduce import lower_blocks
from graphopt.ops.windows import Axis
from graphopt.schedule.steps import Call, Lowered, Word

__all__ = ["forward", "to_filter"]

_SIZES: Final = f"{SIZES}, hp, wp"
_PAD: Final = KernelTemplate(
    "windows",
    f"x: input {{t}}, y: scratch {{t}}, {_SIZES}",
    """
    for row in range(lo, hi):
        n = row // hp
        copy_rows(x, n * h * w, row - n * hp - top, 1, h, w, left, y, row * wp, wp)
""",
)
_CONVOLVE: Final = KernelTemplate(
    "windows",
    f"image: scratch, filters: input, y: output, {_SIZES}",
    """
    for row in range(lo, hi):
        n = row // oh
        x_row = image + (n * hp + (row - n * oh) * sh) * wp * {item}
        for panel in range(0, out, {lanes}):
            weights = filters + panel * {item}
            x = x_row
            to = y + (row * ow * out + panel) * {item}
            q = 0
            {tiles}
""",
)
# Each image has a derivative of its own.
_CORRELATE: Final = KernelTemplate(
    "windows",
    f"image: scratch, g: input, part: scratch, {_SIZES}",
    """
    size = kh * kw * out
    for n in range(lo, hi):
        total = part + n * size * {item}
        cells = pointer_{t}(total)
        for k in range(size):
            cells[k] = {t}(0)
        for row in range(oh):
            x = image + (n * hp + row * sh) * wp * {item}
            g_row = g + (n * oh + row) * ow * out * {item}
            for panel in range(0, out, {lanes}):
                tap = 0
                {tiles}
""",
)


def _convolve_tile(pixels: int, masked: str, valid: str) -> str:
    """Returns the text that computes so many pixels at a time."""
    return f"""\
while q + {pixels} <= ow:
    add_tile{masked}_{{v}}_{pixels}x1(
        x, sw * {{item}}, dw * {{item}}, dh * wp * {{item}},
        weights, out * {{item}}, kw * out * {{item}},
        to, out, kw, kh, 0, out - panel{valid},
    )
    x += {pixels} * sw * {{item}}
    to += {pixels} * out * {{item}}
    q += {pixels}
"""


def _correlate_tile(taps: int, masked: str, valid: str) -> str:
    """Returns the text that adds up so many elements of a window at a time."""
    return f"""\
while tap + {taps} <= kh * kw:
    add_taps{masked}_{{v}}_{taps}x1(
        x, dw * {{item}}, dh * wp * {{item}}, kw, tap, sw * {{item}},
        g_row + panel * {{item}}, out * {{item}},
        total + (tap * out + panel) * {{item}}, out, ow, out - panel{valid},
    )
    tap += {taps}
"""


def _write_tiles(write: Callable[[int, str, str], str], sizes: Sequence[int]) -> str:
    """Returns the text of tiles of falling sizes, for a whole vector and for a part."""
    whole = "".join(write(size, "", "") for size in sizes)
    part = "".join(write(size, "_masked", ", out - panel") for size in sizes)
    return (
        f"if panel + {{lanes}} <= out:\n{indent(whole, '    ')}"
        f"else:\n{indent(part, '    ')}"
    )


_TILES: Final = {
    _CONVOLVE: _write_tiles(_convolve_tile, (8, 1)),
    _CORRELATE: _write_tiles(_correlate_tile, (9, 5, 1)),
}

# Nanoseconds for each byte that is only moved, and for each product, about.
_BYTE = 0.2
_TERM = 0.02


def forward(convolution: Convolution) -> Lowered:
    """Returns the calls that compute the result of (image, filter)."""
    kernel, rows = (
        _fill(_CONVOLVE, convolution),
        convolution.batch * convolution.rows.out,
    )
    call = _call(
        convolution, kernel, rows, _cost(convolution), filters=Word("input", 1)
    )
    return Lowered((_pad(convolution), call), (_padded_bytes(convolution),))


def to_filter(convolution: Convolution) -> Lowered:
    """Returns the calls of the filter's derivative of (image, filter, dy)."""
    size, kernel = convolution.depth * convolution.out, _fill(_CORRELATE, convolution)
    call = _call(
        convolution, kernel, convolution.batch, _cost(convolution), g=Word("input", 2)
    )
    scratch = [_padded_bytes(convolution), convolution.batch * size * convolution.item]
    dtype, part = convolution.element, Word("scratch", 1)
    blocks = [(convolution.batch, False), (size, True)]
    total = lower_blocks("sum", dtype, dtype, blocks, part, scratch)
    return Lowered((_pad(convolution), call, *total.calls), total.scratch)


def _fill(template: KernelTemplate, convolution: Convolution) -> Kernel:
    lanes = find_shape(convolution.dtype).lanes
    return template.fill(
        t=convolution.dtype,
        v=f"{convolution.dtype}x{lanes}",
        item=convolution.item,
        lanes=lanes,
        tiles=_TILES.get(template, ""),
    )


def _pad(convolution: Convolution) -> Call:
    """Returns the call that copies the images with their padding."""
    rows, cost = (
        convolution.batch * _reach(convolution.rows),
        _padded_bytes(convolution) * _BYTE,
    )
    return _call(convolution, _fill(_PAD, convolution), rows, cost)


def _call(
    convolution: Convolution, kernel: Kernel, extent: int, cost: float, **operands: Word
) -> Call:
    padded = {"hp": _reach(convolution.rows), "wp": _reach(convolution.columns)}
    return convolution.call(kernel, extent, cost, **padded, **operands)


def _reach(axis: Axis) -> int:
    """Elements from the first that a window needs to the last, padding included."""
    return (axis.out - 1) * axis.stride + (axis.window - 1) * axis.dilation + 1


def _padded_bytes(convolution: Convolution) -> int:
    return (
        convolution.batch
        * _reach(convolution.rows)
        * _reach(convolution.columns)
        * convolution.item
    )


def _cost(convolution: Convolution) -> float:
    return convolution.pixels * convolution.out * convolution.depth * _TERM
