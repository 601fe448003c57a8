"""Runs each step twice, by its kernel and by NumPy, and each rewrite against the last.

A step of the plan runs alone; then the registry's `compute` of its ops gets copies of the
same inputs, and what the two give is compared (`reference` says how far they may be
apart). Before it runs, its inputs are compared with what earlier steps have put there:
a difference means that the planner gave their memory away too early. When all steps are
right, the program as the passes left it is interpreted beside the program as it was
asked for; if they differ, the program after each pass is, and the first pass that makes a
difference is the one to name.

Ops that run on the host are run once. What they return is kept for the comparisons, so
that random numbers are the same and nothing is printed twice. Variables are written in
place by the kernels and put back if anything is wrong.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphopt.graph import draws
from graphopt.graph.effects import handles_written, is_handle, variable_of
from graphopt.graph.graph import Operation
from graphopt.graph.opspec import Alias, Effect, Elementwise
from graphopt.graph.program import Program
from graphopt.graph.region import Region, region_of
from graphopt.graph.tensor import GraphTensor
from graphopt.ops.fused import FUSED_PRODUCT, FUSED_REDUCE, FUSED_SPECS
from graphopt.rewrite.driver import Trace
from graphopt.runtime.compare_passes import compare_passes
from graphopt.runtime.executable import Executable
from graphopt.runtime.mismatch import kernel_mismatch, memory_mismatch
from graphopt.runtime.numerics import check_replay
from graphopt.runtime.reference import (
    Bounded,
    Difference,
    evaluate_instructions,
    evaluate_spec,
    evaluate_wide,
    find_difference,
)
from graphopt.runtime.single_kernels import find_wrong_instruction
from graphopt.runtime.store import VariableStore
from graphopt.runtime.undo import Undo
from graphopt.schedule.order import order_operations
from graphopt.schedule.steps import Schedule, Step

Array = NDArray[Any]


class _Stepwise(Executable):
    """A plan whose steps run one at a time.

    Attributes:
      entries: For each step what runs it, None if nothing is to be done.
      recorded: What ops that draw or call Python returned, by their names.
    """

    def __init__(self, schedule: Schedule, store: VariableStore) -> None:
        self.entries: list[Callable[[], int] | None] = []
        self.recorded: dict[str, Sequence[Array]] = {}
        super().__init__(schedule, store)

    def _find_pauses(self) -> set[int]:
        return set(range(len(self.schedule.steps)))

    def _make_parts(
        self, starts: list[int], end: int, hosts: list[Step | None]
    ) -> list[Callable[[], int]]:
        for part, host in enumerate(hosts):
            begin, stop = starts[part : part + 2]
            if host is not None:
                self.entries.append(functools.partial(self._run_on_host, host))
            elif stop > begin:
                self.entries.append(self._make_entry(part, begin, stop))
            else:
                self.entries.append(None)
        return [entry for entry in self.entries if entry is not None]

    def compute_on_host(self, op: Operation, arrays: Sequence[Array]) -> Any:
        """Runs an op without a kernel; keeps what it returns if it must not run twice."""
        results = super().compute_on_host(op, arrays)
        if op.spec.effect not in (Effect.HOST, Effect.RANDOM, Effect.COLLECTIVE):
            return results
        outputs = (results,) if len(op.outputs) == 1 else results
        self.recorded[op.name] = [np.array(array) for array in outputs]
        return results


class DebugExecutable:
    """A compiled step that is compared with NumPy as it runs.

    Args:
      schedule: What to run; it must not be one that has to be interpreted.
      program: The same with its meaning settled only.
      trace: The passes that led from one to the other.
      store: The variables.
    """

    def __init__(
        self, schedule: Schedule, program: Program, trace: Trace, store: VariableStore
    ) -> None:
        self.schedule = schedule
        self.program = program
        self.trace = trace
        self.store = store
        self.stepwise = _Stepwise(schedule, store)
        self.steps = {step.op: i for i, step in enumerate(schedule.steps)}
        self.order = order_operations(schedule.program.operations)
        self.written = {
            variable_of(handle)
            for op in schedule.program.operations
            for handle in handles_written(op)
        }
        self._user_operations = {op.name: op for op in program.operations}
        # What each tensor of the run has to be until its last reader has run.
        self._expected: dict[GraphTensor, Array] = {}

    def run(self, feeds: Sequence[Array], check_numerics: bool) -> list[Array]:
        """Runs the step, as `Executable.run`.

        Args:
          feeds: As there.
          check_numerics: Whether numbers have to be finite, too.

        Raises:
          InternalError: A kernel, the planner or a pass is wrong; no variable has
            changed.
          OpError: A check failed; no variable has changed.
        """
        store = self.store
        if store.shares_arrays:
            store.prepare_writes(list(self.written))
        drawn = store.draws.save()
        try:
            return self._run_compared(feeds, check_numerics)
        except BaseException:
            store.draws.restore(drawn)
            raise
        finally:
            store.undo = None

    def _run_compared(
        self, feeds: Sequence[Array], check_numerics: bool
    ) -> list[Array]:
        store = self.store
        undo = Undo(store, list(self.written))
        undo.save()
        store.undo = undo
        before = dict(store.draws)
        self._expected.clear()
        self.stepwise.recorded.clear()
        try:
            results = self._run_steps(feeds)
            changed = {key: store.read(key).copy() for key in self.written}
        finally:
            # What the passes are compared on is the state before the step.
            undo.restore()
        after = dict(store.draws)
        recorded = self.stepwise.recorded
        if check_numerics:
            check_replay(self.program, feeds, store, before, recorded)
        compare_passes(
            self.program,
            self.schedule.program,
            self.trace,
            feeds,
            store,
            before,
            recorded,
        )
        store.draws.update(after)
        for key, array in changed.items():
            store.read(key)[...] = array
        return results

    # ---- steps

    def _run_steps(self, feeds: Sequence[Array]) -> list[Array]:
        stepwise = self.stepwise
        stepwise._bind_run(feeds)
        with np.errstate(all="ignore"):
            for op in self.order:
                number = self.steps.get(op)
                if number is not None:
                    self._run_step(number, feeds)
                elif isinstance(op.spec.kernel, Alias):
                    self._note_alias(op, feeds)
        for tensor in self.schedule.program.fetches:
            self._check_memory(tensor, feeds, None)
        return stepwise._fetched(feeds, stepwise._allocate_fetched())

    def _note_alias(self, op: Operation, feeds: Sequence[Array]) -> None:
        """A view is of the value that there is now, a read of a variable above all."""
        for tensor, source in zip(op.outputs, op.inputs, strict=False):
            if source in self._expected:
                array = self._expected[source].reshape(tuple(tensor.shape))  # type: ignore[arg-type]
            else:
                array = self._view(tensor, feeds).copy()
            self._expected[tensor] = array

    def _view(self, tensor: GraphTensor, feeds: Sequence[Array]) -> Array:
        buffer = self.schedule.locations[tensor]
        return self.stepwise._view(buffer, tensor, feeds)

    def _check_memory(
        self, tensor: GraphTensor, feeds: Sequence[Array], op: Operation | None
    ) -> None:
        """Finds out whether something has overwritten a value that is still needed."""
        expected = self._expected.get(tensor)
        if expected is None:
            return
        got = np.ascontiguousarray(self._view(tensor, feeds))
        if got.tobytes() != np.ascontiguousarray(expected).tobytes():
            found = find_difference(got, Bounded(expected, 0.0))
            raise memory_mismatch(self._user_operation(tensor.op), tensor, found, op)

    def _run_step(self, number: int, feeds: Sequence[Array]) -> None:
        step = self.schedule.steps[number]
        op = step.op
        for tensor in op.inputs:
            if not is_handle(tensor):
                self._check_memory(tensor, feeds, op)
        given = [self._view(tensor, feeds).copy() for tensor in op.inputs]
        attrs = draws.attributes(op, self.store.draws)
        entry = self.stepwise.entries[number]
        code = entry() if entry is not None else 0
        if code:
            raise self.stepwise._error(code)
        results = [self._view(tensor, feeds).copy() for tensor in op.outputs]
        self._expected.update(zip(op.outputs, results, strict=True))
        if step.lowered.host:
            # It has run by NumPy, or by Python that must not run twice.
            return
        written = [
            np.array(self.store.read(variable_of(handle)))
            for handle in handles_written(op)
        ]
        self._compare(number, step, attrs, given, [*results, *written])

    def _compare(
        self,
        number: int,
        step: Step,
        attrs: dict[str, Any],
        given: list[Array],
        got: list[Array],
    ) -> None:
        """Compares what a kernel gave with what NumPy gives."""
        op = step.op
        if op.spec is FUSED_REDUCE:
            self._compare_reduced(number, step, given, got)
            return
        is_loop = isinstance(op.spec.kernel, Elementwise) or op.spec is FUSED_PRODUCT
        if is_loop:
            loop = op.attrs["body"] if op.spec in FUSED_SPECS else region_of(op)
            assert loop is not None, op
            body = loop
            values = evaluate_instructions(body, given)
            wanted = [*body.outputs, *(value for _, value in body.stores)]
            expected = [values[value] for value in wanted]
        else:
            expected = evaluate_spec(op.spec, attrs, given)
        for i, (result, reference) in enumerate(zip(got, expected, strict=True)):
            found = find_difference(result, reference)
            if found is None or (
                not is_loop and self._is_right_wide(op, given, i, result)
            ):
                continue
            if is_loop:
                self._raise_for_loop(number, step, body, values, wanted[i], found)
            raise kernel_mismatch(step, number, self._user_operation(op), found, "")

    def _compare_reduced(
        self, number: int, step: Step, given: list[Array], got: list[Array]
    ) -> None:
        """Compares a loop that is reduced: what it stores, then the reduction."""
        op = step.op
        body: Region = op.attrs["body"]
        at = len(body.outputs) - 1
        values = evaluate_instructions(body, given)
        wanted = [*body.outputs[:-1], *(value for _, value in body.stores)]
        stored = [*got[:at], *got[at + 1 :]]
        for value, result in zip(wanted, stored, strict=True):
            found = find_difference(result, values[value])
            if found is not None:
                self._raise_for_loop(number, step, body, values, value, found)
        found = find_difference(got[at], evaluate_spec(op.spec, op.attrs, given)[at])
        if found is not None and not self._is_right_wide(op, given, at, got[at]):
            raise kernel_mismatch(step, number, self._user_operation(op), found, "")

    def _is_right_wide(
        self, op: Operation, given: list[Array], index: int, got: Array
    ) -> bool:
        wide = evaluate_wide(op.spec, op.attrs, given)
        return (
            wide is not None
            and find_difference(
                got,
                evaluate_spec(op.spec, op.attrs, given)[index]._replace(
                    value=wide[index]
                ),
            )
            is None
        )

    def _raise_for_loop(
        self,
        number: int,
        step: Step,
        body: Region,
        values: list[Bounded],
        wanted: int,
        found: Difference,
    ) -> None:
        """Names the op of a loop that is wrong, or the loop if each alone is right."""
        wrong = find_wrong_instruction(body, values)
        note = ""
        if wrong is not None:
            instruction, found = wrong
        elif len(body.instructions) == 1:
            instruction = body.instructions[0]
        else:
            note = "; each op of it in a kernel of its own is right"
            instruction = body.instructions[max(wanted - body.input_count, 0)]
        named = self._user_operations.get(instruction.name, instruction)
        raise kernel_mismatch(step, number, named, found, note)

    def _user_operation(self, op: Operation) -> Operation:
        """Returns the op as the user made it, where it still has its name."""
        return self._user_operations.get(op.name, op)
