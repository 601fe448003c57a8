"""`Holder`: what a layer holds: its own weights, and the layers among its attributes.

What a layer keeps for itself is in one object, `_internals`; everything else that a program
sets as an attribute is looked at: layers, modules and variables, in lists and dictionaries
also, are parts of it, as they are there when weights are asked for.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphopt.dtypes import as_dtype
from graphopt.errors import fail
from graphopt.graph import nest
from graphopt.graph.provenance import user_site
from graphopt.keras import constraints, initializers, regularizers
from graphopt.keras.functional import (
    Node,
    is_in_v1_graph,
)
from graphopt.keras.policies import Policy
from graphopt.runtime.module import Module
from graphopt.runtime.names import get_default_session
from graphopt.runtime.session import session_for
from graphopt.runtime.tracking import children_changed, free_name, last_part
from graphopt.runtime.variable import Variable
from graphopt.runtime.variable_options import VariableSynchronization


class Internals:
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


class Holder(Module):
    """The part of a layer that holds weights and other layers."""

    _internals: Internals
    _dtype_policy: Policy
    is_metric = False
    trainable: bool
    built: bool

    def _ready(self) -> Internals:
        """Returns what it keeps for itself, made when first asked for."""
        found = vars(self).get("_internals")
        if found is None:
            found = Internals()
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
    ) -> Iterator[Any]:
        """Yields itself and the layers in it, each once."""
        seen: set[int] = set()
        stack: list[Any] = [self]
        while stack:
            part = stack.pop()
            if id(part) in seen:
                continue
            seen.add(id(part))
            if isinstance(part, Holder) and (part is not self or include_self):
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
        return unique_weights([*self.trainable_weights, *self.non_trainable_weights])

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
        return unique_weights(found)

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
        return unique_weights(found)

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
    if isinstance(part, Holder):
        return part._list_parts()
    found: dict[int, Any] = {}
    _collect_parts(list(vars(part).values()), found, False, set())
    return list(found.values())


def unique_weights(weights: Sequence[Variable]) -> list[Variable]:
    """Returns weights, each once."""
    return list({id(weight): weight for weight in weights}.values())


def _plain_dims(shape: Any) -> list[Any]:
    dims = [shape] if isinstance(shape, (int, np.integer)) else list(shape)
    return [None if dim is None else int(dim) for dim in dims]


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
