"""Whose run it is that an op of the outside world works for.

An iterator over a data set or a queue has a state in each session. Ops that take from one
or give to one are told by the thread which store of variables the run is on; in eager mode
there is none, and the state is that of the Python object.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from typing import Any

# How a graph says, among its attachments, that it has such ops.
MARK = "outside"


class _Current(threading.local):
    store: Any = None


current = _Current()


@contextlib.contextmanager
def using(store: Any) -> Iterator[None]:
    """Makes a store that of the runs on this thread, for the length of a block."""
    before = current.store
    current.store = store
    try:
        yield
    finally:
        current.store = before
