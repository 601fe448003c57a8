"""Kernels that hand out the work of other kernels to threads.

A large instruction of a tape is worth two cores. It is not split in halves: beside a
busy process one half takes twice as long and the other thread waits. It is cut into
chunks, more than there are threads and the same for any number of them, and who is free
claims the next one. Every kernel gives the same bits however its range is cut, so the
bits depend on nothing that happens here.

To the tape this is one more kernel: the row of a large instruction names `share`, whose
arguments name the kernel that does the work. Small instructions do not come here and
pay nothing. There is one *pool* of workers for the process, a table of words:

- `CLAIM` holds a generation and the number of the next chunk in one word, so a claim by
  compare-and-exchange can succeed only for the job whose words the claimer has read.
  An odd generation is a job that is still being written down.
- `BUSY` belongs to whoever shares an instruction. If it is taken, by a step in another
  Python thread, the instruction runs on its own thread: nobody ever waits for workers.
- A worker spins for some tens of microseconds, for the next large instruction is often
  close, and then sleeps on a lock of its own. A sleeper is woken only where the rest of
  the step is long enough to pay for it.
- The thread of the step waits for the last chunk in the same way. That it sleeps at all
  matters beside a busy process: its core is then free for the worker that was put off.

The locks are CPython's (`PyThread_acquire_lock` needs no interpreter lock and exists on
every platform), called by address. `runtime.threads` makes and ends the threads.
"""

from __future__ import annotations

from typing import Final

from graphopt.schedule.steps import KernelRequest

__all__ = [
    "ACQUIRE",
    "LIMIT",
    "LOCK",
    "MOST_WORKERS",
    "POOL_WORDS",
    "RELEASE",
    "SLOTS",
    "STOP",
    "WAITER_LOCK",
    "WORKERS",
    "share_request",
    "slot_of",
    "worker_request",
]

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
THREADS: Final = 38
# Written from Python.
WORKERS: Final = 40
"""How many workers there are."""
LIMIT: Final = 41
"""How many threads may compute, that of the step included."""
STOP: Final = 42
"""1 when workers have to end."""
ACQUIRE: Final = 43
"""Address of `PyThread_acquire_lock`."""
RELEASE: Final = 44
"""Address of `PyThread_release_lock`."""
WAITER_LOCK: Final = 45
"""The lock on which the thread of a step sleeps."""
SLOTS: Final = 48
"""Where the slots of the workers begin: whether it sleeps, and its lock."""
LOCK: Final = 1
_SLOT_WORDS: Final = 8
MOST_WORKERS: Final = 255
POOL_WORDS: Final = SLOTS + _SLOT_WORDS * MOST_WORKERS
"""The length of a pool, in int64 words."""

# A pause takes 10 to 40 ns, by processor.
_SPINS: Final = 2000

# Claims and runs chunks of one generation until none is left.
_WORK = """
{i}kernel = load_word(pool, {KERNEL})
{i}arguments = load_word(pool, {ARGUMENTS})
{i}low = load_word(pool, {LOW})
{i}high = load_word(pool, {HIGH})
{i}chunk = load_word(pool, {CHUNK})
{i}chunks = load_word(pool, {CHUNKS})
{i}last = int64(-1)
{i}while True:
{i}    claim = load_word(pool, {CLAIM})
{i}    number = claim & 0xFFFFFFFF
{i}    if (claim >> 32) != generation or number >= chunks:
{i}        break
{i}    if replace_word(pool, {CLAIM}, claim, claim + 1):
{i}        begin = low + number * chunk
{i}        call_kernel(kernel, arguments, begin, min(begin + chunk, high))
{i}        last = add_to_word(pool, {DONE}, 1)
"""
# A generation of 31 bits wraps around; it is only ever compared for equality.
_SHARE = """def kernel(args, lo, hi):
    pool = pointer_int64(args[0])
    chunk = args[3]
    threads = min(args[4], load_word(pool, {LIMIT}))
    threads = min(threads, load_word(pool, {WORKERS}) + 1)
    if threads < 2 or hi - lo <= chunk or not replace_word(pool, {BUSY}, 0, 1):
        call_kernel(args[1], args[2], lo, hi)
        return
    generation = ((load_word(pool, {CLAIM}) >> 32) + 1) & 0x7FFFFFFF
    store_word(pool, {CLAIM}, (generation << 32) | 0xFFFFFFFF)
    wanted = (hi - lo + chunk - 1) // chunk
    store_word(pool, {DONE}, 0)
    store_word(pool, {KERNEL}, args[1])
    store_word(pool, {ARGUMENTS}, args[2])
    store_word(pool, {LOW}, lo)
    store_word(pool, {HIGH}, hi)
    store_word(pool, {CHUNK}, chunk)
    store_word(pool, {CHUNKS}, wanted)
    store_word(pool, {THREADS}, threads)
    generation = (generation + 1) & 0x7FFFFFFF
    store_word(pool, {CLAIM}, generation << 32)
    if args[5] != 0:
        release = load_word(pool, {RELEASE})
        for worker in range(min(threads, wanted) - 1):
            slot = {SLOTS} + worker * {SLOT_WORDS}
            if load_word(pool, slot) != 0:
                if exchange_word(pool, slot, 0) != 0:
                    call_lock(release, load_word(pool, slot + {LOCK}), 0)
{WORK}
    spins = 0
    while load_word(pool, {DONE}) < wanted:
        pause()
        spins += 1
        if spins > {SPINS}:
            spins = 0
            store_word(pool, {WAITING}, 1)
            sleeps = load_word(pool, {DONE}) < wanted
            # Who took the mark away lets the lock go, which has to be used up.
            if sleeps or exchange_word(pool, {WAITING}, 0) == 0:
                acquire = load_word(pool, {ACQUIRE})
                call_lock(acquire, load_word(pool, {WAITER_LOCK}), 1)
    store_word(pool, {BUSY}, 0)
"""
# `args` is the pool and `lo` the number of the worker.
_WORKER = """def kernel(args, lo, hi):
    flush_denormals()
    pool = args
    slot = {SLOTS} + lo * {SLOT_WORDS}
    generation = int64(0)
    while load_word(pool, {STOP}) == 0:
        spins = 0
        found = False
        while not found and load_word(pool, {STOP}) == 0:
            now = load_word(pool, {CLAIM}) >> 32
            if now != generation and now & 1 == 0:
                # This one reads the words of a job before it knows that they are whole:
                # if they are not, its claims fail.
                generation = now
                found = lo < load_word(pool, {THREADS}) - 1
            elif spins < {SPINS}:
                pause()
                spins += 1
            else:
                spins = 0
                store_word(pool, slot, 1)
                now = load_word(pool, {CLAIM}) >> 32
                is_new = now != generation and now & 1 == 0
                sleeps = not is_new and load_word(pool, {STOP}) == 0
                if sleeps or exchange_word(pool, slot, 0) == 0:
                    acquire = load_word(pool, {ACQUIRE})
                    call_lock(acquire, load_word(pool, slot + {LOCK}), 1)
        if found:
{WORK}
            if last + 1 == chunks:
                if exchange_word(pool, {WAITING}, 0) != 0:
                    release = load_word(pool, {RELEASE})
                    call_lock(release, load_word(pool, {WAITER_LOCK}), 0)
"""


def _write(text: str, indent: int) -> str:
    words = {
        name: value
        for name, value in globals().items()
        if name.isupper() and isinstance(value, int) and name[0] != "_"
    }
    words |= {"SLOT_WORDS": _SLOT_WORDS, "SPINS": _SPINS}
    work = _WORK.format(i=" " * indent, **words).strip("\n")
    return text.format(WORK=work, **words)


def share_request() -> KernelRequest:
    """Returns the request for the kernel that hands out another kernel's work.

    Its arguments are: the address of the pool, of the kernel and of its arguments, the
    length of a chunk, the most threads that may take part, and whether it is worth
    waking workers that sleep.
    """
    return KernelRequest("workers", _write(_SHARE, 4))


def worker_request() -> KernelRequest:
    """Returns the request for the loop of a worker: `worker(pool, number, 0)`."""
    return KernelRequest("workers", _write(_WORKER, 12))


def slot_of(worker: int) -> int:
    """Returns the position of a worker's slot in the words of the pool."""
    return SLOTS + worker * _SLOT_WORDS
