"""How large a box is and what is written in it."""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass, field

from graphopt.graph.hooks import hooks
from graphopt.viz.columns import is_gradients
from graphopt.viz.model import Badge, Box, is_input
from graphopt.viz.words import clean_text, format_type, plural, shorten, text_width

TITLE_SIZE = 13
DETAIL_SIZE = 12
BADGE_SIZE = 12
# Half-bold letters are wider by up to so much.
BOLD = 1.14
LINE = 17
FRAME_HEADER = 44.0
FRAME_PADDING = 16.0
PADDING = 10
BADGE_HEIGHT = 20
BADGE_GAP = 10
LONGEST_LINE = 34
LONGEST_BADGE = 24
MOST_BADGES = 4
# The height left free above badges where lines come in.
LANE = 14.0

_NUMBER = re.compile(r"_\d+\Z")
# What TensorFlow adds to the names of ops but not to those that it gives by default.
_ENDING_OF_TYPE = re.compile(r"(v\d|variableop)\Z")


@dataclass
class Tag:
    """A badge with its place relative to the corner of the shape."""

    badge: Badge
    width: float
    x: float = 0.0
    y: float = 0.0


@dataclass
class Shape:
    """The rectangle of a box together with the badges to its left.

    Attributes:
      title, details: The lines of text in it.
      width, height: Of the whole.
      anchor: Where edges meet it, from the left, or from the top where edges run right.
      body_x: Where the box itself begins, right of the badges.
      body_y: The same from the top, where the badges are above.
      tags: The badges.
      x, y: The top left corner in the picture.
    """

    title: str
    details: list[str]
    width: float
    height: float
    anchor: float
    body_x: float = 0.0
    body_y: float = 0.0
    tags: list[Tag] = field(default_factory=list)
    x: float = 0.0
    y: float = 0.0


def measure(
    box: Box,
    *,
    lane: bool = False,
    runs_right: bool = False,
    is_open: bool | None = None,
) -> Shape:
    """Returns the shape of a box; an open scope is made larger by its contents.

    Args:
      box: The box.
      lane: Whether lines come in from the side, past the badges.
      runs_right: Whether edges run to the right, so that badges are above.
      is_open: Whether it is an open scope; by default what the box says.
    """
    is_open = box.is_open if is_open is None else is_open
    title = shorten(title_of(box), LONGEST_LINE)
    details = [] if is_open else [shorten(d, LONGEST_LINE) for d in _details(box)]
    widest = max(
        text_width(title, TITLE_SIZE) * BOLD,
        *(text_width(detail, DETAIL_SIZE) for detail in details),
        40.0,
    )
    body = widest + 2 * PADDING
    if is_open:
        return Shape(title, details, body + 2 * PADDING, FRAME_HEADER, body / 2)
    tags = [
        Tag(badge, text_width(badge.text, BADGE_SIZE) + 14) for badge in badges_of(box)
    ]
    text_height = PADDING * 1.4 + LINE * (1 + len(details))
    if runs_right:
        return _measure_below_tags(title, details, (body, text_height), tags, lane)
    above = LANE if lane and tags else 0.0
    of_tags = (BADGE_HEIGHT + 3) * len(tags) - 3
    height = max(text_height, of_tags + above)
    body_x = max((tag.width for tag in tags), default=-BADGE_GAP) + BADGE_GAP
    top = above + (height - above - of_tags) / 2
    for index, tag in enumerate(tags):
        tag.x = body_x - BADGE_GAP - tag.width
        tag.y = top + index * (BADGE_HEIGHT + 3)
    anchor = body_x + body / 2
    return Shape(title, details, body_x + body, height, anchor, body_x, tags=tags)


def _measure_below_tags(
    title: str,
    details: list[str],
    size: tuple[float, float],
    tags: list[Tag],
    lane: bool,
) -> Shape:
    width, height = size
    for index, tag in enumerate(tags):
        tag.y = index * (BADGE_HEIGHT + 3)
    body_y = (BADGE_HEIGHT + 3) * len(tags) - 3 + BADGE_GAP if tags else 0.0
    beside = LANE if lane and tags else 0.0
    width = max(width, *(tag.width + beside for tag in tags), 0.0)
    anchor = body_y + height / 2
    return Shape(
        title, details, width, body_y + height, anchor, body_y=body_y, tags=tags
    )


def title_of(box: Box) -> str:
    """Returns what a box is called: the op type, or the name where a user chose one.

    A user who writes `x * y` did not choose the name `mul`.
    """
    op = box.op
    if op is None:
        return box.label or "graph"
    leaf = _NUMBER.sub("", clean_text(op.name).rpartition("/")[2])
    kind = op.type.lower()
    if is_input(op):
        return clean_text(op.name).rpartition("/")[2]
    own = leaf.lower().replace("_", "")
    if own in (kind, _ENDING_OF_TYPE.sub("", kind)) or leaf in hooks.operators:
        return op.type
    return f"{leaf} ({op.type})"


def _details(box: Box) -> list[str]:
    op = box.op
    if op is None:
        return [plural(box.op_count, "op")]
    return [format_type(tensor) for tensor in op.outputs[:2]]


def badges_of(box: Box) -> list[Badge]:
    """Returns the badges of an op, or those of the variables that a scope uses."""
    if box.op is not None:
        found = dict.fromkeys(box.badges)
    else:
        found = dict.fromkeys(
            badge
            for leaf in box.leaves()
            for badge in leaf.badges
            if badge.kind != "constant"
        )
        # One that is written is listed once, as such.
        written = {badge.text for badge in found if badge.kind == "write"}
        for badge in list(found):
            if badge.kind != "write" and badge.text in written:
                del found[badge]
    shown = list(itertools.islice(found, MOST_BADGES))
    if len(found) > MOST_BADGES:
        rest = len(found) - MOST_BADGES + 1
        shown[-1] = Badge("more", f"+ {rest} more")
    unique = dict.fromkeys(_in_scope(badge, box) for badge in shown)
    return [Badge(b.kind, _ending(b.text), b.nbytes) for b in unique]


def _ending(name: str) -> str:
    """Cuts a name at its beginning: `kernel` of which layer stands at the end."""
    if len(name) <= LONGEST_BADGE:
        return name
    return "..." + name[3 - LONGEST_BADGE :]


def _in_scope(badge: Badge, box: Box) -> Badge:
    """Leaves out of a variable's name the scopes that the box is in itself."""
    if badge.kind not in ("variable", "write"):
        return badge
    around = [box, *box.ancestors()] if box.is_scope else list(box.ancestors())
    named = [scope for scope in around if scope.label and not scope.is_folded]
    labels = [scope.label for scope in named]
    for index, scope in enumerate(named):
        # Below `gradients` the names of the network are repeated.
        if scope.is_column and is_gradients(scope):
            labels = labels[:index]
    for count in range(len(labels)):
        prefix = "/".join(reversed(labels[count:])) + "/"
        if badge.text.startswith(prefix):
            return Badge(badge.kind, badge.text[len(prefix) :], badge.nbytes)
    return badge
