"""One step for each row of some arrays, in one native call, with all results kept.

`Executable.run_repeated` feeds every step its own row, but returns the results of the last
one. Here the memory of what is fetched is not in the arena: its address moves on from row
to row like that of what is fed. So a function of one element of a data set runs for
hundreds of them at the cost of a few nanoseconds each, and computes for each what it would
compute alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from graphopt.runtime.executable import Executable
from graphopt.runtime.memory import aligned_zeros
from graphopt.runtime.store import VariableStore
from graphopt.schedule.build import nbytes_of
from graphopt.schedule.steps import Argument, Buffer, Schedule, Step, is_host_value

if TYPE_CHECKING:
    from graphopt.runtime.runner import ShapedPlan

Array = NDArray[Any]


def can_run_rows(schedule: Schedule, store: VariableStore, plan: ShapedPlan) -> bool:
    """Returns whether a plan can run for many rows in one native call."""
    if schedule.interpreted or store.shares_arrays or plan.writes or plan.debug:
        return False
    if schedule.has_loops or any(step.lowered.host for step in schedule.steps):
        return False
    kept: dict[int, Any] = {}
    for tensor in schedule.program.fetches:
        buffer = schedule.locations[tensor]
        if buffer.kind in ("variable", "host") or is_host_value(tensor):
            return False
        if buffer.kind == "arena" and buffer.nbytes != nbytes_of(tensor):
            return False
        # Two results in one memory would be one column.
        if kept.setdefault(id(buffer), tensor) is not tensor:
            return False
    return not any(map(is_host_value, schedule.program.feeds))


class RowSteps(Executable):
    """A plan whose feeds and fetches are rows.

    Args:
      schedule: What to run; one that `can_run_rows`.
      store: The variables and random streams.
      moving: How many of the feeds are rows; those behind them stay the same.
    """

    def __init__(self, schedule: Schedule, store: VariableStore, moving: int) -> None:
        fetched = [schedule.locations[t] for t in schedule.program.fetches]
        self._moving = moving
        self._results = {
            id(buffer): i for i, buffer in enumerate(fetched) if buffer.kind == "arena"
        }
        # Where the addresses of results are: position, which result, offset.
        self._result_words: list[tuple[int, int, int]] = []
        super().__init__(schedule, store)
        fixed = 4 + 2 * (len(self._feed_words) + len(self._result_words))
        self._counted = aligned_zeros(8 * fixed).view(np.int64)
        if self._parts:
            # Loaded with the first plan, as all that writes kernels.
            from graphopt.codegen.tape.jumps import request_repetition

            kernel = self._kernel_of(request_repetition())
            block, tape = self._blocks[0], self._tape
            self._counted[2] = block.ctypes.data + 8 * tape.BLOCK_STATUS
            self._rows[-1] = (kernel.address, self._counted.ctypes.data, 0, 1)
            block[tape.BLOCK_COUNT] = len(self._rows)

    def _word(self, step: Step, argument: Argument, position: int) -> int:
        if not isinstance(argument, int):
            groups = {
                "input": step.inputs,
                "output": step.outputs,
                "scratch": step.scratch,
            }
            buffers = groups.get(argument.place)
            which = None
            if buffers is not None:
                which = self._results.get(id(buffers[argument.index]))
            if which is not None:
                self._result_words.append((position, which, argument.offset))
                return 0
        return super()._word(step, argument, position)

    def _find_pauses(self) -> set[int]:
        return set()

    def run_rows(
        self, rows: Sequence[Array], fixed: Sequence[Array], count: int
    ) -> list[Array]:
        """Runs the step for each row.

        Args:
          rows: Arrays `[count, ...]` of the dtypes and row shapes that were planned for.
          fixed: The feeds that are the same for all rows.
          count: How many rows, at least one.

        Returns:
          For each fetch an array `[count, ...]`.

        Raises:
          OpError: A step failed; no random number was drawn.
        """
        rows = [np.ascontiguousarray(a).reshape(a.shape) for a in rows]
        results = [
            np.empty((count, *t.shape), t.dtype.numpy)
            for t in self.schedule.program.fetches
        ]
        with self.store.running():
            if self._parts:
                self._call(rows, fixed, results, count)
        for tensor, result in zip(self.schedule.program.fetches, results, strict=True):
            buffer = self.schedule.locations[tensor]
            if buffer.kind != "arena":
                result[...] = self._given(buffer, rows, fixed)
        return results

    def _given(
        self, buffer: Buffer, rows: Sequence[Array], fixed: Sequence[Array]
    ) -> Array:
        """Returns a fetch that no kernel makes."""
        given: Array
        if buffer.kind == "constant":
            given = np.asarray(buffer.source)
        elif buffer.source < self._moving:
            given = rows[buffer.source]
        else:
            given = fixed[buffer.source - self._moving]
        return given

    def _call(
        self,
        rows: Sequence[Array],
        fixed: Sequence[Array],
        results: Sequence[Array],
        count: int,
    ) -> None:
        self._bind_run([*(a[0, ...] for a in rows), *fixed])
        words, address = self._words, self._words.ctypes.data
        moved = [
            (address + 8 * position, rows[index].strides[0])
            for position, index, _ in self._feed_words
            if index < self._moving
        ]
        for position, which, offset in self._result_words:
            words[position] = results[which].ctypes.data + offset
            moved.append((address + 8 * position, results[which].strides[0]))
        counter = self._counted
        counter[0], counter[1], counter[3] = 0, count, len(moved)
        if moved:
            counter[4 : 4 + 2 * len(moved)] = np.array(moved, np.int64).reshape(-1)
        undo = self._undo
        if undo is not None:
            undo.save()
        try:
            code = self._entry()
            if code:
                raise self._error(code)
        except BaseException:
            if undo is not None:
                undo.restore()
            raise
