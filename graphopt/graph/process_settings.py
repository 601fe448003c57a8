"""Two settings of the process that belong to the user and are borrowed while we compile.

Operations and their tensors point to each other, so a pass makes thousands of cycles that
all live on; Python's cycle collector, which runs after every 700 new objects, looks at them
again and again and finds nothing: on a step of 4,000 ops a third of the time of compiling.
Collecting is made rare, not switched off: the graphs between two passes are garbage, and
those of a step of 100,000 ops would be hundreds of megabytes.

LLVM is called many times for one kernel, and after each call a thread of Python that never
waits would keep the interpreter for another 5 ms, the default switch interval.

There is no other way to say either. So each is given back when the last block that needs
it ends, by an error or an interrupt too, and a value that somebody else has set in between
stays as it is.
"""

from __future__ import annotations

import contextlib
import gc
import sys
from collections.abc import Callable, Iterator
from typing import Any, Final

from graphopt.graph.locks import new_lock


class BorrowedSetting:
    """A setting that blocks of code change, several at the same time too.

    Args:
      read: Returns its value.
      write: Sets it.
      choose: `before -> the value in the block`.
    """

    def __init__(
        self,
        read: Callable[[], Any],
        write: Callable[[Any], Any],
        choose: Callable[[Any], Any],
    ) -> None:
        self._read, self._write, self._choose = read, write, choose
        self._lock = new_lock()
        self._depth = 0
        self._before: Any = None
        # What it was made, as it reads.
        self._ours: Any = None

    @contextlib.contextmanager
    def changed(self) -> Iterator[None]:
        """Changes the setting in the block."""
        inside = False
        try:
            with self._lock:
                if not self._depth:
                    self._before = self._read()
                    self._write(self._choose(self._before))
                    self._ours = self._read()
                self._depth += 1
                inside = True
            yield
        finally:
            with self._lock:
                self._depth -= inside
                if not self._depth and self._read() == self._ours:
                    self._write(self._before)


_collections: Final = BorrowedSetting(
    gc.get_threshold,
    lambda thresholds: gc.set_threshold(*thresholds),
    # A threshold of zero is a user's way to switch the collector off.
    lambda before: (100_000, 20, 20) if before[0] else before,
)
rare_collections: Final = _collections.changed
_switches: Final = BorrowedSetting(
    sys.getswitchinterval,
    sys.setswitchinterval,
    lambda before: min(before, 1e-4),
)
frequent_switches: Final = _switches.changed
