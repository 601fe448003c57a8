"""ResNet50, ResNet101 and ResNet152."""

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
from graphopt.keras.layers.convolutional import Conv2D
from graphopt.keras.layers.core import Activation
from graphopt.keras.layers.merging import Add
from graphopt.keras.layers.normalization import BatchNormalization
from graphopt.keras.layers.padding import ZeroPadding2D
from graphopt.keras.layers.pooling import MaxPooling2D

_EPSILON = 1.001e-5


def _normalize(x: Any, name: str, activate: bool = True) -> Any:
    x = BatchNormalization(axis=channel_axis(), epsilon=_EPSILON, name=f"{name}_bn")(x)
    return Activation("relu", name=f"{name}_relu")(x) if activate else x


def _block(x: Any, filters: int, stride: int, name: str, widens: bool) -> Any:
    """Three convolutions, and a way around them."""
    around = x
    if widens:
        around = Conv2D(4 * filters, 1, strides=stride, name=f"{name}_0_conv")(x)
        around = _normalize(around, f"{name}_0", activate=False)
    x = Conv2D(filters, 1, strides=stride, name=f"{name}_1_conv")(x)
    x = _normalize(x, f"{name}_1")
    x = Conv2D(filters, 3, padding="same", name=f"{name}_2_conv")(x)
    x = _normalize(x, f"{name}_2")
    x = Conv2D(4 * filters, 1, name=f"{name}_3_conv")(x)
    x = _normalize(x, f"{name}_3", activate=False)
    x = Add(name=f"{name}_add")([around, x])
    return Activation("relu", name=f"{name}_out")(x)


def _make(
    name: str,
    counts: tuple[int, ...],
    include_top: bool,
    weights: Any,
    input_tensor: Any,
    input_shape: Any,
    pooling: str | None,
    classes: int,
    classifier_activation: Any,
) -> Any:
    inputs = start(input_tensor, input_shape, weights, include_top, classes)
    x = ZeroPadding2D(3, name="conv1_pad")(inputs)
    x = Conv2D(64, 7, strides=2, name="conv1_conv")(x)
    x = _normalize(x, "conv1")
    x = ZeroPadding2D(1, name="pool1_pad")(x)
    x = MaxPooling2D(3, strides=2, name="pool1_pool")(x)
    for stack, count in enumerate(counts):
        filters = 64 * 2**stack
        for i in range(1, count + 1):
            stride = 2 if stack and i == 1 else 1
            x = _block(x, filters, stride, f"conv{stack + 2}_block{i}", i == 1)
    if include_top:
        x = classify(pool_all(x, "avg"), classes, classifier_activation)
    else:
        x = pool_all(x, pooling)
    return finish(inputs, x, name, weights)


def ResNet50(
    include_top: bool = True,
    weights: Any = "imagenet",
    input_tensor: Any = None,
    input_shape: Any = None,
    pooling: str | None = None,
    classes: int = 1000,
    classifier_activation: Any = "softmax",
    **kwargs: Any,
) -> Any:
    """Returns a ResNet50: 16 blocks of three convolutions with a way around them.

    Args:
      include_top: Whether the last, dense layer is part of it.
      weights, input_tensor, input_shape, pooling: As in `VGG16`.
      classes, classifier_activation: As in `VGG16`.
      **kwargs: None.

    Source: `tf.keras.applications.ResNet50`; He et al., 2015.
    """
    options = weights, input_tensor, input_shape, pooling, classes
    _refuse(kwargs)
    counts = (3, 4, 6, 3)
    return _make("resnet50", counts, include_top, *options, classifier_activation)


def ResNet101(
    include_top: bool = True,
    weights: Any = "imagenet",
    input_tensor: Any = None,
    input_shape: Any = None,
    pooling: str | None = None,
    classes: int = 1000,
    classifier_activation: Any = "softmax",
    **kwargs: Any,
) -> Any:
    """Returns a ResNet101: 33 blocks of three convolutions with a way around them.

    Args:
      include_top, weights, input_tensor, input_shape, pooling: As in `ResNet50`.
      classes, classifier_activation, **kwargs: As in `ResNet50`.

    Source: `tf.keras.applications.ResNet101`; He et al., 2015.
    """
    options = weights, input_tensor, input_shape, pooling, classes
    _refuse(kwargs)
    counts = (3, 4, 23, 3)
    return _make("resnet101", counts, include_top, *options, classifier_activation)


def ResNet152(
    include_top: bool = True,
    weights: Any = "imagenet",
    input_tensor: Any = None,
    input_shape: Any = None,
    pooling: str | None = None,
    classes: int = 1000,
    classifier_activation: Any = "softmax",
    **kwargs: Any,
) -> Any:
    """Returns a ResNet152: 50 blocks of three convolutions with a way around them.

    Args:
      include_top, weights, input_tensor, input_shape, pooling: As in `ResNet50`.
      classes, classifier_activation, **kwargs: As in `ResNet50`.

    Source: `tf.keras.applications.ResNet152`; He et al., 2015.
    """
    options = weights, input_tensor, input_shape, pooling, classes
    _refuse(kwargs)
    counts = (3, 8, 36, 3)
    return _make("resnet152", counts, include_top, *options, classifier_activation)


def _refuse(kwargs: dict[str, Any]) -> None:
    if kwargs:
        raise ValueError(f"Unknown argument(s): {kwargs}")


def preprocess_input(x: Any, data_format: str | None = None) -> Any:
    """Returns images as the models were trained on: BGR, less the means.

    Source: `tf.keras.applications.resnet.preprocess_input`.
    """
    return imagenet_utils.preprocess_input(x, data_format, "caffe")
