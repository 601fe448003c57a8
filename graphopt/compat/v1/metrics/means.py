"""`tf.metrics`: means over batches."""

from __future__ import annotations

from typing import Any

from graphopt.compat.v1.metrics.base import (
    Parts,
    accumulate,
    finish,
    match_shapes,
    metric_scope,
    publish,
    require_graph,
    require_same,
    spread_weights,
)
from graphopt.dtypes import float32, float64, int64
from graphopt.graph.hooks import hooks
from graphopt.ops.assertions import assert_less, assert_non_negative
from graphopt.ops.creation import ones_like, zeros_like
from graphopt.ops.diagonal import diag_part
from graphopt.ops.elementwise import (
    abs,
    cast,
    divide,
    equal,
    greater,
    less,
    maximum,
    not_equal,
    sqrt,
    squared_difference,
    subtract,
    where,
)
from graphopt.ops.reduction import reduce_mean, reduce_sum
from graphopt.ops.segments import unsorted_segment_sum
from graphopt.ops.sequences import size
from graphopt.ops.shaping import reshape
from graphopt.ops.special import divide_no_nan
from graphopt.runtime.collections import control_dependencies


def _ratio(total: str, count: str) -> Any:
    def compute(parts: Parts, name: str) -> Any:
        return divide_no_nan(parts[total], maximum(parts[count], 0.0), name=name)

    return compute


def mean(
    values: Any,
    weights: Any = None,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    name: str | None = None,
) -> tuple[Any, Any]:
    """Returns the mean of all values of all batches.

    Args:
      values: Numbers of any shape.
      weights: How much each counts: a scalar, or of the rank of the values with 1 or their
        size in each dimension.
      metrics_collections: Names of collections that get the value.
      updates_collections: Names of collections that get the update.
      name: Name of the scope; `mean`, numbered, by default.

    Returns:
      The mean before the run, and the op that adds the batch and returns the new mean; 0
      without values.

    Raises:
      RuntimeError: In eager mode.

    >>> import graphopt as tf
    >>> v1 = tf.compat.v1
    >>> with tf.Graph().as_default(), v1.Session() as session:
    ...     x = v1.placeholder(tf.float32, [None])
    ...     value, update = v1.metrics.mean(x)
    ...     session.run(v1.local_variables_initializer())
    ...     print([float(session.run(update, {x: x_})) for x_ in ([1.0], [2.0, 6.0])])
    [1.0, 3.0]

    Source: `tf.compat.v1.metrics.mean`.
    """
    with metric_scope(name, "mean", "mean"):
        values = cast(hooks.convert(values), float32)
        if weights is None:
            known = values.shape.num_elements()
            count = cast(size(values) if known is None else float(known), float32)
        else:
            values, _, weights = match_shapes(values, None, weights)
            weights = spread_weights(weights, values)
            values = values * weights
            count = reduce_sum(weights)
        parts = accumulate(total=reduce_sum(values), count=count)
        return finish(
            parts, _ratio("total", "count"), metrics_collections, updates_collections
        )


def mean_tensor(
    values: Any,
    weights: Any = None,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    name: str | None = None,
) -> tuple[Any, Any]:
    """Returns the mean of each element over batches; arguments are those of `mean`.

    Source: `tf.compat.v1.metrics.mean_tensor`.
    """
    with metric_scope(name, "mean", "mean_tensor"):
        values = cast(hooks.convert(values), float32)
        count = ones_like(values)
        if weights is not None:
            values, _, weights = match_shapes(values, None, weights)
            count = spread_weights(weights, values)
            values = values * count
        parts = accumulate(total_tensor=values, count_tensor=count)
        compute = _ratio("total_tensor", "count_tensor")
        return finish(parts, compute, metrics_collections, updates_collections)


def accuracy(
    labels: Any,
    predictions: Any,
    weights: Any = None,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    name: str | None = None,
) -> tuple[Any, Any]:
    """Returns how often predictions are equal to labels; as `mean`.

    Source: `tf.compat.v1.metrics.accuracy`.
    """
    require_graph("accuracy")
    predictions, labels, weights = match_shapes(predictions, labels, weights)
    right = equal(cast(predictions, labels.dtype), labels)
    collections = metrics_collections, updates_collections
    return mean(cast(right, float32), weights, *collections, name or "accuracy")


def mean_absolute_error(
    labels: Any,
    predictions: Any,
    weights: Any = None,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    name: str | None = None,
) -> tuple[Any, Any]:
    """Returns the mean of |predictions - labels|; as `mean`.

    Source: `tf.compat.v1.metrics.mean_absolute_error`.
    """
    require_graph("mean_absolute_error")
    predictions, labels, weights = match_shapes(predictions, labels, weights)
    collections = metrics_collections, updates_collections
    errors = abs(predictions - labels)
    return mean(errors, weights, *collections, name or "mean_absolute_error")


def mean_squared_error(
    labels: Any,
    predictions: Any,
    weights: Any = None,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    name: str | None = None,
) -> tuple[Any, Any]:
    """Returns the mean of (predictions - labels) ** 2; as `mean`.

    Source: `tf.compat.v1.metrics.mean_squared_error`.
    """
    require_graph("mean_squared_error")
    predictions, labels, weights = match_shapes(predictions, labels, weights)
    collections = metrics_collections, updates_collections
    errors = squared_difference(labels, predictions)
    return mean(errors, weights, *collections, name or "mean_squared_error")


def root_mean_squared_error(
    labels: Any,
    predictions: Any,
    weights: Any = None,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    name: str | None = None,
) -> tuple[Any, Any]:
    """Returns the root of the mean of (predictions - labels) ** 2; as `mean`.

    Source: `tf.compat.v1.metrics.root_mean_squared_error`.
    """
    value, update = mean_squared_error(
        labels, predictions, weights, None, None, name or "root_mean_squared_error"
    )
    return publish(sqrt(value), sqrt(update), metrics_collections, updates_collections)


def mean_relative_error(
    labels: Any,
    predictions: Any,
    normalizer: Any,
    weights: Any = None,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    name: str | None = None,
) -> tuple[Any, Any]:
    """Returns the mean of |labels - predictions| / normalizer, 0 where that is 0.

    Source: `tf.compat.v1.metrics.mean_relative_error`.
    """
    require_graph("mean_relative_error")
    predictions, labels, weights = match_shapes(predictions, labels, weights)
    normalizer, predictions, _ = match_shapes(normalizer, predictions, None)
    errors = where(
        equal(normalizer, 0.0),
        zeros_like(labels),
        divide(abs(labels - predictions), normalizer),
    )
    collections = metrics_collections, updates_collections
    return mean(errors, weights, *collections, name or "mean_relative_error")


def mean_cosine_distance(
    labels: Any,
    predictions: Any,
    dim: int,
    weights: Any = None,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    name: str | None = None,
) -> tuple[Any, Any]:
    """Returns 1 less the mean of the products of vectors along `dim`; as `mean`.

    Source: `tf.compat.v1.metrics.mean_cosine_distance`.
    """
    require_graph("mean_cosine_distance")
    predictions, labels, weights = match_shapes(predictions, labels, weights)
    products = reduce_sum(predictions * labels, axis=[dim], keepdims=True)
    value, update = mean(products, weights, None, None, name or "mean_cosine_distance")
    value, update = subtract(1.0, value), subtract(1.0, update)
    return publish(value, update, metrics_collections, updates_collections)


def percentage_below(
    values: Any,
    threshold: Any,
    weights: Any = None,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    name: str | None = None,
) -> tuple[Any, Any]:
    """Returns the part of the values that is less than a threshold; as `mean`.

    Source: `tf.compat.v1.metrics.percentage_below`.
    """
    require_graph("percentage_below")
    below = cast(less(values, threshold), float32)
    collections = metrics_collections, updates_collections
    return mean(below, weights, *collections, name or "percentage_below_threshold")


# ---- by class


def _flat(x: Any) -> Any:
    return x if x is None or x.shape.rank == 1 else reshape(x, [-1])


def mean_per_class_accuracy(
    labels: Any,
    predictions: Any,
    num_classes: int,
    weights: Any = None,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    name: str | None = None,
) -> tuple[Any, Any]:
    """Returns the mean over classes of how often predictions are right.

    Args:
      labels, predictions: Integers of one shape.
      num_classes: How many classes there are.
      weights, metrics_collections, updates_collections, name: As in `mean`.

    Returns:
      The mean before the run, and the op that adds the batch and returns the accuracy of
      each class, `[num_classes]`.

    Source: `tf.compat.v1.metrics.mean_per_class_accuracy`.
    """
    with metric_scope(name, "mean_accuracy", "mean_per_class_accuracy"):
        labels = _flat(cast(hooks.convert(labels), int64))
        predictions = _flat(hooks.convert(predictions))
        require_same(predictions, labels)
        right = cast(equal(cast(predictions, int64), labels), float32)
        ones = ones_like(right)
        if weights is not None:
            weights = _flat(cast(hooks.convert(weights), float32))
            right, ones = right * weights, ones * weights
        before, after = accumulate(
            total=unsorted_segment_sum(ones, labels, num_classes),
            count=unsorted_segment_sum(right, labels, num_classes),
        )
        compute = _ratio("count", "total")
        value = reduce_mean(compute(before, None), name="mean_accuracy")
        update = compute(after, "update_op")
        return publish(value, update, metrics_collections, updates_collections)


def mean_iou(
    labels: Any,
    predictions: Any,
    num_classes: int,
    weights: Any = None,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    name: str | None = None,
) -> tuple[Any, Any]:
    """Returns the mean over classes of intersection divided by union.

    Args:
      labels, predictions: Integers of one shape.
      num_classes: How many classes there are.
      weights, metrics_collections, updates_collections, name: As in `mean`.

    Returns:
      The mean before the run, and the op that adds the batch and returns the confusion
      matrix, `[num_classes, num_classes]`, float64.

    Source: `tf.compat.v1.metrics.mean_iou`.
    """
    with metric_scope(name, "mean_iou", "mean_iou"):
        predictions, labels = hooks.convert(predictions), hooks.convert(labels)
        require_same(predictions, labels)
        matrix = confusion(labels, predictions, int(num_classes), weights)
        before, after = accumulate(total_confusion_matrix=matrix)
        found = cast(before["total_confusion_matrix"], float32)
        hits = diag_part(found)
        union = reduce_sum(found, 0) + reduce_sum(found, 1) - hits
        count = reduce_sum(cast(not_equal(union, 0.0), float32))
        iou = hits / where(greater(union, 0.0), union, ones_like(union))
        value = divide_no_nan(reduce_sum(iou), count, name="mean_iou")
        update = after["total_confusion_matrix"]
        return publish(value, update, metrics_collections, updates_collections)


def confusion(labels: Any, predictions: Any, num_classes: int, weights: Any) -> Any:
    """Returns how often each label met each prediction, `[labels, predictions]`."""
    labels, predictions = (
        _flat(cast(hooks.convert(x), int64)) for x in (labels, predictions)
    )
    checks = []
    for what, values in (("labels", labels), ("predictions", predictions)):
        checks += [
            assert_non_negative(values, message=f"`{what}` contains negative values"),
            assert_less(values, num_classes, message=f"`{what}` out of bound"),
        ]
    with control_dependencies([check for check in checks if check is not None]):
        cells = labels * num_classes + predictions
    ones = ones_like(cast(labels, float64))
    if weights is not None:
        weights = cast(hooks.convert(weights), float64)
        ones = ones * (weights if weights.shape.rank == 0 else _flat(weights))
    sums = unsorted_segment_sum(ones, cells, num_classes * num_classes)
    return reshape(sums, [num_classes, num_classes])
