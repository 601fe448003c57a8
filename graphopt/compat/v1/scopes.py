"""Name scopes as functions of TensorFlow 1 open them: an argument, or else a default."""

from __future__ import annotations

import contextlib
from typing import Any

from graphopt.runtime.names import name_scope


def op_scope(name: str | None, default: str) -> contextlib.AbstractContextManager[Any]:
    """Enters the scope that the caller named, or one with the function's own name."""
    return name_scope(default if name is None else name)
