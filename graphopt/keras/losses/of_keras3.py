"""Losses that Keras 3 adds: of overlap, of embeddings, of noisy labels, of sequences."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphopt.dtypes import int32
from graphopt.errors import describe_shapes, fail
from graphopt.graph.hooks import hooks
from graphopt.graph.provenance import user_site
from graphopt.graph.tensor import Tensor
from graphopt.keras import backend
from graphopt.keras.losses.base import LossFunctionWrapper
from graphopt.keras.losses.pairs import convert_pair
from graphopt.keras.losses.weighting import Reduction
from graphopt.ops.creation import shape, zeros_like
from graphopt.ops.ctc import ctc_loss
from graphopt.ops.diagonal import eye
from graphopt.ops.elementwise import (
    cast,
    equal,
    logical_and,
    logical_not,
    maximum,
    not_equal,
    pow,
    softplus,
    where,
)
from graphopt.ops.indexing import one_hot
from graphopt.ops.matmul import matmul
from graphopt.ops.reduction import reduce_sum
from graphopt.ops.shaping import expand_dims, squeeze, transpose
from graphopt.ops.statistics import reduce_logsumexp


def dice(y_true: Any, y_pred: Any, axis: Any = None) -> Tensor:
    """Returns 1 - 2 * sum(y_true * y_pred) / (sum(y_true) + sum(y_pred)).

    Args:
      y_true: `[...]`, 0 or 1.
      y_pred: Of the same shape, from 0 to 1.
      axis: Which dimensions are summed over; all by default.

    Source: `keras.losses.dice` of Keras 3; Milletari et al. 2016.
    """
    y_true, y_pred = convert_pair(y_true, y_pred, "dice")
    both = reduce_sum(y_true * y_pred, axis=axis)
    total = reduce_sum(y_true, axis=axis) + reduce_sum(y_pred, axis=axis)
    return 1.0 - 2.0 * both / (total + backend.epsilon())


def tversky(
    y_true: Any, y_pred: Any, alpha: float = 0.5, beta: float = 0.5, axis: Any = None
) -> Tensor:
    """Returns 1 minus the overlap, where what is missed and what is wrong are weighted.

    Args:
      y_true: `[...]`, 0 or 1.
      y_pred: Of the same shape, from 0 to 1.
      alpha: What counts that is in the labels alone.
      beta: What counts that is in the predictions alone.
      axis: Which dimensions are summed over; all by default.

    Source: `keras.losses.tversky` of Keras 3; Salehi et al. 2017.
    """
    y_true, y_pred = convert_pair(y_true, y_pred, "tversky")
    both = reduce_sum(y_true * y_pred, axis=axis)
    missed = reduce_sum((1.0 - y_pred) * y_true, axis=axis)
    wrong = reduce_sum(y_pred * (1.0 - y_true), axis=axis)
    return 1.0 - both / (both + missed * alpha + wrong * beta + backend.epsilon())


def circle(
    y_true: Any,
    y_pred: Any,
    ref_labels: Any = None,
    ref_embeddings: Any = None,
    remove_diagonal: bool = True,
    gamma: float = 80.0,
    margin: float = 0.4,
) -> Tensor:
    """Returns the circle loss of embeddings: those of one class are to be near.

    Args:
      y_true: `[batch]`, class numbers.
      y_pred: `[batch, n]`, embeddings of length 1.
      ref_labels: `[others]`, the classes of what they are compared with; themselves by
        default.
      ref_embeddings: `[others, n]`.
      remove_diagonal: Whether nothing is compared with itself.
      gamma: How steep it is.
      margin: How near is near enough.

    Returns:
      `[batch]`; masked where it is 0.

    Source: `keras.losses.circle` of Keras 3; Sun et al. 2020.
    """
    y_pred = hooks.convert(y_pred)
    y_true = cast(hooks.convert(y_true), int32)
    others = y_pred if ref_embeddings is None else hooks.convert(ref_embeddings)
    labels = y_true if ref_labels is None else cast(hooks.convert(ref_labels), int32)
    y_true = squeeze(y_true, -1) if y_true.shape.rank == 2 else y_true
    labels = squeeze(labels, -1) if labels.shape.rank == 2 else labels
    distance = maximum(1.0 - matmul(y_pred, transpose(others)), 0.0)
    same = equal(expand_dims(y_true, 1), expand_dims(labels, 0))
    different = logical_not(same)
    if remove_diagonal and ref_labels is None:
        itself = cast(eye(shape(y_true)[0]), "bool")
        same = logical_and(same, logical_not(itself))
    infinity = zeros_like(distance) - np.inf
    near = -gamma * maximum(margin + distance, 0.0) * (margin - distance)
    far = gamma * maximum(1.0 + margin - distance, 0.0) * (1.0 - margin - distance)
    losses = softplus(
        reduce_logsumexp(where(same, near, infinity), axis=1)
        + reduce_logsumexp(where(different, far, infinity), axis=1)
    )
    losses._keras_mask = losses > 0.0
    return losses


def categorical_generalized_cross_entropy(y_true: Any, y_pred: Any, q: float) -> Tensor:
    """Returns (1 - p^q) / q for the probability p of the class: robust to wrong labels.

    Args:
      y_true: `[batch]`, class numbers.
      y_pred: `[batch, classes]`, probabilities.
      q: From 0, the cross entropy, to 1, the mean absolute error.

    Source: `keras.losses.CategoricalGeneralizedCrossEntropy`; Zhang & Sabuncu 2018.
    """
    y_pred = hooks.convert(y_pred)
    y_true = cast(hooks.convert(y_true), int32)
    classes: Any = y_pred.shape[-1]
    classes = shape(y_pred)[-1] if classes is None else classes
    right = reduce_sum(y_pred * one_hot(y_true, classes, dtype=y_pred.dtype), axis=-1)
    return (1.0 - pow(right, q)) / q


def ctc(y_true: Any, y_pred: Any) -> Tensor:
    """Returns the loss of sequences of labels that are shorter than the predictions.

    Args:
      y_true: `[batch, labels]`, integers; 0 fills up, and is the blank.
      y_pred: `[batch, steps, classes]`, logits.

    Returns:
      `[batch]`.

    Raises:
      ValueError: Another number of dimensions.

    Source: `keras.losses.ctc` of Keras 3; Graves et al. 2006.
    """
    y_true, y_pred = hooks.convert(y_true), hooks.convert(y_pred)
    if y_true.shape.rank != 2 or y_pred.shape.rank != 3:
        raise fail(
            ValueError,
            "ctc: bad shapes",
            got=f"y_true {describe_shapes(y_true)}, y_pred {describe_shapes(y_pred)}",
            expected="y_true [batch, labels], y_pred [batch, steps, classes]",
            site=str(user_site()),
        )
    y_true = cast(y_true, int32)
    lengths = reduce_sum(cast(not_equal(y_true, 0), int32), axis=-1)
    steps = zeros_like(lengths) + shape(y_pred)[1]
    return ctc_loss(y_true, y_pred, lengths, steps, logits_time_major=False)


class Dice(LossFunctionWrapper):
    """One minus the overlap of labels and predictions; see `dice`.

    Source: `keras.losses.Dice` of Keras 3.
    """

    def __init__(
        self,
        reduction: str | None = Reduction.AUTO,
        name: str = "dice",
        axis: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(dice, reduction, name, dtype, axis=axis)


class Tversky(LossFunctionWrapper):
    """One minus the weighted overlap of labels and predictions; see `tversky`.

    Source: `keras.losses.Tversky` of Keras 3.
    """

    def __init__(
        self,
        alpha: float = 0.5,
        beta: float = 0.5,
        reduction: str | None = Reduction.AUTO,
        name: str = "tversky",
        axis: Any = None,
        dtype: Any = None,
    ) -> None:
        options = {"alpha": alpha, "beta": beta, "axis": axis}
        super().__init__(tversky, reduction, name, dtype, **options)


class Circle(LossFunctionWrapper):
    """The circle loss of embeddings; see `circle`.

    Source: `keras.losses.Circle` of Keras 3.
    """

    def __init__(
        self,
        gamma: float = 80.0,
        margin: float = 0.4,
        remove_diagonal: bool = True,
        reduction: str | None = Reduction.AUTO,
        name: str = "circle",
        dtype: Any = None,
    ) -> None:
        options = {
            "gamma": gamma,
            "margin": margin,
            "remove_diagonal": remove_diagonal,
        }
        super().__init__(circle, reduction, name, dtype, **options)


class CategoricalGeneralizedCrossEntropy(LossFunctionWrapper):
    """A cross entropy that is robust to wrong labels.

    Raises:
      ValueError: `q` is not between 0 and 1.

    Source: `keras.losses.CategoricalGeneralizedCrossEntropy` of Keras 3.
    """

    def __init__(
        self,
        q: float = 0.5,
        reduction: str | None = Reduction.AUTO,
        name: str = "categorical_generalized_cross_entropy",
        dtype: Any = None,
    ) -> None:
        if not 0 < q < 1:
            raise ValueError(f"q must be in the interval (0, 1), got {q}.")
        super().__init__(
            categorical_generalized_cross_entropy, reduction, name, dtype, q=q
        )


class CTC(LossFunctionWrapper):
    """The loss of sequences of labels that are shorter than the predictions; see `ctc`.

    Source: `keras.losses.CTC` of Keras 3.
    """

    def __init__(
        self,
        reduction: str | None = Reduction.AUTO,
        name: str = "ctc",
        dtype: Any = None,
    ) -> None:
        super().__init__(ctc, reduction, name, dtype)
