"""`tf.data.Dataset`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from collections.abc import Iterator as PythonIterator
from typing import Any

import numpy as np

from graphopt import dtypes
from graphopt.data import arguments
from graphopt.data import node as nodes
from graphopt.data.batching import (
    Batch,
    GroupByWindow,
    PaddedBatch,
    Unbatch,
    Window,
)
from graphopt.data.buffering import Cache, Prefetch
from graphopt.data.context import Context, as_parameter
from graphopt.data.functions import DataFunction
from graphopt.data.iterators import (
    Iterator,
    NumpyIterator,
    in_graph,
    make_initializable_iterator,
    make_one_shot_iterator,
)
from graphopt.data.mixing import Choose, Interleave, Sample
from graphopt.data.node import INFINITE, UNKNOWN, Node, require_node
from graphopt.data.options import Options
from graphopt.data.sources import Arrays, Counter, Generated, RandomNumbers, Range
from graphopt.data.structure import DatasetSpec
from graphopt.data.transforms import (
    Concatenate,
    Enumerate,
    Filter,
    IgnoreErrors,
    Map,
    Repeat,
    Same,
    Scan,
    Shard,
    Shuffle,
    Skip,
    Take,
    TakeWhile,
    Unique,
    Zip,
)
from graphopt.errors import InvalidArgumentError, fail
from graphopt.graph import nest
from graphopt.graph.context import building_graph
from graphopt.graph.hooks import hooks
from graphopt.graph.provenance import user_site
from graphopt.runtime.function import TensorSpec


class Dataset:
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

    def __repr__(self) -> str:
        return f"<_{type(self._node).__name__}Dataset element_spec={self.element_spec}>"

    # ---- sources

    @staticmethod
    def from_tensor_slices(tensors: Any, name: str | None = None) -> Dataset:
        """Returns the rows of tensors.

        Args:
          tensors: A structure of tensors `[rows, ...]`; lists are tensors. In a graph
            they may be placeholders, which the initializer of an iterator is fed.
          name: Accepted for compatibility, here and below.

        Raises:
          ValueError: The numbers of rows differ, or there is a scalar.

        >>> rows = Dataset.from_tensor_slices({"x": [[1, 2], [3, 4]], "y": [5, 6]})
        >>> [(int(row["y"]), row["x"].numpy().tolist()) for row in rows]
        [(5, [1, 2]), (6, [3, 4])]
        """
        return Dataset(Arrays(tensors, by_rows=True))

    @staticmethod
    def from_tensors(tensors: Any, name: str | None = None) -> Dataset:
        """Returns one element.

        Args:
          tensors: The element.
          name: Accepted.
        """
        return Dataset(Arrays(tensors, by_rows=False))

    @staticmethod
    def from_generator(
        generator: Callable[..., Any],
        output_types: Any = None,
        output_shapes: Any = None,
        args: Sequence[Any] | None = None,
        output_signature: Any = None,
        name: str | None = None,
    ) -> Dataset:
        """Returns what a Python generator yields.

        Args:
          generator: A function that returns an iterable; it is called for each iteration.
          output_types: A structure of dtypes.
          output_shapes: The same structure of shapes.
          args: Tensors whose values the generator is called with.
          output_signature: In place of both a structure of `tf.TensorSpec`.
          name: Accepted.

        Raises:
          InvalidArgumentError: When it is iterated: the generator raised, or yielded
            something else than was promised.

        >>> def squares(stop):
        ...     for i in range(stop):
        ...         yield i * i
        >>> spec = TensorSpec((), "int32")
        >>> dataset = Dataset.from_generator(squares, args=[4], output_signature=spec)
        >>> [int(x) for x in dataset]
        [0, 1, 4, 9]
        """
        arguments.require_callable(generator, "`generator`")
        if output_signature is not None:
            if output_types is not None or output_shapes is not None:
                raise fail(
                    TypeError,
                    "The `output_signature` argument can not be used together with "
                    "`output_types` or `output_shapes`",
                    site=str(user_site()),
                )
            specs = arguments.as_specs(output_signature)
        elif output_types is None:
            raise fail(
                TypeError,
                "Either `output_signature` or `output_types` must be specified",
                site=str(user_site()),
            )
        else:
            specs = arguments.specs_of_types(output_types, output_shapes)
        return Dataset(Generated(generator, specs, args or ()))

    @staticmethod
    def range(*args: Any, **kwargs: Any) -> Dataset:
        """Returns numbers, as Python's `range`.

        Args:
          *args: `stop`, `start, stop` or `start, stop, step`.
          **kwargs: `output_type`, a dtype, int64 by default.

        >>> [int(x) for x in Dataset.range(5, 1, -2)]
        [5, 3]
        """
        kwargs.pop("name", None)
        output_type = kwargs.pop("output_type", dtypes.int64)
        if kwargs:
            raise TypeError(f"Dataset.range got unexpected arguments {sorted(kwargs)}.")
        return Dataset(Range(args, output_type))

    @staticmethod
    def counter(
        start: Any = 0, step: Any = 1, dtype: Any = dtypes.int64, name: Any = None
    ) -> Dataset:
        """Returns numbers without an end."""
        return Dataset(Counter(start, step, dtype))

    @staticmethod
    def random(
        seed: Any = None,
        rerandomize_each_iteration: bool | None = None,
        name: Any = None,
    ) -> Dataset:
        """Returns random int64 numbers of 32 bits without an end."""
        stream = arguments.make_stream(seed)
        return Dataset(RandomNumbers(stream, bool(rerandomize_each_iteration)))

    @staticmethod
    def zip(*args: Any, datasets: Any = None, name: str | None = None) -> Dataset:
        """Returns structures of the elements of several data sets.

        Args:
          *args: Data sets, or one structure of them.
          datasets: The structure.
          name: Accepted.

        >>> pairs = Dataset.zip((Dataset.range(3), Dataset.range(10, 20)))
        >>> [(int(a), int(b)) for a, b in pairs]
        [(0, 10), (1, 11), (2, 12)]
        """
        if not args and datasets is None:
            raise TypeError("Must pass at least one dataset to `zip`.")
        if args and datasets is not None:
            raise TypeError("Both `*args` and `datasets` cannot be set.")
        structure: Any = datasets if datasets is not None else args
        if len(args) == 1:
            structure = args[0]
        if isinstance(structure, list):
            raise fail(
                TypeError,
                "The argument to `Dataset.zip` must not contain a list",
                got="a list of datasets",
                expected="a tuple",
                site=str(user_site()),
            )
        if nodes.node_of(structure) is not None:
            structure = (structure,)
            single = require_node(structure[0], "The argument to `Dataset.zip`")
            return Dataset(Same(single))
        leaves = [
            require_node(leaf, "Each argument to `Dataset.zip`")
            for leaf in nest.flatten(structure)
        ]
        return Dataset(Zip(structure, leaves))

    @staticmethod
    def choose_from_datasets(
        datasets: Sequence[Any], choice_dataset: Any, stop_on_empty_dataset: bool = True
    ) -> Dataset:
        """Returns elements of data sets, each time of the one that a number names.

        Args:
          datasets: Data sets of the same structure.
          choice_dataset: A data set of scalar int64.
          stop_on_empty_dataset: Whether to end where one ends; else it is skipped.
        """
        choice = require_node(choice_dataset, "`choice_dataset`")
        if choice.element_spec != TensorSpec((), dtypes.int64):
            raise fail(
                TypeError,
                "Elements of `choice_dataset` must be scalar `tf.int64` tensors",
                got=repr(choice.element_spec),
                site=str(user_site()),
            )
        given = _require_several(datasets)
        return Dataset(Choose(given, choice, stop_on_empty_dataset))

    @staticmethod
    def sample_from_datasets(
        datasets: Sequence[Any],
        weights: Any = None,
        seed: Any = None,
        stop_on_empty_dataset: bool = False,
        rerandomize_each_iteration: bool | None = None,
    ) -> Dataset:
        """Returns elements of data sets, each time of one chosen at random.

        Args:
          datasets: Data sets of the same structure.
          weights: How likely each is; all alike by default.
          seed: Of the choice.
          stop_on_empty_dataset: Whether to end where one ends; else it is skipped.
          rerandomize_each_iteration: Whether each iteration chooses otherwise.
        """
        given = _require_several(datasets)
        if weights is not None:
            weights = [float(w) for w in np.asarray(weights).reshape(-1)]
            if len(weights) != len(given):
                raise fail(
                    ValueError,
                    "`weights` must have the same length as `datasets`",
                    got=f"{len(weights)} weights",
                    expected=f"{len(given)}",
                    site=str(user_site()),
                )
        stream = arguments.make_stream(seed)
        again = bool(rerandomize_each_iteration)
        return Dataset(Sample(given, weights, stream, again, stop_on_empty_dataset))

    @staticmethod
    def list_files(
        file_pattern: Any,
        shuffle: bool | None = None,
        seed: Any = None,
        name: str | None = None,
    ) -> Dataset:
        """Returns the names of files, as scalar strings.

        Args:
          file_pattern: A glob pattern, or several.
          shuffle: Whether in random order, which is so by default.
          seed: Of that order.
          name: Accepted.

        Raises:
          InvalidArgumentError: No file matches.
        """
        from graphopt.data.files import matching_files

        found = matching_files(file_pattern)
        if not found:
            raise fail(
                InvalidArgumentError,
                "No files matched pattern",
                got=repr(file_pattern)[:120],
                site=str(user_site()),
            )
        dataset = Dataset.from_tensor_slices(found)
        if shuffle is None or shuffle:
            return dataset.shuffle(len(found), seed=seed)
        return dataset

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

    # ---- batches

    def batch(
        self,
        batch_size: Any,
        drop_remainder: bool = False,
        num_parallel_calls: Any = None,
        deterministic: bool | None = None,
        name: str | None = None,
    ) -> Dataset:
        """Returns batches of elements.

        Args:
          batch_size: How many elements, which become a new first dimension.
          drop_remainder: Whether to leave out a last batch that is smaller.
          num_parallel_calls: Accepted.
          deterministic: Accepted.
          name: Accepted.

        Raises:
          InvalidArgumentError: When it is iterated: elements have several shapes.
        """
        drop = bool(as_parameter(drop_remainder))
        return self._then(Batch(self._node, as_parameter(batch_size), drop))

    def padded_batch(
        self,
        batch_size: Any,
        padded_shapes: Any = None,
        padding_values: Any = None,
        drop_remainder: bool = False,
        name: str | None = None,
    ) -> Dataset:
        """Returns batches of elements of several shapes, filled up.

        Args:
          batch_size: How many elements.
          padded_shapes: A structure of shapes; None where the longest element decides.
          padding_values: A structure of numbers; zeros by default.
          drop_remainder: Whether to leave out a last batch that is smaller.
          name: Accepted.

        Raises:
          DataLossError: When it is iterated: an element is larger than its shape.

        >>> spec = TensorSpec((None,), "int64")
        >>> rows = Dataset.from_generator(lambda: [[1], [1, 2]], output_signature=spec)
        >>> for batch in rows.padded_batch(2):
        ...     print(batch.numpy().tolist())
        [[1, 0], [1, 2]]
        """
        shapes, values = arguments.padding(
            self.element_spec, padded_shapes, padding_values
        )
        size, drop = as_parameter(batch_size), bool(as_parameter(drop_remainder))
        return self._then(PaddedBatch(self._node, size, shapes, values, drop))

    def rebatch(
        self, batch_size: Any, drop_remainder: bool = False, name: Any = None
    ) -> Dataset:
        """Returns batches of another size of the rows of these batches."""
        return self.unbatch().batch(batch_size, drop_remainder)

    def unbatch(self, name: str | None = None) -> Dataset:
        """Returns the rows of elements."""
        return self._then(Unbatch(self._node))

    def window(
        self,
        size: Any,
        shift: Any = None,
        stride: Any = 1,
        drop_remainder: bool = False,
        name: str | None = None,
    ) -> Dataset:
        """Returns data sets of elements that follow each other.

        Args:
          size: How many elements are in a window.
          shift: How far the next one begins behind it; `size` by default.
          stride: How far apart its elements are.
          drop_remainder: Whether to leave out windows of fewer elements.
          name: Accepted.

        >>> windows = Dataset.range(5).window(3, shift=2, drop_remainder=True)
        >>> [[int(x) for x in window] for window in windows]
        [[0, 1, 2], [2, 3, 4]]
        """
        given = as_parameter(size)
        step = given if shift is None else as_parameter(shift)
        window = Window(self._node, given, step, as_parameter(stride), drop_remainder)
        return self._then(window)

    def group_by_window(
        self,
        key_func: Callable[..., Any],
        reduce_func: Callable[..., Any],
        window_size: Any = None,
        window_size_func: Callable[..., Any] | None = None,
        name: str | None = None,
    ) -> Dataset:
        """Returns what a function makes of groups of elements with one key.

        Args:
          key_func: Takes an element, returns a scalar int64.
          reduce_func: Takes a key and a data set, returns a data set.
          window_size: How many elements make a group.
          window_size_func: In place of it a function of the key.
          name: Accepted.
        """
        if (window_size is None) == (window_size_func is None):
            raise fail(
                ValueError,
                "Either the `window_size` argument or the `window_size_func` argument "
                "must be specified, and not both",
                site=str(user_site()),
            )
        key = self._function(key_func, "group_by_window")
        key_spec = TensorSpec((), dtypes.int64)
        if key.output_specs != key_spec:
            raise fail(
                ValueError,
                "`key_func` must return a single `tf.int64` tensor",
                got=repr(key.output_specs),
                site=str(user_site()),
                remedy="tf.cast(key, tf.int64)",
            )
        size = window_size_func or (lambda key: np.int64(window_size))
        both = (key_spec, DatasetSpec(self.element_spec))
        reduce = DataFunction(reduce_func, both, "group_by_window", several=True)
        if not isinstance(reduce.output_specs, DatasetSpec):
            raise fail(
                TypeError,
                "`reduce_func` must return a single dataset",
                got=repr(reduce.output_specs),
                site=str(user_site()),
            )
        sizes = DataFunction(size, key_spec, "group_by_window")
        return self._then(GroupByWindow(self._node, key, reduce, sizes))

    def bucket_by_sequence_length(
        self,
        element_length_func: Callable[..., Any],
        bucket_boundaries: Sequence[int],
        bucket_batch_sizes: Sequence[int],
        padded_shapes: Any = None,
        padding_values: Any = None,
        pad_to_bucket_boundary: bool = False,
        no_padding: bool = False,
        drop_remainder: bool = False,
        name: str | None = None,
    ) -> Dataset:
        """Returns padded batches of elements of about the same length.

        Args:
          element_length_func: Takes an element, returns its length, an int32.
          bucket_boundaries: The upper bounds of the lengths of the buckets.
          bucket_batch_sizes: The batch size of each bucket, one more than bounds.
          padded_shapes: As in `padded_batch`.
          padding_values: Likewise.
          pad_to_bucket_boundary: Whether unknown dimensions become the bound, less one.
          no_padding: Whether elements of a batch have one shape already.
          drop_remainder: Whether to leave out smaller batches.
          name: Accepted.
        """
        from graphopt.data.buckets import bucket_by_length

        made: Dataset = bucket_by_length(
            self,
            element_length_func,
            bucket_boundaries,
            bucket_batch_sizes,
            padded_shapes,
            padding_values,
            pad_to_bucket_boundary,
            no_padding,
            drop_remainder,
        )
        return made

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

    map_with_legacy_function = map
    filter_with_legacy_function = filter


def _require_several(datasets: Any) -> list[Node]:
    found = [require_node(d, "Each of `datasets`") for d in datasets]
    if not found:
        raise fail(
            ValueError,
            "Invalid `datasets`. `datasets` should not be empty",
            site=str(user_site()),
        )
    return found


nodes.wrap = Dataset
