"""What the verbs share: exit codes, errors, options, streams, files."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from graphopt.commands.verbs import SUMMARIES
from graphopt.viz.words import clean_text

OK, FOUND, USAGE, NOT_FOUND, SCRIPT_RAISED, MISSING_EXTRA = range(6)
INTERRUPTED = 130
# What is over sooner than this needs no progress bar.
PATIENCE = 1.0
# A column of a table is not cut to less, however narrow the terminal.
SHORTEST_CELL = 12


class UsageError(Exception):
    """The options do not fit together, or the output cannot be written."""


def add_command(
    commands: Any,
    name: str,
    summary: str = "",
    *,
    more: str = "",
    takes_target: bool = True,
) -> argparse.ArgumentParser:
    """Adds the parser of a verb with the options that all verbs have.

    Args:
      commands: What `add_subparsers` returned.
      name: The verb.
      summary: What it does, beginning with a verb in lower case; by default as the
        list of verbs says.
      more: Further sentences about it.
      takes_target: Whether it is about a graph.

    Returns:
      The parser, for the options of its own.
    """
    summary = summary or SUMMARIES[name]
    parser: argparse.ArgumentParser = commands.add_parser(
        name,
        help=summary,
        description=textwrap.fill(f"{summary[0].upper()}{summary[1:]}. {more}", 80),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    if takes_target:
        # It needs what finds graphs, and a verb without a target does not.
        from graphopt.commands.targets import add_target

        add_target(parser)
    parser.add_argument("-q", "--quiet", action="store_true", help="no messages")
    parser.add_argument(
        "-v", "--verbose", action="store_true", help="more of everything, all frames"
    )
    return parser


def add_depth(parser: argparse.ArgumentParser) -> None:
    """Adds `--depth`, for verbs that draw scopes."""
    parser.add_argument(
        "--depth",
        "--collapse",
        type=natural,
        metavar="N",
        help="how many levels of scopes to open; by default so many that few show",
    )


def add_json(parser: argparse.ArgumentParser, what: str = "print JSON") -> None:
    """Adds `--json`."""
    parser.add_argument("--json", action="store_true", help=what)


def add_color(parser: argparse.ArgumentParser) -> None:
    """Adds `--color`, for verbs whose text has colors."""
    parser.add_argument(
        "--color", choices=("auto", "always", "never"), default="auto", help="colors"
    )


def add_out(parser: argparse.ArgumentParser, *, required: bool, what: str) -> None:
    """Adds `-o` and `--force`."""
    parser.add_argument("-o", "--out", required=required, metavar="FILE", help=what)
    parser.add_argument(
        "--force", action="store_true", help="replace files that are there"
    )


def natural(text: str) -> int:
    """Reads a number of levels or steps.

    Raises:
      ArgumentTypeError: It is none.
    """
    if not text.isdecimal() or len(text) > 9:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 0 on")
    return int(text)


def positive(text: str) -> int:
    """Reads a number of steps, at least one.

    Raises:
      ArgumentTypeError: It is none.
    """
    if not natural(text):
        raise argparse.ArgumentTypeError("expected a number from 1 on")
    return int(text)


# ---- streams


def say(message: str) -> None:
    """Writes a message for the user to the error stream."""
    sys.stderr.write(f"graphopt: {clean_text(message)}\n")


def print_text(text: str) -> None:
    """Writes data to the output stream, ending in a newline.

    Raises:
      UsageError: The disk is full, or the like.
    """
    try:
        sys.stdout.write(text if text.endswith("\n") else text + "\n")
    except BrokenPipeError:
        raise
    except OSError as error:
        raise UsageError(f"cannot write the output: {error.strerror}") from None


def flush_output() -> None:
    """Writes what is still to be written to the output stream.

    Raises:
      UsageError: The disk is full, or the like.
    """
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        discard_output()
        raise UsageError(f"cannot write the output: {error.strerror}") from None


def discard_output() -> None:
    """Makes Python say nothing at its end of output that nobody takes."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def print_json(values: Any) -> None:
    """Writes values as JSON; names in it stay ASCII, which no terminal acts on."""
    print_text(json.dumps(values, indent=2, ensure_ascii=True))


def fit_lines(text: str, *, everything: bool) -> str:
    """Cuts lines at the width of the terminal; those for other programs stay whole.

    Args:
      text: Lines without colors.
      everything: Whether they are not cut on terminals either.
    """
    if everything or not sys.stdout.isatty():
        return text
    width = shutil.get_terminal_size().columns
    return "\n".join(
        line if len(line) <= width else f"{line[: width - 1]}…"
        for line in text.split("\n")
    )


def clean_lines(text: str) -> str:
    """Cleans each line of a text."""
    return "\n".join(clean_text(line) for line in text.split("\n"))


def wants_color(choice: str) -> bool:
    """Returns whether the output is to have colors."""
    if choice != "auto":
        return choice == "always"
    return not os.environ.get("NO_COLOR") and sys.stdout.isatty()


def print_rich(thing: object, *, color: bool) -> None:
    """Prints something of `rich`'s: in colors, or as plain text of any width."""
    print_text(render_rich(thing, color=color))


def render_rich(thing: object, *, color: bool) -> str:
    """Returns something of `rich`'s as text, with or without colors."""
    from rich.console import Console

    console = Console(
        file=sys.stdout,
        force_terminal=color,
        # Where the output is no terminal, lines are not cut to the width of one.
        width=None if sys.stdout.isatty() else 10_000,
        highlight=False,
        color_system="standard" if color else None,
        no_color=not color,
        emoji=False,
        markup=False,
    )
    with console.capture() as capture:
        console.print(thing, soft_wrap=True)
    return "\n".join(line.rstrip() for line in capture.get().splitlines())


def print_table(
    headings: list[str],
    rows: list[list[str]],
    *,
    color: bool,
    numbers: int = 0,
    flexible: int = 0,
) -> None:
    """Prints a table: `rich`'s on a terminal with colors, else aligned columns.

    Args:
      headings: One for each column.
      rows: Cells, cleaned here.
      color: Whether to use colors.
      numbers: How many of the last columns are numbers, set to the right.
      flexible: The column that is cut where a terminal is too narrow.
    """
    rows = [[clean_text(cell) for cell in row] for row in rows]
    if sys.stdout.isatty():
        width = shutil.get_terminal_size().columns
        rows = fit_column(headings, rows, flexible, width)
    first = len(headings) - numbers
    if color:
        from rich.table import Table
        from rich.text import Text

        table = Table(box=None, header_style="bold", pad_edge=False)
        for index, heading in enumerate(headings):
            side = "right" if index >= first else "left"
            table.add_column(heading, justify=side, no_wrap=True)  # type: ignore[arg-type]
        for row in rows:
            table.add_row(*map(Text, row))
        print_rich(table, color=True)
        return
    print_text("\n".join(plain_table(headings, rows, first)))


def fit_column(
    headings: list[str], rows: list[list[str]], flexible: int, width: int
) -> list[list[str]]:
    """Cuts the cells of one column, at their beginning, so that a table fits.

    >>> fit_column(["op", "us"], [["a/long/name/of/MatMul", "3.0"]], 0, 20)
    [['...me/of/MatMul', '3.0']]
    """
    table = [headings, *rows]
    others = sum(
        max(len(row[index]) for row in table) + 2
        for index in range(len(headings))
        if index != flexible
    )
    most = max(width - others, SHORTEST_CELL)
    return [
        [
            f"...{cell[3 - most :]}" if index == flexible and len(cell) > most else cell
            for index, cell in enumerate(row)
        ]
        for row in rows
    ]


def plain_table(headings: list[str], rows: list[list[str]], first: int) -> list[str]:
    """Aligns columns; those from `first` on to the right.

    >>> print(*plain_table(["op", "us"], [["MatMul", "3.0"], ["Add", "12.5"]], 1), sep="|")
    op        us|MatMul   3.0|Add     12.5
    """
    table = [headings, *rows]
    widths = [max(len(row[i]) for row in table) for i in range(len(headings))]
    lines = []
    for row in table:
        cells = [
            cell.rjust(width) if index >= first else cell.ljust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    return lines


@contextlib.contextmanager
def progress(title: str, total: int, *, quiet: bool) -> Iterator[Any]:
    """Shows a bar on the error stream, if it is a terminal and this takes a second.

    Yields:
      A function to be called with how much was done.
    """
    if quiet or not sys.stderr.isatty():
        yield lambda done: None
        return
    bar = _LateBar(title, total)
    try:
        yield bar
    finally:
        bar.close()


class _LateBar:
    """A bar that begins to show when something takes long."""

    def __init__(self, title: str, total: int) -> None:
        self.title, self.total = title, total
        self.start = time.monotonic()
        self.bar: Any = None

    def __call__(self, done: int) -> None:
        if time.monotonic() - self.start < PATIENCE:
            return
        if self.bar is None:
            from rich.console import Console
            from rich.progress import Progress

            self.bar = Progress(console=Console(stderr=True), transient=True)
            self.task = self.bar.add_task(self.title, total=self.total)
            self.bar.start()
        self.bar.update(self.task, completed=done)

    def close(self) -> None:
        """Takes the bar away."""
        if self.bar is not None:
            self.bar.stop()


# ---- files


def check_place(out: str | None, *, replace: bool) -> None:
    """Refuses to replace a file unless that was asked for.

    Raises:
      UsageError: The file is there.
    """
    if out not in (None, "-") and os.path.lexists(out) and not replace:
        raise UsageError(f"{out} is there already; --force replaces it")


def save(out: str, content: str | bytes, options: argparse.Namespace) -> None:
    """Writes what was made to a file, or to the output stream for `-`.

    Args:
      out: The file.
      content: What it shall hold.
      options: `force` and `quiet` count.

    Raises:
      UsageError: The file is there, or cannot be written.
    """
    if out == "-":
        if isinstance(content, bytes):
            sys.stdout.flush()
            sys.stdout.buffer.write(content)
        else:
            print_text(content)
        return
    try:
        write_file(Path(out), content, replace=options.force)
    except FileExistsError:
        raise UsageError(f"{out} is there already; --force replaces it") from None
    except OSError as error:
        raise UsageError(f"cannot write {out}: {error.strerror}") from None
    if not options.quiet:
        say(f"wrote {out}")


def write_file(path: Path, content: str | bytes, *, replace: bool) -> None:
    """Writes a file so that there is the old one or the whole new one, never a part.

    Args:
      path: The file.
      content: What it shall hold.
      replace: Whether one that is there may be replaced.

    Raises:
      FileExistsError: It is there.
      OSError: It cannot be written; the old one is as it was.
    """
    data = content.encode() if isinstance(content, str) else content
    if replace and path.exists() and not path.is_file():
        # A device or a pipe cannot be replaced.
        path.write_bytes(data)
        return
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if replace:
            temporary.replace(path)
        else:
            # A link, unlike a renaming, fails where the file came up meanwhile.
            os.link(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
