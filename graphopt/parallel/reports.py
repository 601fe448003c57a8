"""What a rank tells `graphopt run`, which started it: that it began, and how it ended.

The exit code of mpiexec does not say enough: Open MPI's is 0 after a whole machine with
its ranks is gone. So each rank writes two lines to its error stream, which every launcher
brings from every host, and who reads the streams takes them out again. A rank that began
and never said how it ended has failed, whatever mpiexec says.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

__all__ = [
    "ATTEMPT",
    "MARK",
    "RUN",
    "Began",
    "Ended",
    "begin_report",
    "end_with_parent",
    "is_reporting",
    "local_ranks",
    "read_report",
]

RUN: Final = "GRAPHOPT_RUN"
"""The variable with the word by which a run knows its reports and its processes."""
ATTEMPT: Final = "GRAPHOPT_ATTEMPT"
"""The variable that says how often the ranks were started before, for scripts."""
MARK: Final = b"\x1egraphopt "
"""What a report begins with: no line of text has the first character."""


@dataclass(frozen=True)
class Began:
    """A rank runs its script.

    Attributes:
      rank: Which.
      pid: The number of its process.
      host: Where that is.
    """

    rank: int
    pid: int
    host: str


@dataclass(frozen=True)
class Ended:
    """The script of a rank is over.

    Attributes:
      rank: Which.
      code: The exit code.
      error: The class of the exception that ended it; "" if none did.
    """

    rank: int
    code: int
    error: str = ""


_PR_SET_PDEATHSIG: Final = 1
# What is behind the word in processes that a rank has started: they are no ranks.
_BELOW: Final = "/below"


def is_reporting() -> bool:
    """Returns whether this process is a rank that `graphopt run` has started."""
    word = os.environ.get(RUN, "")
    return bool(word) and not word.endswith(_BELOW)


def local_ranks() -> int | None:
    """Returns how many ranks the launcher has started on this machine, if it says that."""
    for name in ("OMPI_COMM_WORLD_LOCAL_SIZE", "MPI_LOCALNRANKS"):
        text = os.environ.get(name, "")
        if text.isdecimal():
            return int(text)
    return None


def end_with_parent() -> None:
    """Has this process end when the one that started it is gone.

    A killed mpiexec does not end its ranks, which nobody would look after any more.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGTERM))


def begin_report() -> Callable[[int, str], None]:
    """Tells that this rank begins.

    Returns:
      What is to be called when the script has ended, with the exit code and the class of
      the exception that ended it, "" if none did.
    """
    end_with_parent()
    word, rank = os.environ[RUN], _launched_rank()
    os.environ[RUN] = word + _BELOW
    # The script may close or replace the stream.
    stream = os.dup(2)

    def tell(*words: object) -> None:
        text = " ".join(map(str, words))
        # If nobody listens any more, there is nobody to tell.
        with contextlib.suppress(OSError):
            os.write(stream, MARK + f"{word} {text}\n".encode())

    tell("began", rank, os.getpid(), socket.gethostname())
    return lambda code, error: tell("ended", rank, code, error)


def _launched_rank() -> int:
    """Returns the number that the launcher has given this process."""
    for name in ("OMPI_COMM_WORLD_RANK", "PMI_RANK", "PMIX_RANK"):
        text = os.environ.get(name, "")
        if text.isdecimal():
            return int(text)
    return 0


def read_report(line: bytes, word: str) -> Began | Ended | None:
    """Reads what stands from `MARK` on.

    Args:
      line: The line.
      word: That of the run; reports of others are none.

    >>> read_report(MARK + b"w ended 0 3 ValueError\\n", "w")
    Ended(rank=0, code=3, error='ValueError')
    """
    words = line.removeprefix(MARK).decode(errors="replace").split()
    if not line.startswith(MARK) or words[:1] != [word]:
        return None
    match words[1:]:
        case ["began", rank, pid, host] if rank.isdecimal() and pid.isdecimal():
            return Began(int(rank), int(pid), host)
        case ["ended", rank, code, *error] if (
            rank.isdecimal() and code.removeprefix("-").isdecimal()
        ):
            return Ended(int(rank), int(code), " ".join(error))
    return None
