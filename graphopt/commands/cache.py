"""`graphopt cache`: what is in the kernel cache, emptying it, filling it.

The cache is imported where it is used: it loads llvmlite, which help does without.
"""

from __future__ import annotations

import argparse
from typing import Any

from graphopt.codegen import kernels
from graphopt.codegen.kernels import get_kernel
from graphopt.commands.kernels import schedule_of
from graphopt.commands.shared import (
    OK,
    UsageError,
    add_command,
    add_json,
    print_json,
    print_text,
    progress,
    say,
)
from graphopt.commands.targets import show_target
from graphopt.commands.verbs import SUMMARIES
from graphopt.schedule.steps import Schedule
from graphopt.viz.loading import Loaded
from graphopt.viz.words import clean_text, format_bytes, plural


def add_parser(commands: Any) -> None:
    """Adds the parsers of the verb and of what it can do."""
    parser = commands.add_parser(
        "cache",
        help=SUMMARIES["cache"],
        description=SUMMARIES["cache"].capitalize() + ".",
        allow_abbrev=False,
    )
    tasks = parser.add_subparsers(dest="task", required=True, metavar="task")
    info = add_command(
        tasks, "info", "say where it is and what is in it", takes_target=False
    )
    add_json(info)
    clear = add_command(tasks, "clear", "remove all kernels", takes_target=False)
    add_json(clear)
    warm = add_command(tasks, "warm", "compile the kernels of a script's step")
    add_json(warm)


def run(options: argparse.Namespace, passed: list[str]) -> int:
    """Does what is asked for."""
    tasks = {"info": _info, "clear": _clear, "warm": _warm}
    code: int = tasks[options.task](options, passed)
    return code


def _info(options: argparse.Namespace, passed: list[str]) -> int:
    from graphopt.codegen.cache.folder import describe_cache

    state = describe_cache()
    if options.json:
        print_json(vars(state))
        return OK
    print_text(
        f"{clean_text(state.folder)}\n{plural(state.entries, 'kernel')}, "
        f"{format_bytes(state.nbytes)} of {format_bytes(state.cap_bytes)}"
    )
    if state.problem:
        say(f"the cache is not used: {state.problem}")
    return OK


def _clear(options: argparse.Namespace, passed: list[str]) -> int:
    from graphopt.codegen.cache.entry import CacheError
    from graphopt.codegen.cache.folder import clear_cache

    try:
        removed = clear_cache()
    except (CacheError, OSError, RuntimeError) as error:
        raise UsageError(f"the cache cannot be emptied: {error}") from None
    if options.json:
        print_json({"removed": removed})
    elif not options.quiet:
        print_text(f"removed {plural(removed, 'file')}")
    return OK


def _warm(options: argparse.Namespace, passed: list[str]) -> int:
    from graphopt.codegen.cache.folder import describe_cache

    state = describe_cache()
    if state.problem:
        raise UsageError(f"there is no cache to fill: {state.problem}")

    def fill(loaded: Loaded) -> None:
        _compile(schedule_of(loaded.target, options.target), options)

    return show_target(options, passed, fill)


def _compile(schedule: Schedule, options: argparse.Namespace) -> None:
    """Compiles the kernels of a plan that are not in the cache."""
    requests = schedule.list_kernels()
    before = kernels.record.kernels
    with progress("compiling", len(requests), quiet=options.quiet) as done:
        for number, request in enumerate(requests, start=1):
            get_kernel(request)
            done(number)
    compiled = kernels.record.kernels - before
    if options.json:
        print_json({"kernels": len(requests), "compiled": compiled})
    elif not options.quiet:
        print_text(
            f"{plural(len(requests), 'kernel')}: {compiled} compiled, the others were "
            "there"
        )
