"""Iterators of graphs, with a state in each session, or anew in each run of a function."""

from __future__ import annotations

import itertools
import warnings
import weakref
from collections import OrderedDict
from typing import Any

import numpy as np

from graphopt import dtypes
from graphopt.data.context import Context
from graphopt.data.iterators import EagerIterator, Iterator, State
from graphopt.data.node import Node, require_node
from graphopt.data.passing import find_passed
from graphopt.data.structure import (
    join_shapes,
)
from graphopt.data.taking import make_get_next
from graphopt.errors import (
    FailedPreconditionError,
    GraphoptWarning,
    NotFoundError,
    OperatorNotAllowedInGraphError,
    fail,
)
from graphopt.graph import nest
from graphopt.graph.context import building_graph, entered
from graphopt.graph.graph import Graph, Operation
from graphopt.graph.opspec import Effect
from graphopt.graph.provenance import user_site
from graphopt.graph.tensor import GraphTensor
from graphopt.ops.creation import PLACEHOLDER
from graphopt.ops.outside import (
    MAKE_ITERATOR,
    START_ITERATOR,
    STRING_HANDLE,
    add_outside,
)
from graphopt.runtime.runner import Runner
from graphopt.runtime.store import VariableStore

# So many calls of `get_next` are a loop that builds ops in each round.
_MANY_CALLS = 32
# As many elements are not asked for one by one: somebody waits for an end.
_MOST_CALLS = 1_000
# The iterations of functions that ended before the data did, of which so many are kept.
_MOST_OPEN = 64


class GraphIterator(Iterator):
    """An iterator of a graph, with a state in each session.

    Args:
      specs: What its elements are.
      node: Its data set, where it has only one.
      handle: The tensor that says which iterator it stands for.
      starts_itself: Whether it needs no initializer.

    Source: `tf.compat.v1.data.Iterator`.
    """

    def __init__(
        self,
        specs: Any,
        node: Node | None = None,
        handle: Any = None,
        starts_itself: bool = False,
    ) -> None:
        self.element_spec = specs
        self._graph = _require_graph()
        self._node = node
        self.handle_inputs = () if handle is None else (handle,)
        self._starts_itself = starts_itself
        self._initializer: Any = None
        self._calls = 0
        self._number = next(_numbers)
        _by_handle[self._number] = self
        if node is not None and not starts_itself:
            self._initializer = self._make_initializer(node, "MakeIterator")

    @property
    def initializer(self) -> Any:
        """The op that begins the iteration, from the start.

        Raises:
          ValueError: The iterator has none.
        """
        if self._initializer is None:
            raise fail(
                ValueError,
                "Iterator does not have an initializer",
                got="an iterator without a data set of its own"
                if not self._starts_itself
                else "a one-shot iterator, which starts itself",
                site=str(user_site()),
                remedy="iterator.make_initializer(dataset)",
            )
        return self._initializer

    def make_initializer(self, dataset: Any, name: str | None = None) -> Any:
        """Returns an op that begins an iteration over a data set.

        Args:
          dataset: Its elements are what this iterator was made for.
          name: Name of the op.

        Raises:
          TypeError: Its elements are of another kind.
        """
        node = require_node(dataset, "The argument of `make_initializer`")
        self._require_fitting(node.element_spec)
        made = self._make_initializer(node, name)
        return made

    def _require_fitting(self, specs: Any) -> None:
        mine, its = nest.flatten(self.element_spec), nest.flatten(specs)
        fits = len(mine) == len(its) and all(
            a.dtype is b.dtype and _covers(a.shape, b.shape)
            for a, b in zip(mine, its, strict=True)
        )
        try:
            nest.pack_as(self.element_spec, its)
        except (ValueError, TypeError):
            fits = False
        if not fits:
            raise fail(
                TypeError,
                "Expected output types and shapes of the iterator, but the dataset has "
                "others",
                got=repr(specs),
                expected=repr(self.element_spec),
                site=str(user_site()),
            )

    def _make_initializer(self, node: Node, name: str | None) -> Operation:
        symbols = node.symbols()

        def handler(store: Any, *arrays: Any) -> tuple[()]:
            bindings = dict(zip(symbols, arrays, strict=True))
            self._set_state(store, node, bindings)
            return ()

        made = add_outside(MAKE_ITERATOR, handler, symbols, name=name)
        assert isinstance(made, Operation)
        return made

    def _set_state(self, store: Any, node: Node, bindings: dict[Any, Any]) -> State:
        before = store.resources.get(self)
        if before is not None:
            before.cancel()
        made = State(node, Context(store=store, bindings=bindings))
        store.resources.pop(self, None)
        state = store.resource(self, lambda: made)
        assert isinstance(state, State)
        return state

    def get_next(self, name: str | None = None) -> Any:
        """Returns the next element as tensors; each call adds an op.

        Raises:
          OutOfRangeError: When it runs: there is no element left.
          FailedPreconditionError: When it runs: the initializer did not.
        """
        self._calls += 1
        if self._calls == _MANY_CALLS:
            warnings.warn(
                "An unusually high number of `Iterator.get_next()` calls was detected; "
                "each adds an op. Call it once, before the loop, and run what it "
                "returned.",
                GraphoptWarning,
                stacklevel=2,
            )
        return make_get_next(self, name=name or "IteratorGetNext")

    def string_handle(self, name: str | None = None) -> Any:
        """Returns a scalar string that stands for this iterator when it is fed."""

        def handler(_store: Any) -> list[Any]:
            return [np.array(b"iterator %d" % self._number, object)]

        (made,) = add_outside(
            STRING_HANDLE, handler, (), [dtypes.string], [()], name=name
        )
        return made

    def _find(self, store: Any, *handle: Any) -> State:
        if handle:
            return _iterator_of(handle[0])._find(store)
        # One of the threads that come first starts it.
        state = (
            store.resource(self, lambda: self._start(store))
            if self._starts_itself
            else store.resources.get(self)
        )
        if state is None:
            raise fail(
                FailedPreconditionError,
                "GetNext() failed because the iterator has not been initialized",
                got="an iterator whose initializer did not run in this session",
                remedy="session.run(iterator.initializer) first",
            )
        assert isinstance(state, State)
        return state

    def _start(self, store: Any) -> State:
        """Returns the state of a one-shot iterator in a session."""
        assert self._node is not None
        symbols = self._node.symbols()
        # With variables of its own, for a run of the session may be going on.
        own = Runner(self._graph, tuple(symbols), (), (), VariableStore())
        values = own.run([]) if symbols else ()
        bindings = dict(zip(symbols, values, strict=True))
        return State(self._node, Context(store=store, bindings=bindings))

    def take(self, store: Any, *handle: Any) -> list[Any] | None:
        """Returns the next element, None at the end."""
        return self._find(store, *handle).next()

    def look(self, store: Any, *handle: Any) -> list[Any] | None:
        """Returns the element that comes next."""
        return self._find(store, *handle).peek()

    def follows(self, store: Any, *handle: Any) -> bool:
        """Returns whether there is a next element."""
        return self._find(store, *handle).follows()


_numbers = itertools.count()
_by_handle: weakref.WeakValueDictionary[int, GraphIterator] = (
    weakref.WeakValueDictionary()
)


def _iterator_of(handle: Any) -> GraphIterator:
    text = bytes(np.asarray(handle)[()])
    kind, _, number = text.partition(b" ")
    found = None
    if kind == b"iterator" and number.isdigit():
        found = _by_handle.get(int(number))
    if found is None:
        raise fail(
            NotFoundError,
            "There is no iterator of that string handle",
            got=repr(text),
            expected="what session.run(iterator.string_handle()) returned",
        )
    return found


def _covers(wide: Any, narrow: Any) -> bool:
    return bool(join_shapes(wide, narrow) == wide or wide.rank is None)


def _require_graph() -> Graph:
    graph = building_graph()
    if graph is None:
        raise fail(
            RuntimeError,
            "An iterator of a graph was made in eager mode",
            got="eager mode",
            expected="a graph that is being built",
            site=str(user_site()),
            remedy="`for element in dataset`, or iter(dataset)",
        )
    return graph


def make_one_shot_iterator(dataset: Any) -> Any:
    """Returns an iterator that needs no initializer.

    Args:
      dataset: A data set.

    Raises:
      ValueError: It depends on a placeholder or a variable.

    >>> import graphopt as tf
    >>> with tf.Graph().as_default(), tf.compat.v1.Session() as session:
    ...     dataset = tf.data.Dataset.range(2)
    ...     x = tf.compat.v1.data.make_one_shot_iterator(dataset).get_next()
    ...     session.run(x), session.run(x)
    (np.int64(0), np.int64(1))

    Source: `tf.compat.v1.data.make_one_shot_iterator`.
    """
    node = require_node(dataset, "The argument of `make_one_shot_iterator`")
    if building_graph() is None:
        return EagerIterator(node)
    uses_variables = any(
        function.uses_variables for n in _all_nodes(node) for function in n.functions
    )
    if uses_variables or any(map(_depends_on_state, node.symbols())):
        raise fail(
            ValueError,
            "Failed to create a one-shot iterator for a dataset. "
            "`Dataset.make_one_shot_iterator()` does not support datasets that capture "
            "stateful objects, such as a Variable or LookupTable, or placeholders",
            site=str(user_site()),
            remedy="`make_initializable_iterator()`",
        )
    return GraphIterator(node.element_spec, node, starts_itself=True)


def _all_nodes(node: Node) -> list[Node]:
    found, stack = [], [node]
    while stack:
        found.append(stack.pop())
        stack += found[-1].inputs
    return found


def _depends_on_state(tensor: GraphTensor) -> bool:
    stack, seen = [tensor.op], set[Operation]()
    while stack:
        op = stack.pop()
        if op in seen:
            continue
        seen.add(op)
        if op.spec is PLACEHOLDER or op.spec.effect is Effect.READ:
            return True
        stack += [t.op for t in op.inputs]
    return False


def make_initializable_iterator(dataset: Any, shared_name: str | None = None) -> Any:
    """Returns an iterator that its `initializer` starts.

    Args:
      dataset: A data set; it may depend on placeholders, which the initializer is fed.
      shared_name: Accepted for compatibility.

    Source: `tf.compat.v1.data.make_initializable_iterator`.
    """
    node = require_node(dataset, "The argument of `make_initializable_iterator`")
    _require_graph()
    return GraphIterator(node.element_spec, node)


# ---- iterations that begin with each run


class StartedIterator(Iterator):
    """An iteration that an op begins in every run; made by `start_iterator`.

    Args:
      node: The data set.
      handle: The tensor that says which iteration it is.
    """

    def __init__(self, node: Node, handle: Any) -> None:
        self.element_spec = node.element_spec
        self.handle_inputs = (handle,)
        self._calls = 0

    def __iter__(self) -> StartedIterator:
        return self

    def __next__(self) -> Any:
        self._calls += 1
        if self._calls > _MOST_CALLS:
            raise fail(
                OperatorNotAllowedInGraphError,
                "Iterating over a data set of a graph has no end in Python",
                got=f"{_MOST_CALLS} elements asked for by Python",
                expected="a `for` statement, which tf.function converts",
                site=str(user_site()),
            )
        return make_get_next(self)

    def get_next(self, name: str | None = None) -> Any:
        """Returns the next element as tensors."""
        return make_get_next(self, name=name)

    def take(self, _store: Any, handle: Any) -> list[Any] | None:
        """Returns the next element, None at the end."""
        state = _open.get(int(handle))
        found = state.next() if state is not None else None
        if found is None:
            _open.pop(int(handle), None)
        return found

    def follows(self, _store: Any, handle: Any) -> bool:
        """Returns whether there is a next element."""
        state = _open.get(int(handle))
        return state is not None and state.follows()

    def _loop_in_graph(self, *rest: Any) -> None:
        from graphopt.data.loops import loop_over

        loop_over(self, *rest)


class ArgumentIterator(Iterator):
    """The iterator that a function is given.

    Args:
      specs: The structure of its elements.
      handle: The number that stands for it, a tensor.
    """

    def __init__(self, specs: Any, handle: Any) -> None:
        self.element_spec = specs
        self.handle_inputs = (handle,)

    def __iter__(self) -> ArgumentIterator:
        return self

    def __next__(self) -> Any:
        return make_get_next(self)

    def get_next(self, name: str | None = None) -> Any:
        """Returns the next element as tensors."""
        return make_get_next(self, name=name)

    def take(self, store: Any, handle: Any) -> list[Any] | None:
        """Returns the next element, None at the end."""
        found: list[Any] | None = find_passed(handle).take(store)
        return found

    def follows(self, store: Any, handle: Any) -> bool:
        """Returns whether there is a next element."""
        return bool(find_passed(handle).follows(store))

    def _loop_in_graph(self, *rest: Any) -> None:
        from graphopt.data.loops import loop_over

        loop_over(self, *rest)


_open: OrderedDict[int, State] = OrderedDict()


def start_iterator(dataset: Any) -> StartedIterator:
    """Adds an op that begins an iteration over a data set in every run.

    Args:
      dataset: A data set, which may depend on tensors of the graph.
    """
    return start_node(require_node(dataset, "The data"))


def start_node(node: Node) -> StartedIterator:
    """As `start_iterator`, of a node."""
    symbols = node.symbols()

    def handler(store: Any, *arrays: Any) -> list[Any]:
        bindings = dict(zip(symbols, arrays, strict=True))
        number, node.iterations = node.iterations, node.iterations + 1
        with entered(None):
            state = State(node, Context(None, None, number, bindings))
        handle = next(_numbers)
        _open[handle] = state
        while len(_open) > _MOST_OPEN:
            _, oldest = _open.popitem(last=False)
            oldest.cancel()
        return [np.array(handle, np.int64)]

    (handle,) = add_outside(START_ITERATOR, handler, symbols, [dtypes.int64], [()])
    return StartedIterator(node, handle)
