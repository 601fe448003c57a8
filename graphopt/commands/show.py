"""`graphopt show`: the graph as text, and what the compiler makes of it."""

from __future__ import annotations

import argparse
from typing import Any

from graphopt.commands.shared import (
    add_color,
    add_command,
    add_depth,
    add_json,
    fit_lines,
    print_json,
    print_text,
    render_rich,
    wants_color,
)
from graphopt.commands.targets import show_target
from graphopt.viz.folding import fold, open_scopes
from graphopt.viz.model import make_drawing
from graphopt.viz.plan import PlanSummary, format_plan, summarize_plan
from graphopt.viz.target import Target
from graphopt.viz.text import as_json, format_rows, listing, rich_tree, tree_rows
from graphopt.viz.words import clean_text, plural

# More lines than this are listed only when asked for.
LONGEST_LISTING = 100


def add_parser(commands: Any) -> None:
    """Adds the parser."""
    parser = add_command(commands, "show")
    add_depth(parser)
    parser.add_argument(
        "--shapes", action="store_true", help="dtype, shape and size of every op"
    )
    add_json(parser, "print JSON, all ops")
    add_color(parser)


def run(options: argparse.Namespace, passed: list[str]) -> int:
    """Prints the tree, the listing and the plan."""
    return show_target(
        options, passed, lambda loaded: print_target(loaded.target, options)
    )


def print_target(target: Target, options: argparse.Namespace) -> None:
    """Prints the tree, the listing and the plan of a graph."""
    drawing = make_drawing(target.graph, target.wanted)
    fold(drawing)
    open_scopes(drawing, options.depth)
    plan, problem = plan_of(target)
    if options.json:
        print_json(as_json(drawing, plan))
        return
    title = f"{options.target} {target.name}".rstrip()
    rows = tree_rows(drawing, title, shapes=options.shapes)
    text = fit_lines(format_rows(rows), everything=options.verbose)
    if wants_color(options.color):
        text = render_rich(rich_tree(rows), color=True)
    parts = [text]
    count = len(drawing.operations)
    if not options.quiet:
        if count <= LONGEST_LISTING or options.verbose:
            lines = "listing\n" + _indent(listing(drawing))
            parts.append(fit_lines(lines, everything=options.verbose))
        else:
            parts.append(f"listing of {plural(count, 'op')} left out; -v shows it")
    if plan is not None:
        parts.append("\n".join(format_plan(plan)))
    elif problem:
        parts.append(f"no plan: {clean_text(problem)}")
    print_text("\n\n".join(parts))


def plan_of(target: Target) -> tuple[PlanSummary | None, str]:
    """Returns what becomes of a target, or why there is no plan."""
    if not target.wanted:
        return None, ""
    try:
        plan = summarize_plan(
            target.graph, target.operations, target.tensors, target.feeds
        )
    except Exception as error:
        # Whatever keeps the compiler from it, the graph is still worth seeing.
        return None, f"{type(error).__name__}: {error}"
    return plan, ""


def _indent(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.split("\n"))
