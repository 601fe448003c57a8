"""What is placed: vertices and edges, and the rows in which they end up."""

from __future__ import annotations

from dataclasses import dataclass, field

# Between rows, and between vertices of a row.
ROW_GAP = 36.0
COLUMN_GAP = 22.0


@dataclass(eq=False, repr=False)
class Vertex:
    """Something to be placed.

    Attributes:
      left, right: How far it reaches to either side of the point where edges meet it.
      height: Its height.
      side: -1 for an entry at the top border, 1 for an exit at the bottom border.
      closed: Left, right and height while it is closed, if it is open.
      is_dummy: Whether it is only where a long edge crosses a layer.
      x, y: The point where edges meet it, and its top.
      layer, order: Its place.
    """

    left: float = 4.0
    right: float = 4.0
    height: float = 0.0
    side: int = 0
    closed: tuple[float, float, float] | None = None
    is_dummy: bool = False
    x: float = 0.0
    y: float = 0.0
    layer: int = 0
    order: int = 0
    above: list[tuple[Vertex, float]] = field(default_factory=list)
    below: list[tuple[Vertex, float]] = field(default_factory=list)

    @property
    def closed_width(self) -> float:
        """The whole width while it is closed."""
        return (
            self.closed[0] + self.closed[1] if self.closed else self.left + self.right
        )

    @property
    def closed_height(self) -> float:
        """The height while it is closed."""
        return self.closed[2] if self.closed else self.height


@dataclass(eq=False, repr=False)
class Edge:
    """Connects two vertices.

    Attributes:
      source, target: Its ends.
      source_offset, target_offset: Where it leaves and enters, from the `x` of each.
      is_reversed: Whether it was turned around to break a cycle.
      path: The vertices it goes through, from the upper to the lower end.
    """

    source: Vertex
    target: Vertex
    source_offset: float = 0.0
    target_offset: float = 0.0
    is_reversed: bool = False
    path: list[Vertex] = field(default_factory=list)

    @property
    def ends(self) -> tuple[Vertex, Vertex, float, float]:
        """Upper and lower end with the offset of each."""
        if self.is_reversed:
            return self.target, self.source, self.target_offset, self.source_offset
        return self.source, self.target, self.source_offset, self.target_offset


@dataclass
class Rows:
    """Where the layers are.

    Attributes:
      spans: Top and bottom of each layer.
      cuts: The layers with which a new band begins.
      tracks: For each of these, where the edges run that go on in the band, in the order
        of their numbers: the number of the edge, and how far they are to the right.
    """

    spans: list[tuple[float, float]]
    cuts: list[int] = field(default_factory=list)
    tracks: list[list[tuple[int, float]]] = field(default_factory=list)

    @property
    def inner(self) -> list[tuple[float, float]]:
        """The spans of all but entries and exits."""
        return self.spans[1:-1]
