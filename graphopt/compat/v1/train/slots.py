"""The variables that a TensorFlow 1 optimizer keeps: slots, and those of no variable.

A slot is named after its variable and the optimizer (`w/Adam`, and the next of the same
variable `w/Adam_1`), which is what checkpoints of TensorFlow 1 look it up by.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

from graphopt import dtypes
from graphopt.dtypes import DType, as_dtype
from graphopt.graph.context import building_graph
from graphopt.graph.graph import Graph
from graphopt.keras import initializers
from graphopt.keras.variable_scopes import get_variable_scope
from graphopt.runtime.names import name_scope
from graphopt.runtime.tracking import Slot, Trackable, child_made, slot_made
from graphopt.runtime.variable import Variable, home_of


def create_slot(
    primary: str,
    name: str,
    initial_value: Any,
    dtype: DType | None = None,
    taken: Collection[str] = (),
) -> Variable:
    """Makes a variable that belongs to another variable or tensor.

    Args:
      primary: The name of the other one.
      name: What comes after it.
      initial_value: A value, or a function that returns it.
      dtype: Its dtype; by default that of the value.
      taken: Names that it must not have; in a graph none is given twice anyway.
    """
    # Scopes of variables are a prefix of slots, scopes of ops are not, as in TensorFlow.
    scope = get_variable_scope().name
    base = f"{scope}/{primary}/{name}" if scope else f"{primary}/{name}"
    full, count = base, 0
    while home_of(building_graph()) is None and full in taken:
        count += 1
        full = f"{base}_{count}"
    with name_scope(None):
        return Variable(initial_value, trainable=False, name=full, dtype=dtype)


class SlotOwner(Trackable):
    """Slots by their name and variable; other variables by their name and graph."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._slots: dict[str, dict[Any, Variable]] = {}
        self._non_slots: dict[tuple[str, Graph | None], Variable] = {}

    def get_name(self) -> str:
        """Returns the name of the optimizer."""
        return self._name

    def get_slot_names(self) -> list[str]:
        """Returns the names of the slots that exist, in alphabetical order."""
        return sorted(self._slots)

    def get_slot(self, var: Variable, name: str) -> Variable | None:
        """Returns a slot of a variable, or None if there is none of that name."""
        return self._slots.get(name, {}).get(getattr(var, "key", None))

    def variables(self) -> list[Variable]:
        """Returns what the optimizer made in the current graph, ordered by name."""
        home = home_of(building_graph())
        found = [*self._non_slots.values()]
        for slots in self._slots.values():
            found += slots.values()
        return sorted((v for v in found if v.graph is home), key=lambda v: v.name)

    # ---- for checkpoints

    def trackable_children(self) -> dict[str, Any]:
        """Returns the variables that belong to no other."""
        return {name: made for (name, _), made in self._non_slots.items()}

    def trackable_slots(self) -> Iterator[Slot]:
        """Yields the slots."""
        for name, of_one in self._slots.items():
            for key, slot in of_one.items():
                yield Slot(key, name, slot)

    # ---- for subclasses, under the names that TensorFlow has for them

    def _slot_dict(self, slot_name: str) -> dict[Any, Variable]:
        return self._slots.setdefault(slot_name, {})

    def _get_or_make_slot(
        self, var: Variable, val: Any, slot_name: str, op_name: str
    ) -> Variable:
        """Returns a slot that starts with a value."""
        slots = self._slot_dict(slot_name)
        if var.key not in slots:
            taken = {
                of_one[var.key].key.name
                for of_one in self._slots.values()
                if var.key in of_one
            }
            slots[var.key] = create_slot(var.key.name, op_name, val, taken=taken)
            slot_made(self, var.key, slot_name, slots[var.key])
        return slots[var.key]

    def _get_or_make_slot_with_initializer(
        self,
        var: Variable,
        initializer: Any,
        shape: Any,
        dtype: Any,
        slot_name: str,
        op_name: str,
    ) -> Variable:
        """Returns a slot that starts with what a function of shape and dtype returns."""
        wanted = as_dtype(dtype)
        return self._get_or_make_slot(
            var,
            lambda: initializers.make_value(initializer, shape, wanted),
            slot_name,
            op_name,
        )

    def _zeros_slot(self, var: Variable, slot_name: str, op_name: str) -> Variable:
        """Returns a slot that starts with zeros."""
        return self._get_or_make_slot_with_initializer(
            var, "zeros", var.shape, var.dtype, slot_name, op_name
        )

    def _create_non_slot_variable(
        self, initial_value: Any, name: str, colocate_with: Any = None
    ) -> Variable:
        """Returns a variable that belongs to no other, made when first asked for.

        Args:
          initial_value: A number.
          name: Its name.
          colocate_with: The variables that are updated. It is of float64 if one of them
            is, so that nothing is rounded to float32 on the way.
        """
        key = (name, home_of(building_graph()))
        if key not in self._non_slots:
            others = colocate_with if isinstance(colocate_with, (list, tuple)) else []
            wide = any(var.dtype is dtypes.float64 for var in others)
            self._non_slots[key] = Variable(
                initial_value,
                trainable=False,
                name=name,
                dtype=dtypes.float64 if wide else dtypes.float32,
            )
            child_made(self, name, self._non_slots[key])
        return self._non_slots[key]

    def _get_non_slot_variable(
        self, name: str, graph: Graph | None = None
    ) -> Variable | None:
        """Returns a variable that `_create_non_slot_variable` made, or None."""
        home = home_of(building_graph() if graph is None else graph)
        return self._non_slots.get((name, home))
