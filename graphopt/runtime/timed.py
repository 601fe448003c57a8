"""Runs the steps of a plan one at a time, with a clock around each.

The tape of a plan is cut after every step, so that what is timed are the same kernels
with the same arguments in the same order, and the results are those of a normal run.
Branches and loops jump between their steps and stay in one piece. An empty piece costs
about 0.2 microseconds of Python and of the way into native code; that is measured too
and taken off. A plan that is interpreted is timed op by op.
"""

from __future__ import annotations

import functools
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphopt.graph.graph import Operation
from graphopt.graph.program import Program
from graphopt.runtime.executable import Executable
from graphopt.runtime.interpreter import Run, interpret
from graphopt.runtime.memory import aligned_zeros
from graphopt.runtime.store import VariableStore
from graphopt.runtime.threads import pool
from graphopt.schedule.steps import Schedule, Step, Word

Array = NDArray[Any]
Span = tuple[int, int]


class TimedExecutable(Executable):
    """A plan whose pieces are timed.

    Attributes:
      covered: For each piece the numbers of the steps in it.
      spans: For each piece of the last run when it began and ended, in nanoseconds.
      worked: For each piece how long each thread ran chunks of it, see `Pool`; empty
        where nothing was handed out.
    """

    def __init__(self, schedule: Schedule, store: VariableStore) -> None:
        self.covered: list[tuple[int, ...]] = []
        self.spans: list[Span] = []
        self.worked: list[tuple[int, ...]] = []
        # What the last run has posted, by piece and job, and when it began.
        self._posted: list[tuple[int, int]] = []
        self._begun = (0, 0)
        self._joined = joined_steps(schedule)
        super().__init__(schedule, store)
        self._entry = self._run_parts

    def _find_pauses(self) -> set[int]:
        return set(range(len(self.schedule.steps))) - self._joined

    def _make_parts(
        self, starts: list[int], end: int, hosts: list[Step | None]
    ) -> list[Callable[[], int]]:
        parts: list[Callable[[], int]] = []
        numbers = {id(step): i for i, step in enumerate(self.schedule.steps)}
        by_row: dict[int, list[int]] = {}
        for number in range(len(self.schedule.steps)):
            # A step without calls has the row of the next one, and is no part of it.
            if self._row_of_step[number + 1] > self._row_of_step[number]:
                by_row.setdefault(self._row_of_step[number], []).append(number)
        for part, (begin, stop) in enumerate(
            zip(starts, [*starts[1:], end], strict=True)
        ):
            host = hosts[part - 1] if part else None
            if host is not None:
                parts.append(functools.partial(self._run_on_host, host))
                self.covered.append((numbers[id(host)],))
            if stop > begin:
                parts.append(self._make_entry(part, begin, stop))
                rows = range(begin, stop)
                found = [number for row in rows for number in by_row.get(row, ())]
                self.covered.append(tuple(found))
        return parts

    def _run_parts(self) -> int:
        clock = time.perf_counter_ns
        spans: list[Span] = []
        worked: list[tuple[int, ...]] = []
        before = pool.read_worked()
        channel = getattr(self._communicator, "channel", None)
        begun = (clock(), channel.read_clock()) if channel is not None else (0, 0)
        posted: list[tuple[int, int]] = []
        for number, part in enumerate(self._parts):
            jobs = channel.posted if channel is not None else 0
            start = clock()
            code = part()
            spans.append((start, clock()))
            if code:
                return code
            if channel is not None:
                posted += [(number, job) for job in range(jobs, channel.posted)]
            after = pool.read_worked()
            taken = after[: len(before)] - before
            # Workers that are there and may not help are left out.
            last = int(taken.nonzero()[0].max(initial=-1))
            worked.append(tuple(taken[: last + 1].tolist()))
            before = after
        self.spans, self.worked = spans, worked
        self._posted, self._begun = posted, begun
        return 0

    def find_exchanges(self) -> list[tuple[int, Span]]:
        """Returns what the last run has exchanged, when all of it has come.

        Each is the piece that began to exchange something with other ranks, and when that
        began and ended.
        """
        if self._communicator is None:
            return []
        if self.late is not None:
            # What goes on behind the run is part of what it exchanges.
            self.late.settle()
        return _find_times(self._communicator.channel, self._posted, self._begun)

    def overhead(self) -> float:
        """Measures what a piece without any instruction takes, in seconds."""
        block = aligned_zeros(8 * self._tape.BLOCK_WORDS).view(np.int64)
        block[self._tape.BLOCK_INSTRUCTIONS] = self._rows.ctypes.data
        entry = self._tape.make_entry(block.ctypes.data)
        clock, taken = time.perf_counter_ns, []
        for _ in range(500):
            start = clock()
            entry()
            taken.append(clock() - start)
        return statistics.median(taken) / 1e9


def _find_times(
    channel: Any, posted: Sequence[tuple[int, int]], begun: tuple[int, int]
) -> list[tuple[int, Span]]:
    """Returns when jobs were done, in nanoseconds.

    Args:
      channel: What has done them.
      posted: Pairs of a piece and a job.
      begun: A moment, in nanoseconds and in the count of the channel.
    """
    nanoseconds = time.perf_counter_ns() - begun[0]
    counts = channel.read_clock() - begun[1]
    scale = nanoseconds / counts if counts > 0 else 0.0
    found = []
    for piece, job in posted:
        first, last = (
            begun[0] + round((count - begun[1]) * scale)
            for count in channel.times_of(job)
        )
        found.append((piece, (first, last)))
    return found


def joined_steps(schedule: Schedule) -> set[int]:
    """Returns the steps that must not be the last of a piece, because of jumps."""
    joined: set[int] = set()
    for number, step in enumerate(schedule.steps):
        for call in step.lowered.calls:
            for argument in call.arguments:
                if isinstance(argument, Word) and argument.place == "label":
                    target = schedule.labels[argument.index]
                    # To the end of a piece is a way out of it, into the next one.
                    joined |= set(range(min(number, target), max(number, target - 1)))
    return joined


class TimedRun(Run):
    """An interpreted run with a clock around each op.

    Attributes:
      spans: For each op when it began and ended, in nanoseconds.
    """

    def __init__(
        self, program: Program, feeds: Sequence[Array], store: VariableStore
    ) -> None:
        super().__init__(program, feeds, store)
        self.spans: list[Span] = []

    def step(self, op: Operation) -> None:
        """Runs one operation."""
        start = time.perf_counter_ns()
        super().step(op)
        self.spans.append((start, time.perf_counter_ns()))


def interpret_timed(
    program: Program, feeds: Sequence[Array], store: VariableStore
) -> tuple[list[Array], list[Span]]:
    """Interprets a program as `interpret` does; returns the spans of its ops, too."""
    run = TimedRun(program, feeds, store)
    return interpret(program, feeds, store, run=run), run.spans
