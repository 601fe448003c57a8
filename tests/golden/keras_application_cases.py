"""Architectures whose layers are recorded, and values of those that are small."""

from __future__ import annotations

import zlib
from typing import Any

import numpy as np

# Name -> (function, options, whether values are recorded).
MODELS: dict[str, Any] = {
    "VGG16": (
        "VGG16",
        {"input_shape": (32, 32, 3), "include_top": False, "pooling": "max"},
        False,
    ),
    "VGG16_top": ("VGG16", {"input_shape": (32, 32, 3), "classes": 7}, False),
    "VGG19": ("VGG19", {"include_top": False, "pooling": "avg"}, False),
    "ResNet50": ("ResNet50", {"input_shape": (32, 32, 3), "classes": 5}, True),
    "ResNet50_features": ("ResNet50", {"include_top": False}, False),
    "ResNet101": ("ResNet101", {"include_top": False, "pooling": "avg"}, False),
    "ResNet152": ("ResNet152", {"include_top": False, "pooling": "avg"}, False),
    "MobileNet": (
        "MobileNet",
        {"input_shape": (32, 32, 3), "alpha": 0.25, "classes": 5},
        True,
    ),
    "MobileNetV2": (
        "MobileNetV2",
        {"input_shape": (45, 32, 3), "alpha": 0.35, "classes": 5},
        True,
    ),
    "MobileNetV2_wide": ("MobileNetV2", {"alpha": 1.4, "include_top": False}, False),
}


def make_weights(shapes: Any) -> list[Any]:
    """Returns values for weights of such shapes and names, that keep the size of outputs."""
    found = []
    for index, (name, shape) in enumerate(shapes):
        random = np.random.RandomState(zlib.crc32(f"{index}".encode()))
        value = random.standard_normal(tuple(shape)).astype(np.float32)
        if "kernel" in name:
            fan_in = np.prod(shape[:-2] if "depthwise" in name else shape[:-1])
            value *= np.sqrt(2.0 / fan_in)
        elif "variance" in name or "gamma" in name:
            value = 1.0 + 0.1 * np.abs(value)
        else:
            value *= 0.1
        found.append(value.astype(np.float32))
    return found


def make_images(shape: Any) -> Any:
    """Returns two images."""
    return np.random.RandomState(9).random((2, *shape)).astype(np.float32)


def describe(model: Any) -> dict[str, Any]:
    """Returns name, layers and weights of a model."""
    layers = [
        [
            layer.name,
            type(layer).__name__,
            [
                None if d is None else int(d)
                for d in model.get_layer(layer.name).output.shape
            ],
        ]
        for layer in model.layers[1:]
    ]
    return {
        "name": model.name,
        "layers": layers,
        "weights": [
            [weight.name.split(":")[0], [int(d) for d in weight.shape]]
            for weight in model.weights
        ],
        "parameters": int(model.count_params()),
    }
