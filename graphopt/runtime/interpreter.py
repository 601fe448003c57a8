"""Runs a program op by op with NumPy: the oracle, and the executor of one-off runs.

Every op is its registry `compute`. Writes of variables are collected and committed at
the end with one call, so a run that fails or is interrupted changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphopt.errors import InvalidArgumentError, OpError, fail, locate
from graphopt.graph import draws
from graphopt.graph.effects import handles_written, is_handle, variable_of
from graphopt.graph.graph import Operation
from graphopt.graph.opspec import Effect
from graphopt.graph.outside import current
from graphopt.graph.program import Program
from graphopt.graph.region import Region
from graphopt.graph.strings import to_array
from graphopt.graph.tensor import GraphTensor
from graphopt.ops.creation import CONST, PLACEHOLDER
from graphopt.ops.fused import (
    FUSED_REDUCE,
    FUSED_SPECS,
    reduce_last,
)
from graphopt.ops.state import ASSIGN, INITIALIZED_VALUE, NO_OP
from graphopt.runtime.store import VariableKey, VariableStore

Array = NDArray[Any]


def interpret(
    program: Program,
    feeds: Sequence[Array],
    store: VariableStore,
    order: Sequence[Operation] | None = None,
    run: Run | None = None,
) -> list[Array]:
    """Runs a program.

    Args:
      program: With the order of effects settled.
      feeds: One array for each feed.
      store: Where variables are read and written; its lock is held by the caller.
      order: The operations in another order in which they can run, as a schedule's.
      run: Where the values are kept; one that looks at each of them, for example.

    Returns:
      A fresh array for each fetch.

    Raises:
      OpError: An op failed; nothing was written.
    """
    if run is None:
        run = Run(program, feeds, store)
    drawn = store.draws.save()
    try:
        # What overflows gives infinities, as everywhere, and NumPy says nothing of it.
        with np.errstate(all="ignore"):
            for op in program.operations if order is None else order:
                run.step(op)
        fetched = [np.array(run.value(tensor), order="C") for tensor in program.fetches]
        store.commit(run.pending)
    except BaseException:
        store.draws.restore(drawn)
        raise
    return fetched


class Run:
    """The values of one run.

    Attributes:
      pending: What will be written to variables when all has gone well.
      draws: How often each random op has drawn.
    """

    def __init__(
        self, program: Program, feeds: Sequence[Array], store: VariableStore
    ) -> None:
        self.store = store
        self.draws: draws.Counts = store.draws
        self.pending: dict[VariableKey, Array] = {}
        self.values: dict[GraphTensor, Array] = dict(
            zip(program.feeds, feeds, strict=True)
        )
        self.uses: dict[GraphTensor, int] = {}
        for op in program.operations:
            for tensor in op.inputs:
                self.uses[tensor] = self.uses.get(tensor, 0) + 1
        for tensor in program.fetches:
            self.uses[tensor] = self.uses.get(tensor, 0) + 1

    def variable(self, key: VariableKey) -> Array:
        """Returns the value that a variable has at this point of the run."""
        value = self.pending.get(key)
        return self.store.read(key) if value is None else value

    def value(self, tensor: GraphTensor) -> Array:
        """Returns the value of a tensor; the handle of a variable stands for it."""
        if is_handle(tensor):
            return self.variable(variable_of(tensor))
        return self.values[tensor]

    def step(self, op: Operation) -> None:
        """Runs one operation."""
        if op.spec is CONST:
            self.values[op.outputs[0]] = op.attrs["value"]
            return
        if op.spec in (PLACEHOLDER, NO_OP) or (op.outputs and is_handle(op.outputs[0])):
            return
        written = handles_written(op)
        arrays = [self.input(op, tensor, written) for tensor in op.inputs]
        try:
            results = self.compute(op, arrays)
        except OpError as error:
            raise locate(error, op) from error.__cause__
        except NotImplementedError:
            raise
        except Exception as error:
            raise fail(
                InvalidArgumentError,
                f"{op.type} failed: {error}",
                got=", ".join(f"{a.dtype}{list(a.shape)}" for a in arrays),
                op=op,
            ) from error
        for tensor, array in zip(op.outputs, results, strict=True):
            self.values[tensor] = to_array(array)
        for tensor in op.inputs:
            self.uses[tensor] -= 1
            if not self.uses[tensor]:
                self.values.pop(tensor, None)

    def input(
        self, op: Operation, tensor: GraphTensor, written: Sequence[GraphTensor]
    ) -> Array:
        """Returns what an operation gets for one of its inputs."""
        if tensor in written and op.spec in (ASSIGN, *FUSED_SPECS):
            key = variable_of(tensor)
            if key not in self.pending and not self.store.is_initialized(key):
                # Overwritten as a whole: what it was does not matter.
                dims = [dim or 0 for dim in tensor.shape]
                return np.empty(dims, tensor.dtype.numpy)
        if op.spec is INITIALIZED_VALUE and is_handle(tensor):
            key = variable_of(tensor)
            if key not in self.pending and not self.store.is_initialized(key):
                return self.value(op.inputs[1])
        return self.value(tensor)

    def compute(self, op: Operation, arrays: list[Array]) -> Sequence[Array]:
        """Returns the outputs of an operation; what it writes goes to `pending`."""
        if op.spec in FUSED_SPECS:
            region: Region = op.attrs["body"]
            outputs, stored = region.evaluate(tuple(arrays))
            keys = [variable_of(handle) for handle in handles_written(op)]
            self.pending.update(zip(keys, stored, strict=True))
            if op.spec is FUSED_REDUCE:
                return reduce_last(outputs, op.attrs["reduction"], op.attrs["options"])
            return outputs
        if op.spec.effect is Effect.HOST:
            self.store.calling = (op,)
        before, current.store = current.store, self.store
        try:
            result = draws.compute(op, arrays, self.draws)
        finally:
            self.store.calling, current.store = None, before
        if op.spec.effect is Effect.WRITE:
            self.pending[variable_of(op.inputs[0])] = result
            return ()
        return (result,) if len(op.outputs) == 1 else result
