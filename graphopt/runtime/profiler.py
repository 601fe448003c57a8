"""Measures a plan: real runs, after which the variables are what they were."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from graphopt.codegen import kernels
from graphopt.errors import fail
from graphopt.graph.effects import handles_written, variable_of
from graphopt.graph.graph import Operation
from graphopt.graph.words import clean_text, size_of
from graphopt.rewrite.driver import Trace
from graphopt.runtime.executable import Executable
from graphopt.runtime.interpreter import interpret
from graphopt.runtime.profile import (
    EXCHANGING,
    Event,
    Exchange,
    Profile,
    StepTime,
    total,
)
from graphopt.runtime.runner import ShapedPlan
from graphopt.runtime.timed import Span, TimedExecutable, interpret_timed
from graphopt.schedule.steps import Step
from graphopt.schedule.summary import fingerprint, fused_names, summarize_kernels
from graphopt.schedule.work import count_flops

if TYPE_CHECKING:
    from graphopt.codegen.compile.limits import MachineLimits

Array = NDArray[Any]
WARM_UP = 2
# More single steps than that are not kept; the medians count all of them.
MOST_EVENTS = 100_000


def profile_plan(
    plan: ShapedPlan,
    feeds: Sequence[Array],
    runs: int,
    on_run: Callable[[int], None] = lambda done: None,
) -> Profile:
    """Runs a plan and times its steps; the caller holds the lock of the store.

    Args:
      plan: For the shapes of the feeds.
      feeds: What it is given, in every run.
      runs: How often, at least once.
      on_run: Told how many runs are done.

    Returns:
      The profile. Variables and the streams of random ops are what they were before.

    Raises:
      OpError: The plan fails.
      ValueError: `runs` is not positive.
    """
    # llvmlite, which a program that profiles nothing may not need.
    from graphopt.codegen.compile.limits import measure_limits

    if runs < 1:
        raise fail(
            ValueError,
            "A profile needs a positive number of runs",
            got=str(runs),
            expected="1 or more",
        )
    trace = Trace()
    start = time.perf_counter()
    schedule = plan.make_schedule(trace)
    passes = {each.name: each.seconds for each in trace.applied}
    scheduling = time.perf_counter() - start - sum(passes.values())
    whole: Executable | None = None
    timed: TimedExecutable | None = None
    if not schedule.interpreted:
        whole, timed = (
            Executable(schedule, plan.store),
            TimedExecutable(schedule, plan.store),
        )
    measured = _Measured(plan, feeds, whole, timed)
    store = plan.store
    saved = {key: np.array(store.read(key)) for key in plan.written}
    draws = dict(store.draws)
    try:
        for _ in range(WARM_UP):
            measured.run_whole()
            measured.run_timed()
        seconds, all_spans, all_worked, all_exchanges = [], [], [], []
        for done in range(1, runs + 1):
            # One after the other, so that a slow moment hits both.
            seconds.append(measured.run_whole())
            all_spans.append(measured.run_timed())
            all_worked.append([] if timed is None else timed.worked)
            all_exchanges.append([] if timed is None else timed.find_exchanges())
            on_run(done)
    finally:
        store.commit(saved)
        store.draws.clear()
        store.draws.update(draws)
    limits = measure_limits()
    steps = measured.steps(all_spans, limits)
    names = [kernel.name for kernel in summarize_kernels(schedule)]
    record = kernels.record
    program = plan.source
    wanted: tuple[Any, ...] = (*program.fetches, *program.targets)
    return Profile(
        tuple(clean_text(each.name) for each in wanted),
        runs,
        statistics.median(seconds),
        min(seconds),
        max(seconds),
        steps,
        0 if schedule.interpreted else schedule.arena_bytes,
        limits,
        passes,
        scheduling,
        {n: record.by_name[n] for n in names if n in record.by_name},
        {n: record.loading[n] for n in names if n in record.loading},
        clean_text(schedule.interpreted),
        _events(all_spans, all_worked, len(steps)),
        fingerprint(schedule),
        _exchanges(all_spans, all_exchanges),
    )


class _Measured:
    """A plan in the two ways in which it is run."""

    def __init__(
        self,
        plan: ShapedPlan,
        feeds: Sequence[Array],
        whole: Executable | None,
        timed: TimedExecutable | None,
    ) -> None:
        self.plan, self.feeds = plan, feeds
        self.whole, self.timed = whole, timed
        self.overhead = timed.overhead() if timed is not None else 0.0

    def run_whole(self) -> float:
        """Runs the plan as always; returns the seconds."""
        self._run_before(self.whole)
        start = time.perf_counter()
        if self.whole is not None:
            self.whole.run(self.feeds)
        else:
            interpret(self.plan.program, self.feeds, self.plan.store)
        return time.perf_counter() - start

    def _run_before(self, executable: Executable | None) -> None:
        """Has a run find what one before it leaves, as while a program trains."""
        if executable is not None and executable.late is not None:
            executable.run(self.feeds)

    def run_timed(self) -> list[Span]:
        """Runs the plan in pieces."""
        self._run_before(self.timed)
        if self.timed is not None:
            self.timed.run(self.feeds)
            return self.timed.spans
        program = self.plan.program
        return interpret_timed(program, self.feeds, self.plan.store)[1]

    def steps(
        self, all_spans: Sequence[Sequence[Span]], limits: MachineLimits
    ) -> tuple[StepTime, ...]:
        """Returns what each piece takes, the median over the runs."""
        found = []
        for place, spans in enumerate(zip(*all_spans, strict=True)):
            taken = statistics.median(end - start for start, end in spans) / 1e9
            if self.timed is None:
                op = self.plan.program.operations[place]
                found.append(_interpret(place, op, taken))
                continue
            numbers = self.timed.covered[place]
            steps = [self.timed.schedule.steps[number] for number in numbers]
            seconds = max(taken - self.overhead, 0.0)
            found.append(_compile(numbers[0], steps, seconds, limits))
        return tuple(found)


def _interpret(number: int, op: Operation, seconds: float) -> StepTime:
    nbytes = total([size_of(tensor) for tensor in (*op.inputs, *op.outputs)])
    return StepTime(
        number,
        op.name,
        op.type,
        "NumPy",
        (op.name,),
        seconds,
        nbytes,
        count_flops(op),
        None,
        "",
        (),
        op.site_text,
    )


def _compile(
    number: int, steps: Sequence[Step], seconds: float, limits: MachineLimits
) -> StepTime:
    first = steps[0]
    nbytes, flops, share, bound = None, None, None, ""
    # How often the steps of a loop run only the data know, and no limit of this machine
    # says how fast others answer.
    if len(steps) == 1 and first.kernel != EXCHANGING:
        nbytes, flops = moved_bytes(first), count_flops(first.op)
        share, bound = _limit(first.op, seconds, nbytes, flops, limits)
    names = [
        step.within + name
        for step in steps
        for name in fused_names(step.op) or (step.op.name,)
    ]
    called = [call.kernel.name for step in steps for call in step.lowered.calls]
    return StepTime(
        number,
        first.name,
        first.op.type,
        first.kernel if len(steps) == 1 else "loop",
        tuple(dict.fromkeys(names)),
        seconds,
        nbytes,
        flops,
        share,
        bound,
        tuple(dict.fromkeys(called)),
        first.op.site_text,
    )


def moved_bytes(step: Step) -> int:
    """Returns the bytes of the buffers that a step reads and writes.

    A variable that is updated counts twice; a gather counts its whole table.
    """
    written = {id(variable_of(handle)) for handle in handles_written(step.op)}
    sizes = {id(buffer): buffer.nbytes for buffer in (*step.inputs, *step.outputs)}
    changed = {
        id(buffer): buffer.nbytes
        for buffer in step.inputs
        if buffer.kind == "variable" and id(buffer.source) in written
    }
    return sum(sizes.values()) + sum(changed.values())


def _limit(
    op: Operation,
    seconds: float,
    nbytes: int,
    flops: int | None,
    limits: MachineLimits,
) -> tuple[float | None, str]:
    # The clock and the overhead are too coarse for less.
    if seconds < 2e-7:
        return None, ""
    bandwidth = limits.bandwidth(nbytes)
    moved = nbytes / seconds / bandwidth
    peak = limits.float32
    if any(t.dtype.name == "float64" for t in (*op.inputs, *op.outputs)):
        peak = limits.float64
    computed = (flops or 0) / seconds / peak
    if computed > moved:
        return computed, "arithmetic"
    return moved, "memory" if bandwidth == limits.memory else "cache"


def _events(
    all_spans: Sequence[Sequence[Span]],
    all_worked: Sequence[Sequence[tuple[int, ...]]],
    steps: int,
) -> tuple[Event, ...]:
    kept = all_spans[: max(1, MOST_EVENTS // max(steps, 1))]
    begin = kept[0][0][0] if kept and kept[0] else 0
    rate = _count_rate(all_spans, all_worked)
    return tuple(
        Event(
            run,
            step,
            (start - begin) / 1e9,
            (end - start) / 1e9,
            tuple(min(count / rate, (end - start) / 1e9) for count in counts),
        )
        for run, spans in enumerate(kept)
        for step, ((start, end), counts) in enumerate(
            zip(spans, all_worked[run] or [()] * len(spans), strict=True)
        )
    )


def _exchanges(
    all_spans: Sequence[Sequence[Span]],
    all_exchanges: Sequence[Sequence[tuple[int, Span]]],
) -> tuple[Exchange, ...]:
    begin = all_spans[0][0][0] if all_spans and all_spans[0] else 0
    return tuple(
        Exchange(run, piece, (start - begin) / 1e9, (end - start) / 1e9)
        for run, exchanges in enumerate(all_exchanges)
        for piece, (start, end) in exchanges
    )


def _count_rate(
    all_spans: Sequence[Sequence[Span]], all_worked: Sequence[Sequence[tuple[int, ...]]]
) -> float:
    """Returns how often the processor's counter counts in a second.

    What it counts is not known, but that a thread cannot compute for longer than a step
    takes: in the steps that keep a thread busiest it does hardly anything else.
    """
    rates = [
        max(counts) / (end - start) * 1e9
        for spans, worked in zip(all_spans, all_worked, strict=True)
        for (start, end), counts in zip(spans, worked, strict=False)
        if counts and end > start
    ]
    return float(np.percentile(rates, 95)) if rates else 1.0
