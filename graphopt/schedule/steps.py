"""The types of a schedule: kernel requests, calls, steps, buffers."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from graphopt.graph.graph import Operation
from graphopt.graph.program import Program
from graphopt.graph.tensor import GraphTensor
from graphopt.lazy import cached_property


@dataclass(frozen=True)
class KernelRequest:
    """A kernel that a plan needs, known by its content.

    Attributes:
      family: Which generator made it: `elementwise`, `reduce`, `gemm`, ...
      source: The text to compile, or, where a builder in codegen makes the kernel, the
        words that choose it. Sizes, rates and step counts are never part of it.
    """

    family: str
    source: str

    @cached_property
    def key(self) -> str:
        """A hash of everything that the kernel depends on."""
        text = f"{self.family}\n{self.source}"
        return hashlib.sha256(text.encode()).hexdigest()[:32]

    @property
    def name(self) -> str:
        """The name of the compiled function."""
        return f"k_{self.key}"


Place = Literal[
    "input",
    "output",
    "scratch",
    "status",
    "kernel",
    "label",
    "budget",
    "stack",
    "draws",
    "channel",
    "wakes",
]


@dataclass(frozen=True)
class Word:
    """An argument of a kernel that is an address, filled in when a plan is bound.

    Attributes:
      place: What it is the address of; for a `label` the position on the tape, for the
        `budget` the number of rounds before a pause, for a `stack` its two words, for
        `draws` how often the stream of the op was drawn from, for `channel` the words of
        the group of processes that `index` names, and for `wakes` whether the step has so
        much to do meanwhile that another thread is to exchange values.
      index: Which input, output or scratch buffer of the step, or which label.
      offset: Bytes to add.
      kernel: The kernel whose code it points to, for `place == "kernel"`.
    """

    place: Place
    index: int = 0
    offset: int = 0
    kernel: KernelRequest | None = None


Argument = int | Word


@dataclass(frozen=True)
class Call:
    """One call of a kernel: `kernel(arguments, lo, hi)`.

    Attributes:
      kernel: What is called.
      arguments: What it is given.
      extent: The end of the range.
      repeats: Whether the range counts repetitions of all that the kernel does.
      unit: What the length of a piece is best a multiple of, if the range is cut.
      cost: About how many nanoseconds it takes on one core; 0 if it is a fair part of
        what its op takes.
      begin: The beginning of the range, for a part of a call.
    """

    kernel: KernelRequest
    arguments: tuple[Argument, ...]
    extent: int
    repeats: bool = False
    unit: int = 1
    cost: float = 0.0
    begin: int = 0

    @property
    def length(self) -> int:
        """The length of the range."""
        return self.extent - self.begin


class CallableKernel(Protocol):
    """A kernel that makes its own calls (`codegen.kernel.Kernel`)."""

    def call(self, extent: int, **arguments: Any) -> Call:
        """Returns a call; what is not given are the inputs of the step, in order."""


@dataclass(frozen=True)
class Jumps:
    """The kernels of branches and loops.

    Attributes:
      unless: (condition, status, label): goes to the label unless the condition holds.
      limited: (condition, count, limit, status, label): the same, and counts.
      reset: (count): makes a count zero.
      always: (status, label): goes to the label.
      again: (budget, status, label): the same, or pauses when the budget is spent.
      reserve: (count, stack, number, status, label): makes sure that the stack has room
        for one more frame; the label is that of the instruction itself.
      push: (count, stack, value, frame_size, offset, size): stores in a frame.
      bump: (count): adds one.
      pop: (count, status, label): takes one away, or goes to the label.
      load: (count, stack, value, frame_size, offset, size): reads from a frame.
      copy: The calls that copy what is like a tensor.
    """

    unless: CallableKernel
    limited: CallableKernel
    reset: CallableKernel
    always: CallableKernel
    again: CallableKernel
    reserve: CallableKernel
    push: CallableKernel
    bump: CallableKernel
    pop: CallableKernel
    load: CallableKernel
    copy: Callable[[GraphTensor], Lowered]


@dataclass(frozen=True)
class Prepared:
    """How an operation runs in a loop in which one of its inputs stays the same.

    Attributes:
      index: Which input.
      before: The calls that prepare it, once; it is their input and the memory for what
        they make their output.
      nbytes: How much memory that is.
      each: The calls of a round; their inputs are the other one and that memory.
    """

    index: int
    before: tuple[Call, ...]
    nbytes: int
    each: tuple[Call, ...]


@dataclass(frozen=True)
class Lowered:
    """How an operation runs: calls of kernels, or a reason why it runs on the host.

    Attributes:
      calls: What runs.
      scratch: Bytes of memory that the calls need besides inputs and outputs.
      checks: Whether a kernel may report an error.
      host: Why it runs on the host.
      jumps: The kernels of branches and loops.
      in_place: What runs instead where the output is the memory of the first input,
        which nobody else needs any more; None where that cannot be.
      prepared: What runs instead in a loop in which an input stays the same.
      pieces: Where each input lies in the first output, in bytes, of an op whose inputs may
        be computed there, and the calls that copy it if it was not.
      views: Where each output lies in the first input, of an op that computes nothing.
      lasting: Whether the outputs are in use from one run to the next: nothing else is ever
        put where they are.
    """

    calls: tuple[Call, ...] = ()
    scratch: tuple[int, ...] = ()
    checks: bool = False
    host: str = ""
    jumps: Jumps | None = None
    in_place: tuple[Call, ...] | None = None
    prepared: Prepared | None = None
    pieces: tuple[tuple[int, tuple[Call, ...]], ...] = ()
    views: tuple[int, ...] = ()
    lasting: bool = False


@dataclass
class Buffer:
    """A piece of memory: in the arena, or given from outside.

    Attributes:
      kind: Where it is: `arena`, `variable`, `constant`, `feed`, or `host` for what
        Python keeps as long as the run lasts.
      nbytes: Its size.
      tensor: The tensor that it holds (None for scratch).
      source: The variable's key, the constant's array, or the index of the feed.
      first, last: The steps during which an arena buffer is in use.
      offset: Its place in the arena.
      parent: The buffer that it is a piece of.
      place: Where it begins there.
    """

    kind: Literal["arena", "variable", "constant", "feed", "host"]
    nbytes: int
    tensor: GraphTensor | None = None
    source: Any = None
    first: int = -1
    last: int = -1
    offset: int = 0
    parent: Buffer | None = None
    place: int = 0


def is_host_value(tensor: GraphTensor) -> bool:
    """Whether no kernel can have a tensor: strings, and what only data give a size."""
    return tensor.dtype.is_string or not tensor.shape.is_fully_defined()


@dataclass(frozen=True)
class Step:
    """One operation as it will run.

    Attributes:
      op: The operation.
      lowered: Its calls.
      inputs, outputs, scratch: Buffers, by position.
      within: Of a step in a loop or branch the names of the op and the body around it,
        each with a slash behind it.
    """

    op: Operation
    lowered: Lowered
    inputs: tuple[Buffer, ...]
    outputs: tuple[Buffer, ...]
    scratch: tuple[Buffer, ...]
    within: str = ""

    @property
    def name(self) -> str:
        """The name of the op, with those around it: unique among the ops of a plan."""
        return self.within + self.op.name

    @property
    def kernel(self) -> str:
        """The kernel's family, or `HOST`."""
        if self.lowered.host:
            return "HOST"
        return self.lowered.calls[0].kernel.family if self.lowered.calls else "NONE"


@dataclass
class Schedule:
    """What a plan runs, in which order and where in memory.

    Attributes:
      program: The program after all passes.
      steps: In order.
      locations: The buffer of every tensor.
      arena_bytes: The size of the arena, which is also the peak of what the step needs
        besides variables, constants and feeds.
      interpreted: Why the program cannot run natively; empty if it can.
      buffers: All of them.
      operations: What is in the steps, by the number that kernels report.
      labels: The step at which each label stands.
      has_loops: Whether a step may run more than once.
      stacks: The bytes of a frame of each stack, which grows outside of the arena.
      fails_late: Whether a step may fail, or calls Python, after a variable was written.
      may_fail: Whether any step may fail or calls Python.
    """

    program: Program
    steps: list[Step]
    locations: dict[GraphTensor, Buffer]
    arena_bytes: int
    interpreted: str = ""
    buffers: list[Buffer] = field(default_factory=list)
    operations: dict[int, Operation] = field(default_factory=dict)
    labels: list[int] = field(default_factory=list)
    has_loops: bool = False
    stacks: list[int] = field(default_factory=list)
    fails_late: bool = False
    may_fail: bool = False

    @cached_property
    def has_host_values(self) -> bool:
        """Whether Python keeps some of the intermediate results."""
        return any(buffer.kind == "host" for buffer in self.buffers)

    @cached_property
    def has_lasting(self) -> bool:
        """Whether a run leaves something behind for the next one."""
        return any(step.lowered.lasting for step in self.steps)

    @property
    def peak_bytes(self) -> int:
        """The most memory in use at once, besides variables, constants and feeds."""
        return self.arena_bytes

    def list_kernels(self) -> list[KernelRequest]:
        """Returns the different kernels of the steps, in the order of their first call."""
        found: dict[str, KernelRequest] = {}
        for step in self.steps:
            for call in step.lowered.calls:
                found.setdefault(call.kernel.key, call.kernel)
                for argument in call.arguments:
                    if isinstance(argument, Word) and argument.kernel is not None:
                        found.setdefault(argument.kernel.key, argument.kernel)
        return list(found.values())
