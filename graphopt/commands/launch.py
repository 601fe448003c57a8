"""`graphopt run -n 4`: starts ranks, brings their output, and says how they ended.

mpiexec starts the processes and carries their streams, from other hosts too; everything
that can be told from them is done here, for each implementation alike. Lines come whole,
behind the number of their rank. The first rank that fails is named at once, whatever
mpiexec does; if the others do not end soon after, they are ended, and so is everything
that they have started: after an attempt no process is left of it.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import queue
import re
import secrets
import shlex
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import IO, Final

import graphopt
from graphopt.commands.shared import (
    UsageError,
    natural,
    positive,
    say,
    wants_color,
)
from graphopt.parallel.launchers import (
    Host,
    Launcher,
    LauncherError,
    find_launcher,
    read_hosts,
)
from graphopt.parallel.mpi import EXPECTED_RANKS
from graphopt.parallel.reports import (
    ATTEMPT,
    MARK,
    RUN,
    Began,
    Ended,
    end_with_parent,
    read_report,
)
from graphopt.runtime.threads import count_processors
from graphopt.viz.words import plural

# Who has not ended so long after another rank failed never will.
GRACE: Final = 10.0
# How long mpiexec has for ending its ranks, and then its last lines for coming here.
_ENDING: Final = 3.0
_LOOK_EVERY: Final = 0.25
THREADS: Final = "GRAPHOPT_THREADS"
# For NumPy's library: its threads would be as many as there are cores, in each rank.
_OTHER_THREADS: Final = "OMP_NUM_THREADS"
_RANK_OF_OPEN_MPI: Final = re.compile(rb"process rank (\d+) with PID \d+ .*signal")
_HOST_OF_OPEN_MPI: Final = re.compile(
    rb"^ *Remote (?:host:|daemon:.* on node) *([\w.-]+)"
)
_PROCESS_OF_HYDRA: Final = re.compile(rb"^=   PID (\d+) RUNNING AT ")
_COLORS: Final = (36, 33, 35, 32, 34, 31)
_READ_AT_ONCE: Final = 1 << 16
_LINES_AT_ONCE: Final = 1000


def add_options(parser: argparse.ArgumentParser) -> None:
    """Adds the options of several ranks."""
    group = parser.add_argument_group("several ranks (MPI)")
    group.add_argument(
        "-n",
        dest="ranks",
        type=positive,
        metavar="N",
        help="how many processes run the program; with --hosts, by default as many as "
        "these take",
    )
    group.add_argument(
        "--hosts",
        metavar="A:2,B:2",
        help="where, and how many on each; they are reached by ssh",
    )
    group.add_argument(
        "--restarts",
        type=natural,
        default=0,
        metavar="K",
        help="how often to start again after a failure; the program goes on from its "
        "checkpoints",
    )
    group.add_argument(
        "--threads",
        type=positive,
        metavar="T",
        help="threads of a step in each; by default its share of the cores",
    )
    group.add_argument(
        "--only-rank",
        type=natural,
        metavar="R",
        help="leave out what the others print, but not their errors",
    )


def wants_ranks(options: argparse.Namespace) -> bool:
    """Returns whether several ranks are asked for.

    Raises:
      UsageError: Options say something of ranks, but not how many.
    """
    if options.ranks or options.hosts:
        return True
    given = {
        "--restarts": options.restarts,
        "--threads": options.threads,
        "--only-rank": options.only_rank is not None,
    }
    for name, value in given.items():
        if value:
            raise UsageError(f"{name} is about ranks; -n says how many")
    return False


def launch(options: argparse.Namespace, program: list[str]) -> int:
    """Runs a program in several ranks, again if it fails and that is wished.

    Args:
      options: Those of `add_options`, `quiet` and `verbose`.
      program: What each rank runs.

    Returns:
      The exit code: 0 if all ranks ended with 0, else that of the first that did not.

    Raises:
      UsageError: There is no MPI, or options do not fit.
    """
    try:
        hosts = read_hosts(options.hosts) if options.hosts else None
    except ValueError as error:
        raise UsageError(f"--hosts: {error}") from None
    ranks = options.ranks or sum(host.slots for host in hosts or [])
    if options.only_rank is not None and options.only_rank >= ranks:
        raise UsageError(
            f"--only-rank: got {options.only_rank}; expected 0 to {ranks - 1}"
        )
    try:
        launcher = find_launcher()
    except LauncherError as error:
        raise UsageError(str(error)) from None
    environment = _environment(launcher, ranks, hosts, options)
    for attempt in range(options.restarts + 1):
        word = secrets.token_hex(8)
        environment |= {RUN: word, ATTEMPT: str(attempt)}
        command = launcher.command(ranks, program, hosts=hosts, environment=environment)
        if options.verbose:
            say(f"{launcher.library.version}: {shlex.join(command)}")
        code = _Attempt(launcher, ranks, word, options).run(command, environment)
        if code == 0 or attempt == options.restarts:
            break
        if not options.quiet:
            most = plural(options.restarts, "time")
            say(f"starting again, {attempt + 1} of at most {most}")
    return code


def rank_command(options: argparse.Namespace) -> list[str]:
    """Returns what a rank runs: `graphopt run` of the same program, without ranks."""
    here = Path(graphopt.__file__).resolve().parents[1] == Path.cwd().resolve()
    # Without -P the folder at hand would come before the packages that are installed.
    words = [sys.executable, *([] if here else ["-P"]), "-m", "graphopt", "run"]
    if options.tf:
        words += ["--tf", str(options.tf)]
    words += ["-v"] if options.verbose else []
    words += ["-m"] if options.is_module else []
    return [*words, options.script, *options.arguments]


def _environment(
    launcher: Launcher,
    ranks: int,
    hosts: list[Host] | None,
    options: argparse.Namespace,
) -> dict[str, str]:
    cores = count_processors()
    most = max(host.slots for host in hosts) if hosts else ranks
    environment = launcher.environment(os.environ, crowded=most >= cores)
    environment[EXPECTED_RANKS] = str(ranks)
    if options.threads:
        environment[THREADS] = str(options.threads)
    elif not hosts and THREADS not in environment:
        environment[THREADS] = str(max(1, cores // ranks))
    # Where the cores of other hosts are not known, each rank counts for itself.
    if THREADS in environment:
        environment.setdefault(_OTHER_THREADS, environment[THREADS])
    return environment


@dataclass
class _Rank:
    """What is known of a rank."""

    began: Began | None = None
    ended: Ended | None = None
    # Whether its process is one of this machine, which can be looked at.
    is_here: bool = False
    # When it was first seen to be gone without a word.
    gone: float | None = None
    was_told: bool = False


@dataclass
class _Attempt:
    """One start of all ranks."""

    launcher: Launcher
    ranks: int
    word: str
    options: argparse.Namespace
    states: dict[int, _Rank] = field(default_factory=dict)
    # The ranks that failed, in the order in which that was noticed, and when the first was.
    failed: list[int] = field(default_factory=list)
    failed_at: float = 0.0
    # Those whose processes were gone by then, of which reports may still have come.
    gone_before: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.states = {rank: _Rank() for rank in range(self.ranks)}
        self.lines: queue.Queue[tuple[str, int | None, bytes]] = queue.Queue(
            _LINES_AT_ONCE
        )
        self.colors = {
            "out": wants_color("auto"),
            "err": not os.environ.get("NO_COLOR") and sys.stderr.isatty(),
        }

    def run(self, command: list[str], environment: dict[str, str]) -> int:
        """Starts the ranks and waits for them; returns the exit code."""
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
            # Ctrl-C reaches this process alone, which ends all others.
            start_new_session=True,
            preexec_fn=end_with_parent,
        )
        readers = [
            threading.Thread(target=self._read, args=(name, stream), daemon=True)
            for name, stream in (("out", process.stdout), ("err", process.stderr))
        ]
        for reader in readers:
            reader.start()
        try:
            with _raising_on_signals():
                self._follow(process, readers)
        except BaseException:
            self._end(process)
            raise
        if self.failed or process.returncode:
            self._end(process)
        return self._conclude(process.returncode)

    # ---- output

    def _read(self, name: str, stream: IO[bytes]) -> None:
        """Puts the lines of one stream together, which come in pieces; a thread."""
        splitter = _Splitter(self.launcher.tag)
        with stream:
            while piece := os.read(stream.fileno(), _READ_AT_ONCE):
                for rank, line in splitter.split(piece):
                    self.lines.put((name, rank, line))
        for rank, line in splitter.rest():
            self.lines.put((name, rank, line))

    def _follow(
        self, process: subprocess.Popen[bytes], readers: list[threading.Thread]
    ) -> None:
        """Shows lines and looks after ranks until mpiexec has ended."""
        looked = ended = 0.0
        while True:
            with contextlib.suppress(queue.Empty):
                self._take(*self.lines.get(timeout=_LOOK_EVERY))
                for _ in range(_LINES_AT_ONCE):
                    self._take(*self.lines.get_nowait())
            sys.stdout.flush()
            now = time.monotonic()
            if process.poll() is not None:
                ended = ended or now
                if not any(reader.is_alive() for reader in readers):
                    if self.lines.empty():
                        return
                elif now > ended + _ENDING:
                    # Something that a rank has started still holds the stream.
                    return
            elif now > looked + _LOOK_EVERY:
                looked = now
                self._look(now)
                if self.failed and now > self.failed_at + GRACE:
                    self._tell_of_those_who_stay()
                    self._end(process)

    def _take(self, name: str, rank: int | None, line: bytes) -> None:
        """Shows a line, unless it is a report."""
        # Open MPI ends its messages with a zero.
        text, mark, report = line.replace(b"\0", b"").partition(MARK)
        if mark:
            found = read_report(mark + report, self.word)
            if found is not None and found.rank in self.states:
                self._note(found)
                if not text:
                    return
                text += b"\n"
                mark = report = b""
        if rank is None:
            self._note_words_of_launcher(text)
        only = self.options.only_rank
        if name == "out" and only is not None and rank != only:
            return
        stream = sys.stdout if name == "out" else sys.stderr
        stream.write(
            self._prefix(name, rank) + (text + mark + report).decode(errors="replace")
        )

    def _prefix(self, name: str, rank: int | None) -> str:
        if rank is None or self.ranks == 1:
            return ""
        if not self.colors[name]:
            return f"[{rank}] "
        return f"\x1b[{_COLORS[rank % len(_COLORS)]}m[{rank}]\x1b[0m "

    # ---- ranks

    def _note(self, report: Began | Ended) -> None:
        rank = report.rank
        state = self.states[rank]
        if isinstance(report, Began):
            state.began = report
            here = report.host == socket.gethostname()
            state.is_here = here and _is_of(report.pid, self.word)
            return
        state.ended = report
        if report.code:
            if not self.failed:
                self._look_for_the_cause()
            error = f" ({report.error})" if report.error else ""
            self._fail(rank, f"ended with exit code {report.code}{error}")

    def _look_for_the_cause(self) -> None:
        """Looks at the other ranks of this machine when the first reports a failure."""
        for rank, state in self.states.items():
            if not state.is_here or state.ended or state.began is None:
                continue
            if _is_gone(state.began.pid):
                self.gone_before.append(rank)
            elif _state_of(state.began.pid) in "Tt":
                self._fail(rank, "is stopped: its process does not run")

    def _note_words_of_launcher(self, text: bytes) -> None:
        """Learns from mpiexec which rank did not end as it should."""
        if found := _RANK_OF_OPEN_MPI.search(text):
            if (rank := int(found[1])) in self.states:
                self._fail(rank, "was ended by a signal, says mpiexec")
        elif found := _HOST_OF_OPEN_MPI.search(text):
            host = found[1].decode()
            for rank, state in self.states.items():
                if state.began is not None and state.began.host == host:
                    self._fail(rank, f"was on {host}, of which mpiexec hears no more")
        elif found := _PROCESS_OF_HYDRA.search(text):
            for rank, state in self.states.items():
                began = state.began
                if state.is_here and began is not None and began.pid == int(found[1]):
                    self._fail(rank, "was ended, says mpiexec")

    def _look(self, now: float) -> None:
        """Finds ranks of this machine that are gone and did not say so."""
        for rank, state in self.states.items():
            if not state.is_here or state.ended or state.began is None:
                continue
            if not _is_gone(state.began.pid):
                state.gone = None
            elif state.gone is None:
                # Its last words may be on their way.
                state.gone = now
            elif now > state.gone + _LOOK_EVERY:
                self._fail(rank, "is gone: its process was killed or ended itself")

    def _fail(self, rank: int, how: str) -> None:
        state = self.states[rank]
        if state.was_told:
            return
        state.was_told = True
        if not self.failed:
            self.failed_at = time.monotonic()
        self.failed.append(rank)
        sys.stdout.flush()
        say(f"rank {rank} {how}")

    def _tell_of_those_who_stay(self) -> None:
        stay = [
            str(rank)
            for rank, state in self.states.items()
            if not state.ended and rank not in self.failed
        ]
        if stay:
            ranks = "rank" if len(stay) == 1 else "ranks"
            say(
                f"{ranks} {', '.join(stay)} did not end within {GRACE:g} s after rank "
                f"{self.failed[0]} failed: ended now"
            )

    def _conclude(self, code: int) -> int:
        """Returns the exit code, and says what was not said yet."""
        silent = [
            rank
            for rank, state in self.states.items()
            if not state.ended and not state.was_told
        ]
        for rank in set(silent) & set(self.gone_before):
            self._fail(rank, "was gone before: its process was killed or ended itself")
        if silent and not self.failed and code == 0:
            # As Open MPI's mpiexec does when a whole machine is gone.
            for rank in silent:
                self._fail(
                    rank, "never said how it ended: by os._exit, or its machine is gone"
                )
        elif silent and not self.failed:
            ranks = "rank" if len(silent) == 1 else "ranks"
            listed = ", ".join(map(str, silent))
            say(
                f"mpiexec ended with exit code {code}; {ranks} {listed} did not say how"
            )
        for rank in self.failed:
            ended = self.states[rank].ended
            if ended is not None and ended.code:
                return ended.code if 0 < ended.code < 256 else 1
        if self.failed or code:
            return code if 0 < code < 256 else 1
        return 0

    def _end(self, process: subprocess.Popen[bytes]) -> None:
        """Ends mpiexec, the ranks of this machine, and what they have started."""
        with _deaf_to_interrupts():
            self._end_now(process)

    def _end_now(self, process: subprocess.Popen[bytes]) -> None:
        if process.poll() is None:
            process.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_ENDING)
        deadline = time.monotonic() + _ENDING
        while (left := list(_processes_of(self.word))) and time.monotonic() < deadline:
            for pid in left:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.02)
        process.wait()


class _Splitter:
    """Makes whole lines of what mpiexec prints: pieces with tags, of ranks in turns.

    A line of the stream begins with a tag, unless mpiexec itself says something; within
    it there are further tags where pieces of several ranks met.
    """

    def __init__(self, tag: re.Pattern[bytes]) -> None:
        self.tag = tag
        self.begun: dict[int, bytes] = {}
        self.held = b""

    def split(self, piece: bytes) -> Iterator[tuple[int | None, bytes]]:
        """Yields (rank, line) of what is whole now; the rank is None for mpiexec's own."""
        *lines, self.held = (self.held + piece).split(b"\n")
        for line in lines:
            yield from self._split(line, b"\n")

    def rest(self) -> Iterator[tuple[int | None, bytes]]:
        """Yields what is there at the end, with newlines."""
        if self.held:
            yield from self._split(self.held, b"")
        for rank, text in self.begun.items():
            if text:
                yield rank, text + b"\n"

    def _split(self, line: bytes, end: bytes) -> Iterator[tuple[int | None, bytes]]:
        own, *found = self.tag.split(line)
        if own or not found:
            yield None, own + b"\n"
        ranks = list(map(int, found[::2]))
        for rank, text in zip(ranks, found[1::2], strict=True):
            self.begun[rank] = self.begun.get(rank, b"") + text
        if ranks and end:
            yield ranks[-1], self.begun.pop(ranks[-1]) + end


# ---- processes


def _processes_of(word: str) -> Iterator[int]:
    """Yields the processes of this machine that a run has started, with theirs."""
    for folder in Path("/proc").iterdir():
        pid = int(folder.name) if folder.name.isdecimal() else os.getpid()
        if pid != os.getpid() and _is_of(pid, word) and not _is_gone(pid):
            yield pid


def _is_of(pid: int, word: str) -> bool:
    try:
        variables = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        # Another user's, or gone meanwhile.
        return False
    mark = f"{RUN}={word}".encode()
    return any(each.startswith(mark) for each in variables)


def _state_of(pid: int) -> str:
    """Returns the letter that says what a process does; `X` if it is not there."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except OSError:
        return "X"
    return text.rpartition(")")[2].split()[0]


def _is_gone(pid: int) -> bool:
    return _state_of(pid) in "ZX"


@contextlib.contextmanager
def _deaf_to_interrupts() -> Iterator[None]:
    """Lets a second Ctrl-C wait until what the first one began is done."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


class _Stopped(SystemExit):
    """A signal asks this process to end."""


@contextlib.contextmanager
def _raising_on_signals() -> Iterator[None]:
    """Has signals that would end this process raise an exception, so that ranks end."""

    def stop(number: int, frame: FrameType | None) -> None:
        raise _Stopped(128 + number)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    kinds = (signal.SIGTERM, signal.SIGHUP)
    before = {kind: signal.signal(kind, stop) for kind in kinds}
    try:
        yield
    finally:
        for kind, handler in before.items():
            signal.signal(kind, handler)
