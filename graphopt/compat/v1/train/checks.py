"""Numbers that the constructors of this folder refuse."""

from __future__ import annotations

from typing import Any

from graphopt.graph.tensor import Tensor
from graphopt.keras.optimizers.checks import checked_number
from graphopt.runtime.variable import Variable


def _is_symbolic(value: Any) -> bool:
    """Only numbers are known, and can be refused, when an optimizer is made."""
    return callable(value) or isinstance(value, (Tensor, Variable))


def check_positive(name: str, value: Any) -> None:
    """Refuses a number that is not above zero.

    Raises:
      ValueError: It is not.
    """
    if not _is_symbolic(value) and not checked_number(name, value) > 0.0:
        raise ValueError(
            f"{name} must be positive: {value}; it keeps a root from zero."
        )


def check_not_negative(**numbers: Any) -> None:
    """Refuses numbers below zero.

    Raises:
      ValueError: One of them is.
    """
    for name, value in numbers.items():
        if not _is_symbolic(value) and checked_number(name, value) < 0.0:
            raise ValueError(f"{name} {value} needs to be positive or zero.")
