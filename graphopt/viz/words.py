"""Words in a picture or on a terminal: made harmless, shortened, measured, counted.

Names come from the user's program and may hold anything. What could steer a terminal,
turn the direction of the text or break XML is replaced by U+FFFD before it is shown.
"""

from __future__ import annotations

import math
import unicodedata

from graphopt.errors import format_shape
from graphopt.graph.tensor import GraphTensor

_REPLACEMENT = "\ufffd"
# Widths in hundredths of the font size for the characters from space to tilde, in
# DejaVu Sans: the widest of the fonts that `sans-serif` usually stands for, so that a
# box drawn for it has room for the others.
_WIDTHS = (
    "32 40 46 84 64 95 78 28 40 40 50 84 32 37 32 34 64 64 64 64 64 64 64 64 64 64 34 "
    "34 84 84 84 54 100 69 69 70 78 64 58 78 76 30 30 66 56 87 75 79 61 79 70 64 62 74 "
    "69 99 69 62 69 40 34 40 84 50 50 62 64 55 64 62 36 64 64 28 28 58 28 98 64 62 64 "
    "64 42 53 40 64 60 82 60 60 53 64 34 64 84"
)
_ADVANCE = dict(enumerate(map(int, _WIDTHS.split()), start=ord(" ")))


def clean_text(text: str) -> str:
    """Replaces control, direction, surrogate and unassigned characters by U+FFFD.

    >>> clean_text("a\\x1b[31mb\\u202e")
    'a\ufffd[31mb\ufffd'
    """
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else _REPLACEMENT for char in text)


def shorten(text: str, most: int) -> str:
    """Cuts a text in its middle, where names differ least.

    >>> shorten("gradients/dense/MatMul", 12)
    'gradie...Mul'
    """
    if len(text) <= most:
        return text
    tail = (most - 3) // 3
    return f"{text[: most - 3 - tail]}...{text[-tail:] if tail else ''}"


def text_width(text: str, size: float) -> float:
    """Returns about how many pixels a line of text takes at a font size."""
    hundredths = 0
    for char in text:
        advance = _ADVANCE.get(ord(char))
        if advance is None:
            wide = unicodedata.east_asian_width(char) in "WF"
            advance = 105 if wide or char == _REPLACEMENT else 84
        hundredths += advance
    return hundredths * size / 100


def format_type(tensor: GraphTensor) -> str:
    """Writes dtype and shape as `float32[32, ?]`."""
    return tensor.dtype.name + format_shape(tensor.shape)


def size_of(tensor: GraphTensor) -> int | None:
    """Returns the bytes of a tensor, or None where a dimension is not known."""
    count = tensor.shape.num_elements()
    return None if count is None else count * tensor.dtype.size


def format_bytes(count: int | None) -> str:
    """Writes a size in binary units.

    >>> format_bytes(512), format_bytes(1536), format_bytes(None)
    ('512 B', '1.5 KiB', '? B')
    """
    if count is None:
        return "? B"
    if count < 1024:
        return f"{count} B"
    power = min(int(math.log2(count)) // 10, 6)
    return f"{count / 1024**power:.1f} {'KMGTPE'[power - 1]}iB"


def plural(count: int, word: str) -> str:
    """Writes a count with its noun.

    >>> plural(1, "op"), plural(2000, "op")
    ('1 op', '2,000 ops')
    """
    return f"{count:,} {word}" if count == 1 else f"{count:,} {word}s"
