"""Files that are there as a whole or not at all.

A file is written under a name that cannot be guessed, in the folder where it is going to
be, brought to the disk, and renamed: whoever looks, also after the machine has lost its
power in between, finds the old file or the new one. What a killed writer leaves are
partial files, whose names nothing else has; a later save removes those of long ago.
"""

from __future__ import annotations

import contextlib
import os
import re
import time
from pathlib import Path
from typing import Final

from graphopt.errors import storage_error

SUFFIX: Final = ".safetensors"
_PARTIAL = re.compile(r"\.[0-9a-f]{32}\.graphopt-partial")
_PARTIAL_AGE_S: Final = 3600


def data_file(prefix: str) -> str:
    """Returns the name of the file of a checkpoint; a file's own name stays as it is."""
    return prefix if prefix.endswith(SUFFIX) else prefix + SUFFIX


def checkpoint_exists(checkpoint_prefix: str | os.PathLike[str]) -> bool:
    """Returns whether there is a checkpoint under a path.

    Source: `tf.compat.v1.train.checkpoint_exists`.
    """
    try:
        return Path(data_file(os.fspath(checkpoint_prefix))).is_file()
    except (OSError, ValueError):
        # No name that a file can have, as one that is too long.
        return False


def write_file(path: str, data: bytes) -> None:
    """Writes a file, in place of what is there; makes its folder if there is none.

    Args:
      path: Where.
      data: What.

    Raises:
      ResourceExhaustedError: (an OSError) There is no space for it.
      PermissionDeniedError: (a PermissionError) The folder may not be written to.
      UnknownError: (an OSError) Something else went wrong. In all cases the file is
        what it was before, or complete.
    """
    try:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        _replace_file(path, data)
    except OSError as error:
        raise storage_error(error, "Saving failed", path) from error


def _replace_file(path: str, data: bytes) -> None:
    where, name = os.path.split(path)
    partial = f".{os.urandom(16).hex()}.graphopt-partial"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    folder = os.open(where or ".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        _sweep(folder)
        try:
            file = os.open(partial, flags, 0o666, dir_fd=folder)
            try:
                view = memoryview(data)
                while view:
                    view = view[os.write(file, view) :]
                os.fsync(file)
            finally:
                os.close(file)
            os.replace(partial, name, src_dir_fd=folder, dst_dir_fd=folder)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(partial, dir_fd=folder)
            raise
        # The name is on the disk when the folder is.
        os.fsync(folder)
    finally:
        os.close(folder)


def _sweep(folder: int) -> None:
    """Removes partial files that nobody can be writing any more."""
    for name in os.listdir(folder):
        if _PARTIAL.fullmatch(name):
            # Gone by now, or another user's: not in the way of a save.
            with contextlib.suppress(OSError):
                age = time.time() - os.stat(name, dir_fd=folder).st_mtime
                if age > _PARTIAL_AGE_S:
                    os.unlink(name, dir_fd=folder)


def remove_checkpoint(checkpoint_prefix: str) -> None:
    """Removes the file of a checkpoint, if it is there.

    Source: `tf.compat.v1.train.remove_checkpoint`.
    """
    file = data_file(checkpoint_prefix)
    try:
        Path(file).unlink(missing_ok=True)
    except OSError as error:
        raise storage_error(error, "Removing an old checkpoint failed", file) from error
