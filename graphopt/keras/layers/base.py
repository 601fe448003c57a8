"""`Layer`: weights that are made at the first call, and a function of them."""

from __future__ import annotations

import functools
import re
import threading
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphopt.dtypes import as_dtype, float32
from graphopt.graph import nest
from graphopt.graph.context import building_graph
from graphopt.graph.hooks import hooks
from graphopt.graph.locks import building
from graphopt.keras import constraints, initializers, regularizers
from graphopt.keras.functional import KerasTensor, call_on_placeholders
from graphopt.ops.creation import shape as shape_of
from graphopt.ops.elementwise import cast
from graphopt.runtime.names import get_default_session, name_scope
from graphopt.runtime.session import session_for
from graphopt.runtime.tracking import children_changed
from graphopt.runtime.variable import Variable


class _Names:
    """How many layers of each kind were named, in eager mode."""

    counts: dict[str, int] = {}


class _Calls(threading.local):
    """Whether this thread is inside of a layer's call."""

    inside = False


_calls = _Calls()


def reset_names() -> None:
    """Starts naming layers from the beginning, as `clear_session` does."""
    _Names.counts = {}


def _default_name(cls: type) -> str:
    words = re.sub(r"(.)([A-Z][a-z0-9]+)", r"\1_\2", cls.__name__)
    words = re.sub(r"([a-z])([A-Z])", r"\1_\2", words).lower()
    graph = building_graph()
    counts = (
        _Names.counts if graph is None else graph.attachments.setdefault("layers", {})
    )
    count = counts.get(words, 0)
    counts[words] = count + 1
    return f"{words}_{count}" if count else words


class InputSpec:
    """What a layer expects of an input."""

    ndim: Any = None

    def __init__(self, **options: Any) -> None:
        self.__dict__.update(options)


class Layer:
    """A function with weights.

    A subclass makes weights in `build(input_shape)`, called before the first `call`, and
    computes in `call(inputs)`. Layers and variables that are attributes are tracked.

    Args:
      trainable: Whether its weights are trainable.
      name: Its name; by default made of the class's.
      dtype: The dtype of its weights, float32 by default.
      input_shape: The shape of one example, for the first layer of a `Sequential`.
      input_dim: The same, where it is one number.
      activity_regularizer: Makes a term of the loss of the outputs, divided by the size
        of the batch: a name or function.

    Source: `tf.keras.layers.Layer`.
    """

    def __init__(
        self,
        trainable: bool = True,
        name: str | None = None,
        dtype: Any = None,
        input_shape: Any = None,
        input_dim: int | None = None,
        activity_regularizer: Any = None,
        **_kwargs: Any,
    ) -> None:
        self.supports_masking = False
        self.input_spec: Any = None
        self._own_weights: list[Variable] = []
        # Functions without arguments, and what they were called on in the last call.
        self._terms: list[Callable[[], Any]] = []
        self._call_terms: list[Any] = []
        self.activity_regularizer = regularizers.get(activity_regularizer)
        self._parts: list[Layer] = []
        self.built = False
        self.input_shape = (input_dim,) if input_dim is not None else input_shape
        self.trainable = trainable
        self.name = name or _default_name(type(self))
        self.dtype = as_dtype(dtype) if dtype is not None else float32

    def __setattr__(self, key: str, value: Any) -> None:
        if not key.startswith("_"):
            for item in nest.flatten(value) if nest.is_nested(value) else [value]:
                if isinstance(item, Layer) and all(item is not p for p in self._parts):
                    self._parts.append(item)
                if isinstance(item, Variable) and all(
                    item is not w for w in self._own_weights
                ):
                    self._own_weights.append(item)
        super().__setattr__(key, value)
        if not key.startswith("_"):
            children_changed(self)

    def add_update(self, updates: Any) -> None:
        """Adds an op."""

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of the constructor."""
        return {"name": self.name, "trainable": self.trainable}

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Returns the shape of the outputs."""
        raise NotImplementedError(type(self).__name__)

    def build(self, input_shape: Any) -> None:
        """Makes the weights; `input_shape` is that of the first inputs."""

    def call(self, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        """Computes the outputs."""
        raise NotImplementedError(f"{type(self).__name__} must implement `call`.")

    def __call__(self, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        """Builds the weights if that has not been done, and computes the outputs."""
        if any(isinstance(item, KerasTensor) for item in nest.flatten(inputs)):
            outputs = call_on_placeholders(self, inputs)
            self._forget_call_terms()
            return outputs
        inputs = nest.map_structure(
            lambda x: hooks.convert(x, dtype_hint=self.dtype), inputs
        )
        outermost = not _calls.inside
        if outermost:
            self._forget_call_terms()
        _calls.inside = True
        try:
            with name_scope(self.name):
                if not self.built:
                    self._build_once(nest.map_structure(lambda x: x.shape, inputs))
                call = self.call
                if building_graph() is not None:
                    call = hooks.convert_function(call)
                outputs = call(inputs, *args, **kwargs)
                self._add_activity_terms(outputs)
        finally:
            _calls.inside = not outermost
        return outputs

    def _build_once(self, shapes: Any) -> None:
        """Builds the weights; of threads that come at the same time one does."""
        with building:
            if not self.built:
                self.build(shapes)
                self.built = True

    # ---- terms of the loss

    def add_loss(self, losses: Any, **_options: Any) -> None:
        """Adds terms to `losses`.

        Args:
          losses: A tensor, which counts until the next call of the layer; a function
            without arguments that returns one, which stays; or a list of such.
          **_options: Accepted for compatibility.
        """
        for loss in nest.flatten(losses):
            if callable(loss) and not isinstance(loss, Variable):
                self._terms.append(loss)
            else:
                self._call_terms.append(hooks.convert(loss))

    @property
    def losses(self) -> list[Any]:
        """Scalars to add to the loss: of weights, and of outputs of the last call.

        Terms of weights are computed anew each time, so that a tape sees them.
        """
        graph = building_graph()
        found: list[Any] = []
        for layer in self._all_layers():
            found += [term() for term in layer._terms]
            # A tensor of another graph, or of eager mode, is no use here.
            found += [
                term
                for term in layer._call_terms
                if getattr(term, "graph", None) is graph
            ]
        return found

    def _all_layers(self) -> list[Layer]:
        """Itself and the layers in it, each once."""
        found: dict[int, Layer] = {}
        left = [self]
        while left:
            layer = left.pop()
            if id(layer) not in found:
                found[id(layer)] = layer
                left += reversed(layer._parts)
        return list(found.values())

    def _forget_call_terms(self) -> None:
        for layer in self._all_layers():
            layer._call_terms = []

    def _add_activity_terms(self, outputs: Any) -> None:
        if self.activity_regularizer is None:
            return
        for output in nest.flatten(outputs):
            term = self.activity_regularizer(output)
            batch = cast(shape_of(output)[0], term.dtype)
            self._call_terms.append(term / batch)

    def add_weight(
        self,
        name: str | None = None,
        shape: Sequence[int] = (),
        dtype: Any = None,
        initializer: Any = None,
        regularizer: Any = None,
        trainable: bool | None = None,
        constraint: Any = None,
    ) -> Variable:
        """Makes a weight.

        Args:
          name: Its name within the layer.
          shape: Its shape.
          dtype: Its dtype; by default that of the layer.
          initializer: A name or function; by default `glorot_uniform`.
          regularizer: Makes a term of the loss of it: a name or function.
          trainable: Whether it is trainable; by default whether the layer is.
          constraint: Applied after each update: a name or function.
        """
        regularize = regularizers.get(regularizer)
        dtype = as_dtype(dtype) if dtype is not None else self.dtype
        make = initializers.get(initializer or "glorot_uniform")
        weight = Variable(
            lambda: make(shape, dtype=dtype),
            name=name or "weight",
            trainable=self.trainable if trainable is None else trainable,
            dtype=dtype,
            constraint=constraints.get(constraint),
        )
        self._own_weights.append(weight)
        if regularize is not None:
            # A copy of the layer copies the weight in it, too.
            self._terms.append(functools.partial(regularize, weight))
        children_changed(self)
        return weight

    @property
    def weights(self) -> list[Variable]:
        """All weights: its own, then those of its layers."""
        found = list(self._own_weights)
        for part in self._parts:
            found += part.weights
        return list({id(weight): weight for weight in found}.values())

    @property
    def variables(self) -> list[Variable]:
        """All weights."""
        return self.weights

    @property
    def trainable_weights(self) -> list[Variable]:
        """The weights that training changes."""
        if not self.trainable:
            return []
        found = [weight for weight in self._own_weights if weight.trainable]
        for part in self._parts:
            found += part.trainable_weights
        return list({id(weight): weight for weight in found}.values())

    @property
    def trainable_variables(self) -> list[Variable]:
        """The weights that training changes."""
        return self.trainable_weights

    @property
    def non_trainable_weights(self) -> list[Variable]:
        """The other weights."""
        trained = {id(weight) for weight in self.trainable_weights}
        return [weight for weight in self.weights if id(weight) not in trained]

    def get_weights(self) -> list[NDArray[Any]]:
        """Returns the values of the weights."""
        return [_value_of(weight) for weight in self.weights]

    def set_weights(self, weights: Sequence[Any]) -> None:
        """Sets the values of the weights.

        Raises:
          ValueError: The number or the shapes of the values do not fit.
        """
        own = self.weights
        if len(own) != len(weights):
            raise ValueError(
                f"Layer {self.name!r} has {len(own)} weights, got {len(weights)}."
            )
        for weight, value in zip(own, weights, strict=True):
            if weight.shape != np.shape(value):
                raise ValueError(
                    f"Weight {weight.name!r} has shape {weight.shape}, the given one "
                    f"{np.shape(value)}."
                )
        for weight, value in zip(own, weights, strict=True):
            weight.load(value, _session_of(weight))

    def count_params(self) -> int:
        """Returns the number of elements of all weights."""
        return sum(weight.shape.num_elements() or 0 for weight in self.weights)


def _session_of(weight: Variable) -> Any:
    if weight.graph is None:
        return None
    return session_for(weight.graph, get_default_session())


def _value_of(weight: Variable) -> NDArray[Any]:
    if weight.graph is None:
        return weight.numpy()
    value: NDArray[Any] = _session_of(weight).run(weight)
    return value
