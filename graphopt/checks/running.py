"""What is slow or wrong in how a program runs, whatever it computes: `RunWatcher`."""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from graphopt.checks.findings import Finding
from graphopt.data.iterators import EagerIterator
from graphopt.graph.context import modes
from graphopt.graph.graph import Graph, Operation
from graphopt.graph.hooks import hooks
from graphopt.graph.provenance import user_site
from graphopt.graph.traversal import find_ancestors
from graphopt.ops.creation import PLACEHOLDER
from graphopt.runtime.function import Function
from graphopt.runtime.outside import Outside
from graphopt.runtime.recording import Ran, Recorder
from graphopt.runtime.runner import Runner

# A function traced so often, and a fetch set run with so many sizes, pays again and again.
MANY_TRACES = 6
MANY_SHAPES = 8
# So many ops recorded by tapes, one by one, are a training loop.
EAGER_OPS = 2_000
# Waiting for data is worth a word from this share of the time of all runs on, and from so
# many seconds on.
WAITING_SHARE, WAITING_SECONDS = 0.3, 0.3
FIRST_TAKES = 3


class RunWatcher:
    """Watches how a script runs.

    Args:
      recorder: What sees its runs; its `on_results` is set.
    """

    def __init__(self, recorder: Recorder) -> None:
        self.recorder = recorder
        recorder.on_results = self.note_results
        self.waited = 0.0
        self._eager: Counter[str] = Counter()
        self._traces: Counter[str] = Counter()
        self._takes: Counter[int] = Counter()
        self._not_finite: dict[Runner, Finding] = {}
        self._depth = 0

    # ---- while the script runs

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        """Watches eager ops, traces and data pipelines in a block."""
        run_eagerly = hooks.run_eagerly
        arrays, take = EagerIterator.arrays, Outside.take
        trace = Function._trace_new

        def count_eagerly(spec: Any, inputs: Any, attrs: Any) -> Any:
            if modes.tapes:
                self._eager[str(user_site() or "")] += 1
            return run_eagerly(spec, inputs, attrs)

        def count_traces(function: Any, *arguments: Any) -> Any:
            self._traces[getattr(function, "__name__", "function")] += 1
            return trace(function, *arguments)

        hooks.run_eagerly = count_eagerly
        Function._trace_new = count_traces  # type: ignore[method-assign,assignment]
        EagerIterator.arrays = self._timed(arrays)  # type: ignore[method-assign]
        Outside.take = self._timed(take)  # type: ignore[method-assign]
        try:
            yield
        finally:
            hooks.run_eagerly = run_eagerly
            Function._trace_new = trace  # type: ignore[method-assign]
            EagerIterator.arrays = arrays  # type: ignore[method-assign]
            Outside.take = take  # type: ignore[method-assign]

    def _timed(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Counts the time of what waits for data; what is inside of it counts once."""

        def timed(taker: Any, *arguments: Any, **keywords: Any) -> Any:
            # At first functions of `map` are compiled, which is no waiting for data.
            self._takes[id(taker)] += 1
            if self._takes[id(taker)] <= FIRST_TAKES:
                return function(taker, *arguments, **keywords)
            self._depth += 1
            start = time.perf_counter()
            try:
                return function(taker, *arguments, **keywords)
            finally:
                self._depth -= 1
                if not self._depth:
                    self.waited += time.perf_counter() - start

        return timed

    def note_results(self, ran: Ran, results: Sequence[Any]) -> None:
        """Looks for NaN and infinities in what a run returned."""
        if ran.runner in self._not_finite:
            return
        for tensor, value in zip(ran.runner.fetches, results, strict=False):
            array = np.asarray(value)
            if array.dtype.kind in "fc" and not np.isfinite(array).all():
                known = self.recorder.ran.values()
                runs = sum(each.runs for each in known if each.runner is ran.runner)
                self._not_finite[ran.runner] = Finding(
                    "not-finite",
                    "error",
                    f"{tensor.name!r} was {_worst(array)} in run {runs} of {ran.name}",
                    tensor.op.site_text,
                    "graphopt check --nan, which names the op that made the first one",
                    tensor.op.name,
                )
                return

    # ---- afterwards

    def findings(self) -> list[Finding]:
        """Returns what was noticed."""
        ran = self.recorder.list_ran()
        return [
            *self._not_finite.values(),
            *slow_steps(ran),
            *many_shapes(ran),
            *many_traces(self._traces),
            *self._eager_loops(),
            *self._waiting(),
            *unused_feeds(ran),
        ]

    def _eager_loops(self) -> Iterator[Finding]:
        total = sum(self._eager.values())
        if total >= EAGER_OPS:
            site, _ = self._eager.most_common(1)[0]
            yield Finding(
                "eager-loop",
                "warning",
                f"{total:,} ops ran one by one under a GradientTape, at {len(self._eager)} "
                "places; in a function they are one native call",
                site,
                "@tf.function around the training step",
            )

    def _waiting(self) -> Iterator[Finding]:
        whole = self.waited + self.recorder.seconds
        if self.waited >= max(WAITING_SECONDS, WAITING_SHARE * whole):
            yield Finding(
                "input-bound",
                "warning",
                f"steps waited {self.waited:.2f} s for data and ran for "
                f"{self.recorder.seconds:.2f} s",
                "",
                "dataset.prefetch, batch before map, map with num_parallel_calls, or cache",
            )


def _worst(array: Any) -> str:
    return "NaN" if np.isnan(array).any() else "infinite"


def slow_steps(ran: Sequence[Ran]) -> Iterator[Finding]:
    """Finds what runs with NumPy, and steps that are cut by ops of the host."""
    # With other sizes the same ops are as slow, and for the same reason.
    for each in {id(each.runner): each for each in reversed(ran)}.values():
        if each.runs < 2 and not each.is_training:
            continue
        schedule = each.plan.make_schedule()
        first = each.wanted[0]
        if schedule.interpreted:
            yield Finding(
                "interpreted",
                "warning",
                f"{each.name} runs op by op with NumPy, many times slower than native "
                f"code: {schedule.interpreted}",
                first.site_text,
                "another op in its place, or a run of its own for what needs it",
                first.name,
            )
            continue
        hosts = [step for step in schedule.steps if step.lowered.host]
        if hosts and each.is_training:
            step = hosts[0]
            more = f" and {len(hosts) - 1} more" if len(hosts) > 1 else ""
            yield Finding(
                "host-step",
                "note",
                f"the step {each.name} leaves native code for {step.name!r}{more}: "
                f"{step.lowered.host}",
                step.op.site_text,
                "doing it before the step, and feeding the result",
                step.name,
            )


def many_shapes(ran: Sequence[Ran]) -> Iterator[Finding]:
    """Finds fetch sets that are planned again and again for other sizes."""
    by_runner: dict[int, list[Ran]] = {}
    for each in ran:
        by_runner.setdefault(id(each.runner), []).append(each)
    for group in by_runner.values():
        runs = sum(each.runs for each in group)
        if len(group) >= MANY_SHAPES and runs < 4 * len(group):
            first = group[0]
            yield Finding(
                "many-shapes",
                "warning",
                f"{first.name} and {len(group) - 1} other sizes of it were each planned, "
                f"for {runs} runs in all",
                first.wanted[0].site_text,
                "batches of one size, as by drop_remainder or padded_batch; or buckets",
            )


def many_traces(traces: dict[str, int]) -> Iterator[Finding]:
    """Finds functions that are traced again and again."""
    for name, count in traces.items():
        if count >= MANY_TRACES:
            yield Finding(
                "retracing",
                "warning",
                f"the function {name!r} was traced {count} times",
                "",
                "tensors in place of Python numbers that change, and tf.shape(x) in place "
                "of x.shape where sizes do",
            )


def unused_feeds(ran: Sequence[Ran]) -> Iterator[Finding]:
    """Finds placeholders that are fed to a training step and change nothing."""
    seen: set[Operation] = set()
    for each in ran:
        if not each.is_training or _is_function(each.graph):
            continue
        needed = find_ancestors(each.wanted)
        for tensor in each.runner.feeds:
            op = tensor.op
            if op.spec is PLACEHOLDER and op not in needed and op not in seen:
                seen.add(op)
                yield Finding(
                    "unused-feed",
                    "warning",
                    f"{op.name!r} is fed, but nothing in the training step depends on it",
                    op.site_text,
                    "using it in the loss, or not feeding it",
                    op.name,
                )


def _is_function(graph: Graph) -> bool:
    return hasattr(graph, "function_name")
