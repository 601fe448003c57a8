"""Python's cycle collector, kept from walking over graphs while they are made.

Operations and their tensors point to each other, so a pass makes thousands of cycles that
all live on; the collector, which runs after every 700 new objects, looks at them again and
again and finds nothing. On a step of 4,000 ops that was a third of the time of compiling.
Collecting is made rare, not switched off: the graphs between two passes are garbage, and
those of a step of 100,000 ops would be hundreds of megabytes.
"""

from __future__ import annotations

import contextlib
import gc
from collections.abc import Iterator

from graphopt.graph.locks import new_lock

_THRESHOLDS = (100_000, 20, 20)

_lock = new_lock()
_depth = 0
_before = (0, 0, 0)


@contextlib.contextmanager
def rare_collections() -> Iterator[None]:
    """Makes the collector run rarely in the block; blocks of several threads may meet."""
    global _depth, _before
    inside = False
    try:
        with _lock:
            if not _depth:
                _before = gc.get_threshold()
                # A threshold of zero is a user's way to switch the collector off.
                if _before[0]:
                    gc.set_threshold(*_THRESHOLDS)
            _depth += 1
            inside = True
        yield
    finally:
        with _lock:
            _depth -= inside
            if not _depth:
                gc.set_threshold(*_before)
