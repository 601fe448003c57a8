"""Words for names, types and sizes: made harmless, counted.

Names come from the user's program and may hold anything. What could steer a terminal,
turn the direction of the text or break XML is replaced by U+FFFD before it is shown.
"""

from __future__ import annotations

import math

from graphopt.errors import format_shape
from graphopt.graph.tensor import GraphTensor

REPLACEMENT = "\ufffd"


def clean_text(text: str) -> str:
    """Replaces control, direction, surrogate and unassigned characters by U+FFFD.

    >>> clean_text("a\\x1b[31mb\\u202e")
    'a\ufffd[31mb\ufffd'
    """
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else REPLACEMENT for char in text)


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
