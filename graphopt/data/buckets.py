"""Batches of elements of about the same length."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from graphopt import dtypes
from graphopt.data.arguments import padding
from graphopt.data.batching import PaddedBatch
from graphopt.data.node import require_node
from graphopt.errors import fail
from graphopt.graph.provenance import user_site
from graphopt.ops.creation import constant
from graphopt.ops.elementwise import cast, less_equal
from graphopt.ops.indexing import gather
from graphopt.ops.reduction import reduce_sum


def bucket_by_length(
    dataset: Any,
    length_of: Callable[..., Any],
    boundaries: Sequence[int],
    batch_sizes: Sequence[int],
    padded_shapes: Any,
    padding_values: Any,
    to_boundary: bool,
    no_padding: bool,
    drop: bool,
) -> Any:
    """Returns padded batches; see `Dataset.bucket_by_sequence_length`."""
    if len(batch_sizes) != len(boundaries) + 1:
        raise fail(
            ValueError,
            "`len(bucket_batch_sizes)` must equal `len(bucket_boundaries) + 1`",
            got=f"{len(batch_sizes)} batch sizes and {len(boundaries)} boundaries",
            site=str(user_site()),
        )
    bounds = np.array([*boundaries], np.int32)
    sizes = np.array(batch_sizes, np.int64)
    # What is as long as the last bound, or longer, is filled up to no bound.
    fills = np.array([*(bound - 1 for bound in boundaries), -1], np.int64)

    def bucket_of(*element: Any) -> Any:
        length = cast(length_of(*element), dtypes.int32)
        return reduce_sum(cast(less_equal(constant(bounds), length), dtypes.int64))

    def size_of(bucket: Any) -> Any:
        return gather(constant(sizes), bucket)

    if no_padding:
        return dataset.group_by_window(
            bucket_of,
            lambda bucket, group: group.batch(size_of(bucket), drop),
            window_size_func=size_of,
        )
    shapes, values = padding(dataset.element_spec, padded_shapes, padding_values)

    def pad(bucket: Any, group: Any) -> Any:
        longest = gather(constant(fills), bucket) if to_boundary else -1
        node = require_node(group, "The group")
        batches = PaddedBatch(node, size_of(bucket), shapes, values, drop, longest)
        return type(group)(batches)

    return dataset.group_by_window(bucket_of, pad, window_size_func=size_of)
