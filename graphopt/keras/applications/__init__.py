"""Known architectures of image classifiers, without trained weights.

A function makes a functional model with the names of Keras's layers, so that its weights can
be loaded from a file that a program has. There are no weights to download:
`weights="imagenet"` says so.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from graphopt.keras.applications import imagenet_utils as imagenet_utils
    from graphopt.keras.applications import mobilenet as mobilenet
    from graphopt.keras.applications import mobilenet_v2 as mobilenet_v2
    from graphopt.keras.applications import resnet as resnet
    from graphopt.keras.applications import resnet50 as resnet50
    from graphopt.keras.applications import vgg16 as vgg16
    from graphopt.keras.applications import vgg19 as vgg19
    from graphopt.keras.applications.mobilenet import MobileNet as MobileNet
    from graphopt.keras.applications.mobilenet_v2 import MobileNetV2 as MobileNetV2
    from graphopt.keras.applications.resnet import ResNet50 as ResNet50
    from graphopt.keras.applications.resnet import ResNet101 as ResNet101
    from graphopt.keras.applications.resnet import ResNet152 as ResNet152
    from graphopt.keras.applications.vgg16 import VGG16 as VGG16
    from graphopt.keras.applications.vgg19 import VGG19 as VGG19

_MODULES = (
    "imagenet_utils",
    "mobilenet",
    "mobilenet_v2",
    "resnet",
    "resnet50",
    "vgg16",
    "vgg19",
)
_LATER = {
    "MobileNet": "mobilenet",
    "MobileNetV2": "mobilenet_v2",
    "ResNet101": "resnet",
    "ResNet152": "resnet",
    "ResNet50": "resnet",
    "VGG16": "vgg16",
    "VGG19": "vgg19",
}


if not TYPE_CHECKING:  # checkers know the names, and find those that are misspelt

    def __getattr__(name: str) -> Any:
        if name in _MODULES:
            return importlib.import_module(f"graphopt.keras.applications.{name}")
        if name not in _LATER:
            raise AttributeError(
                f"module 'tf.keras.applications' has no attribute {name!r}"
            )
        module = importlib.import_module(f"graphopt.keras.applications.{_LATER[name]}")
        return getattr(module, name)


def __dir__() -> list[str]:
    return sorted({*_MODULES, *_LATER})
