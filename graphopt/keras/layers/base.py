"""`Layer`: a function with weights, which are made when it is first called.

What a layer keeps for itself (its own weights, terms of the loss, nodes) is in one object,
`_internals`; everything else that a program sets as an attribute is looked at: layers,
modules and variables, in lists and dictionaries also, are parts of it, as they are there
when weights are asked for.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphopt.dtypes import as_dtype
from graphopt.errors import fail
from graphopt.graph import nest
from graphopt.graph.context import building_graph, entered
from graphopt.graph.hooks import hooks
from graphopt.graph.locks import building
from graphopt.graph.provenance import user_site
from graphopt.graph.shape import TensorShape
from graphopt.graph.tensor import EagerTensor, GraphTensor, Tensor
from graphopt.keras import constraints, initializers, regularizers
from graphopt.keras.calls import context, signature_of
from graphopt.keras.functional import (
    Node,
    call_symbolically,
    has_stand_ins,
    is_in_v1_graph,
    is_keras_tensor,
    trace_layer,
    write_down,
)
from graphopt.keras.layers.input_spec import InputSpec as InputSpec
from graphopt.keras.layers.input_spec import check_inputs
from graphopt.keras.policies import Policy, as_policy
from graphopt.keras.settings import Settings, snake_case, unique_name
from graphopt.ops.creation import placeholder
from graphopt.ops.creation import shape as shape_of
from graphopt.ops.elementwise import cast
from graphopt.runtime.concrete_function import FunctionGraph
from graphopt.runtime.module import Module
from graphopt.runtime.names import get_default_session, name_scope
from graphopt.runtime.session import session_for
from graphopt.runtime.tracking import children_changed, free_name, last_part
from graphopt.runtime.variable import Variable
from graphopt.runtime.variable_options import VariableSynchronization

# What the constructor takes beside what is in its signature.
_OPTIONS = frozenset(
    {
        "input_shape",
        "batch_input_shape",
        "input_dim",
        "batch_size",
        "weights",
        "activity_regularizer",
        "autocast",
        "implementation",
    }
)


class _Internals:
    """What a layer keeps for itself.

    Attributes:
      trainable_weights: Its own, in the order in which they were made.
      other_weights: Those that are not trainable.
      tracked: The attributes in which there are, or may come, parts of it.
      terms: Functions without arguments that return terms of the loss.
      call_terms: Terms that the last call added.
      metrics: What `add_metric` made, by name.
      arguments: Those of the constructor, if they are plain values.
      nodes: The calls that were written down.
    """

    def __init__(self) -> None:
        self.trainable_weights: list[Variable] = []
        self.other_weights: list[Variable] = []
        self.tracked: dict[str, Any] = {}
        self.terms: list[Callable[[], Any]] = []
        self.call_terms: list[Any] = []
        self.metrics: dict[str, Any] = {}
        self.updates: list[Any] = []
        self.arguments: tuple[tuple[Any, ...], dict[str, Any]] | None = None
        self.nodes: list[Node] = []
        self.initial_weights: Any = None
        self.build_shapes: Any = None
        self.autocast = True


class Layer(Module):
    """A function with weights.

    A subclass makes weights in `build(input_shape)`, called before the first `call`, and
    computes in `call(inputs)`. Layers and variables that are attributes are tracked.

    Args:
      trainable: Whether its weights are trainable.
      name: Its name; by default made of the class's.
      dtype: The dtype of its weights, or a `Policy`; float32 by default.
      dynamic: Must be False: every layer is traced.
      **kwargs: `input_shape`, `batch_input_shape`, `input_dim` and `batch_size` tell
        what the first layer of a `Sequential` takes; `weights` are initial values;
        `activity_regularizer` makes a term of the loss of the outputs, divided by the
        size of the batch.

    >>> import graphopt as tf
    >>> class Scale(tf.keras.layers.Layer):
    ...     def build(self, input_shape):
    ...         self.factor = self.add_weight("factor", [input_shape[-1]], initializer="ones")
    ...     def call(self, inputs):
    ...         return inputs * self.factor
    >>> layer = Scale()
    >>> layer(tf.constant([[1.0, 2.0]])).numpy().tolist(), layer.weights[0].name
    ([[1.0, 2.0]], 'scale/factor:0')

    Source: `tf.keras.layers.Layer`.
    """

    _internals: _Internals
    # Whether it passes masks on.
    supports_masking = False
    input_spec: Any = None
    stateful = False
    # Whether a metric, which is no layer of a model.
    is_metric = False

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        """Notes plain arguments, which are the config of a class that defines none."""
        made = super().__new__(cls)
        if cls.get_config in _DEFAULTS and _is_plain((args, kwargs)):
            made._ready().arguments = (args, kwargs)
        return made

    def __init__(
        self,
        trainable: bool = True,
        name: str | None = None,
        dtype: Any = None,
        dynamic: bool = False,
        **kwargs: Any,
    ) -> None:
        if not isinstance(trainable, (bool, int, np.bool_)):
            raise TypeError(
                f"Expected `trainable` argument to be a boolean, but got: {trainable!r}."
            )
        if name is not None and not isinstance(name, str):
            raise TypeError(
                f"Expected `name` argument to be a string, but got: {name!r}."
            )
        unknown = sorted(set(kwargs) - _OPTIONS)
        if unknown:
            raise TypeError(
                f"Keyword argument not understood by {type(self).__name__}: "
                f"{', '.join(map(repr, unknown))}."
            )
        if dynamic:
            raise NotImplementedError(
                "Layer(dynamic=True): every layer is traced; tf.py_function runs Python."
            )
        self._ready()
        self.built = False
        self._trainable = bool(trainable)
        self._name = name or unique_name(snake_case(type(self).__name__))
        self._dtype_policy = as_policy(dtype)
        self.activity_regularizer = regularizers.get(kwargs.get("activity_regularizer"))
        self._internals.initial_weights = kwargs.get("weights")
        self._internals.autocast = kwargs.get("autocast", True)
        batch = kwargs.get("batch_size")
        if "batch_input_shape" in kwargs:
            self._batch_input_shape = tuple(kwargs["batch_input_shape"])
        elif kwargs.get("input_shape") is not None:
            dims = kwargs["input_shape"]
            dims = (dims,) if isinstance(dims, int) else tuple(dims)
            self._batch_input_shape = (batch, *dims)
        elif kwargs.get("input_dim") is not None:
            self._batch_input_shape = (batch, int(kwargs["input_dim"]))

    _batch_input_shape: tuple[int | None, ...] | None = None

    def _ready(self) -> _Internals:
        """Returns what it keeps for itself, made when first asked for."""
        found = vars(self).get("_internals")
        if found is None:
            found = _Internals()
            object.__setattr__(self, "_internals", found)
        return found

    def __getattr__(self, name: str) -> Any:
        if name == "_internals":
            # Attributes may be set before `super().__init__()`, as in Keras.
            return self._ready()
        if name in ("_name", "_trainable", "_dtype_policy"):
            raise fail(
                RuntimeError,
                f"{type(self).__name__} is used before its `__init__` has called "
                "super().__init__()",
                got="a layer that is not initialized",
                expected="`super().__init__()` as the first line of `__init__`",
                site=str(user_site()),
            )
        own = getattr(type(self), name, None)
        if isinstance(own, property) and own.fget is not None:
            # A property raised AttributeError: again, for what it says.
            return own.fget(self)
        raise AttributeError(
            f"{type(self).__name__!r} object has no attribute {name!r}"
        )

    def __setattr__(self, key: str, value: Any) -> None:
        before = vars(self).get(key)
        if isinstance(before, Variable) and before is not value:
            self._drop_own(before)
        holds = hasattr(value, "trainable_weights") and not isinstance(value, type)
        if holds or isinstance(value, (Module, Variable, list, dict, tuple)):
            self._track(key, value)
        elif "_internals" in vars(self):
            self._internals.tracked.pop(key, None)
        object.__setattr__(self, key, value)
        children_changed(self)

    def __delattr__(self, key: str) -> None:
        value = vars(self).get(key)
        self._internals.tracked.pop(key, None)
        if isinstance(value, Variable):
            self._drop_own(value)
        object.__delattr__(self, key)

    def _drop_own(self, value: Variable) -> None:
        """Makes a variable no weight of its own any more."""
        internals = self._internals
        for own in (internals.trainable_weights, internals.other_weights):
            own[:] = [weight for weight in own if weight is not value]

    def _track(self, key: str, value: Any) -> None:
        if isinstance(value, tuple) and not any(
            isinstance(leaf, (Module, Variable)) for leaf in nest.flatten(value)
        ):
            return
        internals = self._internals
        if isinstance(value, Variable):
            self._add_own(value)
        else:
            internals.tracked[key] = value

    def _add_own(self, weight: Variable, trainable: bool | None = None) -> None:
        internals = self._internals
        both = (*internals.trainable_weights, *internals.other_weights)
        if any(weight is own for own in both):
            return
        trains = weight.trainable if trainable is None else trainable
        own = internals.trainable_weights if trains else internals.other_weights
        own.append(weight)

    # ---- what it is

    @property
    def name(self) -> str:
        """The name, unique for layers without one that was given."""
        return self._name

    @property
    def trainable(self) -> bool:
        """Whether training changes its weights; setting it sets it for its layers."""
        return self._trainable

    @trainable.setter
    def trainable(self, value: bool) -> None:
        for layer in self._flatten_layers():
            layer._trainable = bool(value)

    @property
    def dtype(self) -> Any:
        """The dtype of its weights."""
        return self._dtype_policy.variable_dtype

    variable_dtype = dtype

    @property
    def compute_dtype(self) -> Any:
        """The name of the dtype that it computes in."""
        return self._dtype_policy.compute_dtype

    @property
    def dtype_policy(self) -> Policy:
        """Both."""
        return self._dtype_policy

    @property
    def dynamic(self) -> bool:
        """False."""
        return False

    @property
    def _inbound_nodes(self) -> list[Node]:
        return self._internals.nodes

    inbound_nodes = _inbound_nodes

    # ---- parts of it

    def _list_parts(self, everything: bool = False) -> list[Any]:
        """Returns the layers and modules among its attributes, the first ones first.

        Args:
          everything: Whether metrics are among them.
        """
        found: dict[int, Any] = {}
        _collect_parts(self._internals.tracked.values(), found, everything, set())
        return list(found.values())

    def _flatten_layers(
        self, recursive: bool = True, include_self: bool = True
    ) -> Iterator[Layer]:
        """Yields itself and the layers in it, each once."""
        seen: set[int] = set()
        stack: list[Any] = [self]
        while stack:
            part = stack.pop()
            if id(part) in seen:
                continue
            seen.add(id(part))
            if isinstance(part, Layer) and (part is not self or include_self):
                yield part
            if part is self or recursive:
                stack += reversed(_parts_of(part))

    @property
    def submodules(self) -> tuple[Any, ...]:
        """The layers and modules in it, at any depth."""
        found = [layer for layer in self._flatten_layers(include_self=False)]
        return tuple(found)

    def _list_held(self) -> list[tuple[str, Any]]:
        held: list[Any] = [*self._own_weights, *self._list_parts(everything=True)]
        return [(str(i), part) for i, part in enumerate(held)]

    def trackable_children(self) -> dict[str, Any]:
        """Returns attributes, then what it keeps under none, by name or number."""
        found = {
            name: child
            for name, child in vars(self).items()
            if name in self._internals.tracked
            or isinstance(child, Variable)
            or not name.startswith("_")
        }
        named = {id(leaf) for leaf in nest.flatten(list(found.values()))}
        for weight in self._own_weights:
            if id(weight) not in named:
                found[free_name(found, last_part(weight))] = weight
        for index, part in enumerate(self._list_parts()):
            if id(part) not in named:
                found[f"layer-{index}"] = part
        return found

    # ---- calling

    def build(self, input_shape: Any) -> None:
        """Makes the weights; `input_shape` is that of the first inputs."""
        self.built = True

    def call(self, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        """Computes the outputs."""
        raise NotImplementedError(
            f"{type(self).__name__} must implement `call(self, inputs)`."
        )

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Builds the weights if that has not been done, and computes the outputs."""
        signature = signature_of(self.call)
        if args:
            inputs, args = args[0], args[1:]
        elif signature.first in kwargs:
            inputs = kwargs.pop(signature.first)
        else:
            raise ValueError(
                f"The first argument to the call of layer {self.name!r} must be passed."
            )
        is_plain = isinstance(inputs, EagerTensor) and not (args or kwargs)
        if not is_plain and has_stand_ins(inputs, args, kwargs):
            return call_symbolically(self, (inputs, *args), kwargs)
        outermost = not context.path
        if outermost:
            self._forget_call_terms()
        inputs = self._convert(inputs)
        mask = self._take_mask(signature, inputs, args, kwargs)
        before = (context.path, context.training, context.compute_dtype)
        training = self._resolve_training(signature, args, kwargs)
        context.path = (*before[0], self.name)
        context.training = training
        context.compute_dtype = self._read_dtype()
        try:
            with name_scope(self.name):
                if not self.built:
                    self._build_once(inputs)
                if self.input_spec is not None:
                    check_inputs(self, self.input_spec, inputs)
                call = self.call
                if building_graph() is not None:
                    call = hooks.convert_function(call)
                outputs = call(inputs, *args, **kwargs)
                if self.activity_regularizer is not None:
                    self._add_activity_terms(outputs)
        finally:
            context.path, context.training, context.compute_dtype = before
        self._set_mask(inputs, outputs, mask)
        if is_in_v1_graph() and any(map(is_keras_tensor, nest.flatten(inputs))):
            write_down(self, (inputs, *args), kwargs, outputs)
        return outputs

    def _convert(self, inputs: Any) -> Any:
        """Converts inputs to tensors; floats to the dtype that it computes in."""
        if type(inputs) is EagerTensor or type(inputs) is GraphTensor:
            return self._cast(inputs)
        if not nest.is_nested(inputs):
            return self._cast(self._as_tensor_or_same(inputs))
        if isinstance(inputs, (list, tuple)) and _is_all_numbers(inputs):
            return self._cast(hooks.convert(inputs))
        return nest.map_structure(
            lambda x: self._cast(self._as_tensor_or_same(x)), inputs
        )

    def _as_tensor_or_same(self, value: Any) -> Any:
        if isinstance(value, Tensor) or value is None or hasattr(value, "with_parts"):
            return value
        return hooks.convert(value)

    def _cast(self, x: Any) -> Any:
        dtype = getattr(x, "dtype", None)
        if dtype is None or not getattr(dtype, "is_floating", False):
            return x
        if dtype.name == self.compute_dtype or not self._internals.autocast:
            return x
        if not as_dtype(self.compute_dtype).is_floating or not isinstance(x, Tensor):
            return x
        mask = getattr(x, "_keras_mask", None)
        x = cast(x, self.compute_dtype)
        if mask is not None:
            x._keras_mask = mask
        return x

    def _read_dtype(self) -> Any:
        policy = self._dtype_policy
        if policy.compute_dtype == policy.variable_dtype:
            return None
        return as_dtype(policy.compute_dtype)

    def _resolve_training(
        self, signature: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        """Returns whether to train, and puts that among the arguments of `call`.

        What the call says comes first, then what the layer around it was told, then
        `tf.keras.backend.set_learning_phase`, then the default of `call`.
        """
        names = signature.names[1:]
        given = kwargs.get("training")
        by_position = "training" in names and names.index("training") < len(args)
        if by_position:
            given = args[names.index("training")]
        if given is None:
            given = context.training
        if given is None:
            given = Settings.learning_phase
        if given is None:
            given = signature.default
        if not signature.training:
            kwargs.pop("training", None)
        elif not by_position and ("training" in names or given is not None):
            kwargs["training"] = given
        return given

    def _build_once(self, inputs: Any) -> None:
        """Builds the weights; of threads that come at the same time one does."""
        graph = building_graph()
        with building:
            if self.built:
                return
            shapes = nest.map_structure(_shape_or_none, inputs)
            self._internals.build_shapes = shapes
            if graph is None or graph.home is graph:
                self.build(shapes)
            else:
                scope = "/".join(context.path) + "/"
                with entered(graph.home), name_scope(scope):
                    self.build(shapes)
            self.built = True
            if self._internals.initial_weights is not None:
                self.set_weights(self._internals.initial_weights)
                self._internals.initial_weights = None

    # ---- masks

    def compute_mask(self, inputs: Any, mask: Any = None) -> Any:
        """Returns the mask of the outputs: that of the inputs, if masks are passed on."""
        if not self.supports_masking:
            if any(part is not None for part in nest.flatten(mask)):
                raise TypeError(
                    f"Layer {self.name} does not support masking, but was passed an "
                    f"input_mask: {mask}"
                )
            return None
        return mask

    def _take_mask(
        self, signature: Any, inputs: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        """Returns the masks of the inputs, and puts them among the arguments."""
        names = signature.names[1:]
        if signature.mask and "mask" in names and names.index("mask") < len(args):
            return args[names.index("mask")]
        if kwargs.get("mask") is not None:
            return kwargs["mask"]
        if not self.supports_masking:
            return None
        if isinstance(inputs, Tensor):
            mask = getattr(inputs, "_keras_mask", None)
        else:
            masks = [getattr(x, "_keras_mask", None) for x in nest.flatten(inputs)]
            if all(part is None for part in masks):
                return None
            mask = nest.pack_as(inputs, masks)
        if mask is not None and signature.mask:
            kwargs["mask"] = mask
        return mask

    def _set_mask(self, inputs: Any, outputs: Any, mask: Any) -> None:
        overridden = type(self).compute_mask is not Layer.compute_mask
        if mask is None and not overridden:
            return
        leaves = nest.flatten(outputs)
        if all(getattr(x, "_keras_mask", None) is not None for x in leaves):
            return
        found = self.compute_mask(inputs, mask)
        if found is None:
            return
        masks = nest.flatten(found)
        if len(masks) < len(leaves):
            masks = masks + [None] * (len(leaves) - len(masks))
        for output, part in zip(leaves, masks, strict=False):
            if part is not None and isinstance(output, Tensor):
                # An output that is an input keeps that input's own mask.
                output._keras_mask = part  # type: ignore[attr-defined]

    # ---- shapes

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Returns the shape of the outputs for inputs of a shape.

        Args:
          input_shape: With the batch's size, None if it is not known; or a nest of
            shapes.
        """
        shapes = _as_shapes(input_shape)
        scratch = FunctionGraph(f"shapes_of_{self.name}")
        with entered(scratch):
            dtype = as_dtype(self.compute_dtype)
            given = nest.map_structure(lambda s: placeholder(dtype, s), shapes)
            outputs = self(given)
        return nest.map_structure(lambda x: x.shape, outputs)

    def compute_output_signature(self, input_signature: Any) -> Any:
        """Returns the `TensorSpec`s of the outputs for those of the inputs."""
        # Loaded by those who ask.
        from graphopt.runtime.function import TensorSpec

        scratch = FunctionGraph(f"shapes_of_{self.name}")
        with entered(scratch):
            outputs = self(
                nest.map_structure(
                    lambda s: placeholder(s.dtype, s.shape), input_signature
                )
            )
        return nest.map_structure(lambda x: TensorSpec(x.shape, x.dtype), outputs)

    @property
    def input_shape(self) -> Any:
        """The shape of its inputs, as tuples, if it was called on `Input`s."""
        shapes = self._node_at(0, "input shape").input_shapes
        return nest.map_structure(tuple, shapes) if shapes is not None else None

    @property
    def output_shape(self) -> Any:
        """The shape of its outputs, as tuples, if it was called on `Input`s."""
        return nest.map_structure(tuple, self._node_at(0, "output shape").output_shapes)

    @property
    def input(self) -> Any:
        """What it was called on, if it was called on `Input`s once."""
        return self._node_at(0, "input", only=True).inputs

    @property
    def output(self) -> Any:
        """What it returned for `Input`s, if it was called on such once."""
        return self._node_at(0, "output", only=True).outputs

    @property
    def input_mask(self) -> Any:
        """The mask of `input`."""
        return nest.map_structure(lambda x: getattr(x, "_keras_mask", None), self.input)

    @property
    def output_mask(self) -> Any:
        """The mask of `output`."""
        return nest.map_structure(
            lambda x: getattr(x, "_keras_mask", None), self.output
        )

    def get_input_at(self, node_index: int) -> Any:
        """Returns what it was called on in one of several calls."""
        return self._node_at(node_index, "input").inputs

    def get_output_at(self, node_index: int) -> Any:
        """Returns what it returned in one of several calls."""
        return self._node_at(node_index, "output").outputs

    def get_input_shape_at(self, node_index: int) -> Any:
        """Returns the shape of what it was called on in one of several calls."""
        return self._node_at(node_index, "input shape").input_shapes

    def get_output_shape_at(self, node_index: int) -> Any:
        """Returns the shape of what it returned in one of several calls."""
        return self._node_at(node_index, "output shape").output_shapes

    def _node_at(self, index: int, what: str, only: bool = False) -> Node:
        nodes = self._inbound_nodes
        if not nodes:
            raise AttributeError(
                f"The layer {self.name!r} has never been called on a tf.keras.Input "
                f"and thus has no defined {what}."
            )
        if only and len(nodes) > 1:
            raise AttributeError(
                f"The layer {self.name!r} has multiple inbound nodes, so that the notion "
                f'of "layer {what}" is ill-defined; use `get_{what}_at(node_index)`.'
            )
        return nodes[index]

    # ---- terms of the loss

    def add_loss(self, losses: Any, **_options: Any) -> None:
        """Adds terms to `losses`.

        Args:
          losses: A tensor, which counts until the next call of the layer; a function
            without arguments that returns one, which stays; or a list of such.
          **_options: Accepted for compatibility.
        """
        internals = self._internals
        for loss in nest.flatten(losses):
            if loss is None:
                continue
            if callable(loss) and not isinstance(loss, (Variable, Tensor)):
                internals.terms.append(loss)
            elif is_keras_tensor(loss):
                self._add_symbolic_loss(loss)
            else:
                internals.call_terms.append(hooks.convert(loss))

    def _add_symbolic_loss(self, loss: Any) -> None:
        raise fail(
            ValueError,
            f"{self.name!r} is no model of layers between inputs and outputs, so that it "
            "cannot have a term of its tensors",
            got=repr(loss),
            expected="a call of `add_loss` on a functional model, or inside of `call`",
            site=str(user_site()),
        )

    @property
    def losses(self) -> list[Any]:
        """Scalars to add to the loss: of weights, and of outputs of the last call.

        Terms of weights are computed anew each time, so that a tape sees them.
        """
        graph = building_graph()
        found: list[Any] = []
        for layer in self._flatten_layers():
            # A tensor of another graph, or of eager mode, is no use here.
            found += [
                term
                for term in layer._internals.call_terms
                if getattr(term, "graph", None) is graph
            ]
            found += [term() for term in layer._internals.terms]
        return found

    def add_update(self, updates: Any) -> None:
        """Adds ops that a training step of TensorFlow 1 has to run.

        Args:
          updates: Ops, or functions that make them; elsewhere functions are called.
        """
        for update in nest.flatten(updates):
            made = update() if callable(update) else update
            if is_in_v1_graph() and made is not None:
                self._internals.updates.append(made)

    @property
    def updates(self) -> list[Any]:
        """What `add_update` was given, in a graph of TensorFlow 1."""
        if not is_in_v1_graph():
            return []
        layers = self._flatten_layers()
        return [update for layer in layers for update in layer._internals.updates]

    def _forget_call_terms(self) -> None:
        for layer in self._flatten_layers():
            layer._internals.call_terms = []

    def _add_activity_terms(self, outputs: Any) -> None:
        for output in nest.flatten(outputs):
            term = self.activity_regularizer(output)
            batch = cast(shape_of(output)[0], term.dtype)
            self._internals.call_terms.append(term / batch)

    # ---- metrics

    def add_metric(
        self, value: Any, name: str | None = None, aggregation: Any = None, **kw: Any
    ) -> None:
        """Adds a metric of a tensor, which `fit` and `evaluate` report.

        Args:
          value: The tensor, or the result of a metric that is an attribute.
          name: The metric's name.
          aggregation: `mean`, the default; None where `value` is a metric's result.
          **kw: None.
        """
        # Loaded by those who have metrics.
        from graphopt.keras.metrics import Mean

        if kw:
            raise TypeError(f"Unknown keyword arguments: {', '.join(kw)}.")
        if aggregation not in (None, "mean"):
            raise ValueError(
                "We currently support only `mean` sample-wise metric aggregation; got "
                f"aggregation={aggregation!r}."
            )
        if any(metric.is_last_result(value) for metric in self.metrics):
            # `self.add_metric(self.accuracy(y, x))`: it is an attribute and updated.
            return
        if name is None:
            raise ValueError(
                "Please provide a name for your metric, as in "
                "`self.add_metric(tf.reduce_sum(x), name='mean_activation')`."
            )
        if is_keras_tensor(value):
            self._add_symbolic_metric(value, name)
            return
        metric = self._internals.metrics.get(name)
        if metric is None:
            graph = building_graph()
            home = None if graph is None else graph.home
            with entered(home):
                metric = Mean(name=name)
            self._internals.metrics[name] = metric
        metric.update_state(value)

    def _add_symbolic_metric(self, value: Any, name: str) -> None:
        self._add_symbolic_loss(value)

    @property
    def metrics(self) -> list[Any]:
        """The metrics of it and of its layers."""
        found: dict[int, Any] = {}
        for layer in self._flatten_layers():
            for part in layer._list_parts(everything=True):
                if getattr(part, "is_metric", False):
                    found[id(part)] = part
            found |= {id(m): m for m in layer._internals.metrics.values()}
        return list(found.values())

    # ---- weights

    def add_weight(
        self,
        name: str | None = None,
        shape: Any = None,
        dtype: Any = None,
        initializer: Any = None,
        regularizer: Any = None,
        trainable: bool | None = None,
        constraint: Any = None,
        use_resource: bool | None = None,
        synchronization: Any = VariableSynchronization.AUTO,
        aggregation: Any = None,
        **kwargs: Any,
    ) -> Variable:
        """Makes a weight.

        Args:
          name: Its name within the layer.
          shape: Its shape; that of a scalar by default.
          dtype: Its dtype; by default that of the layer.
          initializer: A name or function; by default `glorot_uniform`, zeros for
            integers.
          regularizer: Makes a term of the loss of it: a name or function.
          trainable: Whether it is trainable; by default it is.
          constraint: Applied after each update: a name or function.
          use_resource: Accepted.
          synchronization: With `ON_READ` it is not trainable.
          aggregation: Accepted.
          **kwargs: Accepted: `experimental_autocast`, `caching_device`,
            `collections`. `partitioner` and `getter` must be None.

        Raises:
          ValueError: A dimension is not known.
        """
        if kwargs.get("partitioner") is not None or kwargs.get("getter") is not None:
            raise NotImplementedError(
                "add_weight: partitioner and getter must be None."
            )
        if synchronization is VariableSynchronization.ON_READ:
            if trainable:
                raise ValueError(
                    "Synchronization value can be set to VariableSynchronization."
                    "ON_READ only for non-trainable variables."
                )
            trainable = False
        dims = [] if shape is None else _plain_dims(shape)
        if any(dim is None for dim in dims):
            raise fail(
                ValueError,
                f"Layer {self.name!r} cannot make weight {name!r} of an unknown shape",
                got=str(tuple(dims)),
                expected="known dimensions",
                site=str(user_site()),
                remedy="tf.keras.Input(shape=...) with that dimension",
            )
        dtype = as_dtype(dtype or self._dtype_policy.variable_dtype or "float32")
        if initializer is None:
            initializer = "glorot_uniform" if dtype.is_floating else "zeros"
        make = initializers.get(initializer)
        trains = trainable is None or bool(trainable)
        casts = kwargs.get("experimental_autocast", True) and dtype.is_floating
        kind = Variable
        if casts and self._read_dtype() is not None:
            # Loaded by those who mix.
            from graphopt.keras.mixed_variables import AutoCastVariable

            kind = AutoCastVariable
        weight = kind(
            lambda: make(dims, dtype=dtype),
            name=name or "variable",
            trainable=trains,
            dtype=dtype,
            constraint=constraints.get(constraint),
        )
        self._add_own(weight, trains)
        regularize = regularizers.get(regularizer)
        if regularize is not None:
            # A copy of the layer copies the weight in it, too.
            self._internals.terms.append(functools.partial(regularize, weight))
        children_changed(self)
        return weight

    def add_variable(self, *args: Any, **kwargs: Any) -> Variable:
        """Makes a weight; as `add_weight`."""
        return self.add_weight(*args, **kwargs)

    @property
    def _own_weights(self) -> list[Variable]:
        internals = self._internals
        return [*internals.trainable_weights, *internals.other_weights]

    @property
    def _trainable_weights(self) -> list[Variable]:
        return self._internals.trainable_weights

    @property
    def _non_trainable_weights(self) -> list[Variable]:
        return self._internals.other_weights

    @property
    def weights(self) -> list[Variable]:
        """All weights: the trainable ones, then the others."""
        return _unique([*self.trainable_weights, *self.non_trainable_weights])

    @property
    def variables(self) -> list[Variable]:  # type: ignore[override]
        """All weights."""
        return self.weights

    @property
    def trainable_weights(self) -> list[Variable]:
        """The weights that training changes."""
        if not self.trainable:
            return []
        found = list(self._internals.trainable_weights)
        for part in self._list_parts(everything=True):
            found += part.trainable_variables
        return _unique(found)

    @property
    def trainable_variables(self) -> list[Variable]:  # type: ignore[override]
        """The weights that training changes."""
        return self.trainable_weights

    @property
    def non_trainable_weights(self) -> list[Variable]:
        """The other weights."""
        parts = self._list_parts(everything=True)
        if self.trainable:
            found = list(self._internals.other_weights)
            for part in parts:
                found += part.non_trainable_variables
        else:
            found = self._own_weights
            for part in parts:
                found += part.variables
        return _unique(found)

    @property
    def non_trainable_variables(self) -> list[Variable]:  # type: ignore[override]
        """The other weights."""
        return self.non_trainable_weights

    def get_weights(self) -> list[NDArray[Any]]:
        """Returns the values of the weights."""
        return [value_of(weight) for weight in self.weights]

    def set_weights(self, weights: Sequence[Any]) -> None:
        """Sets the values of the weights.

        Raises:
          ValueError: The number or the shapes of the values do not fit.
        """
        own = self.weights
        if len(own) != len(weights):
            raise ValueError(
                f'You called `set_weights(weights)` on layer "{self.name}" with a '
                f"weight list of length {len(weights)}, but the layer was expecting "
                f"{len(own)} weights."
            )
        for weight, value in zip(own, weights, strict=True):
            if weight.shape != np.shape(value):
                raise ValueError(
                    f"Layer {self.name} weight {weight.name!r} has shape {weight.shape}, "
                    f"which is not compatible with the provided weight shape "
                    f"{np.shape(value)}."
                )
        for weight, value in zip(own, weights, strict=True):
            weight.load(value, _session_of(weight))

    def count_params(self) -> int:
        """Returns the number of elements of all weights.

        Raises:
          ValueError: They are not made yet.
        """
        if not self.built:
            raise ValueError(
                f"You tried to call `count_params` on layer {self.name}, but the layer "
                "isn't built. You can build it manually via: `layer.build(input_shape)`."
            )
        return sum(weight.shape.num_elements() or 0 for weight in self.weights)

    # ---- config

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments.

        Raises:
          NotImplementedError: The class takes more and has no `get_config` of its own.
        """
        policy = self._dtype_policy
        mixed = policy.compute_dtype != policy.variable_dtype
        config: dict[str, Any] = {"name": self.name, "trainable": self.trainable}
        config["dtype"] = policy.name if mixed else policy.variable_dtype
        if self._batch_input_shape is not None:
            config["batch_input_shape"] = self._batch_input_shape
        if type(self).get_config is Layer.get_config:
            config = {**self._plain_arguments(), **config}
            needed = _extra_arguments(type(self)) - set(config)
            if needed:
                name = type(self).__name__
                raise NotImplementedError(
                    f"Layer {name} was created by passing arguments "
                    f"({', '.join(sorted(needed))}) in `__init__`, and must override "
                    f"`get_config()` to return them:\n\n"
                    f"  def get_config(self):\n"
                    f"    return {{**super().get_config(), "
                    + ", ".join(f"{a!r}: self.{a}" for a in sorted(needed))
                    + "}"
                )
        return config

    def _plain_arguments(self) -> dict[str, Any]:
        """Returns the constructor's arguments by name, if all are plain values."""
        given = self._internals.arguments
        if given is None:
            return {}
        signature = inspect.signature(type(self))
        found: dict[str, Any] = {}
        for name, value in signature.bind(*given[0], **given[1]).arguments.items():
            kind = signature.parameters[name].kind
            if kind is inspect.Parameter.VAR_KEYWORD:
                found.update(value)
            elif kind is not inspect.Parameter.VAR_POSITIONAL:
                found[name] = value
        return found

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        """Makes a layer of what `get_config` returned."""
        return cls(**config)

    def __repr__(self) -> str:
        return f"<{type(self).__module__}.{type(self).__name__} {self.name!r}>"


# What subclasses may take without a `get_config` of their own.
_COMMON = frozenset({"args", "kwargs", "name", "trainable", "dtype", "dynamic"})


# The `get_config`s that return what the constructor was given.
_DEFAULTS: set[Any] = {Layer.get_config}


def _is_plain(value: Any) -> bool:
    if isinstance(value, (list, tuple)):
        return all(map(_is_plain, value))
    if isinstance(value, dict):
        return all(isinstance(key, str) and _is_plain(v) for key, v in value.items())
    return value is None or isinstance(value, (bool, int, float, str))


def _extra_arguments(cls: type) -> set[str]:
    parameters = inspect.signature(cls).parameters
    return {
        name
        for name, p in parameters.items()
        if name not in _COMMON
        and p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)
        and p.default is not None
    }


def _collect_parts(
    values: Any, found: dict[int, Any], everything: bool, seen: set[int]
) -> None:
    for value in values:
        if isinstance(value, (list, tuple)):
            if id(value) not in seen:
                seen.add(id(value))
                _collect_parts(value, found, everything, seen)
        elif isinstance(value, dict):
            if id(value) not in seen:
                seen.add(id(value))
                _collect_parts(value.values(), found, everything, seen)
        elif isinstance(value, Variable):
            if everything:
                found[id(value)] = _Single(value)
        elif (isinstance(value, Module) or hasattr(value, "trainable_weights")) and (
            everything or not getattr(value, "is_metric", False)
        ):
            found[id(value)] = value


class _Single:
    """A variable in a list or dictionary, as a part with one weight."""

    def __init__(self, variable: Variable) -> None:
        self.variables = [variable]
        trains = bool(variable.trainable)
        self.trainable_variables = self.variables if trains else []
        self.non_trainable_variables = [] if trains else self.variables


def _parts_of(part: Any) -> list[Any]:
    if isinstance(part, Layer):
        return part._list_parts()
    found: dict[int, Any] = {}
    _collect_parts(list(vars(part).values()), found, False, set())
    return list(found.values())


def _unique(weights: Sequence[Variable]) -> list[Variable]:
    return list({id(weight): weight for weight in weights}.values())


def _shape_or_none(x: Any) -> Any:
    shape = getattr(x, "shape", None)
    return None if shape is None else TensorShape(shape)


def _as_shapes(shape: Any) -> Any:
    """Returns a shape, or a nest of shapes, as `TensorShape`s."""
    if isinstance(shape, TensorShape):
        return shape
    if isinstance(shape, dict):
        return {key: _as_shapes(part) for key, part in shape.items()}
    if all(part is None or isinstance(part, (int, np.integer)) for part in shape):
        return TensorShape(shape)
    return [_as_shapes(part) for part in shape]


def _plain_dims(shape: Any) -> list[Any]:
    dims = [shape] if isinstance(shape, (int, np.integer)) else list(shape)
    return [None if dim is None else int(dim) for dim in dims]


def _is_all_numbers(value: Any) -> bool:
    return bool(value) and all(
        _is_all_numbers(part)
        if isinstance(part, (list, tuple))
        else isinstance(part, (int, float, np.generic))
        for part in value
    )


def _session_of(weight: Variable) -> Any:
    if weight.graph is None:
        return None
    session = get_default_session()
    if session is None and is_in_v1_graph():
        # Loaded by those who train in graphs.
        from graphopt.keras.backend import get_session

        session = get_session()
    return session_for(weight.graph, session)


def value_of(weight: Variable) -> NDArray[Any]:
    """Returns the value of a weight, eager or in the session of its graph."""
    if weight.graph is None:
        return np.asarray(weight.numpy())
    value: NDArray[Any] = _session_of(weight).run(weight)
    return value


__all__ = ["InputSpec", "Layer", "trace_layer", "value_of"]
