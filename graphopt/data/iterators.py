"""Iterators: over data sets in eager mode, and as ops of a graph.

An iterator of a graph has a state in each session. Its `get_next` op takes an element
before the step runs (see `graphopt.ops.outside`), so the step is compiled as if the element
were fed, in whatever shape it comes; fetched twice in a run it is one element.

For those who build loops over data sets (in a graph of a `tf.function`):

- `make_get_next(iterator)` adds an op that takes the next element of an `Iterator` and
  returns it as a structure of tensors; at the end running it raises OutOfRangeError. With
  `optional=True` it returns `(has_value, element)`: a scalar bool, and at the end zeros (of
  size 0 where a dimension is not known).
- `start_iterator(dataset)` adds an op that begins a new iteration in every run, and
  returns an iterator for `make_get_next`. Inside of a body (`while_loop`) the op of
  `make_get_next` runs on the host, once a round, with the handle that `start_iterator` made
  outside of the loop.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

from graphopt.data.arguments import specs_of_types
from graphopt.data.blocks import Block, row
from graphopt.data.context import Context
from graphopt.data.node import Cursor, Node, pull_one, require_node
from graphopt.data.passing import Passed, find_passed
from graphopt.data.structure import (
    DatasetSpec,
    pack_eager,
    pack_numpy,
)
from graphopt.data.taking import ask_next as ask_next
from graphopt.data.taking import make_get_next as make_get_next
from graphopt.errors import (
    OutOfRangeError,
    fail,
)
from graphopt.graph import nest
from graphopt.graph.context import building_graph
from graphopt.graph.hooks import hooks
from graphopt.graph.provenance import user_site
from graphopt.graph.tensor import EagerTensor, GraphTensor, Tensor
from graphopt.ops.outside import (
    REDUCE,
    add_outside,
)

# The elements that may be made before they are wanted, where nobody can tell.
_AHEAD = 32


class State:
    """One iteration.

    Args:
      node: The data set.
      context: What it needs.
    """

    def __init__(self, node: Node, context: Context) -> None:
        self.cursor: Cursor = node.cursor(context)
        self._context = context
        self._lock = threading.Lock()
        self._peeked: list[Any] | Exception | None = None

    def next(self) -> list[Any] | None:
        """Returns the next element, None at the end."""
        with self._lock:
            found, self._peeked = self._peeked, None
            if isinstance(found, Exception):
                raise found
            return pull_one(self.cursor) if found is None else found

    def peek(self) -> list[Any] | None:
        """Returns the element that comes next."""
        with self._lock:
            found = self._look()
        if isinstance(found, Exception):
            raise found
        return found

    @property
    def was_asked(self) -> bool:
        """Whether the next element is here already."""
        return self._peeked is not None

    def follows(self) -> bool:
        """Returns whether there is a next element, or an error in its place."""
        with self._lock:
            return self._look() is not None

    def _look(self) -> list[Any] | Exception | None:
        if self._peeked is None:
            try:
                self._peeked = pull_one(self.cursor)
            except Exception as error:
                self._peeked = error
        return self._peeked

    def cancel(self) -> None:
        """Ends its threads."""
        self.cursor.cancel()


def _begin(node: Node) -> Context:
    """Returns the context of a new iteration in eager mode."""
    number, node.iterations = node.iterations, node.iterations + 1
    return Context(number=number)


class Iterator:
    """Goes through the elements of a data set.

    Source: `tf.data.Iterator`.
    """

    element_spec: Any

    @staticmethod
    def of_dataset(node: Node) -> Iterator:
        """Returns the iterator of `iter(dataset)`."""
        if building_graph() is not None:
            found: Iterator = _graphs().start_node(node)
            return found
        return EagerIterator(node)

    @staticmethod
    def from_structure(
        output_types: Any,
        output_shapes: Any = None,
        shared_name: str | None = None,
        output_classes: Any = None,
    ) -> Iterator:
        """Returns an iterator without a data set; see `make_initializer`.

        Args:
          output_types: A structure of dtypes.
          output_shapes: The same structure of shapes.
          shared_name: Accepted for compatibility.
          output_classes: Accepted.

        Source: `tf.compat.v1.data.Iterator.from_structure`.
        """
        specs = specs_of_types(output_types, output_shapes)
        found: Iterator = _graphs().GraphIterator(specs)
        return found

    @staticmethod
    def from_string_handle(
        string_handle: Any,
        output_types: Any,
        output_shapes: Any = None,
        output_classes: Any = None,
    ) -> Iterator:
        """Returns an iterator that stands for the one of which a handle is fed.

        Args:
          string_handle: A scalar string tensor, as `string_handle()` of an iterator.
          output_types: A structure of dtypes.
          output_shapes: The same structure of shapes.
          output_classes: Accepted for compatibility.

        Source: `tf.compat.v1.data.Iterator.from_string_handle`.
        """
        specs = specs_of_types(output_types, output_shapes)
        handle = hooks.convert(string_handle)
        found: Iterator = _graphs().GraphIterator(specs, handle=handle)
        return found

    def get_next(self, name: str | None = None) -> Any:
        """Returns the next element."""
        raise NotImplementedError

    def get_next_as_optional(self) -> Any:
        """Returns the next element, if there is one, as an `Optional`."""
        from graphopt.data.optional import get_next_as_optional

        return get_next_as_optional(self)

    @property
    def output_types(self) -> Any:
        """The dtypes of the components."""
        return nest.map_structure(lambda s: s.dtype, self.element_spec)

    @property
    def output_shapes(self) -> Any:
        """The shapes of the components."""
        return nest.map_structure(lambda s: s.shape, self.element_spec)

    @property
    def output_classes(self) -> Any:
        """The classes of the components."""
        return nest.map_structure(lambda _: Tensor, self.element_spec)


# ---- eager mode


def _graphs() -> Any:
    """The module of iterators of graphs, which is to the right of this one."""
    from graphopt.data import graph_iterators

    return graph_iterators


class EagerIterator(Iterator, Passed):
    """The iterator of a data set in eager mode.

    Args:
      node: The data set.
    """

    def __init__(self, node: Node) -> None:
        self.element_spec = node.element_spec
        self._state = State(node, _begin(node))
        self._ahead = _AHEAD if node.runs_ahead else 1
        self._lock = threading.Lock()
        self._block: Block | None = None
        self._arrays: list[Any] = []
        self._place = 0
        self._wraps = any(
            isinstance(s, DatasetSpec) for s in nest.flatten(self.element_spec)
        )

    def __iter__(self) -> EagerIterator:
        return self

    def arrays(self) -> list[Any] | None:
        """Returns the next element as arrays, None at the end."""
        with self._lock:
            block = self._block
            if block is None or self._place >= block.count:
                self._block = None
                if self._state.was_asked:
                    return self._state.next()
                block = self._state.cursor.pull(self._ahead)
                if block is None:
                    return None
                self._block, self._arrays, self._place = block, block.read(), 0
            place, self._place = self._place, self._place + 1
            return row(self._arrays, place)

    def next(self) -> Any:
        """Returns the next element; the name that it has in TensorFlow 1.

        Raises:
          StopIteration: There is none.
        """
        return self.__next__()

    def __next__(self) -> Any:
        if building_graph() is not None:
            return make_get_next(self)
        found = self.arrays()
        if found is None:
            raise StopIteration
        return pack_eager(self.element_spec, _show(found) if self._wraps else found)

    def get_next(self, name: str | None = None) -> Any:
        """Returns the next element.

        Raises:
          OutOfRangeError: There is none.
        """
        if building_graph() is not None:
            return make_get_next(self, name=name)
        found = self.arrays()
        if found is None:
            raise _end()
        return pack_eager(self.element_spec, _show(found) if self._wraps else found)

    def with_parts(self, tensors: Sequence[Any]) -> Any:
        """Returns the iterator of a number; in a graph, what stands for it."""
        (handle,) = tensors
        if isinstance(handle, EagerTensor):
            return find_passed(handle)
        return _graphs().ArgumentIterator(self.element_spec, handle)

    def take(self, _store: Any) -> list[Any] | None:
        """Returns the next element for an op of a graph."""
        return self.arrays()

    def follows(self, _store: Any) -> bool:
        """Returns whether there is a next element."""
        with self._lock:
            block = self._block
            is_here = block is not None and self._place < block.count
            return is_here or self._state.follows()

    def _loop_in_graph(self, *rest: Any) -> None:
        from graphopt.data.loops import loop_over

        loop_over(self, *rest)

    def __repr__(self) -> str:
        return f"<tf.data.Iterator element_spec={self.element_spec}>"


def _show(arrays: Sequence[Any]) -> list[Any]:
    from graphopt.data import node

    return [node.wrap(a) if isinstance(a, Node) else a for a in arrays]


class NumpyIterator:
    """An iterator over elements as NumPy arrays.

    Args:
      node: The data set.
    """

    def __init__(self, node: Node) -> None:
        self._iterator = EagerIterator(node)

    def __iter__(self) -> NumpyIterator:
        return self

    def __next__(self) -> Any:
        found = self._iterator.arrays()
        if found is None:
            raise StopIteration
        return pack_numpy(self._iterator.element_spec, _show(found))


def iterate_arrays(dataset: Any) -> Any:
    """Yields the elements of a data set as lists of arrays, for loops inside of graphopt.

    Args:
      dataset: A data set; `nest.pack_as(dataset.element_spec, arrays)` is the element.
    """
    node = require_node(dataset, "The data")
    iterator = EagerIterator(node)
    while (found := iterator.arrays()) is not None:
        yield found


def _end() -> OutOfRangeError:
    return fail(OutOfRangeError, "End of sequence", site=str(user_site()))


# ---- values of data sets in both modes


def in_graph(
    node: Node,
    compute: Callable[[Context], list[Any]],
    symbols: Sequence[GraphTensor],
    specs: Any,
) -> Any:
    """Returns what a function computes from a data set: now, or when the graph runs.

    Args:
      node: The data set.
      compute: Takes the context of an iteration, returns arrays.
      symbols: The symbolic tensors that it needs.
      specs: The structure of the result.
    """
    if building_graph() is None:
        return pack_eager(specs, compute(_begin(node)))

    def handler(store: Any, *arrays: Any) -> list[Any]:
        bindings = dict(zip(symbols, arrays, strict=True))
        return compute(Context(store=store, bindings=bindings))

    leaves = nest.flatten(specs)
    outputs = add_outside(
        REDUCE,
        handler,
        symbols,
        [s.dtype for s in leaves],
        [s.shape for s in leaves],
    )
    return nest.pack_as(specs, list(outputs))


def get_structure(dataset_or_iterator: Any) -> Any:
    """Returns what the elements of a data set or iterator are."""
    return dataset_or_iterator.element_spec


def get_output_types(dataset_or_iterator: Any) -> Any:
    """Returns the dtypes of the components of elements."""
    return dataset_or_iterator.output_types


def get_output_shapes(dataset_or_iterator: Any) -> Any:
    """Returns the shapes of the components of elements."""
    return dataset_or_iterator.output_shapes


def get_output_classes(dataset_or_iterator: Any) -> Any:
    """Returns the classes of the components of elements."""
    return dataset_or_iterator.output_classes
