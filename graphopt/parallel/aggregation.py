"""What becomes of gradients where several ranks train one model.

An `Aggregation` is a value: who is asked for it (`current_aggregation`) may be a strategy
whose scope is open, or an optimizer that was made for it. `reduce_gradients` does what it
says, with ops, so that in a graph, in a function and in eager mode the same happens.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from graphopt.dtypes import DType, float64, int32
from graphopt.graph.dispatch import call
from graphopt.graph.hooks import hooks
from graphopt.graph.indexed_slices import IndexedSlices
from graphopt.ops.collectives import ALL_GATHER, ALL_REDUCE, ALL_REDUCE_IF
from graphopt.ops.creation import zeros_like
from graphopt.ops.elementwise import cast, equal, greater, where
from graphopt.ops.reduction import reduce_sum
from graphopt.ops.shaping import concat, expand_dims
from graphopt.parallel.sharding import sharded_over

__all__ = [
    "Aggregation",
    "Collection",
    "aggregating",
    "agree",
    "collecting",
    "current_aggregation",
    "current_collection",
    "deferred_aggregation",
    "deferring",
    "divide_by_rows",
    "reduce_gradients",
    "rows_of_step",
    "step_rows",
    "sum_in_tree",
    "weigh_by_rows",
]


@dataclass(frozen=True)
class Aggregation:
    """How gradients of several ranks become one.

    Attributes:
      group: The number of the communicator.
      size: How many ranks there are.
      mean: Whether the result is the mean of the ranks and not their sum.
      sparse_as_dense: Whether rows of gradients are made whole tensors first.
      compression: The dtype in which gradients of wider floats travel, or None.
      bucket_bytes: About how many bytes are reduced at once.
      shards: Into how many parts a batch is cut on all ranks together, or None.
      shard_optimizer: Whether each rank keeps only its part of the slots.
    """

    group: int
    size: int
    mean: bool = False
    sparse_as_dense: bool = False
    compression: DType | None = None
    bucket_bytes: int = 4 << 20
    shards: int | None = None
    shard_optimizer: bool = False

    @property
    def is_idle(self) -> bool:
        """Whether nothing becomes of gradients.

        With shards one rank does what several would, so that the bits are theirs.
        """
        return self.size == 1 and self.shards is None


class _Current(threading.local):
    aggregation: Aggregation | None = None
    deferred: Aggregation | None = None
    rows: tuple[Any, Any] | None = None
    collection: Collection | None = None


_current = _Current()


def current_aggregation() -> Aggregation | None:
    """Returns what holds on this thread; None if each process trains alone."""
    return _current.aggregation


@contextlib.contextmanager
def aggregating(aggregation: Aggregation | None) -> Iterator[None]:
    """Has optimizers aggregate gradients within a block, or not."""
    before, _current.aggregation = _current.aggregation, aggregation
    try:
        yield
    finally:
        _current.aggregation = before


@contextlib.contextmanager
def deferring(aggregation: Aggregation | None) -> Iterator[None]:
    """Has gradients aggregated later, within a block, by who accumulates them."""
    before, _current.deferred = _current.deferred, aggregation
    try:
        yield
    finally:
        _current.deferred = before


def deferred_aggregation() -> Aggregation | None:
    """Returns what is still to be done to the gradients at hand."""
    return _current.deferred


def agree(condition: Any) -> Any:
    """Returns whether a condition holds on all ranks, where gradients still differ."""
    aggregation = _current.deferred or sharded_over()
    if aggregation is None or aggregation.size == 1:
        return condition
    least = call(
        ALL_REDUCE, cast(condition, int32), reduction="min", **_ranks(aggregation)
    )
    return equal(least, 1)


# ---- batches of unequal size


@contextlib.contextmanager
def rows_of_step(rows: Any, total: Any) -> Iterator[None]:
    """Says how many examples the gradients of a block are means over.

    Optimizers then weigh them so that their sum over all ranks is the mean over all
    examples, whatever their aggregation says: a last batch that the ranks cannot share
    evenly changes nothing.

    Args:
      rows: Integer scalar, a number or a tensor; a rank may have none.
      total: The same for all ranks together.
    """
    before, _current.rows = _current.rows, (rows, total)
    try:
        yield
    finally:
        _current.rows = before


def step_rows() -> tuple[Any, Any] | None:
    """Returns what `rows_of_step` holds on this thread, or None."""
    return _current.rows


def weigh_by_rows(
    pairs: list[tuple[Any, Any]], rows: Any, total: Any = None
) -> list[tuple[Any, Any]]:
    """Returns gradients times their part in the mean over all examples.

    Args:
      pairs: (gradient, variable), means over some examples.
      rows: How many examples that are.
      total: How many there are on all ranks; None if sums are divided by it later, by
        `divide_by_rows`, so that nobody waits for it before they are on their way.

    Returns:
      The pairs, dense: ranks with fewer examples have fewer rows of sparse gradients too.
      Where there are no examples, zeros, whatever the gradients are.
    """
    weight, has_rows = cast(rows, float64), greater(rows, 0)
    if total is not None:
        weight = weight / cast(total, float64)

    def weigh(grad: Any) -> Any:
        grad = hooks.convert(grad)
        # Not a product with 0: an example that only keeps the others company may give NaN.
        return where(has_rows, grad * cast(weight, grad.dtype), zeros_like(grad))

    return [(weigh(grad), var) for grad, var in pairs]


def divide_by_rows(pairs: list[tuple[Any, Any]], total: Any) -> list[tuple[Any, Any]]:
    """Returns the means that `weigh_by_rows` has prepared, of sums over all ranks."""
    return [(grad / cast(total, grad.dtype), var) for grad, var in pairs]


# ---- several parts of a batch on one rank


@dataclass
class Collection:
    """Gradients of the parts of a batch that one rank computes one after the other.

    Attributes:
      parts: The numbers of those that have examples, in order.
      part: The number of the one that is computed.
      pairs: By the ids of optimizers, the pairs of the parts before.
    """

    parts: list[int]
    part: int = 0
    pairs: dict[int, list[list[tuple[Any, Any]]]] = field(default_factory=dict)

    def add(
        self, optimizer: Any, pairs: list[tuple[Any, Any]]
    ) -> list[tuple[Any, Any]] | None:
        """Takes the pairs of a part.

        Args:
          optimizer: Who is to apply them.
          pairs: (gradient, variable).

        Returns:
          The sums over all parts if this is the last one, else None.

        Raises:
          NotImplementedError: An optimizer is called more than once for each part, or not
            for each with the same variables.
        """
        found = self.pairs.setdefault(id(optimizer), [])
        before = found[0] if found else pairs
        at = self.parts.index(self.part)
        if len(found) != at or [id(v) for _, v in pairs] != [id(v) for _, v in before]:
            raise NotImplementedError(
                "With shards=... a function that strategy.run calls has to call "
                "apply_gradients of an optimizer once, with the same variables each "
                f"time; got call {len(found) + 1} in part {at + 1} of {len(self.parts)}."
            )
        found.append(pairs)
        if at + 1 < len(self.parts):
            return None
        summed: list[tuple[Any, Any]] = []
        for column in zip(*found, strict=True):
            grads: list[Any] = [None] * (self.parts[-1] + 1)
            for part, (grad, _) in zip(self.parts, column, strict=True):
                grads[part] = grad
            summed.append((sum_in_tree(grads), column[0][1]))
        return summed


@contextlib.contextmanager
def collecting(collection: Collection, part: int) -> Iterator[None]:
    """Has optimizers, within a block, collect the gradients of one part of a batch."""
    before, _current.collection = _current.collection, collection
    collection.part = part
    try:
        yield
    finally:
        _current.collection = before


def current_collection() -> Collection | None:
    """Returns what `collecting` holds on this thread, or None."""
    return _current.collection


def sum_in_tree(values: list[Any]) -> Any:
    """Returns the sum of tensors or rows in a fixed order: (0 + 1) + (2 + 3).

    What is None is left out, and the others keep their places.

    >>> sum_in_tree([1.0, 2.0, 3.0, 4.0])
    10.0
    """
    while len(values) > 1:
        rest = values[len(values) & ~1 :]
        pairs = zip(values[::2], values[1::2], strict=False)
        values = [*(_add(a, b) for a, b in pairs), *rest]
    return values[0]


def _add(a: Any, b: Any) -> Any:
    if a is None or b is None:
        return b if a is None else a
    if isinstance(a, IndexedSlices) and isinstance(b, IndexedSlices):
        return a.with_rows(
            concat([a.values, b.values], 0), concat([a.indices, b.indices], 0)
        )
    if isinstance(a, IndexedSlices) or isinstance(b, IndexedSlices):
        a, b = hooks.convert(a), hooks.convert(b)
    return a + b


# ---- over the ranks


def _ranks(aggregation: Aggregation) -> dict[str, Any]:
    return {"group": aggregation.group, "size": aggregation.size}


def reduce_gradients(
    pairs: list[tuple[Any, Any]], aggregation: Aggregation, only_if: Any = None
) -> list[tuple[Any, Any]]:
    """Reduces gradients over the ranks.

    Args:
      pairs: (gradient, variable), of this rank.
      aggregation: How.
      only_if: Bool scalar, the same on all ranks: where it is false, nothing is exchanged
        and the results are of no use; None if it is always done.

    Returns:
      The pairs, the same on all ranks.
    """
    if aggregation.size == 1:
        if aggregation.shards is not None:
            return [(hooks.convert(grad), var) for grad, var in pairs]
        return pairs
    if aggregation.shard_optimizer:
        raise NotImplementedError(
            "shard_optimizer=True with an optimizer that is none of "
            "tf.keras.optimizers, or with a gradient that is not applied by one."
        )
    communicator = hooks.communicator(aggregation.group)
    communicator.bucket_bytes = aggregation.bucket_bytes
    if aggregation.shards is not None:
        communicator.channel.require_tree()
    return [(_reduce(grad, aggregation, only_if), var) for grad, var in pairs]


def _reduce(grad: Any, aggregation: Aggregation, only_if: Any) -> Any:
    ranks = _ranks(aggregation)
    if isinstance(grad, IndexedSlices) and not _is_better_dense(grad, aggregation):
        small = _compressed(grad.values, aggregation)
        values = cast(call(ALL_GATHER, small, **ranks), grad.dtype)
        indices = call(ALL_GATHER, grad.indices, **ranks)
        if aggregation.mean:
            values = values / cast(aggregation.size, values.dtype)
        return IndexedSlices(values, indices, grad.dense_shape)
    grad = hooks.convert(grad)
    small = _compressed(grad, aggregation)
    if small is not grad and aggregation.shards is None:
        # Only travelling makes it small: the sum is of the gradient's own dtype.
        each = call(ALL_GATHER, expand_dims(small, 0), **ranks)
        total = reduce_sum(cast(each, grad.dtype), 0)
    elif only_if is None:
        total = call(ALL_REDUCE, grad, reduction="sum", **ranks)
    else:
        total = call(ALL_REDUCE_IF, grad, only_if, reduction="sum", **ranks)
    return total / cast(aggregation.size, total.dtype) if aggregation.mean else total


def _compressed(values: Any, aggregation: Aggregation) -> Any:
    """Returns floats in the dtype in which they travel."""
    dtype = aggregation.compression
    if dtype is None or not values.dtype.is_floating:
        return values
    if dtype.numpy.itemsize >= values.dtype.numpy.itemsize:
        return values
    return cast(values, dtype)


def _is_better_dense(grad: IndexedSlices, aggregation: Aggregation) -> bool:
    """Whether fewer bytes travel if rows are made a whole tensor first.

    Of rows every rank receives those of all others, of a whole tensor twice what it has.
    Equal rows are added up by who applies the gradient, behind the exchange: the number of
    rows that travel is known before a step, as its buffers are, and adding up some of them
    would not make it smaller.
    """
    if aggregation.sparse_as_dense or aggregation.shards is not None:
        # Rows of several shards come in the order of ranks; a sum in a tree does not.
        return True
    whole, rows = grad.shape, grad.values.shape
    if not whole.rank or whole[0] is None or rows[0] is None:
        return False
    return bool(2 * int(whole[0]) <= aggregation.size * int(rows[0]))
