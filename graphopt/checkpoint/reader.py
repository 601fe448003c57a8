"""Looking into checkpoints without the objects that they were made of."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from graphopt.checkpoint.files import data_file
from graphopt.checkpoint.state_file import latest_checkpoint
from graphopt.checkpoint.tensors import TensorFile
from graphopt.dtypes import DType
from graphopt.errors import NoSuchFileError, fail


class CheckpointReader:
    """The arrays of a checkpoint by name.

    Args:
      path: The path of the checkpoint.

    Raises:
      NotFoundError: (a FileNotFoundError) There is no such file.
      DataLossError: (a ValueError) It is damaged.

    Source: `tf.train.load_checkpoint`.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self._path = data_file(os.fspath(path))
        with TensorFile(self._path) as file:
            self._shapes = {name: list(file.shapes[name]) for name in file}

    def get_variable_to_shape_map(self) -> dict[str, list[int]]:
        """Returns the shapes by name."""
        return dict(self._shapes)

    def get_variable_to_dtype_map(self) -> dict[str, DType]:
        """Returns the dtypes by name.

        Raises:
          InvalidArgumentError: graphopt does not have one of them.
        """
        with TensorFile(self._path) as file:
            return {name: file.dtype(name) for name in file}

    def has_tensor(self, tensor_str: str) -> bool:
        """Returns whether there is an array of a name."""
        return tensor_str in self._shapes

    def get_tensor(self, tensor_str: str) -> NDArray[Any]:
        """Returns an array.

        Raises:
          NotFoundError: There is none of that name.
        """
        with TensorFile(self._path) as file:
            return file.read(tensor_str)

    def debug_string(self) -> str:
        """Returns a line for each array: name, dtype, shape."""
        with TensorFile(self._path) as file:
            return "\n".join(
                f"{name} ({file.dtype(name).name}) {list(file.shapes[name])}"
                for name in file
            )


def load_checkpoint(
    ckpt_dir_or_file: str | os.PathLike[str],
) -> CheckpointReader:
    """Returns a reader of a checkpoint, of the newest one if a folder is given.

    Args:
      ckpt_dir_or_file: The path of a checkpoint or of a folder.

    Raises:
      NotFoundError: (a FileNotFoundError) There is none.
      DataLossError: (a ValueError) It is damaged.

    Source: `tf.train.load_checkpoint`.
    """
    path = os.fspath(ckpt_dir_or_file)
    if not Path(path).is_dir():
        return CheckpointReader(path)
    found = latest_checkpoint(path)
    if found is None:
        raise fail(
            NoSuchFileError,
            f"Couldn't find 'checkpoint' file or checkpoints in given directory {path}",
            got="a folder without a state file that names a checkpoint",
            expected="one that save was called for",
        )
    return CheckpointReader(found)


def list_variables(
    ckpt_dir_or_file: str | os.PathLike[str],
) -> list[tuple[str, list[int]]]:
    """Returns the names and shapes of all arrays of a checkpoint, by name.

    Args:
      ckpt_dir_or_file: As in `load_checkpoint`.

    >>> import graphopt as tf
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = tf.train.Checkpoint(w=tf.Variable([1.0, 2.0])).write(folder + "/m")
    ...     print(tf.train.list_variables(path))
    [('w/.ATTRIBUTES/VARIABLE_VALUE', [2])]

    Source: `tf.train.list_variables`.
    """
    return sorted(load_checkpoint(ckpt_dir_or_file).get_variable_to_shape_map().items())


def load_variable(ckpt_dir_or_file: str | os.PathLike[str], name: str) -> NDArray[Any]:
    """Returns an array of a checkpoint.

    Args:
      ckpt_dir_or_file: As in `load_checkpoint`.
      name: Its name; `:0` at its end is left out.

    Raises:
      NotFoundError: There is none of that name.

    Source: `tf.train.load_variable`.
    """
    return load_checkpoint(ckpt_dir_or_file).get_tensor(name.removesuffix(":0"))
