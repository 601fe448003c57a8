"""`Saver`: variables of a session, by name, in a file."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from graphopt.checkpoint.files import checkpoint_exists, data_file, write_file
from graphopt.checkpoint.kept import KeptCheckpoints
from graphopt.checkpoint.state_file import update_checkpoint_state
from graphopt.checkpoint.tensors import TensorFile
from graphopt.checkpoint.values import (
    check_fits,
    packed_values,
    session_of,
    set_values,
    value_or_error,
)
from graphopt.errors import NoSuchFileError, fail
from graphopt.graph.context import building_graph
from graphopt.parallel.ranks import write_once
from graphopt.parallel.replicas import check_restored
from graphopt.runtime.collections import global_variables
from graphopt.runtime.variable import Variable


class Saver:
    """Saves and restores variables under their names.

    Args:
      var_list: Variables, or a dict of them by the names they have in files; by default
        all of the current graph, slots included, that exist when the saver is made.
      reshape: Whether an array of another shape and as many elements is taken.
      sharded: Accepted for compatibility; there is one file.
      max_to_keep: How many of the last checkpoints are kept; None or 0 for all.
      keep_checkpoint_every_n_hours: One in so many hours is kept for good.
      name: Accepted for compatibility.
      allow_empty: Whether there may be no variables.
      pad_step_number: Whether step numbers are written with eight digits.
      **_options: Accepted for compatibility.

    Raises:
      ValueError: There are no variables, or two of one name.
      RuntimeError: In eager mode there is no `var_list`.
      TypeError: Something is no variable.

    >>> import graphopt as tf
    >>> import tempfile
    >>> v1 = tf.compat.v1
    >>> with tf.Graph().as_default(), tempfile.TemporaryDirectory() as folder:
    ...     w = tf.Variable(1.0, name="w")
    ...     saver = v1.train.Saver()
    ...     with v1.Session() as session:
    ...         session.run(w.initializer)
    ...         path = saver.save(session, folder + "/model", global_step=100)
    ...     with v1.Session() as session:
    ...         saver.restore(session, path)
    ...         print(path[-10:], session.run(w))
    /model-100 1.0

    Source: `tf.compat.v1.train.Saver`.
    """

    def __init__(
        self,
        var_list: Any = None,
        reshape: bool = False,
        sharded: bool = False,
        max_to_keep: int | None = 5,
        keep_checkpoint_every_n_hours: float = 10000.0,
        name: str | None = None,
        *,
        allow_empty: bool = False,
        pad_step_number: bool = False,
        **_options: Any,
    ) -> None:
        if var_list is None:
            if building_graph() is None:
                raise RuntimeError(
                    "When eager execution is enabled, `var_list` must specify a list "
                    "or dict of variables to save; got None; try tf.train.Checkpoint."
                )
            var_list = global_variables()
        self._variables = _by_name(var_list)
        if not self._variables and not allow_empty:
            raise ValueError("No variables to save; got an empty var_list.")
        self._reshape = reshape
        self._pad = pad_step_number
        self._kept = KeptCheckpoints(max_to_keep, keep_checkpoint_every_n_hours)

    # ---- saving

    def save(
        self,
        sess: Any,
        save_path: str | os.PathLike[str],
        global_step: Any = None,
        latest_filename: str | None = None,
        meta_graph_suffix: str = "meta",
        write_meta_graph: bool = True,
        write_state: bool = True,
        **_options: Any,
    ) -> str:
        """Saves the values of one moment.

        Under a strategy of several ranks all of them call it, and rank 0 writes.

        Args:
          sess: The session; None in eager mode.
          save_path: Where; `.safetensors` is added.
          global_step: Number, variable or tensor to add to the name.
          latest_filename: The name of the state file, `checkpoint` by default.
          meta_graph_suffix: Accepted for compatibility.
          write_meta_graph: Accepted for compatibility; graphs are not written.
          write_state: Whether the state file is written and old checkpoints are
            removed.
          **_options: Accepted for compatibility.

        Returns:
          The path with the step, for `restore`.

        Raises:
          FailedPreconditionError: A variable was not initialized.
          ResourceExhaustedError: (an OSError) The disk is full. Here and after other
            errors of the system older files are as they were.
          ValueError: `latest_filename` is a path, or the name of the checkpoint.
        """
        path = os.fspath(save_path)
        if not os.path.split(path)[1]:
            raise ValueError(
                f"save_path must be a path with a name for the file; got {path!r}."
            )
        if latest_filename is not None and os.path.split(latest_filename)[0]:
            raise ValueError(
                f"'latest_filename' must not contain path components; got "
                f"{latest_filename!r}."
            )
        if Path(path).name == (latest_filename or "checkpoint"):
            raise ValueError(
                f"'latest_filename' collides with 'save_path': "
                f"{latest_filename or 'checkpoint'!r} and {path!r}."
            )
        if global_step is not None:
            step = _step_number(global_step, sess)
            path += f"-{step:08d}" if self._pad else f"-{step}"
        data = packed_values(self._variables, sess, {}, {})
        file = data_file(path)
        write_once(file, lambda: write_file(file, data))
        if write_state:
            self._note(path, latest_filename)
        return path

    def _note(self, path: str, latest_filename: str | None) -> None:
        folder = Path(path).parent
        if not self._kept.limit:
            update_checkpoint_state(folder, path, latest_filename=latest_filename)
            return
        surplus = self._kept.add(path)
        # In this order a crash leaves a file too many, never a name without a file.
        update_checkpoint_state(
            folder,
            path,
            self.last_checkpoints,
            latest_filename,
            list(self._kept.times.values()),
        )
        self._kept.remove(surplus)

    @property
    def last_checkpoints(self) -> list[str]:
        """The paths of the checkpoints that are kept, the oldest first."""
        return list(self._kept.times)

    def set_last_checkpoints_with_time(
        self, last_checkpoints_with_time: Iterable[tuple[str, float]]
    ) -> None:
        """Sets what is kept, with the times in seconds since 1970."""
        self._kept.times = dict(last_checkpoints_with_time)

    def recover_last_checkpoints(self, checkpoint_paths: Iterable[str]) -> None:
        """Counts in checkpoints of a former program, those that are there.

        Args:
          checkpoint_paths: Their paths, the oldest first.
        """
        self._kept.times = {
            path: Path(data_file(path)).stat().st_mtime
            for path in checkpoint_paths
            if checkpoint_exists(path)
        }

    # ---- restoring

    def restore(self, sess: Any, save_path: str | os.PathLike[str] | None) -> None:
        """Sets all variables of the saver, or none of them.

        Args:
          sess: The session; None in eager mode.
          save_path: What `save` or `latest_checkpoint` returned.

        Raises:
          ValueError: It is None.
          NotFoundError: There is no such file, or it lacks a variable.
          DataLossError: (a ValueError) It is damaged.
          InvalidArgumentError: (a ValueError) A variable has another shape or dtype.
        """
        if save_path is None:
            raise ValueError("Can't load save_path when it is None.")
        path = os.fspath(save_path)
        if not checkpoint_exists(path):
            raise fail(
                NoSuchFileError,
                f"The passed save_path is not a valid checkpoint: {path}",
                got=f"no file {data_file(path)}",
                expected="what save or latest_checkpoint returned",
                remedy="tf.train.latest_checkpoint(folder)",
            )
        # A session that is closed, or of another graph, is refused before it is read.
        session_of(self._variables.values(), sess)
        with TensorFile(data_file(path)) as file:
            for name, variable in self._variables.items():
                file.require(name)
                if not self._fits_reshaped(file.shapes[name], variable):
                    dtype, shape = file.dtype(name), file.shapes[name]
                    check_fits(file.path, name, dtype, shape, variable)
            values = {v: file.read(name) for name, v in self._variables.items()}
        if self._reshape:
            values = {v: _fit_shape(a, v) for v, a in values.items()}
        set_values(values, sess)
        check_restored(list(self._variables.values()), sess)

    def _fits_reshaped(self, shape: tuple[int, ...], variable: Variable) -> bool:
        size = 1
        for dim in shape:
            size *= dim
        return self._reshape and variable.shape.num_elements() == size


def _fit_shape(array: NDArray[Any], variable: Variable) -> NDArray[Any]:
    dims: Any = variable.shape.as_list()
    return array.reshape(dims)


def _by_name(var_list: Any) -> dict[str, Variable]:
    if isinstance(var_list, Mapping):
        pairs = [(str(name), variable) for name, variable in var_list.items()]
    else:
        pairs = [(getattr(getattr(v, "key", None), "name", ""), v) for v in var_list]
    found: dict[str, Variable] = {}
    for name, variable in pairs:
        if not isinstance(variable, Variable):
            raise TypeError(f"Variable to save is not a Variable: {variable!r:.100}.")
        if found.setdefault(name, variable) is not variable:
            raise ValueError(
                f"At least two variables have the same name: {name}; try a dict of "
                "variables by names of your choice."
            )
    return found


def _step_number(step: Any, session: Any) -> int:
    if isinstance(step, (int, float)) or getattr(step, "graph", None) is None:
        return int(step)
    return int(value_or_error(step, session))
