"""Metrics of curves over thresholds: the area under one, and one rate at another."""

from __future__ import annotations

from enum import Enum
from typing import Any

import numpy as np

from graphopt.dtypes import as_dtype
from graphopt.errors import describe_shapes, fail
from graphopt.graph.hooks import hooks
from graphopt.graph.provenance import user_site
from graphopt.keras import backend
from graphopt.keras.metrics.confusion import (
    FN,
    FP,
    TN,
    TP,
    ThresholdMetric,
    is_evenly_spread,
)
from graphopt.ops.creation import constant, ones_like, zeros_like
from graphopt.ops.elementwise import (
    equal,
    greater_equal,
    log,
    logical_and,
    maximum,
    minimum,
    sigmoid,
    where,
)
from graphopt.ops.reduction import reduce_any, reduce_max, reduce_mean, reduce_sum
from graphopt.ops.special import divide_no_nan


class AUCCurve(Enum):
    """The curves: true by false positives, precision by recall, and its gain."""

    ROC = "ROC"
    PR = "PR"
    PR_GAIN = "PR_GAIN"

    @staticmethod
    def from_str(key: str) -> AUCCurve:
        """Returns the curve of a name.

        Raises:
          ValueError: There is none.
        """
        names = {"pr": "PR", "roc": "ROC", "pr_gain": "PR_GAIN", "prgain": "PR_GAIN"}
        if str(key).lower() not in names:
            raise ValueError(
                f'Invalid AUC curve value: "{key}". Expected values are ["PR", "ROC", '
                '"PR_GAIN"]'
            )
        return AUCCurve(names[key.lower()])


class AUCSummationMethod(Enum):
    """The height of the area between two thresholds: the mean, the larger, the smaller."""

    INTERPOLATION = "interpolation"
    MAJORING = "majoring"
    MINORING = "minoring"

    @staticmethod
    def from_str(key: str) -> AUCSummationMethod:
        """Returns the method of a name.

        Raises:
          ValueError: There is none.
        """
        names = [method.value for method in AUCSummationMethod]
        if str(key).lower() not in names:
            raise ValueError(
                f'Invalid AUC summation method value: "{key}". Expected values are '
                f"{names}"
            )
        return AUCSummationMethod(key.lower())


def _spread(count: int) -> list[float]:
    """The inner ones of evenly spread thresholds."""
    return [i / (count - 1) for i in range(1, count - 1)]


class AUC(ThresholdMetric):
    """The area under a curve, by sums over thresholds.

    Args:
      num_thresholds: How many; evenly spread from 0 to 1.
      curve: `"ROC"`, `"PR"` or `"PR_GAIN"`.
      summation_method: `"interpolation"`, `"minoring"` or `"majoring"`.
      name: Its name.
      dtype: Its dtype.
      thresholds: Thresholds in place of evenly spread ones; 0 and 1 are added.
      multi_label: Whether each column has an area, and the result is their mean.
      num_labels: How many columns there are, if they are to be known at once.
      label_weights: What each column counts.
      from_logits: Whether predictions are logits.

    >>> area = AUC(num_thresholds=3)
    >>> float(area([0, 0, 1, 1], [0.0, 0.5, 0.3, 0.9]))
    0.75

    Source: `tf.keras.metrics.AUC`.
    """

    def __init__(
        self,
        num_thresholds: int = 200,
        curve: Any = "ROC",
        summation_method: Any = "interpolation",
        name: str | None = None,
        dtype: Any = None,
        thresholds: Any = None,
        multi_label: bool = False,
        num_labels: int | None = None,
        label_weights: Any = None,
        from_logits: bool = False,
    ) -> None:
        is_curve = isinstance(curve, AUCCurve)
        self.curve = curve if is_curve else AUCCurve.from_str(curve)
        method: Any = summation_method
        if not isinstance(method, AUCSummationMethod):
            method = AUCSummationMethod.from_str(method)
        self.summation_method = method
        super().__init__(name=name, dtype=dtype)
        self._given = thresholds is not None
        if thresholds is not None:
            inner = sorted(float(limit) for limit in thresholds)
        else:
            if num_thresholds <= 1:
                raise ValueError(
                    "Argument `num_thresholds` must be an integer > 1. Received: "
                    f"num_thresholds={num_thresholds}"
                )
            inner = _spread(num_thresholds)
        self.num_thresholds = len(inner) + 2
        self._thresholds_distributed_evenly = not self._given or is_evenly_spread(
            [0.0, *inner, 1.0]
        )
        # Predictions of 0 and 1 are inside.
        small = backend.epsilon()
        self._limits = [-small, *inner, 1.0 + small]
        self._wanted = (TP, TN, FP, FN)
        self.multi_label, self.num_labels = multi_label, num_labels
        self._from_logits = from_logits
        self.label_weights = self._check_label_weights(label_weights)
        self._made = False
        if num_labels and not multi_label:
            raise ValueError("`num_labels` is needed only when `multi_label` is True.")
        if not multi_label:
            self._make_weights(())
        elif num_labels:
            self._make_weights((num_labels,))

    def _check_label_weights(self, label_weights: Any) -> Any:
        if label_weights is None:
            return None
        array = np.asarray(
            label_weights.numpy() if hasattr(label_weights, "numpy") else label_weights
        )
        if (array < 0).any():
            raise ValueError(
                f"All values of `label_weights` must be non-negative, got {array}."
            )
        return array.astype(as_dtype(self._metric_dtype).as_numpy_dtype)

    def _make_weights(self, columns: tuple[int, ...]) -> None:
        for name in self._wanted:
            shape = (self.num_thresholds, *columns)
            setattr(self, name, self.add_weight(name, shape))
        self._made = True

    @property
    def thresholds(self) -> list[float]:
        """All thresholds, from just below 0 to just above 1."""
        return list(self._limits)

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """Adds a batch: labels 0 or 1, and predictions from 0 to 1, of one shape."""
        y_pred, y_true = hooks.convert(y_pred), hooks.convert(y_true)
        if self.multi_label and not self._made:
            self._make_weights(self._columns_of(y_pred))
        self._check_labels(y_true)
        if self._from_logits:
            y_pred = sigmoid(y_pred)
        weights = None if self.multi_label else self.label_weights
        return self._count(
            y_true,
            y_pred,
            sample_weight=sample_weight,
            multi_label=self.multi_label,
            label_weights=None if weights is None else constant(weights),
        )

    def _columns_of(self, y_pred: Any) -> tuple[int, ...]:
        if y_pred.shape.rank != 2 or y_pred.shape[1] is None:
            raise ValueError(
                "`y_pred` must have rank 2 when `multi_label=True`. Found rank "
                f"{y_pred.shape.rank}. Full shape received for `y_pred`: {y_pred.shape}"
            )
        return (int(y_pred.shape[1]),)

    def _check_labels(self, y_true: Any) -> None:
        columns = []
        if self.multi_label:
            columns.append(self.true_positives.shape[1])
        if self.label_weights is not None:
            columns.append(len(self.label_weights))
        if not columns or y_true.shape.rank is None:
            return
        found = y_true.shape[1] if y_true.shape.rank == 2 else None
        if y_true.shape.rank != 2 or any(found not in (None, n) for n in columns):
            raise fail(
                ValueError,
                "Number of labels is not consistent",
                got=f"y_true {describe_shapes(y_true)}",
                expected=f"two dimensions, the second of {columns}",
                site=str(user_site()),
            )

    def result(self) -> Any:
        """Returns the area."""
        if self.multi_label and not self._made:
            raise ValueError("AUC: nothing was counted yet; call update_state first.")
        interpolates = self.summation_method is AUCSummationMethod.INTERPOLATION
        if self.curve is AUCCurve.PR and interpolates:
            return self._sum(self._interpolated_areas())
        x, y = self._curve()
        left, right = y[:-1], y[1:]
        if interpolates:
            heights = (left + right) / 2.0
        elif self.summation_method is AUCSummationMethod.MINORING:
            heights = minimum(left, right)
        else:
            heights = maximum(left, right)
        return self._sum((x[:-1] - x[1:]) * heights)

    def _curve(self) -> tuple[Any, Any]:
        """The curve at each threshold: x falls."""
        recall = self._share(TP, FN)
        if self.curve is AUCCurve.ROC:
            return self._share(FP, TN), recall
        if self.curve is AUCCurve.PR:
            return recall, self._share(TP, FP)
        tp, fp = self._read(TP), self._read(FP)
        tn, fn = self._read(TN), self._read(FN)
        scale = divide_no_nan(tp + fn, fp + tn)
        recall_gain = 1.0 - scale * divide_no_nan(fn, tp)
        precision_gain = 1.0 - scale * divide_no_nan(fp, tp)
        none = equal(tp, 0.0)
        recall_gain = where(none, zeros_like(recall_gain), recall_gain)
        precision_gain = where(none, ones_like(precision_gain), precision_gain)
        return maximum(recall_gain, 0.0), precision_gain

    def _interpolated_areas(self) -> Any:
        """Areas between thresholds where the true positives grow linearly.

        The precision is a hyperbola then. Source: Davis & Goadrich 2006.
        """
        tp, fp, fn = self._read(TP), self._read(FP), self._read(FN)
        positives = tp + fp
        more, less = positives[:-1], positives[1:]
        gain = tp[:-1] - tp[1:]
        slope = divide_no_nan(gain, maximum(more - less, 0.0))
        intercept = tp[1:] - slope * less
        both = logical_and(more > 0.0, less > 0.0)
        ratio = divide_no_nan(more, maximum(less, 0.0))
        ratio = where(both, ratio, ones_like(less))
        return divide_no_nan(
            slope * (gain + intercept * log(ratio)), maximum(tp[1:] + fn[1:], 0.0)
        )

    def _sum(self, areas: Any) -> Any:
        if not self.multi_label:
            return reduce_sum(areas)
        by_label = reduce_sum(areas, axis=0)
        if self.label_weights is None:
            return reduce_mean(by_label)
        weights = constant(self.label_weights)
        return divide_no_nan(reduce_sum(by_label * weights), reduce_sum(weights))

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of its constructor."""
        weights = self.label_weights
        config = {
            "num_thresholds": self.num_thresholds,
            "curve": self.curve.value,
            "summation_method": self.summation_method.value,
            "multi_label": self.multi_label,
            "num_labels": self.num_labels,
            "label_weights": None if weights is None else weights.tolist(),
            "from_logits": self._from_logits,
        }
        if self._given:
            config["thresholds"] = self.thresholds[1:-1]
        return {**super().get_config(), **config}


class SensitivitySpecificityBase(ThresholdMetric):
    """The best of one rate where another one is at least some value.

    Args:
      value: What the other rate has to be, from 0 to 1.
      num_thresholds: How many thresholds are looked at.
      class_id: Only this class is looked at.
      name: Its name.
      dtype: Its dtype.
    """

    def __init__(
        self,
        value: float,
        num_thresholds: int = 200,
        class_id: int | None = None,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(name=name, dtype=dtype)
        if num_thresholds <= 0:
            raise ValueError(
                "Argument `num_thresholds` must be an integer > 0. Received: "
                f"num_thresholds={num_thresholds}"
            )
        self.value, self.class_id, self.num_thresholds = value, class_id, num_thresholds
        inner = [] if num_thresholds == 1 else _spread(num_thresholds)
        self.thresholds = [0.5] if num_thresholds == 1 else [0.0, *inner, 1.0]
        self._keep((TP, TN, FP, FN), self.thresholds)
        self._thresholds_distributed_evenly = num_thresholds > 1

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """Adds a batch: labels 0 or 1, and predictions from 0 to 1, of one shape."""
        return self._count(
            y_true, y_pred, sample_weight=sample_weight, class_id=self.class_id
        )

    def _best(self, constrained: Any, rate: Any) -> Any:
        """The largest rate where the other one is large enough; 0 where it nowhere is."""
        feasible = greater_equal(constrained, self.value)
        rates = where(feasible, rate, -ones_like(rate))
        return where(reduce_any(feasible), reduce_max(rates), 0.0)

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of its constructor."""
        return {
            **super().get_config(),
            "class_id": self.class_id,
            "num_thresholds": self.num_thresholds,
        }


def _check_share(name: str, value: float) -> None:
    if value < 0 or value > 1:
        raise ValueError(
            f"Argument `{name}` must be in the range [0, 1]. Received: {name}={value}"
        )


class SensitivityAtSpecificity(SensitivitySpecificityBase):
    """The best share of ones that are found where enough zeros are.

    Args:
      specificity: What the other one has to be at least, from 0 to 1.
      num_thresholds: How many thresholds are looked at.
      class_id: Only this class is looked at.
      name: Its name.
      dtype: Its dtype.

    Source: `tf.keras.metrics.SensitivityAtSpecificity`.
    """

    def __init__(
        self,
        specificity: float,
        num_thresholds: int = 200,
        class_id: int | None = None,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        _check_share("specificity", specificity)
        self.specificity = specificity
        super().__init__(specificity, num_thresholds, class_id, name, dtype)

    def result(self) -> Any:
        """Returns the largest one at a threshold; 0 if there is none."""
        return self._best(self._share(TN, FP), self._share(TP, FN))

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of its constructor."""
        return {**super().get_config(), "specificity": self.specificity}


class SpecificityAtSensitivity(SensitivitySpecificityBase):
    """The best share of zeros that are found where enough ones are.

    Args:
      sensitivity: What the other one has to be at least, from 0 to 1.
      num_thresholds: How many thresholds are looked at.
      class_id: Only this class is looked at.
      name: Its name.
      dtype: Its dtype.

    Source: `tf.keras.metrics.SpecificityAtSensitivity`.
    """

    def __init__(
        self,
        sensitivity: float,
        num_thresholds: int = 200,
        class_id: int | None = None,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        _check_share("sensitivity", sensitivity)
        self.sensitivity = sensitivity
        super().__init__(sensitivity, num_thresholds, class_id, name, dtype)

    def result(self) -> Any:
        """Returns the largest one at a threshold; 0 if there is none."""
        return self._best(self._share(TP, FN), self._share(TN, FP))

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of its constructor."""
        return {**super().get_config(), "sensitivity": self.sensitivity}


class PrecisionAtRecall(SensitivitySpecificityBase):
    """The best precision where the recall is large enough.

    Args:
      recall: What the other one has to be at least, from 0 to 1.
      num_thresholds: How many thresholds are looked at.
      class_id: Only this class is looked at.
      name: Its name.
      dtype: Its dtype.

    Source: `tf.keras.metrics.PrecisionAtRecall`.
    """

    def __init__(
        self,
        recall: float,
        num_thresholds: int = 200,
        class_id: int | None = None,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        _check_share("recall", recall)
        self.recall = recall
        super().__init__(recall, num_thresholds, class_id, name, dtype)

    def result(self) -> Any:
        """Returns the largest one at a threshold; 0 if there is none."""
        return self._best(self._share(TP, FN), self._share(TP, FP))

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of its constructor."""
        return {**super().get_config(), "recall": self.recall}


class RecallAtPrecision(SensitivitySpecificityBase):
    """The best recall where the precision is large enough.

    Args:
      precision: What the other one has to be at least, from 0 to 1.
      num_thresholds: How many thresholds are looked at.
      class_id: Only this class is looked at.
      name: Its name.
      dtype: Its dtype.

    Source: `tf.keras.metrics.RecallAtPrecision`.
    """

    def __init__(
        self,
        precision: float,
        num_thresholds: int = 200,
        class_id: int | None = None,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        _check_share("precision", precision)
        self.precision = precision
        super().__init__(precision, num_thresholds, class_id, name, dtype)

    def result(self) -> Any:
        """Returns the largest one at a threshold; 0 if there is none."""
        return self._best(self._share(TP, FP), self._share(TP, FN))

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of its constructor."""
        return {**super().get_config(), "precision": self.precision}
