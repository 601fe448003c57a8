"""Files and folders by TensorFlow's names: `tf.io.gfile` and, of version 1, `tf.gfile`.

Only local ones: `gs://` and the like raise UnimplementedError.
"""

from __future__ import annotations

import contextlib
import glob as _glob
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from graphopt.errors import (
    AlreadyExistsError,
    FailedPreconditionError,
    NotFoundError,
    OpError,
    PermissionDeniedError,
    UnimplementedError,
    UnknownError,
)


@contextlib.contextmanager
def _named_errors(path: Any) -> Iterator[None]:
    """Raises TensorFlow's exception class for what the operating system says."""
    try:
        yield
    except OpError:
        raise
    except FileNotFoundError as error:
        raise NotFoundError(f"{path}; {error.strerror}") from error
    except FileExistsError as error:
        raise AlreadyExistsError(f"{path}; {error.strerror}") from error
    except PermissionError as error:
        raise PermissionDeniedError(f"{path}; {error.strerror}") from error
    except (IsADirectoryError, NotADirectoryError) as error:
        raise FailedPreconditionError(f"{path}; {error.strerror}") from error
    except OSError as error:
        raise UnknownError(f"{path}; {error.strerror}") from error


def _local(path: Any) -> str:
    text = os.fsdecode(os.fspath(path))
    if text.startswith("file://"):
        return text[len("file://") :]
    if "://" in text:
        raise UnimplementedError(
            f"{text!r}: graphopt reads and writes local files only; mount or copy it."
        )
    return text


class GFile:
    """A file that is opened when it is read or written first.

    Args:
      name: Its path.
      mode: `"r"`, `"w"`, `"a"`, `"r+"`, with `"b"` for bytes instead of text.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     with GFile(f"{folder}/a.txt", "w") as file:
    ...         file.write("two\\nlines\\n")
    ...     print(GFile(f"{folder}/a.txt").readlines())
    ['two\\n', 'lines\\n']

    Source: `tf.io.gfile.GFile`.
    """

    def __init__(self, name: Any, mode: str = "r") -> None:
        self._name, self._mode = name, mode
        self._file: Any = None
        self._was_opened = False

    @property
    def name(self) -> Any:
        """The path."""
        return self._name

    @property
    def mode(self) -> str:
        """How it is opened."""
        return self._mode

    def _open(self) -> Any:
        if self._file is None:
            path, is_text = _local(self._name), "b" not in self._mode
            with _named_errors(path):
                self._file = Path(path).open(  # noqa: SIM115 (`close` closes it)
                    self._mode, encoding="utf-8" if is_text else None
                )
            self._was_opened = True
        return self._file

    def read(self, n: int = -1) -> Any:
        """Returns what is left, or at most n characters or bytes of it."""
        return self._open().read(n)

    def readline(self) -> Any:
        """Returns the next line with its end, empty at the end of the file."""
        return self._open().readline()

    def readlines(self) -> list[Any]:
        """Returns the lines that are left."""
        return list(self._open())

    def write(self, file_content: Any) -> None:
        """Writes text or bytes."""
        # Text and bytes are the same to TensorFlow, whatever the mode.
        is_binary = "b" in self._mode
        if is_binary and isinstance(file_content, str):
            file_content = file_content.encode()
        elif not is_binary and isinstance(file_content, bytes):
            file_content = file_content.decode("utf-8", "surrogateescape")
        self._open().write(file_content)

    def seek(
        self, offset: int | None = None, whence: int = 0, position: Any = None
    ) -> None:
        """Goes to a place."""
        self._open().seek(position if offset is None else offset, whence)

    def tell(self) -> int:
        """Returns the place."""
        return int(self._open().tell())

    def size(self) -> int:
        """Returns the size in bytes."""
        with _named_errors(self._name):
            return Path(_local(self._name)).stat().st_size

    def seekable(self) -> bool:
        """Returns True."""
        return True

    def flush(self) -> None:
        """Hands what was written to the operating system."""
        if self._file is not None:
            self._file.flush()

    def close(self) -> None:
        """Closes the file; one that was opened to be written is there then."""
        if self._mode[0] in "wa" and not self._was_opened:
            self._open()
        if self._file is not None:
            self._file.close()
            self._file = None

    def __iter__(self) -> Iterator[Any]:
        return iter(self._open())

    def __next__(self) -> Any:
        return next(self._open())

    def __enter__(self) -> GFile:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def __del__(self) -> None:
        if self._file is not None:
            self._file.close()


def exists(path: Any) -> bool:
    """Returns whether there is a file or folder."""
    return Path(_local(path)).exists()


def isdir(path: Any) -> bool:
    """Returns whether there is a folder."""
    return Path(_local(path)).is_dir()


def copy(src: Any, dst: Any, overwrite: bool = False) -> None:
    """Copies a file.

    Raises:
      AlreadyExistsError: There is one, and it may not be replaced.
    """
    target = Path(_local(dst))
    if target.exists() and not overwrite:
        raise AlreadyExistsError(f"{dst} is there already; overwrite=True replaces it.")
    with _named_errors(src):
        shutil.copyfile(_local(src), target)


def rename(src: Any, dst: Any, overwrite: bool = False) -> None:
    """Gives a file or folder another name.

    Raises:
      AlreadyExistsError: There is one, and it may not be replaced.
    """
    target = Path(_local(dst))
    if target.exists() and not overwrite:
        raise AlreadyExistsError(f"{dst} is there already; overwrite=True replaces it.")
    with _named_errors(src):
        Path(_local(src)).replace(target)


def remove(path: Any) -> None:
    """Deletes a file."""
    with _named_errors(path):
        Path(_local(path)).unlink()


def rmtree(path: Any) -> None:
    """Deletes a folder and all in it."""
    with _named_errors(path):
        if not Path(_local(path)).is_dir():
            raise NotFoundError(f"{path}; No such file or directory")
        shutil.rmtree(_local(path))


def mkdir(path: Any) -> None:
    """Makes a folder, whose parent must be there."""
    with _named_errors(path):
        Path(_local(path)).mkdir(exist_ok=True)


def makedirs(path: Any) -> None:
    """Makes a folder and those above it."""
    with _named_errors(path):
        Path(_local(path)).mkdir(parents=True, exist_ok=True)


def listdir(path: Any) -> list[str]:
    """Returns the names in a folder."""
    with _named_errors(path):
        if not Path(_local(path)).is_dir():
            raise NotFoundError(f"{path}; Could not find directory")
        return sorted(each.name for each in Path(_local(path)).iterdir())


def glob(pattern: Any) -> list[str]:
    """Returns the paths that match a pattern, or one of a list of patterns, sorted."""
    patterns = [pattern] if isinstance(pattern, (str, bytes, os.PathLike)) else pattern
    return [path for each in patterns for path in sorted(_glob.glob(_local(each)))]  # noqa: PTH207 (whole patterns)


def walk(
    top: Any, topdown: bool = True, onerror: Callable[[Any], Any] | None = None
) -> Iterator[tuple[str, list[str], list[str]]]:
    """Yields (folder, folders in it, files in it) for all folders below one."""
    for folder, folders, files in os.walk(_local(top), topdown, onerror):
        folders.sort()
        yield folder, folders, sorted(files)


class FileStatistics:
    """What is known of a file: `length` in bytes, `mtime_nsec`, `is_directory`."""

    def __init__(self, status: os.stat_result, *, is_directory: bool) -> None:
        self.length, self.mtime_nsec = status.st_size, status.st_mtime_ns
        self.is_directory = is_directory


def stat(path: Any) -> FileStatistics:
    """Returns size, time and kind of a file."""
    with _named_errors(path):
        place = Path(_local(path))
        return FileStatistics(place.stat(), is_directory=place.is_dir())


def join(path: Any, *paths: Any) -> str:
    """Joins parts of a path."""
    return os.path.join(_local(path), *map(_local, paths))  # noqa: PTH118 (text in, text out)


def get_registered_schemes() -> list[str]:
    """Returns the kinds of paths: local ones."""
    return ["", "file"]
