"""The words of a channel, and of the memory that the ranks of one machine share."""

from __future__ import annotations

from typing import Final

# ---- the channel: of this process; words that threads write are a cache line apart

HEAD: Final = 0
"""How many jobs were posted."""
TAIL: Final = 8
"""How many of them are done."""
RUNNING: Final = 16
"""1 while somebody does one."""
POSTING: Final = 24
"""1 while somebody posts one."""
ASLEEP: Final = 32
"""1 while the thread of the channel sleeps."""
WAITING: Final = 40
"""1 while the thread of a step sleeps until a job is done."""
ABORT: Final = 48
"""A `Reason`, once something failed; from then on every job fails with it."""
# Of whoever does a job.
ROUND: Final = 56
"""How many barriers this rank has come to."""
HALF: Final = 57
"""Which half of the staging area is used next."""
STEP: Final = 58
"""How many headers were exchanged."""
DETAIL: Final = 59
"""What belongs to the reason: the code of the MPI library, or the rank that differs."""
# Counts of time, as in the pool of workers, and of what was done.
WAITED: Final = 60
"""How long threads of steps have waited for jobs."""
WORKED: Final = 61
"""How long jobs took, on whichever thread."""
DONE: Final = 62
"""The number of the last job that was done well; all before it were, too."""
OWN_HEADER: Final = 64
"""Where the header of this rank is written down: `HEADER_WORDS` words."""
HEADER_WORDS: Final = 4
# Written from Python.
RANK: Final = 72
SIZE: Final = 73
LOCAL_RANK: Final = 74
LOCAL_SIZE: Final = 75
CROSS_RANK: Final = 76
"""The number of this machine among those of the group."""
CROSS_SIZE: Final = 77
"""How many machines there are, or ranks, where each is taken alone."""
IS_FLAT: Final = 78
"""1 if all ranks of the group share this machine's memory."""
IS_TREE: Final = 79
"""1 if values of several machines are added in a tree of our own."""
SHARED: Final = 80
"""Address of a list of addresses: the shared areas of the ranks of this machine."""
HALF_BYTES: Final = 81
"""Length of one half of a staging area."""
SPINS: Final = 82
"""How often a thread of a step looks before it sleeps."""
THREAD_SPINS: Final = 83
"""How often the thread of the channel does."""
SCRATCH: Final = 84
"""Address of two times `HALF_BYTES` of memory that only jobs use."""
TABLE: Final = 85
"""Address of the headers of all ranks."""
SYSTEM_CALL: Final = 86
"""Address of the C library's `syscall`; 0 where threads do not sleep on futexes."""
FUTEX: Final = 87
"""The number of the system call futex."""
TIMEOUT: Final = 88
"""Seconds and nanoseconds that a sleep lasts at most: two words."""
LOCK: Final = 90
"""The lock on which the thread of the channel sleeps."""
WAITER_LOCK: Final = 91
"""The lock on which the thread of a step sleeps."""
STOP: Final = 92
"""1 when the thread of the channel has to end."""
ALL_REDUCE: Final = 93
"""Addresses of functions of the MPI library that begin something, here and below."""
ALL_GATHER: Final = 94
REDUCE_SCATTER: Final = 95
BROADCAST: Final = 96
BEGIN_SEND: Final = 97
COMM: Final = 98
"""The handle of the communicator of all ranks."""
CROSS_COMM: Final = 99
"""That of one rank of each machine; of all where each is taken alone."""
IN_PLACE: Final = 100
STATUS_IGNORE: Final = 101
REGION_BYTES: Final = 102
"""Length of what follows the staging area, for the arenas of plans; 0 if there is none."""
BEGIN_RECEIVE: Final = 103
"""As `ALL_REDUCE`."""
DATATYPES: Final = 104
"""Handles of datatypes, in the order of `DATATYPE_NAMES`."""
DATATYPE_NAMES: Final = ("float32", "float64", "int32", "int64", "uint8")
BYTES: Final = 4
"""The place of the datatype of bytes."""
WORDS: Final = 3
"""That of words."""
OPERATIONS: Final = 112
"""Handles of reductions, in the order of `ops.collectives.REDUCTIONS`."""
WORDS_OF_KERNEL: Final = 120
"""The arguments of the kernel that adds: out, scratch, and the address of each term."""
MOST_LOCAL_RANKS: Final = 512
RING: Final = WORDS_OF_KERNEL + 2 + MOST_LOCAL_RANKS + 6
"""Jobs that were posted: address of the job, address of its arguments."""
RING_JOBS: Final = 4096
BEAT_LOCK: Final = RING + 2 * RING_JOBS
"""A lock that nobody lets go before the channel ends: one beats in between."""
PULSE_LOCK: Final = BEAT_LOCK + 1
"""The same for the pulse of this machine."""
PULSE_COMM: Final = BEAT_LOCK + 2
"""The handle of the communicator for pulses: one rank of each machine."""
SEND: Final = BEAT_LOCK + 3
RECEIVE: Final = BEAT_LOCK + 4
PROBE: Final = BEAT_LOCK + 5
HEARD: Final = BEAT_LOCK + 6
"""How many pulses have come from the machine before this one."""
TEST: Final = BEAT_LOCK + 8
"""Address of the function of the MPI library that says whether something is over."""
REQUESTS: Final = BEAT_LOCK + 9
"""What it began: the handles of two at most."""
IS_OVER: Final = BEAT_LOCK + 11
"""What it says."""
NAP_LOCK: Final = BEAT_LOCK + 12
"""A lock that nobody lets go: who asks again and again sleeps on it in between."""
TIMES: Final = BEAT_LOCK + 16
"""When each job of the ring began and ended, in the count of `clock`."""
CHANNEL_WORDS: Final = TIMES + 2 * RING_JOBS

# ---- the area that a rank shares with the others of its machine

ARRIVED: Final = 0
"""How many barriers its rank has come to; others sleep on it."""
SLEEPERS: Final = 8
"""How many sleep on that."""
HEARTBEAT: Final = 16
"""Moves on as long as its rank lives, whatever Python does there."""
STATE: Final = 17
"""0 while its rank runs, else a `State` of `parallel.failures`."""
PUBLISHED: Final = 19
"""Where the buffer of the job at hand is in its area, in bytes; -1 if it is not there."""
HEADERS: Final = 24
"""Its last two headers."""
TEXT: Final = 32
"""What its rank has to say when it leaves: UTF-8, ended by a zero."""
TEXT_BYTES: Final = 2048
STAGING: Final = 512
"""Where the staging area begins: two halves."""
SHARED_WORDS: Final = STAGING
"""What an area has before them; behind them is the region, for arenas of plans."""
SMALL_BYTES: Final = 4096
"""What is not larger is added by every rank for itself, with one barrier instead of two."""
