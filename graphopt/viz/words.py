"""Words in a picture: shortened and measured; `graph.words` makes them harmless."""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Iterable
from functools import lru_cache

from graphopt.graph.words import REPLACEMENT
from graphopt.graph.words import clean_text as clean_text
from graphopt.graph.words import format_bytes as format_bytes
from graphopt.graph.words import format_type as format_type
from graphopt.graph.words import plural as plural
from graphopt.graph.words import size_of as size_of

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


def shorten(text: str, most: int) -> str:
    """Cuts a text in its middle, where names differ least.

    >>> shorten("gradients/dense/MatMul", 12)
    'gradie...Mul'
    """
    if len(text) <= most:
        return text
    tail = (most - 3) // 3
    return f"{text[: most - 3 - tail]}...{text[-tail:] if tail else ''}"


# The same few words and types stand in most boxes of a large graph.
def suggest(word: str, words: Iterable[object]) -> str:
    """Returns a question to stand after a word that is not known, if a known one is like it.

    >>> suggest("shwo", ["show", "view"]), suggest("frobnicate", ["show"])
    ("; did you mean 'show'?", '')
    """
    known = [str(each) for each in words if not str(each).startswith("_")]
    found = difflib.get_close_matches(word, known, 1)
    return f"; did you mean {found[0]!r}?" if found else ""


def format_item(item: object, digits: int = 7) -> str:
    """Writes an element of a constant: a number shortly, anything else as Python does.

    >>> format_item(2.0), format_item(b"word"), format_item(True)
    ('2', "b'word'", 'True')
    """
    is_number = isinstance(item, (int, float)) and not isinstance(item, bool)
    return f"{item:.{digits}g}" if is_number else repr(item)


@lru_cache(maxsize=1 << 14)
def text_width(text: str, size: float) -> float:
    """Returns about how many pixels a line of text takes at a font size."""
    hundredths = 0
    for char in text:
        advance = _ADVANCE.get(ord(char))
        if advance is None:
            wide = unicodedata.east_asian_width(char) in "WF"
            advance = 105 if wide or char == REPLACEMENT else 84
        hundredths += advance
    return hundredths * size / 100
