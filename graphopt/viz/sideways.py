"""Lines between columns: from the side of one box to the side of another, past all others.

A line leaves a box across. Where another box of its row is in the way it goes into the gap
between the rows; so it does in each scope on its way out, and the same backward on its way
in. Between neighboring columns it is one curve; to a column further away it goes around
those between them, above the picture.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from graphopt.viz.model import Box
from graphopt.viz.vertices import Rows, Vertex

Point = tuple[float, float]
# How far from a row a line runs that passes boxes of it, less than the padding of frames.
BESIDE_ROW = 12.0
# Within so much, less than there is between two boxes, a line bends into that gap.
BEND = 20.0
# The straight end of a line, for its arrow.
STRAIGHT = 6.0
ABOVE = 14.0
TRACK = 5.0
MOST_TRACKS = 6


class Frame(Protocol):
    """The inside of an open scope, as `layout` has it."""

    across: float
    along: float
    rows: Rows
    x: float
    y: float

    def turn(self, along: float, extent: float = 0.0) -> float:
        """Returns where something of an extent is that was laid out at `along`."""


class Sideways:
    """Finds ways for lines between columns.

    Args:
      columns: From left to right.
      frames: The insides of the open scopes, with their places.
      places: Left and top of every box.
      vertices: The vertex of every box.
    """

    def __init__(
        self,
        columns: Sequence[Box],
        frames: Mapping[Box, Frame],
        places: Mapping[Box, Point],
        vertices: Mapping[Box, Vertex],
    ) -> None:
        self.columns = {column: index for index, column in enumerate(columns)}
        self.order = columns
        self.frames, self.places, self.vertices = frames, places, vertices
        self.tracks: dict[Box, int] = {}
        # Which boxes are first and last in their row.
        self.ends: dict[tuple[Box, int], tuple[int, int]] = {}
        for box, vertex in vertices.items():
            assert box.parent is not None
            key, order = (box.parent, vertex.layer), vertex.order
            low, high = self.ends.get(key, (order, order))
            self.ends[key] = min(low, order), max(high, order)

    def route(
        self, source: Box, target: Box, entry: tuple[float, float]
    ) -> list[Point]:
        """Returns the corners of a line.

        Args:
          source, target: Boxes in different columns.
          entry: Where it meets the target: how far down, and how far in.
        """
        points, start = self._leave(source)
        rest, end = self._enter(target, entry)
        first, last = self.columns[start], self.columns[end]
        if last != first + 1:
            top = -ABOVE - TRACK * self.tracks.setdefault(
                source, len(self.tracks) % MOST_TRACKS
            )
            (x, y), (end_x, end_y) = points[-1], rest[-1]
            if last > first:
                after, before = self.order[first + 1], self.order[last - 1]
                points.append((self.frames[after].x, top))
                points.append((self.frames[before].x + self.frames[before].across, top))
            else:
                points += [(x + BEND, y), (x + BEND, top), (end_x - BEND, top)]
                points.append((end_x - BEND, end_y))
        return points + rest[::-1]

    def _span(self, box: Box) -> tuple[float, float]:
        """Top and bottom of the row that a box is in."""
        assert box.parent is not None
        frame = self.frames[box.parent]
        ends = frame.rows.spans[self.vertices[box].layer]
        top, bottom = sorted(frame.turn(end) for end in ends)
        return top, bottom

    def _is_end(self, box: Box, side: int) -> bool:
        assert box.parent is not None
        vertex = self.vertices[box]
        return self.ends[box.parent, vertex.layer][side] == vertex.order

    def _leave(self, box: Box) -> tuple[list[Point], Box]:
        vertex, (left, top) = self.vertices[box], self.places[box]
        x, y = left + vertex.left + vertex.right, top + vertex.height / 2
        points = [(x, y)]
        while box not in self.columns:
            assert box.parent is not None
            if not self._is_end(box, 1):
                y = self._span(box)[1] + BESIDE_ROW
                points.append((x + BEND, y))
            box = box.parent
            x = self.frames[box].x + self.frames[box].across
            points.append((x, y))
        return points, box

    def _enter(self, box: Box, entry: tuple[float, float]) -> tuple[list[Point], Box]:
        """Returns the corners from the end of the line on."""
        x, y = self.places[box][0], self.places[box][1] + entry[0]
        points = [(x + entry[1], y)]
        if entry[1]:
            points.append((x, y))
        while box not in self.columns:
            assert box.parent is not None
            if not self._is_end(box, 0):
                if len(points) == 1:
                    points.append((x - STRAIGHT, y))
                y = self._span(box)[0] - BESIDE_ROW
                points.append((x - BEND, y))
            box = box.parent
            x = self.frames[box].x
            points.append((x, y))
        return points, box
