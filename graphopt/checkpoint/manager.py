"""`CheckpointManager`: a row of checkpoints in a folder, of which the last are kept."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from graphopt.checkpoint.files import checkpoint_exists
from graphopt.checkpoint.kept import KeptCheckpoints
from graphopt.checkpoint.objects import Checkpoint
from graphopt.checkpoint.state_file import get_checkpoint_state, update_checkpoint_state
from graphopt.checkpoint.values import value_or_error
from graphopt.graph.locks import saving


class CheckpointManager:
    """Numbers checkpoints in a folder and removes old ones.

    Args:
      checkpoint: What to save.
      directory: Where; made if it is not there. Checkpoints that a former program left
        there, by its state file, are counted in.
      max_to_keep: How many are kept; None for all.
      keep_checkpoint_every_n_hours: One in so many hours is kept for good.
      checkpoint_name: What the names of the files start with.
      step_counter: Integer variable with the number of steps.
      checkpoint_interval: Saves that come before this many steps since the last one do
        nothing.
      init_fn: Called by `restore_or_initialize` if there is nothing to restore.

    Raises:
      ValueError: `max_to_keep` is not positive, or an interval has no `step_counter`.

    >>> import graphopt as tf
    >>> import tempfile
    >>> w = tf.Variable(0.0)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     checkpoint = tf.train.Checkpoint(w=w)
    ...     manager = tf.train.CheckpointManager(checkpoint, folder, max_to_keep=2)
    ...     for _ in range(3):
    ...         w.assign_add(1.0) and manager.save() and None
    ...     print([path[-6:] for path in manager.checkpoints])
    ...     status = checkpoint.restore(manager.checkpoints[0])
    ['ckpt-2', 'ckpt-3']
    >>> float(w)
    2.0

    Source: `tf.train.CheckpointManager`.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        directory: str | os.PathLike[str],
        max_to_keep: int | None,
        keep_checkpoint_every_n_hours: float | None = None,
        checkpoint_name: str = "ckpt",
        step_counter: Any = None,
        checkpoint_interval: int | None = None,
        init_fn: Callable[[], None] | None = None,
    ) -> None:
        if max_to_keep is not None and max_to_keep <= 0:
            raise ValueError(
                f"Expected a positive integer or `None` for `max_to_keep`, got "
                f"{max_to_keep}."
            )
        if checkpoint_interval is not None and step_counter is None:
            raise ValueError(
                "`step_counter` should be passed if `checkpoint_interval` is "
                f"{checkpoint_interval}."
            )
        self._checkpoint = checkpoint
        self._directory = os.fspath(directory)
        self._prefix = os.path.join(self._directory, checkpoint_name)  # noqa: PTH118
        self._kept = KeptCheckpoints(max_to_keep, keep_checkpoint_every_n_hours)
        self._step_counter = step_counter
        self._interval = checkpoint_interval
        self._saved_at: int | None = None
        self._init_fn = init_fn
        self._latest: str | None = None
        self._recover()

    def _recover(self) -> None:
        """Counts in what a former program left; files elsewhere are none of ours."""
        state = get_checkpoint_state(self._directory)
        if state is None:
            return
        if state.last_preserved_timestamp is not None:
            self._kept.last_preserved = state.last_preserved_timestamp
        paths = state.all_model_checkpoint_paths
        times = state.all_model_checkpoint_timestamps
        if len(times) != len(paths):
            times = [self._kept.last_preserved] * len(paths)
        here = Path(self._directory).absolute()
        self._kept.times = {
            path: moment
            for path, moment in zip(paths, times, strict=True)
            if Path(path).absolute().parent == here and checkpoint_exists(path)
        }
        if checkpoint_exists(state.model_checkpoint_path):
            self._latest = state.model_checkpoint_path

    @property
    def checkpoint(self) -> Checkpoint:
        """What is saved."""
        return self._checkpoint

    @property
    def directory(self) -> str:
        """The folder."""
        return self._directory

    @property
    def checkpoint_interval(self) -> int | None:
        """The number of steps between two checkpoints, or None."""
        return self._interval

    @property
    def latest_checkpoint(self) -> str | None:
        """The path of the newest checkpoint, or None."""
        return self._latest

    @property
    def checkpoints(self) -> list[str]:
        """The paths of the checkpoints that are kept, the oldest first."""
        return list(self._kept.times)

    def save(
        self,
        checkpoint_number: Any = None,
        check_interval: bool = True,
        options: Any = None,
        *,
        session: Any = None,
    ) -> str | None:
        """Saves, and removes what is not kept any more.

        Args:
          checkpoint_number: Integer or variable in place of the number of saves.
          check_interval: Whether saves that come too early do nothing.
          options: Accepted for compatibility.
          session: As in `Checkpoint.write`.

        Returns:
          The path, None if nothing was saved.

        Raises:
          ResourceExhaustedError: As in `Checkpoint.write`; nothing is removed.
        """
        step = (
            None
            if self._step_counter is None
            else self._value(self._step_counter, session)
        )
        if (
            check_interval
            and self._interval is not None
            and self._saved_at is not None
            and step is not None
            and step - self._saved_at < self._interval
        ):
            return None
        with saving:
            number = self._value(checkpoint_number, session)
            path, _ = self._checkpoint._save(self._prefix, number, session)
            self._saved_at = step
            surplus = self._kept.add(path)
            self._latest = path
            # In this order a crash leaves a file too many, never a name without a file.
            update_checkpoint_state(
                self._directory,
                path,
                self.checkpoints,
                all_model_checkpoint_timestamps=list(self._kept.times.values()),
                last_preserved_timestamp=self._kept.last_preserved,
            )
            self._kept.remove(surplus)
            return path

    @staticmethod
    def _value(number: Any, session: Any) -> Any:
        if hasattr(number, "key"):
            return int(value_or_error(number, session))
        return None if number is None else int(number)

    def restore_or_initialize(self) -> str | None:
        """Restores the newest checkpoint, or calls `init_fn` if there is none.

        Returns:
          The path, None if there was nothing to restore.
        """
        if self._latest is not None:
            self._checkpoint.restore(self._latest)
            if self._step_counter is not None:
                self._saved_at = self._value(self._step_counter, None)
            return self._latest
        if self._init_fn is not None:
            self._init_fn()
        return None

    def sync(self) -> None:
        """Does nothing: what was saved is on the disk when `save` returns."""
