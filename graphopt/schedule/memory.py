"""Where buffers lie in the one arena of a plan."""

from __future__ import annotations

import bisect
from collections.abc import Sequence

from graphopt.schedule.steps import Buffer

ALIGNMENT = 64


def place_buffers(buffers: Sequence[Buffer]) -> int:
    """Gives every arena buffer an offset; buffers that live together never overlap.

    But for those that are pieces of another one, which lives as long as any of them.

    Walks through the steps; a buffer takes the smallest hole that is large enough, and
    when its last step is over its memory joins the holes beside it.

    Args:
      buffers: With `first`, `last` and `nbytes` set; `offset` is filled in.

    Returns:
      The size of the arena in bytes.
    """
    pieces = [b for b in buffers if b.parent is not None]
    for piece in pieces:
        whole = piece.parent
        assert whole is not None
        whole.first = min(whole.first, piece.first)
        whole.last = max(whole.last, piece.last)
    arena = [b for b in buffers if b.kind == "arena" and b.parent is None]
    starts = sorted(arena, key=lambda b: b.first)
    ends = sorted(arena, key=lambda b: b.last)
    holes = _Holes()
    freed = 0
    for buffer in starts:
        while freed < len(ends) and ends[freed].last < buffer.first:
            holes.release(ends[freed].offset, _round(ends[freed].nbytes))
            freed += 1
        buffer.offset = holes.take(_round(buffer.nbytes))
    for piece in pieces:
        assert piece.parent is not None
        piece.offset = piece.parent.offset + piece.place
    return holes.top


def _round(nbytes: int) -> int:
    return -(-max(nbytes, 1) // ALIGNMENT) * ALIGNMENT


class _Holes:
    """Free pieces of the arena, by offset; the arena grows at its end."""

    def __init__(self) -> None:
        self.top = 0
        self.offsets: list[int] = []
        self.sizes: dict[int, int] = {}

    def take(self, size: int) -> int:
        """Returns the offset of a free piece."""
        best = min(
            (o for o in self.offsets if self.sizes[o] >= size),
            key=lambda o: (self.sizes[o], o),
            default=None,
        )
        if best is None:
            # The last hole, if it touches the end, is grown instead of skipped.
            last = self.offsets[-1] if self.offsets else None
            if last is not None and last + self.sizes[last] == self.top:
                self.offsets.pop()
                del self.sizes[last]
                self.top = last + size
                return last
            self.top += size
            return self.top - size
        self.offsets.remove(best)
        left = self.sizes.pop(best) - size
        if left:
            bisect.insort(self.offsets, best + size)
            self.sizes[best + size] = left
        return best

    def release(self, offset: int, size: int) -> None:
        """Returns a piece, joining it with the holes that it touches."""
        at = bisect.bisect_left(self.offsets, offset)
        if at < len(self.offsets) and self.offsets[at] == offset + size:
            size += self.sizes.pop(self.offsets.pop(at))
        if at and self.offsets[at - 1] + self.sizes[self.offsets[at - 1]] == offset:
            offset = self.offsets[at - 1]
            self.sizes[offset] += size
            return
        self.offsets.insert(at, offset)
        self.sizes[offset] = size
