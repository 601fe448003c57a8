"""Finds the pass that changes what a program computes.

Both programs are interpreted from the same state. Their results have to have the same
bits, which is what passes promise, save that NumPy itself rounds some ops differently for
another layout of the same numbers (x ** 0.5 with a scalar and with an array): a difference
counts from `CLOSE` of the largest element on.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from graphopt.graph.effects import variables_written
from graphopt.graph.graph import Operation
from graphopt.graph.program import Program
from graphopt.ops.matmul import MATMUL
from graphopt.rewrite.driver import Trace
from graphopt.rewrite.order_effects import order_effects
from graphopt.runtime.interpreter import Run
from graphopt.runtime.mismatch import pass_mismatch, whole_mismatch
from graphopt.runtime.reference import Bounded, Difference, find_difference
from graphopt.runtime.store import VariableKey, VariableStore
from graphopt.schedule.order import order_operations

Array = NDArray[Any]
CLOSE = {np.dtype(t): 2.0**-b for t, b in (("f2", 6), ("f4", 14), ("f8", 40))}


class _Outcome(NamedTuple):
    """What a run of a program gives: fetches, new values of variables, calls of Python."""

    fetches: list[Array]
    written: dict[VariableKey, Array]
    given: dict[str, list[Array]]


class _Change(NamedTuple):
    """What two outcomes differ in."""

    what: str
    op: Operation
    found: Difference


class _ReferenceRun(Run):
    """A run in which results depend on the values alone.

    NumPy adds up a transposed matrix in another order than a copy of it.
    """

    recorded: dict[str, Sequence[Array]]
    # What those ops were given that have run already and do not run again.
    given: dict[str, list[Array]]

    def compute(self, op: Operation, arrays: list[Array]) -> Sequence[Array]:
        """Computes an op, or takes what it returned before."""
        if op.name in self.recorded:
            self.given[op.name] = [np.array(array) for array in arrays]
            return self.recorded[op.name]
        if op.spec is MATMUL:
            return (_multiply(op, arrays),)
        return super().compute(op, [_plain(array) for array in arrays])


def _plain(array: Array) -> Array:
    """Returns an array without strides; it stays one of no dimensions."""
    return np.ascontiguousarray(array).reshape(array.shape)


def _multiply(op: Operation, arrays: list[Array]) -> Array:
    flags = {"transpose_a", "transpose_b"}
    a, b = (
        _plain(np.swapaxes(x, -1, -2)) if op.attrs[flag] else _plain(x)
        for x, flag in zip(arrays, sorted(flags), strict=True)
    )
    attrs = {**op.attrs, **dict.fromkeys(flags, False)}
    return np.asarray(op.spec.compute(a, b, **attrs))


class _State(NamedTuple):
    """What all runs start from."""

    feeds: Sequence[Array]
    store: VariableStore
    draws: dict[Any, int]
    recorded: dict[str, Sequence[Array]]

    def outcome(self, program: Program, order: Sequence[Operation]) -> _Outcome:
        """Interprets a program and writes nothing."""
        run = _ReferenceRun(program, self.feeds, self.store)
        run.draws = dict(self.draws)
        run.recorded, run.given = self.recorded, {}
        with np.errstate(all="ignore"):
            for op in order:
                run.step(op)
            fetched = [np.array(run.value(t), order="C") for t in program.fetches]
        return _Outcome(fetched, run.pending, run.given)


def compare_passes(
    program: Program,
    rewritten: Program,
    trace: Trace,
    feeds: Sequence[Array],
    store: VariableStore,
    draws: dict[Any, int],
    recorded: dict[str, Sequence[Array]],
) -> None:
    """Compares a program with what the passes have made of it.

    Args:
      program: With its meaning settled only.
      rewritten: After all passes.
      trace: What each pass did.
      feeds: What both are given.
      store: The variables as they were before the run; nothing is written.
      draws: How often each random op had drawn before the run.
      recorded: What ops of the host returned in the run, by their names.

    Raises:
      InternalError: A pass changes a result; the first that does is named.
    """
    state = _State(feeds, store, draws, recorded)
    meant = state.outcome(program, program.operations)
    made = state.outcome(rewritten, order_operations(rewritten.operations))
    change = _change(program, meant, made)
    if change is None:
        return
    is_ordered = False
    for each in trace.applied:
        is_ordered |= each.name == order_effects.name
        after = each.after if is_ordered else order_effects.function(each.after)
        early = _change(program, meant, state.outcome(after, after.operations))
        if early is not None:
            raise pass_mismatch(each.name, early.what, early.op, early.found)
    raise whole_mismatch(change.what, change.op, change.found)


def _change(program: Program, before: _Outcome, after: _Outcome) -> _Change | None:
    for tensor, a, b in zip(
        program.fetches, before.fetches, after.fetches, strict=True
    ):
        found = _difference(a, b)
        if found is not None:
            return _Change(repr(tensor.name), tensor.op, found)
    for op in program.operations:
        given = before.given.get(op.name, ()), after.given.get(op.name, ())
        # Both are empty for an op that may run again.
        for tensor, a, b in zip(op.inputs, *given, strict=False):
            found = _difference(a, b)
            if found is not None:
                return _Change(repr(tensor.name), tensor.op, found)
        for key in variables_written(op):
            new = after.written.get(key)
            found = _difference(
                np.asarray(before.written[key]),
                np.zeros((0,)) if new is None else np.asarray(new),
            )
            if found is not None:
                return _Change(f"variable {key.name!r}", op, found)
    return None


def _difference(before: Array, after: Array) -> Difference | None:
    if before.shape != after.shape:
        return Difference((), after.shape, before.shape, 0.0, 1, 1)
    scale = np.abs(before[np.isfinite(before)]).max(initial=0.0)
    near = CLOSE.get(before.dtype, 0.0) * float(scale)
    return find_difference(after, Bounded(before, near))
