"""`tensorflow.python` of version 1; `aliases.internals` says where its names are from.

All its modules are registered when this one is imported, so that
`from graphopt.v1.python.framework import ops` finds them.
"""

from typing import Any

from graphopt.aliases.internals import SOURCES, load

for _path in SOURCES:
    load(__name__, _path)


def __getattr__(name: str) -> Any:
    if name in SOURCES:
        return load(__name__, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(path for path in SOURCES if "." not in path)
