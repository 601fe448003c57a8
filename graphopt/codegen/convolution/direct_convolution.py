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
from typing import Any, Final, NamedTuple

from graphopt.codegen.convolution.sizes import SIZES, Convolution
from graphopt.codegen.kernel import Kernel, KernelTemplate
from graphopt.codegen.machine import IMAGE_BYTES
from graphopt.codegen.matmul.gemm import make_kernel
from graphopt.codegen.matmul.layout import DEPTH_BLOCK, TileShape, find_shape
from graphopt.codegen.reductions.reduce import lower_blocks
from graphopt.schedule.steps import Call, Lowered, Word

__all__ = ["forward", "to_filter", "to_input"]

PARTS_BYTES = 1 << 23
"""Room for the derivatives of a filter that parts of a batch have."""
FEWEST_PARTS, MOST_PARTS = 4, 16


# ---- kernels

# What the windows of some rows of a result need is copied to `image`, with its padding.
# `line` are the elements of a row with its padding, for pixels lie side by side.
_SIZES: Final = f"{SIZES}, line, blocks, height"
_COPY_ROWS: Final = """\
n = unit // blocks
r0 = (unit - n * blocks) * height
r1 = min(r0 + height, oh)
copy_rows(
    x, n * h * w * c, r0 * sh - top, (r1 - 1 - r0) * sh + kh, h, w * c, left * c,
    pixels, 0, line,
)
"""
_CONVOLVE: Final = KernelTemplate(
    "windows",
    f"x: input {{t}}, filters: scratch, y: output, {_SIZES}",
    """
    image = stack_{image_bytes}()
    pixels = pointer_{t}(image)
    run = kw * c
    for unit in range(lo, hi):
        {copy_rows}
        for panel in range(0, out, {wide}):
            weights = filters + panel * kh * run * {item}
            for r in range(r0, r1):
                a = image + (r - r0) * sh * line * {item}
                to = y + ((n * oh + r) * ow * out + panel) * {item}
                q = 0
                while q + {rows} <= ow:
                    {tile}
                    a += {rows} * {pixel}
                    to += {rows} * out * {item}
                    q += {rows}
                {rest}
""",
)
_CORRELATE: Final = KernelTemplate(
    "windows",
    f"x: input {{t}}, g: input, part: scratch, {_SIZES}, parts",
    """
    image = stack_{image_bytes}()
    pixels = pointer_{t}(image)
    run = kw * c
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
                    to = total + (i * run * out + panel) * {item}
                    k = 0
                    while k + {rows} <= run:
                        {tile}
                        to += {rows} * out * {item}
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
    to, out, run, kh, 0, out - panel,
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
            to, out, deep, rows, i + k, out - panel,
        )
        k += deep
    i += rows
"""


def _correlate_tile(rows: int, masked: str, valid: str) -> str:
    """Returns the text that adds to one tile of elements of a window."""
    return f"""\
r = r0
while r < r1:
    rows = min(most, r1 - r)
    add_tile_{masked}{{v}}_{rows}x{{vectors}}(
        image + ((i + (r - r0) * sh) * line + k) * {{item}}, {{item}}, {{pixel}},
        sh * line * {{item}},
        g + ((n * oh + r) * ow * out + panel) * {{item}}, out * {{item}},
        ow * out * {{item}},
        to, out, ow, rows, 1, out - panel{valid},
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


def _line_of(made: Convolution) -> int:
    """Returns the elements of a row with its padding."""
    columns = made.columns
    return ((columns.out - 1) * columns.stride + columns.window) * made.channels


def _height_of(made: Convolution) -> int:
    """Returns the rows of the result whose windows fit into the buffer, 0 if none do."""
    rows, axis = IMAGE_BYTES // (_line_of(made) * made.item), made.rows
    if rows < axis.window:
        return 0
    return min(axis.out, (rows - axis.window) // axis.stride + 1)


def _blocks_of(made: Convolution) -> int:
    """Returns the blocks of rows of an image."""
    return -(-made.rows.out // _height_of(made))


def _is_plain(made: Convolution) -> bool:
    return not made.is_product and made.rows.dilation == made.columns.dilation == 1


def forward(made: Convolution) -> Lowered | None:
    """Returns the calls that compute the result of (image, filter); None if they cannot."""
    if not _is_plain(made) or not _height_of(made):
        return None
    pack, nbytes = _pack(made, Word("input", 1))
    return Lowered((pack, _convolve(made, Word("input", 0))), (nbytes,))


def to_input(made: Convolution) -> Lowered | None:
    """Returns the calls of the image's derivative of (image, filter, dy), or None."""
    if not _is_plain(made) or made.rows.stride != 1 or made.columns.stride != 1:
        return None
    back = made.transpose()
    if min(back.rows.before, back.columns.before) < 0 or not _height_of(back):
        return None
    taps, turned = made.rows.window * made.columns.window, Word("scratch", 1)
    size, kernel = made.depth * made.out, _TURN.fill(t=made.dtype)
    turn = made.call(kernel, taps, size, x=Word("input", 1), y=turned, taps=taps)
    pack, nbytes = _pack(back, turned)
    calls = (turn, pack, _convolve(back, Word("input", 2)))
    return Lowered(calls, (nbytes, size * made.item))


def to_filter(made: Convolution) -> Lowered | None:
    """Returns the calls of the filter's derivative of (image, filter, dy), or None."""
    size, item = made.depth * made.out, made.item
    # Not fewer for a small batch, which would need another kernel to add them up.
    parts = min(MOST_PARTS, PARTS_BYTES // (size * item))
    if not _is_plain(made) or not _height_of(made) or parts < FEWEST_PARTS:
        return None
    run = made.columns.window * made.channels
    tile = _choose_tile(find_shape(made.dtype), run, made.out)
    is_masked = made.out % tile.width > 0
    masked = "masked_" if is_masked else "", ", out - panel" if is_masked else ""
    kernel = _CORRELATE.fill(
        **_names_of(made, tile),
        tile=_correlate_tile(tile.rows, *masked),
        rest=_write_rest("k < run", _correlate_tile(tile.rest, *masked), tile),
    )
    call = _call(
        made, kernel, parts, x=Word("input", 0), g=Word("input", 2), parts=parts
    )
    dtype, part = made.element, Word("scratch", 0)
    blocks = [(parts, False), (size, True)]
    total = lower_blocks("sum", dtype, dtype, blocks, part, [parts * size * item])
    return Lowered((call, *total.calls), total.scratch)


def _convolve(made: Convolution, image: Word) -> Call:
    """Returns the call that convolves, with the filter that is packed."""
    tile = _choose_tile(find_shape(made.dtype), made.columns.out, made.out)
    is_whole = made.depth <= DEPTH_BLOCK
    kernel = _CONVOLVE.fill(
        **_names_of(made, tile),
        tile=_convolve_tile(tile.rows, is_whole),
        rest=_write_rest("q < ow", _convolve_tile(tile.rest, is_whole), tile),
    )
    return _call(made, kernel, made.batch * _blocks_of(made), x=image)


def _names_of(made: Convolution, tile: _Tile) -> dict[str, object]:
    """Returns what stands for the names of a template."""
    return {
        "t": made.dtype,
        "v": f"{made.dtype}x{tile.width // tile.vectors}",
        "item": made.item,
        "image_bytes": IMAGE_BYTES,
        "copy_rows": _COPY_ROWS,
        "rows": tile.rows,
        "vectors": tile.vectors,
        "wide": tile.width,
        "pixel": made.columns.stride * made.channels * made.item,
        "depth": DEPTH_BLOCK,
    }


def _write_rest(condition: str, text: str, tile: _Tile) -> str:
    """Returns the text of the last tile, if it has fewer rows."""
    return f"if {condition}:\n{indent(text, '    ')}" if tile.rest else ""


def _call(made: Convolution, kernel: Kernel, extent: int, **arguments: Any) -> Call:
    arguments |= {"line": _line_of(made), "height": _height_of(made)}
    arguments["blocks"] = _blocks_of(made)
    return made.call(kernel, extent, _cost(made), **arguments)


def _cost(made: Convolution) -> float:
    # As products of matrices: 32 operations for each lane and nanosecond.
    terms = made.pixels * made.out * made.depth
    return terms / (4 * find_shape(made.dtype).lanes)


def _pack(made: Convolution, filters: Word) -> tuple[Call, int]:
    """Returns the call that packs a filter for tiles, and the size of its buffer."""
    shape, out = find_shape(made.dtype), made.out
    width = _choose_tile(shape, made.columns.out, out).width
    panels = -(-out // width)
    nbytes = panels * width * made.depth * made.item
    operand: dict[str, Any] = {"source": filters, "length": out, "width": width}
    operand |= {"depth": made.depth, "stride": 1, "depth_stride": out}
    kernel = make_kernel("pack", made.dtype, shape)
    return kernel.call(panels, cost=nbytes / 8, **operand), nbytes
