"""Drawing -> coordinates: every open scope is laid out on its own, innermost first.

A scope that was laid out is a box of known size for the scope around it. An edge into
or out of it passes its border at a port; ports are vertices of the inner layout, at its
top and bottom row, so the inner and the outer part of the edge meet.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from graphopt.viz import layers
from graphopt.viz.columns import FORWARD, counterparts, is_gradients
from graphopt.viz.layers import Edge, Vertex
from graphopt.viz.model import Box, Drawing
from graphopt.viz.shapes import FRAME_HEADER, FRAME_PADDING, LANE, Shape, measure
from graphopt.viz.words import size_of

Point = tuple[float, float]
# How far an edge that goes around a box keeps from it.
DETOUR = 9.0
# Between columns, for the curves.
COLUMN_GAP = 70.0


@dataclass(eq=False)
class Port:
    """Where edges cross the border of an open scope."""

    scope: Box
    side: int
    vertex: Vertex = field(default_factory=Vertex)


@dataclass
class Bundle:
    """All links between two vertices of a scope, drawn as one line."""

    edge: Edge
    enters: bool
    source_port: Port | None
    target_port: Port | None
    tensors: set[object] = field(default_factory=set)
    nbytes: int = 0
    is_control: bool = True


@dataclass
class Crossing:
    """All links between two boxes that show, in different columns."""

    tensors: set[object] = field(default_factory=set)
    nbytes: int = 0


@dataclass
class Route:
    """A line to draw, in the coordinates of the picture.

    Attributes:
      points: Corners, from source to target; each second piece is a curve.
      has_arrow: Whether it ends at a box and not at a border.
      count: How many tensors it stands for.
      nbytes: Their size.
      is_control: Whether it only orders.
      is_level: Whether it goes from side to side, between columns.
    """

    points: list[Point]
    has_arrow: bool
    count: int
    nbytes: int
    is_control: bool
    is_level: bool = False


@dataclass
class ScopeLayout:
    """The inside of one open scope, counted from its corner.

    Attributes:
      shapes: The boxes in it, with their places in the picture.
      x, y: The place of the scope in the picture.
      width, height: Its size.
      routes: The lines in it.
      ports: How far from its left side edges cross its top (-1) or bottom (1), by side
        and the box they come from.
    """

    shapes: list[tuple[Box, Shape]]
    x: float
    y: float
    width: float
    height: float
    routes: list[Route]
    ports: dict[tuple[int, Box], float]


@dataclass
class Layout:
    """Where everything is; each box comes after the scope around it."""

    width: float
    height: float
    shapes: dict[Box, Shape]
    routes: list[Route]
    scopes: dict[Box, ScopeLayout]


def lay_out(drawing: Drawing) -> Layout:
    """Places the boxes that show and routes the edges between them.

    Args:
      drawing: With its scopes opened.

    Returns:
      Coordinates in pixels, the origin at the top left.
    """
    return _Builder(drawing).build()


class _Builder:
    def __init__(self, drawing: Drawing) -> None:
        self.open = [drawing.root]
        for scope in self.open:
            self.open += [child for child in scope.children if child.is_open]
        self.vertices: dict[Box, Vertex] = {}
        self.shapes: dict[Box, Shape] = {}
        self.ports: dict[tuple[Box, int, Box], Port] = {}
        self.ports_of: dict[Box, list[Port]] = {scope: [] for scope in self.open}
        self.bundles: dict[Box, dict[tuple[Vertex, Vertex, Vertex | None], Bundle]] = {
            scope: {} for scope in self.open
        }
        self.rows: dict[Box, list[tuple[float, float]]] = {}
        self.offsets: dict[Box, Point] = {}
        self.heights: dict[Box, float] = {}
        self.crossings: dict[tuple[Box, Box], Crossing] = {}
        self.columns = [box for box in drawing.root.children if box.is_column]
        # Where ops run upward.
        self.upward = {box for box in self.columns if is_gradients(box)}
        for scope in self.open:
            if scope in self.upward:
                self.upward.update(scope.children)
            for child in scope.children:
                self.vertices[child] = Vertex()
        self._add_links(drawing)

    def _add_links(self, drawing: Drawing) -> None:
        visible: dict[Box, Box] = {}
        for scope in drawing.scopes():
            for child in scope.children:
                shows = scope.is_open and visible.get(scope, scope) is scope
                visible[child] = child if shows else visible[scope]
        for link in drawing.links:
            source, target = visible[link.source], visible[link.target]
            if source is not target:
                self._add_link(source, target, link.tensor)

    def _add_link(self, source: Box, target: Box, tensor: object) -> None:
        above = set(source.ancestors())
        common = next(box for box in target.ancestors() if box in above)
        if common.parent is None and self.columns:
            crossing = self.crossings.setdefault((source, target), Crossing())
            if tensor is not None and tensor not in crossing.tensors:
                crossing.tensors.add(tensor)
                crossing.nbytes += size_of(tensor) or 0  # type: ignore[arg-type]
            return
        port: Port | None = None
        while source.parent is not common:
            scope = source.parent
            assert scope is not None
            leaving = self._port(scope, 1, source)
            ends = (self.vertices[source], leaving.vertex)
            self._bundle(scope, ends, (port, None), tensor)
            source, port = scope, leaving
        inner: list[tuple[Box, Port | None]] = [(target, None)]
        while inner[-1][0].parent is not common:
            scope = inner[-1][0].parent
            assert scope is not None
            inner.append((scope, self._port(scope, -1, source)))
        start, scope = self.vertices[source], common
        for box, entry in reversed(inner):
            self._bundle(scope, (start, self.vertices[box]), (port, entry), tensor)
            port = None
            if entry is not None:
                start, scope = entry.vertex, box

    def _port(self, scope: Box, side: int, key: Box) -> Port:
        found = self.ports.get((scope, side, key))
        if found is None:
            found = self.ports[scope, side, key] = Port(scope, side, Vertex(side=side))
            self.ports_of[scope].append(found)
        return found

    def _bundle(
        self,
        scope: Box,
        ends: tuple[Vertex, Vertex],
        ports: tuple[Port | None, Port | None],
        tensor: object,
    ) -> None:
        leave = ports[0].vertex if ports[0] else None
        key = (*ends, leave)
        bundle = self.bundles[scope].get(key)
        if bundle is None:
            enters = not ports[1] and not ends[1].side
            bundle = Bundle(Edge(*ends), enters, *ports)
            self.bundles[scope][key] = bundle
        if tensor is not None and tensor not in bundle.tensors:
            bundle.tensors.add(tensor)
            bundle.is_control = False
            bundle.nbytes += size_of(tensor) or 0  # type: ignore[arg-type]

    def build(self) -> Layout:
        """Lays the scopes out, innermost first, then adds up their places."""
        bundles = {}
        for scope in reversed(self.open):
            if scope.parent is not None or not self.columns:
                bundles[scope] = self._place(scope)
                if not scope.is_column:
                    self._frame(scope, *bundles[scope])
        if self.columns:
            self._align_rows()
            for column in self.columns:
                self._frame(column, *bundles[column])
            self._place_columns(self.open[0])
        for scope in self.open:
            self._shift_children(scope)
        scopes = {scope: self._inside(scope) for scope in self.open}
        root = self.shapes.pop(self.open[0])
        ordered = {child: self.shapes[child] for s in self.open for child in s.children}
        routes = [route for scope in self.open for route in scopes[scope].routes]
        routes += [self._level_route(*item) for item in self.crossings.items()]
        return Layout(root.width, root.height, ordered, routes, scopes)

    def _inside(self, scope: Box) -> ScopeLayout:
        frame = self.shapes[scope]
        return ScopeLayout(
            [(child, self.shapes[child]) for child in scope.children],
            *self.offsets[scope],
            frame.width,
            frame.height,
            list(self._routes(scope)),
            {
                (side, key): frame.anchor + port.vertex.left
                for (of, side, key), port in self.ports.items()
                if of is scope
            },
        )

    def _align_rows(self) -> None:
        """Moves rows down until gradients stand beside what they belong to."""
        forward = self.columns[0]
        gradients = next(box for box in self.columns if box in self.upward)
        rows, mirrored = self.rows[forward], self.rows[gradients]
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
        self.rows[forward] = [(t, t + h) for t, h in zip(tops, heights, strict=True)]
        heights = [bottom - top for top, bottom in reversed(mirrored)]
        end = other_tops[-1] + heights[-1]
        self.rows[gradients] = [
            (end - t - h, end - t)
            for t, h in zip(reversed(other_tops), reversed(heights), strict=True)
        ]
        for column in (forward, gradients):
            for child in column.children:
                vertex = self.vertices[child]
                vertex.y = self.rows[column][vertex.layer][0]

    def _place_columns(self, root: Box) -> None:
        frame = measure(root)
        frame.height = max(self.shapes[column].height for column in self.columns)
        x = 0.0
        for index, column in enumerate(self.columns):
            shape, vertex = self.shapes[column], self.vertices[column]
            if index < 2:
                shape.height = frame.height
            vertex.x = x + shape.anchor
            vertex.y = 0.0 if index < 2 else (frame.height - shape.height) / 2
            x += shape.width + COLUMN_GAP
        frame.width = x - COLUMN_GAP
        self.shapes[root] = frame
        self.offsets[root] = (0.0, 0.0)
        self.rows[root] = []

    def _level_route(self, ends: tuple[Box, Box], crossing: Crossing) -> Route:
        source, target = (self.shapes[box] for box in ends)
        first = (source.x + source.width, source.y + source.height / 2)
        down = LANE / 2 if target.tags else target.height / 2
        last = (target.x + target.body_x, target.y + down)
        points = [first, last]
        if target.x < source.x:
            # A line that goes back, to a column on the left.
            middle = target.y + target.height / 2
            points = [(source.x, first[1]), (target.x + target.width, middle)]
        elif target.tags:
            points = [first, (target.x - 4, last[1]), last]
        count = len(crossing.tensors)
        return Route(points, True, count, crossing.nbytes, not count, is_level=True)

    def _place(self, scope: Box) -> tuple[list[Vertex], list[Bundle]]:
        for child in scope.children:
            shape = self.shapes.get(child)
            if shape is None:
                lane = has_lane(child)
                shape = self.shapes[child] = measure(child, lane=lane)
            vertex = self.vertices[child]
            vertex.left, vertex.right = shape.anchor, shape.width - shape.anchor
            vertex.height = shape.height
        ports = self.ports_of[scope]
        vertices = [
            *(port.vertex for port in ports if port.side < 0),
            *(self.vertices[child] for child in scope.children),
            *(port.vertex for port in ports if port.side > 0),
        ]
        bundles = list(self.bundles[scope].values())
        for bundle in bundles:
            edge = bundle.edge
            edge.source_offset = _offset(bundle.source_port, edge.source)
            edge.target_offset = _offset(bundle.target_port, edge.target)
        edges = [bundle.edge for bundle in bundles]
        rows = layers.place(vertices, edges, quick=len(self.vertices) > layers.MANY)
        _spread_arrows(bundles)
        self.rows[scope] = rows
        return vertices, bundles

    def _frame(self, scope: Box, vertices: list[Vertex], bundles: list[Bundle]) -> None:
        """Makes the box around what was placed; all then counts from its corner."""
        everything: dict[Vertex, None] = dict.fromkeys(vertices)
        for bundle in bundles:
            everything.update(dict.fromkeys(bundle.edge.path))
        left = min((v.x - v.left for v in everything), default=0.0)
        right = max((v.x + v.right for v in everything), default=0.0)
        rows = self.rows[scope]
        # Without ports the first and the last row are empty.
        entries = any(port.side < 0 for port in self.ports_of[scope])
        exits = any(port.side > 0 for port in self.ports_of[scope])
        before, after = FRAME_HEADER, FRAME_PADDING
        if scope in self.upward:
            before, after = after, before
        top = rows[0][0] if entries else rows[1][0] - before
        bottom = rows[-1][1] if exits else rows[-2][1] + after
        frame = measure(scope)
        inner = right - left + 2 * FRAME_PADDING
        frame.width = max(frame.width, inner)
        frame.height = self.heights[scope] = bottom - top
        frame.anchor = frame.width / 2
        shift = (frame.width - inner) / 2 + FRAME_PADDING - left
        for vertex in everything:
            vertex.x += shift
            vertex.y -= top
        self.rows[scope] = [(a - top, b - top) for a, b in rows]
        for port in self.ports_of[scope]:
            # From here on a port counts from where edges meet the frame.
            port.vertex.left = port.vertex.x - frame.anchor
        self.shapes[scope] = frame
        self.offsets[scope] = (0.0, 0.0)

    def _shift_children(self, scope: Box) -> None:
        dx, dy = self.offsets[scope]
        for child in scope.children:
            vertex, shape = self.vertices[child], self.shapes[child]
            shape.x = dx + vertex.x - shape.anchor
            shape.y = dy + vertex.y
            if scope in self.upward:
                shape.y = dy + self.heights[scope] - vertex.y - shape.height
            if child in self.offsets:
                self.offsets[child] = (shape.x, shape.y)

    def _routes(self, scope: Box) -> Iterable[Route]:
        dx, dy = self.offsets[scope]
        rows = self.rows[scope]
        for bundle in self.bundles[scope].values():
            edge = bundle.edge
            points = _points(edge, rows)
            if edge.is_reversed:
                points.reverse()
            if scope in self.upward:
                height = self.heights[scope]
                points = [(x, height - y) for x, y in points]
            yield Route(
                [(x + dx, y + dy) for x, y in points],
                bundle.enters,
                len(bundle.tensors),
                bundle.nbytes,
                bundle.is_control,
            )


def has_lane(box: Box) -> bool:
    """Whether lines from another column may come in above the badges of a box."""
    column = next((scope for scope in box.ancestors() if scope.is_column), None)
    return column is not None and column.label != FORWARD


def _offset(port: Port | None, _vertex: Vertex) -> float:
    return port.vertex.left if port is not None else 0.0


def _points(edge: Edge, rows: list[tuple[float, float]]) -> list[Point]:
    """Straight within a row, curved between rows, so that no box is crossed."""
    top, bottom, leave, enter = edge.ends
    first, last = (top.x + leave, top.y + top.height), (bottom.x + enter, bottom.y)
    if edge.is_reversed:
        # It enters the upper box from above and leaves the lower one from below, so it
        # goes around both.
        above = top.y - DETOUR
        side = top.x + top.right + DETOUR
        points = [(first[0], top.y), (first[0], above), (side, above)]
        points.append((side, rows[top.layer][1]))
    else:
        points = [first, (first[0], rows[top.layer][1])]
    for vertex in edge.path[1:-1]:
        row_top, row_bottom = rows[vertex.layer]
        points += [(vertex.x, row_top), (vertex.x, row_bottom)]
    row_top = rows[bottom.layer][0]
    if edge.is_reversed:
        below = bottom.y + bottom.height + DETOUR
        side = bottom.x - bottom.left - DETOUR
        points += [(side, row_top), (side, below), (last[0], below)]
        points.append((last[0], bottom.y + bottom.height))
    else:
        points += [(last[0], row_top), last]
    return points


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
