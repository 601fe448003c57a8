"""Layers around layers: Wrapper, TimeDistributed, Bidirectional."""

from __future__ import annotations

import inspect
from typing import Any

from graphopt.errors import fail
from graphopt.graph import nest
from graphopt.graph.provenance import user_site
from graphopt.graph.shape import TensorShape
from graphopt.keras.layers.base import Layer
from graphopt.keras.layers.serialization import deserialize, serialize
from graphopt.keras.serialization import custom_object_scope
from graphopt.ops.creation import shape as shape_of
from graphopt.ops.padding import reverse
from graphopt.ops.reduction import reduce_any
from graphopt.ops.shaping import concat, reshape
from graphopt.runtime.names import name_scope


class Wrapper(Layer):
    """A layer around another one, `layer`.

    Args:
      layer: The layer.
      **kwargs: As in `Layer`.

    Source: `tf.keras.layers.Wrapper`.
    """

    layer: Any

    def __init__(self, layer: Any, **kwargs: Any) -> None:
        if not isinstance(layer, Layer):
            raise fail(
                ValueError,
                f"Please initialize `{type(self).__name__}` layer with a "
                "`tf.keras.layers.Layer` instance",
                got=repr(layer),
                site=str(user_site()),
            )
        super().__init__(**kwargs)
        self.layer = layer

    def build(self, input_shape: Any = None) -> None:
        """Makes the weights of the layer inside, whose names are those of this one."""
        if not self.layer.built:
            self.layer.build(input_shape)
            self.layer.built = True
        self.built = True

    def get_config(self) -> dict[str, Any]:
        """Returns the config, with that of the layer inside."""
        return {**super().get_config(), "layer": serialize(self.layer)}

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Any:
        """Makes a layer of its config."""
        config = dict(config)
        layer = deserialize(config.pop("layer"), custom_objects)
        return cls(layer, **config)


def build_inside(layer: Any, input_shape: Any) -> None:
    """Makes the weights of a layer in another one, below its name."""
    if not layer.built:
        with name_scope(layer.name):
            layer.build(input_shape)
        layer.built = True


class TimeDistributed(Wrapper):
    """A layer that is applied to each time step.

    Args:
      layer: The layer.
      **kwargs: As in `Layer`.

    >>> import graphopt as tf
    >>> layer = tf.keras.layers.TimeDistributed(tf.keras.layers.Dense(2))
    >>> layer(tf.ones([4, 10, 3])).shape
    TensorShape([4, 10, 2])

    Source: `tf.keras.layers.TimeDistributed`.
    """

    def __init__(self, layer: Any, **kwargs: Any) -> None:
        super().__init__(layer, **kwargs)
        self.supports_masking = True

    def build(self, input_shape: Any = None) -> None:
        """Makes the weights of the layer inside."""
        shapes = [TensorShape(s) for s in _flat_shapes(input_shape)]
        for shape in shapes:
            if len(shape) < 3:
                raise fail(
                    ValueError,
                    "`TimeDistributed` layer should be passed an `input_shape` with at "
                    "least 3 dimensions",
                    got=f"shape {shape}",
                    expected="[batch, time, ...]",
                    site=str(user_site()),
                )
        inner = [TensorShape([s[0], *s[2:]]) for s in shapes]
        super().build(inner[0] if len(inner) == 1 else inner)

    def call(self, inputs: Any, training: Any = None, mask: Any = None) -> Any:
        """Returns `[batch, time, ...]`."""
        first = nest.flatten(inputs)[0]
        options: dict[str, Any] = {}
        if takes(self.layer, "training"):
            options["training"] = training
        if takes(self.layer, "mask") and mask is not None:
            options["mask"] = _merge_time(mask)
        outputs = self.layer(nest.map_structure(_merge_time, inputs), **options)
        return nest.map_structure(lambda y: _split_time(y, first), outputs)

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """Returns the mask of the layer inside for all steps, or the one given."""
        inner = None if mask is None else nest.map_structure(_merge_time, mask)
        merged = nest.map_structure(_merge_time, inputs)
        try:
            found = self.layer.compute_mask(merged, inner)
        except TypeError:
            found = None
        if found is not None:
            first = nest.flatten(inputs)[0]
            return nest.map_structure(lambda m: _split_time(m, first), found)
        while mask is not None and mask.shape.rank > 2:
            mask = reduce_any(mask, -1)
        return mask

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Returns the shape of the outputs."""
        shapes = [TensorShape(s) for s in _flat_shapes(input_shape)]
        inner = [TensorShape([s[0], *s[2:]]) for s in shapes]
        found = self.layer.compute_output_shape(inner[0] if len(inner) == 1 else inner)
        steps = shapes[0][1]

        def with_time(shape: Any) -> TensorShape:
            shape = TensorShape(shape)
            return TensorShape([shape[0], steps, *shape[1:]])

        if isinstance(found, list):
            return [with_time(shape) for shape in found]
        return with_time(found)


def _flat_shapes(input_shape: Any) -> list[Any]:
    if isinstance(input_shape, TensorShape):
        return [input_shape]
    if all(size is None or isinstance(size, int) for size in input_shape):
        return [input_shape]
    return list(input_shape)


def _merge_time(x: Any) -> Any:
    """`[batch * time, ...]` of `[batch, time, ...]`."""
    rest = list(x.shape[2:])
    if None not in rest:
        return reshape(x, [-1, *rest]) if 0 not in rest else reshape(x, [0, *rest])
    known = shape_of(x)
    sizes = [known[i + 2] if size is None else size for i, size in enumerate(rest)]
    return reshape(x, [-1, *sizes])


def _split_time(y: Any, like: Any) -> Any:
    """`[batch, time, ...]` of `[batch * time, ...]`."""
    batch, steps = like.shape[0], like.shape[1]
    known = shape_of(like)
    rest = list(y.shape[1:])
    if rest.count(None):
        own = shape_of(y)
        rest = [own[i + 1] if size is None else size for i, size in enumerate(rest)]
    if steps is None:
        return reshape(y, [known[0] if batch is None else batch, known[1], *rest])
    return reshape(y, [-1 if batch is None else batch, steps, *rest])


def takes(layer: Any, name: str) -> bool:
    """Returns whether a layer's `call` takes an argument."""
    return name in inspect.signature(layer.call).parameters


class Bidirectional(Wrapper):
    """Two copies of a recurrent layer, one from the first step on, one from the last.

    Args:
      layer: The layer, an `RNN`.
      merge_mode: How their outputs become one: "concat", "sum", "mul", "ave"; None for a
        list of both.
      weights: Values of the weights, or None.
      backward_layer: The second layer; by default one as the first, the other way round.
      **kwargs: As in `Layer`.

    Raises:
      ValueError: The two layers do not fit together.

    >>> import graphopt as tf
    >>> layer = tf.keras.layers.Bidirectional(tf.keras.layers.LSTM(4))
    >>> layer(tf.ones([2, 5, 3])).shape
    TensorShape([2, 8])

    Source: `tf.keras.layers.Bidirectional`.
    """

    def __init__(
        self,
        layer: Any,
        merge_mode: str | None = "concat",
        weights: Any = None,
        backward_layer: Any = None,
        **kwargs: Any,
    ) -> None:
        if merge_mode not in ("sum", "mul", "ave", "concat", None):
            raise fail(
                ValueError,
                "Invalid merge mode",
                got=repr(merge_mode),
                expected="one of 'sum', 'mul', 'ave', 'concat' or None",
                site=str(user_site()),
            )
        super().__init__(layer, **kwargs)
        config = layer.get_config()
        self.forward_layer = _copy(layer, config, f"forward_{layer.name}")
        if backward_layer is None:
            turned = {**config, "go_backwards": not config["go_backwards"]}
            self.backward_layer = _copy(layer, turned, f"backward_{layer.name}")
        else:
            self.backward_layer = backward_layer
            backward_layer._name = f"backward_{backward_layer.name}"
        # Saved only if it was given.
        self._given_backward = backward_layer
        self.merge_mode = merge_mode
        self._check_pair()
        for each in self._pair:
            # What a masked step would repeat is of another step in the second layer.
            if getattr(each, "zero_output_for_mask", None) is not None:
                each.zero_output_for_mask = each.return_sequences
        self.return_sequences = layer.return_sequences
        self.return_state = layer.return_state
        self.stateful = layer.stateful
        self.supports_masking = True
        self._initial_values = weights
        self._num_constants = 0

    def _check_pair(self) -> None:
        first, second = self.forward_layer, self.backward_layer
        if first.go_backwards == second.go_backwards:
            raise fail(
                ValueError,
                "Forward layer and backward layer should have different `go_backwards` "
                "value",
                got=f"{first.go_backwards} and {second.go_backwards}",
                site=str(user_site()),
            )
        for name in ("stateful", "return_sequences", "return_state"):
            values = getattr(first, name, None), getattr(second, name, None)
            if values[0] != values[1]:
                raise fail(
                    ValueError,
                    "Forward layer and backward layer are expected to have the same value "
                    f'for attribute "{name}"',
                    got=f"{values[0]} and {values[1]}",
                    site=str(user_site()),
                )

    def build(self, input_shape: Any = None) -> None:
        """Makes the weights of both layers."""
        build_inside(self.forward_layer, input_shape)
        build_inside(self.backward_layer, input_shape)
        self.built = True
        if self._initial_values is not None:
            self.set_weights(self._initial_values)

    def __call__(
        self,
        inputs: Any,
        initial_state: Any = None,
        constants: Any = None,
        **kwargs: Any,
    ) -> Any:
        """Calls both layers; inputs may be a list of inputs and states."""
        if isinstance(inputs, (list, tuple)):
            inputs, *states = inputs
            if self._num_constants and constants is None:
                constants = states[-self._num_constants :]
                states = states[: -self._num_constants]
            if states and initial_state is None:
                initial_state = states
        if initial_state is not None:
            kwargs["initial_state"] = list(initial_state)
        if constants is not None:
            constants = list(constants) if nest.is_nested(constants) else [constants]
            self._num_constants = len(constants)
            kwargs["constants"] = constants
        return super().__call__(inputs, **kwargs)

    def call(
        self,
        inputs: Any,
        training: Any = None,
        mask: Any = None,
        initial_state: Any = None,
        constants: Any = None,
    ) -> Any:
        """Returns the merged outputs, and the states of both layers."""
        options: list[dict[str, Any]] = [{}, {}]
        for each, layer in zip(options, self._pair, strict=True):
            for name, value in (("training", training), ("mask", mask)):
                if value is not None and takes(layer, name):
                    each[name] = value
            if constants is not None:
                each["constants"] = constants
        if initial_state is not None:
            count = len(initial_state)
            if count % 2:
                raise fail(
                    ValueError,
                    "When passing `initial_state` to a Bidirectional RNN, it should have "
                    "the states of both layers",
                    got=f"{count} states",
                    expected="an even number",
                    site=str(user_site()),
                )
            options[0]["initial_state"] = list(initial_state[: count // 2])
            options[1]["initial_state"] = list(initial_state[count // 2 :])
        y = self.forward_layer(inputs, **options[0])
        z = self.backward_layer(inputs, **options[1])
        states: list[Any] = []
        if self.return_state:
            states = [*y[1:], *z[1:]]
            y, z = y[0], z[0]
        if self.return_sequences:
            time = 0 if getattr(self.forward_layer, "time_major", False) else 1
            z = nest.map_structure(lambda part: reverse(part, [time]), z)
        output = self._merge(y, z)
        if not self.return_state:
            return output
        return [*(output if self.merge_mode is None else [output]), *states]

    @property
    def _pair(self) -> tuple[Any, Any]:
        return self.forward_layer, self.backward_layer

    def _merge(self, y: Any, z: Any) -> Any:
        if self.merge_mode == "concat":
            return concat([y, z], -1)
        if self.merge_mode == "sum":
            return y + z
        if self.merge_mode == "ave":
            return (y + z) / 2
        if self.merge_mode == "mul":
            return y * z
        return [y, z]

    def reset_states(self, states: Any = None) -> None:
        """Sets the states of both layers to 0."""
        if not self.stateful:
            raise AttributeError("Layer must be stateful.")
        for layer in self._pair:
            layer.reset_states()

    reset_state = reset_states

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """Returns the mask of the outputs, and None for the states."""
        if isinstance(mask, (list, tuple)):
            mask = mask[0]
        found = mask if self.return_sequences else None
        masks = [found, found] if not self.merge_mode else found
        if not self.return_state:
            return masks
        count = 2 * len(nest.flatten(self.forward_layer.cell.state_size))
        return [*(masks if isinstance(masks, list) else [masks]), *([None] * count)]

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Returns the shapes of the outputs, and of the states if they are returned."""
        found = self.forward_layer.compute_output_shape(input_shape)
        states: list[Any] = []
        if self.return_state:
            found, *states = found
        shape = TensorShape(found)
        merged: Any = shape
        if self.merge_mode == "concat":
            last = shape[-1]
            merged = TensorShape([*shape[:-1], None if last is None else 2 * last])
        outputs = [shape, shape] if self.merge_mode is None else [merged]
        if self.return_state:
            return [*outputs, *states, *states]
        return outputs if self.merge_mode is None else merged

    def get_config(self) -> dict[str, Any]:
        """Returns the config, with those of the layers inside."""
        config = {**super().get_config(), "merge_mode": self.merge_mode}
        if self._given_backward is not None:
            config["backward_layer"] = serialize(self._given_backward)
        if self._num_constants:
            config["num_constants"] = self._num_constants
        return config

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Any:
        """Makes a layer of its config."""
        config = dict(config)
        if config.get("backward_layer") is not None:
            config["backward_layer"] = deserialize(
                config["backward_layer"], custom_objects
            )
        count = config.pop("num_constants", 0)
        layer = cls(deserialize(config.pop("layer"), custom_objects), **config)
        layer._num_constants = count
        return layer


def _copy(layer: Any, config: dict[str, Any], name: str) -> Any:
    # A function of a program's own has no name that it could be found by.
    own = {
        key: getattr(layer, key)
        for key in config
        if key.endswith("activation") and callable(getattr(layer, key, None))
    }
    cell = getattr(layer, "cell", None)
    cells = [part for part in (cell, *getattr(cell, "cells", ())) if part is not None]
    with custom_object_scope({type(part).__name__: type(part) for part in cells}):
        return type(layer).from_config({**config, **own, "name": name})
