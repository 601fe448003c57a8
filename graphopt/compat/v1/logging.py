"""`tf.logging`: messages of a program, on the error stream.

They go to the logger `tensorflow` of Python's `logging`, so that programs which configure
that get them.
"""

from __future__ import annotations

import logging as _logging
import sys
import threading
from typing import Any

DEBUG, INFO, WARN = _logging.DEBUG, _logging.INFO, _logging.WARNING
ERROR, FATAL = _logging.ERROR, _logging.CRITICAL
_lock = threading.Lock()
_logger: _logging.Logger | None = None
_counts: dict[Any, int] = {}


class _Handler(_logging.StreamHandler[Any]):
    """Writes to what the error stream is now."""

    def __init__(self) -> None:
        _logging.Handler.__init__(self)

    @property
    def stream(self) -> Any:
        return sys.stderr

    @stream.setter
    def stream(self, value: Any) -> None:
        raise AttributeError("the stream is sys.stderr")


def get_logger() -> _logging.Logger:
    """Returns the logger `tensorflow`.

    Source: `tf.get_logger`.
    """
    global _logger
    with _lock:
        if _logger is None:
            _logger = _logging.getLogger("tensorflow")
            if _logger.level == _logging.NOTSET:
                _logger.setLevel(WARN)
            # Where the program configured logging, its handlers write.
            if not _logging.getLogger().handlers and not _logger.handlers:
                handler = _Handler()
                handler.setFormatter(_logging.Formatter(_logging.BASIC_FORMAT))
                _logger.addHandler(handler)
        return _logger


def log(level: int, msg: Any, *args: Any, **kwargs: Any) -> None:
    """Writes a message of a level."""
    get_logger().log(level, msg, *args, **kwargs)


def debug(msg: Any, *args: Any, **kwargs: Any) -> None:
    """Writes a message for those who look for mistakes."""
    get_logger().debug(msg, *args, **kwargs)


def info(msg: Any, *args: Any, **kwargs: Any) -> None:
    """Writes a message; shown after `set_verbosity(INFO)`."""
    get_logger().info(msg, *args, **kwargs)


def warning(msg: Any, *args: Any, **kwargs: Any) -> None:
    """Writes a warning."""
    get_logger().warning(msg, *args, **kwargs)


def warn(msg: Any, *args: Any, **kwargs: Any) -> None:
    """Writes a warning."""
    get_logger().warning(msg, *args, **kwargs)


def error(msg: Any, *args: Any, **kwargs: Any) -> None:
    """Writes an error."""
    get_logger().error(msg, *args, **kwargs)


def fatal(msg: Any, *args: Any, **kwargs: Any) -> None:
    """Writes an error after which nothing goes on."""
    get_logger().fatal(msg, *args, **kwargs)


def vlog(level: int, msg: Any, *args: Any, **kwargs: Any) -> None:
    """Writes a message of a level."""
    get_logger().log(level, msg, *args, **kwargs)


def log_every_n(level: int, msg: Any, n: int, *args: Any) -> None:
    """Writes the first message, and each n-th of the same text."""
    count = _count(msg)
    log_if(level, msg, count % n == 0, *args)


def log_first_n(level: int, msg: Any, n: int, *args: Any) -> None:
    """Writes the first n messages of the same text."""
    log_if(level, msg, _count(msg) < n, *args)


def _count(msg: Any) -> int:
    with _lock:
        count = _counts.get(msg, 0)
        _counts[msg] = count + 1
    return count


def log_if(level: int, msg: Any, condition: Any, *args: Any) -> None:
    """Writes a message if a condition is true."""
    if condition:
        log(level, msg, *args)


def set_verbosity(v: Any) -> None:
    """Sets the lowest level that is shown."""
    get_logger().setLevel(v)


def get_verbosity() -> int:
    """Returns the lowest level that is shown."""
    return get_logger().getEffectiveLevel()


def flush() -> None:
    """Hands what was written to the operating system."""
    for handler in get_logger().handlers:
        handler.flush()


class TaskLevelStatusMessage:
    """Writes a message; TensorFlow 1 does no more either."""

    def __init__(self, msg: Any) -> None:
        error(msg)
