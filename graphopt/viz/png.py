"""SVG text of ours -> PNG, drawn by resvg (the extra `[png]`).

resvg is one small wheel without other packages; it draws with the fonts of the machine. A
picture whose words are missing is no picture, so a machine without fonts is an error.
"""

from __future__ import annotations

import importlib.util
from functools import cache
from pathlib import Path
from typing import Any

from graphopt.viz.svg import style_rules

# Pixels of the picture per unit of the SVG, so that text is crisp on any screen.
SCALE = 2.0
# A picture of more pixels than this is drawn coarser: it would fill the memory.
MOST_PIXELS = 100_000_000
_PROBE = (
    '<svg xmlns="http://www.w3.org/2000/svg" width="20" height="20">'
    '<text y="16" font-family="sans-serif">{}</text></svg>'
)


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
      MissingExtraError: resvg is not installed, or there are no fonts.
      ValueError: It is no SVG.
    """
    try:
        import resvg_py
    except ImportError:
        raise MissingExtraError(
            'PNG needs resvg: pip install "graphopt[png]"; SVG needs nothing'
        ) from None
    if _draw(resvg_py, _PROBE.format("W"), 1.0) == _draw(
        resvg_py, _PROBE.format(""), 1.0
    ):
        raise MissingExtraError(
            "PNG needs a font, and this machine has none; on Debian: apt install "
            'fonts-dejavu-core, or pip install "graphopt[plot]"; SVG needs nothing'
        )
    if dark:
        # What comes later wins; resvg does not know the query that browsers answer.
        svg = svg.replace("</style>", f"{style_rules(dark=True)}</style>", 1)
    return _draw(resvg_py, svg, _scale_of(svg))


def _scale_of(svg: str) -> float:
    """Returns the pixels per unit: fewer for a picture that would be too large."""
    head = svg[: svg.index(">")]
    width, height = (
        float(head.partition(f'{side}="')[2].partition('"')[0] or 1)
        for side in ("width", "height")
    )
    return float(min(SCALE, (MOST_PIXELS / max(width * height, 1.0)) ** 0.5))


def _draw(resvg: Any, svg: str, zoom: float) -> bytes:
    folders = _font_folders() or None
    return bytes(resvg.svg_to_bytes(svg_string=svg, zoom=zoom, font_dirs=folders))


@cache
def _font_folders() -> list[str]:
    """The fonts that matplotlib brings, where it is installed; it is not loaded."""
    found = importlib.util.find_spec("matplotlib")
    if found is None or found.origin is None:
        return []
    folder = Path(found.origin).parent / "mpl-data" / "fonts" / "ttf"
    return [str(folder)] if folder.is_dir() else []
