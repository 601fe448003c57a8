"""`tf.contrib.layers`: poolings, dropout, shapes, encodings."""

from __future__ import annotations

import math
from typing import Any

from graphopt.compat.v1 import nn
from graphopt.compat.v1.initializers import constant_initializer
from graphopt.compat.v1.layers import (
    AveragePooling2D,
    AveragePooling3D,
    Dropout,
    Flatten,
    MaxPooling2D,
    MaxPooling3D,
)
from graphopt.compat.v1.scopes import op_scope
from graphopt.compat.v1.windows import pool as _pool
from graphopt.dtypes import float32, int64
from graphopt.errors import describe_shapes, fail
from graphopt.graph.hooks import hooks
from graphopt.graph.provenance import user_site
from graphopt.keras.variable_scopes import variable_scope
from graphopt.ops.creation import constant
from graphopt.ops.custom import custom_gradient
from graphopt.ops.elementwise import cast, divide, square
from graphopt.ops.elementwise import sqrt as _sqrt
from graphopt.ops.indexing import one_hot
from graphopt.ops.layouts import to_channels_first
from graphopt.ops.reduction import reduce_max, reduce_sum
from graphopt.ops.shaping import identity, reshape
from graphopt.v1.contrib.framework.arg_scopes import add_arg_scope
from graphopt.v1.contrib.framework.variables import model_variable
from graphopt.v1.contrib.layers.utils import (
    ZEROS,
    channels_of,
    check_format,
    collect_named_outputs,
    get_variable_collections,
)


def _pooling(layer_class: Any, name: str, scope_name: str, formats: Any) -> Any:
    def pool(
        inputs: Any,
        kernel_size: Any,
        stride: Any = 2,
        padding: str = "VALID",
        data_format: str = formats[0],
        outputs_collections: Any = None,
        scope: Any = None,
    ) -> Any:
        form = check_format(data_format, formats)
        with op_scope(scope, scope_name) as own:
            layer = layer_class(kernel_size, stride, padding, form, _scope=own)
            outputs = layer(hooks.convert(inputs))
            return collect_named_outputs(outputs_collections, own, outputs)

    pool.__name__ = pool.__qualname__ = name
    pool.__doc__ = f"""Pools windows of the inputs.

    Args:
      inputs: `[batch, ..., channels]`.
      kernel_size: The size of the windows: a number, or one for each dimension.
      stride: From one window to the next, likewise.
      padding: "VALID" or "SAME".
      data_format: "{formats[0]}", or "{formats[1]}" for channels after the batch.
      outputs_collections: Names of collections for the outputs.
      scope: Name of the scope of ops.

    Source: `tf.contrib.layers.{name}`.
    """
    return add_arg_scope(pool)


_2D, _3D = ("NHWC", "NCHW"), ("NDHWC", "NCDHW")
avg_pool2d = _pooling(AveragePooling2D, "avg_pool2d", "AvgPool2D", _2D)
avg_pool3d = _pooling(AveragePooling3D, "avg_pool3d", "AvgPool3D", _3D)
max_pool2d = _pooling(MaxPooling2D, "max_pool2d", "MaxPool2D", _2D)
max_pool3d = _pooling(MaxPooling3D, "max_pool3d", "MaxPool3D", _3D)


@add_arg_scope
def pool(
    inputs: Any,
    kernel_size: Any,
    pooling_type: str,
    padding: str = "VALID",
    data_format: str | None = None,
    dilation_rate: Any = 1,
    stride: Any = 1,
    outputs_collections: Any = None,
    scope: Any = None,
) -> Any:
    """Pools windows of sequences, images or volumes; `pooling_type` is MAX or AVG.

    Source: `tf.contrib.layers.pool`.
    """
    with op_scope(scope, f"{pooling_type.lower()}_pool") as own:
        outputs = _pool(
            inputs,
            kernel_size,
            pooling_type,
            padding,
            dilation_rate=dilation_rate,
            strides=stride,
            data_format=data_format,
        )
        return collect_named_outputs(outputs_collections, own, outputs)


@add_arg_scope
def dropout(
    inputs: Any,
    keep_prob: Any = 0.5,
    noise_shape: Any = None,
    is_training: Any = True,
    outputs_collections: Any = None,
    scope: Any = None,
    seed: int | None = None,
) -> Any:
    """Keeps elements with a probability, and scales them by its inverse, in training.

    Args:
      inputs: Floats.
      keep_prob: The probability.
      noise_shape: A shape that broadcasts to that of the inputs.
      is_training: Whether to do so: a bool or a tensor.
      outputs_collections: Names of collections for the outputs.
      scope: Name of the scope.
      seed: The op's seed.

    Source: `tf.contrib.layers.dropout`.
    """
    with variable_scope(scope, "Dropout") as own:
        layer = Dropout(1 - keep_prob, noise_shape, seed, name=own.name, _scope=own)
        outputs = layer(hooks.convert(inputs), training=is_training)
        return collect_named_outputs(outputs_collections, own.name, outputs)


@add_arg_scope
def flatten(inputs: Any, outputs_collections: Any = None, scope: Any = None) -> Any:
    """Makes one dimension of all but the batch.

    Source: `tf.contrib.layers.flatten`.
    """
    with op_scope(scope, "Flatten") as own:
        outputs = Flatten()(hooks.convert(inputs))
        return collect_named_outputs(outputs_collections, own, outputs)


@add_arg_scope
def bias_add(
    inputs: Any,
    activation_fn: Any = None,
    initializer: Any = ZEROS,
    regularizer: Any = None,
    reuse: Any = None,
    variables_collections: Any = None,
    outputs_collections: Any = None,
    trainable: bool = True,
    data_format: str = "NHWC",
    scope: Any = None,
) -> Any:
    """Adds a bias that it makes to the channels.

    Source: `tf.contrib.layers.bias_add`.
    """
    check_format(data_format)
    with variable_scope(scope, "BiasAdd", reuse=reuse) as own:
        inputs = hooks.convert(inputs)
        if data_format == "NCHW" and inputs.shape.rank != 4:
            raise ValueError("Data format NCHW only supports 4D Tensor.")
        axis = 1 if data_format == "NCHW" else -1
        biases = model_variable(
            "biases",
            shape=[channels_of(inputs, axis, "bias_add")],
            dtype=inputs.dtype,
            initializer=initializer,
            regularizer=regularizer,
            collections=get_variable_collections(variables_collections, "biases"),
            trainable=trainable,
        )
        layout = data_format if axis == 1 else None
        outputs = nn.bias_add(inputs, biases, layout)
        outputs = outputs if activation_fn is None else activation_fn(outputs)
        return collect_named_outputs(outputs_collections, own.name, outputs)


@add_arg_scope
def one_hot_encoding(
    labels: Any,
    num_classes: int,
    on_value: Any = 1.0,
    off_value: Any = 0.0,
    outputs_collections: Any = None,
    scope: Any = None,
) -> Any:
    """Returns `[batch, num_classes]` with `on_value` at each label.

    Source: `tf.contrib.layers.one_hot_encoding`.
    """
    with op_scope(scope, "OneHotEncoding") as own:
        labels = hooks.convert(labels)
        if labels.dtype.size < 8:
            labels = cast(labels, int64)
        outputs = one_hot(labels, num_classes, on_value=on_value, off_value=off_value)
        return collect_named_outputs(outputs_collections, own, outputs)


@add_arg_scope
def softmax(logits: Any, scope: Any = None) -> Any:
    """Returns softmax along the last dimension.

    Source: `tf.contrib.layers.softmax`.
    """
    with op_scope(scope, "softmax"):
        return nn.softmax(logits)


@add_arg_scope
def unit_norm(inputs: Any, dim: int, epsilon: float = 1e-7, scope: Any = None) -> Any:
    """Divides by the length of vectors along a dimension.

    Source: `tf.contrib.layers.unit_norm`.
    """
    with op_scope(scope, "UnitNorm"):
        inputs = hooks.convert(inputs)
        rank = inputs.shape.rank
        if rank is None or not -rank <= dim < rank:
            raise ValueError(
                f"dim must be positive but smaller than the input rank: {dim}."
            )
        squares = reduce_sum(square(inputs), axis=dim, keepdims=True)
        return divide(inputs, _sqrt(squares + epsilon))


@add_arg_scope
def maxout(inputs: Any, num_units: int, axis: int = -1, scope: Any = None) -> Any:
    """Returns the largest of each group of channels, of which there are `num_units`.

    Source: `tf.contrib.layers.maxout`; Goodfellow et al., 2013.
    """
    with op_scope(scope, "MaxOut"):
        inputs = hooks.convert(inputs)
        sizes = list(inputs.shape)
        channels = channels_of(inputs, axis, "maxout")
        if channels % num_units:
            raise fail(
                ValueError,
                f"number of features({channels}) is not a multiple of num_units"
                f"({num_units})",
                got=describe_shapes(inputs),
                site=str(user_site()),
            )
        place = axis % len(sizes)
        if place != len(sizes) - 1:
            raise NotImplementedError("maxout along another dimension than the last.")
        rest = [-1 if size is None else size for size in sizes[:-1]]
        groups = reshape(inputs, [*rest, num_units, channels // num_units])
        return reduce_max(groups, axis=-1)


def scale_gradient(inputs: Any, gradient_multiplier: Any) -> Any:
    """Returns its inputs; gradients are multiplied on their way back.

    Source: `tf.contrib.layers.scale_gradient`.
    """

    @custom_gradient
    def scaled(x: Any) -> Any:
        return identity(x), lambda g: g * gradient_multiplier

    return scaled(inputs)


@add_arg_scope
def spatial_softmax(
    features: Any,
    temperature: Any = None,
    name: str | None = None,
    variables_collections: Any = None,
    trainable: bool = True,
    data_format: str = "NHWC",
) -> Any:
    """Returns the expected place of each channel's softmax over an image.

    Args:
      features: `[batch, height, width, channels]`, all but the batch known.
      temperature: The logits are divided by it; a variable that starts at 1 by default.
      name: Name of the scope.
      variables_collections: Names of collections for the temperature.
      trainable: Whether the temperature is trainable.
      data_format: "NHWC", or "NCHW" for channels after the batch.

    Returns:
      `[batch, channels * 2]`: rows and columns, from -1 to 1.

    Source: `tf.contrib.layers.spatial_softmax`; Levine et al., 2016.
    """
    import numpy as np

    with variable_scope(name, "spatial_softmax"):
        form = check_format(data_format)
        x = hooks.convert(features)
        x = x if form == "channels_first" else to_channels_first(x, 4)
        channels, height, width = x.shape[1:]
        if None in (channels, height, width):
            raise ValueError(
                "The sizes of the inputs to `spatial_softmax` should be defined; got "
                f"{describe_shapes(x)}."
            )
        start = 1.0 if temperature is None else temperature
        collections = get_variable_collections(variables_collections, "temperature")
        own = model_variable(
            "temperature",
            shape=(),
            dtype=float32,
            initializer=constant_initializer(start),
            collections=collections if trainable else None,
            trainable=trainable,
        )
        logits = reshape(x, [-1, height * width]) / own
        attention = nn.softmax(logits)
        axes = [np.linspace(-1.0, 1.0, size, dtype="f") for size in (height, width)]
        places = [constant(p.ravel()) for p in np.meshgrid(*axes, indexing="ij")]
        expected = [reduce_sum(p * attention, [1], keepdims=True) for p in places]
        from graphopt.ops.shaping import concat

        return reshape(concat(expected, 1), [-1, math.prod((channels, 2))])
