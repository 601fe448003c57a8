"""`basic_train_loop` and `checkpoints_iterator`."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from typing import Any

from graphopt.checkpoint import latest_checkpoint


def basic_train_loop(
    supervisor: Any,
    train_step_fn: Callable[..., Any],
    args: Any = None,
    kwargs: Any = None,
    master: str = "",
) -> None:
    """Calls a function with the session until the supervisor says to stop.

    Source: `tf.compat.v1.train.basic_train_loop`.
    """
    with supervisor.managed_session(master) as session:
        while not supervisor.should_stop():
            train_step_fn(session, *(args or ()), **(kwargs or {}))


def checkpoints_iterator(
    checkpoint_dir: Any,
    min_interval_secs: float = 0,
    timeout: float | None = None,
    timeout_fn: Callable[[], bool] | None = None,
) -> Iterator[str]:
    """Yields each new checkpoint of a folder.

    Args:
      checkpoint_dir: The folder.
      min_interval_secs: The least time from one to the next.
      timeout: Seconds to wait for a new one; None for ever.
      timeout_fn: Asked after that; True ends the iteration.

    Source: `tf.train.checkpoints_iterator`.
    """
    last = None
    while True:
        found = _wait(os.fspath(checkpoint_dir), last, timeout)
        if found is None:
            if timeout_fn is None or timeout_fn():
                return
            continue
        began = time.monotonic()
        last = found
        yield found
        time.sleep(max(0.0, min_interval_secs - (time.monotonic() - began)))


def _wait(folder: str, last: str | None, timeout: float | None) -> str | None:
    until = None if timeout is None else time.monotonic() + timeout
    while True:
        found = latest_checkpoint(folder)
        if found is not None and found != last:
            return found
        if until is not None and time.monotonic() >= until:
            return None
        time.sleep(min(1.0, 1.0 if timeout is None else max(timeout / 10, 0.01)))
