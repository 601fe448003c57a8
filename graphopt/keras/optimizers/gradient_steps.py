"""What happens to gradients before the equation: scale, finiteness, sums, clipping.

A call that is not to update anything still runs the same ops: what it would write is
replaced by what is there, element by element, so that the same graph serves every call
and no branch copies the variables. `only_if` below is that condition.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from graphopt import dtypes
from graphopt.graph.context import building_graph
from graphopt.graph.hooks import hooks
from graphopt.graph.indexed_slices import IndexedSlices
from graphopt.ops.clipping import clip_by_global_norm, clip_by_norm, clip_by_value
from graphopt.ops.creation import zeros_like
from graphopt.ops.elementwise import (
    cast,
    equal,
    is_finite,
    logical_and,
    maximum,
    sqrt,
    where,
)
from graphopt.ops.finite import check_numerics
from graphopt.ops.reduction import reduce_all
from graphopt.ops.shaping import identity
from graphopt.ops.warnings import warn_unless
from graphopt.parallel.aggregation import (
    agree,
    deferred_aggregation,
    reduce_gradients,
)
from graphopt.parallel.sharding import is_sharded, sum_of_squares, sum_over_pieces
from graphopt.runtime.collections import control_dependencies

if TYPE_CHECKING:
    from graphopt.keras.optimizers.base import Optimizer
    from graphopt.keras.optimizers.checks import GradsAndVars

ACCUMULATOR = "gradient_accumulator"


def unscale(pairs: GradsAndVars, factor: Any) -> GradsAndVars:
    """Divides gradients by the factor that the loss was multiplied by."""
    return [(_on_values(g, lambda x: x / cast(factor, x.dtype)), v) for g, v in pairs]


def all_finite(pairs: GradsAndVars) -> Any:
    """Returns whether no gradient has NaN or infinities, as a bool tensor."""
    finite = all_true([reduce_all(is_finite(_values(grad))) for grad, _ in pairs])
    if finite is None:
        # Of this rank there is nothing; it asks the others all the same.
        finite = hooks.convert(True)
    return agree(finite)


def all_true(conditions: list[Any]) -> Any:
    """Returns whether all of several bool tensors hold; None if there are none."""
    result = None
    for each in conditions:
        result = each if result is None else logical_and(result, each)
    return result


def check_finite(pairs: GradsAndVars, optimizer: Optimizer) -> tuple[GradsAndVars, Any]:
    """Does what `on_nonfinite` says.

    Args:
      pairs: Gradients, unscale.
      optimizer: Its option counts.

    Returns:
      The pairs, which wait for the checks, and whether the call counts, or None.
    """
    if optimizer.on_nonfinite is None:
        return pairs, None
    if optimizer.on_nonfinite == "skip":
        return pairs, all_finite(pairs)
    if optimizer.on_nonfinite == "raise":
        checks = [
            check_numerics(
                _values(grad), f"The gradient of variable {var.name!r} is not finite"
            )
            for grad, var in pairs
        ]
        done = [check.op for check in checks] if building_graph() is not None else []
    else:
        done = [
            warn_unless(
                reduce_all(is_finite(_values(grad))),
                f"the gradient of variable {var.name!r} is not finite; "
                f"optimizer {optimizer._name!r} applies it all the same",
            )
            for grad, var in pairs
        ]
    if building_graph() is None:
        return pairs, None
    # No variable is written before all gradients were looked at.
    with control_dependencies(done):
        return [(_on_values(grad, identity), var) for grad, var in pairs], None


def accumulate(
    pairs: GradsAndVars, optimizer: Optimizer, counts: Any
) -> tuple[GradsAndVars, Any, list[Any]]:
    """Adds gradients to those of the calls before.

    Args:
      pairs: Gradients of this call.
      optimizer: It has the accumulators.
      counts: Whether the call counts; None if it does.

    Returns:
      The mean gradients, whether this call is the last one of a step, and the ops that
      keep the sums.
    """
    steps = optimizer.gradient_accumulation_steps
    assert steps is not None and optimizer._accumulated_calls is not None
    calls = optimizer._accumulated_calls
    before = calls.read_value()
    count = before + (1 if counts is None else cast(counts, dtypes.int64))
    is_last = equal(count, steps)
    left = where(is_last, zeros_like(count), count)
    done = [calls.assign(left, read_value=False)]
    totals: GradsAndVars = []
    for grad, var in pairs:
        accumulator = optimizer.get_slot(var, ACCUMULATOR)
        so_far = accumulator.read_value()
        total = so_far + hooks.convert(grad)
        if counts is not None:
            total = where(counts, total, so_far)
        kept = where(is_last, zeros_like(total), total)
        done.append(accumulator.assign(kept, read_value=False))
        totals.append((total, var))
    aggregation = deferred_aggregation()
    if aggregation is not None:
        totals = reduce_gradients(totals, aggregation, is_last)
    if not optimizer._sums_calls:
        totals = [(total / cast(steps, total.dtype), var) for total, var in totals]
    return totals, is_last, done


def prepare_gradients(
    pairs: GradsAndVars, optimizer: Optimizer, counts: Any
) -> tuple[GradsAndVars, Any, list[Any]]:
    """Unscales, checks and accumulates gradients.

    Args:
      pairs: Gradients of this call.
      optimizer: Its options count.
      counts: Whether the call counts; None if it does.

    Returns:
      The pairs, a bool tensor that says whether this call updates, or None, and ops
      that are part of the step.
    """
    scale = optimizer._get_option("loss_scale_factor")
    if scale is not None:
        pairs = unscale(pairs, scale)
    pairs, finite = check_finite(pairs, optimizer)
    counts = all_true([each for each in (counts, finite) if each is not None])
    if optimizer.gradient_accumulation_steps:
        return accumulate(pairs, optimizer, counts)
    return pairs, counts, []


def clip(pairs: GradsAndVars, optimizer: Optimizer) -> GradsAndVars:
    """Clips gradients: by value, by norm, by the norm of all."""
    limit = optimizer.clipvalue
    if limit is not None:
        pairs = [(clip_by_value(g, -limit, limit), v) for g, v in pairs]
    limit = optimizer.clipnorm
    if limit is not None:
        if is_sharded() and optimizer.is_elementwise:
            norms = _norms_of_pieces(pairs)
            pairs = [
                (_clip_to(g, n, limit), v)
                for (g, v), n in zip(pairs, norms, strict=True)
            ]
        else:
            pairs = [(clip_by_norm(g, limit), v) for g, v in pairs]
    limit = optimizer.global_clipnorm
    if limit is not None and is_sharded():
        return _clip_pieces_together(pairs, limit)
    if limit is not None:
        grads, _ = clip_by_global_norm([g for g, _ in pairs], limit)
        pairs = list(zip(grads, (v for _, v in pairs), strict=True))
    return pairs


def _norms_of_pieces(pairs: GradsAndVars) -> list[Any]:
    """The norms of gradients of which each rank has a piece."""
    squares = [sum_of_squares(grad) for grad, _ in pairs]
    return [sqrt(total) for total in sum_over_pieces(squares)]


def _clip_to(grad: Any, norm: Any, limit: Any) -> Any:
    """Returns a gradient, smaller where its norm is larger than a limit."""
    limit = cast(limit, grad.dtype)
    return grad * (limit / maximum(cast(norm, grad.dtype), limit))


def _clip_pieces_together(pairs: GradsAndVars, limit: Any) -> GradsAndVars:
    """Clips all gradients by one norm; this rank has pieces, or some of them, or none."""
    # Of one dtype on all ranks, whatever each has, and none of their bits are lost.
    squares = [cast(sum_of_squares(grad), dtypes.float64) for grad, _ in pairs]
    total = squares[0] if squares else hooks.convert(np.float64(0))
    for each in squares[1:]:
        total = total + each
    norm = sqrt(sum_over_pieces([total])[0])
    return [(_clip_to(grad, norm, limit), var) for grad, var in pairs]


def _values(grad: Any) -> Any:
    return grad.values if isinstance(grad, IndexedSlices) else grad


def _on_values(grad: Any, function: Any) -> Any:
    if isinstance(grad, IndexedSlices):
        return grad.with_values(function(grad.values))
    return function(grad)
