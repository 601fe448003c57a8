"""The last line of an error from a session: how to see the op in the graph."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path

from graphopt.errors import OpError
from graphopt.graph.graph import Graph


def add_view_hint(error: OpError, graph: Graph) -> None:
    """Notes on an error the command that shows its op, if there is a script to name.

    The note stands below the message in a traceback and is no part of the message.

    Args:
      error: With the op that failed, as rewrites left it.
      graph: What the user built.
    """
    script = _script()
    if script is None or error.op is None or graph.building_function:
        return
    name = error.op.name
    is_there = any(op.name == name for op in graph.operations)
    if not is_there or not name.isprintable() or getattr(error, "__notes__", None):
        return
    command = ["graphopt", "view", script, "--no-run", "--select", name]
    error.add_note(f"To see it in the graph: {shlex.join(command)}")


def _script() -> str | None:
    """Returns the file that Python was started with, None in a shell or notebook."""
    path = getattr(sys.modules.get("__main__"), "__file__", None)
    if not isinstance(path, str) or not path.endswith(".py"):
        return None
    if Path(path).name == "__main__.py" or not Path(path).is_file():
        return None
    relative = os.path.relpath(path)
    return path if relative.startswith("..") else relative
