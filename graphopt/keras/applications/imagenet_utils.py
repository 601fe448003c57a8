"""What classifiers of ImageNet share: inputs, classes, the ends of models."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from graphopt.errors import fail
from graphopt.graph.provenance import user_site
from graphopt.graph.tensor import Tensor
from graphopt.keras import backend
from graphopt.keras.functional import is_keras_tensor
from graphopt.keras.layers.core import Dense
from graphopt.keras.layers.input_layer import Input
from graphopt.keras.layers.pooling import GlobalAveragePooling2D, GlobalMaxPooling2D
from graphopt.keras.models import Model
from graphopt.ops.elementwise import cast
from graphopt.ops.padding import reverse

_CAFFE_MEANS = (103.939, 116.779, 123.68)
_TORCH_MEANS, _TORCH_DEVIATIONS = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def preprocess_input(
    x: Any, data_format: str | None = None, mode: str = "caffe"
) -> Any:
    """Returns images as a model was trained on.

    Args:
      x: An array or tensor of values in [0, 255], `[..., height, width, 3]`; it is not
        changed.
      data_format: "channels_last" or "channels_first".
      mode: "caffe": colors as BGR, less their means; "tf": in [-1, 1]; "torch": in [0, 1],
        less the means, divided by the deviations.

    Raises:
      ValueError: The mode is unknown.

    >>> import numpy as np
    >>> import graphopt as tf
    >>> x = np.full([1, 1, 3], 255.0)
    >>> tf.keras.applications.imagenet_utils.preprocess_input(x, mode="tf").tolist()
    [[[1.0, 1.0, 1.0]]]

    Source: `tf.keras.applications.imagenet_utils.preprocess_input`.
    """
    if mode not in ("caffe", "tf", "torch"):
        raise fail(
            ValueError,
            "Expected mode to be one of `caffe`, `tf` or `torch`",
            got=repr(mode),
            site=str(user_site()),
        )
    data_format = data_format or backend.image_data_format()
    is_symbolic = isinstance(x, Tensor) or is_keras_tensor(x)
    if is_symbolic:
        x = cast(x, backend.floatx()) if not x.dtype.is_floating else x
    else:
        x = np.array(x)
        if not np.issubdtype(x.dtype, np.floating):
            x = x.astype(backend.floatx())
    if mode == "tf":
        return x / 127.5 - 1.0
    if mode == "torch":
        x = x / 255.0
    axis = -1 if data_format == "channels_last" else -3
    if mode == "caffe":
        x = reverse(x, [len(x.shape) + axis]) if is_symbolic else np.flip(x, axis)
    means = _CAFFE_MEANS if mode == "caffe" else _TORCH_MEANS
    x = x - _along(means, axis, is_symbolic, x)
    if mode == "torch":
        x = x / _along(_TORCH_DEVIATIONS, axis, is_symbolic, x)
    return x


def _along(values: Any, axis: int, is_symbolic: bool, x: Any) -> Any:
    dtype = x.dtype.numpy if is_symbolic else x.dtype
    return np.asarray(values, dtype).reshape([-1] + [1] * (-axis - 1))


def decode_predictions(preds: Any, top: int = 5) -> list[list[tuple[str, str, float]]]:
    """Returns the names of the most likely of the 1,000 classes.

    The names are in `imagenet_class_index.json`, which is looked for in
    `~/.keras/models`.

    Args:
      preds: `[batch, 1000]`.
      top: How many for each row.

    Returns:
      For each row, (id, name, score) of the classes.

    Raises:
      ValueError: The shape is another one.
      FileNotFoundError: There is no file of names.

    Source: `tf.keras.applications.imagenet_utils.decode_predictions`.
    """
    scores = np.asarray(preds.numpy() if hasattr(preds, "numpy") else preds)
    if scores.ndim != 2 or scores.shape[1] != 1000:
        raise fail(
            ValueError,
            "`decode_predictions` expects a batch of predictions (i.e. a 2D array of "
            "shape (samples, 1000))",
            got=f"shape {scores.shape}",
            site=str(user_site()),
        )
    path = Path.home() / ".keras" / "models" / "imagenet_class_index.json"
    if not path.exists():
        raise FileNotFoundError(
            f"decode_predictions needs the names of the classes in {path}; put "
            "imagenet_class_index.json there."
        )
    names = json.loads(path.read_text())
    found = []
    for row in scores:
        best = np.argsort(row)[-top:][::-1]
        found.append([(*names[str(i)], float(row[i])) for i in best])
    return found


# ---- how models begin and end


def start(
    input_tensor: Any,
    input_shape: Any,
    weights: Any,
    include_top: bool,
    classes: int,
    least: int = 32,
) -> Any:
    """Checks the arguments that all models share, and returns their input.

    Raises:
      ValueError: The shape or the weights cannot be.
      NotImplementedError: Trained weights are asked for.
    """
    if weights == "imagenet":
        raise NotImplementedError(
            'weights="imagenet": there are no trained weights to download; pass '
            "weights=None, or the name of a file with weights."
        )
    if weights is not None and not Path(weights).exists():
        raise fail(
            ValueError,
            "The `weights` argument should be either `None` (random initialization), or "
            "the path to the weights file to be loaded",
            got=repr(weights),
            site=str(user_site()),
        )
    if input_tensor is not None:
        return (
            input_tensor
            if is_keras_tensor(input_tensor)
            else Input(tensor=input_tensor)
        )
    is_last = backend.image_data_format() == "channels_last"
    if input_shape is None:
        size = 224 if include_top else None
        input_shape = (size, size, 3) if is_last else (3, size, size)
    shape = tuple(input_shape)
    if len(shape) != 3:
        raise ValueError(
            f"`input_shape` must be a tuple of three integers; got {shape}."
        )
    sizes = shape[:2] if is_last else shape[1:]
    channels = shape[2] if is_last else shape[0]
    if channels not in (1, 3):
        warnings.warn(
            "This model usually expects 1 or 3 input channels. However, it was passed an "
            f"input_shape with {channels} input channels.",
            stacklevel=3,
        )
    if any(size is not None and size < least for size in sizes):
        raise fail(
            ValueError,
            f"Input size must be at least {least}x{least}",
            got=f"input_shape={shape}",
            site=str(user_site()),
        )
    if include_top and None in shape:
        raise fail(
            ValueError,
            "If `include_top` is True, you should specify a static `input_shape`",
            got=f"input_shape={shape}",
            site=str(user_site()),
        )
    return Input(shape)


def channel_axis() -> int:
    """Returns which dimension the channels are."""
    return -1 if backend.image_data_format() == "channels_last" else 1


def pool_all(x: Any, pooling: str | None, prefix: str | None = "") -> Any:
    """Returns features of whole images, as `pooling` says; as they are for None."""
    names = {kind: f"{prefix}{kind}_pool" for kind in ("avg", "max")}
    if pooling == "avg":
        return GlobalAveragePooling2D(
            name=names["avg"] if prefix is not None else None
        )(x)
    if pooling == "max":
        return GlobalMaxPooling2D(name=names["max"] if prefix is not None else None)(x)
    return x


def classify(x: Any, classes: int, activation: Any) -> Any:
    """Returns the scores of classes."""
    return Dense(classes, activation=activation, name="predictions")(x)


def finish(inputs: Any, outputs: Any, name: str, weights: Any) -> Any:
    """Returns the model, with weights of a file if one is given."""
    model = Model(inputs, outputs, name=name)
    if weights is not None:
        model.load_weights(weights)
    return model
