"""Drawing -> coordinates: every open scope is laid out on its own, innermost first.

A scope that was laid out is a box of known size for the scope around it. An edge into
or out of it passes its border at a port; ports are vertices of the inner layout, at its
first and last row, so the inner and the outer part of the edge meet.

All is computed as if edges ran down: "across" is the axis of a row, "along" the one on
which rows follow each other. Where edges run right, the two are exchanged at the end.

`html/app/3_layout.js` is the same in the browser.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from graphopt.viz import layers
from graphopt.viz.bands import TRACK
from graphopt.viz.bundles import Bundle, Bundles, Port
from graphopt.viz.columns import FORWARD, counterparts, is_gradients
from graphopt.viz.model import Box, Drawing
from graphopt.viz.shapes import FRAME_HEADER, FRAME_PADDING, LANE, Shape, measure
from graphopt.viz.sideways import Sideways
from graphopt.viz.vertices import ROW_GAP, Edge, Rows, Vertex

Point = tuple[float, float]
Direction = Literal["down", "right"]
# How far an edge that goes around a box keeps from it.
DETOUR = 9.0
# Between columns, for the curves.
COLUMN_GAP = 70.0
# How much wider than high a long chain should be.
ASPECT = 1.5


@dataclass
class Route:
    """A line to draw, in the coordinates of the picture.

    Attributes:
      points: Corners, from source to target. Between two that differ in both coordinates
        it is a curve, which leaves and arrives along.
      has_arrow: Whether it ends at a box and not at a border.
      count: How many tensors it stands for.
      nbytes: Their size.
      is_level: Whether it goes from side to side, between columns.
      leaves_sideways: Whether its curves begin and end horizontally.
    """

    points: list[Point]
    has_arrow: bool
    count: int
    nbytes: int
    is_level: bool = False
    leaves_sideways: bool = False

    @property
    def is_control(self) -> bool:
        """Whether it only orders."""
        return not self.count


@dataclass
class Layout:
    """Where everything is; each box comes after the scope around it."""

    width: float
    height: float
    shapes: dict[Box, Shape]
    routes: list[Route]


def lay_out(drawing: Drawing, direction: Direction = "down") -> Layout:
    """Places the boxes that show and routes the edges between them.

    Args:
      drawing: With its scopes opened.
      direction: Where edges run.

    Returns:
      Coordinates in pixels, the origin at the top left.
    """
    return _Builder(drawing, runs_right=direction == "right").build()


@dataclass
class Frame:
    """The inside of an open scope.

    Attributes:
      across, along: Its size.
      rows: Where the layers of what is in it are.
      is_upward: Whether edges run against the direction in it.
      filled: How far what is in it reaches along.
      x, y: Its place, across and along, in the picture.
    """

    across: float
    along: float
    rows: Rows
    is_upward: bool
    filled: float
    x: float = 0.0
    y: float = 0.0

    def turn(self, along: float, extent: float = 0.0) -> float:
        """Returns where something of an extent is that was laid out at `along`."""
        return self.y + (self.filled - along - extent if self.is_upward else along)


class _Builder:
    def __init__(self, drawing: Drawing, *, runs_right: bool) -> None:
        self.runs_right = runs_right
        self.bundles = Bundles(drawing)
        self.inside = self.bundles.inside
        self.root = drawing.root
        self.vertices = self.bundles.vertices
        self.shapes: dict[Box, Shape] = {}
        self.frames: dict[Box, Frame] = {}
        self.rows: dict[Box, Rows] = {}
        # Left and top of every box, across and along, in the picture.
        self.places: dict[Box, Point] = {}
        self.columns = [box for box in drawing.root.children if box.is_column]
        self.upward = {box for box in self.columns if is_gradients(box)}
        for scope in self.bundles.open:
            if scope in self.upward:
                self.upward.update(scope.children)

    def build(self) -> Layout:
        """Lays the scopes out, innermost first, then adds up their places."""
        for scope in reversed(self.bundles.open):
            if scope.parent is not None or not self.columns:
                self.rows[scope] = self._place(scope)
                if not scope.is_column:
                    self._frame(scope)
        if self.columns:
            self._align_rows()
            for column in self.columns:
                self._frame(column)
            self._place_columns()
        for scope in self.bundles.open:
            self._shift_children(scope)
        sideways = self._route_crossings()
        root = self.frames[self.root]
        routes = [r for scope in self.bundles.open for r in self._routes(scope)]
        for crossing, points in zip(self.bundles.crossings, sideways, strict=True):
            count, nbytes = len(crossing.tensors), crossing.nbytes
            routes.append(
                Route(
                    self._turn(points), True, count, nbytes, True, not self.runs_right
                )
            )
        for box, (across, along) in self.places.items():
            shape = self.shapes[box]
            shape.x, shape.y = (along, across) if self.runs_right else (across, along)
        shapes = {c: self.shapes[c] for s in self.bundles.open for c in s.children}
        size = (root.across, root.along)
        width, height = reversed(size) if self.runs_right else size
        return Layout(width, height, shapes, routes)

    def _turn(self, points: list[Point]) -> list[Point]:
        return [(y, x) for x, y in points] if self.runs_right else points

    # ---- one scope

    def _place(self, scope: Box) -> Rows:
        for child in scope.children:
            self._measure(child)
        ports = self.bundles.ports[scope].values()
        vertices = [
            *(port.vertex for port in ports if port.side < 0),
            *(self.vertices[child] for child in scope.children),
            *(port.vertex for port in ports if port.side > 0),
        ]
        bundles = self.inside[scope]
        for bundle in bundles:
            bundle.edge.source_offset = _offset(bundle.source_port)
            bundle.edge.target_offset = _offset(bundle.target_port)
        edges = [bundle.edge for bundle in bundles]
        is_quick = len(self.vertices) > layers.MANY
        aspect = 0.0 if self.columns else 1 / ASPECT if self.runs_right else ASPECT
        rows = layers.place(vertices, edges, quick=is_quick, aspect=aspect)
        _spread_arrows(bundles)
        return rows

    def _measure(self, box: Box) -> None:
        vertex = self.vertices[box]
        turned = self.runs_right
        shape = measure(box, lane=has_lane(box), runs_right=turned, is_open=False)
        size = _extents(shape, turned)
        frame = self.frames.get(box)
        if frame is None:
            self.shapes[box] = shape
            vertex.left, vertex.right, vertex.height = size
        else:
            vertex.closed = size
            vertex.left = vertex.right = frame.across / 2
            vertex.height = frame.along

    def _frame(self, scope: Box) -> None:
        """Makes the box around what was placed; all then counts from its corner."""
        ports = self.bundles.ports[scope].values()
        everything: dict[Vertex, None] = dict.fromkeys(port.vertex for port in ports)
        everything.update(dict.fromkeys(self.vertices[c] for c in scope.children))
        for bundle in self.inside[scope]:
            everything.update(dict.fromkeys(bundle.edge.path))
        left = min((v.x - v.left for v in everything), default=0.0)
        right = max((v.x + v.right for v in everything), default=0.0)
        rows = self.rows[scope]
        for tracks in rows.tracks:
            right = max(right, *(x for _, x in tracks), right)
        title = measure(scope, is_open=True)
        header, wide = FRAME_HEADER, title.width
        before = after = FRAME_PADDING
        start = FRAME_PADDING
        if self.runs_right:
            start, wide = header, 0.0
        elif scope in self.upward:
            after = header
        else:
            before = header
        entries = any(port.side < 0 for port in ports)
        exits = any(port.side > 0 for port in ports)
        # Without ports the first and the last row are empty.
        top = min((span[0] for span in rows.inner), default=0.0) - before
        bottom = max((span[1] for span in rows.inner), default=0.0) + after
        if entries:
            top = min(top, rows.spans[0][0])
        if exits or rows.cuts:
            bottom = max(bottom, rows.spans[-1][1])
        if self.runs_right:
            bottom = max(bottom, top + title.width)
        inner = right - left + start + FRAME_PADDING
        across = max(wide, inner)
        shift = (across - inner) / 2 + start - left
        for vertex in everything:
            vertex.x += shift
            vertex.y -= top
        rows.spans = [(a - top, b - top) for a, b in rows.spans]
        along = bottom - top
        # Ports are at the borders, wherever the boxes next to them end.
        rows.spans[0], rows.spans[-1] = (0.0, 0.0), (along, along)
        for tracks in rows.tracks:
            tracks[:] = [(number, x + shift) for number, x in tracks]
        for port in ports:
            port.vertex.y = 0.0 if port.side < 0 else along
            # From here on a port counts from where edges meet the frame.
            port.vertex.left = port.vertex.x - across / 2
        self.shapes[scope] = title
        self.frames[scope] = Frame(across, along, rows, scope in self.upward, along)

    # ---- columns

    def _align_rows(self) -> None:
        """Moves rows down until gradients stand beside what they belong to."""
        forward = self.columns[0]
        gradients = next(box for box in self.columns if box in self.upward)
        rows, mirrored = self.rows[forward].spans, self.rows[gradients].spans
        last = len(mirrored) - 1
        pairs = sorted(
            (last - self.vertices[box].layer, self.vertices[other].layer)
            for box, other in counterparts(forward, gradients).items()
        )
        tops = [top for top, _ in rows]
        other_tops = [mirrored[-1][1] - bottom for _, bottom in reversed(mirrored)]
        seen = 0
        for other_row, row in pairs:
            if row <= seen:
                continue
            seen = row
            down = other_tops[other_row] - tops[row]
            moved, start = (tops, row) if down > 0 else (other_tops, other_row)
            for index in range(start, len(moved)):
                moved[index] += abs(down)
        heights = [bottom - top for top, bottom in rows]
        rows[:] = [(t, t + h) for t, h in zip(tops, heights, strict=True)]
        heights = [bottom - top for top, bottom in reversed(mirrored)]
        end = other_tops[-1] + heights[-1]
        mirrored[:] = [
            (end - t - h, end - t)
            for t, h in zip(reversed(other_tops), reversed(heights), strict=True)
        ]
        for column, spans in ((forward, rows), (gradients, mirrored)):
            for child in column.children:
                vertex = self.vertices[child]
                vertex.y = spans[vertex.layer][0]

    def _place_columns(self) -> None:
        frames = [self.frames[column] for column in self.columns]
        along = max(frame.along for frame in frames)
        x = 0.0
        for index, (column, frame) in enumerate(zip(self.columns, frames, strict=True)):
            if index < 2:
                frame.along = along
            vertex = self.vertices[column]
            vertex.left = vertex.right = frame.across / 2
            vertex.height = frame.along
            vertex.x = x + vertex.left
            vertex.y = (along - frame.along) / 2
            x += frame.across + COLUMN_GAP
        across = x - COLUMN_GAP
        self.frames[self.root] = Frame(across, along, Rows([]), False, along)
        self.shapes[self.root] = measure(self.root, is_open=True)

    def _route_crossings(self) -> list[list[Point]]:
        """Returns the lines between columns, with room for those around all."""
        around = Sideways(self.columns, self.frames, self.places, self.vertices)
        lines = [
            around.route(crossing.source, crossing.target, self._entry(crossing.target))
            for crossing in self.bundles.crossings
        ]
        root = self.frames[self.root]
        left = min((x for points in lines for x, _ in points), default=0.0)
        right = max((x for points in lines for x, _ in points), default=0.0)
        top = min((y for points in lines for _, y in points), default=0.0)
        root.across = max(root.across, right)
        if left < 0 or top < 0:
            across, along = max(-left, 0.0), max(-top, 0.0)
            root.across += across
            root.along += along
            lines = [[(x + across, y + along) for x, y in points] for points in lines]
            for box, (x, y) in self.places.items():
                self.places[box] = (x + across, y + along)
                if box in self.frames:
                    self.frames[box].x += across
                    self.frames[box].y += along
        return lines

    def _entry(self, box: Box) -> tuple[float, float]:
        """Where a line from the side meets a box: how far down, and how far in."""
        shape, vertex = self.shapes[box], self.vertices[box]
        if not shape.tags:
            return vertex.height / 2, 0.0
        if self.runs_right:
            return vertex.height - LANE / 2, shape.body_y
        return LANE / 2, shape.body_x

    # ---- the whole

    def _shift_children(self, scope: Box) -> None:
        frame = self.frames[scope]
        for child in scope.children:
            vertex = self.vertices[child]
            x = frame.x + vertex.x - vertex.left
            y = frame.turn(vertex.y, vertex.height)
            self.places[child] = (x, y)
            inner = self.frames.get(child)
            if inner is not None:
                inner.x, inner.y = x, y
                shape, size = self.shapes[child], (inner.across, inner.along)
                shape.width, shape.height = reversed(size) if self.runs_right else size

    def _routes(self, scope: Box) -> Iterable[Route]:
        frame = self.frames[scope]
        for number, bundle in enumerate(self.inside[scope]):
            edge = bundle.edge
            points = _points(edge, frame.rows, number)
            if edge.is_reversed:
                points.reverse()
            points = [(x + frame.x, frame.turn(y)) for x, y in points]
            yield Route(
                self._turn(points),
                bundle.enters,
                len(bundle.tensors),
                bundle.nbytes,
                leaves_sideways=self.runs_right,
            )


def _extents(shape: Shape, runs_right: bool) -> tuple[float, float, float]:
    """Returns how far a shape reaches to the sides of its anchor, and along."""
    width, along = shape.width, shape.height
    if runs_right:
        width, along = along, width
    return shape.anchor, width - shape.anchor, along


def has_lane(box: Box) -> bool:
    """Whether lines from another column may come in past the badges of a box."""
    column = next((scope for scope in box.ancestors() if scope.is_column), None)
    return column is not None and column.label != FORWARD


def _offset(port: Port | None) -> float:
    return port.vertex.left if port is not None else 0.0


def _points(edge: Edge, rows: Rows, number: int) -> list[Point]:
    """Straight within a row, curved between rows, so that no box is crossed."""
    spans = rows.spans
    top, bottom, leave, enter = edge.ends
    first, last = (top.x + leave, top.y + top.height), (bottom.x + enter, bottom.y)
    if edge.is_reversed:
        # It enters the upper box from above and leaves the lower one from below, so it
        # goes around both.
        above = top.y - DETOUR
        side = top.x + top.right + DETOUR
        points = [(first[0], top.y), (first[0], above), (side, above)]
        points.append((side, spans[top.layer][1]))
    else:
        points = [first, (first[0], spans[top.layer][1])]
    layer = top.layer
    for vertex in edge.path[1:]:
        layer += 1
        if layer in rows.cuts:
            points += _go_on(points[-1], vertex, rows, layer, number, edge)
        if vertex is not bottom:
            start, end = spans[vertex.layer]
            points += [(vertex.x, start), (vertex.x, end)]
    start = spans[bottom.layer][0]
    if edge.is_reversed:
        below = bottom.y + bottom.height + DETOUR
        side = bottom.x - bottom.left - DETOUR
        points += [(side, start), (side, below), (last[0], below)]
        points.append((last[0], bottom.y + bottom.height))
    else:
        points += [(last[0], start), last]
    return points


def _go_on(
    point: Point, vertex: Vertex, rows: Rows, layer: int, number: int, edge: Edge
) -> list[Point]:
    """Returns the way of an edge from the end of a band to the start of the next one."""
    tracks = rows.tracks[rows.cuts.index(layer)]
    index, x = next((i, x) for i, (edge_, x) in enumerate(tracks) if edge_ == number)
    below = point[1] + ROW_GAP / 2 + TRACK * index
    above = rows.spans[layer][0] - ROW_GAP / 2 - TRACK * (len(tracks) - 1 - index) / 2
    end = vertex.x + (edge.target_offset if vertex is edge.target else 0.0)
    return [(point[0], below), (x, below), (x, above), (end, above)]


def _spread_arrows(bundles: list[Bundle]) -> None:
    """Lets the edges into one box end side by side, in the order they come from."""
    entering: dict[Vertex, list[Bundle]] = {}
    for bundle in bundles:
        if bundle.enters and not bundle.edge.is_reversed:
            entering.setdefault(bundle.edge.target, []).append(bundle)
    for vertex, group in entering.items():
        if len(group) < 2:
            continue
        room = 2 * min(vertex.left, vertex.right) - 16
        gap = min(16.0, room / (len(group) - 1))
        group.sort(key=lambda bundle: bundle.edge.path[-2].x)
        for index, bundle in enumerate(group):
            bundle.edge.target_offset = (index - (len(group) - 1) / 2) * gap
