"""Links between ops -> lines between boxes that show, cut at the borders of open scopes.

All links between two boxes of a scope are one line. A line into or out of an open scope
passes its border at a port, of which each box that the line comes from has its own. Links
between columns are kept apart: they run sideways.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from graphopt.viz.model import Box, Drawing
from graphopt.viz.vertices import Edge, Vertex
from graphopt.viz.words import size_of


@dataclass(eq=False)
class Port:
    """Where lines cross the border of an open scope."""

    scope: Box
    vertex: Vertex

    @property
    def side(self) -> int:
        """-1 for the side at which lines enter, 1 for that at which they leave."""
        return self.vertex.side


@dataclass(eq=False)
class Line:
    """What is drawn as one line.

    Attributes:
      tensors: What it stands for.
      nbytes: Their size.
    """

    tensors: set[object] = field(default_factory=set, kw_only=True)
    nbytes: int = field(default=0, kw_only=True)

    def add(self, tensor: object) -> None:
        """Adds a tensor; None for what only orders."""
        if tensor is not None and tensor not in self.tensors:
            self.tensors.add(tensor)
            self.nbytes += size_of(tensor) or 0  # type: ignore[arg-type]


@dataclass(eq=False)
class Bundle(Line):
    """All links between two vertices of a scope.

    Attributes:
      edge: What it is for the layout.
      enters: Whether it ends at a box and not at a border.
      source_port, target_port: Where it goes on inside of an open scope.
    """

    edge: Edge
    enters: bool
    source_port: Port | None
    target_port: Port | None


@dataclass(eq=False)
class Crossing(Line):
    """All links between two boxes that show, in different columns."""

    source: Box
    target: Box


class Bundles:
    """The lines of a drawing.

    Attributes:
      open: The open scopes, outer before inner.
      vertices: One for each box that shows.
      ports: The ports of each open scope.
      inside: The lines in each open scope.
      crossings: The lines between columns.
    """

    def __init__(self, drawing: Drawing) -> None:
        self.open = [drawing.root]
        for scope in self.open:
            self.open += [child for child in scope.children if child.is_open]
        self.vertices = {c: Vertex() for scope in self.open for c in scope.children}
        self.ports: dict[Box, dict[tuple[int, Box], Port]] = {s: {} for s in self.open}
        self._found: dict[Box, dict[tuple[Vertex, Vertex, Vertex | None], Bundle]] = {
            scope: {} for scope in self.open
        }
        self._crossings: dict[tuple[Box, Box], Crossing] = {}
        has_columns = any(box.is_column for box in drawing.root.children)
        visible: dict[Box, Box] = {}
        for scope in drawing.scopes():
            for child in scope.children:
                shows = scope.is_open and visible.get(scope, scope) is scope
                visible[child] = child if shows else visible[scope]
        for link in drawing.links:
            source, target = visible[link.source], visible[link.target]
            if source is not target:
                self._add(source, target, link.tensor, has_columns)

    @property
    def inside(self) -> dict[Box, list[Bundle]]:
        """The lines in each open scope."""
        return {scope: list(found.values()) for scope, found in self._found.items()}

    @property
    def crossings(self) -> list[Crossing]:
        """The lines between columns."""
        return list(self._crossings.values())

    def _add(self, source: Box, target: Box, tensor: object, has_columns: bool) -> None:
        above = set(source.ancestors())
        common = next(box for box in target.ancestors() if box in above)
        if common.parent is None and has_columns:
            new = Crossing(source, target)
            self._crossings.setdefault((source, target), new).add(tensor)
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
        ports = self.ports[scope]
        if (side, key) not in ports:
            ports[side, key] = Port(scope, Vertex(side=side))
        return ports[side, key]

    def _bundle(
        self,
        scope: Box,
        ends: tuple[Vertex, Vertex],
        ports: tuple[Port | None, Port | None],
        tensor: object,
    ) -> None:
        key = (*ends, ports[0].vertex if ports[0] else None)
        bundle = self._found[scope].get(key)
        if bundle is None:
            enters = not ports[1] and not ends[1].side
            bundle = self._found[scope][key] = Bundle(Edge(*ends), enters, *ports)
        bundle.add(tensor)
