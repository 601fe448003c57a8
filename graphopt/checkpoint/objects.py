"""`Checkpoint`: objects and all their variables in one file."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from graphopt.checkpoint.files import data_file, write_file
from graphopt.checkpoint.restoring import ALIAS, Restore
from graphopt.checkpoint.state_file import update_checkpoint_state
from graphopt.checkpoint.status import LoadStatus, NothingToLoad
from graphopt.checkpoint.trackable import VALUE, Walk, is_trackable
from graphopt.checkpoint.values import packed_values, set_values, value_now
from graphopt.graph.context import building_graph
from graphopt.graph.locks import saving
from graphopt.parallel.ranks import write_once
from graphopt.parallel.replicas import check_restored
from graphopt.runtime.names import name_scope
from graphopt.runtime.tracking import Trackable, children_changed
from graphopt.runtime.variable import Variable


class Checkpoint(Trackable):
    """Saves and restores objects: variables, layers, models, optimizers, lists, dicts.

    A value is known by the way from the checkpoint to it, `model/dense/kernel`, not by
    the name of the variable. Optimizers are saved with their step count,
    hyperparameters and the slots of all variables.

    Args:
      root: An object whose parts are saved as if they were those of the checkpoint.
      **objects: What to save, by name.

    Raises:
      ValueError: Something is no object with variables.

    >>> import graphopt as tf
    >>> import tempfile
    >>> w, opt = tf.Variable(3.0), tf.keras.optimizers.SGD(0.1, momentum=0.9)
    >>> checkpoint = tf.train.Checkpoint(w=w, optimizer=opt)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = checkpoint.save(folder + "/model")
    ...     _ = opt.minimize(lambda: w * w, [w])
    ...     status = checkpoint.restore(path)
    >>> float(w), path[-8:]
    (3.0, '/model-1')

    Source: `tf.train.Checkpoint`.
    """

    def __init__(self, root: Any = None, **objects: Any) -> None:
        self._root = root
        self._save_counter: Variable | None = None
        named = objects if root is None else {"root": root, **objects}
        for name, value in named.items():
            empty = isinstance(value, (list, tuple, dict)) and not value
            if not empty and not is_trackable(value):
                raise ValueError(
                    f"`Checkpoint` was expecting {name} to be a trackable object (a "
                    "variable, layer, model, optimizer, Checkpoint, or a list or dict "
                    f"of such); got {value!r:.100}."
                )
        for name, value in objects.items():
            setattr(self, name, value)

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, value)
        if not name.startswith("_"):
            children_changed(self)

    def trackable_children(self) -> dict[str, Any]:
        """Returns what is saved, by name."""
        found = super().trackable_children()
        if self._save_counter is not None:
            found["save_counter"] = self._save_counter
        return found

    @property
    def save_counter(self) -> Variable:
        """How often `save` was called, int64; made when first asked for."""
        if self._save_counter is None:
            with name_scope(None):
                self._save_counter = Variable(
                    np.int64(0), trainable=False, name="save_counter", collections=[]
                )
        return self._save_counter

    def _roots(self) -> list[Any]:
        return [self] if self._root is None else [self, self._root]

    def write(
        self,
        file_prefix: str | os.PathLike[str],
        options: Any = None,
        *,
        session: Any = None,
    ) -> str:
        """Saves all values, of one moment, in one file.

        Args:
          file_prefix: Where; `.safetensors` is added.
          options: Accepted for compatibility.
          session: Where variables of a graph have their values; by default the session
            that is entered.

        Returns:
          `file_prefix`, for `read`.

        Raises:
          ResourceExhaustedError: (an OSError) The disk is full. Here and after other
            errors of the system an older file of that name is as it was.
          FailedPreconditionError: A variable has no value.
        """
        return self._write(os.fspath(file_prefix), session, {})

    def _write(self, prefix: str, session: Any, instead: Mapping[str, Any]) -> str:
        walk = Walk(self._roots())
        variables = {path + VALUE: v for path, v in walk.variables.items()}
        aliases = {ALIAS + path: first for path, first in walk.aliases.items()}
        data = packed_values(variables, session, aliases, instead)
        file = data_file(prefix)
        write_once(file, lambda: write_file(file, data))
        return prefix

    def save(
        self,
        file_prefix: str | os.PathLike[str],
        options: Any = None,
        *,
        session: Any = None,
    ) -> str:
        """Saves all values under a number that grows, and notes that in the folder.

        Args:
          file_prefix: Where; a number and `.safetensors` are added.
          options: Accepted for compatibility.
          session: As in `write`.

        Returns:
          The path with the number, for `restore`.

        Raises:
          ResourceExhaustedError: As in `write`; the number does not grow.
        """
        path, _ = self._save(os.fspath(file_prefix), None, session)
        update_checkpoint_state(Path(path).parent, path)
        return path

    def _save(self, prefix: str, number: int | None, session: Any) -> tuple[str, int]:
        # Two threads that save at the same time write two files.
        with saving:
            counter = self.save_counter
            before = value_now(counter, session)
            saves = np.array(1 if before is None else before + 1, np.int64)
            number = int(saves) if number is None else number
            path = f"{prefix}-{number}"
            self._write(path, session, {f"save_counter{VALUE}": saves})
            # A signal handler saves in the middle of a step, which does not count saves.
            set_values({counter: saves}, session, in_steps=True)
            return path, number

    def restore(
        self, save_path: str | os.PathLike[str] | None, options: Any = None
    ) -> LoadStatus | NothingToLoad:
        """Gives variables the values that they had when a file was saved.

        Variables that do not exist yet get theirs when they are made: weights at the
        first call of a layer, slots at the first step. In a graph the values are set by
        `run_restore_ops` or `initialize_or_restore` of what is returned, in a session,
        and variables that are made later get theirs in that session at once.

        Args:
          save_path: What `save` or `latest_checkpoint` returned; None for nothing.
          options: Accepted for compatibility.

        Returns:
          A status to ask what found its place.

        Raises:
          NotFoundError: (a FileNotFoundError) There is no such file.
          DataLossError: (a ValueError) It is damaged.
          InvalidArgumentError: (a ValueError) A variable has another shape or dtype. In
            all cases nothing was changed.
        """
        if save_path is None:
            return NothingToLoad(self._roots())
        _ = self.save_counter
        return self.read(save_path)

    def read(
        self, save_path: str | os.PathLike[str], options: Any = None
    ) -> LoadStatus:
        """Restores what `write` wrote; as `restore`."""
        status = LoadStatus(Restore(data_file(os.fspath(save_path)), self._roots()))
        if building_graph() is None:
            found = Walk(self._roots()).variables.values()
            check_restored([v for v in found if v.key.graph is None])
        return status
