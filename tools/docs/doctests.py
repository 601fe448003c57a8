"""Examples of docstrings as code: griffe knows them only below a heading `Examples:`."""

from __future__ import annotations

from typing import Any

import griffe


def fence_doctests(text: str) -> str:
    """Puts what starts with `>>>`, up to the next empty line, into a block of code.

    >>> print(fence_doctests("Adds.\\n\\n>>> add(1, 2)\\n3\\n\\nSource: `tf.add`."))
    Adds.
    <BLANKLINE>
    ```pycon
    >>> add(1, 2)
    3
    ```
    <BLANKLINE>
    Source: `tf.add`.
    """
    lines: list[str] = []
    inside = False
    for line in [*text.split("\n"), ""]:
        if not inside and line.startswith(">>>"):
            inside = True
            lines.append("```pycon")
        elif inside and not line.strip():
            inside = False
            lines.append("```")
        lines.append(line)
    return "\n".join(lines[:-1])


class Doctests(griffe.Extension):
    """Fences the examples of every docstring."""

    def on_instance(self, *, obj: griffe.Object, **_: Any) -> None:
        """Changes the docstring of what was read."""
        if obj.docstring is not None:
            obj.docstring.value = fence_doctests(obj.docstring.value)
