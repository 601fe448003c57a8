"""`embedding_lookup_sparse`: rows of a table, put together by rows of a sparse matrix."""

from __future__ import annotations

from typing import Any

from graphopt.errors import fail
from graphopt.graph.provenance import user_site
from graphopt.graph.tensor import Tensor
from graphopt.ops.clipping import clip_by_norm
from graphopt.ops.creation import convert_to_tensor, zeros_like
from graphopt.ops.elementwise import cast, greater_equal, logical_and, sqrt, where
from graphopt.ops.sampled_losses import look_up
from graphopt.ops.segments import segment_sum
from graphopt.ops.shaping import reshape
from graphopt.sparse.functions import fill_empty_rows, retain
from graphopt.sparse.tensor import SparseTensor

COMBINERS = ("mean", "sqrtn", "sum")


def embedding_lookup_sparse(
    params: Any,
    sp_ids: Any,
    sp_weights: Any,
    combiner: str | None = None,
    max_norm: Any = None,
    name: str | None = None,
    allow_fast_lookup: bool = False,
) -> Tensor:
    """Returns weighted sums of rows of a table, one for each row of a sparse matrix.

    Args:
      params: A table `[rows, ...]`, or a list of its parts, the first rows in the first.
      sp_ids: Row numbers, a `SparseTensor` with at least one in each row.
      sp_weights: Weights in the same places, or None for 1.
      combiner: `"mean"` divides by the sum of weights, `"sqrtn"` by the root of the sum
        of their squares, `"sum"` by nothing; by default `"mean"`.
      max_norm: The largest norm of a row of the table.
      name: Name of the op.
      allow_fast_lookup: Accepted for compatibility.

    Returns:
      `[rows of sp_ids, ...]`.

    Raises:
      TypeError: `sp_ids` is not sparse.
      ValueError: The combiner is none of the three.

    >>> import graphopt as tf
    >>> ids = tf.SparseTensor([[0, 0], [0, 1], [1, 0]], [2, 0, 1], [2, 2])
    >>> table = tf.constant([[1.0], [10.0], [100.0]])
    >>> tf.nn.embedding_lookup_sparse(table, ids, None, "sum").numpy().tolist()
    [[101.0], [10.0]]

    Source: `tf.nn.embedding_lookup_sparse`.
    """
    return look_up_sparse(params, sp_ids, sp_weights, "div", combiner, max_norm, name)


def look_up_sparse(
    params: Any,
    sp_ids: Any,
    sp_weights: Any,
    partition_strategy: str,
    combiner: str | None,
    max_norm: Any,
    name: str | None,
) -> Any:
    """As `embedding_lookup_sparse`, with parts of a table by either strategy."""
    combiner = combiner or "mean"
    if combiner not in COMBINERS:
        raise ValueError(f"combiner is {combiner!r}, expected one of {COMBINERS}.")
    if not isinstance(sp_ids, SparseTensor):
        raise fail(
            TypeError,
            "embedding_lookup_sparse takes ids as a sparse tensor",
            got=f"{sp_ids!r:.80}",
            expected="a tf.SparseTensor",
            site=str(user_site()),
            remedy="tf.nn.embedding_lookup for dense ones",
        )
    segments = sp_ids.indices[:, 0]
    rows = look_up(params, sp_ids.values, partition_strategy, None)
    rows = convert_to_tensor(rows)
    rank: Any = rows.shape.rank
    if max_norm is not None:
        axes = list(range(1, rank))
        rows = clip_by_norm(rows, max_norm, axes)
    inner = [1] * (rank - 1)
    if sp_weights is None:
        weights = zeros_like(cast(sp_ids.values, rows.dtype)) + cast(1.0, rows.dtype)
    else:
        weights = cast(sp_weights.values, rows.dtype)
    total = segment_sum(rows * reshape(weights, [-1, *inner]), segments)
    if combiner == "sum":
        return total
    if combiner == "mean":
        divisor = segment_sum(weights, segments)
    else:
        divisor = sqrt(segment_sum(weights * weights, segments))
    return total / reshape(divisor, [-1, *inner])


def safe_embedding_lookup_sparse(
    embedding_weights: Any,
    sparse_ids: Any,
    sparse_weights: Any = None,
    combiner: str = "mean",
    default_id: Any = None,
    name: str | None = None,
    partition_strategy: str = "div",
    max_norm: Any = None,
) -> Any:
    """As `embedding_lookup_sparse`; ids below 0 and weights of 0 or less do not count.

    Rows without ids give zeros, or the row `default_id` of the table.

    Source: `tf.compat.v1.nn.safe_embedding_lookup_sparse`.
    """
    valid = greater_equal(sparse_ids.values, cast(0, sparse_ids.dtype))
    if sparse_weights is not None:
        from graphopt.ops.elementwise import greater

        valid = logical_and(valid, greater(sparse_weights.values, 0.0))
        sparse_weights = retain(sparse_weights, valid)
    sparse_ids = retain(sparse_ids, valid)
    ids, is_empty = fill_empty_rows(sparse_ids, default_id or 0)
    weights = None
    if sparse_weights is not None:
        weights, _ = fill_empty_rows(sparse_weights, 1.0)
    found = look_up_sparse(
        embedding_weights, ids, weights, partition_strategy, combiner, max_norm, name
    )
    if default_id is not None:
        return found
    inner = [1] * (found.shape.rank - 1)
    return where(reshape(is_empty, [-1, *inner]), zeros_like(found), found)
