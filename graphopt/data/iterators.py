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

import itertools
import threading
import warnings
import weakref
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from graphopt import dtypes
from graphopt.data.arguments import specs_of_types
from graphopt.data.blocks import Block, row
from graphopt.data.context import Context
from graphopt.data.node import Cursor, Node, pull_one, require_node
from graphopt.data.structure import (
    DatasetSpec,
    join_shapes,
    pack_eager,
    pack_numpy,
)
from graphopt.errors import (
    FailedPreconditionError,
    GraphoptWarning,
    NotFoundError,
    OutOfRangeError,
    fail,
)
from graphopt.graph import nest
from graphopt.graph.context import building_graph, entered
from graphopt.graph.graph import Graph, Operation
from graphopt.graph.hooks import hooks
from graphopt.graph.opspec import Effect
from graphopt.graph.provenance import user_site
from graphopt.graph.tensor import GraphTensor, Tensor
from graphopt.ops.creation import PLACEHOLDER
from graphopt.ops.outside import (
    GET_NEXT,
    MAKE_ITERATOR,
    REDUCE,
    START_ITERATOR,
    STRING_HANDLE,
    add_outside,
)
from graphopt.runtime.function import TensorSpec
from graphopt.runtime.runner import Runner

# The elements that may be made before they are wanted, where nobody can tell.
_AHEAD = 32
# So many calls of `get_next` are a loop that builds ops in each round.
_MANY_CALLS = 32
# The iterations of functions that ended before the data did, of which so many are kept.
_MOST_OPEN = 64


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
        self._peeked: list[Any] | None = None

    def next(self) -> list[Any] | None:
        """Returns the next element, None at the end."""
        with self._lock:
            found, self._peeked = self._peeked, None
            return pull_one(self.cursor) if found is None else found

    def peek(self) -> list[Any] | None:
        """Returns the element that comes next."""
        with self._lock:
            if self._peeked is None:
                self._peeked = pull_one(self.cursor)
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
            return start_node(node)
        return EagerIterator(node)

    @staticmethod
    def from_structure(
        output_types: Any,
        output_shapes: Any = None,
        shared_name: str | None = None,
        output_classes: Any = None,
    ) -> GraphIterator:
        """Returns an iterator without a data set; see `make_initializer`.

        Args:
          output_types: A structure of dtypes.
          output_shapes: The same structure of shapes.
          shared_name: Accepted for compatibility.
          output_classes: Accepted.

        Source: `tf.compat.v1.data.Iterator.from_structure`.
        """
        return GraphIterator(specs_of_types(output_types, output_shapes))

    @staticmethod
    def from_string_handle(
        string_handle: Any,
        output_types: Any,
        output_shapes: Any = None,
        output_classes: Any = None,
    ) -> GraphIterator:
        """Returns an iterator that stands for the one of which a handle is fed.

        Args:
          string_handle: A scalar string tensor, as `string_handle()` of an iterator.
          output_types: A structure of dtypes.
          output_shapes: The same structure of shapes.
          output_classes: Accepted for compatibility.

        Source: `tf.compat.v1.data.Iterator.from_string_handle`.
        """
        specs = specs_of_types(output_types, output_shapes)
        return GraphIterator(specs, handle=hooks.convert(string_handle))

    def get_next(self, name: str | None = None) -> Any:
        """Returns the next element."""
        raise NotImplementedError

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


class EagerIterator(Iterator):
    """The iterator of a data set in eager mode.

    Args:
      node: The data set.
    """

    def __init__(self, node: Node) -> None:
        self.element_spec = node.element_spec
        self._state = State(node, _begin(node))
        self._ahead = _AHEAD if node.runs_ahead else 1
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
        block = self._block
        if block is None or self._place >= block.count:
            self._block = None
            block = self._state.cursor.pull(self._ahead)
            if block is None:
                return None
            self._block, self._arrays, self._place = block, block.read(), 0
        place, self._place = self._place, self._place + 1
        return row(self._arrays, place)

    def __next__(self) -> Any:
        if building_graph() is not None:
            return make_get_next(self)
        found = self.arrays()
        if found is None:
            raise StopIteration
        return pack_eager(self.element_spec, _shown(found) if self._wraps else found)

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
        return pack_eager(self.element_spec, _shown(found) if self._wraps else found)

    def take(self, _store: Any) -> list[Any] | None:
        """Returns the next element for an op of a graph."""
        return self.arrays()

    def __repr__(self) -> str:
        return f"<tf.data.Iterator element_spec={self.element_spec}>"


def _shown(arrays: Sequence[Any]) -> list[Any]:
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
        return pack_numpy(self._iterator.element_spec, _shown(found))


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


# ---- ops


def make_get_next(
    iterator: Any, *, optional: bool = False, name: str | None = None
) -> Any:
    """Adds the op that takes the next element of an iterator to the current graph.

    Args:
      iterator: An `EagerIterator`, a `GraphIterator` or what `start_iterator` returned.
      optional: Whether the end is a value rather than an error.
      name: Name of the op.

    Returns:
      The element; with `optional` a pair of a scalar bool tensor, whether there is one,
      and the element, which is zeros if there is none.

    Raises:
      OutOfRangeError: When it runs: there is no element left, unless `optional`.
    """
    leaves = nest.flatten(iterator.element_spec)
    for spec in leaves:
        if isinstance(spec, DatasetSpec):
            raise fail(
                NotImplementedError,
                "A data set of data sets cannot be iterated in a graph",
                got=repr(spec),
                site=str(user_site()),
                remedy="flat_map(lambda window: window.batch(size)) first",
            )
    types = [spec.dtype for spec in leaves]
    shapes = [spec.shape for spec in leaves]
    take = iterator.take
    look = getattr(iterator, "look", None)

    def handler(store: Any, *handle: Any, take: Any = take) -> list[Any]:
        found = take(store, *handle)
        if not optional:
            if found is None:
                raise fail(OutOfRangeError, "End of sequence")
            return list(found)
        if found is None:
            return [np.array(False), *(_nothing(spec) for spec in leaves)]
        return [np.array(True), *found]

    def peek(store: Any, *handle: Any) -> list[Any]:
        return handler(store, *handle, take=look)

    if optional:
        types, shapes = [dtypes.bool_, *types], [(), *shapes]
    outputs = add_outside(
        GET_NEXT,
        handler,
        getattr(iterator, "handle_inputs", ()),
        types,
        shapes,
        peek=None if look is None else peek,
        name=name,
    )
    if not optional:
        return nest.pack_as(iterator.element_spec, list(outputs))
    return outputs[0], nest.pack_as(iterator.element_spec, list(outputs[1:]))


def _nothing(spec: TensorSpec) -> Any:
    dims = [] if spec.shape.rank is None else [d or 0 for d in spec.shape]
    if spec.dtype.numpy.kind == "O":
        return np.full(dims, b"", object)
    return np.zeros(dims, spec.dtype.numpy)


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
        state = store.resources.get(self)
        if state is None and self._starts_itself:
            assert self._node is not None
            symbols = self._node.symbols()
            values = Runner(self._graph, tuple(symbols), (), (), store).run([])
            bindings = dict(zip(symbols, values, strict=True))
            state = self._set_state(store, self._node, bindings)
        if state is None:
            raise fail(
                FailedPreconditionError,
                "GetNext() failed because the iterator has not been initialized",
                got="an iterator whose initializer did not run in this session",
                remedy="session.run(iterator.initializer) first",
            )
        assert isinstance(state, State)
        return state

    def take(self, store: Any, *handle: Any) -> list[Any] | None:
        """Returns the next element, None at the end."""
        return self._find(store, *handle).next()

    def look(self, store: Any, *handle: Any) -> list[Any] | None:
        """Returns the element that comes next."""
        return self._find(store, *handle).peek()


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

    def __iter__(self) -> StartedIterator:
        return self

    def __next__(self) -> Any:
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
