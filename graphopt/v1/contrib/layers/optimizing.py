"""`tf.contrib.layers.optimize_loss`: a training step with decay, clipping and summaries."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

from graphopt.compat.v1 import summary, train
from graphopt.compat.v1.initializers import constant_initializer
from graphopt.compat.v1.train.momentum import MomentumOptimizer
from graphopt.errors import fail
from graphopt.graph.context import get_default_graph
from graphopt.graph.hooks import hooks
from graphopt.graph.indexed_slices import IndexedSlices
from graphopt.graph.provenance import user_site
from graphopt.graph.tensor import Tensor
from graphopt.keras.variable_scopes import get_variable, variable_scope
from graphopt.ops.clipping import clip_by_global_norm, global_norm
from graphopt.ops.elementwise import cast
from graphopt.ops.random_stateful import truncated_normal
from graphopt.ops.shaping import identity
from graphopt.runtime.collections import (
    GraphKeys,
    control_dependencies,
    trainable_variables,
)
from graphopt.runtime.variable import Variable

OPTIMIZER_CLS_NAMES = {
    "Adagrad": train.AdagradOptimizer,
    "Adam": train.AdamOptimizer,
    "Ftrl": train.FtrlOptimizer,
    "Momentum": functools.partial(MomentumOptimizer, momentum=0.9),
    "RMSProp": train.RMSPropOptimizer,
    "SGD": train.GradientDescentOptimizer,
}
OPTIMIZER_SUMMARIES = [
    "learning_rate",
    "loss",
    "gradients",
    "gradient_norm",
    "global_gradient_norm",
]
Pairs = list[tuple[Any, Any]]


def optimize_loss(
    loss: Any,
    global_step: Any,
    learning_rate: Any,
    optimizer: Any,
    gradient_noise_scale: float | None = None,
    gradient_multipliers: dict[Any, Any] | None = None,
    clip_gradients: Any = None,
    learning_rate_decay_fn: Callable[[Any, Any], Any] | None = None,
    update_ops: Sequence[Any] | None = None,
    variables: Sequence[Any] | None = None,
    name: str | None = None,
    summaries: Sequence[str] | None = None,
    colocate_gradients_with_ops: bool = False,
    increment_global_step: bool = True,
) -> Any:
    """Returns a tensor with the loss, whose run takes a training step.

    Args:
      loss: A scalar.
      global_step: The variable that counts steps; by default the graph's, if there is one.
      learning_rate: A float or a scalar tensor.
      optimizer: A name ("SGD", "Adam", "Adagrad", "Ftrl", "Momentum", "RMSProp"), a class,
        an optimizer, or a function that makes one of the learning rate.
      gradient_noise_scale: The size of noise that is added to gradients.
      gradient_multipliers: Factors of gradients, by variable or name.
      clip_gradients: The largest global norm of the gradients, or a function of the pairs.
      learning_rate_decay_fn: From learning rate and step to a learning rate.
      update_ops: What runs before; by default the collection `UPDATE_OPS`.
      variables: What is trained; by default the trainable variables.
      name: Name of the scope; `OptimizeLoss` by default.
      summaries: Some of `OPTIMIZER_SUMMARIES`.
      colocate_gradients_with_ops: Accepted for compatibility.
      increment_global_step: Whether the step is counted.

    Raises:
      ValueError: The optimizer or the learning rate is none, or an unknown summary.

    Source: `tf.contrib.layers.optimize_loss`.
    """
    loss = hooks.convert(loss)
    if global_step is None:
        global_step = train.get_global_step()
    else:
        train.assert_global_step(global_step)
    with variable_scope(name, "OptimizeLoss"):
        if update_ops is None:
            update_ops = get_default_graph().get_collection(GraphKeys.UPDATE_OPS)
        if update_ops:
            with control_dependencies(list(update_ops)):
                loss = identity(loss)
        wanted = _summaries(summaries)
        rate = _rate(learning_rate)
        if learning_rate is not None and learning_rate_decay_fn is not None:
            if global_step is None:
                raise ValueError("global_step is required for learning_rate_decay_fn.")
            rate = learning_rate_decay_fn(rate, global_step)
            if "learning_rate" in wanted:
                summary.scalar("learning_rate", rate)
        opt = _optimizer(optimizer, rate, learning_rate is not None)
        pairs: Pairs = opt.compute_gradients(
            loss, list(variables) if variables is not None else trainable_variables()
        )
        if gradient_noise_scale is not None:
            pairs = [(_add_noise(g, gradient_noise_scale), v) for g, v in pairs]
        if gradient_multipliers is not None:
            pairs = [(_multiply(g, v, gradient_multipliers), v) for g, v in pairs]
        pairs = _clip(pairs, clip_gradients, wanted)
        if "loss" in wanted:
            summary.scalar("loss", loss)
        _summarize_gradients(pairs, wanted)
        step = global_step if increment_global_step else None
        done = opt.apply_gradients(pairs, global_step=step, name="train")
        with control_dependencies([done]):
            return identity(loss)


def _summaries(given: Sequence[str] | None) -> Sequence[str]:
    if given is None:
        return ["loss", "learning_rate", "global_gradient_norm"]
    for one in given:
        if one not in OPTIMIZER_SUMMARIES:
            raise ValueError(
                f"Summaries should be one of [{', '.join(OPTIMIZER_SUMMARIES)}], you "
                f"provided {one}."
            )
    return given


def _rate(learning_rate: Any) -> Any:
    if learning_rate is None:
        return None
    if isinstance(learning_rate, (Tensor, Variable)) and not learning_rate.shape.rank:
        return learning_rate
    if isinstance(learning_rate, float) and learning_rate >= 0.0:
        start = constant_initializer(learning_rate)
        return get_variable("learning_rate", [], trainable=False, initializer=start)
    raise fail(
        ValueError,
        "Learning rate should be 0d Tensor or float",
        got=f"{learning_rate!r} of type {type(learning_rate).__name__}",
        expected="a float that is not below 0, or a scalar tensor",
        site=str(user_site()),
    )


def _optimizer(optimizer: Any, rate: Any, has_rate: bool) -> Any:
    make = optimizer
    if isinstance(optimizer, str):
        if optimizer not in OPTIMIZER_CLS_NAMES:
            raise ValueError(
                "Optimizer name should be one of "
                f"[{', '.join(OPTIMIZER_CLS_NAMES)}], you provided {optimizer}."
            )
        make = OPTIMIZER_CLS_NAMES[optimizer]
    elif isinstance(optimizer, train.Optimizer):
        return optimizer
    is_class = isinstance(optimizer, type) and issubclass(optimizer, train.Optimizer)
    if isinstance(optimizer, str) or is_class:
        if rate is None:
            raise ValueError(
                "Learning rate is None, but should be specified if optimizer is a string "
                f"or a class ({optimizer})."
            )
        return make(learning_rate=rate)
    made = (make(rate) if has_rate else make()) if callable(make) else make
    if not isinstance(made, train.Optimizer):
        raise fail(
            ValueError,
            "Unrecognized optimizer: should be string, subclass of Optimizer, instance of "
            "subclass of Optimizer or function with one argument",
            got=repr(optimizer),
            site=str(user_site()),
        )
    return made


def _with_values(grad: Any, function: Callable[[Any], Any]) -> Any:
    if grad is None:
        return None
    if isinstance(grad, IndexedSlices):
        return grad.with_values(function(grad.values))
    return function(grad)


def _add_noise(grad: Any, scale: float) -> Any:
    if grad is None:
        return None
    grad = hooks.convert(grad)
    return grad + truncated_normal(grad.shape, dtype=grad.dtype) * scale


def _multiply(grad: Any, var: Any, factors: dict[Any, Any]) -> Any:
    # Not `var in factors`, for keys may be variables, which compare elementwise.
    for key, factor in factors.items():
        if key is var or key == var.name:
            return _with_values(grad, functools.partial(_scale, factor))
    return grad


def _scale(factor: Any, grad: Any) -> Any:
    return grad * cast(factor, grad.dtype)


def _clip(pairs: Pairs, clip_gradients: Any, wanted: Sequence[str]) -> Pairs:
    is_shown = "global_gradient_norm" in wanted or "gradient_norm" in wanted
    if is_shown:
        norm = global_norm([g for g, _ in pairs if g is not None])
        summary.scalar("global_norm/gradient_norm", norm)
    if clip_gradients is None:
        return pairs
    if isinstance(clip_gradients, float):
        clipped, _ = clip_by_global_norm([g for g, _ in pairs], clip_gradients)
        pairs = list(zip(clipped, [v for _, v in pairs], strict=True))
    elif callable(clip_gradients):
        pairs = list(clip_gradients(pairs))
    else:
        raise ValueError(f"Unknown type {type(clip_gradients)} for clip_gradients.")
    if is_shown:
        norm = global_norm([g for g, _ in pairs if g is not None])
        summary.scalar("global_norm/clipped_gradient_norm", norm)
    return pairs


def _summarize_gradients(pairs: Pairs, wanted: Sequence[str]) -> None:
    for grad, var in pairs:
        values = grad.values if isinstance(grad, IndexedSlices) else grad
        if values is None:
            continue
        name = var.name.replace(":", "_")
        if "gradients" in wanted:
            summary.histogram(f"gradients/{name}", values)
        if "gradient_norm" in wanted:
            summary.scalar(f"gradient_norm/{name}", global_norm([values]))


def adaptive_clipping_fn(*_: Any, **__: Any) -> Any:
    """Not available: it keeps averages of norms in variables.

    Raises:
      NotImplementedError: Always.
    """
    raise NotImplementedError("adaptive_clipping_fn; clip_gradients takes a number.")
