"""Files of images: reading and writing PNG, JPEG, GIF and BMP, with Pillow.

Bytes are values of the host, so each of these cuts a step; what follows is native again.
"""

from __future__ import annotations

import functools
import io
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphopt.dtypes import as_dtype
from graphopt.errors import InvalidArgumentError, fail
from graphopt.graph.hooks import hooks
from graphopt.graph.provenance import user_site
from graphopt.graph.tensor import Tensor
from graphopt.image.checks import check
from graphopt.image.colors import convert_image_dtype
from graphopt.ops.host import numpy_function

Array = NDArray[Any]


def _pillow() -> Any:
    """Loads Pillow.

    Raises:
      ImportError: It is not installed.
    """
    try:
        from PIL import Image
    except ImportError as error:
        raise ImportError(
            "Reading and writing files of images needs Pillow: "
            "pip install 'graphopt[image]'"
        ) from error
    return Image


def _contents(contents: Any, what: str) -> Any:
    contents = hooks.convert(contents)
    if contents.dtype.name != "string":
        raise fail(
            TypeError,
            f"contents of {what} must be bytes",
            got=contents.dtype.name,
            expected="string",
            site=str(user_site()),
            remedy="tf.io.read_file",
        )
    return contents


def _bytes_of(data: Any) -> bytes:
    """A scalar string comes as bytes, or as an array of one."""
    return data if isinstance(data, bytes) else bytes(data[()])


_MODES = {1: "L", 3: "RGB", 4: "RGBA"}


def _open(data: bytes, what: str) -> Any:
    try:
        image = _pillow().open(io.BytesIO(data))
        image.load()
    except (OSError, SyntaxError, ValueError) as error:
        raise fail(
            InvalidArgumentError,
            f"{what}: the contents are no image that can be read",
            got=f"{len(data)} bytes that begin with {data[:8]!r}",
            remedy="a whole PNG, JPEG, GIF or BMP file",
        ) from error
    return image


def _as_array(image: Any, channels: int) -> Array:
    """Returns the pixels of an image of Pillow, `[height, width, channels]`."""
    if image.mode.startswith("I;16") or image.mode == "I":
        found = np.asarray(image).astype(np.uint16)[..., None]
        return np.repeat(found, 3, 2) if channels == 3 else found
    if channels:
        image = image.convert(_MODES[channels])
    elif image.mode in ("1", "L"):
        image = image.convert("L")
    elif image.mode == "P":
        image = image.convert("RGBA" if "transparency" in image.info else "RGB")
    elif image.mode not in ("LA", "RGB", "RGBA"):
        image = image.convert("RGB")
    found = np.asarray(image)
    return found if found.ndim == 3 else found[..., None]


def _read(data: Any, channels: int, what: str) -> Array:
    found = _as_array(_open(_bytes_of(data), what), channels)
    if found.dtype == np.uint16:
        return (found >> 8).astype(np.uint8)
    return np.ascontiguousarray(found)


def _decode(contents: Any, channels: Any, dtype: Any, what: str) -> Any:
    channels = int(channels or 0)
    check(channels in (0, 1, 3, 4), "channels must be in [0, 1, 3, 4]", channels)
    # Numbers of 16 bits without a sign are not among our dtypes, which this says.
    dtype = as_dtype(dtype)
    check(dtype.name == "uint8", "dtype must be uint8", dtype.name)
    _pillow()
    read = functools.partial(_read, channels=channels, what=what)
    made = numpy_function(read, [_contents(contents, what)], dtype)
    if hasattr(made, "op"):
        made.set_shape([None, None, channels or None])
    return made


def decode_png(
    contents: Any, channels: int = 0, dtype: Any = "uint8", name: str | None = None
) -> Tensor:
    """Reads a PNG file.

    Args:
      contents: Scalar string, the bytes of the file.
      channels: 1 for gray, 3 for colors, 4 for colors with alpha, 0 for what the file has.
      dtype: uint8; files of 16 bits lose half of them.
      name: Name of the op.

    Returns:
      `[height, width, channels]`.

    Raises:
      InvalidArgumentError: The bytes are no image.
      ImportError: Pillow is not installed.

    Source: `tf.io.decode_png`.
    """
    return _decode(contents, channels, dtype, "decode_png")


def decode_jpeg(
    contents: Any,
    channels: int = 0,
    ratio: int = 1,
    fancy_upscaling: bool = True,
    try_recover_truncated: bool = False,
    acceptable_fraction: float = 1,
    dct_method: str = "",
    name: str | None = None,
) -> Tensor:
    """Reads a JPEG file.

    Args:
      contents: Scalar string, the bytes of the file.
      channels: 1 for gray, 3 for colors, 0 for what the file has.
      ratio: Must be 1.
      fancy_upscaling: Must be True.
      try_recover_truncated: Must be False.
      acceptable_fraction: Accepted for compatibility.
      dct_method: Accepted for compatibility.
      name: Name of the op.

    Source: `tf.io.decode_jpeg`.
    """
    if ratio != 1 or not fancy_upscaling or try_recover_truncated:
        raise NotImplementedError(
            "decode_jpeg with ratio, without fancy_upscaling or of truncated files; resize "
            "the image afterwards."
        )
    return _decode(contents, channels, "uint8", "decode_jpeg")


def decode_bmp(contents: Any, channels: int = 0, name: str | None = None) -> Tensor:
    """Reads a BMP file.

    Source: `tf.io.decode_bmp`.
    """
    return _decode(contents, channels, "uint8", "decode_bmp")


def decode_and_crop_jpeg(
    contents: Any,
    crop_window: Any,
    channels: int = 0,
    ratio: int = 1,
    fancy_upscaling: bool = True,
    try_recover_truncated: bool = False,
    acceptable_fraction: float = 1,
    dct_method: str = "",
    name: str | None = None,
) -> Tensor:
    """Reads a part of a JPEG file: row, column, height and width of `crop_window`.

    Source: `tf.io.decode_and_crop_jpeg`.
    """
    image = decode_jpeg(
        contents, channels, ratio, fancy_upscaling, try_recover_truncated
    )
    window = hooks.convert(crop_window)
    top, left, height, width = (window[i] for i in range(4))
    return image[top : top + height, left : left + width]


def _read_frames(data: Any) -> Array:
    image = _open(_bytes_of(data), "decode_gif")
    frames = []
    for i in range(getattr(image, "n_frames", 1)):
        image.seek(i)
        frames.append(np.asarray(image.convert("RGB")))
    return np.stack(frames)


def decode_gif(contents: Any, name: str | None = None) -> Tensor:
    """Reads all frames of a GIF file, `[frames, height, width, 3]`.

    Source: `tf.io.decode_gif`.
    """
    _pillow()
    made = numpy_function(_read_frames, [_contents(contents, "decode_gif")], "uint8")
    if hasattr(made, "op"):
        made.set_shape([None, None, None, 3])
    return made


def _read_any(data: Any, channels: int, expand: bool) -> Array:
    raw = _bytes_of(data)
    if raw[:4] == b"GIF8" and expand:
        return _read_frames(data)
    return _read(data, channels, "decode_image")


def decode_image(
    contents: Any,
    channels: int | None = None,
    dtype: Any = "uint8",
    name: str | None = None,
    expand_animations: bool = True,
) -> Tensor:
    """Reads a file of any of the formats.

    Args:
      contents: Scalar string, the bytes of the file.
      channels: As of `decode_png`.
      dtype: A type that images are converted to.
      name: Name of the op.
      expand_animations: Whether a GIF gives all its frames, `[frames, height, width, 3]`,
        and not only the first one.

    Returns:
      `[height, width, channels]`; of a shape that is not known, for it may be a GIF.

    Source: `tf.io.decode_image`.
    """
    channels = int(channels or 0)
    check(channels in (0, 1, 3, 4), "channels must be in [0, 1, 3, 4]", channels)
    _pillow()
    read = functools.partial(_read_any, channels=channels, expand=expand_animations)
    made = numpy_function(read, [_contents(contents, "decode_image")], "uint8")
    if hasattr(made, "op") and not expand_animations:
        made.set_shape([None, None, channels or None])
    return convert_image_dtype(made, dtype)


# ---- writing


def _as_picture(array: Array, what: str) -> Any:
    image = _pillow()
    if array.ndim != 3 or array.shape[2] not in (1, 2, 3, 4):
        raise fail(
            InvalidArgumentError,
            f"{what} takes images [height, width, channels] with 1 to 4 channels",
            got=f"shape {list(array.shape)}",
        )
    mode = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}[array.shape[2]]
    return image.fromarray(array[..., 0] if mode == "L" else array, mode)


def _write(array: Array, what: str, **options: Any) -> Any:
    out = io.BytesIO()
    _as_picture(array, what).save(out, **options)
    return np.array(out.getvalue(), object)


def _encode(image: Any, function: Callable[..., Any]) -> Any:
    _pillow()
    image = hooks.convert(image)
    made = numpy_function(function, [image], "string")
    if hasattr(made, "op"):
        made.set_shape([])
    return made


def encode_png(image: Any, compression: int = -1, name: str | None = None) -> Tensor:
    """Writes an image as PNG.

    Args:
      image: `[height, width, channels]` of uint8 with 1 to 4 channels.
      compression: 0 to 9, -1 for the default.
      name: Name of the op.

    Returns:
      Scalar string, the bytes of the file.

    Source: `tf.io.encode_png`.
    """
    options: dict[str, Any] = {}
    if compression != -1:
        options["compress_level"] = int(compression)
    return _encode(
        image,
        functools.partial(_write, what="encode_png", format="PNG", **options),
    )


def encode_jpeg(
    image: Any,
    format: str = "",
    quality: int = 95,
    progressive: bool = False,
    optimize_size: bool = False,
    chroma_downsampling: bool = True,
    density_unit: str = "in",
    x_density: int = 300,
    y_density: int = 300,
    xmp_metadata: str = "",
    name: str | None = None,
) -> Tensor:
    """Writes an image as JPEG.

    Args:
      image: `[height, width, channels]` of uint8 with 1 or 3 channels.
      format: `grayscale`, `rgb` or empty, for what the channels say.
      quality: 0 to 100.
      progressive, optimize_size: As of the format.
      chroma_downsampling: Whether colors have half the resolution.
      density_unit: `in`; `cm` is not there.
      x_density, y_density: Pixels per unit.
      xmp_metadata: Must be empty.
      name: Name of the op.

    Source: `tf.io.encode_jpeg`.
    """
    if xmp_metadata or density_unit != "in":
        raise NotImplementedError("encode_jpeg with xmp_metadata or densities in cm.")
    return _encode(
        image,
        functools.partial(
            _write,
            what="encode_jpeg",
            format="JPEG",
            quality=int(quality),
            progressive=progressive,
            optimize=optimize_size,
            subsampling=2 if chroma_downsampling else 0,
            dpi=(x_density, y_density),
        ),
    )


def _through_jpeg(array: Array, quality: Array) -> Array:
    data = _write(array, "adjust_jpeg_quality", format="JPEG", quality=int(quality))
    return _read(data, array.shape[2], "adjust_jpeg_quality")


def adjust_jpeg_quality(
    image: Any, jpeg_quality: Any, dct_method: str = "", name: str | None = None
) -> Tensor:
    """Writes and reads an image as JPEG, with what that does to it.

    Args:
      image: `[height, width, channels]`.
      jpeg_quality: 0 to 100.
      dct_method: Accepted for compatibility.
      name: Name of the op.

    Source: `tf.image.adjust_jpeg_quality`.
    """
    _pillow()
    image = hooks.convert(image)
    pixels = convert_image_dtype(image, "uint8", saturate=True)
    made = numpy_function(_through_jpeg, [pixels, jpeg_quality], "uint8")
    if hasattr(made, "op"):
        made.set_shape(image.shape)
    return convert_image_dtype(made, image.dtype, saturate=True)


def is_jpeg(contents: Any, name: str | None = None) -> Tensor:
    """Returns whether bytes are those of a JPEG file.

    Source: `tf.io.is_jpeg`.
    """
    made = numpy_function(
        lambda data: np.array(_bytes_of(data)[:3] == b"\xff\xd8\xff"),
        [_contents(contents, "is_jpeg")],
        "bool",
    )
    if hasattr(made, "op"):
        made.set_shape([])
    return made


def extract_jpeg_shape(
    contents: Any, output_type: Any = "int32", name: str | None = None
) -> Tensor:
    """Returns height, width and channels of a JPEG file, without reading its pixels.

    Source: `tf.io.extract_jpeg_shape`.
    """
    image = _pillow()
    dtype = as_dtype(output_type)

    def shape_of(data: Any) -> Array:
        raw = _bytes_of(data)
        try:
            found = image.open(io.BytesIO(raw))
        except OSError as error:
            raise fail(
                InvalidArgumentError,
                "extract_jpeg_shape: the contents are no JPEG file",
                got=f"{len(raw)} bytes that begin with {raw[:8]!r}",
            ) from error
        return np.array([found.height, found.width, len(found.getbands())], dtype.numpy)

    made = numpy_function(shape_of, [_contents(contents, "extract_jpeg_shape")], dtype)
    if hasattr(made, "op"):
        made.set_shape([3])
    return made
