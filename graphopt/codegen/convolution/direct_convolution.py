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

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from graphopt.codegen.matmul.layout import (
    DEPTH_BLOCK,
    TileShape,
    find_shape,
    gemm_layout,
    pack_arguments,
)
from graphopt.codegen.reductions.block_sizes import IMAGE_BYTES
from graphopt.codegen.reductions.reduce import lower_blocks
from graphopt.schedule.steps import Argument, Call, KernelRequest, Lowered, Word

if TYPE_CHECKING:
    from graphopt.codegen.convolution.convolutions import Convolution

__all__ = ["forward", "to_filter", "to_input"]

PARTS_BYTES = 1 << 23
"""Room for the derivatives of a filter that parts of a batch have."""
FEWEST_PARTS, MOST_PARTS = 4, 16


# ---- kernels

# What the windows of some rows of a result need, to `image`, with its padding. Sizes of
# rows are in elements, for pixels lie side by side.
_COPY_ROWS = """        n = unit // blocks
        r0 = (unit - n * blocks) * height
        r1 = min(r0 + height, oh)
        copy_rows_{t}(
            args[0] + n * h * w * ITEM, r0 * sh - top, (r1 - 1 - r0) * sh + kh,
            h, w, left, image, line,
        )
"""
_SIZES = (
    *("h", "w", "oh", "ow", "sh", "kh", "top", "left"),
    *("line", "blocks", "height", "run", "out"),
)
_CONVOLVE = (
    """    image = image_buffer()
    for unit in range(lo, hi):
"""
    + _COPY_ROWS
    + """        for panel in range(0, out, WIDTH):
            filters = args[1] + panel * kh * run * ITEM
            columns = out - panel
            for r in range(r0, r1):
                from_row = image + (r - r0) * sh * line * ITEM
                to_row = args[2] + ((n * oh + r) * ow * out + panel) * ITEM
                q = 0
                while q + TILE <= ow:
                    x = from_row + q * PIXEL
                    y = to_row + q * out * ITEM
SUMS
                    q += TILE
REST
"""
)
_REST = """                if q < ow:
                    x = from_row + q * PIXEL
                    y = to_row + q * out * ITEM
"""
# A sum that may take all of a window.
_SUMS = """                    add_tile_{t}(
                        {rows}, VECTORS, 0,
                        x, PIXEL, ITEM, line * ITEM,
                        filters, WIDTH * ITEM, run * WIDTH * ITEM,
                        y, out, run, kh, 0, columns,
                    )
"""
# As many rows of the window at once, or as much of one, as a sum may take.
_SUMS_OF_PARTS = """                    i = 0
                    while i < kh:
                        rows = min(max(1, {depth} // run), kh - i)
                        k = 0
                        while k < run:
                            deep = min({depth}, run - k)
                            x_at = x + (i * line + k) * ITEM
                            f_at = filters + (i * run + k) * WIDTH * ITEM
                            add_tile_{t}(
                                {rows}, VECTORS, 0,
                                x_at, PIXEL, ITEM, line * ITEM,
                                f_at, WIDTH * ITEM, run * WIDTH * ITEM,
                                y, out, deep, rows, i + k, columns,
                            )
                            k += deep
                        i += rows
"""
_CORRELATE = (
    """    image = image_buffer()
    size = kh * run * out
    for part in range(lo, hi):
        total = args[2] + part * size * ITEM
        cells = pointer_{t}(total)
        for k in range(size):
            cells[k] = {t}(0)
        units = batch * blocks
        for unit in range(part * units // parts, (part + 1) * units // parts):
"""
    + "".join(f"    {line}\n" for line in _COPY_ROWS.splitlines())
    + """            most = max(1, {depth} // ow)
            for i in range(kh):
                for panel in range(0, out, WIDTH):
                    columns = out - panel
                    k = 0
                    while k + TILE <= run:
                        y = total + ((i * run + k) * out + panel) * ITEM
SUMS
                        k += TILE
REST
"""
)
_CORRELATE_REST = """                    if k < run:
                        y = total + ((i * run + k) * out + panel) * ITEM
"""
_CORRELATE_SUMS = """                        r = r0
                        while r < r1:
                            rows = min(most, r1 - r)
                            x_at = image + ((i + (r - r0) * sh) * line + k) * ITEM
                            g_at = args[1] + ((n * oh + r) * ow * out + panel) * ITEM
                            add_tile_{t}(
                                {rows}, VECTORS, MASKED,
                                x_at, ITEM, PIXEL, sh * line * ITEM,
                                g_at, out * ITEM, ow * out * ITEM,
                                y, out, ow, rows, 1, columns,
                            )
                            r += rows
"""
# The filter [taps, c, out] with its taps in reverse and its channels exchanged.
_TURN = """    for tap in range(lo, hi):
        at = tap * c * out
        source = (taps - 1 - tap) * c * out
        for o in range(out):
            for m in range(c):
                y[at + o * c + m] = x[source + m * out + o]
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


def _write(text: str, sums: str, rest: str, tile: _Tile, names: dict[str, Any]) -> str:
    """Writes the body of a kernel that computes tiles."""

    def fill(rows: int) -> str:
        return sums.replace("{rows}", str(rows))

    last = rest + fill(tile.rest) if tile.rest else ""
    text = text.replace("SUMS\n", fill(tile.rows)).replace("REST\n", last)
    names = {
        **names,
        "TILE": tile.rows,
        "VECTORS": tile.vectors,
        "{depth}": DEPTH_BLOCK,
    }
    for name, value in names.items():
        text = text.replace(name, str(value))
    return text


def _request(
    body: str, pointers: tuple[str, ...], sizes: tuple[str, ...], first: int, kind: str
) -> KernelRequest:
    lines = [f"    {x} = pointer_{kind}(args[{i}])" for i, x in enumerate(pointers)]
    lines += [f"    {name} = args[{first + i}]" for i, name in enumerate(sizes)]
    item = np.dtype(kind).itemsize
    body = body.replace("ITEM", str(item)).replace("{t}", kind)
    source = "def kernel(args, lo, hi):\n" + "\n".join(lines) + "\n" + body
    return KernelRequest("windows", source)


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

    def sizes(self, item: int) -> tuple[Argument, ...]:
        """The arguments `_SIZES`."""
        height = self.height(item)
        blocks = -(-self.oh // height)
        return (
            *(self.h, self.w * self.c, self.oh, self.ow, self.sh, self.kh, self.top),
            *(self.left * self.c, self.line, blocks, height, self.kw * self.c),
            self.out,
        )


def _image_of(made: Convolution) -> _Image:
    rows, columns = made.rows, made.columns
    return _Image(
        *(Word("input", 0), made.batch, rows.size, columns.size, made.channels),
        *(rows.out, columns.out, made.out, rows.window, columns.window),
        *(rows.stride, columns.stride, rows.before, columns.before),
    )


def _gradient_of(made: Convolution) -> _Image:
    """The derivative of the result, which is convolved for that of the image."""
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
    calls: list[Call] = []
    scratch = [_pack(calls, made.dtype, image, Word("input", 1), 0)]
    _convolve(calls, made.dtype, image, 0)
    return Lowered(tuple(calls), tuple(scratch))


def to_input(made: Convolution) -> Lowered | None:
    """Returns the calls of the image's derivative of (image, filter, dy), or None."""
    g = _gradient_of(made)
    if not _is_plain(made) or made.rows.stride != 1 or made.columns.stride != 1:
        return None
    if min(g.top, g.left) < 0 or not g.height(made.item):
        return None
    taps = made.rows.window * made.columns.window
    sizes = ("taps", "c", "out")
    turn = _request(_TURN, ("x", "y"), sizes, 2, made.dtype)
    words = (Word("input", 1), Word("scratch", 1), taps, made.channels, made.out)
    calls = [Call(turn, words, taps, cost=taps * made.channels * made.out)]
    packed = _pack(calls, made.dtype, g, Word("scratch", 1), 0)
    _convolve(calls, made.dtype, g, 0)
    filter_bytes = taps * made.channels * made.out * made.item
    return Lowered(tuple(calls), (packed, filter_bytes))


def to_filter(made: Convolution) -> Lowered | None:
    """Returns the calls of the filter's derivative of (image, filter, dy), or None."""
    image, item = _image_of(made), made.item
    size = made.depth * made.out
    # Not fewer for a small batch, which would need another kernel to add them up.
    parts = min(MOST_PARTS, PARTS_BYTES // (size * item))
    if not _is_plain(made) or not image.height(item) or parts < FEWEST_PARTS:
        return None
    shape = find_shape(np.dtype(made.dtype), None)
    tile = _choose_tile(shape, image.kw * image.c, image.out)
    names = {
        "WIDTH": tile.width,
        "PIXEL": image.sw * image.c * item,
        "MASKED": int(image.out % tile.width > 0),
    }
    body = _write(_CORRELATE, _CORRELATE_SUMS, _CORRELATE_REST, tile, names)
    request = _request(body, (), (*_SIZES, "batch", "parts"), 3, made.dtype)
    sizes = image.sizes(item)
    part: Word = Word("scratch", 0)
    words = (image.place, Word("input", 2), part, *sizes, image.batch, parts)
    calls = [Call(request, words, parts, cost=_cost(image, shape))]
    dtype = made.element
    blocks = [(parts, False), (size, True)]
    total = lower_blocks("sum", dtype, dtype, blocks, part, [parts * size * item])
    return Lowered((*calls, *total.calls), total.scratch)


def _pack(
    calls: list[Call], dtype: str, image: _Image, place: Word, number: int
) -> int:
    """Adds the call that packs a filter for tiles; returns the size of its buffer."""
    depth = image.kh * image.kw * image.c
    layout = gemm_layout(
        dtype, 1, image.out, depth, (depth, 1), (image.out, 1), image.out, by_rows=True
    )
    tile = _choose_tile(layout.shape, image.ow, image.out)
    scratch, filters = (Word("scratch", number), place)
    words: Any = pack_arguments(layout, 0, filters, scratch)  # type: ignore[arg-type]
    panels = -(-image.out // tile.width)
    words = (*words[:6], tile.width)
    nbytes = panels * tile.width * depth * np.dtype(dtype).itemsize
    request = KernelRequest("gemm", f"pack {dtype}")
    calls.append(Call(request, words, panels, cost=nbytes / 8))
    return nbytes


def _convolve(calls: list[Call], dtype: str, image: _Image, packed: int) -> None:
    """Adds the call that convolves, with the filter that is packed in a buffer."""
    shape, item = find_shape(np.dtype(dtype), None), np.dtype(dtype).itemsize
    tile = _choose_tile(shape, image.ow, image.out)
    names = {
        "WIDTH": tile.width,
        "PIXEL": image.sw * image.c * item,
    }
    is_whole = image.kh * image.kw * image.c <= DEPTH_BLOCK
    sums = _SUMS if is_whole else _SUMS_OF_PARTS
    body = _write(_CONVOLVE, sums, _REST, tile, names)
    request = _request(body, (), _SIZES, 3, dtype)
    units = image.batch * -(-image.oh // image.height(item))
    words = (image.place, Word("scratch", packed), Word("output", 0))
    cost = _cost(image, shape)
    calls.append(Call(request, (*words, *image.sizes(item)), units, cost=cost))


def _cost(image: _Image, shape: TileShape) -> float:
    pixels = image.batch * image.oh * image.ow
    # As products of matrices: 32 operations for each lane and nanosecond.
    return pixels * image.out * image.kh * image.kw * image.c / (4 * shape.lanes)
