"""`resize` and its kin.

Each axis is resized by itself: a few rows of the image are picked (`gather`) and added with
weights, or, where many pixels go into one, the image is multiplied by a matrix of weights.
Indices and weights are constants, so a resize is a handful of ops that compile with the rest
of the step and have derivatives.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from graphopt.errors import fail
from graphopt.graph.hooks import hooks
from graphopt.graph.provenance import user_site
from graphopt.graph.tensor import Tensor
from graphopt.image import weights
from graphopt.image.checks import (
    as_given,
    as_images,
    as_size,
    check,
    dim_of,
    size_of,
    with_size,
)
from graphopt.image.cropping import pad_to_bounding_box
from graphopt.ops import elementwise as math
from graphopt.ops.creation import constant
from graphopt.ops.elementwise import cast
from graphopt.ops.indexing import gather
from graphopt.ops.matmul import matmul
from graphopt.ops.pooling import avg_pool2d
from graphopt.ops.sequences import range as range_of
from graphopt.ops.shaping import reshape


class ResizeMethod:
    """How pixels between pixels are computed.

    Source: `tf.image.ResizeMethod`.
    """

    AREA = "area"
    BICUBIC = "bicubic"
    BILINEAR = "bilinear"
    GAUSSIAN = "gaussian"
    LANCZOS3 = "lanczos3"
    LANCZOS5 = "lanczos5"
    MITCHELLCUBIC = "mitchellcubic"
    NEAREST_NEIGHBOR = "nearest"


class ResizeMethodV1:
    """The methods of version 1, by number.

    Source: `tf.compat.v1.image.ResizeMethod`.
    """

    BILINEAR = 0
    NEAREST_NEIGHBOR = 1
    BICUBIC = 2
    AREA = 3


_OF_VERSION_1 = ("bilinear", "nearest", "bicubic", "area")


def resize(
    images: Any,
    size: Any,
    method: Any = ResizeMethod.BILINEAR,
    preserve_aspect_ratio: bool = False,
    antialias: bool = False,
    name: str | None = None,
) -> Tensor:
    """Returns images of another size.

    Args:
      images: `[batch, height, width, channels]` or `[height, width, channels]`.
      size: The new height and width.
      method: One of `tf.image.ResizeMethod`.
      preserve_aspect_ratio: Whether the result is the largest one of the same form that
        fits into `size`.
      antialias: Whether more pixels count where the image shrinks.
      name: Name of the op.

    Returns:
      Images of float32, of their own dtype with `nearest`.

    Raises:
      ValueError: The rank, the size or the method is none.
      NotImplementedError: Sizes that only a run knows, with a method other than bilinear
        and nearest.

    >>> import graphopt as tf
    >>> image = tf.constant([[[0.0], [2.0]]])
    >>> tf.image.resize(image, [1, 4]).numpy().ravel().tolist()
    [0.0, 0.5, 1.5, 2.0]

    Source: `tf.image.resize`.
    """
    kind = _method(method)
    return _resize(
        images,
        size,
        preserve_aspect_ratio,
        lambda x, h, w: _by_method(x, h, w, kind, antialias),
        is_kept=False,
    )


def _method(method: Any) -> str:
    found = _OF_VERSION_1[method] if method in (0, 1, 2, 3) else method
    known = [*_OF_VERSION_1, *weights.KERNELS]
    if found not in known:
        raise fail(
            ValueError,
            "Resize method is not implemented",
            got=repr(method),
            expected=f"one of {', '.join(sorted(set(known)))}",
            site=str(user_site()),
        )
    return str(found)


def _resize(
    images: Any, size: Any, keeps_ratio: bool, function: Any, is_kept: bool = True
) -> Any:
    """Resizes by a function; in version 1, images that have the size are kept."""
    images, is_batch = as_images(images, "tf.image.resize")
    height, width = as_size(size)
    old = size_of(images)
    if keeps_ratio:
        height, width = _fitting(old, height, width)
    known = [v for v in (*old, height, width) if isinstance(v, int)]
    if is_kept and len(known) == 4 and old == (height, width):
        return as_given(images, is_batch)
    made = with_size(function(images, height, width), height, width)
    return as_given(made, is_batch)


def _fitting(old: tuple[Any, Any], height: Any, width: Any) -> tuple[Any, Any]:
    if all(isinstance(v, int) for v in (*old, height, width)):
        single = np.float32
        scale = min(single(height) / single(old[0]), single(width) / single(old[1]))
        height, width = (int(np.rint(scale * single(v))) for v in old)
        return height, width
    olds = [cast(hooks.convert(v), "float32") for v in old]
    news = [cast(hooks.convert(v), "float32") for v in (height, width)]
    factor = math.minimum(news[0] / olds[0], news[1] / olds[1])
    tall, wide = (cast(math.round(factor * v), "int32") for v in olds)
    return tall, wide


def _by_method(images: Any, height: Any, width: Any, kind: str, antialias: bool) -> Any:
    if kind == "nearest":
        return resize_by_nearest(images, height, width, False, True)
    if kind == "area":
        return resize_by_area(images, height, width, False)
    if kind in ("bilinear", "bicubic") and not antialias:
        return resize_by_taps(images, height, width, kind, False, True)
    images = cast(images, "float32")
    for axis, new in _axes(images, height, width):
        old = _require_known(images, axis, new, kind)
        table = weights.kernel_matrix(old, new, kind, antialias)
        images = _multiply(images, axis, table)
    return images


def _axes(images: Any, height: Any, width: Any) -> list[tuple[int, Any]]:
    """Which axis is resized to what, that which shrinks more first: less is left then."""
    axes = [(1, height), (2, width)]
    olds = size_of(images)
    if all(isinstance(v, int) for v in (*olds, height, width)):
        axes.sort(key=lambda pair: pair[1] / olds[pair[0] - 1])
    return axes


def _require_known(images: Any, axis: int, new: Any, kind: str) -> int:
    old = dim_of(images, axis)
    if not isinstance(old, int) or not isinstance(new, int):
        raise NotImplementedError(
            f"tf.image.resize with {kind!r} needs sizes that are known when the graph is "
            "built; bilinear and nearest do not."
        )
    return old


def _multiply(images: Any, axis: int, table: Any) -> Any:
    """Multiplies an axis, 1 or 2, by a matrix `[new, old]`."""
    batch, height, width, channels = (dim_of(images, i) for i in range(4))
    new = table.shape[0]
    if axis == 1:
        rows = reshape(images, [batch, height, width * channels])
        return reshape(matmul(constant(table), rows), [batch, new, width, channels])
    columns = reshape(images, [batch * height, width, channels])
    return reshape(matmul(constant(table), columns), [batch, height, new, channels])


def _column(values: Any, axis: int) -> Any:
    """Shapes a vector so that it multiplies an axis of images, 1 or 2."""
    return reshape(values, [-1, 1, 1] if axis == 1 else [-1, 1])


def resize_by_taps(
    images: Any, height: Any, width: Any, kind: str, align_corners: bool, half: bool
) -> Any:
    """Bilinear and bicubic: two or four neighbors along each axis."""
    images = cast(images, "float32")
    taps_of = weights.bilinear_taps if kind == "bilinear" else weights.bicubic_taps
    for axis, new in _axes(images, height, width):
        old = dim_of(images, axis)
        if isinstance(old, int) and isinstance(new, int):
            indices, shares = taps_of(old, new, align_corners, half)
            pairs = [
                (constant(indices[:, i]), constant(shares[:, i]))
                for i in range(indices.shape[1])
            ]
        elif kind == "bilinear":
            pairs = _taps_of_run(old, new, align_corners, half)
        else:
            _require_known(images, axis, new, kind)
        images = sum(
            gather(images, index, axis=axis) * _column(share, axis)
            for index, share in pairs
        )
    return images


def _positions_of_run(old: Any, new: Any, align_corners: bool, half: bool) -> Any:
    old, new = (cast(hooks.convert(v), "float32") for v in (old, new))
    scale = old / new
    if align_corners:
        scale = math.where(new > 1, (old - 1) / math.maximum(new - 1, 1.0), scale)
    at = range_of(0.0, new, 1.0)
    return (at + 0.5) * scale - 0.5 if half else at * scale


def _taps_of_run(old: Any, new: Any, align_corners: bool, half: bool) -> Any:
    at = _positions_of_run(old, new, align_corners, half)
    last = hooks.convert(old) - 1
    low = math.floor(at)
    share = at - low
    first = math.minimum(math.maximum(cast(low, "int32"), 0), last)
    second = math.maximum(math.minimum(cast(math.ceil(at), "int32"), last), 0)
    return [(first, 1.0 - share), (second, share)]


def resize_by_nearest(
    images: Any, height: Any, width: Any, align_corners: bool, half: bool
) -> Any:
    """The nearest pixel along each axis."""
    for axis, new in ((1, height), (2, width)):
        old = dim_of(images, axis)
        if isinstance(old, int) and isinstance(new, int):
            found = weights.nearest_indices(old, new, align_corners, half)
            index = constant(found)
        else:
            at = _positions_of_run(old, new, align_corners, half)
            at = math.floor(at + 0.5) if half or align_corners else math.floor(at)
            last = hooks.convert(old) - 1
            index = math.maximum(math.minimum(cast(at, "int32"), last), 0)
        images = gather(images, index, axis=axis)
    return images


def resize_by_area(images: Any, height: Any, width: Any, align_corners: bool) -> Any:
    """The mean of what a new pixel covers."""
    images = cast(images, "float32")
    known = [_require_known(images, i, n, "area") for i, n in ((1, height), (2, width))]
    if not align_corners and not (known[0] % height or known[1] % width):
        window = [known[0] // height, known[1] // width]
        return avg_pool2d(images, window, window, "VALID")
    for axis, new in _axes(images, height, width):
        old = _require_known(images, axis, new, "area")
        images = _multiply(images, axis, weights.area_matrix(old, new, align_corners))
    return images


def resize_with_pad(
    image: Any,
    target_height: Any,
    target_width: Any,
    method: Any = ResizeMethod.BILINEAR,
    antialias: bool = False,
) -> Tensor:
    """Resizes images without another form, and pads them with zeros to a size.

    Args:
      image: `[batch, height, width, channels]` or `[height, width, channels]`.
      target_height, target_width: The size.
      method: One of `tf.image.ResizeMethod`.
      antialias: As of `resize`.

    Source: `tf.image.resize_with_pad`.
    """
    return pad_resized(
        image,
        target_height,
        target_width,
        lambda x, size: resize(x, size, method=method, antialias=antialias),
    )


def pad_resized(image: Any, height: int, width: int, function: Any) -> Any:
    """Resizes images by a function, and pads them."""
    images, is_batch = as_images(image, "tf.image.resize_with_pad")
    check(height > 0 and width > 0, "target sizes must be > 0", f"{height}, {width}")
    olds, news = size_of(images), (height, width)
    if all(isinstance(v, int) for v in olds):
        ratio = max(old / new for old, new in zip(olds, news, strict=True))
        sizes: list[Any] = [int(np.floor(old / ratio)) for old in olds]
        edges: list[Any] = [
            max(0, int(np.floor((new - old / ratio) / 2)))
            for old, new in zip(olds, news, strict=True)
        ]
    else:
        wide = [cast(hooks.convert(old), "float32") for old in olds]
        down, across = (w / float(n) for w, n in zip(wide, news, strict=True))
        ratio = math.maximum(down, across)
        sizes = [cast(math.floor(w / ratio), "int32") for w in wide]
        edges = [
            math.maximum(0, cast(math.floor((n - w / ratio) / 2.0), "int32"))
            for w, n in zip(wide, news, strict=True)
        ]
    top, left = edges
    resized = function(images, sizes)
    return as_given(pad_to_bounding_box(resized, top, left, height, width), is_batch)


# ---- version 1


def resize_images(
    images: Any,
    size: Any,
    method: Any = ResizeMethodV1.BILINEAR,
    align_corners: bool = False,
    preserve_aspect_ratio: bool = False,
    name: str | None = None,
) -> Tensor:
    """Returns images of another size, by the rules of version 1.

    Args:
      images: `[batch, height, width, channels]` or `[height, width, channels]`.
      size: The new height and width.
      method: One of `tf.compat.v1.image.ResizeMethod`.
      align_corners: Whether the corners stay where they are.
      preserve_aspect_ratio: Whether the form stays.
      name: Name of the op.

    Source: `tf.compat.v1.image.resize_images`.
    """
    kind = _method(method)
    if kind not in _OF_VERSION_1:
        return resize(images, size, method, preserve_aspect_ratio)

    def function(x: Any, height: Any, width: Any) -> Any:
        if kind == "nearest":
            return resize_by_nearest(x, height, width, align_corners, False)
        if kind == "area":
            return resize_by_area(x, height, width, align_corners)
        return resize_by_taps(x, height, width, kind, align_corners, False)

    return _resize(images, size, preserve_aspect_ratio, function)


def resize_bilinear(
    images: Any,
    size: Any,
    align_corners: bool = False,
    name: str | None = None,
    half_pixel_centers: bool = False,
) -> Tensor:
    """Resizes by two neighbors along each axis.

    Source: `tf.compat.v1.image.resize_bilinear`.
    """
    images = _four_dimensions(images)
    return resize_by_taps(
        images, *as_size(size), "bilinear", align_corners, half_pixel_centers
    )


def resize_bicubic(
    images: Any,
    size: Any,
    align_corners: bool = False,
    name: str | None = None,
    half_pixel_centers: bool = False,
) -> Tensor:
    """Resizes by four neighbors along each axis.

    Source: `tf.compat.v1.image.resize_bicubic`.
    """
    images = _four_dimensions(images)
    return resize_by_taps(
        images, *as_size(size), "bicubic", align_corners, half_pixel_centers
    )


def resize_nearest_neighbor(
    images: Any,
    size: Any,
    align_corners: bool = False,
    name: str | None = None,
    half_pixel_centers: bool = False,
) -> Tensor:
    """Resizes by the nearest pixel.

    Source: `tf.compat.v1.image.resize_nearest_neighbor`.
    """
    images = _four_dimensions(images)
    return resize_by_nearest(images, *as_size(size), align_corners, half_pixel_centers)


def resize_area(
    images: Any, size: Any, align_corners: bool = False, name: str | None = None
) -> Tensor:
    """Resizes by the mean of what a new pixel covers.

    Source: `tf.compat.v1.image.resize_area`.
    """
    return resize_by_area(_four_dimensions(images), *as_size(size), align_corners)


def resize_image_with_pad(
    image: Any,
    target_height: Any,
    target_width: Any,
    method: Any = ResizeMethodV1.BILINEAR,
    align_corners: bool = False,
) -> Tensor:
    """As `resize_with_pad`, by the rules of version 1.

    Source: `tf.compat.v1.image.resize_image_with_pad`.
    """
    return pad_resized(
        image,
        target_height,
        target_width,
        lambda x, size: resize_images(x, size, method, align_corners),
    )


def _four_dimensions(images: Any) -> Any:
    images = hooks.convert(images)
    if images.shape.rank not in (4, None):
        raise fail(
            ValueError,
            "Shape must be rank 4",
            got=f"shape {images.shape}",
            expected="[batch, height, width, channels]",
            site=str(user_site()),
            remedy="tf.expand_dims(image, 0)",
        )
    return images
