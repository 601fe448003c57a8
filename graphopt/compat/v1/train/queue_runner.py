"""`QueueRunner`: threads that fill a queue."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import Any

from graphopt.errors import CancelledError, OutOfRangeError
from graphopt.graph.context import get_default_graph
from graphopt.runtime.collections import GraphKeys
from graphopt.runtime.names import get_default_session


class QueueRunner:
    """Runs ops that add to a queue, each in a thread of its own.

    Args:
      queue: The queue.
      enqueue_ops: The ops.
      close_op: What runs when the last thread has found the end of its data; the queue is
        closed by default.
      cancel_op: What runs when somebody asks to stop; by default the queue is closed, and
        who waits for room gets an error.
      queue_closed_exception_types: What means the end of the data: by default
        OutOfRangeError and CancelledError.
      queue_runner_def: Must be None.
      import_scope: Must be None.

    Source: `tf.compat.v1.train.QueueRunner`.
    """

    def __init__(
        self,
        queue: Any = None,
        enqueue_ops: Sequence[Any] | None = None,
        close_op: Any = None,
        cancel_op: Any = None,
        queue_closed_exception_types: Any = None,
        queue_runner_def: Any = None,
        import_scope: str | None = None,
    ) -> None:
        if queue_runner_def is not None or import_scope is not None:
            raise NotImplementedError("A QueueRunner is not made of a QueueRunnerDef.")
        if queue is None or not enqueue_ops:
            raise ValueError("Must provide queue and enqueue_ops.")
        self._queue, self._enqueue_ops = queue, list(enqueue_ops)
        self._close_op = close_op if close_op is not None else queue.close()
        self._cancel_op = (
            cancel_op
            if cancel_op is not None
            else queue.close(cancel_pending_enqueues=True)
        )
        self._ends = tuple(
            queue_closed_exception_types or (OutOfRangeError, CancelledError)
        )
        self._lock = threading.Lock()
        self._running: dict[int, int] = {}
        self._raised: list[Exception] = []

    @property
    def queue(self) -> Any:
        """The queue."""
        return self._queue

    @property
    def enqueue_ops(self) -> list[Any]:
        """The ops that add to it."""
        return self._enqueue_ops

    @property
    def close_op(self) -> Any:
        """What closes it at the end of the data."""
        return self._close_op

    @property
    def cancel_op(self) -> Any:
        """What closes it when somebody asks to stop."""
        return self._cancel_op

    @property
    def queue_closed_exception_types(self) -> tuple[type[Exception], ...]:
        """What means the end of the data."""
        return self._ends

    @property
    def exceptions_raised(self) -> list[Exception]:
        """What threads without a coordinator raised."""
        return self._raised

    @property
    def name(self) -> str:
        """The name of the queue."""
        return str(self._queue.name)

    def create_threads(
        self, sess: Any, coord: Any = None, daemon: bool = False, start: bool = False
    ) -> list[threading.Thread]:
        """Makes the threads of a session.

        Args:
          sess: The session.
          coord: A `Coordinator` that may ask them to stop, and gets what they raise.
          daemon: Whether the process may end before they do.
          start: Whether they are started.

        Returns:
          The threads; none if those of an earlier call are still at work.
        """
        with self._lock:
            if self._running.get(id(sess), 0) > 0:
                return []
            self._running[id(sess)] = len(self._enqueue_ops)
            self._raised = []
        threads = [
            threading.Thread(
                target=self._run, args=(sess, op, coord), name=f"QueueRunner {op.name}"
            )
            for op in self._enqueue_ops
        ]
        if coord is not None:
            threads.append(
                threading.Thread(
                    target=self._close_on_stop,
                    args=(sess, self._cancel_op, coord),
                    name=f"QueueRunner close {self.name}",
                )
            )
        for thread in threads:
            if coord is not None:
                coord.register_thread(thread)
            if daemon:
                thread.daemon = True
            if start:
                thread.start()
        return threads

    def _run(self, sess: Any, enqueue_op: Any, coord: Any) -> None:
        """Adds to the queue until the data or somebody ends it."""
        is_counted = True
        try:
            while not (coord is not None and coord.should_stop()):
                try:
                    sess.run(enqueue_op)
                except self._ends:
                    is_counted = False
                    if self._count_down(sess) == 0:
                        _run_quietly(sess, self._close_op)
                    return
        except Exception as error:
            if _is_closed(sess):
                return
            if coord is not None:
                coord.request_stop(error)
            else:
                with self._lock:
                    self._raised.append(error)
        finally:
            if is_counted:
                self._count_down(sess)

    def _count_down(self, sess: Any) -> int:
        with self._lock:
            self._running[id(sess)] -= 1
            return self._running[id(sess)]

    def _close_on_stop(self, sess: Any, cancel_op: Any, coord: Any) -> None:
        coord.wait_for_stop()
        _run_quietly(sess, cancel_op)

    def to_proto(self, export_scope: str | None = None) -> Any:
        """Not available: graphs are saved without their threads."""
        raise NotImplementedError("QueueRunner.to_proto.")

    @staticmethod
    def from_proto(queue_runner_def: Any, import_scope: str | None = None) -> Any:
        """Not available: graphs are saved without their threads."""
        raise NotImplementedError("QueueRunner.from_proto.")


def _is_closed(sess: Any) -> bool:
    store = getattr(sess, "store", None)
    return store is not None and store.is_cancelled


def _run_quietly(sess: Any, op: Any) -> None:
    """Closes a queue; in a session that is closed there is nothing to close."""
    try:
        sess.run(op)
    except (CancelledError, OutOfRangeError):
        pass
    except RuntimeError:
        if not _is_closed(sess):
            raise


def add_queue_runner(qr: Any, collection: str = GraphKeys.QUEUE_RUNNERS) -> None:
    """Adds a queue runner to those that `start_queue_runners` starts.

    Source: `tf.compat.v1.train.add_queue_runner`.
    """
    get_default_graph().add_to_collection(collection, qr)


def start_queue_runners(
    sess: Any = None,
    coord: Any = None,
    daemon: bool = True,
    start: bool = True,
    collection: str = GraphKeys.QUEUE_RUNNERS,
) -> list[threading.Thread]:
    """Starts the queue runners of the graph.

    Args:
      sess: The session; the default session if there is none.
      coord: A `Coordinator`.
      daemon: Whether the process may end before the threads do.
      start: Whether the threads are started.
      collection: Where the queue runners are.

    Returns:
      Their threads; none, if the program has no queues.

    Raises:
      ValueError: There is no session.

    Source: `tf.compat.v1.train.start_queue_runners`.
    """
    session = get_default_session() if sess is None else sess
    runners = getattr(session, "graph", None) or get_default_graph()
    found = runners.get_collection(collection)
    if session is None and found:
        raise ValueError(
            "Cannot start queue runners: No default session is registered. Use `with "
            "sess.as_default()` or pass an explicit session to "
            "tf.start_queue_runners(sess=sess)"
        )
    threads: list[threading.Thread] = []
    for runner in found:
        threads += runner.create_threads(session, coord, daemon, start)
    return threads
