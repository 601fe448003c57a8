"""Changes of single images: turned, moved, sheared, zoomed, brighter, other colors.

Elements between those of the image are interpolated, those outside of it are filled as
SciPy's `ndimage.affine_transform` does, for its orders 0 and 1.
"""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphopt.keras.utils.images import array_to_img, img_to_array, pillow

Array = NDArray[Any]
FILL_MODES = ("nearest", "constant", "reflect", "wrap")


def _matrix(
    theta: float, tx: float, ty: float, shear: float, zx: float, zy: float
) -> Array | None:
    """The places in the image of places in the result, or None for the same."""
    parts = []
    if theta != 0:
        angle = np.deg2rad(theta)
        cos, sin = np.cos(angle), np.sin(angle)
        parts.append([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]])
    if tx != 0 or ty != 0:
        parts.append([[1, 0, tx], [0, 1, ty], [0, 0, 1]])
    if shear != 0:
        angle = np.deg2rad(shear)
        parts.append([[1, -np.sin(angle), 0], [0, np.cos(angle), 0], [0, 0, 1]])
    if zx != 1 or zy != 1:
        parts.append([[zx, 0, 0], [0, zy, 0], [0, 0, 1]])
    matrix: Array | None = None
    for part in parts:
        each = np.array(part, np.float64)
        matrix = each if matrix is None else matrix @ each
    return matrix


def _fill_places(places: Array, size: int, mode: str) -> tuple[Array, Array | None]:
    """Moves places outside of an axis to where they are filled from; and which stay out."""
    last = size - 1
    if mode == "nearest":
        return np.clip(places, 0, last), None
    if mode == "constant":
        return np.clip(places, 0, last), (places < 0) | (places > last)
    if size == 1:
        return np.zeros_like(places), None
    # Which of two elements half a step away is the nearest depends on these steps.
    if mode == "wrap":
        # SciPy's period is one less than the size: both ends are the same place.
        below = places + last * (np.trunc(-places / last) + 1)
        above = places - last * np.trunc(places / last)
    else:
        twice = 2 * size
        below = places + np.where(
            places < -twice, twice * np.trunc(-places / twice), 0.0
        )
        below = np.where(below < -size, below + twice, -below - 1)
        above = places - twice * np.trunc(places / twice)
        above = np.where(above >= size, twice - above - 1, above)
    return np.where(places < 0, below, np.where(places > last, above, places)), None


def _interpolate(image: Array, rows: Array, columns: Array, order: int) -> Array:
    """Values of `[height, width, channels]` at places that may lie outside: reflected."""

    def at(row: Array, column: Array) -> Array:
        indices = []
        for index, size in zip((row, column), image.shape, strict=False):
            index = np.mod(index.astype(np.int64), 2 * size)
            indices.append(np.where(index >= size, 2 * size - 1 - index, index))
        found: Array = image[indices[0], indices[1]].astype(np.float64)
        return found

    if order == 0:
        return at(np.floor(rows + 0.5), np.floor(columns + 0.5))
    top, left = np.floor(rows), np.floor(columns)
    down, right = (rows - top)[..., None], (columns - left)[..., None]
    upper = at(top, left) * (1 - right) + at(top, left + 1) * right
    lower = at(top + 1, left) * (1 - right) + at(top + 1, left + 1) * right
    result: Array = upper * (1 - down) + lower * down
    return result


def apply_affine_transform(
    x: Array,
    theta: float = 0,
    tx: float = 0,
    ty: float = 0,
    shear: float = 0,
    zx: float = 1,
    zy: float = 1,
    row_axis: int = 1,
    col_axis: int = 2,
    channel_axis: int = 0,
    fill_mode: str = "nearest",
    cval: float = 0.0,
    order: int = 1,
) -> Array:
    """Returns an image that is turned, moved, sheared and zoomed around its center.

    Args:
      x: An image of rank 3.
      theta: By how many degrees it is turned.
      tx: By how many rows it is moved.
      ty: By how many columns.
      shear: By how many degrees it is sheared.
      zx: How much of the height is seen.
      zy: How much of the width is seen.
      row_axis: Which dimension of it is the height.
      col_axis: Which is the width.
      channel_axis: Which are the channels, the first or the last one.
      fill_mode: What lies outside: `"nearest"`, `"constant"`, `"reflect"` or `"wrap"`.
      cval: The value of `"constant"`.
      order: 0 for the nearest element, 1 for interpolation.

    Raises:
      ValueError: Bad axes, or another rank.
      NotImplementedError: Another order.

    Source: `tf.keras.preprocessing.image.apply_affine_transform`.
    """
    axes = {row_axis, col_axis, channel_axis}
    if len(axes) != 3:
        raise ValueError("'row_axis', 'col_axis', and 'channel_axis' must be distinct")
    if axes != {0, 1, 2}:
        raise ValueError(f"Invalid axis' indices: {axes - {0, 1, 2}}")
    if np.ndim(x) != 3:
        raise ValueError("Input arrays must be multi-channel 2D images.")
    if channel_axis not in (0, 2):
        raise ValueError("Channels are allowed and the first and last dimensions.")
    if fill_mode not in FILL_MODES:
        raise ValueError(f"fill_mode: expected one of {FILL_MODES}, got {fill_mode!r}.")
    if order not in (0, 1):
        raise NotImplementedError(
            f"interpolation order {order}: only 0 (nearest) and 1 (linear) are there."
        )
    matrix = _matrix(theta, tx, ty, shear, zx, zy)
    if matrix is None:
        return x
    image = np.moveaxis(x, (row_axis, col_axis, channel_axis), (0, 1, 2))
    height, width, _ = image.shape
    center = np.array([[1, 0, height / 2 - 0.5], [0, 1, width / 2 - 0.5], [0, 0, 1]])
    back = center * [[1, 1, -1], [1, 1, -1], [1, 1, 1]]
    matrix = center @ matrix @ back
    # Keras's matrix is of columns and rows, with the center of rows and columns.
    matrix = matrix[[1, 0, 2]][:, [1, 0, 2]]
    rows, columns = np.indices((height, width), np.float64)
    at_row = matrix[0, 0] * rows + matrix[0, 1] * columns + matrix[0, 2]
    at_column = matrix[1, 0] * rows + matrix[1, 1] * columns + matrix[1, 2]
    at_row, no_row = _fill_places(at_row, height, fill_mode)
    at_column, no_column = _fill_places(at_column, width, fill_mode)
    result = _interpolate(image, at_row, at_column, order)
    if no_row is not None and no_column is not None:
        result[no_row | no_column] = cval
    result = result.astype(x.dtype)
    return np.moveaxis(result, (0, 1, 2), (row_axis, col_axis, channel_axis))


def _uniform(low: float, high: float, size: Any = None) -> Any:
    # The global generator of NumPy, so that a seed gives Keras's images.
    return np.random.uniform(low, high, size)  # noqa: NPY002


def random_rotation(
    x: Array,
    rg: float,
    row_axis: int = 1,
    col_axis: int = 2,
    channel_axis: int = 0,
    fill_mode: str = "nearest",
    cval: float = 0.0,
    interpolation_order: int = 1,
) -> Array:
    """Returns an image that is turned by up to `rg` degrees, either way.

    Source: `tf.keras.preprocessing.image.random_rotation`.
    """
    axes = (row_axis, col_axis, channel_axis, fill_mode, cval, interpolation_order)
    return apply_affine_transform(x, _uniform(-rg, rg), 0, 0, 0, 1, 1, *axes)


def random_shift(
    x: Array,
    wrg: float,
    hrg: float,
    row_axis: int = 1,
    col_axis: int = 2,
    channel_axis: int = 0,
    fill_mode: str = "nearest",
    cval: float = 0.0,
    interpolation_order: int = 1,
) -> Array:
    """Returns an image that is moved by shares of its width and height.

    Source: `tf.keras.preprocessing.image.random_shift`.
    """
    tx = _uniform(-hrg, hrg) * x.shape[row_axis]
    ty = _uniform(-wrg, wrg) * x.shape[col_axis]
    axes = (row_axis, col_axis, channel_axis, fill_mode, cval, interpolation_order)
    return apply_affine_transform(x, 0, tx, ty, 0, 1, 1, *axes)


def random_shear(
    x: Array,
    intensity: float,
    row_axis: int = 1,
    col_axis: int = 2,
    channel_axis: int = 0,
    fill_mode: str = "nearest",
    cval: float = 0.0,
    interpolation_order: int = 1,
) -> Array:
    """Returns an image that is sheared by up to `intensity` degrees, either way.

    Source: `tf.keras.preprocessing.image.random_shear`.
    """
    axes = (row_axis, col_axis, channel_axis, fill_mode, cval, interpolation_order)
    shear = _uniform(-intensity, intensity)
    return apply_affine_transform(x, 0, 0, 0, shear, 1, 1, *axes)


def random_zoom(
    x: Array,
    zoom_range: Any,
    row_axis: int = 1,
    col_axis: int = 2,
    channel_axis: int = 0,
    fill_mode: str = "nearest",
    cval: float = 0.0,
    interpolation_order: int = 1,
) -> Array:
    """Returns an image of which a random part is seen, in height and width.

    Raises:
      ValueError: `zoom_range` is no pair.

    Source: `tf.keras.preprocessing.image.random_zoom`.
    """
    low, high = check_pair(zoom_range, "zoom_range")
    zx, zy = (1, 1) if low == high == 1 else _uniform(low, high, 2)
    axes = (row_axis, col_axis, channel_axis, fill_mode, cval, interpolation_order)
    return apply_affine_transform(x, 0, 0, 0, 0, zx, zy, *axes)


def check_pair(value: Any, name: str) -> tuple[float, float]:
    """Returns two numbers.

    Raises:
      ValueError: It is no pair.
    """
    if not isinstance(value, (tuple, list)) or len(value) != 2:
        raise ValueError(
            f"`{name}` should be a tuple or list of two floats. Received: {value}"
        )
    return value[0], value[1]


def apply_channel_shift(x: Array, intensity: float, channel_axis: int = 0) -> Array:
    """Returns an image with a number added, kept between its extremes.

    Source: `tf.keras.preprocessing.image.apply_channel_shift`.
    """
    shifted: Array = np.clip(x + intensity, np.min(x), np.max(x)).astype(x.dtype)
    return shifted


def random_channel_shift(
    x: Array, intensity_range: float, channel_axis: int = 0
) -> Array:
    """Returns an image with a random number added, kept between its extremes.

    Source: `tf.keras.preprocessing.image.random_channel_shift`.
    """
    intensity = _uniform(-intensity_range, intensity_range)
    return apply_channel_shift(x, intensity, channel_axis)


def apply_brightness_shift(x: Array, brightness: float, scale: bool = True) -> Array:
    """Returns an image whose brightness is multiplied.

    Args:
      x: `[height, width, channels]`.
      brightness: 1 for the same, 0 for black.
      scale: Whether the smallest element becomes 0 and the largest 255 before.

    Source: `tf.keras.preprocessing.image.apply_brightness_shift`.
    """
    pillow("apply_brightness_shift")
    enhance = importlib.import_module("PIL.ImageEnhance")
    low, high = np.min(x), np.max(x)
    out_of_range = bool(low < 0 or high > 255)
    image = array_to_img(x, scale=out_of_range or scale)
    result = img_to_array(enhance.Brightness(image).enhance(brightness))
    if not scale and out_of_range:
        result = result / 255 * (high - low) + low
    return result


def random_brightness(x: Array, brightness_range: Any, scale: bool = True) -> Array:
    """Returns an image whose brightness is multiplied by a random number.

    Raises:
      ValueError: `brightness_range` is no pair.

    Source: `tf.keras.preprocessing.image.random_brightness`.
    """
    low, high = check_pair(brightness_range, "brightness_range")
    return apply_brightness_shift(x, _uniform(low, high), scale)


def flip_axis(x: Array, axis: int) -> Array:
    """Returns an image in the other direction along an axis."""
    return np.flip(x, axis)
