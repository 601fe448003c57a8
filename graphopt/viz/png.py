"""SVG text of ours -> PNG, drawn by matplotlib (the extra `[plot]`).

Only what `svg` writes is understood: rectangles, paths of a few commands, lines of text,
groups that move, and rules for classes. Another SVG is refused, not drawn in part.
"""

from __future__ import annotations

import io
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from graphopt.viz.svg import style_rules

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Pixels of the picture per unit of the SVG, so that text is crisp on any screen.
SCALE = 2
# A point is so many pixels at the density below.
_DENSITY = 100
_POINT = 72 / _DENSITY
_NAMESPACE = "{http://www.w3.org/2000/svg}"
_RULE = re.compile(r"([^{}]+)\{([^{}]*)\}")
_NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
_COMMAND = re.compile(r"([A-Za-z])([^A-Za-z]*)")
_MOVE = re.compile(r"translate\((-?[\d.]+) (-?[\d.]+)\)")

Style = dict[str, str]
Point = tuple[float, float]


class MissingExtraError(ImportError):
    """An optional package is not installed; the message says how to install it."""


def draw_png(svg: str, *, dark: bool = False) -> bytes:
    """Draws one of our pictures.

    Args:
      svg: What `draw_svg` or `render` returned.
      dark: Whether in the colors of a dark page.

    Returns:
      The PNG file.

    Raises:
      MissingExtraError: matplotlib is not installed.
      ValueError: The SVG is not one of ours.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        raise MissingExtraError(
            'PNG needs matplotlib: pip install "graphopt[plot]"; SVG needs nothing'
        ) from None
    root = ElementTree.fromstring(svg)
    width, height = float(root.attrib["width"]), float(root.attrib["height"])
    figure = Figure(figsize=(width / _DENSITY, height / _DENSITY), dpi=_DENSITY * SCALE)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_xlim(0, width)
    axes.set_ylim(height, 0)
    axes.axis("off")
    rules = _rules(style_rules() + (style_rules(dark=True) if dark else ""))
    for order, (element, x, y) in enumerate(_elements(root)):
        style = _style(element, rules)
        tag = element.tag.removeprefix(_NAMESPACE)
        if tag == "rect":
            _draw_rectangle(axes, element, (x, y), (width, height), style, order)
        elif tag == "path":
            _draw_path(axes, element, (x, y), style, order)
        elif tag == "text":
            _draw_text(axes, element, (x, y), style, order)
        elif tag not in ("title", "desc", "style", "g", "svg"):
            raise ValueError(f"an SVG element {tag!r} is not one that graphopt writes")
    file = io.BytesIO()
    FigureCanvasAgg(figure)
    figure.savefig(file, format="png", dpi=_DENSITY * SCALE)
    return file.getvalue()


def _elements(
    root: ElementTree.Element,
) -> Iterator[tuple[ElementTree.Element, float, float]]:
    """Yields elements in the order in which they are drawn, each with its origin."""
    stack = [(root, 0.0, 0.0)]
    while stack:
        element, x, y = stack.pop()
        moved = _MOVE.match(element.get("transform", ""))
        if moved:
            x, y = x + float(moved[1]), y + float(moved[2])
        yield element, x, y
        stack += [(child, x, y) for child in reversed(element)]


def _rules(text: str) -> dict[str, Style]:
    found: dict[str, Style] = {}
    for selectors, body in _RULE.findall(text):
        values = dict(part.split(":", 1) for part in body.split(";") if part)
        for selector in selectors.split(","):
            found.setdefault(selector.strip().removeprefix("."), {}).update(values)
    return found


def _style(element: ElementTree.Element, rules: dict[str, Style]) -> Style:
    style: Style = {}
    for name in element.get("class", "").split():
        style |= rules.get(name, {})
    return style


def _colors(style: Style) -> dict[str, Any]:
    from matplotlib.colors import to_rgba

    fill, line = style.get("fill", "none"), style.get("stroke", "none")
    return {
        "facecolor": to_rgba(fill, float(style.get("fill-opacity", 1)))
        if fill != "none"
        else "none",
        "edgecolor": to_rgba(line, float(style.get("stroke-opacity", 1)))
        if line != "none"
        else "none",
        "linestyle": (0, (3, 3)) if "stroke-dasharray" in style else "solid",
    }


def _draw_rectangle(
    axes: Axes,
    element: ElementTree.Element,
    origin: Point,
    page: Point,
    style: Style,
    order: int,
) -> None:
    from matplotlib.patches import FancyBboxPatch

    width, height = (
        size if element.get(name) == "100%" else float(element.attrib[name])
        for name, size in zip(("width", "height"), page, strict=True)
    )
    corner = float(element.get("rx", 0))
    axes.add_patch(
        FancyBboxPatch(
            (
                origin[0] + float(element.get("x", 0)),
                origin[1] + float(element.get("y", 0)),
            ),
            width,
            height,
            boxstyle=f"round,pad=0,rounding_size={corner}"
            if corner
            else "square,pad=0",
            linewidth=float(style.get("stroke-width", 1)) * _POINT,
            zorder=order,
            **_colors(style),
        )
    )


def _draw_path(
    axes: Axes, element: ElementTree.Element, origin: Point, style: Style, order: int
) -> None:
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path

    points: list[Point] = []
    codes: list[int] = []
    x, y = 0.0, 0.0
    for command, rest in _COMMAND.findall(element.attrib["d"]):
        numbers = [float(number) for number in _NUMBER.findall(rest)]
        added: list[Point]
        match command:
            case "M" | "L":
                added = [(numbers[0], numbers[1])]
            case "l":
                added = [(x + numbers[0], y + numbers[1])]
            case "h":
                added = [(x + numbers[0], y)]
            case "v":
                added = [(x, y + numbers[0])]
            case "H":
                added = [(numbers[0], y)]
            case "V":
                added = [(x, numbers[0])]
            case "C" | "Q":
                added = list(zip(numbers[::2], numbers[1::2], strict=True))
            case "z":
                added = [points[0]]
            case _:
                raise ValueError(f"a path with {command!r} is not one of ours")
        code = {"M": Path.MOVETO, "C": Path.CURVE4, "Q": Path.CURVE3}.get(
            command, Path.LINETO
        )
        codes += [int(code)] * len(added)
        points += added
        x, y = added[-1]
    moved = [(a + origin[0], b + origin[1]) for a, b in points]
    width = float(element.get("stroke-width", style.get("stroke-width", 1)))
    patch = PathPatch(
        Path(moved, codes), linewidth=width * _POINT, zorder=order, **_colors(style)
    )
    axes.add_patch(patch)


def _draw_text(
    axes: Axes, element: ElementTree.Element, origin: Point, style: Style, order: int
) -> None:
    text = axes.text(
        origin[0] + float(element.attrib["x"]),
        origin[1] + float(element.attrib["y"]),
        element.text or "",
        fontsize=float(style["font-size"].removesuffix("px")) * _POINT,
        color=style["fill"],
        fontweight="bold" if style.get("font-weight") == "600" else "normal",
        zorder=order,
    )
    # A dollar sign in a name is a dollar sign.
    text.set_parse_math(False)
    if style.get("paint-order"):
        from matplotlib.patheffects import withStroke

        width = float(style["stroke-width"].removesuffix("px"))
        halo = withStroke(linewidth=width * _POINT, foreground=style["stroke"])
        text.set_path_effects([halo])
