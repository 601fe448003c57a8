"""`tf.data.Dataset`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from collections.abc import Iterator as PythonIterator
from typing import Any, NoReturn

import numpy as np

from graphopt.data import arguments
from graphopt.data import node as nodes
from graphopt.data.buffering import Cache, Prefetch
from graphopt.data.context import Context, as_parameter
from graphopt.data.functions import DataFunction
from graphopt.data.graph_iterators import (
    make_initializable_iterator,
    make_one_shot_iterator,
)
from graphopt.data.grouping import Grouping
from graphopt.data.iterators import Iterator, NumpyIterator, in_graph
from graphopt.data.loops import builtin_of, loop_over_node
from graphopt.data.making import Making
from graphopt.data.mixing import Interleave
from graphopt.data.node import INFINITE, UNKNOWN, Node, require_node
from graphopt.data.options import Options
from graphopt.data.ordering import (
    Concatenate,
    Enumerate,
    Repeat,
    Shard,
    Shuffle,
    Skip,
    Take,
)
from graphopt.data.passing import Passed, PassedNode, find_passed
from graphopt.data.transforms import (
    Filter,
    IgnoreErrors,
    Map,
    Scan,
    TakeWhile,
    Unique,
)
from graphopt.errors import InvalidArgumentError, fail
from graphopt.graph import nest
from graphopt.graph.context import building_graph
from graphopt.graph.hooks import hooks
from graphopt.graph.provenance import user_site
from graphopt.graph.tensor import EagerTensor


class Dataset(Making, Grouping, Passed):
    """Elements that come one after the other, each a structure of tensors.

    A data set is a description that never changes: each method returns another one, and
    nothing is computed before somebody iterates.

    >>> import graphopt as tf
    >>> dataset = tf.data.Dataset.range(6).map(lambda x: x * 10).batch(4)
    >>> for batch in dataset:
    ...     print(batch.numpy())
    [ 0 10 20 30]
    [40 50]
    >>> dataset.element_spec
    TensorSpec(shape=(None,), dtype=tf.int64, name=None)

    Source: `tf.data.Dataset`.
    """

    def __init__(self, node: Node, options: Options | None = None) -> None:
        self._node = node
        self._options = options or Options()

    def _then(self, node: Node) -> Dataset:
        return Dataset(node, self._options)

    @property
    def element_spec(self) -> Any:
        """What is known of an element: a structure of `tf.TensorSpec`."""
        return self._node.element_spec

    def with_parts(self, tensors: Sequence[Any]) -> Any:
        """Returns the data set of a number; in a graph, what stands for it."""
        (handle,) = tensors
        if isinstance(handle, EagerTensor):
            return find_passed(handle)
        return self._then(PassedNode(self.element_spec, handle))

    def __repr__(self) -> str:
        return f"<_{type(self._node).__name__}Dataset element_spec={self.element_spec}>"

    # ---- functions of elements

    def map(
        self,
        map_func: Callable[..., Any],
        num_parallel_calls: Any = None,
        deterministic: bool | None = None,
        synchronous: bool | None = None,
        use_unbounded_threadpool: bool = False,
        name: str | None = None,
    ) -> Dataset:
        """Returns a function of each element.

        The function is traced once, as by `tf.function`. Random ops in it have numbers
        of their own in each iteration, the same for the same seed.

        Args:
          map_func: Takes the components of an element.
          num_parallel_calls: Accepted, as the rest: elements come in order.
          deterministic: Accepted.
          synchronous: Accepted.
          use_unbounded_threadpool: Accepted.
          name: Accepted.

        >>> pairs = Dataset.from_tensor_slices(([1.0, 2.0], [3.0, 4.0]))
        >>> [float(x) for x in pairs.map(lambda a, b: a * b)]
        [3.0, 8.0]
        """
        return self._then(Map(self._node, self._function(map_func, "map")))

    def _function(self, function: Any, what: str) -> DataFunction:
        arguments.require_callable(function, f"The argument of `Dataset.{what}`")
        return DataFunction(function, self.element_spec, what)

    def filter(self, predicate: Callable[..., Any], name: str | None = None) -> Dataset:
        """Returns the elements for which a function is true.

        >>> [int(x) for x in Dataset.range(6).filter(lambda x: x % 3 == 0)]
        [0, 3]
        """
        return self._then(Filter(self._node, self._function(predicate, "filter")))

    def flat_map(
        self, map_func: Callable[..., Any], name: str | None = None
    ) -> Dataset:
        """Returns the elements of the data sets that a function makes.

        >>> parts = Dataset.range(1, 4).flat_map(lambda n: Dataset.range(n))
        >>> [int(x) for x in parts]
        [0, 0, 1, 0, 1, 2]
        """
        function = self._function(map_func, "flat_map")
        return self._then(Interleave(self._node, function, 1, 1, "flat_map"))

    def interleave(
        self,
        map_func: Callable[..., Any],
        cycle_length: Any = None,
        block_length: Any = None,
        num_parallel_calls: Any = None,
        deterministic: bool | None = None,
        name: str | None = None,
    ) -> Dataset:
        """Returns elements of the data sets that a function makes, in turns.

        Args:
          map_func: Takes an element, returns a data set.
          cycle_length: How many data sets take turns; 4 by default.
          block_length: How many elements come of each; 1 by default.
          num_parallel_calls: Accepted: elements come in order.
          deterministic: Accepted.
          name: Accepted.

        >>> dataset = Dataset.range(1, 4).interleave(
        ...     lambda x: Dataset.from_tensors(x).repeat(3), cycle_length=2)
        >>> [int(x) for x in dataset]
        [1, 2, 1, 2, 1, 2, 3, 3, 3]
        """
        function = self._function(map_func, "interleave")
        cycle = -1 if cycle_length is None else as_parameter(cycle_length)
        block = 1 if block_length is None else as_parameter(block_length)
        return self._then(Interleave(self._node, function, cycle, block, "interleave"))

    def take_while(self, predicate: Callable[..., Any], name: Any = None) -> Dataset:
        """Returns the elements before the first for which a function is false."""
        function = self._function(predicate, "take_while")
        return self._then(TakeWhile(self._node, function))

    def scan(
        self, initial_state: Any, scan_func: Callable[..., Any], name: Any = None
    ) -> Dataset:
        """Returns what a function makes of a state and each element.

        Args:
          initial_state: A structure of tensors.
          scan_func: Takes the state and an element, returns the new state and a result.
          name: Accepted.

        >>> sums = Dataset.range(5).scan(np.int64(0), lambda s, x: (s + x, s + x))
        >>> [int(x) for x in sums]
        [0, 1, 3, 6, 10]
        """
        specs, leaves = arguments.state_leaves(initial_state)
        both = (specs, self.element_spec)
        function = DataFunction(scan_func, both, "scan", several=True)
        found = function.output_specs
        if not isinstance(found, tuple) or len(found) != 2:
            raise fail(
                TypeError,
                "`scan_func` must return a pair of the new state and an element",
                got=repr(found),
                site=str(user_site()),
            )
        arguments.require_same_state(specs, found[0], "scan")
        return self._then(Scan(self._node, leaves, specs, function))

    def reduce(
        self, initial_state: Any, reduce_func: Callable[..., Any], name: Any = None
    ) -> Any:
        """Returns the last state of a function of a state and each element.

        Args:
          initial_state: A structure of tensors.
          reduce_func: Takes the state and an element, returns the new state.
          name: Accepted.

        >>> Dataset.range(5).reduce(np.int64(0), lambda s, x: s + x).numpy()
        np.int64(10)
        """
        specs, leaves = arguments.state_leaves(initial_state)
        both = (specs, self.element_spec)
        function = DataFunction(reduce_func, both, "reduce", several=True)
        arguments.require_same_state(specs, function.output_specs, "reduce")
        node = self._node

        def compute(context: Context) -> list[Any]:
            state = [np.asarray(context.value(leaf)) for leaf in leaves]
            run = context.child("function").state(function)
            for element in nodes.elements(node.cursor(context.child())):
                state = run.call([*state, *element])
            return state

        symbols = [*node.symbols(), *function.symbols]
        symbols += [leaf for leaf in leaves if not isinstance(leaf, np.ndarray)]
        return in_graph(node, compute, symbols, function.output_specs)

    def apply(self, transformation_func: Callable[[Any], Any]) -> Any:
        """Returns what a function makes of this data set.

        Raises:
          TypeError: It returned none.
        """
        made = transformation_func(self)
        require_node(made, "`transformation_func` must return a data set: its result")
        return made

    # ---- order and number

    def shuffle(
        self,
        buffer_size: Any,
        seed: Any = None,
        reshuffle_each_iteration: bool | None = True,
        name: str | None = None,
    ) -> Dataset:
        """Returns the elements in a random order, as far as a buffer lets them.

        Each element comes from a random place of a buffer of `buffer_size` elements, to
        which the next one of the input goes. The order depends on the seeds alone (see
        `tf.random.set_seed`), not on threads; it is not the order of TensorFlow.

        Args:
          buffer_size: The size of the buffer.
          seed: Of this order.
          reshuffle_each_iteration: Whether each iteration, and each round of a `repeat`
            behind it, has another order.
          name: Accepted.

        Raises:
          InvalidArgumentError: The size is not positive.

        >>> dataset = Dataset.range(10).shuffle(10, seed=1)
        >>> sorted(int(x) for x in dataset) == list(range(10))
        True
        """
        stream = arguments.make_stream(seed)
        again = reshuffle_each_iteration is None or bool(reshuffle_each_iteration)
        size = as_parameter(buffer_size)
        return self._then(Shuffle(self._node, size, stream, again))

    def repeat(self, count: Any = None, name: str | None = None) -> Dataset:
        """Returns the elements again and again, `count` times or, by default, for ever."""
        times = -1 if count is None else as_parameter(count)
        return self._then(Repeat(self._node, times))

    def take(self, count: Any, name: str | None = None) -> Dataset:
        """Returns the first elements; all of them where `count` is negative."""
        return self._then(Take(self._node, as_parameter(count)))

    def skip(self, count: Any, name: str | None = None) -> Dataset:
        """Returns all but the first elements; none where `count` is negative."""
        return self._then(Skip(self._node, as_parameter(count)))

    def shard(self, num_shards: Any, index: Any, name: str | None = None) -> Dataset:
        """Returns each `num_shards`-th element, from number `index` on."""
        given = as_parameter(num_shards), as_parameter(index)
        return self._then(Shard(self._node, *given))

    def concatenate(self, dataset: Any, name: str | None = None) -> Dataset:
        """Returns the elements, then those of another data set.

        Raises:
          TypeError: Its elements are of another kind.
        """
        other = require_node(dataset, "The argument of `Dataset.concatenate`")
        return self._then(Concatenate([self._node, other]))

    def enumerate(self, start: Any = 0, name: str | None = None) -> Dataset:
        """Returns pairs of a number and an element."""
        return self._then(Enumerate(self._node, as_parameter(start)))

    def unique(self, name: str | None = None) -> Dataset:
        """Returns the elements, each only where it comes first."""
        return self._then(Unique(self._node))

    def ignore_errors(self, log_warning: bool = False, name: Any = None) -> Dataset:
        """Returns the elements, without those that raise an error of `tf.errors`."""
        return self._then(IgnoreErrors(self._node, log_warning))

    # ---- when elements are made

    def prefetch(self, buffer_size: Any, name: str | None = None) -> Dataset:
        """Returns the elements, made by a thread before they are wanted.

        Args:
          buffer_size: How many are kept ready; a few with `tf.data.AUTOTUNE`.
          name: Accepted.
        """
        return self._then(Prefetch(self._node, as_parameter(buffer_size)))

    def cache(self, filename: Any = "", name: str | None = None) -> Dataset:
        """Returns the elements, kept in memory after the first whole iteration.

        Args:
          filename: Must be empty.
          name: Accepted.

        Raises:
          NotImplementedError: A file is named.
        """
        if filename not in ("", b""):
            raise fail(
                NotImplementedError,
                "Dataset.cache keeps elements in memory only",
                got=repr(filename),
                expected="no filename",
                site=str(user_site()),
                remedy="cache()",
            )
        return self._then(Cache(self._node))

    def with_options(self, options: Options, name: str | None = None) -> Dataset:
        """Returns the elements; options are kept, and change nothing."""
        return Dataset(self._node, self._options.merge(options))

    def options(self) -> Options:
        """Returns what `with_options` was given."""
        return self._options

    # ---- iteration

    def __iter__(self) -> Any:
        graph = building_graph()
        if graph is not None and not graph.building_function:
            raise fail(
                RuntimeError,
                "`tf.data.Dataset` only supports Python-style iteration in eager mode or "
                "within tf.function",
                got="a graph that is being built",
                site=str(user_site()),
                remedy="tf.compat.v1.data.make_one_shot_iterator(dataset).get_next()",
            )
        return Iterator.of_dataset(self._node)

    def _loop_in_graph(self, *rest: Any) -> None:
        """Adds the loop that `for` over it is in a `tf.function`."""
        loop_over_node(self._node, *rest)

    _autograph_builtin = staticmethod(builtin_of)

    def as_numpy_iterator(self) -> PythonIterator[Any]:
        """Returns an iterator over elements as NumPy arrays that cannot be written to.

        >>> list(Dataset.range(3).as_numpy_iterator())
        [np.int64(0), np.int64(1), np.int64(2)]
        """
        if building_graph() is not None:
            raise fail(
                RuntimeError,
                "`tf.data.Dataset.as_numpy_iterator()` is only supported in eager mode",
                site=str(user_site()),
            )
        return NumpyIterator(self._node)

    def __len__(self) -> int:
        size = self._node.size()
        if size == INFINITE:
            raise TypeError("The dataset is infinite.")
        if size == UNKNOWN:
            raise TypeError("The dataset length is unknown.")
        return size

    def __bool__(self) -> bool:
        return True

    def cardinality(self) -> Any:
        """Returns the number of elements as an int64 tensor.

        It is `tf.data.INFINITE_CARDINALITY` or `tf.data.UNKNOWN_CARDINALITY` if there is
        no end, or if nothing but counting would tell.
        """
        return hooks.convert(np.int64(self._node.size()))

    def get_single_element(self, name: str | None = None) -> Any:
        """Returns the only element.

        Raises:
          InvalidArgumentError: There is none, or there are more.
        """
        node = self._node

        def compute(context: Context) -> list[Any]:
            cursor = node.cursor(context)
            found = nodes.pull_one(cursor)
            if found is None or nodes.pull_one(cursor) is not None:
                raise fail(
                    InvalidArgumentError,
                    "Dataset was empty"
                    if found is None
                    else "Dataset had more than one element",
                    site=str(user_site()),
                )
            return found

        return in_graph(node, compute, node.symbols(), node.element_spec)

    # ---- version 1

    def make_one_shot_iterator(self) -> Any:
        """Returns an iterator that needs no initializer, as in TensorFlow 1."""
        return make_one_shot_iterator(self)

    def make_initializable_iterator(self, shared_name: str | None = None) -> Any:
        """Returns an iterator that its initializer starts, as in TensorFlow 1."""
        return make_initializable_iterator(self, shared_name)

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
        from graphopt.graph.tensor import Tensor

        return nest.map_structure(lambda s: Tensor, self.element_spec)

    def _refuse(self, what: str, remedy: str) -> NoReturn:
        raise fail(
            NotImplementedError,
            f"Dataset.{what}",
            got=f"elements {self.element_spec!r:.80}",
            site=str(user_site()),
            remedy=remedy,
        )

    def save(self, path: str, *_arguments: Any, **_keywords: Any) -> NoReturn:
        """Not available; write records, or arrays."""
        self._refuse("save", "tf.io.TFRecordWriter, or np.savez")

    @staticmethod
    def load(path: str, *_arguments: Any, **_keywords: Any) -> NoReturn:
        """Not available; read records, or arrays."""
        raise NotImplementedError(
            "Dataset.load; try tf.data.TFRecordDataset, or np.load and "
            "from_tensor_slices."
        )

    def snapshot(self, path: str, *_arguments: Any, **_keywords: Any) -> NoReturn:
        """Not available; `cache` keeps elements in memory."""
        self._refuse("snapshot", "cache()")

    def ragged_batch(self, batch_size: Any, *_more: Any, **_keywords: Any) -> NoReturn:
        """Not available; elements are dense."""
        self._refuse("ragged_batch", "padded_batch")

    def sparse_batch(self, batch_size: Any, *_more: Any, **_keywords: Any) -> NoReturn:
        """Not available; elements are dense."""
        self._refuse("sparse_batch", "padded_batch")

    def rejection_resample(self, *_arguments: Any, **_keywords: Any) -> NoReturn:
        """Not available; choose elements of classes."""
        self._refuse("rejection_resample", "filter, and sample_from_datasets")

    map_with_legacy_function = map
    filter_with_legacy_function = filter


nodes.wrap = Dataset
