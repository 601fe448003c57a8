"""The worker threads of this process: made when they are first needed, ended at exit.

There is one pool, for two would compete for the same cores. What its threads do is
`codegen.tape.workers`; here is what Python has to do with them: how many there are, where
they sleep, and that a forked child, in which they do not exist, makes its own.

How many threads compute one step is `GRAPHOPT_THREADS`, or what
`tf.config.threading.set_intra_op_parallelism_threads` was given, or as many as this
process has processors: those it is bound to, and no more than a container's quota pays
for, divided by the ranks that have them in common. The thread that runs the step is one of them. NumPy's own threads are left alone:
graphopt calls no BLAS.

Waking a worker takes as long as an instruction of some tens of microseconds, so that is
done only for steps of more than a hundred; an idle worker takes no processor time. What is
measured is in `codegen.tape.workers`.
"""

from __future__ import annotations

import atexit
import ctypes
import os
import threading
import weakref
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from graphopt.codegen.tape import pool_words
from graphopt.config import on_change, settings
from graphopt.runtime.store import VariableStore

__all__ = [
    "MOST_THREADS",
    "Pool",
    "available_threads",
    "hold_new_lock",
    "let_go",
    "pool",
    "share_processors",
]

MOST_THREADS = pool_words.MOST_WORKERS + 1
_WORKER = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64)
# A limit on processor time, in a file of control groups: microseconds in a period.
_QUOTA = Path("/sys/fs/cgroup/cpu.max")


class _Sharing:
    processes = 1


def available_threads() -> int:
    """Returns how many threads a step may use: what is set, else its processors.

    >>> available_threads() >= 1
    True
    """
    return settings.threads or max(1, count_processors() // _Sharing.processes)


def share_processors(processes: int) -> None:
    """Says how many processes compute on the processors of this one, itself included."""
    _Sharing.processes = processes
    _limit_again()


def count_processors(quota: Path = _QUOTA) -> int:
    """Counts the processors that this process may keep busy.

    Args:
      quota: The file with the processor time of a container.
    """
    if hasattr(os, "sched_getaffinity"):
        count = len(os.sched_getaffinity(0))
    else:
        count = os.cpu_count() or 1
    try:
        most, period = quota.read_text().split()
        if most != "max":
            count = min(count, -(-int(most) // int(period)))
    except (OSError, ValueError):
        pass  # Another system, or no control groups.
    return max(1, count)


def hold_new_lock() -> int:
    """Makes a lock of the interpreter that is held, for the one who will sleep on it.

    Returns:
      What native code knows it by; it is never freed.
    """
    allocate = ctypes.pythonapi.PyThread_allocate_lock
    allocate.restype = ctypes.c_void_p
    acquire = ctypes.pythonapi.PyThread_acquire_lock
    acquire.argtypes = [ctypes.c_void_p, ctypes.c_int]
    lock = int(allocate())
    acquire(lock, 1)
    return lock


def let_go(lock: int) -> None:
    """Wakes the one who sleeps on a lock of `hold_new_lock`."""
    release = ctypes.pythonapi.PyThread_release_lock
    release.argtypes = [ctypes.c_void_p]
    release(lock)


class Pool:
    """Worker threads and the words that they share."""

    def __init__(self) -> None:
        memory = np.zeros(pool_words.POOL_WORDS + 8, np.int64)
        # Workers write whole cache lines of it.
        start = -(memory.ctypes.data // 8) % 8
        self.words = memory[start : start + pool_words.POOL_WORDS]
        self.address = int(self.words.ctypes.data)
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []
        self._users: weakref.WeakSet[VariableStore] = weakref.WeakSet()

    def start(self, user: VariableStore) -> None:
        """Makes the workers that are missing for the number of threads that is set.

        Args:
          user: The store of a plan that wants them; its plans ask again when there are
            to be more, and in a forked child.
        """
        self._users.add(user)
        self.limit(available_threads())
        wanted = int(self.words[pool_words.LIMIT]) - 1
        if wanted <= len(self._threads):
            return
        # Here, for it loads llvmlite.
        from graphopt.codegen.tape.workers import load_workers

        with self._lock:
            words = self.words
            if not words[pool_words.WAITER_LOCK]:
                words[pool_words.WAITER_LOCK] = hold_new_lock()
            loop = _WORKER(load_workers().worker)
            while len(self._threads) < wanted:
                number = len(self._threads) + 1
                words[pool_words.slot_of(number) + pool_words.LOCK] = hold_new_lock()
                thread = threading.Thread(
                    target=loop,
                    args=(self.address, number, 0),
                    name=f"graphopt-worker-{number - 1}",
                    # Python must not wait for it: `stop` ends it.
                    daemon=True,
                )
                try:
                    thread.start()
                except (RuntimeError, MemoryError):
                    # The system gives no more, or the interpreter ends: steps go on
                    # with those that there are.
                    words[pool_words.slot_of(number) + pool_words.LOCK] = 0
                    words[pool_words.LIMIT] = number
                    break
                self._threads.append(thread)
                words[pool_words.WORKERS] = len(self._threads)

    def read_worked(self) -> NDArray[np.int64]:
        """Returns how long each thread has run chunks, that of the step first.

        The unit is that of the processor's counter; only shares of it mean something.
        """
        count = len(self._threads) + 1
        slots = self.words[pool_words.SLOTS :][: count * pool_words.SLOT_WORDS]
        return slots.reshape(count, -1)[:, pool_words.WORKED].copy()

    def limit(self, threads: int) -> None:
        """Says how many threads may compute a step, that of the step included."""
        self.words[pool_words.LIMIT] = min(threads, MOST_THREADS)

    def ask_again(self) -> None:
        """Has every plan call `start` before it runs the next time."""
        for user in list(self._users):
            user.generation += 1

    def stop(self) -> None:
        """Ends the workers; steps go on without them."""
        with self._lock:
            self.words[pool_words.WORKERS] = 0
            self.words[pool_words.STOP] = 1
            for number in range(1, len(self._threads) + 1):
                lock = int(self.words[pool_words.slot_of(number) + pool_words.LOCK])
                let_go(lock)
            for thread in self._threads:
                thread.join()
            self._threads.clear()
            self.words[pool_words.STOP] = 0

    def forget(self) -> None:
        """Begins anew in a forked child, where nobody else uses these words."""
        self.words[:] = 0
        self._lock = threading.Lock()
        self._threads = []
        self.ask_again()


pool = Pool()


@on_change
def _limit_again() -> None:
    if pool.words[pool_words.LIMIT]:
        pool.limit(available_threads())
        pool.ask_again()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=pool.forget)
atexit.register(pool.stop)
