"""What is in a queue, and the threads that wait for it.

Whoever takes several elements takes them one after the other as they come, and puts them
back if the queue is closed before there are enough: so more can be asked for than the queue
holds, and nothing is lost.
"""

from __future__ import annotations

import heapq
import threading
from collections import deque
from typing import Any

import numpy as np

from graphopt.errors import CancelledError, OutOfRangeError, fail

Element = list[Any]


class QueueState:
    """The elements of a queue in one session, first in, first out.

    Args:
      name: Of the queue, for errors.
      kind: Its class, for errors.
      capacity: How many elements it holds; without a bound if it is negative.
    """

    def __init__(self, name: str, kind: str, capacity: int) -> None:
        self.name, self.kind, self.capacity = name, kind, capacity
        self.changed = threading.Condition()
        self.is_closed = self.is_cancelled = self.refuses = False
        self._items: deque[Element] = deque()

    # ---- what differs from queue to queue; the caller holds the lock

    def _add(self, element: Element) -> None:
        self._items.append(element)

    def _next(self) -> Element:
        return self._items.popleft()

    def _put_back(self, elements: list[Element]) -> None:
        self._items.extendleft(reversed(elements))

    def _count(self) -> int:
        return len(self._items)

    def _has_next(self) -> bool:
        return self._count() > 0

    # ---- for everyone

    def size(self) -> int:
        """Returns the number of elements."""
        with self.changed:
            return self._count()

    def put(self, elements: list[Element]) -> None:
        """Adds elements, one after the other, as soon as there is room for each.

        Raises:
          CancelledError: The queue is closed.
        """
        with self.changed:
            for element in elements:
                if self.is_closed:
                    raise self._close()
                # One that waits already may go on when the queue is closed.
                while (
                    0 <= self.capacity <= self._count()
                    and not self.is_cancelled
                    and not self.refuses
                ):
                    self.changed.wait()
                if self.is_cancelled or self.refuses:
                    raise fail(
                        CancelledError,
                        f"Enqueue operation was cancelled: {self.name!r}",
                    )
                self._add(element)
                self.changed.notify_all()

    def take(self, wanted: int, fewer: bool = False) -> list[Element]:
        """Takes elements, and waits until there are enough.

        Args:
          wanted: How many.
          fewer: Whether fewer, but one, will do when the queue is closed.

        Raises:
          OutOfRangeError: The queue is closed and has not enough.
          CancelledError: The session was closed.
        """
        taken: list[Element] = []
        with self.changed:
            while len(taken) < wanted:
                if self._has_next():
                    taken.append(self._next())
                    self.changed.notify_all()
                    continue
                if self.is_cancelled:
                    raise fail(
                        CancelledError,
                        f"Dequeue operation was cancelled: {self.name!r}",
                    )
                if self.is_closed:
                    if fewer and taken:
                        break
                    size = self._count() + len(taken)
                    self._put_back(taken)
                    raise self._insufficient(wanted, size)
                self.changed.wait()
        return taken

    def look(self) -> Element:
        """Returns an element that stays, for those who ask for its shape.

        Raises:
          OutOfRangeError: There is none now.
        """
        with self.changed:
            if not self._has_next():
                raise self._insufficient(1, self._count())
            element = self._next()
            self._put_back([element])
            return element

    def close(self, cancel_pending: bool = False) -> None:
        """Lets nobody add anything any more."""
        with self.changed:
            self.is_closed = True
            self.refuses |= cancel_pending
            self.changed.notify_all()

    def cancel(self) -> None:
        """Gives everyone who waits an error."""
        with self.changed:
            self.is_closed = self.is_cancelled = True
            self.changed.notify_all()

    def _close(self) -> CancelledError:
        return fail(CancelledError, f"{self.kind} {self.name!r} is closed")

    def _insufficient(self, wanted: int, size: int) -> OutOfRangeError:
        return fail(
            OutOfRangeError,
            f"{self.kind} {self.name!r} is closed and has insufficient elements "
            f"(requested {wanted}, current size {size})"
            if self.is_closed
            else f"{self.kind} {self.name!r} has no element now",
        )


class ShuffleState(QueueState):
    """The elements of a queue that gives them in random order.

    Args:
      name, kind, capacity: As above.
      least: How many stay in it as long as it is open.
      generator: The random numbers.
    """

    def __init__(
        self,
        name: str,
        kind: str,
        capacity: int,
        least: int,
        generator: np.random.Generator,
    ) -> None:
        super().__init__(name, kind, capacity)
        self.least, self.generator = least, generator
        self._bag: list[Element] = []

    def _add(self, element: Element) -> None:
        self._bag.append(element)

    def _next(self) -> Element:
        place = int(self.generator.integers(len(self._bag)))
        self._bag[place], self._bag[-1] = self._bag[-1], self._bag[place]
        return self._bag.pop()

    def _put_back(self, elements: list[Element]) -> None:
        self._bag += elements

    def _count(self) -> int:
        return len(self._bag)

    def _has_next(self) -> bool:
        return len(self._bag) > (0 if self.is_closed else self.least)


class PriorityState(QueueState):
    """The elements of a queue that gives the one with the smallest number first."""

    def __init__(self, name: str, kind: str, capacity: int) -> None:
        super().__init__(name, kind, capacity)
        self._heap: list[tuple[int, int, Element]] = []
        self._added = 0

    def _add(self, element: Element) -> None:
        self._added += 1
        heapq.heappush(self._heap, (int(element[0]), self._added, element))

    def _next(self) -> Element:
        return heapq.heappop(self._heap)[-1]

    def _put_back(self, elements: list[Element]) -> None:
        for element in elements:
            heapq.heappush(self._heap, (int(element[0]), 0, element))

    def _count(self) -> int:
        return len(self._heap)


def stack_elements(elements: list[Element], pads: bool) -> list[Any]:
    """Puts elements together, component by component.

    Args:
      elements: At least one.
      pads: Whether components of several shapes are filled up.
    """
    columns = list(zip(*elements, strict=True))
    return [_stack(list(column), pads) for column in columns]


def _stack(parts: list[Any], pads: bool) -> Any:
    shapes = {part.shape for part in parts}
    if len(shapes) > 1 and pads:
        wanted = [max(sizes) for sizes in zip(*shapes, strict=True)]
        first = parts[0]
        fill: Any = b"" if first.dtype.kind == "O" else first.dtype.type(0)
        out = np.full((len(parts), *wanted), fill, first.dtype)
        for i, part in enumerate(parts):
            inside: Any = (i, *(slice(0, n) for n in part.shape))
            out[inside] = part
        return out
    out = np.empty((len(parts), *parts[0].shape), parts[0].dtype)
    for i, part in enumerate(parts):
        out[i, ...] = part
    return out
