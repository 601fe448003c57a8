"""Data sets and iterators as arguments of a `tf.function`.

A function is traced for what the elements are, not for each object: the trace is given a
number that stands for the object of the call.
"""

from __future__ import annotations

import itertools
import weakref
from typing import Any, NoReturn

import numpy as np

from graphopt.data.context import Context
from graphopt.data.node import Cursor, Node
from graphopt.errors import NotFoundError, fail
from graphopt.graph.provenance import user_site
from graphopt.runtime.fetches import Composite

_numbers = itertools.count(1)
_objects: weakref.WeakValueDictionary[int, Any] = weakref.WeakValueDictionary()


def find_passed(handle: Any) -> Any:
    """Returns the object that a number stands for.

    Raises:
      NotFoundError: It is gone.
    """
    found = _objects.get(int(handle))
    if found is None:
        raise fail(
            NotFoundError,
            "A data set or iterator that a function was given is gone",
            site=str(user_site()),
            remedy="keeping it as long as the function runs",
        )
    return found


class Passed(Composite):
    """What a function is given by its number."""

    element_spec: Any
    _number = 0

    @property
    def trace_key(self) -> str:
        """What a trace depends on: the kind of the elements."""
        return repr(self.element_spec)

    def list_parts(self) -> list[Any]:
        """Returns the number."""
        if not self._number:
            self._number = next(_numbers)
            _objects[self._number] = self
        return [np.int64(self._number)]

    def fetch_parts(self) -> NoReturn:
        """Refuses to be fetched."""
        raise fail(
            TypeError,
            f"{self!r:.80} cannot be fetched",
            got="a data set or its iterator",
            expected="an element: iterator.get_next()",
            site=str(user_site()),
        )


class PassedNode(Node):
    """The data set of which a number is given.

    Args:
      specs: The structure of its elements.
      handle: The number, a tensor.
    """

    # Nobody knows here what it does.
    watched = True

    def __init__(self, specs: Any, handle: Any) -> None:
        super().__init__(specs, parameters=[handle])
        self.handle = handle

    def cursor(self, context: Context) -> Cursor:
        """That of the data set."""
        node: Node = find_passed(context.value(self.handle))._node
        context.number, node.iterations = node.iterations, node.iterations + 1
        return node.cursor(context.child("passed"))
