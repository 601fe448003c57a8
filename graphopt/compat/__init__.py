"""`tf.compat`: names of other versions of TensorFlow, as modules `v1` and `v2`."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from graphopt.compat import v1 as v1
    from graphopt.compat import v2 as v2


def __getattr__(name: str) -> Any:
    # Loaded when asked for, since they import the package that this one is part of.
    if name in ("v1", "v2"):
        import importlib

        return importlib.import_module(f"graphopt.compat.{name}")
    raise AttributeError(f"module 'graphopt.compat' has no attribute {name!r}")


def __dir__() -> list[str]:
    return ["v1", "v2"]
