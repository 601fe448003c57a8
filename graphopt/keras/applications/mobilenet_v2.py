"""MobileNetV2."""

from __future__ import annotations

from typing import Any

from graphopt.keras.applications import imagenet_utils
from graphopt.keras.applications.imagenet_utils import (
    channel_axis,
    classify,
    finish,
    pool_all,
    start,
)
from graphopt.keras.applications.imagenet_utils import (
    decode_predictions as decode_predictions,
)
from graphopt.keras.layers.activation import ReLU
from graphopt.keras.layers.convolutional import Conv2D
from graphopt.keras.layers.merging import Add
from graphopt.keras.layers.normalization import BatchNormalization
from graphopt.keras.layers.padding import ZeroPadding2D
from graphopt.keras.layers.separable import DepthwiseConv2D

# Filters, strides and expansions of the blocks.
_BLOCKS = (
    (16, 1, 1),
    (24, 2, 6),
    (24, 1, 6),
    (32, 2, 6),
    (32, 1, 6),
    (32, 1, 6),
    (64, 2, 6),
    *([(64, 1, 6)] * 3),
    *([(96, 1, 6)] * 3),
    (160, 2, 6),
    (160, 1, 6),
    (160, 1, 6),
    (320, 1, 6),
)


def _round_to_eight(value: float) -> int:
    """The multiple of 8 that is nearest, but not less than nine tenths."""
    found = max(8, int(value + 4) // 8 * 8)
    return found + 8 if found < 0.9 * value else found


def _normalize(x: Any, name: str, activation: str | None) -> Any:
    x = BatchNormalization(
        axis=channel_axis(), epsilon=1e-3, momentum=0.999, name=name
    )(x)
    return x if activation is None else ReLU(6.0, name=activation)(x)


def _pads(x: Any) -> Any:
    """Pads such that a stride of 2 meets the middle of windows of 3."""
    sizes = x.shape[1:3] if channel_axis() == -1 else x.shape[2:4]
    less = [1 if size is None else 1 - size % 2 for size in sizes]
    if None in sizes:
        less = [1, 1]
    return ((1 - less[0], 1), (1 - less[1], 1))


def _block(
    inputs: Any, filters: int, stride: int, expansion: int, alpha: float, number: int
) -> Any:
    channels = inputs.shape[channel_axis()]
    filters = _round_to_eight(int(filters * alpha))
    prefix = f"block_{number}_" if number else "expanded_conv_"
    x = inputs
    if number:
        x = Conv2D(
            expansion * channels,
            1,
            padding="same",
            use_bias=False,
            name=f"{prefix}expand",
        )(x)
        x = _normalize(x, f"{prefix}expand_BN", f"{prefix}expand_relu")
    if stride == 2:
        x = ZeroPadding2D(_pads(x), name=f"{prefix}pad")(x)
    x = DepthwiseConv2D(
        3,
        stride,
        padding="same" if stride == 1 else "valid",
        use_bias=False,
        name=f"{prefix}depthwise",
    )(x)
    x = _normalize(x, f"{prefix}depthwise_BN", f"{prefix}depthwise_relu")
    x = Conv2D(filters, 1, padding="same", use_bias=False, name=f"{prefix}project")(x)
    x = _normalize(x, f"{prefix}project_BN", None)
    if channels == filters and stride == 1:
        return Add(name=f"{prefix}add")([inputs, x])
    return x


def MobileNetV2(
    input_shape: Any = None,
    alpha: float = 1.0,
    include_top: bool = True,
    weights: Any = "imagenet",
    input_tensor: Any = None,
    pooling: str | None = None,
    classes: int = 1000,
    classifier_activation: Any = "softmax",
    **kwargs: Any,
) -> Any:
    """Returns a MobileNetV2: blocks that widen, convolve each channel, and narrow again.

    Args:
      input_shape: The shape of an image, (224, 224, 3) by default.
      alpha: What numbers of filters are multiplied by.
      include_top: Whether the classifier is part of it.
      weights, input_tensor, pooling, classes, classifier_activation: As in `VGG16`.
      **kwargs: None.

    Source: `tf.keras.applications.MobileNetV2`; Sandler et al., 2018.
    """
    if kwargs:
        raise ValueError(f"Unknown argument(s): {kwargs}")
    inputs = start(input_tensor, input_shape, weights, include_top, classes)
    first = _round_to_eight(32 * alpha)
    x = Conv2D(first, 3, 2, padding="same", use_bias=False, name="Conv1")(inputs)
    x = _normalize(x, "bn_Conv1", "Conv1_relu")
    for number, (filters, stride, expansion) in enumerate(_BLOCKS):
        x = _block(x, filters, stride, expansion, alpha, number)
    last = _round_to_eight(1280 * alpha) if alpha > 1.0 else 1280
    x = Conv2D(last, 1, use_bias=False, name="Conv_1")(x)
    x = _normalize(x, "Conv_1_bn", "out_relu")
    if include_top:
        x = classify(pool_all(x, "avg", None), classes, classifier_activation)
    else:
        x = pool_all(x, pooling, None)
    size = inputs.shape[1] if channel_axis() == -1 else inputs.shape[2]
    return finish(inputs, x, f"mobilenetv2_{alpha:0.2f}_{size}", weights)


def preprocess_input(x: Any, data_format: str | None = None) -> Any:
    """Returns images as the model was trained on: in [-1, 1].

    Source: `tf.keras.applications.mobilenet_v2.preprocess_input`.
    """
    return imagenet_utils.preprocess_input(x, data_format, "tf")
