"""`tf.raw_ops`: the ops that optimizers of other packages call on their variables."""

from collections.abc import Callable
from typing import Any

from graphopt.keras.optimizers.resource_apply import OPS


def __getattr__(name: str) -> Callable[..., Any]:
    if name.startswith("__"):
        raise AttributeError(name)
    found = OPS.get(name)
    if found is None:
        raise AttributeError(
            f"module {__name__!r} has no attribute {name!r}; it has those on variables: "
            "ResourceApply*, ResourceSparseApply*, ResourceScatter* and assignments."
        )
    return found


def __dir__() -> list[str]:
    return sorted(OPS)
