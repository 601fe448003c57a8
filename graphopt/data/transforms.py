"""What is done with each element: functions of it, and of a state."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import numpy as np

from graphopt import dtypes
from graphopt.data.blocks import Block, element, row
from graphopt.data.context import Context
from graphopt.data.functions import DataFunction
from graphopt.data.node import (
    Cursor,
    Node,
    Queue,
    pull_one,
)
from graphopt.errors import (
    FailedPreconditionError,
    OpError,
    fail,
)
from graphopt.graph.provenance import user_site
from graphopt.runtime.function import TensorSpec

# How many elements are looked at at once where nobody can tell.
_AHEAD = 32


class Map(Node):
    """A function of each element."""

    def __init__(self, node: Node, function: DataFunction) -> None:
        super().__init__(function.output_specs, [node], functions=[function])

    def cursor(self, context: Context) -> Cursor:
        """Calls the function."""
        state = context.state(self.functions[0])
        return MapCursor(self.inputs[0].cursor(context.child()), state)

    def size(self) -> int:
        """As many as there were."""
        return self.inputs[0].size()


class MapCursor(Cursor):
    """Calls a function for each element.

    Args:
      source: Gives the elements.
      state: What runs the function.
    """

    def __init__(self, source: Cursor, state: Any) -> None:
        super().__init__(source)
        self.source, self.state = source, state
        self.ready = Queue()
        # What the function has not seen because an element before it has failed.
        self.rest: Block | None = None

    def pull(self, count: int) -> Block | None:
        """What the function returns for the next elements."""
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
        source = self.inputs[0].cursor(context.child())
        return _FilterCursor(source, state, _AHEAD if self.runs_ahead else 1)


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
    def __init__(self, source: Cursor, state: Any, ahead: int) -> None:
        super().__init__(source)
        self.source, self.state, self.ahead = source, state, ahead
        self.ready = Queue()
        self.rest: Block | None = None

    def pull(self, count: int) -> Block | None:
        while not self.ready:
            block = self.rest
            if block is None:
                block = self.source.pull(max(count, self.ahead))
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
