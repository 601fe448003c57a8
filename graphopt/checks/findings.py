"""`Finding`: something noticed in a program, with the user's line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from graphopt.graph.words import clean_text

Severity = Literal["error", "warning", "note"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "note")


@dataclass(frozen=True)
class Finding:
    """Something noticed.

    Attributes:
      check: Which check noticed it, as `no-gradient`.
      severity: How serious it is.
      message: What it is.
      site: `file:line` of the user's code, or empty.
      remedy: What to do.
      op: The name of the op or variable.
    """

    check: str
    severity: Severity
    message: str
    site: str = ""
    remedy: str = ""
    op: str = ""

    def as_json(self) -> dict[str, Any]:
        """Returns plain values."""
        return {name: clean_text(str(value)) for name, value in vars(self).items()}
