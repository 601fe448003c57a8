"""`graphopt view`: one HTML file in which to look around."""

from __future__ import annotations

import argparse
import contextlib
import json
import tempfile
import traceback
import webbrowser
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from graphopt.commands.kernels import schedule_of
from graphopt.commands.profile import measure, profiling
from graphopt.commands.shared import (
    UsageError,
    add_command,
    add_depth,
    add_out,
    check_place,
    positive,
    save,
    say,
)
from graphopt.commands.targets import finding, show_target, title_of
from graphopt.errors import OpError
from graphopt.graph.provenance import is_internal
from graphopt.regular_files import read_regular_file
from graphopt.runtime.profile import Profile
from graphopt.runtime.recording import Recorder
from graphopt.schedule.summary import fingerprint
from graphopt.viz.collecting import ValueCollector
from graphopt.viz.html.data import StepTime
from graphopt.viz.html.page import make_page
from graphopt.viz.loading import Loaded, Until
from graphopt.viz.model import needed_operations
from graphopt.viz.target import Target, TargetNotFoundError
from graphopt.viz.values import Values


def add_parser(commands: Any) -> None:
    """Adds the parser."""
    parser = add_command(commands, "view")
    parser.add_argument(
        "other", nargs="?", help="a second target, shown beside the first"
    )
    add_depth(parser)
    add_out(parser, required=False, what="the file; by default a temporary one")
    parser.add_argument(
        "--no-open", action="store_true", help="do not open it in a browser"
    )
    parser.add_argument(
        "--select", metavar="NAME", help="the op that is shown at first"
    )
    parser.add_argument(
        "--values",
        type=positive,
        metavar="N",
        help="show ranges, NaN and histograms of all variables and gradients over the "
        "first N training steps; the script ends there",
    )
    parser.add_argument(
        "--watch",
        action="append",
        default=[],
        metavar="NAME",
        help="with --values: of this op or tensor too; may be given several times",
    )
    heat = parser.add_mutually_exclusive_group()
    heat.add_argument(
        "--profile",
        type=positive,
        metavar="N",
        help="color the steps by their time, the median of N runs of the step at which the "
        "script ends, with what that was fed",
    )
    heat.add_argument(
        "--times",
        metavar="FILE",
        help="measured times, as `graphopt profile --times` writes them: JSON, "
        '{"plan": digits, "steps": {"step": [seconds, bytes]}}, or {"step": seconds}',
    )


def run(options: argparse.Namespace, passed: list[str]) -> int:
    """Writes the page and opens it."""
    check_place(options.out, replace=options.force)
    profiles: list[Profile | OpError] = []
    options.steps = options.profile
    on_step = profiling(profiles, options) if options.profile else None
    recorder, collector = Recorder(), None
    if options.values is not None:
        collector = ValueCollector(options.values, options.watch, recorder)
        # The collector ends the script, after as many steps as are asked for.
        options.until = Until.END if options.until is Until.STEP else options.until

    def show(loaded: Loaded) -> None:
        profile = measure(options, loaded, profiles) if options.profile else None
        values = _values_of(collector, options)
        with _beside(options, passed) as other:
            measured = profile, values
            page = _make(loaded.target, other, measured, _failure(loaded), options)
        _write(page, options)

    return show_target(options, passed, show, recorder=recorder, on_step=on_step)


def _failure(loaded: Loaded) -> str:
    """Says what ended a script early, and at which of its lines."""
    if loaded.is_interrupted:
        return "the script was interrupted"
    if loaded.failure is None:
        return ""
    frames = traceback.extract_tb(loaded.failure.__traceback__)
    own = [frame for frame in frames if not is_internal(frame.filename)]
    place = f"{own[-1].filename}:{own[-1].lineno}: {own[-1].line}: " if own else ""
    return f"{place}{type(loaded.failure).__name__}: {loaded.failure}"


def _write(page: str, options: argparse.Namespace) -> None:
    """Writes the page and opens it."""
    out = options.out
    if out is None:
        folder = tempfile.mkdtemp(prefix="graphopt-")
        out = str(Path(folder) / "graph.html")
    save(out, page, options)
    if out != "-" and not options.no_open:
        webbrowser.open(Path(out).resolve().as_uri())


@contextlib.contextmanager
def _beside(options: argparse.Namespace, passed: list[str]) -> Iterator[Target | None]:
    """Finds the second target, if there is one."""
    if options.other is None:
        yield None
        return
    with finding(options, passed, text=options.other) as loaded:
        title = title_of(options.other, loaded.target)
        yield replace(loaded.target, name=title)


def _values_of(
    collector: ValueCollector | None, options: argparse.Namespace
) -> Values | None:
    """Returns what was collected.

    Raises:
      UsageError: Nothing trained, or no step has a tensor that was asked for.
    """
    if collector is None:
        return None
    if not collector.values:
        raise UsageError(
            f"{options.target} ran no training step, so there are no values"
        )
    if collector.unknown:
        names = ", ".join(sorted(collector.unknown))
        raise UsageError(f"no training step has {names}")
    return collector.values


def _make(
    target: Target,
    other: Target | None,
    measured: tuple[Profile | None, Values | None],
    failure: str,
    options: argparse.Namespace,
) -> str:
    """Returns the page.

    Raises:
      TargetNotFoundError: There is no such op.
      UsageError: The times are of another plan.
    """
    times = _read_times_for(target, options) if options.times else None
    try:
        target = _holding(target, options)
        return make_page(
            target.graph,
            target.operations,
            target.tensors,
            title=title_of(options.target, target),
            depth=options.depth,
            feeds=target.feeds,
            profile=measured[0],
            times=times,
            values=measured[1],
            failure=failure,
            other=other,
            select=options.select,
        )
    except KeyError as error:
        raise TargetNotFoundError(str(error.args[0])) from None
    except ValueError as error:
        raise UsageError(str(error)) from None


def _read_times_for(target: Target, options: argparse.Namespace) -> dict[str, StepTime]:
    """Reads measured times and refuses those of another plan.

    Raises:
      UsageError: They cannot be read, or are of another plan.
    """
    times, plan = read_times(options.times)
    schedule = schedule_of(target, options.target)
    if plan and plan != fingerprint(schedule):
        raise UsageError(
            f"{options.times} holds times of another plan: of other fetches, other sizes, "
            "or from another machine; `graphopt profile --times` measures this one"
        )
    return times


def _holding(target: Target, options: argparse.Namespace) -> Target:
    """Returns the whole graph where what is needed does not hold the selected op."""
    if options.select is None or options.fetch is not None or not target.wanted:
        return target
    op = target.graph.as_graph_element(options.select, allow_tensor=False)
    if op in needed_operations(target.graph, target.wanted):
        return target
    names = ", ".join(each.name for each in target.wanted)
    say(f"{names} does not need {options.select}; this is the whole graph")
    return Target(target.graph)


# Bytes of a file of times.
MOST_TIMES = 1 << 28


def read_times(path: str) -> tuple[dict[str, StepTime], str]:
    """Reads measured times, and the digits of the plan that they belong to.

    Args:
      path: A JSON file, as `--help` says; without a plan its digits are empty.

    Raises:
      UsageError: It is not there, or holds something else.
    """
    try:
        values = json.loads(read_regular_file(path, MOST_TIMES))
        steps = values.get("steps", values)
        return as_times(steps), str(values.get("plan", ""))
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from None
    except (AttributeError, IndexError, TypeError, ValueError):
        raise UsageError(f"{path} holds no times of steps as --help shows") from None


def as_times(values: dict[str, Any]) -> dict[str, StepTime]:
    """Returns the times in seconds, or in lists of seconds and bytes."""
    pairs = {k: v if isinstance(v, list) else [v] for k, v in values.items()}
    return {k: StepTime(float(v[0]), *map(int, v[1:2])) for k, v in pairs.items()}
