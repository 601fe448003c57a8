"""`Communicator`: a group of ranks, and what they exchange."""

from __future__ import annotations

import functools
import threading
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphopt.errors import OpError, UnavailableError, fail
from graphopt.graph.graph import Operation
from graphopt.graph.hooks import hooks
from graphopt.parallel.mpi import load_mpi

__all__ = ["Communicator", "find_communicator", "world"]

Array = NDArray[Any]


class Communicator:
    """A group of ranks.

    Every method is a collective one unless it says otherwise: all ranks of the group call
    it, in the same order.

    Args:
      comm: A communicator of mpi4py; a copy of it is used.

    Attributes:
      group: The number by which ops name it.
      rank, size: The number of this process, and how many there are.
      local_rank, local_size: The same among those on this machine.
    """

    def __init__(self, comm: Any) -> None:
        self.mpi = load_mpi()
        self.comm = comm.Dup()
        self.comm.Set_errhandler(self.mpi.ERRORS_RETURN)
        self.rank: int = self.comm.Get_rank()
        self.size: int = self.comm.Get_size()
        local = self.comm.Split_type(self.mpi.COMM_TYPE_SHARED, self.rank)
        self.local_rank: int = local.Get_rank()
        self.local_size: int = local.Get_size()
        self.local = local
        self.group = len(_communicators)
        _communicators.append(self)

    # ---- arrays

    def all_reduce(self, array: Array, reduction: str = "sum") -> Array:
        """Returns the reduction of the arrays of all ranks, of equal shapes.

        Args:
          array: The array of this rank.
          reduction: `"sum"`, `"min"`, `"max"` or `"prod"`.
        """
        result = np.empty_like(array, order="C")
        self.comm.Allreduce(
            np.ascontiguousarray(array), result, self._operation(reduction)
        )
        return result

    def all_gather(self, array: Array) -> Array:
        """Returns the arrays `[d, ...]` of all ranks as one, `[size * d, ...]`."""
        result = np.empty((self.size * array.shape[0], *array.shape[1:]), array.dtype)
        self.comm.Allgather(_as_bytes(array), _as_bytes(result))
        return result

    def reduce_scatter(self, array: Array, reduction: str = "sum") -> Array:
        """Returns the piece of this rank, `[d / size, ...]`, of a reduction.

        Args:
          array: `[d, ...]`.
          reduction: As in `all_reduce`.
        """
        shape = (array.shape[0] // self.size, *array.shape[1:])
        result = np.empty(shape, array.dtype)
        self.comm.Reduce_scatter_block(
            np.ascontiguousarray(array), result, self._operation(reduction)
        )
        return result

    def broadcast(self, array: Array, root: int = 0) -> Array:
        """Returns the array of one rank; those of the others only say what to expect."""
        result = np.array(array, order="C")
        self.comm.Bcast(_as_bytes(result), root)
        return result

    def _operation(self, reduction: str) -> Any:
        return getattr(self.mpi, reduction.upper())

    # ---- objects

    def broadcast_object(self, value: Any, root: int = 0) -> Any:
        """Returns what one rank has; it can be anything that can be pickled."""
        return self.comm.bcast(value, root)

    def gather_objects(self, value: Any) -> list[Any]:
        """Returns what all ranks have, by rank."""
        found: list[Any] = self.comm.allgather(value)
        return found

    def barrier(self) -> None:
        """Returns when all ranks have come."""
        self.comm.Barrier()

    # ---- failures

    def explain(self, op: Operation) -> OpError:
        """Makes the error of a collective that failed; no collective itself."""
        return fail(UnavailableError, "A collective failed", op=op)


def _as_bytes(array: Array) -> Array:
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8)


_communicators: list[Communicator] = []
_making = threading.Lock()


@functools.cache
def _make_world() -> Communicator:
    return Communicator(load_mpi().COMM_WORLD)


def world() -> Communicator:
    """Returns the communicator of all processes, made when it is first asked for.

    Raises:
      ImportError: There is no MPI.
      RuntimeError: The launcher and the library do not belong together.
    """
    with _making:
        return _make_world()


def find_communicator(group: int) -> Communicator:
    """Returns a communicator by its number.

    Raises:
      RuntimeError: There is none: the graph is of another process.
    """
    if group >= len(_communicators):
        raise RuntimeError(
            f"The graph exchanges values with group {group} of several processes, which "
            "this process has not made; expected a strategy of tf.distribute, or "
            "graphopt.horovod.init(), before it runs."
        )
    return _communicators[group]


hooks.communicator = find_communicator
