"""Name scopes in both modes, and the stack of sessions of a thread."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from typing import Any

from graphopt.graph.context import building_graph


class _Local(threading.local):
    def __init__(self) -> None:
        self.scope = ""
        self.sessions: list[Any] = []


local = _Local()


@contextlib.contextmanager
def name_scope(name: str | None, *_ignored: Any) -> Iterator[str]:
    """Puts a prefix before the names of what is made in the block, in both modes.

    Args:
      name: The scope. In a graph it is made unique; a trailing `/` enters it again.

    >>> import graphopt as tf
    >>> with tf.name_scope("layer"):
    ...     print(tf.Variable(1.0, name="w").name)
    layer/w:0

    Source: `tf.name_scope`.
    """
    graph = building_graph()
    if graph is not None:
        with graph.name_scope(name) as scope:
            yield scope
        return
    before = local.scope
    if not name:
        local.scope = ""
    elif name.endswith("/"):
        local.scope = name
    else:
        local.scope = f"{before}{name}/"
    try:
        yield local.scope
    finally:
        local.scope = before


def scoped_name(name: str) -> str:
    """Returns a name with the eager scope before it; eager names are not made unique."""
    return local.scope + name


def get_default_session() -> Any:
    """Returns the innermost session entered on this thread, or None.

    Source: `tf.compat.v1.get_default_session`.
    """
    return local.sessions[-1] if local.sessions else None


def require_session() -> Any:
    """Returns the default session.

    Raises:
      ValueError: There is none.
    """
    session = get_default_session()
    if session is None:
        raise ValueError(
            "No default session is registered. Use `with sess.as_default()` or pass "
            "an explicit session."
        )
    return session
