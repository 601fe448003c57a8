"""`graphopt kernels`: the kernels of a step, and the source that was generated."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from typing import Any

from graphopt.codegen.kernels import write_assembly, write_llvm
from graphopt.commands.shared import (
    UsageError,
    add_color,
    add_command,
    add_json,
    clean_lines,
    print_json,
    print_table,
    print_text,
    wants_color,
)
from graphopt.commands.targets import show_target
from graphopt.schedule.steps import Schedule
from graphopt.schedule.summary import (
    PlannedKernel,
    PlannedStep,
    summarize_kernels,
    summarize_steps,
)
from graphopt.viz.loading import Loaded
from graphopt.viz.plan import Planned, plan_fetch
from graphopt.viz.target import Target, TargetNotFoundError
from graphopt.viz.words import plural


def add_parser(commands: Any) -> None:
    """Adds the parser."""
    parser = add_command(commands, "kernels")
    parser.add_argument(
        "--source",
        metavar="NAME",
        help="print the source of a kernel: the beginning of its name, or the name of an "
        "op that runs in it; 'all' for all",
    )
    code = parser.add_mutually_exclusive_group()
    code.add_argument(
        "--llvm",
        action="store_const",
        dest="language",
        const="llvm",
        help="print what LLVM made of it, after its passes",
    )
    code.add_argument(
        "--asm",
        action="store_const",
        dest="language",
        const="asm",
        help="print the machine code",
    )
    add_json(parser)
    add_color(parser)


def run(options: argparse.Namespace, passed: list[str]) -> int:
    """Lists kernels, or prints sources."""

    def show(loaded: Loaded) -> None:
        print_kernels(schedule_of(loaded.target, options.target), options)

    return show_target(options, passed, show)


def print_kernels(schedule: Schedule, options: argparse.Namespace) -> None:
    """Prints the kernels of a plan, or sources."""
    kernels = summarize_kernels(schedule)
    steps = summarize_steps(schedule)
    users = {k.name: [s for s in steps if k.name in s.kernels] for k in kernels}
    wanted = options.source or ("all" if options.language else None)
    if wanted is not None:
        kernels = chosen(schedule, wanted)
    texts = [_text_in(options.language, kernel, schedule) for kernel in kernels]
    if options.json:
        print_json(
            [
                {
                    "name": kernel.name,
                    "family": kernel.family,
                    options.language or "source": text,
                    "steps": [step.name for step in users[kernel.name]],
                }
                for kernel, text in zip(kernels, texts, strict=True)
            ]
        )
    elif wanted is not None:
        print_text("\n\n".join(map(_text, kernels, texts)))
    else:
        rows = [
            [
                kernel.short_name,
                kernel.family,
                users[kernel.name][0].name if users[kernel.name] else "",
                str(len(users[kernel.name])),
                str(kernel.source.count("\n") + 1),
            ]
            for kernel in kernels
        ]
        headings = ["kernel", "family", "first step", "steps", "lines"]
        print_table(
            headings, rows, color=wants_color(options.color), numbers=2, flexible=2
        )
        for line in _slow(schedule, steps):
            print_text(line)
        if not options.quiet:
            print_text(
                f"\n{plural(len(kernels), 'kernel')} for {plural(len(steps), 'step')}; "
                "--source NAME prints one"
            )


def _slow(schedule: Schedule, steps: Sequence[PlannedStep]) -> Iterator[str]:
    """Says what has no kernel, and why."""
    if schedule.interpreted:
        yield f"\nruns without native code: {clean_lines(schedule.interpreted)}"
    for step in steps:
        if step.host:
            yield f"on the host: {step.name}: {step.host}"


def schedule_of(target: Target, text: str) -> Schedule:
    """Returns what a target would run; see `planned_of` for what it raises."""
    return planned_of(target, text).schedule


def planned_of(target: Target, text: str) -> Planned:
    """Plans a target.

    Raises:
      TargetNotFoundError: There is nothing to be run.
      UsageError: It cannot be planned.
    """
    if not target.wanted:
        raise TargetNotFoundError(
            f"{text} has no train op; --fetch NAME says what is to be run"
        )
    try:
        return plan_fetch(target.graph, target.operations, target.tensors, target.feeds)
    except (ValueError, NotImplementedError) as error:
        raise UsageError(f"there is no plan: {error}") from None


def chosen(schedule: Schedule, name: str) -> tuple[PlannedKernel, ...]:
    """Returns the kernels that a name stands for.

    Raises:
      UsageError: It stands for none.
    """
    kernels = summarize_kernels(schedule)
    if name == "all":
        return kernels
    wanted = {
        kernel
        for step in summarize_steps(schedule)
        if any(name in (op, op.rpartition("/")[2]) for op in (step.name, *step.fused))
        for kernel in step.kernels
    }
    found = [k for k in kernels if k.name in wanted or k.name.startswith(name)]
    if not found:
        raise UsageError(
            f"no kernel and no op in one is called {name!r}; without --source they are "
            "listed"
        )
    return tuple(found)


def _text_in(language: str | None, kernel: PlannedKernel, schedule: Schedule) -> str:
    """Returns the text of a kernel, in LLVM's language or the processor's."""
    if language is None:
        return kernel.source
    write = write_llvm if language == "llvm" else write_assembly
    request = next(r for r in schedule.list_kernels() if r.name == kernel.name)
    return write(request)


def _text(kernel: PlannedKernel, text: str) -> str:
    return f"# {kernel.name} ({kernel.family})\n{clean_lines(text.expandtabs())}"
