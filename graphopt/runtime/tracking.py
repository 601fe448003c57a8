"""Telling restored checkpoints that an object has got a new part.

A checkpoint may be restored into objects whose variables do not exist yet: layers make
theirs at the first call, optimizers at the first step. The restore leaves itself in such
an object, and the object calls one of these functions when a variable is made, which is
where the variable gets its value. Where nothing waits they do nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from graphopt.runtime.store import VariableKey
from graphopt.runtime.variable import Variable

_WAITING = "_waiting_restores"
_NAMES = "_names_of_children"


class Slot(NamedTuple):
    """A variable that an optimizer keeps for another one."""

    key: VariableKey
    name: str
    variable: Variable


class Trackable:
    """An object that tells what of it is saved."""

    def trackable_children(self) -> dict[str, Any]:
        """Returns its parts by name: variables, layers, optimizers, nests of them."""
        return {n: child for n, child in vars(self).items() if not n.startswith("_")}

    def trackable_slots(self) -> Iterator[Slot]:
        """Yields the slots that it keeps, where it is an optimizer."""
        yield from ()


def wait_for(owner: Any, restore: Any, root: Any, path: str) -> None:
    """Leaves a restore in an object, in place of an earlier one into the same root.

    Args:
      owner: The object.
      restore: What to tell of new parts.
      root: The object that was restored as a whole.
      path: The one by which the file knows the object.
    """
    vars(owner).setdefault(_WAITING, {})[id(root)] = (restore, path)


def _waiting(owner: Any) -> list[tuple[Any, str]]:
    return list(vars(owner).get(_WAITING, {}).values())


def children_changed(owner: Any) -> None:
    """Says that an object may have got new parts."""
    for restore, path in _waiting(owner):
        restore.visit(owner, path)


def child_made(owner: Any, name: str, child: Variable) -> None:
    """Says that an object has got a variable under a name, which is remembered."""
    names_of_children(owner)[child.key] = name
    for restore, path in _waiting(owner):
        restore.child_made(path, name, child)


def names_of_children(owner: Any) -> dict[VariableKey, str]:
    """Returns the names under which an object has got variables."""
    names: dict[VariableKey, str] = vars(owner).setdefault(_NAMES, {})
    return names


def slot_made(owner: Any, key: Any, slot_name: str, slot: Any) -> None:
    """Says that an optimizer has made a slot of the variable that a key stands for."""
    for restore, path in _waiting(owner):
        restore.slot_made(path, key, slot_name, slot)


def free_name(taken: Mapping[str, Any], name: str) -> str:
    """Returns a name, with a number after it if it is taken."""
    free, count = name, 0
    while free in taken:
        count += 1
        free = f"{name}_{count}"
    return free


def last_part(variable: Variable) -> str:
    """Returns the name of a variable without its scopes."""
    return variable.key.name.rpartition("/")[2]
