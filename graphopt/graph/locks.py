"""Locks that a forked child can use, whoever held them in its parent."""

from __future__ import annotations

import os
import threading
import weakref
from typing import Any

_locks: weakref.WeakSet[Any] = weakref.WeakSet()


def new_lock() -> Any:
    """Returns a `threading.RLock` that is free in a child, unless its own thread has it.

    The threads that held it in the parent do not exist in the child, so nobody would ever
    release it there.
    """
    lock = threading.RLock()
    _locks.add(lock)
    return lock


def _free_in_child() -> None:
    for lock in list(_locks):
        if not lock._is_owned():
            lock._at_fork_reinit()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_free_in_child)


saving = new_lock()
"""Held while a checkpoint is written, numbered and counted in."""
building = new_lock()
"""Held while something is made once that several threads may ask for: the weights of a
layer, a trace, an implicit session and its initial values."""
