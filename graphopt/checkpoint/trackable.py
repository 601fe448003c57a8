"""What the parts of an object are, and the name that each has in a checkpoint.

Names are paths from the object that is saved: `model/dense/kernel`, and for slots
`model/dense/kernel/.OPTIMIZER_SLOT/optimizer/m`. They do not depend on the names of
variables, so a program that names things otherwise, or in another order, finds its values
as long as its objects hang together in the same way. A part that can be reached in
several ways is saved once; the other ways are written down as aliases.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple

from graphopt.keras.layers.base import Layer
from graphopt.keras.optimizers.state import OptimizerState
from graphopt.runtime.store import VariableKey
from graphopt.runtime.tracking import Slot, Trackable, names_of_children
from graphopt.runtime.variable import Variable

VALUE: Final = "/.ATTRIBUTES/VARIABLE_VALUE"
SLOT: Final = "/.OPTIMIZER_SLOT/"
_SLOT_BY_NAME: Final = "/.SLOT_OF/"


def escaped(name: str) -> str:
    """Writes a name as a part of a path, as TensorFlow does."""
    return name.replace(".", "..").replace("/", ".S")


def joined(path: str, name: str) -> str:
    """Returns the path of a part."""
    return f"{path}/{escaped(name)}" if path else escaped(name)


def slot_path(optimizer: str, name: str, path: str | None, key: VariableKey) -> str:
    """Returns the path of a slot.

    Args:
      optimizer: The path of the optimizer.
      name: The name of the slot.
      path: That of the variable, None if it is not in the checkpoint.
      key: What the variable is known by.
    """
    if path is not None:
        return f"{path}{SLOT}{optimizer}/{escaped(name)}"
    return f"{optimizer}{_SLOT_BY_NAME}{escaped(key.name)}/{escaped(name)}"


def is_trackable(value: Any) -> bool:
    """Returns whether there may be variables in something."""
    if isinstance(value, (Variable, Trackable, Layer, OptimizerState)):
        return True
    if isinstance(value, (list, tuple)):
        return any(isinstance(v, (list, tuple, dict)) or is_trackable(v) for v in value)
    return isinstance(value, dict) and is_trackable(list(value.values()))


def children_of(owner: Any) -> dict[str, Any]:
    """Returns the parts of an object by name."""
    if isinstance(owner, (list, tuple)):
        found = {str(i): child for i, child in enumerate(owner)}
    elif isinstance(owner, dict):
        found = {str(name): child for name, child in owner.items()}
    elif isinstance(owner, OptimizerState):
        return _weights_of_optimizer(owner)
    elif isinstance(owner, Trackable):
        found = owner.trackable_children()
    elif isinstance(owner, Layer):
        found = _parts_of_layer(owner)
    else:
        return {}
    return {name: child for name, child in found.items() if is_trackable(child)}


def _weights_of_optimizer(optimizer: OptimizerState) -> dict[str, Any]:
    """Returns optimizers inside of it, hyperparameters and what is no slot, by name."""
    found: dict[str, Any] = {
        name.strip("_"): value
        for name, value in vars(optimizer).items()
        if isinstance(value, OptimizerState)
    }
    found |= {n: v for n, v in optimizer._hyper.items() if isinstance(v, Variable)}
    slots = {id(slot.variable) for slot in slots_of(optimizer)}
    names = names_of_children(optimizer)
    for weight in optimizer._weights:
        if weight is optimizer._iterations:
            found["iter"] = weight
        elif id(weight) not in slots:
            found[free_name(found, names.get(weight.key) or last_part(weight))] = weight
    return found


def free_name(taken: Mapping[str, Any], name: str) -> str:
    """Returns a name, with a number after it if it is taken."""
    free, count = name, 0
    while free in taken:
        count += 1
        free = f"{name}_{count}"
    return free


def _parts_of_layer(layer: Layer) -> dict[str, Any]:
    """Returns attributes, then what a layer keeps under none, by name or number."""
    found = {
        name: child
        for name, child in vars(layer).items()
        if not name.startswith("_") and is_trackable(child)
    }
    named = {id(child) for child in found.values()}
    for weight in layer._own_weights:
        if id(weight) not in named:
            found[free_name(found, last_part(weight))] = weight
    for index, part in enumerate(layer._parts):
        if id(part) not in named:
            found[f"layer-{index}"] = part
    return found


def last_part(variable: Variable) -> str:
    """Returns the name of a variable without its scopes."""
    return variable.key.name.rpartition("/")[2]


def slots_of(owner: Any) -> Iterator[Slot]:
    """Yields the slots of an optimizer."""
    if isinstance(owner, OptimizerState):
        for key, slots in owner._slots.items():
            for name, slot in slots.items():
                yield Slot(key, name, slot)
    elif isinstance(owner, Trackable):
        yield from owner.trackable_slots()


class Found(NamedTuple):
    """An object and the path by which it was reached first."""

    owner: Any
    path: str


class Walk:
    """Everything that can be reached from some objects, the nearest first.

    Attributes:
      variables: By path.
      aliases: Other paths to objects, and the first one to each.
    """

    def __init__(self, roots: Iterable[Any]) -> None:
        self.variables: dict[str, Variable] = {}
        self.aliases: dict[str, str] = {}
        paths: dict[int, str] = {}
        by_key: dict[VariableKey, str] = {}
        optimizers = []
        queue = deque(Found(root, "") for root in roots)
        paths.update((id(root), "") for root, _ in queue)
        while queue:
            owner, path = queue.popleft()
            if isinstance(owner, Variable):
                self.variables[path] = owner
                by_key[owner.key] = path
            if isinstance(owner, (OptimizerState, Trackable)):
                optimizers.append(Found(owner, path))
            for name, child in children_of(owner).items():
                below = joined(path, name)
                first = paths.setdefault(id(child), below)
                if first == below:
                    queue.append(Found(child, below))
                else:
                    self.aliases[below] = first
        for owner, path in optimizers:
            for slot in slots_of(owner):
                self._add_slot(slot, path, by_key)

    def _add_slot(
        self, slot: Slot, optimizer: str, by_key: Mapping[VariableKey, str]
    ) -> None:
        path = slot_path(optimizer, slot.name, by_key.get(slot.key), slot.key)
        taken = self.variables.setdefault(path, slot.variable)
        if taken is not slot.variable:
            raise ValueError(
                f"Two variables {slot.key.name!r} have slots {slot.name!r} of one "
                "optimizer, and are not saved themselves; try a checkpoint with the "
                "variables, or names of their own."
            )
