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
from graphopt.commands.targets import is_taken, show_target
from graphopt.errors import OpError
from graphopt.graph.shape import TensorShape
from graphopt.graph.tensor import GraphTensor
from graphopt.runtime.profile import LONGEST_TABLE, Profile
from graphopt.runtime.recording import Ran
from graphopt.runtime.runner import Runner
from graphopt.runtime.session import Session, initialize_missing, profile_runner
from graphopt.runtime.store import EAGER_STORE, VariableStore
from graphopt.viz.loading import Loaded
from graphopt.viz.model import placeholder_shapes
from graphopt.viz.plan import UNKNOWN_SIZE
from graphopt.viz.target import Target, TargetNotFoundError

Array = NDArray[Any]


def add_parser(commands: Any) -> None:
    """Adds the parser."""
    parser = add_command(
        commands,
        "profile",
        more="A script runs through its first training step (or the first run of --take "
        "or --fetch); that step is run --steps times with what it was fed, and the script "
        "ends there. Other targets are fed zeros. Variables are what they were before, "
        "whatever the number of steps.",
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
    found: list[Profile | OpError] = []

    def show(loaded: Loaded) -> None:
        _report(measure(options, loaded, found), options)

    return show_target(options, passed, show, on_step=profiling(found, options))


def _report(profile: Profile, options: argparse.Namespace) -> None:
    """Prints a profile and writes files."""
    if options.trace is not None:
        save(options.trace, profile.to_chrome_trace_text(), options)
    if options.times is not None:
        save(options.times, json.dumps(profile.times(), indent=1) + "\n", options)
    if options.out is not None:
        save(options.out, _WRITERS[Path(options.out).suffix](profile), options)
    if options.json:
        print_json(profile.to_json())
    elif options.out is None:
        _print(profile, options)


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


def measure(
    options: argparse.Namespace, loaded: Loaded, found: Sequence[Profile | OpError]
) -> Profile:
    """Returns what was measured while the script ran, or measures now what it left.

    Args:
      options: `steps` and `quiet` count.
      loaded: What the script left.
      found: What was measured.

    Raises:
      TargetNotFoundError: There is nothing to run.
      UsageError: It cannot be run so often: what it takes came to its end, for one.
    """
    if found:
        if isinstance(found[0], OpError):
            raise UsageError(f"the step cannot be run again: {found[0]}")
        return found[0]
    target = loaded.target
    if not target.wanted:
        raise TargetNotFoundError(
            f"{options.target} ran no training step, and has no train op to run; "
            "--fetch NAME says what to profile"
        )
    for ran in loaded.recorder.list_ran():
        if is_taken(ran, target) and not ran.runner.store.is_closed:
            return _profile_zeros(ran.runner, target, options)
    return _profile_made_up(target, options)


def profiling(
    found: list[Profile | OpError], options: argparse.Namespace
) -> Callable[[Ran, Sequence[Any]], None]:
    """Returns what measures the run at which a script ends, with what it was fed.

    Args:
      found: Where the profile comes, or what kept it from being made: the script has not
        failed.
      options: `steps` and `quiet` count.
    """

    def on_step(ran: Ran, feeds: Sequence[Any]) -> None:
        try:
            found.append(_profile(ran.runner, feeds, options))
        except OpError as error:
            found.append(error)

    return on_step


def _profile(
    runner: Runner, feeds: Sequence[Array], options: argparse.Namespace
) -> Profile:
    with progress("profiling", options.steps, quiet=options.quiet) as done:
        return profile_runner(runner, feeds, options.steps, done)


def _profile_zeros(
    runner: Runner, target: Target, options: argparse.Namespace
) -> Profile:
    """Profiles what can be run, fed zeros.

    Raises:
      UsageError: It cannot be run with zeros.
    """
    if not options.quiet:
        say(f"no training step: fed zeros, unknown sizes taken as {UNKNOWN_SIZE}")
    feeds = target.feeds or {}
    try:
        return _profile(
            runner, [_zeros(t, feeds.get(t)) for t in runner.feeds], options
        )
    except OpError as error:
        raise UsageError(f"it cannot be run with zeros: {error}") from None


def _profile_made_up(target: Target, options: argparse.Namespace) -> Profile:
    """Profiles what no script has run: with a session of its own, fed zeros."""
    graph = target.graph
    store: VariableStore = EAGER_STORE
    # The graph of a function works on the eager variables.
    if not hasattr(graph, "function_name"):
        session = Session(graph=graph)
        initialize_missing(session)
        store = session.store
    feeds = target.feeds
    if feeds is None:
        feeds = placeholder_shapes(graph, target.wanted)
    runner = Runner(
        graph, target.tensors, target.operations, tuple(feeds), store, at_once=True
    )
    return _profile_zeros(runner, target, options)


def _zeros(tensor: GraphTensor, shape: TensorShape | None) -> Array:
    """Returns zeros for what is fed.

    Raises:
      UsageError: Its rank is not known.
    """
    shape = tensor.shape if shape is None else shape
    if shape.rank is None:
        raise UsageError(f"the rank of {tensor.op.name} is not known; run the script")
    sizes = [UNKNOWN_SIZE if size is None else size for size in shape]
    return np.zeros(sizes, tensor.dtype.numpy)
