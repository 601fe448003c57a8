"""`tf.compat.v1.image`: that of version 2, with the names and arguments of version 1."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from graphopt import image as _image
from graphopt.graph.hooks import hooks
from graphopt.graph.tensor import Tensor
from graphopt.image import boxes as _boxes
from graphopt.image import cropping as _cropping
from graphopt.image import resizing as _resizing
from graphopt.image.resizing import resize_area as resize_area
from graphopt.image.resizing import resize_bicubic as resize_bicubic
from graphopt.image.resizing import resize_bilinear as resize_bilinear
from graphopt.image.resizing import resize_image_with_pad as resize_image_with_pad
from graphopt.image.resizing import resize_images as resize_images
from graphopt.image.resizing import resize_nearest_neighbor as resize_nearest_neighbor
from graphopt.ops.patches import extract_patches as _extract_patches

if TYPE_CHECKING:
    from graphopt.image import adjust_brightness as adjust_brightness
    from graphopt.image import adjust_contrast as adjust_contrast
    from graphopt.image import adjust_gamma as adjust_gamma
    from graphopt.image import adjust_hue as adjust_hue
    from graphopt.image import adjust_jpeg_quality as adjust_jpeg_quality
    from graphopt.image import adjust_saturation as adjust_saturation
    from graphopt.image import central_crop as central_crop
    from graphopt.image import (
        combined_non_max_suppression as combined_non_max_suppression,
    )
    from graphopt.image import convert_image_dtype as convert_image_dtype
    from graphopt.image import crop_to_bounding_box as crop_to_bounding_box
    from graphopt.image import decode_and_crop_jpeg as decode_and_crop_jpeg
    from graphopt.image import decode_bmp as decode_bmp
    from graphopt.image import decode_gif as decode_gif
    from graphopt.image import decode_image as decode_image
    from graphopt.image import decode_jpeg as decode_jpeg
    from graphopt.image import decode_png as decode_png
    from graphopt.image import encode_jpeg as encode_jpeg
    from graphopt.image import encode_png as encode_png
    from graphopt.image import extract_jpeg_shape as extract_jpeg_shape
    from graphopt.image import extract_patches as extract_patches
    from graphopt.image import flip_left_right as flip_left_right
    from graphopt.image import flip_up_down as flip_up_down
    from graphopt.image import grayscale_to_rgb as grayscale_to_rgb
    from graphopt.image import hsv_to_rgb as hsv_to_rgb
    from graphopt.image import image_gradients as image_gradients
    from graphopt.image import is_jpeg as is_jpeg
    from graphopt.image import non_max_suppression as non_max_suppression
    from graphopt.image import (
        non_max_suppression_overlaps as non_max_suppression_overlaps,
    )
    from graphopt.image import non_max_suppression_padded as non_max_suppression_padded
    from graphopt.image import (
        non_max_suppression_with_scores as non_max_suppression_with_scores,
    )
    from graphopt.image import pad_to_bounding_box as pad_to_bounding_box
    from graphopt.image import per_image_standardization as per_image_standardization
    from graphopt.image import psnr as psnr
    from graphopt.image import random_brightness as random_brightness
    from graphopt.image import random_contrast as random_contrast
    from graphopt.image import random_crop as random_crop
    from graphopt.image import random_flip_left_right as random_flip_left_right
    from graphopt.image import random_flip_up_down as random_flip_up_down
    from graphopt.image import random_hue as random_hue
    from graphopt.image import random_jpeg_quality as random_jpeg_quality
    from graphopt.image import random_saturation as random_saturation
    from graphopt.image import resize_with_crop_or_pad as resize_with_crop_or_pad
    from graphopt.image import rgb_to_grayscale as rgb_to_grayscale
    from graphopt.image import rgb_to_hsv as rgb_to_hsv
    from graphopt.image import rgb_to_yiq as rgb_to_yiq
    from graphopt.image import rgb_to_yuv as rgb_to_yuv
    from graphopt.image import rot90 as rot90
    from graphopt.image import sobel_edges as sobel_edges
    from graphopt.image import ssim as ssim
    from graphopt.image import ssim_multiscale as ssim_multiscale
    from graphopt.image import total_variation as total_variation
    from graphopt.image import transpose as transpose
    from graphopt.image import yiq_to_rgb as yiq_to_rgb
    from graphopt.image import yuv_to_rgb as yuv_to_rgb

ResizeMethod = _resizing.ResizeMethodV1
resize = _resizing.resize_images
resize_image_with_crop_or_pad = _cropping.resize_with_crop_or_pad
transpose_image = _cropping.transpose
# Those of version 2 that version 1 has not.
_NEWER = ("resize_with_pad", "stateless_sample_distorted_bounding_box")


def crop_and_resize(
    image: Any,
    boxes: Any,
    box_ind: Any = None,
    crop_size: Any = None,
    method: str = "bilinear",
    extrapolation_value: float = 0,
    name: str | None = None,
    box_indices: Any = None,
) -> Tensor:
    """As in version 2, where `box_ind` is `box_indices`.

    Source: `tf.compat.v1.image.crop_and_resize`.
    """
    chosen = box_ind if box_indices is None else box_indices
    return _cropping.crop_and_resize(
        image, boxes, chosen, crop_size, method, extrapolation_value, name
    )


def draw_bounding_boxes(
    images: Any, boxes: Any, name: str | None = None, colors: Any = None
) -> Tensor:
    """As in version 2.

    Source: `tf.compat.v1.image.draw_bounding_boxes`.
    """
    return _boxes.draw_bounding_boxes(images, boxes, colors, name)


def extract_glimpse(
    input: Any,
    size: Any,
    offsets: Any,
    centered: bool = True,
    normalized: bool = True,
    uniform_noise: bool = True,
    name: str | None = None,
) -> Tensor:
    """As in version 2, with noise that is uniform or else normal.

    Source: `tf.compat.v1.image.extract_glimpse`.
    """
    noise = "uniform" if uniform_noise else "gaussian"
    return _cropping.extract_glimpse(
        input, size, offsets, centered, normalized, noise, name
    )


def extract_image_patches(
    images: Any,
    ksizes: Any = None,
    strides: Any = None,
    rates: Any = None,
    padding: Any = None,
    name: str | None = None,
    sizes: Any = None,
) -> Tensor:
    """As `extract_patches` of version 2.

    Source: `tf.compat.v1.image.extract_image_patches`.
    """
    chosen = ksizes if sizes is None else sizes
    return _extract_patches(images, chosen, strides, rates, padding, name)


def sample_distorted_bounding_box(
    image_size: Any,
    bounding_boxes: Any,
    seed: Any = None,
    seed2: Any = None,
    min_object_covered: Any = 0.1,
    aspect_ratio_range: Any = None,
    area_range: Any = None,
    max_attempts: Any = None,
    use_image_if_no_bounding_boxes: Any = None,
    name: str | None = None,
) -> tuple[Any, Any, Any]:
    """As in version 2, with a seed of two numbers.

    Source: `tf.compat.v1.image.sample_distorted_bounding_box`.
    """
    rest = (
        min_object_covered,
        aspect_ratio_range,
        area_range,
        max_attempts,
        use_image_if_no_bounding_boxes,
        name,
    )
    if seed or seed2:
        pair = hooks.convert([seed or 0, seed2 or 0])
        return _boxes.stateless_sample_distorted_bounding_box(
            image_size, bounding_boxes, pair, *rest
        )
    return _boxes.sample_distorted_bounding_box(image_size, bounding_boxes, 0, *rest)


def _of_version_2() -> list[str]:
    names = dir(_image)
    return [n for n in names if n not in _NEWER and not n.startswith("stateless_")]


_OWN = [
    "ResizeMethod",
    "crop_and_resize",
    "draw_bounding_boxes",
    "extract_glimpse",
    "extract_image_patches",
    "resize",
    "resize_area",
    "resize_bicubic",
    "resize_bilinear",
    "resize_image_with_crop_or_pad",
    "resize_image_with_pad",
    "resize_images",
    "resize_nearest_neighbor",
    "sample_distorted_bounding_box",
    "transpose_image",
]


if not TYPE_CHECKING:  # checkers know the names, and find those that are misspelt

    def __getattr__(name: str) -> Any:
        if name in _of_version_2():
            return getattr(_image, name)
        if name == "__all__":
            return __dir__()
        raise AttributeError(
            f"module 'graphopt.compat.v1.image' has no attribute {name!r}"
        )


def __dir__() -> list[str]:
    return sorted({*_OWN, *_of_version_2()})
