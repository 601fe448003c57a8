"""Bodies: graphs inside an op, as the branches of `cond` and the rounds of `while_loop`.

A body is pure: it computes outputs from inputs. What it uses of the graph around it
becomes an input when it is used (a capture). An assignment to a variable inside becomes
one more output, which the op's builder assigns outside, so that variables are written
in one graph only and all rules about order and failing steps hold without exception.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from graphopt.dtypes import int64
from graphopt.errors import OpError, locate
from graphopt.graph.draws import compute_inside
from graphopt.graph.graph import Graph, Operation, infer_types
from graphopt.graph.hooks import hooks
from graphopt.graph.opspec import REGISTRY, Effect
from graphopt.graph.shape import TensorShape
from graphopt.graph.strings import to_array
from graphopt.graph.tensor import GraphTensor, require_graph
from graphopt.lazy import cached_property


class BodyGraph(Graph):
    """The graph that a body is built in.

    Args:
      outer: The graph around it; None in eager mode.

    Attributes:
      captures: Tensors of the outer graph that were used, with what stands for them.
      state: The current value of each variable that was assigned to, by key.
      outer_controls: Ops of the outer graph that something inside has to wait for.
      is_loop: Whether it runs once in each round of a loop.
      round: The number of the round, an int64, if something has asked for it.
    """

    def __init__(self, outer: Graph | None) -> None:
        super().__init__(is_rewritten=True)
        self.outer = outer
        self.captures: dict[GraphTensor, GraphTensor] = {}
        self.state: dict[Any, tuple[Any, Any]] = {}
        self.outer_controls: list[Any] = []
        self.is_loop = False
        self.round: GraphTensor | None = None
        if outer is not None:
            # Variables, and what counts the random ops, are those of the whole graph.
            self.variables, self.attachments = outer.variables, outer.attachments
            self.seed = outer.seed
            self.questions = outer.questions

    @property
    def outermost(self) -> Graph | None:
        """The graph around all bodies; None in eager mode."""
        graph: Graph | None = self.outer
        while isinstance(graph, BodyGraph):
            graph = graph.outer
        return graph

    @property
    def home(self) -> Graph | None:
        """The home of the outermost graph."""
        return self.outer.home if self.outer is not None else None

    @property
    def building_function(self) -> bool:
        """Whether the outermost graph is the body of a `tf.function`."""
        return self.outer is not None and self.outer.building_function

    def handle_of(self, variable: Any) -> GraphTensor:
        """Returns the handle that the outer graph has."""
        assert self.outer is not None
        return self.outer.handle_of(variable)

    def capture(self, tensor: Any) -> GraphTensor | None:
        """As the outer graph does, adopted."""
        found = self.outer.capture(tensor) if self.outer is not None else None
        return None if found is None else self.adopt(found)

    def allow_variable(self) -> None:
        """As the outer graph."""
        if self.outer is not None:
            self.outer.allow_variable()

    def add_input(self, dtype: Any, shape: Any, name: str = "input") -> GraphTensor:
        """Adds a placeholder."""
        attrs = {"dtype": dtype, "shape": TensorShape(shape)}
        op = self.add_operation(
            REGISTRY["Placeholder"], (), attrs, name, control_inputs=()
        )
        return op.outputs[0]

    def ask_round(self) -> GraphTensor:
        """Returns the number of the round of the loop that it is a body of."""
        if self.round is None:
            self.round = self.add_input(int64, (), "round")
        return self.round

    def adopt(self, tensor: GraphTensor) -> GraphTensor:
        """Returns what stands for a tensor of this or an outer graph."""
        if tensor.op.graph is self:
            return tensor
        if self.outer is None:
            require_graph(tensor, self)
        assert self.outer is not None
        if tensor.op.graph is not self.outer:
            tensor = self.outer.adopt(tensor)
        found = self.captures.get(tensor)
        if found is None:
            found = self.add_input(tensor.dtype, tensor.shape, "capture")
            self.captures[tensor] = found
        return found

    @contextlib.contextmanager
    def control_dependencies(self, inputs: Iterable[Any] | None) -> Iterator[None]:
        """As in `Graph`; ops of the outer graph become the concern of the whole op."""
        inside = []
        for item in inputs or ():
            op = getattr(item, "op", item)
            if isinstance(op, Operation) and op.graph is not self:
                self.outer_controls.append(item)
            else:
                inside.append(item)
        with super().control_dependencies(inside if inputs is not None else None):
            yield


class TypedValue(NamedTuple):
    """A shape and a dtype, which is all that a shape rule looks at."""

    shape: TensorShape
    dtype: Any


def body_label(key: str) -> str:
    """Returns what a body is called, by the attribute that holds it.

    >>> body_label("then_body"), body_label("body")
    ('then', 'body')
    """
    return key.removesuffix("_body")


def bodies_of(op: Operation) -> dict[str, Body]:
    """Returns the bodies of an op by what they are called; empty for most ops."""
    return {body_label(k): v for k, v in op.attrs.items() if isinstance(v, Body)}


@dataclass(frozen=True, eq=False)
class Body:
    """A finished body.

    Attributes:
      graph: Its operations, in an order in which they can run.
      inputs: Placeholders, one for each input of the op that has the body.
      outputs: What it computes.
      original: The body that passes made this one of, for the shapes of one plan.
    """

    graph: Graph
    inputs: tuple[GraphTensor, ...]
    outputs: tuple[GraphTensor, ...]
    original: Body | None = None

    def __str__(self) -> str:
        return f"{len(self.operations)} ops"

    @cached_property
    def operations(self) -> tuple[Operation, ...]:
        """What has to run, in order: what outputs need, and what calls the host."""
        needed: set[Operation] = set()
        stack = [tensor.op for tensor in self.outputs]
        kept = (Effect.HOST, Effect.COLLECTIVE)
        stack += [op for op in self.graph.operations if op.spec.effect in kept]
        while stack:
            op = stack.pop()
            if op not in needed:
                needed.add(op)
                stack += [tensor.op for tensor in op.inputs]
                stack += op.control_inputs
        given = {tensor.op for tensor in self.inputs}
        return tuple(
            op for op in self.graph.operations if op in needed and op not in given
        )

    @property
    def calls_host(self) -> bool:
        """Whether running it does more than compute."""
        return any(
            op.spec.effect in (Effect.HOST, Effect.RANDOM, Effect.COLLECTIVE)
            for op in self.operations
        )

    @cached_property
    def takes_outside(self) -> bool:
        """Whether it takes elements of data sets, or from queues, as loops over them do."""
        return any(op.spec.outside for op in self.operations)

    def evaluate(self, arrays: Sequence[Any]) -> list[Any]:
        """Computes the outputs with NumPy, op by op as the user wrote them."""
        if self.original is not None:
            return self.original.evaluate(arrays)
        if self.takes_outside:
            found: list[Any] = hooks.run_body(self, arrays)
            return found
        values = dict(zip(self.inputs, arrays, strict=True))
        for op in self.operations:
            try:
                results = compute_inside(op, [values[t] for t in op.inputs])
            except OpError as error:
                raise locate(error, op) from error.__cause__
            if len(op.outputs) == 1:
                results = (results,)
            values.update(zip(op.outputs, map(to_array, results), strict=True))
        return [values[tensor] for tensor in self.outputs]

    def infer(self, types: Sequence[Any]) -> list[TypedValue]:
        """Returns shape and dtype of the outputs for inputs of given types."""
        values: dict[GraphTensor, Any] = dict(zip(self.inputs, types, strict=True))
        for op in self.operations:
            inputs = [values[tensor] for tensor in op.inputs]
            found = infer_types(op.spec, inputs, op.attrs, op.site)
            for tensor, (shape, dtype) in zip(op.outputs, found, strict=True):
                known = TensorShape(shape)
                if known.is_compatible_with(tensor.shape):
                    # What `set_shape` has told.
                    known = known.merge_with(tensor.shape)
                values[tensor] = TypedValue(known, dtype)
        return [
            TypedValue(values[tensor].shape, tensor.dtype) for tensor in self.outputs
        ]
