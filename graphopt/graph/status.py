"""What a kernel reports: four words, one table of codes, and the report made of them.

Kernels cannot raise. One that checks something writes where and what it saw into the
status words of its step, the code last, and the tape ends the call. `OpSpec.explain` makes
the error of it. The numbers are part of the text of kernels, by which compiled code is
kept: a code that changes its number makes caches worthless, a number used again makes
them wrong.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from graphopt.graph.graph import Operation
    from graphopt.graph.tensor import GraphTensor


@enum.unique
class StatusWord(enum.IntEnum):
    """The words, by their position."""

    CODE = 0
    """A `Status`, 0 while all is well; the tape clears it, a kernel writes it last."""
    OPERATION = 1
    """Which operation reports, in the numbering of whoever planned it."""
    INDEX = 2
    """Where in its operand, or the target position of a `JUMP`."""
    VALUE = 3
    """The offending value, an integer or the bits of a float64."""


@enum.unique
class Status(enum.IntEnum):
    """What `StatusWord.CODE` says: errors are positive, requests of the tape negative."""

    LABEL = 1
    """A label is no class."""
    INDEX = 2
    """An index is out of range."""
    NOT_FINITE = 3
    """A step that is watched made a NaN or an infinity."""
    CHECK = 4
    """The operand of CheckNumerics is not finite."""
    DIVISOR = 5
    """An integer is divided by zero."""
    BOUNDS = 6
    """There is no integer between two bounds."""
    COLLECTIVE = 7
    """What several processes do together has failed; the index is a `Reason`."""
    JUMP = -1
    """Not an error: go on at position `StatusWord.INDEX`."""
    PAUSE = -2
    """The call ends; the step goes on from position `StatusWord.INDEX`."""
    GROW = -3
    """The call ends until the stack `StatusWord.VALUE` has more room."""


@enum.unique
class Reason(enum.IntEnum):
    """Why what several processes do together has failed."""

    RANK = 1
    """A rank has left, was killed, or does not answer."""
    DIFFERENT = 2
    """A rank is about to do something else."""
    LIBRARY = 3
    """The MPI library has reported an error."""
    INTERRUPTED = 4
    """The user did not wait."""
    BROKEN = 5
    """A step was left while values were being exchanged."""
    FORKED = 6
    """This process is a fork of a rank."""


@dataclass(frozen=True)
class Report:
    """What a kernel has reported of an operation.

    Attributes:
      op: The operation.
      status: The code.
      index: Where in its operand.
      value: The offending value.
      read: Returns the array of an input of the operation, as it is in memory.
    """

    op: Operation
    status: Status
    index: int
    value: int
    read: Callable[[GraphTensor], Any]
