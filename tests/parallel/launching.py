"""Starts programs in several ranks, as `graphopt run` does for users."""

from __future__ import annotations

import functools
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from graphopt.parallel.launchers import Launcher, LauncherError, find_launcher

ROOT = Path(__file__).resolve().parents[2]
# Far beyond what anything takes: a test that runs into it hangs.
LIMIT = 120.0


@functools.cache
def launcher_or_reason() -> Launcher | str:
    """Returns the launcher, or why there is none."""
    try:
        return find_launcher()
    except LauncherError as error:
        return str(error)


def needs_mpi() -> Launcher:
    """Skips a test where there is no MPI; a failure where CI installs it.

    Returns:
      The launcher.
    """
    import pytest  # tools that use this file do without

    found = launcher_or_reason()
    if isinstance(found, str):
        if os.environ.get("CI"):
            pytest.fail(f"MPI is missing: {found}")
        pytest.skip(found)
    return found


@dataclass
class Finished:
    """What became of a run.

    Attributes:
      code: The exit code.
      out, err: Lines of the streams.
      seconds: How long it took.
    """

    code: int
    out: list[str]
    err: list[str]
    seconds: float

    def lines_of(self, rank: int) -> list[str]:
        """Returns what a rank printed."""
        mark = f"[{rank}] "
        return [line.removeprefix(mark) for line in self.out if line.startswith(mark)]


def environment() -> dict[str, str]:
    """Returns the environment in which programs are started."""
    return {**os.environ, "PYTHONPATH": str(ROOT)}


def start(*arguments: str | Path, cwd: Path | None = None) -> subprocess.Popen[str]:
    """Starts `graphopt run` with arguments."""
    return subprocess.Popen(
        [sys.executable, "-m", "graphopt", "run", *map(str, arguments)],
        cwd=cwd,
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process: subprocess.Popen[str], begun: float | None = None) -> Finished:
    """Waits for the end of a run."""
    begun = time.monotonic() if begun is None else begun
    try:
        out, err = process.communicate(timeout=LIMIT)
    except subprocess.TimeoutExpired:
        # As Ctrl-C does: what a kill would leave behind goes too.
        process.terminate()
        out, err = process.communicate(timeout=LIMIT)
        raise AssertionError(f"a run hangs:\n{out}\n{err}") from None
    return Finished(
        process.returncode,
        (out or "").splitlines(),
        err.splitlines(),
        time.monotonic() - begun,
    )


def run_ranks(*arguments: str | Path, cwd: Path | None = None) -> Finished:
    """Runs `graphopt run` with arguments to its end."""
    begun = time.monotonic()
    return finish(start(*arguments, cwd=cwd), begun)
