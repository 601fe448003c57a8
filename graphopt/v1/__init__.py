"""`import graphopt.v1 as tf`: a TensorFlow 1 script as it stands.

The names of TensorFlow 1.15: those of `graphopt.compat.v1` and what TensorFlow 2 took out,
as `tf.contrib`. Importing this module makes graphs the default mode of the process and
sessions strict: `op.run()` without a session is an error, as it is in TensorFlow.
`graphopt.compat.v1` has no such effect.
"""

import importlib
from typing import TYPE_CHECKING, Any

from graphopt.compat import v1 as _names
from graphopt.config import strict_sessions as _strict_sessions

if TYPE_CHECKING:
    from graphopt.compat.v1 import *  # noqa: F403 (so that a name is listed once)
    from graphopt.v1 import contrib as contrib
    from graphopt.v1 import examples as examples
    from graphopt.v1 import python as python

_names.disable_v2_behavior()
_strict_sessions(True)
for _name in set(dir(_names)) & set(vars(_names)):
    globals()[_name] = vars(_names)[_name]
__version__ = VERSION = "1.15.5"
_MODULES = ("contrib", "examples", "python")


def __getattr__(name: str) -> Any:
    if name in _MODULES:
        return importlib.import_module(f"graphopt.v1.{name}")
    if name == "__all__":
        return __dir__()
    if not name.startswith("__") and name in dir(_names):
        return globals().setdefault(name, getattr(_names, name))
    if name.startswith("__"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from graphopt.aliases.missing import missing_name

    raise missing_name("graphopt.v1", name)


def __dir__() -> list[str]:
    return sorted({*_MODULES, *dir(_names), "VERSION"})
