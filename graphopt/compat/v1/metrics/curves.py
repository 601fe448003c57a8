"""`tf.metrics`: areas under curves and points on them, from counts at thresholds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from graphopt.compat.v1.metrics.base import Parts, finish, metric_scope
from graphopt.compat.v1.metrics.counts import accumulate_at
from graphopt.dtypes import int32, int64
from graphopt.errors import fail
from graphopt.graph.provenance import user_site
from graphopt.ops.creation import ones_like
from graphopt.ops.elementwise import (
    abs,
    cast,
    divide,
    equal,
    greater,
    log,
    logical_and,
    maximum,
    minimum,
    where,
)
from graphopt.ops.indexing import gather
from graphopt.ops.reduction import reduce_min, reduce_sum
from graphopt.ops.scan import cumsum
from graphopt.ops.selecting import argmax, argmin
from graphopt.ops.special import divide_no_nan

_EPSILON = 1e-6
_TINY = 1e-7
_SUMS = ("trapezoidal", "careful_interpolation", "minoring", "majoring")


def _steps(count: int, last: float) -> list[float]:
    inner = [(i + 1) * 1.0 / (count - 1) for i in range(count - 2)]
    return [0.0 - _TINY, *inner, last]


def _require(value: str, known: Sequence[str], what: str) -> None:
    if value not in known:
        raise fail(
            ValueError,
            f"{what} {value} is unknown",
            got=repr(value),
            expected=" or ".join(known),
            site=str(user_site()),
        )


def auc(
    labels: Any,
    predictions: Any,
    weights: Any = None,
    num_thresholds: int = 200,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    curve: str = "ROC",
    name: str | None = None,
    summation_method: str = "trapezoidal",
    thresholds: Sequence[float] | None = None,
) -> tuple[Any, Any]:
    """Returns the area under a curve through thresholds.

    Args:
      labels: What is not 0 is positive.
      predictions: Numbers in [0, 1] of the labels' shape.
      weights: How much each counts; as in `mean`.
      num_thresholds: How many points the curve has.
      metrics_collections, updates_collections, name: As in `mean`.
      curve: "ROC": the rate of true positives over that of false ones; "PR": precision
        over recall.
      summation_method: "trapezoidal"; "careful_interpolation", for "PR"; "minoring" or
        "majoring" for the smaller or the larger end of each step.
      thresholds: The thresholds between 0 and 1, instead of evenly spaced ones.

    Raises:
      ValueError: An unknown curve or summation.
      InvalidArgumentError: A prediction is not in [0, 1].

    Source: `tf.compat.v1.metrics.auc`; Davis and Goadrich, 2006.
    """
    with metric_scope(name, "auc", "auc"):
        _require(curve, ("ROC", "PR"), "Curve")
        _require(summation_method, _SUMS, "Invalid summation_method:")
        if thresholds is None:
            steps = _steps(num_thresholds, 1.0 + _TINY)
        else:
            steps = [0.0 - _TINY, *sorted(thresholds), 1.0 + _TINY]
        parts = accumulate_at(labels, predictions, steps, weights)

        def compute(counts: Parts, name: str) -> Any:
            if curve == "PR" and summation_method == "careful_interpolation":
                return _interpolate(counts, name)
            return _area(counts, curve, summation_method, name)

        return finish(parts, compute, metrics_collections, updates_collections)


def _area(counts: Parts, curve: str, summation: str, name: str) -> Any:
    right, missed = counts["true_positives"], counts["false_negatives"]
    wrong, rejected = counts["false_positives"], counts["true_negatives"]
    found = divide(right + _EPSILON, right + missed + _EPSILON)
    if curve == "ROC":
        x, y = divide(wrong, wrong + rejected + _EPSILON), found
    else:
        x, y = found, divide(right + _EPSILON, right + wrong + _EPSILON)
    first, second = y[:-1], y[1:]
    height = {
        "minoring": lambda: minimum(first, second),
        "majoring": lambda: maximum(first, second),
    }.get(summation, lambda: (first + second) / 2.0)()
    return reduce_sum((x[:-1] - x[1:]) * height, name=name)


def _interpolate(counts: Parts, name: str) -> Any:
    """The area under precision over recall, where counts move linearly between points."""
    right, missed = counts["true_positives"], counts["false_negatives"]
    chosen = right + counts["false_positives"]
    gained = right[:-1] - right[1:]
    slope = divide_no_nan(gained, maximum(chosen[:-1] - chosen[1:], 0.0))
    start = right[1:] - slope * chosen[1:]
    ratio = where(
        logical_and(greater(chosen[:-1], 0.0), greater(chosen[1:], 0.0)),
        divide_no_nan(chosen[:-1], maximum(chosen[1:], 0.0)),
        ones_like(chosen[1:]),
    )
    total = maximum(right[1:] + missed[1:], 0.0)
    areas = divide_no_nan(slope * (gained + start * log(ratio)), total)
    return reduce_sum(areas, name=name)


def _require_part(value: float, what: str) -> None:
    if not 0 <= value <= 1:
        raise fail(
            ValueError,
            f"`{what}` must be in the range [0, 1]",
            got=repr(value),
            site=str(user_site()),
        )


def sensitivity_at_specificity(
    labels: Any,
    predictions: Any,
    specificity: float,
    weights: Any = None,
    num_thresholds: int = 200,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    name: str | None = None,
) -> tuple[Any, Any]:
    """Returns the rate of true positives where that of true negatives is a given one.

    Source: `tf.compat.v1.metrics.sensitivity_at_specificity`.
    """
    _require_part(specificity, "specificity")
    what = "sensitivity_at_specificity"
    with metric_scope(name, what, what):
        steps = _steps(num_thresholds, 1.0 + _TINY)
        parts = accumulate_at(labels, predictions, steps, weights)

        def compute(counts: Parts, name: str) -> Any:
            right, missed = counts["true_positives"], counts["false_negatives"]
            wrong, rejected = counts["false_positives"], counts["true_negatives"]
            rates = divide(rejected, rejected + wrong + _TINY)
            place = cast(argmin(abs(rates - specificity), 0), int32)
            chosen = gather(right, place)
            return divide(chosen, chosen + gather(missed, place) + _TINY, name=name)

        return finish(parts, compute, metrics_collections, updates_collections)


def specificity_at_sensitivity(
    labels: Any,
    predictions: Any,
    sensitivity: float,
    weights: Any = None,
    num_thresholds: int = 200,
    metrics_collections: Any = None,
    updates_collections: Any = None,
    name: str | None = None,
) -> tuple[Any, Any]:
    """Returns the rate of true negatives where that of true positives is a given one.

    Source: `tf.compat.v1.metrics.specificity_at_sensitivity`.
    """
    _require_part(sensitivity, "sensitivity")
    what = "specificity_at_sensitivity"
    with metric_scope(name, what, what):
        steps = _steps(num_thresholds, 1.0 - _TINY)
        parts = accumulate_at(labels, predictions, steps, weights)

        def compute(counts: Parts, name: str) -> Any:
            right, missed = counts["true_positives"], counts["false_negatives"]
            wrong, rejected = counts["false_positives"], counts["true_negatives"]
            apart = abs(divide(right, right + missed + _TINY) - sensitivity)
            # The last of the nearest, which is the strictest threshold.
            nearest = cast(equal(apart, reduce_min(apart)), int64)
            place = cast(argmax(cumsum(nearest), 0), int32)
            chosen = gather(rejected, place)
            return divide(chosen, chosen + gather(wrong, place) + _TINY, name=name)

        return finish(parts, compute, metrics_collections, updates_collections)
