"""Counts of true and false positives and negatives, at thresholds.

What is counted is one function, `count_confusion`, in two ways: thresholds that are evenly
spread from 0 to 1 put each prediction into a bucket, which costs nothing for two hundred of
them; any others are compared with each prediction.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from graphopt.dtypes import bool_, int32
from graphopt.errors import describe_shapes, fail
from graphopt.graph.hooks import hooks
from graphopt.graph.provenance import user_site
from graphopt.keras import backend
from graphopt.keras.losses.pairs import refuse_ragged
from graphopt.keras.losses.weighting import match_ranks, match_weight_rank
from graphopt.keras.metrics.base import Metric
from graphopt.keras.metrics.reducing import can_broadcast
from graphopt.ops.clipping import clip_by_value
from graphopt.ops.creation import constant, ones_like, shape
from graphopt.ops.elementwise import cast, ceil, maximum, where
from graphopt.ops.indexing import one_hot
from graphopt.ops.reduction import broadcast_like, reduce_sum
from graphopt.ops.scan import cumsum
from graphopt.ops.segments import unsorted_segment_sum
from graphopt.ops.selecting import top_k as top_values
from graphopt.ops.sequences import range as arange
from graphopt.ops.shaping import expand_dims, reshape, transpose
from graphopt.ops.special import divide_no_nan
from graphopt.ops.state import group

NEGATIVE_INFINITY = -1e10
TP, FP, TN, FN = (
    "true_positives",
    "false_positives",
    "true_negatives",
    "false_negatives",
)


def parse_thresholds(thresholds: Any, default: float = 0.5) -> list[float]:
    """Returns thresholds as a list.

    Raises:
      ValueError: One is not from 0 to 1.
    """
    if thresholds is None:
        return [default]
    values = list(thresholds) if isinstance(thresholds, Sequence) else [thresholds]
    bad = [t for t in values if t is None or t < 0 or t > 1]
    if bad:
        raise ValueError(f"Threshold values must be in [0, 1]. Received: {bad}")
    return values


def is_evenly_spread(thresholds: Sequence[float]) -> bool:
    """Whether there are at least three, and they lie evenly from 0 to 1."""
    count = len(thresholds)
    if count < 3:
        return False
    even = np.arange(count, dtype=np.float32) / (count - 1)
    return bool(np.allclose(thresholds, even, atol=backend.epsilon()))


def keep_top_k(y_pred: Any, k: int) -> Any:
    """Returns predictions where all but the k largest of each row are -1e10."""
    _, indices = top_values(y_pred, k)
    depth = y_pred.shape[-1]
    classes = shape(y_pred)[-1] if depth is None else depth
    mask = reduce_sum(one_hot(indices, classes, dtype=y_pred.dtype), axis=-2)
    return y_pred * mask + NEGATIVE_INFINITY * (1.0 - mask)


def count_confusion(
    wanted: Sequence[str],
    y_true: Any,
    y_pred: Any,
    thresholds: Sequence[float],
    dtype: Any,
    *,
    sample_weight: Any = None,
    top_k: int | None = None,
    class_id: int | None = None,
    multi_label: bool = False,
    label_weights: Any = None,
    evenly: bool = False,
) -> list[Any]:
    """Counts what is predicted right and wrong at each threshold.

    Args:
      wanted: Some of `true_positives` and so on.
      y_true: `[batch, ...]`, 0 or 1.
      y_pred: Of the same shape; above a threshold it counts as 1.
      thresholds: The thresholds.
      dtype: That of the counts.
      sample_weight: What examples, or elements, count.
      top_k: Only the k largest of each row may count as 1.
      class_id: Only this column is looked at.
      multi_label: Whether each column is counted for itself.
      label_weights: What columns count, unless `multi_label`.
      evenly: Whether thresholds are evenly spread from 0 to 1.

    Returns:
      A count for each of `wanted`, `[thresholds]` or `[thresholds, columns]`.

    Raises:
      ValueError: The shapes do not fit.
    """
    refuse_ragged("A metric of counts", y_true, y_pred, sample_weight)
    y_pred = cast(hooks.convert(y_pred), dtype)
    y_true = cast(hooks.convert(y_true), dtype)
    y_true, y_pred = match_ranks(y_true, y_pred)
    _check_shapes(y_true, y_pred)
    weights: Any = None
    if sample_weight is not None:
        weights = cast(hooks.convert(sample_weight), dtype)
        weights = match_weight_rank(y_pred, weights)
    if top_k is not None:
        y_pred = keep_top_k(y_pred, top_k)
    if class_id is not None:
        y_true, y_pred = (
            y_true[..., class_id : class_id + 1],
            y_pred[..., class_id : class_id + 1],
        )
    weights = _element_weights(y_pred, weights, label_weights)
    y_true = cast(cast(y_true, bool_), dtype)
    if not multi_label:
        # One column, whatever the shape was.
        y_true, y_pred = reshape(y_true, [-1, 1]), reshape(y_pred, [-1, 1])
        weights = None if weights is None else reshape(weights, [-1, 1])
    true, false = y_true, 1.0 - y_true
    if weights is not None:
        true, false = true * weights, false * weights
    above = _above_evenly if evenly else _above
    counted = above(y_pred, true, false, thresholds, dtype, wanted)
    if multi_label:
        return [counted[name] for name in wanted]
    return [reshape(counted[name], [len(thresholds)]) for name in wanted]


def _check_shapes(y_true: Any, y_pred: Any) -> None:
    if y_true.shape.is_compatible_with(y_pred.shape):
        return
    remedy = None
    if y_pred.shape.rank is not None and y_true.shape.rank == y_pred.shape.rank - 1:
        remedy = "tf.one_hot for labels that are class numbers"
    raise fail(
        ValueError,
        f"Shapes {y_pred.shape} and {y_true.shape} are incompatible",
        got=f"y_true {describe_shapes(y_true)}, y_pred {describe_shapes(y_pred)}",
        expected="labels 0 or 1 of the predictions' shape",
        site=str(user_site()),
        remedy=remedy,
    )


def _element_weights(y_pred: Any, weights: Any, label_weights: Any) -> Any:
    """Returns what each element counts, of the predictions' shape; None for 1."""
    if weights is not None:
        if not can_broadcast(weights, y_pred):
            raise fail(
                ValueError,
                "sample_weight cannot be broadcast to the predictions",
                got=f"y_pred {describe_shapes(y_pred)}, sample_weight "
                f"{describe_shapes(weights)}",
                expected="one weight an example, or one an element",
                site=str(user_site()),
            )
        weights = broadcast_like(weights, y_pred)
    if label_weights is None:
        return weights
    columns = broadcast_like(expand_dims(label_weights, 0), y_pred)
    return columns if weights is None else weights * columns


def _above(
    y_pred: Any, true: Any, false: Any, thresholds: Any, dtype: Any, wanted: Any
) -> dict[str, Any]:
    """Counts by comparing each prediction with each threshold."""
    limits = constant(np.reshape(thresholds, [-1, 1, 1]), dtype)
    positive = cast(expand_dims(y_pred, 0) > limits, dtype)
    counted = {}
    for name, labels, predicted in (
        (TP, true, positive),
        (FP, false, positive),
        (FN, true, 1.0 - positive),
        (TN, false, 1.0 - positive),
    ):
        if name in wanted:
            counted[name] = reduce_sum(expand_dims(labels, 0) * predicted, axis=1)
    return counted


def _above_evenly(
    y_pred: Any, true: Any, false: Any, thresholds: Any, dtype: Any, wanted: Any
) -> dict[str, Any]:
    """Counts by putting each prediction into the bucket between two thresholds."""
    count = len(thresholds)
    buckets = ceil(clip_by_value(y_pred, 0.0, 1.0) * float(count - 1)) - 1.0
    if thresholds[0] < 0.0 or thresholds[-1] > 1.0:
        # A prediction of 0 is above the lowest threshold then.
        buckets = maximum(buckets, 0.0)
    buckets = cast(buckets, int32)
    columns: Any = y_pred.shape[-1]
    columns = shape(y_pred)[-1] if columns is None else columns
    # Each column has its own buckets; what is below all thresholds is added to none.
    at = buckets + expand_dims(arange(columns), 0) * count
    at = reshape(where(buckets < 0, -ones_like(at), at), [-1])

    def at_least(labels: Any) -> Any:
        sums = unsorted_segment_sum(reshape(labels, [-1]), at, columns * count)
        return transpose(cumsum(reshape(sums, [columns, count]), axis=1, reverse=True))

    counted = {}
    for right, wrong, labels in ((TP, FN, true), (FP, TN, false)):
        if right in wanted or wrong in wanted:
            counted[right] = at_least(labels)
            if wrong in wanted:
                total = reduce_sum(labels, axis=0)
                counted[wrong] = expand_dims(total, 0) - counted[right]
    return counted


class ThresholdMetric(Metric):
    """A metric of counts at thresholds; keeps a weight for each kind of count."""

    def _keep(self, wanted: Sequence[str], thresholds: Sequence[float]) -> None:
        self._wanted, self._limits = tuple(wanted), list(thresholds)
        self._thresholds_distributed_evenly = is_evenly_spread(thresholds)
        for name in wanted:
            setattr(self, name, self.add_weight(name, (len(thresholds),)))

    def _count(self, y_true: Any, y_pred: Any, **options: Any) -> Any:
        counts = count_confusion(
            self._wanted,
            y_true,
            y_pred,
            self._limits,
            self._metric_dtype,
            evenly=self._thresholds_distributed_evenly,
            **options,
        )
        pairs = zip(self._wanted, counts, strict=True)
        return group(*[getattr(self, name).assign_add(count) for name, count in pairs])

    def _read(self, name: str) -> Any:
        return getattr(self, name).read_value()

    def _share(self, part: str, rest: str) -> Any:
        """One count by the sum of it and another."""
        value = self._read(part)
        return divide_no_nan(value, value + self._read(rest))


class _Count(ThresholdMetric):
    """What the four metrics of one count share."""

    what = ""

    def __init__(
        self, thresholds: Any = None, name: str | None = None, dtype: Any = None
    ) -> None:
        super().__init__(name=name, dtype=dtype)
        self.init_thresholds = thresholds
        self.thresholds = parse_thresholds(thresholds)
        self._limits, self._wanted = self.thresholds, (self.what,)
        self._thresholds_distributed_evenly = is_evenly_spread(self.thresholds)
        self.accumulator = self.add_weight("accumulator", (len(self.thresholds),))

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """Adds a batch: labels 0 or 1, and predictions from 0 to 1, of one shape."""
        (count,) = count_confusion(
            self._wanted,
            y_true,
            y_pred,
            self._limits,
            self._metric_dtype,
            evenly=self._thresholds_distributed_evenly,
            sample_weight=sample_weight,
        )
        return group(self.accumulator.assign_add(count))

    def result(self) -> Any:
        """Returns the count, or those of all thresholds."""
        counts = self.accumulator.read_value()
        return counts[0] if len(self.thresholds) == 1 else counts

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of its constructor."""
        return {**super().get_config(), "thresholds": self.init_thresholds}


class TruePositives(_Count):
    """How many predictions are 1 where the label is.

    Args:
      thresholds: What a prediction has to be above, 0.5 by default; or a list.
      name: Its name.
      dtype: Its dtype.

    >>> count = TruePositives()
    >>> float(count([0, 1, 1, 1], [1, 0, 1, 1]))
    2.0

    Source: `tf.keras.metrics.TruePositives`.
    """

    what = TP


class TrueNegatives(_Count):
    """How many predictions are 0 where the label is; see `TruePositives`.

    Source: `tf.keras.metrics.TrueNegatives`.
    """

    what = TN


class FalsePositives(_Count):
    """How many predictions are 1 where the label is 0; see `TruePositives`.

    Source: `tf.keras.metrics.FalsePositives`.
    """

    what = FP


class FalseNegatives(_Count):
    """How many predictions are 0 where the label is 1; see `TruePositives`.

    Source: `tf.keras.metrics.FalseNegatives`.
    """

    what = FN


class _PrecisionOrRecall(ThresholdMetric):
    """What `Precision` and `Recall` share."""

    rest = ""

    def __init__(
        self,
        thresholds: Any = None,
        top_k: int | None = None,
        class_id: int | None = None,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(name=name, dtype=dtype)
        self.init_thresholds, self.top_k, self.class_id = thresholds, top_k, class_id
        default = 0.5 if top_k is None else NEGATIVE_INFINITY
        self.thresholds = parse_thresholds(thresholds, default)
        self._keep((TP, self.rest), self.thresholds)

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """Adds a batch: labels 0 or 1, and predictions from 0 to 1, of one shape."""
        return self._count(
            y_true,
            y_pred,
            sample_weight=sample_weight,
            top_k=self.top_k,
            class_id=self.class_id,
        )

    def result(self) -> Any:
        """Returns the share, or those of all thresholds; 0 where there is nothing."""
        share = self._share(TP, self.rest)
        return share[0] if len(self.thresholds) == 1 else share

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of its constructor."""
        return {
            **super().get_config(),
            "thresholds": self.init_thresholds,
            "top_k": self.top_k,
            "class_id": self.class_id,
        }


class Precision(_PrecisionOrRecall):
    """How many of the predictions that are 1 are right.

    Args:
      thresholds: What a prediction has to be above, 0.5 by default; or a list.
      top_k: Only the k largest predictions of each row count as 1.
      class_id: Only this class is looked at.
      name: Its name.
      dtype: Its dtype.

    >>> precision = Precision()
    >>> round(float(precision([0, 1, 1, 1], [1, 0, 1, 1])), 4)
    0.6667

    Source: `tf.keras.metrics.Precision`.
    """

    rest = FP


class Recall(_PrecisionOrRecall):
    """How many of the labels that are 1 are predicted; arguments as of `Precision`.

    Source: `tf.keras.metrics.Recall`.
    """

    rest = FN
