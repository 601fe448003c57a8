"""What an optimizer keeps between steps: its weights, that is step count and slots.

The functions whose first argument is `self` are methods of `Optimizer`, which lists them.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from graphopt import dtypes
from graphopt.dtypes import as_dtype
from graphopt.graph.effects import variable_of
from graphopt.graph.hooks import hooks
from graphopt.graph.tensor import GraphTensor
from graphopt.keras import initializers
from graphopt.keras.optimizers.gradient_steps import ACCUMULATOR
from graphopt.keras.optimizers.updates import AVERAGE
from graphopt.ops.state import READ
from graphopt.parallel.ranks import sharing_first_values
from graphopt.parallel.sharding import (
    Part,
    cut_whole,
    gather_whole,
    owned_variables,
)
from graphopt.runtime.names import get_default_session
from graphopt.runtime.session import session_for
from graphopt.runtime.tracking import (
    Slot,
    child_made,
    free_name,
    last_part,
    names_of_children,
    slot_made,
)
from graphopt.runtime.variable import Piece, Variable, variable_of_handle

if TYPE_CHECKING:
    from graphopt.keras.optimizers.base import Optimizer
    from graphopt.parallel.aggregation import Aggregation


# By their ids, for every step asks, and to compare dtypes runs Python.
_WIDE = frozenset(map(id, (dtypes.float64, dtypes.complex128)))


class Slots(dict[Any, dict[str, Variable]]):
    """The slots of an optimizer: by the key of a variable, then by name."""

    def find(self, var: Variable, slot_name: str, owner: str) -> Variable:
        """Returns a slot of a variable.

        Args:
          var: The variable.
          slot_name: The name of the slot.
          owner: The name of the optimizer.

        Raises:
          KeyError: The variable, or the slot, is not known.
        """
        slots = self.get(var.key)
        if slots is None or slot_name not in slots:
            known = (
                list(slots) if slots is not None else "no slots: it was never updated"
            )
            raise KeyError(
                f"Optimizer {owner!r} has no slot {slot_name!r} for variable "
                f"{var.name!r}; known for it: {known}."
            )
        return slots[slot_name]

    def list_all(self) -> Iterator[Slot]:
        """Yields every slot."""
        for key, slots in self.items():
            for name, slot in slots.items():
                yield Slot(key, name, slot)


def trackable_children(self: Optimizer) -> dict[str, Any]:
    """Returns optimizers inside of it, hyperparameters and what is no slot, by name."""
    found: dict[str, Any] = {
        n.strip("_"): part for n, part in self._optimizers_inside().items()
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


def add_weight(
    self: Optimizer,
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


def add_slot(
    self: Optimizer,
    var: Variable | Part,
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
        is_part = isinstance(var, Part)
        # A piece begins with its own part of a value, not with that of rank 0.
        with sharing_first_values(None) if is_part else contextlib.nullcontext():
            slots[slot_name] = self.add_weight(
                f"{var.key.name}/{slot_name}",
                var.shape if shape is None else shape,
                var.dtype,
                first_value(initializer),
                trainable=False,
            )
        if isinstance(var, Part):
            slots[slot_name].piece = var.piece
        slot_made(self, var.key, slot_name, slots[slot_name])
    return slots[slot_name]


def get_slot(self: Optimizer, var: Variable, slot_name: str) -> Variable:
    """Returns a slot of a variable.

    Raises:
      KeyError: The variable, or the slot, is not known.
    """
    return self._slots.find(var, slot_name, self._name)


def create_slots(self: Optimizer, var_list: Sequence[Variable]) -> None:
    """Makes the slots of variables, one kind after the other; a hook for subclasses."""
    for slot_name, initializer in self._slot_initializers().items():
        for var in var_list:
            self.add_slot(var, slot_name, initializer)


def create_all(optimizer: Optimizer, variables: Sequence[Variable]) -> None:
    """Makes what an optimizer keeps: the step count first, then the slots."""
    _ = optimizer.iterations
    if any(id(var.key.dtype) in _WIDE for var in variables):
        # A wrapper makes the hyperparameters of the optimizer inside of it.
        for part in (optimizer, *optimizer._optimizers_inside().values()):
            part._hyper.trains_wide = True
    optimizer._create_hypers()
    optimizer._create_slots(variables)
    accumulates = optimizer.gradient_accumulation_steps
    if accumulates and optimizer._accumulated_calls is None:
        optimizer._accumulated_calls = optimizer.add_weight(
            "accumulated_calls", shape=[], dtype=dtypes.int64, trainable=False
        )
    if not accumulates and not optimizer.use_ema:
        return
    for var in variables:
        if accumulates:
            optimizer.add_slot(var, ACCUMULATOR)
        if optimizer.use_ema:
            optimizer.add_slot(var, AVERAGE, starts_as(var))


def share_out_slots(
    optimizer: Optimizer, variables: Sequence[Variable], aggregation: Aggregation
) -> None:
    """Notes which slots this rank keeps, where variables are not cut."""
    rank = hooks.communicator(aggregation.group).rank
    for var, owner in zip(
        variables, owned_variables(variables, aggregation), strict=True
    ):
        for part in optimizer._parts():
            for slot in part._slots.get(var.key, {}).values():
                shape = tuple(int(dim or 0) for dim in slot.shape)
                length = math.prod(shape) if owner == rank else 0
                slot.piece = Piece(shape, 0, length, aggregation.group)


def get_weights(self: Optimizer) -> list[Any]:
    """Returns the values of `weights`."""
    return [value_of(weight) for weight in self.weights]


def set_weights(self: Optimizer, weights: Sequence[Any]) -> None:
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
        expected = weight.shape if weight.piece is None else weight.piece.whole
        if expected != np.shape(value):
            raise ValueError(
                f"Optimizer weight {weight.name!r} has shape {weight.shape}, "
                f"provided weight has shape {np.shape(value)}."
            )
    for weight, value in zip(params, weights, strict=True):
        set_value(weight, value)


def starts_as(var: Variable) -> Callable[..., Any]:
    """Returns an initializer: the value that a variable has."""

    def value(shape: Any, dtype: Any = None) -> Any:
        return var.initialized_value()

    return value


def first_value(initializer: Any) -> Any:
    """Returns an initializer; of a variable, or of a read of one, what it starts with.

    In a graph a slot and its variable get their first values in one run, in which a read
    would come too early.
    """
    if isinstance(initializer, GraphTensor) and initializer.op.spec is READ:
        handle = initializer.op.inputs[0]
        known = handle.op.graph.variables
        found = [v for v in known if v.key is variable_of(handle)]
        initializer = found[0] if found else variable_of_handle(handle)
    return starts_as(initializer) if isinstance(initializer, Variable) else initializer


def value_of(value: Any) -> Any:
    """Returns the value of a tensor or variable, in both modes."""
    if isinstance(value, Variable) and value.graph is not None:
        graph = value.graph
        session = session_for(graph, get_default_session())
        found = session.run(value)
        return found if value.piece is None else gather_whole(found, value.piece)
    if isinstance(value, Variable) and value.piece is not None:
        return gather_whole(value.numpy(), value.piece)
    if isinstance(value, GraphTensor):
        return value.eval()
    return value.numpy()


def set_value(variable: Variable, value: NDArray[Any] | float) -> None:
    """Sets a variable at once, in both modes."""
    if variable.piece is not None:
        value = cut_whole(
            np.asarray(value), variable.piece, [int(dim or 0) for dim in variable.shape]
        )
    if variable.graph is None:
        variable.assign(np.asarray(value, variable.dtype.numpy))
        return
    session = session_for(variable.graph, get_default_session())
    session.load(variable, np.asarray(value, variable.dtype.numpy))
