"""The words that the worker threads of a process share; `workers` says how."""

from __future__ import annotations

from typing import Final

# Words that different threads write are a cache line apart.
CLAIM: Final = 0
"""Generation << 32 | the next chunk."""
DONE: Final = 8
"""Chunks of the job that have been done."""
BUSY: Final = 16
"""1 while somebody shares an instruction."""
WAITING: Final = 24
"""1 while the thread of the step sleeps until the last chunk is done."""
# The job: written by the one who shares, read by all.
KERNEL: Final = 32
ARGUMENTS: Final = 33
LOW: Final = 34
HIGH: Final = 35
CHUNK: Final = 36
CHUNKS: Final = 37
HELPERS: Final = 38
# Written from Python.
WORKERS: Final = 40
"""How many workers there are."""
LIMIT: Final = 41
"""How many threads may compute, that of the step included."""
STOP: Final = 42
"""1 when workers have to end."""
WAITER_LOCK: Final = 43
"""The lock on which the thread of a step sleeps."""
SLOTS: Final = 48
"""Where the slots of the workers begin: whether it sleeps, and its lock."""
LOCK: Final = 1
"""The word of a slot that holds the lock; the first one says whether it sleeps."""
SLOT_WORDS: Final = 8
MOST_WORKERS: Final = 255
POOL_WORDS: Final = SLOTS + SLOT_WORDS * MOST_WORKERS
"""The length of a pool, in int64 words."""


def slot_of(worker: int) -> int:
    """Returns the position of a worker's slot in the words of the pool."""
    return SLOTS + worker * SLOT_WORDS
