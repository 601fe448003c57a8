"""`graphopt run`: runs a TensorFlow program as it stands, in one process or several."""

from __future__ import annotations

import argparse
import contextlib
import importlib
import io
import os
import runpy
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from graphopt.aliases import as_tensorflow
from graphopt.aliases.program_version import find_version
from graphopt.commands import launch
from graphopt.commands.launch import THREADS
from graphopt.commands.shared import INTERRUPTED, OK, add_command
from graphopt.config import change
from graphopt.parallel.reports import begin_report, is_reporting, local_ranks
from graphopt.runtime.threads import count_processors
from graphopt.viz.target import TargetNotFoundError

_PACKAGE = str(Path(__file__).resolve().parent.parent) + os.sep


def add_parser(commands: Any) -> None:
    """Adds the parser."""
    parser = add_command(
        commands,
        "run",
        more="Imports of tensorflow and keras find graphopt. What follows the script is "
        "passed to it; the exit code is that of the script. With -n several processes "
        "run it, which train one model (tf.distribute, graphopt.horovod); lines that "
        "they print begin with the number of the process, and the exit code is that of "
        "the first that failed.",
        takes_target=False,
    )
    add_version(parser)
    launch.add_options(parser)
    parser.add_argument(
        "-m",
        dest="is_module",
        action="store_true",
        help="the program is a module, found as `python -m` finds it",
    )
    parser.add_argument("script", help="the program: a file, or with -m a module")
    parser.add_argument("arguments", nargs=argparse.REMAINDER, help="its arguments")


def add_version(parser: argparse.ArgumentParser) -> None:
    """Adds `--tf`, for verbs that run or read TensorFlow programs."""
    parser.add_argument(
        "--tf",
        type=int,
        choices=(1, 2),
        help="the version of TensorFlow that it is for; by default found from the names "
        "it uses",
    )


def run(options: argparse.Namespace, passed: list[str]) -> int:
    """Runs the script; the exit code is what Python's would be."""
    if launch.wants_ranks(options):
        # Rather here than once in each rank.
        with _restoring_path():
            _find(options)
        return launch.launch(options, launch.rank_command(options))
    tell = begin_report() if is_reporting() else None
    if tell is not None:
        _settle_rank()
    error: BaseException | None = None
    try:
        with _restoring_path():
            code, error = _run_program(options, passed)
    except BaseException as stop:
        code, error = INTERRUPTED if isinstance(stop, KeyboardInterrupt) else 1, stop
        raise
    finally:
        # First, for a rank that leaves because it failed may end there and then.
        if tell is not None:
            tell(code, type(error).__name__ if error is not None and code else "")
        _leave(code, error)
    return code


def _run_program(
    options: argparse.Namespace, passed: list[str]
) -> tuple[int, BaseException | None]:
    before = sys.argv
    try:
        script = _find(options)
        version = options.tf or find_version(script) or 2
        sys.argv = [script, *options.arguments, *passed]
        with as_tensorflow(version):
            if options.is_module:
                runpy.run_module(options.script, run_name="__main__", alter_sys=True)
            else:
                runpy.run_path(script, run_name="__main__")
    except SystemExit as stop:
        if stop.code is None or isinstance(stop.code, int):
            return stop.code or OK, stop
        sys.stderr.write(f"{stop.code}\n")
        return 1, stop
    except Exception as error:
        if isinstance(error, TargetNotFoundError):
            raise
        if options.verbose:
            traceback.print_exception(error)
        else:
            _print_without_start(error)
        return 1, error
    finally:
        sys.argv = before
    return OK, None


@contextlib.contextmanager
def _restoring_path() -> Iterator[None]:
    before = sys.path[:]
    try:
        yield
    finally:
        sys.path[:] = before


def _settle_rank() -> None:
    """Has a rank print line by line, and take its share of the machine's cores."""
    for name in ("stdout", "stderr"):
        stream = _by_line(getattr(sys, name))
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)
    if not os.environ.get(THREADS):
        share = max(1, count_processors() // (local_ranks() or 1))
        change(threads=share)
        os.environ[THREADS] = str(share)


class _Lines(io.TextIOWrapper):
    """A stream of lines for a file, even if it is a terminal that Open MPI has made."""

    def isatty(self) -> bool:
        """Returns False: no colors and no bars that go back in a line."""
        return False


def _by_line(stream: Any) -> Any:
    """Returns a stream whose lines do not wait for the end of the rank."""
    if not isinstance(stream, io.TextIOWrapper):
        return stream
    encoding, errors = stream.encoding, stream.errors
    return _Lines(stream.detach(), encoding, errors, line_buffering=True)


def _leave(code: int, error: BaseException | None) -> None:
    """Tells the other ranks that this one ends, if there are any that may wait for it."""
    if "graphopt.parallel.communicator" not in sys.modules:
        return
    failures = importlib.import_module("graphopt.parallel.failures")
    failures.leave(code, error)


def _find(options: argparse.Namespace) -> str:
    """Returns the file of the program, and puts where it looks for others on the path.

    Raises:
      TargetNotFoundError: There is none.
    """
    script: str = options.script
    if not options.is_module:
        if not Path(script).is_file():
            raise TargetNotFoundError(f"there is no file {script!r}")
        sys.path.insert(0, str(Path(script).resolve().parent))
        return script
    sys.path.insert(0, str(Path.cwd()))
    # Not `find_spec`, which imports the packages that it is in.
    for folder in sys.path:
        place = Path(folder or ".", *script.split("."))
        for file in (place.with_name(f"{place.name}.py"), place / "__main__.py"):
            if file.is_file():
                return str(file)
    raise TargetNotFoundError(f"there is no module {script!r}")


def _print_without_start(error: BaseException) -> None:
    """Prints a traceback that begins where the script does, as Python's."""
    place = error.__traceback__
    while place is not None:
        file = place.tb_frame.f_code.co_filename
        if not file.startswith((_PACKAGE, "<frozen runpy>")):
            break
        place = place.tb_next
    traceback.print_exception(type(error), error, place or error.__traceback__)
