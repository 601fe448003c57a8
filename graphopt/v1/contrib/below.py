"""`tf.contrib.NAME.python`: the modules behind a namespace, which programs import from.

They hold no names of their own: whatever is asked for comes from the namespace, and the
names of modules lead to such a module again.
"""

from __future__ import annotations

import importlib
from types import ModuleType
from typing import Any

# The modules below `python`, at any depth, by namespace.
_MODULES = {
    "losses": ("losses", "loss_ops"),
    "metrics": ("metrics", "ops", "metric_ops"),
    "opt": (
        "training",
        "adamax",
        "addsign",
        "external_optimizer",
        "lazy_adam_optimizer",
        "moving_average_optimizer",
        "nadam_optimizer",
        "powersign",
        "weight_decay_optimizers",
    ),
    "slim": ("slim", "evaluation"),
    "training": ("training", "hparam"),
}


class ModuleBelow(ModuleType):
    """A module whose names are those of a namespace of `tf.contrib`."""

    def __init__(self, namespace: str) -> None:
        super().__init__(f"graphopt.v1.contrib.{namespace}.python")
        self.__dict__["_namespace"] = namespace
        self.__path__: list[str] = []

    def __getattr__(self, name: str) -> Any:
        found = importlib.import_module(f"graphopt.v1.contrib.{self._namespace}")
        if name != "python" and not name.startswith("__"):
            try:
                return getattr(found, name)
            except AttributeError:
                if name in _MODULES[self._namespace]:
                    return self
        raise AttributeError(
            f"module 'tf.contrib.{self._namespace}.python' has no attribute {name!r}"
        )


def look_below(namespace: str, name: str) -> ModuleBelow:
    """Returns the module `python` of a namespace; for its `__getattr__`.

    Raises:
      AttributeError: It is another name.
    """
    if name != "python":
        raise AttributeError(
            f"module 'tf.contrib.{namespace}' has no attribute {name!r}"
        )
    return ModuleBelow(namespace)
