"""The command line: options to the verb that is asked for, exceptions to exit codes.

Data goes to the output stream, everything else to the error stream; what the exit
codes mean stands in `graphopt.commands`.
"""

from __future__ import annotations

import argparse
import os
import sys
import traceback
from pathlib import Path

from graphopt.commands.shared import (
    INTERRUPTED,
    MISSING_EXTRA,
    NOT_FOUND,
    OK,
    SCRIPT_RAISED,
    USAGE,
    UsageError,
    discard_output,
    flush_output,
    say,
)
from graphopt.commands.verbs import SUMMARIES, load_verb, make_parser
from graphopt.errors import OpError
from graphopt.viz.png import MissingExtraError
from graphopt.viz.target import ScriptError, TargetNotFoundError
from graphopt.viz.words import suggest

_PACKAGE = str(Path(__file__).resolve().parent) + os.sep


def main(argv: list[str] | None = None) -> int:
    """Runs the command line.

    Args:
      argv: The arguments; by default those of the process.

    Returns:
      The exit code.
    """
    arguments = list(sys.argv[1:] if argv is None else argv)
    passed: list[str] = []
    # What follows the script of `run` is the script's own.
    if "--" in arguments and arguments[0] != "run":
        at = arguments.index("--")
        arguments, passed = arguments[:at], arguments[at + 1 :]
    if not arguments:
        arguments = ["--help"]
    first = arguments[0]
    if not first.startswith("-") and first not in SUMMARIES:
        say(f"there is no verb {first!r}{suggest(first, SUMMARIES)}; --help lists them")
        return USAGE
    try:
        parser, verbs = make_parser(arguments)
        options, unknown = parser.parse_known_args(arguments)
    except SystemExit as stop:
        return int(stop.code or 0)
    if unknown:
        known = [*verbs[options.verb]._option_string_actions]
        say(
            f"{options.verb} does not take {unknown[0]!r}{suggest(unknown[0], known)}; "
            f"graphopt {options.verb} --help says what it takes"
        )
        return USAGE
    try:
        code = _run(options, passed)
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        # Who reads has seen enough.
        discard_output()
        return OK
    return code


def _run(options: argparse.Namespace, passed: list[str]) -> int:
    try:
        code: int = load_verb(options.verb).run(options, passed)
        flush_output()
        return code
    except TargetNotFoundError as error:
        say(str(error))
        return NOT_FOUND
    except UsageError as error:
        say(str(error))
        return USAGE
    except MissingExtraError as error:
        say(str(error))
        return MISSING_EXTRA
    except OpError as error:
        # A graph that a format cannot hold, for one.
        say(str(error))
        return USAGE
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
