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

from graphopt.runtime.store import VariableKey
from graphopt.runtime.tracking import Slot, Trackable
from graphopt.runtime.variable import Variable

VALUE: Final = "/.ATTRIBUTES/VARIABLE_VALUE"
SLOT: Final = "/.OPTIMIZER_SLOT/"
_SLOT_BY_NAME: Final = "/.SLOT_OF/"


def escape(name: str) -> str:
    """Writes a name as a part of a path, as TensorFlow does."""
    return name.replace(".", "..").replace("/", ".S")


def joined(path: str, name: str) -> str:
    """Returns the path of a part."""
    return f"{path}/{escape(name)}" if path else escape(name)


def slot_path(optimizer: str, name: str, path: str | None, key: VariableKey) -> str:
    """Returns the path of a slot.

    Args:
      optimizer: The path of the optimizer.
      name: The name of the slot.
      path: That of the variable, None if it is not in the checkpoint.
      key: What the variable is known by.
    """
    if path is not None:
        return f"{path}{SLOT}{optimizer}/{escape(name)}"
    return f"{optimizer}{_SLOT_BY_NAME}{escape(key.name)}/{escape(name)}"


def is_trackable(value: Any) -> bool:
    """Returns whether there may be variables in something."""
    if isinstance(value, (Variable, Trackable)):
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
    elif isinstance(owner, Trackable):
        found = owner.trackable_children()
    else:
        return {}
    return {name: child for name, child in found.items() if is_trackable(child)}


def slots_of(owner: Any) -> Iterator[Slot]:
    """Yields the slots of an optimizer."""
    if isinstance(owner, Trackable):
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
            if isinstance(owner, Trackable):
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
