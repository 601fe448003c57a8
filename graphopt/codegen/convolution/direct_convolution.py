"""Convolutions that read images where they are: no patches.

Patches are written, packed and read again, and each pixel is in nine of them. But a window
of a row is `kw` pixels that lie side by side in the image too: the first operand of the
product of `convolutions` is there already, its rows a pixel apart and overlapping. So a
tile of pixels by output channels is computed from the image itself, with its sums in
registers over the rows of the window. What sticks out of an image has to be zeros, so a
few rows at a time are copied, with their padding, to a place that stays in the cache.

The derivative of the image is the same with the filter turned around. That of the filter is
a tile of window elements by output channels, summed over pixels; a fixed number of parts of
the batch have their own sums, which are added up in order. A sum takes at most
`DEPTH_BLOCK` products before it is added to the result, whatever the range is cut into.

Sizes of tiles and steps between pixels are in the text of a kernel, numbers of images are
not.

GFLOP/s on one core, the machine's limit being 245, patches and this; filters of 3 by 3:

    images, channels, out       y            d image      d filter
    64 of 14 x 14, 16, 32       109   215    119   178     98   213
    16 of 56 x 56, 64, 64       173   227    196   226    160   202
    64 of 7 x 7, 32, 64         158   220    173   218    141   209
    16 of 14 x 14, 128, 128     166   227    174   208    160   157
"""

from __future__ import annotations

from textwrap import indent
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import numpy as np

from graphopt.codegen.kernel import KernelTemplate
from graphopt.codegen.machine import IMAGE_BYTES
from graphopt.codegen.matmul.gemm import make_kernel
from graphopt.codegen.matmul.layout import DEPTH_BLOCK, TileShape, find_shape
from graphopt.codegen.reductions.reduce import lower_blocks
from graphopt.schedule.steps import Call, Lowered, Word

if TYPE_CHECKING:
    from graphopt.codegen.convolution.convolutions import Convolution

__all__ = ["forward", "to_filter", "to_input"]

PARTS_BYTES = 1 << 23
"""Room for the derivatives of a filter that parts of a batch have."""
FEWEST_PARTS, MOST_PARTS = 4, 16


# ---- kernels

# What the windows of some rows of a result need is copied to `image`, with its padding.
# Sizes of rows are in elements, for pixels lie side by side.
_SIZES: Final = "h, w, oh, ow, sh, kh, top, left, line, blocks, height, run, out"
_COPY_ROWS: Final = """\
n = unit // blocks
r0 = (unit - n * blocks) * height
r1 = min(r0 + height, oh)
copy_rows(
    x, n * h * w, r0 * sh - top, (r1 - 1 - r0) * sh + kh, h, w, left, pixels, 0, line
)
"""
_CONVOLVE: Final = KernelTemplate(
    "windows",
    f"x: input {{t}}, filters: scratch, y: output, {_SIZES}",
    """
    image = stack_{image_bytes}()
    pixels = pointer_{t}(image)
    for unit in range(lo, hi):
        {copy_rows}
        for panel in range(0, out, {wide}):
            weights = filters + panel * kh * run * {item}
            for r in range(r0, r1):
                a = image + (r - r0) * sh * line * {item}
                c = y + ((n * oh + r) * ow * out + panel) * {item}
                q = 0
                while q + {rows} <= ow:
                    {tile}
                    a += {rows} * {pixel}
                    c += {rows} * out * {item}
                    q += {rows}
                {rest}
""",
)
_CORRELATE: Final = KernelTemplate(
    "windows",
    f"x: input {{t}}, g: input, part: scratch, {_SIZES}, batch, parts",
    """
    image = stack_{image_bytes}()
    pixels = pointer_{t}(image)
    size = kh * run * out
    for number in range(lo, hi):
        total = part + number * size * {item}
        cells = pointer_{t}(total)
        for k in range(size):
            cells[k] = {t}(0)
        units = batch * blocks
        for unit in range(number * units // parts, (number + 1) * units // parts):
            {copy_rows}
            most = max(1, {depth} // ow)
            for i in range(kh):
                for panel in range(0, out, {wide}):
                    c = total + (i * run * out + panel) * {item}
                    k = 0
                    while k + {rows} <= run:
                        {tile}
                        c += {rows} * out * {item}
                        k += {rows}
                    {rest}
""",
)
# The filter [taps, c, out] with its taps in reverse and its channels exchanged.
_TURN: Final = KernelTemplate(
    "windows",
    "x: input {t}, y: scratch {t}, taps, c, out",
    """
    for tap in range(lo, hi):
        at = tap * c * out
        source = (taps - 1 - tap) * c * out
        for o in range(out):
            for m in range(c):
                y[at + o * c + m] = x[source + m * out + o]
""",
)


def _convolve_tile(rows: int, is_whole: bool) -> str:
    """Returns the text that computes one tile of pixels.

    Args:
      rows: Pixels of the tile.
      is_whole: Whether a sum may take all of a window. Else it takes as many rows of the
        window at once, or as much of one, as it may.
    """
    if is_whole:
        return f"""\
add_tile_{{v}}_{rows}x{{vectors}}(
    a, {{pixel}}, {{item}}, line * {{item}},
    weights, {{wide}} * {{item}}, run * {{wide}} * {{item}},
    c, out, run, kh, 0, out - panel,
)
"""
    return f"""\
i = 0
while i < kh:
    rows = min(max(1, {{depth}} // run), kh - i)
    k = 0
    while k < run:
        deep = min({{depth}}, run - k)
        add_tile_{{v}}_{rows}x{{vectors}}(
            a + (i * line + k) * {{item}}, {{pixel}}, {{item}}, line * {{item}},
            weights + (i * run + k) * {{wide}} * {{item}}, {{wide}} * {{item}},
            run * {{wide}} * {{item}},
            c, out, deep, rows, i + k, out - panel,
        )
        k += deep
    i += rows
"""


def _correlate_tile(rows: int) -> str:
    """Returns the text that adds to one tile of elements of a window."""
    return f"""\
r = r0
while r < r1:
    rows = min(most, r1 - r)
    add_tile_{{masked}}{{v}}_{rows}x{{vectors}}(
        image + ((i + (r - r0) * sh) * line + k) * {{item}}, {{item}}, {{pixel}},
        sh * line * {{item}},
        g + ((n * oh + r) * ow * out + panel) * {{item}}, out * {{item}},
        ow * out * {{item}},
        c, out, ow, rows, 1, out - panel{{valid}},
    )
    r += rows
"""


class _Tile(NamedTuple):
    """The register tile of a kernel: rows, rows of the last one, vectors in a row."""

    rows: int
    rest: int
    vectors: int
    width: int


def _choose_tile(shape: TileShape, count: int, out: int) -> _Tile:
    """Chooses a tile for `count` rows and `out` columns.

    >>> _choose_tile(TileShape(16, 12, 2, True), 14, 32)
    _Tile(rows=7, rest=0, vectors=2, width=32)
    >>> _choose_tile(TileShape(16, 12, 2, True), 26, 10)
    _Tile(rows=13, rest=0, vectors=1, width=16)
    >>> _choose_tile(TileShape(16, 12, 2, True), 17, 64)
    _Tile(rows=9, rest=8, vectors=2, width=32)
    """
    vectors = min(shape.vectors, -(-out // shape.lanes))
    most = shape.rows * shape.vectors // vectors
    exact = [n for n in range(most, most // 2, -1) if count % n == 0]
    rows = exact[0] if exact else -(-count // -(-count // most))
    return _Tile(rows, count % rows, vectors, vectors * shape.lanes)


# ---- plans


class _Image(NamedTuple):
    """What is convolved: sizes of the images, of the result and of the windows.

    Attributes:
      place: The images.
      batch, h, w, c: Their shape.
      oh, ow, out: Rows, columns and channels of the result.
      kh, kw, sh, sw, top, left: The windows, their steps and the padding before them.
    """

    place: Word
    batch: int
    h: int
    w: int
    c: int
    oh: int
    ow: int
    out: int
    kh: int
    kw: int
    sh: int
    sw: int
    top: int
    left: int

    @property
    def line(self) -> int:
        """Elements of a row with its padding."""
        return ((self.ow - 1) * self.sw + self.kw) * self.c

    def height(self, item: int) -> int:
        """Rows of the result whose windows fit into the buffer, 0 if none do."""
        rows = IMAGE_BYTES // (self.line * item)
        return min(self.oh, (rows - self.kh) // self.sh + 1) if rows >= self.kh else 0

    def sizes(self, item: int) -> dict[str, Any]:
        """Returns the arguments `_SIZES`."""
        height = self.height(item)
        return {
            "h": self.h,
            "w": self.w * self.c,
            "oh": self.oh,
            "ow": self.ow,
            "sh": self.sh,
            "kh": self.kh,
            "top": self.top,
            "left": self.left * self.c,
            "line": self.line,
            "blocks": -(-self.oh // height),
            "height": height,
            "run": self.kw * self.c,
            "out": self.out,
        }

    def names(self, dtype: str, tile: _Tile) -> dict[str, object]:
        """Returns what stands for the names of a template."""
        item = np.dtype(dtype).itemsize
        return {
            "t": dtype,
            "v": f"{dtype}x{tile.width // tile.vectors}",
            "item": item,
            "image_bytes": IMAGE_BYTES,
            "copy_rows": _COPY_ROWS,
            "rows": tile.rows,
            "vectors": tile.vectors,
            "wide": tile.width,
            "pixel": self.sw * self.c * item,
            "depth": DEPTH_BLOCK,
        }


def _image_of(made: Convolution) -> _Image:
    rows, columns = made.rows, made.columns
    return _Image(
        *(Word("input", 0), made.batch, rows.size, columns.size, made.channels),
        *(rows.out, columns.out, made.out, rows.window, columns.window),
        *(rows.stride, columns.stride, rows.before, columns.before),
    )


def _gradient_of(made: Convolution) -> _Image:
    """Returns the derivative of the result, which is convolved for that of the image."""
    rows, columns = made.rows, made.columns
    return _Image(
        *(Word("input", 2), made.batch, rows.out, columns.out, made.out),
        *(rows.size, columns.size, made.channels, rows.window, columns.window),
        *(1, 1, rows.window - 1 - rows.before, columns.window - 1 - columns.before),
    )


def _is_plain(made: Convolution) -> bool:
    return not made.is_product and made.rows.dilation == made.columns.dilation == 1


def forward(made: Convolution) -> Lowered | None:
    """Returns the calls that compute the result of (image, filter); None if they cannot."""
    image = _image_of(made)
    if not _is_plain(made) or not image.height(made.item):
        return None
    pack, nbytes = _pack(made.dtype, image, Word("input", 1))
    return Lowered((pack, _convolve(made.dtype, image)), (nbytes,))


def to_input(made: Convolution) -> Lowered | None:
    """Returns the calls of the image's derivative of (image, filter, dy), or None."""
    g = _gradient_of(made)
    if not _is_plain(made) or made.rows.stride != 1 or made.columns.stride != 1:
        return None
    if min(g.top, g.left) < 0 or not g.height(made.item):
        return None
    taps, turned = made.rows.window * made.columns.window, Word("scratch", 1)
    size = taps * made.channels * made.out
    turn = _TURN.fill(t=made.dtype).call(
        taps,
        cost=size,
        x=Word("input", 1),
        y=turned,
        taps=taps,
        c=made.channels,
        out=made.out,
    )
    pack, nbytes = _pack(made.dtype, g, turned)
    calls = (turn, pack, _convolve(made.dtype, g))
    return Lowered(calls, (nbytes, size * made.item))


def to_filter(made: Convolution) -> Lowered | None:
    """Returns the calls of the filter's derivative of (image, filter, dy), or None."""
    image, item = _image_of(made), made.item
    size = made.depth * made.out
    # Not fewer for a small batch, which would need another kernel to add them up.
    parts = min(MOST_PARTS, PARTS_BYTES // (size * item))
    if not _is_plain(made) or not image.height(item) or parts < FEWEST_PARTS:
        return None
    shape = find_shape(made.dtype)
    tile = _choose_tile(shape, image.kw * image.c, image.out)
    is_masked = image.out % tile.width > 0
    kernel = _CORRELATE.fill(
        **image.names(made.dtype, tile),
        masked="masked_" if is_masked else "",
        valid=", out - panel" if is_masked else "",
        tile=_correlate_tile(tile.rows),
        rest=f"if k < run:\n{indent(_correlate_tile(tile.rest), '    ')}"
        if tile.rest
        else "",
    )
    sizes = {**image.sizes(item), "batch": image.batch, "parts": parts}
    sizes |= {"x": image.place, "g": Word("input", 2)}
    call = kernel.call(parts, cost=_cost(image, shape), **sizes)
    dtype, part = made.element, Word("scratch", 0)
    blocks = [(parts, False), (size, True)]
    total = lower_blocks("sum", dtype, dtype, blocks, part, [parts * size * item])
    return Lowered((call, *total.calls), total.scratch)


def _pack(dtype: str, image: _Image, filters: Word) -> tuple[Call, int]:
    """Returns the call that packs a filter for tiles, and the size of its buffer."""
    depth, shape = image.kh * image.kw * image.c, find_shape(dtype)
    width = _choose_tile(shape, image.ow, image.out).width
    panels = -(-image.out // width)
    nbytes = panels * width * depth * np.dtype(dtype).itemsize
    call = make_kernel("pack", dtype, shape).call(
        panels,
        cost=nbytes / 8,
        source=filters,
        length=image.out,
        depth=depth,
        stride=1,
        depth_stride=image.out,
        width=width,
    )
    return call, nbytes


def _convolve(dtype: str, image: _Image) -> Call:
    """Returns the call that convolves, with the filter that is packed."""
    shape, item = find_shape(dtype), np.dtype(dtype).itemsize
    tile = _choose_tile(shape, image.ow, image.out)
    is_whole = image.kh * image.kw * image.c <= DEPTH_BLOCK
    kernel = _CONVOLVE.fill(
        **image.names(dtype, tile),
        tile=_convolve_tile(tile.rows, is_whole),
        rest=f"if q < ow:\n{indent(_convolve_tile(tile.rest, is_whole), '    ')}"
        if tile.rest
        else "",
    )
    units = image.batch * -(-image.oh // image.height(item))
    cost, sizes = _cost(image, shape), image.sizes(item)
    return kernel.call(units, cost=cost, x=image.place, **sizes)


def _cost(image: _Image, shape: TileShape) -> float:
    pixels = image.batch * image.oh * image.ow
    # As products of matrices: 32 operations for each lane and nanosecond.
    return pixels * image.out * image.kh * image.kw * image.c / (4 * shape.lanes)
