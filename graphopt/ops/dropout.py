"""Dropout: a random mask and the scale that keeps the mean."""

from __future__ import annotations

from typing import Any

from graphopt import dtypes
from graphopt.errors import InvalidArgumentError, describe_shapes, fail
from graphopt.graph.dispatch import call
from graphopt.graph.hooks import hooks
from graphopt.graph.provenance import user_site
from graphopt.graph.tensor import Tensor
from graphopt.ops.creation import SHAPE
from graphopt.ops.elementwise import greater_equal, where
from graphopt.ops.random_stateful import UNIFORM, draw_numbers
from graphopt.ops.reduction import reduce_max
from graphopt.ops.shaping import reshape


def dropout(
    x: Any,
    rate: Any,
    noise_shape: Any = None,
    seed: int | None = None,
    name: str | None = None,
) -> Tensor:
    """Sets elements to 0 at random and scales the others by 1 / (1 - rate).

    Args:
      x: Floats.
      rate: The part that is dropped, in [0, 1): a number or a scalar tensor.
      noise_shape: A shape that broadcasts to that of `x`: elements that share one
        of its places are kept or dropped together; None stands for a dimension of `x`.
      seed: The op's seed.
      name: Name of the op.

    Raises:
      ValueError: `rate` is out of range, or `x` holds no floats.

    >>> import graphopt as tf
    >>> sorted(set(tf.nn.dropout(tf.ones([1000]), rate=0.75).numpy().tolist()))
    [0.0, 4.0]

    Source: `tf.nn.dropout` (version 2).
    """
    if isinstance(rate, (int, float)) and not 0 <= rate < 1:
        raise fail(
            ValueError,
            "`rate` must be a scalar tensor or a float in the range [0, 1)",
            got=f"rate={rate!r}",
            site=str(user_site()),
        )
    x = hooks.convert(x)
    if not x.dtype.is_floating:
        raise fail(
            InvalidArgumentError,
            "`x.dtype` must be a floating point tensor as `x` will be scaled",
            got=describe_shapes(x),
            site=str(user_site()),
            remedy="tf.cast",
        )
    if isinstance(rate, (int, float)) and rate == 0:
        return x
    if getattr(getattr(rate, "shape", None), "unknown_rank", False):
        # A placeholder of unknown shape stands for a number.
        rate = reshape(rate, [])
    drawn = draw_numbers(UNIFORM, _noise_shape(x, noise_shape), x.dtype, seed, None)
    kept = greater_equal(drawn, rate)
    scaled = x * (1 / (1 - rate))
    return where(kept, scaled, 0.0, name=name)


def _noise_shape(x: Any, noise_shape: Any) -> Any:
    if noise_shape is None:
        noise_shape = [None] * len(x.shape)
    if not isinstance(noise_shape, (list, tuple)) or x.shape.rank != len(noise_shape):
        if x.shape.unknown_rank and not noise_shape:
            return call(SHAPE, x, dtype=dtypes.int32)
        return noise_shape
    pairs = zip(noise_shape, x.shape, strict=True)
    dims = [own if dim is None else dim for dim, own in pairs]
    if None not in dims:
        return dims
    shared = [i for i, dim in enumerate(noise_shape) if dim == 1]
    # A tensor that has the wanted shape, of which only the shape is used.
    pattern = reduce_max(x, shared, keepdims=True) if shared else x
    return call(SHAPE, pattern, dtype=dtypes.int32)
