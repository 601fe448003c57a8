"""Normalization by moments of a batch, or of the channels nearby."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from graphopt import dtypes
from graphopt.errors import describe_shapes
from graphopt.graph.hooks import hooks
from graphopt.graph.tensor import Tensor
from graphopt.ops.creation import constant
from graphopt.ops.elementwise import cast, multiply, pow, square
from graphopt.ops.layouts import is_channels_first, to_channels_first, to_channels_last
from graphopt.ops.matmul import matmul
from graphopt.ops.sequences import size
from graphopt.ops.shaping import identity, reshape, reshape_like, stop_gradient
from graphopt.ops.statistics import batch_normalization, moments


def fused_batch_norm(
    x: Any,
    scale: Any,
    offset: Any,
    mean: Any = None,
    variance: Any = None,
    epsilon: float = 0.001,
    data_format: str = "NHWC",
    is_training: bool = True,
    name: str | None = None,
    exponential_avg_factor: float = 1.0,
) -> tuple[Any, Any, Any]:
    """Normalizes each channel of images by its mean and variance.

    Args:
      x: `[batch, height, width, channels]`.
      scale: `[channels]`, what normalized values are multiplied by.
      offset: `[channels]`, what is added then.
      mean, variance: `[channels]`: the moments, unless training; what averages move from,
        in training with an `exponential_avg_factor` other than 1.
      epsilon: Keeps the root from 0.
      data_format: "NHWC", or "NCHW" for channels after the batch.
      is_training: Whether the moments are those of the batch.
      name: Name of the op.
      exponential_avg_factor: How much of the batch goes into the moments returned.

    Returns:
      The result, and, as constants to derivatives, the mean and the unbiased variance of the batch, averaged with those
      given if asked for; unless training, the moments that were given.

    Raises:
      ValueError: Moments are missing where they are needed.

    Source: `tf.compat.v1.nn.fused_batch_norm`; Ioffe and Szegedy, 2015.
    """
    if is_channels_first(data_format, 4, "tf.nn.fused_batch_norm"):
        moved = to_channels_last(x, 4)
        rest = (
            mean,
            variance,
            epsilon,
            "NHWC",
            is_training,
            None,
            exponential_avg_factor,
        )
        y, *found = fused_batch_norm(moved, scale, offset, *rest)
        return to_channels_first(y, 4, name), found[0], found[1]
    x = hooks.convert(x)
    averaged = exponential_avg_factor != 1.0
    if (mean is None or variance is None) and (averaged or not is_training):
        raise ValueError(
            "Both `mean` and `variance` must be given when `is_training` is False or "
            f"`exponential_avg_factor` is not 1; got {mean} and {variance}."
        )
    if not is_training:
        mean, variance = (stop_gradient(moment) for moment in (mean, variance))
        y = batch_normalization(x, mean, variance, offset, scale, epsilon, name)
        return y, mean, variance
    wide = cast(x, dtypes.float32) if x.dtype is dtypes.float16 else x
    found, spread = moments(wide, list(range(len(x.shape) - 1)))
    y = batch_normalization(wide, found, spread, offset, scale, epsilon)
    y = identity(cast(y, x.dtype), name=name)
    unbiased = spread * bessel_factor(x, spread.dtype)
    if averaged:
        keep = 1.0 - exponential_avg_factor
        found = mean * keep + found * exponential_avg_factor
        unbiased = variance * keep + unbiased * exponential_avg_factor
    return y, stop_gradient(found), stop_gradient(unbiased)


def bessel_factor(x: Any, dtype: Any) -> Any:
    """Returns n / (n - 1), of the n elements that a channel has; 1 for one element."""
    sizes = x.shape[:-1]
    if None not in sizes:
        count = math.prod(sizes)
        return float(count / max(count - 1, 1))
    total = cast(size(x), dtype) / float(x.shape[-1])
    return total / (total - 1.0)


def batch_norm_with_global_normalization(
    input: Any,
    mean: Any,
    variance: Any,
    beta: Any,
    gamma: Any,
    variance_epsilon: Any,
    scale_after_normalization: bool,
    name: str | None = None,
) -> Tensor:
    """Normalizes images; `gamma` counts only if `scale_after_normalization`.

    Source: `tf.nn.batch_norm_with_global_normalization`.
    """
    scale = gamma if scale_after_normalization else None
    return batch_normalization(
        input, mean, variance, beta, scale, variance_epsilon, name
    )


def local_response_normalization(
    input: Any,
    depth_radius: int = 5,
    bias: float = 1.0,
    alpha: float = 1.0,
    beta: float = 0.5,
    name: str | None = None,
) -> Tensor:
    """Divides by a power of the sum of squares of the channels nearby.

    x / (bias + alpha * sum(x[c - radius : c + radius + 1] ** 2)) ** beta

    Args:
      input: `[batch, height, width, channels]`; the channels must be known.
      depth_radius: How many channels count to either side.
      bias, alpha, beta: The numbers above.
      name: Name of the op.

    Source: `tf.nn.local_response_normalization`; Krizhevsky et al., 2012.
    """
    x = hooks.convert(input)
    if x.shape.rank != 4 or x.shape[3] is None:
        raise NotImplementedError(
            f"local_response_normalization of {describe_shapes(x)}; give 4 dimensions, "
            "the last of which is known."
        )
    channels = int(x.shape[3])
    apart = np.abs(np.subtract.outer(np.arange(channels), np.arange(channels)))
    # A product with a band of ones adds up the channels nearby, also in derivatives.
    band = constant((apart <= depth_radius).astype(x.dtype.numpy) * alpha)
    sums = reshape_like(matmul(reshape(square(x), [-1, channels]), band), x)
    return multiply(x, pow(sums + bias, -beta), name=name)
