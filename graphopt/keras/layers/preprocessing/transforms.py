"""Images read at other places: what rotation, translation and zoom are made of."""

from __future__ import annotations

from typing import Any

from graphopt.errors import fail
from graphopt.graph.provenance import user_site
from graphopt.ops.creation import shape as shape_of
from graphopt.ops.elementwise import (
    cast,
    cos,
    floor,
    greater,
    greater_equal,
    less,
    logical_and,
    maximum,
    minimum,
    round,
    sin,
    where,
)
from graphopt.ops.indexing import gather
from graphopt.ops.sequences import range as sequence
from graphopt.ops.shaping import expand_dims, reshape

FILL_MODES = ("reflect", "wrap", "constant", "nearest")


def check_modes(fill_mode: str, interpolation: str) -> None:
    """Raises unless the modes are known.

    Raises:
      NotImplementedError: They are not; the class is that of Keras.
    """
    for name, value, allowed in (
        ("fill_mode", fill_mode, FILL_MODES),
        ("interpolation", interpolation, ("nearest", "bilinear")),
    ):
        if value not in allowed:
            raise fail(
                NotImplementedError,
                f"Unknown `{name}`",
                got=repr(value),
                expected="one of " + ", ".join(map(repr, allowed)),
                site=str(user_site()),
            )


def size_of(images: Any, axis: int) -> tuple[Any, Any]:
    """Returns a size as a number or tensor of integers, and as float32."""
    size = images.shape[axis]
    if size is not None:
        return size, float(size)
    found = shape_of(images)[axis]
    return found, cast(found, "float32")


def rotation(angles: Any, height: Any, width: Any) -> list[Any]:
    """Returns where outputs come from when images turn around their middle.

    Args:
      angles: `[batch]`, in radians.
      height, width: The size of the images, floats.

    Returns:
      a0, a1, a2, b0, b1, b2, each `[batch]`: x of the input is a0 x + a1 y + a2, and y is
      b0 x + b1 y + b2.
    """
    c, s = cos(angles), sin(angles)
    right, down = width - 1.0, height - 1.0
    x = (right - (c * right - s * down)) / 2.0
    y = (down - (s * right + c * down)) / 2.0
    return [c, -s, x, s, c, y]


def translation(right: Any, down: Any) -> list[Any]:
    """Returns where outputs come from when images are moved, as `rotation`."""
    one, zero = right * 0.0 + 1.0, right * 0.0
    return [one, zero, -right, zero, one, -down]


def zoom(across: Any, along: Any, height: Any, width: Any) -> list[Any]:
    """Returns where outputs come from when images are enlarged, as `rotation`."""
    zero = across * 0.0
    x = (width - 1.0) / 2.0 * (1.0 - across)
    y = (height - 1.0) / 2.0 * (1.0 - along)
    return [across, zero, x, zero, along, y]


def transform(
    images: Any,
    places: list[Any],
    fill_mode: str = "reflect",
    fill_value: float = 0.0,
    interpolation: str = "bilinear",
) -> Any:
    """Reads images at other places.

    Args:
      images: `[batch, height, width, channels]`.
      places: As `rotation` returns them.
      fill_mode: What is outside: "reflect", "wrap" and "nearest" go on with the image,
        "constant" has a value.
      fill_value: That value.
      interpolation: "bilinear" or "nearest".

    Returns:
      Images of the same shape.
    """
    height, tall = size_of(images, 1)
    width, wide = size_of(images, 2)
    a0, a1, a2, b0, b1, b2 = (reshape(each, [-1, 1, 1]) for each in places)
    xs = reshape(cast(sequence(width), "float32"), [1, 1, -1])
    ys = reshape(cast(sequence(height), "float32"), [1, -1, 1])
    x = _inside(a0 * xs + a1 * ys + a2, wide, fill_mode)
    y = _inside(b0 * xs + b1 * ys + b2, tall, fill_mode)
    reader = _Reader(images, (height, width), (tall, wide), fill_value)
    if interpolation == "nearest":
        return reader.read(round(y), round(x))
    left, top = floor(x), floor(y)
    right, bottom = left + 1.0, top + 1.0
    dx, dy = expand_dims(x - left, -1), expand_dims(y - top, -1)
    dx, dy = cast(dx, images.dtype), cast(dy, images.dtype)
    upper = (1.0 - dx) * reader.read(top, left) + dx * reader.read(top, right)
    lower = (1.0 - dx) * reader.read(bottom, left) + dx * reader.read(bottom, right)
    return (1.0 - dy) * upper + dy * lower


def _inside(places: Any, size: Any, mode: str) -> Any:
    """Places within an image for such outside of it, as the mode says."""
    last = size - 1.0
    if mode == "constant":
        return places
    if mode == "reflect":
        twice = 2.0 * size
        turned = places - twice * floor(places / twice)
        places = where(greater_equal(turned, size), twice - turned - 1.0, turned)
    if mode == "wrap":
        # As TensorFlow's kernel has it, whose period is one less than the size there.
        period = maximum(last, 1.0)
        before = places + size * (floor(-places / period) + 1.0)
        after = places - size * floor(places / period)
        places = where(
            less(places, 0.0), before, where(greater(places, last), after, places)
        )
    return minimum(maximum(places, 0.0), last)


class _Reader:
    """Reads pixels at whole places; a value where there are none."""

    def __init__(self, images: Any, sizes: Any, floats: Any, fill: float) -> None:
        self.images, self.fill = images, fill
        self.height, self.width = sizes
        self.tall, self.wide = floats
        channels = images.shape[3]
        if channels is None:
            channels = shape_of(images)[3]
        self.rows = reshape(images, [-1, channels])
        batch = images.shape[0] if images.shape[0] is not None else shape_of(images)[0]
        first = sequence(batch) * (self.height * self.width)
        self.first = reshape(first, [-1, 1, 1])

    def read(self, y: Any, x: Any) -> Any:
        """Returns `[batch, height, width, channels]` for places of floats."""
        is_row = logical_and(greater_equal(y, 0.0), less(y, self.tall))
        is_column = logical_and(greater_equal(x, 0.0), less(x, self.wide))
        is_there = logical_and(is_row, is_column)
        row = cast(minimum(maximum(y, 0.0), self.tall - 1.0), "int32")
        column = cast(minimum(maximum(x, 0.0), self.wide - 1.0), "int32")
        found = gather(self.rows, self.first + row * self.width + column)
        return where(expand_dims(is_there, -1), found, self.fill)
