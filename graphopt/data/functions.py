"""User functions of data sets: traced once, run for one element or for many in one call.

A function of `map`, `filter` and the like becomes a graph when the data set is made, as in
TensorFlow. For a block of elements its compiled step runs once for each of them inside of
one native call, with the addresses of what it reads and writes moved from row to row: the
results are those of single calls, bit by bit, random numbers included, at a few
nanoseconds a call. What Python has to do with, or what has no fixed size, runs one by one.
"""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from graphopt.autograph import convert
from graphopt.config import NEVER, settings
from graphopt.data import node
from graphopt.data.blocks import Array, Block, Column, element, row
from graphopt.data.context import Context
from graphopt.data.structure import DatasetSpec, without_lists
from graphopt.errors import OpError, fail
from graphopt.graph import nest
from graphopt.graph.body import Body
from graphopt.graph.context import building_graph, entered, modes
from graphopt.graph.effects import calls_python, has_side_effect, is_handle
from graphopt.graph.graph import Graph
from graphopt.graph.hooks import hooks
from graphopt.graph.opspec import Effect
from graphopt.graph.provenance import user_site
from graphopt.graph.tensor import GraphTensor
from graphopt.ops.creation import CONST, constant_value, placeholder
from graphopt.ops.state import VAR_HANDLE
from graphopt.runtime.concrete_function import FunctionGraph
from graphopt.runtime.function import TensorSpec
from graphopt.runtime.row_steps import RowSteps, can_run_rows
from graphopt.runtime.runner import Runner
from graphopt.runtime.store import EAGER_STORE, VariableStore

# The most elements of one native call, so that an interrupt is heard.
MOST_ROWS = 1024


class DataGraph(FunctionGraph):
    """The graph of a function of a data set.

    Args:
      name: The name of the function.
      outer: The graph that the data set is made in; None in eager mode.

    Attributes:
      outer_captures: The tensors of the outer graph that are used, and what stands for
        them; they have the values that the iterator is made with.
    """

    def __init__(self, name: str, outer: Graph | None) -> None:
        super().__init__(name, may_create=False)
        self.outer = outer
        self.outer_captures: dict[GraphTensor, GraphTensor] = {}
        self._own_handles: dict[Any, GraphTensor] = {}
        if outer is not None:
            self.seed = outer.seed

    @property
    def home(self) -> Graph | None:
        """That of the graph around it."""
        return self.outer.home if self.outer is not None else None

    def capture(self, tensor: Any) -> GraphTensor | None:
        """None: an eager tensor is a constant, for no derivative goes through here."""
        return None

    def adopt(self, tensor: GraphTensor) -> GraphTensor:
        """Returns what stands for a tensor of a graph around this one."""
        if tensor.op.graph is self:
            return tensor
        if is_handle(tensor):
            return self._own_handle(tensor)
        found = self.outer_captures.get(tensor)
        if found is None:
            value = constant_value(tensor)
            if value is not None:
                made = self.add_operation(CONST, (), {"value": value}, "capture")
                found = made.outputs[0]
            else:
                with entered(self):
                    found = placeholder(tensor.dtype, tensor.shape, name="capture")
            self.outer_captures[tensor] = found
        return found

    def _own_handle(self, handle: GraphTensor) -> GraphTensor:
        key = handle.op.attrs["variable"]
        if key not in self._own_handles:
            op = self.add_operation(VAR_HANDLE, (), handle.op.attrs, "variable")
            self._own_handles[key] = op.outputs[0]
        return self._own_handles[key]


class DataFunction:
    """A traced function.

    Args:
      function: What the user gave.
      specs: The structure of its argument.
      what: The transformation, for errors.
      several: Whether `specs` is a tuple of several arguments.

    Attributes:
      output_specs: The structure of what it returns.
      captured: The tensors of outer graphs that are inputs of its graph.
      symbols: Those, and what the data sets that it returns need of outer graphs.
      runs_ahead: Whether nobody can tell when it is called.
      is_pure: Whether nobody can tell in which order it is called, either.
    """

    def __init__(
        self, function: Callable[..., Any], specs: Any, what: str, several: bool = False
    ) -> None:
        self.name = getattr(function, "__name__", what)
        self.what = what
        self.graph = graph = DataGraph(self.name, building_graph())
        tapes, modes.tapes = modes.tapes, ()
        try:
            with entered(graph):
                self._arguments = [_argument(spec) for spec in nest.flatten(specs)]
                shown = [
                    node.wrap(a) if isinstance(a, node.Node) else a
                    for a in self._arguments
                ]
                argument = nest.pack_as(specs, shown)
                unpacks = several or type(argument) is tuple
                # With Python's control flow on tensors, as in a `tf.function`.
                converted = convert(function)
                result = converted(*argument) if unpacks else converted(argument)
                result = without_lists(result, self._as_result)
        finally:
            modes.tapes = tapes
            graph.may_capture = False
        self.outputs = nest.flatten(result)
        self.output_specs = nest.map_structure(_spec_of, result)
        self.inputs = [a for a in self._arguments if isinstance(a, GraphTensor)]
        captures = {
            outer: inner
            for outer, inner in graph.outer_captures.items()
            if inner.op.spec is not CONST
        }
        self.captured, self.captures = list(captures), list(captures.values())
        self.symbols = list(self.captured)
        self._plan_outputs()
        operations = graph.operations
        self.targets = tuple(op for op in operations if has_side_effect(op))
        self.uses_variables = any(op.spec is VAR_HANDLE for op in operations)
        self.runs_ahead = (
            not self.targets
            and not self.uses_variables
            and not any(map(_calls_out, operations))
        )
        self.is_pure = self.runs_ahead and not any(map(_draws, operations))
        self._free: list[FunctionState] = []

    def _as_result(self, value: Any) -> Any:
        found = node.node_of(value)
        if found is not None:
            return found
        if hasattr(value, "dense_shape") or hasattr(value, "row_splits"):
            raise fail(
                NotImplementedError,
                f"A function of `{self.what}` returned a sparse or ragged tensor",
                got=repr(value)[:80],
                expected="tensors",
                site=str(user_site()),
                remedy="tf.sparse.to_dense(x), or x.to_tensor()",
            )
        try:
            return hooks.convert(value)
        except (TypeError, ValueError) as error:
            raise fail(
                TypeError,
                f"Unsupported return value from function passed to Dataset.{self.what}()"
                f": {error}",
                got=f"{value!r:.80}",
                expected="tensors, or what becomes one",
                site=str(user_site()),
            ) from error

    def _plan_outputs(self) -> None:
        """Says where each output comes from: an argument, a fetch, or a data set."""
        fetches: dict[GraphTensor, int] = {}
        places = {id(a): i for i, a in enumerate(self._arguments)}
        # For each output ("argument", i), ("fetch", i) or ("dataset", symbols).
        self.plan: list[tuple[str, Any]] = []
        for output in self.outputs:
            if id(output) in places:
                self.plan.append(("argument", places[id(output)]))
            elif isinstance(output, GraphTensor):
                number = fetches.setdefault(output, len(fetches))
                self.plan.append(("fetch", number))
            else:
                symbols = output.symbols()
                own = [t for t in symbols if t.op.graph is self.graph]
                self.symbols += [t for t in symbols if t.op.graph is not self.graph]
                numbers = [(t, fetches.setdefault(t, len(fetches))) for t in own]
                self.plan.append(("dataset", (output, numbers)))
        self.fetches = tuple(fetches)
        self.makes_datasets = any(kind == "dataset" for kind, _ in self.plan)
        self.takes_datasets = len(self.inputs) != len(self._arguments)
        # Whether it returns some of its arguments and computes nothing.
        self.selects = not self.fetches and not self.makes_datasets

    def make_state(self, context: Context) -> FunctionState:
        """Returns what runs the function in one iteration."""
        store: VariableStore | None = None
        if self.uses_variables:
            store = context.store if self.graph.home is not None else EAGER_STORE
        free = self._free
        try:
            state = free.pop()
        except IndexError:
            state = FunctionState(self, VariableStore())
        if store is not None and state.store is not store:
            state = FunctionState(self, store)
        state.begin(context)
        state.capture(context)
        weakref.finalize(context, free.append, state).atexit = False
        return state


def _argument(spec: Any) -> Any:
    if isinstance(spec, DatasetSpec):
        return node.Symbolic(spec.element_spec)
    return placeholder(spec.dtype, spec.shape, name="args")


def _spec_of(value: Any) -> Any:
    if isinstance(value, GraphTensor):
        return TensorSpec(value.shape, value.dtype)
    return DatasetSpec(value.element_spec)


def _calls_out(op: Any) -> bool:
    return op.spec.effect is Effect.HOST or (
        calls_python(op)
        and any(
            inner.spec.effect is Effect.HOST
            for value in op.attrs.values()
            if isinstance(value, Body)
            for inner in value.operations
        )
    )


def _draws(op: Any) -> bool:
    return op.spec.effect is Effect.RANDOM or any(
        inner.spec.effect is Effect.RANDOM
        for value in op.attrs.values()
        if isinstance(value, Body)
        for inner in value.operations
    )


class FunctionState:
    """Runs a function in one iteration.

    Args:
      function: The function.
      store: Its variables and random streams.
    """

    def __init__(self, function: DataFunction, store: VariableStore) -> None:
        self.function = function
        self.store = store
        feeds = (*function.inputs, *function.captures)
        self.runner = Runner(
            function.graph, function.fetches, function.targets, feeds, store
        )
        self._captured: list[Array] = []
        self._rows: dict[Any, RowSteps | None] = {}
        self._is_done = function.selects and not function.targets

    def capture(self, context: Context) -> None:
        """Takes the values of outer tensors, which an input started anew may change."""
        self._captured = [
            _contiguous(np.asarray(a))
            for a in map(context.find, self.function.captured)
        ]

    def begin(self, context: Context) -> None:
        """Begins an iteration: random streams are at their start."""
        if self.store is not EAGER_STORE and self.store is not context.store:
            draws = self.store.draws
            draws.restore({})
            for stream in list(draws._starts):
                draws.cell(stream)[0] = int.from_bytes(os.urandom(6)) | 1

    # ---- one element

    def call(self, arrays: Sequence[Any]) -> list[Any]:
        """Runs the function on one element; returns its outputs."""
        function = self.function
        found: list[Array] = []
        if not self._is_done:
            fed = [a for a in arrays if isinstance(a, np.ndarray)]
            found = self.runner.run(
                [*map(_contiguous, fed), *self._captured]
                if self._captured
                else [*map(_contiguous, fed)]
            )
        return [
            self._output(kind, which, arrays, found) for kind, which in function.plan
        ]

    def _output(self, kind: str, which: Any, arrays: Any, found: Any) -> Any:
        if kind == "argument":
            return arrays[which]
        if kind == "fetch":
            return found[which]
        made, numbers = which
        bindings: dict[Any, Any] = {t: found[i] for t, i in numbers}
        pairs = zip(self.function._arguments, arrays, strict=True)
        bindings.update((a, v) for a, v in pairs if not isinstance(a, GraphTensor))
        bindings.update(zip(self.function.captured, self._captured, strict=True))
        return node.Bound(made, bindings)

    # ---- many elements

    def call_block(self, block: Block) -> tuple[list[Block], Exception | None]:
        """Runs the function on the elements of a block, in order.

        Returns:
          What came out, and what the element behind that raised, if one did; then
          elements further behind were not looked at.
        """
        function = self.function
        if self._is_done:
            chosen = [block.columns[which] for _, which in function.plan]
            return [Block(block.count, chosen)], None
        arrays = block.read()
        if function.makes_datasets or function.takes_datasets or block.count == 1:
            return self._call_each(arrays, 0, block.count)
        results: list[Block] = []
        start = 0
        while start < block.count:
            rows, is_settled = self._rows_for(arrays)
            stop = min(block.count, start + MOST_ROWS)
            if rows is not None:
                part = [a[start:stop] for a in arrays]
                try:
                    found = rows.run_rows(part, self._captured, stop - start)
                except OpError:
                    # One by one below: what comes before the element at fault comes out.
                    rows = None
                else:
                    columns: list[Column] = [
                        part[which] if kind == "argument" else found[which]
                        for kind, which in function.plan
                    ]
                    results.append(Block(stop - start, columns))
            elif not is_settled:
                # Interpreted at first.
                stop = start + 1
            if rows is None:
                each, error = self._call_each(arrays, start, stop)
                results += each
                if error is not None:
                    return results, error
            start = stop
        return results, None

    def _call_each(
        self, arrays: Sequence[Array], start: int, stop: int
    ) -> tuple[list[Block], Exception | None]:
        results: list[Block] = []
        for i in range(start, stop):
            try:
                results.append(element(self.call(row(arrays, i))))
            except Exception as error:
                return results, error
        return results, None

    def _rows_for(self, arrays: Sequence[Array]) -> tuple[RowSteps | None, bool]:
        """Returns what runs rows of these shapes, and whether that will stay so."""
        shapes = tuple(a.shape[1:] for a in arrays)
        if shapes in self._rows:
            return self._rows[shapes], True
        plan = self.runner.plan((*shapes, *(a.shape for a in self._captured)))
        schedule = plan.make_schedule()
        if not plan.is_due(False) and not schedule.interpreted:
            return None, settings.interpreted_runs(False) >= NEVER
        made = None
        if can_run_rows(schedule, self.store, plan):
            made = RowSteps(schedule, self.store, len(arrays))
        self._rows[shapes] = made
        return made, True


def _contiguous(array: Array) -> Array:
    if array.flags.c_contiguous:
        return array
    return np.ascontiguousarray(array).reshape(array.shape)
