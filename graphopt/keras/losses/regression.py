"""Losses of numbers: one value for each row of the predictions, a mean over the last axis."""

from __future__ import annotations

from typing import Any

from graphopt.graph.hooks import hooks
from graphopt.graph.tensor import Tensor
from graphopt.keras import backend
from graphopt.keras.losses.pairs import convert_pair
from graphopt.ops.clipping import clip_by_value
from graphopt.ops.elementwise import (
    abs,
    cast,
    equal,
    log,
    logical_or,
    maximum,
    softplus,
    square,
    squared_difference,
    where,
)
from graphopt.ops.reduction import reduce_all, reduce_max, reduce_mean, reduce_sum
from graphopt.ops.statistics import l2_normalize

LOG_2 = 0.6931471805599453


def mean_squared_error(y_true: Any, y_pred: Any) -> Tensor:
    """Returns the mean of (y_true - y_pred) squared over the last axis.

    Args:
      y_true: `[batch, ..., n]`.
      y_pred: `[batch, ..., n]`.

    Returns:
      `[batch, ...]`; minimizing it minimizes the sum over the batch.

    >>> mean_squared_error([[0.0, 2.0]], [[1.0, 0.0]]).numpy().tolist()
    [2.5]

    Source: `tf.keras.losses.mean_squared_error`.
    """
    y_true, y_pred = convert_pair(y_true, y_pred, "mean_squared_error")
    return reduce_mean(squared_difference(y_pred, y_true), axis=-1)


def mean_absolute_error(y_true: Any, y_pred: Any) -> Tensor:
    """Returns the mean of |y_true - y_pred| over the last axis.

    Args:
      y_true: `[batch, ..., n]`.
      y_pred: `[batch, ..., n]`.

    Source: `tf.keras.losses.mean_absolute_error`.
    """
    y_true, y_pred = convert_pair(y_true, y_pred, "mean_absolute_error")
    return reduce_mean(abs(y_pred - y_true), axis=-1)


def mean_absolute_percentage_error(y_true: Any, y_pred: Any) -> Tensor:
    """Returns 100 times the mean of |y_true - y_pred| / |y_true| over the last axis.

    Labels next to 0 count as `epsilon()`.

    >>> mean_absolute_percentage_error([[2.0, 4.0]], [[1.0, 5.0]]).numpy().tolist()
    [37.5]

    Source: `tf.keras.losses.mean_absolute_percentage_error`.
    """
    y_true, y_pred = convert_pair(y_true, y_pred, "mean_absolute_percentage_error")
    ratio = abs((y_true - y_pred) / maximum(abs(y_true), backend.epsilon()))
    return 100.0 * reduce_mean(ratio, axis=-1)


def mean_squared_logarithmic_error(y_true: Any, y_pred: Any) -> Tensor:
    """Returns the mean of (log(y_true + 1) - log(y_pred + 1)) squared over the last axis.

    Values below `epsilon()` count as it.

    Source: `tf.keras.losses.mean_squared_logarithmic_error`.
    """
    y_true, y_pred = convert_pair(y_true, y_pred, "mean_squared_logarithmic_error")
    small = backend.epsilon()
    difference = squared_difference(
        log(maximum(y_pred, small) + 1.0), log(maximum(y_true, small) + 1.0)
    )
    return reduce_mean(difference, axis=-1)


def _signs(y_true: Any) -> Any:
    """Labels -1 and 1 for labels 0 and 1; others stay."""
    is_binary = reduce_all(logical_or(equal(y_true, 0.0), equal(y_true, 1.0)))
    return where(is_binary, 2.0 * y_true - 1.0, y_true)


def hinge(y_true: Any, y_pred: Any) -> Tensor:
    """Returns the mean of max(1 - y_true * y_pred, 0) over the last axis.

    Args:
      y_true: `[batch, ..., n]`, -1 or 1; where all are 0 or 1, 0 counts as -1.
      y_pred: `[batch, ..., n]`.

    Source: `tf.keras.losses.hinge`.
    """
    y_true, y_pred = convert_pair(y_true, y_pred, "hinge")
    return reduce_mean(maximum(1.0 - _signs(y_true) * y_pred, 0.0), axis=-1)


def squared_hinge(y_true: Any, y_pred: Any) -> Tensor:
    """Returns the mean of max(1 - y_true * y_pred, 0) squared over the last axis.

    Args:
      y_true: `[batch, ..., n]`, -1 or 1; where all are 0 or 1, 0 counts as -1.
      y_pred: `[batch, ..., n]`.

    Source: `tf.keras.losses.squared_hinge`.
    """
    y_true, y_pred = convert_pair(y_true, y_pred, "squared_hinge")
    return reduce_mean(square(maximum(1.0 - _signs(y_true) * y_pred, 0.0)), axis=-1)


def categorical_hinge(y_true: Any, y_pred: Any) -> Tensor:
    """Returns max(neg - pos + 1, 0): by how much the best wrong class is too good.

    pos is the sum of y_true * y_pred, neg the maximum of (1 - y_true) * y_pred.

    Args:
      y_true: `[..., classes]`, 0 or 1.
      y_pred: `[..., classes]`.

    Source: `tf.keras.losses.categorical_hinge`.
    """
    y_true, y_pred = convert_pair(y_true, y_pred, "categorical_hinge")
    right = reduce_sum(y_true * y_pred, axis=-1)
    wrong = reduce_max((1.0 - y_true) * y_pred, axis=-1)
    return maximum(wrong - right + 1.0, 0.0)


def huber(y_true: Any, y_pred: Any, delta: float = 1.0) -> Tensor:
    """Returns the mean of half the squared errors; large ones count linearly.

    e^2 / 2 where |e| <= delta, else delta |e| - delta^2 / 2, of the default float dtype.

    >>> huber([[0.0, 0.0]], [[1.0, 3.0]]).numpy().tolist()
    [1.5]

    Source: `tf.keras.losses.huber`; Huber 1964.
    """
    y_true, y_pred = convert_pair(y_true, y_pred, "huber")
    y_true, y_pred = cast(y_true, backend.floatx()), cast(y_pred, backend.floatx())
    error = y_pred - y_true
    size, limit = abs(error), cast(hooks.convert(delta), error.dtype)
    small, large = 0.5 * square(error), limit * size - 0.5 * square(limit)
    return reduce_mean(where(size <= delta, small, large), axis=-1)


def log_cosh(y_true: Any, y_pred: Any) -> Tensor:
    """Returns the mean of log(cosh(y_pred - y_true)) over the last axis.

    Source: `tf.keras.losses.log_cosh`.
    """
    y_true, y_pred = convert_pair(y_true, y_pred, "log_cosh")
    error = y_pred - y_true
    return reduce_mean(error + softplus(-2.0 * error) - LOG_2, axis=-1)


def kl_divergence(y_true: Any, y_pred: Any) -> Tensor:
    """Returns the sum of y_true * log(y_true / y_pred) over the last axis.

    Args:
      y_true: `[..., n]`, probabilities; they are kept from `epsilon()` to 1.
      y_pred: `[..., n]`, likewise.

    Source: `tf.keras.losses.kl_divergence`.
    """
    y_true, y_pred = convert_pair(y_true, y_pred, "kl_divergence")
    y_true = clip_by_value(y_true, backend.epsilon(), 1.0)
    y_pred = clip_by_value(y_pred, backend.epsilon(), 1.0)
    return reduce_sum(y_true * log(y_true / y_pred), axis=-1)


def poisson(y_true: Any, y_pred: Any) -> Tensor:
    """Returns the mean of y_pred - y_true * log(y_pred) over the last axis.

    Source: `tf.keras.losses.poisson`.
    """
    y_true, y_pred = convert_pair(y_true, y_pred, "poisson")
    return reduce_mean(y_pred - y_true * log(y_pred + backend.epsilon()), axis=-1)


def cosine_similarity(y_true: Any, y_pred: Any, axis: int = -1) -> Tensor:
    """Returns minus the cosine of the angle of labels and predictions.

    -1 for the same direction; 0 also where one of them is all zeros.

    Source: `tf.keras.losses.cosine_similarity`.
    """
    y_pred = hooks.convert(y_pred)
    y_true = cast(hooks.convert(y_true, dtype_hint=y_pred.dtype), y_pred.dtype)
    y_true, y_pred = l2_normalize(y_true, axis=axis), l2_normalize(y_pred, axis=axis)
    return -reduce_sum(y_true * y_pred, axis=axis)
