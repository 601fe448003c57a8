"""What Keras says to the user: lines on the output, and warnings at the user's line."""

from __future__ import annotations

import sys
import warnings

from graphopt.errors import GraphoptWarning
from graphopt.graph.provenance import user_site


def warn_user(message: str, category: type[Warning] = GraphoptWarning) -> None:
    """Warns at the user's line; Python shows it once for each line and text."""
    site = user_site()
    file, line = (site.file, site.line) if site is not None else ("graphopt", 0)
    warnings.warn_explicit(message, category, file, line)


def write_line(text: str, end: str = "\n") -> None:
    """Writes to the standard output, and shows it at once."""
    sys.stdout.write(text + end)
    sys.stdout.flush()
