"""Metrics that are the mean of a loss function over all examples."""

from __future__ import annotations

from typing import Any

from graphopt.graph.tensor import Tensor
from graphopt.keras import losses
from graphopt.keras.metrics.reducing import MeanMetricWrapper


def cosine_similarity(y_true: Any, y_pred: Any, axis: int = -1) -> Tensor:
    """Returns the cosine of the angle of labels and predictions; the loss has a minus.

    Source: `tf.keras.metrics.cosine_similarity`.
    """
    return -losses.cosine_similarity(y_true, y_pred, axis)


class MeanSquaredError(MeanMetricWrapper):
    """The mean of squares of the errors.

    Args: `name`, `dtype` and those of `tf.keras.losses.mean_squared_error`.

    Source: `tf.keras.metrics.MeanSquaredError`.
    """

    def __init__(
        self,
        name: str = "mean_squared_error",
        dtype: Any = None,
    ) -> None:
        super().__init__(losses.mean_squared_error, name, dtype)


class MeanAbsoluteError(MeanMetricWrapper):
    """The mean of the sizes of the errors.

    Args: `name`, `dtype` and those of `tf.keras.losses.mean_absolute_error`.

    Source: `tf.keras.metrics.MeanAbsoluteError`.
    """

    def __init__(
        self,
        name: str = "mean_absolute_error",
        dtype: Any = None,
    ) -> None:
        super().__init__(losses.mean_absolute_error, name, dtype)


class MeanAbsolutePercentageError(MeanMetricWrapper):
    """The mean of the errors in percent of the labels.

    Args: `name`, `dtype` and those of `tf.keras.losses.mean_absolute_percentage_error`.

    Source: `tf.keras.metrics.MeanAbsolutePercentageError`.
    """

    def __init__(
        self,
        name: str = "mean_absolute_percentage_error",
        dtype: Any = None,
    ) -> None:
        super().__init__(losses.mean_absolute_percentage_error, name, dtype)


class MeanSquaredLogarithmicError(MeanMetricWrapper):
    """The mean of squares of the differences of logarithms.

    Args: `name`, `dtype` and those of `tf.keras.losses.mean_squared_logarithmic_error`.

    Source: `tf.keras.metrics.MeanSquaredLogarithmicError`.
    """

    def __init__(
        self,
        name: str = "mean_squared_logarithmic_error",
        dtype: Any = None,
    ) -> None:
        super().__init__(losses.mean_squared_logarithmic_error, name, dtype)


class CosineSimilarity(MeanMetricWrapper):
    """The mean of the cosines of the angles of labels and predictions.

    Args: `name`, `dtype` and those of `tf.keras.losses.cosine_similarity`.

    Source: `tf.keras.metrics.CosineSimilarity`.
    """

    def __init__(
        self,
        name: str = "cosine_similarity",
        dtype: Any = None,
        axis: int = -1,
    ) -> None:
        super().__init__(cosine_similarity, name, dtype, axis=axis)


class LogCoshError(MeanMetricWrapper):
    """The mean of the logarithms of the hyperbolic cosines of the errors.

    Args: `name`, `dtype` and those of `tf.keras.losses.log_cosh`.

    Source: `tf.keras.metrics.LogCoshError`.
    """

    def __init__(
        self,
        name: str = "logcosh",
        dtype: Any = None,
    ) -> None:
        super().__init__(losses.log_cosh, name, dtype)


class BinaryCrossentropy(MeanMetricWrapper):
    """The mean cross entropy of yes-or-no predictions.

    Args: `name`, `dtype` and those of `tf.keras.losses.binary_crossentropy`.

    Source: `tf.keras.metrics.BinaryCrossentropy`.
    """

    def __init__(
        self,
        name: str = "binary_crossentropy",
        dtype: Any = None,
        from_logits: bool = False,
        label_smoothing: float = 0,
    ) -> None:
        super().__init__(
            losses.binary_crossentropy,
            name,
            dtype,
            from_logits=from_logits,
            label_smoothing=label_smoothing,
        )


class CategoricalCrossentropy(MeanMetricWrapper):
    """The mean cross entropy of classes; labels are rows of probabilities.

    Args: `name`, `dtype` and those of `tf.keras.losses.categorical_crossentropy`.

    Source: `tf.keras.metrics.CategoricalCrossentropy`.
    """

    def __init__(
        self,
        name: str = "categorical_crossentropy",
        dtype: Any = None,
        from_logits: bool = False,
        label_smoothing: float = 0,
        axis: int = -1,
    ) -> None:
        super().__init__(
            losses.categorical_crossentropy,
            name,
            dtype,
            from_logits=from_logits,
            label_smoothing=label_smoothing,
            axis=axis,
        )


class SparseCategoricalCrossentropy(MeanMetricWrapper):
    """The mean cross entropy of classes; labels are class numbers.

    Args: `name`, `dtype` and those of `tf.keras.losses.sparse_categorical_crossentropy`.

    Source: `tf.keras.metrics.SparseCategoricalCrossentropy`.
    """

    def __init__(
        self,
        name: str = "sparse_categorical_crossentropy",
        dtype: Any = None,
        from_logits: bool = False,
        ignore_class: int | None = None,
        axis: int = -1,
    ) -> None:
        super().__init__(
            losses.sparse_categorical_crossentropy,
            name,
            dtype,
            from_logits=from_logits,
            ignore_class=ignore_class,
            axis=axis,
        )


class KLDivergence(MeanMetricWrapper):
    """The mean Kullback-Leibler divergence.

    Args: `name`, `dtype` and those of `tf.keras.losses.kl_divergence`.

    Source: `tf.keras.metrics.KLDivergence`.
    """

    def __init__(
        self,
        name: str = "kullback_leibler_divergence",
        dtype: Any = None,
    ) -> None:
        super().__init__(losses.kl_divergence, name, dtype)


class Poisson(MeanMetricWrapper):
    """The mean loss of counts that follow a Poisson distribution.

    Args: `name`, `dtype` and those of `tf.keras.losses.poisson`.

    Source: `tf.keras.metrics.Poisson`.
    """

    def __init__(
        self,
        name: str = "poisson",
        dtype: Any = None,
    ) -> None:
        super().__init__(losses.poisson, name, dtype)


class Hinge(MeanMetricWrapper):
    """By how much predictions are on the wrong side of a margin.

    Args: `name`, `dtype` and those of `tf.keras.losses.hinge`.

    Source: `tf.keras.metrics.Hinge`.
    """

    def __init__(
        self,
        name: str = "hinge",
        dtype: Any = None,
    ) -> None:
        super().__init__(losses.hinge, name, dtype)


class SquaredHinge(MeanMetricWrapper):
    """The squares of what `Hinge` takes.

    Args: `name`, `dtype` and those of `tf.keras.losses.squared_hinge`.

    Source: `tf.keras.metrics.SquaredHinge`.
    """

    def __init__(
        self,
        name: str = "squared_hinge",
        dtype: Any = None,
    ) -> None:
        super().__init__(losses.squared_hinge, name, dtype)


class CategoricalHinge(MeanMetricWrapper):
    """By how much the best wrong class is too good.

    Args: `name`, `dtype` and those of `tf.keras.losses.categorical_hinge`.

    Source: `tf.keras.metrics.CategoricalHinge`.
    """

    def __init__(
        self,
        name: str = "categorical_hinge",
        dtype: Any = None,
    ) -> None:
        super().__init__(losses.categorical_hinge, name, dtype)
