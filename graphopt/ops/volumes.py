"""Convolutions and poolings of sequences and volumes, written with those of images.

A sequence is an image of height 1: `conv1d` and poolings of it are views of the ops on
images. Of a volume, [batch, depth, height, width, channels], the `k` slices that a window
sees along the depth become channels: one convolution of images with `k` times as many
channels does the rest, a single product of matrices where a sum over `k` convolutions
would have been `k` small ones. A pooling of volumes is one over height and width, then one
over depth. Derivatives of every order are those of the ops on images.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from graphopt.errors import InvalidArgumentError, describe_shapes, fail
from graphopt.graph.hooks import hooks
from graphopt.graph.provenance import user_site
from graphopt.graph.tensor import Tensor
from graphopt.ops.convolution import conv2d, conv2d_transpose
from graphopt.ops.creation import shape, static_dims
from graphopt.ops.elementwise import add
from graphopt.ops.layouts import (
    is_channels_first,
    reorder,
    to_channels_first,
    to_channels_last,
)
from graphopt.ops.padding import pad
from graphopt.ops.pooling import avg_pool2d, max_pool2d
from graphopt.ops.shaping import (
    concat,
    expand_dims,
    identity,
    reshape,
    squeeze,
    transpose,
)
from graphopt.ops.windows import place_windows


def numbers_of(value: Any, count: int, what: str) -> list[int]:
    """Reads a number, or 1, `count` or `count + 2` of them, as `count` numbers.

    Raises:
      ValueError: It is something else.
      NotImplementedError: Those of the batch or the channels are not 1.
    """
    numbers = [int(v) for v in np.ravel(np.asarray(value))]
    if len(numbers) == count + 2 and count + 2 != 1:
        if (numbers[0], numbers[-1]) != (1, 1):
            raise NotImplementedError(
                f"{what}={numbers}: other numbers than 1 for batch and channels."
            )
        numbers = numbers[1:-1]
    if len(numbers) == 1:
        numbers *= count
    if len(numbers) != count or min(numbers) < 1:
        raise fail(
            ValueError,
            f"{what} must be one number or a list of {count} or {count + 2}",
            got=repr(value),
            expected="positive numbers",
            site=str(user_site()),
        )
    return numbers


def _check_rank(x: Any, rank: int, what: str) -> Any:
    x = hooks.convert(x)
    if x.shape.rank != rank:
        names = "batch, width" if rank == 3 else "batch, depth, height, width"
        raise fail(
            InvalidArgumentError,
            f"The input of {what} must have {rank} dimensions",
            got=describe_shapes(x),
            expected=f"[{names}, channels]",
            site=str(user_site()),
        )
    return x


def _padding(padding: Any, what: str) -> str:
    if isinstance(padding, str) and padding.upper() in ("SAME", "VALID"):
        return padding.upper()
    raise fail(
        ValueError,
        f"padding of {what} must be 'SAME' or 'VALID'",
        got=repr(padding),
        expected="'SAME' or 'VALID'",
        site=str(user_site()),
        remedy="tf.pad, for padding given as numbers",
    )


# ---- sequences


def conv1d(
    input: Any,
    filters: Any,
    stride: Any,
    padding: Any,
    data_format: str | None = "NWC",
    dilations: Any = None,
    name: str | None = None,
) -> Tensor:
    """Slides filters over sequences and sums the products in each window.

    Args:
      input: `[batch, width, channels]`.
      filters: `[width, channels, out]`.
      stride: From one window to the next: a number, or 1 or 3 of them.
      padding: "SAME" or "VALID".
      data_format: "NWC", or "NCW" for `[batch, channels, width]`.
      dilations: From one element of a window to the next, as `stride`.
      name: Name of the op.

    Returns:
      `[batch, width', out]`.

    Raises:
      InvalidArgumentError: The channels differ, or a window is longer than the sequence.

    >>> import graphopt as tf
    >>> x, pair = tf.reshape(tf.range(4.0), [1, 4, 1]), tf.ones([2, 1, 1])
    >>> tf.nn.conv1d(x, pair, 1, "VALID").numpy().ravel().tolist()
    [1.0, 3.0, 5.0]

    Source: `tf.nn.conv1d`.
    """
    if is_channels_first(data_format, 3, "tf.nn.conv1d"):
        stride, dilations = reorder(stride, 3), reorder(dilations, 3)
        moved = to_channels_last(input, 3)
        y = conv1d(moved, filters, stride, padding, None, dilations)
        return to_channels_first(y, 3, name)
    x = expand_dims(_check_rank(input, 3, "tf.nn.conv1d"), 1)
    y = conv2d(
        x,
        expand_dims(filters, 0),
        [1, *numbers_of(stride, 1, "stride")],
        _padding(padding, "tf.nn.conv1d"),
        None,
        [1, *numbers_of(1 if dilations is None else dilations, 1, "dilations")],
    )
    return squeeze(y, [1], name=name)


def conv1d_transpose(
    input: Any,
    filters: Any,
    output_shape: Any,
    strides: Any,
    padding: Any = "SAME",
    data_format: str | None = "NWC",
    dilations: Any = None,
    name: str | None = None,
) -> Tensor:
    """Spreads sequences over longer ones: the derivative of `conv1d` by its input.

    Args:
      input: `[batch, width, channels]`.
      filters: `[width, out, channels]`.
      output_shape: `[batch, width', out]`.
      strides, padding, data_format, dilations: Those of the convolution.
      name: Name of the op.

    Source: `tf.nn.conv1d_transpose`.
    """
    if is_channels_first(data_format, 3, "tf.nn.conv1d_transpose"):
        batch, out, width = _three(output_shape)
        moved = to_channels_last(input, 3)
        windows = reorder(strides, 3), padding, None, reorder(dilations, 3)
        y = conv1d_transpose(moved, filters, [batch, width, out], *windows)
        return to_channels_first(y, 3, name)
    x = expand_dims(_check_rank(input, 3, "tf.nn.conv1d_transpose"), 1)
    batch, width, out = _three(output_shape)
    y = conv2d_transpose(
        x,
        expand_dims(filters, 0),
        [batch, 1, width, out],
        [1, *numbers_of(strides, 1, "strides")],
        _padding(padding, "tf.nn.conv1d_transpose"),
        None,
        [1, *numbers_of(1 if dilations is None else dilations, 1, "dilations")],
    )
    return squeeze(y, [1], name=name)


def _three(sizes: Any) -> tuple[Any, Any, Any]:
    return sizes[0], sizes[1], sizes[2]


def _pool_sequence(
    pool: Any,
    x: Any,
    ksize: Any,
    strides: Any,
    padding: Any,
    data_format: Any,
    name: Any,
) -> Any:
    what = f"tf.nn.{pool.__name__[:8]}1d"
    if is_channels_first(data_format, 3, what):
        ksize, strides = reorder(ksize, 3), reorder(strides, 3)
        moved = to_channels_last(x, 3)
        y = _pool_sequence(pool, moved, ksize, strides, padding, None, None)
        return to_channels_first(y, 3, name)
    y = pool(
        expand_dims(_check_rank(x, 3, what), 1),
        [1, *numbers_of(ksize, 1, "ksize")],
        [1, *numbers_of(strides, 1, "strides")],
        _padding(padding, what),
    )
    return squeeze(y, [1], name=name)


def max_pool1d(
    input: Any,
    ksize: Any,
    strides: Any,
    padding: Any,
    data_format: str | None = "NWC",
    name: str | None = None,
) -> Tensor:
    """Returns the largest element of each window of sequences `[batch, width, channels]`.

    Source: `tf.nn.max_pool1d`.
    """
    return _pool_sequence(max_pool2d, input, ksize, strides, padding, data_format, name)


def avg_pool1d(
    input: Any,
    ksize: Any,
    strides: Any,
    padding: Any,
    data_format: str | None = "NWC",
    name: str | None = None,
) -> Tensor:
    """Returns the mean of each window of sequences `[batch, width, channels]`.

    Source: `tf.nn.avg_pool1d`.
    """
    return _pool_sequence(avg_pool2d, input, ksize, strides, padding, data_format, name)


# ---- volumes


def _known_volume(x: Any, what: str) -> list[int]:
    sizes = list(x.shape[1:])
    if None in sizes:
        raise NotImplementedError(
            f"{what} of volumes whose {describe_shapes(x)} is only known in the run; give "
            "the placeholder its depth, height, width and channels."
        )
    return [size for size in sizes if size is not None]


def _along_depth(
    x: Any, window: int, stride: int, dilation: int, padding: str, what: str
) -> tuple[Any, int]:
    """Makes the slices that each window sees along the depth channels.

    Returns:
      `[batch * depth', height, width, window * channels]`, and depth'.
    """
    depth, height, width, channels = _known_volume(x, what)
    axis = place_windows(depth, window, stride, dilation, padding)
    if axis.out < 1:
        raise fail(
            InvalidArgumentError,
            f"Negative dimension size caused by subtracting {window} from {depth} "
            f"for {what}",
            got=describe_shapes(x),
            expected=f"at least {window} elements along dimension 1",
            site=str(user_site()),
            remedy='padding="SAME"',
        )
    if axis.before or axis.after:
        x = pad(x, [[0, 0], [axis.before, axis.after], [0, 0], [0, 0], [0, 0]])
    reach = stride * (axis.out - 1) + 1
    slices = [x[:, k * dilation : k * dilation + reach : stride] for k in range(window)]
    seen = slices[0] if window == 1 else concat(slices, 4)
    return reshape(seen, [-1, height, width, window * channels]), axis.out


def _filters_of_images(filters: Any) -> Any:
    """Makes the first dimension of filters of volumes part of the channels."""
    depth, height, width, channels, out = filters.shape
    moved = transpose(filters, [1, 2, 0, 3, 4])
    return reshape(moved, [height, width, depth * channels, out])


def conv3d(
    input: Any,
    filters: Any,
    strides: Any,
    padding: Any,
    data_format: str | None = "NDHWC",
    dilations: Any = None,
    name: str | None = None,
) -> Tensor:
    """Slides filters over volumes and sums the products in each window.

    Args:
      input: `[batch, depth, height, width, channels]`, sizes but the batch known.
      filters: `[depth, height, width, channels, out]`.
      strides: From one window to the next: a number, or 3 or 5 of them.
      padding: "SAME" or "VALID".
      data_format: "NDHWC", or "NCDHW" for channels after the batch.
      dilations: From one element of a window to the next, as `strides`.
      name: Name of the op.

    Returns:
      `[batch, depth', height', width', out]`.

    Raises:
      InvalidArgumentError: The channels differ, or a window is larger than the volume.

    Source: `tf.nn.conv3d`.
    """
    what = "tf.nn.conv3d"
    if is_channels_first(data_format, 5, what):
        strides, dilations = reorder(strides, 5), reorder(dilations, 5)
        moved = to_channels_last(input, 5)
        y = conv3d(moved, filters, strides, padding, None, dilations)
        return to_channels_first(y, 5, name)
    x = _check_rank(input, 5, what)
    filters = _check_rank(filters, 5, what)
    padding = _padding(padding, what)
    stride = numbers_of(strides, 3, "strides")
    dilation = numbers_of(1 if dilations is None else dilations, 3, "dilations")
    if None not in (x.shape[4], filters.shape[3]) and x.shape[4] != filters.shape[3]:
        raise fail(
            InvalidArgumentError,
            "input depth must be equal to the filter's input depth in Conv3D",
            got=describe_shapes(x, filters),
            expected=f"filters of [depth, height, width, {x.shape[4]}, out]",
            site=str(user_site()),
        )
    window = int(filters.shape[0] or 0)
    seen, depth = _along_depth(x, window, stride[0], dilation[0], padding, what)
    y = conv2d(
        seen, _filters_of_images(filters), stride[1:], padding, None, dilation[1:]
    )
    return reshape(y, [-1, depth, *y.shape[1:]], name=name)


def conv3d_transpose(
    input: Any,
    filters: Any,
    output_shape: Any,
    strides: Any,
    padding: Any = "SAME",
    data_format: str | None = "NDHWC",
    dilations: Any = None,
    name: str | None = None,
) -> Tensor:
    """Spreads volumes over larger ones: the derivative of `conv3d` by its input.

    Args:
      input: `[batch, depth, height, width, channels]`, sizes but the batch known.
      filters: `[depth, height, width, out, channels]`.
      output_shape: `[batch, depth', height', width', out]`.
      strides, padding, data_format, dilations: Those of the convolution.
      name: Name of the op.

    Raises:
      InvalidArgumentError: No convolution of `output_shape` gives the input's shape.

    Source: `tf.nn.conv3d_transpose`.
    """
    what = "tf.nn.conv3d_transpose"
    sizes = [output_shape[i] for i in range(5)]
    if is_channels_first(data_format, 5, what):
        windows = reorder(strides, 5), padding, None, reorder(dilations, 5)
        moved, sizes = to_channels_last(input, 5), [sizes[0], *sizes[2:], sizes[1]]
        y = conv3d_transpose(moved, filters, sizes, *windows)
        return to_channels_first(y, 5, name)
    x = _check_rank(input, 5, what)
    filters = _check_rank(filters, 5, what)
    stride = numbers_of(strides, 3, "strides")
    dilation = numbers_of(1 if dilations is None else dilations, 3, "dilations")
    padding = _padding(padding, what)
    depth = _known_volume(x, what)[0]
    large, height, width, out = static_dims(sizes[1:], what)
    window = int(filters.shape[0])
    axis = place_windows(large, window, stride[0], dilation[0], padding)
    if axis.out != depth:
        raise fail(
            InvalidArgumentError,
            "output_shape does not fit the input of conv3d_transpose",
            got=f"{describe_shapes(x)} and a depth of {large}",
            expected=f"an input of depth {axis.out}",
            site=str(user_site()),
        )
    images = reshape(x, [-1, *x.shape[2:]])
    spread = conv2d_transpose(
        images,
        _filters_of_images(filters),
        [shape(images)[0], height, width, window * out],
        stride[1:],
        padding,
        None,
        dilation[1:],
    )
    spread = reshape(spread, [-1, depth, height, width, window * out])
    parts = [spread[..., k * out : (k + 1) * out] for k in range(window)]
    return identity(_add_along_depth(parts, axis, large), name=name)


def _add_along_depth(parts: Sequence[Any], axis: Any, large: int) -> Any:
    """Adds slices up where the elements of windows lie along the depth."""
    total = axis.before + large + axis.after
    found = None
    for k, part in enumerate(parts):
        rest = [size for size in part.shape[2:] if size is not None]
        if axis.stride > 1:
            apart = pad(
                expand_dims(part, 2),
                [[0, 0], [0, 0], [0, axis.stride - 1], *[[0, 0]] * 3],
            )
            part = reshape(apart, [-1, axis.out * axis.stride, *rest])
        start, length = k * axis.dilation, axis.out * axis.stride
        kept = min(length, total - start)
        part = pad(
            part[:, :kept], [[0, 0], [start, total - start - kept], *[[0, 0]] * 3]
        )
        found = part if found is None else add(found, part)
    return found if found is None else found[:, axis.before : axis.before + large]


def _pool_volume(
    pool: Any,
    x: Any,
    ksize: Any,
    strides: Any,
    padding: Any,
    data_format: Any,
    name: Any,
) -> Any:
    what = f"tf.nn.{pool.__name__[:8]}3d"
    if is_channels_first(data_format, 5, what):
        ksize, strides = reorder(ksize, 5), reorder(strides, 5)
        moved = to_channels_last(x, 5)
        y = _pool_volume(pool, moved, ksize, strides, padding, None, None)
        return to_channels_first(y, 5, name)
    x = _check_rank(x, 5, what)
    window, stride = numbers_of(ksize, 3, "ksize"), numbers_of(strides, 3, "strides")
    padding = _padding(padding, what)
    depth, height, width, channels = _known_volume(x, what)
    images = reshape(x, [-1, height, width, channels])
    images = pool(images, window[1:], stride[1:], padding)
    flat = reshape(images, [-1, depth, math.prod(images.shape[1:3]), channels])
    y = pool(flat, [window[0], 1], [stride[0], 1], padding)
    return reshape(y, [-1, y.shape[1], *images.shape[1:]], name=name)


def max_pool3d(
    input: Any,
    ksize: Any,
    strides: Any,
    padding: Any,
    data_format: str | None = "NDHWC",
    name: str | None = None,
) -> Tensor:
    """Returns the largest element of each window of volumes.

    Args:
      input: `[batch, depth, height, width, channels]`, sizes but the batch known.
      ksize: The size of the windows: a number, or 3 or 5 of them.
      strides: From one window to the next, likewise.
      padding: "SAME" or "VALID".
      data_format: "NDHWC", or "NCDHW" for channels after the batch.
      name: Name of the op.

    Source: `tf.nn.max_pool3d`.
    """
    return _pool_volume(max_pool2d, input, ksize, strides, padding, data_format, name)


def avg_pool3d(
    input: Any,
    ksize: Any,
    strides: Any,
    padding: Any,
    data_format: str | None = "NDHWC",
    name: str | None = None,
) -> Tensor:
    """Returns the mean of each window of volumes, padding not counted; as `max_pool3d`.

    Source: `tf.nn.avg_pool3d`.
    """
    return _pool_volume(avg_pool2d, input, ksize, strides, padding, data_format, name)


# ---- of any rank

_CONVOLUTIONS = {3: conv1d, 4: conv2d, 5: conv3d}
_POOLS = {
    ("MAX", 3): max_pool1d,
    ("MAX", 4): max_pool2d,
    ("MAX", 5): max_pool3d,
    ("AVG", 3): avg_pool1d,
    ("AVG", 4): avg_pool2d,
    ("AVG", 5): avg_pool3d,
}


def _rank_of(x: Any, what: str) -> int:
    rank = x.shape.rank
    if rank not in _CONVOLUTIONS:
        raise fail(
            ValueError,
            f"The input of {what} must have 3, 4 or 5 dimensions",
            got=describe_shapes(x),
            expected="[batch, ..., channels]",
            site=str(user_site()),
        )
    return int(rank)


def convolution(
    input: Any,
    filters: Any,
    strides: Any = None,
    padding: Any = "VALID",
    data_format: str | None = None,
    dilations: Any = None,
    name: str | None = None,
) -> Tensor:
    """Convolves sequences, images or volumes, as the rank of the input says.

    Args:
      input: `[batch, ..., channels]`, with 1 to 3 dimensions between.
      filters: `[..., channels, out]`.
      strides, padding, data_format, dilations, name: As in `conv2d`.

    Source: `tf.nn.convolution`.
    """
    x = hooks.convert(input)
    function = _CONVOLUTIONS[_rank_of(x, "tf.nn.convolution")]
    strides = 1 if strides is None else strides
    return function(x, filters, strides, padding, data_format, dilations, name)


_TRANSPOSES = {3: conv1d_transpose, 4: conv2d_transpose, 5: conv3d_transpose}


def conv_transpose(
    input: Any,
    filters: Any,
    output_shape: Any,
    strides: Any,
    padding: Any = "SAME",
    data_format: str | None = None,
    dilations: Any = None,
    name: str | None = None,
) -> Tensor:
    """Spreads sequences, images or volumes over larger ones, as the rank says.

    Source: `tf.nn.conv_transpose`.
    """
    x = hooks.convert(input)
    function = _TRANSPOSES[_rank_of(x, "tf.nn.conv_transpose")]
    options = padding, data_format, dilations, name
    return function(x, filters, output_shape, strides, *options)


def pool(
    input: Any,
    window_shape: Any,
    pooling_type: str,
    strides: Any = None,
    padding: Any = "VALID",
    data_format: str | None = None,
    dilations: Any = None,
    name: str | None = None,
) -> Tensor:
    """Pools sequences, images or volumes, as the rank of the input says.

    Args:
      input: `[batch, ..., channels]`.
      window_shape: A number, or one for each spatial dimension.
      pooling_type: "MAX" or "AVG".
      strides, padding, data_format, name: As in `max_pool2d`; strides are 1 by default.
      dilations: Must be 1.

    Source: `tf.nn.pool`.
    """
    x = hooks.convert(input)
    rank = _rank_of(x, "tf.nn.pool")
    if dilations is not None and set(np.ravel(dilations).tolist()) != {1}:
        raise NotImplementedError("tf.nn.pool with dilations; they must be 1.")
    if pooling_type not in ("MAX", "AVG"):
        raise ValueError(f"pooling_type must be 'MAX' or 'AVG'; got {pooling_type!r}.")
    function = _POOLS[pooling_type, rank]
    strides = 1 if strides is None else strides
    return function(x, window_shape, strides, padding, data_format, name)


def max_pool(
    input: Any,
    ksize: Any,
    strides: Any,
    padding: Any,
    data_format: str | None = None,
    name: str | None = None,
) -> Tensor:
    """Returns the largest element of each window of sequences, images or volumes.

    Source: `tf.nn.max_pool`.
    """
    x = hooks.convert(input)
    rank = x.shape.rank if x.shape.rank in (3, 5) else 4
    return _POOLS["MAX", rank](x, ksize, strides, padding, data_format, name)


def avg_pool(
    input: Any,
    ksize: Any,
    strides: Any,
    padding: Any,
    data_format: str | None = None,
    name: str | None = None,
) -> Tensor:
    """Returns the mean of each window of sequences, images or volumes.

    Source: `tf.nn.avg_pool`.
    """
    x = hooks.convert(input)
    rank = x.shape.rank if x.shape.rank in (3, 5) else 4
    return _POOLS["AVG", rank](x, ksize, strides, padding, data_format, name)


def atrous_conv2d(
    value: Any, filters: Any, rate: int, padding: str, name: str | None = None
) -> Tensor:
    """Convolves images with filters that have gaps; `conv2d` with dilations.

    Source: `tf.nn.atrous_conv2d`.
    """
    return conv2d(value, filters, 1, padding, dilations=rate, name=name)


def atrous_conv2d_transpose(
    value: Any,
    filters: Any,
    output_shape: Any,
    rate: int,
    padding: str,
    name: str | None = None,
) -> Tensor:
    """Spreads images by filters that have gaps; the derivative of `atrous_conv2d`.

    Source: `tf.nn.atrous_conv2d_transpose`.
    """
    return conv2d_transpose(
        value, filters, output_shape, 1, padding, dilations=rate, name=name
    )
