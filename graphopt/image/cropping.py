"""Cutting out, padding, turning and flipping."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphopt.graph.hooks import hooks
from graphopt.graph.tensor import Tensor
from graphopt.image.checks import (
    as_given,
    as_images,
    as_known,
    check,
    on_batches,
    size_of,
    with_size,
)
from graphopt.ops import elementwise as math
from graphopt.ops.creation import constant, constant_value, shape
from graphopt.ops.elementwise import cast
from graphopt.ops.indexing import gather
from graphopt.ops.padding import pad, reverse
from graphopt.ops.random import stateless_uniform
from graphopt.ops.random_stateful import normal, uniform
from graphopt.ops.scatter import gather_nd
from graphopt.ops.sequences import range as range_of
from graphopt.ops.shaping import expand_dims, reshape, stack
from graphopt.ops.shaping import transpose as permute
from graphopt.ops.slicing import slice as slice_of


@on_batches("tf.image.flip_left_right")
def _flip_columns(images: Any) -> Any:
    return reverse(images, [2])


@on_batches("tf.image.flip_up_down")
def _flip_rows(images: Any) -> Any:
    return reverse(images, [1])


@on_batches("tf.image.transpose")
def _transpose(images: Any) -> Any:
    return permute(images, [0, 2, 1, 3])


def flip_left_right(image: Any) -> Tensor:
    """Returns images mirrored, the right side on the left.

    >>> import graphopt as tf
    >>> tf.image.flip_left_right(tf.constant([[[1], [2]]])).numpy().ravel().tolist()
    [2, 1]

    Source: `tf.image.flip_left_right`.
    """
    return _flip_columns(image)


def flip_up_down(image: Any) -> Tensor:
    """Returns images upside down.

    Source: `tf.image.flip_up_down`.
    """
    return _flip_rows(image)


def transpose(image: Any, name: str | None = None) -> Tensor:
    """Returns images with rows and columns exchanged.

    Source: `tf.image.transpose`.
    """
    return _transpose(image)


def rot90(image: Any, k: Any = 1, name: str | None = None) -> Tensor:
    """Turns images by k quarters, counter-clockwise.

    Args:
      image: `[batch, height, width, channels]` or `[height, width, channels]`.
      k: The number of quarters.
      name: Name of the op.

    Raises:
      NotImplementedError: Only a run knows k.

    Source: `tf.image.rot90`.
    """
    known = as_known(k)
    if not isinstance(known, int):
        raise NotImplementedError("tf.image.rot90 with a k that only a run knows.")
    quarters = known % 4
    if quarters == 0:
        return hooks.convert(image)
    if quarters == 2:
        return flip_up_down(flip_left_right(image))
    if quarters == 1:
        return flip_up_down(transpose(image))
    return flip_left_right(transpose(image))


def crop_to_bounding_box(
    image: Any,
    offset_height: Any,
    offset_width: Any,
    target_height: Any,
    target_width: Any,
) -> Tensor:
    """Returns a part of images.

    Args:
      image: `[batch, height, width, channels]` or `[height, width, channels]`.
      offset_height, offset_width: Where the part begins.
      target_height, target_width: How large it is.

    Raises:
      ValueError: The part does not lie in the images.

    Source: `tf.image.crop_to_bounding_box`.
    """
    images, is_batch = as_images(image, "tf.image.crop_to_bounding_box")
    sizes = size_of(images)
    places = [as_known(v) for v in (offset_height, offset_width)]
    wanted = [as_known(v) for v in (target_height, target_width)]
    for what, at, new, old in zip(
        ("height", "width"), places, wanted, sizes, strict=True
    ):
        check(not isinstance(at, int) or at >= 0, f"offset_{what} must be >= 0", at)
        check(not isinstance(new, int) or new > 0, f"target_{what} must be > 0", new)
        if all(isinstance(v, int) for v in (at, new, old)):
            check(
                old >= at + new,
                f"{what} must be >= target + offset",
                f"{what} {old}, target {new} and offset {at}",
            )
    begin = [0, *places, 0]
    size = [-1, *wanted, -1]
    if all(isinstance(v, int) for v in (*begin, *size)):
        cut = slice_of(images, begin, size)
    else:
        cut = images[
            :, places[0] : places[0] + wanted[0], places[1] : places[1] + wanted[1]
        ]
    return as_given(with_size(cut, *wanted), is_batch)


def pad_to_bounding_box(
    image: Any,
    offset_height: Any,
    offset_width: Any,
    target_height: Any,
    target_width: Any,
) -> Tensor:
    """Returns images in the middle of zeros.

    Args:
      image: `[batch, height, width, channels]` or `[height, width, channels]`.
      offset_height, offset_width: How many zeros stand above and to the left.
      target_height, target_width: How large the result is.

    Raises:
      ValueError: The images do not fit.

    Source: `tf.image.pad_to_bounding_box`.
    """
    images, is_batch = as_images(image, "tf.image.pad_to_bounding_box")
    edges = []
    for what, at, new, old in zip(
        ("height", "width"),
        (offset_height, offset_width),
        (target_height, target_width),
        size_of(images),
        strict=True,
    ):
        at, new = as_known(at), as_known(new)
        check(not isinstance(at, int) or at >= 0, f"offset_{what} must be >= 0", at)
        after = new - at - old
        check(
            not isinstance(after, int) or after >= 0,
            f"{what} must be <= target - offset",
            f"{what} {old}, target {new} and offset {at}",
        )
        edges.append([at, after])
    if all(isinstance(v, int) for edge in edges for v in edge):
        return as_given(pad(images, [[0, 0], *edges, [0, 0]]), is_batch)
    for axis, (at, _) in enumerate(edges, 1):
        new = as_known((target_height, target_width)[axis - 1])
        images = _pad_by_gather(images, axis, at, new)
    images = with_size(images, as_known(target_height), as_known(target_width))
    return as_given(images, is_batch)


def _pad_by_gather(images: Any, axis: int, at: Any, new: Any) -> Any:
    """Pads an axis by an amount that only a run knows: each new row picks an old one."""
    old = size_of(images)[axis - 1]
    index = range_of(new) - cast(hooks.convert(at), "int32")
    inside = math.logical_and(index >= 0, index < old)
    found = gather(images, math.maximum(math.minimum(index, old - 1), 0), axis=axis)
    mask = reshape(inside, [-1, 1, 1] if axis == 1 else [-1, 1])
    return math.where(mask, found, cast(hooks.convert(0), images.dtype))


def resize_with_crop_or_pad(
    image: Any, target_height: Any, target_width: Any
) -> Tensor:
    """Cuts the middle out, or pads all around, to a size.

    Args:
      image: `[batch, height, width, channels]` or `[height, width, channels]`.
      target_height, target_width: The size.

    Source: `tf.image.resize_with_crop_or_pad`.
    """
    images, is_batch = as_images(image, "tf.image.resize_with_crop_or_pad")
    wanted = [as_known(v) for v in (target_height, target_width)]
    for what, new in zip(("height", "width"), wanted, strict=True):
        check(not isinstance(new, int) or new > 0, f"target_{what} must be > 0", new)
    places: list[Any] = []
    sizes: list[Any] = []
    tops: list[Any] = []
    for old, new in zip(size_of(images), wanted, strict=True):
        if isinstance(old, int) and isinstance(new, int):
            places.append(max(-(new - old) // 2, 0))
            sizes.append(min(new, old))
            tops.append(max((new - old) // 2, 0))
        else:
            places.append(math.maximum((old - new) // 2, 0))
            sizes.append(math.minimum(new, old))
            tops.append(math.maximum((new - old) // 2, 0))
    cut = crop_to_bounding_box(images, *places, *sizes)
    return as_given(pad_to_bounding_box(cut, *tops, *wanted), is_batch)


def central_crop(image: Any, central_fraction: float) -> Tensor:
    """Returns the middle of images, a fraction of each side.

    Raises:
      ValueError: The fraction is not in (0, 1].

    Source: `tf.image.central_crop`.
    """
    fraction = as_known(central_fraction)
    if isinstance(fraction, (int, float)):
        check(0 < fraction <= 1, "central_fraction must be within (0, 1]", fraction)
        if fraction == 1:
            return hooks.convert(image)
    images, is_batch = as_images(image, "tf.image.central_crop")
    places, sizes = [], []
    for old in size_of(images):
        if isinstance(old, int) and isinstance(fraction, (int, float)):
            start: Any = int((old - old * fraction) / 2)
        else:
            wide = cast(hooks.convert(old), "float32")
            start = cast((wide - wide * fraction) / 2, "int32")
        places.append(start)
        sizes.append(old - start * 2)
    return as_given(crop_to_bounding_box(images, *places, *sizes), is_batch)


def random_crop(
    value: Any, size: Any, seed: Any = None, name: str | None = None
) -> Tensor:
    """Returns a part of a size from a place that is drawn.

    Args:
      value: A tensor of any rank.
      size: The size along each axis.
      seed: For the draw.
      name: Name of the op.

    Source: `tf.image.random_crop`.
    """
    value = hooks.convert(value)
    limit = _places(value, size)
    at = uniform(
        [value.shape.rank], 0, np.iinfo(np.int32).max, dtype="int32", seed=seed
    )
    return slice_of(value, at % limit, size)


def _places(value: Any, size: Any) -> Any:
    size = hooks.convert(size)
    known = as_known_vector(size)
    if value.shape.is_fully_defined() and known is not None:
        check(
            all(o >= n for o, n in zip(value.shape, known, strict=True)),
            "Need value.shape >= size",
            f"shape {value.shape} and size {known}",
        )
    return shape(value) - size + 1


def as_known_vector(value: Any) -> list[int] | None:
    """Returns the numbers of a vector, if they are known."""
    known = constant_value(value)
    return None if known is None else known.tolist()


def stateless_random_crop(
    value: Any, size: Any, seed: Any, name: str | None = None
) -> Tensor:
    """As `random_crop`, the same for the same two numbers as seed.

    Source: `tf.image.stateless_random_crop`.
    """
    value = hooks.convert(value)
    limit = _places(value, size)
    at = stateless_uniform(
        [value.shape.rank], seed, 0, np.iinfo(np.int32).max, dtype="int32"
    )
    return slice_of(value, at % limit, size)


def crop_and_resize(
    image: Any,
    boxes: Any,
    box_indices: Any,
    crop_size: Any,
    method: str = "bilinear",
    extrapolation_value: float = 0.0,
    name: str | None = None,
) -> Tensor:
    """Cuts boxes out of images and resizes them to one size.

    Args:
      image: `[batch, height, width, channels]`.
      boxes: `[n, 4]`, top, left, bottom and right between 0 and 1.
      box_indices: `[n]`, which image each box is of.
      crop_size: The height and width of the results.
      method: `bilinear` or `nearest`.
      extrapolation_value: For what lies outside.
      name: Name of the op.

    Returns:
      `[n, height, width, channels]`, float32.

    Raises:
      ValueError: The method is another one.

    Source: `tf.image.crop_and_resize`.
    """
    check(
        method in ("bilinear", "nearest"), "method must be bilinear or nearest", method
    )
    image = cast(hooks.convert(image), "float32")
    boxes = hooks.convert(boxes)
    indices = cast(hooks.convert(box_indices), "int32")
    new = as_known_vector(hooks.convert(crop_size))
    if new is None:
        raise NotImplementedError("tf.image.crop_and_resize to a size of the run.")
    height, width = size_of(image)
    rows, row_is_inside = _crop_positions(boxes[:, 0], boxes[:, 2], height, new[0])
    columns, column_is_inside = _crop_positions(boxes[:, 1], boxes[:, 3], width, new[1])

    def pick(row: Any, column: Any) -> Any:
        row = math.maximum(math.minimum(row, height - 1), 0)
        column = math.maximum(math.minimum(column, width - 1), 0)
        zero = row[:, :, None] * 0 + column[:, None, :] * 0
        parts = [indices[:, None, None] + zero, row[:, :, None] + zero]
        return gather_nd(image, stack([*parts, column[:, None, :] + zero], -1))

    if method == "nearest":
        found = pick(_as_index(rows, nearest=True), _as_index(columns, nearest=True))
    else:
        top, left = math.floor(rows), math.floor(columns)
        down, right = math.ceil(rows), math.ceil(columns)
        y = (rows - top)[:, :, None, None]
        x = (columns - left)[:, None, :, None]
        top, left, down, right = map(_as_index, (top, left, down, right))
        upper = pick(top, left) + (pick(top, right) - pick(top, left)) * x
        lower = pick(down, left) + (pick(down, right) - pick(down, left)) * x
        found = upper + (lower - upper) * y
    inside = math.logical_and(
        row_is_inside[:, :, None, None], column_is_inside[:, None, :, None]
    )
    return math.where(inside, found, hooks.convert(float(extrapolation_value)))


def _as_index(value: Any, nearest: bool = False) -> Any:
    # Halves go up, as in C's round.
    return cast(math.floor(value + 0.5) if nearest else value, "int32")


def _crop_positions(first: Any, last: Any, old: Any, new: int) -> tuple[Any, Any]:
    """Where the rows of a crop are taken from, `[n, new]`, and whether that is inside."""
    edge = cast(hooks.convert(old - 1), "float32")
    if new > 1:
        step = (last - first) * edge / float(new - 1)
        steps = constant(np.arange(new, dtype=np.float32))
        at = (first * edge)[:, None] + steps[None, :] * step[:, None]
    else:
        at = (0.5 * (first + last) * edge)[:, None]
    return at, math.logical_and(at >= 0, at <= edge)


def extract_glimpse(
    input: Any,
    size: Any,
    offsets: Any,
    centered: bool = True,
    normalized: bool = True,
    noise: str = "uniform",
    name: str | None = None,
) -> Tensor:
    """Cuts a window of a size out of each image; what lies outside is noise.

    Args:
      input: `[batch, height, width, channels]`, float32.
      size: The height and width of the windows.
      offsets: `[batch, 2]`, row and column.
      centered: Whether 0 is the middle of the image; normalized, offsets then are those of
        the middle of a window, and 1 is the edge. Else all are of upper left corners.
      normalized: Whether offsets are fractions of the size of the image.
      noise: `uniform`, `gaussian` or `zero`.
      name: Name of the op.

    Source: `tf.image.extract_glimpse`.
    """
    check(
        noise in ("uniform", "gaussian", "zero"), "noise must be a kind of noise", noise
    )
    images = hooks.convert(input)
    offsets = hooks.convert(offsets)
    new = as_known_vector(hooks.convert(size))
    if new is None:
        raise NotImplementedError("tf.image.extract_glimpse of a size of the run.")
    axes = []
    for axis, (old, wanted) in enumerate(zip(size_of(images), new, strict=True)):
        at = offsets[:, axis]
        wide = cast(hooks.convert(old), "float32")
        if normalized:
            at = at * wide
        if centered and normalized:
            at = at / 2.0 + wide / 2.0 - wanted / 2.0
        elif centered:
            at = at + wide / 2.0
        start = cast(at, "int32")
        axes.append(
            start[:, None] + constant(np.arange(wanted, dtype=np.int32))[None, :]
        )
    height, width = size_of(images)
    rows, columns = axes[0][:, :, None], axes[1][:, None, :]
    inside = math.logical_and(
        math.logical_and(rows >= 0, rows < height),
        math.logical_and(columns >= 0, columns < width),
    )
    zero = rows * 0 + columns * 0
    count = size_of_batch(images)
    batch = constant(np.arange(count, dtype=np.int32))[:, None, None] + zero
    rows = math.maximum(math.minimum(rows + zero, height - 1), 0)
    columns = math.maximum(math.minimum(columns + zero, width - 1), 0)
    found = gather_nd(images, stack([batch, rows, columns], -1))
    if noise == "zero":
        other = hooks.convert(0.0)
    elif noise == "uniform":
        other = uniform(shape(found))
    else:
        other = normal(shape(found))
    return math.where(expand_dims(inside, -1), found, other)


def size_of_batch(images: Any) -> int:
    """Returns the number of images.

    Raises:
      NotImplementedError: Only a run knows it.
    """
    count = images.shape[0]
    if count is None:
        raise NotImplementedError("A batch whose size is not known.")
    return int(count)


__all__ = [
    "central_crop",
    "crop_and_resize",
    "crop_to_bounding_box",
    "extract_glimpse",
    "flip_left_right",
    "flip_up_down",
    "pad_to_bounding_box",
    "random_crop",
    "resize_with_crop_or_pad",
    "rot90",
    "stateless_random_crop",
    "transpose",
]
