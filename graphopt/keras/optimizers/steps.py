"""From gradients to a train op: what `apply_gradients` does once its pairs are checked.

Prepare the gradients (`gradient_steps`), compute the coefficients once for each dtype, put
the equation to work on each variable (`updates`), then its constraint, and count the step
after all of them. What an optimizer knows of the call at hand is a `Step`, which goes from
function to function inside of the `ApplyState` that TensorFlow's hooks take anyway.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from inspect import signature
from typing import TYPE_CHECKING, Any

from graphopt import dtypes
from graphopt.dtypes import DType
from graphopt.graph.context import building_graph
from graphopt.graph.hooks import hooks
from graphopt.graph.indexed_slices import IndexedSlices
from graphopt.keras.optimizers.gradient_steps import prepare_gradients
from graphopt.keras.optimizers.hyperparameters import as_number
from graphopt.keras.optimizers.schedules import LearningRateSchedule
from graphopt.keras.optimizers.updates import (
    AVERAGE,
    ApplyState,
    Rows,
    Step,
    all_rows,
    apply_constraint,
    apply_equation,
    match_arguments,
    on_touched_rows,
    rows_of,
    step_of,
    with_average,
    with_weight_decay,
)
from graphopt.ops.elementwise import cast, equal, not_equal
from graphopt.parallel.aggregation import (
    Aggregation,
    deferring,
    divide_by_rows,
    reduce_gradients,
    step_rows,
)
from graphopt.parallel.sharding import finish_pieces, scatter_gradients, sharding
from graphopt.runtime.names import name_scope
from graphopt.runtime.variable import Variable

if TYPE_CHECKING:
    from graphopt.keras.optimizers.base import Optimizer
    from graphopt.keras.optimizers.checks import GradsAndVars

DENSE_HOOK = "_resource_apply_dense"
SPARSE_HOOKS = ("_resource_apply_sparse", "_resource_apply_sparse_duplicate_indices")


def aggregate_and_apply(
    optimizer: Optimizer,
    pairs: GradsAndVars,
    name: str,
    aggregation: Aggregation | None,
    transforms: bool = True,
) -> Any:
    """Builds or runs everything from the gradients of this process to the step count.

    The gradients of several ranks become one before anything is done to them, so that all
    ranks clip, skip and scale alike. Only where they are accumulated each rank adds up its
    own, and the sums become one when they are used.

    Args:
      optimizer: The optimizer.
      pairs: Checked pairs.
      name: Scope of the ops.
      aggregation: What becomes of the gradients of several ranks; None if there is one.
      transforms: As in `apply_pairs`.
    """
    if aggregation is not None and aggregation.shard_optimizer:
        return _apply_pieces(optimizer, pairs, name, aggregation, transforms)
    if aggregation is not None and not _accumulates(optimizer):
        with name_scope("aggregate"):
            pairs = reduce_gradients(pairs, aggregation)
            rows = step_rows()
            if rows is not None and divides_late(optimizer, aggregation):
                pairs = divide_by_rows(pairs, rows[1])
        aggregation = None
    with deferring(aggregation):
        return optimizer._apply_pairs(pairs, name, transforms)


def _apply_pieces(
    optimizer: Optimizer,
    pairs: GradsAndVars,
    name: str,
    aggregation: Aggregation,
    transforms: bool,
) -> Any:
    """Builds or runs a step of which this rank does its part."""
    with name_scope("aggregate"):
        scattered = scatter_gradients(pairs, aggregation, optimizer.is_elementwise)
        own, rows = scattered.pairs, step_rows()
        if rows is not None and divides_late(optimizer, aggregation):
            own = divide_by_rows(own, rows[1])

    def finish() -> list[Any]:
        with name_scope("gather"):
            return [apply_constraint(var, op) for var, op in scattered.write()]

    with sharding(aggregation, finish):
        return optimizer._apply_pairs(own, name, transforms)


def divides_late(optimizer: Optimizer, aggregation: Aggregation | None) -> bool:
    """Whether sums over ranks are divided by the number of examples after the exchange."""
    in_graph = building_graph() is not None
    return aggregation is not None and in_graph and not _accumulates(optimizer)


def _accumulates(optimizer: Optimizer) -> bool:
    return any(part.gradient_accumulation_steps for part in optimizer._parts())


def apply_pairs(
    optimizer: Optimizer,
    pairs: GradsAndVars,
    name: str,
    transforms: bool = True,
    counts: Any = None,
    before: Sequence[Any] = (),
) -> Any:
    """Builds or runs everything from aggregated gradients to the step count.

    Args:
      optimizer: The optimizer.
      pairs: Checked pairs.
      name: Scope of the ops.
      transforms: Whether gradients are clipped and transformed here.
      counts: Bool scalar: whether the call counts at all; None if it does.
      before: Ops that are part of the step.
    """
    _check_hooks(optimizer)
    pairs, only_if, done = prepare_gradients(pairs, optimizer, counts)
    step = Step(only_if)
    variables = list({id(var): var for _, var in pairs}.values())
    if transforms:
        pairs = optimizer._transform_gradients(pairs)
    done = [*before, *done, *optimizer._begin_step(step)]
    state = ApplyState(step, optimizer._prepare(variables))
    graph = building_graph()
    with name_scope(name):
        for grad, var in pairs:
            with name_scope(f"update_{var.key.name.rpartition('/')[2]}"):
                done.append(_apply_one(optimizer, grad, var, state))
        done += finish_pieces()
        one = 1 if only_if is None else cast(only_if, dtypes.int64)
        if graph is None:
            return optimizer.iterations.assign_add(one)
        with graph.control_dependencies([op for op in done if op is not None]):
            train_op = optimizer.iterations.assign_add(one, read_value=False)
    if graph.building_function:
        with graph.control_dependencies([train_op]):
            return optimizer.iterations.read_value()
    if hooks.on_train_op is not None:
        hooks.on_train_op(train_op)
    return train_op


def _check_hooks(optimizer: Optimizer) -> None:
    """Refuses options that need the equation of a subclass that hides it."""
    used = {
        "weight_decay": optimizer._get_option("weight_decay") is not None,
        "use_ema": optimizer.use_ema,
        "gradient_accumulation_steps": optimizer.gradient_accumulation_steps,
        "on_nonfinite": optimizer.on_nonfinite == "skip",
    }
    names = [name for name, value in used.items() if value]
    if names and optimizer._has_hooks((DENSE_HOOK, *SPARSE_HOOKS)):
        raise NotImplementedError(
            f"{', '.join(names)} of {type(optimizer).__name__}, which assigns to "
            "variables in _resource_apply_dense or _resource_apply_sparse; write its "
            "equation as `update(w, g, **slots, **coefficients)`."
        )


def prepare_state(
    optimizer: Optimizer, step: Step, keys: Sequence[tuple[str, DType]]
) -> ApplyState:
    """Computes the coefficients of (device, dtype) pairs."""
    state = ApplyState(step)
    for key in keys:
        if key not in state:
            state[key] = {}
            optimizer._prepare_local(*key, state)
    return state


def prepare_local(
    optimizer: Optimizer, key: tuple[str, DType], apply_state: dict[Any, Any]
) -> None:
    """Fills in the coefficients of one dtype."""
    rate = None
    if "learning_rate" in optimizer._hyper:
        rate = _rate(optimizer, key[1], step_of(apply_state))
    found = optimizer.coefficients(key[1], rate)
    own = {
        name: rate if name == "learning_rate" else optimizer._get_hyper(name, key[1])
        for name in optimizer.hyperparameters
    }
    apply_state[key].update({"lr_t": rate, **own, **found})
    if isinstance(apply_state, ApplyState):
        apply_state.named[key] = set(found)


def decayed_rate(self: Optimizer, var_dtype: Any) -> Any:
    """Returns the learning rate of this step as a tensor; a method of `Optimizer`."""
    rate = self._get_hyper("learning_rate", var_dtype)
    step = None
    if isinstance(rate, LearningRateSchedule):
        step = cast(self._step(), var_dtype)
        rate = cast(rate(step), var_dtype)
    if self._initial_decay:
        step = cast(self._step(), var_dtype) if step is None else step
        rate = rate / (1.0 + self._initial_decay * step)
    return rate


def _rate(optimizer: Optimizer, dtype: DType, step: Step) -> Any:
    """The learning rate of the variable at hand."""
    rate = optimizer._decayed_lr(dtype)
    if step.rate_factor is None:
        return rate
    return rate * as_number(step.rate_factor, dtype)


def _apply_one(
    optimizer: Optimizer, grad: Any, var: Variable, state: ApplyState
) -> Any:
    factor = optimizer._factor_of(var)
    if factor is not None:
        step = replace(state.step, rate_factor=factor)
        state = prepare_state(optimizer, step, [(var.device, var.dtype)])
    optimizer._step_of_hook = state.step
    try:
        if isinstance(grad, IndexedSlices):
            done = optimizer._apply_sparse(grad, var, state)
        else:
            hook = optimizer._resource_apply_dense
            done = hook(grad, var, **pass_state(hook, state))
    finally:
        optimizer._step_of_hook = None
    return apply_constraint(var, done, state.step.only_if)


def pass_state(hook: Callable[..., Any], state: Any) -> dict[str, Any]:
    """Returns the keyword `apply_state` for a hook of a subclass, if it takes that."""
    parameters = signature(hook).parameters.values()
    takes = any(p.name == "apply_state" or p.kind == p.VAR_KEYWORD for p in parameters)
    return {"apply_state": state} if takes else {}


def update_rows(
    optimizer: Optimizer, grad: IndexedSlices, var: Variable, apply_state: Any
) -> Any:
    """Puts the equation to work on the rows of a sparse gradient."""
    rows = rows_of(grad, var, optimizer.sparse_rows)
    if optimizer.use_ema or optimizer._get_option("weight_decay") is not None:
        # These change all rows, whatever the equation does.
        rows = all_rows(grad, var, optimizer.sparse_rows)
    return update_variable(optimizer, var, rows, apply_state)


def update_variable(
    optimizer: Optimizer, var: Variable, rows: Rows, apply_state: Any
) -> Any:
    """Puts the equation to work on a variable and its slots.

    Args:
      optimizer: The optimizer.
      var: The variable.
      rows: Its gradient, and what of it to work on.
      apply_state: What `_prepare` returned; None where a subclass's hook does not hand it
        on.
    """
    key = (var.device, var.dtype)
    step = optimizer._step_of_hook or Step()
    if apply_state is not None:
        step = step_of(apply_state)
    if apply_state is None or key not in apply_state:
        apply_state = prepare_state(optimizer, step, [key])
    equation = optimizer._equation_of(var)
    slots = {name: optimizer.get_slot(var, name) for name in optimizer._slots_of(var)}
    given = apply_state[key]
    named = getattr(apply_state, "named", {}).get(key, ())
    # Of other entries, as the rate and those of subclasses' hooks, it takes what it names.
    coefficients = match_arguments(equation, slots, given, given.keys() - named)
    update = on_touched_rows(equation, rows)
    if optimizer.use_ema:
        slots[AVERAGE] = optimizer.get_slot(var, AVERAGE)
        update = _add_average(optimizer, update, var.dtype)
    weight_decay = optimizer._weight_decay_of(var)
    if weight_decay is not None:
        weight_decay = as_number(weight_decay, var.dtype)
        rate = _rate(optimizer, var.dtype, step)
        update = with_weight_decay(update, weight_decay, rate)
    what = f"{type(optimizer).__name__}.update"
    return apply_equation(update, var, slots, rows, coefficients, step.only_if, what)


def _add_average(
    optimizer: Optimizer, update: Callable[..., Any], dtype: DType
) -> Callable[..., Any]:
    """Adds the average of a variable to its equation."""
    # The first value is an average of one.
    later = cast(not_equal(optimizer._step(), 0), dtype)
    momentum = later * optimizer._get_hyper("ema_momentum", dtype)
    overwrites, every = None, optimizer.ema_overwrite_frequency
    if every:
        overwrites = equal((optimizer._step() + 1) % every, 0)
    return with_average(update, momentum, overwrites)
