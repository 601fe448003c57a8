"""Element types and color spaces of images."""

from __future__ import annotations

from typing import Any

import numpy as np

from graphopt.dtypes import as_dtype
from graphopt.graph.hooks import hooks
from graphopt.graph.tensor import Tensor
from graphopt.image.checks import as_known, check
from graphopt.ops import elementwise as math
from graphopt.ops.creation import constant
from graphopt.ops.einsum import tensordot
from graphopt.ops.elementwise import cast, where
from graphopt.ops.partitions import saturate_cast
from graphopt.ops.reduction import reduce_mean
from graphopt.ops.repeating import repeat
from graphopt.ops.shaping import expand_dims, stack
from graphopt.ops.splitting import unstack


def convert_image_dtype(
    image: Any, dtype: Any, saturate: bool = False, name: str | None = None
) -> Tensor:
    """Converts images, with [0, 1] of floats as the whole range of integers.

    Args:
      image: Of any shape.
      dtype: A float or integer type.
      saturate: Whether what lies outside the range of an integer becomes its end.
      name: Name of the op.

    Raises:
      TypeError: The type is neither.

    >>> import graphopt as tf
    >>> tf.image.convert_image_dtype(np.array([0, 255], np.uint8), tf.float32).numpy()
    array([0., 1.], dtype=float32)

    Source: `tf.image.convert_image_dtype`.
    """
    image, dtype = hooks.convert(image), as_dtype(dtype)
    if not (dtype.is_floating or dtype.is_integer):
        raise TypeError("dtype must be either floating point or integer")
    old = image.dtype
    if old is dtype:
        return image
    to = saturate_cast if saturate else cast
    if old.is_integer and dtype.is_integer:
        most, limit = int(old.max), int(dtype.max)
        if most > limit:
            return to(image // ((most + 1) // (limit + 1)), dtype)
        made = to(image, dtype)
        return made * ((limit + 1) // (most + 1))
    if old.is_floating and dtype.is_floating:
        return cast(image, dtype)
    if old.is_integer:
        return cast(image, dtype) * (1.0 / int(old.max))
    return to(image * (int(dtype.max) + 0.5), dtype)


def in_float(image: Any, function: Any, *, wide: bool = False) -> Any:
    """Applies a function of floats to images of any type, and converts back.

    Args:
      image: The images.
      function: From floats to floats.
      wide: Whether float16 and float64 are computed in float32, too.
    """
    image = hooks.convert(image)
    old = image.dtype
    if old.is_floating and not wide:
        return function(image)
    made = function(convert_image_dtype(image, "float32"))
    return convert_image_dtype(made, old, saturate=True)


def rgb_to_grayscale(images: Any, name: str | None = None) -> Tensor:
    """Returns the brightness of colors, `[..., 1]`.

    Source: `tf.image.rgb_to_grayscale`.
    """
    images = hooks.convert(images)
    shares = constant(np.array([0.2989, 0.5870, 0.1140], np.float32))
    made = tensordot(convert_image_dtype(images, "float32"), shares, [[-1], [-1]])
    return convert_image_dtype(expand_dims(made, -1), images.dtype)


def grayscale_to_rgb(images: Any, name: str | None = None) -> Tensor:
    """Returns gray as colors, `[..., 3]`.

    Source: `tf.image.grayscale_to_rgb`.
    """
    images = hooks.convert(images)
    return repeat(images, 3, axis=images.shape.rank - 1)


def rgb_to_hsv(images: Any, name: str | None = None) -> Tensor:
    """Returns hue, saturation and value, each in [0, 1].

    Args:
      images: `[..., 3]` of floats in [0, 1].
      name: Name of the op.

    Source: `tf.image.rgb_to_hsv`.
    """
    red, green, blue = unstack(_three(images), axis=-1)
    value = math.maximum(red, math.maximum(green, blue))
    width = value - math.minimum(red, math.minimum(green, blue))
    saturation = _quotient(width, value)
    unit = _quotient(width * 0 + 1, 6.0 * width)
    hue = where(
        math.equal(red, value),
        unit * (green - blue),
        where(
            math.equal(green, value),
            unit * (blue - red) + 2.0 / 6.0,
            unit * (red - green) + 4.0 / 6.0,
        ),
    )
    hue = where(width > 0, hue, width * 0)
    hue = where(hue < 0, hue + 1.0, hue)
    return stack([hue, saturation, value], -1)


def _three(images: Any) -> Any:
    images = hooks.convert(images)
    known = images.shape[-1] if images.shape.rank else None
    check(known in (3, None), "input must have 3 channels", images.shape)
    return images


def _quotient(x: Any, y: Any) -> Any:
    """x / y, 0 where y is not positive."""
    is_positive = y > 0
    return where(is_positive, x / where(is_positive, y, y * 0 + 1), x * 0)


def hsv_to_rgb(images: Any, name: str | None = None) -> Tensor:
    """Returns red, green and blue of hue, saturation and value.

    Source: `tf.image.hsv_to_rgb`.
    """
    hue, saturation, value = unstack(_three(images), axis=-1)
    sixth = hue * 6.0

    def share(x: Any) -> Any:
        return math.minimum(math.maximum(x, 0.0), 1.0)

    parts = (
        share(math.abs(sixth - 3.0) - 1.0),
        share(2.0 - math.abs(sixth - 2.0)),
        share(2.0 - math.abs(sixth - 4.0)),
    )
    return stack([((1.0 - saturation) + saturation * p) * value for p in parts], -1)


def _by_matrix(images: Any, rows: list[list[float]]) -> Any:
    images = _three(images)
    table = constant(np.array(rows, images.dtype.numpy))
    return tensordot(images, table, [[images.shape.rank - 1], [0]])


_YIQ = [
    [0.299, 0.59590059, 0.2115],
    [0.587, -0.27455667, -0.52273617],
    [0.114, -0.32134392, 0.31119955],
]
_FROM_YIQ = [
    [1.0, 1.0, 1.0],
    [0.95598634, -0.27201283, -1.10674021],
    [0.6208248, -0.64720424, 1.70423049],
]
_YUV = [
    [0.299, -0.14714119, 0.61497538],
    [0.587, -0.28886916, -0.51496512],
    [0.114, 0.43601035, -0.10001026],
]
_FROM_YUV = [
    [1.0, 1.0, 1.0],
    [0.0, -0.394642334, 2.03206185],
    [1.13988303, -0.58062185, 0.0],
]


def rgb_to_yiq(images: Any) -> Tensor:
    """Returns luma and two chroma channels, of NTSC.

    Source: `tf.image.rgb_to_yiq`.
    """
    return _by_matrix(images, _YIQ)


def yiq_to_rgb(images: Any) -> Tensor:
    """Returns colors of luma and chroma, of NTSC.

    Source: `tf.image.yiq_to_rgb`.
    """
    return _by_matrix(images, _FROM_YIQ)


def rgb_to_yuv(images: Any) -> Tensor:
    """Returns luma and two chroma channels, of PAL.

    Source: `tf.image.rgb_to_yuv`.
    """
    return _by_matrix(images, _YUV)


def yuv_to_rgb(images: Any) -> Tensor:
    """Returns colors of luma and chroma, of PAL.

    Source: `tf.image.yuv_to_rgb`.
    """
    return _by_matrix(images, _FROM_YUV)


# ---- adjustments


def adjust_brightness(image: Any, delta: Any) -> Tensor:
    """Adds to all channels; of integers, a fraction of their range.

    Source: `tf.image.adjust_brightness`.
    """
    return in_float(image, lambda x: x + cast(hooks.convert(delta), x.dtype))


def adjust_contrast(images: Any, contrast_factor: Any) -> Tensor:
    """Moves each channel away from its mean by a factor.

    Args:
      images: `[..., height, width, channels]`.
      contrast_factor: A scalar.

    Source: `tf.image.adjust_contrast`.
    """

    def adjust(x: Any) -> Any:
        mean = reduce_mean(x, axis=[-3, -2], keepdims=True)
        return (x - mean) * cast(hooks.convert(contrast_factor), x.dtype) + mean

    return in_float(images, adjust, wide=True)


def adjust_gamma(image: Any, gamma: Any = 1, gain: Any = 1) -> Tensor:
    """Returns gain * image ** gamma.

    Raises:
      ValueError: `gamma` is negative.

    Source: `tf.image.adjust_gamma`.
    """
    known = as_known(gamma)
    check(
        not isinstance(known, (int, float)) or known >= 0,
        "Gamma should be a non-negative real number",
        known,
    )

    def adjust(x: Any) -> Any:
        power = cast(hooks.convert(gamma), x.dtype)
        return cast(hooks.convert(gain), x.dtype) * x**power

    return in_float(image, adjust)


def adjust_hue(image: Any, delta: Any, name: str | None = None) -> Tensor:
    """Turns hues by a part of the circle.

    Args:
      image: `[..., 3]`.
      delta: Between -1 and 1.
      name: Name of the op.

    Source: `tf.image.adjust_hue`.
    """
    known = as_known(delta)
    check(
        not isinstance(known, (int, float)) or -1 <= known <= 1,
        "delta must be in the interval [-1, 1]",
        known,
    )

    def adjust(x: Any) -> Any:
        hue, saturation, value = unstack(rgb_to_hsv(x), axis=-1)
        hue = hue + cast(hooks.convert(delta), x.dtype)
        return hsv_to_rgb(stack([hue - math.floor(hue), saturation, value], -1))

    return in_float(image, adjust)


def adjust_saturation(
    image: Any, saturation_factor: Any, name: str | None = None
) -> Tensor:
    """Multiplies saturations by a factor.

    Source: `tf.image.adjust_saturation`.
    """

    def adjust(x: Any) -> Any:
        hue, saturation, value = unstack(rgb_to_hsv(x), axis=-1)
        saturation = saturation * cast(hooks.convert(saturation_factor), x.dtype)
        saturation = math.minimum(math.maximum(saturation, 0.0), 1.0)
        return hsv_to_rgb(stack([hue, saturation, value], -1))

    return in_float(image, adjust)
