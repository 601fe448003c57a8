"""Threads of a program that end together."""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from graphopt.errors import OutOfRangeError


class Coordinator:
    """Asks threads to stop, waits for them, and raises what one of them raised.

    Args:
      clean_stop_exception_types: Exceptions that only end the threads, as the end of the
        data: by default OutOfRangeError.

    >>> coordinator = Coordinator()
    >>> def count():
    ...     while not coordinator.should_stop():
    ...         coordinator.request_stop()
    >>> thread = threading.Thread(target=count)
    >>> thread.start()
    >>> coordinator.join([thread])
    >>> coordinator.joined
    True

    Source: `tf.train.Coordinator`.
    """

    def __init__(self, clean_stop_exception_types: Any = None) -> None:
        self._clean = tuple(clean_stop_exception_types or (OutOfRangeError,))
        self._lock = threading.Lock()
        self._stop = threading.Event()
        self._error: BaseException | None = None
        self._joined = False
        self._threads: set[threading.Thread] = set()

    @property
    def joined(self) -> bool:
        """Whether `join` ended."""
        return self._joined

    def register_thread(self, thread: threading.Thread) -> None:
        """Makes `join` wait for a thread."""
        with self._lock:
            self._threads.add(thread)

    def request_stop(self, ex: Any = None) -> None:
        """Asks all threads to stop.

        Args:
          ex: An exception, or what `sys.exc_info` returns; `join` raises it.
        """
        error = ex[1] if isinstance(ex, tuple) else ex
        with self._lock:
            if self._joined:
                if error is not None and not isinstance(error, self._clean):
                    raise error
                return
            if not self._stop.is_set():
                if error is not None and not isinstance(error, self._clean):
                    self._error = error
                self._stop.set()

    def clear_stop(self) -> None:
        """Lets threads run again."""
        with self._lock:
            self._stop.clear()
            self._error, self._joined = None, False

    def should_stop(self) -> bool:
        """Returns whether somebody asked to stop."""
        return self._stop.is_set()

    @contextlib.contextmanager
    def stop_on_exception(self) -> Iterator[None]:
        """Asks to stop where the block raises; for the outermost block of a thread."""
        try:
            yield
        except BaseException:
            self.request_stop(ex=sys.exc_info())

    def wait_for_stop(self, timeout: float | None = None) -> bool:
        """Waits until somebody asks to stop; returns whether that happened in time."""
        return self._stop.wait(timeout)

    def join(
        self,
        threads: Iterable[threading.Thread] | None = None,
        stop_grace_period_secs: float = 120,
        ignore_live_threads: bool = False,
    ) -> None:
        """Waits for threads to end.

        Args:
          threads: Threads beside the registered ones.
          stop_grace_period_secs: How long they may take after somebody asked to stop.
          ignore_live_threads: Whether those that do not end are left alone.

        Raises:
          RuntimeError: Some do not end.
          Exception: What a thread gave `request_stop`.
        """
        waiting = [*self._threads, *(threads or ())]
        while any(thread.is_alive() for thread in waiting) and not self._stop.wait(0.1):
            pass
        until = time.monotonic() + stop_grace_period_secs
        alive = []
        for thread in waiting:
            thread.join(max(0.0, until - time.monotonic()))
            if thread.is_alive():
                alive.append(thread.name)
        with self._lock:
            self._joined = True
            self._threads = set()
        if self._error is not None:
            error, self._error = self._error, None
            raise error
        if alive and not ignore_live_threads:
            names = " ".join(alive)
            raise RuntimeError(
                f"Coordinator stopped with threads still running: {names}"
            )

    def raise_requested_exception(self) -> None:
        """Raises what a thread gave `request_stop`."""
        if self._error is not None:
            raise self._error


class LooperThread(threading.Thread):
    """Calls a function again and again until its coordinator asks to stop.

    Args:
      coord: The coordinator.
      timer_interval_secs: From the start of a call to that of the next; None for at once.
      target: What is called; by default `run_loop`, which a subclass has.
      args: Its arguments.
      kwargs: Its arguments by name.

    Source: `tf.compat.v1.train.LooperThread`.
    """

    def __init__(
        self,
        coord: Coordinator,
        timer_interval_secs: float | None,
        target: Callable[..., Any] | None = None,
        args: Any = None,
        kwargs: Any = None,
    ) -> None:
        super().__init__(daemon=True)
        self._coord, self._interval = coord, timer_interval_secs
        self._call, self._given, self._named = target, args or (), kwargs or {}
        coord.register_thread(self)

    @classmethod
    def loop(
        cls, coord: Coordinator, timer_interval_secs: Any, target: Any, *more: Any
    ) -> LooperThread:
        """Makes a thread and starts it."""
        thread = cls(coord, timer_interval_secs, target, *more)
        thread.start()
        return thread

    def run(self) -> None:
        """Loops."""
        with self._coord.stop_on_exception():
            self.start_loop()
            following = time.monotonic()
            while not self._coord.should_stop():
                self.run_loop()
                if self._interval is not None:
                    following += self._interval
                    self._coord.wait_for_stop(max(0.0, following - time.monotonic()))
            self.stop_loop()

    def start_loop(self) -> None:
        """Called once before the loop."""

    def stop_loop(self) -> None:
        """Called once after the loop."""

    def run_loop(self) -> None:
        """Calls the target."""
        if self._call is not None:
            self._call(*self._given, **self._named)
