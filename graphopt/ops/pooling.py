"""Poolings of images, [batch, height, width, channels], and their derivatives."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphopt import dtypes
from graphopt.dtypes import DType, as_dtype
from graphopt.errors import InvalidArgumentError, describe_shapes
from graphopt.graph.dispatch import call
from graphopt.graph.hooks import hooks
from graphopt.graph.opspec import BadInput, Family, OpSpec, Sample, register
from graphopt.graph.shape import TensorShape
from graphopt.graph.tensor import Tensor
from graphopt.ops.convolution import WINDOW_NS
from graphopt.ops.elementwise import cast
from graphopt.ops.elementwise_specs import NUMERIC
from graphopt.ops.layouts import (
    is_channels_first,
    reorder,
    to_channels_first,
    to_channels_last,
)
from graphopt.ops.reduction import broadcast_like
from graphopt.ops.shaping import stop_gradient
from graphopt.ops.windows import (
    Axis,
    check_rank,
    infer_outputs,
    pad_image,
    place_both,
    read_padding,
    spatial_pair,
    window_elements,
)

Array = NDArray[Any]


def _infer(x: Any, **attrs: Any) -> tuple[TensorShape, DType]:
    check_rank(x, "a pooling")
    if x.shape.unknown_rank:
        return TensorShape([None] * 4), x.dtype
    rows, columns = infer_outputs(x, attrs["ksize"], attrs, "a pooling")
    return TensorShape([x.shape[0], rows, columns, x.shape[3]]), x.dtype


def _stack(x: Array, attrs: dict[str, Any], value: Any) -> tuple[Array, Axis, Axis]:
    """The elements of all windows, [window, batch, height, width, channels]."""
    rows, columns = place_both(x.shape[1:3], attrs["ksize"], attrs)
    padded = pad_image(x, rows, columns, value)
    views = [view for _, _, view in window_elements(padded, rows, columns)]
    return np.stack(views), rows, columns


def _largest(x: Array, attrs: dict[str, Any]) -> Array:
    """Where in the flat image the first largest element of each window is."""
    inside, _, _ = _stack(np.ones(x.shape, np.bool_), attrs, False)
    places = np.arange(x.size).reshape(x.shape)
    flat, _, _ = _stack(places, attrs, 0)
    values = x.reshape(-1)[flat] if x.size else np.zeros(flat.shape, x.dtype)
    lowest = -np.inf if x.dtype.kind == "f" else np.iinfo(x.dtype).min
    chosen = np.argmax(np.where(inside, values, lowest), axis=0)[np.newaxis]
    # Where all elements are the lowest there is, the first may be padding.
    is_padding = ~np.take_along_axis(inside, chosen, 0)
    chosen = np.where(is_padding, np.argmax(inside, axis=0)[np.newaxis], chosen)
    found: Array = np.take_along_axis(flat, chosen, 0)[0]
    return found


def _pick(x: Array, values: Array, **attrs: Any) -> Array:
    return np.ascontiguousarray(values.reshape(-1)[_largest(x, attrs)])


def _max_back(x: Array, g: Array, **attrs: Any) -> Array:
    y = np.zeros(x.size, g.dtype)
    np.add.at(y, _largest(x, attrs).reshape(-1), g.reshape(-1))
    return y.reshape(x.shape)


def _average(x: Array, **attrs: Any) -> Array:
    values, _, _ = _stack(x.astype(np.float64), attrs, 0.0)
    inside, _, _ = _stack(np.ones(x.shape, np.bool_), attrs, False)
    with np.errstate(all="ignore"):
        mean = values.sum(axis=0) / inside.sum(axis=0)
    return np.asarray(mean, x.dtype)


def _average_back(x: Array, g: Array, **attrs: Any) -> Array:
    inside, rows, columns = _stack(np.ones(x.shape, np.bool_), attrs, False)
    padded = pad_image(np.zeros(x.shape, np.float64), rows, columns, 0.0)
    share = g.astype(np.float64) / inside.sum(axis=0)
    for _, _, view in window_elements(padded, rows, columns):
        view += share
    top, left = rows.before, columns.before
    inner = padded[:, top : top + x.shape[1], left : left + x.shape[2]]
    return np.ascontiguousarray(inner).astype(g.dtype)


def _attrs() -> list[tuple[tuple[int, ...], dict[str, Any]]]:
    return [
        ((2, 4, 6, 2), {"ksize": (2, 2), "strides": (2, 2), "padding": "VALID"}),
        ((1, 5, 5, 3), {"ksize": (3, 2), "strides": (2, 1), "padding": "SAME"}),
        ((2, 5, 4, 1), {"ksize": (2, 3), "strides": (1, 2), "padding": "SAME"}),
        ((1, 3, 3, 2), {"ksize": (1, 1), "strides": (2, 2), "padding": "VALID"}),
        ((0, 4, 4, 2), {"ksize": (2, 2), "strides": (2, 2), "padding": "SAME"}),
    ]


def _images(shape: tuple[int, ...]) -> Array:
    # No two elements are equal, for a maximum has no derivative there.
    size = int(np.prod(shape))
    return (np.random.default_rng(11).permutation(size) / 8 - 3).reshape(shape)


def _samples(over: Any) -> Any:
    def make() -> list[Sample]:
        return [
            Sample((_images(shape).astype(dtype.numpy),), attrs)
            for shape, attrs in _attrs()
            for dtype in over
        ]

    return make


def _gradient_samples(of_result: bool) -> Any:
    def make() -> list[Sample]:
        rng = np.random.default_rng(12)
        out = []
        for shape, attrs in _attrs():
            x = _images(shape)
            other = rng.standard_normal(
                _average(x, **attrs).shape if of_result else shape
            )
            for kind in (np.float64, np.float32):
                out.append(Sample((x.astype(kind), other.astype(kind)), attrs))
        return out

    return make


def _bad() -> list[BadInput]:
    attrs = {"ksize": (3, 3), "strides": (1, 1), "padding": "VALID"}
    small, flat = np.zeros((1, 2, 4, 1)), np.zeros((4, 4))
    return [
        BadInput((small,), attrs, InvalidArgumentError, "Negative dimension"),
        BadInput((flat,), attrs, InvalidArgumentError, "4 dimensions"),
    ]


MAX_POOL: OpSpec = register(
    OpSpec(
        "MaxPool",
        _infer,
        lambda x, **attrs: _pick(x, x, **attrs),
        lambda g, y, x, **attrs: (call(MAX_POOL_BACK, x, g, **attrs),),
        Family("windows", "max_pool"),
        _samples((dtypes.float64, dtypes.float32, dtypes.int32)),
        errors=_bad,
        dtypes=NUMERIC,
        reference_ns=WINDOW_NS,
    )
)
MAX_POOL_BACK: OpSpec = register(
    OpSpec(
        "MaxPoolGrad",
        lambda x, g, **attrs: (x.shape, g.dtype),
        _max_back,
        lambda gg, y, x, g, **attrs: (None, call(MAX_POOL_PICK, x, gg, **attrs)),
        Family("windows", "max_pool_back"),
        _gradient_samples(of_result=True),
        dtypes=dtypes.FLOATING,
        reference_ns=WINDOW_NS,
    )
)
MAX_POOL_PICK: OpSpec = register(
    OpSpec(
        "MaxPoolGradGrad",
        lambda x, values, **attrs: _infer(x, **attrs),
        _pick,
        lambda g, y, x, values, **attrs: (None, call(MAX_POOL_BACK, x, g, **attrs)),
        Family("windows", "max_pool_pick"),
        _gradient_samples(of_result=False),
        dtypes=dtypes.FLOATING,
        reference_ns=WINDOW_NS,
    )
)
AVG_POOL: OpSpec = register(
    OpSpec(
        "AvgPool",
        _infer,
        _average,
        lambda g, y, x, **attrs: (call(AVG_POOL_BACK, x, g, **attrs),),
        Family("windows", "avg_pool"),
        _samples((dtypes.float64, dtypes.float32)),
        errors=_bad,
        dtypes=dtypes.FLOATING,
        reference_ns=WINDOW_NS,
    )
)
AVG_POOL_BACK: OpSpec = register(
    OpSpec(
        "AvgPoolGrad",
        lambda x, g, **attrs: (x.shape, g.dtype),
        _average_back,
        lambda gg, y, x, g, **attrs: (None, call(AVG_POOL, gg, **attrs)),
        Family("windows", "avg_pool_back"),
        _gradient_samples(of_result=True),
        dtypes=dtypes.FLOATING,
        kernel_inputs=(1,),
        reference_ns=WINDOW_NS,
    )
)


def _pool(
    spec: OpSpec,
    x: Any,
    ksize: Any,
    strides: Any,
    padding: Any,
    data_format: Any,
    name: str | None,
) -> Any:
    what = "tf.nn.max_pool2d" if spec is MAX_POOL else "tf.nn.avg_pool2d"
    if is_channels_first(data_format, 4, what):
        x, ksize = to_channels_last(x, 4), reorder(ksize, 4)
        y = _pool(spec, x, ksize, reorder(strides, 4), padding, None, None)
        return to_channels_first(y, 4, name)
    if not isinstance(padding, str):
        raise NotImplementedError(f"{what} with padding given as numbers; use tf.pad.")
    return call(
        spec,
        x,
        name=name,
        ksize=spatial_pair(ksize, "ksize"),
        strides=spatial_pair(strides, "strides"),
        padding=read_padding(padding, what),
    )


def max_pool2d(
    input: Any,
    ksize: Any,
    strides: Any,
    padding: Any,
    data_format: str | None = "NHWC",
    name: str | None = None,
) -> Tensor:
    """Returns the largest element of each window; the gradient goes to the first one.

    Args:
      input: `[batch, height, width, channels]`.
      ksize: The size of the windows: a number, or 2 or 4 of them.
      strides: From one window to the next, likewise.
      padding: "SAME" or "VALID".
      data_format: "NHWC", or "NCHW" for `[batch, channels, height, width]`.
      name: Name of the op.

    Raises:
      InvalidArgumentError: A window is larger than the image.

    >>> import graphopt as tf
    >>> image = tf.reshape(tf.constant([1.0, 2.0, 3.0, 4.0]), [1, 2, 2, 1])
    >>> tf.nn.max_pool2d(image, 2, 2, "VALID").numpy().tolist()
    [[[[4.0]]]]

    Source: `tf.nn.max_pool2d`.
    """
    return _pool(MAX_POOL, input, ksize, strides, padding, data_format, name)


def avg_pool2d(
    input: Any,
    ksize: Any,
    strides: Any,
    padding: Any,
    data_format: str | None = "NHWC",
    name: str | None = None,
) -> Tensor:
    """Returns the mean of each window, padding not counted.

    Args:
      input: `[batch, height, width, channels]`.
      ksize: The size of the windows: a number, or 2 or 4 of them.
      strides: From one window to the next, likewise.
      padding: "SAME" or "VALID".
      data_format: "NHWC", or "NCHW" for `[batch, channels, height, width]`.
      name: Name of the op.

    Raises:
      InvalidArgumentError: A window is larger than the image.

    Source: `tf.nn.avg_pool2d`.
    """
    return _pool(AVG_POOL, input, ksize, strides, padding, data_format, name)


def max_pool_with_argmax(
    input: Any,
    ksize: Any,
    strides: Any,
    padding: Any,
    data_format: str | None = "NHWC",
    output_dtype: Any = dtypes.int64,
    include_batch_in_index: bool = False,
    name: str | None = None,
) -> tuple[Any, Any]:
    """Returns the largest element of each window of images, and where it is.

    Args:
      input: `[batch, height, width, channels]`, all but the batch known.
      ksize, strides, padding, name: As in `max_pool2d`.
      data_format: Must be "NHWC".
      output_dtype: int32 or int64.
      include_batch_in_index: Whether places count through the whole batch.

    Returns:
      The elements, and their places in the flat image, (row * width + column) * channels
      + channel.

    Source: `tf.nn.max_pool_with_argmax`.
    """
    what = "tf.nn.max_pool_with_argmax"
    if data_format != "NHWC":
        raise ValueError(
            f"Data formats other than 'NHWC' are not yet supported: {data_format}."
        )
    x = hooks.convert(input)
    first = 0 if include_batch_in_index else 1
    sizes = x.shape[first:]
    if x.shape.rank != 4 or None in sizes:
        raise NotImplementedError(
            f"{what} of {describe_shapes(x)}; the sizes that are counted must be known."
        )
    count = int(np.prod(sizes))
    if count > 1 << 53:
        raise NotImplementedError(f"{what} of more than 2**53 elements.")
    wide = (
        x if x.dtype is dtypes.float64 or count <= 1 << 24 else cast(x, dtypes.float64)
    )
    places = np.arange(count, dtype=wide.dtype.numpy).reshape(sizes)
    attrs: dict[str, Any] = {
        "ksize": spatial_pair(ksize, "ksize"),
        "strides": spatial_pair(strides, "strides"),
        "padding": read_padding(padding, what),
    }
    chosen = call(MAX_POOL_PICK, wide, broadcast_like(places, wide), **attrs)
    values = max_pool2d(x, ksize, strides, padding, name=name)
    return values, cast(stop_gradient(chosen), as_dtype(output_dtype))
