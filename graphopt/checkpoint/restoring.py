"""Restoring objects, also those that are not there yet.

A file is read as a whole and everything that has a place is compared with it before the
first variable changes. What has no place yet waits in memory; the objects that were
reached say when they get new parts (`runtime/tracking.py`).
"""

from __future__ import annotations

import weakref
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, Final

from numpy.typing import NDArray

from graphopt.checkpoint.tensors import TensorFile
from graphopt.checkpoint.trackable import (
    SLOT,
    VALUE,
    Found,
    children_of,
    joined,
    slot_path,
    slots_of,
)
from graphopt.checkpoint.values import check_fits, session_of, set_values
from graphopt.dtypes import as_dtype
from graphopt.runtime.store import VariableKey
from graphopt.runtime.tracking import Trackable, wait_for
from graphopt.runtime.variable import Variable

Array = NDArray[Any]
ALIAS: Final = "graphopt.alias:"


class Restore:
    """The values of a file on their way into variables.

    Args:
      path: The file.
      roots: The objects that it is restored into.

    Attributes:
      bound: The variables that have a place in the file, by key.

    Raises:
      NotFoundError: There is no such file.
      DataLossError: It is damaged.
      InvalidArgumentError: A variable has another shape or dtype than in the file. In
        all cases nothing was changed.
    """

    def __init__(self, path: str, roots: list[Any]) -> None:
        self.path = path
        self.roots = roots
        self.bound: dict[str, Variable] = {}
        # Where variables of a graph got their values, once they have.
        self._session: Callable[[], Any] = lambda: None
        self._paths: dict[VariableKey, str] = {}
        self._reached: list[Found] = []
        with TensorFile(path) as file:
            self._aliases = {
                name.removeprefix(ALIAS): target
                for name, target in file.metadata.items()
                if name.startswith(ALIAS)
            }
            self._places = _Places(file.shapes, self._aliases)
            self._unused = set(file)
            found = self._look([Found(root, "") for root in roots])
            for name, variable in found.items():
                dtype, shape = file.dtype(name), file.shapes[name]
                check_fits(path, name, dtype, shape, variable)
            self._values: dict[str, Array] = {name: file.read(name) for name in file}
        self._bind(found)

    def __deepcopy__(self, memo: dict[int, Any]) -> Restore:
        # A copy of a layer that waits takes its values from here, too.
        return self

    # ---- what happens later

    def visit(self, owner: Any, path: str) -> None:
        """Gives values to variables that an object has got since."""
        if self._unused:
            self._bind(self._checked(self._look([Found(owner, path)])))

    def child_made(self, path: str, name: str, child: Variable) -> None:
        """Gives a value to a variable that an object has just made."""
        self._take(self._in_file(joined(path, name)), child)

    def slot_made(
        self, path: str, key: VariableKey, slot_name: str, slot: Variable
    ) -> None:
        """Gives a value to a slot that an optimizer has just made."""
        self._take(slot_path(path, slot_name, self._paths.get(key), key), slot)

    def _take(self, path: str, variable: Variable) -> None:
        if path + VALUE in self._unused:
            self._paths[variable.key] = path
            self._bind(self._checked({path + VALUE: variable}))

    def look_again(self) -> None:
        """Gives values to whatever was added, also where nothing tells of it."""
        for root in self.roots:
            self.visit(root, "")

    def unused(self) -> list[str]:
        """Returns the keys of the file that no variable has."""
        return sorted(self._unused)

    def run(self, session: Any) -> None:
        """Gives values to the variables of a graph in a session."""
        self.look_again()
        symbolic = {n: v for n, v in self.bound.items() if v.graph is not None}
        session = session_of(symbolic.values(), session)
        if session is not None:
            self._session = weakref.ref(session)
        set_values({v: self._values[n] for n, v in symbolic.items()}, session)

    # ---- finding and setting

    def _in_file(self, path: str) -> str:
        return self._aliases.get(path, path)

    def _look(self, starts: list[Found]) -> dict[str, Variable]:
        """Walks through objects; returns variables that are new, by their key."""
        found: dict[str, Variable] = {}
        optimizers = []
        # An object may be there under a path that is not the nearest one.
        seen = {(id(owner), path) for owner, path in starts}
        queue = deque(starts)
        while queue:
            owner, path = queue.popleft()
            if isinstance(owner, Variable):
                self._note(found, path, owner)
                continue
            self._reached.append(Found(owner, path))
            if isinstance(owner, Trackable):
                optimizers.append(Found(owner, path))
            for name, child in children_of(owner).items():
                below = self._in_file(joined(path, name))
                if below in self._places and (id(child), below) not in seen:
                    seen.add((id(child), below))
                    queue.append(Found(child, below))
        for owner, path in optimizers:
            for slot in slots_of(owner):
                where = self._paths.get(slot.key)
                self._note(
                    found, slot_path(path, slot.name, where, slot.key), slot.variable
                )
        return found

    def _note(self, found: dict[str, Variable], path: str, variable: Variable) -> None:
        if path + VALUE in self._unused and variable.key not in self._paths:
            self._paths[variable.key] = path
            found[path + VALUE] = variable

    def _checked(self, found: dict[str, Variable]) -> dict[str, Variable]:
        for name, variable in found.items():
            value = self._values[name]
            dtype = as_dtype(value.dtype)
            check_fits(self.path, name, dtype, value.shape, variable)
        return found

    def _bind(self, found: dict[str, Variable]) -> None:
        """Sets eager variables at once, those of a graph if it is known where."""
        now = {n: v for n, v in found.items() if v.graph is None}
        set_values({v: self._values[n] for n, v in now.items()}, None)
        self.bound.update(found)
        self._unused -= set(found)
        # The nearest path to an object is the last one written.
        while self._reached:
            owner, path = self._reached.pop()
            if not isinstance(owner, (list, tuple, dict)):
                wait_for(owner, self, self.roots[0], path)
        for name in now:
            del self._values[name]
        session = self._session()
        later = {v: self._values[n] for n, v in found.items() if n not in now}
        if later and session is not None and not session.store.is_closed:
            set_values(later, session)


class _Places:
    """The paths that lead to something in a file, as a tree of their parts.

    (A set of all beginnings of all paths takes memory by the square of their length, and
    who writes the file decides about that.)

    Args:
      names: The keys of the file; optimizers are places for the sake of their slots.
      aliases: Other paths to the same.
    """

    def __init__(self, names: Iterable[str], aliases: dict[str, str]) -> None:
        self._nodes: dict[tuple[int, str], int] = {}
        ends = {name.removesuffix(VALUE) for name in names}
        for end in tuple(ends):
            path, sign, slot = end.partition(SLOT)
            if sign:
                ends |= {path, slot.rpartition("/")[0]}
        for end in (*ends, *aliases, *aliases.values()):
            node = 0
            for part in end.split("/"):
                node = self._nodes.setdefault((node, part), len(self._nodes) + 1)

    def __contains__(self, path: str) -> bool:
        node = 0
        for part in path.split("/"):
            node = self._nodes.get((node, part), -1)
            if node < 0:
                return False
        return True
