"""`import graphopt.v1 as tf`: a TensorFlow 1 script as it stands.

The names of TensorFlow 1.15: those of `graphopt.compat.v1` and what TensorFlow 2 took out,
as `tf.contrib`. Importing this module makes graphs the default mode of the process and
sessions strict: `op.run()` without a session is an error, as it is in TensorFlow.
`graphopt.compat.v1` has no such effect.
"""

import importlib
from typing import Any

from graphopt.compat import v1 as _names
from graphopt.compat.v1 import *  # noqa: F403 (all of it, so that a name is listed once)
from graphopt.config import strict_sessions as _strict_sessions

_names.disable_eager_execution()
_strict_sessions(True)
_MODULES = ("contrib",)


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(f"graphopt.v1.{name}")
    return getattr(_names, name)


def __dir__() -> list[str]:
    return [*_MODULES, *(name for name in dir(_names) if not name.startswith("_"))]
