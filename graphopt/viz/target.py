"""`Target`: a graph and what is wanted of it; the errors of looking for one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from graphopt.graph.graph import Graph, Operation
from graphopt.graph.shape import TensorShape
from graphopt.graph.tensor import GraphTensor


class TargetNotFoundError(Exception):
    """There is no such script, module, attribute, operation or graph."""


class ScriptError(Exception):
    """The user's code raised; the cause is what it raised."""


@dataclass(frozen=True)
class Target:
    """A graph, and the operations and tensors that are wanted of it.

    Attributes:
      graph: The graph.
      operations: Those to be run.
      tensors: Those whose values are wanted.
      feeds: What a run fed, in its order, with the shapes that it had; None where
        nothing has run.
      name: What it is called where several are listed.
    """

    graph: Graph
    operations: tuple[Operation, ...] = ()
    tensors: tuple[GraphTensor, ...] = ()
    feeds: Mapping[GraphTensor, TensorShape] | None = None
    name: str = ""

    @property
    def wanted(self) -> tuple[Operation, ...]:
        """The ops to be drawn with all that they need."""
        return (*self.operations, *dict.fromkeys(t.op for t in self.tensors))
