"""`graphopt view`: one HTML file in which to look around."""

from __future__ import annotations

import argparse
import json
import tempfile
import webbrowser
from pathlib import Path
from typing import Any

from graphopt.commands.shared import (
    OK,
    UsageError,
    add_command,
    add_depth,
    add_out,
    check_place,
    find_target,
    positive,
    save,
    say,
)
from graphopt.regular_files import read_regular_file
from graphopt.viz.html.data import StepTime
from graphopt.viz.html.page import make_page
from graphopt.viz.model import needed_operations
from graphopt.viz.target import Target, TargetNotFoundError


def add_parser(commands: Any) -> None:
    """Adds the parser."""
    parser = add_command(commands, "view")
    add_depth(parser)
    add_out(parser, required=False, what="the file; by default a temporary one")
    parser.add_argument(
        "--no-open", action="store_true", help="do not open it in a browser"
    )
    parser.add_argument(
        "--select", metavar="NAME", help="the op that is shown at first"
    )
    heat = parser.add_mutually_exclusive_group()
    heat.add_argument(
        "--profile",
        type=positive,
        metavar="N",
        help="color the steps by their time, the median of N runs; a script is run once "
        "more for that, up to its first training step",
    )
    heat.add_argument(
        "--times",
        metavar="FILE",
        help="measured times, as `graphopt profile --times` writes them: JSON, "
        '{"step": seconds} or {"step": [seconds, bytes]}',
    )


def run(options: argparse.Namespace, passed: list[str]) -> int:
    """Writes the page and opens it."""
    check_place(options.out, replace=options.force)
    times = _times_of(options, passed)
    target = find_target(options, passed)
    try:
        target = _holding(target, options)
        page = make_page(
            target.graph,
            target.operations,
            target.tensors,
            title=options.target,
            depth=options.depth,
            times=times,
            select=options.select,
        )
    except (KeyError, ValueError) as error:
        raise TargetNotFoundError(str(error.args[0])) from None
    out = options.out
    if out is None:
        folder = tempfile.mkdtemp(prefix="graphopt-")
        out = str(Path(folder) / "graph.html")
    save(out, page, options)
    if out != "-" and not options.no_open:
        webbrowser.open(Path(out).resolve().as_uri())
    return OK


def _times_of(
    options: argparse.Namespace, passed: list[str]
) -> dict[str, StepTime] | None:
    """Returns times of steps, measured or read, if there are to be any."""
    if options.times:
        return read_times(options.times)
    if not options.profile:
        return None
    from graphopt.commands.profile import measure

    options.steps = options.profile
    return as_times(measure(options, passed).step_times())


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


def read_times(path: str) -> dict[str, StepTime]:
    """Reads measured times.

    Args:
      path: A JSON file, as `--help` says.

    Raises:
      UsageError: It is not there, or holds something else.
    """
    try:
        return as_times(json.loads(read_regular_file(path, MOST_TIMES)))
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from None
    except (AttributeError, IndexError, TypeError, ValueError):
        raise UsageError(f"{path} holds no times of steps as --help shows") from None


def as_times(values: dict[str, Any]) -> dict[str, StepTime]:
    """Returns the times in seconds, or in lists of seconds and bytes."""
    pairs = {k: v if isinstance(v, list) else [v] for k, v in values.items()}
    return {k: StepTime(float(v[0]), *map(int, v[1:2])) for k, v in pairs.items()}
