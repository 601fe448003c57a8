"""Checks that a graph is what the rest of the compiler takes it to be."""

from __future__ import annotations

from graphopt.graph.effects import handles_written, is_handle
from graphopt.graph.graph import Graph, Operation, infer_types
from graphopt.graph.program import Program
from graphopt.graph.shape import TensorShape
from graphopt.graph.traversal import sources_of


def verify_graph(graph: Graph) -> None:
    """Checks order, membership, names and types of every operation.

    Raises:
      AssertionError: A pass of graphopt built a graph that is not sound.
    """
    seen: set[Operation] = set()
    names: set[str] = set()
    for op in graph.operations:
        assert op.graph is graph, f"{op.name} belongs to another graph"
        assert op.name not in names, f"{op.name} is the name of two operations"
        for before in sources_of(op):
            assert before in seen, f"{op.name} comes before {before.name}, its input"
        for handle in handles_written(op):
            assert is_handle(handle), f"{op.name} writes to {handle.name}, no variable"
        seen.add(op)
        names.add(op.name)


def verify_types(graph: Graph) -> None:
    """Checks that the recorded types are those that the ops infer.

    Raises:
      AssertionError: They contradict each other.
    """
    for op in graph.operations:
        inferred = infer_types(op.spec, op.inputs, op.attrs, op.site)
        for tensor, (shape, dtype) in zip(op.outputs, inferred, strict=True):
            assert tensor.dtype is dtype, (
                f"{tensor.name}: {tensor.dtype} is not {dtype}"
            )
            assert tensor.shape.is_compatible_with(TensorShape(shape)), (
                f"{tensor.name}: {tensor.shape} contradicts {shape}"
            )


def verify_program(program: Program) -> None:
    """Checks a graph and what is asked of it.

    Raises:
      AssertionError: It is not sound.
    """
    verify_graph(program.graph)
    verify_types(program.graph)
    for tensor in (*program.feeds, *program.fetches):
        assert tensor.op.graph is program.graph, f"{tensor.name} is of another graph"
    for op in program.targets:
        assert op.graph is program.graph, f"{op.name} is of another graph"
