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


def _line_of(convolution: Convolution) -> int:
    """Returns the elements of a row with its padding."""
    columns = convolution.columns
    return ((columns.out - 1) * columns.stride + columns.window) * convolution.channels


def _height_of(convolution: Convolution) -> int:
    """Returns the rows of the result whose windows fit into the buffer, 0 if none do."""
    rows, axis = (
        IMAGE_BYTES // (_line_of(convolution) * convolution.item),
        convolution.rows,
    )
    if rows < axis.window:
        return 0
    return min(axis.out, (rows - axis.window) // axis.stride + 1)


def _blocks_of(convolution: Convolution) -> int:
    """Returns the blocks of rows of an image."""
    return -(-convolution.rows.out // _height_of(convolution))


def _is_plain(convolution: Convolution) -> bool:
    return (
        not convolution.is_product
        and convolution.rows.dilation == convolution.columns.dilation == 1
    )


def forward(convolution: Convolution) -> Lowered | None:
    """Returns the calls that compute the result of (image, filter); None if they cannot."""
    if not _is_plain(convolution) or not _height_of(convolution):
        return None
    pack, nbytes = _pack(convolution, Word("input", 1))
    return Lowered((pack, _convolve(convolution, Word("input", 0))), (nbytes,))


def to_input(convolution: Convolution) -> Lowered | None:
    """Returns the calls of the image's derivative of (image, filter, dy), or None."""
    if (
        not _is_plain(convolution)
        or convolution.rows.stride != 1
        or convolution.columns.stride != 1
    ):
        return None
    back = convolution.transpose()
    if min(back.rows.before, back.columns.before) < 0 or not _height_of(back):
        return None
    taps, turned = (
        convolution.rows.window * convolution.columns.window,
        Word("scratch", 1),
    )
    size, kernel = convolution.depth * convolution.out, _TURN.fill(t=convolution.dtype)
    turn = convolution.call(kernel, taps, size, x=Word("input", 1), y=turned, taps=taps)
    pack, nbytes = _pack(back, turned)
    calls = (turn, pack, _convolve(back, Word("input", 2)))
    return Lowered(calls, (nbytes, size * convolution.item))


def to_filter(convolution: Convolution) -> Lowered | None:
    """Returns the calls of the filter's derivative of (image, filter, dy), or None."""
    size, item = convolution.depth * convolution.out, convolution.item
    # Not fewer for a small batch, which would need another kernel to add them up.
    parts = min(MOST_PARTS, PARTS_BYTES // (size * item))
    if (
        not _is_plain(convolution)
        or not _height_of(convolution)
        or parts < FEWEST_PARTS
    ):
        return None
    run = convolution.columns.window * convolution.channels
    tile = _choose_tile(find_shape(convolution.dtype), run, convolution.out)
    is_masked = convolution.out % tile.width > 0
    masked = "masked_" if is_masked else "", ", out - panel" if is_masked else ""
    kernel = _CORRELATE.fill(
        **_names_of(convolution, tile),
        tile=_correlate_tile(tile.rows, *masked),
        rest=_write_rest("k < run", _correlate_tile(tile.rest, *masked), tile),
    )
    call = _call(
        convolution, kernel, parts, x=Word("input", 0), g=Word("input", 2), parts=parts
    )
    dtype, part = convolution.element, Word("scratch", 0)
    blocks = [(parts, False), (size, True)]
    total = lower_blocks("sum", dtype, dtype, blocks, part, [parts * size * item])
    return Lowered((call, *total.calls), total.scratch)


def _convolve(convolution: Convolution, image: Word) -> Call:
    """Returns the call that convolves, with the filter that is packed."""
    tile = _choose_tile(
        find_shape(convolution.dtype), convolution.columns.out, convolution.out
    )
    is_whole = convolution.depth <= DEPTH_BLOCK
    kernel = _CONVOLVE.fill(
        **_names_of(convolution, tile),
        tile=_convolve_tile(tile.rows, is_whole),
        rest=_write_rest("q < ow", _convolve_tile(tile.rest, is_whole), tile),
    )
    return _call(
        convolution, kernel, convolution.batch * _blocks_of(convolution), x=image
    )


def _names_of(convolution: Convolution, tile: _Tile) -> dict[str, object]:
    """Returns what stands for the names of a template."""
    return {
        "t": convolution.dtype,
        "v": f"{convolution.dtype}x{tile.width // tile.vectors}",
        "item": convolution.item,
        "image_bytes": IMAGE_BYTES,
        "copy_rows": _COPY_ROWS,
        "rows": tile.rows,
        "vectors": tile.vectors,
        "wide": tile.width,
        "pixel": convolution.columns.stride * convolution.channels * convolution.item,
        "depth": DEPTH_BLOCK,
    }


def _write_rest(condition: str, text: str, tile: _Tile) -> str:
    """Returns the text of the last tile, if it has fewer rows."""
    return f"if {condition}:\n{indent(text, '    ')}" if tile.rest else ""


def _call(
    convolution: Convolution, kernel: Kernel, extent: int, **arguments: Any
) -> Call:
    arguments |= {"line": _line_of(convolution), "height": _height_of(convolution)}
    arguments["blocks"] = _blocks_of(convolution)
    return convolution.call(kernel, extent, _cost(convolution), **arguments)


def _cost(convolution: Convolution) -> float:
    # As products of matrices: 32 operations for each lane and nanosecond.
    terms = convolution.pixels * convolution.out * convolution.depth
    return terms / (4 * find_shape(convolution.dtype).lanes)


def _pack(convolution: Convolution, filters: Word) -> tuple[Call, int]:
    """Returns the call that packs a filter for tiles, and the size of its buffer."""
    shape, out = find_shape(convolution.dtype), convolution.out
    width = _choose_tile(shape, convolution.columns.out, out).width
    panels = -(-out // width)
    nbytes = panels * width * convolution.depth * convolution.item
    operand: dict[str, Any] = {"source": filters, "length": out, "width": width}
    operand |= {"depth": convolution.depth, "stride": 1, "depth_stride": out}
    kernel = make_kernel("pack", convolution.dtype, shape)
    return kernel.call(panels, cost=nbytes / 8, **operand), nbytes
