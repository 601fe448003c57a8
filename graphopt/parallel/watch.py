"""The thread that looks after the other ranks, ten times a second.

It finds, and has every job of the channel fail for it:

- that a process of this machine is gone: the system says so at once, however it ended;
- that one stands still, by its heartbeat, which native code moves on: a rank that is
  stopped, or whose machine is;
- what a rank has said when it left;
- that a rank does not come to an exchange for `timeout` seconds, though it lives;
- that the user did not wait: Ctrl-C is a flag that Python looks at when native code
  returns, and it does not return while a rank is missing.

Of ranks on other machines it hears by messages. A machine that is gone, or whose cable is
cut, sends none: then its pulse stops (`codegen.communication.pulse`), which one rank of the
next machine listens to, and tells all others. That takes 2.0 s, and longer where a pulse may
have to wait behind the bytes of a large gradient.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
import threading
import time
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from graphopt.codegen.communication import channel_words as word
from graphopt.graph.status import Reason
from graphopt.parallel.failures import State, read_text, say

if TYPE_CHECKING:
    from graphopt.parallel.communicator import Communicator

__all__ = ["Watch"]

_TICK: Final = 0.1
# Seconds without a heartbeat after which a rank counts as gone.
SILENCE: Final = 1.5
# Seconds without a pulse after which a machine does, and bytes a second of the slowest network
# behind whose messages a pulse may have to wait.
_SILENCE_OF_MACHINE: Final = 2.0
_SLOWEST: Final = 2e7
# Ticks that a job may take after another rank has left: its last words may be on the way.
_TICKS_AFTER_LEAVING: Final = 3
_MESSAGE_BYTES: Final = 512
_TAG: Final = 11


class Watch:
    """Looks after the ranks of a group.

    Args:
      communicator: The group.
      comm: A communicator of mpi4py for its messages alone.
      timeout: Seconds that a rank may be late.
    """

    def __init__(self, communicator: Communicator, comm: Any, timeout: float) -> None:
        self.communicator, self.comm, self.timeout = communicator, comm, timeout
        self.channel = communicator.channel
        self.mpi = communicator.mpi
        # What became of ranks that are gone, by rank.
        self.gone: dict[int, str] = {}
        self.late = ""
        self._stop = threading.Event()
        self._members = comm.allgather((os.getpid(), os.uname().nodename))
        size = self.channel.local_size
        first = communicator.rank - int(self.channel.words[word.LOCAL_RANK])
        # The ranks of this machine, by local rank.
        self.local = range(first, first + size)
        self._descriptors: dict[int, int] = {}
        self._messages: list[Any] = []
        self._signals = -1
        self._interrupted = 0
        # Ranks of other machines whose scripts are over.
        self._left_elsewhere: set[int] = set()
        # When a pulse of the machine before this one came last, and how many had come.
        self._heard, self._pulses = time.monotonic(), 0
        self._open()
        self._thread = threading.Thread(
            target=self._run, name="graphopt-watch", daemon=True
        )
        self._thread.start()

    def _open(self) -> None:
        """Has the system report when a process of this machine ends, and signals."""
        for rank in self.local:
            if rank != self.communicator.rank and hasattr(os, "pidfd_open"):
                # Processes of another container are not seen.
                with contextlib.suppress(OSError):
                    descriptor = os.pidfd_open(self._members[rank][0])
                    self._descriptors[descriptor] = rank
        if threading.current_thread() is threading.main_thread():
            read, write = os.pipe()
            os.set_blocking(read, False)
            os.set_blocking(write, False)
            before = signal.set_wakeup_fd(write, warn_on_full_buffer=False)
            if before != -1:
                # Somebody else wants to know of signals.
                signal.set_wakeup_fd(before)
            else:
                self._signals = read

    def stop(self) -> None:
        """Ends the thread."""
        self._stop.set()
        self._thread.join(timeout=1.0)

    # ---- looking

    def _run(self) -> None:
        poll = select.poll()
        for descriptor in (*self._descriptors, self._signals):
            if descriptor >= 0:
                poll.register(descriptor, select.POLLIN)
        beats = np.zeros(len(self.local), np.int64)
        since = np.full(len(self.local), time.monotonic())
        stuck, tail, began = 0, -1, time.monotonic()
        last = time.monotonic()
        while not self._stop.is_set():
            for descriptor, _ in poll.poll(1000 * _TICK):
                if descriptor == self._signals:
                    self._read_signals()
                else:
                    poll.unregister(descriptor)
                    self._note_end(self._descriptors[descriptor])
            now = time.monotonic()
            if now - last < _TICK / 2:
                continue
            if now - last > SILENCE / 2:
                # This process itself stood still: nobody else is to blame.
                since[:] = now
                began = self._heard = now
            last = now
            words = self.channel.words
            busy = words[word.HEAD] != words[word.TAIL]
            if not busy or words[word.TAIL] != tail:
                stuck, tail, began = 0, int(words[word.TAIL]), now
            else:
                stuck += 1
            self._look_at_machine(beats, since, now, stuck)
            if not self.channel.is_flat:
                self._receive()
                self._listen(now)
                if stuck > _TICKS_AFTER_LEAVING:
                    for rank in self._left_elsewhere:
                        self.gone.setdefault(rank, "left the program")
            if self.gone:
                self._abort_for_the_gone()
            elif stuck and now - began > self.timeout:
                self._report_late()
            if self._interrupted and stuck > 1 and self._is_stuck_for_good():
                self.channel.abort(Reason.INTERRUPTED)

    def _is_stuck_for_good(self) -> bool:
        """Whether an interrupt ends what goes on.

        What a step has left to the next one is awaited by nobody, or can still come, so that
        weights can be saved; who is impatient interrupts twice.
        """
        words, late = self.channel.words, self.communicator.last_late
        is_awaited = words[word.HEAD] != late and words[word.TAIL] >= late
        return bool(is_awaited) or self._interrupted > 1

    def _look_at_machine(self, beats: Any, since: Any, now: float, stuck: int) -> None:
        for place, (rank, area) in enumerate(
            zip(self.local, self.channel.shared, strict=False)
        ):
            if rank == self.communicator.rank or rank in self.gone:
                continue
            state = int(area[word.STATE])
            if state == State.FAILED or (
                state == State.LEFT and self._is_missed(area, stuck)
            ):
                self.gone[rank] = read_text(area)
                continue
            if state == State.LEFT:
                continue
            beat = int(area[word.HEARTBEAT])
            if beat != beats[place]:
                beats[place], since[place] = beat, now
            elif beat and now - since[place] > SILENCE:
                silence = now - since[place]
                self.gone[rank] = f"does not answer for {silence:.1f} s: it was stopped"

    def _is_missed(self, area: Any, stuck: int) -> bool:
        """Returns whether a job waits for a rank of this machine whose script is over."""
        if self.channel.is_flat:
            # It has done its part of all meetings that it came to.
            return bool(area[word.ARRIVED] < self.channel.words[word.ROUND])
        return stuck > _TICKS_AFTER_LEAVING

    def _note_end(self, rank: int) -> None:
        """A process of this machine has ended."""
        area = self.channel.shared[rank - self.local.start]
        state = int(area[word.STATE])
        if state == State.RUNNING:
            self.gone.setdefault(rank, "was killed, or ended without a word")
        elif state == State.FAILED:
            self.gone.setdefault(rank, read_text(area))

    def forget_interrupts(self) -> None:
        """Has interrupts that the program has caught end nothing any more."""
        self._interrupted = 0

    def _read_signals(self) -> None:
        with contextlib.suppress(BlockingIOError):
            numbers = os.read(self._signals, 64)
            self._interrupted += numbers.count(bytes([signal.SIGINT]))

    def _abort_for_the_gone(self) -> None:
        rank = next(iter(self.gone))
        if self.channel.abort(Reason.RANK, rank) and not self.channel.is_flat:
            # Whoever is inside of the library gets out, if the library can do that.
            with contextlib.suppress(Exception):
                self.communicator.revoke()

    def _report_late(self) -> None:
        missing = [
            rank
            for rank, area in zip(self.local, self.channel.shared, strict=False)
            if area[word.ARRIVED] < self.channel.words[word.ROUND]
        ]
        who = " and ".join(map(str, missing)) or "of another machine"
        self.late = f"rank {who} did not come for {self.timeout:g} s"
        self.channel.abort(Reason.RANK, missing[0] if missing else -1)

    # ---- other machines

    def tell_other_machines(self, state: State, text: str) -> None:
        """Sends what became of this rank to those of other machines."""
        if self.channel.is_flat:
            return
        raw = text.encode()[: _MESSAGE_BYTES - 1]
        message = np.zeros(_MESSAGE_BYTES, np.uint8)
        message[0] = int(state)
        message[1 : 1 + len(raw)] = list(raw)
        for rank in range(self.communicator.size):
            if rank not in self.local:
                with contextlib.suppress(Exception):
                    request = self.comm.Isend(message, rank, _TAG)
                    self._messages.append((request, message))

    def _receive(self) -> None:
        """Takes the messages of ranks on other machines."""
        try:
            status = self.mpi.Status()
            while self.comm.Iprobe(self.mpi.ANY_SOURCE, _TAG, status):
                message = np.zeros(_MESSAGE_BYTES, np.uint8)
                self.comm.Recv(message, status.Get_source(), _TAG)
                text = bytes(message[1:]).partition(b"\0")[0].decode(errors="replace")
                state = State(int(message[0]))
                if state is State.FAILED:
                    self.gone.setdefault(status.Get_source(), text)
                else:
                    self._left_elsewhere.add(status.Get_source())
        except self.mpi.Exception:
            # The library knows of a failure, which the next job reports.
            pass

    def _listen(self, now: float) -> None:
        """Looks whether the pulse of the machine before this one goes on."""
        if not self.channel.has_pulse:
            return
        words = self.channel.words
        if words[word.HEARD] != self._pulses:
            self._heard, self._pulses = now, int(words[word.HEARD])
            return
        waits = self.communicator.largest_exchange / _SLOWEST
        silence = now - self._heard
        if silence < _SILENCE_OF_MACHINE + waits:
            return
        count = len(self.local)
        machine = (int(words[word.CROSS_RANK]) - 1) % int(words[word.CROSS_SIZE])
        ranks = range(machine * count, (machine + 1) * count)
        if not self.gone.keys().isdisjoint(ranks):
            return
        why = f"does not answer for {silence:.1f} s: its machine is gone, or its cable is cut"
        self.gone.update(dict.fromkeys(ranks, why))
        # The other ranks of this machine and of others have no pulse to listen to.
        say(self.communicator, State.FAILED, f"cannot go on: rank {ranks[0]} {why}")

    # ---- the end

    def are_all_told(self) -> bool:
        """Returns whether the ranks of this machine have ended or know of a failure."""
        others = [
            area
            for rank, area in zip(self.local, self.channel.shared, strict=False)
            if rank != self.communicator.rank and rank not in self.gone
        ]
        return self.channel.is_flat and all(
            area[word.STATE] != int(State.RUNNING) for area in others
        )

    def wait_for_all(self) -> bool:
        """Waits until the scripts of all ranks are over; returns whether all went well."""
        while True:
            if self.gone or self.channel.reason is not None:
                return False
            states = {
                rank: int(area[word.STATE])
                for rank, area in zip(self.local, self.channel.shared, strict=False)
            }
            if State.FAILED in states.values():
                return False
            over = {rank for rank, state in states.items() if state == State.LEFT}
            over |= self._left_elsewhere
            if len(over) == self.communicator.size:
                return True
            self.communicator.push_words()
            time.sleep(0.02)
