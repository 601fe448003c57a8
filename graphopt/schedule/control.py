"""Branches and loops as steps: the bodies follow each other, with jumps in between.

A condition is: go to `otherwise` unless it holds; the ops of one body; go to `end`; the
ops of the other body. A loop has memory for its variables, in which each round leaves
what the next one starts with. Inside and outside are one list of steps with one arena,
so kernels, lifetimes and checks are those of any other step.

The memory of what a body computes may be used again behind its last use, although the
tape comes back to where it was made: it is made anew in each round. What is made before a
loop and read in it stays until the loop has ended.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from graphopt.graph.body import Body
from graphopt.graph.graph import Operation
from graphopt.graph.opspec import Alias, Bodies, Source
from graphopt.graph.tensor import GraphTensor
from graphopt.schedule.steps import (
    Argument,
    Buffer,
    Call,
    Jumps,
    KernelRequest,
    Lowered,
    Word,
)

if TYPE_CHECKING:
    from graphopt.schedule.build import Builder

_STATUS = Word("status")


def add_bodies(builder: Builder, op: Operation, kind: str) -> None:
    """Adds the steps of a condition or loop; on the host where they have no kernels."""
    reason = _why_not_native(builder, op, kind)
    if reason:
        builder.add_step(op, Lowered(host=reason))
        return
    jumps = builder.lower(op).jumps
    assert jumps is not None
    if kind == "cond":
        _add_condition(builder, op, jumps)
    else:
        _add_loop(builder, op, jumps)


def _bodies(op: Operation) -> list[Body]:
    return [value for value in op.attrs.values() if isinstance(value, Body)]


def _why_not_native(builder: Builder, op: Operation, kind: str) -> str:
    if not builder.jumps:
        return "the plan is one without jumps"
    if kind == "while":
        body: Body = op.attrs["body"]
        pairs = zip(body.outputs, op.outputs, op.inputs, strict=False)
        if any(not (a.shape == b.shape == c.shape) for a, b, c in pairs):
            return "a round may change the shape of a loop variable"
    stack = _bodies(op)
    while stack:
        body = stack.pop()
        if body.original is None:
            return "its bodies were not rewritten"
        for inner in body.operations:
            if not all(t.shape.is_fully_defined() for t in inner.outputs):
                return f"{inner.type} in it has a size that only its data decide"
            kernel = inner.spec.kernel
            if isinstance(kernel, Bodies):
                stack += _bodies(inner)
            elif isinstance(kernel, (Source, Alias)):
                continue
            elif host := builder.lower(inner).host:
                return f"{inner.type} in it runs on the host: {host}"
    return ""


def _new_label(builder: Builder) -> int:
    builder.labels.append(-1)
    return len(builder.labels) - 1


def _place(builder: Builder, label: int) -> None:
    builder.labels[label] = len(builder.steps)


def _add_body(builder: Builder, body: Body, inputs: Sequence[Buffer]) -> list[Buffer]:
    """Adds the ops of a body; returns where it leaves its outputs."""
    builder.locations.update(zip(body.inputs, inputs, strict=True))
    for op in body.operations:
        # Kernels report numbers, and those of the graph around it are taken.
        op.index = len(builder.operations)
        builder.operations[op.index] = op
        builder.add(op)
    return [builder.locations[tensor] for tensor in body.outputs]


def _copy(
    builder: Builder,
    op: Operation,
    jumps: Jumps,
    tensor: GraphTensor,
    source: Buffer,
    target: Buffer,
) -> None:
    if source is not target:
        builder.place_step(op, jumps.copy(tensor), (source,), (target,))


def _jump(request: KernelRequest, *arguments: Argument) -> Lowered:
    return Lowered((Call(request, arguments, 1),))


def _add_condition(builder: Builder, op: Operation, jumps: Jumps) -> None:
    condition, *inputs = (builder.locations[tensor] for tensor in op.inputs)
    outputs = [builder.new("arena", _size(t), t) for t in op.outputs]
    otherwise, end = _new_label(builder), _new_label(builder)
    to_otherwise = Word("label", otherwise)
    branch = _jump(jumps.unless, Word("input"), _STATUS, to_otherwise)
    builder.place_step(op, branch, (condition,))
    for body in (op.attrs["then_body"], op.attrs["else_body"]):
        found = _add_body(builder, body, inputs)
        for tensor, source, target in zip(op.outputs, found, outputs, strict=True):
            _copy(builder, op, jumps, tensor, source, target)
        if body is op.attrs["then_body"]:
            go = _jump(jumps.always, _STATUS, Word("label", end))
            builder.place_step(op, go, ())
            _place(builder, otherwise)
    _place(builder, end)
    builder.locations.update(zip(op.outputs, outputs, strict=True))


def _add_loop(builder: Builder, op: Operation, jumps: Jumps) -> None:
    if builder.wrote:
        # Where it pauses an interrupt may end the step.
        builder.interpret(op, "repeats after a variable was written")
    builder.has_loops = True
    given = [builder.locations[tensor] for tensor in op.inputs]
    count = op.attrs["count"]
    captures = given[count:]
    values = [builder.new("arena", _size(t), t) for t in op.outputs]
    for tensor, source, value in zip(op.outputs, given, values, strict=False):
        _copy(builder, op, jumps, tensor, source, value)
    top, end = _new_label(builder), _new_label(builder)
    limit, rounds = op.attrs["limit"], None
    if limit is not None:
        rounds = builder.new("arena", 8, None)
        builder.place_step(op, _jump(jumps.reset, Word("input")), (rounds,))
    _place(builder, top)
    (condition,) = _add_body(builder, op.attrs["cond"], [*values, *captures])
    leave: tuple[Argument, ...] = (Word("input"), _STATUS, Word("label", end))
    if rounds is None:
        builder.place_step(op, _jump(jumps.unless, *leave), (condition,))
    else:
        limited = _jump(jumps.limited, *leave, Word("input", 1), limit)
        builder.place_step(op, limited, (condition, rounds))
    found = _add_body(builder, op.attrs["body"], [*values, *captures])
    _move_values(builder, op, jumps, found, values)
    again = _jump(jumps.again, _STATUS, Word("label", top), Word("budget"))
    builder.place_step(op, again, ())
    _place(builder, end)
    last = len(builder.steps) - 1
    for buffer in (*given, *values, *([] if rounds is None else [rounds])):
        buffer.last = last
    builder.locations.update(zip(op.outputs, values, strict=True))


def _move_values(
    builder: Builder,
    op: Operation,
    jumps: Jumps,
    found: list[Buffer],
    values: list[Buffer],
) -> None:
    """Copies what a round computed to the loop variables, as if all at once."""
    moved = [id(value) for value in values]
    for i, (tensor, source) in enumerate(zip(op.outputs, found, strict=True)):
        if id(source) in moved and source is not values[i]:
            # Another variable, which may be overwritten before it is read.
            found[i] = builder.new("arena", _size(tensor), tensor)
            _copy(builder, op, jumps, tensor, source, found[i])
    for tensor, source, value in zip(op.outputs, found, values, strict=True):
        _copy(builder, op, jumps, tensor, source, value)


def _size(tensor: GraphTensor) -> int:
    return (tensor.shape.num_elements() or 0) * tensor.dtype.size
