"""What is done to images at random: `random_*` and `stateless_random_*`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from graphopt.graph.tensor import Tensor
from graphopt.image import colors, cropping, encoded
from graphopt.image.checks import as_given, as_images, check
from graphopt.ops.creation import shape
from graphopt.ops.elementwise import where
from graphopt.ops.random import stateless_uniform
from graphopt.ops.random_stateful import uniform
from graphopt.ops.shaping import reshape

# Draws from [low, high): a shape and bounds, and perhaps a dtype.
Draw = Callable[..., Any]


def _stateful(seed: Any) -> Draw:
    return lambda dims, low, high, dtype="float32": uniform(
        dims, low, high, dtype=dtype, seed=seed
    )


def _stateless(seed: Any) -> Draw:
    return lambda dims, low, high, dtype="float32": stateless_uniform(
        dims, seed, low, high, dtype=dtype
    )


def _flip(image: Any, draw: Draw, function: Any, what: str) -> Any:
    """Flips each of the images with a chance of a half."""
    images, is_batch = as_images(image, what)
    count = shape(images)[:1] if images.shape[0] is None else [images.shape[0]]
    flips = reshape(draw(count if is_batch else [1], 0.0, 1.0) < 0.5, [-1, 1, 1, 1])
    return as_given(where(flips, function(images), images), is_batch)


def _check_bounds(lower: Any, upper: Any, least: float | None = 0) -> None:
    check(upper > lower, "upper must be > lower", f"{lower} and {upper}")
    if least is not None:
        check(lower >= least, f"lower must be >= {least}", lower)


def _brightness(image: Any, most: Any, draw: Draw) -> Any:
    check(most >= 0, "max_delta must be non-negative", most)
    return colors.adjust_brightness(image, draw([], -most, most))


def _contrast(image: Any, lower: Any, upper: Any, draw: Draw) -> Any:
    _check_bounds(lower, upper)
    return colors.adjust_contrast(image, draw([], lower, upper))


def _saturation(image: Any, lower: Any, upper: Any, draw: Draw) -> Any:
    _check_bounds(lower, upper)
    return colors.adjust_saturation(image, draw([], lower, upper))


def _hue(image: Any, most: Any, draw: Draw) -> Any:
    check(0 <= most <= 0.5, "max_delta must be in [0, 0.5]", most)
    return colors.adjust_hue(image, draw([], -most, most))


def _quality(image: Any, lower: Any, upper: Any, draw: Draw) -> Any:
    check(
        0 <= lower < upper <= 100,
        "min_jpeg_quality must be < max_jpeg_quality, both in [0, 100]",
        f"{lower} and {upper}",
    )
    return encoded.adjust_jpeg_quality(image, draw([], lower, upper, "int32"))


def random_flip_left_right(image: Any, seed: Any = None) -> Tensor:
    """Mirrors each image with a chance of a half.

    Source: `tf.image.random_flip_left_right`.
    """
    name = "tf.image.random_flip_left_right"
    return _flip(image, _stateful(seed), cropping.flip_left_right, name)


def random_flip_up_down(image: Any, seed: Any = None) -> Tensor:
    """Turns each image upside down with a chance of a half.

    Source: `tf.image.random_flip_up_down`.
    """
    name = "tf.image.random_flip_up_down"
    return _flip(image, _stateful(seed), cropping.flip_up_down, name)


def random_brightness(image: Any, max_delta: Any, seed: Any = None) -> Tensor:
    """Adds a number from [-max_delta, max_delta).

    Source: `tf.image.random_brightness`.
    """
    return _brightness(image, max_delta, _stateful(seed))


def random_contrast(image: Any, lower: Any, upper: Any, seed: Any = None) -> Tensor:
    """Changes the contrast by a factor from [lower, upper).

    Source: `tf.image.random_contrast`.
    """
    return _contrast(image, lower, upper, _stateful(seed))


def random_saturation(image: Any, lower: Any, upper: Any, seed: Any = None) -> Tensor:
    """Changes the saturation by a factor from [lower, upper).

    Source: `tf.image.random_saturation`.
    """
    return _saturation(image, lower, upper, _stateful(seed))


def random_hue(image: Any, max_delta: Any, seed: Any = None) -> Tensor:
    """Turns the hue by a number from [-max_delta, max_delta).

    Source: `tf.image.random_hue`.
    """
    return _hue(image, max_delta, _stateful(seed))


def random_jpeg_quality(
    image: Any, min_jpeg_quality: Any, max_jpeg_quality: Any, seed: Any = None
) -> Tensor:
    """Writes and reads an image as JPEG of some quality.

    Source: `tf.image.random_jpeg_quality`.
    """
    return _quality(image, min_jpeg_quality, max_jpeg_quality, _stateful(seed))


def stateless_random_flip_left_right(image: Any, seed: Any) -> Tensor:
    """As `random_flip_left_right`, the same for the same two numbers as seed.

    Source: `tf.image.stateless_random_flip_left_right`.
    """
    name = "tf.image.stateless_random_flip_left_right"
    return _flip(image, _stateless(seed), cropping.flip_left_right, name)


def stateless_random_flip_up_down(image: Any, seed: Any) -> Tensor:
    """As `random_flip_up_down`, the same for the same two numbers as seed.

    Source: `tf.image.stateless_random_flip_up_down`.
    """
    name = "tf.image.stateless_random_flip_up_down"
    return _flip(image, _stateless(seed), cropping.flip_up_down, name)


def stateless_random_brightness(image: Any, max_delta: Any, seed: Any) -> Tensor:
    """As `random_brightness`, the same for the same two numbers as seed.

    Source: `tf.image.stateless_random_brightness`.
    """
    return _brightness(image, max_delta, _stateless(seed))


def stateless_random_contrast(image: Any, lower: Any, upper: Any, seed: Any) -> Tensor:
    """As `random_contrast`, the same for the same two numbers as seed.

    Source: `tf.image.stateless_random_contrast`.
    """
    return _contrast(image, lower, upper, _stateless(seed))


def stateless_random_saturation(
    image: Any, lower: Any, upper: Any, seed: Any = None
) -> Tensor:
    """As `random_saturation`, the same for the same two numbers as seed.

    Source: `tf.image.stateless_random_saturation`.
    """
    return _saturation(image, lower, upper, _stateless(seed))


def stateless_random_hue(image: Any, max_delta: Any, seed: Any) -> Tensor:
    """As `random_hue`, the same for the same two numbers as seed.

    Source: `tf.image.stateless_random_hue`.
    """
    return _hue(image, max_delta, _stateless(seed))


def stateless_random_jpeg_quality(
    image: Any, min_jpeg_quality: Any, max_jpeg_quality: Any, seed: Any
) -> Tensor:
    """As `random_jpeg_quality`, the same for the same two numbers as seed.

    Source: `tf.image.stateless_random_jpeg_quality`.
    """
    return _quality(image, min_jpeg_quality, max_jpeg_quality, _stateless(seed))
