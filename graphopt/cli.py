"""The command line: `graphopt show`, `graphopt view` and `graphopt export`.

Data goes to the output stream, everything else to the error stream. The exit code is 0,
2 for wrong usage, 3 if there is no such target or graph, 4 if the user's code raised,
5 if a package of an extra is missing, and 130 after Ctrl-C.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
import tempfile
import traceback
import webbrowser
from pathlib import Path

from graphopt.viz.columns import split_columns
from graphopt.viz.folding import fold, open_scopes
from graphopt.viz.html.data import StepTime
from graphopt.viz.html.page import make_page
from graphopt.viz.model import Drawing, make_drawing, needed_operations
from graphopt.viz.plan import PlanSummary, format_plan, summarize_plan
from graphopt.viz.png import MissingExtraError, draw_png
from graphopt.viz.svg import render
from graphopt.viz.target import (
    ScriptError,
    StopRunning,
    Target,
    TargetNotFoundError,
    load_target,
)
from graphopt.viz.text import as_json, format_rows, listing, rich_tree, tree_rows
from graphopt.viz.words import clean_text, plural

OK, USAGE, NOT_FOUND, SCRIPT_RAISED, INTERRUPTED = 0, 2, 3, 4, 130
MISSING_EXTRA = 5
FORMATS = ("svg", "png")
# More lines than this are listed only when asked for.
LONGEST_LISTING = 100

_PACKAGE = str(Path(__file__).resolve().parent) + os.sep
_TARGET_HELP = """\
targets:
  script.py            run it, then take the last train op that it built, or else the
                       last graph; what follows -- is passed to it
  script.py:attribute  import it and take a graph, an operation, a tensor, or what a
  module:attribute     function returns

Scripts and modules are executed: run only what you trust.
"""


class UsageError(Exception):
    """The options do not fit together, or the output cannot be written."""


def main(argv: list[str] | None = None) -> int:
    """Runs the command line.

    Args:
      argv: The arguments; by default those of the process.

    Returns:
      The exit code.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    passed: list[str] = []
    if "--" in arguments:
        at = arguments.index("--")
        arguments, passed = arguments[:at], arguments[at + 1 :]
    try:
        options = make_parser().parse_args(arguments)
    except SystemExit as stop:
        return int(stop.code or 0)
    try:
        code = _run(options, passed)
        sys.stdout.flush()
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # Who reads has seen enough. Python would complain once more at exit.
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return OK
    return code


def make_parser() -> argparse.ArgumentParser:
    """Makes the parser of all commands."""
    parser = argparse.ArgumentParser(
        prog="graphopt", description="Looks at graphs.", allow_abbrev=False
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="command")
    show = _add_command(commands, "show", "print the scopes and ops of a graph")
    show.add_argument(
        "--shapes", action="store_true", help="dtype, shape and size of every op"
    )
    show.add_argument("--json", action="store_true", help="print JSON, all ops")
    show.add_argument(
        "--color", choices=("auto", "always", "never"), default="auto", help="colors"
    )
    export = _add_command(commands, "export", "write a picture of a graph")
    export.add_argument("-o", "--out", required=True, help="the file; - for stdout")
    export.add_argument("-f", "--format", choices=FORMATS, help="by default as --out")
    export.add_argument(
        "--force", action="store_true", help="replace the file if there is one"
    )
    view = _add_command(commands, "view", "make a page that shows a graph")
    view.add_argument("-o", "--out", help="the file; by default a temporary one")
    view.add_argument(
        "--force", action="store_true", help="replace the file if there is one"
    )
    view.add_argument(
        "--no-open", action="store_true", help="do not open it in a browser"
    )
    view.add_argument("--select", metavar="NAME", help="the op that is shown at first")
    view.add_argument(
        "--times",
        metavar="FILE",
        help='measured times as JSON, {"step": seconds} or {"step": [seconds, bytes]}',
    )
    return parser


def _add_command(commands: object, name: str, summary: str) -> argparse.ArgumentParser:
    assert isinstance(commands, argparse._SubParsersAction)
    parser: argparse.ArgumentParser = commands.add_parser(
        name,
        help=summary,
        description=summary[0].upper() + summary[1:] + ".",
        epilog=_TARGET_HELP,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("target", help="script.py, script.py:attribute, ...")
    parser.add_argument("--fetch", metavar="NAME", help="an op, or a tensor (name:0)")
    parser.add_argument(
        "--no-run", action="store_true", help="end the script at its first run"
    )
    parser.add_argument(
        "--depth",
        "--collapse",
        type=_natural,
        metavar="N",
        help="how many levels of scopes to open; by default so many that few show",
    )
    parser.add_argument("-q", "--quiet", action="store_true", help="no messages")
    parser.add_argument(
        "-v", "--verbose", action="store_true", help="long listings, all frames"
    )
    return parser


def _natural(text: str) -> int:
    if not text.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of levels")
    return int(text)


def _run(options: argparse.Namespace, passed: list[str]) -> int:
    try:
        if options.command == "export":
            _check_output(options)
        elif options.command == "view":
            check_place(options.out, replace=options.force)
            times = read_times(options.times) if options.times else None
        target = load_target(
            options.target, passed, fetch=options.fetch, run=not options.no_run
        )
        if options.command == "view":
            _view(options, target, times)
            return OK
        drawing = make_drawing(target.graph, target.wanted)
        fold(drawing)
        if options.command != "show":
            split_columns(drawing)
        open_scopes(drawing, options.depth)
        if options.command == "show":
            _show(options, target, drawing)
        else:
            _export(options, drawing)
    except TargetNotFoundError as error:
        _say(str(error))
        return NOT_FOUND
    except StopRunning:
        _say(f"{options.target} runs a graph before the attribute is there; --no-run")
        return NOT_FOUND
    except UsageError as error:
        _say(str(error))
        return USAGE
    except MissingExtraError as error:
        _say(str(error))
        return MISSING_EXTRA
    except ScriptError as error:
        assert error.__cause__ is not None
        sys.stderr.write(_users_traceback(error.__cause__, everything=options.verbose))
        return SCRIPT_RAISED
    return OK


def _say(message: str) -> None:
    sys.stderr.write(f"graphopt: {clean_text(message)}\n")


def _users_traceback(error: BaseException, *, everything: bool) -> str:
    """Formats an exception without the frames of graphopt and of what runs scripts."""
    if isinstance(error, SystemExit):
        return f"graphopt: the script ended with sys.exit({error.code!r})\n"
    formatted = traceback.TracebackException.from_exception(error)
    chain: list[traceback.TracebackException | None] = [formatted]
    while chain and not everything:
        each = chain.pop()
        if each is not None:
            kept = [frame for frame in each.stack if not _is_ours(frame.filename)]
            each.stack = traceback.StackSummary.from_list(kept)
            chain += [each.__cause__, each.__context__]
    return "".join(formatted.format())


def _is_ours(filename: str) -> bool:
    return filename.startswith((_PACKAGE, "<frozen runpy>", "<frozen importlib"))


# ---- show


def _show(options: argparse.Namespace, target: Target, drawing: Drawing) -> None:
    plan, problem = _plan(target)
    if options.json:
        values = as_json(drawing, plan)
        sys.stdout.write(json.dumps(values, indent=2, ensure_ascii=True) + "\n")
        return
    rows = tree_rows(drawing, options.target, shapes=options.shapes)
    text = format_rows(rows)
    if _wants_color(options.color):
        text = _colored(rows_tree=rich_tree(rows))
    parts = [text]
    count = len(drawing.operations)
    if not options.quiet:
        if count <= LONGEST_LISTING or options.verbose:
            parts.append("listing\n" + _indented(listing(drawing)))
        else:
            parts.append(f"listing of {plural(count, 'op')} left out; -v shows it")
    if plan is not None:
        parts.append("\n".join(format_plan(plan)))
    elif problem:
        parts.append(f"no plan: {clean_text(problem)}")
    sys.stdout.write("\n\n".join(parts) + "\n")


def _plan(target: Target) -> tuple[PlanSummary | None, str]:
    if not target.wanted:
        return None, ""
    try:
        plan = summarize_plan(target.graph, target.operations, target.tensors)
    except Exception as error:
        # Whatever keeps the compiler from it, the graph is still worth seeing.
        return None, f"{type(error).__name__}: {error}"
    return plan, ""


def _indented(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.split("\n"))


def _wants_color(choice: str) -> bool:
    if choice != "auto":
        return choice == "always"
    return not os.environ.get("NO_COLOR") and sys.stdout.isatty()


def _colored(rows_tree: object) -> str:
    from rich.console import Console

    console = Console(
        file=sys.stdout,
        force_terminal=True,
        # Where the output is no terminal, lines are not cut to the width of one.
        width=None if sys.stdout.isatty() else 10_000,
        highlight=False,
        color_system="standard",
        no_color=False,
    )
    with console.capture() as capture:
        console.print(rows_tree, soft_wrap=True)
    return "\n".join(line.rstrip() for line in capture.get().splitlines())


# ---- export


def _check_output(options: argparse.Namespace) -> None:
    """Refuses before the script runs what would be refused after it.

    Raises:
      UsageError: The format is not known, or the file is there.
    """
    out = options.out
    if out == "-":
        return
    if options.format is None and Path(out).suffix.lower()[1:] not in FORMATS:
        raise UsageError(f"{out!r} does not say what to write; use .svg or -f svg")
    check_place(out, replace=options.force)


def check_place(out: str | None, *, replace: bool) -> None:
    """Refuses to replace a file unless that was asked for.

    Raises:
      UsageError: The file is there.
    """
    if out not in (None, "-") and os.path.lexists(out) and not replace:
        raise UsageError(f"{out} is there already; --force replaces it")


def _export(options: argparse.Namespace, drawing: Drawing) -> None:
    text = render(drawing, options.target)
    kind = options.format or Path(options.out).suffix.lower()[1:] or FORMATS[0]
    if kind == "png":
        picture = draw_png(text)
        if options.out == "-":
            sys.stdout.buffer.write(picture)
        else:
            save(options, picture)
        return
    if options.out == "-":
        sys.stdout.write(text)
        return
    save(options, text)


def save(options: argparse.Namespace, text: str | bytes) -> None:
    """Writes what was made to `--out` and says so.

    Raises:
      UsageError: The file is there, or cannot be written.
    """
    try:
        write_file(Path(options.out), text, replace=options.force)
    except FileExistsError:
        raise UsageError(
            f"{options.out} is there already; --force replaces it"
        ) from None
    except OSError as error:
        raise UsageError(f"cannot write {options.out}: {error.strerror}") from None
    if not options.quiet:
        sys.stderr.write(f"graphopt: wrote {options.out}\n")


def write_file(path: Path, text: str | bytes, *, replace: bool) -> None:
    """Writes a file so that there is the old one or the whole new one, never a part.

    Args:
      path: The file.
      text: What it shall hold.
      replace: Whether one that is there may be replaced.

    Raises:
      FileExistsError: It is there.
      OSError: It cannot be written; the old one is as it was.
    """
    content = text.encode() if isinstance(text, str) else text
    if replace and path.exists() and not path.is_file():
        # A device or a pipe cannot be replaced.
        path.write_bytes(content)
        return
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if replace:
            temporary.replace(path)
        else:
            # A link, unlike a renaming, fails where the file came up meanwhile.
            os.link(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


# ---- view


def _view(
    options: argparse.Namespace, target: Target, times: dict[str, StepTime] | None
) -> None:
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
    if options.out == "-":
        sys.stdout.write(page)
        return
    if options.out is None:
        folder = tempfile.mkdtemp(prefix="graphopt-")
        options.out = str(Path(folder) / "graph.html")
    save(options, page)
    if not options.no_open:
        webbrowser.open(Path(options.out).resolve().as_uri())


def _holding(target: Target, options: argparse.Namespace) -> Target:
    """Returns the whole graph where what is needed does not hold the selected op."""
    if options.select is None or options.fetch is not None or not target.wanted:
        return target
    op = target.graph.as_graph_element(options.select, allow_tensor=False)
    if op in needed_operations(target.graph, target.wanted):
        return target
    names = ", ".join(each.name for each in target.wanted)
    _say(f"{names} does not need {options.select}; this is the whole graph")
    return Target(target.graph)


def read_times(path: str) -> dict[str, StepTime]:
    """Reads measured times.

    Args:
      path: A JSON file, as `--help` says.

    Raises:
      UsageError: It is not there, or holds something else.
    """
    try:
        values = json.loads(Path(path).read_text(encoding="utf-8"))
        pairs = {k: v if isinstance(v, list) else [v] for k, v in values.items()}
        return {k: StepTime(float(v[0]), *map(int, v[1:2])) for k, v in pairs.items()}
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from None
    except (AttributeError, IndexError, TypeError, ValueError):
        raise UsageError(f"{path} holds no times of steps as --help shows") from None
