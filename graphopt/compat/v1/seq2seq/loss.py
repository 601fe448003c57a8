"""`tf.contrib.seq2seq.sequence_loss`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from graphopt.graph.hooks import hooks
from graphopt.ops.elementwise import cast, not_equal
from graphopt.ops.nn import sparse_softmax_cross_entropy_with_logits
from graphopt.ops.reduction import reduce_sum
from graphopt.ops.shaping import reshape, reshape_like
from graphopt.ops.special import divide_no_nan


def sequence_loss(
    logits: Any,
    targets: Any,
    weights: Any,
    average_across_timesteps: bool = True,
    average_across_batch: bool = True,
    sum_over_timesteps: bool = False,
    sum_over_batch: bool = False,
    softmax_loss_function: Callable[..., Any] | None = None,
    name: str | None = None,
) -> Any:
    """Returns the weighted cross entropy of sequences.

    Args:
      logits: `[batch, time, classes]`.
      targets: `[batch, time]`, integers.
      weights: `[batch, time]`: 0 for what is padding.
      average_across_timesteps, average_across_batch: Whether to divide by the sum of the
        weights along the axis.
      sum_over_timesteps, sum_over_batch: Whether to divide by the number of weights that
        are not 0 instead.
      softmax_loss_function: From `labels` and `logits`, of all steps one after the other,
        to the losses.
      name: Name of the op.

    Returns:
      A scalar; along an axis that is neither averaged nor summed, one number each.

    Raises:
      ValueError: Ranks are not as above, or an axis is to be averaged and summed.

    Source: `tf.contrib.seq2seq.sequence_loss`.
    """
    logits, targets = hooks.convert(logits), hooks.convert(targets)
    weights = hooks.convert(weights, dtype_hint=logits.dtype)
    if logits.shape.rank != 3:
        raise ValueError(
            "Logits must be a [batch_size x sequence_length x logits] tensor"
        )
    if targets.shape.rank != 2:
        raise ValueError("Targets must be a [batch_size x sequence_length] tensor")
    if weights.shape.rank != 2:
        raise ValueError("Weights must be a [batch_size x sequence_length] tensor")
    if average_across_timesteps and sum_over_timesteps:
        raise ValueError(
            "average_across_timesteps and sum_over_timesteps cannot be set to True at "
            "the same time."
        )
    if average_across_batch and sum_over_batch:
        raise ValueError(
            "average_across_batch and sum_over_batch cannot be set to True at the same "
            "time."
        )
    if softmax_loss_function is None:
        losses = sparse_softmax_cross_entropy_with_logits(targets, logits)
    else:
        classes = -1 if logits.shape[2] is None else logits.shape[2]
        flat = softmax_loss_function(
            labels=reshape(targets, [-1]), logits=reshape(logits, [-1, classes])
        )
        losses = reshape_like(flat, weights)
    losses = losses * weights
    counts = cast(not_equal(weights, 0), losses.dtype)
    both = average_across_timesteps and average_across_batch
    if both or (sum_over_timesteps and sum_over_batch):
        total = reduce_sum(weights if both else counts)
        return divide_no_nan(reduce_sum(losses), total, name=name)
    for average, summed, axis in (
        (average_across_batch, sum_over_batch, 0),
        (average_across_timesteps, sum_over_timesteps, 1),
    ):
        if average or summed:
            size = reduce_sum(weights if average else counts, axis)
            return divide_no_nan(reduce_sum(losses, axis), size, name=name)
    return losses
