"""Blocks: several elements of a data set that have the same shapes, column by column.

An element is a row of arrays, one for each component. A block is the same with one more
dimension in front, so that what many elements have in common is done once. A column that
is a part of a larger array, as the rows that a shuffle has chosen, is kept as the array and
the numbers of its rows until somebody reads it: of the arrays that a data set is made of
nothing is copied before it is put into a batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


class Rows:
    """Some rows of an array, which are not copied yet.

    Args:
      base: `[rows, ...]`.
      index: A slice, or the numbers of the rows.
    """

    __slots__ = ("base", "index")

    def __init__(self, base: Array, index: slice | Array) -> None:
        self.base = base
        self.index = index

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one row."""
        return self.base.shape[1:]

    def read(self) -> Array:
        """Returns the rows as an array; a view of the base where they follow each other."""
        if isinstance(self.index, slice):
            return self.base[self.index]
        return self.base.take(self.index, 0)

    def part(self, key: slice | Array) -> Rows:
        """Returns some of these rows."""
        if not isinstance(self.index, slice):
            return Rows(self.base, self.index[key])
        start = self.index.start
        if isinstance(key, slice):
            first, last, _ = key.indices(self.index.stop - start)
            return Rows(self.base, slice(start + first, start + last))
        return Rows(self.base, key + start)


Column = Array | Rows


class Block:
    """Elements of the same shapes.

    Attributes:
      count: How many, at least one.
      columns: One for each component, `[count, ...]`.
    """

    __slots__ = ("columns", "count")

    def __init__(self, count: int, columns: Sequence[Column]) -> None:
        self.count = count
        self.columns = columns

    def read(self) -> list[Array]:
        """Returns the columns as arrays."""
        return [c.read() if isinstance(c, Rows) else c for c in self.columns]

    def part(self, key: slice | Array) -> Block:
        """Returns some of the elements.

        Args:
          key: A slice without a step, or numbers of elements.
        """
        if isinstance(key, slice):
            first, last, _ = key.indices(self.count)
            count = last - first
        else:
            count = len(key)
        if count == self.count and isinstance(key, slice):
            return self
        columns = [
            c.part(key)
            if isinstance(c, Rows)
            else (c[key] if isinstance(key, slice) else c.take(key, 0))
            for c in self.columns
        ]
        return Block(count, columns)

    @property
    def shapes(self) -> list[tuple[int, ...]]:
        """The shapes of the components of one element."""
        return [c.shape if isinstance(c, Rows) else c.shape[1:] for c in self.columns]


def element(arrays: Sequence[Any]) -> Block:
    """Returns a block of one element."""
    return Block(1, [_as_column(a) for a in arrays])


def _as_column(value: Any) -> Array:
    if isinstance(value, np.ndarray):
        return value[None]
    column: Array = np.empty(1, object)
    column[0] = value
    return column


def row(arrays: Sequence[Array], index: int) -> list[Any]:
    """Returns one element of columns: arrays, and what else may be a component."""
    return [_item(a, index) for a in arrays]


def _item(array: Array, index: int) -> Any:
    item = array[index, ...]
    if item.dtype.kind == "O" and not item.ndim and not isinstance(item[()], bytes):
        return item[()]
    return item


def join(blocks: Sequence[Block]) -> Block:
    """Returns the elements of several blocks of the same shapes, one after the other."""
    if len(blocks) == 1:
        return blocks[0]
    count = sum(block.count for block in blocks)
    columns = [_join(parts) for parts in zip(*(b.columns for b in blocks), strict=True)]
    return Block(count, columns)


def _join(parts: Sequence[Column]) -> Column:
    first = parts[0]
    if isinstance(first, Rows) and all(
        isinstance(p, Rows) and p.base is first.base for p in parts
    ):
        indices = [p.index for p in parts]  # type: ignore[union-attr]
        follows = all(
            isinstance(a, slice) and isinstance(b, slice) and a.stop == b.start
            for a, b in pairwise(indices)
        )
        if follows:
            return Rows(first.base, slice(indices[0].start, indices[-1].stop))  # type: ignore[union-attr]
        return Rows(first.base, np.concatenate([_numbers(i) for i in indices]))
    return np.concatenate([p.read() if isinstance(p, Rows) else p for p in parts])


def _numbers(index: slice | Array) -> Array:
    if isinstance(index, slice):
        return np.arange(index.start, index.stop)
    return index


class Reservoir:
    """Places for elements, each of which can be taken and filled again.

    The places hold the numbers of rows as long as all elements are rows of the same
    arrays, else copies; elements of many shapes are kept one by one.

    Args:
      blocks: What the places hold at first.
    """

    def __init__(self, blocks: Sequence[Block]) -> None:
        same = all(b.shapes == blocks[0].shapes for b in blocks)
        self.elements: list[Block] | None = None
        if not same:
            self._split(blocks)
            return
        block = join(blocks)
        self.count = block.count
        self.columns: list[Column] = [
            Rows(c.base, np.array(_numbers(c.index)))
            if isinstance(c, Rows)
            else np.array(c)
            for c in block.columns
        ]

    def _split(self, blocks: Sequence[Block]) -> None:
        self.elements = [
            b.part(slice(i, i + 1)) for b in blocks for i in range(b.count)
        ]
        self.count = len(self.elements)

    def _fits(self, block: Block) -> bool:
        """Whether a block can go into the columns."""
        for mine, its in zip(self.columns, block.columns, strict=True):
            if isinstance(mine, Rows):
                if not isinstance(its, Rows) or its.base is not mine.base:
                    return False
            elif mine.shape[1:] != (
                its.shape if isinstance(its, Rows) else its.shape[1:]
            ):
                return False
        return True

    def _as_copies(self) -> None:
        self.columns = [c.read() if isinstance(c, Rows) else c for c in self.columns]

    def _make_room_for(self, block: Block) -> None:
        """Changes how elements are kept, where a block needs that."""
        if self.elements is None and not self._fits(block):
            self._as_copies()
            if not self._fits(block):
                self._split([Block(self.count, self.columns)])

    def swap(self, places: Array, block: Block) -> list[Block]:
        """Takes elements out and puts others there, one after the other.

        Args:
          places: Which place is next, `[n]`; one may come several times.
          block: n elements, which go there.

        Returns:
          What was taken, n elements in order.
        """
        self._make_room_for(block)
        if self.elements is not None:
            taken = []
            for i, place in enumerate(places.tolist()):
                taken.append(self.elements[place])
                self.elements[place] = block.part(slice(i, i + 1))
            return taken
        # Where a place comes again, what comes out is what was put there before; what
        # stays there is what is put there last, as NumPy assigns.
        order = np.argsort(places, kind="stable")
        sorted_places = places[order]
        again = sorted_places[1:] == sorted_places[:-1]
        late, early = order[1:][again], order[:-1][again]
        columns: list[Column] = []
        for mine, its in zip(self.columns, block.columns, strict=True):
            if isinstance(mine, Rows) and isinstance(its, Rows):
                kept, given = mine.index, _numbers(its.index)
                assert isinstance(kept, np.ndarray)
                out = kept[places]
                out[late] = given[early]
                kept[places] = given
                columns.append(Rows(mine.base, out))
                continue
            assert isinstance(mine, np.ndarray)
            values = its.read() if isinstance(its, Rows) else its
            taken_values = mine.take(places, 0)
            taken_values[late] = values[early]
            mine[places] = values
            columns.append(taken_values)
        return [Block(len(places), columns)]

    def drain(self, order: Array) -> list[Block]:
        """Returns all elements in a new order; nothing is left."""
        if self.elements is not None:
            return [self.elements[i] for i in order.tolist()]
        return [Block(self.count, self.columns).part(order)]
