"""An op that warns, when it runs, of something that is no error."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphopt.errors import GraphoptWarning
from graphopt.graph.context import building_graph
from graphopt.graph.dispatch import call
from graphopt.graph.opspec import (
    NOT_DIFFERENTIABLE,
    Effect,
    Host,
    OpSpec,
    Sample,
    register,
)


def _warn_unless(condition: NDArray[Any], *, message: str) -> tuple[()]:
    if not condition.all():
        warnings.warn(message, GraphoptWarning, stacklevel=2)
    return ()


WARN_UNLESS = register(
    OpSpec(
        "WarnUnless",
        lambda condition, *, message: [],
        _warn_unless,
        NOT_DIFFERENTIABLE,
        Host("it warns"),
        lambda: [Sample((np.array(True),), {"message": "x"})],
        types=("bool",),
        effect=Effect.HOST,
        outputs=0,
    )
)


def warn_unless(condition: Any, message: str) -> Any:
    """Warns each time it runs and a condition does not hold.

    Args:
      condition: Bool tensor; all elements have to be true.
      message: What the warning says.

    Returns:
      The op; None in eager mode.
    """
    done = call(WARN_UNLESS, condition, message=message)
    return None if building_graph() is None else done
