"""What images are: tensors of three or four dimensions, with checks and common moves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from graphopt.errors import fail
from graphopt.graph.hooks import hooks
from graphopt.graph.provenance import user_site
from graphopt.ops.creation import constant_value, shape
from graphopt.ops.shaping import expand_dims, squeeze


def as_images(images: Any, what: str) -> tuple[Any, bool]:
    """Converts images to `[batch, height, width, channels]`.

    Returns:
      The images, and whether there was a batch.

    Raises:
      ValueError: They have neither three nor four dimensions.
    """
    images = hooks.convert(images)
    if images.shape.rank == 3:
        return expand_dims(images, 0), False
    if images.shape.rank not in (4, None):
        raise fail(
            ValueError,
            f"'image' of {what} must have either 3 or 4 dimensions",
            got=f"shape {images.shape}",
            site=str(user_site()),
        )
    return images, True


def as_given(images: Any, is_batch: bool) -> Any:
    """Takes the batch of one away that `as_images` made."""
    return images if is_batch else squeeze(images, [0])


def with_size(images: Any, height: Any, width: Any) -> Any:
    """Notes the size of images as far as it is known, and returns them."""
    if hasattr(images, "op"):
        sizes = [v if isinstance(v, int) else None for v in (height, width)]
        batch, channels = images.shape[0], images.shape[3]
        images.set_shape([batch, *sizes, channels])
    return images


def size_of(images: Any) -> tuple[Any, Any]:
    """Returns height and width, as integers where they are known."""
    return dim_of(images, -3), dim_of(images, -2)


def dim_of(images: Any, axis: int) -> Any:
    """Returns one dimension, as an integer where it is known."""
    known = None if images.shape.rank is None else images.shape[axis]
    return int(known) if known is not None else shape(images)[axis]


def as_known(value: Any) -> Any:
    """Returns a number as it is, a tensor with a known value as a number."""
    if isinstance(value, (bool, int, float, np.integer, np.floating)):
        return value
    known = constant_value(hooks.convert(value))
    return value if known is None else known.item()


def as_size(size: Any, what: str = "tf.image.resize") -> tuple[Any, Any]:
    """Returns a size `[height, width]` as two numbers, or scalars that a run knows.

    Raises:
      ValueError: It is no pair.
    """
    if isinstance(size, (list, tuple)) and len(size) == 2:
        return as_known(size[0]), as_known(size[1])
    size = hooks.convert(size)
    known = constant_value(size)
    if size.shape.rank not in (1, None) or size.shape[0] not in (2, None):
        raise fail(
            ValueError,
            "'size' must be a 1-D Tensor of 2 elements: new_height, new_width",
            got=f"shape {size.shape}",
            site=str(user_site()),
        )
    if known is not None:
        return int(known[0]), int(known[1])
    return size[0], size[1]


def check(condition: bool, message: str, got: Any) -> None:
    """Checks what is known of an argument.

    Raises:
      ValueError: It is not so.
    """
    if not condition:
        raise fail(ValueError, message, got=str(got), site=str(user_site()))


def on_batches(what: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Lets a function of `[batch, height, width, channels]` take a single image."""

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        def of_images(image: Any, *args: Any) -> Any:
            images, is_batch = as_images(image, what)
            return as_given(function(images, *args), is_batch)

        return of_images

    return decorate
