"""What a program makes and runs while it is watched: `Recorder`, and what ran, `Ran`.

Everything that is compiled runs through a `Runner`: fetch sets of sessions, traces of
functions, steps of `fit`, an eager `apply_gradients`. One place is watched, and nothing is
watched while nobody looks: the hooks and the method are set for the length of a block.
"""

from __future__ import annotations

import contextlib
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn

from graphopt.graph.graph import Graph, Operation
from graphopt.graph.hooks import hooks
from graphopt.graph.shape import TensorShape
from graphopt.graph.tensor import GraphTensor
from graphopt.graph.traversal import find_ancestors
from graphopt.graph.words import clean_text
from graphopt.runtime.runner import Runner, ShapedPlan
from graphopt.schedule.work import estimate_time

# Programs that make thousands of graphs, or run thousands of fetch sets, are not kept
# alive as a whole.
GRAPHS_KEPT = 100
RUNS_KEPT = 500
# Of what is fed so many tensors are named.
FEEDS_NAMED = 3


class StopRunning(BaseException):
    """Ends a script where enough was seen; no `except Exception` catches it."""


@dataclass(eq=False)
class Ran:
    """A fetch set that ran with certain shapes.

    Attributes:
      runner: What ran it.
      shapes: Of what was fed.
      is_training: Whether it updates variables by derivatives, or, in a graph without any,
        writes variables that have a value.
      runs: How often it ran.
    """

    runner: Runner
    shapes: tuple[tuple[int, ...], ...]
    is_training: bool
    runs: int = 0

    @property
    def graph(self) -> Graph:
        """Its graph."""
        return self.runner.graph

    @property
    def feeds(self) -> dict[GraphTensor, TensorShape]:
        """What was fed, with its shapes."""
        pairs = zip(self.runner.feeds, self.shapes, strict=True)
        return {tensor: TensorShape(shape) for tensor, shape in pairs}

    @property
    def wanted(self) -> tuple[Operation, ...]:
        """The operations that were run or whose results were fetched."""
        return _wanted_of(self.runner)

    @property
    def plan(self) -> ShapedPlan:
        """What became of it."""
        return self.runner.plan(self.shapes)

    @property
    def name(self) -> str:
        """The function whose trace it is, or what was asked for; then what it takes."""
        name = getattr(self.graph, "function_name", "")
        if not name:
            names = [clean_text(op.name) for op in self.wanted]
            name = ", ".join(names[:2])
            if len(names) > 2:
                name += f" and {len(names) - 2} more"
        fed = [
            f"{tensor.dtype.name}{list(shape)}".replace(" ", "")
            for tensor, shape in zip(self.runner.feeds, self.shapes, strict=True)
        ]
        more = ", ..." if len(fed) > FEEDS_NAMED else ""
        return f"{clean_text(name)}({', '.join(fed[:FEEDS_NAMED])}{more})"

    def estimate_time(self) -> float:
        """Returns the nanoseconds that NumPy would take about for all runs.

        Shapes decide, no clock: the same program gives the same number.
        """
        return self.runs * estimate_time(self.plan.program.operations)


def _wanted_of(runner: Runner) -> tuple[Operation, ...]:
    fetched = dict.fromkeys(tensor.op for tensor in runner.fetches)
    return (*runner.targets, *fetched)


@dataclass
class Recorder:
    """What a script makes and runs: graphs, train ops, runs.

    Attributes:
      on_run: Called after each run of a fetch set, with what ran and what was fed.
      on_gradients: Called after each walk of derivatives; see `graph.hooks`.
      on_results: Called after each run, with what ran and what it returned.
      run: Runs fetch sets in place of `Runner._run`, which it is given last.
      graphs: Those that were made, the last one at the end.
      train_op: The last one that an optimizer made in graph mode.
      ran: What ran, in the order of the first runs.
      seconds: What the runs took.
      stopped: Whether the script was ended; further runs end it again.
    """

    on_run: Callable[[Ran, Sequence[Any]], None] | None = None
    on_gradients: Callable[[Any, Any, Any], None] | None = None
    on_results: Callable[[Ran, Sequence[Any]], None] | None = None
    run: Callable[..., Any] | None = None
    graphs: deque[Graph] = field(default_factory=lambda: deque(maxlen=GRAPHS_KEPT))
    train_op: Operation | None = None
    ran: dict[Any, Ran] = field(default_factory=dict)
    seconds: float = 0.0
    stopped: bool = False
    # For each graph the train ops, and the ops that computed derivatives.
    _marks: dict[Graph, set[Operation]] = field(default_factory=dict)

    # ---- told by hooks

    def record_train_op(self, op: Any) -> None:
        """Keeps the op; optimizers call it in graph mode only."""
        if isinstance(op, Operation):
            self.train_op = op
            self._marks.setdefault(op.graph, set()).add(op)

    def record_gradients(self, targets: Any, sources: Any, found: Any) -> None:
        """Keeps what derivatives were computed by."""
        for gradient in found:
            parts = getattr(gradient, "values", gradient)
            if isinstance(parts, GraphTensor):
                self._marks.setdefault(parts.op.graph, set()).add(parts.op)
        if self.on_gradients is not None:
            self.on_gradients(targets, sources, found)

    def record_run(
        self,
        runner: Runner,
        feeds: Sequence[Any],
        count: int,
        results: Sequence[Any] = (),
    ) -> None:
        """Keeps what ran and tells `on_results` and `on_run`."""
        shapes = tuple(array.shape for array in feeds)
        key = (id(runner), shapes)
        ran = self.ran.get(key)
        if ran is None:
            if len(self.ran) >= RUNS_KEPT:
                self._forget_one()
            ran = self.ran[key] = Ran(runner, shapes, self.trains(runner, shapes))
        ran.runs += count
        if self.on_results is not None:
            self.on_results(ran, results)
        if self.on_run is not None:
            self.on_run(ran, feeds)

    def _forget_one(self) -> None:
        """Drops the oldest that does not train, or else the oldest."""
        keys = [key for key, ran in self.ran.items() if not ran.is_training]
        del self.ran[keys[0] if keys else next(iter(self.ran))]

    def trains(self, runner: Runner, shapes: tuple[tuple[int, ...], ...]) -> bool:
        """Returns whether a fetch set updates variables by derivatives; see `Ran`."""
        plan = runner.plan(shapes)
        if not plan.writes or plan.is_initializer:
            return False
        marks = self._marks.get(runner.graph)
        if not marks:
            return True
        return not marks.isdisjoint(find_ancestors(_wanted_of(runner)))

    # ---- what was seen

    def last_graph(self) -> Graph | None:
        """Returns the graph made last that has ops."""
        return next((graph for graph in reversed(self.graphs) if len(graph)), None)

    def list_ran(self) -> list[Ran]:
        """Returns what ran without what only gave variables their initial values."""
        return [ran for ran in self.ran.values() if not ran.plan.is_initializer]

    def costliest(self, *, training: bool = False) -> Ran | None:
        """Returns what takes most in all its runs, by its shapes.

        Args:
          training: Whether only what trains counts.
        """
        found = [ran for ran in self.list_ran() if ran.is_training or not training]
        if len(found) < 2:
            return found[0] if found else None
        return max(found, key=Ran.estimate_time)

    def fed_shapes(self, graph: Graph) -> dict[GraphTensor, TensorShape]:
        """Returns the last shape of each tensor that was fed in a graph."""
        shapes: dict[GraphTensor, TensorShape] = {}
        for ran in self.ran.values():
            if ran.graph is graph:
                shapes.update(ran.feeds)
        return shapes


@contextlib.contextmanager
def recording(recorder: Recorder) -> Iterator[None]:
    """Lets a recorder see what happens in a block."""
    before = hooks.on_graph, hooks.on_train_op, hooks.on_gradients, Runner._run
    run = Runner._run

    def observed(runner: Runner, feeds: Any, rows: Any, count: int) -> Any:
        if recorder.stopped:
            raise StopRunning
        start = time.perf_counter()
        if recorder.run is None:
            results = run(runner, feeds, rows, count)
        else:
            results = recorder.run(runner, feeds, rows, count, run)
        recorder.seconds += time.perf_counter() - start
        # The next run would go past what watches.
        runner.shortcut = None
        fed = [*feeds, *(array[-1, ...] for array in rows)]
        recorder.record_run(runner, fed, count, results)
        return results

    hooks.on_graph = recorder.graphs.append
    hooks.on_train_op = recorder.record_train_op
    hooks.on_gradients = recorder.record_gradients
    Runner._run = observed  # type: ignore[assignment,method-assign]
    try:
        yield
    finally:
        hooks.on_graph, hooks.on_train_op, hooks.on_gradients, _ = before
        Runner._run = before[-1]  # type: ignore[method-assign]


@contextlib.contextmanager
def refusing_runs() -> Iterator[None]:
    """Makes every way to run a graph raise `StopRunning`."""

    def refuse(*_arguments: Any, **_keywords: Any) -> NoReturn:
        raise StopRunning

    places: list[tuple[Any, str]] = [
        (hooks, "run_operation"),
        (hooks, "evaluate_tensor"),
        (Runner, "_run"),
    ]
    before = [getattr(owner, name) for owner, name in places]
    for owner, name in places:
        setattr(owner, name, refuse)
    try:
        yield
    finally:
        for (owner, name), function in zip(places, before, strict=True):
            setattr(owner, name, function)
