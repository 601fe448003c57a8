"""What is told about conversions: nothing but warnings, unless asked for."""

from __future__ import annotations

import os
import sys
import warnings
from typing import Any

from graphopt.errors import GraphoptWarning


class _Settings:
    """How much is told, None as long as the environment decides."""

    level: int | None = None
    echo = False


def set_verbosity(level: int, alsologtostdout: bool = False) -> None:
    """Chooses how much is told about conversions.

    Args:
      level: 0 for warnings only, 1 for each function, 2 for the code as well; the variable
        AUTOGRAPH_VERBOSITY says the same.
      alsologtostdout: Whether messages go to the standard output, too.

    Source: `tf.autograph.set_verbosity`.
    """
    _Settings.level = int(level)
    _Settings.echo = bool(alsologtostdout)


def get_verbosity() -> int:
    """Returns how much is told."""
    if _Settings.level is not None:
        return _Settings.level
    return int(os.environ.get("AUTOGRAPH_VERBOSITY", "0"))


def trace(*args: Any) -> None:
    """Prints what it is given while a function is traced.

    Source: `tf.autograph.trace`.
    """
    sys.stdout.write(" ".join(map(str, args)) + "\n")


def tell(level: int, text: str) -> None:
    """Writes a message, if so much is wanted."""
    if get_verbosity() < level:
        return
    sys.stderr.write(f"AutoGraph: {text}\n")
    if _Settings.echo:
        sys.stdout.write(f"AutoGraph: {text}\n")


def warn(text: str) -> None:
    """Warns of what could not be converted."""
    warnings.warn(text, GraphoptWarning, stacklevel=3)
