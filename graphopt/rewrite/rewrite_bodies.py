"""Rewrites what is inside of conditions and loops.

A body is a graph of its own, built for whatever shapes its arguments may have. In a plan
the shapes are known, so the passes that make a program fast are applied to each body as
to any other program, and the schedule can lay out the result between jumps. Bodies write
no variables, so the passes about effects have nothing to do in them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from graphopt.graph.body import Body
from graphopt.graph.graph import Operation
from graphopt.graph.opspec import Bodies
from graphopt.graph.program import Program, Rebuilder
from graphopt.graph.shape import TensorShape
from graphopt.graph.tensor import GraphTensor
from graphopt.rewrite.driver import Pass, run_passes


def rewriting_bodies(passes: tuple[Pass, ...]) -> Callable[[Program], Program]:
    """Makes the function of the pass.

    Args:
      passes: What to apply to each body.
    """

    def rewrite_bodies(program: Program) -> Program:
        """Applies passes to the bodies of branches and loops, inner ones included."""
        if not any(isinstance(op.spec.kernel, Bodies) for op in program.operations):
            return program
        rebuilder = Rebuilder(program)
        for op in program.operations:
            if not isinstance(op.spec.kernel, Bodies):
                rebuilder.copy(op)
                continue
            attrs: dict[str, Any] = dict(op.attrs)
            for name, value in op.attrs.items():
                if isinstance(value, Body):
                    kept = _kept_shapes(attrs) if name == "backward" else ()
                    attrs[name] = rewritten(value, (*_shapes(op, name), *kept))
            new = rebuilder.add(op, attrs=attrs)
            rebuilder.tensors.update(zip(op.outputs, new.outputs, strict=True))
        return rebuilder.finish()

    def rewritten(body: Body, shapes: tuple[Any, ...]) -> Body:
        program = Program(body.graph, body.inputs, body.outputs, (), shapes)
        program = rewrite_bodies(run_passes(program, passes))
        return Body(program.graph, program.feeds, program.fetches, original=body)

    return rewrite_bodies


def _kept_shapes(attrs: dict[str, Any]) -> tuple[TensorShape, ...]:
    """The shapes of what the rounds of a loop keep for its derivative."""
    return tuple(tensor.shape for tensor in attrs["body"].outputs[attrs["count"] :])


def _shapes(op: Operation, name: str) -> tuple[TensorShape, ...]:
    """The shapes that the inputs of one body of an op have."""
    kernel = op.spec.kernel
    assert isinstance(kernel, Bodies)
    inputs: tuple[GraphTensor, ...] = op.inputs
    if kernel.kind == "cond":
        # The first one decides.
        inputs = inputs[1:]
    elif kernel.kind == "while_grad":
        seeds = inputs[: op.attrs["seeds"]]
        inputs = inputs[op.attrs["seeds"] :]
        if name == "backward":
            captures = inputs[op.attrs["count"] :]
            totals = tuple(t for t in captures if t.dtype.is_differentiable)
            inputs = (*inputs, *seeds, *totals)
    return tuple(tensor.shape for tensor in inputs)
