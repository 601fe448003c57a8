"""Images as arrays, from files and back; Pillow does the reading."""

from __future__ import annotations

import importlib
import io
import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphopt.graph.hooks import hooks
from graphopt.keras import backend
from graphopt.keras.messages import warn_user

COLOR_CHANNELS = {"grayscale": 1, "rgb": 3, "rgba": 4}
_MODES = {"grayscale": "L", "rgb": "RGB", "rgba": "RGBA"}
INTERPOLATIONS = (
    "bilinear",
    "nearest",
    "bicubic",
    "area",
    "lanczos3",
    "lanczos5",
    "gaussian",
    "mitchellcubic",
)


def pillow(what: str) -> Any:
    """Returns `PIL.Image`.

    Raises:
      ImportError: Pillow is not there.
    """
    try:
        return importlib.import_module("PIL.Image")
    except ImportError as error:
        raise ImportError(
            f"{what} requires Pillow. Try pip install 'graphopt[image]'."
        ) from error


def _check_format(data_format: str | None) -> str:
    data_format = data_format or backend.image_data_format()
    if data_format not in ("channels_first", "channels_last"):
        raise ValueError(
            f"Invalid data_format: {data_format}; expected 'channels_first' or "
            "'channels_last'."
        )
    return data_format


def img_to_array(
    img: Any, data_format: str | None = None, dtype: Any = None
) -> NDArray[Any]:
    """Returns an image as an array of rank 3.

    Args:
      img: An image of Pillow, or an array of rank 2 or 3.
      data_format: `"channels_last"`, the default, or `"channels_first"`.
      dtype: That of the result; float32 by default.

    Raises:
      ValueError: Another rank.

    Source: `tf.keras.utils.img_to_array`.
    """
    first = _check_format(data_format) == "channels_first"
    x = np.asarray(img, dtype or backend.floatx())
    if x.ndim not in (2, 3):
        raise ValueError(f"Unsupported image shape: {x.shape}")
    if x.ndim == 2:
        x = x[:, :, None]
    return x.transpose(2, 0, 1) if first else x


def array_to_img(
    x: Any, data_format: str | None = None, scale: bool = True, dtype: Any = None
) -> Any:
    """Returns an array of rank 3 as an image of Pillow.

    Args:
      x: `[height, width, channels]`, of 1, 3 or 4 channels.
      data_format: `"channels_last"`, the default, or `"channels_first"`.
      scale: Whether the smallest element becomes 0 and the largest 255.
      dtype: What is computed in; float32 by default.

    Raises:
      ValueError: Another rank or number of channels.

    Source: `tf.keras.utils.array_to_img`.
    """
    image = pillow("array_to_img")
    first = _check_format(data_format) == "channels_first"
    x = x.numpy() if hasattr(x, "numpy") else x
    x = np.asarray(x, dtype or backend.floatx())
    if x.ndim != 3:
        raise ValueError(
            "Expected image array to have rank 3 (single image). Got array with shape: "
            f"{x.shape}"
        )
    x = x.transpose(1, 2, 0) if first else x
    if scale:
        x = x - x.min()
        largest = x.max()
        x = x / largest * 255 if largest else x
    channels = x.shape[2]
    if channels not in (1, 3, 4):
        raise ValueError(f"Unsupported channel number: {channels}")
    if channels == 1 and x.max() > 255:
        return image.fromarray(np.ascontiguousarray(x[:, :, 0].astype(np.int32)))
    x = np.ascontiguousarray(x.astype(np.uint8))
    return image.fromarray(x[:, :, 0] if channels == 1 else x)


def save_img(
    path: Any,
    x: Any,
    data_format: str | None = None,
    file_format: str | None = None,
    scale: bool = True,
    **kwargs: Any,
) -> None:
    """Writes an array of rank 3 as an image file.

    Args:
      path: The file.
      x: `[height, width, channels]`.
      data_format: `"channels_last"`, the default, or `"channels_first"`.
      file_format: What kind of file; by default its ending says so.
      scale: Whether the smallest element becomes 0 and the largest 255.
      **kwargs: Passed to Pillow.

    Source: `tf.keras.utils.save_img`.
    """
    image = array_to_img(x, data_format, scale)
    if image.mode == "RGBA" and file_format in ("jpg", "jpeg"):
        warn_user("The JPG format does not support RGBA images, converting to RGB.")
        image = image.convert("RGB")
    # Pillow knows it by the other name.
    kind = "jpeg" if file_format == "jpg" else file_format
    image.save(path, format=kind, **kwargs)


def load_img(
    path: Any,
    grayscale: bool = False,
    color_mode: str = "rgb",
    target_size: Any = None,
    interpolation: str = "nearest",
    keep_aspect_ratio: bool = False,
) -> Any:
    """Reads an image file as an image of Pillow.

    Args:
      path: The file, or a `BytesIO` of its bytes.
      grayscale: The former way to say `color_mode="grayscale"`.
      color_mode: `"grayscale"`, `"rgb"` or `"rgba"`.
      target_size: (height, width) that it is resized to.
      interpolation: `"nearest"`, `"bilinear"`, `"bicubic"`, `"hamming"`, `"box"` or
        `"lanczos"`.
      keep_aspect_ratio: Whether it is cropped, around the center, in place of distorted.

    Raises:
      ValueError: A bad option.
      TypeError: `path` is no file.

    Source: `tf.keras.utils.load_img`.
    """
    image = pillow("load_img")
    if grayscale:
        warn_user('grayscale is deprecated. Please use color_mode="grayscale"')
        color_mode = "grayscale"
    if color_mode not in _MODES:
        raise ValueError('color_mode must be "grayscale", "rgb", or "rgba"')
    if isinstance(path, io.BytesIO):
        img = image.open(path)
    elif isinstance(path, (str, bytes, os.PathLike)):
        img = image.open(io.BytesIO(Path(os.fsdecode(path)).read_bytes()))
    else:
        raise TypeError(f"path should be path-like or io.BytesIO, not {type(path)}")
    is_deep_gray = color_mode == "grayscale" and img.mode in ("I;16", "I")
    if img.mode != _MODES[color_mode] and not is_deep_gray:
        img = img.convert(_MODES[color_mode])
    if target_size is None or img.size == (target_size[1], target_size[0]):
        return img
    return _resize(img, image, target_size, interpolation, keep_aspect_ratio)


def _resize(img: Any, image: Any, size: Any, interpolation: str, crop: bool) -> Any:
    methods = ("nearest", "bilinear", "bicubic", "hamming", "box", "lanczos")
    if interpolation not in methods:
        raise ValueError(
            f"Invalid interpolation method {interpolation} specified. Supported methods "
            f"are {', '.join(methods)}"
        )
    resample = getattr(image.Resampling, interpolation.upper())
    height, width = size
    if not crop:
        return img.resize((width, height), resample)
    whole_width, whole_height = img.size
    kept_height = min(whole_height, whole_width * height // width)
    kept_width = min(whole_width, whole_height * width // height)
    top, left = (whole_height - kept_height) // 2, (whole_width - kept_width) // 2
    box = (left, top, left + kept_width, top + kept_height)
    return img.resize((width, height), resample, box=box)


def smart_resize(x: Any, size: Any, interpolation: str = "bilinear") -> Any:
    """Resizes images without distortion: what is too wide or too high is cropped.

    Args:
      x: `[height, width, channels]` or `[batch, height, width, channels]`, an array or a
        tensor.
      size: (height, width).
      interpolation: A method of `tf.image.resize`.

    Returns:
      An array for an array, a tensor for a tensor; float32 unless `"nearest"`.

    Raises:
      ValueError: Another rank, or another length of `size`.

    Source: `tf.keras.preprocessing.image.smart_resize`.
    """
    if len(size) != 2:
        raise ValueError(
            f"Expected `size` to be a tuple of 2 integers, but got: {size}."
        )
    img = hooks.convert(x)
    rank = img.shape.rank
    if rank not in (3, 4):
        raise ValueError(
            "Expected an image array with shape `(height, width, channels)`, or "
            "`(batch_size, height, width, channels)`, but got input with incorrect "
            f"rank, of shape {img.shape}."
        )
    tf_image = importlib.import_module("graphopt.image")
    img = _crop_to_ratio(img, *size)
    resized = tf_image.resize(img, size, method=interpolation)
    return resized.numpy() if isinstance(x, np.ndarray) else resized


def _crop_to_ratio(img: Any, height: int, width: int) -> Any:
    """Crops around the center to a ratio of height and width."""
    from graphopt.ops.creation import shape
    from graphopt.ops.elementwise import cast, minimum
    from graphopt.ops.slicing import slice as cut

    sizes = shape(img)
    rows, columns = sizes[-3], sizes[-2]
    kept_rows = minimum(rows, cast(cast(columns * height, "float32") / width, "int32"))
    kept_columns = minimum(
        columns, cast(cast(rows * width, "float32") / height, "int32")
    )
    top = cast(cast(rows - kept_rows, "float32") / 2.0, "int32")
    left = cast(cast(columns - kept_columns, "float32") / 2.0, "int32")
    batch = [0] if img.shape.rank == 4 else []
    whole = [-1] if img.shape.rank == 4 else []
    return cut(img, [*batch, top, left, 0], [*whole, kept_rows, kept_columns, -1])


def check_interpolation(interpolation: str) -> str:
    """Returns a method of `tf.image.resize`.

    Raises:
      NotImplementedError: There is none of that name.
    """
    if str(interpolation).lower() not in INTERPOLATIONS:
        raise NotImplementedError(
            f"Value not recognized for `interpolation`: {interpolation}. Supported "
            f"values are: {INTERPOLATIONS}"
        )
    return interpolation.lower()
