"""Models in files: one file of tensors, whose header holds the layers as JSON.

The file is a `.safetensors` file, which holds numbers and text and nothing that is run:
loading it makes objects of classes that are here, that were registered, or that the caller
passes. It is written under another name and renamed, so that a save that fails leaves the
file that was there.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from graphopt.checkpoint.files import write_file
from graphopt.checkpoint.objects import Checkpoint
from graphopt.checkpoint.state_file import update_checkpoint_state
from graphopt.checkpoint.tensors import TensorFile, pack
from graphopt.errors import fail
from graphopt.graph.provenance import user_site
from graphopt.keras import serialization
from graphopt.keras.attributes import decode, encode
from graphopt.keras.layers.holding import value_of
from graphopt.parallel.ranks import write_once

if TYPE_CHECKING:
    from graphopt.keras.models.model import Model

_HEADER = "graphopt_model"
_VERSION = 1
_FOREIGN = (".h5", ".hdf5", ".keras")


def _refuse_foreign(path: str, what: str) -> None:
    if path.endswith(_FOREIGN):
        suffix = Path(path).suffix
        raise fail(
            NotImplementedError,
            f"{what}: files of Keras ({suffix}) are not written or read yet",
            got=repr(path),
            expected="a name without .keras, .h5 or .hdf5",
            site=str(user_site()),
            remedy=f"{path.removesuffix(Path(path).suffix)!r}, which becomes one file of tensors",
        )


def save_model(
    model: Any,
    filepath: Any,
    overwrite: bool = True,
    include_optimizer: bool = True,
    save_format: str | None = None,
    signatures: Any = None,
    options: Any = None,
    save_traces: bool = True,
    **kwargs: Any,
) -> None:
    """Saves layers, weights, what `compile` was given, and the state of the optimizer.

    Args:
      model: The model: `Sequential`, functional, or a subclass with `get_config`.
      filepath: The name of the file.
      overwrite: Whether it may be there already.
      include_optimizer: Whether the optimizer is saved.
      save_format: None or `tf`.
      signatures: Must be None.
      options: Accepted.
      save_traces: Accepted.
      **kwargs: `zipped` is accepted.

    Raises:
      NotImplementedError: The name ends in `.keras` or `.h5`, or a layer cannot be written
        down.
      FileExistsError: The file is there, and `overwrite` is False.

    Source: `tf.keras.models.save_model`.
    """
    path = os.fspath(filepath)
    _refuse_foreign(path, "Model.save")
    kwargs.pop("zipped", None)
    if kwargs:
        raise TypeError(f"Invalid keyword arguments: {', '.join(kwargs)}.")
    if save_format not in (None, "tf") or signatures is not None:
        raise NotImplementedError(
            f"Model.save(save_format={save_format!r}, signatures={signatures!r})."
        )
    path = path.rstrip("/")
    if not model.built:
        raise fail(
            ValueError,
            f"Model {model.name!r} cannot be saved: its weights are not made yet",
            got="a model that was never called",
            expected="a model with weights",
            site=str(user_site()),
            remedy="model.build(input_shape), or a call on data",
        )
    header: dict[str, Any] = {
        "version": _VERSION,
        "model": encode(serialization.serialize_object(model)),
        "build_shapes": encode(model._internals.build_shapes),
        "weights": [weight.name for weight in model.weights],
    }
    arrays = {f"weight/{i}": value_of(weight) for i, weight in enumerate(model.weights)}
    if include_optimizer and model._training.is_compiled:
        header["compile"] = encode(_config_of_compile(model))
        for i, value in enumerate(_optimizer_values(model)):
            arrays[f"optimizer/{i}"] = value
    data = pack(arrays, {_HEADER: json.dumps(header)})

    def write() -> None:
        # Here: of several ranks one looks, and writes.
        if Path(path).exists() and not overwrite:
            raise FileExistsError(f"{path!r} is there already, and overwrite=False.")
        write_file(path, data)

    write_once(path, write)


def _optimizer_values(model: Any) -> list[Any]:
    if model.optimizer is None:
        return []
    return [value_of(weight) for weight in model.optimizer.weights]


def _config_of_compile(model: Any) -> dict[str, Any]:
    given = model._training.arguments
    config: dict[str, Any] = {}
    for name, value in given.items():
        config[name] = _written_down(value)
    return config


def _written_down(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return [_written_down(part) for part in value]
    if isinstance(value, dict):
        return {key: _written_down(part) for key, part in value.items()}
    if value is None or isinstance(value, (str, int, float)):
        return value
    return {"$object": serialization.serialize(value)}


def load_model(
    filepath: Any,
    custom_objects: Any = None,
    compile: bool = True,
    safe_mode: bool = True,
    options: Any = None,
) -> Model:
    """Returns the model that `save_model` saved, compiled as it was.

    Args:
      filepath: The name of the file.
      custom_objects: Classes and functions by name.
      compile: Whether to compile it.
      safe_mode: Accepted: nothing in the file is run.
      options: Accepted.

    Raises:
      NotFoundError: (also a FileNotFoundError) There is no such file.
      NotImplementedError: It is a file or folder of Keras or TensorFlow.
      ValueError: It is no model, or a class in it is not known.

    Source: `tf.keras.models.load_model`.
    """
    path = os.fspath(filepath)
    _refuse_foreign(path, "load_model")
    path = path.rstrip("/")
    if Path(path).is_dir():
        raise NotImplementedError(
            f"load_model: {path!r} is a folder, as a SavedModel is; those are not read. "
            "A model that was saved here is a file."
        )
    with TensorFile(path) as file:
        text = file.metadata.get(_HEADER)
        if text is None:
            raise ValueError(
                f"{path!r} holds tensors but no model; use `model.load_weights` for what "
                "`save_weights` wrote."
            )
        header = json.loads(text)
        if header.get("version") != _VERSION:
            raise NotImplementedError(
                f"The model in {path!r} has version {header.get('version')}; this is "
                f"version {_VERSION}."
            )
        with serialization.custom_object_scope(custom_objects or {}):
            model = serialization.deserialize_object(decode(header["model"]))
            shapes = decode(header["build_shapes"])
            if not model.built and shapes is not None:
                model.build(shapes)
            names = header["weights"]
            model.set_weights([file.read(f"weight/{i}") for i in range(len(names))])
            if compile and "compile" in header:
                _compile_as_before(model, decode(header["compile"]), file)
    return model


def _compile_as_before(model: Any, config: dict[str, Any], file: Any) -> None:
    from graphopt.keras import losses, metrics, optimizers

    makers = {
        "optimizer": optimizers.get,
        "loss": losses.get,
        "metrics": metrics.get,
        "weighted_metrics": metrics.get,
    }
    model.compile(
        **{name: _made_again(value, makers.get(name)) for name, value in config.items()}
    )
    values: list[Any] = []
    while f"optimizer/{len(values)}" in file:
        values.append(file.read(f"optimizer/{len(values)}"))
    if values and model.optimizer is not None:
        model.optimizer._create_all_weights(list(model.trainable_variables))
        model.optimizer.set_weights(values)


def _made_again(value: Any, make: Any) -> Any:
    if isinstance(value, list):
        return [_made_again(part, make) for part in value]
    if isinstance(value, dict):
        if "$object" in value:
            return make(value["$object"])
        return {key: _made_again(part, make) for key, part in value.items()}
    return value


# ---- configs


def model_to_json(model: Any, **kwargs: Any) -> str:
    """Returns class and config of a model as JSON."""
    config = encode(serialization.serialize_object(model))
    return json.dumps({**config, "backend": "graphopt"}, **kwargs)


def model_from_json(json_string: str, custom_objects: Any = None) -> Model:
    """Makes a model, with new weights, of what `to_json` returned.

    Source: `tf.keras.models.model_from_json`.
    """
    return model_from_config(decode(json.loads(json_string)), custom_objects)


def model_from_config(config: Any, custom_objects: Any = None) -> Model:
    """Makes a model of a dict with `class_name` and `config`.

    Source: `tf.keras.models.model_from_config`.
    """
    with serialization.custom_object_scope(custom_objects or {}):
        return serialization.deserialize_object(config)


# ---- weights


def save_weights(
    model: Any, path: str, overwrite: bool = True, save_format: str | None = None
) -> None:
    """Saves the weights, and the optimizer's state, under names of objects."""
    _refuse_foreign(path, "Model.save_weights")
    if save_format not in (None, "tf"):
        raise NotImplementedError(f"Model.save_weights(save_format={save_format!r}).")
    if not model.built:
        raise ValueError(
            f"Unable to save weights of {model.name!r}: they are not made yet. Build the "
            "model first."
        )
    written = Checkpoint(model).write(path)
    update_checkpoint_state(str(Path(path).parent), written)


def load_weights(
    model: Any, path: str, skip_mismatch: bool = False, by_name: bool = False
) -> Any:
    """Loads weights into a model; those of a model that is not built come when it is."""
    _refuse_foreign(path, "Model.load_weights")
    if by_name or skip_mismatch:
        raise NotImplementedError(
            "Model.load_weights(by_name=True) and skip_mismatch=True, which are for files "
            "of Keras."
        )
    return Checkpoint(model).read(path)
