"""The loss classes: functions with their options and a reduction."""

from __future__ import annotations

from typing import Any

from graphopt.keras.losses.base import LossFunctionWrapper
from graphopt.keras.losses.crossentropy import (
    binary_crossentropy,
    binary_focal_crossentropy,
    categorical_crossentropy,
    categorical_focal_crossentropy,
    sparse_categorical_crossentropy,
)
from graphopt.keras.losses.regression import (
    categorical_hinge,
    cosine_similarity,
    hinge,
    huber,
    kl_divergence,
    log_cosh,
    mean_absolute_error,
    mean_absolute_percentage_error,
    mean_squared_error,
    mean_squared_logarithmic_error,
    poisson,
    squared_hinge,
)
from graphopt.keras.losses.weighting import Reduction


class MeanSquaredError(LossFunctionWrapper):
    """The mean of squares of the errors.

    >>> import graphopt as tf
    >>> loss = tf.keras.losses.MeanSquaredError()
    >>> float(loss([[0.0], [2.0]], [[1.0], [5.0]]))
    5.0
    >>> float(loss([[0.0], [2.0]], [[1.0], [5.0]], sample_weight=[1.0, 0.0]))
    0.5

    Args: those of `mean_squared_error`, `reduction`, `name` and `dtype` of `Loss`.

    Source: `tf.keras.losses.MeanSquaredError`.
    """

    def __init__(
        self,
        reduction: str | None = Reduction.AUTO,
        name: str = "mean_squared_error",
        dtype: Any = None,
    ) -> None:
        super().__init__(mean_squared_error, reduction, name, dtype)


class MeanAbsoluteError(LossFunctionWrapper):
    """The mean of the sizes of the errors.

    Args: those of `mean_absolute_error`, `reduction`, `name` and `dtype` of `Loss`.

    Source: `tf.keras.losses.MeanAbsoluteError`.
    """

    def __init__(
        self,
        reduction: str | None = Reduction.AUTO,
        name: str = "mean_absolute_error",
        dtype: Any = None,
    ) -> None:
        super().__init__(mean_absolute_error, reduction, name, dtype)


class MeanAbsolutePercentageError(LossFunctionWrapper):
    """The mean of the errors in percent of the labels.

    Args: those of `mean_absolute_percentage_error`, `reduction`, `name` and `dtype` of `Loss`.

    Source: `tf.keras.losses.MeanAbsolutePercentageError`.
    """

    def __init__(
        self,
        reduction: str | None = Reduction.AUTO,
        name: str = "mean_absolute_percentage_error",
        dtype: Any = None,
    ) -> None:
        super().__init__(mean_absolute_percentage_error, reduction, name, dtype)


class MeanSquaredLogarithmicError(LossFunctionWrapper):
    """The mean of squares of the differences of logarithms.

    Args: those of `mean_squared_logarithmic_error`, `reduction`, `name` and `dtype` of `Loss`.

    Source: `tf.keras.losses.MeanSquaredLogarithmicError`.
    """

    def __init__(
        self,
        reduction: str | None = Reduction.AUTO,
        name: str = "mean_squared_logarithmic_error",
        dtype: Any = None,
    ) -> None:
        super().__init__(mean_squared_logarithmic_error, reduction, name, dtype)


class BinaryCrossentropy(LossFunctionWrapper):
    """The cross entropy of yes-or-no predictions.

    Args: those of `binary_crossentropy`, `reduction`, `name` and `dtype` of `Loss`.

    Source: `tf.keras.losses.BinaryCrossentropy`.
    """

    def __init__(
        self,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
        reduction: str | None = Reduction.AUTO,
        name: str = "binary_crossentropy",
        dtype: Any = None,
    ) -> None:
        self.from_logits = from_logits
        super().__init__(
            binary_crossentropy,
            reduction,
            name,
            dtype,
            from_logits=from_logits,
            label_smoothing=label_smoothing,
            axis=axis,
        )


class BinaryFocalCrossentropy(LossFunctionWrapper):
    """The cross entropy of yes-or-no predictions, where easy ones count less.

    Args: those of `binary_focal_crossentropy`, `reduction`, `name` and `dtype` of `Loss`.

    Source: `tf.keras.losses.BinaryFocalCrossentropy`.
    """

    def __init__(
        self,
        apply_class_balancing: bool = False,
        alpha: float = 0.25,
        gamma: float = 2.0,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
        reduction: str | None = Reduction.AUTO,
        name: str = "binary_focal_crossentropy",
        dtype: Any = None,
    ) -> None:
        self.apply_class_balancing = apply_class_balancing
        self.alpha = alpha
        self.gamma = gamma
        super().__init__(
            binary_focal_crossentropy,
            reduction,
            name,
            dtype,
            apply_class_balancing=apply_class_balancing,
            alpha=alpha,
            gamma=gamma,
            from_logits=from_logits,
            label_smoothing=label_smoothing,
            axis=axis,
        )


class CategoricalCrossentropy(LossFunctionWrapper):
    """The cross entropy of classes; labels are rows of probabilities.

    Args: those of `categorical_crossentropy`, `reduction`, `name` and `dtype` of `Loss`.

    Source: `tf.keras.losses.CategoricalCrossentropy`.
    """

    def __init__(
        self,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
        reduction: str | None = Reduction.AUTO,
        name: str = "categorical_crossentropy",
        dtype: Any = None,
    ) -> None:
        super().__init__(
            categorical_crossentropy,
            reduction,
            name,
            dtype,
            from_logits=from_logits,
            label_smoothing=label_smoothing,
            axis=axis,
        )


class CategoricalFocalCrossentropy(LossFunctionWrapper):
    """The cross entropy of classes, where easy examples count less.

    Args: those of `categorical_focal_crossentropy`, `reduction`, `name` and `dtype` of `Loss`.

    Source: `tf.keras.losses.CategoricalFocalCrossentropy`.
    """

    def __init__(
        self,
        alpha: Any = 0.25,
        gamma: float = 2.0,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        axis: int = -1,
        reduction: str | None = Reduction.AUTO,
        name: str = "categorical_focal_crossentropy",
        dtype: Any = None,
    ) -> None:
        self.alpha = alpha
        self.gamma = gamma
        self.from_logits = from_logits
        super().__init__(
            categorical_focal_crossentropy,
            reduction,
            name,
            dtype,
            alpha=alpha,
            gamma=gamma,
            from_logits=from_logits,
            label_smoothing=label_smoothing,
            axis=axis,
        )


class SparseCategoricalCrossentropy(LossFunctionWrapper):
    """The cross entropy of classes; labels are class numbers.

    >>> import graphopt as tf
    >>> loss = tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    >>> round(float(loss([1, 0], [[0.0, 0.0], [0.0, 0.0]])), 4)
    0.6931

    Args: those of `sparse_categorical_crossentropy`, `reduction`, `name` and `dtype` of `Loss`.

    Source: `tf.keras.losses.SparseCategoricalCrossentropy`.
    """

    def __init__(
        self,
        from_logits: bool = False,
        ignore_class: int | None = None,
        reduction: str | None = Reduction.AUTO,
        name: str = "sparse_categorical_crossentropy",
        dtype: Any = None,
    ) -> None:
        super().__init__(
            sparse_categorical_crossentropy,
            reduction,
            name,
            dtype,
            from_logits=from_logits,
            ignore_class=ignore_class,
        )


class CosineSimilarity(LossFunctionWrapper):
    """Minus the cosine of the angle of labels and predictions.

    Args: those of `cosine_similarity`, `reduction`, `name` and `dtype` of `Loss`.

    Source: `tf.keras.losses.CosineSimilarity`.
    """

    def __init__(
        self,
        axis: int = -1,
        reduction: str | None = Reduction.AUTO,
        name: str = "cosine_similarity",
        dtype: Any = None,
    ) -> None:
        super().__init__(cosine_similarity, reduction, name, dtype, axis=axis)


class Hinge(LossFunctionWrapper):
    """By how much predictions are on the wrong side of a margin.

    Args: those of `hinge`, `reduction`, `name` and `dtype` of `Loss`.

    Source: `tf.keras.losses.Hinge`.
    """

    def __init__(
        self,
        reduction: str | None = Reduction.AUTO,
        name: str = "hinge",
        dtype: Any = None,
    ) -> None:
        super().__init__(hinge, reduction, name, dtype)


class SquaredHinge(LossFunctionWrapper):
    """The squares of what `Hinge` takes.

    Args: those of `squared_hinge`, `reduction`, `name` and `dtype` of `Loss`.

    Source: `tf.keras.losses.SquaredHinge`.
    """

    def __init__(
        self,
        reduction: str | None = Reduction.AUTO,
        name: str = "squared_hinge",
        dtype: Any = None,
    ) -> None:
        super().__init__(squared_hinge, reduction, name, dtype)


class CategoricalHinge(LossFunctionWrapper):
    """By how much the best wrong class is too good.

    Args: those of `categorical_hinge`, `reduction`, `name` and `dtype` of `Loss`.

    Source: `tf.keras.losses.CategoricalHinge`.
    """

    def __init__(
        self,
        reduction: str | None = Reduction.AUTO,
        name: str = "categorical_hinge",
        dtype: Any = None,
    ) -> None:
        super().__init__(categorical_hinge, reduction, name, dtype)


class Poisson(LossFunctionWrapper):
    """The loss of counts that follow a Poisson distribution.

    Args: those of `poisson`, `reduction`, `name` and `dtype` of `Loss`.

    Source: `tf.keras.losses.Poisson`.
    """

    def __init__(
        self,
        reduction: str | None = Reduction.AUTO,
        name: str = "poisson",
        dtype: Any = None,
    ) -> None:
        super().__init__(poisson, reduction, name, dtype)


class LogCosh(LossFunctionWrapper):
    """The logarithm of the hyperbolic cosine of the error.

    Args: those of `log_cosh`, `reduction`, `name` and `dtype` of `Loss`.

    Source: `tf.keras.losses.LogCosh`.
    """

    def __init__(
        self,
        reduction: str | None = Reduction.AUTO,
        name: str = "log_cosh",
        dtype: Any = None,
    ) -> None:
        super().__init__(log_cosh, reduction, name, dtype)


class KLDivergence(LossFunctionWrapper):
    """The Kullback-Leibler divergence of distributions.

    Args: those of `kl_divergence`, `reduction`, `name` and `dtype` of `Loss`.

    Source: `tf.keras.losses.KLDivergence`.
    """

    def __init__(
        self,
        reduction: str | None = Reduction.AUTO,
        name: str = "kl_divergence",
        dtype: Any = None,
    ) -> None:
        super().__init__(kl_divergence, reduction, name, dtype)


class Huber(LossFunctionWrapper):
    """Squares of small errors, sizes of large ones.

    Args: those of `huber`, `reduction`, `name` and `dtype` of `Loss`.

    Source: `tf.keras.losses.Huber`.
    """

    def __init__(
        self,
        delta: float = 1.0,
        reduction: str | None = Reduction.AUTO,
        name: str = "huber_loss",
        dtype: Any = None,
    ) -> None:
        super().__init__(huber, reduction, name, dtype, delta=delta)
