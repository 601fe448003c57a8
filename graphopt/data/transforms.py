"""What is done with elements one by one, or with their order."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import numpy as np

from graphopt import dtypes
from graphopt.data.blocks import Block, Reservoir, element, row
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
from graphopt.data.sources import BlocksCursor
from graphopt.data.structure import join_specs
from graphopt.errors import (
    FailedPreconditionError,
    InvalidArgumentError,
    OpError,
    fail,
)
from graphopt.graph import nest
from graphopt.graph.provenance import user_site
from graphopt.runtime.function import TensorSpec

# How many random places are drawn at once, whatever is asked for.
_DRAWS = 1024


class Map(Node):
    """A function of each element."""

    def __init__(self, node: Node, function: DataFunction) -> None:
        super().__init__(function.output_specs, [node], functions=[function])

    def cursor(self, context: Context) -> Cursor:
        """Calls the function."""
        state = context.state(self.functions[0])
        return _MapCursor(self.inputs[0].cursor(context.child()), state)

    def size(self) -> int:
        """As many as there were."""
        return self.inputs[0].size()


class _MapCursor(Cursor):
    def __init__(self, source: Cursor, state: Any) -> None:
        super().__init__(source)
        self.source, self.state = source, state
        self.ready = Queue()
        # What the function has not seen because an element before it has failed.
        self.rest: Block | None = None

    def pull(self, count: int) -> Block | None:
        while not self.ready:
            block = self.rest if self.rest is not None else self.source.pull(count)
            self.rest = None
            if block is None:
                return None
            self._call(block)
        return self.ready.pull(count)

    def _call(self, block: Block) -> None:
        made, error = self.state.call_block(block)
        for part in made:
            self.ready.add(part)
        if error is not None:
            self.ready.add(error)
            done = sum(part.count for part in made) + 1
            if done < block.count:
                self.rest = block.part(slice(done, block.count))


class Filter(Node):
    """The elements for which a function is true."""

    def __init__(self, node: Node, function: DataFunction) -> None:
        super().__init__(node.element_spec, [node], functions=[function])
        _require_condition(function, "filter")

    def cursor(self, context: Context) -> Cursor:
        """Asks the function."""
        state = context.state(self.functions[0])
        return _FilterCursor(self.inputs[0].cursor(context.child()), state)


def _require_condition(function: DataFunction, what: str) -> None:
    spec = function.output_specs
    is_bool = isinstance(spec, TensorSpec) and spec.dtype is dtypes.bool_
    if not is_bool or not spec.shape.is_compatible_with(()):
        raise fail(
            TypeError,
            f"Invalid `predicate`: the function of `{what}` must return a scalar bool",
            got=repr(spec),
            expected="TensorSpec(shape=(), dtype=tf.bool, name=None)",
            site=str(user_site()),
        )


class _FilterCursor(Cursor):
    def __init__(self, source: Cursor, state: Any) -> None:
        super().__init__(source)
        self.source, self.state = source, state
        self.ready = Queue()
        self.rest: Block | None = None

    def pull(self, count: int) -> Block | None:
        while not self.ready:
            block = self.rest if self.rest is not None else self.source.pull(count)
            self.rest = None
            if block is None:
                return None
            made, error = self.state.call_block(block)
            done = sum(part.count for part in made)
            if made:
                answers = np.concatenate([part.read()[0] for part in made])
                which = np.flatnonzero(answers)
                if len(which):
                    self.ready.add(block.part(which))
            if error is not None:
                self.ready.add(error)
                if done + 1 < block.count:
                    self.rest = block.part(slice(done + 1, block.count))
        return self.ready.pull(count)


class TakeWhile(Node):
    """The elements before the first one for which a function is false."""

    def __init__(self, node: Node, function: DataFunction) -> None:
        super().__init__(node.element_spec, [node], functions=[function])
        _require_condition(function, "take_while")

    def cursor(self, context: Context) -> Cursor:
        """Asks the function."""
        state = context.state(self.functions[0])
        return _TakeWhileCursor(self.inputs[0].cursor(context.child()), state)


class _TakeWhileCursor(Cursor):
    def __init__(self, source: Cursor, state: Any) -> None:
        super().__init__(source)
        self.source, self.state, self.is_over = source, state, False

    def pull(self, count: int) -> Block | None:
        arrays = None if self.is_over else pull_one(self.source)
        if arrays is None:
            return None
        (holds,) = self.state.call(arrays)
        if not holds:
            self.is_over = True
            return None
        return element(arrays)


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
        source = self.inputs[0].cursor(context.child())
        return _ShuffleCursor(
            source, size, context.next_generator(self.stream, self.again)
        )

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


class Scan(Node):
    """A function of a state and of each element, which gives a new state and an element."""

    def __init__(
        self, node: Node, state: Sequence[Any], state_spec: Any, function: DataFunction
    ) -> None:
        super().__init__(function.output_specs[1], [node], state, [function])
        self.state, self.state_spec = list(state), state_spec

    def cursor(self, context: Context) -> Cursor:
        """Calls the function."""
        function = context.state(self.functions[0])
        start = [np.asarray(context.value(leaf)) for leaf in self.state]
        return _ScanCursor(self.inputs[0].cursor(context.child()), function, start)

    def size(self) -> int:
        """As many as there were."""
        return self.inputs[0].size()


class _ScanCursor(Cursor):
    def __init__(self, source: Cursor, function: Any, state: list[Any]) -> None:
        super().__init__(source)
        self.source, self.function, self.state = source, function, state

    def pull(self, count: int) -> Block | None:
        arrays = pull_one(self.source)
        if arrays is None:
            return None
        found = self.function.call([*self.state, *arrays])
        self.state, made = found[: len(self.state)], found[len(self.state) :]
        return element(made)


class Unique(Node):
    """Elements that were not there before."""

    def __init__(self, node: Node) -> None:
        super().__init__(node.element_spec, [node])
        if not isinstance(node.element_spec, TensorSpec):
            raise fail(
                TypeError,
                "`Dataset.unique` needs elements of one tensor",
                got=repr(node.element_spec),
                site=str(user_site()),
            )

    def cursor(self, context: Context) -> Cursor:
        """Remembers them."""
        return _UniqueCursor(self.inputs[0].cursor(context.child()))


class _UniqueCursor(Cursor):
    def __init__(self, source: Cursor) -> None:
        super().__init__(source)
        self.source = source
        self.seen: set[Any] = set()

    def pull(self, count: int) -> Block | None:
        while (block := self.source.pull(count)) is not None:
            which = []
            for i, (array,) in enumerate(
                row(block.read(), i) for i in range(block.count)
            ):
                is_text = array.dtype.kind == "O"
                key = (array.shape, tuple(array.flat) if is_text else array.tobytes())
                if key not in self.seen:
                    self.seen.add(key)
                    which.append(i)
            if which:
                return block.part(np.array(which))
        return None


class IgnoreErrors(Node):
    """Elements, without those that cannot be made."""

    def __init__(self, node: Node, log: bool) -> None:
        super().__init__(node.element_spec, [node])
        self.log = log

    def cursor(self, context: Context) -> Cursor:
        """Goes on where one fails."""
        return _IgnoreErrorsCursor(self.inputs[0].cursor(context.child()), self.log)


class _IgnoreErrorsCursor(Cursor):
    def __init__(self, source: Cursor, log: bool) -> None:
        super().__init__(source)
        self.source, self.log = source, log

    def pull(self, count: int) -> Block | None:
        while True:
            try:
                return self.source.pull(count)
            except OpError as error:
                if self.log:
                    logging.getLogger("tensorflow").warning("ignored: %s", error)


class Same(Node):
    """The elements as they are: what only says how they are to be made, or more of them."""

    def __init__(self, node: Node, specs: Any = None, size: Any = None) -> None:
        super().__init__(node.element_spec if specs is None else specs, [node])
        self.given = size

    def cursor(self, context: Context) -> Cursor:
        """That of the input."""
        source = self.inputs[0].cursor(context.child())
        if self.given is None or self.given < 0:
            return source
        return _SizedCursor(source, self.given)

    def size(self) -> int:
        """What was said."""
        return self.inputs[0].size() if self.given is None else self.given


class _SizedCursor(Cursor):
    """Raises where there are not as many elements as was said."""

    def __init__(self, source: Cursor, size: int) -> None:
        super().__init__(source)
        self.source, self.size, self.seen = source, size, 0

    def pull(self, count: int) -> Block | None:
        block = self.source.pull(count)
        self.seen += block.count if block is not None else 0
        if self.seen > self.size or (block is None and self.seen < self.size):
            kind = "at least" if self.seen > self.size else "only"
            raise fail(
                FailedPreconditionError,
                f"Input dataset was expected to contain {self.size} elements but "
                f"contained {kind} {self.seen}",
            )
        return block
