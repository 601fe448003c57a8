"""How images differ, from each other and within: gradients, variation, PSNR and SSIM."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from graphopt.graph.hooks import hooks
from graphopt.graph.tensor import Tensor
from graphopt.image.checks import check
from graphopt.image.colors import convert_image_dtype
from graphopt.ops import elementwise as math
from graphopt.ops.creation import constant, shape, zeros_like
from graphopt.ops.depthwise import depthwise_conv2d
from graphopt.ops.elementwise import cast
from graphopt.ops.padding import pad
from graphopt.ops.pooling import avg_pool2d
from graphopt.ops.reduction import reduce_mean, reduce_sum
from graphopt.ops.shaping import concat, reshape


def per_image_standardization(image: Any) -> Tensor:
    """Scales each image to a mean of 0 and a variance of 1.

    The standard deviation counts as at least that of one level of noise in all pixels,
    1 / sqrt(N).

    Source: `tf.image.per_image_standardization`.
    """
    image = hooks.convert(image)
    if image.dtype.name not in ("float16", "float32"):
        image = cast(image, "float32")
    axes = [-1, -2, -3]
    mean = reduce_mean(image, axis=axes, keepdims=True)
    variance = reduce_mean(math.square(image - mean), axis=axes, keepdims=True)
    dims = image.shape[-3:]
    if all(d is not None for d in dims):
        least: Any = np.asarray(1 / np.sqrt(np.prod(dims)), image.dtype.numpy)
    else:
        sizes = cast(shape(image)[-3:], image.dtype)
        least = 1.0 / math.sqrt(sizes[0] * sizes[1] * sizes[2])
    return (image - mean) / math.maximum(math.sqrt(variance), least)


def total_variation(images: Any, name: str | None = None) -> Tensor:
    """Returns the sum of the differences between neighboring pixels, for each image.

    Source: `tf.image.total_variation`.
    """
    images = hooks.convert(images)
    check(
        images.shape.rank in (3, 4), "'images' must be 3 or 4-dimensional", images.shape
    )
    if images.shape.rank == 3:
        down, right = images[1:] - images[:-1], images[:, 1:] - images[:, :-1]
        axes: Any = None
    else:
        down = images[:, 1:] - images[:, :-1]
        right = images[:, :, 1:] - images[:, :, :-1]
        axes = [1, 2, 3]
    return reduce_sum(math.abs(down), axis=axes) + reduce_sum(
        math.abs(right), axis=axes
    )


def image_gradients(image: Any) -> tuple[Any, Any]:
    """Returns the differences to the pixel below and to the right, 0 at the last ones.

    Args:
      image: `[batch, height, width, channels]`.

    Source: `tf.image.image_gradients`.
    """
    image = hooks.convert(image)
    check(
        image.shape.rank == 4,
        "image_gradients expects a 4D tensor [batch_size, h, w, d]",
        image.shape,
    )
    down = image[:, 1:] - image[:, :-1]
    right = image[:, :, 1:] - image[:, :, :-1]
    return (
        concat([down, zeros_like(image[:, :1])], 1),
        concat([right, zeros_like(image[:, :, :1])], 2),
    )


_SOBEL = np.array(
    [
        [[-1, -2, -1], [0, 0, 0], [1, 2, 1]],
        [[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]],
    ],
    np.float32,
)


def sobel_edges(image: Any) -> Tensor:
    """Returns Sobel's vertical and horizontal gradients.

    Args:
      image: `[batch, height, width, channels]`, float32 or float64.

    Returns:
      `[batch, height, width, channels, 2]`.

    Source: `tf.image.sobel_edges`.
    """
    image = hooks.convert(image)
    channels = int(image.shape[-1])
    # [rows, columns, channels, 2]: the two filters for each channel.
    filters = np.repeat(_SOBEL.transpose(1, 2, 0)[:, :, None, :], channels, 2)
    padded = pad(image, [[0, 0], [1, 1], [1, 1], [0, 0]], mode="REFLECT")
    found = depthwise_conv2d(
        padded, constant(filters.astype(image.dtype.numpy)), [1, 1, 1, 1], "VALID"
    )
    dims = shape(image)
    return reshape(found, concat([dims, [2]], 0))


# ---- PSNR, SSIM


def psnr(a: Any, b: Any, max_val: Any, name: str | None = None) -> Tensor:
    """Returns the peak signal-to-noise ratio of each pair of images, in decibels.

    Args:
      a, b: `[..., height, width, channels]`.
      max_val: The range of values, as 255.
      name: Name of the op.

    Source: `tf.image.psnr`.
    """
    a, b = hooks.convert(a), hooks.convert(b)
    top = convert_image_dtype(cast(hooks.convert(max_val), a.dtype), "float32")
    a, b = (convert_image_dtype(x, "float32") for x in (a, b))
    error = reduce_mean(math.square(a - b), axis=[-3, -2, -1])
    scale = np.float32(10 / np.log(10))
    return math.log(top) * np.float32(20 / np.log(10)) - math.log(error) * scale


def _gaussian_filter(size: int, sigma: float) -> Any:
    at = np.arange(size, dtype=np.float32) - np.float32((size - 1) / 2)
    weights = -np.square(at) / np.float32(2 * sigma * sigma)
    grid = (weights[:, None] + weights[None, :]).ravel()
    shares = np.exp(grid - grid.max())
    return (shares / shares.sum()).reshape(size, size, 1, 1).astype(np.float32)


def _ssim_maps(
    x: Any, y: Any, top: Any, size: int, sigma: float, k1: float, k2: float
) -> tuple[Any, Any]:
    """SSIM and its part that is about contrast and structure, for each position."""
    c1, c2 = (k1 * top) ** 2, (k2 * top) ** 2
    channels = int(x.shape[-1])
    kernel = constant(np.tile(_gaussian_filter(size, sigma), [1, 1, channels, 1]))

    def average(images: Any) -> Any:
        dims = images.shape
        flat = reshape(images, [-1, *dims[-3:]])
        found = depthwise_conv2d(flat, kernel, [1, 1, 1, 1], "VALID")
        return reshape(found, [*dims[:-3], *found.shape[1:]])

    mean_x, mean_y = average(x), average(y)
    numerator = mean_x * mean_y * 2.0
    denominator = math.square(mean_x) + math.square(mean_y)
    luminance = (numerator + c1) / (denominator + c1)
    both = average(x * y) * 2.0
    squares = average(math.square(x) + math.square(y))
    structure = (both - numerator + c2) / (squares - denominator + c2)
    return luminance * structure, structure


def _pair(a: Any, b: Any, max_val: Any) -> tuple[Any, Any, Any]:
    a, b = hooks.convert(a), hooks.convert(b)
    check(
        a.shape.rank is not None and a.shape.rank >= 3 and a.shape.is_fully_defined(),
        "images of ssim must have a known shape of at least 3 dimensions",
        a.shape,
    )
    top = convert_image_dtype(cast(hooks.convert(max_val), a.dtype), "float32")
    return convert_image_dtype(a, "float32"), convert_image_dtype(b, "float32"), top


def ssim(
    img1: Any,
    img2: Any,
    max_val: Any,
    filter_size: int = 11,
    filter_sigma: float = 1.5,
    k1: float = 0.01,
    k2: float = 0.03,
    return_index_map: bool = False,
) -> Tensor:
    """Returns the structural similarity of each pair of images.

    Args:
      img1, img2: `[..., height, width, channels]`.
      max_val: The range of values, as 255.
      filter_size, filter_sigma: The Gaussian window.
      k1, k2: The constants of the formula.
      return_index_map: Whether to return it for each position.

    Source: Wang et al. 2004; `tf.image.ssim`.
    """
    x, y, top = _pair(img1, img2, max_val)
    check(
        min(x.shape[-3], x.shape[-2]) >= filter_size,
        "images must be at least as large as the filter",
        x.shape,
    )
    found, _ = _ssim_maps(x, y, top, filter_size, filter_sigma, k1, k2)
    if return_index_map:
        return reduce_mean(found, axis=[-1])
    return reduce_mean(reduce_mean(found, axis=[-3, -2]), axis=[-1])


def ssim_multiscale(
    img1: Any,
    img2: Any,
    max_val: Any,
    power_factors: Any = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333),
    filter_size: int = 11,
    filter_sigma: float = 1.5,
    k1: float = 0.01,
    k2: float = 0.03,
) -> Tensor:
    """Returns the structural similarity on several scales, each half of the one before.

    Args:
      img1, img2: `[..., height, width, channels]`.
      max_val: The range of values, as 255.
      power_factors: The weight of each scale.
      filter_size, filter_sigma, k1, k2: As of `ssim`.

    Source: Wang et al. 2003; `tf.image.ssim_multiscale`.
    """
    x, y, top = _pair(img1, img2, max_val)
    outer = x.shape[:-3]
    factors = []
    whole: Any = None
    for scale in range(len(power_factors)):
        if scale:
            x, y = _halve(x, outer), _halve(y, outer)
        check(
            min(x.shape[-3], x.shape[-2]) >= filter_size,
            "images must be at least as large as the filter on every scale",
            x.shape,
        )
        found, structure = (
            reduce_mean(m, axis=[-3, -2])
            for m in _ssim_maps(x, y, top, filter_size, filter_sigma, k1, k2)
        )
        whole = found
        factors.append(math.maximum(structure, 0.0))
    factors[-1] = math.maximum(whole, 0.0)
    powers = [f ** float(p) for f, p in zip(factors, power_factors, strict=True)]
    return reduce_mean(functools.reduce(lambda a, b: a * b, powers), axis=[-1])


def _halve(images: Any, outer: Any) -> Any:
    flat = reshape(images, [-1, *images.shape[-3:]])
    sizes: list[Any] = flat.shape[1:3].as_list()
    odd = [size % 2 for size in sizes]
    if any(odd):
        flat = pad(flat, [[0, 0], [0, odd[0]], [0, odd[1]], [0, 0]], mode="SYMMETRIC")
    small = avg_pool2d(flat, [1, 2, 2, 1], [1, 2, 2, 1], "VALID")
    return reshape(small, [*outer, *small.shape[1:]])
