"""Losses over many classes that look at the right ones and at a sample of the others."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphopt import dtypes
from graphopt.errors import InvalidArgumentError, describe_shapes, fail
from graphopt.graph.hooks import hooks
from graphopt.graph.provenance import user_site
from graphopt.graph.tensor import Tensor
from graphopt.ops.candidates import log_uniform_candidate_sampler
from graphopt.ops.creation import ones_like, zeros_like
from graphopt.ops.elementwise import cast, equal, floordiv, floormod, log
from graphopt.ops.indexing import gather
from graphopt.ops.matmul import matmul
from graphopt.ops.nn import (
    sigmoid_cross_entropy_with_logits,
    softmax_cross_entropy_with_logits,
)
from graphopt.ops.reduction import reduce_any, reduce_sum
from graphopt.ops.shaping import concat, expand_dims, reshape, stop_gradient


def look_up(
    params: Any, ids: Any, partition_strategy: str = "mod", name: str | None = None
) -> Any:
    """Returns the rows of a table, or of a table in parts, that ids name.

    Args:
      params: `[rows, ...]`, or a list of parts of it.
      ids: Integers of any shape.
      partition_strategy: "div": parts have consecutive rows; "mod": of n parts, row i is
        in part i % n.
      name: Name of the op.

    Raises:
      ValueError: An unknown strategy, or no parts.
    """
    if partition_strategy not in ("mod", "div"):
        raise ValueError(f"Unrecognized partition strategy: {partition_strategy}.")
    if not isinstance(params, (list, tuple)):
        return gather(params, ids, name=name)
    if not params:
        raise ValueError("Require non-empty params.")
    if len(params) == 1:
        return gather(params[0], ids, name=name)
    ids = hooks.convert(ids)
    if partition_strategy == "mod":
        rows = [int(part.shape[0]) for part in params]
        starts = np.cumsum([0, *rows[:-1]]).astype(ids.dtype.numpy)
        count = len(params)
        ids = gather(starts, floormod(ids, count)) + floordiv(ids, count)
    return gather(concat(list(params), 0), ids, name=name)


def _sampled_logits(
    weights: Any,
    biases: Any,
    labels: Any,
    inputs: Any,
    num_sampled: int,
    num_classes: int,
    num_true: int,
    sampled_values: Any,
    remove_accidental_hits: bool,
    partition_strategy: str,
    seed: int | None = None,
) -> tuple[Any, Any]:
    """Returns logits and labels, `[batch, num_true + num_sampled]`."""
    inputs, labels = hooks.convert(inputs), hooks.convert(labels)
    if labels.shape.rank != 2:
        raise fail(
            InvalidArgumentError,
            "labels must be a matrix with num_true columns",
            got=describe_shapes(labels),
            expected=f"[batch, {num_true}]",
            site=str(user_site()),
            remedy="tf.expand_dims(labels, 1)",
        )
    labels = cast(labels, dtypes.int64)
    if sampled_values is None:
        sampled_values = log_uniform_candidate_sampler(
            labels, num_true, num_sampled, True, num_classes, seed
        )
    sampled, of_true, of_sampled = (stop_gradient(value) for value in sampled_values)
    sampled = cast(sampled, dtypes.int64)
    flat = reshape(labels, [-1])
    size = inputs.shape[1]
    right = reshape(look_up(weights, flat, partition_strategy), [-1, num_true, size])
    true_logits = reduce_sum(expand_dims(inputs, 1) * right, axis=2)
    right_biases = look_up(biases, flat, partition_strategy)
    true_logits = true_logits + reshape(right_biases, [-1, num_true])
    drawn = look_up(weights, sampled, partition_strategy)
    sampled_logits = matmul(inputs, drawn, transpose_b=True)
    sampled_logits = sampled_logits + look_up(biases, sampled, partition_strategy)
    if remove_accidental_hits:
        hits = equal(expand_dims(labels, 2), reshape(sampled, [1, 1, -1]))
        lowest = float(np.finfo(np.float32).min)
        hit = cast(reduce_any(hits, axis=1), inputs.dtype)
        sampled_logits = sampled_logits + hit * lowest
    true_logits = true_logits - log(cast(of_true, inputs.dtype))
    sampled_logits = sampled_logits - log(cast(of_sampled, inputs.dtype))
    wanted = ones_like(true_logits) * (1.0 / num_true)
    logits = concat([true_logits, sampled_logits], 1)
    return logits, concat([wanted, zeros_like(sampled_logits)], 1)


def nce_loss(
    weights: Any,
    biases: Any,
    labels: Any,
    inputs: Any,
    num_sampled: int,
    num_classes: int,
    num_true: int = 1,
    sampled_values: Any = None,
    remove_accidental_hits: bool = False,
    partition_strategy: str = "mod",
    name: str | None = "nce_loss",
) -> Tensor:
    """Returns the loss of telling right classes from drawn ones.

    Args:
      weights: `[num_classes, size]`, or a list of parts of it.
      biases: `[num_classes]`.
      labels: `[batch, num_true]`, integers: the right classes.
      inputs: `[batch, size]`.
      num_sampled: How many classes to draw for the batch.
      num_classes: How many there are.
      num_true: How many are right for each example.
      sampled_values: What a sampler returned; that of Zipf's law by default, which fits
        classes in the order of their frequency.
      remove_accidental_hits: Whether drawn classes that are right do not count.
      partition_strategy: How rows are distributed over parts, "mod" or "div".
      name: Name of the op.

    Returns:
      `[batch]`, a loss for each example.

    Source: `tf.compat.v1.nn.nce_loss`; Gutmann and Hyvarinen, 2010.
    """
    logits, wanted = _sampled_logits(
        weights,
        biases,
        labels,
        inputs,
        num_sampled,
        num_classes,
        num_true,
        sampled_values,
        remove_accidental_hits,
        partition_strategy,
    )
    losses = sigmoid_cross_entropy_with_logits(labels=wanted, logits=logits)
    return reduce_sum(losses, axis=1, name=name)


def sampled_softmax_loss(
    weights: Any,
    biases: Any,
    labels: Any,
    inputs: Any,
    num_sampled: int,
    num_classes: int,
    num_true: int = 1,
    sampled_values: Any = None,
    remove_accidental_hits: bool = True,
    partition_strategy: str = "mod",
    name: str | None = "sampled_softmax_loss",
    seed: int | None = None,
) -> Tensor:
    """Returns the cross entropy of a softmax over right and drawn classes.

    Arguments are those of `nce_loss`; what it returns is `[batch]` as well. It is for
    training only: evaluation takes all classes.

    Source: `tf.compat.v1.nn.sampled_softmax_loss`; Jean et al., 2014.
    """
    logits, wanted = _sampled_logits(
        weights,
        biases,
        labels,
        inputs,
        num_sampled,
        num_classes,
        num_true,
        sampled_values,
        remove_accidental_hits,
        partition_strategy,
        seed,
    )
    return softmax_cross_entropy_with_logits(
        labels=stop_gradient(wanted), logits=logits, name=name
    )


def nce_loss_v2(
    weights: Any,
    biases: Any,
    labels: Any,
    inputs: Any,
    num_sampled: int,
    num_classes: int,
    num_true: int = 1,
    sampled_values: Any = None,
    remove_accidental_hits: bool = False,
    name: str | None = "nce_loss",
) -> Tensor:
    """Returns the loss of telling right classes from drawn ones; parts are consecutive.

    Source: `tf.nn.nce_loss`.
    """
    return nce_loss(
        weights,
        biases,
        labels,
        inputs,
        num_sampled,
        num_classes,
        num_true,
        sampled_values,
        remove_accidental_hits,
        "div",
        name,
    )


def sampled_softmax_loss_v2(
    weights: Any,
    biases: Any,
    labels: Any,
    inputs: Any,
    num_sampled: int,
    num_classes: int,
    num_true: int = 1,
    sampled_values: Any = None,
    remove_accidental_hits: bool = True,
    seed: int | None = None,
    name: str | None = "sampled_softmax_loss",
) -> Tensor:
    """Returns the cross entropy of a softmax over right and drawn classes.

    Source: `tf.nn.sampled_softmax_loss`.
    """
    return sampled_softmax_loss(
        weights,
        biases,
        labels,
        inputs,
        num_sampled,
        num_classes,
        num_true,
        sampled_values,
        remove_accidental_hits,
        "div",
        name,
        seed,
    )
