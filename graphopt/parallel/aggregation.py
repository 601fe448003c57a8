"""What becomes of gradients where several ranks train one model.

An `Aggregation` is a value: who is asked for it (`current_aggregation`) may be a strategy
whose scope is open, or an optimizer that was made for it. `reduce_gradients` does what it
says, with ops, so that in a graph, in a function and in eager mode the same happens.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from graphopt.dtypes import DType, int32
from graphopt.graph.dispatch import call
from graphopt.graph.hooks import hooks
from graphopt.graph.indexed_slices import IndexedSlices
from graphopt.ops.collectives import ALL_GATHER, ALL_REDUCE, ALL_REDUCE_IF
from graphopt.ops.elementwise import cast, equal

__all__ = [
    "Aggregation",
    "aggregating",
    "agree",
    "current_aggregation",
    "deferred_aggregation",
    "deferring",
    "reduce_gradients",
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
    """

    group: int
    size: int
    mean: bool = False
    sparse_as_dense: bool = False
    compression: DType | None = None
    bucket_bytes: int = 4 << 20


class _Current(threading.local):
    aggregation: Aggregation | None = None
    deferred: Aggregation | None = None


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
    aggregation = _current.deferred
    if aggregation is None or aggregation.size == 1:
        return condition
    least = call(
        ALL_REDUCE, cast(condition, int32), reduction="min", **_ranks(aggregation)
    )
    return equal(least, 1)


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
        return pairs
    return [(_reduce(grad, aggregation, only_if), var) for grad, var in pairs]


def _reduce(grad: Any, aggregation: Aggregation, only_if: Any) -> Any:
    ranks = _ranks(aggregation)
    if isinstance(grad, IndexedSlices):
        values = call(ALL_GATHER, grad.values, **ranks)
        indices = call(ALL_GATHER, grad.indices, **ranks)
        if aggregation.mean:
            values = values / cast(aggregation.size, values.dtype)
        return IndexedSlices(values, indices, grad.dense_shape)
    grad = hooks.convert(grad)
    if only_if is None:
        total = call(ALL_REDUCE, grad, reduction="sum", **ranks)
    else:
        total = call(ALL_REDUCE_IF, grad, only_if, reduction="sum", **ranks)
    return total / cast(aggregation.size, total.dtype) if aggregation.mean else total
