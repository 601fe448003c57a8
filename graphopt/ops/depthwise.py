"""Depthwise convolutions: each channel of an image has filters of its own.

The three ops are closed under derivatives as those of `convolution` are.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphopt import dtypes
from graphopt.dtypes import DType
from graphopt.errors import InvalidArgumentError, describe_shapes, fail
from graphopt.graph.dispatch import call
from graphopt.graph.graph import Operation
from graphopt.graph.opspec import BadInput, Family, OpSpec, Sample, register
from graphopt.graph.provenance import user_site
from graphopt.graph.shape import TensorShape
from graphopt.graph.tensor import Tensor
from graphopt.ops.convolution import WINDOW_NS, conv2d, window_flops
from graphopt.ops.layouts import (
    is_channels_first,
    reorder,
    to_channels_first,
    to_channels_last,
)
from graphopt.ops.windows import (
    check_rank,
    infer_outputs,
    pad_image,
    place_both,
    read_padding,
    spatial_pair,
    window_elements,
)

Array = NDArray[Any]


def _infer(x: Any, filters: Any, **attrs: Any) -> tuple[TensorShape, DType]:
    check_rank(x, "a depthwise convolution")
    check_rank(filters, "a depthwise convolution")
    if x.shape.unknown_rank or filters.shape.unknown_rank:
        return TensorShape([None] * 4), x.dtype
    height, width, channels, multiplier = filters.shape
    if None not in (channels, x.shape[3]) and channels != x.shape[3]:
        raise fail(
            InvalidArgumentError,
            "input depth must be equal to the filter's in a depthwise convolution",
            got=describe_shapes(x, filters),
            expected=f"filters of [height, width, {x.shape[3]}, multiplier]",
            site=str(user_site()),
        )
    known = x.shape[3] if channels is None else channels
    out = None if known is None or multiplier is None else known * multiplier
    rows, columns = infer_outputs(x, (height, width), attrs, "a depthwise convolution")
    return TensorShape([x.shape[0], rows, columns, out]), x.dtype


def _wide(dtype: np.dtype[Any]) -> Any:
    return np.float32 if dtype == np.float16 else dtype


def _split(g: Array, filters: Array) -> Array:
    """Separates the channels of the image from those that each has been made into."""
    return g.astype(_wide(g.dtype)).reshape(*g.shape[:3], *filters.shape[2:])


def _forward(x: Array, filters: Array, **attrs: Any) -> Array:
    rows, columns = place_both(x.shape[1:3], filters.shape[:2], attrs)
    wide, (channels, multiplier) = _wide(x.dtype), filters.shape[2:]
    padded = pad_image(x.astype(wide), rows, columns, 0)
    y = np.zeros((x.shape[0], rows.out, columns.out, channels, multiplier), wide)
    with np.errstate(all="ignore"):
        for i, j, view in window_elements(padded, rows, columns):
            y += view[..., np.newaxis] * filters[i, j].astype(wide)
    return y.reshape(*y.shape[:3], channels * multiplier).astype(x.dtype)


def _to_input(x: Array, filters: Array, g: Array, **attrs: Any) -> Array:
    rows, columns = place_both(x.shape[1:3], filters.shape[:2], attrs)
    wide, split = _wide(g.dtype), _split(g, filters)
    padded = pad_image(np.zeros(x.shape, wide), rows, columns, 0)
    with np.errstate(all="ignore"):
        for i, j, view in window_elements(padded, rows, columns):
            view += (split * filters[i, j].astype(wide)).sum(axis=-1)
    top, left = rows.before, columns.before
    inner = padded[:, top : top + x.shape[1], left : left + x.shape[2]]
    return np.ascontiguousarray(inner).astype(g.dtype)


def _to_filter(x: Array, filters: Array, g: Array, **attrs: Any) -> Array:
    rows, columns = place_both(x.shape[1:3], filters.shape[:2], attrs)
    wide, split = _wide(g.dtype), _split(g, filters)
    padded = pad_image(x.astype(wide), rows, columns, 0)
    y = np.zeros(filters.shape, wide)
    with np.errstate(all="ignore"):
        for i, j, view in window_elements(padded, rows, columns):
            y[i, j] = (view[..., np.newaxis] * split).sum(axis=(0, 1, 2))
    return y.astype(g.dtype)


def _samples() -> list[Sample]:
    rng = np.random.default_rng(13)
    one: dict[str, Any] = {"strides": (1, 1), "dilations": (1, 1)}
    cases: list[tuple[Any, Any, dict[str, Any]]] = [
        ((2, 4, 5, 2), (3, 2, 2, 2), {**one, "padding": "VALID"}),
        ((1, 5, 5, 3), (2, 3, 3, 1), {**one, "padding": "SAME", "strides": (2, 2)}),
        ((1, 6, 5, 1), (2, 2, 1, 3), {**one, "padding": "SAME", "dilations": (2, 2)}),
        ((0, 3, 3, 2), (2, 2, 2, 2), {**one, "padding": "VALID"}),
    ]
    return [
        Sample((rng.standard_normal(x).astype(t), rng.standard_normal(w).astype(t)), a)
        for x, w, a in cases
        for t in (np.float64, np.float32)
    ]


def _gradient_samples() -> list[Sample]:
    rng = np.random.default_rng(14)
    out = []
    for sample in _samples():
        x, filters = sample.inputs
        y = _forward(x, filters, **sample.attrs)
        g = rng.standard_normal(y.shape).astype(y.dtype)
        out.append(Sample((x, filters, g), sample.attrs))
    return out


def _bad() -> list[BadInput]:
    attrs = {"strides": (1, 1), "padding": "VALID", "dilations": (1, 1)}
    image, f = np.zeros((1, 3, 3, 2)), np.zeros
    return [
        BadInput((image, f((2, 2, 3, 1))), attrs, InvalidArgumentError, "input depth"),
        BadInput((image, f((4, 2, 2, 1))), attrs, InvalidArgumentError, "Negative dim"),
    ]


def _flops(op: Operation) -> int:
    # A depthwise filter gives each channel its own outputs.
    return window_flops(op, filter_dims=2)


DEPTHWISE: OpSpec = register(
    OpSpec(
        "DepthwiseConv2dNative",
        _infer,
        _forward,
        lambda g, y, x, filters, **attrs: (
            call(DEPTHWISE_TO_INPUT, x, filters, g, **attrs),
            call(DEPTHWISE_TO_FILTER, x, filters, g, **attrs),
        ),
        Family("windows", "depthwise"),
        _samples,
        errors=_bad,
        dtypes=dtypes.FLOATING,
        reference_ns=WINDOW_NS,
        flops=_flops,
    )
)
DEPTHWISE_TO_INPUT: OpSpec = register(
    OpSpec(
        "DepthwiseConv2dNativeBackpropInput",
        lambda x, filters, g, **attrs: (x.shape, g.dtype),
        _to_input,
        lambda gg, y, x, filters, g, **attrs: (
            None,
            call(DEPTHWISE_TO_FILTER, gg, filters, g, **attrs),
            call(DEPTHWISE, gg, filters, **attrs),
        ),
        Family("windows", "depthwise_to_input"),
        _gradient_samples,
        dtypes=dtypes.FLOATING,
        kernel_inputs=(1, 2),
        reference_ns=WINDOW_NS,
        flops=_flops,
    )
)
DEPTHWISE_TO_FILTER: OpSpec = register(
    OpSpec(
        "DepthwiseConv2dNativeBackpropFilter",
        lambda x, filters, g, **attrs: (filters.shape, g.dtype),
        _to_filter,
        lambda gg, y, x, filters, g, **attrs: (
            call(DEPTHWISE_TO_INPUT, x, gg, g, **attrs),
            None,
            call(DEPTHWISE, x, gg, **attrs),
        ),
        Family("windows", "depthwise_to_filter"),
        _gradient_samples,
        dtypes=dtypes.FLOATING,
        kernel_inputs=(0, 2),
        reference_ns=WINDOW_NS,
        flops=_flops,
    )
)


def depthwise_conv2d(
    input: Any,
    filter: Any,
    strides: Any,
    padding: Any,
    data_format: str | None = None,
    dilations: Any = None,
    name: str | None = None,
) -> Tensor:
    """Slides filters of its own over each channel of images.

    Args:
      input: `[batch, height, width, channels]`.
      filter: `[height, width, channels, multiplier]`.
      strides: From one window to the next: a number, or 2 or 4 of them.
      padding: "SAME", "VALID" or `[[0, 0], [top, bottom], [left, right], [0, 0]]`.
      data_format: "NHWC", or "NCHW" for `[batch, channels, height, width]`.
      dilations: From one element of a window to the next, as `strides`.
      name: Name of the op.

    Returns:
      `[batch, height', width', channels * multiplier]`.

    Raises:
      InvalidArgumentError: The channels differ, or a window is larger than the image.

    Source: `tf.nn.depthwise_conv2d`.
    """
    if is_channels_first(data_format, 4, "tf.nn.depthwise_conv2d"):
        windows = [reorder(given, 4) for given in (strides, padding, dilations)]
        strides, padding, dilations = windows
        y = depthwise_conv2d(
            to_channels_last(input, 4), filter, strides, padding, None, dilations
        )
        return to_channels_first(y, 4, name)
    return call(
        DEPTHWISE,
        input,
        filter,
        name=name,
        strides=spatial_pair(strides, "strides"),
        padding=read_padding(padding, "tf.nn.depthwise_conv2d"),
        dilations=spatial_pair(1 if dilations is None else dilations, "dilations"),
    )


def separable_conv2d(
    input: Any,
    depthwise_filter: Any,
    pointwise_filter: Any,
    strides: Any,
    padding: Any,
    data_format: str | None = None,
    dilations: Any = None,
    name: str | None = None,
) -> Tensor:
    """Convolves each channel on its own, then mixes them by a 1 x 1 convolution.

    Args:
      input: `[batch, height, width, channels]`.
      depthwise_filter: `[height, width, channels, multiplier]`.
      pointwise_filter: `[1, 1, channels * multiplier, out]`.
      strides, padding, data_format, dilations: Those of the first convolution.
      name: Name of the op.

    Source: `tf.nn.separable_conv2d`.
    """
    if is_channels_first(data_format, 4, "tf.nn.separable_conv2d"):
        windows = [reorder(given, 4) for given in (strides, padding, dilations)]
        filters = depthwise_filter, pointwise_filter
        strides, padding, dilations = windows
        moved = to_channels_last(input, 4)
        y = separable_conv2d(moved, *filters, strides, padding, None, dilations)
        return to_channels_first(y, 4, name)
    deep = depthwise_conv2d(input, depthwise_filter, strides, padding, None, dilations)
    return conv2d(deep, pointwise_filter, 1, "VALID", name=name)
