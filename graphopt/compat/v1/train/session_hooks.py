"""Hooks: what is to happen before and after each run of a monitored session.

A hook may add fetches and feeds to a run and sees their values after it. The global step
that the hooks here read is read behind the ops of the program, so that it is the one after
the step that was run.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from graphopt.checkpoint import Saver
from graphopt.compat.v1 import logging
from graphopt.compat.v1.summary import FileWriterCache
from graphopt.compat.v1.train.steps import get_global_step
from graphopt.files import messages as m
from graphopt.graph.context import get_default_graph
from graphopt.ops.shaping import identity


class SessionRunArgs(NamedTuple):
    """What a hook adds to a run.

    Attributes:
      fetches: A structure of tensors and operations.
      feed_dict: Values of tensors.
      options: Options of the run.
    """

    fetches: Any
    feed_dict: Any = None
    options: Any = None


class SessionRunValues(NamedTuple):
    """What a run gave a hook.

    Attributes:
      results: The values of its fetches, None if it had none.
      options: Options of the run.
      run_metadata: What was noted in it.
    """

    results: Any
    options: Any
    run_metadata: Any


class SessionRunContext:
    """What a hook knows of a run, and how it ends the training.

    Attributes:
      original_args: What the program wants of the run.
      session: The session.
    """

    def __init__(self, original_args: SessionRunArgs, session: Any) -> None:
        self.original_args, self.session = original_args, session
        self._stop = False

    @property
    def stop_requested(self) -> bool:
        """Whether a hook asked to stop."""
        return self._stop

    def request_stop(self) -> None:
        """Makes `should_stop` of the session true."""
        self._stop = True


class SessionRunHook:
    """Base class of hooks.

    Source: `tf.estimator.SessionRunHook`.
    """

    def begin(self) -> None:
        """Called once before the session is made; may still add to the graph."""

    def after_create_session(self, session: Any, coord: Any) -> None:
        """Called when the session is made and variables are initialized."""

    def before_run(self, run_context: SessionRunContext) -> SessionRunArgs | None:
        """Called before each run; returns what it adds to it."""
        return None

    def after_run(
        self, run_context: SessionRunContext, run_values: SessionRunValues
    ) -> None:
        """Called after each run that did not raise."""

    def end(self, session: Any) -> None:
        """Called at the end, unless the program raised."""


def _step_tensor(hook: SessionRunHook) -> Any:
    step = get_global_step()
    if step is None:
        raise RuntimeError(
            f"Global step should be created to use {type(hook).__name__}; try "
            "tf.train.get_or_create_global_step()."
        )
    return identity(step.read_value())


class SecondOrStepTimer:
    """Says when so many seconds or steps have passed.

    Source: `tf.estimator.SecondOrStepTimer`.
    """

    def __init__(
        self, every_secs: float | None = None, every_steps: int | None = None
    ) -> None:
        if (every_secs is None) == (every_steps is None):
            raise ValueError(
                "exactly one of every_secs and every_steps should be provided."
            )
        self._every_secs, self._every_steps = every_secs, every_steps
        self.reset()

    def reset(self) -> None:
        """Forgets when it was triggered."""
        self._step: int | None = None
        self._time: float | None = None

    def should_trigger_for_step(self, step: int) -> bool:
        """Returns whether it is time."""
        if self._step is None or self._time is None:
            return True
        if self._step == step:
            return False
        if self._every_secs is not None:
            return time.time() >= self._time + self._every_secs
        assert self._every_steps is not None
        return step >= self._step + self._every_steps

    def update_last_triggered_step(self, step: int) -> tuple[float | None, int | None]:
        """Notes that it was triggered; returns seconds and steps since the last time."""
        now = time.time()
        elapsed: tuple[float | None, int | None] = (None, None)
        if self._time is not None and self._step is not None:
            elapsed = now - self._time, step - self._step
        self._time, self._step = now, step
        return elapsed

    def last_triggered_step(self) -> int | None:
        """Returns the step when it was triggered last."""
        return self._step


class StopAtStepHook(SessionRunHook):
    """Stops after a number of steps, or at one.

    Args:
      num_steps: How many steps from the first on.
      last_step: The global step at which to stop.

    Source: `tf.estimator.StopAtStepHook`.
    """

    def __init__(
        self, num_steps: int | None = None, last_step: int | None = None
    ) -> None:
        if (num_steps is None) == (last_step is None):
            raise ValueError("Exactly one of num_steps or last_step must be specified.")
        self._num_steps, self._last_step = num_steps, last_step

    def begin(self) -> None:
        """Finds the global step."""
        self._tensor = _step_tensor(self)

    def after_create_session(self, session: Any, coord: Any) -> None:
        """Counts from where the session stands."""
        if self._last_step is None:
            assert self._num_steps is not None
            self._last_step = int(session.run(self._tensor)) + self._num_steps

    def before_run(self, run_context: SessionRunContext) -> SessionRunArgs:
        """Fetches the global step."""
        return SessionRunArgs(self._tensor)

    def after_run(
        self, run_context: SessionRunContext, run_values: SessionRunValues
    ) -> None:
        """Stops at the last step."""
        assert self._last_step is not None
        if run_values.results >= self._last_step:
            run_context.request_stop()


class LoggingTensorHook(SessionRunHook):
    """Writes values of tensors as messages.

    Args:
      tensors: A list, or a dict by what they are called in the message.
      every_n_iter: After how many runs.
      every_n_secs: Or after how many seconds.
      at_end: Whether at the end.
      formatter: From a dict of values to the message.

    Source: `tf.estimator.LoggingTensorHook`.
    """

    def __init__(
        self,
        tensors: Any,
        every_n_iter: int | None = None,
        every_n_secs: float | None = None,
        at_end: bool = False,
        formatter: Callable[[dict[str, Any]], str] | None = None,
    ) -> None:
        given = (every_n_iter is not None) + (every_n_secs is not None)
        if given > 1 or not (given or at_end):
            raise ValueError(
                "either at_end and/or exactly one of every_n_iter and every_n_secs must "
                "be provided."
            )
        if every_n_iter is not None and every_n_iter <= 0:
            raise ValueError(f"invalid every_n_iter={every_n_iter}.")
        if not isinstance(tensors, dict):
            tensors = {getattr(each, "name", each): each for each in tensors}
        self._tensors, self._formatter, self._at_end = tensors, formatter, at_end
        self._timer = None
        if given:
            self._timer = SecondOrStepTimer(every_n_secs, every_n_iter)

    def begin(self) -> None:
        """Finds tensors that are given by name."""
        graph = get_default_graph()
        self._current = {
            tag: graph.as_graph_element(each) if isinstance(each, str) else each
            for tag, each in self._tensors.items()
        }
        self._count = 0
        if self._timer is not None:
            self._timer.reset()

    def before_run(self, run_context: SessionRunContext) -> SessionRunArgs | None:
        """Fetches the tensors where it is time."""
        self._wanted = self._timer is not None and self._timer.should_trigger_for_step(
            self._count
        )
        return SessionRunArgs(self._current) if self._wanted else None

    def after_run(
        self, run_context: SessionRunContext, run_values: SessionRunValues
    ) -> None:
        """Writes the message."""
        if self._wanted:
            self._log(run_values.results)
        self._count += 1

    def end(self, session: Any) -> None:
        """Writes a last message."""
        if self._at_end:
            self._log(session.run(self._current))

    def _log(self, values: dict[str, Any]) -> None:
        elapsed = None
        if self._timer is not None:
            elapsed, _ = self._timer.update_last_triggered_step(self._count)
        if self._formatter is not None:
            logging.info(self._formatter(values))
            return
        shown = ", ".join(f"{tag} = {values[tag]}" for tag in self._current)
        ending = "" if elapsed is None else f" ({elapsed:.3f} sec)"
        logging.info("%s%s", shown, ending)


class NanLossDuringTrainingError(RuntimeError):
    """The loss is no number."""

    def __str__(self) -> str:
        return "NaN loss during training."


class NanTensorHook(SessionRunHook):
    """Ends the training where a loss is NaN.

    Args:
      loss_tensor: The loss.
      fail_on_nan_loss: Whether to raise, or to stop.

    Source: `tf.estimator.NanTensorHook`.
    """

    def __init__(self, loss_tensor: Any, fail_on_nan_loss: bool = True) -> None:
        self._loss, self._fail = loss_tensor, fail_on_nan_loss

    def before_run(self, run_context: SessionRunContext) -> SessionRunArgs:
        """Fetches the loss."""
        return SessionRunArgs(self._loss)

    def after_run(
        self, run_context: SessionRunContext, run_values: SessionRunValues
    ) -> None:
        """Looks at it."""
        if not np.isnan(run_values.results):
            return
        if self._fail:
            logging.error("Model diverged with loss = NaN.")
            raise NanLossDuringTrainingError
        logging.warning("Model diverged with loss = NaN.")
        run_context.request_stop()


class CheckpointSaverListener:
    """What happens around each save of `CheckpointSaverHook`.

    Source: `tf.estimator.CheckpointSaverListener`.
    """

    def begin(self) -> None:
        """Called once before the session is made."""

    def before_save(self, session: Any, global_step_value: int) -> None:
        """Called before a save."""

    def after_save(self, session: Any, global_step_value: int) -> bool | None:
        """Called after a save; returns True to stop the training."""
        return None

    def end(self, session: Any, global_step_value: int) -> None:
        """Called at the end."""


class CheckpointSaverHook(SessionRunHook):
    """Saves variables every so many steps or seconds, at the start and at the end.

    Args:
      checkpoint_dir: The folder.
      save_secs: After how many seconds.
      save_steps: Or after how many steps.
      saver: A saver; by default that of the scaffold.
      checkpoint_basename: How files begin.
      scaffold: A scaffold with a saver.
      listeners: See `CheckpointSaverListener`.
      save_graph_def: Whether the graph is written beside it.

    Source: `tf.estimator.CheckpointSaverHook`.
    """

    def __init__(
        self,
        checkpoint_dir: Any,
        save_secs: float | None = None,
        save_steps: int | None = None,
        saver: Any = None,
        checkpoint_basename: str = "model.ckpt",
        scaffold: Any = None,
        listeners: Sequence[CheckpointSaverListener] | None = None,
        save_graph_def: bool = True,
    ) -> None:
        if saver is not None and scaffold is not None:
            raise ValueError("You cannot provide both saver and scaffold.")
        self._folder = os.fspath(checkpoint_dir)
        self._path = str(Path(self._folder) / checkpoint_basename)
        self._saver, self._scaffold = saver, scaffold
        self._timer = SecondOrStepTimer(save_secs, save_steps)
        self._listeners = list(listeners or ())

    def begin(self) -> None:
        """Finds the global step."""
        self._tensor = _step_tensor(self)
        for each in self._listeners:
            each.begin()

    def after_create_session(self, session: Any, coord: Any) -> None:
        """Saves what the training starts with."""
        step = int(session.run(self._tensor))
        self._save(session, step)
        self._timer.update_last_triggered_step(step)

    def before_run(self, run_context: SessionRunContext) -> SessionRunArgs:
        """Fetches the global step."""
        return SessionRunArgs(self._tensor)

    def after_run(
        self, run_context: SessionRunContext, run_values: SessionRunValues
    ) -> None:
        """Saves where it is time."""
        step = int(run_values.results)
        if self._timer.should_trigger_for_step(step):
            self._timer.update_last_triggered_step(step)
            if self._save(run_context.session, step):
                run_context.request_stop()

    def end(self, session: Any) -> None:
        """Saves what the training ends with."""
        step = int(session.run(self._tensor))
        if step != self._timer.last_triggered_step():
            self._save(session, step)
        for each in self._listeners:
            each.end(session, step)

    def _save(self, session: Any, step: int) -> bool:
        for each in self._listeners:
            each.before_save(session, step)
        Path(self._folder).mkdir(parents=True, exist_ok=True)
        self._find_saver().save(session, self._path, global_step=step)
        logging.info("Saving checkpoints for %d into %s.", step, self._path)
        return any([bool(each.after_save(session, step)) for each in self._listeners])

    def _find_saver(self) -> Any:
        if self._saver is None:
            scaffold = self._scaffold
            self._saver = Saver() if scaffold is None else scaffold.saver
        return self._saver


class StepCounterHook(SessionRunHook):
    """Writes how many steps a second are made, as a message and a summary.

    Args:
      every_n_steps: After how many steps.
      every_n_secs: Or after how many seconds.
      output_dir: A folder for the summary.
      summary_writer: Or a writer.

    Source: `tf.estimator.StepCounterHook`.
    """

    def __init__(
        self,
        every_n_steps: int | None = 100,
        every_n_secs: float | None = None,
        output_dir: Any = None,
        summary_writer: Any = None,
    ) -> None:
        if every_n_secs is not None and every_n_steps == 100:
            every_n_steps = None
        self._timer = SecondOrStepTimer(every_n_secs, every_n_steps)
        self._writer, self._folder = summary_writer, output_dir

    def begin(self) -> None:
        """Finds the global step."""
        if self._writer is None and self._folder is not None:
            self._writer = FileWriterCache.get(self._folder)
        step = get_global_step()
        self._tensor = _step_tensor(self)
        self._tag = f"{step.op.name}/sec"

    def before_run(self, run_context: SessionRunContext) -> SessionRunArgs:
        """Fetches the global step."""
        return SessionRunArgs(self._tensor)

    def after_run(
        self, run_context: SessionRunContext, run_values: SessionRunValues
    ) -> None:
        """Writes where it is time."""
        step = int(run_values.results)
        if not self._timer.should_trigger_for_step(step):
            return
        seconds, steps = self._timer.update_last_triggered_step(step)
        if not seconds or steps is None:
            return
        rate = steps / seconds
        if self._writer is not None:
            value = m.SummaryValue(tag=self._tag, simple_value=rate)
            self._writer.add_summary(m.Summary(value=[value]), step)
        logging.info("%s: %g", self._tag, rate)


class SummarySaverHook(SessionRunHook):
    """Writes summaries every so many steps or seconds.

    Args:
      save_steps: After how many steps.
      save_secs: Or after how many seconds.
      output_dir: A folder.
      summary_writer: Or a writer.
      scaffold: A scaffold with a summary.
      summary_op: Or a summary, or a list of them.

    Source: `tf.estimator.SummarySaverHook`.
    """

    def __init__(
        self,
        save_steps: int | None = None,
        save_secs: float | None = None,
        output_dir: Any = None,
        summary_writer: Any = None,
        scaffold: Any = None,
        summary_op: Any = None,
    ) -> None:
        if (scaffold is None) == (summary_op is None):
            raise ValueError("Exactly one of scaffold or summary_op must be provided.")
        self._summary, self._scaffold = summary_op, scaffold
        self._writer, self._folder = summary_writer, output_dir
        self._timer = SecondOrStepTimer(save_secs, save_steps)

    def begin(self) -> None:
        """Finds the global step."""
        if self._writer is None and self._folder is not None:
            self._writer = FileWriterCache.get(self._folder)
        self._tensor = _step_tensor(self)
        self._following: int | None = None

    def before_run(self, run_context: SessionRunContext) -> SessionRunArgs:
        """Fetches the summary where it is time."""
        following = self._following
        self._wanted = following is None or self._timer.should_trigger_for_step(
            following
        )
        fetches = {"global_step": self._tensor}
        found = self._find_summary()
        if self._wanted and found is not None:
            fetches["summary"] = found
        return SessionRunArgs(fetches)

    def after_run(
        self, run_context: SessionRunContext, run_values: SessionRunValues
    ) -> None:
        """Writes it."""
        step = int(run_values.results["global_step"])
        if self._wanted:
            self._timer.update_last_triggered_step(step)
            found = run_values.results.get("summary")
            if found is not None and self._writer is not None:
                for each in found if isinstance(found, list) else [found]:
                    self._writer.add_summary(each, step)
        self._following = step + 1

    def end(self, session: Any) -> None:
        """Hands what was written to the operating system."""
        if self._writer is not None:
            self._writer.flush()

    def _find_summary(self) -> Any:
        if self._summary is not None:
            return self._summary
        return self._scaffold.summary_op


class GlobalStepWaiterHook(SessionRunHook):
    """Waits, before the first run, until the global step is there.

    Source: `tf.estimator.GlobalStepWaiterHook`.
    """

    def __init__(self, wait_until_step: int) -> None:
        self._until = wait_until_step
        self._is_done = False

    def begin(self) -> None:
        """Finds the global step."""
        self._tensor = _step_tensor(self)

    def before_run(self, run_context: SessionRunContext) -> None:
        """Waits."""
        while not self._is_done:
            self._is_done = int(run_context.session.run(self._tensor)) >= self._until
            if not self._is_done:
                time.sleep(0.5)


class FinalOpsHook(SessionRunHook):
    """Runs fetches at the end; `final_ops_values` are their values.

    Source: `tf.estimator.FinalOpsHook`.
    """

    def __init__(self, final_ops: Any, final_ops_feed_dict: Any = None) -> None:
        self._fetches, self._feeds = final_ops, final_ops_feed_dict
        self.final_ops_values: Any = None

    def end(self, session: Any) -> None:
        """Runs them."""
        if self._fetches is not None:
            self.final_ops_values = session.run(self._fetches, self._feeds)


class FeedFnHook(SessionRunHook):
    """Feeds what a function returns.

    Source: `tf.estimator.FeedFnHook`.
    """

    def __init__(self, feed_fn: Callable[[], Any]) -> None:
        self.feed_fn = feed_fn

    def before_run(self, run_context: SessionRunContext) -> SessionRunArgs:
        """Calls the function."""
        return SessionRunArgs(None, feed_dict=self.feed_fn())
