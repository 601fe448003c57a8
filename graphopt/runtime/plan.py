"""`Plan`: what a session would run for a fetch, to be read and printed.

Everything here is known before anything has run: the passes and the scheduler decide it
from shapes alone. Making a plan compiles no kernel; the schedule is kept, and the first
run of the same fetch goes on from there.
"""

from __future__ import annotations

from collections.abc import Sequence

from graphopt.errors import NotFoundError, fail
from graphopt.graph.effects import handles_written, is_handle
from graphopt.graph.graph import Operation
from graphopt.graph.hooks import hooks
from graphopt.graph.opspec import Alias, Source
from graphopt.graph.program import Program
from graphopt.graph.provenance import user_site
from graphopt.graph.tensor import GraphTensor
from graphopt.graph.words import clean_text, format_bytes, plural, size_of
from graphopt.runtime.runner import ShapedPlan
from graphopt.schedule.memory import ALIGNMENT
from graphopt.schedule.steps import Schedule
from graphopt.schedule.summary import (
    PlannedBuffer,
    PlannedKernel,
    PlannedStep,
    summarize_buffers,
    summarize_kernels,
    summarize_steps,
)

# Where the texts of kernels, reads and writes begin in a line.
_INDENT = " " * 6
_WIDTH = 88


class Plan:
    """What a session would run for a fetch; made by `Session.plan`.

    Printed, it lists the steps in order, each with its kernel (or `HOST` and the reason),
    the ops in it, what it reads and what it writes, then the buffers with their size,
    place and lifetime, then the kernels.

    Attributes:
      steps: In order.
      buffers: The arena's, and those that are given: variables, constants, feeds.
      kernels: Each with `.name`, `.family` and `.source`.
      arena_bytes: The size of the memory in which the intermediate results lie.
      peak_bytes: The most that a run allocates: the arena, and the results it returns or
        the largest result of a host step, whichever is more. None if only the data
        decide how large a tensor is. Variables, constants and feeds are not counted.
      interpreted: Why the steps run one by one with NumPy; empty if they are compiled.
      program: What it was made for: the graph, what is fed, fetched and run.

    >>> import graphopt as tf
    >>> with tf.Graph().as_default(), tf.compat.v1.Session() as session:
    ...     x = tf.compat.v1.placeholder(tf.float32, [None, 3], name="x")
    ...     y = tf.reduce_sum(tf.exp(x) * 2.0, axis=1, name="y")
    ...     plan = session.plan(y, feed_dict={x: [[1.0, 2.0, 3.0]]})
    >>> [(step.kernel, step.reads) for step in plan.steps]
    [('elementwise', ('feed x', 'constant mul/y')), ('reduce', ('b2',))]
    >>> plan.peak_bytes, len(plan.kernels)
    (196, 2)
    >>> print(plan.kernels[0].source)
    def kernel(args, lo, hi):
        p0 = pointer_float32(args[0])  # input
        p1 = pointer_float32(args[1])  # input
        py0 = pointer_float32(args[2])  # output
        x1 = p1[0]
        for i0 in range(lo, hi):
            o0 = i0
            x0 = p0[o0]
            v0 = float32(exp_float32(x0))
            v1 = float32((v0 * x1))
            py0[o0] = v1
    <BLANKLINE>
    """

    def __init__(self, schedule: Schedule, program: Program, source: Program) -> None:
        self.program = source
        self.steps: tuple[PlannedStep, ...] = summarize_steps(schedule)
        self.buffers: tuple[PlannedBuffer, ...] = summarize_buffers(schedule)
        self.kernels: tuple[PlannedKernel, ...] = summarize_kernels(schedule)
        self.interpreted = clean_text(schedule.interpreted)
        self.arena_bytes = 0 if self.interpreted else schedule.arena_bytes
        self.fetches = tuple(clean_text(tensor.name) for tensor in program.fetches)
        self.peak_bytes = (
            interpreted_peak(program) if self.interpreted else _compiled_peak(schedule)
        )

    def source(self, kernel_name: str) -> str:
        """Returns the text of a kernel.

        Args:
          kernel_name: Its name, or so much of the beginning as names one only.

        Raises:
          NotFoundError: The plan has no such kernel, or several.
        """
        found = [k for k in self.kernels if k.name.startswith(kernel_name)]
        if len(found) != 1 or not kernel_name:
            names = ", ".join(kernel.short_name for kernel in self.kernels)
            raise fail(
                NotFoundError,
                f"The plan has no single kernel {kernel_name!r}",
                got=plural(len(found), "kernel") + " with names that begin so",
                expected=f"one of {names}" if names else "nothing: it has no kernels",
                site=str(user_site()),
            )
        return found[0].source

    def __repr__(self) -> str:
        lines = [self._headline()]
        if self.interpreted:
            lines.append(f"runs without native code: {self.interpreted}")
        lines.append("steps")
        for index, step in enumerate(self.steps):
            lines += self._step_lines(index, step)
        lines.append("buffers")
        width = max((len(buffer.name) for buffer in self.buffers), default=0)
        lines += [_buffer_line(buffer, width) for buffer in self.buffers]
        lines.append("kernels")
        for kernel in self.kernels:
            lines.append(f"  {kernel.short_name}  {kernel.family}")
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        """The page that notebooks show, in a frame of its own."""
        return str(hooks.draw_html(self))

    def _headline(self) -> str:
        what = ", ".join(self.fetches) or "no tensor, what the targets do"
        return (
            f"plan for {what}: {plural(len(self.steps), 'step')}, "
            f"peak {format_bytes(self.peak_bytes)} "
            f"(arena {format_bytes(self.arena_bytes)})"
        )

    def _step_lines(self, index: int, step: PlannedStep) -> list[str]:
        kernels = " ".join(name[:10] for name in step.kernels)
        result = f" -> {', '.join(step.outputs)}" if step.outputs else ""
        words = f"{step.kernel} {kernels}".rstrip()
        lines = [f"  {index:3} {words}  {step.name} ({step.type}){result}"]
        if step.host:
            lines.append(f"{_INDENT}because {step.host}")
        if step.fused:
            lines += _wrap("ops", step.fused)
        lines += _wrap("reads", step.reads) + _wrap("writes", step.writes)
        return lines


def make_plan(shaped: ShapedPlan) -> Plan:
    """Returns the public description of a plan."""
    return Plan(shaped.make_schedule(), shaped.program, shaped.source)


def _wrap(word: str, names: Sequence[str]) -> list[str]:
    """Writes names after a word, in as many lines as they need."""
    if not names:
        return []
    lines = [f"{_INDENT}{word:6}"]
    for name in names:
        if len(lines[-1]) + len(name) + 2 > _WIDTH and lines[-1].endswith(","):
            lines.append(" " * 12)
        lines[-1] += f" {name},"
    lines[-1] = lines[-1].rstrip(",")
    return lines


def _buffer_line(buffer: PlannedBuffer, width: int) -> str:
    size = format_bytes(buffer.nbytes)
    if buffer.kind != "arena":
        return f"  {buffer.name:{width}}  {size:>10}"
    life = f"steps {buffer.first} to {buffer.last}"
    tensor = buffer.tensor or "scratch"
    return f"  {buffer.name:{width}}  {size:>10} at {buffer.offset:<9} {life}  {tensor}"


def _compiled_peak(schedule: Schedule) -> int | None:
    """The arena with its alignment, what is returned, made by the host or may go back."""
    if schedule.has_host_values:
        return None
    fetched = sum(_size(tensor) for tensor in dict.fromkeys(schedule.program.fetches))
    by_host = [
        sum(_size(tensor) for tensor in step.op.outputs)
        for step in schedule.steps
        if step.lowered.host
    ]
    written = [
        handle.op.outputs[0]
        for op in schedule.program.operations
        for handle in handles_written(op)
    ]
    copies = sum(map(_size, dict.fromkeys(written))) if schedule.fails_late else 0
    return schedule.arena_bytes + ALIGNMENT + fetched + max([0, *by_host]) + copies


def interpreted_peak(program: Program) -> int | None:
    """Follows what the interpreter keeps: values until their last use, writes to the end.

    Args:
      program: With its meaning settled.

    Returns:
      Bytes, or None where only the data decide the size of a tensor.
    """
    if not all(
        tensor.shape.is_fully_defined()
        for op in program.operations
        for tensor in op.outputs
    ):
        return None
    uses: dict[GraphTensor, int] = {}
    for tensor in (t for op in program.operations for t in op.inputs):
        uses[tensor] = uses.get(tensor, 0) + 1
    for tensor in program.fetches:
        uses[tensor] = uses.get(tensor, 0) + 1
    alive = peak = written = 0
    for op in program.operations:
        writes = sum(_size(handle) for handle in handles_written(op))
        alive += writes + sum(_own_size(tensor) for tensor in op.outputs)
        written += writes
        peak = max(peak, alive)
        for tensor in op.inputs:
            uses[tensor] -= 1
            if not uses[tensor]:
                alive -= _own_size(tensor)
    fetched = sum(_size(tensor) for tensor in program.fetches)
    # At the end there are copies of what is fetched and of what is written.
    return max(peak, alive + fetched + written)


def _own_size(tensor: GraphTensor) -> int:
    """The bytes that a value adds: views, constants, feeds and variables add none."""
    op: Operation = tensor.op
    if isinstance(op.spec.kernel, (Source, Alias)) or is_handle(tensor):
        return 0
    return _size(tensor)


def _size(tensor: GraphTensor) -> int:
    size = size_of(tensor)
    assert size is not None
    return size
