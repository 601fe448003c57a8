"""`slim.learning`: a training loop with checkpoints."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from graphopt.compat.v1 import logging
from graphopt.compat.v1 import train as v1_train
from graphopt.graph.context import get_default_graph
from graphopt.ops.state import group
from graphopt.runtime.collections import (
    global_variables_initializer,
    local_variables_initializer,
)
from graphopt.runtime.names import name_scope
from graphopt.runtime.session import Session
from graphopt.v1.contrib.training.steps import (
    USE_GLOBAL_STEP,
    Pairs,
    add_gradients_summaries,
    clip_gradient_norms,
    multiply_gradients,
)
from graphopt.v1.contrib.training.steps import create_train_op as _create_train_op

__all__ = [
    "add_gradients_summaries",
    "clip_gradient_norms",
    "create_train_op",
    "multiply_gradients",
    "train",
    "train_step",
]
_DEFAULT: Any = 0


def create_train_op(
    total_loss: Any,
    optimizer: Any,
    global_step: Any = USE_GLOBAL_STEP,
    update_ops: Sequence[Any] | None = None,
    variables_to_train: Sequence[Any] | None = None,
    clip_gradient_norm: float = 0,
    summarize_gradients: bool = False,
    gate_gradients: int = v1_train.Optimizer.GATE_OP,
    aggregation_method: Any = None,
    colocate_gradients_with_ops: bool = False,
    gradient_multipliers: Any = None,
    check_numerics: bool = True,
) -> Any:
    """Returns a tensor with the loss, whose run takes a training step.

    Args:
      total_loss, optimizer, global_step, update_ops, variables_to_train: As in
        `tf.contrib.training.create_train_op`.
      clip_gradient_norm: The largest norm of each gradient; 0 for none.
      gradient_multipliers: Factors of gradients, by variable or name.
      summarize_gradients, gate_gradients, aggregation_method: As there.
      colocate_gradients_with_ops, check_numerics: As there.

    Source: `tf.contrib.slim.learning.create_train_op`.
    """

    def transform(pairs: Pairs) -> Pairs:
        if gradient_multipliers:
            with name_scope("multiply_grads"):
                pairs = multiply_gradients(pairs, gradient_multipliers)
        if clip_gradient_norm > 0:
            with name_scope("clip_grads"):
                pairs = clip_gradient_norms(pairs, clip_gradient_norm)
        return pairs

    return _create_train_op(
        total_loss,
        optimizer,
        global_step,
        update_ops,
        variables_to_train,
        transform,
        summarize_gradients,
        gate_gradients,
        check_numerics=check_numerics,
    )


def train_step(
    sess: Any, train_op: Any, global_step: Any, train_step_kwargs: dict[str, Any]
) -> tuple[Any, bool]:
    """Takes a step and returns the loss, and whether it was the last.

    Args:
      sess: The session.
      train_op: What `create_train_op` returned.
      global_step: The variable that counts steps.
      train_step_kwargs: Tensors by "should_stop" and "should_log".

    Source: `tf.contrib.slim.learning.train_step`.
    """
    start = time.perf_counter()
    loss, step = sess.run([train_op, global_step])
    seconds = time.perf_counter() - start
    if "should_log" in train_step_kwargs and sess.run(train_step_kwargs["should_log"]):
        text = "global step %d: loss = %.4f (%.3f sec/step)"
        logging.info(text, step, loss, seconds)
    stop = train_step_kwargs.get("should_stop")
    return loss, bool(stop is not None and sess.run(stop))


def train(
    train_op: Any,
    logdir: str | None,
    train_step_fn: Callable[..., Any] = train_step,
    train_step_kwargs: Any = _DEFAULT,
    log_every_n_steps: int = 1,
    graph: Any = None,
    master: str = "",
    is_chief: bool = True,
    global_step: Any = None,
    number_of_steps: int | None = None,
    init_op: Any = _DEFAULT,
    init_feed_dict: Any = None,
    local_init_op: Any = _DEFAULT,
    init_fn: Callable[[Any], None] | None = None,
    ready_op: Any = _DEFAULT,
    summary_op: Any = _DEFAULT,
    save_summaries_secs: int = 600,
    summary_writer: Any = _DEFAULT,
    startup_delay_steps: int = 0,
    saver: Any = None,
    save_interval_secs: int = 600,
    sync_optimizer: Any = None,
    session_config: Any = None,
    session_wrapper: Callable[[Any], Any] | None = None,
    trace_every_n_steps: int | None = None,
    ignore_live_threads: bool = False,
) -> Any:
    """Trains until a number of steps is reached, and returns the last loss.

    Variables come from the last checkpoint of `logdir`, if there is one. Checkpoints and
    summaries are written now and then, and a checkpoint at the end.

    Args:
      train_op: What `create_train_op` returned.
      logdir: The folder of checkpoints and summaries, or None.
      train_step_fn: What takes a step; as `train_step`.
      train_step_kwargs: Its last argument.
      log_every_n_steps: How often the loss is logged.
      graph: The graph; by default the current one.
      global_step: The variable that counts steps.
      number_of_steps: After how many steps, earlier runs included, it ends.
      init_op, local_init_op: What runs first where there is no checkpoint; by default the
        initializers of variables.
      init_feed_dict: What is fed to `init_op`.
      init_fn: Called with the session after it.
      summary_op: The summary; by default all of the graph's.
      save_summaries_secs, save_interval_secs: How often these are written.
      summary_writer: Writes them; by default into `logdir`.
      saver: Writes checkpoints.
      session_config: Of the session.
      session_wrapper: From the session to what is used in its place.
      master, is_chief, startup_delay_steps, ready_op: Accepted for compatibility.
      sync_optimizer, trace_every_n_steps: Must be None.
      ignore_live_threads: Accepted for compatibility.

    Raises:
      ValueError: There is no train op, or the number of steps is not positive.
      NotImplementedError: `sync_optimizer` or `trace_every_n_steps` is given.

    Source: `tf.contrib.slim.learning.train`.
    """
    if train_op is None:
        raise ValueError("train_op cannot be None.")
    if number_of_steps is not None and number_of_steps <= 0:
        raise ValueError("`number_of_steps` must be either None or a positive number.")
    if sync_optimizer is not None or trace_every_n_steps is not None:
        raise NotImplementedError(
            "slim.learning.train with several workers, or traces."
        )
    graph = graph or get_default_graph()
    with graph.as_default():
        step = (
            v1_train.get_or_create_global_step() if global_step is None else global_step
        )
        if train_step_kwargs is _DEFAULT:
            train_step_kwargs = _step_options(step, number_of_steps, log_every_n_steps)
        first = [
            global_variables_initializer() if init_op is _DEFAULT else init_op,
            local_variables_initializer()
            if local_init_op is _DEFAULT
            else local_init_op,
        ]
        writer = _Writer(
            logdir,
            saver or v1_train.Saver(),
            summary_op,
            summary_writer,
            (save_summaries_secs, save_interval_secs),
            step,
        )
        with Session(graph=graph, config=session_config) as session:
            sess = session if session_wrapper is None else session_wrapper(session)
            _initialize(sess, writer, first, init_feed_dict, init_fn)
            loss, stop = None, False
            while not stop:
                loss, stop = train_step_fn(sess, train_op, step, train_step_kwargs)
                writer.write(sess)
            logging.info("Stopping Training.")
            writer.finish(sess)
    return loss


def _step_options(step: Any, number: int | None, log_every: int) -> dict[str, Any]:
    with name_scope("train_step"):
        options = {}
        if number:
            options["should_stop"] = step.read_value() >= number
        if log_every > 0:
            options["should_log"] = (step.read_value() % log_every) == 0
    return options


def _initialize(
    sess: Any, writer: _Writer, first: Sequence[Any], feeds: Any, init_fn: Any
) -> None:
    path = writer.latest()
    ops = [op for op in first if op is not None]
    if ops:
        sess.run(group(*ops), feeds)
    if path is not None:
        writer.saver.restore(sess, path)
    elif init_fn is not None:
        init_fn(sess)


class _Writer:
    """Writes checkpoints and summaries, as often as asked for."""

    def __init__(
        self,
        logdir: str | None,
        saver: Any,
        summary_op: Any,
        summary_writer: Any,
        seconds: tuple[float, float],
        step: Any,
    ) -> None:
        import graphopt.compat.v1.summary as summary

        self.logdir, self.saver, self.step = logdir, saver, step
        self.summary = summary.merge_all() if summary_op is _DEFAULT else summary_op
        self.file = summary_writer
        if summary_writer is _DEFAULT:
            there = logdir is not None and self.summary is not None
            self.file = (
                summary.FileWriter(logdir, get_default_graph()) if there else None
            )
        self.seconds = seconds
        self.last = [0.0, time.monotonic()]

    def latest(self) -> Any:
        """Returns the last checkpoint of the folder, or None."""
        return None if self.logdir is None else v1_train.latest_checkpoint(self.logdir)

    def write(self, sess: Any) -> None:
        """Writes what is due."""
        now = time.monotonic()
        if self.file is not None and now - self.last[0] >= self.seconds[0]:
            self.last[0] = now
            if self.summary is not None:
                self.file.add_summary(*sess.run([self.summary, self.step]))
        if self.logdir is not None and now - self.last[1] >= self.seconds[1]:
            self.last[1] = now
            self.save(sess)

    def save(self, sess: Any) -> None:
        """Writes a checkpoint."""
        assert self.logdir is not None
        self.saver.save(sess, str(Path(self.logdir) / "model.ckpt"), self.step)

    def finish(self, sess: Any) -> None:
        """Writes the last checkpoint and closes the file of summaries."""
        if self.logdir is not None:
            self.save(sess)
        if self.file is not None:
            self.file.close()
