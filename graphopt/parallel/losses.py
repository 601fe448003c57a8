"""Losses of one replica, so that the sum over all replicas is the mean of the batch."""

from __future__ import annotations

from typing import Any

from graphopt.errors import fail
from graphopt.graph.hooks import hooks
from graphopt.graph.provenance import user_site
from graphopt.graph.tensor import Tensor
from graphopt.ops.assertions import assert_non_negative
from graphopt.ops.creation import shape as shape_of
from graphopt.ops.elementwise import cast
from graphopt.ops.reduction import reduce_sum
from graphopt.ops.shape_assertions import assert_integer, assert_scalar
from graphopt.ops.shaping import expand_dims, squeeze
from graphopt.ops.special import divide_no_nan
from graphopt.parallel.strategy import (
    get_strategy,
    has_strategy,
    in_cross_replica_context,
)
from graphopt.runtime.collections import control_dependencies


def compute_average_loss(
    per_example_loss: Any, sample_weight: Any = None, global_batch_size: Any = None
) -> Tensor:
    """Returns the sum of the losses of examples, divided by the size of the whole batch.

    Optimizers sum the gradients of all replicas, so what they sum up is the gradient of
    the mean.

    Args:
      per_example_loss: `[batch, ...]`, the losses of this replica.
      sample_weight: Weights of the examples, of the same shape, or of one that can be
        stretched to it.
      global_batch_size: The size of the batch of all replicas, an integer; by
        default that of this replica times the number of replicas.

    Returns:
      A scalar.

    Raises:
      ValueError: The losses are a scalar.
      RuntimeError: It is called in cross-replica context, without the size.

    >>> import graphopt as tf
    >>> float(tf.nn.compute_average_loss([1.0, 2.0], global_batch_size=4))
    0.75

    Source: `tf.nn.compute_average_loss`.
    """
    losses = hooks.convert(per_example_loss)
    if losses.shape.rank == 0:
        raise fail(
            ValueError,
            "Invalid value passed for `per_example_loss`. Expected a tensor with at "
            "least rank 1",
            got="a scalar",
            expected="the losses of examples, [batch, ...]",
            site=str(user_site()),
            remedy="reduction=tf.keras.losses.Reduction.NONE of the loss",
        )
    dtype = losses.dtype
    if sample_weight is not None:
        losses = cast(_weighted(losses, hooks.convert(sample_weight)), dtype)
    if global_batch_size is None:
        _require_replica("compute_average_loss")
        replicas = get_strategy().num_replicas_in_sync
        size = shape_of(losses)[0] * replicas
    else:
        size = hooks.convert(global_batch_size)
    assert_scalar(size, message="global_batch_size must be scalar.")
    assert_integer(size, message="global_batch_size must be an integer.")
    check = assert_non_negative(size, message="global_batch_size must not be negative.")
    with control_dependencies([check] if check is not None else []):
        return divide_no_nan(reduce_sum(losses), cast(size, dtype))


def _weighted(losses: Any, weights: Any) -> Any:
    weights = cast(weights, losses.dtype)
    of_losses, of_weights = losses.shape.rank, weights.shape.rank
    if of_losses is not None and of_weights is not None:
        if of_weights - of_losses == 1:
            weights = squeeze(weights, [-1])
        elif of_losses - of_weights == 1 and of_weights > 0:
            weights = expand_dims(weights, -1)
    return losses * weights


def scale_regularization_loss(regularization_loss: Any) -> Tensor:
    """Returns the sum of a loss that every replica has, divided by how many there are.

    Args:
      regularization_loss: A tensor, or a list of scalars.

    Raises:
      RuntimeError: It is called in cross-replica context.

    >>> import graphopt as tf
    >>> float(tf.nn.scale_regularization_loss([1.0, 2.0]))
    3.0

    Source: `tf.nn.scale_regularization_loss`.
    """
    _require_replica("scale_regularization_loss")
    total = reduce_sum(hooks.convert(regularization_loss))
    return total / cast(get_strategy().num_replicas_in_sync, total.dtype)


def _require_replica(what: str) -> None:
    if has_strategy() and in_cross_replica_context():
        raise fail(
            RuntimeError,
            f"You are calling `{what}` in cross replica context, while it was expected "
            "to be called in replica context",
            got="a call in strategy.scope()",
            expected="a call in a function that strategy.run calls",
            site=str(user_site()),
        )
