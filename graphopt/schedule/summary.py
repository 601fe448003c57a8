"""What a schedule says in plain values: its steps, buffers and kernels."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from graphopt.graph.effects import (
    handles_written,
    variable_of,
)
from graphopt.graph.graph import Operation
from graphopt.graph.words import clean_text, format_type
from graphopt.schedule.steps import Buffer, Schedule, Step

# Of the 32 digits of a kernel's name so many are shown.
SHOWN_DIGITS = 8


@dataclass(frozen=True)
class PlannedStep:
    """A step of a plan.

    Attributes:
      kernel: The family of its kernel, `HOST`, or `NONE` where nothing is to be done.
      name: The name of its op.
      type: The type of its op.
      fused: The ops that run in its loop.
      outputs: The types of its outputs.
      host: Why it runs on the host; empty if it does not.
      kernels: The names of its kernels, in the order of their calls.
      reads: The names of the buffers that it reads.
      writes: The names of the buffers that it writes, variables included.
      site: `file:line` of the user's code that made the op.
    """

    kernel: str
    name: str
    type: str
    fused: tuple[str, ...]
    outputs: tuple[str, ...]
    host: str = ""
    kernels: tuple[str, ...] = ()
    reads: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    site: str = ""


@dataclass(frozen=True)
class PlannedBuffer:
    """A piece of memory that a plan uses.

    Attributes:
      name: As in `PlannedStep.reads`.
      kind: `arena`, `variable`, `constant` or `feed`.
      tensor: The tensor that it holds; empty for scratch.
      nbytes: Its size.
      offset: Its place in the arena.
      first, last: The steps during which an arena buffer is in use.
    """

    name: str
    kind: str
    tensor: str
    nbytes: int
    offset: int
    first: int
    last: int


@dataclass(frozen=True)
class PlannedKernel:
    """A kernel that a plan calls.

    Attributes:
      name: The name of the compiled function.
      family: Which generator wrote it.
      source: Its text; for a family whose code is built rather than written (`gemm`),
        the words that choose it.
    """

    name: str
    family: str
    source: str

    @property
    def short_name(self) -> str:
        """The beginning of the name, as a plan shows it."""
        return self.name[: SHOWN_DIGITS + 2]


def summarize_steps(schedule: Schedule) -> tuple[PlannedStep, ...]:
    """Returns the steps of a schedule, in order."""
    names = name_buffers(schedule)
    return tuple(_plan(step, names) for step in schedule.steps)


def summarize_buffers(schedule: Schedule) -> tuple[PlannedBuffer, ...]:
    """Returns the buffers of a schedule, in the order in which they were planned."""
    names = name_buffers(schedule)
    return tuple(
        PlannedBuffer(
            names[id(buffer)],
            buffer.kind,
            "" if buffer.tensor is None else clean_text(buffer.tensor.name),
            buffer.nbytes,
            buffer.offset,
            buffer.first,
            buffer.last,
        )
        for buffer in schedule.buffers
    )


def summarize_kernels(schedule: Schedule) -> tuple[PlannedKernel, ...]:
    """Returns the different kernels of a schedule, in the order of their first call."""
    kernels = schedule.list_kernels()
    return tuple(PlannedKernel(k.name, k.family, k.source) for k in kernels)


def fingerprint(schedule: Schedule) -> str:
    """Returns 16 hexadecimal digits that tell plans apart whose times must not be mixed.

    They depend on the steps, the kernels of each and the types of their results; names of
    kernels are hashes of all that their code depends on.
    """
    digest = hashlib.sha256()
    for step in summarize_steps(schedule):
        words = (step.name, step.kernel, *step.kernels, *step.outputs, *step.fused)
        digest.update("\0".join((*words, "\n")).encode())
    return digest.hexdigest()[:16]


def name_buffers(schedule: Schedule) -> dict[int, str]:
    """Returns a name for each buffer, by its id."""
    names: dict[int, str] = {}
    for buffer in schedule.buffers:
        names[id(buffer)] = _name_of(buffer, len(names))
    return names


def _name_of(buffer: Buffer, number: int) -> str:
    if buffer.kind == "arena":
        return f"b{number}"
    if buffer.kind == "variable":
        return f"variable {clean_text(str(getattr(buffer.source, 'name', number)))}"
    assert buffer.tensor is not None
    return f"{buffer.kind} {clean_text(buffer.tensor.op.name)}"


def fused_names(op: Operation) -> tuple[str, ...]:
    """Returns the names of the ops that a fused op stands for."""
    parts = () if op.spec.parts is None else op.spec.parts(op)
    return tuple(clean_text(part.name) for part in parts)


def _plan(step: Step, names: dict[int, str]) -> PlannedStep:
    op = step.op
    keys = {id(variable_of(handle)) for handle in handles_written(op)}
    changed = [b for b in step.inputs if b.kind == "variable" and id(b.source) in keys]
    return PlannedStep(
        step.kernel,
        clean_text(step.name),
        op.type,
        tuple(step.within + name for name in fused_names(op)),
        tuple(format_type(tensor) for tensor in op.outputs),
        clean_text(step.lowered.host),
        tuple(dict.fromkeys(call.kernel.name for call in step.lowered.calls)),
        tuple(dict.fromkeys(names[id(b)] for b in step.inputs)),
        tuple(dict.fromkeys(names[id(b)] for b in (*step.outputs, *changed))),
        op.site_text,
    )
