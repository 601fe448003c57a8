"""The file `checkpoint` of a folder: which checkpoints there are, the newest of them.

It is text, in the form that TensorFlow writes, so that its tools can read it. Paths in
the folder itself are written relative to it: a folder can be moved.
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from graphopt.checkpoint.files import checkpoint_exists, write_file
from graphopt.errors import DataLossError, fail, storage_error
from graphopt.parallel.ranks import write_once
from graphopt.regular_files import read_regular_file

_MAX_BYTES: Final = 16 << 20
_PATH = re.compile(
    r'(model_checkpoint_path|all_model_checkpoint_paths): ("(?:[^"\\]|\\.)*")'
)
_TIME = re.compile(
    r"(all_model_checkpoint_timestamps|last_preserved_timestamp): (-?[0-9.e+]+)"
)


@dataclass
class CheckpointState:
    """What a state file says.

    Attributes:
      model_checkpoint_path: The newest checkpoint.
      all_model_checkpoint_paths: All that are kept, the oldest first.
      all_model_checkpoint_timestamps: When each was written, in seconds since 1970.
      last_preserved_timestamp: When one was last kept for good.

    Source: `tf.compat.v1.train.generate_checkpoint_state_proto`.
    """

    model_checkpoint_path: str = ""
    all_model_checkpoint_paths: list[str] = field(default_factory=list)
    all_model_checkpoint_timestamps: list[float] = field(default_factory=list)
    last_preserved_timestamp: float | None = None


def get_checkpoint_state(
    checkpoint_dir: str | os.PathLike[str], latest_filename: str | None = None
) -> CheckpointState | None:
    """Returns what the state file of a folder says, None if there is none.

    Args:
      checkpoint_dir: The folder.
      latest_filename: The name of the file, `checkpoint` by default.

    Returns:
      Paths in it start with the folder.

    Raises:
      DataLossError: It is no state file.

    Source: `tf.train.get_checkpoint_state`.
    """
    folder = os.fspath(checkpoint_dir)
    file = Path(folder, latest_filename or "checkpoint")
    try:
        try:
            data = read_regular_file(str(file), _MAX_BYTES)
        except FileNotFoundError:
            return None
        except OSError as error:
            what = "Reading a state file failed"
            raise storage_error(error, what, str(file)) from error
        state = CheckpointState()
        _parse(data.decode("utf-8", "surrogateescape"), state)
    except ValueError as error:
        raise fail(
            DataLossError,
            f"The state file {file} is damaged",
            got=str(error),
            expected='lines as `model_checkpoint_path: "name"`',
            remedy="removing it; tf.train.list_variables shows what a checkpoint holds",
        ) from error
    state.model_checkpoint_path = os.path.join(folder, state.model_checkpoint_path)  # noqa: PTH118
    state.all_model_checkpoint_paths = [
        os.path.join(folder, path)  # noqa: PTH118 (a str that keeps its `./`)
        for path in state.all_model_checkpoint_paths
    ]
    return state


def _parse(text: str, state: CheckpointState) -> None:
    for line in text.split("\n"):
        if path := _PATH.fullmatch(line.strip()):
            value = json.loads(path[2])
            if "\0" in value:
                raise ValueError("a path with a zero byte")
            if path[1] == "model_checkpoint_path":
                state.model_checkpoint_path = value
            else:
                state.all_model_checkpoint_paths.append(value)
        elif number := _TIME.fullmatch(line.strip()):
            if number[1] == "last_preserved_timestamp":
                state.last_preserved_timestamp = float(number[2])
            else:
                state.all_model_checkpoint_timestamps.append(float(number[2]))
        elif line.strip():
            raise ValueError(f"the line {line[:80]!r}")
    if not state.model_checkpoint_path:
        raise ValueError("no model_checkpoint_path")


def update_checkpoint_state(
    save_dir: str | os.PathLike[str],
    model_checkpoint_path: str,
    all_model_checkpoint_paths: Sequence[str] | None = None,
    latest_filename: str | None = None,
    all_model_checkpoint_timestamps: Sequence[float] | None = None,
    last_preserved_timestamp: float | None = None,
) -> None:
    """Writes the state file of a folder, in one go.

    Args:
      save_dir: The folder.
      model_checkpoint_path: The newest checkpoint.
      all_model_checkpoint_paths: All that are kept; the newest one is added if it is
        not the last of them.
      latest_filename: The name of the file, `checkpoint` by default.
      all_model_checkpoint_timestamps: When each of them was written.
      last_preserved_timestamp: When one was last kept for good.

    Raises:
      ValueError: There is not one time for each path.

    Source: `tf.compat.v1.train.update_checkpoint_state`.
    """
    folder = os.fspath(save_dir)
    paths = list(all_model_checkpoint_paths or ())
    times = list(all_model_checkpoint_timestamps or ())
    if all_model_checkpoint_timestamps is not None and len(times) != len(paths):
        raise ValueError(
            f"Checkpoint timestamps, if provided, must match checkpoint paths; got "
            f"{len(times)} for {len(paths)} paths."
        )
    if not paths or paths[-1] != model_checkpoint_path:
        paths.append(model_checkpoint_path)
        times += [time.time()] * (len(times) + 1 == len(paths))
    newest, *every = (_relative(p, folder) for p in (model_checkpoint_path, *paths))
    lines = [f"model_checkpoint_path: {_quote(newest)}"]
    lines += [f"all_model_checkpoint_paths: {_quote(path)}" for path in every]
    lines += [f"all_model_checkpoint_timestamps: {moment!r}" for moment in times]
    if last_preserved_timestamp is not None:
        lines.append(f"last_preserved_timestamp: {last_preserved_timestamp!r}")
    text = "\n".join([*lines, ""]).encode("utf-8", "surrogateescape")
    file = os.path.join(folder, latest_filename or "checkpoint")  # noqa: PTH118
    write_once(file, lambda: write_file(file, text))


def _quote(path: str) -> str:
    return json.dumps(path, ensure_ascii=False)


def _relative(path: str, folder: str) -> str:
    where, name = os.path.split(path)
    return (
        name
        if Path(where or ".").absolute() == Path(folder).absolute()
        else (str(Path(path).absolute()))
    )


def latest_checkpoint(
    checkpoint_dir: str | os.PathLike[str], latest_filename: str | None = None
) -> str | None:
    """Returns the path of the newest checkpoint of a folder, None if there is none.

    Args:
      checkpoint_dir: The folder.
      latest_filename: The name of the state file, `checkpoint` by default.

    >>> import graphopt as tf
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = tf.train.Checkpoint(w=tf.Variable(1.0)).save(folder + "/model")
    ...     print(tf.train.latest_checkpoint(folder) == path)
    True

    Source: `tf.train.latest_checkpoint`.
    """
    state = get_checkpoint_state(checkpoint_dir, latest_filename)
    if state is None or not checkpoint_exists(state.model_checkpoint_path):
        return None
    return state.model_checkpoint_path
