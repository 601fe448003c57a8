"""Program -> Schedule: order, kernels, lifetimes, places."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from graphopt.graph.effects import (
    handles_written,
    is_handle,
    variable_of,
)
from graphopt.graph.graph import Operation
from graphopt.graph.opspec import Alias, Bodies, Effect, Family, Source
from graphopt.graph.program import Program, find_complex
from graphopt.graph.tensor import GraphTensor
from graphopt.ops.state import INITIALIZED_VALUE
from graphopt.ops.while_loop import WHILE_GRAD
from graphopt.rewrite.guards import guards_of
from graphopt.schedule.control import add_bodies, with_guard
from graphopt.schedule.memory import place_buffers
from graphopt.schedule.order import (
    order_operations,
    put_checks_first,
    put_loops_first,
)
from graphopt.schedule.steps import (
    Buffer,
    Jumps,
    Lowered,
    Schedule,
    Step,
    is_host_value,
)

Lower = Callable[[Operation], Lowered]


def build_schedule(program: Program, lower: Lower, jumps: bool = True) -> Schedule:
    """Plans a program.

    Args:
      program: After all passes, with every shape known.
      lower: How an operation becomes calls of kernels.
      jumps: Whether branches and loops are steps of their own; if not, they run on the
        host, each as one step.

    Returns:
      The schedule, with every buffer placed; without steps where a variable has no
      size of its own or numbers are complex, for then the program has to be interpreted.
      Strings, and tensors whose size is known only once their data are there, are values
      that Python keeps: the ops that make or take them are host steps.
    """
    order = put_loops_first(order_operations(program.operations))
    unsized = next((op for op in order if _keeps_unsized(op)), None)
    if unsized is not None:
        why = "has a size that only its data decide"
        return Schedule(program, [], {}, 0, _explain(unsized, why))
    complex_op = find_complex(order)
    if complex_op is not None:
        why = "has complex numbers, which NumPy computes"
        return Schedule(program, [], {}, 0, _explain(complex_op, why))
    lower = _with_host_values(lower)
    order = put_checks_first(order, lambda op: _may_fail(op, lower))
    builder = Builder(program, lower, jumps)
    builder.expect(order, program.fetches)
    builder.find_pieces(order)
    guards = _native_guards(builder, program, lower) if jumps else {}
    for op in order:
        guard = guards.get(op)
        # What comes before its condition is known has to run.
        with_guard(builder, guard if guard in builder.locations else None)
        builder.add(op)
    with_guard(builder, None)
    return builder.finish()


class Builder:
    """Turns operations into steps, in order."""

    def __init__(self, program: Program, lower: Lower, jumps: bool) -> None:
        self.program = program
        self.lower = lower
        self.jumps = jumps
        self.steps: list[Step] = []
        self.locations: dict[GraphTensor, Buffer] = {}
        self.buffers: list[Buffer] = []
        self.variables: dict[Any, Buffer] = {}
        self.feeds = {tensor: i for i, tensor in enumerate(program.feeds)}
        self.wrote = False
        self.interpreted = ""
        self.fails_late = False
        self.may_fail = False
        self.operations = {op.index: op for op in program.operations}
        self.labels: list[int] = []
        self.has_loops = False
        self.stacks: list[int] = []
        # The condition of the steps being added, and where to go if it is false.
        self.guard: GraphTensor | None = None
        self.behind_guard = -1
        self.jump_kernels: Jumps | None = None
        # How many ops are still to read a tensor, and the tensors in a buffer.
        self.readers: Counter[GraphTensor] = Counter()
        self.tenants: dict[int, list[GraphTensor]] = {}
        # Derivatives of loops that are still to come, and what their loops have kept.
        self.derivatives: list[Operation] = []
        self.histories: dict[Operation, Any] = {}
        # The names of the ops and bodies that the next step is in, with slashes.
        self.within = ""
        # What is computed in its place in a larger buffer: which op has that, and where.
        self.pieces: dict[GraphTensor, tuple[Operation, int]] = {}
        self.wholes: dict[Operation, Buffer] = {}
        # What is in use from one run to the next.
        self.lasting: list[Buffer] = []
        # What was prepared before a loop for an op in it.
        self.prepared: dict[Operation, Buffer] = {}

    def expect(
        self, operations: Sequence[Operation], kept: Sequence[GraphTensor]
    ) -> None:
        """Is told what comes next and what of it is needed behind that.

        Args:
          operations: Those of the program, or of a body, in order.
          kept: What is read when they have run.
        """
        self.derivatives += [op for op in operations if op.spec is WHILE_GRAD]
        readers = Counter(tensor for op in operations for tensor in op.inputs)
        readers.update(kept)
        for tensor, count in readers.items():
            self.readers[tensor] = count

    def find_pieces(self, operations: Sequence[Operation]) -> None:
        """Finds tensors that only one op reads, which wants them in a buffer of its own."""
        for op in operations:
            lowered = self.lower(op) if isinstance(op.spec.kernel, Family) else None
            if lowered is None or not lowered.pieces:
                continue
            for tensor, (place, _) in zip(op.inputs, lowered.pieces, strict=False):
                kernel = tensor.op.spec.kernel
                has_memory = not isinstance(kernel, (Source, Alias, Bodies))
                if self.readers[tensor] == 1 and has_memory:
                    self.pieces[tensor] = (op, place)

    def _whole(self, op: Operation) -> Buffer:
        """Returns the buffer of an op whose inputs are pieces of it."""
        if op not in self.wholes:
            tensor = op.outputs[0]
            self.wholes[op] = self.new("arena", nbytes_of(tensor), tensor)
        return self.wholes[op]

    def place(self, tensor: GraphTensor, buffer: Buffer) -> None:
        """Notes where a tensor is."""
        self.locations[tensor] = buffer
        self.tenants.setdefault(id(buffer), []).append(tensor)

    def place_all(
        self, tensors: Sequence[GraphTensor], buffers: Sequence[Buffer]
    ) -> None:
        """Notes where each of several tensors is."""
        for tensor, buffer in zip(tensors, buffers, strict=True):
            self.place(tensor, buffer)

    def add(self, op: Operation) -> None:
        """Gives an operation's outputs their memory and, if it computes, a step."""
        self._add(op)
        self.readers.subtract(op.inputs)
        if op in self.derivatives:
            self.derivatives.remove(op)

    def _add(self, op: Operation) -> None:
        kernel = op.spec.kernel
        if (reason := why_on_host(op)) and not isinstance(kernel, Bodies):
            self.add_step(op, Lowered(host=reason))
        elif isinstance(kernel, Source):
            for tensor in op.outputs:
                self.place(tensor, self._source(op, tensor))
        elif isinstance(kernel, Alias) and not op.attrs.get("copy"):
            for tensor, source in zip(op.outputs, op.inputs, strict=False):
                self.place(tensor, self.locations[source])
        elif isinstance(kernel, Bodies):
            # A loop pauses, and an interrupt may come there.
            self.fails_late |= self.wrote
            add_bodies(self, op, kernel.kind)
        else:
            self.add_step(op, self.lower(op))

    def _source(self, op: Operation, tensor: GraphTensor) -> Buffer:
        size = nbytes_of(tensor)
        if tensor in self.feeds:
            return self.new("feed", size, tensor, self.feeds[tensor])
        if is_handle(tensor):
            key = variable_of(tensor)
            if key not in self.variables:
                self.variables[key] = self.new("variable", size, tensor, key)
            return self.variables[key]
        return self.new("constant", size, tensor, op.attrs.get("value"))

    def new(self, kind: Any, nbytes: int, tensor: Any, source: Any = None) -> Buffer:
        """Makes a buffer that is in use from the step that comes next."""
        buffer = Buffer(kind, nbytes, tensor, source)
        buffer.first = buffer.last = len(self.steps)
        self.buffers.append(buffer)
        return buffer

    def add_step(self, op: Operation, lowered: Lowered) -> None:
        """Adds the step of an operation; its outputs get memory of their own."""
        inputs = tuple(self.locations[tensor] for tensor in op.inputs)
        if op in self.prepared and lowered.prepared is not None:
            other = inputs[1 - lowered.prepared.index]
            inputs = (other, self.prepared.pop(op))
            lowered = replace(lowered, calls=lowered.prepared.each, scratch=())
        is_piece = any(tensor in self.pieces for tensor in op.outputs)
        if lowered.pieces:
            lowered = self._without_copies(op, lowered, inputs)
        if lowered.views:
            outputs = tuple(
                self._piece(tensor, inputs[0], place)
                for tensor, place in zip(op.outputs, lowered.views, strict=True)
            )
        elif (
            lowered.in_place is not None
            and not is_piece
            and self._may_overwrite(op, inputs)
        ):
            outputs = inputs[:1]
            lowered = replace(lowered, calls=lowered.in_place)
        else:
            outputs = tuple(self._output(tensor) for tensor in op.outputs)
        for tensor, buffer in zip(op.outputs, outputs, strict=True):
            self.place(tensor, buffer)
        if lowered.lasting:
            self.lasting += outputs
        writes = bool(handles_written(op))
        if lowered.host and writes and op.spec.effect is not Effect.WRITE:
            self.interpret(op, "writes what only its data give a size")
        if op.spec is INITIALIZED_VALUE:
            self.interpret(op, f"is a question for the host: {lowered.host}")
        if lowered.checks or lowered.host:
            self.may_fail = True
            self.fails_late |= self.wrote or writes
        self.wrote |= writes
        self.place_step(op, lowered, inputs, outputs)

    def _output(self, tensor: GraphTensor) -> Buffer:
        """The memory of a result, or the place of what Python keeps."""
        if is_host_value(tensor):
            return self.new("host", 0, tensor)
        if tensor in self.pieces:
            op, place = self.pieces[tensor]
            return self._piece(tensor, self._whole(op), place)
        if tensor.op in self.wholes and tensor is tensor.op.outputs[0]:
            return self.wholes[tensor.op]
        return self.new("arena", nbytes_of(tensor), tensor)

    def _piece(self, tensor: GraphTensor, whole: Buffer, place: int) -> Buffer:
        """Makes a buffer that is a part of another one."""
        piece = self.new("arena", nbytes_of(tensor), tensor)
        piece.parent, piece.place = whole, place
        return piece

    def _without_copies(
        self, op: Operation, lowered: Lowered, inputs: tuple[Buffer, ...]
    ) -> Lowered:
        """Leaves out the copies of what was computed where it has to be."""
        whole = self._whole(op)
        copies = tuple(
            call
            for (place, calls), buffer in zip(lowered.pieces, inputs, strict=False)
            if buffer.parent is not whole or buffer.place != place
            for call in calls
        )
        return replace(lowered, calls=(*copies, *lowered.calls))

    def _may_overwrite(self, op: Operation, inputs: tuple[Buffer, ...]) -> bool:
        """Whether an op is the last to need the memory of its first input."""
        buffer = inputs[0]
        if buffer.kind != "arena" or any(other is buffer for other in inputs[1:]):
            return False
        readers = sum(
            max(self.readers[tensor], 0)
            for tensor in set(self.tenants.get(id(buffer), ()))
            if self.locations[tensor] is buffer
        )
        return readers <= 1

    def place_step(
        self,
        op: Operation,
        lowered: Lowered,
        inputs: tuple[Buffer, ...],
        outputs: tuple[Buffer, ...] = (),
    ) -> None:
        """Adds a step that works on given buffers."""
        scratch = tuple(self.new("arena", size, None) for size in lowered.scratch)
        for buffer in (*inputs, *outputs):
            buffer.last = len(self.steps)
        self.steps.append(Step(op, lowered, inputs, outputs, scratch, self.within))

    def interpret(self, op: Operation, why: str) -> None:
        """Notes why the whole program cannot run natively, unless that is known."""
        self.interpreted = self.interpreted or _explain(op, why)

    def finish(self) -> Schedule:
        """Keeps what is fetched until the end and places the buffers."""
        for tensor in self.program.fetches:
            self.locations[tensor].last = len(self.steps)
        for buffer in self.lasting:
            buffer.first, buffer.last = 0, len(self.steps)
        size = place_buffers(self.buffers)
        return Schedule(
            self.program,
            self.steps,
            self.locations,
            size,
            self.interpreted,
            self.buffers,
            self.operations,
            self.labels,
            self.has_loops,
            self.stacks,
            self.fails_late,
            self.may_fail,
        )


def _native_guards(
    builder: Builder, program: Program, lower: Lower
) -> dict[Operation, GraphTensor]:
    """The conditions of ops, without those that run on the host or may fail."""
    guards = guards_of(program)
    always = set()
    for op in guards:
        if not isinstance(op.spec.kernel, (Source, Alias)):
            lowered = lower(op)
            builder.jump_kernels = lowered.jumps or builder.jump_kernels
            if lowered.host or lowered.checks:
                always.add(op)
    if builder.jump_kernels is None:
        return {}
    return guards_of(program, always) if always else guards


def _keeps_unsized(op: Operation) -> bool:
    """Whether an op stands for a variable whose size may change."""
    return any(is_handle(t) and not t.shape.is_fully_defined() for t in op.outputs)


def why_on_host(op: Operation) -> str:
    """Returns why an op that takes or makes what no kernel can have runs on the host.

    Returns:
      An empty string if there is no such tensor, or the op only stands for one.
    """
    if isinstance(op.spec.kernel, Source):
        return "" if not op.inputs else "it looks at the shape of a tensor"
    for tensor in (*op.inputs, *op.outputs):
        if tensor.dtype.is_string:
            return "strings are values of the host"
        if is_host_value(tensor):
            return "only the data decide how large a tensor is"
    return ""


def _may_fail(op: Operation, lower: Lower) -> bool:
    """Whether an op checks what it is given, or runs Python."""
    kernel = op.spec.kernel
    if isinstance(kernel, (Source, Alias, Bodies)):
        return bool(why_on_host(op))
    lowered = lower(op)
    return lowered.checks or bool(lowered.host)


def _with_host_values(lower: Lower) -> Lower:
    def lower_op(op: Operation) -> Lowered:
        reason = why_on_host(op)
        return Lowered(host=reason) if reason else lower(op)

    return lower_op


def _explain(op: Operation, why: str) -> str:
    return f"{op.name} ({op.type}) {why}"


def nbytes_of(tensor: GraphTensor) -> int:
    """Returns the size of a tensor whose shape is known."""
    count = tensor.shape.num_elements()
    assert count is not None, f"{tensor.name} has no known shape {tensor.shape}"
    return count * tensor.dtype.size
