"""Reductions and places of extremes with the argument names of TensorFlow 1.

`tf.reduce_sum(x, reduction_indices=1, keep_dims=True)`, `tf.argmax(x, dimension=1)`: both
names of an argument are taken, and what each computes is what that of version 2 does.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from graphopt.compat.v1.arguments import one_of
from graphopt.dtypes import int64
from graphopt.graph.tensor import Tensor
from graphopt.ops import selecting
from graphopt.ops.reduction import reduce_all as _all
from graphopt.ops.reduction import reduce_any as _any
from graphopt.ops.reduction import reduce_max as _max
from graphopt.ops.reduction import reduce_mean as _mean
from graphopt.ops.reduction import reduce_min as _min
from graphopt.ops.reduction import reduce_prod as _prod
from graphopt.ops.reduction import reduce_sum as _sum
from graphopt.ops.statistics import reduce_logsumexp as _logsumexp


def _reduce(
    function: Callable[..., Tensor],
    input_tensor: Any,
    axis: Any,
    keepdims: bool | None,
    name: str | None,
    reduction_indices: Any,
    keep_dims: bool | None,
) -> Tensor:
    axis = one_of("axis", axis, "reduction_indices", reduction_indices)
    keep = one_of("keepdims", keepdims, "keep_dims", keep_dims, False)
    return function(input_tensor, axis, keep, name=name)


def reduce_all(
    input_tensor: Any,
    axis: Any = None,
    keepdims: bool | None = None,
    name: str | None = None,
    reduction_indices: Any = None,
    keep_dims: bool | None = None,
) -> Tensor:
    """As `tf.reduce_all`; `reduction_indices` is `axis`, `keep_dims` `keepdims`.

    Source: `tf.compat.v1.reduce_all`.
    """
    return _reduce(
        _all, input_tensor, axis, keepdims, name, reduction_indices, keep_dims
    )


def reduce_any(
    input_tensor: Any,
    axis: Any = None,
    keepdims: bool | None = None,
    name: str | None = None,
    reduction_indices: Any = None,
    keep_dims: bool | None = None,
) -> Tensor:
    """As `tf.reduce_any`; `reduction_indices` is `axis`, `keep_dims` `keepdims`.

    Source: `tf.compat.v1.reduce_any`.
    """
    return _reduce(
        _any, input_tensor, axis, keepdims, name, reduction_indices, keep_dims
    )


def reduce_logsumexp(
    input_tensor: Any,
    axis: Any = None,
    keepdims: bool | None = None,
    name: str | None = None,
    reduction_indices: Any = None,
    keep_dims: bool | None = None,
) -> Tensor:
    """As `tf.reduce_logsumexp`; `reduction_indices` is `axis`, `keep_dims` `keepdims`.

    Source: `tf.compat.v1.reduce_logsumexp`.
    """
    return _reduce(
        _logsumexp, input_tensor, axis, keepdims, name, reduction_indices, keep_dims
    )


def reduce_max(
    input_tensor: Any,
    axis: Any = None,
    keepdims: bool | None = None,
    name: str | None = None,
    reduction_indices: Any = None,
    keep_dims: bool | None = None,
) -> Tensor:
    """As `tf.reduce_max`; `reduction_indices` is `axis`, `keep_dims` `keepdims`.

    Source: `tf.compat.v1.reduce_max`.
    """
    return _reduce(
        _max, input_tensor, axis, keepdims, name, reduction_indices, keep_dims
    )


def reduce_mean(
    input_tensor: Any,
    axis: Any = None,
    keepdims: bool | None = None,
    name: str | None = None,
    reduction_indices: Any = None,
    keep_dims: bool | None = None,
) -> Tensor:
    """As `tf.reduce_mean`; `reduction_indices` is `axis`, `keep_dims` `keepdims`.

    Source: `tf.compat.v1.reduce_mean`.
    """
    return _reduce(
        _mean, input_tensor, axis, keepdims, name, reduction_indices, keep_dims
    )


def reduce_min(
    input_tensor: Any,
    axis: Any = None,
    keepdims: bool | None = None,
    name: str | None = None,
    reduction_indices: Any = None,
    keep_dims: bool | None = None,
) -> Tensor:
    """As `tf.reduce_min`; `reduction_indices` is `axis`, `keep_dims` `keepdims`.

    Source: `tf.compat.v1.reduce_min`.
    """
    return _reduce(
        _min, input_tensor, axis, keepdims, name, reduction_indices, keep_dims
    )


def reduce_prod(
    input_tensor: Any,
    axis: Any = None,
    keepdims: bool | None = None,
    name: str | None = None,
    reduction_indices: Any = None,
    keep_dims: bool | None = None,
) -> Tensor:
    """As `tf.reduce_prod`; `reduction_indices` is `axis`, `keep_dims` `keepdims`.

    Source: `tf.compat.v1.reduce_prod`.
    """
    return _reduce(
        _prod, input_tensor, axis, keepdims, name, reduction_indices, keep_dims
    )


def reduce_sum(
    input_tensor: Any,
    axis: Any = None,
    keepdims: bool | None = None,
    name: str | None = None,
    reduction_indices: Any = None,
    keep_dims: bool | None = None,
) -> Tensor:
    """As `tf.reduce_sum`; `reduction_indices` is `axis`, `keep_dims` `keepdims`.

    Source: `tf.compat.v1.reduce_sum`.
    """
    return _reduce(
        _sum, input_tensor, axis, keepdims, name, reduction_indices, keep_dims
    )


def argmax(
    input: Any,
    axis: Any = None,
    name: str | None = None,
    dimension: Any = None,
    output_type: Any = int64,
) -> Tensor:
    """As `tf.argmax`; `dimension` is `axis`.

    Source: `tf.compat.v1.argmax`.
    """
    axis = one_of("axis", axis, "dimension", dimension, 0)
    return selecting.argmax(input, axis, output_type, name)


def argmin(
    input: Any,
    axis: Any = None,
    name: str | None = None,
    dimension: Any = None,
    output_type: Any = int64,
) -> Tensor:
    """As `tf.argmin`; `dimension` is `axis`.

    Source: `tf.compat.v1.argmin`.
    """
    axis = one_of("axis", axis, "dimension", dimension, 0)
    return selecting.argmin(input, axis, output_type, name)
