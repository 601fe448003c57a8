"""How data sets are made: the constructors of `tf.data.Dataset`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from graphopt import dtypes
from graphopt.data import arguments
from graphopt.data import node as nodes
from graphopt.data.mixing import Choose, Sample
from graphopt.data.node import Node, require_node
from graphopt.data.ordering import (
    Zip,
)
from graphopt.data.sources import Arrays, Counter, Generated, RandomNumbers, Range
from graphopt.data.transforms import (
    Same,
)
from graphopt.errors import InvalidArgumentError, fail
from graphopt.graph import nest
from graphopt.graph.provenance import user_site
from graphopt.runtime.function import TensorSpec


class Making:
    """What makes data sets; the methods of `Dataset` that need none."""

    @staticmethod
    def from_tensor_slices(tensors: Any, name: str | None = None) -> Any:
        """Returns the rows of tensors.

        Args:
          tensors: A structure of tensors `[rows, ...]`; lists are tensors. In a graph
            they may be placeholders, which the initializer of an iterator is fed.
          name: Accepted for compatibility, here and below.

        Raises:
          ValueError: The numbers of rows differ, or there is a scalar.

        >>> from graphopt.data import Dataset
        >>> rows = Dataset.from_tensor_slices({"x": [[1, 2], [3, 4]], "y": [5, 6]})
        >>> [(int(row["y"]), row["x"].numpy().tolist()) for row in rows]
        [(5, [1, 2]), (6, [3, 4])]
        """
        return nodes.wrap(Arrays(tensors, by_rows=True))

    @staticmethod
    def from_tensors(tensors: Any, name: str | None = None) -> Any:
        """Returns one element.

        Args:
          tensors: The element.
          name: Accepted.
        """
        return nodes.wrap(Arrays(tensors, by_rows=False))

    @staticmethod
    def from_generator(
        generator: Callable[..., Any],
        output_types: Any = None,
        output_shapes: Any = None,
        args: Sequence[Any] | None = None,
        output_signature: Any = None,
        name: str | None = None,
    ) -> Any:
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

        >>> from graphopt.data import Dataset
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
        return nodes.wrap(Generated(generator, specs, args or ()))

    @staticmethod
    def range(*args: Any, **kwargs: Any) -> Any:
        """Returns numbers, as Python's `range`.

        Args:
          *args: `stop`, `start, stop` or `start, stop, step`.
          **kwargs: `output_type`, a dtype, int64 by default.

        >>> from graphopt.data import Dataset
        >>> [int(x) for x in Dataset.range(5, 1, -2)]
        [5, 3]
        """
        kwargs.pop("name", None)
        output_type = kwargs.pop("output_type", dtypes.int64)
        if kwargs:
            raise TypeError(f"Dataset.range got unexpected arguments {sorted(kwargs)}.")
        return nodes.wrap(Range(args, output_type))

    @staticmethod
    def counter(
        start: Any = 0, step: Any = 1, dtype: Any = dtypes.int64, name: Any = None
    ) -> Any:
        """Returns numbers without an end."""
        return nodes.wrap(Counter(start, step, dtype))

    @staticmethod
    def random(
        seed: Any = None,
        rerandomize_each_iteration: bool | None = None,
        name: Any = None,
    ) -> Any:
        """Returns random int64 numbers of 32 bits without an end."""
        stream = arguments.make_stream(seed)
        return nodes.wrap(RandomNumbers(stream, bool(rerandomize_each_iteration)))

    @staticmethod
    def zip(*args: Any, datasets: Any = None, name: str | None = None) -> Any:
        """Returns structures of the elements of several data sets.

        Args:
          *args: Data sets, or one structure of them.
          datasets: The structure.
          name: Accepted.

        >>> from graphopt.data import Dataset
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
            return nodes.wrap(Same(single))
        leaves = [
            require_node(leaf, "Each argument to `Dataset.zip`")
            for leaf in nest.flatten(structure)
        ]
        return nodes.wrap(Zip(structure, leaves))

    @staticmethod
    def choose_from_datasets(
        datasets: Sequence[Any], choice_dataset: Any, stop_on_empty_dataset: bool = True
    ) -> Any:
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
        return nodes.wrap(Choose(given, choice, stop_on_empty_dataset))

    @staticmethod
    def sample_from_datasets(
        datasets: Sequence[Any],
        weights: Any = None,
        seed: Any = None,
        stop_on_empty_dataset: bool = False,
        rerandomize_each_iteration: bool | None = None,
    ) -> Any:
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
        return nodes.wrap(Sample(given, weights, stream, again, stop_on_empty_dataset))

    @staticmethod
    def list_files(
        file_pattern: Any,
        shuffle: bool | None = None,
        seed: Any = None,
        name: str | None = None,
    ) -> Any:
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
        dataset = Making.from_tensor_slices(found)
        if shuffle is None or shuffle:
            return dataset.shuffle(len(found), seed=seed)
        return dataset


def _require_several(datasets: Any) -> list[Node]:
    found = [require_node(d, "Each of `datasets`") for d in datasets]
    if not found:
        raise fail(
            ValueError,
            "Invalid `datasets`. `datasets` should not be empty",
            site=str(user_site()),
        )
    return found
