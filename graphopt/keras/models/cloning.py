"""Models as configs, and copies of models."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from graphopt.graph import nest
from graphopt.keras.attributes import decode, encode
from graphopt.keras.functional import Network, node_of
from graphopt.keras.layers.input_layer import InputLayer
from graphopt.keras.models.model import Model
from graphopt.keras.models.sequential import Sequential
from graphopt.keras.serialization import deserialize_object, serialize_object

_TENSOR = "$keras_tensor"


def config_of_network(model: Any) -> dict[str, Any]:
    """Returns layers, the calls of them, inputs and outputs, as plain values."""
    network: Network = model._network
    # A tensor is known by its layer, which of the layer's calls made it, and its number.
    places: dict[int, list[Any]] = {}
    calls: dict[int, int] = {}
    for tensor in nest.flatten(network.inputs):
        places[id(tensor)] = [node_of(tensor).layer.name, 0, 0]
    for node in network.nodes:
        number = calls.get(id(node.layer), 0)
        calls[id(node.layer)] = number + 1
        for index, output in enumerate(nest.flatten(node.outputs)):
            places[id(output)] = [node.layer.name, number, index]

    def special(value: Any) -> Any:
        place = places.get(id(value))
        return None if place is None else {_TENSOR: place}

    layers = []
    for layer in network.layers:
        nodes = [node for node in network.nodes if node.layer is layer]
        layers.append(
            {
                **serialize_object(layer),
                "name": layer.name,
                "inbound_nodes": [encode(node.arguments, special) for node in nodes],
            }
        )
    return {
        "name": model.name,
        "trainable": model.trainable,
        "layers": layers,
        "input_layers": encode(network.inputs, special),
        "output_layers": encode(network.outputs, special),
    }


def network_from_config(
    cls: Any,
    config: dict[str, Any],
    custom_objects: Any = None,
    made: dict[str, Any] | None = None,
) -> Any:
    """Makes a model of what `config_of_network` returned.

    Args:
      cls: The class of the model.
      config: The config.
      custom_objects: Classes and functions by name.
      made: Layers by name, in place of those that the config describes.
    """
    layers: dict[str, Any] = {}
    for part in config["layers"]:
        layer = (made or {}).get(part["name"])
        if layer is None:
            layer = deserialize_object(part, custom_objects)
        layers[part["name"]] = layer
    tensors: dict[tuple[Any, ...], Any] = {}
    for name, layer in layers.items():
        if isinstance(layer, InputLayer):
            tensors[name, 0, 0] = layer._inbound_nodes[0].outputs
    waiting = [
        (part["name"], number, call)
        for part in config["layers"]
        for number, call in enumerate(part["inbound_nodes"])
    ]
    while waiting:
        later = []
        for name, number, call in waiting:
            if not _is_ready(call, tensors) or (
                number and (name, number - 1, 0) not in tensors
            ):
                later.append((name, number, call))
                continue
            args, kwargs = decode(call, _finder(tensors))
            outputs = layers[name](*args, **kwargs)
            for index, output in enumerate(nest.flatten(outputs)):
                tensors[name, number, index] = output
        if len(later) == len(waiting):
            missing = ", ".join(name for name, _, _ in later)
            raise ValueError(f"The config of the model is damaged: {missing}.")
        waiting = later
    inputs = decode(config["input_layers"], _finder(tensors))
    outputs = decode(config["output_layers"], _finder(tensors))
    model = cls(inputs=inputs, outputs=outputs, name=config.get("name"))
    if config.get("trainable") is False:
        model.trainable = False
    return model


def _finder(tensors: dict[tuple[Any, ...], Any]) -> Callable[[dict[str, Any]], Any]:
    def find(value: dict[str, Any]) -> Any:
        place = value.get(_TENSOR)
        return None if place is None else tensors[tuple(place)]

    return find


def _is_ready(value: Any, tensors: dict[tuple[Any, ...], Any]) -> bool:
    if isinstance(value, dict):
        if _TENSOR in value:
            return tuple(value[_TENSOR]) in tensors
        return all(_is_ready(part, tensors) for part in value.values())
    if isinstance(value, list):
        return all(_is_ready(part, tensors) for part in value)
    return True


def clone_model(
    model: Any, input_tensors: Any = None, clone_function: Any = None
) -> Model:
    """Returns a model of the same layers, with weights of its own.

    Args:
      model: A `Sequential` or a functional model.
      input_tensors: What the copy begins with, in place of new `Input`s.
      clone_function: Takes a layer, returns the one in its place; by default a copy made
        of its config.

    Raises:
      ValueError: It is a subclass with `call`.

    >>> import graphopt as tf
    >>> model = tf.keras.Sequential([tf.keras.layers.Dense(2, input_shape=(3,))])
    >>> copied = tf.keras.models.clone_model(model)
    >>> copied.weights[0] is model.weights[0], copied.count_params()
    (False, 8)

    Source: `tf.keras.models.clone_model`.
    """
    clone = clone_function or _clone_layer
    if isinstance(model, Sequential):
        layers = [
            layer if isinstance(layer, InputLayer) else clone(layer)
            for layer in model._sequence
        ]
        if input_tensors is not None:
            layers = [
                node_of(nest.flatten(input_tensors)[0]).layer,
                *(layer for layer in layers if not isinstance(layer, InputLayer)),
            ]
        elif layers and isinstance(layers[0], InputLayer):
            layers[0] = InputLayer.from_config(layers[0].get_config())
        return type(model)(layers, name=model.name)
    if not isinstance(model, Model) or model._network is None:
        raise ValueError(
            "Expected `model` argument to be a functional or Sequential `Model`, but got "
            f"a subclassed model: {model!r}."
        )
    config = config_of_network(model)
    made = {
        layer.name: clone(layer)
        for layer in model._network.layers
        if not isinstance(layer, InputLayer)
    }
    if input_tensors is not None:
        names = [node_of(x).layer.name for x in nest.flatten(model._network.inputs)]
        given = [node_of(x).layer for x in nest.flatten(input_tensors)]
        made.update(zip(names, given, strict=True))
    return network_from_config(type(model), config, made=made)


def _clone_layer(layer: Any) -> Any:
    if isinstance(layer, Model) and type(layer).get_config is Model.get_config:
        return clone_model(layer)
    if isinstance(layer, Sequential):
        return clone_model(layer)
    return type(layer).from_config(layer.get_config())
