"""Whether all ranks have the same variables: one number a variable, compared now and then.

Ranks that start alike and apply the same gradients stay alike, bit for bit. What breaks that
breaks it silently: a weight changed on one rank, a `set_weights` in a callback, memory that
fails. The sum of the words of a variable differs then, almost surely.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from graphopt.errors import DataLossError, fail
from graphopt.graph.context import entered
from graphopt.graph.provenance import user_site
from graphopt.parallel.ranks import active_communicator

if TYPE_CHECKING:
    from graphopt.parallel.communicator import Communicator

__all__ = ["check_arrays", "check_replicas", "check_restored", "hash_array"]


def hash_array(array: NDArray[Any]) -> int:
    """Returns the sum of the 64-bit words of an array, the last one filled up with 0.

    >>> hash_array(np.zeros(3, np.float32)), hash_array(np.int64(7))
    (0, 7)
    """
    data = np.ascontiguousarray(array)
    if data.dtype == object:
        data = np.frombuffer(repr(data.tolist()).encode(), np.uint8)
    octets = data.reshape(-1).view(np.uint8)
    whole = len(octets) & ~7
    total = int(octets[:whole].view(np.uint64).sum(dtype=np.uint64))
    rest = int.from_bytes(octets[whole:].tobytes(), "little")
    return (total + rest) & (1 << 64) - 1


def check_replicas(
    variables: Sequence[Any], communicator: Communicator, session: Any = None
) -> None:
    """Compares variables of all ranks; a collective.

    Args:
      variables: The same ones, in the same order, on all ranks.
      communicator: The ranks.
      session: Where variables of a graph have their values.

    Raises:
      DataLossError: (a ValueError) One differs; all ranks raise it.
    """
    values = [] if session is None else session.run(list(variables))
    if session is None:
        with entered(None):
            values = [v.numpy() for v in variables]
    check_arrays([v.name for v in variables], values, communicator)


def check_arrays(
    names: Sequence[str], arrays: Sequence[Any], communicator: Communicator
) -> None:
    """Compares arrays of all ranks; a collective.

    Args:
      names: Of variables, the same ones, in the same order, on all ranks.
      arrays: Their values.
      communicator: The ranks.

    Raises:
      DataLossError: (a ValueError) One differs; all ranks raise it.
    """
    hashes = np.array([hash_array(np.asarray(v)) for v in arrays], np.uint64)
    own = hashes.view(np.int64)
    # A few bytes a variable: one exchange of the least and, negated, the largest.
    found = communicator.all_reduce(np.stack([own, ~own]), "min")
    differs = np.flatnonzero(found[0] != ~found[1])
    if not len(differs):
        return
    first = int(differs[0])
    everyone = communicator.gather_objects(int(own[first]))
    common = max(set(everyone), key=everyone.count)
    others = [rank for rank, each in enumerate(everyone) if each != common]
    name = names[first]
    more = f" and {len(differs) - 1} more" if len(differs) > 1 else ""
    raise fail(
        DataLossError,
        f"Ranks that train one model have different values of variable {name!r}{more}",
        got=f"other bits on rank {', '.join(map(str, others))} than on rank "
        f"{everyone.index(common)}, of {communicator.size}",
        expected="the same bits on all ranks",
        site=str(user_site()),
        remedy="to look for what changes variables on one rank only, or other first "
        "values and data that is not what all ranks agree on",
    )


def check_restored(variables: Sequence[Any], session: Any = None) -> None:
    """Compares variables that all ranks have read from a file, under a strategy.

    Args:
      variables: The same ones, in the same order, on all ranks.
      session: Where variables of a graph have their values.

    Raises:
      DataLossError: (a ValueError) The ranks have read different values.
    """
    communicator = active_communicator()
    if communicator is not None:
        # Of what each rank has a piece, no two have the same.
        alike = [variable for variable in variables if variable.piece is None]
        check_replicas(alike, communicator, session)
