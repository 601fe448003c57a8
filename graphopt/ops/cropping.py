"""`random_crop`: a part of a tensor, somewhere."""

from __future__ import annotations

from typing import Any

from graphopt.dtypes import int32
from graphopt.errors import InvalidArgumentError, fail
from graphopt.graph.hooks import hooks
from graphopt.graph.provenance import user_site
from graphopt.graph.tensor import Tensor
from graphopt.ops.creation import shape as shape_of
from graphopt.ops.creation import static_ints
from graphopt.ops.elementwise import cast, floormod
from graphopt.ops.random_stateful import uniform
from graphopt.ops.slicing import slice as slice_


def random_crop(
    value: Any, size: Any, seed: int | None = None, name: str | None = None
) -> Tensor:
    """Returns a part of a tensor, at a place that is drawn.

    Args:
      value: The tensor.
      size: The shape of the part, `[rank]`.
      seed: The seed of the op.
      name: Name of the op.

    Raises:
      InvalidArgumentError: The part is larger than the tensor.

    Source: `tf.image.random_crop`, `tf.compat.v1.random_crop`.
    """
    value = hooks.convert(value)
    dims = static_ints(size, "tf.random_crop")
    fits = value.shape.rank in (None, len(dims)) and all(
        have is None or have >= want
        for have, want in zip(value.shape, dims, strict=False)
    )
    if not fits:
        raise fail(
            InvalidArgumentError,
            "Need value.shape >= size",
            got=f"a tensor of shape {value.shape} and the size {dims}",
            site=str(user_site()),
        )
    room = shape_of(value) - dims + 1
    drawn = uniform([len(dims)], 0, 2**31 - 1, int32, seed)
    found: Any = slice_(value, cast(floormod(drawn, room), int32), dims, name=name)
    if found.shape.rank is None:
        found.shape = dims
    return found
