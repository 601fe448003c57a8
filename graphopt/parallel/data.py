"""Which part of the data is whose: without overlap, without a gap, known beforehand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphopt.errors import fail
from graphopt.graph import nest
from graphopt.graph.provenance import user_site

__all__ = ["cut_rows", "distribute_dataset", "part_of", "shard"]


def part_of(rows: Any, index: int, count: int) -> tuple[Any, Any]:
    """Returns from where to where a part of so many rows goes.

    The parts differ by one row at most, and lie one behind the other.

    Args:
      rows: How many there are; a number or an integer tensor.
      index: Which part.
      count: How many parts.

    >>> [part_of(10, i, 4) for i in range(4)]
    [(0, 2), (2, 5), (5, 7), (7, 10)]
    """
    return rows * index // count, rows * (index + 1) // count


def cut_rows(value: Any, index: int, count: int) -> Any:
    """Returns a part of the rows of each array or tensor of a nest.

    Args:
      value: A nest; `[n, ...]`. What has no rows, as a scalar, stays whole.
      index: Which part.
      count: How many parts.
    """

    def cut(leaf: Any) -> Any:
        shape = getattr(leaf, "shape", None)
        if shape is None or len(shape) == 0:
            return leaf
        rows = shape[0]
        if rows is None:
            # Only the run knows.
            from graphopt.ops.creation import shape as shape_of

            rows = shape_of(leaf)[0]
        start, stop = part_of(rows, index, count)
        return leaf[start:stop]

    return nest.map_structure(cut, value)


def shard(
    data: Any, index: int, count: int, seed: int | None = None, epoch: int = 0
) -> Any:
    """Returns the part of one rank of a data set or of arrays.

    Args:
      data: A `tf.data.Dataset`, of which each `count`-th element is taken; or a nest of
        arrays `[n, ...]`.
      index: The number of the rank.
      count: How many ranks there are.
      seed: For arrays: their rows are put in an order first that depends on seed and epoch
        alone; None for the order in which they are.
      epoch: The number of the epoch.

    Returns:
      A data set, or a nest of arrays whose parts, of all ranks together, are each row once.

    Raises:
      ValueError: Arrays of different numbers of rows.

    >>> x = np.arange(5)
    >>> shard(x, 0, 2), shard(x, 1, 2)
    (array([0, 1]), array([2, 3, 4]))
    >>> together = [*shard(x, 0, 2, seed=1), *shard(x, 1, 2, seed=1)]
    >>> sorted(int(row) for row in together)
    [0, 1, 2, 3, 4]
    """
    sharded: Callable[..., Any] | None = getattr(data, "shard", None)
    if sharded is not None and hasattr(data, "element_spec"):
        return sharded(count, index)
    leaves = [np.asarray(leaf) for leaf in nest.flatten(data)]
    rows = {len(leaf) for leaf in leaves}
    if len(rows) != 1:
        raise fail(
            ValueError,
            "shard: arrays have different numbers of rows",
            got=", ".join(str(list(leaf.shape)) for leaf in leaves),
            expected="the same first dimension everywhere",
            site=str(user_site()),
        )
    start, stop = part_of(rows.pop(), index, count)
    chosen: Any = slice(start, stop)
    if seed is not None:
        chosen = _order(len(leaves[0]), seed, epoch)[start:stop]
    return nest.pack_as(data, [leaf[chosen] for leaf in leaves])


def _order(rows: int, seed: int, epoch: int) -> NDArray[np.int64]:
    words = [seed & (1 << 64) - 1, epoch]
    order: NDArray[np.int64] = np.random.Generator(np.random.PCG64(words)).permutation(
        rows
    )
    return order


def distribute_dataset(dataset: Any, index: int, count: int) -> Any:
    """Returns the data set of one rank, made of that of all.

    Args:
      dataset: A `tf.data.Dataset` of batches; its options say how it is shared out.
      index: The number of the rank.
      count: How many ranks there are.

    Raises:
      NotImplementedError: The policy is to share out files.
    """
    policy = _policy_of(dataset)
    if policy == "FILE":
        raise NotImplementedError(
            "AutoShardPolicy.FILE; use DATA, or share the files out with "
            "strategy.distribute_datasets_from_function and Dataset.shard."
        )
    if policy in ("OFF", "HINT"):
        make = type(dataset).from_tensors
        return dataset.flat_map(lambda *element: _cut_batch(make, element, count))
    # A tuple stays one, also of one part.
    is_tuple = isinstance(dataset.element_spec, tuple)
    return dataset.map(
        lambda *element: cut_rows(element if is_tuple else element[0], index, count)
    )


def _cut_batch(make: Callable[[Any], Any], element: tuple[Any, ...], count: int) -> Any:
    """Returns a data set of the parts of one batch."""
    found: Any = None
    for i in range(count):
        part = cut_rows(element, i, count)
        each = make(part if len(part) > 1 else part[0])
        found = each if found is None else found.concatenate(each)
    return found


def _policy_of(dataset: Any) -> str:
    options = dataset.options() if hasattr(dataset, "options") else None
    policy = getattr(
        getattr(options, "experimental_distribute", None), "auto_shard_policy", None
    )
    return str(getattr(policy, "name", policy or "AUTO")).upper()
