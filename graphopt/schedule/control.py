"""Branches and loops as steps: the bodies follow each other, with jumps in between.

A condition is: go to `otherwise` unless it holds; the ops of one body; go to `end`; the
ops of the other body. A loop has memory for its variables, in which each round leaves
what the next one starts with. Inside and outside are one list of steps with one arena,
so kernels, lifetimes and checks are those of any other step.

The memory of what a body computes may be used again behind its last use, although the
tape comes back to where it was made: it is made anew in each round. What is made before a
loop and read in it stays until the loop has ended.

The derivative of a loop needs the loop variables before each round, and products of it.
They are kept on a stack, which has no bound that is known before; then it walks back. The
loop itself keeps them where its derivative follows in the same program, else it runs once
more.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from graphopt.graph.body import Body, body_label
from graphopt.graph.graph import Operation
from graphopt.graph.opspec import Alias, Bodies, Source
from graphopt.graph.tensor import GraphTensor
from graphopt.ops.matmul import MATMUL
from graphopt.schedule.steps import (
    Argument,
    Buffer,
    Call,
    CallableKernel,
    Jumps,
    Lowered,
    Word,
    is_host_value,
)

if TYPE_CHECKING:
    from graphopt.schedule.build import Builder


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
    elif kind == "while":
        _add_loop(builder, op, jumps)
    else:
        _add_loop_back(builder, op, jumps)


def _bodies(op: Operation) -> list[Body]:
    return [value for value in op.attrs.values() if isinstance(value, Body)]


def _why_not_native(builder: Builder, op: Operation, kind: str) -> str:
    if not builder.jumps:
        return "the plan is one without jumps"
    if any(is_host_value(tensor) for tensor in (*op.inputs, *op.outputs)):
        return "it takes or gives strings, or what only data decide the size of"
    if kind != "cond":
        body: Body = op.attrs["body"]
        pairs = zip(body.outputs, _list_inputs(op)[: op.attrs["count"]], strict=False)
        if any(a.shape != b.shape for a, b in pairs):
            return "a round may change the shape of a loop variable"
    stack = _bodies(op)
    while stack:
        body = stack.pop()
        if body.original is None:
            return "its bodies were not rewritten"
        for inner in body.operations:
            if any(t.dtype.is_string for t in (*inner.inputs, *inner.outputs)):
                return f"{inner.type} in it has strings"
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


def _list_inputs(op: Operation) -> tuple[GraphTensor, ...]:
    """What a loop starts with and what it captures, without the seeds of a gradient."""
    return op.inputs[op.attrs.get("seeds", 0) :]


def _new_label(builder: Builder) -> int:
    builder.labels.append(-1)
    return len(builder.labels) - 1


def _place(builder: Builder, label: int) -> None:
    builder.labels[label] = len(builder.steps)


def _prepare(
    builder: Builder,
    loop: Operation,
    body: Body,
    key: str,
    inputs: Sequence[Buffer],
    constant: range,
) -> list[Buffer]:
    """Prepares what stays the same in all rounds; returns the memory of that.

    Args:
      builder: Takes the steps, which come before the loop.
      loop: The loop.
      body: What a round does.
      key: Which of the bodies of the loop that is.
      inputs: Where its inputs are.
      constant: Which of them no round changes.
    """
    around = builder.within
    builder.within = f"{around}{loop.name}/{body_label(key)}/"
    places = {body.inputs[i]: inputs[i] for i in constant}
    made: dict[tuple[int, tuple[Call, ...]], Buffer] = {}
    for op in body.operations:
        if op.spec is not MATMUL:
            continue
        prepared = builder.lower(op).prepared
        if prepared is None or op.inputs[prepared.index] not in places:
            continue
        source = places[op.inputs[prepared.index]]
        known = id(source), prepared.before
        if known not in made:
            made[known] = builder.new("arena", prepared.nbytes, None)
            step = Lowered(prepared.before)
            builder.place_step(op, step, (source,), (made[known],))
        builder.prepared[op] = made[known]
    builder.within = around
    return list(made.values())


def _add_body(
    builder: Builder, op: Operation, key: str, body: Body, inputs: Sequence[Buffer]
) -> list[Buffer]:
    """Adds the ops of a body; returns where it leaves its outputs.

    Args:
      builder: Takes the steps.
      op: What has the body.
      key: Which of its bodies it is: the name of the attribute.
      body: The body.
      inputs: Where its inputs are.
    """
    around = builder.within
    builder.within = f"{around}{op.name}/{body_label(key)}/"
    builder.expect(body.operations, body.outputs)
    builder.place_all(body.inputs, inputs)
    for inner in body.operations:
        # Kernels report numbers, and those of the graph around it are taken.
        inner.index = len(builder.operations)
        builder.operations[inner.index] = inner
        builder.add(inner)
    builder.within = around
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


def _run(kernel: CallableKernel, **arguments: Argument) -> Lowered:
    return Lowered((kernel.call(1, **arguments),))


def _jump(kernel: CallableKernel, label: int, **arguments: Argument) -> Lowered:
    place = Word("label", label)
    return _run(kernel, status=Word("status"), label=place, **arguments)


def _add_condition(builder: Builder, op: Operation, jumps: Jumps) -> None:
    condition, *inputs = (builder.locations[tensor] for tensor in op.inputs)
    outputs = [builder.new("arena", _size(t), t) for t in op.outputs]
    otherwise, end = _new_label(builder), _new_label(builder)
    builder.place_step(op, _jump(jumps.unless, otherwise), (condition,))
    for key in ("then_body", "else_body"):
        body: Body = op.attrs[key]
        found = _add_body(builder, op, key, body, inputs)
        for tensor, source, target in zip(op.outputs, found, outputs, strict=True):
            _copy(builder, op, jumps, tensor, source, target)
        if key == "then_body":
            builder.place_step(op, _jump(jumps.always, end), ())
            _place(builder, otherwise)
    _place(builder, end)
    builder.place_all(op.outputs, outputs)


def with_guard(builder: Builder, guard: GraphTensor | None) -> None:
    """Jumps over the steps that follow, up to the next call, unless a condition holds."""
    if guard is builder.guard:
        return
    if builder.guard is not None:
        _place(builder, builder.behind_guard)
    builder.guard = guard
    if guard is not None:
        builder.behind_guard = _new_label(builder)
        assert builder.jump_kernels is not None
        branch = _jump(builder.jump_kernels.unless, builder.behind_guard)
        builder.place_step(guard.op, branch, (builder.locations[guard],))


def _begin_loop(builder: Builder, op: Operation) -> None:
    if builder.wrote:
        # Where it pauses an interrupt may end the step.
        builder.interpret(op, "repeats after a variable was written")
    builder.has_loops = True


def _add_loop(builder: Builder, op: Operation, jumps: Jumps) -> None:
    _begin_loop(builder, op)
    derivative = None if builder.guard is not None else _derivative_of(builder, op)
    if derivative is None:
        values = _add_rounds(builder, op, jumps, op.attrs["body"], None)
    else:
        history = _History(builder, derivative, jumps)
        body = derivative.attrs["body"]
        values = _add_rounds(builder, op, jumps, body, history)
        builder.histories[derivative] = history
    builder.place_all(op.outputs, values)


def _derivative_of(builder: Builder, op: Operation) -> Operation | None:
    """Returns the derivative of a loop that comes later and has the same rounds."""
    body: Body = op.attrs["body"]
    for other in builder.derivatives:
        its: Body = other.attrs["body"]
        if (
            _list_inputs(other) == op.inputs
            and other.attrs["limit"] == op.attrs["limit"]
            and other.attrs["cond"].original is op.attrs["cond"].original
            and its.original is not None
            and body.original is not None
            and its.original.graph is body.original.graph
            and its.original.inputs == body.original.inputs
            and other not in builder.histories
            and not _why_not_native(builder, other, "while_grad")
        ):
            return other
    return None


def _add_rounds(
    builder: Builder, op: Operation, jumps: Jumps, body: Body, history: _History | None
) -> list[Buffer]:
    """Adds the rounds of a loop; returns where its variables are at the end.

    Args:
      builder: Takes the steps.
      op: The loop, or its derivative.
      jumps: The kernels of jumps.
      body: What a round does.
      history: Where each round leaves what it started with, and what is to be kept.
    """
    tensors = _list_inputs(op)
    given = [builder.locations[tensor] for tensor in tensors]
    count = op.attrs["count"]
    captures = given[count:]
    values = [builder.new("arena", _size(t), t) for t in tensors[:count]]
    for tensor, source, value in zip(tensors, given, values, strict=False):
        _copy(builder, op, jumps, tensor, source, value)
    stay = range(count, count + len(captures))
    ready = _prepare(builder, op, body, "body", [*values, *captures], stay)
    top, end = _new_label(builder), _new_label(builder)
    limit, rounds = op.attrs["limit"], None
    if limit is not None:
        rounds = builder.new("arena", 8, None)
        builder.place_step(op, _run(jumps.reset), (rounds,))
    _place(builder, top)
    (condition,) = _add_body(
        builder, op, "cond", op.attrs["cond"], [*values, *captures]
    )
    if rounds is None:
        builder.place_step(op, _jump(jumps.unless, end), (condition,))
    else:
        limited = _jump(jumps.limited, end, limit=limit)
        builder.place_step(op, limited, (condition, rounds))
    if history is not None:
        history.push(values)
    found = _add_body(builder, op, "body", body, [*values, *captures])
    if history is not None:
        history.push_kept(found[count:])
        del found[count:]
    _move_values(builder, op, jumps, tensors, found, values)
    again = _jump(jumps.again, top, budget=Word("budget"))
    builder.place_step(op, again, ())
    _place(builder, end)
    counted = [] if rounds is None else [rounds]
    _keep_until_now(builder, [*given, *values, *counted, *ready])
    return values


def _keep_until_now(builder: Builder, buffers: Sequence[Buffer]) -> None:
    """What is read in a loop stays until the loop has ended."""
    for buffer in buffers:
        buffer.last = len(builder.steps) - 1


class _History:
    """What each round begins with, and keeps, on a stack that grows as it must.

    Args:
      builder: Takes the steps.
      op: The derivative of the loop.
      jumps: The kernels of jumps.
    """

    def __init__(self, builder: Builder, op: Operation, jumps: Jumps) -> None:
        self.builder, self.op, self.jumps = builder, op, jumps
        backward, count = op.attrs["backward"], op.attrs["count"]
        used = {t for inner in backward.operations for t in inner.inputs}
        used.update(backward.outputs)
        # The positions of the loop variables that are wanted.
        self.wanted = [i for i in range(count) if backward.inputs[i] in used]
        self.kept = op.attrs["body"].outputs[count:]
        tensors = [*(_list_inputs(op)[i] for i in self.wanted), *self.kept]
        self.sizes = [_size(tensor) for tensor in tensors]
        # Frames and what is in them begin where any number may begin.
        places = [-(-size // 8) * 8 for size in self.sizes]
        self.offsets = [sum(places[:i]) for i in range(len(places))]
        self.frame = sum(places)
        self.number = len(builder.stacks)
        builder.stacks.append(max(self.frame, 8))
        self.count = builder.new("arena", 8, None)
        builder.place_step(op, _run(jumps.reset), (self.count,))

    def push(self, values: Sequence[Buffer]) -> None:
        """Begins a frame, with the loop variables."""
        here = _new_label(self.builder)
        _place(self.builder, here)
        stack = Word("stack", self.number)
        reserve = _jump(self.jumps.reserve, here, stack=stack, number=self.number)
        self._step(reserve, ())
        self._move(self.jumps.push, 0, [values[i] for i in self.wanted])

    def push_kept(self, buffers: Sequence[Buffer]) -> None:
        """Ends a frame, with what the round has computed."""
        self._move(self.jumps.push, len(self.wanted), buffers)
        self._step(_run(self.jumps.bump), ())

    def pop(self, end: int, values: Sequence[Buffer], kept: Sequence[Buffer]) -> None:
        """Takes the last frame away, or goes to a label if there is none."""
        self._step(_jump(self.jumps.pop, end), ())
        buffers = [*(values[i] for i in self.wanted), *kept]
        self._move(self.jumps.load, 0, buffers)

    def _move(
        self, kernel: CallableKernel, first: int, buffers: Sequence[Buffer]
    ) -> None:
        """Copies parts of a frame, from one on."""
        stack = Word("stack", self.number)
        for i, buffer in enumerate(buffers, first):
            place = {"offset": self.offsets[i], "size": self.sizes[i]}
            move = _run(kernel, stack=stack, frame_size=self.frame, **place)
            self._step(move, (buffer,))

    def _step(self, lowered: Lowered, buffers: tuple[Buffer, ...]) -> None:
        self.builder.place_step(self.op, lowered, (self.count, *buffers))


def _add_loop_back(builder: Builder, op: Operation, jumps: Jumps) -> None:
    """Adds the rounds of a loop once more and then their derivatives, last one first."""
    _begin_loop(builder, op)
    backward: Body = op.attrs["backward"]
    seeds, count = op.attrs["seeds"], op.attrs["count"]
    tensors = _list_inputs(op)
    captures = [builder.locations[tensor] for tensor in tensors[count:]]
    history = builder.histories.pop(op, None)
    if history is None:
        history = _History(builder, op, jumps)
        values = _add_rounds(builder, op, jumps, op.attrs["body"], history)
    else:
        # What the loop ended with may still be read.
        values = [builder.new("arena", _size(t), t) for t in tensors[:count]]
    kept = [builder.new("arena", _size(t), t) for t in history.kept]
    # The cotangents of the loop variables, then the sums for what it captures.
    totals = [builder.new("arena", _size(t), t) for t in op.outputs]
    starts = [builder.locations[tensor] for tensor in op.inputs[:seeds]]
    starts += [_zeros(builder, tensor) for tensor in op.outputs[seeds:]]
    for tensor, source, total in zip(op.outputs, starts, totals, strict=True):
        _copy(builder, op, jumps, tensor, source, total)
    inputs = [*values, *captures, *totals, *kept]
    stay = range(count, count + len(captures))
    ready = _prepare(builder, op, backward, "backward", inputs, stay)
    top, end = _new_label(builder), _new_label(builder)
    _place(builder, top)
    history.pop(end, values, kept)
    found = _add_body(builder, op, "backward", backward, inputs)
    _move_values(builder, op, jumps, op.outputs, found, totals)
    again = _jump(jumps.again, top, budget=Word("budget"))
    builder.place_step(op, again, ())
    _place(builder, end)
    _keep_until_now(
        builder, [*captures, *values, *totals, *kept, *ready, history.count]
    )
    builder.place_all(op.outputs, totals)


def _zeros(builder: Builder, tensor: GraphTensor) -> Buffer:
    shape = [dim or 0 for dim in tensor.shape]
    zeros = np.zeros(shape, tensor.dtype.numpy)
    return builder.new("constant", _size(tensor), tensor, zeros)


def _move_values(
    builder: Builder,
    op: Operation,
    jumps: Jumps,
    tensors: Sequence[GraphTensor],
    found: list[Buffer],
    values: list[Buffer],
) -> None:
    """Copies what a round computed to the loop variables, as if all at once."""
    moved = [id(value) for value in values]
    for i, (tensor, source) in enumerate(zip(tensors, found, strict=False)):
        if id(source) in moved and source is not values[i]:
            # Another variable, which may be overwritten before it is read.
            found[i] = builder.new("arena", _size(tensor), tensor)
            _copy(builder, op, jumps, tensor, source, found[i])
    for tensor, source, value in zip(tensors, found, values, strict=False):
        _copy(builder, op, jumps, tensor, source, value)


def _size(tensor: GraphTensor) -> int:
    return (tensor.shape.num_elements() or 0) * tensor.dtype.size
