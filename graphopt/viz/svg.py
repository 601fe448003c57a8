"""Drawing -> SVG text, with the standard library only.

The picture is inert: no scripts, no links, nothing loaded, and every text from the
user's program is escaped. It is light or dark as the reader's system asks for.
"""

from __future__ import annotations

import html
import math
from collections.abc import Container, Iterator, Sequence

from graphopt.graph.effects import has_side_effect
from graphopt.graph.graph import Graph
from graphopt.graph.opspec import Alias, Drawn, Elementwise, Family, Host
from graphopt.ops.state import NO_OP
from graphopt.viz.columns import split_columns
from graphopt.viz.folding import MOST_BOXES, fold, open_scopes
from graphopt.viz.layout import Direction, Layout, Route, lay_out
from graphopt.viz.model import Box, Drawing, is_input, make_drawing
from graphopt.viz.shapes import (
    BADGE_HEIGHT,
    DETAIL_SIZE,
    LINE,
    PADDING,
    Shape,
)
from graphopt.viz.words import clean_text, format_bytes, plural, shorten, text_width

MARGIN = 20
# What differs by less is the same coordinate, and how round corners are.
STRAIGHT = 0.05
ROUND = 8.0
HEADING = 72
NARROWEST = 360

# kind: (what the legend says, light fill, light line, dark fill, dark line)
_KINDS = {
    "product": ("product, convolution", "#dbe8fd", "#3b6fc4", "#1d3252", "#7aa7ee"),
    "gather": ("reduction, movement", "#ece0fb", "#7f51b8", "#372650", "#b993e6"),
    "layer": ("layer", "#dbe8fd", "#3b6fc4", "#1d3252", "#7aa7ee"),
    "plain": ("elementwise", "#f4f5f7", "#8b939e", "#2a2f37", "#8b939e"),
    "write": ("writes a variable", "#fde3d3", "#c4622d", "#4b2a17", "#eb9a6c"),
    "source": ("input", "#d9f2e3", "#2f8f5b", "#173a28", "#6cc896"),
    "host": ("runs in Python", "#fbdce4", "#b83e63", "#4b1b2a", "#ea8aa6"),
    "order": ("order only", "#ffffff", "#8b939e", "#1d2127", "#8b939e"),
    "scope": ("closed scope", "#fdf3cd", "#a98b1c", "#3d3512", "#d8bd58"),
    "variable": ("variable", "#fff0e5", "#c4622d", "#38251a", "#eb9a6c"),
    "constant": ("constant", "#ffffff", "#b4bac2", "#1d2127", "#666e79"),
}
# What a graph may be called, among its attachments.
TITLE = "title"
_BADGE_KINDS = {"input": "source", "more": "constant"}

_STYLE = """\
text{font-family:system-ui,-apple-system,'Segoe UI',Helvetica,Arial,sans-serif}
.page{fill:#fff}.frame{fill:#000;fill-opacity:.025;stroke:#aab2bd}
.title{font-size:13px;font-weight:600;fill:#1c2128}
.detail,.badge,.note{font-size:12px;fill:#4d5661}
.heading{font-size:17px;font-weight:600;fill:#1c2128}
.count{font-size:12px;fill:#4d5661}
.halo{paint-order:stroke;stroke:#fff;stroke-width:4px;stroke-linejoin:round}
.edge{fill:none;stroke:#7b8592;stroke-opacity:.85}
.level{fill:none;stroke:#5b83c0;stroke-opacity:.55}.control{stroke-dasharray:4 4}
.arrow{fill:#7b8592}.target{stroke-width:3}
"""
_DARK_STYLE = """\
.page{fill:#15181d}.frame{fill:#fff;fill-opacity:.04;stroke:#4d5661}
.title,.heading{fill:#e6e9ed}.detail,.badge,.note,.count{fill:#b4bcc6}
.halo{stroke:#15181d}.edge{stroke:#8d97a4}.arrow{fill:#8d97a4}
.level{stroke:#7aa7ee}
"""


# Of what is fetched so many are named.
MOST_TARGETS = 2


def draw_svg(
    graph: Graph,
    targets: tuple[object, ...] = (),
    *,
    title: str = "",
    depth: int | None = None,
    most: int = MOST_BOXES,
    direction: Direction = "down",
) -> str:
    """Draws a graph.

    Args:
      graph: The graph.
      targets: Operations; draw only what they need. By default all.
      title: What to write above; by default what the graph calls itself.
      depth: How many levels of scopes to open; by default so many that few boxes show.
      most: How many boxes show where `depth` is not given.
      direction: Where edges run: `down` or `right`.

    Returns:
      SVG text.
    """
    operations = [graph.as_graph_element(t, allow_tensor=False) for t in targets]
    drawing = make_drawing(graph, operations)  # type: ignore[arg-type]
    fold(drawing)
    split_columns(drawing)
    open_scopes(drawing, depth, most)
    return render(drawing, title, direction)


def render(drawing: Drawing, title: str = "", direction: Direction = "down") -> str:
    """Writes a drawing whose scopes were opened as SVG."""
    layout = lay_out(drawing, direction)
    heading = shorten(clean_text(title or _name(drawing)), 70)
    notes = shorten(describe(drawing), 100)
    boxes = list(layout.shapes)
    legend, legend_width = _legend(boxes, layout)
    texts = max(text_width(heading, 17) * 1.1, text_width(notes, 12), legend_width)
    width = max(layout.width, texts, NARROWEST) + 2 * MARGIN
    height = layout.height + HEADING + 2 * MARGIN + 34
    shift = (width - layout.width) / 2
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" '
        f'height="{height:.0f}" viewBox="0 0 {width:.0f} {height:.0f}" role="img">',
        f"<title>{_escape(heading)}</title>",
        f"<desc>{_escape(notes)}</desc>",
        f"<style>{_style()}</style>",
        '<rect class="page" width="100%" height="100%"/>',
        _text(MARGIN, MARGIN + 16, heading, "heading"),
        _text(MARGIN, MARGIN + 38, notes, "note"),
        f'<g transform="translate({shift:.1f} {HEADING})">',
        *draw_parts(layout),
        "</g>",
        f'<g transform="translate({MARGIN} {height - MARGIN - 20:.1f})">',
        *legend,
        "</g></svg>",
    ]
    return "\n".join(parts) + "\n"


def draw_parts(layout: Layout) -> Iterator[str]:
    """Yields the elements of a picture, without what is around them."""
    boxes = list(layout.shapes)
    yield from (_frame(layout.shapes[box]) for box in boxes if box.is_open)
    for route in layout.routes:
        yield from _edge(route)
    for box in boxes:
        yield from _box(box, layout.shapes[box])
    yield from _counts(layout)


def describe(drawing: Drawing) -> str:
    """Says in a line how much there is."""
    text = plural(len(drawing.operations), _noun_of(drawing))
    if drawing.targets:
        text += f" of {len(drawing.graph):,}"
    if drawing.variables:
        size = format_bytes(drawing.variable_bytes)
        text += f", {plural(len(drawing.variables), 'variable')} ({size})"
    if drawing.targets:
        names = [clean_text(op.name) for op in drawing.targets]
        text += f", needed for {', '.join(names[:MOST_TARGETS])}"
        if len(names) > MOST_TARGETS:
            text += f" and {len(names) - MOST_TARGETS:,} more"
    return text


def _noun_of(drawing: Drawing) -> str:
    kernels = (box.spec.kernel for box in drawing.operations)
    return "layer" if any(isinstance(k, Drawn) for k in kernels) else "op"


def kind_of(box: Box) -> str:
    """Returns what decides the color of a box."""
    op = box.op
    if op is None:
        return "scope"
    if has_side_effect(op) and not isinstance(op.spec.kernel, Host):
        return "write"
    if is_input(op):
        return "source"
    if op.spec is NO_OP:
        return "order"
    match op.spec.kernel:
        case Host():
            return "host"
        case Drawn():
            return "layer"
        case Family(name="matmul"):
            return "product"
        case Family(name="windows", option=option) if option.startswith(
            ("conv", "depth")
        ):
            return "product"
        case Family() | Alias():
            return "gather"
        case Elementwise():
            return "plain"
    return "constant"


def _name(drawing: Drawing) -> str:
    if drawing.targets:
        return drawing.targets[0].name
    return str(drawing.graph.attachments.get(TITLE, "graph"))


def _escape(text: str) -> str:
    return html.escape(clean_text(text), quote=True)


def legend(kinds: Container[str]) -> list[tuple[str, str]]:
    """Returns what the colors of boxes of these kinds, and of badges, mean."""
    shown = [(kind, text) for kind, (text, *_) in _KINDS.items() if kind in kinds]
    badges = [kind for kind in ("variable", "constant") if kind not in kinds]
    return shown + [(kind, _KINDS[kind][0]) for kind in badges]


def style_rules(*, dark: bool = False) -> str:
    """Returns the rules of a picture, or those that a dark one has instead."""
    rules = [_DARK_STYLE if dark else _STYLE]
    for kind, (_, fill, line, dark_fill, dark_line) in _KINDS.items():
        colors = (dark_fill, dark_line) if dark else (fill, line)
        rules.append(f".{kind}{{fill:{colors[0]};stroke:{colors[1]}}}\n")
    return "".join(rules)


def _style() -> str:
    dark = style_rules(dark=True)
    return f"{style_rules()}@media (prefers-color-scheme:dark){{\n{dark}}}"


def _text(x: float, y: float, text: str, kind: str) -> str:
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}">{_escape(text)}</text>'


def _rectangle(x: float, y: float, size: tuple[float, float], rest: str) -> str:
    width, height = size
    return (
        f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height:.1f}" '
        f"{rest}/>"
    )


def _frame(shape: Shape) -> str:
    size = (shape.width, shape.height)
    return _rectangle(shape.x, shape.y, size, 'rx="8" class="frame"')


def _box(box: Box, shape: Shape) -> Iterator[str]:
    yield f"<g><title>{_escape(_hover_text(box))}</title>"
    x = shape.x + shape.body_x + PADDING
    top = shape.y + shape.body_y
    if box.is_open:
        yield _text(x, shape.y + 20, shape.title, "title halo")
    else:
        size = (shape.width - shape.body_x, shape.height - shape.body_y)
        mark = " target" if box.is_target else ""
        corner = 8 if box.is_scope else 4
        if box.is_folded:
            # A second edge behind it says that there are several.
            rest = f'rx="{corner}" class="scope"'
            yield _rectangle(shape.x + shape.body_x + 4, top + 4, size, rest)
        rest = f'rx="{corner}" class="{kind_of(box)}{mark}"'
        yield _rectangle(shape.x + shape.body_x, top, size, rest)
        lines = 1 + len(shape.details)
        y = top + (size[1] - lines * LINE) / 2 + LINE * 0.75
        yield _text(x, y, shape.title, "title")
        for index, detail in enumerate(shape.details, start=1):
            yield _text(x, y + index * LINE, detail, "detail")
    for tag in shape.tags:
        tx, ty = shape.x + tag.x, shape.y + tag.y
        kind = tag.badge.kind
        kind = _BADGE_KINDS.get(kind, kind)
        middle = ty + BADGE_HEIGHT / 2
        end = shape.x + shape.body_x
        line = f"M{tx + tag.width:.1f} {middle:.1f}H{end:.1f}"
        if shape.body_y:
            line = f"M{tx + PADDING:.1f} {ty + BADGE_HEIGHT:.1f}V{top:.1f}"
        yield f'<path class="edge" d="{line}"/>'
        rest = f'rx="{BADGE_HEIGHT / 2}" class="{kind}"'
        yield _rectangle(tx, ty, (tag.width, BADGE_HEIGHT), rest)
        yield _text(tx + 7, ty + 14.5, tag.badge.text, "badge")
    yield "</g>"


def _hover_text(box: Box) -> str:
    if box.op is not None:
        return shorten(box.op.name, 200) + f" ({box.op.type}), {box.op.site_text}"
    labels = [box.label, *(scope.label for scope in box.ancestors() if scope.label)]
    return shorten("/".join(reversed(labels)), 200) + ", " + plural(box.op_count, "op")


def _edge(route: Route) -> Iterator[str]:
    width = 1.2 + min(max(math.log10(route.nbytes + 1) - 2, 0), 6) * 0.4
    points = route.points
    if route.has_arrow:
        x, y = points[-1]
        dx, dy = _heading(route)
        head = (
            f"M{x:.1f} {y:.1f}l{-7 * dx - 4 * dy} {-7 * dy - 4 * dx}l{8 * dy} {8 * dx}z"
        )
        yield f'<path class="arrow" d="{head}"/>'
        # The line ends inside the head of the arrow, whatever its width.
        points = [*points[:-1], (x - 5 * dx, y - 5 * dy)]
    kind = ("level" if route.is_level else "edge") + " control" * route.is_control
    path = _path(points, sideways=route.leaves_sideways)
    yield f'<path class="{kind}" stroke-width="{width:.1f}" d="{path}"/>'


def _heading(route: Route) -> tuple[int, int]:
    """Returns the direction in which a line arrives."""
    last_x, last_y = route.points[-1]
    x, y = next(
        (p for p in reversed(route.points) if p != (last_x, last_y)), (0.0, 0.0)
    )
    right, down = last_x - x, last_y - y
    if abs(right) < STRAIGHT or (abs(down) >= STRAIGHT and not route.leaves_sideways):
        return 0, 1 if down > 0 else -1
    return (1 if right > 0 else -1), 0


def _path(points: Sequence[tuple[float, float]], *, sideways: bool) -> str:
    """Writes lines with round corners, and curves where both coordinates differ."""
    parts = [f"M{points[0][0]:.1f} {points[0][1]:.1f}"]
    for index in range(1, len(points)):
        (x, y), (next_x, next_y) = points[index - 1], points[index]
        if abs(x - next_x) >= STRAIGHT and abs(y - next_y) >= STRAIGHT:
            if sideways:
                middle = (x + next_x) / 2
                parts.append(f"C{middle:.1f} {y:.1f} {middle:.1f} {next_y:.1f} ")
            else:
                middle = (y + next_y) / 2
                parts.append(f"C{x:.1f} {middle:.1f} {next_x:.1f} {middle:.1f} ")
            parts.append(f"{next_x:.1f} {next_y:.1f}")
            continue
        corner = 0.0
        if index + 1 < len(points):
            corner = _corner((x, y), (next_x, next_y), points[index + 1])
        if not corner:
            parts.append(f"L{next_x:.1f} {next_y:.1f}")
            continue
        end_x, end_y = points[index + 1]
        before = _toward(next_x, x, corner), _toward(next_y, y, corner)
        after = _toward(next_x, end_x, corner), _toward(next_y, end_y, corner)
        parts.append(f"L{before[0]:.1f} {before[1]:.1f}Q{next_x:.1f} {next_y:.1f} ")
        parts.append(f"{after[0]:.1f} {after[1]:.1f}")
    return "".join(parts)


def _corner(
    start: tuple[float, float], corner: tuple[float, float], end: tuple[float, float]
) -> float:
    """Returns the radius of a corner between two straight lines, 0 if it is none."""
    first = abs(corner[0] - start[0]), abs(corner[1] - start[1])
    second = abs(end[0] - corner[0]), abs(end[1] - corner[1])
    is_turn = (first[0] < STRAIGHT) != (first[1] < STRAIGHT)
    is_turn &= (second[0] < STRAIGHT) != (second[1] < STRAIGHT)
    if not is_turn or (first[0] < STRAIGHT) == (second[0] < STRAIGHT):
        return 0.0
    return min(ROUND, max(first) / 2, max(second) / 2)


def _toward(value: float, other: float, by: float) -> float:
    if abs(other - value) < STRAIGHT:
        return value
    return value + by if other > value else value - by


def _counts(layout: Layout) -> Iterator[str]:
    """Writes how many tensors a line stands for, where there is room to say so."""
    taken = [
        (s.x + s.body_x, s.y + s.body_y, s.x + s.width, s.y + s.height)
        for box, s in layout.shapes.items()
        if not box.is_open
    ]
    taken += [
        (s.x + t.x, s.y + t.y, s.x + t.x + t.width, s.y + t.y + BADGE_HEIGHT)
        for s in layout.shapes.values()
        for t in s.tags
    ]
    for route in layout.routes:
        text = f"\u00d7{route.count}"
        if route.count < 2 or not route.has_arrow or route.is_level:
            continue
        (x, y), (next_x, next_y) = route.points[-3:-1]
        width = text_width(text, DETAIL_SIZE)
        for part in (0.6, 0.35, 0.85):
            # The curve is steepest in its middle: near the ends it is straight.
            slow = part * part * (3 - 2 * part)
            across = x + (next_x - x) * (part if route.leaves_sideways else slow)
            down = y + (next_y - y) * (slow if route.leaves_sideways else part)
            if route.leaves_sideways:
                across, down = across - width / 2 - 5, down - 10
            area = (across + 5, down - 7, across + 5 + width, down + 7)
            if not any(_overlap(area, other) for other in taken):
                taken.append(area)
                yield _text(across + 5, down + 4, text, "count halo")
                break


def _overlap(a: tuple[float, ...], b: tuple[float, ...]) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def _legend(boxes: list[Box], layout: Layout) -> tuple[list[str], float]:
    used = {kind_of(box) for box in boxes if not box.is_open}
    for shape in layout.shapes.values():
        for tag in shape.tags:
            used.add(_BADGE_KINDS.get(tag.badge.kind, tag.badge.kind))
    parts = []
    x = 0.0
    for kind, (text, *_) in _KINDS.items():
        if kind in used:
            parts.append(_rectangle(x, 2, (14, 14), f'rx="3" class="{kind}"'))
            parts.append(_text(x + 20, 14, text, "note"))
            x += 20 + text_width(text, 12) + 18
    return parts, x
