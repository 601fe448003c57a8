"""What one fetch set does in one session: interpreted at first, compiled when it pays.

The key of a plan is the fetch set, the fed tensors and their shapes. Plans are kept as long
as they are few or hold little memory: sequences of many lengths are planned once each.
"""

from __future__ import annotations

import time
import warnings
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from graphopt.config import NEVER, settings
from graphopt.errors import (
    GraphoptWarning,
    InvalidArgumentError,
    OpError,
    describe_shapes,
    fail,
    format_shape,
)
from graphopt.graph.effects import (
    calls_python,
    exchanges,
    handles_written,
    variable_of,
)
from graphopt.graph.graph import Graph, Operation
from graphopt.graph.hooks import hooks
from graphopt.graph.outside import MARK
from graphopt.graph.process_settings import rare_collections
from graphopt.graph.program import Program
from graphopt.graph.provenance import user_site
from graphopt.graph.shape import TensorShape
from graphopt.graph.tensor import GraphTensor
from graphopt.lazy import cached_property
from graphopt.ops.creation import PLACEHOLDER
from graphopt.ops.state import ASSIGN
from graphopt.rewrite.defer_gathers import defer_gathers
from graphopt.rewrite.driver import Pass, Trace, run_passes
from graphopt.rewrite.pipeline import MEANING, PIPELINE, WATCHED
from graphopt.runtime.executable import LONGEST_CALL, Executable
from graphopt.runtime.interpreter import interpret
from graphopt.runtime.store import VariableStore, closed_session, nested_run
from graphopt.runtime.view_hint import add_view_hint
from graphopt.schedule.build import build_schedule
from graphopt.schedule.steps import Schedule
from graphopt.schedule.work import is_worth_compiling

if TYPE_CHECKING:
    from graphopt.runtime.debug import DebugExecutable
    from graphopt.runtime.numerics import CheckedExecutable
    from graphopt.runtime.outside import Outside

Array = NDArray[Any]
# So many plans are kept whatever they hold, and more while all of them hold less than this.
PLANS_KEPT = 8
PLAN_BYTES = 1 << 28
# What Python's objects for one op of a compiled plan take, about.
BYTES_OF_OP = 1500


class ShapedPlan:
    """A program for certain shapes, and what became of it.

    Attributes:
      source: The program as the user built it.
      writes: Whether it changes variables.
      is_initializer: Whether it only gives variables their initial values.
      executable: The compiled plan, once there is one.
      schedule: What the executable runs, or would run.
    """

    def __init__(
        self,
        source: Program,
        store: VariableStore,
        debug: bool = False,
        earlier: int = 0,
    ) -> None:
        self.source = source
        # How often the same fetch set ran before, with other shapes.
        self.earlier = earlier
        self.debug = debug
        self.store = store
        self._pruned: Program | None = None
        operations = self.pruned.operations
        self._size = len(operations)
        for op in operations:
            if op.spec is PLACEHOLDER and op.outputs[0] not in self.pruned.feeds:
                raise not_fed(op)
        self.runs = 0
        if any(calls_python(op) for op in operations):
            store.note_python()
        writers = [op for op in operations if handles_written(op)]
        self.writes = bool(writers)
        self.is_initializer = self.writes and all(
            op.spec is ASSIGN and op.attrs.get("initializer") for op in writers
        )
        self.written = [
            variable_of(handle) for op in writers for handle in handles_written(op)
        ]
        # A step that others wait for runs in one way on all ranks, whatever its sizes.
        self.exchanges = any(exchanges(op) for op in operations)
        self.executable: Executable | None = None
        self.checked: CheckedExecutable | None = None
        self.debugged: DebugExecutable | None = None
        self.schedule: Schedule | None = None

    @property
    def pruned(self) -> Program:
        """What of the source is needed; a compiled plan does not keep it."""
        if self._pruned is None:
            with rare_collections():
                self._pruned = run_passes(self.source, MEANING[:1])
        return self._pruned

    @cached_property
    def program(self) -> Program:
        """With its meaning settled, before the rewrites that make it fast."""
        return run_passes(self.pruned, MEANING[1:])

    @cached_property
    def is_heavy(self) -> bool:
        """Whether one run by NumPy would take longer than compiling."""
        has_kernels = self.earlier >= settings.interpreted_runs(False)
        operations = self.program.operations
        if self.writes or self.exchanges:
            return False
        return is_worth_compiling(operations, has_kernels)

    @property
    def nbytes(self) -> int:
        """About how much memory the plan holds."""
        executable = self.executable
        arena = executable.schedule.arena_bytes if executable is not None else 0
        return arena + BYTES_OF_OP * self._size

    def make_schedule(self, trace: Trace | None = None) -> Schedule:
        """Returns what the executable runs, planned when it is first asked for."""
        with rare_collections():
            if trace is not None:
                self.schedule = _plan(self.source, PIPELINE, trace)
            elif self.schedule is None:
                self.schedule = _plan(self.pruned, PIPELINE[1:])
        return self.schedule

    def compile(self, trace: Trace | None = None) -> Executable | None:
        """Compiles the plan, unless it is one that must be interpreted."""
        schedule = self.make_schedule(trace)
        if not schedule.interpreted and self.executable is None:
            with rare_collections():
                self.executable = Executable(schedule, self.store)
            self._pruned = None
            self.__dict__.pop("program", None)
        return self.executable

    def ready(self, at_once: bool = False) -> Executable | None:
        """Returns the executable if this run is to be a compiled one.

        The rule counts runs and looks at sizes: a training step is compiled at its first
        run, initializers at their third, fetches without writes too, unless one run by
        NumPy would take longer than compiling, or, where they ran with other shapes
        already, than planning.

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
        trains = (self.writes or self.exchanges) and not self.is_initializer
        first = settings.interpreted_runs(trains or at_once)
        if self.runs <= first < NEVER and settings.jit is None and self.is_heavy:
            first = 0
        if first >= NEVER or self.runs <= first:
            return False
        why = self.make_schedule().interpreted
        if why and trains and self.written and self.runs == first + 1:
            _warn_interpreted(self.written[0].name, why)
        return not why

    def is_bound(self) -> bool:
        """Returns whether the variables that it writes have memory."""
        return all(self.store.is_initialized(key) for key in self.written)

    def run(
        self,
        feeds: Sequence[Array],
        rows: Sequence[Array],
        at_once: bool,
        count: int,
    ) -> list[Array]:
        """Runs `count` times; the caller holds the lock of the store.

        Args:
          feeds: The values of the first feeds, the same for every run.
          rows: For each of the other feeds an array of which run i takes row i.
          at_once: Whether to compile a fetch without writes at its first run as well.
          count: How often.
        """
        if self.debug or settings.check_numerics:
            return self._run_watched(feeds, rows, at_once, count)
        executable = self.ready(at_once)
        if executable is not None and count > 1 and executable.can_repeat:
            return executable.run_repeated(feeds, rows, count)
        results: list[Array] = []
        for i in range(count):
            fed = [*feeds, *(array[i, ...] for array in rows)]
            if executable is not None:
                results = executable.run(fed)
            else:
                results = interpret(self.program, fed, self.store)
        return results

    def _run_watched(
        self, feeds: Sequence[Array], rows: Sequence[Array], at_once: bool, count: int
    ) -> list[Array]:
        """Runs `count` times, one by one, and looks at the values."""
        results: list[Array] = []
        for i in range(count):
            fed = [*feeds, *(array[i, ...] for array in rows)]
            if self.exchanges:
                raise NotImplementedError(
                    "Debugging, or checking for NaN, in a step that exchanges values "
                    "with other ranks: what is computed again to find an error would be "
                    "exchanged again. Try the same script with one rank."
                )
            if self.debug:
                results = self._run_debugged(fed)
            else:
                results = self._run_checked(fed, at_once)
        return results

    def _run_checked(self, feeds: Sequence[Array], at_once: bool) -> list[Array]:
        """Refuses what is not finite."""
        # Loaded by those who ask for it, here and below.
        from graphopt.runtime.numerics import CheckedExecutable, interpret_checked

        if not self._is_watchable(at_once):
            return interpret_checked(self.program, feeds, self.store)
        if self.checked is None:
            program = run_passes(self.pruned, WATCHED[1:])
            self.checked = CheckedExecutable(program, self.program, self.store)
        return self.checked.run(feeds)

    def _is_watchable(self, at_once: bool) -> bool:
        """Whether the plan is compiled, and kernels can look at all its values."""
        is_compiled = self.is_due(at_once) and self.is_bound()
        return is_compiled and not self.make_schedule().has_host_values

    def _run_debugged(self, feeds: Sequence[Array]) -> list[Array]:
        """Compares each kernel with NumPy."""
        from graphopt.runtime.debug import DebugExecutable
        from graphopt.runtime.numerics import interpret_checked

        if self._is_watchable(at_once=True):
            if self.debugged is None:
                trace = Trace()
                program = self.make_schedule(trace).program
                # Each op alone, and what is inside of a branch or loop is part of it.
                schedule = lower_program(program, jumps=False)
                self.debugged = DebugExecutable(
                    schedule, self.program, trace, self.store
                )
            return self.debugged.run(feeds, settings.check_numerics)
        if settings.check_numerics:
            return interpret_checked(self.program, feeds, self.store)
        return interpret(self.program, feeds, self.store)


def _warn_interpreted(variable: str, why: str) -> None:
    """Tells a user whose training step is many times slower than it looks."""
    warnings.warn(
        f"The step that writes {variable!r} runs op by op with NumPy, many times slower "
        f"than native code: {why}. `graphopt check script.py` says more.",
        GraphoptWarning,
        stacklevel=2,
    )


def _plan(
    source: Program, passes: tuple[Pass, ...], trace: Trace | None = None
) -> Schedule:
    """Returns the schedule of a program, after some passes."""
    schedule = lower_program(run_passes(source, passes, trace))
    if schedule.fails_late and schedule.has_lasting:
        # What fails behind the beginning of an exchange could not be taken back.
        if trace is not None:
            trace.applied.clear()
        passes = tuple(each for each in passes if each is not defer_gathers)
        schedule = lower_program(run_passes(source, passes, trace))
    return schedule


def lower_program(program: Program, jumps: bool = True) -> Schedule:
    """Returns the schedule of a program, with the kernels of its operations.

    Args:
      program: After all passes.
      jumps: As in `build_schedule`.
    """
    # What writes kernels is loaded for the first plan: an import that waited for it would
    # take a tenth longer, and programs that are interpreted never need it.
    from graphopt.codegen.lower import lower_operation

    return build_schedule(program, lower_operation, jumps)


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
        self.store = store
        self.wanted = len(fetches)
        self.outside: Outside | None = None
        if MARK in graph.attachments:
            # Loaded by those who have such ops.
            from graphopt.runtime.outside import find_outside

            self.outside = find_outside(fetches, targets, feeds, self._make_other)
        if self.outside is not None:
            fetches = (*fetches, *self.outside.given)
            targets = self.outside.targets
            feeds = (*feeds, *self.outside.taken)
        self.fetches = fetches
        self.targets = targets
        self.feeds = feeds
        self._dtypes = tuple(tensor.dtype.numpy for tensor in feeds)
        self.plans: OrderedDict[tuple[tuple[int, ...], ...], ShapedPlan] = OrderedDict()
        self.shortcut: Callable[[], None] | None = None
        # How often it ran, with any shapes.
        self.runs = 0
        # The number of steps in one native call.
        self._portion = 1

    def _make_other(
        self, fetches: Sequence[GraphTensor], feeds: Sequence[GraphTensor]
    ) -> Runner:
        """Returns the runner of what has to be known before the step."""
        return Runner(self.graph, tuple(fetches), (), tuple(feeds), self.store)

    def plan(self, shapes: tuple[tuple[int, ...], ...]) -> ShapedPlan:
        """Returns the plan for fed shapes, made when it is first asked for."""
        plan = self.plans.get(shapes)
        if plan is None:
            self._check_shapes(shapes)
            program = Program(
                self.graph,
                self.feeds,
                self.fetches,
                self.targets,
                tuple(TensorShape(shape) for shape in shapes),
            )
            plan = self.plans[shapes] = ShapedPlan(
                program, self.store, self.debug, self.runs
            )
            self._forget_plans()
        else:
            self.plans.move_to_end(shapes)
        return plan

    def _forget_plans(self) -> None:
        """Drops the plans that were not used for longest, where they hold too much."""
        held = sum(plan.nbytes for plan in self.plans.values())
        while len(self.plans) > PLANS_KEPT and held > PLAN_BYTES:
            _, plan = self.plans.popitem(last=False)
            held -= plan.nbytes

    def _check_dtypes(self, feeds: Sequence[Array], rows: Sequence[Array]) -> None:
        """Checks what enters native code, which takes every address for right.

        Shapes are part of the key of a plan and are checked when it is made.

        Raises:
          InvalidArgumentError: There are more or fewer arrays than fed tensors, or one
            has another dtype.
        """
        arrays = [*feeds, *rows] if rows else feeds
        if len(arrays) != len(self._dtypes):
            raise self._not_fitting(arrays)
        for array, dtype in zip(arrays, self._dtypes, strict=False):
            # Builtin dtypes are one object each; equality is for the others.
            if array.dtype is not dtype and array.dtype != dtype:
                raise self._not_fitting(arrays)

    def _check_shapes(self, shapes: tuple[tuple[int, ...], ...]) -> None:
        for tensor, shape in zip(self.feeds, shapes, strict=True):
            if not tensor.shape.is_compatible_with(shape):
                raise fail(
                    InvalidArgumentError,
                    f"The value for {tensor.name!r} has another shape than it",
                    got=f"shape {format_shape(TensorShape(shape))}",
                    expected=describe_shapes(tensor),
                    op=tensor.op,
                )

    def _not_fitting(self, arrays: Sequence[Array]) -> InvalidArgumentError:
        return fail(
            InvalidArgumentError,
            "The values of a run do not fit what is fed",
            got=", ".join(f"{a.dtype}{list(a.shape)}" for a in arrays) or "no values",
            expected=describe_shapes(*self.feeds) if self.feeds else "no values",
            site=str(user_site()),
        )

    def _is_watched(self) -> bool:
        """Whether runs must not go past what looks at their values."""
        return self.debug or settings.check_numerics

    def run_steps(
        self, feeds: Sequence[Array], count: int, rows: Sequence[Array] = ()
    ) -> list[Array]:
        """Runs the fetch set several times.

        Native calls are kept short, so that an interrupt is heard between two of them.

        Args:
          feeds: As in `run`, for the tensors that are fed the same in every step.
          count: How often, at least once.
          rows: For each of the other tensors an array `[count, ...]`, contiguous, of
            which step i is fed row i.

        Returns:
          What the last run returns.
        """
        results: list[Array] = []
        if self.outside is not None:
            for i in range(count):
                results = self.run([*feeds, *(array[i, ...] for array in rows)])
            return results
        done = 0
        while done < count:
            portion = min(self._portion, count - done)
            start = time.perf_counter()
            taken = [array[done : done + portion] for array in rows]
            results = self._run(feeds, taken, portion)
            seconds = time.perf_counter() - start
            done += portion
            # How long a step takes is known from the calls before; it decides nothing
            # but when Python may look for signals.
            if seconds > LONGEST_CALL:
                self._portion = max(1, portion // 4)
            elif seconds < LONGEST_CALL / 4 and portion == self._portion:
                self._portion *= 4
        return results

    def run(self, feeds: Sequence[Array]) -> list[Array]:
        """Runs the fetch set.

        Args:
          feeds: Contiguous arrays of the right dtypes, one for each fed tensor.

        Returns:
          A fresh array for each fetch.
        """
        if self.outside is not None:
            return self.run_prepared(self.prepare(feeds))
        return self._run(feeds, (), 1)

    def prepare(self, feeds: Sequence[Array], *, peek: bool = False) -> list[Array]:
        """Returns all that the step is fed, with what it takes from outside.

        Args:
          feeds: As in `run`.
          peek: Whether the next run is to take the same.
        """
        if self.outside is None:
            return list(feeds)
        return [*feeds, *self.outside.take(feeds, self.store, peek=peek)]

    def run_prepared(self, feeds: Sequence[Array]) -> list[Array]:
        """As `run`, with what `prepare` returned."""
        if self.outside is None:
            return self._run(feeds, (), 1)
        results = self._run_step(feeds)
        if self.outside.gives:
            self.outside.give(results[self.wanted :], self.store)
        return results[: self.wanted]

    def _run_step(self, feeds: Sequence[Array]) -> list[Array]:
        """Runs the step between what is before and after; it may have nothing to do."""
        if not self.targets:
            fed = dict(zip(self.feeds, feeds, strict=True))
            if all(tensor in fed for tensor in self.fetches):
                if self.store.is_closed:
                    raise closed_session()
                self._check_dtypes(feeds, ())
                return [fed[tensor].copy() for tensor in self.fetches]
        return self._run(feeds, (), 1)

    def _run(
        self, feeds: Sequence[Array], rows: Sequence[Array], count: int
    ) -> list[Array]:
        store = self.store
        try:
            # Not `store.running()`, which takes a microsecond more.
            if not store.lock.acquire(False):
                store.wait()
            if store.busy:
                raise nested_run(store.calling)
            store.busy = True
            try:
                self._check_dtypes(feeds, rows)
                shapes = [array.shape for array in feeds]
                shapes += [array.shape[1:] for array in rows]
                plan = self.plan(tuple(shapes))
                self.runs += 1
                results = plan.run(feeds, rows, self.at_once or count > 1, count)
            except OpError as error:
                add_view_hint(error, self.graph)
                raise
            finally:
                store.busy = False
        finally:
            try:  # noqa: SIM105 (another context manager)
                store.lock.release()
            except RuntimeError:
                pass  # Interrupted before it had the lock.
        can_be_short = not self.fetches and not self.feeds and not store.shares_arrays
        can_be_short = can_be_short and self.outside is None
        if can_be_short and plan.executable is not None and not self._is_watched():
            self.shortcut = plan.executable.run_unfed()
        return results


def _run_body(body: Any, arrays: Sequence[Array]) -> list[Array]:
    # Loaded by those who have such bodies.
    from graphopt.runtime.outside import run_body

    return run_body(body, arrays)


hooks.run_body = _run_body
