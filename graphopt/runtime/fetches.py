"""What `Session.run` is asked for: structures of tensors, operations and names."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from graphopt.errors import fail
from graphopt.graph import nest
from graphopt.graph.graph import Graph, Operation
from graphopt.graph.indexed_slices import IndexedSlices, IndexedSlicesValue
from graphopt.graph.provenance import user_site
from graphopt.graph.tensor import GraphTensor
from graphopt.ops.creation import constant
from graphopt.runtime.variable import Variable

Array = NDArray[Any]


class Fetch(NamedTuple):
    """A fetch structure, read once."""

    fetches: tuple[GraphTensor, ...]
    targets: tuple[Operation, ...]
    rebuild: Callable[[list[Array]], Any]


class Composite:
    """A value that is several tensors, fetched, given to a function or returned as one.

    Subclasses say which tensors, and what becomes of their values.

    Attributes:
      trace_key: What a trace of a function that is given one depends on besides the class
        and the tensors.
    """

    trace_key: Any = None

    def fetch_parts(self) -> Any:
        """Returns a nest of tensors."""
        raise NotImplementedError

    def feed_parts(self, value: Any) -> Any:
        """Yields (tensor, value) pairs of what is fed for it.

        Raises:
          TypeError: It cannot be fed.
        """
        raise fail(
            TypeError,
            f"{self!r:.80} cannot be fed",
            expected="a placeholder",
            site=str(user_site()),
        )

    def from_parts(self, values: Any) -> Any:
        """Returns what a fetch gives, from the values of the nest."""
        raise NotImplementedError

    def list_parts(self) -> list[Any]:
        """Returns the tensors of the nest in order."""
        return nest.flatten(self.fetch_parts())

    def with_parts(self, tensors: Sequence[Any]) -> Any:
        """Returns a value of the same kind of other tensors, in that order.

        Raises:
          TypeError: There is none outside of a graph.
        """
        raise fail(
            TypeError,
            f"{self!r:.80} cannot be given to a function or returned by one",
            expected="tensors",
            site=str(user_site()),
        )


def key_of(fetches: Any) -> Any:
    """A hashable key for a fetch structure, or None if it has no cheap one."""
    if isinstance(fetches, (Operation, GraphTensor, str, Variable, Composite)):
        return fetches
    if isinstance(fetches, (list, tuple)):
        parts = tuple(key_of(item) for item in fetches)
        return None if None in parts else (type(fetches), parts)
    if isinstance(fetches, dict):
        parts = tuple((key, key_of(item)) for key, item in fetches.items())
        return None if any(part is None for _, part in parts) else (dict, parts)
    return None


def parse_fetches(graph: Graph, fetches: Any) -> Fetch:
    """Reads a fetch structure.

    Raises:
      TypeError: Something in it can never be fetched.
      ValueError: It is not an element of the graph.
    """
    whole = fetches
    has_composites = any(isinstance(each, Composite) for each in nest.flatten(fetches))
    fetches = nest.map_structure(_expand, fetches)
    leaves = nest.flatten(fetches)
    tensors: dict[GraphTensor, int] = {}
    targets: dict[Operation, None] = {}
    slots: list[int | None] = []
    for leaf in leaves:
        element = _fetch_element(graph, leaf)
        if isinstance(element, Operation):
            targets[element] = None
            slots.append(None)
        else:
            slots.append(tensors.setdefault(element, len(tensors)))

    def rebuild(values: list[Array]) -> Any:
        parts = [None if slot is None else values[slot][()] for slot in slots]
        return nest.pack_as(fetches, parts)

    if has_composites:

        def compose(values: list[Array]) -> Any:
            parts = iter([None if s is None else values[s][()] for s in slots])
            made = []
            for leaf in nest.flatten(whole):
                inner = _expand(leaf)
                own = nest.pack_as(inner, [next(parts) for _ in nest.flatten(inner)])
                is_composite = isinstance(leaf, Composite)
                made.append(leaf.from_parts(own) if is_composite else own)
            return nest.pack_as(whole, made)

        return Fetch(tuple(tensors), tuple(targets), compose)
    if not nest.is_nested(fetches) and targets:
        return Fetch((), tuple(targets), lambda values: None)
    if not nest.is_nested(fetches):
        return Fetch(tuple(tensors), tuple(targets), lambda values: values[0][()])
    return Fetch(tuple(tensors), tuple(targets), rebuild)


def _expand(leaf: Any) -> Any:
    """Fetching IndexedSlices and composites gives their parts."""
    if isinstance(leaf, Composite):
        return leaf.fetch_parts()
    if not isinstance(leaf, IndexedSlices):
        return leaf
    if leaf.dense_shape is None:
        return IndexedSlicesValue(leaf.values, leaf.indices, [])
    if not isinstance(leaf.dense_shape, GraphTensor):
        # Kept, so that a second fetch adds nothing to the graph.
        leaf.dense_shape = constant(np.array(leaf.dense_shape, np.int64))
    return IndexedSlicesValue(leaf.values, leaf.indices, leaf.dense_shape)


def _fetch_element(graph: Graph, leaf: Any) -> GraphTensor | Operation:
    is_element = isinstance(leaf, (Operation, GraphTensor, Variable, str))
    if not is_element and not hasattr(leaf, "_as_graph_element"):
        raise _no_fetch(
            TypeError,
            f"Fetch argument {leaf!r:.100} has invalid type {type(leaf).__name__!r}",
            leaf,
        )
    try:
        return graph.as_graph_element(leaf)
    except KeyError as error:
        what = f"Fetch argument {leaf!r:.100} cannot be interpreted as a Tensor"
        raise _no_fetch(ValueError, f"{what} ({error.args[0]})", leaf) from None
    except ValueError as error:
        what = f"Fetch argument {leaf!r:.100} cannot be interpreted as a Tensor"
        raise _no_fetch(ValueError, f"{what} ({error})", leaf) from None


def _no_fetch(error: type[Any], what: str, leaf: Any) -> Any:
    return fail(
        error,
        what,
        got=f"{leaf!r:.100}",
        expected="a tensor, operation or variable of the session's graph, or its name",
        site=str(user_site()),
        remedy="graph.get_operations() for what there is",
    )
