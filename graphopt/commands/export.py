"""`graphopt export`: a graph as a picture, or in a format that other programs read."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from graphopt.commands.shared import (
    UsageError,
    add_command,
    add_depth,
    add_out,
    check_place,
    save,
)
from graphopt.commands.targets import show_target
from graphopt.exchange.graph_def import format_graph_def
from graphopt.exchange.node_link import graph_to_json
from graphopt.viz.columns import split_columns
from graphopt.viz.dot import draw_dot
from graphopt.viz.folding import fold, open_scopes
from graphopt.viz.graphml import draw_graphml
from graphopt.viz.loading import Loaded
from graphopt.viz.mermaid import TooLargeError, draw_mermaid
from graphopt.viz.model import Drawing, make_drawing
from graphopt.viz.png import draw_png
from graphopt.viz.svg import render
from graphopt.viz.target import Target


def _svg(target: Target, options: argparse.Namespace) -> str:
    drawing = make_drawing(target.graph, target.wanted)
    fold(drawing)
    split_columns(drawing)
    open_scopes(drawing, options.depth)
    return render(drawing, options.target)


def _png(target: Target, options: argparse.Namespace) -> bytes:
    return draw_png(_svg(target, options))


def _dot(target: Target, options: argparse.Namespace) -> str:
    return draw_dot(make_drawing(target.graph, target.wanted), options.target)


def _graphml(target: Target, options: argparse.Namespace) -> str:
    return draw_graphml(make_drawing(target.graph, target.wanted))


def _mermaid(target: Target, options: argparse.Namespace) -> str:
    drawing = drawing_of(target, options.depth)
    try:
        return draw_mermaid(drawing, fixed=options.depth is not None)
    except TooLargeError as error:
        raise UsageError(str(error)) from None


def _json(target: Target, options: argparse.Namespace) -> str:
    values = graph_to_json(target.graph, target.operations, target.tensors)
    return json.dumps(values, ensure_ascii=True, allow_nan=False, indent=1) + "\n"


def _pbtxt(target: Target, options: argparse.Namespace) -> str:
    return format_graph_def(target.graph, target.operations, target.tensors)


# By the suffix of the file, or `-f`.
FORMATS: dict[str, Callable[[Target, argparse.Namespace], str | bytes]] = {
    "svg": _svg,
    "png": _png,
    "dot": _dot,
    "graphml": _graphml,
    "json": _json,
    "mermaid": _mermaid,
    "pbtxt": _pbtxt,
}
_SUFFIXES = {"gv": "dot", "mmd": "mermaid"}


def add_parser(commands: Any) -> None:
    """Adds the parser."""
    parser = add_command(commands, "export")
    add_depth(parser)
    add_out(
        parser,
        required=True,
        what="the file; - for stdout; its suffix says the format: "
        + ", ".join(f".{name}" for name in (*FORMATS, *_SUFFIXES)),
    )
    parser.add_argument(
        "-f",
        "--format",
        choices=sorted(FORMATS),
        metavar="FORMAT",
        help="whatever the suffix says: " + ", ".join(sorted(FORMATS)),
    )


def run(options: argparse.Namespace, passed: list[str]) -> int:
    """Writes the file."""
    name = _format(options)
    # What would be refused afterwards is refused before the script runs.
    check_place(options.out, replace=options.force)

    def write(loaded: Loaded) -> None:
        save(options.out, FORMATS[name](loaded.target, options), options)

    return show_target(options, passed, write)


def _format(options: argparse.Namespace) -> str:
    if options.format is not None:
        return str(options.format)
    suffix = Path(options.out).suffix.lower()[1:]
    name = _SUFFIXES.get(suffix, suffix)
    if options.out == "-":
        return "svg"
    if name not in FORMATS:
        known = ", ".join(f".{each}" for each in FORMATS)
        raise UsageError(
            f"{options.out!r} does not say what to write; expected {known}, or -f"
        )
    return name


def drawing_of(target: Target, depth: int | None) -> Drawing:
    """Returns the drawing of a target, folded and opened."""
    drawing = make_drawing(target.graph, target.wanted)
    fold(drawing)
    open_scopes(drawing, depth)
    return drawing
