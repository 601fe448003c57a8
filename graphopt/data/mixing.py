"""Elements of several data sets in turns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphopt.data.blocks import Block
from graphopt.data.context import Context
from graphopt.data.functions import DataFunction
from graphopt.data.node import INFINITE, UNKNOWN, Cursor, Node, pull_one
from graphopt.data.structure import DatasetSpec, join_specs
from graphopt.errors import InvalidArgumentError, fail
from graphopt.graph.provenance import user_site

# How many inputs are read in turns where the program leaves that open.
_CYCLE = 4


class Interleave(Node):
    """The elements of the data sets that a function makes, some of each in turns."""

    def __init__(
        self, node: Node, function: DataFunction, cycle: Any, block: Any, what: str
    ) -> None:
        spec = function.output_specs
        if not isinstance(spec, DatasetSpec):
            raise fail(
                TypeError,
                f"The `map_func` argument must return a `Dataset` object, in `{what}`",
                got=repr(spec),
                expected="a tf.data.Dataset",
                site=str(user_site()),
                remedy="Dataset.from_tensor_slices(x)",
            )
        super().__init__(spec.element_spec, [node], [cycle, block], [function])
        for name, number in (("cycle_length", cycle), ("block_length", block)):
            known = self.known(number)
            if (
                known is not None
                and known < 1
                and not (known == -1 and number is cycle)
            ):
                raise fail(
                    InvalidArgumentError,
                    f"`{name}` must be > 0",
                    got=str(known),
                    site=str(user_site()),
                )

    def cursor(self, context: Context) -> Cursor:
        """In turns."""
        state = context.state(self.functions[0])
        cycle, block = map(context.count, self.parameters)
        source = self.inputs[0].cursor(context.child("input"))
        return InterleaveCursor(
            source, state, context, _CYCLE if cycle < 0 else cycle, block
        )


class InterleaveCursor(Cursor):
    """Reads the data sets that a function makes in turns.

    Args:
      source: Gives what the function is called with.
      state: Has the function, as `call`.
      context: Has a place for each data set that is open.
      cycle: How many are open.
      block: How many elements come of each.
    """

    def __init__(
        self, source: Cursor, state: Any, context: Context, cycle: int, block: int
    ) -> None:
        super().__init__(source)
        self.source, self.state, self.context = source, state, context
        self.slots: list[Cursor | None] = [None] * cycle
        self.block, self.place, self.done = block, 0, 0
        self.is_over = False

    def pull(self, count: int) -> Block | None:
        """The next elements of whose turn it is."""
        while not self.is_over or any(self.slots):
            slot = self.slots[self.place]
            if slot is not None:
                # Alone, an input is read as far as somebody wants.
                most = count if len(self.slots) == 1 else self.block - self.done
                block = slot.pull(min(count, most))
                if block is not None:
                    self.done += block.count
                    if self.done >= self.block:
                        self._advance()
                    return block
                self.slots[self.place] = None
                self._advance()
            elif not self.is_over:
                self._open()
            else:
                self._advance()
        return None

    def _advance(self) -> None:
        self.place, self.done = (self.place + 1) % len(self.slots), 0

    def _open(self) -> None:
        arrays = pull_one(self.source)
        if arrays is None:
            self.is_over = True
            return
        (node,) = self.state.call(arrays)
        self.slots[self.place] = node.cursor(self.context.child(self.place))

    def cancel(self) -> None:
        """Ends the threads of those that are open."""
        super().cancel()
        for slot in self.slots:
            if slot is not None:
                slot.cancel()


class Choose(Node):
    """Elements of data sets, each time from the one that a data set of numbers names."""

    def __init__(self, nodes: Sequence[Node], choice: Node, stops: bool) -> None:
        specs = nodes[0].element_spec
        for node in nodes[1:]:
            specs = join_specs(specs, node.element_spec, "choose_from_datasets")
        super().__init__(specs, [choice, *nodes])
        self.stops = stops

    def cursor(self, context: Context) -> Cursor:
        """Chooses."""
        cursors = [n.cursor(context.child(i)) for i, n in enumerate(self.inputs)]
        return _ChooseCursor(cursors[0], cursors[1:], self.stops)

    def size(self) -> int:
        """Not known, as a rule."""
        sizes = [node.size() for node in self.inputs[1:]]
        endless = self.inputs[0].size() == INFINITE
        return INFINITE if endless and INFINITE in sizes and self.stops else UNKNOWN


class _ChooseCursor(Cursor):
    def __init__(self, choice: Cursor, cursors: Sequence[Cursor], stops: bool) -> None:
        super().__init__(choice, *cursors)
        self.choice, self.stops = choice, stops
        self.open: list[Cursor | None] = list(cursors)

    def pull(self, count: int) -> Block | None:
        while any(cursor is not None for cursor in self.open):
            which = pull_one(self.choice)
            if which is None:
                return None
            index = int(which[0])
            if not 0 <= index < len(self.open):
                raise fail(
                    InvalidArgumentError,
                    "Selector index out of range",
                    got=str(index),
                    expected=f"0 to {len(self.open) - 1}",
                )
            cursor = self.open[index]
            block = cursor.pull(1) if cursor is not None else None
            if block is not None:
                return block
            if self.stops:
                return None
            self.open[index] = None
        return None


class Sample(Node):
    """Elements of data sets, each time from one chosen at random."""

    def __init__(
        self,
        nodes: Sequence[Node],
        weights: Sequence[float] | None,
        stream: Any,
        again: bool,
        stops: bool,
    ) -> None:
        specs = nodes[0].element_spec
        for node in nodes[1:]:
            specs = join_specs(specs, node.element_spec, "sample_from_datasets")
        super().__init__(specs, nodes)
        self.weights, self.stream = weights, stream
        self.again, self.stops = again, stops

    def cursor(self, context: Context) -> Cursor:
        """Draws."""
        cursors = [n.cursor(context.child(i)) for i, n in enumerate(self.inputs)]
        generator = context.next_generator(self.stream, self.again)
        return _SampleCursor(cursors, self.weights, generator, self.stops)


class _SampleCursor(Cursor):
    def __init__(
        self,
        cursors: Sequence[Cursor],
        weights: Sequence[float] | None,
        generator: np.random.Generator,
        stops: bool,
    ) -> None:
        super().__init__(*cursors)
        self.weights = np.array(
            [1.0] * len(cursors) if weights is None else weights, np.float64
        )
        self.generator, self.stops = generator, stops

    def pull(self, count: int) -> Block | None:
        # Who has no weight, or nothing left, is never chosen.
        while (total := self.weights.sum()) > 0:
            sums = np.cumsum(self.weights) / total
            index = int(np.searchsorted(sums, self.generator.random(), "right"))
            block = self.inputs[min(index, len(sums) - 1)].pull(1)
            if block is not None:
                return block
            if self.stops:
                return None
            self.weights[index] = 0.0
        return None
