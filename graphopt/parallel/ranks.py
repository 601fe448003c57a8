"""What this process does as one of several: who it trains with, and what only one does.

A strategy of several ranks that was made is *active* until the process ends. From then on
checkpoints are written by rank 0 alone (`write_once`), summaries too (`is_writer`), random
ops draw other numbers on each rank, and variables begin with the values of rank 0.

Horovod's functions do none of this: programs that use them say themselves which rank
writes, and most of them call `save` on that rank alone.
"""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from graphopt.errors import UnknownError, fail
from graphopt.graph.context import entered
from graphopt.graph.dispatch import call
from graphopt.graph.hooks import hooks
from graphopt.graph.provenance import user_site
from graphopt.ops.collectives import BROADCAST, EXCHANGED
from graphopt.ops.random import seeds
from graphopt.runtime.store import VariableKey
from graphopt.runtime.variable import Variable

if TYPE_CHECKING:
    from graphopt.parallel.aggregation import Aggregation
    from graphopt.parallel.communicator import Communicator

__all__ = [
    "activate",
    "active_communicator",
    "broadcast_variables",
    "is_writer",
    "share_first_values",
    "sharing_first_values",
    "trained_variables",
    "write_once",
]


class _Active:
    communicator: Communicator | None = None


class _Local(threading.local):
    sharing: Communicator | None = None


_local = _Local()
# Variables whose values were those of rank 0 once.
_shared: weakref.WeakSet[VariableKey] = weakref.WeakSet()
_trained: list[weakref.ref[Variable]] = []


def activate(communicator: Communicator) -> None:
    """Makes this process one of several; a collective of all ranks.

    Args:
      communicator: Who trains together, of more than one rank.
    """
    base = communicator.broadcast_object(seeds.base)
    seeds.share(base, communicator.rank)
    _Active.communicator = communicator
    hooks.first_value = _first_value


def active_communicator() -> Communicator | None:
    """Returns who trains one model under a strategy; None if this process is alone."""
    return _Active.communicator


def is_writer() -> bool:
    """Returns whether this process writes what is written once: rank 0, or who is alone."""
    communicator = _Active.communicator
    return communicator is None or communicator.rank == 0


def write_once(path: str | os.PathLike[str], write: Callable[[], None]) -> None:
    """Has one rank write a file that all are about to write; a collective.

    A rank whose path is another one than that of rank 0 writes its own file.

    Args:
      path: Where.
      write: Writes it.

    Raises:
      UnknownError: (an OSError on rank 0) Writing failed on rank 0; it is raised on all.
    """
    communicator = _Active.communicator
    if communicator is None:
        write()
        return
    own, error = str(Path(path).absolute()), None
    if communicator.rank == 0:
        try:
            write()
        except Exception as caught:
            error = caught
    text = None if error is None else str(error)
    if communicator.rank == 0:
        # Whether or not the others save too: they may leave that to this rank.
        communicator.leave_word((own, text))
    path_of_root, failure = (
        (own, text) if communicator.rank == 0 else communicator.take_word()
    )
    if error is not None:
        raise error
    if path_of_root != own:
        write()
    elif failure is not None:
        raise fail(
            UnknownError,
            f"Saving failed on rank 0: {failure}",
            site=str(user_site()),
        )


# ---- first values


class sharing_first_values:
    """Gives variables that a block makes the initial values of rank 0.

    Args:
      communicator: The ranks; None for nobody.
    """

    def __init__(self, communicator: Communicator | None) -> None:
        self._communicator = communicator
        self._before: list[Communicator | None] = []

    def __enter__(self) -> None:
        self._before.append(_local.sharing)
        _local.sharing = self._communicator

    def __exit__(self, *exception: object) -> None:
        _local.sharing = self._before.pop()


def _first_value(tensor: Any) -> Any:
    """Returns the initial value of a new variable: a tensor, or an op in a graph."""
    communicator = _local.sharing
    if communicator is None or tensor.dtype not in EXCHANGED:
        return tensor
    ranks: Any = {"group": communicator.group, "size": communicator.size}
    return call(BROADCAST, tensor, root=0, **ranks)


def share_first_values(variables: Sequence[Any], aggregation: Aggregation) -> None:
    """Gives variables the values of rank 0, the first time that they are trained.

    Those of a graph get them from their initializers. From now on `trained_variables`
    has the eager ones.

    Args:
      variables: What an optimizer is about to update.
      aggregation: Over which ranks.
    """
    if aggregation.size == 1:
        return
    new = [v for v in variables if v.key.graph is None and v.key not in _shared]
    if new:
        communicator = hooks.communicator(aggregation.group)
        broadcast_variables(new, communicator)
        _trained.extend(weakref.ref(variable) for variable in new)


def trained_variables() -> list[Variable]:
    """Returns the eager variables that ranks train together, in the order of first use."""
    found = [reference() for reference in _trained]
    return [variable for variable in found if variable is not None]


def broadcast_variables(
    variables: Sequence[Variable], communicator: Communicator, root: int = 0
) -> None:
    """Gives eager variables the values that they have on one rank; a collective.

    Args:
      variables: The same ones, in the same order, on all ranks.
      communicator: The ranks.
      root: Whose values.
    """
    with entered(None):
        arrays = [np.array(v.numpy(), order="C") for v in variables]
        numbers = [a for a in arrays if a.dtype != object]
        mine = np.concatenate(
            [np.zeros(0, np.uint8), *(a.reshape(-1).view(np.uint8) for a in numbers)]
        )
        values = communicator.broadcast(mine, root)
        at = 0
        for variable, array in zip(variables, arrays, strict=True):
            if array.dtype == object:
                variable.assign(communicator.broadcast_object(array, root))
                continue
            piece = values[at : at + array.nbytes]
            at += array.nbytes
            if communicator.rank != root:
                variable.assign(piece.view(array.dtype).reshape(array.shape))
    _shared.update(variable.key for variable in variables)
