"""`tf.image`: reading, resizing, cutting and changing images.

Problem: pipelines of images need some seventy functions, most of which are a few lines of
arithmetic, and a step should stay one piece of native code with them in it.

Design: everything that is arithmetic is composed of ops that are there already, so it
compiles, differentiates and runs eagerly as they do. A resize of a known size is a gather of
rows with constant weights, or a product with a small matrix of weights where many pixels go
into one (`weights.py`); sizes that only a run knows are computed in the graph. What needs
bytes or lists of boxes (`encoded.py`, `boxes.py`) is Python, and cuts a step there.

Files are read and written by Pillow, an extra: `pip install 'graphopt[image]'`. Modules of
this folder are loaded when one of their names is used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from graphopt.image.boxes import (
        combined_non_max_suppression as combined_non_max_suppression,
    )
    from graphopt.image.boxes import draw_bounding_boxes as draw_bounding_boxes
    from graphopt.image.boxes import non_max_suppression as non_max_suppression
    from graphopt.image.boxes import (
        non_max_suppression_overlaps as non_max_suppression_overlaps,
    )
    from graphopt.image.boxes import (
        non_max_suppression_padded as non_max_suppression_padded,
    )
    from graphopt.image.boxes import (
        non_max_suppression_with_scores as non_max_suppression_with_scores,
    )
    from graphopt.image.boxes import (
        sample_distorted_bounding_box as sample_distorted_bounding_box,
    )
    from graphopt.image.boxes import (
        stateless_sample_distorted_bounding_box as stateless_sample_distorted_bounding_box,
    )
    from graphopt.image.colors import adjust_brightness as adjust_brightness
    from graphopt.image.colors import adjust_contrast as adjust_contrast
    from graphopt.image.colors import adjust_gamma as adjust_gamma
    from graphopt.image.colors import adjust_hue as adjust_hue
    from graphopt.image.colors import adjust_saturation as adjust_saturation
    from graphopt.image.colors import convert_image_dtype as convert_image_dtype
    from graphopt.image.colors import grayscale_to_rgb as grayscale_to_rgb
    from graphopt.image.colors import hsv_to_rgb as hsv_to_rgb
    from graphopt.image.colors import rgb_to_grayscale as rgb_to_grayscale
    from graphopt.image.colors import rgb_to_hsv as rgb_to_hsv
    from graphopt.image.colors import rgb_to_yiq as rgb_to_yiq
    from graphopt.image.colors import rgb_to_yuv as rgb_to_yuv
    from graphopt.image.colors import yiq_to_rgb as yiq_to_rgb
    from graphopt.image.colors import yuv_to_rgb as yuv_to_rgb
    from graphopt.image.cropping import central_crop as central_crop
    from graphopt.image.cropping import crop_and_resize as crop_and_resize
    from graphopt.image.cropping import crop_to_bounding_box as crop_to_bounding_box
    from graphopt.image.cropping import extract_glimpse as extract_glimpse
    from graphopt.image.cropping import flip_left_right as flip_left_right
    from graphopt.image.cropping import flip_up_down as flip_up_down
    from graphopt.image.cropping import pad_to_bounding_box as pad_to_bounding_box
    from graphopt.image.cropping import random_crop as random_crop
    from graphopt.image.cropping import (
        resize_with_crop_or_pad as resize_with_crop_or_pad,
    )
    from graphopt.image.cropping import rot90 as rot90
    from graphopt.image.cropping import stateless_random_crop as stateless_random_crop
    from graphopt.image.cropping import transpose as transpose
    from graphopt.image.drawn import random_brightness as random_brightness
    from graphopt.image.drawn import random_contrast as random_contrast
    from graphopt.image.drawn import random_flip_left_right as random_flip_left_right
    from graphopt.image.drawn import random_flip_up_down as random_flip_up_down
    from graphopt.image.drawn import random_hue as random_hue
    from graphopt.image.drawn import random_jpeg_quality as random_jpeg_quality
    from graphopt.image.drawn import random_saturation as random_saturation
    from graphopt.image.drawn import (
        stateless_random_brightness as stateless_random_brightness,
    )
    from graphopt.image.drawn import (
        stateless_random_contrast as stateless_random_contrast,
    )
    from graphopt.image.drawn import (
        stateless_random_flip_left_right as stateless_random_flip_left_right,
    )
    from graphopt.image.drawn import (
        stateless_random_flip_up_down as stateless_random_flip_up_down,
    )
    from graphopt.image.drawn import stateless_random_hue as stateless_random_hue
    from graphopt.image.drawn import (
        stateless_random_jpeg_quality as stateless_random_jpeg_quality,
    )
    from graphopt.image.drawn import (
        stateless_random_saturation as stateless_random_saturation,
    )
    from graphopt.image.encoded import adjust_jpeg_quality as adjust_jpeg_quality
    from graphopt.image.encoded import decode_and_crop_jpeg as decode_and_crop_jpeg
    from graphopt.image.encoded import decode_bmp as decode_bmp
    from graphopt.image.encoded import decode_gif as decode_gif
    from graphopt.image.encoded import decode_image as decode_image
    from graphopt.image.encoded import decode_jpeg as decode_jpeg
    from graphopt.image.encoded import decode_png as decode_png
    from graphopt.image.encoded import encode_jpeg as encode_jpeg
    from graphopt.image.encoded import encode_png as encode_png
    from graphopt.image.encoded import extract_jpeg_shape as extract_jpeg_shape
    from graphopt.image.encoded import is_jpeg as is_jpeg
    from graphopt.image.quality import image_gradients as image_gradients
    from graphopt.image.quality import (
        per_image_standardization as per_image_standardization,
    )
    from graphopt.image.quality import psnr as psnr
    from graphopt.image.quality import sobel_edges as sobel_edges
    from graphopt.image.quality import ssim as ssim
    from graphopt.image.quality import ssim_multiscale as ssim_multiscale
    from graphopt.image.quality import total_variation as total_variation
    from graphopt.image.resizing import ResizeMethod as ResizeMethod
    from graphopt.image.resizing import resize as resize
    from graphopt.image.resizing import resize_with_pad as resize_with_pad
    from graphopt.ops.patches import extract_patches as extract_patches

# Module -> names of version 2, then those of version 1 only.
_NAMES = {
    "boxes": """combined_non_max_suppression draw_bounding_boxes non_max_suppression non_max_suppression_overlaps
        non_max_suppression_padded non_max_suppression_with_scores
        sample_distorted_bounding_box stateless_sample_distorted_bounding_box""",
    "colors": """adjust_brightness adjust_contrast adjust_gamma adjust_hue
        adjust_saturation convert_image_dtype grayscale_to_rgb hsv_to_rgb
        rgb_to_grayscale rgb_to_hsv rgb_to_yiq rgb_to_yuv yiq_to_rgb yuv_to_rgb""",
    "cropping": """central_crop crop_and_resize crop_to_bounding_box extract_glimpse
        flip_left_right flip_up_down pad_to_bounding_box random_crop
        resize_with_crop_or_pad rot90 stateless_random_crop transpose""",
    "drawn": """random_brightness random_contrast random_flip_left_right
        random_flip_up_down random_hue random_jpeg_quality random_saturation
        stateless_random_brightness stateless_random_contrast
        stateless_random_flip_left_right stateless_random_flip_up_down
        stateless_random_hue stateless_random_jpeg_quality
        stateless_random_saturation""",
    "encoded": """adjust_jpeg_quality decode_and_crop_jpeg decode_bmp decode_gif
        decode_image decode_jpeg decode_png encode_jpeg encode_png
        extract_jpeg_shape is_jpeg""",
    "quality": """image_gradients per_image_standardization psnr sobel_edges ssim
        ssim_multiscale total_variation""",
    "resizing": "ResizeMethod resize resize_with_pad",
}
# Name -> module, as a path below the package.
NAMES = {
    name: f"image.{module}" for module, text in _NAMES.items() for name in text.split()
}
NAMES["extract_patches"] = "ops.patches"


if not TYPE_CHECKING:  # checkers know the names, and find those that are misspelt

    def __getattr__(name: str) -> Any:
        if name in NAMES:
            module = importlib.import_module(f"graphopt.{NAMES[name]}")
            return getattr(module, name)
        if name == "__all__":
            return sorted(NAMES)
        raise AttributeError(f"module 'graphopt.image' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(NAMES)
