"""From a loss to gradients: the first half of `minimize`.

The public functions are methods of `Optimizer`, which lists them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from graphopt.autodiff.gradients import gradients
from graphopt.autodiff.tape import GradientTape
from graphopt.graph import nest
from graphopt.graph.context import building_graph, get_default_graph, modes
from graphopt.graph.hooks import hooks
from graphopt.keras.optimizers.checks import (
    GradsAndVars,
    as_structure,
    check_any_gradient,
    check_loss,
    check_variables,
)
from graphopt.ops.creation import ones_like
from graphopt.ops.elementwise import cast
from graphopt.runtime.names import name_scope
from graphopt.runtime.variable import Variable

if TYPE_CHECKING:
    from graphopt.keras.optimizers.base import Optimizer


def compute_gradients(
    self: Optimizer,
    loss: Any,
    var_list: Any,
    grad_loss: Any = None,
    tape: GradientTape | None = None,
) -> GradsAndVars:
    """Differentiates a loss; the arguments are those of `Optimizer.minimize`."""
    if not callable(var_list):
        # Looked at more than once below, and an iterator is at its end after one.
        var_list = as_structure(var_list)
    if not callable(loss) and tape is None:
        if building_graph() is None:
            raise ValueError(
                "`tape` is required when a `Tensor` loss is passed; pass a function "
                "that computes the loss, or the tape that recorded it."
            )
        return _symbolic_gradients(self, loss, var_list, grad_loss)
    tape = tape if tape is not None else GradientTape()
    if callable(loss):
        tapes = modes.tapes
        try:
            with tape:
                if not callable(var_list):
                    tape.watch(check_variables(var_list))
                value = loss()
        finally:
            # An interrupt at the very end of the block would leave the tape on.
            modes.tapes = tapes
        check_loss(value, loss)
        loss = value
    variables = check_variables(var_list() if callable(var_list) else var_list)
    loss = nest.map_structure(self._transform_loss, loss)
    with name_scope(self._name + "/gradients"):
        seeds = _scaled_cotangent(self, loss, grad_loss)
        grads = self._get_gradients(tape, loss, variables, seeds)
    check_any_gradient(grads, variables, lambda var: tape.explain(loss, var))
    return list(zip(grads, variables, strict=True))


def _symbolic_gradients(
    optimizer: Optimizer, loss: Any, var_list: Any, grad_loss: Any
) -> GradsAndVars:
    variables = check_variables(var_list() if callable(var_list) else var_list)
    loss = optimizer._transform_loss(hooks.convert(loss))
    seeds = _scaled_cotangent(optimizer, loss, grad_loss)
    grads = gradients(loss, variables, seeds, name=optimizer._name + "/gradients")
    check_any_gradient(grads, variables, lambda var: "not connected to the loss")
    return list(zip(grads, variables, strict=True))


def _scaled_cotangent(optimizer: Optimizer, loss: Any, grad_loss: Any) -> Any:
    """The cotangent of the loss; a scaled loss is a scaled cotangent."""
    if optimizer._loss_scale() is None:
        return grad_loss
    if grad_loss is None:
        grad_loss = nest.map_structure(ones_like, loss)
    return nest.map_structure(optimizer.scale_loss, grad_loss)


def get_gradients(self: Optimizer, loss: Any, params: Sequence[Variable]) -> list[Any]:
    """Returns symbolic gradients of a loss, in a graph.

    Raises:
      ValueError: A variable has no gradient.
    """
    scope = name_scope(self._name + "/gradients")
    with get_default_graph().as_default(), scope:
        grads = gradients(loss, list(params))
        for grad, param in zip(grads, params, strict=True):
            if grad is None:
                raise ValueError(
                    f"Variable {param.name!r} has `None` for gradient. Make sure "
                    "that all your ops have a gradient defined."
                )
    return grads


def scale_loss(self: Optimizer, loss: Any) -> Any:
    """Multiplies a loss by the loss scale, if there is one.

    `minimize` does so itself; this is for gradients that are computed elsewhere and given
    to `apply_gradients`, which divides by the same number.

    Source: `keras.optimizers.Optimizer.scale_loss`.
    """
    scale = self._loss_scale()
    if scale is None:
        return loss
    loss = hooks.convert(loss)
    return loss * cast(scale, loss.dtype)
