"""The proximal step: what l1 and l2 regularization leave of a plain step."""

from __future__ import annotations

from typing import Any

from graphopt.ops.elementwise import abs, maximum, sign


def proximal_step(w: Any, g: Any, rate: Any, l1: Any, l2: Any) -> Any:
    """Returns w after a step and the shrinking of it.

        u = w - rate g
        w <- sign(u) max(|u| - rate l1, 0) / (1 + rate l2)

    Args:
      w: The value.
      g: Its gradient.
      rate: The learning rate, of all or of each element.
      l1: How much is taken away, in units of the rate.
      l2: How much is divided away, in units of the rate.

    Source: Duchi and Singer 2009.
    """
    u = w - rate * g
    return sign(u) * maximum(abs(u) - rate * l1, 0.0) / (1.0 + rate * l2)
