"""Metrics of numbers that are no mean of a loss: relative errors, correlations."""

from __future__ import annotations

from typing import Any

from graphopt.graph.hooks import hooks
from graphopt.graph.tensor import Tensor
from graphopt.keras import backend
from graphopt.keras.losses.weighting import match_ranks, squeeze_to_match
from graphopt.keras.metrics.reducing import Mean, MeanMetricWrapper
from graphopt.ops.elementwise import abs, cast, sqrt, square, squared_difference
from graphopt.ops.reduction import reduce_mean
from graphopt.ops.special import divide_no_nan
from graphopt.ops.statistics import reduce_std, reduce_variance


class RootMeanSquaredError(Mean):
    """The root of the mean of squares of the errors.

    >>> error = RootMeanSquaredError()
    >>> round(float(error([0.0, 1.0], [1.0, 1.0])), 4)
    0.7071

    Source: `tf.keras.metrics.RootMeanSquaredError`.
    """

    def __init__(
        self, name: str = "root_mean_squared_error", dtype: Any = None
    ) -> None:
        super().__init__(name, dtype)

    def update_state(  # type: ignore[override]
        self, y_true: Any, y_pred: Any, sample_weight: Any = None
    ) -> Any:
        """Adds a batch."""
        y_true = cast(hooks.convert(y_true), self._metric_dtype)
        y_pred = cast(hooks.convert(y_pred), self._metric_dtype)
        y_true, y_pred = match_ranks(y_true, y_pred)
        return super().update_state(squared_difference(y_pred, y_true), sample_weight)

    def result(self) -> Any:
        """Returns the root of the mean."""
        return sqrt(super().result())


class MeanRelativeError(Mean):
    """The mean of |y_true - y_pred| / normalizer.

    Args:
      normalizer: What errors are divided by, of the predictions' shape.
      name: Its name.
      dtype: Its dtype.

    Source: `tf.keras.metrics.MeanRelativeError`.
    """

    def __init__(
        self, normalizer: Any, name: str | None = None, dtype: Any = None
    ) -> None:
        super().__init__(name, dtype)  # type: ignore[arg-type]
        plain = normalizer.numpy() if hasattr(normalizer, "numpy") else normalizer
        self.normalizer: Any = plain

    def update_state(  # type: ignore[override]
        self, y_true: Any, y_pred: Any, sample_weight: Any = None
    ) -> Any:
        """Adds a batch."""
        y_true = cast(hooks.convert(y_true), self._metric_dtype)
        y_pred = cast(hooks.convert(y_pred), self._metric_dtype)
        y_true, y_pred = match_ranks(y_true, y_pred)
        scale = cast(hooks.convert(self.normalizer), self._metric_dtype)
        scale, y_pred = squeeze_to_match(scale, y_pred)
        errors = divide_no_nan(abs(y_true - y_pred), scale)
        return super().update_state(errors, sample_weight)

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of its constructor."""
        return {**super().get_config(), "normalizer": self.normalizer}


def pearson_correlation(y_true: Any, y_pred: Any, axis: int = -1) -> Tensor:
    """Returns the correlation of labels and predictions along an axis, from -1 to 1.

    Source: `keras.metrics.pearson_correlation` of Keras 3.
    """
    y_true, y_pred = _pair(y_true, y_pred)
    parts = []
    for each in (y_true, y_pred):
        centered = each - reduce_mean(each, axis=axis, keepdims=True)
        parts.append(centered / reduce_std(centered, axis=axis, keepdims=True))
    return reduce_mean(parts[0] * parts[1], axis=axis)


def concordance_correlation(y_true: Any, y_pred: Any, axis: int = -1) -> Tensor:
    """Returns how near predictions are to labels along an axis, beside correlated.

    Source: `keras.metrics.concordance_correlation` of Keras 3.
    """
    y_true, y_pred = _pair(y_true, y_pred)
    mean_true = reduce_mean(y_true, axis=axis, keepdims=True)
    mean_pred = reduce_mean(y_pred, axis=axis, keepdims=True)
    spread = reduce_variance(y_true, axis=axis, keepdims=True)
    spread = spread + reduce_variance(y_pred, axis=axis, keepdims=True)
    norm = spread + square(mean_true - mean_pred)
    # The mean of the labels drops out: that of the other factor is 0.
    shared = (y_true - mean_pred) * (y_pred - mean_pred)
    return reduce_mean(2.0 * shared / (norm + backend.epsilon()), axis=axis)


def _pair(y_true: Any, y_pred: Any) -> tuple[Any, Any]:
    y_pred = hooks.convert(y_pred)
    y_true = cast(hooks.convert(y_true, dtype_hint=y_pred.dtype), y_pred.dtype)
    return match_ranks(y_true, y_pred)


class PearsonCorrelation(MeanMetricWrapper):
    """The mean of the correlations along an axis.

    Source: `keras.metrics.PearsonCorrelation` of Keras 3.
    """

    def __init__(
        self, name: str = "pearson_correlation", dtype: Any = None, axis: int = -1
    ) -> None:
        super().__init__(pearson_correlation, name, dtype, axis=axis)


class ConcordanceCorrelation(MeanMetricWrapper):
    """The mean of the concordance correlations along an axis.

    Source: `keras.metrics.ConcordanceCorrelation` of Keras 3.
    """

    def __init__(
        self, name: str = "concordance_correlation", dtype: Any = None, axis: int = -1
    ) -> None:
        super().__init__(concordance_correlation, name, dtype, axis=axis)
