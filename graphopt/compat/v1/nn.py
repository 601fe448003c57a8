"""`tf.compat.v1.nn`: `tf.nn` with the arguments that TensorFlow 1 had.

Where a function of the two versions takes other things in the same place (`dropout`
keeps or drops its second argument), a script would compute something else silently.
"""

from __future__ import annotations

import importlib
from typing import Any

from graphopt import nn
from graphopt.ops.shaping import stop_gradient

# What is loaded when it is used: name -> module.
_LATER = {
    "bidirectional_dynamic_rnn": "graphopt.compat.v1.rnn",
    "dynamic_rnn": "graphopt.compat.v1.rnn",
    "raw_rnn": "graphopt.compat.v1.rnn",
    "static_bidirectional_rnn": "graphopt.compat.v1.rnn",
    "static_rnn": "graphopt.compat.v1.rnn",
}


def __getattr__(name: str) -> Any:
    if name == "rnn_cell":
        return importlib.import_module("graphopt.compat.v1.rnn_cell")
    if name in _LATER:
        return getattr(importlib.import_module(_LATER[name]), name)
    # What is the same in both versions.
    return getattr(nn, name)


def __dir__() -> list[str]:
    return sorted({*dir(nn), *globals(), *_LATER, "rnn_cell"})


def _one_of(what: str, first: Any, second: Any) -> Any:
    """Returns the argument that was given, of two names for it."""
    if (first is None) == (second is None):
        raise ValueError(f"Exactly one of {what} must be given.")
    return second if first is None else first


def dropout(
    x: Any,
    keep_prob: Any = None,
    noise_shape: Any = None,
    seed: int | None = None,
    name: str | None = None,
    rate: Any = None,
) -> Any:
    """Sets elements to 0 at random, keeping each with probability `keep_prob`.

    Raises:
      ValueError: Not exactly one of `keep_prob` and `rate` is given.

    Source: `tf.compat.v1.nn.dropout`.
    """
    given = _one_of("keep_prob and rate", keep_prob, rate)
    rate = 1 - given if rate is None else given
    return nn.dropout(x, rate, noise_shape, seed, name)


def conv2d(
    input: Any,
    filter: Any = None,
    strides: Any = None,
    padding: Any = None,
    use_cudnn_on_gpu: bool = True,
    data_format: str = "NHWC",
    dilations: Any = None,
    name: str | None = None,
    filters: Any = None,
) -> Any:
    """Slides filters over images and sums the products in each window.

    Source: `tf.compat.v1.nn.conv2d`.
    """
    filters = _one_of("filter and filters", filter, filters)
    return nn.conv2d(input, filters, strides, padding, data_format, dilations, name)


def max_pool(
    value: Any = None,
    ksize: Any = None,
    strides: Any = None,
    padding: Any = None,
    data_format: str = "NHWC",
    name: str | None = None,
    input: Any = None,
) -> Any:
    """Returns the largest element of each window of images.

    Source: `tf.compat.v1.nn.max_pool`.
    """
    image = _one_of("value and input", value, input)
    return nn.max_pool2d(image, ksize, strides, padding, data_format, name)


def avg_pool(
    value: Any = None,
    ksize: Any = None,
    strides: Any = None,
    padding: Any = None,
    data_format: str = "NHWC",
    name: str | None = None,
    input: Any = None,
) -> Any:
    """Returns the mean of each window of images, padding not counted.

    Source: `tf.compat.v1.nn.avg_pool`.
    """
    image = _one_of("value and input", value, input)
    return nn.avg_pool2d(image, ksize, strides, padding, data_format, name)


def moments(
    x: Any,
    axes: Any,
    shift: Any = None,
    name: str | None = None,
    keep_dims: bool | None = None,
    keepdims: bool | None = None,
) -> tuple[Any, Any]:
    """Returns mean and variance along axes.

    Source: `tf.compat.v1.nn.moments`.
    """
    return nn.moments(x, axes, shift, bool(keep_dims or keepdims), name)


def l2_normalize(
    x: Any,
    axis: Any = None,
    epsilon: Any = 1e-12,
    name: str | None = None,
    dim: Any = None,
) -> Any:
    """Returns x / sqrt(max(sum(x ** 2), epsilon)), the sum taken along an axis.

    Source: `tf.compat.v1.nn.l2_normalize`.
    """
    return nn.l2_normalize(x, dim if axis is None else axis, epsilon, name)


def softmax(
    logits: Any, axis: int | None = None, name: str | None = None, dim: Any = None
) -> Any:
    """Returns exp(x) divided by its sum along the last axis.

    Source: `tf.compat.v1.nn.softmax`.
    """
    return nn.softmax(logits, _axis(axis, dim), name)


def log_softmax(
    logits: Any, axis: int | None = None, name: str | None = None, dim: Any = None
) -> Any:
    """Returns the logarithm of softmax along the last axis.

    Source: `tf.compat.v1.nn.log_softmax`.
    """
    return nn.log_softmax(logits, _axis(axis, dim), name)


def _axis(axis: int | None, dim: int | None) -> int:
    given = dim if axis is None else axis
    return -1 if given is None else given


def _only_keywords(sentinel: Any, what: str) -> None:
    if sentinel is not None:
        raise ValueError(
            f"Only call `{what}` with named arguments (labels=..., logits=..., ...)."
        )


def softmax_cross_entropy_with_logits(
    _sentinel: Any = None,
    labels: Any = None,
    logits: Any = None,
    dim: int = -1,
    name: str | None = None,
    axis: int | None = None,
) -> Any:
    """Returns the cross entropy of each row; no gradient flows into the labels.

    Raises:
      ValueError: Arguments are not named.

    Source: `tf.compat.v1.nn.softmax_cross_entropy_with_logits`.
    """
    _only_keywords(_sentinel, "softmax_cross_entropy_with_logits")
    labels = stop_gradient(labels)
    return nn.softmax_cross_entropy_with_logits(labels, logits, _axis(axis, dim), name)


def softmax_cross_entropy_with_logits_v2(
    labels: Any,
    logits: Any,
    axis: int | None = None,
    name: str | None = None,
    dim: int | None = None,
) -> Any:
    """Returns the cross entropy of each row; gradients flow into the labels too.

    Source: `tf.compat.v1.nn.softmax_cross_entropy_with_logits_v2`.
    """
    return nn.softmax_cross_entropy_with_logits(labels, logits, _axis(axis, dim), name)


def sparse_softmax_cross_entropy_with_logits(
    _sentinel: Any = None,
    labels: Any = None,
    logits: Any = None,
    name: str | None = None,
) -> Any:
    """Returns the cross entropy of each row, given the index of the right class.

    Raises:
      ValueError: Arguments are not named.

    Source: `tf.compat.v1.nn.sparse_softmax_cross_entropy_with_logits`.
    """
    _only_keywords(_sentinel, "sparse_softmax_cross_entropy_with_logits")
    return nn.sparse_softmax_cross_entropy_with_logits(labels, logits, name)


def sigmoid_cross_entropy_with_logits(
    _sentinel: Any = None,
    labels: Any = None,
    logits: Any = None,
    name: str | None = None,
) -> Any:
    """Returns max(x, 0) - x * labels + log(1 + exp(-|x|)) for logits x, elementwise.

    Raises:
      ValueError: Arguments are not named.

    Source: `tf.compat.v1.nn.sigmoid_cross_entropy_with_logits`.
    """
    _only_keywords(_sentinel, "sigmoid_cross_entropy_with_logits")
    return nn.sigmoid_cross_entropy_with_logits(labels, logits, name)


def weighted_cross_entropy_with_logits(
    labels: Any = None,
    logits: Any = None,
    pos_weight: Any = None,
    name: str | None = None,
    targets: Any = None,
) -> Any:
    """Returns the sigmoid cross entropy in which positive labels count `pos_weight`.

    Source: `tf.compat.v1.nn.weighted_cross_entropy_with_logits`.
    """
    labels = _one_of("labels and targets", labels, targets)
    return nn.weighted_cross_entropy_with_logits(labels, logits, pos_weight, name)


def in_top_k(predictions: Any, targets: Any, k: Any, name: str | None = None) -> Any:
    """Returns whether the prediction for each target is among the k largest.

    The order of the arguments is that of TensorFlow 1: predictions come first.

    Source: `tf.compat.v1.nn.in_top_k`.
    """
    return nn.in_top_k(targets, predictions, k, name)
