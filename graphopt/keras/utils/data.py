"""`Sequence`, what loads one in the background, and splits of data."""

from __future__ import annotations

import queue
import random
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any


class Sequence:
    """Batches that can be asked for by number; a base class.

    A subclass defines `__getitem__(index)`, which returns a batch `(x, y)` or
    `(x, y, sample_weight)`, and `__len__()`.

    Source: `tf.keras.utils.Sequence`; `keras.utils.PyDataset` of Keras 3.
    """

    def __init__(
        self,
        workers: int = 1,
        use_multiprocessing: bool = False,
        max_queue_size: int = 10,
    ) -> None:
        self.workers, self.use_multiprocessing = workers, use_multiprocessing
        self.max_queue_size = max_queue_size

    def __getitem__(self, index: int) -> Any:
        """Returns a batch."""
        raise NotImplementedError(f"{type(self).__name__} must define __getitem__.")

    def __len__(self) -> int:
        """Returns how many batches there are."""
        raise NotImplementedError(f"{type(self).__name__} must define __len__.")

    @property
    def num_batches(self) -> int:
        """How many batches there are; the name of Keras 3."""
        return len(self)

    def on_epoch_begin(self) -> None:
        """Called before each epoch."""

    def on_epoch_end(self) -> None:
        """Called after each epoch."""

    def __iter__(self) -> Iterator[Any]:
        return (self[index] for index in range(len(self)))


class SequenceEnqueuer:
    """Makes batches in threads before they are asked for; a base class.

    Args:
      sequence: Where they come from.
      use_multiprocessing: Accepted: threads do the work.
    """

    def __init__(self, sequence: Any, use_multiprocessing: bool = False) -> None:
        self.sequence, self.use_multiprocessing = sequence, use_multiprocessing
        self.queue: queue.Queue[Future[Any] | None] = queue.Queue()
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None
        self.workers = 0

    def is_running(self) -> bool:
        """Whether it was started and not stopped."""
        return self._thread is not None and not self._stopped.is_set()

    def start(self, workers: int = 1, max_queue_size: int = 10) -> None:
        """Starts the threads.

        Args:
          workers: How many there are.
          max_queue_size: How many batches wait at most.
        """
        self.workers = workers
        self.queue = queue.Queue(max_queue_size)
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self, timeout: float | None = None) -> None:
        """Ends the threads; batches that wait are lost."""
        self._stopped.set()
        while True:
            try:
                self.queue.get_nowait()
            except queue.Empty:
                break
        if self._thread is not None:
            self._thread.join(timeout)

    def _put(self, item: Future[Any] | None) -> bool:
        """Waits for room; False if it was stopped in the meantime."""
        while not self._stopped.is_set():
            try:
                self.queue.put(item, timeout=0.1)
            except queue.Full:
                continue
            return True
        return False

    def _run(self) -> None:
        raise NotImplementedError

    def get(self) -> Iterator[Any]:
        """Yields the batches, in their order.

        What goes wrong while one is made is raised here.
        """
        while self.is_running():
            try:
                item = self.queue.get(timeout=0.1)
            except queue.Empty:
                continue
            if item is None:
                return
            try:
                batch = item.result()
            except BaseException:
                self.stop()
                raise
            if batch is not None:
                yield batch


class OrderedEnqueuer(SequenceEnqueuer):
    """Makes the batches of a `Sequence` in threads, epoch after epoch.

    Args:
      sequence: The batches.
      use_multiprocessing: Accepted: threads do the work.
      shuffle: Whether each epoch has another order.

    Source: `tf.keras.utils.OrderedEnqueuer`.
    """

    def __init__(
        self, sequence: Any, use_multiprocessing: bool = False, shuffle: bool = False
    ) -> None:
        super().__init__(sequence, use_multiprocessing)
        self.shuffle = shuffle

    def _run(self) -> None:
        order = list(range(len(self.sequence)))
        with ThreadPoolExecutor(max(self.workers, 1)) as pool:
            while not self._stopped.is_set():
                if self.shuffle:
                    random.shuffle(order)
                waiting = []
                for index in order:
                    item = pool.submit(self.sequence.__getitem__, index)
                    if not self._put(item):
                        return
                    waiting.append(item)
                for item in waiting:
                    # An error is raised in `get`.
                    item.exception()
                self.sequence.on_epoch_end()


class GeneratorEnqueuer(SequenceEnqueuer):
    """Takes batches from a generator in a thread.

    Args:
      generator: The batches.
      use_multiprocessing: Accepted: a thread does the work.
      random_seed: Accepted.

    Source: `tf.keras.utils.GeneratorEnqueuer`.
    """

    def __init__(
        self,
        generator: Any,
        use_multiprocessing: bool = False,
        random_seed: int | None = None,
    ) -> None:
        super().__init__(generator, use_multiprocessing)
        self.random_seed = random_seed

    def _run(self) -> None:
        # A generator cannot run in two threads at once.
        iterator = iter(self.sequence)
        while not self._stopped.is_set():
            item: Future[Any] = Future()
            try:
                item.set_result(next(iterator))
            except StopIteration:
                self._put(None)
                return
            except BaseException as error:
                item.set_exception(error)
                self._put(item)
                return
            if not self._put(item):
                return
