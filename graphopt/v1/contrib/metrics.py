"""`tf.contrib.metrics`: `tf.metrics` with predictions first, and helpers."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from graphopt.compat.v1 import metrics
from graphopt.dtypes import float32
from graphopt.graph.hooks import hooks
from graphopt.ops.elementwise import cast, equal
from graphopt.ops.reduction import reduce_mean, reduce_sum
from graphopt.v1.contrib.below import look_below
from graphopt.v1.contrib.framework.variables import local_variable

_NAMES = (
    "accuracy",
    "auc",
    "false_negatives",
    "false_negatives_at_thresholds",
    "false_positives",
    "false_positives_at_thresholds",
    "mean_absolute_error",
    "mean_cosine_distance",
    "mean_iou",
    "mean_relative_error",
    "mean_squared_error",
    "precision",
    "precision_at_thresholds",
    "recall",
    "recall_at_thresholds",
    "root_mean_squared_error",
    "sensitivity_at_specificity",
    "specificity_at_sensitivity",
    "true_negatives",
    "true_negatives_at_thresholds",
    "true_positives",
    "true_positives_at_thresholds",
)


def _predictions_first(function: Callable[..., Any], name: str) -> Callable[..., Any]:
    @functools.wraps(function)
    def metric(predictions: Any, labels: Any, *args: Any, **kwargs: Any) -> Any:
        return function(labels, predictions, *args, **kwargs)

    metric.__name__ = metric.__qualname__ = name
    metric.__doc__ = f"""As `tf.metrics.{name.removeprefix("streaming_")}`, predictions first.

    Source: `tf.contrib.metrics.{name}`.
    """
    return metric


for _name in _NAMES:
    _streaming = f"streaming_{_name}"
    globals()[_streaming] = _predictions_first(getattr(metrics, _name), _streaming)

streaming_mean = metrics.mean
streaming_mean_tensor = metrics.mean_tensor
streaming_percentage_less = metrics.percentage_below
streaming_sparse_precision_at_k = _predictions_first(
    metrics.precision_at_k, "streaming_sparse_precision_at_k"
)
streaming_sparse_recall_at_k = _predictions_first(
    metrics.recall_at_k, "streaming_sparse_recall_at_k"
)


def accuracy(
    predictions: Any, labels: Any, weights: Any = None, name: Any = None
) -> Any:
    """Returns how often predictions of this batch are equal to labels.

    Args:
      predictions, labels: Of one shape and dtype, no floats.
      weights: How much each counts.
      name: Name of the op.

    Raises:
      ValueError: The labels are floats, or of another dtype.

    Source: `tf.contrib.metrics.accuracy`.
    """
    predictions, labels = hooks.convert(predictions), hooks.convert(labels)
    if labels.dtype is not predictions.dtype or labels.dtype.is_floating:
        raise ValueError(
            "Labels should be of dtype bool, integer or string and match predictions: "
            f"{labels.dtype.name} and {predictions.dtype.name}."
        )
    right = cast(equal(predictions, labels), float32)
    if weights is None:
        return reduce_mean(right, name=name)
    weights = cast(hooks.convert(weights), float32)
    total = reduce_sum(weights + right * 0.0)
    return reduce_sum(right * weights) / total


def aggregate_metrics(*value_update_tuples: Any) -> tuple[Any, Any]:
    """Returns a list of values and one of updates.

    Source: `tf.contrib.metrics.aggregate_metrics`.
    """
    if not value_update_tuples:
        raise ValueError("Expected at least one value_tensor/update_op pair.")
    values, updates = zip(*value_update_tuples, strict=True)
    return list(values), list(updates)


def aggregate_metric_map(
    names_to_tuples: dict[str, tuple[Any, Any]],
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Returns a dict of values and one of updates, by name.

    Source: `tf.contrib.metrics.aggregate_metric_map`.
    """
    values = {name: pair[0] for name, pair in names_to_tuples.items()}
    return values, {name: pair[1] for name, pair in names_to_tuples.items()}


__all__ = [
    "accuracy",
    "aggregate_metric_map",
    "aggregate_metrics",
    "local_variable",
    "streaming_mean",
]


def __getattr__(name: str) -> Any:
    return look_below("metrics", name)
