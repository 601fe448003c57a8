"""`graphopt diff`: two graphs, or a graph before and after a pass."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from typing import Any

from graphopt.commands.kernels import planned_of
from graphopt.commands.shared import (
    FOUND,
    OK,
    UsageError,
    add_color,
    add_command,
    add_json,
    fit_lines,
    print_json,
    print_text,
    render_rich,
    wants_color,
)
from graphopt.commands.targets import finding, show_target
from graphopt.rewrite.driver import Applied
from graphopt.rewrite.pipeline import PIPELINE
from graphopt.viz.changes import Changes, find_changes
from graphopt.viz.loading import Loaded
from graphopt.viz.model import needed_operations
from graphopt.viz.target import Target
from graphopt.viz.words import plural

_STYLES = {"+": "green", "-": "red", "@": "cyan"}


def add_parser(commands: Any) -> None:
    """Adds the parser."""
    parser = add_command(commands, "diff")
    parser.add_argument("other", nargs="?", help="the second target")
    names = [each.name for each in PIPELINE]
    parser.add_argument(
        "--pass",
        dest="pass_name",
        choices=[*names, "all"],
        metavar="NAME",
        help=f"what a pass changes in the target: {', '.join(names)}, or all",
    )
    add_json(parser)
    add_color(parser)


def run(options: argparse.Namespace, passed: list[str]) -> int:
    """Prints the differences; the exit code says whether there are any."""
    if (options.other is None) == (options.pass_name is None):
        raise UsageError("expected two targets, or one and --pass NAME")

    def show(loaded: Loaded) -> int:
        first = loaded.target
        if options.pass_name is not None:
            return _report(_of_pass(first, options), options)
        with finding(options, passed, text=options.other) as other:
            second = other.target
            changes = find_changes(
                needed_operations(first.graph, first.wanted),
                needed_operations(second.graph, second.wanted),
                (options.target, options.other),
            )
            return _report(changes, options)

    return show_target(options, passed, show)


def _report(changes: Changes, options: argparse.Namespace) -> int:
    """Prints the differences and returns the exit code."""
    if options.json:
        print_json(changes.as_json())
    else:
        _print(changes, options)
    return FOUND if changes else OK


def _of_pass(target: Target, options: argparse.Namespace) -> Changes:
    applied = planned_of(target, options.target).trace.applied
    chosen = [a for a in applied if options.pass_name in (a.name, "all")]
    if not chosen:
        raise UsageError(f"{options.pass_name} is switched off")
    first, last = chosen[0], chosen[-1]
    return find_changes(
        _before(first, target),
        last.after.operations,
        (f"before {first.name}", f"after {last.name}"),
    )


def _before(applied: Applied, target: Target) -> Any:
    if applied.name == PIPELINE[0].name:
        # The whole graph, of which it leaves what is needed.
        return target.graph.operations
    return applied.before.operations


def _print(changes: Changes, options: argparse.Namespace) -> None:
    if changes:
        text = fit_lines("\n".join(changes.lines), everything=options.verbose)
        print_text(_text(text.split("\n"), wants_color(options.color)))
    if not options.quiet:
        words = (
            f"{plural(len(changes.added), 'op')} added, {len(changes.removed):,} "
            f"removed, {len(changes.changed):,} changed"
        )
        print_text(words if changes else "no difference")


def _text(lines: Sequence[str], color: bool) -> str:
    if not color:
        return "\n".join(lines)
    from rich.text import Text

    styled = [Text(line, _STYLES.get(line[:1], "")) for line in lines]
    return render_rich(Text("\n").join(styled), color=True)
