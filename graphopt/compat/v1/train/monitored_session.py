"""Sessions that initialize or restore themselves and call hooks.

`MonitoredTrainingSession` finalizes the graph, restores the last checkpoint of its folder
or initializes variables, and then runs with hooks around each run. There is one process
here: a chief and a worker are the same.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from typing import Any

from graphopt.checkpoint import Saver, latest_checkpoint
from graphopt.compat.v1.summary import merge_all
from graphopt.compat.v1.train.coordinator import Coordinator
from graphopt.compat.v1.train.queue_runner import start_queue_runners
from graphopt.compat.v1.train.session_hooks import (
    CheckpointSaverHook,
    SessionRunArgs,
    SessionRunContext,
    SessionRunHook,
    SessionRunValues,
    StepCounterHook,
    SummarySaverHook,
)
from graphopt.errors import OutOfRangeError
from graphopt.graph.context import get_default_graph
from graphopt.ops.state import group
from graphopt.runtime.collections import (
    GraphKeys,
    global_variables,
    global_variables_initializer,
    variables_initializer,
)
from graphopt.runtime.run_options import RunMetadata, RunOptions
from graphopt.runtime.session import Session, not_initialized

USE_DEFAULT = object()


def _of_collection(key: str, default: Callable[[], Any]) -> Any:
    """Returns the one element of a collection, made and added if there is none."""
    found = get_default_graph().get_collection(key)
    if len(found) > 1:
        raise RuntimeError(f"More than one item in the collection {key!r}.")
    if not found:
        made = default()
        if made is not None:
            get_default_graph().add_to_collection(key, made)
        return made
    return found[0]


class Scaffold:
    """The ops around a training: initializer, summary, saver.

    Args:
      init_op: Initializes variables; by default all of the graph.
      init_feed_dict: Fed to it.
      init_fn: Called after it, with the scaffold and the session.
      ready_op: Accepted; variables without a value are found by the session.
      ready_for_local_init_op: Accepted, likewise.
      local_init_op: Initializes local variables and tables; run after a restore too.
      summary_op: By default all summaries of the graph.
      saver: By default one of all variables.
      copy_from_scaffold: Another one, whose ops are taken where none is given.
      local_init_feed_dict: Fed to `local_init_op`.

    Source: `tf.compat.v1.train.Scaffold`.
    """

    def __init__(
        self,
        init_op: Any = None,
        init_feed_dict: Any = None,
        init_fn: Callable[[Any, Any], Any] | None = None,
        ready_op: Any = None,
        ready_for_local_init_op: Any = None,
        local_init_op: Any = None,
        summary_op: Any = None,
        saver: Any = None,
        copy_from_scaffold: Scaffold | None = None,
        local_init_feed_dict: Any = None,
    ) -> None:
        other: Any = copy_from_scaffold
        self.init_op = init_op or (other and other.init_op)
        self.init_feed_dict = init_feed_dict or (other and other.init_feed_dict)
        given = init_fn or (other and other._init_fn)
        self._init_fn = given
        self.ready_op = ready_op or (other and other.ready_op)
        self.ready_for_local_init_op = ready_for_local_init_op
        self.local_init_op = local_init_op or (other and other.local_init_op)
        self.local_init_feed_dict = local_init_feed_dict
        self.summary_op = summary_op or (other and other.summary_op)
        self.saver = saver or (other and other.saver)

    @property
    def init_fn(self) -> Callable[[Any], Any] | None:
        """Called with the session after variables are initialized."""
        function = self._init_fn
        return None if function is None else lambda session: function(self, session)

    @staticmethod
    def get_or_default(arg_name: str, collection_key: str, default: Any) -> Any:
        """Returns the one element of a collection, made if there is none."""
        return _of_collection(collection_key, default)

    @staticmethod
    def default_local_init_op() -> Any:
        """Returns an op that initializes local variables and tables."""
        return _local_initializer()

    def finalize(self) -> Scaffold:
        """Makes the ops that are missing, and finalizes the graph."""
        if self.init_op is None:
            self.init_op = _of_collection(
                GraphKeys.INIT_OP, global_variables_initializer
            )
        if self.local_init_op is None:
            self.local_init_op = _of_collection(
                GraphKeys.LOCAL_INIT_OP, _local_initializer
            )
        if self.summary_op is None:
            self.summary_op = _of_collection(GraphKeys.SUMMARY_OP, merge_all)
        if self.saver is None and global_variables():
            self.saver = _of_collection(
                GraphKeys.SAVERS, lambda: Saver(sharded=True, allow_empty=True)
            )
        get_default_graph().finalize()
        return self


def _local_initializer() -> Any:
    graph = get_default_graph()
    variables = graph.get_collection(GraphKeys.LOCAL_VARIABLES)
    tables = graph.get_collection(GraphKeys.TABLE_INITIALIZERS)
    return group(variables_initializer(variables), *tables)


class SessionCreator:
    """Makes the session of a monitored session."""

    def create_session(self) -> Any:
        """Returns a session in which variables have values."""
        raise NotImplementedError(f"{type(self).__name__}.create_session")


class ChiefSessionCreator(SessionCreator):
    """Restores a checkpoint, or initializes variables.

    Source: `tf.compat.v1.train.ChiefSessionCreator`.
    """

    def __init__(
        self,
        scaffold: Scaffold | None = None,
        master: str = "",
        config: Any = None,
        checkpoint_dir: Any = None,
        checkpoint_filename_with_path: Any = None,
    ) -> None:
        self._scaffold = scaffold or Scaffold()
        self._config, self._folder = config, checkpoint_dir
        self._file = checkpoint_filename_with_path

    def create_session(self) -> Session:
        """Returns the session."""
        scaffold = self._scaffold.finalize()
        session = Session(graph=get_default_graph(), config=self._config)
        path = self._file
        if path is None and self._folder is not None:
            path = latest_checkpoint(os.fspath(self._folder))
        if path is not None and scaffold.saver is not None:
            scaffold.saver.restore(session, os.fspath(path))
        else:
            session.run(scaffold.init_op, scaffold.init_feed_dict)
            if scaffold.init_fn is not None:
                scaffold.init_fn(session)
        if scaffold.local_init_op is not None:
            session.run(scaffold.local_init_op, scaffold.local_init_feed_dict)
        missing = [each.name for each in not_initialized(session, global_variables())]
        if missing:
            raise RuntimeError(
                f"Variables without a value after init_op and init_fn: {missing}. Let "
                "init_op be tf.global_variables_initializer()."
            )
        return session


class WorkerSessionCreator(ChiefSessionCreator):
    """As `ChiefSessionCreator`: there is one process, which is the chief.

    Source: `tf.compat.v1.train.WorkerSessionCreator`.
    """


class _MonitoredSession:
    def __init__(
        self,
        session_creator: SessionCreator,
        hooks: Sequence[SessionRunHook] | None,
        stop_grace_period_secs: float = 120,
    ) -> None:
        self.graph = get_default_graph()
        self._hooks = list(hooks or ())
        self._grace = stop_grace_period_secs
        self._should_stop = False
        for hook in self._hooks:
            hook.begin()
        self._coordinator = Coordinator()
        self._session: Any = session_creator.create_session()
        start_queue_runners(self._session, self._coordinator)
        for hook in self._hooks:
            hook.after_create_session(self._session, self._coordinator)

    def run(
        self,
        fetches: Any,
        feed_dict: Any = None,
        options: Any = None,
        run_metadata: Any = None,
    ) -> Any:
        """Runs, with the hooks around it; as `Session.run`.

        Raises:
          RuntimeError: A hook asked to stop, or the session is closed.
        """
        if self._session is None:
            raise RuntimeError("Attempted to use a closed Session.")
        if self.should_stop():
            raise RuntimeError("Run called even after should_stop requested.")
        self._coordinator.raise_requested_exception()
        context = SessionRunContext(SessionRunArgs(fetches, feed_dict), self._session)
        wanted: list[Any] = [fetches]
        feeds = dict(feed_dict or {})
        places: dict[int, int] = {}
        for index, hook in enumerate(self._hooks):
            request = hook.before_run(context)
            if request is None:
                continue
            if request.fetches is not None:
                places[index] = len(wanted)
                wanted.append(request.fetches)
            for tensor, value in (request.feed_dict or {}).items():
                if tensor in feeds:
                    raise RuntimeError(f"{tensor} is fed by the caller and a hook.")
                feeds[tensor] = value
        metadata = run_metadata or RunMetadata()
        given = (
            {} if options is None else {"options": options, "run_metadata": metadata}
        )
        results = self._session.run(wanted, feeds, **given)
        for index, hook in enumerate(self._hooks):
            place = places.get(index)
            value = None if place is None else results[place]
            hook.after_run(
                context, SessionRunValues(value, options or RunOptions(), metadata)
            )
        self._should_stop = self._should_stop or context.stop_requested
        return results[0]

    def run_step_fn(self, step_fn: Callable[..., Any]) -> Any:
        """Calls a function with a `StepContext`, whose runs have hooks or not."""
        return step_fn(StepContext(self._session, self.run))

    def should_stop(self) -> bool:
        """Returns whether a hook or a thread asked to stop."""
        return (
            self._session is None
            or self._should_stop
            or self._coordinator.should_stop()
        )

    def close(self) -> None:
        """Calls the hooks' `end`, ends threads, closes the session."""
        self._close(None)

    def _close(self, error: Any) -> None:
        if self._session is None:
            return
        try:
            if error is None or issubclass(error, (OutOfRangeError, StopIteration)):
                for hook in self._hooks:
                    hook.end(self._session)
        finally:
            try:
                self._coordinator.request_stop()
                self._coordinator.join(stop_grace_period_secs=self._grace)
            finally:
                self._session.close()
                self._session = None

    def __enter__(self) -> Any:
        self._entered = self._session.graph.as_default()
        self._entered.__enter__()
        self._as_default = self._session.as_default()
        self._as_default.__enter__()
        return self

    def __exit__(self, error: Any, value: Any, place: Any) -> bool:
        self._as_default.__exit__(error, value, place)
        self._entered.__exit__(error, value, place)
        self._close(error)
        # The end of the data ends the training, and is no error.
        return error is not None and issubclass(error, (OutOfRangeError, StopIteration))


class StepContext:
    """What `run_step_fn` gives its function.

    Attributes:
      session: The session without hooks.
    """

    def __init__(self, session: Any, run_with_hooks: Callable[..., Any]) -> None:
        self.session, self._run = session, run_with_hooks

    def run_with_hooks(self, *arguments: Any, **keywords: Any) -> Any:
        """Runs as `MonitoredSession.run`."""
        return self._run(*arguments, **keywords)

    def request_stop(self) -> None:
        """Ends the function."""
        raise StopIteration("step_fn has requested the iterations to stop.")


class MonitoredSession(_MonitoredSession):
    """A session that initializes itself and calls hooks.

    Args:
      session_creator: How it is made; by default variables are initialized.
      hooks: See `SessionRunHook`.
      stop_grace_period_secs: How long threads may take to end.

    Source: `tf.compat.v1.train.MonitoredSession`.
    """

    StepContext = StepContext

    def __init__(
        self,
        session_creator: SessionCreator | None = None,
        hooks: Sequence[SessionRunHook] | None = None,
        stop_grace_period_secs: float = 120,
    ) -> None:
        creator = session_creator or ChiefSessionCreator()
        super().__init__(creator, hooks, stop_grace_period_secs)


class SingularMonitoredSession(_MonitoredSession):
    """As `MonitoredSession`, with the session itself at hand.

    Source: `tf.compat.v1.train.SingularMonitoredSession`.
    """

    def __init__(
        self,
        hooks: Sequence[SessionRunHook] | None = None,
        scaffold: Scaffold | None = None,
        master: str = "",
        config: Any = None,
        checkpoint_dir: Any = None,
        stop_grace_period_secs: float = 120,
        checkpoint_filename_with_path: Any = None,
    ) -> None:
        creator = ChiefSessionCreator(
            scaffold, master, config, checkpoint_dir, checkpoint_filename_with_path
        )
        super().__init__(creator, hooks, stop_grace_period_secs)

    def raw_session(self) -> Any:
        """Returns the session without hooks."""
        return self._session


def MonitoredTrainingSession(
    master: str = "",
    is_chief: bool = True,
    checkpoint_dir: Any = None,
    scaffold: Scaffold | None = None,
    hooks: Sequence[SessionRunHook] | None = None,
    chief_only_hooks: Sequence[SessionRunHook] | None = None,
    save_checkpoint_secs: Any = USE_DEFAULT,
    save_summaries_steps: Any = USE_DEFAULT,
    save_summaries_secs: Any = USE_DEFAULT,
    config: Any = None,
    stop_grace_period_secs: float = 120,
    log_step_count_steps: int | None = 100,
    max_wait_secs: float = 7200,
    save_checkpoint_steps: Any = USE_DEFAULT,
    summary_dir: Any = None,
    save_graph_def: bool = True,
) -> MonitoredSession:
    """Makes a session for training, with the usual hooks.

    Args:
      master: Accepted; there is one process.
      is_chief: Whether this process saves and writes summaries.
      checkpoint_dir: A folder that is restored from and saved into.
      scaffold: See `Scaffold`.
      hooks: Hooks of the program.
      chief_only_hooks: Hooks of the chief.
      save_checkpoint_secs: After how many seconds to save; by default 600.
      save_summaries_steps: After how many steps to write summaries; by default 100.
      save_summaries_secs: Or after how many seconds.
      config: Options of the session.
      stop_grace_period_secs: How long threads may take to end.
      log_step_count_steps: After how many steps the speed is written.
      max_wait_secs: Accepted for compatibility.
      save_checkpoint_steps: After how many steps to save.
      summary_dir: A folder for summaries; by default that of checkpoints.
      save_graph_def: Accepted for compatibility.

    >>> import graphopt as tf
    >>> v1 = tf.compat.v1
    >>> with tf.Graph().as_default():
    ...     w = v1.get_variable("w", [], initializer=v1.zeros_initializer())
    ...     step = v1.train.get_or_create_global_step()
    ...     train = v1.train.GradientDescentOptimizer(0.25).minimize((w - 1) ** 2, step)
    ...     hooks = [v1.train.StopAtStepHook(last_step=3)]
    ...     with v1.train.MonitoredTrainingSession(hooks=hooks) as session:
    ...         while not session.should_stop():
    ...             value, _ = session.run([w, train])
    ...         print(value)
    0.75

    Source: `tf.compat.v1.train.MonitoredTrainingSession`.
    """
    if save_summaries_steps is USE_DEFAULT and save_summaries_secs is USE_DEFAULT:
        save_summaries_steps, save_summaries_secs = 100, None
    if save_checkpoint_secs is USE_DEFAULT and save_checkpoint_steps is USE_DEFAULT:
        save_checkpoint_secs, save_checkpoint_steps = 600, None
    chosen = (
        None if each is USE_DEFAULT else each
        for each in (
            save_summaries_steps,
            save_summaries_secs,
            save_checkpoint_secs,
            save_checkpoint_steps,
        )
    )
    summary_steps, summary_secs, save_secs, save_steps = chosen
    scaffold = scaffold or Scaffold()
    all_hooks: list[SessionRunHook] = []
    if is_chief:
        folder = summary_dir or checkpoint_dir
        if folder:
            if log_step_count_steps:
                all_hooks.append(
                    StepCounterHook(log_step_count_steps, output_dir=folder)
                )
            if summary_steps or summary_secs:
                all_hooks.append(
                    SummarySaverHook(
                        summary_steps or None,
                        None if summary_steps else summary_secs,
                        output_dir=folder,
                        scaffold=scaffold,
                    )
                )
        if checkpoint_dir and (save_secs or save_steps):
            all_hooks.append(
                CheckpointSaverHook(
                    checkpoint_dir,
                    save_secs=None if save_steps else save_secs,
                    save_steps=save_steps or None,
                    scaffold=scaffold,
                )
            )
        all_hooks += chief_only_hooks or ()
    all_hooks += hooks or ()
    creator = ChiefSessionCreator(scaffold, master, config, checkpoint_dir)
    return MonitoredSession(creator, all_hooks, stop_grace_period_secs)
