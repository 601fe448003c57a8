"""Which draw of its stream a random op makes in a run.

The counts belong to whoever runs the graph, a session as a rule. An op inside the body
of a condition or a loop is run by the op that has the body, not by the session, so
the counts in use are a property of the thread for as long as such an op runs. So is
whoever wants to see what each op of a body computes.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Iterator, MutableMapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from graphopt.graph.opspec import Effect

if TYPE_CHECKING:
    from graphopt.graph.graph import Operation

Counts = MutableMapping[Any, int]
Observer = Callable[["Operation", Sequence[Any], Any], None]


class DrawCounts(MutableMapping[Any, int]):
    """How often each stream was drawn from, in memory that kernels count in as well.

    >>> counts = DrawCounts()
    >>> counts["a"] = counts.get("a", 0) + 1
    >>> dict(counts)
    {'a': 1}
    """

    def __init__(self) -> None:
        # Never removed, for plans hold their addresses.
        self._cells: dict[Any, NDArray[np.int64]] = {}
        # Where streams without a seed begin, so that no two sessions draw the same.
        self._starts: dict[Any, int] = {}
        # Counts of streams that are not there yet, by their keys.
        self._to_come: dict[Any, list[int]] = {}

    def address(self, stream: Any) -> int:
        """Returns where the count of a stream is, an int64."""
        return int(self.cell(stream).ctypes.data)

    def cell(self, stream: Any) -> NDArray[np.int64]:
        """Returns the memory of the count of a stream, an array of one int64."""
        cell = self._cells.get(stream)
        if cell is None:
            start = 0
            if not getattr(stream, "is_seeded", True):
                start = self._starts[stream] = int.from_bytes(os.urandom(6)) | 1
            elif self._to_come:
                counts = self._to_come.get(_key(stream))
                start = counts.pop(0) if counts else 0
            cell = self._cells.setdefault(stream, np.array([start], np.int64))
        return cell

    def save(self) -> dict[Any, int]:
        """Returns the counts, for `restore`."""
        return {stream: int(cell[0]) for stream, cell in self._cells.items()}

    def restore(self, saved: dict[Any, int]) -> None:
        """Sets all counts to what they were."""
        for stream, cell in list(self._cells.items()):
            cell[0] = saved.get(stream, self._starts.get(stream, 0))

    def by_key(self) -> list[tuple[int, int, int, int]]:
        """Returns key and count of each stream with a seed that was drawn from.

        Streams are objects of this process. Their keys, and the order in which those of
        one key came about, are the same in another process that does the same.
        """
        return [(*_key(stream), count) for stream, count in self._seed()]

    def set_by_key(self, counts: Sequence[tuple[int, int, int, int]]) -> None:
        """Sets what `by_key` returned, also for streams that are yet to come.

        Streams that were not drawn from since the seed was set, of functions that nobody
        calls any more for example, are passed over.
        """
        self._to_come = {}
        for *key, count in counts:
            self._to_come.setdefault(tuple(key), []).append(count)
        for stream, _ in self._seed():
            waiting = self._to_come.get(_key(stream))
            self[stream] = waiting.pop(0) if waiting else 0

    def _seed(self) -> list[tuple[Any, int]]:
        return [
            (stream, int(cell[0]))
            for stream, cell in list(self._cells.items())
            if cell[0] and getattr(stream, "is_seeded", False)
        ]

    def clear(self) -> None:
        """Sets all counts to 0, also those that are yet to come."""
        self._to_come = {}
        super().clear()

    def __getitem__(self, stream: Any) -> int:
        count = int(self.cell(stream)[0])
        if not count:
            raise KeyError(stream)
        return count

    def __setitem__(self, stream: Any, count: int) -> None:
        self.cell(stream)[0] = count

    def __delitem__(self, stream: Any) -> None:
        self._cells[stream][0] = 0

    def __iter__(self) -> Iterator[Any]:
        return (stream for stream, cell in list(self._cells.items()) if cell[0])

    def __len__(self) -> int:
        return sum(1 for _ in self)


def _key(stream: Any) -> tuple[int, int, int]:
    # Without the rank: a count that one process saved is the count of all of them.
    return stream.kind & 0xFF, stream.first, stream.second


class _Current(threading.local):
    counts: Counts | None = None
    observer: Observer | None = None


_current = _Current()


@contextlib.contextmanager
def observed_by(observer: Observer) -> Iterator[None]:
    """Shows what each op of a body computes to a function, for the length of a block.

    Args:
      observer: Takes the op, the arrays that it got and what it returned.
    """
    before = _current.observer
    _current.observer = observer
    try:
        yield
    finally:
        _current.observer = before


def attributes(op: Operation, counts: Counts) -> dict[str, Any]:
    """Returns the attributes of an op, with the next draw if it is a random one."""
    if op.spec.effect is not Effect.RANDOM:
        return op.attrs
    return {**op.attrs, "draw": counts.get(op.attrs["stream"], 0)}


def compute(op: Operation, arrays: Sequence[Any], counts: Counts) -> Any:
    """Runs an op with NumPy; random ones take the next draw of their stream.

    Args:
      op: The operation.
      arrays: Its inputs.
      counts: How often each stream was drawn from.
    """
    if op.spec.effect not in (Effect.RANDOM, Effect.HOST):
        return op.spec.compute(*arrays, **op.attrs)
    before = _current.counts
    _current.counts = counts
    try:
        return _compute_inside(op, arrays)
    finally:
        _current.counts = before


def compute_inside(op: Operation, arrays: Sequence[Any]) -> Any:
    """Runs an op of a body, with the counts of the run that the body is part of."""
    results = _compute_inside(op, arrays)
    if _current.observer is not None:
        _current.observer(op, arrays, results)
    return results


def _compute_inside(op: Operation, arrays: Sequence[Any]) -> Any:
    counts = _current.counts
    if op.spec.effect is not Effect.RANDOM or counts is None:
        return op.spec.compute(*arrays, **op.attrs)
    attrs = attributes(op, counts)
    counts[attrs["stream"]] = attrs["draw"] + 1
    return op.spec.compute(*arrays, **attrs)
