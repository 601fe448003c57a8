"""Norms of whole variables, for the equations that use them."""

from __future__ import annotations

from typing import Any

from graphopt.ops.creation import ones_like
from graphopt.ops.elementwise import logical_and, sqrt, where
from graphopt.ops.reduction import reduce_mean, reduce_sum


def norm(x: Any) -> Any:
    """Returns the Euclidean norm of all elements, a scalar."""
    return sqrt(reduce_sum(x * x))


def root_mean_square(x: Any) -> Any:
    """Returns the root of the mean square of all elements, a scalar."""
    return sqrt(reduce_mean(x * x))


def trust_ratio(w: Any, u: Any) -> Any:
    """Returns |w| / |u|, or 1 where one of the norms is 0."""
    w_norm, u_norm = norm(w), norm(u)
    is_defined = logical_and(w_norm > 0.0, u_norm > 0.0)
    one = ones_like(u_norm)
    return where(is_defined, w_norm / where(is_defined, u_norm, one), one)
