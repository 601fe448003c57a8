"""What the compiler makes of a fetch: passes, steps, memory. Nothing is compiled."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from graphopt.codegen.lower import lower_operation
from graphopt.graph.graph import Graph, Operation
from graphopt.graph.process_settings import rare_collections
from graphopt.graph.program import Program
from graphopt.graph.shape import TensorShape
from graphopt.graph.tensor import GraphTensor
from graphopt.rewrite.driver import Trace, run_passes
from graphopt.rewrite.pipeline import PIPELINE
from graphopt.schedule.build import build_schedule
from graphopt.schedule.steps import Schedule
from graphopt.schedule.summary import PlannedStep, summarize_steps
from graphopt.viz.model import placeholder_shapes
from graphopt.viz.words import clean_text, format_bytes, plural

# The longest line of a plan, but for names that are longer.
LINE = 80
# A batch size that only the run decides: some number is needed to count bytes.
UNKNOWN_SIZE = 32
# What `graphopt show --json` gives of a step; nothing in it depends on the machine.
_JSON_KEYS = ("kernel", "name", "type", "fused", "outputs")


@dataclass(frozen=True)
class PassCount:
    """A pass, and the number of ops before and after it."""

    name: str
    before: int
    after: int


@dataclass(frozen=True)
class PlanSummary:
    """What became of a fetch.

    Attributes:
      passes: In order.
      steps: In order.
      arena_bytes: The memory that a step needs besides variables, constants and feeds.
      is_size_assumed: Whether unknown dimensions were taken as `UNKNOWN_SIZE`.
      interpreted: Why the fetch cannot run as native code; empty if it can.
    """

    passes: tuple[PassCount, ...]
    steps: tuple[PlannedStep, ...]
    arena_bytes: int
    is_size_assumed: bool
    interpreted: str

    def as_json(self) -> dict[str, Any]:
        """Returns plain values."""
        return {
            "passes": [vars(each) for each in self.passes],
            "steps": [{k: vars(each)[k] for k in _JSON_KEYS} for each in self.steps],
            "arena_bytes": self.arena_bytes,
            "assumed_size": UNKNOWN_SIZE if self.is_size_assumed else None,
            "interpreted": self.interpreted,
        }


@dataclass(frozen=True)
class Planned:
    """A fetch after the passes and the scheduler.

    Attributes:
      trace: What each pass did.
      schedule: What would run.
      is_size_assumed: Whether unknown dimensions were taken as `UNKNOWN_SIZE`.
    """

    trace: Trace
    schedule: Schedule
    is_size_assumed: bool


def plan_fetch(
    graph: Graph,
    targets: Sequence[Operation],
    fetches: Sequence[GraphTensor] = (),
    feeds: Mapping[GraphTensor, TensorShape] | None = None,
) -> Planned:
    """Runs the passes and the scheduler on a fetch.

    Args:
      graph: The graph.
      targets: Operations to be run.
      fetches: Tensors whose values are wanted.
      feeds: What is fed in the order of the run, with the shapes that it has; by default
        every placeholder that is needed, with the sizes that its shape says.

    Returns:
      What they made of it.

    Raises:
      ValueError: The rank of a placeholder is not known, or an op does not fit.
      NotImplementedError: An op has no kernel.
    """
    if feeds is None:
        wanted = [*targets, *(tensor.op for tensor in fetches)]
        feeds = placeholder_shapes(graph, wanted)
    for tensor, shape in feeds.items():
        if shape.rank is None:
            raise ValueError(f"the rank of {tensor.op.name} is not known")
    is_assumed = not all(shape.is_fully_defined() for shape in feeds.values())
    shapes = tuple(
        TensorShape([UNKNOWN_SIZE if size is None else size for size in shape])
        for shape in feeds.values()
    )
    source = Program(graph, tuple(feeds), tuple(fetches), tuple(targets), shapes)
    trace = Trace()
    with rare_collections():
        program = run_passes(source, PIPELINE, trace)
        schedule = build_schedule(program, lower_operation)
    return Planned(trace, schedule, is_assumed)


def summarize_plan(
    graph: Graph,
    targets: Sequence[Operation],
    fetches: Sequence[GraphTensor] = (),
    feeds: Mapping[GraphTensor, TensorShape] | None = None,
) -> PlanSummary:
    """Says in plain values what became of a fetch; as `plan_fetch`."""
    planned = plan_fetch(graph, targets, fetches, feeds)
    schedule = planned.schedule
    return PlanSummary(
        tuple(
            PassCount(a.name, len(a.before.operations), len(a.after.operations))
            for a in planned.trace.applied
        ),
        summarize_steps(schedule),
        schedule.arena_bytes,
        planned.is_size_assumed,
        schedule.interpreted,
    )


def format_plan(plan: PlanSummary) -> list[str]:
    """Writes a summary as lines; no times, so that equal plans are equal texts."""
    lines = ["passes"]
    width = max((len(each.name) for each in plan.passes), default=0)
    for each in plan.passes:
        change = each.after - each.before
        note = f"  ({change:+d})" if change else ""
        lines.append(f"  {each.name:{width}}  {each.before} -> {each.after} ops{note}")
    note = f", unknown sizes taken as {UNKNOWN_SIZE}" if plan.is_size_assumed else ""
    arena = format_bytes(plan.arena_bytes)
    lines.append(f"{plural(len(plan.steps), 'step')}, arena {arena}{note}")
    if plan.interpreted:
        why = f"runs without native code: {clean_text(plan.interpreted)}"
        lines += textwrap.wrap(why, LINE, initial_indent="  ", subsequent_indent="    ")
    width = max((len(step.kernel) for step in plan.steps), default=0)
    digits = len(str(max(len(plan.steps) - 1, 0)))
    for index, step in enumerate(plan.steps):
        start = f"  {index:{digits}} {step.kernel:{width}}  {step.name}"
        indent = " " * (digits + width + 7)
        lines += _with_outputs(start, step.outputs, indent)
        lines += [indent + line for line in _wrap(_relative(step), LINE - len(indent))]
        if step.host:
            lines += textwrap.wrap(
                f"on the host: {step.host}",
                LINE,
                initial_indent=indent,
                subsequent_indent=indent,
            )
    return lines


def _with_outputs(start: str, outputs: Sequence[str], indent: str) -> list[str]:
    """A line of a step and its results, which go on in further lines."""
    lines = [start]
    for place, output in enumerate(outputs):
        text = f"{', ' if place else ' -> '}{output}"
        if len(lines[-1]) + len(text) <= LINE:
            lines[-1] += text
        else:
            lines[-1] += "," if place else ""
            lines.append(f"{indent}{'' if place else '-> '}{output}")
    return lines


def _relative(step: PlannedStep) -> list[str]:
    """The names of fused ops without the scope that the step itself is in."""
    scope = step.name.rpartition("/")[0] + "/"
    return [name.removeprefix(scope) for name in step.fused]


def _wrap(names: Sequence[str], width: int) -> list[str]:
    lines: list[str] = []
    for name in names:
        if lines and len(lines[-1]) + len(name) + 3 <= width:
            lines[-1] += f" + {name}"
        else:
            lines.append(f"+ {name}" if lines else f"= {name}")
    return lines
