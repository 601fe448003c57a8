"""`tf.compat.v2`: the names of TensorFlow 2."""

from typing import TYPE_CHECKING, Any

import graphopt

if TYPE_CHECKING:
    from graphopt import *  # noqa: F403 (all of it, so that a new op is listed once)


def __getattr__(name: str) -> Any:
    return getattr(graphopt, name)


def __dir__() -> list[str]:
    return dir(graphopt)
