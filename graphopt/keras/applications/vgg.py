"""What VGG16 and VGG19 share: blocks of convolutions of 3 x 3, then two dense layers."""

from __future__ import annotations

from typing import Any

from graphopt.keras.applications.imagenet_utils import (
    classify,
    finish,
    pool_all,
    start,
)
from graphopt.keras.layers.convolutional import Conv2D
from graphopt.keras.layers.core import Dense
from graphopt.keras.layers.pooling import MaxPooling2D
from graphopt.keras.layers.reshaping import Flatten


def make_vgg(
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
    """Returns the model whose blocks have so many convolutions."""
    inputs = start(input_tensor, input_shape, weights, include_top, classes)
    x = inputs
    for block, count in enumerate(counts, 1):
        filters = min(64 * 2 ** (block - 1), 512)
        for i in range(1, count + 1):
            layer = Conv2D(
                filters,
                3,
                padding="same",
                activation="relu",
                name=f"block{block}_conv{i}",
            )
            x = layer(x)
        x = MaxPooling2D(2, strides=2, name=f"block{block}_pool")(x)
    if include_top:
        x = Flatten(name="flatten")(x)
        for i in (1, 2):
            x = Dense(4096, activation="relu", name=f"fc{i}")(x)
        x = classify(x, classes, classifier_activation)
    else:
        x = pool_all(x, pooling, None)
    return finish(inputs, x, name, weights)
