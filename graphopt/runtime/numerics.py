"""Finds the op that made the first NaN or infinity of a step.

A compiled step runs its kernels at full speed, each followed by a look at what it has
computed (`codegen.elementwise.finite`); the feeds, and the variables that it reads, are looked at
before. While the variables are looked at, those that will be written are copied into a
second arena, in the same sweep through memory. When a look finds something, the copies
go back, so that no variable has changed, and the step is replayed op by op with NumPy
from the same inputs: the first op whose output is not finite is the one to name. Results
of ops that ran on the host are kept for the replay, which must not print twice or draw
other numbers.

The kernels flush denormal numbers, so the replay does too: log(1e-40) is -inf in one as
in the other.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from graphopt.codegen.checked import lower_checked
from graphopt.codegen.elementwise.finite import keep_copy, look_at
from graphopt.errors import OpError
from graphopt.graph import draws
from graphopt.graph.effects import handles_written, is_handle, variable_of
from graphopt.graph.graph import Operation
from graphopt.graph.program import Program
from graphopt.graph.status import Status
from graphopt.graph.tensor import GraphTensor
from graphopt.ops.creation import CONST
from graphopt.ops.state import ASSIGN
from graphopt.runtime.executable import Executable
from graphopt.runtime.interpreter import Run, interpret
from graphopt.runtime.not_finite import (
    bad_output,
    bad_source,
    bad_write,
    fail_unexplained,
    is_finite,
)
from graphopt.runtime.store import VariableKey, VariableStore
from graphopt.schedule.build import build_schedule
from graphopt.schedule.memory import place_buffers
from graphopt.schedule.steps import Buffer, Lowered, Schedule, Step, Word

Array = NDArray[Any]


def interpret_checked(
    program: Program, feeds: Sequence[Array], store: VariableStore
) -> list[Array]:
    """As `interpret`, but refuses every number that is not finite.

    Raises:
      InvalidArgumentError: An op made NaN or an infinity, or was given one.
    """
    run = CheckingRun(program, feeds, store)
    with draws.observed_by(check_results):
        return interpret(program, feeds, store, run=run)


def check_results(op: Operation, arrays: Sequence[Any], results: Any) -> None:
    """Refuses what an op returned if it is not finite.

    Raises:
      InvalidArgumentError: It is not.
    """
    outputs = (results,) if len(op.outputs) == 1 else results
    for index, array in enumerate(outputs):
        if not is_finite(np.asarray(array)):
            raise bad_output(op, index, np.asarray(array), arrays)


class CheckingRun(Run):
    """A run that looks at every value.

    Args:
      flush: Whether denormal numbers are zero, as they are to kernels.
      recorded: What ops of the host have returned already, by their names.
    """

    def __init__(
        self,
        program: Program,
        feeds: Sequence[Array],
        store: VariableStore,
        flush: bool = False,
        recorded: dict[str, Sequence[Array]] | None = None,
    ) -> None:
        super().__init__(program, feeds, store)
        self.flush = flush
        self.recorded = recorded or {}
        for tensor, array in zip(program.feeds, feeds, strict=True):
            if not is_finite(array):
                raise bad_source(f"the value fed for {tensor.name!r}", array, tensor.op)

    def step(self, op: Operation) -> None:
        """Runs one operation and looks at what it gave."""
        if op.spec is not ASSIGN:
            self._check_variables(op)
        super().step(op)
        if op.spec is CONST and not is_finite(self.values[op.outputs[0]]):
            raise bad_output(op, 0, self.values[op.outputs[0]], ())

    def _check_variables(self, op: Operation) -> None:
        """Looks at what variables hold before this run has changed them."""
        for tensor in op.inputs:
            key = variable_of(tensor) if is_handle(tensor) else None
            if key is None or key in self.pending or not self.store.is_initialized(key):
                continue
            value = self.store.read(key)
            if not is_finite(value):
                raise bad_source(f"variable {key.name!r}, before the step", value, op)

    def input(
        self, op: Operation, tensor: GraphTensor, written: Sequence[GraphTensor]
    ) -> Array:
        """Returns an input, without its denormal numbers if they are flushed."""
        array = super().input(op, tensor, written)
        return flush_denormals(array) if self.flush else array

    def compute(self, op: Operation, arrays: list[Array]) -> Sequence[Array]:
        """Computes an op, or takes what it returned before, and looks at it."""
        if op.name in self.recorded:
            return self.recorded[op.name]
        results = super().compute(op, arrays)
        for index, array in enumerate(results):
            if not is_finite(np.asarray(array)):
                raise bad_output(op, index, np.asarray(array), arrays)
        for handle in handles_written(op):
            key = variable_of(handle)
            if not is_finite(np.asarray(self.pending[key])):
                raise bad_write(op, key.name, np.asarray(self.pending[key]), arrays)
        return results


def flush_denormals(array: Array) -> Array:
    """Returns an array with zeros in place of denormal numbers."""
    if array.dtype not in (np.float32, np.float64):
        return array
    tiny = np.finfo(array.dtype).tiny
    small = (np.abs(array) < tiny) & (array != 0)
    if not small.any():
        return array
    return np.where(small, np.copysign(array.dtype.type(0), array), array)


# ---- compiled steps


class _NotFiniteError(Exception):
    """A look found something; the op is the one whose step it belongs to."""

    def __init__(self, op: Operation | None) -> None:
        super().__init__()
        self.op = op


class _Watched(Executable):
    """A step that stops when a look finds something."""

    def __init__(self, schedule: Schedule, store: VariableStore) -> None:
        super().__init__(schedule, store)
        self.recorded: dict[str, Sequence[Array]] = {}

    def _error(self, code: int) -> OpError:
        if code == Status.NOT_FINITE:
            raise _NotFiniteError(self.reporting_operation())
        return super()._error(code)

    def compute_on_host(self, op: Operation, arrays: Sequence[Array]) -> Any:
        """Runs an op without a kernel, keeps what it returns and looks at it."""
        with np.errstate(all="ignore"), draws.observed_by(check_results):
            results = super().compute_on_host(op, arrays)
        outputs = (results,) if len(op.outputs) == 1 else results
        self.recorded[op.name] = [np.array(array) for array in outputs]
        if not all(is_finite(array) for array in self.recorded[op.name]):
            raise _NotFiniteError(op)
        return results


class CheckedExecutable:
    """A compiled step that raises instead of making NaN or infinities.

    Args:
      rewritten: What runs, after the passes.
      program: The same with its meaning settled only, for the replay.
      store: The variables.
    """

    def __init__(
        self, rewritten: Program, program: Program, store: VariableStore
    ) -> None:
        self.program = program
        self.store = store
        checked = build_schedule(rewritten, lower_checked, jumps=False)
        guard, self.copies = guard_schedule(checked, program)
        self.step = _Watched(checked, store)
        self.guard = _Watched(guard, store)
        self.has_bad_constant = not all(
            is_finite(np.asarray(buffer.source))
            for buffer in checked.buffers
            if buffer.kind == "constant"
        )

    def run(self, feeds: Sequence[Array]) -> list[Array]:
        """Runs the step, as `Executable.run`.

        Raises:
          InvalidArgumentError: An op made NaN or an infinity, or was given one; no
            variable has changed.
        """
        self.step.recorded.clear()
        before = dict(self.store.draws)
        if self.has_bad_constant:
            self._explain(feeds, before, None)
        is_copied = False
        try:
            self.guard.run(feeds)
            is_copied = True
            return self.step.run(feeds)
        except _NotFiniteError as found:
            op = found.op
            if is_copied:
                self._restore()
        except BaseException:
            if is_copied:
                self._restore()
            raise
        # Outside of the handler, so that the user's traceback has one error in it.
        self._explain(feeds, before, op)

    def _restore(self) -> None:
        for key, buffer in self.copies:
            raw = self.guard.arena[buffer.offset : buffer.offset + buffer.nbytes]
            array = self.store.read(key)
            array[...] = raw.view(array.dtype).reshape(array.shape)

    def _explain(
        self, feeds: Sequence[Array], before: dict[Any, int], op: Operation | None
    ) -> NoReturn:
        """Replays the step to find the op that is to be named."""
        check_replay(self.program, feeds, self.store, before, self.step.recorded)
        raise fail_unexplained(op)


def check_replay(
    program: Program,
    feeds: Sequence[Array],
    store: VariableStore,
    before: dict[Any, int],
    recorded: dict[str, Sequence[Array]],
) -> None:
    """Interprets what a compiled step did, up to the first number that is not finite.

    Args:
      program: The step, with its meaning settled.
      feeds: What it was given.
      store: The variables as they were before it; nothing is written.
      before: How often each random op had drawn before it.
      recorded: What ops of the host returned, by their names.

    Raises:
      InvalidArgumentError: An op made such a number, or was given one.
    """
    run = CheckingRun(program, feeds, store, True, recorded)
    run.draws = dict(before)
    with np.errstate(all="ignore"), draws.observed_by(check_results):
        for op in program.operations:
            run.step(op)


def _read_before_written(program: Program) -> set[VariableKey]:
    """Returns the variables whose old values matter: NaN may be overwritten."""
    read: set[VariableKey] = set()
    written: set[VariableKey] = set()
    for op in program.operations:
        keys = {variable_of(tensor) for tensor in op.inputs if is_handle(tensor)}
        if op.spec is not ASSIGN:
            read |= keys - written
        written |= {variable_of(handle) for handle in handles_written(op)}
    return read


def guard_schedule(
    schedule: Schedule, program: Program
) -> tuple[Schedule, list[tuple[VariableKey, Buffer]]]:
    """Plans what happens before a step: looks at what is given, copies of what it writes.

    Args:
      schedule: The step.
      program: The same before the rewrites: it says which variables are read.

    Returns:
      The schedule, and where it copies which variable.
    """
    written = {
        variable_of(handle)
        for op in schedule.program.operations
        for handle in handles_written(op)
    }
    read = _read_before_written(program)
    steps: list[Step] = []
    buffers: list[Buffer] = []
    copies: list[tuple[VariableKey, Buffer]] = []
    for buffer in schedule.buffers:
        tensor = buffer.tensor
        if tensor is None or buffer.kind not in ("feed", "variable"):
            continue
        buffers.append(buffer)
        if buffer.source in written:
            copy = Buffer("arena", buffer.nbytes, first=0, last=len(schedule.buffers))
            buffers.append(copy)
            copies.append((buffer.source, copy))
            calls = keep_copy(tensor, tensor.op.index, buffer.source in read)
            outputs: tuple[Buffer, ...] = (copy,)
        else:
            calls = look_at(tensor, Word("input", 0), tensor.op.index)
            outputs = ()
        if calls:
            lowered = Lowered(tuple(calls))
            steps.append(Step(tensor.op, lowered, (buffer,), outputs, ()))
    size = place_buffers(buffers)
    alone = dataclasses.replace(schedule.program, fetches=(), targets=())
    return Schedule(alone, steps, schedule.locations, size, "", buffers), copies
