"""MobileNet."""

from __future__ import annotations

from typing import Any

from graphopt.keras.applications import imagenet_utils
from graphopt.keras.applications.imagenet_utils import (
    channel_axis,
    finish,
    pool_all,
    start,
)
from graphopt.keras.applications.imagenet_utils import (
    decode_predictions as decode_predictions,
)
from graphopt.keras.layers.activation import ReLU
from graphopt.keras.layers.convolutional import Conv2D
from graphopt.keras.layers.core import Activation
from graphopt.keras.layers.normalization import BatchNormalization
from graphopt.keras.layers.padding import ZeroPadding2D
from graphopt.keras.layers.pooling import GlobalAveragePooling2D
from graphopt.keras.layers.regularization import Dropout
from graphopt.keras.layers.reshaping import Reshape
from graphopt.keras.layers.separable import DepthwiseConv2D

# Filters and strides of the blocks.
_BLOCKS = (
    (64, 1),
    (128, 2),
    (128, 1),
    (256, 2),
    (256, 1),
    (512, 2),
    *([(512, 1)] * 5),
    (1024, 2),
    (1024, 1),
)


def _normalize(x: Any, name: str) -> Any:
    x = BatchNormalization(axis=channel_axis(), name=f"{name}_bn")(x)
    return ReLU(6.0, name=f"{name}_relu")(x)


def MobileNet(
    input_shape: Any = None,
    alpha: float = 1.0,
    depth_multiplier: int = 1,
    dropout: float = 0.001,
    include_top: bool = True,
    weights: Any = "imagenet",
    input_tensor: Any = None,
    pooling: str | None = None,
    classes: int = 1000,
    classifier_activation: Any = "softmax",
    **kwargs: Any,
) -> Any:
    """Returns a MobileNet: blocks of a depthwise convolution and one of 1 x 1.

    Args:
      input_shape: The shape of an image, (224, 224, 3) by default.
      alpha: What numbers of filters are multiplied by.
      depth_multiplier: That of the depthwise convolutions.
      dropout: The part of the features that is dropped while training.
      include_top: Whether the classifier is part of it.
      weights, input_tensor, pooling, classes, classifier_activation: As in `VGG16`.
      **kwargs: None.

    Source: `tf.keras.applications.MobileNet`; Howard et al., 2017.
    """
    if kwargs:
        raise ValueError(f"Unknown argument(s): {kwargs}")
    inputs = start(input_tensor, input_shape, weights, include_top, classes)
    x = Conv2D(int(32 * alpha), 3, 2, padding="same", use_bias=False, name="conv1")(
        inputs
    )
    x = _normalize(x, "conv1")
    for number, (filters, stride) in enumerate(_BLOCKS, 1):
        if stride == 2:
            x = ZeroPadding2D(((0, 1), (0, 1)), name=f"conv_pad_{number}")(x)
        x = DepthwiseConv2D(
            3,
            stride,
            padding="same" if stride == 1 else "valid",
            depth_multiplier=depth_multiplier,
            use_bias=False,
            name=f"conv_dw_{number}",
        )(x)
        x = _normalize(x, f"conv_dw_{number}")
        layer = Conv2D(
            int(filters * alpha),
            1,
            padding="same",
            use_bias=False,
            name=f"conv_pw_{number}",
        )
        x = _normalize(layer(x), f"conv_pw_{number}")
    if include_top:
        x = GlobalAveragePooling2D(keepdims=True)(x)
        x = Dropout(dropout, name="dropout")(x)
        x = Conv2D(classes, 1, padding="same", name="conv_preds")(x)
        x = Reshape((classes,), name="reshape_2")(x)
        x = Activation(classifier_activation, name="predictions")(x)
    else:
        x = pool_all(x, pooling, None)
    size = inputs.shape[1] if channel_axis() == -1 else inputs.shape[2]
    return finish(inputs, x, f"mobilenet_{alpha:0.2f}_{size}", weights)


def preprocess_input(x: Any, data_format: str | None = None) -> Any:
    """Returns images as the model was trained on: in [-1, 1].

    Source: `tf.keras.applications.mobilenet.preprocess_input`.
    """
    return imagenet_utils.preprocess_input(x, data_format, "tf")
