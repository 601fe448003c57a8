"""Loss functions: one value for each row of the predictions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from graphopt.dtypes import int64
from graphopt.graph.asked_sizes import choose_by_size
from graphopt.graph.context import building_graph
from graphopt.graph.hooks import hooks
from graphopt.ops.clipping import clip_by_value
from graphopt.ops.creation import shape
from graphopt.ops.elementwise import abs, cast, log, squared_difference
from graphopt.ops.nn import (
    sigmoid_cross_entropy_with_logits,
    softmax_cross_entropy_with_logits,
    sparse_softmax_cross_entropy_with_logits,
)
from graphopt.ops.reduction import reduce_mean, reduce_sum
from graphopt.ops.shaping import squeeze

# Keras keeps probabilities this far from 0 and 1 before taking a logarithm.
EPSILON = 1e-7


def _pair(y_true: Any, y_pred: Any) -> tuple[Any, Any]:
    y_pred = hooks.convert(y_pred)
    y_true = hooks.convert(y_true, dtype_hint=y_pred.dtype)
    return cast(y_true, y_pred.dtype), y_pred


def mean_squared_error(y_true: Any, y_pred: Any) -> Any:
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
    y_true, y_pred = _pair(y_true, y_pred)
    return reduce_mean(squared_difference(y_pred, y_true), axis=-1)


def mean_absolute_error(y_true: Any, y_pred: Any) -> Any:
    """Returns the mean of |y_true - y_pred| over the last axis.

    Source: `tf.keras.losses.mean_absolute_error`.
    """
    y_true, y_pred = _pair(y_true, y_pred)
    return reduce_mean(abs(y_pred - y_true), axis=-1)


def categorical_crossentropy(
    y_true: Any, y_pred: Any, from_logits: bool = False, label_smoothing: float = 0.0
) -> Any:
    """Returns the cross entropy of each row.

    Args:
      y_true: `[..., classes]`, probabilities.
      y_pred: `[..., classes]`, probabilities, or logits if `from_logits`.
      from_logits: What `y_pred` is.
      label_smoothing: How much of the labels is spread evenly over all classes.

    Source: `tf.keras.losses.categorical_crossentropy`.
    """
    y_true, y_pred = _pair(y_true, y_pred)
    if label_smoothing:
        classes = y_true.shape[-1]
        if classes is None:
            classes = cast(shape(y_true)[-1], y_true.dtype)
        y_true = y_true * (1.0 - label_smoothing) + label_smoothing / classes
    if from_logits:
        return softmax_cross_entropy_with_logits(y_true, y_pred)
    y_pred = y_pred / reduce_sum(y_pred, axis=-1, keepdims=True)
    y_pred = clip_by_value(y_pred, EPSILON, 1.0 - EPSILON)
    return -reduce_sum(y_true * log(y_pred), axis=-1)


def sparse_categorical_crossentropy(
    y_true: Any, y_pred: Any, from_logits: bool = False
) -> Any:
    """Returns the cross entropy of each row, given the index of the right class.

    Args:
      y_true: `[...]` or `[..., 1]`, integers (or floats that are).
      y_pred: `[..., classes]`, probabilities, or logits if `from_logits`.
      from_logits: What `y_pred` is.

    Source: `tf.keras.losses.sparse_categorical_crossentropy`.
    """
    y_pred = hooks.convert(y_pred)
    y_true = hooks.convert(y_true)
    if not y_true.dtype.is_integer:
        y_true = cast(y_true, int64)
    choose_by_size(y_true.shape)
    if y_true.shape.rank == y_pred.shape.rank and y_true.shape[-1:] == (1,):
        y_true = squeeze(y_true, -1)
    if not from_logits:
        y_pred = log(clip_by_value(y_pred, EPSILON, 1.0 - EPSILON))
    return sparse_softmax_cross_entropy_with_logits(y_true, y_pred)


def binary_crossentropy(
    y_true: Any, y_pred: Any, from_logits: bool = False, label_smoothing: float = 0.0
) -> Any:
    """Returns the mean cross entropy of yes-or-no predictions over the last axis.

    Args:
      y_true: `[..., n]`, 0 or 1.
      y_pred: `[..., n]`, probabilities, or logits if `from_logits`.
      from_logits: What `y_pred` is.
      label_smoothing: How much the labels are moved towards 0.5.

    Source: `tf.keras.losses.binary_crossentropy`.
    """
    y_true, y_pred = _pair(y_true, y_pred)
    if label_smoothing:
        y_true = y_true * (1.0 - label_smoothing) + 0.5 * label_smoothing
    if from_logits:
        losses = sigmoid_cross_entropy_with_logits(y_true, y_pred)
    else:
        y_pred = clip_by_value(y_pred, EPSILON, 1.0 - EPSILON)
        yes = y_true * log(y_pred + EPSILON)
        losses = -(yes + (1.0 - y_true) * log(1.0 - y_pred + EPSILON))
    return reduce_mean(losses, axis=-1)


mse = MSE = mean_squared_error
mae = MAE = mean_absolute_error


class Loss:
    """A loss function with a reduction, called on labels and predictions.

    Args:
      function: From labels and predictions to one value for each example.
      reduction: `"sum_over_batch_size"` (the mean), `"sum"` or `"none"`; `"auto"` is
        the first.
      name: Its name.
      **options: Passed to the function.

    Raises:
      ValueError: An unknown reduction.

    >>> import graphopt as tf
    >>> loss = tf.keras.losses.MeanSquaredError()
    >>> float(loss([[0.0], [2.0]], [[1.0], [5.0]]))
    5.0

    Source: `tf.keras.losses.Loss`.
    """

    def __init__(
        self,
        function: Callable[..., Any] | None = None,
        reduction: str = "auto",
        name: str | None = None,
        **options: Any,
    ) -> None:
        if reduction not in ("auto", "sum_over_batch_size", "sum", "none"):
            raise ValueError(f"Invalid Reduction Key: {reduction!r}.")
        self.function, self.reduction, self.options = function, reduction, options
        self.name = name or type(self).__name__

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Returns one value for each example; subclasses may define it."""
        if self.function is None:
            raise NotImplementedError("Must be implemented in subclasses.")
        return self.function(y_true, y_pred, **self.options)

    def __call__(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """Returns the reduced loss."""
        call = self.call
        if building_graph() is not None:
            call = hooks.convert_function(call)
        losses = call(y_true, y_pred)
        if sample_weight is not None:
            losses = losses * hooks.convert(sample_weight, dtype_hint=losses.dtype)
        if self.reduction == "none":
            return losses
        return reduce_sum(losses) if self.reduction == "sum" else reduce_mean(losses)


def _loss_class(function: Callable[..., Any], name: str) -> Any:
    def make(reduction: str = "auto", name: str = name, **options: Any) -> Loss:
        return Loss(function, reduction, name, **options)

    make.__name__ = make.__qualname__ = name
    make.__doc__ = f"Makes a `Loss` of `{function.__name__}`."
    return make


MeanSquaredError = _loss_class(mean_squared_error, "MeanSquaredError")
MeanAbsoluteError = _loss_class(mean_absolute_error, "MeanAbsoluteError")
BinaryCrossentropy = _loss_class(binary_crossentropy, "BinaryCrossentropy")
CategoricalCrossentropy = _loss_class(
    categorical_crossentropy, "CategoricalCrossentropy"
)
SparseCategoricalCrossentropy = _loss_class(
    sparse_categorical_crossentropy, "SparseCategoricalCrossentropy"
)
