"""`Model`: a layer that is trained as a whole."""

from __future__ import annotations

import inspect
import os
from typing import Any

from graphopt.errors import fail
from graphopt.graph import nest
from graphopt.graph.context import building_graph, entered
from graphopt.graph.hooks import hooks
from graphopt.graph.provenance import user_site
from graphopt.graph.tensor import GraphTensor
from graphopt.keras.calls import context
from graphopt.keras.functional import Network, is_in_v1_graph, node_of
from graphopt.keras.layers.base import DEFAULT_CONFIGS, Layer, extra_arguments
from graphopt.keras.layers.holding import unique_weights
from graphopt.keras.layers.nodes import as_shapes
from graphopt.keras.training.trainer import Trainer
from graphopt.ops.creation import placeholder
from graphopt.runtime.concrete_function import FunctionGraph
from graphopt.runtime.variable import Variable


class Model(Trainer, Layer):
    """A layer that a script trains: a subclass with `call`, or layers from in- to outputs.

    Args:
      inputs: What `tf.keras.Input` returned, or a nest of such.
      outputs: What layers called on it returned, or a nest of such.
      name: Its name.
      trainable: Whether its weights are trainable.
      **kwargs: As in `Layer`.

    >>> import graphopt as tf
    >>> x = tf.keras.Input([3])
    >>> model = tf.keras.Model(x, tf.keras.layers.Dense(1)(x))
    >>> model.compile("sgd", "mse")
    >>> history = model.fit(tf.ones([8, 3]), tf.ones([8, 1]), epochs=2, verbose=0)
    >>> len(history.history["loss"])
    2

    Source: `tf.keras.Model`.
    """

    def __init__(
        self,
        inputs: Any = None,
        outputs: Any = None,
        name: str | None = None,
        trainable: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(trainable=trainable, name=name, **kwargs)
        self._ready_to_train()
        self._network: Network | None = None
        self._symbolic_terms: tuple[Any, ...] = ()
        self._symbolic_metrics: tuple[Any, ...] = ()
        if (inputs is None) != (outputs is None):
            raise fail(
                TypeError,
                "A functional model takes inputs and outputs",
                got=f"inputs={inputs!r}, outputs={outputs!r}",
                expected="both",
                site=str(user_site()),
            )
        if inputs is not None:
            self._connect(inputs, outputs)
            if not trainable:
                self.trainable = False

    def _connect(self, inputs: Any, outputs: Any) -> None:
        """Makes it a model of the layers between inputs and outputs."""
        self._network = Network(inputs, outputs)
        names: dict[str, Any] = {}
        for layer in self._network.layers:
            if names.setdefault(layer.name, layer) is not layer:
                raise fail(
                    ValueError,
                    f'The name "{layer.name}" is used {len(names)} times in the model. '
                    "All layer names should be unique",
                    got=f"two layers named {layer.name!r}",
                    expected="unique names",
                    site=str(user_site()),
                    remedy="name=... of the layers, or the same layer called twice",
                )
        self.built = True

    # ---- what it is made of

    @property
    def _is_graph_network(self) -> bool:
        return self._network is not None

    def _list_parts(self, everything: bool = False) -> list[Any]:
        found = super()._list_parts(everything)
        network = vars(self).get("_network")
        if network is None:
            return found
        together = [*network.layers, *found]
        return list({id(part): part for part in together}.values())

    @property
    def layers(self) -> list[Layer]:
        """Its layers, those of inputs included."""
        return [part for part in self._list_parts() if isinstance(part, Layer)]

    def get_layer(self, name: str | None = None, index: int | None = None) -> Layer:
        """Returns a layer by its name or number.

        Raises:
          ValueError: There is none.
        """
        layers = self.layers
        if index is not None and name is not None:
            raise ValueError("Provide only a layer name or a layer index.")
        if index is not None:
            if index >= len(layers):
                raise ValueError(
                    f"Was asked to retrieve layer at index {index} but model only has "
                    f"{len(layers)} layers."
                )
            return layers[index]
        for layer in layers:
            if layer.name == name:
                return layer
        raise ValueError(
            f"No such layer: {name}. Existing layers are: "
            f"{[layer.name for layer in layers]}."
        )

    @property
    def inputs(self) -> Any:
        """What it is called on, a list; None for a subclass with `call`."""
        network = self._network
        return None if network is None else nest.flatten(network.inputs)

    @property
    def outputs(self) -> Any:
        """What it returns, a list; None for a subclass with `call`."""
        network = self._network
        return None if network is None else nest.flatten(network.outputs)

    @property
    def input(self) -> Any:
        """What it is called on.

        Raises:
          AttributeError: It has no inputs yet.
        """
        if self._network is None:
            return super().input
        return self._network.inputs

    @property
    def output(self) -> Any:
        """What it returns.

        Raises:
          AttributeError: It has no inputs yet.
        """
        if self._network is None:
            return super().output
        return self._network.outputs

    @property
    def input_shape(self) -> Any:
        """The shape of its inputs, as tuples."""
        if self._network is None:
            return super().input_shape
        return nest.map_structure(lambda x: tuple(x.shape), self._network.inputs)

    @property
    def output_shape(self) -> Any:
        """The shape of its outputs, as tuples."""
        if self._network is None:
            return super().output_shape
        return nest.map_structure(lambda x: tuple(x.shape), self._network.outputs)

    @property
    def input_names(self) -> list[str]:
        """The names of the layers of its inputs."""
        return [node_of(x).layer.name for x in self.inputs or []]

    @property
    def output_names(self) -> list[str]:
        """The names of the layers of its outputs."""
        names: list[str] = []
        for x in self.outputs or []:
            name, count = node_of(x).layer.name, 0
            while (free := f"{name}_{count}" if count else name) in names:
                count += 1
            names.append(free)
        return names

    # ---- calling

    def build(self, input_shape: Any) -> None:
        """Makes the weights for inputs of a shape, with the batch's size or None."""
        if self._network is not None or self.built or not _calls_own(self):
            self.built = True
            return
        shapes = as_shapes(input_shape)
        graph = building_graph()
        if graph is not None and graph.home is graph:
            # In a graph of TensorFlow 1 the weights are made in it.
            scratch: Any = graph
        else:
            scratch = FunctionGraph(f"build_of_{self.name}")
        with entered(scratch):
            dtype = self.compute_dtype
            call = hooks.convert_function(self.call)
            call(nest.map_structure(lambda s: placeholder(dtype, s), shapes))
        self.built = True
        self._internals.build_shapes = shapes

    def _build_once(self, inputs: Any) -> None:
        # The layers in it build themselves when `call` comes to them.
        if type(self).build is Model.build:
            shapes = nest.map_structure(lambda x: getattr(x, "shape", None), inputs)
            self._internals.build_shapes = shapes
            self.built = True
        else:
            super()._build_once(inputs)

    def call(self, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        """Computes the outputs, layer by layer."""
        network = self._network
        if network is None:
            raise fail(
                NotImplementedError,
                f"{type(self).__name__} must implement `call(self, inputs)`",
                got="a subclass of tf.keras.Model without it",
                expected="`call`, or `super().__init__(inputs=..., outputs=...)`",
                site=str(user_site()),
            )
        if not (self._symbolic_terms or self._symbolic_metrics):
            return network.run(inputs)
        metrics = [tensor for _, tensor in self._symbolic_metrics]
        together = (network.outputs, list(self._symbolic_terms), metrics)
        outputs, terms, values = Network(network.inputs, together).run(inputs)
        for term in terms:
            self.add_loss(_mean_of(term))
        for (name, _), value in zip(self._symbolic_metrics, values, strict=True):
            self.add_metric(value, name)
        return outputs

    def add_loss(self, losses: Any, **options: Any) -> None:
        """Adds terms to `losses`; also tensors that its layers returned for `Input`s.

        Args:
          losses: A tensor, a function without arguments, or a list of such.
          **options: Accepted for compatibility.
        """
        for loss in nest.flatten(losses):
            # In a graph of TensorFlow 1 those are tensors like all others.
            is_outside = self._network is not None and not context.path
            if is_outside and isinstance(loss, GraphTensor) and is_in_v1_graph():
                self._add_symbolic_loss(loss)
            else:
                super().add_loss(loss, **options)

    def _add_symbolic_loss(self, loss: Any) -> None:
        if self._network is None:
            super()._add_symbolic_loss(loss)
        self._symbolic_terms = (*self._symbolic_terms, loss)

    def _add_symbolic_metric(self, value: Any, name: str) -> None:
        if self._network is None:
            super()._add_symbolic_metric(value, name)
        self._symbolic_metrics = (*self._symbolic_metrics, (name, value))

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """Returns None: the layers in it have set the masks of its outputs."""
        return None

    supports_masking = True

    # ---- weights

    @property
    def weights(self) -> list[Variable]:
        """All weights, layer by layer.

        Raises:
          ValueError: They are not made yet.
        """
        self._require_built()
        found: list[Variable] = []
        for part in self._list_parts(everything=True):
            found += part.variables
        return unique_weights([*found, *self._own_weights])

    @property
    def trainable_weights(self) -> list[Variable]:
        """The weights that training changes, layer by layer.

        Raises:
          ValueError: They are not made yet.
        """
        self._require_built()
        if not self.trainable:
            return []
        found: list[Variable] = []
        for part in self._list_parts(everything=True):
            found += part.trainable_variables
        return unique_weights([*found, *self._trainable_weights])

    @property
    def non_trainable_weights(self) -> list[Variable]:
        """The other weights, layer by layer.

        Raises:
          ValueError: They are not made yet.
        """
        self._require_built()
        trained = {id(weight) for weight in self.trainable_weights}
        return [weight for weight in self.weights if id(weight) not in trained]

    def _require_built(self) -> None:
        """Raises a ValueError where weights are asked for before there are any."""

    def count_params(self) -> int:
        """Returns the number of elements of all weights."""
        return sum(weight.shape.num_elements() or 0 for weight in self.weights)

    # ---- looking at it, saving it

    def _repr_html_(self) -> str | None:
        """The page that notebooks show: the training step once it was fit, else the call."""
        try:
            return str(hooks.draw_html(self))
        except ValueError:
            # Nothing was built or fit yet.
            return None

    def summary(
        self,
        line_length: int | None = None,
        positions: Any = None,
        print_fn: Any = None,
        expand_nested: bool = False,
        show_trainable: bool = False,
        layer_range: Any = None,
    ) -> None:
        """Prints a table of its layers; also of a model that is not built yet.

        Args:
          line_length: The width of the table.
          positions: Accepted.
          print_fn: Called with each line in place of `print`.
          expand_nested: Whether the layers of models in it are shown.
          show_trainable: Whether there is a column of what is trainable.
          layer_range: Names of the first and the last layer to show, as regular
            expressions.
        """
        # Loaded by those who look.
        from graphopt.keras.models.summary import print_summary

        print_summary(
            self, line_length, print_fn, expand_nested, show_trainable, layer_range
        )

    def save(
        self,
        filepath: Any,
        overwrite: bool = True,
        save_format: str | None = None,
        include_optimizer: bool = True,
        **kwargs: Any,
    ) -> None:
        """Saves layers, weights, and the state of the optimizer.

        Args:
          filepath: A folder, which gets `model.json` and files of tensors.
          overwrite: Whether it may be there already.
          save_format: None or `tf`.
          include_optimizer: Whether the optimizer's state is saved.
          **kwargs: `signatures`, `options` and `save_traces` are accepted.

        Raises:
          NotImplementedError: The file is a `.keras` or `.h5`.

        Source: `tf.keras.Model.save`.
        """
        from graphopt.keras.models.saving import save_model

        save_model(self, filepath, overwrite, include_optimizer, save_format, **kwargs)

    def save_weights(
        self,
        filepath: Any,
        overwrite: bool = True,
        save_format: str | None = None,
        options: Any = None,
    ) -> None:
        """Saves the weights as a checkpoint, under names of objects.

        Raises:
          NotImplementedError: The file is a `.h5`.

        Source: `tf.keras.Model.save_weights`.
        """
        from graphopt.keras.models.saving import save_weights

        save_weights(self, os.fspath(filepath), overwrite, save_format)

    def load_weights(
        self,
        filepath: Any,
        skip_mismatch: bool = False,
        by_name: bool = False,
        options: Any = None,
    ) -> Any:
        """Loads weights that `save_weights` or a callback saved.

        Returns:
          The status of the restored checkpoint.

        Source: `tf.keras.Model.load_weights`.
        """
        from graphopt.keras.models.saving import load_weights

        return load_weights(self, os.fspath(filepath), skip_mismatch, by_name)

    def get_config(self) -> dict[str, Any]:
        """Returns what `from_config` makes a model of.

        Raises:
          NotImplementedError: It is a subclass with `call` and has none of its own.
        """
        if self._network is None:
            config = {**self._plain_arguments(), "name": self.name}
            if set(config) >= extra_arguments(type(self)):
                return (
                    {**config, "trainable": self.trainable}
                    if _is_open(self)
                    else config
                )
            raise NotImplementedError(
                f"Model {type(self).__name__} cannot be saved as it has no `get_config`: "
                "return the arguments of its `__init__` as a dict from it, or use "
                "`save_weights`."
            )
        from graphopt.keras.models.cloning import config_of_network

        return config_of_network(self)

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> Any:
        """Makes a model of what `get_config` returned.

        Args:
          config: The config.
          custom_objects: Classes and functions by name.
        """
        if "layers" not in config or "input_layers" not in config:
            return cls(**config)
        from graphopt.keras.models.cloning import network_from_config

        return network_from_config(cls, config, custom_objects)

    def to_json(self, **kwargs: Any) -> str:
        """Returns its config as JSON; `kwargs` are those of `json.dumps`.

        Source: `tf.keras.Model.to_json`.
        """
        from graphopt.keras.models.saving import model_to_json

        return model_to_json(self, **kwargs)

    def to_yaml(self, **kwargs: Any) -> str:
        """Raises RuntimeError, as in TensorFlow: use `to_json`."""
        raise RuntimeError(
            "Method `model.to_yaml()` has been removed; use `to_json()`."
        )

    def export(self, filepath: Any) -> None:
        """Raises NotImplementedError: use `save`."""
        raise NotImplementedError(
            "Model.export (a SavedModel); use model.save(folder)."
        )


def _calls_own(model: Model) -> bool:
    """Whether a model is a subclass with `call`."""
    return type(model).call is not Model.call


def _is_open(model: Model) -> bool:
    """Whether the constructor takes what that of `Model` takes."""
    parameters = inspect.signature(type(model)).parameters
    kinds = (part.kind for part in parameters.values())
    return "trainable" in parameters or inspect.Parameter.VAR_KEYWORD in kinds


DEFAULT_CONFIGS.add(Model.get_config)


def _mean_of(term: Any) -> Any:
    """A term of several elements counts by its mean, as in Keras."""
    from graphopt.ops.reduction import reduce_mean

    term = hooks.convert(term)
    return term if term.shape.rank == 0 else reduce_mean(term)
