"""Batches, windows and groups: methods of `tf.data.Dataset`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from graphopt import dtypes
from graphopt.data import arguments
from graphopt.data.batching import (
    Batch,
    GroupByWindow,
    PaddedBatch,
    Unbatch,
    Window,
)
from graphopt.data.context import as_parameter
from graphopt.data.functions import DataFunction
from graphopt.data.node import Node
from graphopt.data.structure import DatasetSpec
from graphopt.errors import fail
from graphopt.graph.provenance import user_site
from graphopt.runtime.function import TensorSpec


class Grouping:
    """What puts elements together, or takes them apart."""

    _node: Node
    _then: Callable[[Node], Any]
    _function: Callable[..., DataFunction]
    element_spec: Any

    def batch(
        self,
        batch_size: Any,
        drop_remainder: bool = False,
        num_parallel_calls: Any = None,
        deterministic: bool | None = None,
        name: str | None = None,
    ) -> Any:
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
    ) -> Any:
        """Returns batches of elements of several shapes, filled up.

        Args:
          batch_size: How many elements.
          padded_shapes: A structure of shapes; None where the longest element decides.
          padding_values: A structure of numbers; zeros by default.
          drop_remainder: Whether to leave out a last batch that is smaller.
          name: Accepted.

        Raises:
          DataLossError: When it is iterated: an element is larger than its shape.

        >>> from graphopt.data import Dataset
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
    ) -> Any:
        """Returns batches of another size of the rows of these batches."""
        return self.unbatch().batch(batch_size, drop_remainder)

    def unbatch(self, name: str | None = None) -> Any:
        """Returns the rows of elements."""
        return self._then(Unbatch(self._node))

    def window(
        self,
        size: Any,
        shift: Any = None,
        stride: Any = 1,
        drop_remainder: bool = False,
        name: str | None = None,
    ) -> Any:
        """Returns data sets of elements that follow each other.

        Args:
          size: How many elements are in a window.
          shift: How far the next one begins behind it; `size` by default.
          stride: How far apart its elements are.
          drop_remainder: Whether to leave out windows of fewer elements.
          name: Accepted.

        >>> from graphopt.data import Dataset
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
    ) -> Any:
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
    ) -> Any:
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

        made = bucket_by_length(
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
