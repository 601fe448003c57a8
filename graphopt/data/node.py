"""`Node`, what a data set is inside, and `Cursor`, what goes through its elements.

A node says what is to be done and with which inputs; it never changes. A cursor belongs to
one iteration. It has one method, `pull(n)`, which gives a block of 1 to n elements, as many
as are at hand without looking further ahead than n, or None at the end. Whoever wants a
batch asks for as many elements as a batch has, so that most of the work is done for all of
them at once, and still nothing happens before somebody wants it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from graphopt.data.blocks import Block, row
from graphopt.data.context import Context
from graphopt.errors import fail
from graphopt.graph.provenance import user_site
from graphopt.graph.tensor import GraphTensor

INFINITE, UNKNOWN = -1, -2


class Node:
    """The description of a data set.

    Attributes:
      element_spec: What its elements are.
      inputs: The nodes that it takes elements from.
      parameters: Numbers, or symbolic tensors that stand for numbers or arrays.
      functions: Traced functions.
      watched: Whether the user can tell when an element is made.
    """

    watched = False

    def __init__(
        self,
        element_spec: Any,
        inputs: Sequence[Node] = (),
        parameters: Sequence[Any] = (),
        functions: Sequence[Any] = (),
    ) -> None:
        self.element_spec = element_spec
        self.inputs = tuple(inputs)
        self.parameters = tuple(parameters)
        self.functions = tuple(functions)
        # How often it was iterated in eager mode, and what a cache keeps.
        self.iterations = 0
        self.runs_ahead: bool = (
            not self.watched
            and all(node.runs_ahead for node in self.inputs)
            and all(function.runs_ahead for function in self.functions)
        )

    def cursor(self, context: Context) -> Cursor:
        """Returns what goes through the elements once.

        Args:
          context: The place of this node in the iteration.
        """
        raise NotImplementedError

    def size(self) -> int:
        """Returns the number of elements, INFINITE or UNKNOWN."""
        return UNKNOWN

    def symbols(self) -> list[GraphTensor]:
        """Returns the symbolic tensors that an iteration needs the values of."""
        found: dict[GraphTensor, None] = {}
        stack: list[Node] = [self]
        while stack:
            node = stack.pop()
            stack += reversed(node.inputs)
            found.update(
                dict.fromkeys(p for p in node.parameters if isinstance(p, GraphTensor))
            )
            for function in node.functions:
                found.update(dict.fromkeys(function.symbols))
        return list(found)

    def known(self, parameter: Any) -> int | None:
        """Returns a parameter, or None if only the run knows it."""
        return None if isinstance(parameter, GraphTensor) else int(parameter)


class Cursor:
    """Goes through the elements of one iteration.

    Args:
      inputs: The cursors that it takes elements from.
    """

    def __init__(self, *inputs: Cursor) -> None:
        self.inputs = list(inputs)

    def pull(self, count: int) -> Block | None:
        """Returns 1 to `count` elements, or None at the end.

        Raises:
          Exception: What making the next element raised; the one behind it may follow.
        """
        raise NotImplementedError

    def cancel(self) -> None:
        """Ends what other threads do for it."""
        for cursor in self.inputs:
            cursor.cancel()


class Queue:
    """Blocks, and errors, that are there before somebody pulls them."""

    def __init__(self) -> None:
        self._items: deque[Block | BaseException] = deque()

    def __len__(self) -> int:
        return len(self._items)

    def add(self, item: Block | BaseException) -> None:
        """Adds elements, or what is raised when it is their turn."""
        self._items.append(item)

    def pull(self, count: int) -> Block:
        """Returns the next elements, at most `count`; there must be some."""
        item = self._items.popleft()
        if isinstance(item, BaseException):
            raise item
        if item.count > count:
            self._items.appendleft(item.part(slice(count, item.count)))
            item = item.part(slice(0, count))
        return item


def elements(cursor: Cursor, ahead: int = 1) -> Iterator[list[Any]]:
    """Yields elements one by one.

    Args:
      cursor: Gives them.
      ahead: How many may be made before they are wanted.
    """
    while (block := cursor.pull(ahead)) is not None:
        arrays = block.read()
        for i in range(block.count):
            yield row(arrays, i)


def pull_one(cursor: Cursor) -> list[Any] | None:
    """Returns the next element, None at the end."""
    block = cursor.pull(1)
    return None if block is None else row(block.read(), 0)


class Bound(Node):
    """A node whose symbolic tensors have values.

    Args:
      node: The node.
      bindings: The values.
    """

    def __init__(self, node: Node, bindings: dict[Any, Any]) -> None:
        super().__init__(node.element_spec)
        self.node, self.bindings = node, bindings
        self.runs_ahead = node.runs_ahead

    def cursor(self, context: Context) -> Cursor:
        """That of the node."""
        return self.node.cursor(context.bind("bound", self.bindings))

    def size(self) -> int:
        """That of the node."""
        return self.node.size()


class Symbolic(Node):
    """A data set that is the argument of a traced function."""

    def cursor(self, context: Context) -> Cursor:
        """That of the data set which the function is called with."""
        actual: Node = context.find(self)
        return actual.cursor(context.child("actual"))


# ---- data sets of the user, which the module of `Dataset` says how to make

wrap: Callable[[Node], Any]


def node_of(value: Any) -> Node | None:
    """Returns the node of a data set, None for anything else."""
    found = getattr(value, "_node", None)
    return found if isinstance(found, Node) else None


def require_node(value: Any, what: str) -> Node:
    """Returns the node of a data set.

    Raises:
      TypeError: It is none.
    """
    found = node_of(value)
    if found is None:
        raise fail(
            TypeError,
            f"{what} must be a `Dataset` object",
            got=f"{value!r:.80}",
            expected="a tf.data.Dataset",
            site=str(user_site()),
        )
    return found
