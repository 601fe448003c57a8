"""F-scores, shares of overlap (IoU) and what is explained of a variance (R2)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from graphopt.dtypes import int64
from graphopt.errors import describe_shapes, fail
from graphopt.graph.context import building_graph
from graphopt.graph.hooks import hooks
from graphopt.graph.provenance import user_site
from graphopt.keras.messages import warn_user
from graphopt.keras.metrics.base import Metric
from graphopt.keras.metrics.reducing import weigh
from graphopt.ops.creation import ones_like, zeros_like
from graphopt.ops.diagonal import diag_part
from graphopt.ops.elementwise import (
    abs,
    cast,
    is_inf,
    logical_and,
    not_equal,
    square,
    where,
)
from graphopt.ops.indexing import gather
from graphopt.ops.partitions import confusion_matrix
from graphopt.ops.reduction import reduce_max, reduce_mean, reduce_sum
from graphopt.ops.selecting import argmax
from graphopt.ops.sequences import size
from graphopt.ops.shaping import expand_dims, reshape
from graphopt.ops.special import divide_no_nan
from graphopt.ops.state import group


def _columns(what: str, y_true: Any, y_pred: Any) -> int:
    """The number of columns of both, which must be known."""
    for each in (y_true, y_pred):
        if each.shape.rank != 2 or each.shape[-1] is None:
            raise fail(
                ValueError,
                f"{what} expects 2D inputs with shape (batch_size, output_dim), with "
                "output_dim fully defined (not None)",
                got=f"y_true {describe_shapes(y_true)}, y_pred {describe_shapes(y_pred)}",
                site=str(user_site()),
                remedy="tf.expand_dims(x, -1) for a vector, tf.one_hot for classes",
            )
    return int(y_pred.shape[-1])


class FBetaScore(Metric):
    """The weighted harmonic mean of precision and recall.

    (1 + beta^2) * precision * recall / (beta^2 * precision + recall).

    Args:
      average: None for the score of each class, `"micro"` for that of all elements,
        `"macro"` for the mean of classes, `"weighted"` for it by how many there are.
      beta: What recall counts more than precision.
      threshold: What a prediction has to be above; by default the largest of its row.
      name: Its name.
      dtype: Its dtype.

    Raises:
      ValueError: A bad argument.

    Source: `tf.keras.metrics.FBetaScore`.
    """

    def __init__(
        self,
        average: str | None = None,
        beta: float = 1.0,
        threshold: float | None = None,
        name: str = "fbeta_score",
        dtype: Any = None,
    ) -> None:
        super().__init__(name=name, dtype=dtype)
        if average not in (None, "micro", "macro", "weighted"):
            raise ValueError(
                "Invalid `average` argument value. Expected one of: {None, 'micro', "
                f"'macro', 'weighted'}}. Received: average={average}"
            )
        if not isinstance(beta, float) or beta <= 0.0:
            raise ValueError(
                "Invalid `beta` argument value. It should be a Python float > 0. "
                f"Received: beta={beta} of type '{type(beta)}'"
            )
        if threshold is not None and not (
            isinstance(threshold, float) and 0.0 < threshold <= 1.0
        ):
            raise ValueError(
                "Invalid `threshold` argument value. It should be a Python float with "
                f"0 < threshold <= 1. Received: threshold={threshold}"
            )
        self.average, self.beta, self.threshold = average, beta, threshold
        self.axis = None if average == "micro" else 0
        self._made = False

    def _make_weights(self, columns: int) -> None:
        shape = () if self.average == "micro" else (columns,)
        self.true_positives = self.add_weight("true_positives", shape)
        self.false_positives = self.add_weight("false_positives", shape)
        self.false_negatives = self.add_weight("false_negatives", shape)
        self.intermediate_weights = self.add_weight("intermediate_weights", shape)
        self._made = True

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """Adds a batch.

        Args:
          y_true: `[batch, classes]`, 0 or 1.
          y_pred: `[batch, classes]`.
          sample_weight: `[batch]`.
        """
        y_true = cast(hooks.convert(y_true), self._metric_dtype)
        y_pred = cast(hooks.convert(y_pred), self._metric_dtype)
        columns = _columns(type(self).__name__, y_true, y_pred)
        if not self._made:
            self._make_weights(columns)
        if self.threshold is None:
            largest = reduce_max(y_pred, axis=-1, keepdims=True)
            # A row of zeros predicts nothing.
            y_pred = logical_and(y_pred >= largest, abs(y_pred) > 1e-9)
        else:
            y_pred = y_pred > self.threshold
        y_pred = cast(y_pred, self._metric_dtype)

        def total(values: Any) -> Any:
            if sample_weight is not None:
                weights = cast(hooks.convert(sample_weight), self._metric_dtype)
                values = values * expand_dims(weights, 1)
            return reduce_sum(values, axis=self.axis)

        return group(
            self.true_positives.assign_add(total(y_pred * y_true)),
            self.false_positives.assign_add(total(y_pred * (1.0 - y_true))),
            self.false_negatives.assign_add(total((1.0 - y_pred) * y_true)),
            self.intermediate_weights.assign_add(total(y_true)),
        )

    def result(self) -> Any:
        """Returns the score, or that of each class."""
        if not self._made:
            raise ValueError(
                f"{type(self).__name__}: nothing was counted yet; call update_state "
                "first."
            )
        tp = self.true_positives.read_value()
        precision = divide_no_nan(tp, tp + self.false_positives.read_value())
        recall = divide_no_nan(tp, tp + self.false_negatives.read_value())
        ratio = divide_no_nan(precision * recall, self.beta**2 * precision + recall)
        scores = ratio * (1.0 + self.beta**2)
        if self.average == "weighted":
            counts = self.intermediate_weights.read_value()
            return reduce_sum(scores * divide_no_nan(counts, reduce_sum(counts)))
        return scores if self.average is None else reduce_mean(scores)

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of its constructor."""
        options = {
            "average": self.average,
            "beta": self.beta,
            "threshold": self.threshold,
        }
        return {**super().get_config(), **options}


class F1Score(FBetaScore):
    """The harmonic mean of precision and recall; see `FBetaScore`.

    Source: `tf.keras.metrics.F1Score`.
    """

    def __init__(
        self,
        average: str | None = None,
        threshold: float | None = None,
        name: str = "f1_score",
        dtype: Any = None,
    ) -> None:
        super().__init__(average, 1.0, threshold, name, dtype)

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of its constructor."""
        config = super().get_config()
        del config["beta"]
        return config


class _IoUBase(Metric):
    """What the shares of overlap have in common: a confusion matrix."""

    def __init__(
        self,
        num_classes: int,
        name: str | None = None,
        dtype: Any = None,
        ignore_class: int | None = None,
        sparse_y_true: bool = True,
        sparse_y_pred: bool = True,
        axis: int = -1,
    ) -> None:
        super().__init__(name=name, dtype=dtype)
        self.num_classes, self.ignore_class, self.axis = num_classes, ignore_class, axis
        self.sparse_y_true, self.sparse_y_pred = sparse_y_true, sparse_y_pred
        shape = (num_classes, num_classes)
        self.total_cm = self.add_weight("total_confusion_matrix", shape)

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """Adds a batch: class numbers of any shape, or rows of `num_classes`."""
        y_true, y_pred = hooks.convert(y_true), hooks.convert(y_pred)
        if not self.sparse_y_true:
            y_true = argmax(y_true, axis=self.axis)
        if not self.sparse_y_pred:
            y_pred = argmax(y_pred, axis=self.axis)
        y_true = reshape(cast(y_true, int64), [-1])
        y_pred = reshape(cast(y_pred, int64), [-1])
        weights: Any = None
        if sample_weight is not None:
            weights = cast(hooks.convert(sample_weight), self._metric_dtype)
            weights = reshape(weights, [-1])
        if self.ignore_class is not None:
            valid = not_equal(y_true, self.ignore_class)
            counts = cast(valid, self._metric_dtype)
            weights = counts if weights is None else weights * counts
            y_true = where(valid, y_true, zeros_like(y_true))
            y_pred = where(valid, y_pred, zeros_like(y_pred))
        counted = confusion_matrix(
            y_true, y_pred, self.num_classes, weights, self._metric_dtype
        )
        return group(self.total_cm.assign_add(counted))

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of its constructor."""
        return {
            **super().get_config(),
            "num_classes": self.num_classes,
            "ignore_class": self.ignore_class,
            "sparse_y_true": self.sparse_y_true,
            "sparse_y_pred": self.sparse_y_pred,
            "axis": self.axis,
        }


class IoU(_IoUBase):
    """The mean over some classes of intersection by union of labels and predictions.

    Args:
      num_classes: How many classes there are.
      target_class_ids: Which of them count.
      name: Its name.
      dtype: Its dtype.
      ignore_class: A label that does not count.
      sparse_y_true: Whether labels are class numbers.
      sparse_y_pred: Whether predictions are.
      axis: The dimension of the classes where they are not.

    Raises:
      ValueError: A class that there is not.

    >>> overlap = IoU(num_classes=2, target_class_ids=[0])
    >>> round(float(overlap([0, 0, 1, 1], [0, 1, 0, 1])), 4)
    0.3333

    Source: `tf.keras.metrics.IoU`.
    """

    def __init__(
        self,
        num_classes: int,
        target_class_ids: Sequence[int],
        name: str | None = None,
        dtype: Any = None,
        ignore_class: int | None = None,
        sparse_y_true: bool = True,
        sparse_y_pred: bool = True,
        axis: int = -1,
    ) -> None:
        super().__init__(
            num_classes, name, dtype, ignore_class, sparse_y_true, sparse_y_pred, axis
        )
        if max(target_class_ids) >= num_classes:
            raise ValueError(
                f"Target class id {max(target_class_ids)} is out of range, which is "
                f"[0, {num_classes})."
            )
        self.target_class_ids = list(target_class_ids)

    def result(self) -> Any:
        """Returns the mean over the classes that there are."""
        matrix = self.total_cm.read_value()
        both = diag_part(matrix)
        union = reduce_sum(matrix, axis=0) + reduce_sum(matrix, axis=1) - both
        both = gather(both, self.target_class_ids)
        union = gather(union, self.target_class_ids)
        there = reduce_sum(cast(not_equal(union, 0.0), self._metric_dtype))
        return divide_no_nan(reduce_sum(divide_no_nan(both, union)), there)

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of its constructor."""
        return {**super().get_config(), "target_class_ids": self.target_class_ids}

    def _config_without(self, *names: str) -> dict[str, Any]:
        config = IoU.get_config(self)
        return {key: value for key, value in config.items() if key not in names}


class BinaryIoU(IoU):
    """Intersection by union where predictions from a threshold on are class 1.

    Args:
      target_class_ids: Which of 0 and 1 count.
      threshold: From where on a prediction is 1.
      name: Its name.
      dtype: Its dtype.

    Source: `tf.keras.metrics.BinaryIoU`.
    """

    def __init__(
        self,
        target_class_ids: Sequence[int] = (0, 1),
        threshold: float = 0.5,
        name: str | None = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(2, target_class_ids, name, dtype)
        self.threshold = threshold

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """Adds a batch: labels 0 or 1, and predictions from 0 to 1, of one shape."""
        y_pred = cast(hooks.convert(y_pred), self._metric_dtype)
        above = cast(y_pred >= self.threshold, self._metric_dtype)
        return super().update_state(y_true, above, sample_weight)

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of its constructor."""
        return {
            "target_class_ids": self.target_class_ids,
            "threshold": self.threshold,
            "name": self.name,
            "dtype": self._metric_dtype.name,
        }


class MeanIoU(IoU):
    """The mean over all classes of intersection by union; arguments as of `IoU`.

    Source: `tf.keras.metrics.MeanIoU`.
    """

    def __init__(
        self,
        num_classes: int,
        name: str | None = None,
        dtype: Any = None,
        ignore_class: int | None = None,
        sparse_y_true: bool = True,
        sparse_y_pred: bool = True,
        axis: int = -1,
    ) -> None:
        super().__init__(
            num_classes,
            list(range(num_classes)),
            name,
            dtype,
            ignore_class,
            sparse_y_true,
            sparse_y_pred,
            axis,
        )

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of its constructor."""
        return self._config_without("target_class_ids")


class OneHotIoU(IoU):
    """`IoU` of labels, and by default predictions, that are rows of classes.

    Source: `tf.keras.metrics.OneHotIoU`.
    """

    def __init__(
        self,
        num_classes: int,
        target_class_ids: Sequence[int],
        name: str | None = None,
        dtype: Any = None,
        ignore_class: int | None = None,
        sparse_y_pred: bool = False,
        axis: int = -1,
    ) -> None:
        super().__init__(
            num_classes,
            target_class_ids,
            name,
            dtype,
            ignore_class,
            sparse_y_true=False,
            sparse_y_pred=sparse_y_pred,
            axis=axis,
        )

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of its constructor."""
        return self._config_without("sparse_y_true")


class OneHotMeanIoU(MeanIoU):
    """`MeanIoU` of labels, and by default predictions, that are rows of classes.

    Source: `tf.keras.metrics.OneHotMeanIoU`.
    """

    def __init__(
        self,
        num_classes: int,
        name: str | None = None,
        dtype: Any = None,
        ignore_class: int | None = None,
        sparse_y_pred: bool = False,
        axis: int = -1,
    ) -> None:
        super().__init__(
            num_classes,
            name,
            dtype,
            ignore_class,
            sparse_y_true=False,
            sparse_y_pred=sparse_y_pred,
            axis=axis,
        )

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of its constructor."""
        return self._config_without("target_class_ids", "sparse_y_true")


class R2Score(Metric):
    """How much of the variance of the labels the predictions explain: 1 is all of it.

    Args:
      class_aggregation: `"uniform_average"` for the mean over columns,
        `"variance_weighted_average"` for it by their variances, None for each.
      num_regressors: How many inputs the model has; the score is adjusted by it.
      name: Its name.
      dtype: Its dtype.

    Raises:
      ValueError: A bad argument.

    >>> score = R2Score()
    >>> round(float(score([[1.0], [4.0], [3.0]], [[2.0], [4.0], [4.0]])), 4)
    0.5714

    Source: `tf.keras.metrics.R2Score`.
    """

    def __init__(
        self,
        class_aggregation: str | None = "uniform_average",
        num_regressors: int = 0,
        name: str = "r2_score",
        dtype: Any = None,
    ) -> None:
        super().__init__(name=name, dtype=dtype)
        known = (None, "uniform_average", "variance_weighted_average")
        if class_aggregation not in known:
            raise ValueError(
                "Invalid value for argument `class_aggregation`. Expected one of "
                f"{known}. Received: class_aggregation={class_aggregation}"
            )
        if num_regressors < 0:
            raise ValueError(
                "Invalid value for argument `num_regressors`. Expected a value >= 0. "
                f"Received: num_regressors={num_regressors}"
            )
        self.class_aggregation = class_aggregation
        self.num_regressors = num_regressors
        self.num_samples = self.add_weight("num_samples", dtype="int32")
        self._made = False

    def _make_weights(self, columns: int) -> None:
        self.squared_sum = self.add_weight("squared_sum", (columns,))
        self.sum = self.add_weight("sum", (columns,))
        self.total_mse = self.add_weight("residual", (columns,))
        self.count = self.add_weight("count", (columns,))
        self._made = True

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """Adds a batch: labels and predictions `[batch, columns]`."""
        y_true = cast(hooks.convert(y_true), self._metric_dtype)
        y_pred = cast(hooks.convert(y_pred), self._metric_dtype)
        columns = _columns("R2Score", y_true, y_pred)
        if not self._made:
            self._make_weights(columns)
        weights = ones_like(y_true)
        if sample_weight is not None:
            _, weights = weigh(y_true, sample_weight, self._metric_dtype, True)
        weighted = y_true * weights
        errors = square(y_true - y_pred) * weights
        return group(
            self.sum.assign_add(reduce_sum(weighted, axis=0)),
            self.squared_sum.assign_add(reduce_sum(y_true * weighted, axis=0)),
            self.total_mse.assign_add(reduce_sum(errors, axis=0)),
            self.count.assign_add(reduce_sum(weights, axis=0)),
            self.num_samples.assign_add(size(y_true)),
        )

    def result(self) -> Any:
        """Returns the score, or that of each column."""
        if not self._made:
            raise ValueError(
                "R2Score: nothing was counted yet; call update_state first."
            )
        sums = self.sum.read_value()
        mean = sums / self.count.read_value()
        total = self.squared_sum.read_value() - sums * mean
        scores = 1.0 - self.total_mse.read_value() / total
        scores = where(is_inf(scores), zeros_like(scores), scores)
        if self.class_aggregation == "uniform_average":
            scores = reduce_mean(scores)
        elif self.class_aggregation is not None:
            scores = reduce_sum(total * scores) / reduce_sum(total)
        return self._adjust(scores) if self.num_regressors else scores

    def _adjust(self, scores: Any) -> Any:
        samples = self.num_samples.read_value()
        if building_graph() is None and self.num_regressors >= int(samples) - 1:
            warn_user(
                "Adjusted R2 score: there are no more examples than inputs of the model "
                f"({int(samples)} and {self.num_regressors}). Falling back to standard "
                "R2 score."
            )
        n = cast(samples, self._metric_dtype)
        left = n - float(self.num_regressors) - 1.0
        adjusted = 1.0 - divide_no_nan((1.0 - scores) * (n - 1.0), left)
        return where(left > 0.0, adjusted, scores)

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of its constructor."""
        return {
            **super().get_config(),
            "class_aggregation": self.class_aggregation,
            "num_regressors": self.num_regressors,
        }
