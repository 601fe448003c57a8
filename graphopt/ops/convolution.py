"""Convolutions of images, [batch, height, width, channels], and their derivatives.

Three ops close the circle: the derivative of each, of whatever order, is written with
the other two, because all three are the same trilinear form in image, filter and
cotangent.
"""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphopt import dtypes
from graphopt.dtypes import DType
from graphopt.errors import InvalidArgumentError, describe_shapes, fail
from graphopt.graph.dispatch import as_inputs, call
from graphopt.graph.graph import Operation
from graphopt.graph.hooks import hooks
from graphopt.graph.opspec import BadInput, Family, OpSpec, Sample, register
from graphopt.graph.provenance import user_site
from graphopt.graph.shape import TensorShape
from graphopt.graph.tensor import Tensor
from graphopt.ops.creation import zeros
from graphopt.ops.elementwise import ADD
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
    check_rank(x, "Conv2D")
    check_rank(filters, "Conv2D")
    if x.shape.unknown_rank or filters.shape.unknown_rank:
        return TensorShape([None] * 4), x.dtype
    height, width, channels, out = filters.shape
    if None not in (channels, x.shape[3]) and channels != x.shape[3]:
        raise fail(
            InvalidArgumentError,
            "input depth must be equal to the filter's input depth in Conv2D",
            got=describe_shapes(x, filters),
            expected=f"filters of [height, width, {x.shape[3]}, out]",
            remedy="tf.transpose, for the layout is [batch, height, width, depth]",
            site=str(user_site()),
        )
    rows, columns = infer_outputs(x, (height, width), attrs, "Conv2D")
    return TensorShape([x.shape[0], rows, columns, out]), x.dtype


def _wide(dtype: np.dtype[Any]) -> Any:
    return np.float32 if dtype == np.float16 else dtype


def _forward(x: Array, filters: Array, **attrs: Any) -> Array:
    rows, columns = place_both(x.shape[1:3], filters.shape[:2], attrs)
    wide = _wide(x.dtype)
    padded = pad_image(x.astype(wide), rows, columns, 0)
    y = np.zeros((x.shape[0], rows.out, columns.out, filters.shape[3]), wide)
    with np.errstate(all="ignore"):
        for i, j, view in window_elements(padded, rows, columns):
            y += view @ filters[i, j].astype(wide)
    return y.astype(x.dtype)


def _to_input(x: Array, filters: Array, g: Array, **attrs: Any) -> Array:
    rows, columns = place_both(x.shape[1:3], filters.shape[:2], attrs)
    wide = _wide(g.dtype)
    padded = pad_image(np.zeros(x.shape, wide), rows, columns, 0)
    with np.errstate(all="ignore"):
        for i, j, view in window_elements(padded, rows, columns):
            view += g.astype(wide) @ filters[i, j].astype(wide).T
    top, left = rows.before, columns.before
    inner = padded[:, top : top + x.shape[1], left : left + x.shape[2]]
    return np.ascontiguousarray(inner).astype(g.dtype)


def _to_filter(x: Array, filters: Array, g: Array, **attrs: Any) -> Array:
    rows, columns = place_both(x.shape[1:3], filters.shape[:2], attrs)
    wide = _wide(g.dtype)
    padded = pad_image(x.astype(wide), rows, columns, 0)
    flat = g.astype(wide).reshape(-1, g.shape[3])
    y = np.zeros(filters.shape, wide)
    with np.errstate(all="ignore"):
        for i, j, view in window_elements(padded, rows, columns):
            y[i, j] = view.reshape(-1, x.shape[3]).T @ flat
    return y.astype(g.dtype)


def _samples() -> list[Sample]:
    rng = np.random.default_rng(9)
    dense: dict[str, Any] = {"strides": (1, 1), "dilations": (1, 1)}
    explicit = ((1, 0), (2, 1))
    cases: list[tuple[Any, Any, dict[str, Any]]] = [
        ((2, 4, 5, 2), (3, 2, 2, 3), {**dense, "padding": "VALID"}),
        ((1, 5, 4, 2), (3, 3, 2, 2), {**dense, "padding": "SAME"}),
        ((1, 5, 6, 1), (2, 3, 1, 2), {**dense, "padding": explicit, "strides": (2, 1)}),
        ((1, 5, 5, 2), (2, 2, 2, 2), {**dense, "padding": "SAME", "strides": (2, 3)}),
        ((1, 6, 6, 1), (2, 2, 1, 2), {**dense, "padding": "SAME", "dilations": (2, 3)}),
        ((0, 3, 3, 1), (2, 2, 1, 2), {**dense, "padding": "VALID"}),
    ]
    return [
        Sample((rng.standard_normal(x).astype(t), rng.standard_normal(w).astype(t)), a)
        for x, w, a in cases
        for t in (np.float64, np.float32)
    ]


def _gradient_samples() -> list[Sample]:
    rng = np.random.default_rng(10)
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
        BadInput((image[0], f((2, 2, 2, 1))), attrs, InvalidArgumentError, "4 dimen"),
    ]


def _conv_vjp(g: Any, y: Any, x: Any, filters: Any, **attrs: Any) -> tuple[Any, Any]:
    return (
        call(CONV_TO_INPUT, x, filters, g, **attrs),
        call(CONV_TO_FILTER, x, filters, g, **attrs),
    )


def _to_input_vjp(
    gg: Any, y: Any, x: Any, filters: Any, g: Any, **attrs: Any
) -> tuple[Any, Any, Any]:
    return (
        None,
        call(CONV_TO_FILTER, gg, filters, g, **attrs),
        call(CONV, gg, filters, **attrs),
    )


def _to_filter_vjp(
    gg: Any, y: Any, x: Any, filters: Any, g: Any, **attrs: Any
) -> tuple[Any, Any, Any]:
    return call(CONV_TO_INPUT, x, gg, g, **attrs), None, call(CONV, x, gg, **attrs)


# Nanoseconds that NumPy takes about for an element of a window.
WINDOW_NS = 80.0


def window_flops(op: Operation, filter_dims: int = 3) -> int:
    """Counts the multiplications and additions of an op on an image, a filter and more.

    Args:
      op: A convolution, or a derivative of one.
      filter_dims: How many dimensions of the filter an output adds up over.
    """
    taps = prod(int(dim or 0) for dim in list(op.inputs[1].shape)[:filter_dims])
    results = op.outputs[0] if len(op.inputs) == 2 else op.inputs[2]
    return 2 * int(results.shape.num_elements() or 0) * taps


CONV: OpSpec = register(
    OpSpec(
        "Conv2D",
        _infer,
        _forward,
        _conv_vjp,
        Family("windows", "conv"),
        _samples,
        errors=_bad,
        dtypes=dtypes.FLOATING,
        reference_ns=WINDOW_NS,
        flops=window_flops,
    )
)
# The image gives only its shape here, the filter in the next one.
CONV_TO_INPUT: OpSpec = register(
    OpSpec(
        "Conv2DBackpropInput",
        lambda x, filters, g, **attrs: (x.shape, g.dtype),
        _to_input,
        _to_input_vjp,
        Family("windows", "conv_to_input"),
        _gradient_samples,
        dtypes=dtypes.FLOATING,
        kernel_inputs=(1, 2),
        reference_ns=WINDOW_NS,
        flops=window_flops,
    )
)
CONV_TO_FILTER: OpSpec = register(
    OpSpec(
        "Conv2DBackpropFilter",
        lambda x, filters, g, **attrs: (filters.shape, g.dtype),
        _to_filter,
        _to_filter_vjp,
        Family("windows", "conv_to_filter"),
        _gradient_samples,
        dtypes=dtypes.FLOATING,
        kernel_inputs=(0, 2),
        reference_ns=WINDOW_NS,
        flops=window_flops,
    )
)


def conv2d(
    input: Any,
    filters: Any,
    strides: Any,
    padding: Any,
    data_format: str | None = "NHWC",
    dilations: Any = None,
    name: str | None = None,
) -> Tensor:
    """Slides filters over images and sums the products in each window.

    Args:
      input: `[batch, height, width, channels]`.
      filters: `[height, width, channels, out]`.
      strides: From one window to the next: a number, or 2 or 4 of them.
      padding: "SAME", "VALID" or `[[0, 0], [top, bottom], [left, right], [0, 0]]`.
      data_format: "NHWC", or "NCHW" for `[batch, channels, height, width]`.
      dilations: From one element of a window to the next, as `strides`.
      name: Name of the op.

    Returns:
      `[batch, height', width', out]`.

    Raises:
      InvalidArgumentError: The channels differ, or a window is larger than the image.

    >>> import graphopt as tf
    >>> image, box = tf.ones([1, 3, 3, 1]), tf.ones([2, 2, 1, 1])
    >>> tf.nn.conv2d(image, box, strides=1, padding="VALID").numpy().ravel().tolist()
    [4.0, 4.0, 4.0, 4.0]

    Source: `tf.nn.conv2d`.
    """
    if is_channels_first(data_format, 4, "tf.nn.conv2d"):
        windows = [reorder(given, 4) for given in (strides, padding, dilations)]
        strides, padding, dilations = windows
        y = conv2d(
            to_channels_last(input, 4), filters, strides, padding, None, dilations
        )
        return to_channels_first(y, 4, name)
    return call(
        CONV,
        input,
        filters,
        name=name,
        strides=spatial_pair(strides, "strides"),
        padding=read_padding(padding, "tf.nn.conv2d"),
        dilations=spatial_pair(1 if dilations is None else dilations, "dilations"),
    )


def conv2d_transpose(
    input: Any,
    filters: Any,
    output_shape: Any,
    strides: Any,
    padding: Any = "SAME",
    data_format: str | None = "NHWC",
    dilations: Any = None,
    name: str | None = None,
) -> Tensor:
    """Spreads images over larger ones: the derivative of `conv2d` by its input.

    Args:
      input: `[batch, height, width, channels]`.
      filters: `[height, width, out, channels]`.
      output_shape: `[batch, height', width', out]`.
      strides, padding, data_format, dilations: Those of the convolution.
      name: Name of the op.

    Raises:
      InvalidArgumentError: No convolution of `output_shape` gives the input's shape.

    Source: `tf.nn.conv2d_transpose`.
    """
    if is_channels_first(data_format, 4, "tf.nn.conv2d_transpose"):
        windows = [reorder(given, 4) for given in (strides, padding, dilations)]
        strides, padding, dilations = windows
        moved = to_channels_last(input, 4)
        order = [0, 2, 3, 1]
        sizes = [hooks.convert(output_shape)[i] for i in order]
        y = conv2d_transpose(moved, filters, sizes, strides, padding, None, dilations)
        return to_channels_first(y, 4, name)
    attrs = {
        "strides": spatial_pair(strides, "strides"),
        "padding": read_padding(padding, "tf.nn.conv2d_transpose"),
        "dilations": spatial_pair(1 if dilations is None else dilations, "dilations"),
    }
    input, filters = as_inputs(ADD, (input, filters), name)
    large = zeros(output_shape, input.dtype)
    shape, _ = _infer(large, filters, **attrs)
    if not shape.is_compatible_with(input.shape):
        raise fail(
            InvalidArgumentError,
            "output_shape does not fit the input of conv2d_transpose",
            got=describe_shapes(input, large),
            expected=f"an input of shape {shape}",
            site=str(user_site()),
        )
    return call(CONV_TO_INPUT, large, filters, input, name=name, **attrs)
