"""What an optimizer keeps: hyperparameters, the step count, slots.

Hyperparameters are numbers, tensors, callables and schedules that act as attributes.

A number becomes a variable when the optimizer first needs it, so that a new learning
rate is an assignment and nothing is built or compiled again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphopt import dtypes
from graphopt.dtypes import DType, as_dtype
from graphopt.graph.context import building_graph
from graphopt.graph.effects import variable_of
from graphopt.graph.tensor import GraphTensor, Tensor
from graphopt.keras import initializers
from graphopt.keras.optimizers.checks import checked_number
from graphopt.keras.optimizers.schedules import LearningRateSchedule, serialize
from graphopt.ops.creation import constant
from graphopt.ops.elementwise import cast
from graphopt.ops.host import python_scalar
from graphopt.ops.state import READ
from graphopt.runtime.names import get_default_session
from graphopt.runtime.session import session_for
from graphopt.runtime.tracking import (
    Slot,
    Trackable,
    child_made,
    free_name,
    last_part,
    names_of_children,
    slot_made,
)
from graphopt.runtime.variable import Variable, variable_of_handle


class OptimizerState(Trackable):
    """Hyperparameters, by name in `_hyper` and shown as attributes, and weights.

    The weights are the step count and the slots, in the order in which they were made.
    """

    # Slots, in the order in which they are made: name -> initializer.
    slots: dict[str, Any] = {}
    # Whether hyperparameters are float64 whatever is trained.
    wide_hyperparameters = False
    # Whether weights from an old file may lack the step count at the front.
    accepts_weights_without_iterations = False

    def __init__(self, name: str) -> None:
        self._name = name
        self._slots: dict[Any, dict[str, Variable]] = {}
        self._iterations: Variable | None = None
        self._hyper: dict[str, Any] = {}
        self._hypers_created = False
        # Numbers as they were given: 0.1, where a variable has 0.1 rounded to float32.
        self._numbers: dict[str, Any] = {}
        # Whether variables of float64, or complex128, are trained.
        self._trains_wide = False
        # What subclasses hand to `assign`; there is nothing to lock here.
        self._use_locking = True
        # The value of the keyword `lr`, until `learning_rate` is set.
        self._old_rate: Any = None
        self._weights: list[Variable] = []

    def trackable_children(self) -> dict[str, Any]:
        """Returns optimizers inside of it, hyperparameters and what is no slot, by name."""
        found: dict[str, Any] = {
            name.strip("_"): value
            for name, value in vars(self).items()
            if isinstance(value, OptimizerState)
        }
        found |= {n: v for n, v in self._hyper.items() if isinstance(v, Variable)}
        slots = {id(slot.variable) for slot in self.trackable_slots()}
        names = names_of_children(self)
        for weight in self._weights:
            if weight is self._iterations:
                found["iter"] = weight
            elif id(weight) not in slots:
                name = names.get(weight.key) or last_part(weight)
                found[free_name(found, name)] = weight
        return found

    def trackable_slots(self) -> Iterator[Slot]:
        """Yields the slots."""
        for key, slots in self._slots.items():
            for name, slot in slots.items():
                yield Slot(key, name, slot)

    def add_weight(
        self,
        name: str,
        shape: Any,
        dtype: Any = None,
        initializer: Any = "zeros",
        trainable: bool | None = None,
        synchronization: Any = None,
        aggregation: Any = None,
    ) -> Variable:
        """Makes a variable of the optimizer.

        Args:
          name: Its name within the current scope.
          shape: Its shape.
          dtype: Its dtype, float32 by default.
          initializer: A name, a function of shape and dtype, or a value.
          trainable: Whether it is trainable; True by default.
          synchronization: Accepted for compatibility.
          aggregation: Accepted for compatibility.
        """
        dtype = as_dtype(dtype) if dtype is not None else dtypes.float32
        made = Variable(
            lambda: initializers.make_value(initializer, shape, dtype),
            name=name,
            dtype=dtype,
            trainable=trainable is None or trainable,
        )
        self._weights.append(made)
        child_made(self, name, made)
        return made

    def _set_hyper(self, name: str, value: Any) -> None:
        """Sets a hyperparameter: a number, tensor, variable, callable or schedule."""
        if name == "learning_rate":
            value = value if self._old_rate is None else self._old_rate
            self._old_rate = None
        if isinstance(value, (Tensor, Variable)) or callable(value):
            self._hyper[name] = value
            return
        value = checked_number(name, value)
        self._numbers[name] = value
        previous = self._hyper.get(name)
        if isinstance(previous, Variable) and self._hypers_created:
            set_value(previous, value)
        else:
            self._hyper[name] = value

    def _get_hyper(self, name: str, dtype: Any = None) -> Any:
        """Returns a hyperparameter, as a tensor of `dtype` if one is given."""
        if not self._hypers_created:
            self._create_hypers()
        value = self._hyper[name]
        if isinstance(value, LearningRateSchedule):
            return value
        if callable(value) and not isinstance(value, Variable):
            value = called(value, dtype)
        if dtype is None:
            return value
        dtype = as_dtype(dtype)
        if isinstance(value, (Tensor, Variable)):
            return cast(value, dtype)
        # Still a number, where a subclass makes no variables; truncated as `cast` does.
        return constant(np.asarray(value).astype(dtype.numpy))

    def _create_hypers(self) -> None:
        """Makes variables of the numbers, of float64 if that is trained.

        Truth values stay what they are: they say which equation it is. A hook for
        subclasses.
        """
        if self._hypers_created:
            return
        wide = self.wide_hyperparameters or self._trains_wide
        dtype = dtypes.float64 if wide else dtypes.float32
        for name, value in sorted(self._hyper.items()):
            if isinstance(value, (Tensor, Variable, bool)) or callable(value):
                continue
            self._hyper[name] = self.add_weight(
                name, shape=[], dtype=dtype, trainable=False, initializer=value
            )
            self._weights.pop()
        self._hypers_created = True

    def __getattribute__(self, name: str) -> Any:
        try:
            return super().__getattribute__(name)
        except AttributeError:
            hyper = self.__dict__.get("_hyper", {})
            if name == "lr":
                name = "learning_rate"
            if name in hyper:
                return self._get_hyper(name)
            raise

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "lr":
            name = "learning_rate"
        if name in self.__dict__.get("_hyper", {}) and not hasattr(type(self), name):
            self._set_hyper(name, value)
        else:
            super().__setattr__(name, value)

    def __dir__(self) -> Iterable[str]:
        names = {*super().__dir__(), *self._hyper}
        return names | ({"lr"} if "learning_rate" in names else set())

    def _serialize_hyperparameter(self, name: str) -> Any:
        value = self._hyper[name]
        if isinstance(value, LearningRateSchedule):
            return serialize(value)
        if callable(value) and not isinstance(value, Variable):
            value = value()
        if isinstance(value, (Tensor, Variable)):
            return self._plain_number(name, value_of(value))
        return value

    def _plain_number(self, name: str, value: Any) -> Any:
        """Returns a scalar array as the Python number that it was made of.

        A config is to be written as JSON and to make the same optimizer again.
        """
        given = self._numbers.get(name)
        if given is not None and np.asarray(given, value.dtype) == value:
            value = given
        return value.item() if isinstance(value, (np.generic, np.ndarray)) else value

    def _track_trackable(
        self, trackable: Any, name: str, overwrite: bool = False
    ) -> Any:
        """Returns a part that a checkpoint is to save; for subclasses.

        Parts are found by the attributes that hold them.
        """
        return trackable

    @staticmethod
    def _call_if_callable(param: Any) -> Any:
        """Returns what a function returns, or the value that is none."""
        return param() if callable(param) else param

    # ---- weights

    @property
    def iterations(self) -> Variable:
        """The number of steps taken, int64; made when first asked for."""
        if self._iterations is None:
            self._iterations = self.add_weight(
                "iter", shape=[], dtype=dtypes.int64, trainable=False
            )
        return self._iterations

    @iterations.setter
    def iterations(self, variable: Variable) -> None:
        if self._iterations is not None:
            raise RuntimeError(
                "Cannot set `iterations` to a new Variable after the Optimizer weights "
                f"have been created; got {variable!r}."
            )
        self._iterations = variable
        self._weights.append(variable)

    def add_slot(
        self,
        var: Variable,
        slot_name: str,
        initializer: Any = "zeros",
        shape: Any = None,
    ) -> Variable:
        """Returns the slot of a variable, made when first asked for.

        Args:
          var: The variable.
          slot_name: The name of the slot.
          initializer: As in `add_weight`; ignored when the slot exists.
          shape: Its shape; by default that of the variable.
        """
        slots = self._slots.setdefault(var.key, {})
        if slot_name not in slots:
            name = f"{var.key.name}/{slot_name}"
            slots[slot_name] = self.add_weight(
                name,
                var.shape if shape is None else shape,
                var.dtype,
                _first_value(initializer),
                trainable=False,
            )
            slot_made(self, var.key, slot_name, slots[slot_name])
        return slots[slot_name]

    def get_slot(self, var: Variable, slot_name: str) -> Variable:
        """Returns a slot of a variable.

        Raises:
          KeyError: The variable, or the slot, is not known.
        """
        slots = self._slots.get(var.key)
        if slots is None or slot_name not in slots:
            known = (
                list(slots) if slots is not None else "no slots: it was never updated"
            )
            raise KeyError(
                f"Optimizer {self._name!r} has no slot {slot_name!r} for variable "
                f"{var.name!r}; known for it: {known}."
            )
        return slots[slot_name]

    def get_slot_names(self) -> list[str]:
        """Returns the names of the slots, in the order in which they are made."""
        return list(self._slot_initializers())

    def _slot_initializers(self) -> dict[str, Any]:
        return dict(self.slots)

    def _create_slots(self, var_list: Sequence[Variable]) -> None:
        for slot_name, initializer in self._slot_initializers().items():
            for var in var_list:
                self.add_slot(var, slot_name, initializer)

    @property
    def weights(self) -> list[Variable]:
        """The step count and the slots, in the order in which they were made."""
        return self._weights

    def variables(self) -> list[Variable]:
        """Returns `weights`."""
        return self._weights

    def get_weights(self) -> list[Any]:
        """Returns the values of `weights`."""
        return [value_of(weight) for weight in self.weights]

    def set_weights(self, weights: Sequence[Any]) -> None:
        """Sets the values of `weights`.

        Raises:
          ValueError: The number or the shapes of the values do not fit.
        """
        params = self.weights
        if self.accepts_weights_without_iterations and len(params) == len(weights) + 1:
            weights = [np.array(0), *weights]
        if len(params) != len(weights):
            raise ValueError(
                f"You called `set_weights(weights)` on optimizer {self._name} with a "
                f"weight list of length {len(weights)}, but the optimizer was "
                f"expecting {len(params)} weights."
            )
        for weight, value in zip(params, weights, strict=True):
            if weight.shape != np.shape(value):
                raise ValueError(
                    f"Optimizer weight {weight.name!r} has shape {weight.shape}, "
                    f"provided weight has shape {np.shape(value)}."
                )
        for weight, value in zip(params, weights, strict=True):
            set_value(weight, value)


def _first_value(initializer: Any) -> Any:
    """Returns an initializer; of a variable, or of a read of one, what it starts with.

    In a graph a slot and its variable get their first values in one run, in which a read
    would come too early.
    """
    if isinstance(initializer, GraphTensor) and initializer.op.spec is READ:
        handle = initializer.op.inputs[0]
        known = handle.op.graph.variables
        found = [v for v in known if v.key is variable_of(handle)]
        initializer = found[0] if found else variable_of_handle(handle)
    if isinstance(initializer, Variable):
        return lambda shape, dtype=None: initializer.initialized_value()
    return initializer


def as_number(value: Any, dtype: DType) -> Any:
    """Returns a number, tensor or variable as a tensor; 0.1 is 0.1 in float64 too."""
    if isinstance(value, (Tensor, Variable)):
        return cast(value, dtype)
    return constant(value, dtype)


def called(function: Callable[[], Any], dtype: Any) -> Any:
    """Returns what a callable hyperparameter stands for.

    In a graph a Python number has to be asked for again before each run.
    """
    value = function()
    if building_graph() is None or isinstance(value, (Tensor, Variable)):
        return value
    return python_scalar(function, dtype or dtypes.float32)


def value_of(value: Any) -> Any:
    """Returns the value of a tensor or variable, in both modes."""
    if isinstance(value, Variable) and value.graph is not None:
        graph = value.graph
        session = session_for(graph, get_default_session())
        return session.run(value)
    if isinstance(value, GraphTensor):
        return value.eval()
    return value.numpy()


def set_value(variable: Variable, value: NDArray[Any] | float) -> None:
    """Sets a variable at once, in both modes."""
    if variable.graph is None:
        variable.assign(np.asarray(value, variable.dtype.numpy))
        return
    session = session_for(variable.graph, get_default_session())
    session.load(variable, np.asarray(value, variable.dtype.numpy))
