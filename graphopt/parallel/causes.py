"""Why ranks cannot go on together, in words: who is gone, what differs, what the library says."""

from __future__ import annotations

import contextlib
import itertools
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from graphopt.codegen.communication import channel_words as word
from graphopt.graph.status import Reason

if TYPE_CHECKING:
    from graphopt.parallel.communicator import Communicator

__all__ = ["Cause", "Described", "Exchange", "find_cause"]

# Seconds that a message of another machine may come behind an error of the library.
_PATIENCE: Final = 0.5
# Seconds between two looks for one.
_LOOK: Final = 0.001
# Seconds in which the others answer, who have found the same.
_ANSWER: Final = 2.0
_AGAIN: Final = "`graphopt run --restarts N`, with checkpoints to go on from"


@dataclass(frozen=True)
class Exchange:
    """One collective of a plan, for messages.

    Attributes:
      what: What is exchanged.
      site: The user's line.
    """

    what: str
    site: str


@dataclass(frozen=True)
class Described:
    """The collectives of a plan, in order.

    Attributes:
      exchanges: As the user wrote them.
      jobs: As they are done: (job, dtype, elements, reduction or root, whether there is a
        condition).
    """

    exchanges: list[Exchange]
    jobs: tuple[tuple[Any, ...], ...] = ()


@dataclass(frozen=True)
class Cause:
    """Why an exchange failed.

    Attributes:
      why: What happened.
      got: What there is in place of all ranks.
      remedy: What to do.
    """

    why: str
    got: str
    remedy: str = _AGAIN


def find_cause(ranks: Communicator) -> Cause:
    """Returns why the channel of a group is broken; asks its other ranks where that helps."""
    reason = ranks.channel.reason
    if reason is Reason.RANK:
        return Cause(*_describe_gone(ranks))
    if reason is Reason.DIFFERENT:
        return Cause(
            *_describe_difference(ranks), "a script that does the same on every rank"
        )
    if reason is Reason.LIBRARY:
        return Cause(*_describe_library(ranks))
    if reason is Reason.INTERRUPTED:
        return Cause("it was interrupted", "Ctrl-C while other ranks were awaited")
    if reason is Reason.FORKED:
        return Cause(
            "this process is a fork of a rank",
            "a child that is no rank",
            "processes that are started anew (spawn)",
        )
    return Cause(
        "a step was left before its exchanges were over",
        ranks.left or "an error in an earlier step",
    )


def _describe_gone(ranks: Communicator) -> tuple[str, str]:
    gone = ranks.watch.gone
    if not gone:
        return ranks.watch.late or "a rank is gone", "ranks that are missing"
    # Those that only followed say so; the first cause counts.
    first = min(gone, key=lambda r: (gone[r].startswith("cannot go on"), r))
    why = f"rank {first} {gone[first]}"
    left = ranks.size - len(gone)
    return why, "1 rank" if left == 1 else f"{left} ranks"


def _describe_library(ranks: Communicator) -> tuple[str, str]:
    # A rank that has left says why, and its message may come behind the library's.
    end = time.monotonic() + _PATIENCE
    while not ranks.watch.gone and time.monotonic() < end:
        time.sleep(_LOOK)
    if ranks.watch.gone:
        return _describe_gone(ranks)
    code = int(ranks.channel.words[word.DETAIL])
    text = ranks.mpi.Get_error_string(code)
    failed: list[int] = []
    try:
        lost = ranks.channel.comm.Get_failed()
        everybody = ranks.channel.comm.Get_group()
        failed = lost.Translate_ranks(None, everybody)
    except (AttributeError, NotImplementedError, ranks.mpi.Exception):
        pass  # Not every library knows of failures.
    if failed:
        who = " and ".join(map(str, failed))
        return f"rank {who} does not answer, or its machine is gone", text
    return "the MPI library reported an error", text


def _describe_difference(ranks: Communicator) -> tuple[str, str]:
    """Asks the others, who have found the same, what they were about to do."""
    table = ranks.channel.table.reshape(ranks.size, -1)
    own_step, own_print = map(int, ranks.channel.words[word.OWN_HEADER :][:2])
    other = int(ranks.channel.words[word.DETAIL])
    if int(table[other][0]) != own_step:
        why = f"rank {other} is in step {int(table[other][0])}"
        return why, f"step {own_step} here"
    plans = _ask_all(ranks, ranks.plans.get(own_print, Described([])))
    own = ranks.plans.get(own_print, Described([])).exchanges
    theirs = plans[other].exchanges if plans else []
    for mine, its in itertools.zip_longest(own, theirs):
        if mine is None or its is None or mine.what != its.what:
            return f"rank {other} is about to do something else", (
                f"{_say_exchange(mine)} on rank {ranks.rank} and "
                f"{_say_exchange(its)} on rank {other}"
            )
    return f"rank {other} runs another program", (
        f"the same exchanges, as {_say_exchange(own[0] if own else None)}, for "
        "updates that differ"
    )


def _ask_all(ranks: Communicator, value: Any) -> list[Any]:
    """Returns what all ranks have; nothing if one of them does not ask."""
    found: list[Any] = []

    def ask() -> None:
        with contextlib.suppress(Exception):
            found.extend(ranks.comm.allgather(value))

    thread = threading.Thread(target=ask, name="graphopt-ask", daemon=True)
    thread.start()
    thread.join(timeout=_ANSWER)
    return found


def _say_exchange(exchange: Exchange | None) -> str:
    if exchange is None:
        return "nothing more"
    return f"{exchange.what} ({exchange.site})" if exchange.site else exchange.what
