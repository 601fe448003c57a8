"""The words, the memory and the thread through which this process communicates.

What they mean is `codegen.communication`; here they are made, and jobs of Python's are
posted and awaited by the same code as those of steps. That matters: whichever way each rank
runs its program, all of them follow one protocol.
"""

from __future__ import annotations

import contextlib
import ctypes
import mmap
import os
import re
import sys
import threading
import time
import weakref
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from graphopt.codegen.communication import channel_words as word
from graphopt.codegen.communication.native import load_entry
from graphopt.codegen.communication.terms import declare_terms
from graphopt.codegen.kernels import get_kernel
from graphopt.codegen.machine import get_machine
from graphopt.graph.status import Reason, StatusWord
from graphopt.ops.collectives import REDUCTIONS
from graphopt.runtime.memory import aligned_zeros
from graphopt.runtime.threads import count_processors, hold_new_lock, let_go

__all__ = ["HALF_BYTES", "Channel"]

Array = NDArray[Any]

HALF_BYTES: Final = 1 << 20
"""How much of a message every rank lays out at once for the others of its machine."""
_KERNEL: Final = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64)
_FUTEX_NUMBERS: Final = {"x86": 202, "arm": 98}
# Milliseconds after which a sleeper looks whether the channel was aborted.
_TIMEOUT: Final = 5_000_000
# A pause takes 10 to 40 ns; with fewer processors than ranks another one has to run.
_SPINS: Final = 2000
_SPINS_OF_MANY: Final = 50
_SPINS_OF_THREAD: Final = 200
_FUNCTIONS: Final = {
    word.ALL_REDUCE: "MPI_Allreduce",
    word.ALL_GATHER: "MPI_Allgather",
    word.REDUCE_SCATTER: "MPI_Reduce_scatter_block",
    word.BROADCAST: "MPI_Bcast",
    word.SEND_RECEIVE: "MPI_Sendrecv",
    word.SEND: "MPI_Send",
    word.RECEIVE: "MPI_Recv",
    word.PROBE: "MPI_Iprobe",
}
_DATATYPES: Final = ("FLOAT", "DOUBLE", "INT32_T", "INT64_T", "BYTE")
_NEVER_ENDING: list[Any] = []
_PAGE: Final = 4096
# Bytes of a rank; addresses have 47 bits, and a machine may have hundreds of ranks.
_LARGEST_REGION: Final = 1 << 37
# Without a promise that there is memory for all of it.
_MAP_FLAGS: Final = mmap.MAP_SHARED | getattr(mmap, "MAP_NORESERVE", 0)


class Channel:
    """What one group of ranks communicates through; made by all of them together.

    Args:
      mpi: The module `mpi4py.MPI`.
      comm: A communicator of the group, for this channel alone.
      local: One of its ranks on this machine.
      is_tree: Whether values of several machines are added in a tree of our own.

    Attributes:
      address: Of its words.
      shared: The words that ranks of this machine share, by local rank.
      sharers: How many of its ranks may run on processors of this one, itself included.
    """

    def __init__(self, mpi: Any, comm: Any, local: Any, is_tree: bool = False) -> None:
        self.words = aligned_zeros(8 * word.CHANNEL_WORDS).view(np.int64)
        self.address = int(self.words.ctypes.data)
        self.rank, self.size = comm.Get_rank(), comm.Get_size()
        self.table = aligned_zeros(8 * word.HEADER_WORDS * self.size).view(np.int64)
        self._scratch = aligned_zeros(2 * HALF_BYTES)
        self.comm = comm
        self._turn = threading.RLock()
        self._threads: dict[str, threading.Thread] = {}
        self._lay_out(mpi, comm, local)
        self._write_library(mpi, is_tree)
        self._post = _KERNEL(load_entry("post").address)
        self._await = _KERNEL(load_entry("await").address)
        kind = ctypes.CFUNCTYPE(ctypes.c_int64, ctypes.c_void_p)
        self._clock = kind(load_entry("clock").address)
        self._jobs = {
            name: load_entry(name).address
            for name in (
                "header",
                "all_reduce",
                "all_gather",
                "reduce_scatter",
                "broadcast",
            )
        }
        self._terms: dict[tuple[str, str, int], int] = {}
        _channels.add(self)

    # ---- making it

    def _lay_out(self, mpi: Any, comm: Any, local: Any) -> None:
        """Finds out who shares this machine, and gets memory to share with them."""
        members = comm.allgather((local.Get_size(), local.Get_rank()))
        sizes = {size for size, _ in members}
        size, own = local.Get_size(), local.Get_rank()
        # Ranks of a machine are neighbours, and all machines have as many.
        is_even = len(sizes) == 1 and all(
            rank % size == place for rank, (_, place) in enumerate(members)
        )
        self.sharers = _count_sharers(local)
        if not is_even or size > word.MOST_LOCAL_RANKS:
            local, size, own = mpi.COMM_SELF, 1, 0
        self.local_size = size
        nbytes = 8 * word.SHARED_WORDS + 2 * HALF_BYTES
        memory, region = share_memory(mpi, local, nbytes)
        self._region = Region(memory[own], nbytes, region)
        self.shared: list[NDArray[np.int64]] = memory
        addresses = [int(words.ctypes.data) for words in memory]
        self.shared[own][: word.SHARED_WORDS] = 0
        self.own_area = memory[own]
        self._areas = np.array(addresses, np.int64)
        local.Barrier()
        # Ranks of one number on each machine, in the order of the machines.
        self.cross = comm.Split(own, self.rank)
        self.pulse = self.cross.Dup()
        for each in (self.cross, self.pulse):
            each.Set_errhandler(mpi.ERRORS_RETURN)
        words = self.words
        words[word.RANK], words[word.SIZE] = self.rank, self.size
        words[word.LOCAL_RANK], words[word.LOCAL_SIZE] = own, size
        words[word.CROSS_RANK] = self.cross.Get_rank()
        words[word.CROSS_SIZE] = self.cross.Get_size()
        self.is_flat = size == self.size
        words[word.IS_FLAT] = self.is_flat
        words[word.SHARED] = self._areas.ctypes.data
        words[word.HALF_BYTES] = HALF_BYTES
        words[word.REGION_BYTES] = region
        words[word.SCRATCH] = self._scratch.ctypes.data
        words[word.TABLE] = self.table.ctypes.data
        is_crowded = self.sharers > count_processors()
        words[word.SPINS] = _SPINS_OF_MANY if is_crowded else _SPINS
        words[word.THREAD_SPINS] = _SPINS_OF_MANY if is_crowded else _SPINS_OF_THREAD

    def _write_library(self, mpi: Any, is_tree: bool) -> None:
        words = self.words
        library = _find_library()
        for place, name in _FUNCTIONS.items():
            pointer = ctypes.cast(getattr(library, name), ctypes.c_void_p)
            words[place] = pointer.value or 0
        words[word.COMM] = _handle(mpi, self.comm)
        words[word.CROSS_COMM] = _handle(mpi, self.cross)
        words[word.PULSE_COMM] = _handle(mpi, self.pulse)
        words[word.IN_PLACE] = int(mpi.IN_PLACE)
        # Null in one library, 1 in another.
        is_open_mpi = "Open MPI" in mpi.Get_library_version()
        words[word.STATUS_IGNORE] = 0 if is_open_mpi else 1
        words[word.IS_TREE] = is_tree
        for place, name in enumerate(_DATATYPES):
            words[word.DATATYPES + place] = _handle(mpi, getattr(mpi, name))
        for place, name in enumerate(REDUCTIONS):
            words[word.OPERATIONS + place] = _handle(mpi, getattr(mpi, name.upper()))
        number = _FUTEX_NUMBERS.get(get_machine().family)
        if number is not None and sys.platform == "linux":
            system_call = ctypes.CDLL(None).syscall
            pointer = ctypes.cast(system_call, ctypes.c_void_p)
            words[word.SYSTEM_CALL], words[word.FUTEX] = pointer.value or 0, number
        words[word.TIMEOUT + 1] = _TIMEOUT
        locks = word.LOCK, word.WAITER_LOCK, word.BEAT_LOCK, word.PULSE_LOCK
        for lock in locks:
            words[lock] = hold_new_lock()

    def require_tree(self) -> None:
        """Has values of several machines added in a tree of our own from now on.

        Raises:
          ValueError: The number of machines is no power of two.
        """
        machines = int(self.words[word.CROSS_SIZE])
        if machines & (machines - 1):
            raise ValueError(
                f"The same bits for any number of ranks need a power of two of machines; "
                f"got {machines}."
            )
        self.words[word.IS_TREE] = 1

    def allocate(self, nbytes: int, owner: Any) -> NDArray[np.uint8]:
        """Returns memory that other ranks of this machine see, where there is some left.

        Args:
          nbytes: How much.
          owner: Whose it is: when that is gone, it is free again.
        """
        found = self._region.take(nbytes, owner)
        return aligned_zeros(nbytes) if found is None else found

    def start_thread(self) -> None:
        """Starts the thread of the channel, if it does not run."""
        self._start("communicate")

    def start_beating(self) -> None:
        """Starts to show the other ranks that this process and its machine live."""
        self._start("beat")
        if self.has_pulse:
            self._start("pulse")

    @property
    def has_pulse(self) -> bool:
        """Whether this rank is the one of its machine that others hear of it from."""
        return not self.is_flat and not self.words[word.LOCAL_RANK]

    def _start(self, loop: str) -> None:
        if loop in self._threads:
            return
        self._threads[loop] = threading.Thread(
            target=_KERNEL(load_entry(loop).address),
            args=(self.address, 0, 0),
            name=f"graphopt-{loop}",
            daemon=True,
        )
        self._threads[loop].start()
        # It may stay inside of the library when the process ends.
        _NEVER_ENDING.append(self)

    def stop(self) -> bool:
        """Ends the threads; returns whether none is inside of the library."""
        self.words[word.STOP] = 1
        for lock in (word.LOCK, word.BEAT_LOCK, word.PULSE_LOCK):
            let_go(int(self.words[lock]))
        for thread in self._threads.values():
            thread.join(timeout=0.5)
        return not any(thread.is_alive() for thread in self._threads.values())

    # ---- failures

    @property
    def reason(self) -> Reason | None:
        """Why the channel is broken; None if it is not."""
        found = int(self.words[word.ABORT])
        return Reason(found) if found else None

    def abort(self, reason: Reason, detail: int = 0) -> bool:
        """Has every job fail from now on, whoever waits for one; the first reason counts.

        Returns:
          Whether this is the first one.
        """
        if self.words[word.ABORT]:
            return False
        self.words[word.DETAIL] = detail
        self.words[word.ABORT] = int(reason)
        return True

    def wait_until_left(self, seconds: float = 0.25) -> bool:
        """Returns whether nobody is at work with memory of a step any more."""
        end = time.monotonic() + seconds
        while self.words[word.RUNNING]:
            if time.monotonic() > end:
                return False
            time.sleep(0.001)
        return True

    @property
    def is_idle(self) -> bool:
        """Whether all jobs are done."""
        return bool(self.words[word.HEAD] == self.words[word.TAIL])

    # ---- times

    def read_clock(self) -> int:
        """Returns the count of time by which jobs are timed."""
        return int(self._clock(None))

    @property
    def posted(self) -> int:
        """How many jobs were posted."""
        return int(self.words[word.HEAD])

    def times_of(self, job: int) -> tuple[int, int]:
        """Returns when one of the last jobs began and ended, by its number from 0."""
        at = word.TIMES + 2 * (job % word.RING_JOBS)
        return int(self.words[at]), int(self.words[at + 1])

    # ---- jobs of Python

    def run(self, job: str, *arguments: int) -> Reason | None:
        """Does a job.

        Args:
          job: Its name.
          *arguments: Its words behind the channel.

        Returns:
          Why it failed, or None.
        """
        with self._turn:
            ticket, status = np.zeros(1, np.int64), np.zeros(4, np.int64)
            words = np.array(
                [
                    *(self.address, ticket.ctypes.data, 0, 0, self._jobs[job]),
                    *(self.address, *arguments),
                ],
                np.int64,
            )
            if not self.is_flat:
                self.start_thread()
            self._post(words.ctypes.data, 0, 1)
            waiting = np.array(
                [self.address, ticket.ctypes.data, status.ctypes.data, 0], np.int64
            )
            self._await(waiting.ctypes.data, 0, 1)
            if not self.is_idle:
                # It is still at work with this memory.
                _NEVER_ENDING.append((words, ticket))
            found = int(status[StatusWord.INDEX])
            return Reason(found) if status[StatusWord.CODE] else None

    def terms_of(self, dtype: str, reduction: str, count: int) -> int:
        """Returns the address of the kernel that reduces so many terms; 0 for one."""
        if count < 2:
            return 0
        key = (dtype, reduction, count)
        if key not in self._terms:
            kernel = get_kernel(declare_terms(*key).request)
            _NEVER_ENDING.append(kernel)
            self._terms[key] = kernel.address
        return self._terms[key]

    def words_of_reduction(self, dtype: str, reduction: str) -> tuple[int, ...]:
        """Returns what jobs are told of a reduction: types, and kernels."""
        return (
            word.DATATYPE_NAMES.index(dtype),
            REDUCTIONS.index(reduction),
            self.terms_of(dtype, reduction, self.local_size),
            self.terms_of(dtype, reduction, 2),
        )


class Region:
    """The part of a rank's area in which the arenas of its plans are.

    It is as large as the memory of the machine, of which the system gives what is touched.

    Args:
      area: The area.
      begin: Where the region begins in it, in bytes.
      nbytes: How long it is.
    """

    def __init__(self, area: NDArray[np.int64], begin: int, nbytes: int) -> None:
        self._memory = area.view(np.uint8)[begin : begin + nbytes]
        # (begin, end) of what is in use, in order.
        self._used: list[tuple[int, int]] = []
        self._lock = threading.Lock()

    def take(self, nbytes: int, owner: Any) -> NDArray[np.uint8] | None:
        """Returns zeroed memory; None if there is not so much left."""
        size = -(-nbytes // _PAGE) * _PAGE
        with self._lock:
            at = 0
            for begin, end in self._used:
                if begin - at >= size:
                    break
                at = end
            if not nbytes or at + size > len(self._memory):
                return None
            self._used = sorted([*self._used, (at, at + size)])
        found = self._memory[at : at + nbytes]
        weakref.finalize(owner, self._release, at, at + size).atexit = False
        found[:] = 0
        return found

    def _release(self, begin: int, end: int) -> None:
        with self._lock:
            self._used.remove((begin, end))


def _count_sharers(local: Any) -> int:
    """Counts the ranks of a machine that may run on processors of this one, itself included.

    Launchers bind them to processors of their own, or leave all to all of them.
    """
    own = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else None
    everybody = local.allgather(own)
    return sum(own is None or not own.isdisjoint(theirs) for theirs in everybody)


def share_memory(
    mpi: Any, local: Any, nbytes: int
) -> tuple[list[NDArray[np.int64]], int]:
    """Returns one area of memory of each rank of a machine, which all of them see.

    It is a file without a name, of which nothing is left when its ranks are gone, however
    they end. Where a rank may not open that of another, as in containers of their own, the
    MPI library is asked.

    Args:
      mpi: The module `mpi4py.MPI`.
      local: The communicator of the ranks of this machine.
      nbytes: Length of an area, a multiple of the size of a page, without the region.

    Returns:
      The areas, and how long the region is that each of them ends with.
    """
    size = local.Get_size()
    # Virtual memory: what nobody touches takes none.
    physical = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    region = min(physical // _PAGE * _PAGE, _LARGEST_REGION)
    for length in (region, 0):
        whole = _map_together(local, (nbytes + length) * size)
        if whole is not None:
            words = np.frombuffer(whole, np.int64).reshape(size, -1)
            return list(words), length
    window = mpi.Win.Allocate_shared(nbytes, 1, comm=local)
    _NEVER_ENDING.append(window)
    found = []
    for rank in range(size):
        memory, _ = window.Shared_query(rank)
        found.append(np.frombuffer(memory, np.int64, count=nbytes // 8))
    return found, 0


def _map_together(local: Any, nbytes: int) -> mmap.mmap | None:
    """Maps one file without a name into all ranks of a machine; None if one cannot."""
    name, whole, descriptor = None, None, -1
    if local.Get_rank() == 0 and hasattr(os, "memfd_create"):
        with contextlib.suppress(OSError, ValueError, OverflowError):
            descriptor = os.memfd_create("graphopt-ranks")
            os.ftruncate(descriptor, nbytes)
            whole = mmap.mmap(descriptor, nbytes, flags=_MAP_FLAGS)
            name = f"/proc/{os.getpid()}/fd/{descriptor}"
    name = local.bcast(name)
    if local.Get_rank() and name is not None:
        with contextlib.suppress(OSError, ValueError, OverflowError):
            other = os.open(name, os.O_RDWR)
            whole = mmap.mmap(other, nbytes, flags=_MAP_FLAGS)
            os.close(other)
    is_shared = all(local.allgather(whole is not None))
    if descriptor >= 0:
        os.close(descriptor)
    return whole if is_shared else None


def _handle(mpi: Any, thing: Any) -> int:
    """Returns the handle of a thing of the library, as a word."""
    value = int(mpi._handleof(thing))
    return value - (1 << 64) if value >= 1 << 63 else value


def _find_library() -> ctypes.CDLL:
    """Returns the MPI library that this process has loaded.

    Raises:
      RuntimeError: It cannot be found.
    """
    maps = Path("/proc/self/maps")
    lines = maps.read_text().splitlines() if maps.exists() else []
    for line in lines:
        match = re.search(r"(/\S*libmpi\S*\.so[.\d]*)$", line)
        if match and hasattr(library := ctypes.CDLL(match[1]), "MPI_Allreduce"):
            return library
    raise RuntimeError(
        "The MPI library of this process cannot be found among what it has loaded; "
        "several ranks need Linux and a shared library."
    )


_channels: weakref.WeakSet[Channel] = weakref.WeakSet()


def _break_in_child() -> None:
    """After a fork: a child is no rank, and must not touch what the ranks share."""
    for channel in list(_channels):
        channel.words[word.ABORT] = int(Reason.FORKED)


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_break_in_child)
