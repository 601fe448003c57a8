"""`Layer`: a function with weights, which are made when it is first called.

`Holder` holds weights and other layers, `WithTerms` adds to losses and metrics, `WithNodes`
knows the calls that were written down; here is how a layer is made, called and described.
"""

from __future__ import annotations

import inspect
from typing import Any

import numpy as np

from graphopt.dtypes import as_dtype
from graphopt.graph import nest
from graphopt.graph.context import building_graph, entered
from graphopt.graph.hooks import hooks
from graphopt.graph.locks import building
from graphopt.graph.tensor import EagerTensor, GraphTensor, Tensor
from graphopt.keras import regularizers
from graphopt.keras.calls import context, signature_of
from graphopt.keras.functional import (
    Node,
    call_symbolically,
    has_stand_ins,
    is_in_v1_graph,
    is_keras_tensor,
    write_down,
)
from graphopt.keras.layers.holding import Internals
from graphopt.keras.layers.input_spec import InputSpec as InputSpec
from graphopt.keras.layers.input_spec import check_inputs
from graphopt.keras.layers.nodes import WithNodes, shape_or_none
from graphopt.keras.policies import Policy, as_policy
from graphopt.keras.settings import Settings, snake_case, unique_name
from graphopt.ops.elementwise import cast
from graphopt.runtime.names import name_scope

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


class Layer(WithNodes):
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

    _internals: Internals
    # Whether it passes masks on.
    supports_masking = False
    input_spec: Any = None
    stateful = False
    # Whether a metric, which is no layer of a model.
    is_metric = False

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        """Notes plain arguments, which are the config of a class that defines none."""
        made = super().__new__(cls)
        if cls.get_config in DEFAULT_CONFIGS and _is_plain((args, kwargs)):
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
            shapes = nest.map_structure(shape_or_none, inputs)
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
                output._keras_mask = part

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
            needed = extra_arguments(type(self)) - set(config)
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
        made = f", {self.count_params():,} weights" if self.built else ""
        return f"<{type(self).__name__} {self.name!r}{made}>"


# What subclasses may take without a `get_config` of their own.
_COMMON = frozenset({"args", "kwargs", "name", "trainable", "dtype", "dynamic"})


# The `get_config`s that return what the constructor was given.
DEFAULT_CONFIGS: set[Any] = {Layer.get_config}


def _is_plain(value: Any) -> bool:
    if isinstance(value, (list, tuple)):
        return all(map(_is_plain, value))
    if isinstance(value, dict):
        return all(isinstance(key, str) and _is_plain(v) for key, v in value.items())
    return value is None or isinstance(value, (bool, int, float, str))


def extra_arguments(cls: type) -> set[str]:
    """Returns the arguments of a constructor that a config of its own has to hold."""
    parameters = inspect.signature(cls).parameters
    return {
        name
        for name, p in parameters.items()
        if name not in _COMMON
        and p.kind not in (p.VAR_KEYWORD, p.VAR_POSITIONAL)
        and p.default is not None
    }


def _is_all_numbers(value: Any) -> bool:
    return bool(value) and all(
        _is_all_numbers(part)
        if isinstance(part, (list, tuple))
        else isinstance(part, (int, float, np.generic))
        for part in value
    )
