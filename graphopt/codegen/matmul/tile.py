"""A tile of sums in registers, and the vector code of products around it.

LLVM's vectorizer does not keep a tile of sums in registers. `_write_tile` does, for any
number of rows and vectors in a row: it walks along the depth, an axis or several
nested ones, with a step in either operand for each, and adds to every sum the product of an
element of the first operand and a vector of the second. What a product, a convolution or a
derivative is made of are descriptions of it:

    add_tile           operands that lie where they are: small and narrow products, products
                       with a vector whose sums are neighbors, convolutions
    add_taps           rows that are places of a window: the derivative of a filter
    add_..._masked     the same, where the second operand has no more columns than the result
    multiply_panels    two packed panels, the next lines brought near meanwhile

The text of a kernel names the tile that it wants: `add_tile_float32x16_7x2` has 7 rows of
two vectors of 16 lanes. `find_function` makes it when it is asked for.

Addresses and steps are bytes, sizes and counts are elements.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, NamedTuple

from graphopt.codegen.compile.intrinsics import intrinsic
from graphopt.codegen.compile.vectors import (
    ELEMENTS,
    Cell,
    Code,
    Element,
    Value,
    fma,
    select,
)
from graphopt.codegen.matmul.layout import DEPTH_BLOCK

__all__ = ["find_function"]

# Rows of a short panel that are computed at a time.
_FEW_ROWS: Final = 4


@dataclass(frozen=True)
class _Tile:
    """A tile of sums.

    Attributes:
      element: What it is made of.
      lanes: Elements in a vector.
      rows: How many it has.
      vectors: Vectors in a row.
    """

    element: Element
    lanes: int
    rows: int = 1
    vectors: int = 1

    @property
    def item(self) -> int:
        """Bytes of an element."""
        return self.element.nbytes

    @property
    def vector_bytes(self) -> int:
        """Bytes of a vector."""
        return self.lanes * self.item

    @property
    def columns(self) -> int:
        """Elements in a row."""
        return self.lanes * self.vectors

    @property
    def has_prefetch(self) -> bool:
        """Whether a step of the depth takes long enough to hide a prefetch.

        With 24 products of 512 bits it does. With 12 of 256 bits it is a third of the
        instructions that are not products: 85 GFLOP/s for 94 at 1000, 1000, 1000 (Zen 3).
        """
        return self.rows * self.vectors > 16

    def load(self, code: Code, at: Value, v: int, mask: Value | None = None) -> Value:
        """Returns the vector number `v` of those at an address."""
        place = code.pointer(at + v * self.vector_bytes, self.element)
        return place.load(self.lanes, mask)

    def store(self, value: Value, at: Value, v: int, mask: Value | None = None) -> None:
        """Stores the vector number `v` of those at an address."""
        place = value.code.pointer(at + v * self.vector_bytes, self.element)
        place.store(value, mask)

    def make_cells(self, code: Code, count: int) -> list[Cell]:
        """Returns vectors of sums that begin as zeros."""
        zero = code.zeros(self.element, self.lanes)
        return [code.cell(zero) for _ in range(count)]

    def make_masks(self, code: Code, columns: Value, count: int) -> list[Value]:
        """Returns which lanes of so many vectors are among the columns."""
        return [code.mask(columns - self.lanes * v, self.lanes) for v in range(count)]


class _Axis(NamedTuple):
    """A loop along the depth: how long it is, and its step in each operand."""

    length: Value
    a_step: Value | int
    b_step: Value | int


class _Target(NamedTuple):
    """Where a tile goes: only the rows and columns that exist are stored."""

    at: Value
    step: Value
    adds: Value
    rows: Value
    columns: Value


def _write_tile(
    code: Code,
    tile: _Tile,
    operands: tuple[Value, Value],
    rows: Sequence[Value | int],
    axes: Sequence[_Axis],
    target: _Target,
    *,
    masks: Sequence[Value | None] = (),
    visit: Callable[[Value], None] | None = None,
) -> None:
    """Writes what computes one tile and stores it, or the part that exists.

    Args:
      code: Where it is written.
      tile: How large it is.
      operands: The addresses of both.
      rows: Where each row begins in the first operand.
      axes: The depth, its outermost axis first.
      target: Where the tile goes.
      masks: Which lanes of the second operand are read; all of them by default.
      visit: Writes what else is done in a step of the innermost axis.
    """
    cells = tile.make_cells(code, len(rows) * tile.vectors)
    chosen = masks or [None] * tile.vectors

    def walk(depth: int, a: Value, b: Value) -> None:
        if depth == len(axes):
            row = [tile.load(code, b, v, mask) for v, mask in enumerate(chosen)]
            for r, offset in enumerate(rows):
                x = code.pointer(a + offset, tile.element).load().splat(tile.lanes)
                for v, y in enumerate(row):
                    cell = cells[r * tile.vectors + v]
                    cell.set(fma(x, y, cell.get()))
            return
        length, a_step, b_step = axes[depth]
        with code.for_range(length) as index:
            walk(depth + 1, a + index * a_step, b + index * b_step)
            if visit and depth + 1 == len(axes):
                visit(index)

    walk(0, *operands)
    _store_tile(code, tile, cells, target)


def _store_tile(code: Code, tile: _Tile, cells: list[Cell], target: _Target) -> None:
    """Writes what stores the part of a tile that exists."""
    rows, vectors = len(cells) // tile.vectors, tile.vectors
    adds = ~target.adds.equals(0)
    has_rows = target.rows >= rows
    is_whole = has_rows & (target.columns >= tile.columns)

    def store_whole() -> None:
        rows_at = [target.at + target.step * (r * tile.item) for r in range(rows)]
        places = [(rows_at[i // vectors], i % vectors) for i in range(len(cells))]
        with code.if_(adds):
            for cell, place in zip(cells, places, strict=True):
                cell.set(tile.load(code, *place) + cell.get())
        for cell, place in zip(cells, places, strict=True):
            tile.store(cell.get(), *place)

    def store_part() -> None:
        # By way of memory, in a loop: written out for each vector of the tile, this
        # rare case would be most of the code and of the time to compile it.
        copy = code.reserve(len(cells) * tile.vector_bytes)
        for i, cell in enumerate(cells):
            tile.store(cell.get(), copy, i)
        masks = tile.make_masks(code, target.columns, vectors)
        none = code.mask(code.word(0), tile.lanes)
        high = select(has_rows, rows, target.rows)
        with code.for_range(high) as index:
            row = target.at + index * (target.step * tile.item)
            first = copy + index * (vectors * tile.vector_bytes)
            for v, mask in enumerate(masks):
                old = tile.load(code, row, v, select(adds, mask, none))
                total = tile.load(code, first, v)
                total = select(adds, old + total, total)
                tile.store(total, row, v, mask)

    code.if_else(is_whole, store_whole, store_part)


class _Description(NamedTuple):
    """What a tile is of: arguments of `_write_tile`."""

    operands: tuple[Value, Value]
    rows: list[Value]
    axes: list[_Axis]
    target: _Target


def _add_tile(code: Code, tile: _Tile, *values: Value) -> _Description:
    """Describes a tile of operands that lie where they are.

    `outer` and `depth` are two axes of the depth. `c_step` is in elements, from row to row
    of the result; `adds` is not 0 if the sums are added to what is there, and `columns`
    how many of them exist.
    """
    a, a_row, a_step, a_outer, b, b_step, b_outer = values[:7]
    c, c_step, depth, outer, adds, columns = values[7:]
    rows = [a_row * r for r in range(tile.rows)]
    axes = [_Axis(outer, a_outer, b_outer), _Axis(depth, a_step, b_step)]
    target = _Target(c, c_step, adds, code.word(tile.rows), columns)
    return _Description((a, b), rows, axes, target)


def _add_taps(code: Code, tile: _Tile, *values: Value) -> _Description:
    """Describes what a row of pixels adds to the derivative of a filter.

    The rows of the tile are the taps of a window with `width` columns, from number `first`
    on; `across` and `down` are the steps in the image from tap to tap, `step` and `g_step`
    those from pixel to pixel.
    """
    x, across, down, width, first, step, g, g_step = values[:8]
    c, c_step, pixels, columns = values[8:]
    taps = [first + r for r in range(tile.rows)]
    rows = [(tap // width) * down + (tap % width) * across for tap in taps]
    target = _Target(c, c_step, code.word(1), code.word(tile.rows), columns)
    return _Description((x, g), rows, [_Axis(pixels, step, g_step)], target)


def _compute(
    describe: Callable[..., _Description], names: str, is_masked: bool, tile: _Tile
) -> Any:
    """Makes the function that computes a tile as it is described.

    Args:
      describe: Takes the code, the tile and the arguments.
      names: Those of the parameters, all words.
      is_masked: Whether the second operand has only so many columns as a last parameter
        says, so that no others are read.
      tile: How large it is.
    """

    def compute(code: Code, *values: Value) -> None:
        masks: Sequence[Value] = ()
        if is_masked:
            *values, valid = values  # type: ignore[assignment]
            masks = tile.make_masks(code, valid, tile.vectors)
        _write_tile(code, tile, *describe(code, tile, *values), masks=masks)

    return _on_words(f"{names} valid" if is_masked else names)(compute)


def _on_words(names: str, result: str = "") -> Callable[[Callable[..., Any]], Any]:
    """Returns the decorator that makes functions of words, of their names."""
    parameters = ", ".join(f"{name}: word" for name in names.split())
    return intrinsic(f"{parameters} -> {result}" if result else parameters)


def _multiply_panels(tile: _Tile) -> Any:
    """Makes the function that computes the tile where two packed panels meet.

    A short panel of rows is computed four rows at a time, a narrow one of columns
    with fewer vectors in a row: less work is wasted on what does not exist, and the sums
    are the same.

    With each step of the depth a large tile has one line brought near, of what will be
    packed next: the memory works while the processor multiplies. The lines lie in runs of
    `1 << shift` neighbors, `ahead_step` bytes from run to run.
    """

    def multiply_panels(code: Code, *values: Value) -> None:
        a, b, c, c_step, depth, adds, row_count, column_count, *lines = values
        ahead, ahead_step, shift = lines
        axes = [_Axis(depth, tile.rows * tile.item, tile.columns * tile.item)]

        def prefetch(index: Value) -> None:
            line = index >> shift
            neighbor = index - (line << shift)
            place = ahead + line * ahead_step + (neighbor << 6)
            code.pointer(place, tile.element).prefetch()

        def write(a: Value, c: Value, part: _Tile, count: Value) -> None:
            def write_wide() -> None:
                rows = [r * tile.item for r in range(part.rows)]
                target = _Target(c, c_step, adds, count, column_count)
                visit = prefetch if tile.has_prefetch else None
                _write_tile(code, part, (a, b), rows, axes, target, visit=visit)

            if part.vectors == 1:
                write_wide()
                return
            fewer = replace(part, vectors=part.vectors - 1)
            is_wide = column_count > fewer.columns
            code.if_else(is_wide, write_wide, lambda: write(a, c, fewer, count))

        few = replace(tile, rows=min(_FEW_ROWS, tile.rows))

        def write_low() -> None:
            with code.for_range(0, row_count, few.rows) as first:
                to = c + first * c_step * tile.item
                write(a + first * tile.item, to, few, row_count - first)

        if few.rows == tile.rows:
            write(a, c, tile, row_count)
        else:
            is_high = row_count >= tile.rows
            code.if_else(is_high, lambda: write(a, c, tile, row_count), write_low)

    return _on_words(
        "a b c c_step depth adds row_count column_count ahead ahead_step shift"
    )(multiply_panels)


# ---- products with a vector


def _for_vectors(
    code: Code, tile: _Tile, depth: Value, body: Callable[..., None]
) -> None:
    """Writes `body(address offset, masks)` for rows of vectors along the depth.

    The masks are those of the vectors of the last one, which is there in part; else None.
    """
    whole = depth // tile.columns
    with code.for_range(whole) as index:
        body(index * (tile.columns * tile.item), [None] * tile.vectors)
    done = whole * tile.columns
    left = depth - done
    with code.if_(left > 0):
        body(done * tile.item, tile.make_masks(code, left, tile.vectors))


def _dot(tile: _Tile) -> Any:
    """Makes the function that multiplies rows, whose elements are neighbors, with a vector.

    Every row has as many vectors of partial sums as the tile, which are added at the end
    by a fixed tree.
    """

    def dot(code: Code, *values: Value) -> None:
        matrix, step, vector, result, result_step, depth = values
        cells = tile.make_cells(code, tile.rows * tile.vectors)
        starts = [matrix + step * r for r in range(tile.rows)]

        def add(at: Value, masks: Sequence[Value | None]) -> None:
            for v, mask in enumerate(masks):
                x = tile.load(code, vector + at, v, mask)
                for r, start in enumerate(starts):
                    cell = cells[r * tile.vectors + v]
                    y = tile.load(code, start + at, v, mask)
                    cell.set(fma(x, y, cell.get()))

        _for_vectors(code, tile, depth, add)
        for r in range(tile.rows):
            totals = [cells[r * tile.vectors + v].get() for v in range(tile.vectors)]
            total = functools.reduce(lambda x, y: x + y, totals)
            place = code.pointer(result + result_step * r, tile.element)
            place.store(_sum_lanes(total))

    return _on_words("matrix step vector result result_step depth")(dot)


def _sum_lanes(value: Value) -> Value:
    """Adds the lanes of a vector by halves, in a fixed order."""
    lanes = value.lanes
    width = lanes // 2
    while width:
        order = [min(i + width, lanes - 1) for i in range(lanes)]
        value = value + value.shuffle(order)
        width //= 2
    return value.lane(0)


def _add_rows(tile: _Tile) -> Any:
    """Makes the function that adds multiples of rows, one after the other, to sums."""

    def add_rows(code: Code, *values: Value) -> None:
        matrix, step, factors, sums, depth = values
        starts = [matrix + step * r for r in range(tile.rows)]
        places = [
            code.pointer(factors + r * tile.item, tile.element)
            for r in range(tile.rows)
        ]
        by = [place.load().splat(tile.lanes) for place in places]

        def add(at: Value, masks: Sequence[Value | None]) -> None:
            (mask,) = masks
            total = tile.load(code, sums + at, 0, mask)
            for factor, start in zip(by, starts, strict=True):
                total = fma(factor, tile.load(code, start + at, 0, mask), total)
            tile.store(total, sums + at, 0, mask)

        _for_vectors(code, tile, depth, add)

    return _on_words("matrix step factors sums depth")(add_rows)


# ---- packing


def _copy_blocks(tile: _Tile) -> Any:
    """Makes the function that copies `count` vectors, or elements for one lane."""
    lanes = tile.lanes if tile.lanes > 1 else 0

    def copy_blocks(code: Code, *values: Value) -> None:
        source, source_step, target, target_step, count = values
        with code.for_range(count) as index:
            value = code.pointer(source + index * source_step, tile.element).load(lanes)
            code.pointer(target + index * target_step, tile.element).store(value)
            # Memory decides the speed of this loop. Without the barrier the compiler
            # spends a third of its time on finding that out.
            code.barrier()

    return _on_words("source source_step target target_step count")(copy_blocks)


def _copy_panels(tile: _Tile) -> Any:
    """Makes the function that copies rows of neighbors to panels, a row of the tile to each.

    Long runs of neighbors are what the processor reads ahead: panel by panel, with a
    few neighbors of each row, the rows of a large matrix come four times as slowly.
    """

    def copy_panels(code: Code, *values: Value) -> None:
        source, source_step, target, panel_step, rows, panels = values
        row_bytes = tile.columns * tile.item
        with code.for_range(rows) as row:
            line, to_line = source + row * source_step, target + row * row_bytes
            with code.for_range(panels) as panel:
                at, to = line + panel * row_bytes, to_line + panel * panel_step
                for v in range(tile.vectors):
                    tile.store(tile.load(code, at, v), to, v)
                # As above.
                code.barrier()

    return _on_words("source source_step target panel_step rows panels")(copy_panels)


def _transpose(tile: _Tile) -> Any:
    """Makes the function that copies the rows of the tile transposed, `lanes` at a time.

    It returns how many of the `count` elements of each row it has copied.
    """
    lanes, quad = tile.lanes, tile.rows

    def write_block(
        code: Code, source: Value, source_step: Value, target: Value, target_step: Value
    ) -> None:
        lines = []
        for _ in range(quad):
            lines.append(tile.load(code, source, 0))
            ahead = source + DEPTH_BLOCK * tile.item
            code.pointer(ahead, tile.element).prefetch()
            source = source + source_step
        # After log2(quad) rounds of a perfect shuffle the elements of one column are
        # neighbors.
        halves = [
            [start + i // 2 + (i % 2) * lanes for i in range(lanes)]
            for start in (0, lanes // 2)
        ]
        for _ in range(quad.bit_length() - 1):
            lines = [
                lines[i // 2].shuffle(halves[i % 2], lines[i // 2 + quad // 2])
                for i in range(quad)
            ]
        for line in lines:
            for start in range(0, lanes, quad):
                part = line.shuffle(range(start, start + quad))
                code.pointer(target, tile.element).store(part)
                target = target + target_step

    def transpose(code: Code, *values: Value) -> Value:
        start, source_step, to, target_step, count = values
        loops = count // lanes
        with code.for_range(loops) as index:
            source = start + index * tile.vector_bytes
            target = to + index * (target_step * lanes)
            write_block(code, source, source_step, target, target_step)
        return loops * lanes

    return _on_words("source source_step target target_step count", "word")(transpose)


def _reserve(nbytes: int) -> Any:
    """Makes the function that reserves bytes of stack, which begin on a cache line."""
    return _on_words("", "word")(lambda code: code.reserve(nbytes))


_TILE_NAMES: Final = (
    "a a_row a_step a_outer b b_step b_outer c c_step depth outer adds columns"
)
_TAP_NAMES: Final = "x across down width first step g g_step c c_step pixels columns"
_MAKERS: Final[dict[str, Callable[[_Tile], Any]]] = {
    "add_tile": functools.partial(_compute, _add_tile, _TILE_NAMES, False),
    "add_tile_masked": functools.partial(_compute, _add_tile, _TILE_NAMES, True),
    "add_taps": functools.partial(_compute, _add_taps, _TAP_NAMES, False),
    "add_taps_masked": functools.partial(_compute, _add_taps, _TAP_NAMES, True),
    "multiply_panels": _multiply_panels,
    "dot": _dot,
    "add_rows": _add_rows,
    "copy_blocks": _copy_blocks,
    "copy_panels": _copy_panels,
    "transpose": _transpose,
}
_TILED: Final = re.compile(r"([a-z_]+)_(float32|float64)x(\d+)(?:_(\d+)x(\d+))?")
_STACK: Final = re.compile(r"stack_(\d+)")


@functools.cache
def find_function(name: str) -> Any | None:
    """Returns the function for kernels that a name describes.

    Args:
      name: `stack_BYTES`, or that of a function of this file, its element type and
        lanes and, if it is not one vector, the rows of a tile and the vectors in a row.

    Returns:
      The function, None if the name describes none.
    """
    if match := _STACK.fullmatch(name):
        return _reserve(int(match[1]))
    match = _TILED.fullmatch(name)
    if match is None or match[1] not in _MAKERS:
        return None
    _, element, lanes, rows, vectors = match.groups()
    tile = _Tile(ELEMENTS[element], int(lanes), int(rows or 1), int(vectors or 1))
    return _MAKERS[match[1]](tile)
