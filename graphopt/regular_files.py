"""Reading files of which nothing is known: no pipe, no device, nothing without an end."""

from __future__ import annotations

import os
import stat


def read_regular_file(path: str | os.PathLike[str], most: int) -> bytes:
    """Reads a whole file.

    Args:
      path: Where it is.
      most: The most bytes that it may have.

    Raises:
      OSError: There is none, or it cannot be read.
      ValueError: It is no regular file, or has more bytes.

    >>> read_regular_file(os.devnull, 10)
    Traceback (most recent call last):
    ValueError: /dev/null is no regular file
    """
    # Not blocking, for to open a pipe is to wait for its writer.
    flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)
    file = os.open(path, flags)
    with os.fdopen(file, "rb") as opened:
        if not stat.S_ISREG(os.fstat(file).st_mode):
            raise ValueError(f"{os.fspath(path)} is no regular file")
        data = opened.read(most + 1)
    if len(data) > most:
        raise ValueError(f"{os.fspath(path)} has more than {most} bytes")
    return data
