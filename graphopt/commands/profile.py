"""`graphopt profile`: where the time of a training step goes."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphopt.commands.shared import (
    OK,
    UsageError,
    add_color,
    add_command,
    add_json,
    add_out,
    check_place,
    positive,
    print_json,
    print_table,
    print_text,
    progress,
    save,
    say,
    wants_color,
)
from graphopt.errors import OpError
from graphopt.graph.graph import Graph, Operation
from graphopt.graph.tensor import GraphTensor
from graphopt.ops.creation import PLACEHOLDER
from graphopt.runtime.profile import LONGEST_TABLE, Profile
from graphopt.runtime.runner import Runner
from graphopt.runtime.session import Session, initialize_missing, profile_runner
from graphopt.viz.model import needed_operations
from graphopt.viz.plan import UNKNOWN_SIZE
from graphopt.viz.target import (
    Recorder,
    StopRunning,
    Target,
    TargetNotFoundError,
    load_target,
)

Array = NDArray[Any]


def add_parser(commands: Any) -> None:
    """Adds the parser."""
    parser = add_command(
        commands,
        "profile",
        more="A script runs until its first training step (or the first run of --fetch); "
        "that step is run --steps times with what it was fed, and the script ends there. "
        "Other targets are fed zeros. Variables are what they were before, whatever the "
        "number of steps.",
    )
    parser.add_argument(
        "--steps",
        type=positive,
        default=50,
        metavar="N",
        help="how often it is run, for the medians; by default 50",
    )
    parser.add_argument(
        "--trace",
        metavar="FILE",
        help="write a Chrome trace (chrome://tracing, Perfetto)",
    )
    parser.add_argument(
        "--times", metavar="FILE", help="write times that `graphopt view --times` shows"
    )
    add_out(parser, required=False, what="write the profile to .html, .json or .txt")
    add_json(parser)
    add_color(parser)


def run(options: argparse.Namespace, passed: list[str]) -> int:
    """Measures, prints, writes files."""
    outputs = {options.out, options.trace, options.times} - {None}
    for out in outputs:
        check_place(out, replace=options.force)
    if options.out is not None and Path(options.out).suffix not in _WRITERS:
        raise UsageError(f"{options.out!r}: expected .html, .json or .txt")
    profile = measure(options, passed)
    if options.trace is not None:
        save(options.trace, profile.to_chrome_trace_text(), options)
    if options.times is not None:
        save(options.times, json.dumps(profile.step_times(), indent=1) + "\n", options)
    if options.out is not None:
        save(options.out, _WRITERS[Path(options.out).suffix](profile), options)
    if options.json:
        print_json(profile.to_json())
    elif options.out is None:
        _print(profile, options)
    return OK


_WRITERS: dict[str, Callable[[Profile], str]] = {
    ".html": Profile.to_html,
    ".json": lambda profile: json.dumps(profile.to_json(), indent=1) + "\n",
    ".txt": lambda profile: f"{profile}\n",
}


def _print(profile: Profile, options: argparse.Namespace) -> None:
    most = None if options.verbose else LONGEST_TABLE
    print_text("\n".join(profile.summary()) + "\n\n")
    print_table(
        list(profile.HEADINGS),
        profile.rows(most),
        color=wants_color(options.color),
        numbers=4,
    )
    rest = profile.left_out(most)
    if rest:
        print_text(f"{rest}; -v shows all")


def measure(options: argparse.Namespace, passed: list[str]) -> Profile:
    """Finds what is to be profiled, in a run of the script or without one.

    Raises:
      TargetNotFoundError: There is nothing to run.
    """
    found: list[Profile] = []

    def on_run(runner: Runner, feeds: Sequence[Any]) -> None:
        if is_wanted(runner, feeds, options.fetch):
            found.append(_profile(runner, feeds, options))
            raise StopRunning

    recorder = Recorder(on_run=None if options.no_run else on_run)
    try:
        target = load_target(
            options.target,
            passed,
            fetch=options.fetch,
            run=not options.no_run,
            recorder=recorder,
            tensorflow=options.tf,
        )
    except (TargetNotFoundError, StopRunning):
        # A script that works eagerly has no graph to find, but its steps were seen.
        if not found:
            raise
    if found:
        return found[0]
    if not target.wanted:
        raise TargetNotFoundError(
            f"{options.target} ran no training step, and has no train op to run; "
            "--fetch NAME says what to profile"
        )
    return _profile_made_up(target, options)


def is_wanted(runner: Runner, feeds: Sequence[Any], fetch: str | None) -> bool:
    """Returns whether a run is the one to look at: of `fetch`, or a training step."""
    if fetch is not None:
        names = {op.name for op in runner.targets}
        return fetch in names | {tensor.name for tensor in runner.fetches}
    plan = runner.plan(tuple(array.shape for array in feeds))
    return plan.writes and not plan.is_initializer


def _profile(
    runner: Runner, feeds: Sequence[Array], options: argparse.Namespace
) -> Profile:
    with progress("profiling", options.steps, quiet=options.quiet) as done:
        return profile_runner(runner, feeds, options.steps, done)


def _profile_made_up(target: Target, options: argparse.Namespace) -> Profile:
    """Profiles what no script has run: with a session of its own, fed zeros."""
    if not options.quiet:
        say(f"not run by a script: fed zeros, unknown sizes taken as {UNKNOWN_SIZE}")
    session = Session(graph=target.graph)
    try:
        initialize_missing(session)
        feeds = made_up_feeds(target.graph, target.wanted)
        runner = Runner(
            target.graph,
            target.tensors,
            target.operations,
            tuple(feeds),
            session.store,
            at_once=True,
        )
        return _profile(runner, runner.prepare(list(feeds.values())), options)
    except OpError as error:
        raise UsageError(f"it cannot be run with zeros: {error}") from None


def made_up_feeds(
    graph: Graph, wanted: Sequence[Operation]
) -> dict[GraphTensor, Array]:
    """Returns zeros for the placeholders that some ops need.

    Raises:
      UsageError: The rank of one is not known.
    """
    feeds: dict[GraphTensor, Array] = {}
    for op in needed_operations(graph, wanted):
        if op.spec is PLACEHOLDER:
            tensor = op.outputs[0]
            if tensor.shape.rank is None:
                raise UsageError(f"the rank of {op.name} is not known; run the script")
            sizes = [UNKNOWN_SIZE if size is None else size for size in tensor.shape]
            feeds[tensor] = np.zeros(sizes, tensor.dtype.numpy)
    return feeds
