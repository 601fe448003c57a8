"""Accuracies: how often predictions are right."""

from __future__ import annotations

from typing import Any

from graphopt.dtypes import DType, as_dtype, int32
from graphopt.errors import DecidedByRun, describe_shapes, fail
from graphopt.graph.asked_sizes import choose_by_size
from graphopt.graph.hooks import hooks
from graphopt.graph.provenance import user_site
from graphopt.graph.tensor import Tensor
from graphopt.keras import backend
from graphopt.keras.losses.pairs import check_classes
from graphopt.keras.metrics.reducing import MeanMetricWrapper
from graphopt.ops.creation import shape
from graphopt.ops.deferred import deferrable
from graphopt.ops.elementwise import cast, equal
from graphopt.ops.reduction import reduce_mean
from graphopt.ops.selecting import argmax, in_top_k
from graphopt.ops.shaping import reshape, squeeze


def _float(matches: Any) -> Any:
    return cast(matches, backend.floatx())


def accuracy(y_true: Any, y_pred: Any) -> Tensor:
    """Returns 1 where labels and predictions are equal, else 0.

    Args:
      y_true: `[batch, ...]`.
      y_pred: Of the same shape.

    Raises:
      ValueError: The shapes differ.

    Source: `tf.keras.metrics.Accuracy`.
    """
    y_pred, y_true = hooks.convert(y_pred), hooks.convert(y_true)
    if not y_true.shape.is_compatible_with(y_pred.shape):
        raise fail(
            ValueError,
            f"accuracy: Shapes {y_true.shape} and {y_pred.shape} are incompatible",
            got=f"y_true {describe_shapes(y_true)}, y_pred {describe_shapes(y_pred)}",
            expected="one shape; predictions that are class numbers",
            site=str(user_site()),
            remedy="sparse_categorical_accuracy or categorical_accuracy for predictions "
            "that are probabilities",
        )
    return _float(equal(y_true, cast(y_pred, y_true.dtype)))


def binary_matches(y_true: Any, y_pred: Any, threshold: Any = 0.5) -> Any:
    """Returns 1 where a prediction is on the side of the threshold where its label is."""
    y_pred = hooks.convert(y_pred)
    y_true = hooks.convert(y_true, dtype_hint=y_pred.dtype)
    y_pred = cast(y_pred > cast(threshold, y_pred.dtype), y_pred.dtype)
    return _float(equal(cast(y_true, y_pred.dtype), y_pred))


def binary_accuracy(y_true: Any, y_pred: Any, threshold: float = 0.5) -> Tensor:
    """Returns how many of the yes-or-no predictions of each row are right.

    Args:
      y_true: `[batch, ..., n]`, 0 or 1.
      y_pred: `[batch, ..., n]`.
      threshold: A prediction above it is a yes.

    Returns:
      `[batch, ...]`, from 0 to 1.

    >>> binary_accuracy([[1.0, 0.0]], [[0.7, 0.8]]).numpy().tolist()
    [0.5]

    Source: `tf.keras.metrics.binary_accuracy`.
    """
    return reduce_mean(binary_matches(y_true, y_pred, threshold), axis=-1)


def _float_result(**_: Any) -> list[DType]:
    return [as_dtype(backend.floatx())]


def _require_ranks(*tensors: Any) -> None:
    """Lets a call wait for the run, which knows the ranks."""
    if any(tensor.shape.rank is None for tensor in tensors):
        raise DecidedByRun("An accuracy of labels and predictions of unknown rank.")


@deferrable(_float_result, name="class_matches")
def _class_matches(y_true: Any, y_pred: Any) -> Any:
    """1 where the largest prediction is that of the class; of the shape of the labels."""
    y_pred, y_true = hooks.convert(y_pred), hooks.convert(y_true)
    original: Any = None
    _require_ranks(y_true, y_pred)
    if y_true.shape.rank == y_pred.shape.rank:
        original = shape(y_true)
        _check_column(y_true, y_pred)
        y_true = squeeze(y_true, -1)
    classes = cast(argmax(y_pred, axis=-1), y_true.dtype)
    matches = _float(equal(y_true, classes))
    return matches if original is None else reshape(matches, original)


def _check_column(y_true: Any, y_pred: Any) -> None:
    choose_by_size(y_true.shape)
    if y_true.shape[-1] in (None, 1):
        return
    raise fail(
        ValueError,
        "sparse_categorical_accuracy: labels are no class numbers",
        got=f"y_true {describe_shapes(y_true)}, y_pred {describe_shapes(y_pred)}",
        expected="one number for each row of the predictions",
        site=str(user_site()),
        remedy="categorical_accuracy for labels that are rows of 0 and 1",
    )


def categorical_accuracy(y_true: Any, y_pred: Any) -> Tensor:
    """Returns 1 for each row whose largest prediction is at the largest label, else 0.

    Args:
      y_true: `[..., classes]`.
      y_pred: `[..., classes]`, probabilities or logits.

    Returns:
      `[...]`.

    Raises:
      ValueError: The labels are class numbers, or of another number of classes.

    Source: `tf.keras.metrics.categorical_accuracy`.
    """
    y_pred = hooks.convert(y_pred)
    y_true = hooks.convert(y_true)
    check_classes(y_true, y_pred, -1, "categorical_accuracy")
    return _class_matches(argmax(y_true, axis=-1), y_pred)


def sparse_categorical_accuracy(y_true: Any, y_pred: Any) -> Tensor:
    """Returns 1 for each row whose largest prediction is that of its class, else 0.

    Args:
      y_true: `[...]` or `[..., 1]`, class numbers.
      y_pred: `[..., classes]`, probabilities or logits.

    Returns:
      `[...]`.

    >>> sparse_categorical_accuracy([[1], [0]], [[0.1, 0.9], [0.2, 0.8]]).numpy().tolist()
    [1.0, 0.0]

    Source: `tf.keras.metrics.sparse_categorical_accuracy`.
    """
    matches = _class_matches(y_true, y_pred)
    if matches.shape.rank is not None and matches.shape.rank > 1:
        choose_by_size(matches.shape)
        if matches.shape[-1] == 1:
            return squeeze(matches, -1)
    return matches


@deferrable(_float_result, name="top_matches")
def _top_matches(y_true: Any, y_pred: Any, k: int) -> Any:
    y_pred, y_true = hooks.convert(y_pred), hooks.convert(y_true)
    original: Any = None
    _require_ranks(y_true, y_pred)
    if y_pred.shape.rank > 2:
        y_pred = reshape(y_pred, [-1, y_pred.shape[-1]])
    if y_true.shape.rank > 1:
        original = shape(y_true)
        y_true = reshape(y_true, [-1])
    matches = _float(in_top_k(cast(y_true, int32), y_pred, k))
    return matches if original is None else reshape(matches, original)


def top_k_categorical_accuracy(y_true: Any, y_pred: Any, k: int = 5) -> Tensor:
    """Returns 1 for each row where the class is one of the k best predictions, else 0.

    Args:
      y_true: `[..., classes]`.
      y_pred: `[..., classes]`.
      k: How many count.

    Returns:
      `[...]`.

    Source: `tf.keras.metrics.top_k_categorical_accuracy`.
    """
    return _top_matches(argmax(hooks.convert(y_true), axis=-1), y_pred, k)


def sparse_top_k_categorical_accuracy(y_true: Any, y_pred: Any, k: int = 5) -> Tensor:
    """Returns 1 for each row where the class is one of the k best predictions, else 0.

    Args:
      y_true: `[...]`, class numbers.
      y_pred: `[..., classes]`.
      k: How many count.

    Returns:
      Of the shape of `y_true`.

    Source: `tf.keras.metrics.sparse_top_k_categorical_accuracy`.
    """
    return _top_matches(y_true, y_pred, k)


class Accuracy(MeanMetricWrapper):
    """How often predictions are equal to labels.

    >>> float(Accuracy()([1, 2, 3, 4], [0, 2, 3, 4]))
    0.75

    Source: `tf.keras.metrics.Accuracy`.
    """

    def __init__(self, name: str = "accuracy", dtype: Any = None) -> None:
        super().__init__(accuracy, name, dtype)


class BinaryAccuracy(MeanMetricWrapper):
    """How often yes-or-no predictions are right.

    Source: `tf.keras.metrics.BinaryAccuracy`.
    """

    def __init__(
        self, name: str = "binary_accuracy", dtype: Any = None, threshold: float = 0.5
    ) -> None:
        super().__init__(binary_matches, name, dtype, threshold=threshold)


class CategoricalAccuracy(MeanMetricWrapper):
    """How often the largest prediction is that of the class; labels are rows of 0 and 1.

    Source: `tf.keras.metrics.CategoricalAccuracy`.
    """

    def __init__(self, name: str = "categorical_accuracy", dtype: Any = None) -> None:
        super().__init__(categorical_accuracy, name, dtype)


class SparseCategoricalAccuracy(MeanMetricWrapper):
    """How often the largest prediction is that of the class; labels are class numbers.

    Source: `tf.keras.metrics.SparseCategoricalAccuracy`.
    """

    def __init__(
        self, name: str = "sparse_categorical_accuracy", dtype: Any = None
    ) -> None:
        super().__init__(_class_matches, name, dtype)


class TopKCategoricalAccuracy(MeanMetricWrapper):
    """How often the class is one of the k best; labels are rows of 0 and 1.

    Source: `tf.keras.metrics.TopKCategoricalAccuracy`.
    """

    def __init__(
        self, k: int = 5, name: str = "top_k_categorical_accuracy", dtype: Any = None
    ) -> None:
        super().__init__(top_k_categorical_accuracy, name, dtype, k=k)


class SparseTopKCategoricalAccuracy(MeanMetricWrapper):
    """How often the class is one of the k best; labels are class numbers.

    Source: `tf.keras.metrics.SparseTopKCategoricalAccuracy`.
    """

    def __init__(
        self,
        k: int = 5,
        name: str = "sparse_top_k_categorical_accuracy",
        dtype: Any = None,
    ) -> None:
        super().__init__(sparse_top_k_categorical_accuracy, name, dtype, k=k)
