"""`tf.contrib.training`: training steps with updates, clipping and checks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from graphopt.compat.v1 import logging, summary, train
from graphopt.dtypes import as_dtype
from graphopt.graph.context import get_default_graph
from graphopt.graph.indexed_slices import IndexedSlices
from graphopt.ops.clipping import clip_by_norm, global_norm
from graphopt.ops.elementwise import cast
from graphopt.ops.finite import check_numerics as check
from graphopt.ops.shaping import identity
from graphopt.runtime.collections import (
    GraphKeys,
    control_dependencies,
    trainable_variables,
)
from graphopt.runtime.names import name_scope

# Stands for the global step of the graph.
USE_GLOBAL_STEP: Any = 0
Pairs = list[tuple[Any, Any]]


def _with_values(grad: Any, function: Callable[[Any], Any]) -> Any:
    if isinstance(grad, IndexedSlices):
        return grad.with_values(function(grad.values))
    return function(grad)


def clip_gradient_norms(gradients_to_variables: Pairs, max_norm: float) -> Pairs:
    """Scales each gradient down that is longer than a norm.

    Source: `tf.contrib.training.clip_gradient_norms`.
    """
    return [
        (g if g is None else _with_values(g, lambda t: clip_by_norm(t, max_norm)), v)
        for g, v in gradients_to_variables
    ]


def clip_gradient_norms_fn(max_norm: float) -> Callable[[Pairs], Pairs]:
    """Returns a function that scales gradients down; for `transform_grads_fn`.

    Source: `tf.contrib.training.clip_gradient_norms_fn`.
    """
    return lambda pairs: clip_gradient_norms(pairs, max_norm)


def multiply_gradients(grads_and_vars: Pairs, gradient_multipliers: Any) -> Pairs:
    """Multiplies gradients by factors, by variable or its name.

    Raises:
      ValueError: There are no factors, or one is for a gradient that is None.

    Source: `tf.contrib.training.multiply_gradients`.
    """
    if not isinstance(grads_and_vars, list):
        raise ValueError("`grads_and_vars` must be a list.")
    if not gradient_multipliers or not isinstance(gradient_multipliers, dict):
        raise ValueError("`gradient_multipliers` is empty, or no dict.")
    found = []
    for grad, var in grads_and_vars:
        for key, factor in gradient_multipliers.items():
            if key is not var and key != var.op.name:
                continue
            if grad is None:
                raise ValueError("Requested multiple of `None` gradient.")
            number = cast(factor, as_dtype(grad.dtype))
            grad = _with_values(grad, number.__mul__)
        found.append((grad, var))
    return found


def add_gradients_summaries(grads_and_vars: Pairs) -> list[Any]:
    """Adds a histogram and the norm of each gradient.

    Source: `tf.contrib.training.add_gradients_summaries`.
    """
    found = []
    for grad, var in grads_and_vars:
        if grad is None:
            logging.info("Var %s has no gradient", var.op.name)
            continue
        values = grad.values if isinstance(grad, IndexedSlices) else grad
        found.append(summary.histogram(f"{var.op.name}_gradient", values))
        norm = global_norm([values])
        found.append(summary.scalar(f"{var.op.name}_gradient_norm", norm))
    return found


def create_train_op(
    total_loss: Any,
    optimizer: Any,
    global_step: Any = USE_GLOBAL_STEP,
    update_ops: Sequence[Any] | None = None,
    variables_to_train: Sequence[Any] | None = None,
    transform_grads_fn: Callable[[Pairs], Pairs] | None = None,
    summarize_gradients: bool = False,
    gate_gradients: int = train.Optimizer.GATE_OP,
    aggregation_method: Any = None,
    colocate_gradients_with_ops: bool = False,
    check_numerics: bool = True,
) -> Any:
    """Returns a tensor with the loss, whose run takes a training step.

    Args:
      total_loss: A scalar.
      optimizer: An optimizer.
      global_step: The variable that counts steps, the graph's by default; None for none.
      update_ops: What runs before; by default the collection `UPDATE_OPS`.
      variables_to_train: By default the trainable variables.
      transform_grads_fn: From (gradient, variable) pairs to such pairs.
      summarize_gradients: Whether gradients are summarized.
      gate_gradients, aggregation_method, colocate_gradients_with_ops: Accepted for
        compatibility.
      check_numerics: Whether a loss that is not finite is an error.

    Raises:
      ValueError: There is nothing to train.

    Source: `tf.contrib.training.create_train_op`.
    """
    graph = get_default_graph()
    if global_step is USE_GLOBAL_STEP:
        global_step = train.get_or_create_global_step()
    own = graph.get_collection(GraphKeys.UPDATE_OPS)
    updates = own if update_ops is None else list(update_ops)
    if set(map(id, own)) - set(map(id, updates)):
        logging.warning(
            "update_ops in create_train_op does not contain all the update_ops in "
            "GraphKeys.UPDATE_OPS"
        )
    if updates:
        with control_dependencies(updates):
            total_loss = identity(total_loss)
    if variables_to_train is None:
        variables_to_train = trainable_variables()
    if not variables_to_train:
        raise ValueError("There are no variables to train.")
    pairs = optimizer.compute_gradients(
        total_loss, list(variables_to_train), gate_gradients=gate_gradients
    )
    if transform_grads_fn is not None:
        pairs = transform_grads_fn(pairs)
    if summarize_gradients:
        with name_scope("summarize_grads"):
            add_gradients_summaries(pairs)
    done = optimizer.apply_gradients(pairs, global_step=global_step)
    with name_scope("train_op"):
        if check_numerics:
            total_loss = check(total_loss, "LossTensor is inf or nan")
        with control_dependencies([done]):
            train_op = identity(total_loss)
    train_ops = graph.get_collection_ref(GraphKeys.TRAIN_OP)
    if all(train_op is not op for op in train_ops):
        train_ops.append(train_op)
    return train_op


def train_loop(
    train_op: Any,
    logdir: str | None,
    master: str = "",
    is_chief: bool = True,
    scaffold: Any = None,
    hooks: Sequence[Any] | None = None,
    chief_only_hooks: Sequence[Any] | None = None,
    save_checkpoint_secs: Any = 600,
    save_summaries_steps: Any = 100,
    config: Any = None,
    max_wait_secs: int = 7200,
    run_metadata: Any = None,
) -> Any:
    """Runs a training op until a hook stops it, and returns the last loss.

    Args:
      train_op: What `create_train_op` returned.
      logdir: Where checkpoints and summaries go.
      master, is_chief, scaffold, config, max_wait_secs: As in
        `tf.train.MonitoredTrainingSession`.
      hooks, chief_only_hooks: Hooks, of which one has to stop the training.
      save_checkpoint_secs, save_summaries_steps: How often these are written.
      run_metadata: Accepted for compatibility.

    Raises:
      ValueError: There are checkpoints or summaries to write, and no folder.

    Source: `tf.contrib.training.train`.
    """
    if logdir is None and is_chief:
        if save_summaries_steps:
            raise ValueError(
                "logdir cannot be None when save_summaries_steps is not None"
            )
        if save_checkpoint_secs:
            raise ValueError(
                "logdir cannot be None when save_checkpoint_secs is not None"
            )
    with train.MonitoredTrainingSession(
        master=master,
        is_chief=is_chief,
        checkpoint_dir=logdir,
        scaffold=scaffold,
        hooks=hooks,
        chief_only_hooks=chief_only_hooks,
        save_checkpoint_secs=save_checkpoint_secs,
        save_summaries_steps=save_summaries_steps,
        config=config,
    ) as session:
        loss = None
        while not session.should_stop():
            loss = session.run(train_op)
    return loss
