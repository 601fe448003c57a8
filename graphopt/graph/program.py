"""`Program`: a graph with what is asked of it, the value that rewrites pass along."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from graphopt.graph.body import Body
from graphopt.graph.effects import variables_written
from graphopt.graph.graph import Graph, Operation
from graphopt.graph.opspec import Bodies, Host, OpSpec
from graphopt.graph.shape import TensorShape
from graphopt.graph.tensor import GraphTensor


@dataclass(frozen=True)
class Program:
    """A graph, the tensors given to it, the tensors wanted and the ops to be run.

    Attributes:
      graph: The operations, in an order in which they can run.
      feeds: Placeholders that get a value in each run.
      fetches: Tensors whose values are wanted.
      targets: Operations that are wanted for what they do.
      feed_shapes: The shapes that the feeds will have in the run; empty once the
        placeholders themselves have them.
    """

    graph: Graph
    feeds: tuple[GraphTensor, ...]
    fetches: tuple[GraphTensor, ...]
    targets: tuple[Operation, ...]
    feed_shapes: tuple[TensorShape, ...] = ()

    @property
    def operations(self) -> Sequence[Operation]:
        """The operations of the graph."""
        return self.graph.operations

    @property
    def writes_state(self) -> bool:
        """Whether running it changes a variable."""
        return any(variables_written(op) for op in self.operations)


def find_complex(operations: Iterable[Operation]) -> Operation | None:
    """Returns the first op with a complex number, in bodies too; None without one."""
    stack = [iter(operations)]
    while stack:
        op = next(stack[-1], None)
        if op is None:
            stack.pop()
            continue
        if any(t.dtype.is_complex for t in (*op.inputs, *op.outputs)):
            return op
        if isinstance(op.spec.kernel, (Bodies, Host)):
            bodies = (v for v in op.attrs.values() if isinstance(v, Body))
            stack += [iter(body.operations) for body in bodies]
    return None


class Rebuilder:
    """Copies operations into a new graph while a pass changes some of them."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.graph = Graph(is_rewritten=True)
        self.tensors: dict[GraphTensor, GraphTensor] = {}
        self.operations: dict[Operation, Operation] = {}

    def add(
        self,
        op: Operation,
        *,
        spec: OpSpec | None = None,
        inputs: Sequence[GraphTensor] | None = None,
        attrs: dict[str, Any] | None = None,
        controls: Sequence[Operation] | None = None,
        output_types: Any = None,
        name: str | None = None,
    ) -> Operation:
        """Adds a copy of `op`, or what replaces it, keeping name and provenance.

        Args:
          op: The operation of the old graph.
          spec, inputs, attrs: What to change; inputs are tensors of the new graph.
          controls: Control inputs, operations of the old graph.
          output_types: As in `Graph.add_operation`; by default those of `op`.
          name: A new name.
        """
        if inputs is None:
            inputs = [self.tensors[tensor] for tensor in op.inputs]
        if controls is None:
            controls = op.control_inputs
        mapped: dict[Operation, None] = {}
        for control in controls:
            if control in self.operations:
                mapped[self.operations[control]] = None
        if output_types is None:
            output_types = [(t.shape, t.dtype) for t in op.outputs]
        new = self.graph.append(
            spec or op.spec,
            tuple(inputs),
            op.attrs if attrs is None else attrs,
            name or op.name,
            tuple(mapped),
            op.site,
            output_types,
            op.device,
        )
        self.operations[op] = new
        return new

    def copy(self, op: Operation) -> Operation:
        """Adds an unchanged copy of `op` and maps its outputs."""
        new = self.add(op)
        for old_tensor, new_tensor in zip(op.outputs, new.outputs, strict=True):
            self.tensors[old_tensor] = new_tensor
        return new

    def finish(self) -> Program:
        """Returns the program over the new graph."""
        program = self.program
        return replace(
            program,
            graph=self.graph,
            feed_shapes=(),
            feeds=tuple(self.tensors[tensor] for tensor in program.feeds),
            fetches=tuple(self.tensors[tensor] for tensor in program.fetches),
            targets=tuple(
                self.operations[op] for op in program.targets if op in self.operations
            ),
        )


def join_pairs(
    program: Program,
    pairs: dict[Operation, Operation],
    add: Callable[[Rebuilder, Operation, Operation], None],
) -> Program:
    """Returns a program in which one op stands for two.

    Args:
      program: The old one; it is returned as it is if there are no pairs.
      pairs: For each op in whose place the new one stands the other op.
      add: Adds what stands for both: (rebuilder, the op in its place, the other op).
    """
    if not pairs:
        return program
    others = set(pairs.values())
    rebuilder = Rebuilder(program)
    for op in program.operations:
        if op in pairs:
            add(rebuilder, op, pairs[op])
        elif op not in others:
            rebuilder.copy(op)
    return rebuilder.finish()
