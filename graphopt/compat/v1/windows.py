"""Convolutions and poolings of `tf.nn` with the arguments that TensorFlow 1 had."""

from __future__ import annotations

from typing import Any

from graphopt import nn
from graphopt.dtypes import int64
from graphopt.graph.dispatch import call
from graphopt.graph.hooks import hooks
from graphopt.graph.tensor import Tensor
from graphopt.ops.convolution import CONV_TO_FILTER, CONV_TO_INPUT
from graphopt.ops.creation import zeros
from graphopt.ops.depthwise import DEPTHWISE_TO_FILTER, DEPTHWISE_TO_INPUT
from graphopt.ops.layouts import is_channels_first, to_channels_first, to_channels_last
from graphopt.ops.layouts import reorder as _reorder
from graphopt.ops.windows import read_padding, spatial_pair


def one_of(what: str, first: Any, second: Any) -> Any:
    """Returns the argument that was given, of two names for it.

    Raises:
      ValueError: None or both were given.
    """
    if (first is None) == (second is None):
        raise ValueError(f"Exactly one of {what} must be given.")
    return second if first is None else first


def conv1d(
    value: Any = None,
    filters: Any = None,
    stride: Any = None,
    padding: Any = None,
    use_cudnn_on_gpu: bool | None = None,
    data_format: str | None = None,
    name: str | None = None,
    input: Any = None,
    dilations: Any = None,
) -> Tensor:
    """Slides filters over sequences and sums the products in each window.

    Source: `tf.compat.v1.nn.conv1d`.
    """
    x = one_of("value and input", value, input)
    return nn.conv1d(x, filters, stride, padding, data_format, dilations, name)


def conv2d(
    input: Any,
    filter: Any = None,
    strides: Any = None,
    padding: Any = None,
    use_cudnn_on_gpu: bool = True,
    data_format: str = "NHWC",
    dilations: Any = None,
    name: str | None = None,
    filters: Any = None,
) -> Tensor:
    """Slides filters over images and sums the products in each window.

    Source: `tf.compat.v1.nn.conv2d`.
    """
    filters = one_of("filter and filters", filter, filters)
    return nn.conv2d(input, filters, strides, padding, data_format, dilations, name)


def conv3d(
    input: Any,
    filter: Any = None,
    strides: Any = None,
    padding: Any = None,
    data_format: str = "NDHWC",
    dilations: Any = None,
    name: str | None = None,
    filters: Any = None,
) -> Tensor:
    """Slides filters over volumes and sums the products in each window.

    Source: `tf.compat.v1.nn.conv3d`.
    """
    filters = one_of("filter and filters", filter, filters)
    return nn.conv3d(input, filters, strides, padding, data_format, dilations, name)


def conv2d_transpose(
    value: Any = None,
    filter: Any = None,
    output_shape: Any = None,
    strides: Any = None,
    padding: Any = "SAME",
    data_format: str = "NHWC",
    name: str | None = None,
    input: Any = None,
    filters: Any = None,
    dilations: Any = None,
) -> Tensor:
    """Spreads images over larger ones: the derivative of `conv2d` by its input.

    Source: `tf.compat.v1.nn.conv2d_transpose`.
    """
    x = one_of("value and input", value, input)
    filters = one_of("filter and filters", filter, filters)
    options = padding, data_format, dilations, name
    return nn.conv2d_transpose(x, filters, output_shape, strides, *options)


def conv3d_transpose(
    value: Any,
    filter: Any = None,
    output_shape: Any = None,
    strides: Any = None,
    padding: Any = "SAME",
    data_format: str = "NDHWC",
    name: str | None = None,
    input: Any = None,
    filters: Any = None,
    dilations: Any = None,
) -> Tensor:
    """Spreads volumes over larger ones: the derivative of `conv3d` by its input.

    Source: `tf.compat.v1.nn.conv3d_transpose`.
    """
    x = one_of("value and input", value, input)
    filters = one_of("filter and filters", filter, filters)
    options = padding, data_format, dilations, name
    return nn.conv3d_transpose(x, filters, output_shape, strides, *options)


def _backward_attrs(
    strides: Any, padding: Any, dilations: Any, is_first: bool, what: str
) -> dict[str, Any]:
    if is_first:
        strides, padding, dilations = (
            _reorder(given, 4) for given in (strides, padding, dilations)
        )
    return {
        "strides": spatial_pair(strides, "strides"),
        "padding": read_padding(padding, what),
        "dilations": spatial_pair(1 if dilations is None else dilations, "dilations"),
    }


def _to_image(
    spec: Any, sizes: Any, filters: Any, g: Any, options: Any, what: str, name: Any
) -> Any:
    strides, padding, data_format, dilations = options
    is_first = is_channels_first(data_format, 4, what)
    attrs = _backward_attrs(strides, padding, dilations, is_first, what)
    g = hooks.convert(g)
    if not is_first:
        return call(spec, zeros(sizes, g.dtype), filters, g, name=name, **attrs)
    image = zeros([sizes[i] for i in (0, 2, 3, 1)], g.dtype)
    y = call(spec, image, filters, to_channels_last(g, 4), **attrs)
    return to_channels_first(y, 4, name)


def _to_filters(
    spec: Any, x: Any, sizes: Any, g: Any, options: Any, what: str, name: Any
) -> Any:
    strides, padding, data_format, dilations = options
    is_first = is_channels_first(data_format, 4, what)
    attrs = _backward_attrs(strides, padding, dilations, is_first, what)
    g, x = hooks.convert(g), hooks.convert(x)
    if is_first:
        x, g = to_channels_last(x, 4), to_channels_last(g, 4)
    return call(spec, x, zeros(sizes, g.dtype), g, name=name, **attrs)


def conv2d_backprop_input(
    input_sizes: Any,
    filter: Any = None,
    out_backprop: Any = None,
    strides: Any = None,
    padding: Any = None,
    use_cudnn_on_gpu: bool = True,
    data_format: str = "NHWC",
    dilations: Any = None,
    name: str | None = None,
    filters: Any = None,
) -> Tensor:
    """Returns the gradient of `conv2d` by its images.

    Source: `tf.compat.v1.nn.conv2d_backprop_input`.
    """
    filters = one_of("filter and filters", filter, filters)
    options = strides, padding, data_format, dilations
    what = "conv2d_backprop_input"
    return _to_image(
        CONV_TO_INPUT, input_sizes, filters, out_backprop, options, what, name
    )


def conv2d_backprop_filter(
    input: Any,
    filter_sizes: Any,
    out_backprop: Any,
    strides: Any,
    padding: Any,
    use_cudnn_on_gpu: bool = True,
    data_format: str = "NHWC",
    dilations: Any = None,
    name: str | None = None,
) -> Tensor:
    """Returns the gradient of `conv2d` by its filters.

    Source: `tf.compat.v1.nn.conv2d_backprop_filter`.
    """
    options = strides, padding, data_format, dilations
    what = "conv2d_backprop_filter"
    return _to_filters(
        CONV_TO_FILTER, input, filter_sizes, out_backprop, options, what, name
    )


def depthwise_conv2d_native_backprop_input(
    input_sizes: Any,
    filter: Any,
    out_backprop: Any,
    strides: Any,
    padding: Any,
    data_format: str = "NHWC",
    dilations: Any = None,
    name: str | None = None,
) -> Tensor:
    """Returns the gradient of `depthwise_conv2d` by its images.

    Source: `tf.compat.v1.nn.depthwise_conv2d_native_backprop_input`.
    """
    options = strides, padding, data_format, dilations
    what = "depthwise_conv2d_native_backprop_input"
    return _to_image(
        DEPTHWISE_TO_INPUT, input_sizes, filter, out_backprop, options, what, name
    )


def depthwise_conv2d_native_backprop_filter(
    input: Any,
    filter_sizes: Any,
    out_backprop: Any,
    strides: Any,
    padding: Any,
    data_format: str = "NHWC",
    dilations: Any = None,
    name: str | None = None,
) -> Tensor:
    """Returns the gradient of `depthwise_conv2d` by its filters.

    Source: `tf.compat.v1.nn.depthwise_conv2d_native_backprop_filter`.
    """
    options = strides, padding, data_format, dilations
    what = "depthwise_conv2d_native_backprop_filter"
    return _to_filters(
        DEPTHWISE_TO_FILTER, input, filter_sizes, out_backprop, options, what, name
    )


def depthwise_conv2d(
    input: Any,
    filter: Any,
    strides: Any,
    padding: Any,
    rate: Any = None,
    name: str | None = None,
    data_format: str | None = None,
    dilations: Any = None,
) -> Tensor:
    """Slides filters of its own over each channel of images.

    Source: `tf.compat.v1.nn.depthwise_conv2d`.
    """
    dilations = rate if dilations is None else dilations
    return nn.depthwise_conv2d(
        input, filter, strides, padding, data_format, dilations, name
    )


def depthwise_conv2d_native(
    input: Any,
    filter: Any,
    strides: Any,
    padding: Any,
    data_format: str | None = "NHWC",
    dilations: Any = None,
    name: str | None = None,
) -> Tensor:
    """Slides filters of its own over each channel of images; as `depthwise_conv2d`.

    Source: `tf.compat.v1.nn.depthwise_conv2d_native`.
    """
    return nn.depthwise_conv2d(
        input, filter, strides, padding, data_format, dilations, name
    )


def separable_conv2d(
    input: Any,
    depthwise_filter: Any,
    pointwise_filter: Any,
    strides: Any,
    padding: Any,
    rate: Any = None,
    name: str | None = None,
    data_format: str | None = None,
    dilations: Any = None,
) -> Tensor:
    """Convolves each channel on its own, then mixes them by a 1 x 1 convolution.

    Source: `tf.compat.v1.nn.separable_conv2d`.
    """
    dilations = rate if dilations is None else dilations
    filters = depthwise_filter, pointwise_filter
    options = strides, padding, data_format, dilations, name
    return nn.separable_conv2d(input, *filters, *options)


def convolution(
    input: Any,
    filter: Any,
    padding: Any,
    strides: Any = None,
    dilation_rate: Any = None,
    name: str | None = None,
    data_format: str | None = None,
    filters: Any = None,
    dilations: Any = None,
) -> Tensor:
    """Convolves sequences, images or volumes, as the rank of the input says.

    Source: `tf.compat.v1.nn.convolution`.
    """
    filters = one_of("filter and filters", filter, filters)
    dilations = dilation_rate if dilations is None else dilations
    return nn.convolution(
        input, filters, strides, padding, data_format, dilations, name
    )


# ---- poolings


def max_pool(
    value: Any = None,
    ksize: Any = None,
    strides: Any = None,
    padding: Any = None,
    data_format: str = "NHWC",
    name: str | None = None,
    input: Any = None,
) -> Tensor:
    """Returns the largest element of each window of images.

    Source: `tf.compat.v1.nn.max_pool`.
    """
    image = one_of("value and input", value, input)
    return nn.max_pool2d(image, ksize, strides, padding, data_format, name)


def avg_pool(
    value: Any = None,
    ksize: Any = None,
    strides: Any = None,
    padding: Any = None,
    data_format: str = "NHWC",
    name: str | None = None,
    input: Any = None,
) -> Tensor:
    """Returns the mean of each window of images, padding not counted.

    Source: `tf.compat.v1.nn.avg_pool`.
    """
    image = one_of("value and input", value, input)
    return nn.avg_pool2d(image, ksize, strides, padding, data_format, name)


def max_pool_with_argmax(
    input: Any,
    ksize: Any,
    strides: Any,
    padding: Any,
    data_format: str = "NHWC",
    Targmax: Any = None,
    name: str | None = None,
    output_dtype: Any = None,
    include_batch_in_index: bool = False,
) -> tuple[Any, Any]:
    """Returns the largest element of each window of images, and where it is.

    Source: `tf.compat.v1.nn.max_pool_with_argmax`.
    """
    dtype = output_dtype or Targmax or int64
    windows = ksize, strides, padding, data_format
    return nn.max_pool_with_argmax(input, *windows, dtype, include_batch_in_index, name)


def pool(
    input: Any,
    window_shape: Any,
    pooling_type: str,
    padding: Any,
    dilation_rate: Any = None,
    strides: Any = None,
    name: str | None = None,
    data_format: str | None = None,
    dilations: Any = None,
) -> Tensor:
    """Pools sequences, images or volumes, as the rank of the input says.

    Source: `tf.compat.v1.nn.pool`.
    """
    dilations = dilation_rate if dilations is None else dilations
    options = strides, padding, data_format, dilations, name
    return nn.pool(input, window_shape, pooling_type, *options)


def dilation2d(
    input: Any,
    filter: Any = None,
    strides: Any = None,
    rates: Any = None,
    padding: Any = None,
    name: str | None = None,
    filters: Any = None,
    dilations: Any = None,
) -> Tensor:
    """Returns the largest sum of an image and a filter in each window.

    Source: `tf.compat.v1.nn.dilation2d`.
    """
    filters = one_of("filter and filters", filter, filters)
    rates = one_of("rates and dilations", rates, dilations)
    return nn.dilation2d(input, filters, strides, padding, "NHWC", rates, name)


def erosion2d(
    value: Any,
    kernel: Any,
    strides: Any,
    rates: Any,
    padding: Any,
    name: str | None = None,
) -> Tensor:
    """Returns the smallest difference of an image and a turned filter in each window.

    Source: `tf.compat.v1.nn.erosion2d`.
    """
    return nn.erosion2d(value, kernel, strides, padding, "NHWC", rates, name)


# ---- blocks


def depth_to_space(
    input: Any, block_size: int, name: str | None = None, data_format: str = "NHWC"
) -> Tensor:
    """Makes blocks of pixels of channels.

    Source: `tf.compat.v1.depth_to_space`.
    """
    return nn.depth_to_space(input, block_size, data_format, name)


def space_to_depth(
    input: Any, block_size: int, name: str | None = None, data_format: str = "NHWC"
) -> Tensor:
    """Makes channels of blocks of pixels.

    Source: `tf.compat.v1.space_to_depth`.
    """
    return nn.space_to_depth(input, block_size, data_format, name)


def space_to_batch(
    input: Any,
    paddings: Any,
    block_size: Any = None,
    name: str | None = None,
    block_shape: Any = None,
) -> Tensor:
    """Makes batches of blocks: each takes one element of every block.

    Source: `tf.compat.v1.space_to_batch`.
    """
    from graphopt.ops.patches import space_to_batch_nd

    block = _block_shape(block_size, block_shape)
    return space_to_batch_nd(input, block, paddings, name)


def batch_to_space(
    input: Any,
    crops: Any,
    block_size: Any = None,
    name: str | None = None,
    block_shape: Any = None,
) -> Tensor:
    """Makes blocks of batches.

    Source: `tf.compat.v1.batch_to_space`.
    """
    from graphopt.ops.patches import batch_to_space_nd

    block = _block_shape(block_size, block_shape)
    return batch_to_space_nd(input, block, crops, name)


def _block_shape(block_size: Any, block_shape: Any) -> Any:
    block = one_of("block_size and block_shape", block_size, block_shape)
    return [block, block] if isinstance(block, int) else block


def extract_image_patches(
    images: Any,
    ksizes: Any = None,
    strides: Any = None,
    rates: Any = None,
    padding: Any = None,
    name: str | None = None,
    sizes: Any = None,
) -> Tensor:
    """Makes the pixels of each window channels.

    Source: `tf.compat.v1.extract_image_patches`.
    """
    from graphopt.ops.patches import extract_patches

    sizes = one_of("ksizes and sizes", ksizes, sizes)
    return extract_patches(images, sizes, strides, rates, padding, name)
