"""Clipping: by value, by norm, by the norm of several tensors together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from graphopt.errors import InvalidArgumentError, fail
from graphopt.graph.hooks import hooks
from graphopt.graph.indexed_slices import IndexedSlices
from graphopt.graph.provenance import user_site
from graphopt.graph.tensor import Tensor
from graphopt.ops.creation import ones_like
from graphopt.ops.elementwise import (
    maximum,
    minimum,
    sqrt,
    where,
)
from graphopt.ops.reduction import reduce_sum
from graphopt.ops.shaping import identity, reshape_like


def clip_by_value(
    t: Any, clip_value_min: Any, clip_value_max: Any, name: str | None = None
) -> Tensor:
    """Limits every element to a range.

    >>> import graphopt as tf
    >>> tf.clip_by_value([-2.0, 0.5, 3.0], -1.0, 1.0).numpy().tolist()
    [-1.0, 0.5, 1.0]

    Source: `tf.clip_by_value`.
    """
    if isinstance(t, IndexedSlices):
        rows: Any = clip_by_value(t.values, clip_value_min, clip_value_max)
        slices: Any = t.with_values(rows)
        return slices
    t = hooks.convert(t)
    clipped = maximum(minimum(t, clip_value_max), clip_value_min, name=name)
    if not clipped.shape.is_compatible_with(t.shape):
        raise fail(
            InvalidArgumentError,
            "The bounds of clip_by_value must broadcast to the tensor",
            got=f"bounds that make it {clipped.shape}",
            expected=str(t.shape),
            site=str(user_site()),
        )
    return clipped


def clip_by_norm(t: Any, clip_norm: Any, axes: Any = None, name: Any = None) -> Tensor:
    """Scales a tensor down so that its norm is at most `clip_norm`.

    Source: `tf.clip_by_norm`.
    """
    if isinstance(t, IndexedSlices):
        slices: Any = t.with_values(clip_by_norm(t.values, clip_norm, axes, name))
        return slices
    t = hooks.convert(t)
    squares = reduce_sum(t * t, axis=axes, keepdims=True)
    positive = squares > 0
    # The root is taken where its derivative exists.
    norm = where(positive, sqrt(where(positive, squares, ones_like(squares))), squares)
    clipped = (t * clip_norm) / maximum(norm, clip_norm)
    return identity(reshape_like(clipped, t), name=name)


def global_norm(t_list: Sequence[Any], name: str | None = None) -> Tensor:
    """Returns the root of the sum of the squares of all elements of all tensors.

    Source: `tf.linalg.global_norm`.
    """
    given = [t.values if isinstance(t, IndexedSlices) else t for t in t_list]
    parts = [reduce_sum(t * t) for t in map(hooks.convert, given)]
    if not parts:
        raise ValueError("global_norm of no tensors.")
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    return sqrt(total, name=name)


def clip_by_global_norm(
    t_list: Sequence[Any], clip_norm: Any, use_norm: Any = None, name: str | None = None
) -> tuple[list[Any], Any]:
    """Scales tensors down together so that their global norm is at most `clip_norm`.

    A norm that is not finite makes every result NaN, as in TensorFlow: the direction
    of such a gradient is not known.

    Args:
      t_list: Tensors or IndexedSlices; None stays None.
      clip_norm: The largest norm.
      use_norm: The global norm, if it is known already.
      name: Name of the op.

    Returns:
      The scaled tensors and the norm before scaling.

    Source: `tf.clip_by_global_norm`.
    """
    given = [t for t in t_list if t is not None]
    if use_norm is None:
        use_norm = global_norm(given)
    norm = hooks.convert(use_norm)
    finite_scale = clip_norm * minimum(1.0 / norm, ones_like(norm) / clip_norm)
    # 0 for a finite norm, else NaN; a constant NaN would be one for check_numerics.
    scale = finite_scale + (norm - norm)
    return [_scale(t, scale) for t in t_list], norm


def _scale(t: Any, scale: Any) -> Any:
    if isinstance(t, IndexedSlices):
        return t.with_values(t.values * scale)
    return None if t is None else t * scale
