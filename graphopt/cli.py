"""The command line: options to the verb that is asked for, exceptions to exit codes.

Data goes to the output stream, everything else to the error stream; what the exit
codes mean stands in `graphopt.commands`.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
import traceback
from pathlib import Path

from graphopt import commands
from graphopt.commands import (
    cache,
    check,
    completion,
    diff,
    doctor,
    export,
    kernels,
    profile,
    show,
)
from graphopt.commands.shared import (
    INTERRUPTED,
    MISSING_EXTRA,
    NOT_FOUND,
    OK,
    SCRIPT_RAISED,
    USAGE,
    MissingExtraError,
    UsageError,
    say,
)
from graphopt.viz.target import ScriptError, StopRunning, TargetNotFoundError

VERBS = {
    "show": show,
    "export": export,
    "diff": diff,
    "profile": profile,
    "kernels": kernels,
    "check": check,
    "doctor": doctor,
    "cache": cache,
    "completion": completion,
}
_PACKAGE = str(Path(commands.__file__).resolve().parents[1]) + os.sep


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
    """Makes the parser of all verbs."""
    parser = argparse.ArgumentParser(
        prog="graphopt",
        description="Looks at graphs: what will run, what became of it, what it costs.",
        epilog="graphopt VERB --help says more. Try: graphopt show train.py",
        allow_abbrev=False,
    )
    parser.add_argument(
        "--version", action="version", version=f"graphopt {doctor.own_version()}"
    )
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="verb")
    for module in VERBS.values():
        module.add_parser(verbs)
    return parser


def _run(options: argparse.Namespace, passed: list[str]) -> int:
    try:
        return VERBS[options.verb].run(options, passed)
    except TargetNotFoundError as error:
        say(str(error))
        return NOT_FOUND
    except StopRunning:
        say(f"{options.target} runs a graph before the attribute is there; --no-run")
        return NOT_FOUND
    except UsageError as error:
        say(str(error))
        return USAGE
    except MissingExtraError as error:
        say(str(error))
        return MISSING_EXTRA
    except ScriptError as error:
        assert error.__cause__ is not None
        sys.stderr.write(_users_traceback(error.__cause__, everything=options.verbose))
        return SCRIPT_RAISED


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
