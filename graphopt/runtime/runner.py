"""What one fetch set does in one session: interpreted at first, compiled when it pays.

The key of a plan is the fetch set, the fed tensors and their shapes; the last plans are
kept, so that a last batch of another size does not throw away the usual one.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any

from numpy.typing import NDArray

from graphopt.codegen.lower import lower_operation
from graphopt.config import NEVER, settings
from graphopt.errors import InvalidArgumentError, describe_shapes, fail, format_shape
from graphopt.graph.effects import handles_written, variable_of
from graphopt.graph.graph import Graph, Operation
from graphopt.graph.program import Program
from graphopt.graph.shape import TensorShape
from graphopt.graph.tensor import GraphTensor
from graphopt.ops.creation import PLACEHOLDER
from graphopt.ops.state import ASSIGN
from graphopt.rewrite.driver import Trace, run_passes
from graphopt.rewrite.pipeline import MEANING, PIPELINE
from graphopt.runtime.debug import DebugExecutable
from graphopt.runtime.executable import Executable, nested_run
from graphopt.runtime.interpreter import interpret
from graphopt.runtime.numerics import CheckedExecutable, interpret_checked
from graphopt.runtime.store import VariableStore
from graphopt.schedule.build import build_schedule
from graphopt.schedule.steps import Schedule

Array = NDArray[Any]
PLANS_KEPT = 8
# Seconds that a native call of several steps should not exceed.
LONGEST_CALL = 0.05


class ShapedPlan:
    """A program for certain shapes, and what became of it.

    Attributes:
      program: With its meaning settled, before the rewrites that make it fast.
      writes: Whether it changes variables.
      is_initializer: Whether it only gives variables their initial values.
      executable: The compiled plan, once there is one.
      schedule: What the executable runs, or would run.
    """

    def __init__(
        self, source: Program, store: VariableStore, debug: bool = False
    ) -> None:
        self.source = source
        self.debug = debug
        self.store = store
        self.program = run_passes(source, MEANING)
        for op in self.program.operations:
            if op.spec is PLACEHOLDER and op.outputs[0] not in self.program.feeds:
                raise not_fed(op)
        self.runs = 0
        self.writes = self.program.writes_state
        self.is_initializer = self.writes and all(
            op.spec is ASSIGN and op.attrs.get("initializer")
            for op in self.program.operations
            if handles_written(op)
        )
        self.written = [
            variable_of(handle)
            for op in self.program.operations
            for handle in handles_written(op)
        ]
        self.executable: Executable | None = None
        self.checked: CheckedExecutable | None = None
        self.debugged: DebugExecutable | None = None
        self.schedule: Schedule | None = None

    def make_schedule(self, trace: Trace | None = None) -> Schedule:
        """Returns what the executable runs, planned when it is first asked for."""
        if self.schedule is None or trace is not None:
            program = run_passes(self.source, PIPELINE, trace)
            self.schedule = build_schedule(program, lower_operation)
        return self.schedule

    def compile(self, trace: Trace | None = None) -> Executable | None:
        """Compiles the plan, unless it is one that must be interpreted."""
        schedule = self.make_schedule(trace)
        if not schedule.interpreted and self.executable is None:
            self.executable = Executable(schedule, self.store)
        return self.executable

    def ready(self, at_once: bool = False) -> Executable | None:
        """Returns the executable if this run is to be a compiled one.

        The rule counts runs and nothing else: a training step is compiled at its first
        run, initializers and fetches without writes at their third.

        Args:
          at_once: Whether a fetch without writes is compiled at its first run as well.
        """
        if self.executable is None:
            if not self.is_due(at_once):
                return None
            self.compile()
        else:
            self.runs += 1
        if self.executable is None or not self.is_bound():
            return None
        return self.executable

    def is_due(self, at_once: bool) -> bool:
        """Counts a run and returns whether it is one to compile for."""
        self.runs += 1
        trains = self.writes and not self.is_initializer
        first = settings.interpreted_runs(trains or at_once)
        if first >= NEVER or self.runs <= first:
            return False
        return not self.make_schedule().interpreted

    def is_bound(self) -> bool:
        """Returns whether the variables that it writes have memory."""
        return all(self.store.is_initialized(key) for key in self.written)

    def run(
        self, feeds: Sequence[Array], at_once: bool = False, count: int = 1
    ) -> list[Array]:
        """Runs `count` times; the caller holds the lock of the store."""
        if self.debug:
            return self._run_debugged(feeds, count)
        if settings.check_numerics:
            return self._run_checked(feeds, at_once, count)
        executable = self.ready(at_once)
        if executable is not None and count > 1 and executable.can_repeat:
            return executable.run_repeated(feeds, count)
        results: list[Array] = []
        for _ in range(count):
            if executable is not None:
                results = executable.run(feeds)
            else:
                results = interpret(self.program, feeds, self.store)
        return results

    def _run_checked(
        self, feeds: Sequence[Array], at_once: bool, count: int
    ) -> list[Array]:
        """Runs `count` times, one by one, and refuses what is not finite."""
        results: list[Array] = []
        for _ in range(count):
            if self.is_due(at_once) and self.is_bound():
                if self.checked is None:
                    self.checked = CheckedExecutable(
                        self.make_schedule(), self.program, self.store
                    )
                results = self.checked.run(feeds)
            else:
                results = interpret_checked(self.program, feeds, self.store)
        return results

    def _run_debugged(self, feeds: Sequence[Array], count: int) -> list[Array]:
        """Runs `count` times, one by one, and compares each kernel with NumPy."""
        results: list[Array] = []
        for _ in range(count):
            if self.is_due(at_once=True) and self.is_bound():
                if self.debugged is None:
                    trace = Trace()
                    schedule = self.make_schedule(trace)
                    self.debugged = DebugExecutable(
                        schedule, self.program, trace, self.store
                    )
                results = self.debugged.run(feeds, settings.check_numerics)
            elif settings.check_numerics:
                results = interpret_checked(self.program, feeds, self.store)
            else:
                results = interpret(self.program, feeds, self.store)
        return results


def not_fed(op: Operation) -> InvalidArgumentError:
    """Makes the error for a placeholder without a value."""
    tensor = op.outputs[0]
    return fail(
        InvalidArgumentError,
        f"You must feed a value for placeholder tensor {op.name!r} with dtype "
        f"{tensor.dtype.name} and shape {format_shape(tensor.shape)}",
        got="no value for it",
        expected=describe_shapes(tensor),
        op=op,
        remedy=f"feed_dict={{{op.name}: ...}}",
    )


class Runner:
    """Runs one fetch set with one set of fed tensors."""

    def __init__(
        self,
        graph: Graph,
        fetches: tuple[GraphTensor, ...],
        targets: tuple[Operation, ...],
        feeds: tuple[GraphTensor, ...],
        store: VariableStore,
        at_once: bool = False,
        debug: bool | None = None,
    ) -> None:
        self.at_once = at_once
        self.debug = settings.debug if debug is None else debug
        self.graph = graph
        self.fetches = fetches
        self.targets = targets
        self.feeds = feeds
        self.store = store
        self.plans: OrderedDict[tuple[tuple[int, ...], ...], ShapedPlan] = OrderedDict()
        self.shortcut: Callable[[], None] | None = None

    def plan(self, shapes: tuple[tuple[int, ...], ...]) -> ShapedPlan:
        """Returns the plan for fed shapes, made when it is first asked for."""
        plan = self.plans.get(shapes)
        if plan is None:
            program = Program(
                self.graph,
                self.feeds,
                self.fetches,
                self.targets,
                tuple(TensorShape(shape) for shape in shapes),
            )
            plan = self.plans[shapes] = ShapedPlan(program, self.store, self.debug)
            while len(self.plans) > PLANS_KEPT:
                self.plans.popitem(last=False)
        else:
            self.plans.move_to_end(shapes)
        return plan

    def _is_watched(self) -> bool:
        """Whether runs must not go past what looks at their values."""
        return self.debug or settings.check_numerics

    def run_steps(self, feeds: Sequence[Array], count: int) -> list[Array]:
        """Runs the fetch set several times with the same feeds.

        Native calls are kept short, so that an interrupt is heard between two of them.

        Args:
          feeds: As in `run`.
          count: How often, at least once.

        Returns:
          What the last run returns.
        """
        results: list[Array] = []
        done, portion = 0, 1
        while done < count:
            portion = min(portion, count - done)
            start = time.perf_counter()
            results = self._run(feeds, portion)
            seconds = time.perf_counter() - start
            done += portion
            if seconds < LONGEST_CALL / 4:
                portion *= 4
            elif seconds > LONGEST_CALL:
                portion = max(1, portion // 4)
        return results

    def run(self, feeds: Sequence[Array]) -> list[Array]:
        """Runs the fetch set.

        Args:
          feeds: Contiguous arrays of the right dtypes, one for each fed tensor.

        Returns:
          A fresh array for each fetch.
        """
        return self._run(feeds, 1)

    def _run(self, feeds: Sequence[Array], count: int) -> list[Array]:
        store = self.store
        with store.lock:
            if store.busy:
                raise nested_run()
            store.busy = True
            try:
                plan = self.plan(tuple(array.shape for array in feeds))
                results = plan.run(feeds, self.at_once or count > 1, count)
            finally:
                store.busy = False
        can_be_short = not self.fetches and not self.feeds and not store.shares_arrays
        if can_be_short and plan.executable is not None and not self._is_watched():
            self.shortcut = plan.executable.run_unfed()
        return results
