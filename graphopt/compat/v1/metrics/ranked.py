"""`tf.metrics`: precision and recall of the k best predictions.

Labels are classes, `[..., labels]`, predictions scores, `[..., classes]`. Both the labels and
the k best classes of an example are sets: what is named twice counts once.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from graphopt.compat.v1.losses import match_weights
from graphopt.compat.v1.metrics.base import (
    metric_variable,
    publish,
    require_graph,
)
from graphopt.dtypes import float64, int64
from graphopt.errors import describe_shapes, fail
from graphopt.graph.context import get_default_graph
from graphopt.graph.hooks import hooks
from graphopt.graph.provenance import user_site
from graphopt.ops.creation import constant, ones_like
from graphopt.ops.elementwise import (
    cast,
    divide,
    equal,
    greater_equal,
    logical_and,
    logical_not,
    minimum,
)
from graphopt.ops.reduction import reduce_any, reduce_sum
from graphopt.ops.scan import cumsum
from graphopt.ops.selecting import top_k
from graphopt.ops.sequences import size
from graphopt.ops.shaping import expand_dims
from graphopt.ops.special import divide_no_nan
from graphopt.runtime.names import name_scope


def _label(name: str, k: int | None, class_id: int | None = None) -> str:
    name = f"{name}_at_{'k' if k is None else k}"
    return name if class_id is None else f"{name}_class{class_id}"


def _expand_labels(labels: Any, predictions: Any) -> Any:
    labels = cast(hooks.convert(labels), int64)
    ranks = labels.shape.rank, predictions.shape.rank
    if None in ranks:
        raise NotImplementedError(
            f"Metrics of tensors of unknown rank: {describe_shapes(labels, predictions)}."
        )
    if ranks[0] == ranks[1]:
        return labels
    if ranks[0] + 1 == ranks[1]:
        return expand_dims(labels, -1)
    raise fail(
        ValueError,
        f"Unexpected labels shape {labels.shape} for predictions shape "
        f"{predictions.shape}",
        got=describe_shapes(labels, predictions),
        expected="labels of the rank of predictions, or one less",
        site=str(user_site()),
    )


def _in(values: Any, others: Any) -> Any:
    """Whether each value is among others of its row."""
    return reduce_any(equal(expand_dims(values, -1), expand_dims(others, -2)), axis=-1)


def _first(values: Any) -> Any:
    """Whether each value is the first of its kind in its row."""
    count = values.shape[-1]
    if count == 1:
        return equal(values, values)
    if count is None:
        raise NotImplementedError(
            f"Metrics of labels {describe_shapes(values)}; give the number of labels of "
            "an example."
        )
    same = equal(expand_dims(values, -1), expand_dims(values, -2))
    before = constant(np.tril(np.ones((count, count), np.bool_), -1))
    return logical_not(reduce_any(logical_and(same, before), axis=-1))


def _members(values: Any, class_id: int | None) -> Any:
    first = _first(values)
    return first if class_id is None else logical_and(first, equal(values, class_id))


def _count(kind: str, labels: Any, chosen: Any, class_id: Any, weights: Any) -> Any:
    if kind == "false_negative":
        hit = logical_and(_members(labels, class_id), logical_not(_in(labels, chosen)))
    else:
        found = _in(chosen, labels)
        found = found if kind == "true_positive" else logical_not(found)
        hit = logical_and(_members(chosen, class_id), found)
    counted = reduce_sum(cast(hit, float64), axis=-1)
    if weights is not None:
        weights = cast(hooks.convert(weights), float64)
        counted = counted * match_weights(weights, counted)
    return reduce_sum(counted)


def _add_up(name: str, amount: Any) -> tuple[Any, Any]:
    """Adds to a variable that has the name of its scope."""
    variable = metric_variable([], float64, name)
    with name_scope(variable.key.name + "/"):
        before = variable.read_value()
        return before, variable.assign_add(amount, name="update")


@contextlib.contextmanager
def _scope(name: str | None, default: str, what: str) -> Iterator[str]:
    require_graph(what)
    with name_scope(name or default) as scope:
        yield scope


def _at_top_k(
    other: str,
    labels: Any,
    predictions_idx: Any,
    k: int | None,
    class_id: int | None,
    weights: Any,
    collections: tuple[Any, Any],
    scope: str,
) -> tuple[Any, Any]:
    chosen = cast(hooks.convert(predictions_idx), int64)
    labels = _expand_labels(labels, chosen)
    sums = [
        _add_up(
            _label(kind, k, class_id), _count(kind, labels, chosen, class_id, weights)
        )
        for kind in ("true_positive", other)
    ]
    (hits, more_hits), (rest, more_rest) = sums
    value = divide(hits, hits + rest, name=scope)
    update = divide(more_hits, more_hits + more_rest, name="update")
    return publish(value, update, *collections)


def precision_at_top_k(
    labels: Any,
    predictions_idx: Any,
    k: int | None = None,
    class_id: int | None = None,
    weights: Any = None,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    name: str | None = None,
) -> tuple[Any, Any]:
    """Returns which part of chosen classes is right; as `precision_at_k`.

    Source: `tf.compat.v1.metrics.precision_at_top_k`.
    """
    default = _label("precision", k, class_id)
    with _scope(name, default, "precision_at_top_k") as scope:
        return _at_top_k(
            "false_positive",
            labels,
            predictions_idx,
            k,
            class_id,
            weights,
            (metrics_collections, updates_collections),
            scope,
        )


def precision_at_k(
    labels: Any,
    predictions: Any,
    k: int,
    class_id: int | None = None,
    weights: Any = None,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    name: str | None = None,
) -> tuple[Any, Any]:
    """Returns which part of the k best predictions is right.

    Args:
      labels: `[..., labels]` or, one for each, `[...]`: the right classes.
      predictions: `[..., classes]`, scores.
      k: How many predictions count.
      class_id: The only class that counts; by default all do.
      weights: How much each example counts, a scalar or `[...]`.
      metrics_collections, updates_collections, name: As in `mean`.

    Source: `tf.compat.v1.metrics.precision_at_k`.
    """
    default = _label("precision", k, class_id)
    with _scope(name, default, "precision_at_k") as scope:
        chosen = top_k(hooks.convert(predictions), k)[1]
        collections = metrics_collections, updates_collections
        return precision_at_top_k(
            labels, chosen, k, class_id, weights, *collections, scope
        )


def recall_at_top_k(
    labels: Any,
    predictions_idx: Any,
    k: int | None = None,
    class_id: int | None = None,
    weights: Any = None,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    name: str | None = None,
) -> tuple[Any, Any]:
    """Returns which part of right classes was chosen; as `recall_at_k`.

    Source: `tf.compat.v1.metrics.recall_at_top_k`.
    """
    default = _label("recall", k, class_id)
    with _scope(name, default, "recall_at_top_k") as scope:
        return _at_top_k(
            "false_negative",
            labels,
            predictions_idx,
            k,
            class_id,
            weights,
            (metrics_collections, updates_collections),
            scope,
        )


def recall_at_k(
    labels: Any,
    predictions: Any,
    k: int,
    class_id: int | None = None,
    weights: Any = None,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    name: str | None = None,
) -> tuple[Any, Any]:
    """Returns which part of right classes is among the k best predictions.

    Arguments are those of `precision_at_k`.

    Source: `tf.compat.v1.metrics.recall_at_k`.
    """
    default = _label("recall", k, class_id)
    with _scope(name, default, "recall_at_k") as scope:
        chosen = top_k(hooks.convert(predictions), k)[1]
        collections = metrics_collections, updates_collections
        return recall_at_top_k(
            labels, chosen, k, class_id, weights, *collections, scope
        )


def average_precision_at_k(
    labels: Any,
    predictions: Any,
    k: int,
    weights: Any = None,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    name: str | None = None,
) -> tuple[Any, Any]:
    """Returns the mean over examples of precisions at the places of right classes.

    Args:
      labels: `[..., labels]` or `[...]`: the right classes.
      predictions: `[..., classes]`, scores.
      k: How many predictions count.
      weights: How much each example counts, a scalar or `[...]`.
      metrics_collections, updates_collections, name: As in `mean`.

    Raises:
      ValueError: `k` is less than 1.

    Source: `tf.compat.v1.metrics.average_precision_at_k`.
    """
    if k < 1:
        raise ValueError(f"Invalid k={k}. `k` should be >= 1.")
    what = "average_precision_at_k"
    with _scope(name, _label("average_precision", k), what) as scope:
        predictions = hooks.convert(predictions)
        chosen = cast(top_k(predictions, k)[1], int64)
        labels = _expand_labels(labels, chosen)
        relevant = cast(_in(chosen, labels), float64)
        precisions = cumsum(relevant, axis=-1) / cumsum(ones_like(relevant), axis=-1)
        total = reduce_sum(precisions * relevant, axis=-1)
        classes = predictions.shape[-1]
        known = greater_equal(labels, 0)
        if classes is not None:
            # Classes that do not exist are padding.
            known = logical_and(known, logical_not(greater_equal(labels, classes)))
        count = minimum(reduce_sum(cast(known, int64), axis=-1), k)
        average = divide(total, cast(count, float64))
        if weights is None:
            batch = cast(size(average), float64)
        else:
            weights = cast(hooks.convert(weights), float64)
            weights = match_weights(weights, average)
            weights = weights + average * 0.0 if weights.shape.rank == 0 else weights
            average, batch = average * weights, reduce_sum(weights)
        with name_scope(scope):
            # An op of TensorFlow's has this name, and the variable the next: `max_1`.
            get_default_graph().unique_name("Max")
            most, more = _add_up("max", batch)
            found, more_found = _add_up("total", reduce_sum(average))
            value = divide_no_nan(found, most, name="mean")
        update = divide_no_nan(more_found, more, name="update_op")
        return publish(value, update, metrics_collections, updates_collections)


def sparse_precision_at_k(*args: Any, **kwargs: Any) -> tuple[Any, Any]:
    """Returns which part of the k best predictions is right; as `precision_at_k`.

    Source: `tf.compat.v1.metrics.sparse_precision_at_k`.
    """
    return precision_at_k(*args, **kwargs)


def sparse_average_precision_at_k(*args: Any, **kwargs: Any) -> tuple[Any, Any]:
    """Returns the mean of average precisions; as `average_precision_at_k`.

    Source: `tf.compat.v1.metrics.sparse_average_precision_at_k`.
    """
    return average_precision_at_k(*args, **kwargs)
