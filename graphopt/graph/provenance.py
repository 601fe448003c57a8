"""Where in the user's code an op was made: file, line and function.

Walking up from the innermost frame to the first file outside this package costs about
a microsecond; `traceback.extract_stack` costs a thousand times as much, which is why
TensorFlow's graph construction is slow. Only the numbers are kept: text is made when
somebody asks.
"""

from __future__ import annotations

import linecache
import os
import sys
from pathlib import Path
from typing import NamedTuple

_PACKAGE = str(Path(__file__).resolve().parent.parent) + os.sep


class Site(NamedTuple):
    """A place in the user's code."""

    file: str
    line: int
    function: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}"

    def snippet(self) -> str:
        """Returns the source line, or an empty string."""
        return linecache.getline(self.file, self.line).strip()


def user_site() -> Site | None:
    """Returns the innermost place outside graphopt on the calling thread's stack."""
    frame = sys._getframe(1)
    while frame is not None:
        code = frame.f_code
        if not code.co_filename.startswith(_PACKAGE):
            return Site(code.co_filename, frame.f_lineno, code.co_name)
        frame = frame.f_back  # type: ignore[assignment]
    return None


def is_internal(file: str, folder: str = "") -> bool:
    """Returns whether a file belongs to this package, or to one of its folders."""
    return file.startswith(_PACKAGE + folder)
