"""Gradients of a loss by all the variables that it may depend on."""

from __future__ import annotations

from typing import Any

from graphopt.autodiff.gradients import gradients
from graphopt.autodiff.tape import GradientTape
from graphopt.errors import fail
from graphopt.graph import nest
from graphopt.graph.hooks import hooks
from graphopt.keras.optimizers.checks import GradsAndVars, as_structure, check_loss
from graphopt.runtime.collections import trainable_variables
from graphopt.runtime.names import name_scope
from graphopt.runtime.variable import Variable


def _variables(var_list: Any) -> list[Variable]:
    found = nest.flatten(as_structure(var_list))
    if not found:
        raise ValueError(
            "No variables to optimize; got an empty var_list, or a graph without "
            "trainable variables; make a tf.Variable that the loss depends on."
        )
    for index, var in enumerate(found):
        if not isinstance(var, Variable):
            raise fail(
                TypeError,
                "var_list must hold variables",
                got=f"{type(var).__name__} {var!r:.100} as item {index}",
                expected="tf.Variable",
            )
    return found


def gradients_of_tensor(loss: Any, var_list: Any, grad_loss: Any) -> GradsAndVars:
    """Returns (gradient, variable) pairs of a loss in the current graph."""
    loss = hooks.convert(loss)
    check_loss(loss, loss)
    variables = _variables(trainable_variables() if var_list is None else var_list)
    floating = [var for var in variables if var.dtype.is_differentiable]
    found = gradients(loss, floating, grad_loss) if floating else []
    return _pairs(variables, floating, found)


def gradients_of_function(loss: Any, var_list: Any, grad_loss: Any) -> GradsAndVars:
    """Returns (gradient, variable) pairs of what a function returns, in both modes."""
    with GradientTape() as tape:
        variables = None if var_list is None else _variables(var_list)
        floating = [var for var in variables or () if var.dtype.is_differentiable]
        tape.watch(floating)
        value = loss()
    check_loss(value, loss)
    if variables is None:
        variables = _variables(list(tape.watched_variables()))
        floating = [var for var in variables if var.dtype.is_differentiable]
    with name_scope("gradients"):
        found = tape.gradient(value, floating, grad_loss)
    return _pairs(variables, floating, found)


def _pairs(
    variables: list[Variable], floating: list[Variable], grads: list[Any]
) -> GradsAndVars:
    """Integers have no gradient, and are no error where they are not updated."""
    known = {var.key: grad for var, grad in zip(floating, grads, strict=True)}
    return [(known.get(var.key), var) for var in variables]
