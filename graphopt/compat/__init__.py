"""`tf.compat`: names of other versions of TensorFlow, as attributes `v1` and `v2`."""

from typing import Any


def __getattr__(name: str) -> Any:
    # Loaded when asked for, since they import the package that this one is part of.
    if name == "v1":
        from graphopt.compat import names_v1

        return names_v1
    if name == "v2":
        from graphopt.compat import names_v2

        return names_v2
    raise AttributeError(f"module 'graphopt.compat' has no attribute {name!r}")
