"""What Keras says to the user: lines on the output, and warnings at the user's line."""

from __future__ import annotations

import sys
import warnings

from graphopt.errors import GraphoptWarning
from graphopt.graph.provenance import user_site


def warn_user(message: str, category: type[Warning] = GraphoptWarning) -> None:
    """Warns at the user's line; Python shows it once for each line and text."""
    site = user_site()
    file, line = (site.file, site.line) if site is not None else ("graphopt", 0)
    warnings.warn_explicit(message, category, file, line)


class _Settings:
    interactive = True


def enable_interactive_logging() -> None:
    """Lets progress and messages be written to the standard output, as at first.

    Source: `tf.keras.utils.enable_interactive_logging`.
    """
    _Settings.interactive = True


def disable_interactive_logging() -> None:
    """Lets progress and messages go to the logger `tensorflow`, for log files.

    Source: `tf.keras.utils.disable_interactive_logging`.
    """
    _Settings.interactive = False


def is_interactive_logging_enabled() -> bool:
    """Returns whether messages are written to the standard output.

    Source: `tf.keras.utils.is_interactive_logging_enabled`.
    """
    return _Settings.interactive


def write_line(text: str, end: str = "\n") -> None:
    """Writes to the standard output, and shows it at once; or to the logger."""
    if not _Settings.interactive:
        if text.strip():
            # Loaded when a line goes there: nobody else needs it.
            import logging

            logging.getLogger("tensorflow").info(text.strip())
        return
    sys.stdout.write(text + end)
    sys.stdout.flush()
