"""New values of variables that other ranks still send when a step is over.

The next run of the plan awaits them by ops of its own (`rewrite.defer_gathers`); this is for
all others who read or write the variables: another plan, `numpy()`, a file. While values are
late, the store has no array of their variables, so nobody can see an old value by mistake.
Who asks for one comes here by the only way there is, `VariableStore.settle`: all that the
plan has begun is awaited, put in place, and the arrays are given back.

The arrays are taken out before the run, when nothing is on its way, and stay out for as long
as it lasts, whatever Python inside of it reads: an interrupt at any moment finds the store
either with them or with what knows of them. What has come is put in place as a whole or not
at all, and if it cannot come any more each read says so.

The plan, in whose memory the values arrive, is kept for as long as that may be.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from numpy.typing import NDArray

from graphopt.codegen.communication.native import load_entry
from graphopt.graph.effects import is_handle, variable_of
from graphopt.graph.graph import Operation
from graphopt.runtime.store import VariableKey
from graphopt.schedule.steps import Step

if TYPE_CHECKING:
    from graphopt.runtime.executable import Executable

__all__ = ["LateValues"]

_KERNEL: Final = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64)


@dataclass(frozen=True)
class _Gather:
    """What one exchange brings.

    Attributes:
      op: Awaits it in the plan.
      ticket: The number of its job; 0 if none is on its way.
      words: The position of the words of what puts it in place; -1 if it is empty.
      extent: Its range.
    """

    op: Operation
    ticket: NDArray[Any]
    words: int
    extent: int


class LateValues:
    """What the runs of one plan leave to those who come next.

    Args:
      plan: The plan.
      communicator: The ranks.
      calls: (step, address, position of the words, range) of the calls by which the plan
        awaits what the run before has begun.

    Attributes:
      arrays: Those of the variables, while the store has none of them.
      is_out: Whether that is so.
      is_running: Whether a run of the plan is going on.
    """

    def __init__(
        self,
        plan: Executable,
        communicator: Any,
        calls: Sequence[tuple[Step, int, int, int]],
    ) -> None:
        self.plan, self.communicator = plan, communicator
        self.arrays: dict[VariableKey, NDArray[Any]] = {}
        self.is_out = self.is_running = False
        put = load_entry("put").address
        self._put = _KERNEL(put)
        places = {
            id(step): (begin, extent)
            for step, address, begin, extent in calls
            if address == put
        }
        steps = {id(step): step for step, *_ in calls}
        self._gathers = [
            _Gather(
                step.op,
                plan.view_of(step.outputs[1], step.op.outputs[1]),
                *places.get(id(step), (-1, 0)),
            )
            for step in steps.values()
        ]
        self._keys = tuple(
            variable_of(tensor)
            for step in steps.values()
            for tensor in step.op.inputs
            if is_handle(tensor)
        )

    @property
    def last_job(self) -> int:
        """The number of the last job whose result is still to be put in place, or 0."""
        return max(int(gather.ticket[0]) for gather in self._gathers)

    def take_out(self) -> None:
        """Takes the arrays from the store, before a run; the caller holds its lock.

        Raises:
          UnavailableError: Another plan's values of the same variables cannot come.
        """
        store = self.plan.store
        self.arrays = {key: store.read(key) for key in self._keys}
        store.late.update(dict.fromkeys(self._keys, self))
        store.take_arrays(self._keys)
        # Other plans are bound to them.
        store.generation += 1
        # Last: an interrupt above leaves what the next run does again.
        self.is_out = True

    def read(self, key: VariableKey) -> NDArray[Any] | None:
        """Returns the array of a variable when its value has come.

        None where an interrupt has left it in the store.

        Raises:
          UnavailableError: The value cannot come any more.
        """
        array = self.arrays.get(key)
        self.settle()
        return array

    def settle(self) -> None:
        """Waits for all that is on its way, puts it in place and gives the arrays back.

        While the plan runs they stay out: it is about to begin with the next values.

        Raises:
          UnavailableError: It cannot come any more.
        """
        store = self.plan.store
        with store.held():
            for gather in self._gathers:
                number = int(gather.ticket[0])
                if number and not self.communicator.wait_for_job(number):
                    raise self.communicator.explain(gather.op)
            words = self.plan.words_address
            for gather in self._gathers:
                if gather.ticket[0] and gather.words >= 0:
                    self._put(words + 8 * gather.words, 0, gather.extent)
                gather.ticket[0] = 0
            if not self.is_running:
                self._give_back()

    def _give_back(self) -> None:
        store = self.plan.store
        self.is_out = False
        # After an interrupt in the middle of this some may have been replaced since.
        missing = {k: a for k, a in self.arrays.items() if not store.has_array(k)}
        store.give_arrays(missing)
        for key in self._keys:
            # Another plan may have them by now.
            if store.late.get(key) is self:
                del store.late[key]
        # Who counts references to an array sees whether somebody looks at it.
        self.arrays = {}
