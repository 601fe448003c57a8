"""The words that the worker threads of a process share; `workers` says how."""

from __future__ import annotations

from typing import Final

# Words that different threads write are a cache line apart.
GENERATION: Final = 0
"""Changes with each job; odd while one is written down."""
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
THREADS: Final = 38
# Of the one who shares.
ALONE: Final = 46
"""The time before which nothing is handed out, for a worker was late."""
PATIENCE: Final = 47
"""How many times as long as the last wait that was."""
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
"""Where the slots begin, first that of the thread of the step, then the workers'."""
CLAIM: Final = 0
"""Word of a slot: generation << 32 | the next chunk of its segment."""
ASLEEP: Final = 1
"""Word of a slot: 1 while its worker sleeps."""
LOCK: Final = 2
"""Word of a slot: the lock that the worker sleeps on."""
WORKED: Final = 3
"""Word of a slot: how long its thread has run chunks, in the count of `Workers`."""
SLOT_WORDS: Final = 8
MOST_WORKERS: Final = 255
POOL_WORDS: Final = SLOTS + SLOT_WORDS * (MOST_WORKERS + 1)
"""The length of a pool, in int64 words."""


def slot_of(thread: int) -> int:
    """Returns the position of a slot: 0 is the thread of the step, 1 the first worker."""
    return SLOTS + thread * SLOT_WORDS
