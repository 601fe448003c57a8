"""`Communicator`: a group of ranks, and what they exchange."""

from __future__ import annotations

import contextlib
import functools
import pickle
import threading
import time
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from graphopt.codegen.communication import channel_words as word
from graphopt.errors import OpError, UnavailableError, fail
from graphopt.graph.graph import Operation
from graphopt.graph.hooks import hooks
from graphopt.graph.provenance import user_site
from graphopt.graph.status import Reason
from graphopt.ops.collectives import ALL_REDUCE, ALL_REDUCE_IF
from graphopt.parallel.causes import Described, Exchange, find_cause
from graphopt.parallel.channel import Channel
from graphopt.parallel.failures import State, say, watch_exit
from graphopt.parallel.mpi import load_mpi
from graphopt.parallel.watch import Watch
from graphopt.rewrite.bucket_collectives import fingerprint_of
from graphopt.runtime.threads import (
    available_threads,
    count_processors,
    share_processors,
)

__all__ = ["Communicator", "find_communicator", "world"]

Array = NDArray[Any]
# The flag in the header of a rank without data.
_JOINED: Final = 1
# The jobs whose size is that of the piece of one rank.
_OF_PIECES: Final = ("all_gather", "reduce_scatter")
# What the names of ops end with that exchange something under a condition.
_GUARDED: Final = ALL_REDUCE_IF.name.removeprefix(ALL_REDUCE.name)
_TAG: Final = 13
# The step of a word behind which there is none.
_LAST: Final = -1
# Seconds between two looks for a message.
_LOOK: Final = 0.001
TIMEOUT: Final = 60.0
"""Seconds that a rank may be late, by default."""


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
      sends_parts: Whether what is larger than that is reduced in parts, as between machines,
        where the time of a part is that of its bytes; the same on all ranks.
      defers: Whether new values of variables are awaited in the step that needs them and not
        in the one that makes them: where a thread exchanges values in any case.
      check_every: After how many steps the variables of all ranks are compared; 0: never.
      largest_exchange: Bytes of the largest message so far.
      left: Why a step was left in the middle; "" if none was.
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
        self.sends_parts = not self.channel.is_flat
        self.defers = not self.channel.is_flat
        self.check_every = 0
        self.largest_exchange = 0
        self._steps = 0
        # What a fingerprint stands for, as far as this rank knows.
        self.plans: dict[int, Described] = {}
        self._turn = threading.RLock()
        # For what one rank tells the others, whether they listen or not.
        self._words = self.comm.Dup()
        self._sent: list[Any] = []
        self.left = ""
        self._unfinished: list[Any] = []
        # Plans in whose memory something may still arrive, with the number of the job.
        self._receiving: dict[int, tuple[int, Any]] = {}
        self.group = len(_communicators)
        _communicators.append(self)
        self.channel.start_beating()
        self.watch = Watch(self, self.comm.Dup(), TIMEOUT)
        watch_exit(self)
        if self.group == 0:
            share_processors(self.channel.sharers)

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
        kind = f"{job} {how}".strip()
        what = f"{kind} of {array.dtype.name}{list(array.shape)}"
        with self._turn:
            print_ = fingerprint_of(what)
            if print_ not in self.plans:
                count = array.size
                if job == "reduce_scatter":
                    count //= self.size
                root = int(how) if job == "broadcast" else how
                jobs = ((job, array.dtype.name, count, root, False),)
                exchange = Exchange(what, str(user_site()))
                self.plans[print_] = Described([exchange], jobs)
            self._note_exchange(job, array.nbytes)
            self.begin_run()
            reason = self.channel.run("header", print_, 0)
            reason = reason or self.channel.run(job, *words)
        if reason is not None:
            raise self.fail(what, site=str(user_site()))

    # ---- steps

    @property
    def step(self) -> int:
        """How many steps and eager collectives there were, the same number on all ranks."""
        return int(self.channel.words[word.STEP])

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
        return count_processors() > self.channel.sharers * available_threads()

    def _note_exchange(self, job: str, nbytes: int) -> None:
        """Notes how long messages between machines are."""
        if job in _OF_PIECES:
            nbytes *= self.size
        self.largest_exchange = max(self.largest_exchange, nbytes)

    def allocate(self, nbytes: int, owner: Any) -> Any:
        """Returns zeroed memory of a plan, as long as its owner lives; no collective."""
        return self.channel.allocate(nbytes, owner)

    def begin_run(self) -> int:
        """Is told that Python begins to exchange something; returns how many jobs there were.

        An interrupt that came before is one that the program has caught.
        """
        self.watch.forget_interrupts()
        return self.channel.posted

    def begin_plan(self, header: Operation) -> None:
        """Is told of a plan, before it runs; no collective.

        Args:
          header: Its first op that concerns other ranks.
        """
        exchanges = [Exchange(*each) for each in header.attrs["exchanges"]]
        plan = Described(exchanges, header.attrs["jobs"])
        self.plans.setdefault(header.attrs["fingerprint"], plan)
        for job, dtype, count, *_ in plan.jobs:
            self._note_exchange(job, count * np.dtype(dtype).itemsize)
        if self.has_time or self.defers:
            self.channel.start_thread()

    def join(self) -> int:
        """Takes part in what the other ranks exchange, with zeros, until all have joined.

        For a rank that has no data left. It does what it has done before, as often as the
        others do it; gradients are then those of the ranks that have data.

        Returns:
          The rank that joined last.

        Raises:
          UnavailableError: The others exchange what this rank never has.
          NotImplementedError: They do so under a condition, as where gradients are
            accumulated.

        Source: `horovod.tensorflow.join`.
        """
        headers = self.channel.table.reshape(self.size, -1)
        # Those whom the last step has shown to have joined before this rank.
        joined = {rank for rank in range(self.size) if headers[rank][2] & _JOINED}
        while True:
            with self._turn:
                reason = self.channel.run("header", 0, _JOINED)
                if reason is not None:
                    raise self.fail("join", site=str(user_site()))
                everybody = {r for r in range(self.size) if headers[r][2] & _JOINED}
                if len(everybody) == self.size:
                    headers[:, 2] = 0
                    return max(everybody - joined or everybody)
                joined |= everybody
                wanted = next(int(h[1]) for h in headers if h[1])
                self._follow(wanted)

    def _follow(self, wanted: int) -> None:
        """Does, with zeros, what the ranks do that still have data."""
        plan = self.plans.get(wanted)
        if plan is None:
            raise fail(
                UnavailableError,
                f"Rank {self.rank} has joined, but the others exchange what it never has",
                got="a step that this rank has not run before",
                expected="the steps that all ranks have run",
                site=str(user_site()),
                remedy="at least one batch for every rank",
            )
        for job, dtype, count, how, guarded in plan.jobs:
            if guarded:
                raise NotImplementedError(
                    f"Rank {self.rank} has joined, but the others accumulate gradients; "
                    "it cannot know when they exchange them. Give all ranks as many "
                    "batches."
                )
            zeros = np.zeros(count, dtype)
            many = np.zeros(count * self.size, dtype)
            if job == "all_reduce":
                words = self.channel.words_of_reduction(dtype, how)
                given = zeros.ctypes.data, zeros.nbytes, *words, zeros.itemsize
            elif job == "reduce_scatter":
                kind, operation, terms, _ = self.channel.words_of_reduction(dtype, how)
                places = many.ctypes.data, zeros.ctypes.data, zeros.nbytes
                given = *places, kind, operation, terms, zeros.itemsize
            elif job == "all_gather":
                given = zeros.ctypes.data, many.ctypes.data, zeros.nbytes
            else:
                given = zeros.ctypes.data, zeros.nbytes, how
            if self.channel.run(job, *given) is not None:
                raise self.fail("join", site=str(user_site()))

    # ---- objects

    def broadcast_object(self, value: Any, root: int = 0) -> Any:
        """Returns what one rank has; it can be anything that can be pickled."""
        data = pickle.dumps(value) if self.rank == root else b""
        size = self.broadcast(np.array([len(data)], np.int64), root)
        octets = np.zeros(int(size[0]), np.uint8)
        if self.rank == root:
            octets[:] = np.frombuffer(data, np.uint8)
        # Who has it needs no copy of it.
        found = self.broadcast(octets, root)
        return value if self.rank == root else pickle.loads(found.tobytes())

    def gather_objects(self, value: Any) -> list[Any]:
        """Returns what all ranks have, by rank."""
        data = np.frombuffer(pickle.dumps(value), np.uint8)
        sizes = self.all_gather(np.array([len(data)], np.int64))
        padded = np.zeros(int(sizes.max()), np.uint8)
        padded[: len(data)] = data
        rows = self.all_gather(padded).reshape(self.size, -1)
        return [
            pickle.loads(row[: int(size)].tobytes())
            for row, size in zip(rows, sizes, strict=True)
        ]

    def barrier(self) -> None:
        """Returns when all ranks have come."""
        self.all_gather(np.zeros(1, np.uint8))

    def leave_word(self, value: Any) -> None:
        """Tells the other ranks something, which `take_word` returns; called on rank 0.

        No collective: whether they listen or not. What nobody takes in this step is lost.
        """
        self._send_word(self.step, value)

    def take_word(self) -> Any:
        """Returns what rank 0 has told in this step, and waits for it; no collective.

        Raises:
          UnavailableError: Rank 0 is gone.
        """
        while True:
            while not self._words.Iprobe(0, _TAG):
                if self.channel.reason is not None:
                    raise self.fail("What rank 0 was to tell", site=str(user_site()))
                if 0 in self.watch.gone:
                    self.channel.abort(Reason.RANK, 0)
                time.sleep(_LOOK)
            step, value = self._words.recv(source=0, tag=_TAG)
            if step == _LAST:
                # Words come in order: this is behind all that it had to say.
                self.watch.gone.setdefault(0, "left the program")
                self.channel.abort(Reason.RANK, 0)
            elif step >= self.step:
                return value

    def end_words(self) -> None:
        """Has rank 0 tell the others that it says nothing more; called on all ranks."""
        if self.rank == 0:
            self._send_word(_LAST, None)

    def clear_words(self, seconds: float) -> bool:
        """Takes what nobody took, so that MPI can end.

        Returns:
          Whether all of it has come within so many seconds.
        """
        step, end = (_LAST, 0.0) if self.rank == 0 else (0, time.monotonic() + seconds)
        while step != _LAST and time.monotonic() < end:
            if self._words.Iprobe(0, _TAG):
                step, _ = self._words.recv(source=0, tag=_TAG)
            else:
                time.sleep(_LOOK)
        return step == _LAST

    def push_words(self) -> None:
        """Has words go on that the library holds back."""
        self._sent = [request for request in self._sent if not request.test()[0]]

    def _send_word(self, step: int, value: Any) -> None:
        self.push_words()
        for rank in range(1, self.size):
            self._sent.append(self._words.isend((step, value), rank, _TAG))

    # ---- failures

    def explain(self, op: Operation) -> OpError:
        """Makes the error of a collective that failed."""
        kind = op.spec.name.removesuffix("Wait").removesuffix("Settle")
        kind = kind.removesuffix(_GUARDED)
        return self.fail(f"{kind} of {op.name!r}", op=op)

    def leave_step(self, error: BaseException, step: Any, posted: int) -> None:
        """Is told that a step has failed; if its exchanges are not over, so are the others.

        Args:
          error: What it failed with.
          step: What it was; it is kept for as long as somebody works with its memory.
          posted: How many jobs had been posted when it began.
        """
        last = self._note_late(step)
        if self.channel.reason is None:
            if self._is_over(step, posted, last):
                return
            # What the step before has left can still come, unless the user is impatient.
            with contextlib.suppress(KeyboardInterrupt):
                self.wait_for_job(last)
        if not self.channel.abort(Reason.BROKEN):
            self._keep(step)
            return
        first = str(error).strip().split("\n")[0]
        self.left = f"{type(error).__name__}: {first}"
        say(self, State.FAILED, f"left a step, with {self.left}")
        self._keep(step)

    def _is_over(self, step: Any, posted: int, last: int) -> bool:
        """Whether all exchanges of a step are done, but for those that the next awaits."""
        channel = self.channel
        if not (channel.is_idle or channel.posted == max(last, posted)):
            return False
        jobs = step.jobs
        # How many there are is not known where some have a condition.
        is_known = not any(guarded for *_, guarded in jobs)
        return not is_known or (channel.posted - posted) % (1 + len(jobs)) == 0

    def _note_late(self, step: Any) -> int:
        """Keeps a step while something arrives in its memory; returns the last job."""
        last = 0 if step.late is None else int(step.late.last_job)
        if last:
            # Another one, for the thread that watches may be looking at it.
            self._receiving = {**self._receiving, id(step): (last, step)}
        self._forget_received()
        return last

    def _forget_received(self) -> None:
        """Lets go of the steps in whose memory nothing arrives any more."""
        if self._receiving:
            done = int(self.channel.words[word.TAIL])
            self._receiving = {
                key: kept for key, kept in self._receiving.items() if kept[0] > done
            }

    @property
    def last_late(self) -> int:
        """The number of the last job that no step awaits yet; 0 if there is none."""
        return max((last for last, _ in self._receiving.values()), default=0)

    def wait_for_job(self, number: int) -> bool:
        """Waits for a job, and for signals; returns whether it was done well.

        No collective: the other ranks do their part without being asked.

        Args:
          number: Of the job, as its ticket has it; 0 for none.
        """
        words = self.channel.words
        pause = _LOOK / 16
        while words[word.DONE] < number:
            if words[word.ABORT]:
                # One that is at its end counts.
                self.channel.wait_until_left()
                return bool(words[word.DONE] >= number)
            time.sleep(pause)
            pause = min(2 * pause, _LOOK)
        self._forget_received()
        return True

    def _keep(self, step: Any) -> None:
        if not self.channel.wait_until_left():
            self._unfinished.append(step)

    def end_step(self, step: Any) -> None:
        """Compares variables of all ranks now and then, as `check_every` says.

        Args:
          step: What has just run on all ranks.

        Raises:
          DataLossError: (a ValueError) One differs.
        """
        self._note_late(step)
        self._steps += 1
        if self.check_every and self._steps % self.check_every == 0 and step.alike:
            # Loaded when it is time.
            from graphopt.parallel.replicas import check_arrays

            names = [key.name for key in step.alike]
            arrays = [step.store.read(key) for key in step.alike]
            check_arrays(names, arrays, self)

    def revoke(self) -> None:
        """Has calls of the library fail on all ranks, where it can do that."""
        for comm in (self.channel.comm, self.channel.cross):
            comm.Revoke()

    def fail(
        self, what: str, op: Operation | None = None, site: str | None = None
    ) -> OpError:
        """Makes the error of what several ranks did together, or did not."""
        cause = find_cause(self)
        say(self, State.FAILED, f"cannot go on: {cause.why}")
        return fail(
            UnavailableError,
            f"{what} failed on rank {self.rank} in step {self.step}: {cause.why}",
            got=cause.got,
            expected=f"all {self.size} ranks, with the same",
            op=op,
            site=site,
            remedy=cause.remedy,
        )


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
