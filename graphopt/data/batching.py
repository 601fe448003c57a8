"""Batches of elements, padded or not, windows, groups, and elements of batches."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphopt.data.blocks import Array, Block, element, join
from graphopt.data.context import Context
from graphopt.data.functions import DataFunction
from graphopt.data.node import (
    INFINITE,
    UNKNOWN,
    Cursor,
    Node,
    Queue,
    pull_one,
)
from graphopt.data.sources import Blocks
from graphopt.data.structure import DatasetSpec, map_shapes, with_dim, without_dim
from graphopt.errors import DataLossError, InvalidArgumentError, fail
from graphopt.graph import nest
from graphopt.graph.provenance import user_site
from graphopt.graph.shape import TensorShape


def _batches(size: int, batch: int | None, drop: bool) -> int:
    if size < 0 or batch is None:
        return size if size == INFINITE else UNKNOWN
    return size // batch if drop else -(-size // batch)


def _check_batch(size: int) -> None:
    if size < 1:
        raise fail(
            InvalidArgumentError,
            "Batch size must be greater than zero",
            got=f"batch_size = {size}",
            site=str(user_site()),
        )


class Batch(Node):
    """Elements of one shape, put together along a new first dimension."""

    def __init__(self, node: Node, size: Any, drop: bool) -> None:
        self.batch, self.drop = size, drop
        known = None if not drop else self.known(size)
        specs = map_shapes(node.element_spec, lambda s: with_dim(s, known))
        super().__init__(specs, [node], [size])
        if (checked := self.known(size)) is not None:
            _check_batch(checked)

    def cursor(self, context: Context) -> Cursor:
        """Collects as many elements as a batch has."""
        size = context.count(self.batch)
        _check_batch(size)
        return _BatchCursor(self.inputs[0].cursor(context.child()), size, self.drop)

    def size(self) -> int:
        """The number of batches."""
        return _batches(self.inputs[0].size(), self.known(self.batch), self.drop)


class _BatchCursor(Cursor):
    def __init__(self, source: Cursor, size: int, drop: bool) -> None:
        super().__init__(source)
        self.source, self.size, self.drop = source, size, drop

    def pull(self, count: int) -> Block | None:
        blocks = collect(self.source, self.size)
        have = sum(block.count for block in blocks)
        if not have or (self.drop and have < self.size):
            return None
        _require_same_shapes(blocks)
        return element(join(blocks).read())


def collect(source: Cursor, wanted: int) -> list[Block]:
    """Returns the blocks of the next elements, fewer than wanted only at the end."""
    blocks: list[Block] = []
    have = 0
    while have < wanted:
        block = source.pull(wanted - have)
        if block is None:
            break
        blocks.append(block)
        have += block.count
    return blocks


def _require_same_shapes(blocks: Sequence[Block]) -> None:
    if len(blocks) < 2:
        return
    first = blocks[0].shapes
    place = blocks[0].count
    for block in blocks[1:]:
        for i, (a, b) in enumerate(zip(first, block.shapes, strict=True)):
            if a != b:
                raise fail(
                    InvalidArgumentError,
                    f"Cannot batch tensors with different shapes in component {i}. "
                    f"First element had shape {list(a)} and element {place} had shape "
                    f"{list(b)}",
                    remedy="padded_batch",
                )
        place += block.count


class PaddedBatch(Node):
    """Elements of several shapes, filled up to one shape and put together.

    Args:
      node: Gives the elements.
      size: The batch size.
      shapes: For each component its shape, None where the longest of a batch decides;
        a symbolic tensor is not possible.
      values: For each component what it is filled with.
      drop: Whether a last batch of fewer elements is left out.
      longest: What the unknown dimensions of shapes become; -1 for the longest element.

    Raises:
      InvalidArgumentError: An element is longer than `longest`.
    """

    def __init__(
        self,
        node: Node,
        size: Any,
        shapes: Sequence[TensorShape],
        values: Sequence[Any],
        drop: bool,
        longest: Any = -1,
    ) -> None:
        self.batch, self.shapes, self.values, self.drop = size, shapes, values, drop
        known = self.known(size) if drop else None
        padded = iter(shapes)
        specs = map_shapes(node.element_spec, lambda _: with_dim(next(padded), known))
        # What fills components may be tensors of a graph, too.
        super().__init__(specs, [node], [size, longest, *values])
        if (checked := self.known(size)) is not None:
            _check_batch(checked)

    def cursor(self, context: Context) -> Cursor:
        """Collects elements."""
        size, longest = map(context.count, self.parameters[:2])
        source = self.inputs[0].cursor(context.child())
        shapes = [_close(shape, longest) for shape in self.shapes]
        values = [context.value(value) for value in self.values]
        return _PaddedCursor(source, self, size, shapes, values)

    def size(self) -> int:
        """The number of batches."""
        return _batches(self.inputs[0].size(), self.known(self.batch), self.drop)


def _close(shape: TensorShape, longest: int) -> TensorShape:
    if longest < 0 or shape.rank is None:
        return shape
    return TensorShape([longest if dim is None else dim for dim in shape])


class _PaddedCursor(Cursor):
    def __init__(
        self,
        source: Cursor,
        node: PaddedBatch,
        size: int,
        shapes: list[TensorShape],
        values: list[Any],
    ) -> None:
        super().__init__(source)
        self.source, self.node, self.size = source, node, size
        self.shapes, self.values = shapes, values

    def pull(self, count: int) -> Block | None:
        blocks = collect(self.source, self.size)
        have = sum(block.count for block in blocks)
        if not have or (self.node.drop and have < self.size):
            return None
        columns = zip(*(block.read() for block in blocks), strict=True)
        pairs = zip(columns, self.shapes, self.values, strict=True)
        return element([_pad(list(c), s, v, i) for i, (c, s, v) in enumerate(pairs)])


def _pad(parts: list[Array], shape: TensorShape, value: Any, component: int) -> Array:
    """Puts columns of several shapes together."""
    ranks = {part.ndim - 1 for part in parts}
    if len(ranks) > 1 or (shape.rank is not None and shape.rank not in ranks):
        raise fail(
            InvalidArgumentError,
            "All elements in a batch must have the same rank as the padded shape for "
            f"component {component}",
            got=f"ranks {sorted(ranks)}",
            expected=f"rank {shape.rank}",
        )
    longest = [max(p.shape[i + 1] for p in parts) for i in range(ranks.pop())]
    dims = shape if shape.rank is not None else [None] * len(longest)
    wanted = [
        most if dim is None else dim for dim, most in zip(dims, longest, strict=True)
    ]
    for dim, most in zip(wanted, longest, strict=True):
        if dim < most:
            raise fail(
                DataLossError,
                "Attempted to pad to a smaller size than the input element",
                got=f"an element of size {most}",
                expected=f"at most {dim}",
            )
    if all(part.shape[1:] == tuple(wanted) for part in parts):
        return parts[0] if len(parts) == 1 else np.concatenate(parts)
    out = np.full((sum(map(len, parts)), *wanted), value, parts[0].dtype)
    start = 0
    for part in parts:
        inside = tuple(slice(0, n) for n in part.shape[1:])
        out[(slice(start, start + len(part)), *inside)] = part
        start += len(part)
    return out


class Unbatch(Node):
    """The rows of elements."""

    def __init__(self, node: Node) -> None:
        super().__init__(map_shapes(node.element_spec, without_dim), [node])

    def cursor(self, context: Context) -> Cursor:
        """Takes elements apart."""
        return _UnbatchCursor(self.inputs[0].cursor(context.child()))

    def size(self) -> int:
        """A multiple, if the size of a batch is known."""
        size = self.inputs[0].size()
        if size == INFINITE or size == 0:
            return size
        specs = nest.flatten(self.inputs[0].element_spec)
        rows = next((s.shape[0] for s in specs if len(s.shape) and s.shape[0]), None)
        return UNKNOWN if rows is None or size < 0 else size * rows


class _UnbatchCursor(Cursor):
    def __init__(self, source: Cursor) -> None:
        super().__init__(source)
        self.source = source
        self.ready = Queue()

    def pull(self, count: int) -> Block | None:
        while not self.ready:
            block = self.source.pull(1)
            if block is None:
                return None
            columns = [a[0] for a in block.read()]
            rows = {len(c) if c.ndim else -1 for c in columns}
            if len(rows) != 1 or -1 in rows:
                raise fail(
                    InvalidArgumentError,
                    "Input element must have the same batch size in each component",
                    got=", ".join(str(list(c.shape)) for c in columns),
                )
            if rows.pop():
                self.ready.add(Block(len(columns[0]), columns))
        return self.ready.pull(count)


class Window(Node):
    """Data sets of elements that follow each other, one for each component."""

    def __init__(
        self, node: Node, size: Any, shift: Any, stride: Any, drop: bool
    ) -> None:
        specs = nest.map_structure(DatasetSpec, node.element_spec)
        super().__init__(specs, [node], [size, shift, stride])
        self.drop = drop
        for name, number in zip(
            ("size", "shift", "stride"), self.parameters, strict=True
        ):
            known = self.known(number)
            if known is not None and known < 1:
                raise fail(
                    InvalidArgumentError,
                    f"Window {name} must be greater than zero",
                    got=str(known),
                    site=str(user_site()),
                )

    def cursor(self, context: Context) -> Cursor:
        """Collects elements."""
        size, shift, stride = map(context.count, self.parameters)
        leaves = nest.flatten(self.inputs[0].element_spec)
        source = self.inputs[0].cursor(context.child())
        return _WindowCursor(source, leaves, size, shift, stride, self.drop)

    def size(self) -> int:
        """The number of windows."""
        size = self.inputs[0].size()
        numbers = [self.known(p) for p in self.parameters]
        if size < 0 or None in numbers:
            return size if size == INFINITE else UNKNOWN
        window, shift, stride = (int(n or 0) for n in numbers)
        if self.drop:
            return max(0, (size - 1 - (window - 1) * stride) // shift + 1)
        return -(-size // shift)


class _WindowCursor(Cursor):
    def __init__(
        self,
        source: Cursor,
        specs: Sequence[Any],
        size: int,
        shift: int,
        stride: int,
        drop: bool,
    ) -> None:
        super().__init__(source)
        self.source, self.specs, self.drop = source, specs, drop
        self.size, self.shift, self.stride = size, shift, stride
        self.buffer: list[Block] = []
        self.skip = 0

    def pull(self, count: int) -> Block | None:
        span = (self.size - 1) * self.stride + 1
        for block in collect(self.source, self.skip + span - len(self.buffer)):
            self.buffer += [block.part(slice(i, i + 1)) for i in range(block.count)]
        skipped = min(self.skip, len(self.buffer))
        del self.buffer[:skipped]
        self.skip -= skipped
        if not self.buffer or (self.drop and len(self.buffer) < span):
            return None
        chosen = self.buffer[: span : self.stride]
        self.skip = max(0, self.shift - len(self.buffer))
        del self.buffer[: self.shift]
        nodes = [
            Blocks(spec, [Block(1, [block.columns[i]]) for block in chosen])
            for i, spec in enumerate(self.specs)
        ]
        return element(nodes)


class GroupByWindow(Node):
    """Groups of elements with one key, each made into a data set by a function."""

    def __init__(
        self,
        node: Node,
        key: DataFunction,
        reduce: DataFunction,
        size: DataFunction,
    ) -> None:
        (spec,) = nest.flatten(reduce.output_specs)
        super().__init__(spec.element_spec, [node], functions=[key, reduce, size])

    def cursor(self, context: Context) -> Cursor:
        """Collects elements by their keys."""
        states = [context.child(i).state(f) for i, f in enumerate(self.functions)]
        source = self.inputs[0].cursor(context.child("input"))
        return _GroupCursor(source, self, context, states)


class _GroupCursor(Cursor):
    def __init__(
        self, source: Cursor, node: GroupByWindow, context: Context, states: list[Any]
    ) -> None:
        super().__init__(source)
        self.source, self.node, self.context = source, node, context
        self.key, self.reduce, self.window = states
        self.specs = node.inputs[0].element_spec
        self.groups: dict[int, list[Block]] = {}
        self.sizes: dict[int, int] = {}
        self.current: Cursor | None = None
        self.is_over = False

    def pull(self, count: int) -> Block | None:
        while True:
            if self.current is not None:
                block = self.current.pull(count)
                if block is not None:
                    return block
                self.current, self.inputs = None, [self.source]
            if not self._next_group():
                return None

    def _next_group(self) -> bool:
        while not self.is_over:
            arrays = pull_one(self.source)
            if arrays is None:
                self.is_over = True
                break
            key = int(self.key.call(arrays)[0])
            if key not in self.groups:
                size = int(self.window.call([np.asarray(np.int64(key))])[0])
                if size < 1:
                    raise fail(
                        InvalidArgumentError,
                        "Window size must be greater than zero",
                        got=str(size),
                    )
                self.groups[key], self.sizes[key] = [], size
            group = self.groups[key]
            group.append(element(arrays))
            if len(group) == self.sizes[key]:
                return self._start(key)
        # What is left, in the order of the keys.
        for key in sorted(self.groups):
            return self._start(key)
        return False

    def _start(self, key: int) -> bool:
        group = Blocks(self.specs, self.groups.pop(key))
        (made,) = self.reduce.call([np.asarray(np.int64(key)), group])
        self.current = made.cursor(self.context.child("group"))
        self.inputs = [self.source, self.current]
        return True
