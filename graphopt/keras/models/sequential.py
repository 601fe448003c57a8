"""`Sequential`: layers one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from graphopt.errors import fail
from graphopt.graph import nest
from graphopt.graph.context import building_graph, entered
from graphopt.graph.provenance import user_site
from graphopt.graph.shape import TensorShape
from graphopt.graph.tensor import Tensor
from graphopt.keras.calls import outermost, signature_of
from graphopt.keras.functional import is_keras_tensor, node_of
from graphopt.keras.layers.base import Layer
from graphopt.keras.layers.input_layer import Input, InputLayer
from graphopt.keras.layers.nodes import as_shapes
from graphopt.keras.models.model import Model
from graphopt.keras.settings import snake_case, unique_name
from graphopt.runtime.module import Module
from graphopt.runtime.names import name_scope
from graphopt.runtime.tracking import children_changed


class Sequential(Model):
    """Layers one after the other, whose weights are made when the input's shape is known.

    Args:
      layers: The layers.
      name: Its name.

    >>> import graphopt as tf
    >>> model = tf.keras.Sequential()
    >>> model.add(tf.keras.layers.Dense(3, activation="relu"))
    >>> model(tf.zeros([2, 5])).shape, len(model.trainable_weights)
    (TensorShape([2, 3]), 2)

    Source: `tf.keras.Sequential`.
    """

    def __init__(
        self, layers: Sequence[Any] | Any = None, name: str | None = None, **kwargs: Any
    ) -> None:
        super().__init__(name=name, **kwargs)
        # In a tuple, which a list of parts is not made of.
        self._chain: tuple[list[Layer]] = ([],)
        if layers is not None:
            for layer in layers if isinstance(layers, (list, tuple)) else [layers]:
                self.add(layer)

    @property
    def _sequence(self) -> list[Layer]:
        """All layers, that of the input included."""
        chain = vars(self).get("_chain")
        return [] if chain is None else chain[0]

    def add(self, layer: Any) -> None:
        """Appends a layer; where the shape of the input is known its weights are made.

        Raises:
          TypeError: It is not one.
          ValueError: There is a layer of that name.
        """
        if is_keras_tensor(layer):
            layer = node_of(layer).layer
        if isinstance(layer, Module) and not isinstance(layer, Layer):
            layer = _ModuleLayer(layer)
        if not isinstance(layer, Layer):
            raise fail(
                TypeError,
                "The added layer must be an instance of class Layer",
                got=repr(layer)[:80],
                expected="a layer",
                site=str(user_site()),
                remedy="tf.keras.layers.Lambda(f) for a function f",
            )
        if any(layer.name == other.name for other in self._sequence):
            raise fail(
                ValueError,
                "All layers added to a Sequential model should have unique names. Name "
                f'"{layer.name}" is already the name of a layer in this model',
                got=repr(layer),
                expected="another name",
                site=str(user_site()),
                remedy="the `name` argument, or two layers in place of one added twice",
            )
        sequence = self._sequence
        if not sequence and not isinstance(layer, InputLayer):
            dims = _input_shape_of(layer)
            if dims is not None:
                dtype = _input_dtype_of(layer)
                first = Input(batch_shape=dims, dtype=dtype, name=f"{layer.name}_input")
                sequence.append(node_of(first).layer)
        sequence.append(layer)
        children_changed(self)
        self._forget_functions()
        if isinstance(sequence[0], InputLayer):
            self._extend(sequence)

    def _extend(self, sequence: list[Layer]) -> None:
        """Calls the last layer on what the ones before returned."""
        start = sequence[0]._inbound_nodes[0].outputs
        if self._network is None or len(sequence) <= 2:
            reached = start
            for layer in sequence[1:]:
                reached = layer(reached)
        else:
            reached = sequence[-1](self._network.outputs)
        if len(nest.flatten(reached)) != 1:
            sequence.pop()
            raise fail(
                ValueError,
                "All layers in a Sequential model should have a single output tensor",
                got=f"{len(nest.flatten(reached))} outputs",
                expected="one",
                site=str(user_site()),
                remedy="tf.keras.Model(inputs, outputs)",
            )
        self._connect(start, nest.flatten(reached)[0])

    def pop(self) -> None:
        """Removes the last layer.

        Raises:
          TypeError: There is none.
        """
        sequence = self._sequence
        if not self.layers:
            raise TypeError("There are no layers in the model.")
        removed = sequence.pop()
        self._forget_functions()
        if self._network is not None:
            if removed._inbound_nodes:
                removed._inbound_nodes.pop()
            if len(sequence) < 2:
                self._network = None
                self.built = False
            else:
                self._connect(
                    self._network.inputs, sequence[-1]._inbound_nodes[-1].outputs
                )

    def _list_parts(self, everything: bool = False) -> list[Any]:
        chain = [x for x in self._sequence if not isinstance(x, InputLayer)]
        # As in Keras, other layers among its attributes are no part of it.
        others = [
            part
            for part in Layer._list_parts(self, everything)
            if not isinstance(part, Layer) or part.is_metric
        ]
        return chain + others

    def build(self, input_shape: Any = None) -> None:
        """Makes the weights for inputs of a shape, with the batch's size or None."""
        if self._network is not None or not self._sequence:
            self.built = True
            return
        if input_shape is None:
            raise ValueError("You must provide an `input_shape` argument to build.")
        shapes = as_shapes(input_shape)
        if nest.is_nested(shapes):
            super().build(shapes)
        else:
            self._start_with(shapes, self.compute_dtype)

    def _start_with(self, shape: TensorShape, dtype: Any) -> None:
        first = Input(batch_shape=tuple(shape), dtype=dtype, name=f"{self.name}_input")
        sequence = self._sequence
        sequence.insert(0, node_of(first).layer)
        try:
            self._extend_all(sequence)
        except BaseException:
            sequence.pop(0)
            raise
        self._internals.build_shapes = shape

    def _extend_all(self, sequence: list[Layer]) -> None:
        reached = sequence[0]._inbound_nodes[0].outputs
        for layer in sequence[1:]:
            reached = layer(reached)
        self._connect(sequence[0]._inbound_nodes[0].outputs, nest.flatten(reached)[0])

    def _build_once(self, inputs: Any) -> None:
        is_chain = type(self).call is Sequential.call
        if self._network is None and isinstance(inputs, Tensor) and is_chain:
            rank = inputs.shape.rank
            if rank and self._sequence:
                shape = TensorShape([None, *list(inputs.shape)[1:]])
                graph = building_graph()
                home = None if graph is None else graph.home
                # Names of layers do not begin with that of the model, as in Keras.
                with entered(home), name_scope(None), outermost():
                    self._start_with(shape, inputs.dtype)
        self.built = True

    def call(self, inputs: Any, training: Any = None, mask: Any = None) -> Any:
        """Applies the layers in order."""
        if self._symbolic_terms or self._symbolic_metrics:
            return Model.call(self, inputs)
        if self._network is not None:
            inputs = self._network.bind(inputs)
        for layer in self._sequence:
            if not isinstance(layer, InputLayer):
                inputs = layer(inputs)
        return inputs

    def _require_built(self) -> None:
        if self.built or not self.layers or any(p.built for p in self.layers):
            return
        raise ValueError(
            f"Weights for model {self.name!r} have not yet been created. Weights are "
            "created when the model is first called on inputs or `build()` is called "
            "with an `input_shape`; pass var_list as a function, "
            "`lambda: model.trainable_weights`."
        )

    def predict_proba(self, x: Any, batch_size: int = 32, verbose: Any = 0) -> Any:
        """Returns the outputs for data; as `predict`.

        Source: `tf.keras.Sequential.predict_proba` of TensorFlow 2.0 to 2.5.
        """
        return self.predict(x, batch_size, verbose)

    def predict_classes(self, x: Any, batch_size: int = 32, verbose: Any = 0) -> Any:
        """Returns the class of each example: the largest output, or whether it is above 0.5.

        Source: `tf.keras.Sequential.predict_classes` of TensorFlow 2.0 to 2.5.
        """
        found = self.predict(x, batch_size, verbose)
        if found.shape[-1] > 1:
            return found.argmax(axis=-1)
        return (found > 0.5).astype("int32")

    def get_config(self) -> dict[str, Any]:
        """Returns what `from_config` makes a model of."""
        from graphopt.keras.serialization import serialize_object

        config = {
            "name": self.name,
            "layers": list(map(serialize_object, self._sequence)),
        }
        shapes = self._internals.build_shapes
        if shapes is not None and not isinstance(self._sequence[0], InputLayer):
            config["build_input_shape"] = nest.map_structure(tuple, shapes)
        return config

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Any:
        """Makes a model of what `get_config` returned."""
        from graphopt.keras.serialization import deserialize_object

        model = cls(name=config.get("name"))
        for layer in config["layers"]:
            model.add(deserialize_object(layer, custom_objects))
        if config.get("build_input_shape") and not model.built:
            model.build(config["build_input_shape"])
        return model


class _ModuleLayer(Layer):
    """A `tf.Module` that can be called, as a layer."""

    def __init__(self, module: Module) -> None:
        super().__init__(name=unique_name(snake_case(type(module).__name__)))
        self.module = module
        own = getattr(module, "call", None) or module
        if not callable(own):
            raise fail(
                ValueError,
                f"The `__call__` of the module {type(module).__name__} is not defined",
                got="a tf.Module without `__call__`",
                expected="one that can be called",
                site=str(user_site()),
            )
        # In a tuple, for a module is a part of the layer already.
        self._function = (own,)

    def call(self, inputs: Any, training: Any = None) -> Any:
        function = self._function[0]
        if signature_of(function).training:
            return function(inputs, training=bool(training))
        return function(inputs)


def _input_shape_of(layer: Layer) -> Any:
    """The shape of the first layer's input, if it or the first layer in it knows it."""
    while isinstance(layer, Model):
        if layer._network is not None:
            return tuple(nest.flatten(layer._network.inputs)[0].shape)
        if not isinstance(layer, Sequential) or not layer._sequence:
            return None
        layer = layer._sequence[0]
    return layer._batch_input_shape


def _input_dtype_of(layer: Layer) -> Any:
    while isinstance(layer, Model) and layer._network is not None:
        return nest.flatten(layer._network.inputs)[0].dtype
    return getattr(layer, "input_dtype", None) or layer.compute_dtype
