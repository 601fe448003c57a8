"""What a step has to put back if it fails after it has changed something.

As a rule a step fails before it changes anything: its checks come before its writes. Where
the program itself wants a check, or Python, after a write (`clip` after `minimize`, then a
lookup of the clipped rows), the variables that are written are copied first, and the copies
go back if the step fails or is interrupted. That costs the time of one copy of them; to
interpret such a program, as it would otherwise have to be, costs 10 to 50 times its step.

Streams of random numbers are put back likewise, so that a step that is tried again draws
the same numbers.
"""

from __future__ import annotations

import operator
from collections import deque
from collections.abc import Sequence
from itertools import repeat
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphopt.runtime.store import VariableKey, VariableStore


def _copy_all(targets: Sequence[Any], sources: Sequence[Any]) -> None:
    """Copies arrays, in one loop in C over functions in C."""
    deque(map(operator.setitem, targets, repeat(...), sources), maxlen=0)


class Undo:
    """Copies of what a step changes.

    Args:
      store: Where the variables are.
      keys: The variables whose values are kept.
      streams: The streams of random numbers that the step draws from.
    """

    def __init__(
        self,
        store: VariableStore,
        keys: Sequence[VariableKey],
        streams: Sequence[Any] = (),
    ) -> None:
        self.store = store
        self.keys = tuple(dict.fromkeys(keys))
        self.cells = [store.draws.cell(stream) for stream in dict.fromkeys(streams)]
        self._counts = [np.zeros_like(cell) for cell in self.cells]
        self._copies: list[NDArray[Any]] = []
        self._places = {key: i for i, key in enumerate(self.keys)}

    def value_of(self, key: VariableKey) -> NDArray[Any] | None:
        """Returns the copy of a variable; None if the step does not write it."""
        place = self._places.get(key)
        return None if place is None else self._copies[place]

    def save(self) -> None:
        """Copies what there is now; plans are bound to it already."""
        arrays = [self.store.read(key) for key in self.keys]
        if [a.shape for a in arrays] != [c.shape for c in self._copies]:
            self._copies = [np.empty_like(array) for array in arrays]
        _copy_all(self._copies, arrays)
        _copy_all(self._counts, self.cells)

    def restore(self) -> None:
        """Puts everything back at once: no signal handler runs in between."""
        arrays = [self.store.read(key) for key in self.keys]
        _copy_all([*arrays, *self.cells], [*self._copies, *self._counts])

    def restore_draws(self, steps: int) -> None:
        """Sets the streams to what they are after some whole steps since `save`.

        Args:
          steps: How many; in each of them every stream is drawn from once.
        """
        for cell, count in zip(self.cells, self._counts, strict=True):
            cell[0] = count[0] + steps
