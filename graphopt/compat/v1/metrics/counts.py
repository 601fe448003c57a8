"""`tf.metrics`: true and false, positives and negatives, precision and recall."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphopt.compat.v1.metrics.base import (
    Parts,
    accumulate,
    finish,
    match_shapes,
    metric_scope,
    publish,
    spread_weights,
)
from graphopt.dtypes import bool_, float32
from graphopt.graph.hooks import hooks
from graphopt.ops.assertions import assert_greater_equal, assert_less_equal
from graphopt.ops.creation import constant
from graphopt.ops.elementwise import (
    cast,
    divide,
    greater,
    logical_and,
    logical_not,
)
from graphopt.ops.reduction import reduce_sum
from graphopt.ops.shaping import identity, reshape
from graphopt.ops.special import divide_no_nan
from graphopt.runtime.collections import control_dependencies

# Whether the label and the prediction are positive.
_KINDS = {
    "true_positives": (True, True),
    "false_negatives": (True, False),
    "true_negatives": (False, False),
    "false_positives": (False, True),
}
_EPSILON = 1e-7


def _count(kind: str, labels: Any, predictions: Any, weights: Any) -> Any:
    is_positive, is_predicted = _KINDS[kind]
    hit = logical_and(
        labels if is_positive else logical_not(labels),
        predictions if is_predicted else logical_not(predictions),
    )
    counted = cast(hit, float32)
    if weights is not None:
        counted = counted * cast(weights, float32)
    return reduce_sum(counted)


def _as_bools(labels: Any, predictions: Any, weights: Any) -> tuple[Any, Any, Any]:
    predictions, labels, weights = match_shapes(
        cast(hooks.convert(predictions), bool_),
        cast(hooks.convert(labels), bool_),
        weights,
    )
    return labels, predictions, weights


def _counter(kind: str) -> Any:
    def count(
        labels: Any,
        predictions: Any,
        weights: Any = None,
        metrics_collections: Any = None,
        updates_collections: Any = None,
        name: str | None = None,
    ) -> tuple[Any, Any]:
        with metric_scope(name, kind, kind):
            labels, predictions, weights = _as_bools(labels, predictions, weights)
            parts = accumulate(count=_count(kind, labels, predictions, weights))
            return publish(
                parts[0]["count"],
                parts[1]["count"],
                metrics_collections,
                updates_collections,
            )

    count.__name__ = count.__qualname__ = kind
    count.__doc__ = f"""Returns the number of {kind.replace("_", " ")} of all batches.

    Args:
      labels, predictions: Of one shape; what is not 0 is positive.
      weights, metrics_collections, updates_collections, name: As in `mean`.

    Source: `tf.compat.v1.metrics.{kind}`.
    """
    return count


true_positives = _counter("true_positives")
false_negatives = _counter("false_negatives")
true_negatives = _counter("true_negatives")
false_positives = _counter("false_positives")


def _share(other: str) -> Any:
    def compute(parts: Parts, name: str) -> Any:
        right = parts["true_positives"]
        return divide_no_nan(right, right + parts[other], name=name)

    return compute


def _accumulate_in_scopes(
    labels: Any, predictions: Any, weights: Any, *kinds: str
) -> tuple[Parts, Parts]:
    before: Parts = {}
    after: Parts = {}
    for kind in kinds:
        with metric_scope(None, kind, kind):
            parts = accumulate(count=_count(kind, labels, predictions, weights))
        before[kind], after[kind] = parts[0]["count"], parts[1]["count"]
    return before, after


def precision(
    labels: Any,
    predictions: Any,
    weights: Any = None,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    name: str | None = None,
) -> tuple[Any, Any]:
    """Returns true positives divided by what was predicted positive, 0 if nothing was.

    Source: `tf.compat.v1.metrics.precision`.
    """
    with metric_scope(name, "precision", "precision"):
        given = _as_bools(labels, predictions, weights)
        parts = _accumulate_in_scopes(*given, "true_positives", "false_positives")
        compute = _share("false_positives")
        return finish(parts, compute, metrics_collections, updates_collections)


def recall(
    labels: Any,
    predictions: Any,
    weights: Any = None,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    name: str | None = None,
) -> tuple[Any, Any]:
    """Returns true positives divided by what is positive, 0 if nothing is.

    Source: `tf.compat.v1.metrics.recall`.
    """
    with metric_scope(name, "recall", "recall"):
        given = _as_bools(labels, predictions, weights)
        parts = _accumulate_in_scopes(*given, "true_positives", "false_negatives")
        compute = _share("false_negatives")
        return finish(parts, compute, metrics_collections, updates_collections)


# ---- at thresholds


def accumulate_at(
    labels: Any, predictions: Any, thresholds: Any, weights: Any, kinds: Any = None
) -> tuple[Parts, Parts]:
    """Adds up counts for each threshold above which a prediction is positive.

    Args:
      labels: What is not 0 is positive.
      predictions: Numbers in [0, 1] of the labels' shape.
      thresholds: `[t]`.
      weights: How much each counts, or None.
      kinds: Names of counts; all by default.

    Returns:
      The counts, `[t]`, before and after.
    """
    predictions = hooks.convert(predictions)
    message = "predictions must be in [0, 1]"
    checks = [
        assert_greater_equal(predictions, 0.0, message=message),
        assert_less_equal(predictions, 1.0, message=message),
    ]
    with control_dependencies([check for check in checks if check is not None]):
        predictions, labels, weights = match_shapes(
            identity(cast(predictions, float32)),
            cast(hooks.convert(labels), bool_),
            weights,
        )
    if weights is not None:
        weights = reshape(spread_weights(weights, predictions), [1, -1])
    above = greater(
        reshape(predictions, [1, -1]),
        constant(np.array(thresholds, np.float32)[:, np.newaxis]),
    )
    positive = reshape(labels, [1, -1])
    amounts = {}
    for kind in kinds or _KINDS:
        is_positive, is_predicted = _KINDS[kind]
        hit = logical_and(
            positive if is_positive else logical_not(positive),
            above if is_predicted else logical_not(above),
        )
        counted = cast(hit, float32)
        counted = counted if weights is None else counted * weights
        amounts[kind] = reduce_sum(counted, axis=1)
    return accumulate(**amounts)


def _counter_at(kind: str) -> Any:
    def count(
        labels: Any,
        predictions: Any,
        thresholds: Any,
        weights: Any = None,
        metrics_collections: Any = None,
        updates_collections: Any = None,
        name: str | None = None,
    ) -> tuple[Any, Any]:
        with metric_scope(name, kind, f"{kind}_at_thresholds"):
            parts = accumulate_at(labels, predictions, thresholds, weights, [kind])
            return publish(
                parts[0][kind], parts[1][kind], metrics_collections, updates_collections
            )

    count.__name__ = count.__qualname__ = f"{kind}_at_thresholds"
    count.__doc__ = f"""Returns the number of {kind.replace("_", " ")} for thresholds.

    Args:
      labels: What is not 0 is positive.
      predictions: Numbers in [0, 1]; positive if they are above a threshold.
      thresholds: A list of thresholds.
      weights, metrics_collections, updates_collections, name: As in `mean`.

    Returns:
      `[thresholds]`, before the run and with the batch.

    Source: `tf.compat.v1.metrics.{kind}_at_thresholds`.
    """
    return count


true_positives_at_thresholds = _counter_at("true_positives")
false_negatives_at_thresholds = _counter_at("false_negatives")
true_negatives_at_thresholds = _counter_at("true_negatives")
false_positives_at_thresholds = _counter_at("false_positives")


def _share_at(other: str, what: str) -> Any:
    def compute(parts: Parts, name: str) -> Any:
        right = parts["true_positives"]
        return divide(right, _EPSILON + right + parts[other], name=f"{what}_{name}")

    return compute


def precision_at_thresholds(
    labels: Any,
    predictions: Any,
    thresholds: Any,
    weights: Any = None,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    name: str | None = None,
) -> tuple[Any, Any]:
    """Returns the precision for each threshold above which a prediction is positive.

    Source: `tf.compat.v1.metrics.precision_at_thresholds`.
    """
    with metric_scope(name, "precision_at_thresholds", "precision_at_thresholds"):
        kinds = ["true_positives", "false_positives"]
        parts = accumulate_at(labels, predictions, thresholds, weights, kinds)
        compute = _share_at("false_positives", "precision")
        return finish(parts, compute, metrics_collections, updates_collections)


def recall_at_thresholds(
    labels: Any,
    predictions: Any,
    thresholds: Any,
    weights: Any = None,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    name: str | None = None,
) -> tuple[Any, Any]:
    """Returns the recall for each threshold above which a prediction is positive.

    Source: `tf.compat.v1.metrics.recall_at_thresholds`.
    """
    with metric_scope(name, "recall_at_thresholds", "recall_at_thresholds"):
        kinds = ["true_positives", "false_negatives"]
        parts = accumulate_at(labels, predictions, thresholds, weights, kinds)
        compute = _share_at("false_negatives", "recall")
        return finish(parts, compute, metrics_collections, updates_collections)
