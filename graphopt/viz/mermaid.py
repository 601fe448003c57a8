"""Drawing -> Mermaid, which GitHub draws in Markdown, within its limits.

GitHub refuses more than 500 edges or 50,000 characters, so what is written is the
folded view: closed scopes are one box, edges between two boxes are one.
"""

from __future__ import annotations

import re
from collections import Counter

from graphopt.viz.folding import open_scopes
from graphopt.viz.model import Box, Drawing
from graphopt.viz.words import clean_text, plural, shorten

MOST_EDGES = 500
MOST_CHARACTERS = 50_000
LONGEST_LABEL = 60

_UNSAFE = re.compile(r"[^A-Za-z0-9 _./,:+\-\u00d7]")


class TooLargeError(Exception):
    """A drawing does not fit into Mermaid's limits, even with its scopes closed."""


def draw_mermaid(drawing: Drawing, *, fixed: bool = False) -> str:
    """Writes a drawing.

    Args:
      drawing: Folded, with its scopes opened.
      fixed: Whether the scopes stay as they are; else they are closed as needed.

    Returns:
      A flowchart.

    Raises:
      TooLargeError: It does not fit.

    >>> import graphopt as tf
    >>> from graphopt.viz.model import make_drawing
    >>> with tf.Graph().as_default() as graph:
    ...     x = tf.compat.v1.placeholder(tf.float32, [2], name="x")
    ...     y = tf.exp(x, name="y")
    >>> print(draw_mermaid(make_drawing(graph)))
    flowchart TB
      n0["x: Placeholder"]
      n1["y: Exp"]
      n0 --> n1
    <BLANKLINE>
    """
    text, edges = _draw(drawing)
    depths = () if fixed else (2, 1, 0)
    for depth in depths:
        if edges <= MOST_EDGES and len(text) <= MOST_CHARACTERS:
            break
        open_scopes(drawing, depth)
        text, edges = _draw(drawing)
    if edges > MOST_EDGES or len(text) > MOST_CHARACTERS:
        raise TooLargeError(
            f"GitHub draws no Mermaid with more than {MOST_EDGES} edges or "
            f"{MOST_CHARACTERS:,} characters; this is {plural(edges, 'edge')} and "
            f"{len(text):,} characters"
            + ("; --depth 0 closes all scopes" if fixed else "; svg has no limit")
        )
    return text


def _draw(drawing: Drawing) -> tuple[str, int]:
    numbers: dict[Box, int] = {}
    lines = ["flowchart TB"]
    stack: list[Box | None] = list(reversed(drawing.root.children))
    depth = 1
    while stack:
        box = stack.pop()
        if box is None:
            depth -= 1
            lines.append("  " * depth + "end")
            continue
        number = numbers[box] = len(numbers)
        if box.op is None and box.is_open:
            label = escape(box.label)
            lines.append("  " * depth + f'subgraph n{number}["{label}"]')
            depth += 1
            stack.append(None)
            stack += reversed(box.children)
        else:
            lines.append("  " * depth + f'n{number}["{_label(box)}"]')
    links = visible_links(drawing)
    for (source, target, is_control), count in links.items():
        arrow = "-.->" if is_control else "-->"
        note = f"|{count}|" if count > 1 else ""
        lines.append(f"  n{numbers[source]} {arrow}{note} n{numbers[target]}")
    return "\n".join(lines) + "\n", len(links)


def visible_links(drawing: Drawing) -> Counter[tuple[Box, Box, bool]]:
    """Counts the links between boxes that show: (source, target, is control)."""
    shown: dict[Box, Box] = {}

    def visible(box: Box) -> Box:
        if box not in shown:
            closed = [
                each for each in box.ancestors() if each.parent and not each.is_open
            ]
            shown[box] = closed[-1] if closed else box
        return shown[box]

    found: Counter[tuple[Box, Box, bool]] = Counter()
    for link in drawing.links:
        source, target = visible(link.source), visible(link.target)
        if source is not target:
            found[source, target, link.tensor is None] += 1
    return found


def _label(box: Box) -> str:
    if box.op is None:
        return f"{escape(box.label)} - {plural(box.op_count, 'op')}"
    if box.label == box.op.type:
        return escape(box.label)
    return f"{escape(box.label)}: {escape(box.op.type)}"


def escape(text: str) -> str:
    """Writes everything that could mean something to Mermaid or HTML as a number.

    >>> escape('a"]<b>')
    'a#34;#93;#60;b#62;'
    """
    text = shorten(clean_text(text), LONGEST_LABEL)
    return _UNSAFE.sub(lambda match: f"#{ord(match[0])};", text)
