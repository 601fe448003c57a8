"""VGG16."""

from __future__ import annotations

from typing import Any

from graphopt.keras.applications import imagenet_utils
from graphopt.keras.applications.imagenet_utils import (
    decode_predictions as decode_predictions,
)
from graphopt.keras.applications.vgg import make_vgg


def VGG16(
    include_top: bool = True,
    weights: Any = "imagenet",
    input_tensor: Any = None,
    input_shape: Any = None,
    pooling: str | None = None,
    classes: int = 1000,
    classifier_activation: Any = "softmax",
) -> Any:
    """Returns a VGG16: blocks of convolutions of 3 x 3, then two dense layers.

    Args:
      include_top: Whether the dense layers are part of it.
      weights: None, or the name of a file with weights.
      input_tensor: What it is called on; an `Input` of `input_shape` by default.
      input_shape: The shape of an image, (224, 224, 3) by default.
      pooling: Without the dense layers: "avg" or "max" of whole images; None for none.
      classes: The number of classes.
      classifier_activation: The activation of the last layer.

    Raises:
      NotImplementedError: Trained weights are asked for.

    Source: `tf.keras.applications.VGG16`; Simonyan and Zisserman, 2014.
    """
    return make_vgg(
        "vgg16",
        (2, 2, 3, 3, 3),
        include_top,
        weights,
        input_tensor,
        input_shape,
        pooling,
        classes,
        classifier_activation,
    )


def preprocess_input(x: Any, data_format: str | None = None) -> Any:
    """Returns images as the model was trained on: BGR, less the means.

    Source: `tf.keras.applications.vgg16.preprocess_input`.
    """
    return imagenet_utils.preprocess_input(x, data_format, "caffe")
