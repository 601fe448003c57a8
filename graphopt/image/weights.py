"""How much of which pixel goes into a pixel of a resized axis.

For each new position there are a few old positions and their weights, computed with NumPy
where the sizes are known. Three rules of TensorFlow say which old position a new one is
taken from: legacy (`i * scale`), `align_corners` (the outer pixels stay the outer ones) and
half-pixel centers, which is that of version 2.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
# Indices `[new, taps]` and weights of the same shape.
Taps = tuple[Array, Array]


def positions(old: int, new: int, align_corners: bool, half_pixel: bool) -> Array:
    """Returns the old position of each new pixel, in float32 as TensorFlow computes it."""
    if align_corners and new > 1:
        scale = np.float32((old - 1) / np.float32(new - 1))
    else:
        scale = np.float32(old / np.float32(new))
    at: Array = np.arange(new, dtype=np.float32)
    if half_pixel:
        return (at + np.float32(0.5)) * scale - np.float32(0.5)
    return at * scale


def bilinear_taps(old: int, new: int, align_corners: bool, half_pixel: bool) -> Taps:
    """Two neighbors, by their distance."""
    at = positions(old, new, align_corners, half_pixel)
    low = np.floor(at)
    share = (at - low).astype(np.float32)
    first = np.maximum(low, 0).astype(np.int32)
    second = np.minimum(np.ceil(at), old - 1).astype(np.int32)
    return (
        np.stack([np.minimum(first, old - 1), second], 1),
        np.stack([1 - share, share], 1),
    )


def nearest_indices(old: int, new: int, align_corners: bool, half_pixel: bool) -> Array:
    """The nearest pixel."""
    if half_pixel:
        scale = np.float32(old / np.float32(new))
        at = np.floor((np.arange(new, dtype=np.float32) + np.float32(0.5)) * scale)
    else:
        at = positions(old, new, align_corners, False)
        # Halves go up, as in C.
        at = np.floor(at + np.float32(0.5)) if align_corners else np.floor(at)
    inside: Array = np.clip(at, 0, old - 1)
    return inside.astype(np.int32)


# TensorFlow looks the cubic weights up at this many places between two pixels.
_STEPS = 1024


def _cubic_table(a: float) -> Array:
    x = np.arange(_STEPS + 1, dtype=np.float64) / _STEPS
    near = ((a + 2) * x - (a + 3)) * x * x + 1
    y = x + 1
    far = ((a * y - 5 * a) * y + 8 * a) * y - 4 * a
    return np.stack([near, far], 1).astype(np.float32)


def bicubic_taps(old: int, new: int, align_corners: bool, half_pixel: bool) -> Taps:
    """Four neighbors, by Keys' kernel; at the edges the outer pixel counts again."""
    at = positions(old, new, align_corners, half_pixel)
    low = np.floor(at)
    step = np.rint((at - low) * _STEPS).astype(np.int64)
    table = _cubic_table(-0.5 if half_pixel else -0.75)
    weights = np.stack(
        [
            table[step, 1],
            table[step, 0],
            table[_STEPS - step, 0],
            table[_STEPS - step, 1],
        ],
        1,
    )
    indices = low.astype(np.int64)[:, None] + np.arange(-1, 3)
    inside = np.clip(indices, 0, old - 1)
    if half_pixel:
        # What lies outside counts nothing, and the rest makes up for it.
        weights = np.where(inside == indices, weights, 0)
        total = weights.sum(1, keepdims=True)
        is_some = np.abs(total) >= 1000 * np.finfo(np.float32).tiny
        weights = np.where(is_some, weights / np.where(is_some, total, 1), weights)
    return inside.astype(np.int32), weights.astype(np.float32)


def area_matrix(old: int, new: int, align_corners: bool) -> Array:
    """The share of each old pixel in the stretch of a new one, `[new, old]`."""
    scale = (old - 1) / (new - 1) if align_corners and new > 1 else old / new
    starts = np.arange(new)[:, None] * scale
    pixels = np.arange(old)[None, :]
    covered = np.minimum(starts + scale, pixels + 1) - np.maximum(starts, pixels)
    covered = np.clip(covered, 0.0, 1.0)
    # Behind the end the last pixel counts.
    covered[:, -1] += np.maximum(
        starts[:, 0] + scale - np.maximum(old, starts[:, 0]), 0
    )
    shares: Array = covered / scale
    return shares.astype(np.float32)


def _lanczos(radius: float) -> Callable[[Array], Array]:
    def kernel(x: Array) -> Array:
        safe = np.where(x <= 1e-3, 1.0, x)
        value = radius * np.sin(math.pi * safe) * np.sin(math.pi * safe / radius)
        value = value / (math.pi * math.pi * safe * safe)
        return np.where(x > radius, 0, np.where(x <= 1e-3, 1, value))

    return kernel


def _gaussian(x: Array) -> Array:
    return np.where(x >= 1.5, 0, np.exp(-x * x / (2 * 0.5 * 0.5)))


def _triangle(x: Array) -> Array:
    return np.where(x < 1, 1 - x, 0)


def _keys_cubic(x: Array) -> Array:
    near = ((1.5 * x - 2.5) * x) * x + 1
    far = ((-0.5 * x + 2.5) * x - 4) * x + 2
    return np.where(x >= 2, 0, np.where(x >= 1, far, near))


def _mitchell_cubic(x: Array) -> Array:
    near = (((7 / 6) * x - 2) * x) * x + 8 / 9
    far = (((-7 / 18) * x + 2) * x - 10 / 3) * x + 16 / 9
    return np.where(x >= 2, 0, np.where(x >= 1, far, near))


# Name -> radius and kernel.
KERNELS: dict[str, tuple[float, Callable[[Array], Array]]] = {
    "bicubic": (2, _keys_cubic),
    "bilinear": (1, _triangle),
    "gaussian": (1.5, _gaussian),
    "lanczos3": (3, _lanczos(3)),
    "lanczos5": (5, _lanczos(5)),
    "mitchellcubic": (2, _mitchell_cubic),
}


def kernel_matrix(old: int, new: int, kernel: str, antialias: bool) -> Array:
    """The weights of a kernel, `[new, old]`, each row with the sum 1.

    With `antialias` the kernel is stretched where an axis shrinks.
    """
    radius, function = KERNELS[kernel]
    # In float32, for a pixel at the end of the kernel counts or does not.
    single = np.float32
    inverse = single(1) / (single(new) / single(old))
    stretch = max(inverse, single(1)) if antialias else single(1)
    middle = (np.arange(new, dtype=single) + single(0.5))[:, None] * inverse
    first = np.clip(np.ceil(middle - radius * stretch - 0.5), 0, old - 1)
    last = np.clip(np.floor(middle + radius * stretch - 0.5), 0, old - 1)
    pixels = np.arange(old, dtype=single)[None, :]
    distances = np.abs(pixels + single(0.5) - middle) * (single(1) / stretch)
    weights = function(distances.astype(np.float64))
    weights = np.where((pixels >= first) & (pixels <= last), weights, 0)
    total = weights.sum(1, keepdims=True)
    is_some = np.abs(total) >= 1000 * np.finfo(np.float32).tiny
    return np.where(is_some, weights / np.where(is_some, total, 1), 0).astype(
        np.float32
    )
