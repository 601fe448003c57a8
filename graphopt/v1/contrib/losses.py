"""`tf.contrib.losses`: `tf.losses` with predictions first, as slim had them."""

from __future__ import annotations

from typing import Any

import graphopt.compat.v1.losses as v1_losses
from graphopt.compat.v1.losses import compute_weighted_loss as _compute
from graphopt.compat.v1.losses import get_losses as get_losses
from graphopt.compat.v1.losses import (
    get_regularization_losses as get_regularization_losses,
)
from graphopt.runtime.collections import GraphKeys
from graphopt.v1.contrib.below import look_below
from graphopt.v1.contrib.framework.arg_scopes import add_arg_scope


@add_arg_scope
def add_loss(loss: Any, loss_collection: str | None = GraphKeys.LOSSES) -> None:
    """Puts a loss into a collection.

    Source: `tf.contrib.losses.add_loss`.
    """
    v1_losses.add_loss(loss, loss_collection)


def get_total_loss(
    add_regularization_losses: bool = True, name: str = "total_loss"
) -> Any:
    """Returns the sum of all losses of the graph.

    Source: `tf.contrib.losses.get_total_loss`.
    """
    return v1_losses.get_total_loss(add_regularization_losses, name)


def compute_weighted_loss(
    losses: Any, weights: Any = 1.0, scope: str | None = None
) -> Any:
    """Returns terms times weights, divided by the number of weights that are not 0.

    Source: `tf.contrib.losses.compute_weighted_loss`.
    """
    return _compute(losses, weights, scope)


def absolute_difference(
    predictions: Any, labels: Any = None, weights: Any = 1.0, scope: Any = None
) -> Any:
    """Returns the mean of |predictions - labels|.

    Source: `tf.contrib.losses.absolute_difference`.
    """
    return v1_losses.absolute_difference(labels, predictions, weights, scope)


def sigmoid_cross_entropy(
    logits: Any,
    multi_class_labels: Any,
    weights: Any = 1.0,
    label_smoothing: float = 0,
    scope: Any = None,
) -> Any:
    """Returns the mean sigmoid cross entropy.

    Source: `tf.contrib.losses.sigmoid_cross_entropy`.
    """
    arguments = multi_class_labels, logits, weights, label_smoothing, scope
    return v1_losses.sigmoid_cross_entropy(*arguments)


def softmax_cross_entropy(
    logits: Any,
    onehot_labels: Any,
    weights: Any = 1.0,
    label_smoothing: float = 0,
    scope: Any = None,
) -> Any:
    """Returns the mean cross entropy.

    Source: `tf.contrib.losses.softmax_cross_entropy`.
    """
    arguments = onehot_labels, logits, weights, label_smoothing, scope
    return v1_losses.softmax_cross_entropy(*arguments)


def sparse_softmax_cross_entropy(
    logits: Any, labels: Any, weights: Any = 1.0, scope: Any = None
) -> Any:
    """Returns the mean cross entropy, given the index of the right class of each row.

    Source: `tf.contrib.losses.sparse_softmax_cross_entropy`.
    """
    return v1_losses.sparse_softmax_cross_entropy(labels, logits, weights, scope)


def log_loss(
    predictions: Any,
    labels: Any = None,
    weights: Any = 1.0,
    epsilon: float = 1e-7,
    scope: Any = None,
) -> Any:
    """Returns the mean of -labels log(p) - (1 - labels) log(1 - p).

    Source: `tf.contrib.losses.log_loss`.
    """
    return v1_losses.log_loss(labels, predictions, weights, epsilon, scope)


def hinge_loss(logits: Any, labels: Any = None, scope: Any = None) -> Any:
    """Returns max(1 - (2 labels - 1) logits, 0), elementwise; nothing is collected.

    Source: `tf.contrib.losses.hinge_loss`.
    """
    none = v1_losses.Reduction.NONE
    return v1_losses.hinge_loss(labels, logits, 1.0, scope, None, none)


def mean_squared_error(
    predictions: Any, labels: Any = None, weights: Any = 1.0, scope: Any = None
) -> Any:
    """Returns the mean of (predictions - labels) ** 2.

    Source: `tf.contrib.losses.mean_squared_error`.
    """
    return v1_losses.mean_squared_error(labels, predictions, weights, scope)


def mean_pairwise_squared_error(
    predictions: Any, labels: Any = None, weights: Any = 1.0, scope: Any = None
) -> Any:
    """Returns how far differences within each example are from those of its labels.

    Source: `tf.contrib.losses.mean_pairwise_squared_error`.
    """
    return v1_losses.mean_pairwise_squared_error(labels, predictions, weights, scope)


def cosine_distance(
    predictions: Any,
    labels: Any = None,
    axis: int | None = None,
    weights: Any = 1.0,
    scope: Any = None,
    dim: int | None = None,
) -> Any:
    """Returns the mean of 1 - sum(predictions * labels).

    Source: `tf.contrib.losses.cosine_distance`.
    """
    axis = dim if axis is None else axis
    return v1_losses.cosine_distance(labels, predictions, axis, weights, scope)


def __getattr__(name: str) -> Any:
    return look_below("losses", name)
