"""Which checkpoints of a row are kept: the last k, and one in so many hours for good."""

from __future__ import annotations

import time
from typing import Final

from graphopt.checkpoint.files import remove_checkpoint

_SECONDS_AN_HOUR: Final = 3600.0


class KeptCheckpoints:
    """The checkpoints that were saved and not removed, the oldest first.

    Args:
      limit: How many are kept; None or 0 for all.
      keep_every_n_hours: A checkpoint that would be removed is kept for good if this
        many hours have passed since the last one that was; None for never.

    Raises:
      ValueError: A negative limit, or hours that are not positive.
    """

    def __init__(self, limit: int | None, keep_every_n_hours: float | None) -> None:
        if limit is not None and limit < 0:
            raise ValueError(f"max_to_keep must not be negative; got {limit}.")
        if keep_every_n_hours is not None and not keep_every_n_hours > 0:
            raise ValueError(
                "keep_checkpoint_every_n_hours must be positive; got "
                f"{keep_every_n_hours}."
            )
        self.limit = limit
        self.times: dict[str, float] = {}
        hours = keep_every_n_hours
        self._interval = None if hours is None else hours * _SECONDS_AN_HOUR
        self.last_preserved = time.time()

    def add(self, path: str) -> list[str]:
        """Adds the newest one; returns those that are not kept any more."""
        self.times.pop(path, None)
        self.times[path] = time.time()
        surplus = []
        while self.limit and len(self.times) > self.limit:
            oldest = next(iter(self.times))
            saved = self.times.pop(oldest)
            due = self._interval is not None and (
                saved > self.last_preserved + self._interval
            )
            if due:
                self.last_preserved = saved
            else:
                surplus.append(oldest)
        return surplus

    @staticmethod
    def remove(paths: list[str]) -> None:
        """Removes checkpoints, after the state file has stopped to name them."""
        for path in paths:
            remove_checkpoint(path)
