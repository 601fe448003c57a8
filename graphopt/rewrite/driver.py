"""Runs the passes, in the order of one literal tuple, and keeps what each one did."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from graphopt.config import settings
from graphopt.graph.program import Program, find_complex
from graphopt.graph.verify import verify_program


@dataclass(frozen=True)
class Pass:
    """A rewrite of a whole program.

    Attributes:
      name: What the viewer shows and `passes_off` takes: the name of the function.
      function: `Program -> Program`, pure.
      preserves: Whether results stay the same bit for bit, or within stated ulps.
      required: Whether the passes after it, or the executor, need it.
    """

    name: str
    function: Callable[[Program], Program]
    preserves: Literal["bits", "ulps"]
    required: bool = False


def graph_pass(
    *, preserves: Literal["bits", "ulps"], required: bool = False
) -> Callable[[Callable[[Program], Program]], Pass]:
    """Makes a pass of a function; its name is that of the function."""

    def wrap(function: Callable[[Program], Program]) -> Pass:
        return Pass(function.__name__, function, preserves, required)

    return wrap


class Applied(NamedTuple):
    """One pass that ran: its name, the program before and after, and how long."""

    name: str
    before: Program
    after: Program
    seconds: float


@dataclass
class Trace:
    """What the passes did to one program."""

    applied: list[Applied] = field(default_factory=list)


verify_after_each_pass = False


def run_passes(
    program: Program,
    passes: tuple[Pass, ...],
    trace: Trace | None = None,
) -> Program:
    """Applies passes in order, leaving out those that the settings switch off.

    Args:
      program: The program as the user built it.
      passes: What to apply.
      trace: Where to write down what happened; costs the memory of every graph.

    Returns:
      The rewritten program.
    """
    # The interpreter runs complex numbers op by op, as they were written.
    only_required = find_complex(program.operations) is not None
    for each in passes:
        off = only_required or each.name in settings.passes_off
        if off and not each.required:
            continue
        start = time.perf_counter()
        after = each.function(program)
        seconds = time.perf_counter() - start
        if verify_after_each_pass:
            verify_program(after)
        if trace is not None:
            trace.applied.append(Applied(each.name, program, after, seconds))
        program = after
    return program
