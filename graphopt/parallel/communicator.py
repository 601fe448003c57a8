"""`Communicator`: a group of ranks, and what they exchange."""

from __future__ import annotations

import functools
import threading
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphopt.errors import OpError, UnavailableError, fail
from graphopt.graph.graph import Operation
from graphopt.graph.hooks import hooks
from graphopt.graph.provenance import user_site
from graphopt.parallel.channel import Channel
from graphopt.parallel.mpi import load_mpi
from graphopt.rewrite.bucket_collectives import fingerprint_of
from graphopt.runtime.threads import available_threads, count_processors

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
      bucket_bytes: About how many bytes of gradients are reduced at once.
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
        self.channel = Channel(self.mpi, self.comm.Dup(), local)
        self.bucket_bytes = 4 << 20
        # What a fingerprint stands for, as far as this rank knows.
        self.plans: dict[int, Described] = {}
        self._turn = threading.RLock()
        self.group = len(_communicators)
        _communicators.append(self)

    # ---- arrays

    def all_reduce(self, array: Array, reduction: str = "sum") -> Array:
        """Returns the reduction of the arrays of all ranks, of equal shapes.

        Args:
          array: float32, float64, int32 or int64.
          reduction: `"sum"`, `"min"`, `"max"` or `"prod"`.

        Raises:
          UnavailableError: A rank is gone, or about to do something else.
        """
        result = np.array(array, order="C")
        words = self.channel.words_of_reduction(result.dtype.name, reduction)
        size, item = result.nbytes, result.itemsize
        self._run(
            "all_reduce", array, reduction, result.ctypes.data, size, *words, item
        )
        return result

    def all_gather(self, array: Array) -> Array:
        """Returns the arrays `[d, ...]` of all ranks as one, `[size * d, ...]`.

        Raises:
          UnavailableError: As in `all_reduce`.
        """
        given = np.ascontiguousarray(array)
        result = np.empty((self.size * given.shape[0], *given.shape[1:]), given.dtype)
        places = given.ctypes.data, result.ctypes.data
        self._run("all_gather", given, "", *places, given.nbytes)
        return result

    def reduce_scatter(self, array: Array, reduction: str = "sum") -> Array:
        """Returns the piece of this rank, `[d / size, ...]`, of a reduction.

        Args:
          array: `[d, ...]`.
          reduction: As in `all_reduce`.

        Raises:
          UnavailableError: As in `all_reduce`.
        """
        given = np.ascontiguousarray(array)
        result = np.empty((given.shape[0] // self.size, *given.shape[1:]), given.dtype)
        kind, how, terms, _ = self.channel.words_of_reduction(
            given.dtype.name, reduction
        )
        places = given.ctypes.data, result.ctypes.data
        words = (*places, result.nbytes, kind, how, terms, given.itemsize)
        self._run("reduce_scatter", given, reduction, *words)
        return result

    def broadcast(self, array: Array, root: int = 0) -> Array:
        """Returns the array of one rank; those of the others only say what to expect.

        Raises:
          UnavailableError: As in `all_reduce`.
        """
        result = np.array(array, order="C")
        words = result.ctypes.data, result.nbytes, root
        self._run("broadcast", array, str(root), *words)
        return result

    def _run(self, job: str, array: Array, how: str, *words: int) -> None:
        """Tells the others what is about to be done, and does it."""
        what = f"{job} {how} of {array.dtype.name}{list(array.shape)}"
        with self._turn:
            print_ = fingerprint_of(what)
            self.plans.setdefault(print_, Described([Exchange(what, str(user_site()))]))
            reason = self.channel.run("header", print_, 0)
            reason = reason or self.channel.run(job, *words)
        if reason is not None:
            raise self.fail(what, site=str(user_site()))

    # ---- steps

    @property
    def address(self) -> int:
        """Where the words of the channel are; kernels are told."""
        return self.channel.address

    @property
    def terms(self) -> int:
        """How many ranks of this machine add up values in its memory."""
        return int(self.channel.local_size)

    @property
    def has_time(self) -> bool:
        """Whether another thread should exchange values while a step computes.

        Between machines it waits for the network most of the time. On one machine it would
        copy, on a processor that the step needs, unless there are more of them.
        """
        if not self.channel.is_flat:
            return True
        wanted = int(self.channel.local_size) * available_threads()
        return count_processors() > wanted

    def begin_plan(self, header: Operation) -> None:
        """Is told of a plan, before it runs; no collective.

        Args:
          header: Its first op that concerns other ranks.
        """
        exchanges = [Exchange(*each) for each in header.attrs["exchanges"]]
        self.plans.setdefault(header.attrs["fingerprint"], Described(exchanges))
        if self.has_time:
            self.channel.start_thread()

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
        return self.fail(op.type, op=op)

    def fail(
        self, what: str, op: Operation | None = None, site: str | None = None
    ) -> OpError:
        """Makes the error of what several ranks did together; no collective itself."""
        reason = self.channel.reason
        return fail(
            UnavailableError,
            f"{what} of rank {self.rank} failed: {reason!r}",
            op=op,
            site=site,
        )


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
    """The collectives of a plan, in order."""

    exchanges: list[Exchange]


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
