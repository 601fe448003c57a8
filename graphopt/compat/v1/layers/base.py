"""`tf.layers.Layer`: variables of a scope of its own, made when it is first called."""

from __future__ import annotations

import math
from typing import Any

from graphopt.compat.v1.initializers import ones_initializer, zeros_initializer
from graphopt.dtypes import as_dtype, bool_, float32
from graphopt.errors import describe_shapes, fail
from graphopt.graph import nest
from graphopt.graph.context import building_graph, get_default_graph
from graphopt.graph.hooks import hooks
from graphopt.graph.provenance import user_site
from graphopt.graph.shape import TensorShape
from graphopt.graph.tensor import Tensor
from graphopt.keras import activations, constraints, initializers, regularizers
from graphopt.keras.variable_scopes import VariableScope, get_variable, variable_scope
from graphopt.ops.creation import shape as shape_of
from graphopt.ops.elementwise import cast, where
from graphopt.ops.shaping import reshape
from graphopt.runtime.collections import GraphKeys
from graphopt.runtime.module import snake_case
from graphopt.runtime.names import name_scope
from graphopt.runtime.variable import TRAINABLE_VARIABLES, Variable

# What biases and scales start with.
ZEROS, ONES = zeros_initializer(), ones_initializer()


class InputSpec:
    """What a layer expects of an input.

    Args:
      dtype: Its dtype.
      shape: Its shape, None for any size.
      ndim: Its rank.
      max_ndim, min_ndim: The largest and the least rank.
      axes: From dimensions to their sizes.

    Source: `tf.compat.v1.layers.InputSpec`.
    """

    def __init__(
        self,
        dtype: Any = None,
        shape: Any = None,
        ndim: int | None = None,
        max_ndim: int | None = None,
        min_ndim: int | None = None,
        axes: dict[int, int] | None = None,
    ) -> None:
        self.dtype = None if dtype is None else as_dtype(dtype).name
        self.shape = None if shape is None else tuple(shape)
        self.ndim = ndim if shape is None else len(tuple(shape))
        self.max_ndim, self.min_ndim = max_ndim, min_ndim
        self.axes = {int(k): v for k, v in (axes or {}).items()}


class Layer:
    """A function with variables, which are made when it is first called.

    Subclasses define `build(input_shape)`, which makes variables by `add_weight`, and
    `call(inputs)`.

    Args:
      trainable: Whether its variables are trainable.
      name: Its name and that of its scope; by default the class's, numbered.
      dtype: Of its variables; by default that of the first input.
      **kwargs: `activity_regularizer`; `_scope` and `_reuse`, which functions pass.

    Raises:
      TypeError: An argument that is not known.

    >>> import graphopt as tf
    >>> v1 = tf.compat.v1
    >>> with tf.Graph().as_default():
    ...     layer = v1.layers.Dense(2)
    ...     y = layer(tf.ones([1, 3]))
    ...     print([v.name for v in layer.variables], y.name)
    ['dense/kernel:0', 'dense/bias:0'] dense/BiasAdd:0

    Source: `tf.compat.v1.layers.Layer`.
    """

    def __init__(
        self, trainable: bool = True, name: Any = None, dtype: Any = None, **kwargs: Any
    ) -> None:
        scope, self._reuse = kwargs.pop("_scope", None), kwargs.pop("_reuse", None)
        self.activity_regularizer = regularizers.get(
            kwargs.pop("activity_regularizer", None)
        )
        # What TensorFlow's layers take and what makes no difference here.
        kwargs.pop("autocast", None)
        kwargs.pop("dynamic", None)
        if kwargs:
            raise TypeError(f"Unexpected keyword arguments: {', '.join(kwargs)}.")
        self.trainable = trainable
        self.built = False
        self.stateful = False
        self.input_spec: InputSpec | None = None
        self._dtype = None if dtype is None else as_dtype(dtype)
        self._base_name = name.name if isinstance(name, VariableScope) else name
        self._name = self._base_name or _number(_snake_case(type(self).__name__))
        self._base_name = self._base_name or _snake_case(type(self).__name__)
        self._weights: list[tuple[Any, bool]] = []
        self._losses: list[Any] = []
        self._updates: list[Any] = []
        self._scope: VariableScope | None = None
        if scope:
            with variable_scope(scope) as captured:
                self._scope = captured

    # ---- what it is

    @property
    def name(self) -> str:
        """The name, unique for layers without one that was given."""
        return str(self._name)

    @property
    def dtype(self) -> Any:
        """The dtype of variables; None before the first call, if none was given."""
        return self._dtype

    @property
    def scope_name(self) -> str:
        """The name of the variable scope.

        Raises:
          ValueError: It has none before the first call.
        """
        if self._scope is None:
            raise ValueError(
                f"No name available for layer scope because the layer {self._name!r} "
                "has not been used yet; call it first."
            )
        return self._scope.name

    @property
    def weights(self) -> list[Any]:
        """All variables, the trainable ones first."""
        return self.trainable_weights + self.non_trainable_weights

    variables = weights

    @property
    def trainable_weights(self) -> list[Any]:
        """The trainable variables."""
        return [v for v, trains in self._weights if trains and self.trainable]

    trainable_variables = trainable_weights

    @property
    def non_trainable_weights(self) -> list[Any]:
        """The other variables."""
        return [v for v, trains in self._weights if not (trains and self.trainable)]

    non_trainable_variables = non_trainable_weights

    @property
    def losses(self) -> list[Any]:
        """The terms of regularizers."""
        return list(self._losses)

    @property
    def updates(self) -> list[Any]:
        """The ops that a training step has to run."""
        return list(self._updates)

    @property
    def graph(self) -> Any:
        """The graph of its variables, None before there are any."""
        return self._weights[0][0].graph if self._weights else None

    def count_params(self) -> int:
        """Returns the number of elements of all variables."""
        return sum(math.prod(v.shape) for v in self.weights)

    # ---- variables, losses, updates

    def add_weight(
        self,
        name: str,
        shape: Any,
        dtype: Any = None,
        initializer: Any = None,
        regularizer: Any = None,
        trainable: bool | None = None,
        constraint: Any = None,
        use_resource: bool | None = None,
        synchronization: Any = None,
        aggregation: Any = None,
        partitioner: Any = None,
        **kwargs: Any,
    ) -> Any:
        """Returns a variable of the layer's scope, made if it is new.

        Args:
          name: Its name within the scope.
          shape: Its shape.
          dtype: Its dtype; by default that of the layer, else float32.
          initializer: What it starts with; by default the scope's.
          regularizer: Makes a term of the loss of it.
          trainable: Whether it is trainable, if the layer is; True by default.
          constraint: Applied to it after each update.
          use_resource, synchronization, aggregation: Accepted for compatibility.
          partitioner: Must be None.
          **kwargs: None.
        """
        kwargs.pop("experimental_autocast", None)
        if kwargs:
            raise TypeError(f"Unknown keyword arguments: {', '.join(kwargs)}.")
        self._set_scope(None)
        trains = (trainable is None or bool(trainable)) and self.trainable
        graph = building_graph()
        known = set(map(id, graph.variables)) if graph is not None else set()
        assert self._scope is not None
        with variable_scope(
            self._scope, reuse=self.built or self._reuse, auxiliary_name_scope=False
        ):
            variable = get_variable(
                name,
                shape=shape,
                dtype=dtype or self._dtype or float32,
                initializer=None
                if initializer is None
                else initializers.get(initializer),
                trainable=trains,
                constraint=constraints.get(constraint),
                partitioner=partitioner,
            )
        if regularizer is not None and id(variable) not in known:
            self._regularize(name, variable, regularizer)
        if graph is not None and trains:
            trains = variable in graph.get_collection_ref(TRAINABLE_VARIABLES)
        if all(variable is not other for other, _ in self._weights):
            self._weights.append((variable, trains))
        return variable

    def add_variable(self, *args: Any, **kwargs: Any) -> Any:
        """Returns a variable; as `add_weight`."""
        return self.add_weight(*args, **kwargs)

    def _regularize(self, name: str, variable: Variable, regularizer: Any) -> None:
        assert self._scope is not None
        scope = self._scope.original_name_scope
        with name_scope(f"{scope}{name}/Regularizer/"):
            term = regularizers.get(regularizer)(variable)
        if term is not None:
            self.add_loss(term)

    def add_loss(self, losses: Any, inputs: Any = None) -> None:
        """Adds terms to the collection `REGULARIZATION_LOSSES`."""
        terms = [term for term in nest.flatten(losses) if term is not None]
        self._losses += terms
        _collect(GraphKeys.REGULARIZATION_LOSSES, terms)

    def add_update(self, updates: Any, inputs: Any = None) -> None:
        """Adds ops to the collection `UPDATE_OPS`, when the layer returns."""
        self._updates += nest.flatten(updates)

    # ---- calling

    def build(self, input_shape: Any) -> None:
        """Makes the variables."""
        self.built = True

    def call(self, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        """Computes the result."""
        return inputs

    def apply(self, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        """Calls the layer."""
        return self(inputs, *args, **kwargs)

    def _set_scope(self, scope: Any) -> None:
        if self._scope is not None:
            return
        if self._reuse:
            opened = variable_scope(self._base_name if scope is None else scope)
        else:
            opened = variable_scope(scope, default_name=self._base_name)
        with opened as captured:
            self._scope = captured

    def __call__(self, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        """Makes the variables, the first time, and computes the result.

        Args:
          inputs: A tensor, or a nest of them.
          *args, **kwargs: For `call`; `scope` names the scope of a new layer.
        """
        self._set_scope(kwargs.pop("scope", None))
        assert self._scope is not None
        inputs = nest.map_structure(hooks.convert, inputs)
        reuse = True if self.built else self._reuse
        with (
            variable_scope(
                self._scope, reuse=reuse, auxiliary_name_scope=False
            ) as scope,
            name_scope(scope.original_name_scope),
        ):
            if not self.built:
                self._build(inputs)
            outputs = self.call(inputs, *args, **kwargs)
            if self.activity_regularizer is not None:
                self._regularize_outputs(outputs)
        _collect(GraphKeys.UPDATE_OPS, self._updates)
        return outputs

    def _build(self, inputs: Any) -> None:
        tensors = [x for x in nest.flatten(inputs) if isinstance(x, Tensor)]
        if self._dtype is None and tensors:
            self._dtype = tensors[0].dtype
        if self.input_spec is not None and tensors:
            self._check_rank(tensors[0])
        shapes = nest.map_structure(lambda x: TensorShape(x.shape), inputs)
        self.build(shapes)
        self.built = True

    def _check_rank(self, x: Any) -> None:
        spec, rank = self.input_spec, x.shape.rank
        assert spec is not None
        what, wanted = "min_ndim", spec.min_ndim
        wrong = rank is not None and wanted is not None and rank < wanted
        if not wrong:
            what, wanted = "ndim", spec.ndim
            wrong = None not in (rank, wanted) and rank != wanted
        if wrong:
            raise fail(
                ValueError,
                f"Input 0 of layer {self.name} is incompatible with the layer: expected "
                f"{what}={wanted}, found ndim={rank}",
                got=describe_shapes(x),
                expected=f"{wanted} dimensions",
                site=str(user_site()),
                remedy="tf.reshape or tf.expand_dims",
            )

    def _regularize_outputs(self, outputs: Any) -> None:
        for output in nest.flatten(outputs):
            with name_scope("ActivityRegularizer"):
                term = self.activity_regularizer(output)
                # The size of the batch makes no difference.
                self.add_loss(term / cast(shape_of(output)[0], term.dtype))


def _collect(name: str, values: list[Any]) -> None:
    if building_graph() is None:
        return
    found = get_default_graph().get_collection_ref(name)
    known = set(map(id, found))
    found.extend(value for value in values if id(value) not in known)


def _snake_case(name: str) -> str:
    name = snake_case(name)
    return f"private{name}" if name.startswith("_") else name


def _number(name: str) -> str:
    graph = get_default_graph()
    numbers: dict[str, int] = graph.attachments.setdefault("layer_numbers", {})
    numbers[name] = numbers.get(name, 0) + 1
    return f"{name}_{numbers[name]}"


# ---- what several layers do


def activate(activation: Any, x: Any) -> Any:
    """Applies an activation, if there is one."""
    return x if activation is None else activations.get(activation)(x)


def read_switch(training: Any) -> Any:
    """Returns `training` as it is given, or as a scalar tensor of bools."""
    if isinstance(training, Variable):
        training = training.read_value()
    if not isinstance(training, Tensor):
        return training
    if not training.dtype.is_bool:
        training = cast(training, bool_)
    # `tf.placeholder(tf.bool)` has no shape.
    return training if training.shape.rank == 0 else reshape(training, [])


def choose(training: Any, when_training: Any, otherwise: Any) -> Any:
    """Returns one of two results of functions; of both, elementwise, by a tensor."""
    training = read_switch(training)
    if not isinstance(training, Tensor):
        return when_training() if training else otherwise()
    return where(training, when_training(), otherwise())


def channel_axis(data_format: str) -> int:
    """Returns which dimension the channels are.

    Raises:
      ValueError: It is no layout.
    """
    if data_format not in ("channels_last", "channels_first"):
        raise fail(
            ValueError,
            "The `data_format` argument must be one of 'channels_first', 'channels_last'",
            got=repr(data_format),
            expected="'channels_last' or 'channels_first'",
            site=str(user_site()),
        )
    return 1 if data_format == "channels_first" else -1
