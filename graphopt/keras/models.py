"""Models: layers made of layers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from graphopt.graph import nest
from graphopt.keras.functional import Input, KerasTensor, layers_between
from graphopt.keras.layers.base import Layer
from graphopt.runtime.tracking import children_changed


class Model(Layer):
    """A layer that a script trains: a subclass with `call`, or layers from in- to outputs.

    Args:
      inputs: What `tf.keras.Input` returned, or a nest of such.
      outputs: What layers called on it returned, or a nest of such.
      name: Its name.

    Source: `tf.keras.Model`.
    """

    def __init__(
        self,
        inputs: Any = None,
        outputs: Any = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(name=name, **kwargs)
        self.inputs, self.outputs = inputs, outputs
        self._order: list[KerasTensor] = []
        if inputs is not None:
            self._order = layers_between(nest.flatten(inputs), outputs)
            self._parts = list({id(x.layer): x.layer for x in self._order}.values())
            self.built = True

    def call(self, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        """Computes the outputs, layer by layer."""
        if not self._order:
            raise NotImplementedError(f"{type(self).__name__} must implement `call`.")
        given = zip(nest.flatten(self.inputs), nest.flatten(inputs), strict=True)
        values = {id(stand_in): tensor for stand_in, tensor in given}

        def value_of(item: Any) -> Any:
            return values[id(item)] if isinstance(item, KerasTensor) else item

        for item in self._order:
            values[id(item)] = item.layer(nest.map_structure(value_of, item.inputs))
        return nest.map_structure(value_of, self.outputs)

    @property
    def layers(self) -> list[Layer]:
        """The layers that are attributes of the model."""
        return list(self._parts)

    def compile(self, *_args: Any, **_kwargs: Any) -> None:
        """Not available."""
        raise NotImplementedError(
            "Model.compile and fit; write the loop with optimizer.minimize."
        )

    fit = compile


class Sequential(Model):
    """Layers one after the other, whose weights are made at the first call.

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
        self, layers: Sequence[Layer] | None = None, name: str | None = None
    ) -> None:
        super().__init__(name=name)
        # The output of the last layer, once the shape of the input is known.
        self._reached: KerasTensor | None = None
        for layer in nest.flatten(layers or []):
            self.add(layer)

    def add(self, layer: Any) -> None:
        """Appends a layer; with an `Input` before it, its weights are made at once.

        Raises:
          TypeError: It is not one.
        """
        if isinstance(layer, KerasTensor):
            self._reached = layer
            return
        if not isinstance(layer, Layer):
            raise TypeError(f"The added layer must be a Layer; got {layer!r}.")
        if not self._parts and layer.input_shape is not None:
            self._reached = Input(layer.input_shape, dtype=layer.dtype)
        self._parts.append(layer)
        children_changed(self)
        if self._reached is not None:
            self._reached = layer(self._reached)

    def pop(self) -> None:
        """Removes the last layer.

        Raises:
          TypeError: There is none.
        """
        if not self._parts:
            raise TypeError("There are no layers in the model.")
        self._parts.pop()

    def call(self, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        """Applies the layers in order."""
        for layer in self._parts:
            inputs = layer(inputs)
        return inputs

    @property
    def weights(self) -> list[Any]:
        """All weights.

        Raises:
          ValueError: They are not made yet.
        """
        self._require_built()
        return super().weights

    @property
    def trainable_weights(self) -> list[Any]:
        """The weights that training changes.

        Raises:
          ValueError: They are not made yet.
        """
        self._require_built()
        return super().trainable_weights

    def _require_built(self) -> None:
        if self._parts and not any(part.built for part in self._parts):
            raise ValueError(
                f"Weights for model {self.name!r} have not yet been created. Weights "
                "are created when the model is first called on inputs; pass var_list "
                "as a function, `lambda: model.trainable_weights`."
            )
