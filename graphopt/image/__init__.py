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
    from graphopt.image.resizing import resize as resize

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


def __getattr__(name: str) -> Any:
    if name in NAMES:
        module = importlib.import_module(f"graphopt.{NAMES[name]}")
        return getattr(module, name)
    if name == "__all__":
        return sorted(NAMES)
    raise AttributeError(f"module 'graphopt.image' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(NAMES)
