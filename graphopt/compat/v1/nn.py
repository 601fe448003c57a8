"""`tf.compat.v1.nn`: `tf.nn` with the arguments that TensorFlow 1 had.

Where a function of the two versions takes other things in the same place (`dropout`
keeps or drops its second argument), a script would compute something else silently.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from graphopt import nn
from graphopt.compat.v1.windows import avg_pool as avg_pool
from graphopt.compat.v1.windows import conv1d as conv1d
from graphopt.compat.v1.windows import conv2d as conv2d
from graphopt.compat.v1.windows import conv2d_backprop_filter as conv2d_backprop_filter
from graphopt.compat.v1.windows import conv2d_backprop_input as conv2d_backprop_input
from graphopt.compat.v1.windows import conv2d_transpose as conv2d_transpose
from graphopt.compat.v1.windows import conv3d as conv3d
from graphopt.compat.v1.windows import conv3d_transpose as conv3d_transpose
from graphopt.compat.v1.windows import convolution as convolution
from graphopt.compat.v1.windows import depth_to_space as depth_to_space
from graphopt.compat.v1.windows import depthwise_conv2d as depthwise_conv2d
from graphopt.compat.v1.windows import (
    depthwise_conv2d_native as depthwise_conv2d_native,
)
from graphopt.compat.v1.windows import (
    depthwise_conv2d_native_backprop_filter as depthwise_conv2d_native_backprop_filter,
)
from graphopt.compat.v1.windows import (
    depthwise_conv2d_native_backprop_input as depthwise_conv2d_native_backprop_input,
)
from graphopt.compat.v1.windows import dilation2d as dilation2d
from graphopt.compat.v1.windows import erosion2d as erosion2d
from graphopt.compat.v1.windows import max_pool as max_pool
from graphopt.compat.v1.windows import max_pool_with_argmax as max_pool_with_argmax
from graphopt.compat.v1.windows import one_of
from graphopt.compat.v1.windows import pool as pool
from graphopt.compat.v1.windows import separable_conv2d as separable_conv2d
from graphopt.compat.v1.windows import space_to_batch as space_to_batch
from graphopt.compat.v1.windows import space_to_depth as space_to_depth
from graphopt.graph.tensor import Tensor
from graphopt.ops.candidates import (
    log_uniform_candidate_sampler as log_uniform_candidate_sampler,
)
from graphopt.ops.candidates import (
    uniform_candidate_sampler as uniform_candidate_sampler,
)
from graphopt.ops.clipping import clip_by_norm
from graphopt.ops.matmul import matmul
from graphopt.ops.shaping import stop_gradient

if TYPE_CHECKING:
    from graphopt.compat.v1 import rnn_cell as rnn_cell
    from graphopt.compat.v1.functions import ctc_loss_v2 as ctc_loss_v2
    from graphopt.compat.v1.rnn.loops import (
        bidirectional_dynamic_rnn as bidirectional_dynamic_rnn,
    )
    from graphopt.compat.v1.rnn.loops import dynamic_rnn as dynamic_rnn
    from graphopt.compat.v1.rnn.loops import raw_rnn as raw_rnn
    from graphopt.compat.v1.rnn.unrolled import (
        static_bidirectional_rnn as static_bidirectional_rnn,
    )
    from graphopt.compat.v1.rnn.unrolled import static_rnn as static_rnn
    from graphopt.nn import all_candidate_sampler as all_candidate_sampler
    from graphopt.nn import atrous_conv2d as atrous_conv2d
    from graphopt.nn import atrous_conv2d_transpose as atrous_conv2d_transpose
    from graphopt.nn import avg_pool1d as avg_pool1d
    from graphopt.nn import avg_pool2d as avg_pool2d
    from graphopt.nn import avg_pool3d as avg_pool3d
    from graphopt.nn import batch_normalization as batch_normalization
    from graphopt.nn import batch_to_space as batch_to_space
    from graphopt.nn import bias_add as bias_add
    from graphopt.nn import compute_accidental_hits as compute_accidental_hits
    from graphopt.nn import compute_average_loss as compute_average_loss
    from graphopt.nn import conv1d_transpose as conv1d_transpose
    from graphopt.nn import conv_transpose as conv_transpose
    from graphopt.nn import crelu as crelu
    from graphopt.nn import elu as elu
    from graphopt.nn import (
        fixed_unigram_candidate_sampler as fixed_unigram_candidate_sampler,
    )
    from graphopt.nn import gelu as gelu
    from graphopt.nn import l2_loss as l2_loss
    from graphopt.nn import leaky_relu as leaky_relu
    from graphopt.nn import (
        learned_unigram_candidate_sampler as learned_unigram_candidate_sampler,
    )
    from graphopt.nn import local_response_normalization as local_response_normalization
    from graphopt.nn import log_poisson_loss as log_poisson_loss
    from graphopt.nn import lrn as lrn
    from graphopt.nn import max_pool1d as max_pool1d
    from graphopt.nn import max_pool2d as max_pool2d
    from graphopt.nn import max_pool3d as max_pool3d
    from graphopt.nn import normalize_moments as normalize_moments
    from graphopt.nn import relu as relu
    from graphopt.nn import relu6 as relu6
    from graphopt.nn import scale_regularization_loss as scale_regularization_loss
    from graphopt.nn import selu as selu
    from graphopt.nn import sigmoid as sigmoid
    from graphopt.nn import silu as silu
    from graphopt.nn import softplus as softplus
    from graphopt.nn import softsign as softsign
    from graphopt.nn import swish as swish
    from graphopt.nn import tanh as tanh
    from graphopt.nn import top_k as top_k
    from graphopt.nn import zero_fraction as zero_fraction
    from graphopt.ops.ctc import ctc_loss_v1 as _ctc_loss_v1
    from graphopt.ops.normalizing import fused_batch_norm as fused_batch_norm
    from graphopt.ops.sampled_losses import nce_loss as nce_loss
    from graphopt.ops.sampled_losses import sampled_softmax_loss as sampled_softmax_loss

    ctc_loss = _ctc_loss_v1


# What is loaded when it is used: name -> module.
_LATER = {
    "bidirectional_dynamic_rnn": "graphopt.compat.v1.rnn",
    "ctc_loss": "graphopt.compat.v1.functions",
    "ctc_loss_v2": "graphopt.compat.v1.functions",
    "dynamic_rnn": "graphopt.compat.v1.rnn",
    "fused_batch_norm": "graphopt.ops.normalizing",
    "nce_loss": "graphopt.ops.sampled_losses",
    "raw_rnn": "graphopt.compat.v1.rnn",
    "sampled_softmax_loss": "graphopt.ops.sampled_losses",
    "static_bidirectional_rnn": "graphopt.compat.v1.rnn",
    "static_rnn": "graphopt.compat.v1.rnn",
}


if not TYPE_CHECKING:  # checkers know the names, and find those that are misspelt

    def __getattr__(name: str) -> Any:
        if name == "rnn_cell":
            return importlib.import_module("graphopt.compat.v1.rnn_cell")
        if name in _LATER:
            return getattr(importlib.import_module(_LATER[name]), name)
        # What is the same in both versions.
        return getattr(nn, name)


def __dir__() -> list[str]:
    return sorted({*dir(nn), *globals(), *_LATER, "rnn_cell"})


def dropout(
    x: Any,
    keep_prob: Any = None,
    noise_shape: Any = None,
    seed: int | None = None,
    name: str | None = None,
    rate: Any = None,
) -> Tensor:
    """Sets elements to 0 at random, keeping each with probability `keep_prob`.

    Raises:
      ValueError: Not exactly one of `keep_prob` and `rate` is given.

    Source: `tf.compat.v1.nn.dropout`.
    """
    given = one_of("keep_prob and rate", keep_prob, rate)
    rate = 1 - given if rate is None else given
    return nn.dropout(x, rate, noise_shape, seed, name)


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
) -> Tensor:
    """Returns x / sqrt(max(sum(x ** 2), epsilon)), the sum taken along an axis.

    Source: `tf.compat.v1.nn.l2_normalize`.
    """
    return nn.l2_normalize(x, dim if axis is None else axis, epsilon, name)


def softmax(
    logits: Any, axis: int | None = None, name: str | None = None, dim: Any = None
) -> Tensor:
    """Returns exp(x) divided by its sum along the last axis.

    Source: `tf.compat.v1.nn.softmax`.
    """
    return nn.softmax(logits, _axis(axis, dim), name)


def log_softmax(
    logits: Any, axis: int | None = None, name: str | None = None, dim: Any = None
) -> Tensor:
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
) -> Tensor:
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
) -> Tensor:
    """Returns the cross entropy of each row; gradients flow into the labels too.

    Source: `tf.compat.v1.nn.softmax_cross_entropy_with_logits_v2`.
    """
    return nn.softmax_cross_entropy_with_logits(labels, logits, _axis(axis, dim), name)


def sparse_softmax_cross_entropy_with_logits(
    _sentinel: Any = None,
    labels: Any = None,
    logits: Any = None,
    name: str | None = None,
) -> Tensor:
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
) -> Tensor:
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
) -> Tensor:
    """Returns the sigmoid cross entropy in which positive labels count `pos_weight`.

    Source: `tf.compat.v1.nn.weighted_cross_entropy_with_logits`.
    """
    labels = one_of("labels and targets", labels, targets)
    return nn.weighted_cross_entropy_with_logits(labels, logits, pos_weight, name)


def in_top_k(predictions: Any, targets: Any, k: Any, name: str | None = None) -> Tensor:
    """Returns whether the prediction for each target is among the k largest.

    The order of the arguments is that of TensorFlow 1: predictions come first.

    Source: `tf.compat.v1.nn.in_top_k`.
    """
    return nn.in_top_k(targets, predictions, k, name)


def batch_norm_with_global_normalization(
    t: Any = None,
    m: Any = None,
    v: Any = None,
    beta: Any = None,
    gamma: Any = None,
    variance_epsilon: Any = None,
    scale_after_normalization: bool | None = None,
    name: str | None = None,
    input: Any = None,
    mean: Any = None,
    variance: Any = None,
) -> Tensor:
    """Normalizes images; `gamma` counts only if `scale_after_normalization`.

    Source: `tf.compat.v1.nn.batch_norm_with_global_normalization`.
    """
    return nn.batch_norm_with_global_normalization(
        one_of("t and input", t, input),
        one_of("m and mean", m, mean),
        one_of("v and variance", v, variance),
        beta,
        gamma,
        variance_epsilon,
        bool(scale_after_normalization),
        name,
    )


def weighted_moments(
    x: Any,
    axes: Any,
    frequency_weights: Any,
    name: str | None = None,
    keep_dims: bool | None = None,
    keepdims: bool | None = None,
) -> tuple[Any, Any]:
    """Returns mean and variance along axes of elements that count by their weight.

    Source: `tf.compat.v1.nn.weighted_moments`.
    """
    return nn.weighted_moments(
        x, axes, frequency_weights, bool(keep_dims or keepdims), name
    )


def sufficient_statistics(
    x: Any,
    axes: Any,
    shift: Any = None,
    keep_dims: bool | None = None,
    name: str | None = None,
    keepdims: bool | None = None,
) -> tuple[Any, Any, Any, Any]:
    """Returns what mean and variance along axes are computed from.

    Source: `tf.compat.v1.nn.sufficient_statistics`.
    """
    return nn.sufficient_statistics(x, axes, shift, bool(keep_dims or keepdims), name)


def xw_plus_b(x: Any, weights: Any, biases: Any, name: str | None = None) -> Tensor:
    """Returns matmul(x, weights) + biases.

    Args:
      x: `[batch, in]`.
      weights: `[in, out]`.
      biases: `[out]`.
      name: Name of the op.

    Source: `tf.compat.v1.nn.xw_plus_b`.
    """
    return nn.bias_add(matmul(x, weights), biases, name=name or "xw_plus_b")


def relu_layer(x: Any, weights: Any, biases: Any, name: str | None = None) -> Tensor:
    """Returns relu(matmul(x, weights) + biases).

    Source: `tf.compat.v1.nn.relu_layer`.
    """
    return nn.relu(xw_plus_b(x, weights, biases), name=name or "relu_layer")


def embedding_lookup_sparse(
    params: Any,
    sp_ids: Any,
    sp_weights: Any,
    partition_strategy: str = "mod",
    name: str | None = None,
    combiner: str | None = None,
    max_norm: Any = None,
) -> Tensor:
    """As `tf.nn.embedding_lookup_sparse`, with parts of a table by either strategy.

    Source: `tf.compat.v1.nn.embedding_lookup_sparse`.
    """
    from graphopt.sparse.lookup import look_up_sparse

    return look_up_sparse(
        params, sp_ids, sp_weights, partition_strategy, combiner, max_norm, name
    )


def safe_embedding_lookup_sparse(*arguments: Any, **named: Any) -> Tensor:
    """As `embedding_lookup_sparse`, without ids that are no rows.

    Source: `tf.compat.v1.nn.safe_embedding_lookup_sparse`.
    """
    from graphopt.sparse.lookup import safe_embedding_lookup_sparse as look_up

    return look_up(*arguments, **named)


def embedding_lookup(
    params: Any,
    ids: Any,
    partition_strategy: str = "mod",
    name: str | None = None,
    validate_indices: bool = True,
    max_norm: Any = None,
) -> Tensor:
    """Returns the rows of a table, or of a list of its parts, that ids name.

    Source: `tf.compat.v1.nn.embedding_lookup`.
    """
    from graphopt.ops.sampled_losses import look_up

    rows = look_up(params, ids, partition_strategy, name or "embedding_lookup")
    if max_norm is None:
        return rows
    part = params[0] if isinstance(params, (list, tuple)) else params
    rank = len(rows.shape) - len(part.shape) + 1
    return clip_by_norm(rows, max_norm, axes=list(range(rank, len(rows.shape))))
