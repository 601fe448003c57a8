"""`reverse_sequence`: the beginning of each sequence of a batch, the other way round."""

from __future__ import annotations

from typing import Any

from graphopt.dtypes import int32
from graphopt.errors import InvalidArgumentError, fail
from graphopt.graph.hooks import hooks
from graphopt.graph.provenance import user_site
from graphopt.graph.tensor import Tensor
from graphopt.ops.creation import ones, shape
from graphopt.ops.elementwise import cast, where
from graphopt.ops.indexing import gather
from graphopt.ops.scan import cumsum
from graphopt.ops.sequences import range as range_
from graphopt.ops.shaping import expand_dims, transpose


def reverse_sequence(
    input: Any,
    seq_lengths: Any,
    seq_axis: int | None = None,
    batch_axis: int | None = None,
    name: str | None = None,
    seq_dim: int | None = None,
    batch_dim: int | None = None,
) -> Tensor:
    """Reverses the first elements of each sequence of a batch.

    Args:
      input: The tensor.
      seq_lengths: `[batch]`, integers: how many elements of each sequence.
      seq_axis: The dimension along which to reverse.
      batch_axis: The dimension of the batch, 0 by default.
      name: Name of the op.
      seq_dim, batch_dim: Names of version 1 for the axes.

    Raises:
      ValueError: There is no `seq_axis`, or it is that of the batch.

    >>> import graphopt as tf
    >>> x = tf.constant([[1, 2, 3], [4, 5, 6]])
    >>> tf.reverse_sequence(x, [2, 3], seq_axis=1).numpy().tolist()
    [[2, 1, 3], [6, 5, 4]]

    Source: `tf.reverse_sequence`.
    """
    x, lengths = hooks.convert(input), cast(hooks.convert(seq_lengths), int32)
    time = seq_dim if seq_axis is None else seq_axis
    batch = batch_dim if batch_axis is None else batch_axis
    batch = 0 if batch is None else batch
    if time is None or x.shape.rank is None:
        raise ValueError(
            "tf.reverse_sequence needs seq_axis, and inputs of known rank."
        )
    rank = len(x.shape)
    time, batch = time % rank, batch % rank
    if time == batch:
        raise fail(
            InvalidArgumentError,
            "tf.reverse_sequence needs two different axes",
            got=f"seq_axis={time} and batch_axis={batch}",
            site=str(user_site()),
        )
    rest = [axis for axis in range(rank) if axis not in (time, batch)]
    order = [batch, time, *rest]
    plain = order == list(range(rank))
    x = x if plain else transpose(x, order)
    # The size may be one that only the run knows: numbers are counted, not given.
    at = _numbers(x)
    ends = expand_dims(lengths, 1)
    taken = where(at < ends, ends - 1 - at, at + 0 * ends)
    found = gather(x, taken, axis=1, batch_dims=1, name=None if not plain else name)
    if plain:
        return found
    back = [order.index(axis) for axis in range(rank)]
    return transpose(found, back, name=name)


def _numbers(x: Any) -> Any:
    """Returns 0, 1, ... up to the length of a sequence, `[1, time]`."""
    if x.shape[1] is not None:
        return expand_dims(range_(x.shape[1]), 0)
    return cumsum(ones([1, shape(x)[1]], int32), 1) - 1
