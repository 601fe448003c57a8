"""Windows and blocks of images moved about: patches, blocks as channels or as batches.

All are compositions of slices, transposes and reshapes, which have kernels and
derivatives of every order.
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
from graphopt.ops.creation import shape, static_dims
from graphopt.ops.elementwise import add, maximum, negative
from graphopt.ops.layouts import is_channels_first, to_channels_first, to_channels_last
from graphopt.ops.padding import pad, reverse
from graphopt.ops.shaping import concat, reshape, transpose
from graphopt.ops.windows import place_both, spatial_pair


def _image(x: Any, what: str) -> tuple[Any, list[int]]:
    """Returns an image and its height, width and channels, which must be known."""
    x = hooks.convert(x)
    if x.shape.rank != 4:
        raise fail(
            InvalidArgumentError,
            f"The input of {what} must have 4 dimensions",
            got=describe_shapes(x),
            expected="[batch, height, width, channels]",
            site=str(user_site()),
        )
    if None in x.shape[1:]:
        raise NotImplementedError(
            f"{what} of images whose {describe_shapes(x)} is only known in the run; give "
            "the placeholder its height, width and channels."
        )
    return x, [int(size) for size in x.shape[1:] if size is not None]


def _blocks_of(x: Any, what: str) -> tuple[Any, list[Any], int]:
    """Returns an image, its sizes before the channels, and how many of these there are.

    A size that the run decides is a tensor; the batch is -1 if the others are known.
    """
    x = hooks.convert(x)
    if x.shape.rank == 4 and x.shape[3] is not None and None in x.shape[1:3]:
        sizes = shape(x)
        known = enumerate(x.shape[:3])
        return x, [sizes[i] if n is None else n for i, n in known], int(x.shape[3])
    x, (height, width, channels) = _image(x, what)
    return x, [-1, height, width], channels


def _divide(size: Any, block: int, x: Any, what: str) -> Any:
    if not isinstance(size, int):
        return size // block
    if size % block:
        raise fail(
            InvalidArgumentError,
            f"{what}: {size} should be divisible by block_size {block}",
            got=describe_shapes(x),
            expected=f"a multiple of {block}",
            site=str(user_site()),
        )
    return size // block


def _block(block_size: Any) -> int:
    if int(block_size) < 2:
        raise fail(
            ValueError,
            "block_size must be at least 2",
            got=repr(block_size),
            expected="an integer of 2 or more",
            site=str(user_site()),
        )
    return int(block_size)


def depth_to_space(
    input: Any, block_size: int, data_format: str = "NHWC", name: str | None = None
) -> Tensor:
    """Makes blocks of pixels of channels.

    Args:
      input: `[batch, height, width, block_size ** 2 * channels]`.
      block_size: Height and width of a block.
      data_format: "NHWC", or "NCHW" for channels after the batch.
      name: Name of the op.

    Returns:
      `[batch, height * block_size, width * block_size, channels]`.

    Raises:
      InvalidArgumentError: The channels are no multiple of the pixels of a block.

    >>> import graphopt as tf
    >>> x = tf.reshape(tf.range(4.0), [1, 1, 1, 4])
    >>> tf.nn.depth_to_space(x, 2).numpy()[0, :, :, 0].tolist()
    [[0.0, 1.0], [2.0, 3.0]]

    Source: `tf.nn.depth_to_space`.
    """
    block = _block(block_size)
    if is_channels_first(data_format, 4, "tf.nn.depth_to_space"):
        moved = to_channels_last(input, 4)
        return to_channels_first(depth_to_space(moved, block), 4, name)
    x, (batch, height, width), channels = _blocks_of(input, "depth_to_space")
    rest = _divide(channels, block * block, x, "depth_to_space")
    x = reshape(x, [batch, height, width, block, block, rest])
    x = transpose(x, [0, 1, 3, 2, 4, 5])
    return reshape(x, [batch, height * block, width * block, rest], name=name)


def space_to_depth(
    input: Any, block_size: int, data_format: str = "NHWC", name: str | None = None
) -> Tensor:
    """Makes channels of blocks of pixels; undoes `depth_to_space`.

    Args:
      input: `[batch, height, width, channels]`.
      block_size: Height and width of a block.
      data_format: "NHWC", or "NCHW" for channels after the batch.
      name: Name of the op.

    Returns:
      `[batch, height / block_size, width / block_size, block_size ** 2 * channels]`.

    Raises:
      InvalidArgumentError: Height or width is no multiple of the block's.

    Source: `tf.nn.space_to_depth`.
    """
    block = _block(block_size)
    if is_channels_first(data_format, 4, "tf.nn.space_to_depth"):
        moved = to_channels_last(input, 4)
        return to_channels_first(space_to_depth(moved, block), 4, name)
    x, (batch, height, width), channels = _blocks_of(input, "space_to_depth")
    rows = _divide(height, block, x, "space_to_depth")
    columns = _divide(width, block, x, "space_to_depth")
    x = reshape(x, [batch, rows, block, columns, block, channels])
    x = transpose(x, [0, 1, 3, 2, 4, 5])
    return reshape(x, [batch, rows, columns, block * block * channels], name=name)


def _blocks_and_pairs(
    block_shape: Any, pairs: Any, what: str
) -> tuple[list[int], list[list[int]]]:
    blocks = list(static_dims(block_shape, what))
    numbers = [static_dims(pair, what) for pair in _rows_of(pairs)]
    if len(numbers) != len(blocks) or any(len(pair) != 2 for pair in numbers):
        raise fail(
            InvalidArgumentError,
            f"{what} takes two numbers for each number of block_shape",
            got=f"{numbers} for block_shape {blocks}",
            site=str(user_site()),
        )
    return blocks, [list(pair) for pair in numbers]


def _rows_of(pairs: Any) -> Sequence[Any]:
    if hasattr(pairs, "numpy"):
        return list(pairs.numpy())
    return list(pairs) if isinstance(pairs, (list, tuple)) else list(np.asarray(pairs))


def space_to_batch_nd(
    input: Any, block_shape: Any, paddings: Any, name: str | None = None
) -> Tensor:
    """Makes batches of blocks: each takes one element of every block.

    Args:
      input: `[batch, ..., rest...]`, with sizes but the batch known.
      block_shape: The sizes of a block, for the dimensions after the batch.
      paddings: `[blocks, 2]`: zeros before and after each of these dimensions.
      name: Name of the op.

    Returns:
      `[batch * prod(block_shape), ... / block_shape, rest...]`.

    Raises:
      InvalidArgumentError: A padded dimension is no multiple of its block.

    Source: `tf.space_to_batch_nd`.
    """
    what = "tf.space_to_batch_nd"
    x = hooks.convert(input)
    blocks, pairs = _blocks_and_pairs(block_shape, paddings, what)
    count = len(blocks)
    rest = _known_rest(x, 1, what)
    padded = [size + sum(pair) for size, pair in zip(rest, pairs, strict=False)]
    if any(any(pair) for pair in pairs):
        x = pad(x, [[0, 0], *pairs, *[[0, 0]] * (len(rest) - count)])
    small = [_divide(n, b, x, what) for n, b in zip(padded, blocks, strict=True)]
    halves = [n for pair in zip(small, blocks, strict=True) for n in pair]
    x = reshape(x, [-1, *halves, *rest[count:]])
    inner, outer = range(2, 2 * count + 1, 2), range(1, 2 * count, 2)
    x = transpose(x, [*inner, 0, *outer, *range(2 * count + 1, len(x.shape))])
    return reshape(x, [-1, *small, *rest[count:]], name=name)


def batch_to_space_nd(
    input: Any, block_shape: Any, crops: Any, name: str | None = None
) -> Tensor:
    """Makes blocks of batches; undoes `space_to_batch_nd`.

    Args:
      input: `[batch * prod(block_shape), ..., rest...]`.
      block_shape: The sizes of a block, for the dimensions after the batch.
      crops: `[blocks, 2]`: how many elements to cut off of each of these dimensions.
      name: Name of the op.

    Returns:
      `[batch, ... * block_shape - crops, rest...]`.

    Source: `tf.batch_to_space`.
    """
    what = "tf.batch_to_space_nd"
    x = hooks.convert(input)
    blocks, pairs = _blocks_and_pairs(block_shape, crops, what)
    count, rest = len(blocks), _known_rest(x, 1, what)
    if x.shape[0] is not None:
        _divide(int(x.shape[0]), math.prod(blocks), x, what)
    x = reshape(x, [*blocks, -1, *rest])
    order = [count]
    for i in range(count):
        order += [count + 1 + i, i]
    x = transpose(x, [*order, *range(2 * count + 1, len(x.shape))])
    large = [n * b for n, b in zip(rest, blocks, strict=False)]
    x = reshape(x, [-1, *large, *rest[count:]], name=name)
    if not any(any(pair) for pair in pairs):
        return x
    ends = zip(large, pairs, strict=True)
    cut = tuple(slice(begin, size - end) for size, (begin, end) in ends)
    return x[(slice(None), *cut)]


def _known_rest(x: Any, start: int, what: str) -> list[int]:
    if x.shape.unknown_rank or None in x.shape[start:]:
        raise NotImplementedError(
            f"{what} of a tensor whose {describe_shapes(x)} is only known in the run; "
            "only the batch may be."
        )
    return [int(size) for size in x.shape[start:]]


def space_to_batch(
    input: Any, paddings: Any, block_size: int, name: str | None = None
) -> Any:
    """Makes batches of square blocks of images; as `space_to_batch_nd`.

    Source: `tf.compat.v1.space_to_batch`.
    """
    return space_to_batch_nd(input, [int(block_size)] * 2, paddings, name)


# ---- windows


def _windows(
    x: Any, window: tuple[int, int], attrs: dict[str, Any], value: float, what: str
) -> list[Any]:
    """What lies at each element (i, j) of all windows, in order."""
    x, (height, width, _) = _image(x, what)
    rows, columns = place_both((height, width), window, attrs)
    if rows.out < 1 or columns.out < 1:
        raise fail(
            InvalidArgumentError,
            f"{what}: windows of {list(window)} are larger than the image",
            got=describe_shapes(x),
            expected=f"at least {list(window)} pixels",
            site=str(user_site()),
            remedy='padding="SAME"',
        )
    pairs = [rows[4:6], columns[4:6]]
    if any(any(pair) for pair in pairs):
        paddings = [[0, 0], *map(list, pairs), [0, 0]]
        x = pad(x, paddings, constant_values=value)
    found = []
    for i in range(rows.window):
        top = i * rows.dilation
        down = slice(top, top + rows.stride * (rows.out - 1) + 1, rows.stride)
        for j in range(columns.window):
            left = j * columns.dilation
            stop = left + columns.stride * (columns.out - 1) + 1
            found.append(x[:, down, left : stop : columns.stride])
    return found


def _attrs(strides: Any, rates: Any, padding: Any, what: str) -> dict[str, Any]:
    if not isinstance(padding, str) or padding.upper() not in ("SAME", "VALID"):
        raise fail(
            ValueError,
            f"padding of {what} must be 'SAME' or 'VALID'",
            got=repr(padding),
            expected="'SAME' or 'VALID'",
            site=str(user_site()),
        )
    return {
        "strides": spatial_pair(strides, "strides"),
        "dilations": spatial_pair(rates, "rates"),
        "padding": padding.upper(),
    }


def extract_patches(
    images: Any,
    sizes: Any,
    strides: Any,
    rates: Any,
    padding: Any,
    name: str | None = None,
) -> Tensor:
    """Makes the pixels of each window channels.

    Args:
      images: `[batch, height, width, channels]`.
      sizes: The windows, `[1, rows, columns, 1]`.
      strides: From one window to the next, `[1, rows, columns, 1]`.
      rates: From one pixel of a window to the next, `[1, rows, columns, 1]`.
      padding: "SAME" or "VALID".
      name: Name of the op.

    Returns:
      `[batch, height', width', rows * columns * channels]`.

    Source: `tf.image.extract_patches`.
    """
    what = "extract_patches"
    attrs = _attrs(strides, rates, padding, what)
    return concat(
        _windows(images, spatial_pair(sizes, "sizes"), attrs, 0.0, what), 3, name=name
    )


def dilation2d(
    input: Any,
    filters: Any,
    strides: Any,
    padding: Any,
    data_format: str = "NHWC",
    dilations: Any = 1,
    name: str | None = None,
) -> Tensor:
    """Returns the largest sum of an image and a filter in each window.

    Args:
      input: `[batch, height, width, channels]`.
      filters: `[height, width, channels]`.
      strides: From one window to the next, `[1, rows, columns, 1]`.
      padding: "SAME" or "VALID".
      data_format: Must be "NHWC".
      dilations: From one pixel of a window to the next, as `strides`.
      name: Name of the op.

    Returns:
      `[batch, height', width', channels]`.

    Source: `tf.nn.dilation2d`.
    """
    what = "tf.nn.dilation2d"
    if data_format != "NHWC":
        raise ValueError(
            f"Data formats other than 'NHWC' are not yet supported: {data_format}."
        )
    attrs = _attrs(strides, dilations, padding, what)
    x, filters = hooks.convert(input), hooks.convert(filters, dtype_hint=None)
    height, width, channels = static_dims(filters.shape, what)
    if x.shape.rank == 4 and x.shape[3] != channels:
        raise fail(
            InvalidArgumentError,
            "input and filter must have the same depth in Dilation2D",
            got=describe_shapes(x, filters),
            expected=f"filters of [height, width, {x.shape[3]}]",
            site=str(user_site()),
        )
    lowest = float(np.finfo(x.dtype.numpy).min) if x.dtype.is_floating else 0
    found = None
    for k, part in enumerate(_windows(x, (height, width), attrs, lowest, what)):
        part = add(part, filters[k // width, k % width])
        # Ties go to the first, as those of max_pool.
        found = part if found is None else maximum(found, part)
    return reshape(found, [-1, *found.shape[1:]], name=name) if found is not None else x


def erosion2d(
    value: Any,
    filters: Any,
    strides: Any,
    padding: Any,
    data_format: str = "NHWC",
    dilations: Any = 1,
    name: str | None = None,
) -> Tensor:
    """Returns the smallest difference of an image and a turned filter in each window.

    Source: `tf.nn.erosion2d`.
    """
    turned = reverse(filters, [0, 1])
    found = dilation2d(
        negative(value), turned, strides, padding, data_format, dilations
    )
    return negative(found, name=name)
