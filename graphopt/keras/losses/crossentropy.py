"""Cross entropies of classes.

Predictions that come right out of a softmax or a sigmoid are not taken the logarithm of:
the loss is computed of what went into it, which is as exact for confident predictions, and
cheaper. An op says so in a graph, the function of `tf.keras.activations` in eager mode.
"""

from __future__ import annotations

from typing import Any

from graphopt.dtypes import int64
from graphopt.graph.asked_sizes import choose_by_size
from graphopt.graph.hooks import hooks
from graphopt.graph.opspec import OpSpec
from graphopt.graph.tensor import GraphTensor, Tensor
from graphopt.keras import backend
from graphopt.keras.losses.pairs import check_classes, convert_pair
from graphopt.keras.messages import warn_user
from graphopt.ops.clipping import clip_by_value
from graphopt.ops.creation import shape, zeros_like
from graphopt.ops.elementwise import SIGMOID, cast, log, not_equal, pow, sigmoid, where
from graphopt.ops.nn import (
    SOFTMAX,
    sigmoid_cross_entropy_with_logits,
    softmax,
    softmax_cross_entropy_with_logits,
    sparse_softmax_cross_entropy_with_logits,
)
from graphopt.ops.reduction import reduce_mean, reduce_sum
from graphopt.ops.shaping import reshape, squeeze, transpose


def _logits_of(
    output: Any, from_logits: bool, spec: OpSpec, what: str
) -> tuple[Any, bool]:
    """Returns what went into a softmax or sigmoid, or the output; and which of the two."""
    logits = getattr(output, "_keras_logits", None)
    if logits is None and isinstance(output, GraphTensor) and output.op.spec is spec:
        logits = output.op.inputs[0]
    if logits is None:
        return output, from_logits
    if from_logits:
        warn_user(
            f"{what} received `from_logits=True`, but y_pred comes out of a {spec.name} "
            "activation and is no logits. Try from_logits=False, or a last layer "
            "without activation."
        )
    return logits, True


def _check_axis(axis: Any) -> None:
    if isinstance(axis, bool):
        raise ValueError(
            f"`axis` must be of type `int`. Received: axis={axis} of type {type(axis)}"
        )


def _prepare(
    y_true: Any, y_pred: Any, label_smoothing: Any, axis: int, what: str
) -> tuple[Any, Any]:
    _check_axis(axis)
    y_pred = hooks.convert(y_pred)
    y_true = cast(hooks.convert(y_true, dtype_hint=y_pred.dtype), y_pred.dtype)
    check_classes(y_true, y_pred, axis, what)
    if y_pred.shape.rank and y_pred.shape[-1] == 1:
        warn_user(
            f"In loss {what}, expected y_pred.shape to be (batch_size, num_classes) "
            f"with num_classes > 1. Received: y_pred.shape={y_pred.shape}. Consider "
            "using 'binary_crossentropy' if you only have 2 classes.",
            SyntaxWarning,
        )
    if isinstance(label_smoothing, (int, float)) and not label_smoothing:
        return y_true, y_pred
    classes: Any = y_true.shape[axis]
    if classes is None:
        classes = cast(shape(y_true)[axis], y_true.dtype)
    return y_true * (1.0 - label_smoothing) + label_smoothing / classes, y_pred


def _probabilities(y_pred: Any, axis: int) -> Any:
    """Rows that sum to 1, with no element too near to 0 or 1 for a logarithm."""
    y_pred = y_pred / reduce_sum(y_pred, axis=axis, keepdims=True)
    small = backend.epsilon()
    return clip_by_value(y_pred, small, 1.0 - small)


def categorical_crossentropy(
    y_true: Any,
    y_pred: Any,
    from_logits: bool = False,
    label_smoothing: float = 0.0,
    axis: int = -1,
) -> Tensor:
    """Returns the cross entropy of each row.

    Args:
      y_true: `[..., classes]`, probabilities.
      y_pred: `[..., classes]`, probabilities, or logits if `from_logits`.
      from_logits: What `y_pred` is.
      label_smoothing: How much of the labels is spread evenly over all classes.
      axis: The dimension of the classes.

    Raises:
      ValueError: The labels are class numbers, or of another number of classes.

    Source: `tf.keras.losses.categorical_crossentropy`.
    """
    what = "categorical_crossentropy"
    y_true, y_pred = _prepare(y_true, y_pred, label_smoothing, axis, what)
    y_pred, from_logits = _logits_of(y_pred, from_logits, SOFTMAX, what)
    if from_logits:
        return softmax_cross_entropy_with_logits(y_true, y_pred, axis=axis)
    return -reduce_sum(y_true * log(_probabilities(y_pred, axis)), axis=axis)


def categorical_focal_crossentropy(
    y_true: Any,
    y_pred: Any,
    alpha: Any = 0.25,
    gamma: float = 2.0,
    from_logits: bool = False,
    label_smoothing: float = 0.0,
    axis: int = -1,
) -> Tensor:
    """Returns the cross entropy of each row, where easy examples count less.

    The sum of alpha * (1 - y_pred)^gamma * y_true * -log(y_pred).

    Args:
      y_true: `[..., classes]`, probabilities.
      y_pred: `[..., classes]`, probabilities, or logits if `from_logits`.
      alpha: The weight of the classes, one number or one for each.
      gamma: How much less easy examples count.
      from_logits: What `y_pred` is.
      label_smoothing: How much of the labels is spread evenly over all classes.
      axis: The dimension of the classes.

    Source: `tf.keras.losses.categorical_focal_crossentropy`; Lin et al. 2017.
    """
    what = "categorical_focal_crossentropy"
    y_true, y_pred = _prepare(y_true, y_pred, label_smoothing, axis, what)
    y_pred, from_logits = _logits_of(y_pred, from_logits, SOFTMAX, what)
    y_pred = _probabilities(softmax(y_pred, axis) if from_logits else y_pred, axis)
    entropy = -y_true * log(y_pred)
    factor = pow(1.0 - y_pred, gamma) * cast(hooks.convert(alpha), y_pred.dtype)
    return reduce_sum(factor * entropy, axis=axis)


def sparse_categorical_crossentropy(
    y_true: Any,
    y_pred: Any,
    from_logits: bool = False,
    axis: int = -1,
    ignore_class: int | None = None,
) -> Tensor:
    """Returns the cross entropy of each row, given the index of the right class.

    Args:
      y_true: `[...]` or `[..., 1]`, integers (or floats that are).
      y_pred: `[..., classes]`, probabilities, or logits if `from_logits`.
      from_logits: What `y_pred` is.
      axis: The dimension of the classes.
      ignore_class: A label whose loss is 0; the result is masked there.

    Raises:
      InvalidArgumentError: A label is no class.

    Source: `tf.keras.losses.sparse_categorical_crossentropy`.
    """
    what = "sparse_categorical_crossentropy"
    _check_axis(axis)
    y_pred = hooks.convert(y_pred)
    y_true = cast(hooks.convert(y_true), int64)
    output, from_logits = _logits_of(y_pred, from_logits, SOFTMAX, what)
    if not from_logits:
        small = backend.epsilon()
        output = log(clip_by_value(output, small, 1.0 - small))
    rank = output.shape.rank
    if rank is None and axis != -1:
        raise ValueError(
            f"Cannot compute sparse categorical crossentropy with `axis={axis}` on an "
            "output tensor with unknown rank."
        )
    if rank is not None and axis % rank != rank - 1:
        axis %= rank
        others = [i for i in range(rank) if i != axis]
        output = transpose(output, [*others, axis])
    if rank is None or y_true.shape.rank is None:
        # The ranks are known when the graph runs; a last 1 is dropped by `reshape`.
        return sparse_softmax_cross_entropy_with_logits(y_true, output)
    return _sparse(y_true, output, ignore_class)


def _sparse(y_true: Any, logits: Any, ignore_class: int | None) -> Any:
    rank = logits.shape.rank
    if y_true.shape.rank == rank:
        choose_by_size(y_true.shape)
        y_true = squeeze(y_true, -1)
    elif y_true.shape.rank != rank - 1:
        sizes = shape(logits)
        y_true = reshape(y_true, sizes[: rank - 1] if rank > 2 else [-1])
    if ignore_class is None:
        return sparse_softmax_cross_entropy_with_logits(y_true, logits)
    valid = not_equal(y_true, ignore_class)
    labels = where(valid, y_true, zeros_like(y_true))
    losses = sparse_softmax_cross_entropy_with_logits(labels, logits)
    losses = where(valid, losses, zeros_like(losses))
    losses._keras_mask = valid
    return losses


def _smooth_binary(y_true: Any, label_smoothing: Any) -> Any:
    if isinstance(label_smoothing, (int, float)) and not label_smoothing:
        return y_true
    return y_true * (1.0 - label_smoothing) + 0.5 * label_smoothing


def binary_entropies(y_true: Any, y_pred: Any, from_logits: bool, what: str) -> Any:
    """Returns the cross entropy of each element."""
    y_pred, from_logits = _logits_of(y_pred, from_logits, SIGMOID, what)
    if from_logits:
        return sigmoid_cross_entropy_with_logits(y_true, y_pred)
    small = backend.epsilon()
    y_pred = clip_by_value(y_pred, small, 1.0 - small)
    yes = y_true * log(y_pred + small)
    return -(yes + (1.0 - y_true) * log(1.0 - y_pred + small))


def binary_crossentropy(
    y_true: Any,
    y_pred: Any,
    from_logits: bool = False,
    label_smoothing: float = 0.0,
    axis: int = -1,
) -> Tensor:
    """Returns the mean cross entropy of yes-or-no predictions over an axis.

    Args:
      y_true: `[..., n]`, 0 or 1.
      y_pred: `[..., n]`, probabilities, or logits if `from_logits`.
      from_logits: What `y_pred` is.
      label_smoothing: How much the labels are moved towards 0.5.
      axis: The dimension that the mean is taken over.

    Source: `tf.keras.losses.binary_crossentropy`.
    """
    what = "binary_crossentropy"
    y_true, y_pred = convert_pair(y_true, y_pred, what)
    y_true = _smooth_binary(y_true, label_smoothing)
    return reduce_mean(binary_entropies(y_true, y_pred, from_logits, what), axis=axis)


def binary_focal_crossentropy(
    y_true: Any,
    y_pred: Any,
    apply_class_balancing: bool = False,
    alpha: float = 0.25,
    gamma: float = 2.0,
    from_logits: bool = False,
    label_smoothing: float = 0.0,
    axis: int = -1,
) -> Tensor:
    """Returns the mean cross entropy over an axis, where easy elements count less.

    (1 - p)^gamma times the cross entropy, p the probability given to the right answer.

    Args:
      y_true: `[..., n]`, 0 or 1.
      y_pred: `[..., n]`, probabilities, or logits if `from_logits`.
      apply_class_balancing: Whether ones weigh `alpha` and zeros `1 - alpha`.
      alpha: The weight of ones.
      gamma: How much less easy elements count.
      from_logits: What `y_pred` is.
      label_smoothing: How much the labels are moved towards 0.5.
      axis: The dimension that the mean is taken over.

    Source: `tf.keras.losses.binary_focal_crossentropy`; Lin et al. 2017.
    """
    what = "binary_focal_crossentropy"
    y_true, y_pred = convert_pair(y_true, y_pred, what)
    y_true = _smooth_binary(y_true, label_smoothing)
    chance = sigmoid(y_pred) if from_logits else y_pred
    right = y_true * chance + (1.0 - y_true) * (1.0 - chance)
    entropy = binary_entropies(y_true, y_pred, from_logits, what)
    losses = pow(1.0 - right, gamma) * entropy
    if apply_class_balancing:
        losses = losses * (y_true * alpha + (1.0 - y_true) * (1.0 - alpha))
    return reduce_mean(losses, axis=axis)
