"""How a rank ends, and how the others learn of it.

A process that is gone makes all others wait for ever, unless somebody looks. Here each rank
says that it leaves, and why: a script that is over, an exception that nobody caught, a step
that was left in the middle. `watch` looks after those who cannot say it any more.

What a rank says stands in the memory that it shares with those of its machine; those of
other machines get a message. Whoever leaves stays until the others are done, too, or have
failed: only then MPI may be ended, and after a failure it is not ended at all, for that
would wait for all ranks.
"""

from __future__ import annotations

import atexit
import contextlib
import enum
import os
import sys
import threading
import time
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final

from graphopt.codegen.communication import channel_words as word
from graphopt.parallel.mpi import ends_with_python

if TYPE_CHECKING:
    from graphopt.parallel.communicator import Communicator

__all__ = ["State", "leave", "read_text", "say", "watch_exit"]

# Seconds in which those who are told of a failure can say something before the launcher
# ends them.
_GRACE: Final = 2.0
_STEP: Final = 0.02


@enum.unique
class State(enum.IntEnum):
    """What a rank says of itself."""

    RUNNING = 0
    LEFT = 1
    """Its script is over."""
    FAILED = 2
    """It cannot go on."""


_communicators: list[Communicator] = []
_said: list[bool] = []
_saying = threading.Lock()


def watch_exit(communicator: Communicator) -> None:
    """Has the others told when this process ends; called once for the world."""
    _communicators.append(communicator)
    if len(_communicators) == 1:
        before = sys.excepthook

        def hook(
            kind: type[BaseException],
            error: BaseException,
            place: TracebackType | None,
        ) -> None:
            before(kind, error, place)
            leave(1, error)

        sys.excepthook = hook


def leave(code: int, error: BaseException | None = None) -> None:
    """Tells the other ranks that the script of this one is over.

    Args:
      code: The exit code.
      error: What ended it, if that was an exception.
    """
    if not _communicators or _said:
        return
    _said.append(True)
    if error is not None and not isinstance(error, SystemExit):
        first = str(error).strip().split("\n")[0]
        say_all(State.FAILED, f"failed with {type(error).__name__}: {first}")
    elif code:
        say_all(State.FAILED, f"left the program (exit code {code})")
    else:
        for communicator in _communicators:
            # The others need what the last step has left.
            communicator.wait_for_job(communicator.last_late)
            with contextlib.suppress(communicator.mpi.Exception):
                communicator.end_words()
        say_all(State.LEFT, "left the program")
    sys.stdout.flush()
    sys.stderr.flush()


def say_all(state: State, text: str) -> None:
    """Says it in every group of ranks."""
    for communicator in _communicators:
        say(communicator, state, text)


def say(communicator: Communicator, state: State, text: str) -> None:
    """Tells the other ranks of a group what became of this one."""
    area = communicator.channel.own_area
    with _saying:
        if area[word.STATE] == int(State.FAILED):
            return
        raw = text.encode()[: word.TEXT_BYTES - 1] + b"\0"
        place = area[word.TEXT :].view("u1")
        place[: len(raw)] = list(raw)
        area[word.STATE] = int(state)
    communicator.watch.tell_other_machines(state, text)


def read_text(area: Any) -> str:
    """Returns what a rank of this machine has said."""
    raw = bytes(area[word.TEXT :].view("u1")[: word.TEXT_BYTES])
    return raw.partition(b"\0")[0].decode(errors="replace")


def _end() -> None:
    """At the end of the process: waits for the others, and ends MPI if all is well."""
    if not _communicators:
        return
    leave(0)
    broken = any(c.channel.reason is not None for c in _communicators)
    if broken:
        say_all(State.FAILED, "cannot go on after a failure")
    failed = broken or any(
        c.channel.own_area[word.STATE] == int(State.FAILED) for c in _communicators
    )
    world = _communicators[0]
    if failed:
        # The launcher ends all ranks when one is gone: first they should hear why.
        end = time.monotonic() + _GRACE
        while time.monotonic() < end and not world.watch.are_all_told():
            time.sleep(_STEP)
    else:
        failed = not world.watch.wait_for_all() or not all(
            [communicator.clear_words(_GRACE) for communicator in _communicators]
        )
    stopped = [communicator.channel.stop() for communicator in _communicators]
    for communicator in _communicators:
        communicator.watch.stop()
    if not failed:
        world.mpi.Finalize()
    elif not all(stopped) or ends_with_python():
        # A thread is inside of the library, whose memory must not be freed, or Python's end
        # would wait for a rank that is gone.
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(1)


# Registered when graphopt is imported, so that it comes after what programs register.
atexit.register(_end)
