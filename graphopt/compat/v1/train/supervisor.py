"""`Supervisor`: what monitored sessions were before, and `SessionManager` under it."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from graphopt.checkpoint import Saver, latest_checkpoint
from graphopt.compat.v1 import logging
from graphopt.compat.v1.summary import FileWriter, merge_all
from graphopt.compat.v1.train.coordinator import Coordinator, LooperThread
from graphopt.compat.v1.train.monitored_session import _local_initializer
from graphopt.compat.v1.train.queue_runner import start_queue_runners
from graphopt.compat.v1.train.steps import get_global_step
from graphopt.graph.context import get_default_graph
from graphopt.runtime.collections import global_variables, global_variables_initializer
from graphopt.runtime.session import Session, not_initialized

USE_DEFAULT = object()


class SessionManager:
    """Makes sessions in which variables are restored or initialized.

    Source: `tf.compat.v1.train.SessionManager`.
    """

    def __init__(
        self,
        local_init_op: Any = None,
        ready_op: Any = None,
        ready_for_local_init_op: Any = None,
        graph: Any = None,
        recovery_wait_secs: float = 30,
        local_init_run_options: Any = None,
        local_init_feed_dict: Any = None,
    ) -> None:
        self._local_init_op = local_init_op
        self._local_feeds = local_init_feed_dict
        self._graph = graph or get_default_graph()

    def prepare_session(
        self,
        master: str = "",
        init_op: Any = None,
        saver: Any = None,
        checkpoint_dir: Any = None,
        checkpoint_filename_with_path: Any = None,
        wait_for_checkpoint: bool = False,
        max_wait_secs: float = 7200,
        config: Any = None,
        init_feed_dict: Any = None,
        init_fn: Callable[[Any], Any] | None = None,
    ) -> Session:
        """Returns a session with the last checkpoint, or with initial values.

        Raises:
          RuntimeError: There is neither a checkpoint nor an initializer, or variables
            have no value after it.
        """
        session, restored = self.recover_session(
            master,
            saver,
            checkpoint_dir,
            checkpoint_filename_with_path,
            config=config,
        )
        if not restored:
            if init_op is None and init_fn is None and self._local_init_op is None:
                raise RuntimeError(
                    "Model is not initialized and no init_op or init_fn or local_init_op "
                    "was given"
                )
            if init_op is not None:
                session.run(init_op, init_feed_dict)
            if init_fn is not None:
                init_fn(session)
        if self._local_init_op is not None:
            session.run(self._local_init_op, self._local_feeds)
        missing = [each.name for each in not_initialized(session, global_variables())]
        if missing:
            raise RuntimeError(f"Init operations did not make model ready: {missing}")
        return session

    def recover_session(
        self,
        master: str = "",
        saver: Any = None,
        checkpoint_dir: Any = None,
        checkpoint_filename_with_path: Any = None,
        wait_for_checkpoint: bool = False,
        max_wait_secs: float = 7200,
        config: Any = None,
    ) -> tuple[Session, bool]:
        """Returns a session, and whether a checkpoint was restored."""
        session = Session(graph=self._graph, config=config)
        path = checkpoint_filename_with_path
        if path is None and checkpoint_dir is not None:
            path = latest_checkpoint(os.fspath(checkpoint_dir))
        if saver is None or path is None:
            return session, False
        saver.restore(session, os.fspath(path))
        return session, True

    def wait_for_session(
        self, master: str = "", config: Any = None, max_wait_secs: float = 7200
    ) -> Session:
        """Returns a session; in the one process there is nobody to wait for."""
        return Session(graph=self._graph, config=config)


class Supervisor:
    """Restores or initializes variables, saves and writes summaries in threads.

    Args:
      graph: The graph; by default the current one.
      ready_op: Accepted for compatibility.
      ready_for_local_init_op: Accepted for compatibility.
      is_chief: Whether this process saves and writes.
      init_op: By default all variables are initialized; None for `init_fn` alone.
      init_feed_dict: Fed to it.
      local_init_op: By default local variables and tables.
      logdir: A folder for checkpoints and summaries.
      summary_op: By default all summaries; None for none.
      saver: By default one of all variables; None for none.
      global_step: By default that of the graph.
      save_summaries_secs: Seconds from summary to summary.
      save_model_secs: Seconds from save to save.
      recovery_wait_secs: Accepted for compatibility.
      stop_grace_secs: How long threads may take to end.
      checkpoint_basename: How files begin.
      session_manager: Makes sessions.
      summary_writer: By default one of `logdir`; None for none.
      init_fn: Called with the session after variables are initialized.
      local_init_run_options: Accepted for compatibility.

    Source: `tf.compat.v1.train.Supervisor`.
    """

    USE_DEFAULT = USE_DEFAULT

    def __init__(
        self,
        graph: Any = None,
        ready_op: Any = USE_DEFAULT,
        ready_for_local_init_op: Any = USE_DEFAULT,
        is_chief: bool = True,
        init_op: Any = USE_DEFAULT,
        init_feed_dict: Any = None,
        local_init_op: Any = USE_DEFAULT,
        logdir: Any = None,
        summary_op: Any = USE_DEFAULT,
        saver: Any = USE_DEFAULT,
        global_step: Any = USE_DEFAULT,
        save_summaries_secs: float = 120,
        save_model_secs: float = 600,
        recovery_wait_secs: float = 30,
        stop_grace_secs: float = 120,
        checkpoint_basename: str = "model.ckpt",
        session_manager: SessionManager | None = None,
        summary_writer: Any = USE_DEFAULT,
        init_fn: Callable[[Any], Any] | None = None,
        local_init_run_options: Any = None,
    ) -> None:
        def choose(given: Any, default: Callable[[], Any]) -> Any:
            return default() if given is USE_DEFAULT else given

        self._graph = graph or get_default_graph()
        self._coord = Coordinator()
        self._grace = stop_grace_secs
        self.is_chief = is_chief
        self.init_feed_dict, self.init_fn = init_feed_dict, init_fn
        self.save_summaries_secs = save_summaries_secs
        self.save_model_secs = save_model_secs
        self._logdir = None if logdir is None else os.fspath(logdir)
        with self._graph.as_default():
            self.init_op = choose(init_op, global_variables_initializer)
            self.local_init_op = choose(local_init_op, _local_initializer)
            self.saver = choose(saver, lambda: Saver() if global_variables() else None)
            self.summary_op = choose(summary_op, merge_all)
            self.global_step = choose(global_step, get_global_step)
            self.summary_writer = None
            if is_chief:
                self.summary_writer = choose(summary_writer, self._make_writer)
        self.save_path = ""
        if self._logdir is not None:
            self.save_path = str(Path(self._logdir) / checkpoint_basename)
        self.session_manager = session_manager or SessionManager(
            local_init_op=self.local_init_op, graph=self._graph
        )
        self._graph.finalize()

    def _make_writer(self) -> Any:
        return None if self._logdir is None else FileWriter(self._logdir, self._graph)

    @property
    def coord(self) -> Coordinator:
        """The coordinator of the threads."""
        return self._coord

    def should_stop(self) -> bool:
        """Returns whether somebody asked to stop."""
        return self._coord.should_stop()

    def request_stop(self, ex: Any = None) -> None:
        """Asks all threads to stop."""
        self._coord.request_stop(ex)

    def stop_on_exception(self) -> Any:
        """Asks to stop where the block raises."""
        return self._coord.stop_on_exception()

    def wait_for_stop(self) -> None:
        """Waits until somebody asks to stop."""
        self._coord.wait_for_stop()

    def prepare_or_wait_for_session(
        self,
        master: str = "",
        config: Any = None,
        wait_for_checkpoint: bool = False,
        max_wait_secs: float = 7200,
        start_standard_services: bool = True,
    ) -> Session:
        """Returns a session with values, and starts the threads."""
        self._coord.clear_stop()
        with self._graph.as_default():
            session = self.session_manager.prepare_session(
                master,
                init_op=self.init_op,
                saver=self.saver,
                checkpoint_dir=self._logdir,
                config=config,
                init_feed_dict=self.init_feed_dict,
                init_fn=self.init_fn,
            )
        if start_standard_services and self.is_chief:
            self.start_standard_services(session)
        with self._graph.as_default():
            start_queue_runners(session, self._coord)
        return session

    PrepareSession = prepare_or_wait_for_session

    @contextlib.contextmanager
    def managed_session(
        self,
        master: str = "",
        config: Any = None,
        start_standard_services: bool = True,
        close_summary_writer: bool = True,
    ) -> Iterator[Session]:
        """Gives a session for a block, and stops threads after it."""
        try:
            session = self.prepare_or_wait_for_session(
                master, config, start_standard_services=start_standard_services
            )
            with session.as_default():
                yield session
        except Exception as error:
            self.request_stop(error)
        finally:
            try:
                self.stop(close_summary_writer=close_summary_writer)
            finally:
                with contextlib.suppress(Exception):
                    session.close()

    def start_standard_services(self, sess: Session) -> list[LooperThread]:
        """Starts the threads that save and write summaries, where there is a folder."""
        if self._logdir is None:
            logging.warning("No logdir: nothing is saved and no summaries are written.")
            return []
        threads = []
        if (
            self.summary_op is not None
            and self.summary_writer
            and self.save_summaries_secs
        ):
            threads.append(
                LooperThread(
                    self._coord,
                    self.save_summaries_secs,
                    lambda: self.summary_computed(sess, sess.run(self.summary_op)),
                )
            )
        if self.saver and self.save_model_secs:
            threads.append(
                LooperThread(
                    self._coord, self.save_model_secs, lambda: self._save(sess)
                )
            )
        for each in threads:
            each.start()
        return threads

    def _save(self, session: Session) -> None:
        Path(self.save_path).parent.mkdir(parents=True, exist_ok=True)
        self.saver.save(session, self.save_path, global_step=self._step(session))

    def _step(self, session: Session) -> Any:
        step = self.global_step
        return None if step is None else int(session.run(step))

    def summary_computed(
        self, sess: Session, summary: Any, global_step: Any = None
    ) -> None:
        """Writes a summary.

        Raises:
          RuntimeError: There is no writer.
        """
        if not self.summary_writer:
            raise RuntimeError("Writing a summary requires a summary writer.")
        step = self._step(sess) if global_step is None else global_step
        self.summary_writer.add_summary(summary, step)

    def loop(self, timer_interval_secs: Any, target: Any, *more: Any) -> LooperThread:
        """Calls a function again and again in a thread."""
        return LooperThread.loop(self._coord, timer_interval_secs, target, *more)

    def start_queue_runners(self, sess: Session, queue_runners: Any = None) -> Any:
        """Starts the queue runners of the graph."""
        with self._graph.as_default():
            return start_queue_runners(sess, self._coord)

    def stop(
        self,
        threads: Any = None,
        close_summary_writer: bool = True,
        ignore_live_threads: bool = False,
    ) -> None:
        """Stops the threads, and raises what one of them raised."""
        self._coord.request_stop()
        try:
            self._coord.join(threads, self._grace, ignore_live_threads)
        finally:
            if close_summary_writer and self.summary_writer:
                self.summary_writer.close()

    Stop, ShouldStop, RequestStop = stop, should_stop, request_stop
    StopOnException, WaitForStop = stop_on_exception, wait_for_stop
    Loop, SummaryComputed = loop, summary_computed
    StartStandardServices, StartQueueRunners = (
        start_standard_services,
        start_queue_runners,
    )
