"""Which elements come, how often and in which order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphopt import dtypes
from graphopt.data.blocks import Block, Reservoir
from graphopt.data.context import Context
from graphopt.data.node import (
    INFINITE,
    UNKNOWN,
    Cursor,
    Node,
    Queue,
)
from graphopt.data.sources import BlocksCursor
from graphopt.data.structure import join_specs
from graphopt.data.transforms import Map, MapCursor
from graphopt.errors import (
    InvalidArgumentError,
    fail,
)
from graphopt.graph import nest
from graphopt.graph.provenance import user_site
from graphopt.runtime.function import TensorSpec

# How many random places are drawn at once, whatever is asked for.
_DRAWS = 1024


class Take(Node):
    """The first elements; all of them if the number is negative."""

    def __init__(self, node: Node, count: Any) -> None:
        super().__init__(node.element_spec, [node], [count])
        self.count = count

    def cursor(self, context: Context) -> Cursor:
        """Counts."""
        source = self.inputs[0].cursor(context.child())
        count = context.count(self.count)
        return source if count < 0 else _TakeCursor(source, count)

    def size(self) -> int:
        """At most the number."""
        size, count = self.inputs[0].size(), self.known(self.count)
        if count is None:
            return UNKNOWN
        if count < 0:
            return size
        if size == INFINITE or count == 0:
            return count
        return UNKNOWN if size == UNKNOWN else min(size, count)


class _TakeCursor(Cursor):
    def __init__(self, source: Cursor, left: int) -> None:
        super().__init__(source)
        self.source, self.left = source, left

    def pull(self, count: int) -> Block | None:
        block = self.source.pull(min(count, self.left)) if self.left else None
        if block is None:
            self.left = 0
            return None
        self.left -= block.count
        return block


class Skip(Node):
    """All but the first elements; none if the number is negative."""

    def __init__(self, node: Node, count: Any) -> None:
        super().__init__(node.element_spec, [node], [count])
        self.count = count

    def cursor(self, context: Context) -> Cursor:
        """Counts."""
        source = self.inputs[0].cursor(context.child())
        count = context.count(self.count)
        return BlocksCursor(()) if count < 0 else _SkipCursor(source, count)

    def size(self) -> int:
        """What is left."""
        size, count = self.inputs[0].size(), self.known(self.count)
        if count is None:
            return UNKNOWN
        if count < 0:
            return 0
        return max(0, size - count) if size >= 0 else size


class _SkipCursor(Cursor):
    def __init__(self, source: Cursor, left: int) -> None:
        super().__init__(source)
        self.source, self.left = source, left

    def pull(self, count: int) -> Block | None:
        while self.left:
            block = self.source.pull(self.left)
            if block is None:
                return None
            self.left -= block.count
        return self.source.pull(count)


class Shard(Node):
    """Every n-th element."""

    def __init__(self, node: Node, shards: Any, index: Any) -> None:
        super().__init__(node.element_spec, [node], [shards, index])
        self.shards, self.index = shards, index
        known = self.known(shards), self.known(index)
        if None not in known:
            _check_shard(*known)  # type: ignore[arg-type]

    def cursor(self, context: Context) -> Cursor:
        """Counts."""
        shards, index = context.count(self.shards), context.count(self.index)
        _check_shard(shards, index)
        return _ShardCursor(self.inputs[0].cursor(context.child()), shards, index)

    def size(self) -> int:
        """A part of what there was."""
        size, shards, index = (
            self.inputs[0].size(),
            self.known(self.shards),
            self.known(self.index),
        )
        if size < 0 or shards is None or index is None:
            return size if size == INFINITE else UNKNOWN
        return size // shards + (index < size % shards)


def _check_shard(shards: int, index: int) -> None:
    if shards < 1 or not 0 <= index < shards:
        raise fail(
            InvalidArgumentError,
            "Index must be between 0 and `num_shards` - 1"
            if shards >= 1
            else "Number of shards must be greater than zero",
            got=f"num_shards = {shards}, index = {index}",
            site=str(user_site()),
        )


class _ShardCursor(Cursor):
    def __init__(self, source: Cursor, shards: int, index: int) -> None:
        super().__init__(source)
        self.source, self.shards, self.wait = source, shards, index

    def pull(self, count: int) -> Block | None:
        while True:
            block = self.source.pull(self.wait + 1 + (count - 1) * self.shards)
            if block is None:
                return None
            which = np.arange(self.wait, block.count, self.shards)
            if not len(which):
                self.wait -= block.count
                continue
            self.wait = int(which[-1]) + self.shards - block.count
            return block.part(which)


class Repeat(Node):
    """The elements again and again."""

    def __init__(self, node: Node, count: Any) -> None:
        super().__init__(node.element_spec, [node], [count])
        self.count = count

    def cursor(self, context: Context) -> Cursor:
        """Starts the input again."""
        return _RepeatCursor(self.inputs[0], context.child(), context.count(self.count))

    def size(self) -> int:
        """A multiple of what there was."""
        size, count = self.inputs[0].size(), self.known(self.count)
        if count is None:
            return UNKNOWN
        if size == 0 or count == 0:
            return 0
        if count < 0 or size == INFINITE:
            return INFINITE
        return UNKNOWN if size == UNKNOWN else size * count


class _RepeatCursor(Cursor):
    def __init__(self, node: Node, context: Context, count: int) -> None:
        super().__init__()
        self.node, self.context, self.left = node, context, count
        self.source: Cursor | None = None
        self.is_empty = True

    def pull(self, count: int) -> Block | None:
        while True:
            if self.source is None:
                if not self.left:
                    return None
                self.left -= self.left > 0
                self.source = self.node.cursor(self.context)
                self.inputs, self.is_empty = [self.source], True
            block = self.source.pull(count)
            if block is not None:
                self.is_empty = False
                return block
            self.source.cancel()
            self.source, self.inputs = None, []
            if self.is_empty and self.left < 0:
                # Nothing comes of it, however often it is repeated.
                self.left = 0


class Shuffle(Node):
    """Elements in a random order, as far as a buffer lets them."""

    def __init__(self, node: Node, size: Any, stream: Any, again: bool) -> None:
        super().__init__(node.element_spec, [node], [size])
        self.buffer, self.stream, self.again = size, stream, again
        if (known := self.known(size)) is not None:
            _check_buffer(known)

    def cursor(self, context: Context) -> Cursor:
        """Draws another order."""
        size = context.count(self.buffer)
        _check_buffer(size)
        generator = context.next_generator(self.stream, self.again)
        node, context, functions = self.inputs[0], context.child(), []
        # A function of each element can as well be called behind the shuffle, which then
        # moves the numbers of rows in place of results.
        while isinstance(node, Map) and node.functions[0].is_pure:
            functions.append(context.state(node.functions[0]))
            node, context = node.inputs[0], context.child()
        cursor: Cursor = _ShuffleCursor(node.cursor(context), size, generator)
        for function in reversed(functions):
            cursor = MapCursor(cursor, function)
        return cursor

    def size(self) -> int:
        """As many as there were."""
        return self.inputs[0].size()


def _check_buffer(size: int) -> None:
    if size < 1 and size != UNKNOWN:
        raise fail(
            InvalidArgumentError,
            "`buffer_size` must be greater than zero or UNKNOWN_CARDINALITY",
            got=f"buffer_size = {size}",
            site=str(user_site()),
        )


class _ShuffleCursor(Cursor):
    """A buffer is filled; then each element comes from a random place of it, where the
    next one of the input goes; at the end what is left comes in random order.
    """

    def __init__(self, source: Cursor, size: int, generator: Any) -> None:
        super().__init__(source)
        self.source, self.size, self.generator = source, size, generator
        self.buffer: Reservoir | None = None
        self.ready = Queue()
        self.is_over = False
        self.places = np.empty(0, np.int64)

    def pull(self, count: int) -> Block | None:
        while not self.ready:
            if self.is_over:
                return None
            if self.buffer is None and not self._fill():
                return None
            self._next(count)
        return self.ready.pull(count)

    def _fill(self) -> bool:
        blocks: list[Block] = []
        have = 0
        while self.size < 0 or have < self.size:
            block = self.source.pull(self.size - have if self.size > 0 else _DRAWS)
            if block is None:
                break
            blocks.append(block)
            have += block.count
        if not blocks:
            self.is_over = True
            return False
        self.buffer = Reservoir(blocks)
        if self.size < 0:
            self._drain()
        return True

    def _next(self, count: int) -> None:
        assert self.buffer is not None
        block = None
        if not self.is_over and self.buffer.count == self.size:
            block = self.source.pull(count)
        if block is None:
            self._drain()
            return
        for part in self.buffer.swap(self._draw(block.count), block):
            self.ready.add(part)

    def _draw(self, count: int) -> Any:
        """Returns random places; which ones does not depend on how many are asked for."""
        while len(self.places) < count:
            more = self.generator.integers(0, self.size, _DRAWS)
            self.places = np.concatenate([self.places, more])
        drawn, self.places = self.places[:count], self.places[count:]
        return drawn

    def _drain(self) -> None:
        if self.is_over or self.buffer is None:
            return
        self.is_over = True
        order = self.generator.permutation(self.buffer.count)
        for part in self.buffer.drain(order):
            self.ready.add(part)


class Concatenate(Node):
    """The elements of several data sets, one after the other."""

    def __init__(self, nodes: Sequence[Node]) -> None:
        specs = nodes[0].element_spec
        for node in nodes[1:]:
            specs = join_specs(specs, node.element_spec, "Dataset.concatenate")
        super().__init__(specs, nodes)

    def cursor(self, context: Context) -> Cursor:
        """One after the other."""
        return _ConcatenateCursor(
            [(n, context.child(i)) for i, n in enumerate(self.inputs)]
        )

    def size(self) -> int:
        """All of them."""
        sizes = [node.size() for node in self.inputs]
        if INFINITE in sizes:
            return INFINITE
        return UNKNOWN if UNKNOWN in sizes else sum(sizes)


class _ConcatenateCursor(Cursor):
    def __init__(self, parts: list[tuple[Node, Context]]) -> None:
        super().__init__()
        self.parts = list(reversed(parts))

    def pull(self, count: int) -> Block | None:
        while self.inputs or self.parts:
            if not self.inputs:
                node, context = self.parts.pop()
                self.inputs = [node.cursor(context)]
            block = self.inputs[0].pull(count)
            if block is not None:
                return block
            self.inputs = []
        return None


class Zip(Node):
    """Structures of elements of several data sets."""

    def __init__(self, structure: Any, nodes: Sequence[Node]) -> None:
        specs = nest.pack_as(structure, [node.element_spec for node in nodes])
        super().__init__(specs, nodes)

    def cursor(self, context: Context) -> Cursor:
        """Side by side."""
        cursors = [n.cursor(context.child(i)) for i, n in enumerate(self.inputs)]
        return _ZipCursor(cursors, all(n.runs_ahead for n in self.inputs))

    def size(self) -> int:
        """As many as the shortest has."""
        sizes = [node.size() for node in self.inputs]
        if UNKNOWN in sizes:
            return UNKNOWN
        return min((size for size in sizes if size >= 0), default=INFINITE)


class _ZipCursor(Cursor):
    def __init__(self, cursors: Sequence[Cursor], may_run_ahead: bool) -> None:
        super().__init__(*cursors)
        self.may_run_ahead = may_run_ahead
        self.waiting: list[Block | None] = [None] * len(cursors)

    def pull(self, count: int) -> Block | None:
        if not self.may_run_ahead:
            count = 1
        for i, cursor in enumerate(self.inputs):
            if self.waiting[i] is None:
                self.waiting[i] = cursor.pull(count)
                if self.waiting[i] is None:
                    return None
        blocks = [block for block in self.waiting if block is not None]
        count = min(count, *(block.count for block in blocks))
        for i, block in enumerate(blocks):
            rest = block.part(slice(count, block.count))
            self.waiting[i] = rest if block.count > count else None
        columns = [c for b in blocks for c in b.part(slice(0, count)).columns]
        return Block(count, columns)


class Enumerate(Node):
    """Elements with their numbers."""

    def __init__(self, node: Node, start: Any) -> None:
        specs = (TensorSpec((), dtypes.int64), node.element_spec)
        super().__init__(specs, [node], [start])
        self.start = start

    def cursor(self, context: Context) -> Cursor:
        """Counts."""
        source = self.inputs[0].cursor(context.child())
        return _EnumerateCursor(source, context.count(self.start))

    def size(self) -> int:
        """As many as there were."""
        return self.inputs[0].size()


class _EnumerateCursor(Cursor):
    def __init__(self, source: Cursor, start: int) -> None:
        super().__init__(source)
        self.source, self.next = source, start

    def pull(self, count: int) -> Block | None:
        block = self.source.pull(count)
        if block is None:
            return None
        numbers = np.arange(self.next, self.next + block.count)
        self.next += block.count
        return Block(block.count, [numbers, *block.columns])
