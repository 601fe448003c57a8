"""`import graphopt.compat.v1 as tf`: a TensorFlow 1 script as it stands.

Importing this module makes graphs the default mode of the process and sessions strict:
`op.run()` without a session is an error, as it is in TensorFlow.
"""

from typing import Any

from graphopt.compat import names_v1
from graphopt.config import strict_sessions

names_v1.disable_eager_execution()
strict_sessions(True)


def __getattr__(name: str) -> Any:
    return getattr(names_v1, name)


def __dir__() -> list[str]:
    return [name for name in dir(names_v1) if not name.startswith("_")]
