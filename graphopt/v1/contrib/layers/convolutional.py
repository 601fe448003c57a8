"""`tf.contrib.layers`: convolutions, under both of their names."""

from __future__ import annotations

from typing import Any

from graphopt.compat.v1 import nn
from graphopt.compat.v1.layers import (
    Conv1D,
    Conv2D,
    Conv2DTranspose,
    Conv3D,
    Conv3DTranspose,
    SeparableConv2D,
)
from graphopt.compat.v1.windows import depthwise_conv2d
from graphopt.errors import describe_shapes, fail
from graphopt.graph.hooks import hooks
from graphopt.graph.provenance import user_site
from graphopt.keras.variable_scopes import variable_scope
from graphopt.ops.elementwise import relu as _relu
from graphopt.v1.contrib.framework.arg_scopes import add_arg_scope
from graphopt.v1.contrib.framework.variables import model_variable
from graphopt.v1.contrib.layers.connected import RENAMED
from graphopt.v1.contrib.layers.utils import (
    XAVIER,
    ZEROS,
    channels_of,
    check_format,
    collect_named_outputs,
    finish_layer,
    get_variable_collections,
    two_element_tuple,
    variable_getter,
)

_LAYERS = {3: Conv1D, 4: Conv2D, 5: Conv3D}
_FORMATS = ("NWC", "NCW", "NHWC", "NCHW", "NDHWC", "NCDHW")


@add_arg_scope
def convolution(
    inputs: Any,
    num_outputs: int,
    kernel_size: Any,
    stride: Any = 1,
    padding: str = "SAME",
    data_format: str | None = None,
    rate: Any = 1,
    activation_fn: Any = _relu,
    normalizer_fn: Any = None,
    normalizer_params: Any = None,
    weights_initializer: Any = XAVIER,
    weights_regularizer: Any = None,
    biases_initializer: Any = ZEROS,
    biases_regularizer: Any = None,
    reuse: Any = None,
    variables_collections: Any = None,
    outputs_collections: Any = None,
    trainable: bool = True,
    scope: Any = None,
    conv_dims: int | None = None,
) -> Any:
    """Convolves sequences, images or volumes, as the rank of the inputs says.

    Args:
      inputs: `[batch, ..., channels]`, with 1 to 3 dimensions between.
      num_outputs: The number of channels of the result.
      kernel_size: The size of the windows: a number, or one for each dimension.
      stride: From one window to the next, likewise.
      padding: "SAME" or "VALID".
      data_format: "NHWC" and its kind, or "NCHW" for channels after the batch.
      rate: From one element of a window to the next.
      activation_fn, normalizer_fn, normalizer_params: As in `fully_connected`.
      weights_initializer, weights_regularizer: Likewise.
      biases_initializer, biases_regularizer: Likewise.
      reuse, variables_collections, outputs_collections, trainable: Likewise.
      scope: Name of the scope; `Conv`, numbered, by default.
      conv_dims: How many dimensions there are between batch and channels.

    Raises:
      ValueError: The inputs are of another rank.

    Source: `tf.contrib.layers.convolution`.
    """
    form = "channels_last"
    if data_format is not None:
        form = check_format(data_format, _FORMATS)
    with variable_scope(
        scope, "Conv", reuse=reuse, custom_getter=variable_getter(RENAMED)
    ) as own:
        inputs = hooks.convert(inputs)
        rank = inputs.shape.rank
        if rank not in _LAYERS or (conv_dims is not None and conv_dims + 2 != rank):
            wanted = "3, 4 or 5" if conv_dims is None else str(conv_dims + 2)
            raise fail(
                ValueError,
                f"Convolution expects input with rank {wanted}, got {rank}",
                got=describe_shapes(inputs),
                site=str(user_site()),
            )
        layer = _LAYERS[rank](
            num_outputs,
            kernel_size,
            stride,
            padding,
            form,
            rate,
            use_bias=not normalizer_fn and biases_initializer is not None,
            kernel_initializer=weights_initializer,
            bias_initializer=biases_initializer,
            kernel_regularizer=weights_regularizer,
            bias_regularizer=biases_regularizer,
            trainable=trainable,
            name=own.name,
            dtype=inputs.dtype,
            _scope=own,
            _reuse=reuse,
        )
        return finish_layer(
            layer,
            layer(inputs),
            RENAMED,
            variables_collections,
            normalizer_fn,
            normalizer_params,
            activation_fn,
            outputs_collections,
            own.name,
        )


def _of_rank(dims: int) -> Any:
    def convolve(
        inputs: Any,
        num_outputs: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: str = "SAME",
        data_format: str | None = None,
        rate: Any = 1,
        activation_fn: Any = _relu,
        normalizer_fn: Any = None,
        normalizer_params: Any = None,
        weights_initializer: Any = XAVIER,
        weights_regularizer: Any = None,
        biases_initializer: Any = ZEROS,
        biases_regularizer: Any = None,
        reuse: Any = None,
        variables_collections: Any = None,
        outputs_collections: Any = None,
        trainable: bool = True,
        scope: Any = None,
    ) -> Any:
        return convolution(
            inputs,
            num_outputs,
            kernel_size,
            stride,
            padding,
            data_format,
            rate,
            activation_fn,
            normalizer_fn,
            normalizer_params,
            weights_initializer,
            weights_regularizer,
            biases_initializer,
            biases_regularizer,
            reuse,
            variables_collections,
            outputs_collections,
            trainable,
            scope,
            conv_dims=dims,
        )

    convolve.__name__ = convolve.__qualname__ = f"convolution{dims}d"
    convolve.__doc__ = f"""Convolves inputs of {dims + 2} dimensions; as `convolution`.

    Source: `tf.contrib.layers.convolution{dims}d`.
    """
    return add_arg_scope(convolve)


convolution1d = conv1d = _of_rank(1)
convolution2d = conv2d = _of_rank(2)
convolution3d = conv3d = _of_rank(3)


def _transpose(layer_class: Any, name: str, scope_name: str, formats: Any) -> Any:
    def spread(
        inputs: Any,
        num_outputs: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: str = "SAME",
        data_format: str = formats[0],
        activation_fn: Any = _relu,
        normalizer_fn: Any = None,
        normalizer_params: Any = None,
        weights_initializer: Any = XAVIER,
        weights_regularizer: Any = None,
        biases_initializer: Any = ZEROS,
        biases_regularizer: Any = None,
        reuse: Any = None,
        variables_collections: Any = None,
        outputs_collections: Any = None,
        trainable: bool = True,
        scope: Any = None,
    ) -> Any:
        form = check_format(data_format, formats)
        with variable_scope(
            scope, scope_name, reuse=reuse, custom_getter=variable_getter(RENAMED)
        ) as own:
            inputs = hooks.convert(inputs)
            layer = layer_class(
                num_outputs,
                kernel_size,
                stride,
                padding,
                form,
                use_bias=not normalizer_fn and biases_initializer is not None,
                kernel_initializer=weights_initializer,
                bias_initializer=biases_initializer,
                kernel_regularizer=weights_regularizer,
                bias_regularizer=biases_regularizer,
                trainable=trainable,
                name=own.name,
                dtype=inputs.dtype,
                _scope=own,
                _reuse=reuse,
            )
            return finish_layer(
                layer,
                layer(inputs),
                RENAMED,
                variables_collections,
                normalizer_fn,
                normalizer_params,
                activation_fn,
                outputs_collections,
                own.name,
            )

    spread.__name__ = spread.__qualname__ = name
    spread.__doc__ = f"""Spreads inputs over larger outputs; arguments as in `convolution`.

    Source: `tf.contrib.layers.{name}`.
    """
    return add_arg_scope(spread)


convolution2d_transpose = conv2d_transpose = _transpose(
    Conv2DTranspose, "convolution2d_transpose", "Conv2d_transpose", ("NHWC", "NCHW")
)
convolution3d_transpose = conv3d_transpose = _transpose(
    Conv3DTranspose, "convolution3d_transpose", "Conv3d_transpose", ("NDHWC", "NCDHW")
)


@add_arg_scope
def separable_convolution2d(
    inputs: Any,
    num_outputs: int | None,
    kernel_size: Any,
    depth_multiplier: int = 1,
    stride: Any = 1,
    padding: str = "SAME",
    data_format: str = "NHWC",
    rate: Any = 1,
    activation_fn: Any = _relu,
    normalizer_fn: Any = None,
    normalizer_params: Any = None,
    weights_initializer: Any = XAVIER,
    pointwise_initializer: Any = None,
    weights_regularizer: Any = None,
    biases_initializer: Any = ZEROS,
    biases_regularizer: Any = None,
    reuse: Any = None,
    variables_collections: Any = None,
    outputs_collections: Any = None,
    trainable: bool = True,
    scope: Any = None,
) -> Any:
    """Convolves each channel on its own, then mixes them.

    Args:
      inputs: `[batch, height, width, channels]`.
      num_outputs: The number of channels of the result; None for no mixing.
      kernel_size, stride, padding, data_format, rate: As in `convolution`.
      depth_multiplier: How many filters each channel has.
      pointwise_initializer: For the weights that mix; as the others by default.
      activation_fn, normalizer_fn, normalizer_params: As in `fully_connected`.
      weights_initializer, weights_regularizer: Likewise.
      biases_initializer, biases_regularizer: Likewise.
      reuse, variables_collections, outputs_collections, trainable: Likewise.
      scope: Name of the scope; `SeparableConv2d`, numbered, by default.

    Source: `tf.contrib.layers.separable_conv2d`.
    """
    form = check_format(data_format)
    renamed = {
        "bias": "biases",
        "depthwise_kernel": "depthwise_weights",
        "pointwise_kernel": "pointwise_weights",
    }
    with variable_scope(
        scope, "SeparableConv2d", reuse=reuse, custom_getter=variable_getter(renamed)
    ) as own:
        inputs = hooks.convert(inputs)
        if num_outputs is None:
            options = depth_multiplier, stride, padding, data_format, rate
            outputs = _depthwise(
                inputs,
                two_element_tuple(kernel_size),
                *options,
                weights_initializer,
                weights_regularizer,
                None if normalizer_fn else biases_initializer,
                biases_regularizer,
                variables_collections,
                trainable,
            )
            if normalizer_fn is not None:
                outputs = normalizer_fn(outputs, **(normalizer_params or {}))
            outputs = outputs if activation_fn is None else activation_fn(outputs)
            return collect_named_outputs(outputs_collections, own.name, outputs)
        pointwise = pointwise_initializer
        layer = SeparableConv2D(
            num_outputs,
            kernel_size,
            stride,
            padding,
            form,
            rate,
            depth_multiplier,
            use_bias=not normalizer_fn and biases_initializer is not None,
            depthwise_initializer=weights_initializer,
            pointwise_initializer=weights_initializer
            if pointwise is None
            else pointwise,
            bias_initializer=biases_initializer,
            depthwise_regularizer=weights_regularizer,
            pointwise_regularizer=weights_regularizer,
            bias_regularizer=biases_regularizer,
            trainable=trainable,
            name=own.name,
            dtype=inputs.dtype,
            _scope=own,
            _reuse=reuse,
        )
        kinds = {
            "depthwise_kernel": "weights",
            "pointwise_kernel": "weights",
            "bias": "biases",
        }
        return finish_layer(
            layer,
            layer(inputs),
            kinds,
            variables_collections,
            normalizer_fn,
            normalizer_params,
            activation_fn,
            outputs_collections,
            own.name,
        )


def _depthwise(
    inputs: Any,
    kernel_size: tuple[int, int],
    depth_multiplier: int,
    stride: Any,
    padding: str,
    data_format: str,
    rate: Any,
    weights_initializer: Any,
    weights_regularizer: Any,
    biases_initializer: Any,
    biases_regularizer: Any,
    variables_collections: Any,
    trainable: bool,
) -> Any:
    axis = 1 if data_format == "NCHW" else -1
    channels = channels_of(inputs, axis, "separable_conv2d")
    weights = model_variable(
        "depthwise_weights",
        shape=[*kernel_size, channels, depth_multiplier],
        dtype=inputs.dtype,
        initializer=weights_initializer,
        regularizer=weights_regularizer,
        trainable=trainable,
        collections=get_variable_collections(variables_collections, "weights"),
    )
    steps = two_element_tuple(stride)
    strides = [1, 1, *steps] if axis == 1 else [1, *steps, 1]
    outputs = depthwise_conv2d(
        inputs,
        weights,
        strides,
        padding,
        rate=two_element_tuple(rate),
        data_format=data_format,
    )
    if biases_initializer is None:
        return outputs
    biases = model_variable(
        "biases",
        shape=[channels * depth_multiplier],
        dtype=inputs.dtype,
        initializer=biases_initializer,
        regularizer=biases_regularizer,
        trainable=trainable,
        collections=get_variable_collections(variables_collections, "biases"),
    )
    return nn.bias_add(outputs, biases, data_format)


separable_conv2d = separable_convolution2d
