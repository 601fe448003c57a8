"""`Optimizer`: everything about an optimizer but its equation.

The class is TensorFlow 2.0's `OptimizerV2`. A subclass names its slots and hyperparameters
and writes its equation once, in `update`, on tensors: the same lines run eagerly, are
traced into a graph, and end up in one fused kernel for each variable.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Iterable, Sequence
from inspect import signature
from typing import Any

from graphopt import dtypes
from graphopt.autodiff.tape import GradientTape
from graphopt.dtypes import DType, as_dtype
from graphopt.errors import GraphoptWarning
from graphopt.graph.context import building_graph
from graphopt.graph.hooks import hooks
from graphopt.graph.indexed_slices import IndexedSlices
from graphopt.graph.locks import building
from graphopt.keras.optimizers.checks import (
    GradsAndVars,
    check_pairs,
    check_variables,
)
from graphopt.keras.optimizers.compiled import CompiledUpdates
from graphopt.keras.optimizers.computing import GradientComputation
from graphopt.keras.optimizers.gradient_steps import (
    ACCUMULATOR,
    accumulated,
    all_true,
    checked,
    unscaled,
)
from graphopt.keras.optimizers.schedules import LearningRateSchedule, deserialize
from graphopt.keras.optimizers.state import as_number
from graphopt.keras.optimizers.transformers import deserialize_chain
from graphopt.keras.optimizers.updates import (
    AVERAGE,
    Rows,
    all_rows,
    apply_constraint,
    apply_equation,
    argument_names,
    on_touched_rows,
    rows_of,
    starts_as,
    unique_rows,
    with_average,
    with_weight_decay,
)
from graphopt.ops.clipping import clip_by_global_norm, clip_by_norm, clip_by_value
from graphopt.ops.elementwise import cast, equal, not_equal
from graphopt.ops.state import no_op
from graphopt.runtime.names import name_scope
from graphopt.runtime.variable import Variable

# Keras replaces an epsilon of None or 0 by this.
EPSILON = 1e-7
# By their ids, for every step asks, and to compare dtypes runs Python.
_WIDE = frozenset(map(id, (dtypes.float64, dtypes.complex128)))
SPARSE_HOOKS = ("_resource_apply_sparse", "_resource_apply_sparse_duplicate_indices")


class Optimizer(GradientComputation):
    """The base class of optimizers.

    This class is not used directly: make one of a subclass, as `SGD` or `Adam`.

    Args:
      name: Scope of the variables and ops that it makes.
      gradient_aggregator: Function from and to a list of (gradient, variable) pairs,
        called before clipping.
      gradient_transformers: Functions of the same kind, called after clipping, in
        order; `tf.keras.optimizers.transformers` has some.
      **kwargs: The options of every optimizer:
        `clipnorm`, `clipvalue`, `global_clipnorm`: clipping of each gradient by its
          norm, of each element, of all gradients together.
        `decay`: the learning rate is divided by 1 + decay * iterations.
        `lr`: old name of `learning_rate`.
        `weight_decay`: before its update a variable loses learning_rate * weight_decay
          of itself; see `exclude_from_weight_decay`.
        `use_ema`, `ema_momentum`, `ema_overwrite_frequency`: an average of each variable
          after its updates, a <- momentum a + (1 - momentum) w, which replaces the
          variable every so many steps; see `finalize_variable_values`.
        `gradient_accumulation_steps`: updates with the mean gradient of so many calls,
          which count as one step; every call must be given the same variables.
        `loss_scale_factor`: what `minimize` and `scale_loss` multiply the loss by and
          gradients are divided by.
        `learning_rate_factors`: a mapping from variables, regular expressions of names,
          or functions of a variable, to factors of the learning rate.
        `on_nonfinite`: what happens when a gradient has NaN or infinities: "raise" an
          error, "skip" the step (the call counts for nothing), or "warn".

    Raises:
      TypeError: An unknown keyword.
      ValueError: A negative number, or two ways of clipping that exclude each other.

    >>> import graphopt as tf
    >>> opt = tf.keras.optimizers.SGD(learning_rate=0.1)
    >>> var1, var2 = tf.Variable(2.0), tf.Variable(5.0)
    >>> loss = lambda: 3 * var1 * var1 + 2 * var2 * var2
    >>> int(opt.minimize(loss, var_list=[var1, var2]))
    1
    >>> round(float(var1), 4), round(float(var2), 4)
    (0.8, 3.0)

    Source: `tf.keras.optimizers.Optimizer` (OptimizerV2); the options from
    `weight_decay` on are those of `keras.optimizers.Optimizer` (Keras 3).
    """

    # What a sparse gradient changes: "all" rows, as if it were dense; all rows of the
    # slots but of the variable only those "touched" ("all slots"); or only "touched".
    sparse_rows: str = "all"

    def __init__(
        self,
        name: str,
        gradient_aggregator: Callable[[GradsAndVars], GradsAndVars] | None = None,
        gradient_transformers: Sequence[Callable[[GradsAndVars], GradsAndVars]]
        | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(name, gradient_aggregator, gradient_transformers, kwargs)
        self._updates = CompiledUpdates()
        # Whether the call that is being built updates at all: a bool tensor, or None.
        self._only_if: Any = None
        # How many calls are accumulated.
        self._accumulated_calls: Variable | None = None
        # Of the variable whose coefficients are being computed.
        self._rate_factor: Any = None

    # ---- configuration

    def get_config(self) -> dict[str, Any]:
        """Returns what `from_config` makes the same optimizer of.

        Functions, and variables that options name, are no part of it.
        """
        config: dict[str, Any] = {"name": self._name, **self._option_config()}
        for name in self._hyper:
            config[name] = self._serialize_hyperparameter(name)
        return config

    @classmethod
    def from_config(
        cls, config: dict[str, Any], custom_objects: dict[str, Any] | None = None
    ) -> Any:
        """Makes an optimizer of what `get_config` returned.

        Args:
          config: Its `lr` is renamed to `learning_rate`, in place, as in TensorFlow.
          custom_objects: Classes of schedules by name.
        """
        if "lr" in config:
            config["learning_rate"] = config.pop("lr")
        arguments = dict(config)
        rate = arguments.get("learning_rate")
        if isinstance(rate, dict):
            arguments["learning_rate"] = deserialize(rate, custom_objects)
        if "gradient_transformers" in arguments:
            chain = deserialize_chain(arguments["gradient_transformers"])
            arguments["gradient_transformers"] = chain
        not_decayed = arguments.pop("exclude_from_weight_decay", None)
        made = cls(**arguments)
        if not_decayed:
            made.exclude_from_weight_decay(var_names=not_decayed)
        return made

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        made = type(self).from_config(copy.deepcopy(self.get_config()))
        # Functions are no part of a config.
        made.gradient_aggregator = self.gradient_aggregator
        made.gradient_transformers = list(self.gradient_transformers)
        made.learning_rate_factors = list(self.learning_rate_factors)
        made._not_decayed = list(self._not_decayed)
        memo[id(self)] = made
        return made

    def __repr__(self) -> str:
        return f"<graphopt {type(self).__name__} {self._name!r}>"

    # ---- minimizing

    def minimize(
        self,
        loss: Any,
        var_list: Any,
        grad_loss: Any = None,
        name: str | None = None,
        tape: GradientTape | None = None,
    ) -> Any:
        """Updates variables so that a loss gets smaller.

        Args:
          loss: Function without arguments that returns the loss; or a tensor, with the
            `tape` that recorded it, or without one in a graph. A loss that is not a
            scalar counts as the sum of its elements.
          var_list: Variables, or a function that returns them after `loss` was called.
          grad_loss: Cotangent of the loss.
          name: Scope of the update's ops.
          tape: The tape that recorded `loss`.

        Returns:
          In a graph the train op; in eager mode the step count.

        Raises:
          ValueError: No variable has a gradient; the message says why.
        """
        pairs = self._compute_gradients(loss, var_list, grad_loss, tape)
        # Those without a gradient were warned of, with the reason, just now.
        pairs = [(grad, var) for grad, var in pairs if grad is not None]
        return self.apply_gradients(pairs, name=name)

    def get_updates(self, loss: Any, params: Sequence[Variable]) -> list[Any]:
        """Returns a list with the train op for a loss, in a graph."""
        grads = self.get_gradients(loss, params)
        return [self.apply_gradients(list(zip(grads, params, strict=True)))]

    def apply_gradients(
        self,
        grads_and_vars: Iterable[tuple[Any, Variable]],
        name: str | None = None,
        experimental_aggregate_gradients: bool = True,
    ) -> Any:
        """Updates variables with gradients.

        Args:
          grads_and_vars: Pairs; those whose gradient is None are left out.
          name: Scope of the update's ops.
          experimental_aggregate_gradients: Whether `gradient_aggregator` is called.

        Returns:
          In a graph the train op; in eager mode the step count, or None if there were
          no pairs.

        Raises:
          TypeError: Something is no pair, or no variable.
          ValueError: All gradients are None.
        """
        pairs = check_pairs(grads_and_vars)
        with name_scope(self._name):
            variables = list({id(var): var for _, var in pairs}.values())
            self._create_all(variables)
            if not pairs:
                warnings.warn(
                    "apply_gradients was called without any gradients: nothing is "
                    "updated.",
                    GraphoptWarning,
                    stacklevel=2,
                )
                return no_op()
            if experimental_aggregate_gradients:
                pairs = self._aggregate_gradients(pairs)
            eager = building_graph() is None
            if eager and self._updates.run(self, pairs, name or self._name):
                return self.iterations
            return self._apply_pairs(pairs, name or self._name)

    def build(self, var_list: Sequence[Variable]) -> None:
        """Makes what the optimizer keeps for variables, as `apply_gradients` would.

        Source: `keras.optimizers.Optimizer.build`.
        """
        with name_scope(self._name):
            self._create_all(check_variables(var_list))

    def _valid_dtypes(self) -> set[DType]:
        """The dtypes that variables may have; TensorFlow's name of it."""
        return {*dtypes.FLOATING, *dtypes.COMPLEX}

    def _create_all_weights(self, var_list: Sequence[Variable]) -> None:
        """Makes what the optimizer keeps; TensorFlow's name of it, for subclasses."""
        self._create_all(var_list)

    def _create_all(self, variables: Sequence[Variable]) -> None:
        """Makes what the optimizer keeps: the step count first, then the slots.

        Of threads that take their first steps at the same time one makes it.
        """
        with building:
            self._create_once(variables)

    def _create_once(self, variables: Sequence[Variable]) -> None:
        _ = self.iterations
        if any(id(var.key.dtype) in _WIDE for var in variables):
            self._trains_wide = True
            # A wrapper makes the hyperparameters of the optimizer inside of it.
            for inner in list(vars(self).values()):
                if isinstance(inner, Optimizer):
                    inner._trains_wide = True
        self._create_hypers()
        self._create_slots(variables)
        if self.gradient_accumulation_steps and self._accumulated_calls is None:
            self._accumulated_calls = self.add_weight(
                "accumulated_calls", shape=[], dtype=dtypes.int64, trainable=False
            )
        if not self.gradient_accumulation_steps and not self.use_ema:
            return
        for var in variables:
            if self.gradient_accumulation_steps:
                self.add_slot(var, ACCUMULATOR)
            if self.use_ema:
                self.add_slot(var, AVERAGE, starts_as(var))

    def _apply_pairs(
        self,
        pairs: GradsAndVars,
        name: str,
        transforms: bool = True,
        counts: Any = None,
        before: Sequence[Any] = (),
    ) -> Any:
        """Builds or runs everything from aggregated gradients to the step count.

        Args:
          pairs: Checked pairs.
          name: Scope of the ops.
          transforms: Whether gradients are clipped and transformed here.
          counts: Bool scalar: whether the call counts at all; None if it does.
          before: Ops that are part of the step.
        """
        self._check_hooks()
        pairs, self._only_if, done = self._prepare_gradients(pairs, counts)
        try:
            variables = list({id(var): var for _, var in pairs}.values())
            if transforms:
                pairs = self._transform_gradients(pairs)
            state = self._prepare(variables)
            return self._apply_all(pairs, name, state, [*before, *done])
        finally:
            self._only_if = None

    def _prepare_gradients(
        self, pairs: GradsAndVars, counts: Any
    ) -> tuple[GradsAndVars, Any, list[Any]]:
        """Unscales, checks and accumulates gradients.

        Returns:
          The pairs, a bool tensor that says whether this call updates, or None, and ops
          that are part of the step.
        """
        scale = self._get_option("loss_scale_factor")
        if scale is not None:
            pairs = unscaled(pairs, scale)
        pairs, finite = checked(pairs, self)
        counts = all_true([each for each in (counts, finite) if each is not None])
        if self.gradient_accumulation_steps:
            return accumulated(pairs, self, counts)
        return pairs, counts, []

    def _aggregate_gradients(self, grads_and_vars: GradsAndVars) -> GradsAndVars:
        """Calls the aggregator; a hook for subclasses."""
        if self.gradient_aggregator is None:
            return grads_and_vars
        return self.gradient_aggregator(grads_and_vars)

    def _transform_unaggregated_gradients(self, pairs: GradsAndVars) -> GradsAndVars:
        """Changes gradients before they are aggregated; a hook for subclasses."""
        return pairs

    def _transform_gradients(self, grads_and_vars: GradsAndVars) -> GradsAndVars:
        """Clips and transforms: value, norm, global norm, transformers in order."""
        pairs = grads_and_vars
        if self._clipvalue is not None:
            limit = self._clipvalue
            pairs = [(clip_by_value(g, -limit, limit), v) for g, v in pairs]
        if self._clipnorm is not None:
            pairs = [(clip_by_norm(g, self._clipnorm), v) for g, v in pairs]
        if self._global_clipnorm is not None:
            grads, _ = clip_by_global_norm([g for g, _ in pairs], self._global_clipnorm)
            pairs = list(zip(grads, (v for _, v in pairs), strict=True))
        for transformer in self.gradient_transformers:
            pairs = list(transformer(pairs))
        return pairs

    def _decayed_lr(self, var_dtype: Any) -> Any:
        """Returns the learning rate of this step as a tensor."""
        rate = self._get_hyper("learning_rate", var_dtype)
        step = None
        if isinstance(rate, LearningRateSchedule):
            step = cast(self._step(), var_dtype)
            rate = cast(rate(step), var_dtype)
        if self._initial_decay:
            step = cast(self._step(), var_dtype) if step is None else step
            rate = rate / (1.0 + self._initial_decay * step)
        return rate

    def _rate(self, dtype: DType) -> Any:
        """The learning rate of the variable at hand."""
        rate = self._decayed_lr(dtype)
        if self._rate_factor is None:
            return rate
        return rate * as_number(self._rate_factor, dtype)

    def _step(self) -> Any:
        """The number of steps before this one; two train ops in one run count on."""
        return self.iterations.read_value()

    def _prepare(self, var_list: Sequence[Variable]) -> dict[Any, Any]:
        """Returns what is computed once a step, by (device, dtype)."""
        apply_state: dict[Any, Any] = {}
        for var in var_list:
            key = (var.device, var.dtype)
            if key not in apply_state:
                apply_state[key] = {}
                self._prepare_local(var.device, var.dtype, apply_state)
        return apply_state

    def _prepare_local(
        self, var_device: str, var_dtype: DType, apply_state: dict[Any, Any]
    ) -> None:
        """Fills in the coefficients of one dtype; a hook for subclasses."""
        state = apply_state[(var_device, var_dtype)]
        rate = self._rate(var_dtype) if "learning_rate" in self._hyper else None
        state["lr_t"] = rate
        state.update(self.coefficients(var_dtype, rate))

    def _fallback_apply_state(self, var_device: str, var_dtype: Any) -> dict[str, Any]:
        """Returns the coefficients of one dtype where a hook was not given them."""
        key = (var_device, as_dtype(var_dtype))
        apply_state: dict[Any, Any] = {key: {}}
        self._prepare_local(*key, apply_state)
        return apply_state[key]  # type: ignore[no-any-return]

    def coefficients(self, dtype: DType, learning_rate: Any) -> dict[str, Any]:
        """Returns the scalars of the equation, as tensors, computed once a step.

        Args:
          dtype: The dtype of the variables.
          learning_rate: The rate of this step.
        """
        return {}

    def update(self, w: Any, g: Any, *args: Any, **kwargs: Any) -> tuple[Any, Any]:
        """Returns the new value of a variable and of its slots: the equation.

        Args:
          w: The variable's value.
          g: Its gradient.
          *args: Subclasses name their slots here,
          **kwargs: and what `coefficients` returned.

        Returns:
          The new value and a dict of the new slots.
        """
        raise NotImplementedError("Must be implemented in subclasses.")

    def _resource_apply_dense(
        self, grad: Any, handle: Variable, apply_state: dict[Any, Any] | None = None
    ) -> Any:
        """Updates one variable with a dense gradient; a hook for subclasses."""
        return self._update_variable(handle, Rows(grad), apply_state)

    def _resource_apply_sparse_duplicate_indices(
        self, grad: Any, handle: Variable, indices: Any, **kwargs: Any
    ) -> Any:
        """Updates rows of one variable, where indices may be equal; a hook.

        Args:
          grad: `[n, ...]`, the rows of the gradient.
          handle: The variable.
          indices: `[n]`, which rows they are.
          **kwargs: `apply_state`.
        """
        values, unique = unique_rows(grad, indices, int(handle.shape[0] or 0))
        return self._resource_apply_sparse(values, handle, unique, **kwargs)

    def _resource_apply_sparse(
        self, grad: Any, handle: Variable, indices: Any, apply_state: Any = None
    ) -> Any:
        """Updates rows of one variable, each listed once; a hook for subclasses."""
        sparse = IndexedSlices(grad, indices, handle.shape)
        return self._update_rows(sparse, handle, apply_state)

    def _resource_scatter_add(self, x: Variable, i: Any, v: Any) -> Any:
        """Adds to rows of a variable and returns it; for the hooks of subclasses."""
        return x.scatter_add(IndexedSlices(v, i, x.shape))

    def _resource_scatter_update(self, x: Variable, i: Any, v: Any) -> Any:
        """Sets rows of a variable and returns it; for the hooks of subclasses."""
        return x.scatter_update(IndexedSlices(v, i, x.shape))

    def _apply_sparse(
        self, grad: IndexedSlices, var: Variable, apply_state: dict[Any, Any]
    ) -> Any:
        """Updates with a sparse gradient, by the same equation as with a dense one."""
        if self._has_hooks(SPARSE_HOOKS):
            hook = self._resource_apply_sparse_duplicate_indices
            state = self._state_for(self._resource_apply_sparse, apply_state)
            return hook(grad.values, var, grad.indices, **state)
        return self._update_rows(grad, var, apply_state)

    def _update_rows(
        self, grad: IndexedSlices, var: Variable, apply_state: dict[Any, Any] | None
    ) -> Any:
        rows = rows_of(grad, var, self.sparse_rows)
        if self.use_ema or self._get_option("weight_decay") is not None:
            # These change all rows, whatever the equation does.
            rows = all_rows(grad, var, self.sparse_rows)
        return self._update_variable(var, rows, apply_state)

    @property
    def _dense_apply_args(self) -> list[str]:
        """The arguments of `_resource_apply_dense`, for optimizers around this one."""
        return list(signature(self._resource_apply_dense).parameters)

    @property
    def _sparse_apply_args(self) -> list[str]:
        """The arguments of `_resource_apply_sparse`."""
        return list(signature(self._resource_apply_sparse).parameters)

    def _has_hooks(self, names: tuple[str, ...]) -> bool:
        """Whether a subclass assigns to variables itself instead of in `update`."""
        cls = type(self)
        return any(getattr(cls, hook) is not getattr(Optimizer, hook) for hook in names)

    def _state_for(
        self, hook: Callable[..., Any], apply_state: dict[Any, Any]
    ) -> dict[str, Any]:
        """The keyword `apply_state` for a hook of a subclass, if it takes that."""
        parameters = signature(hook).parameters.values()
        takes = any(
            p.name == "apply_state" or p.kind == p.VAR_KEYWORD for p in parameters
        )
        return {"apply_state": apply_state} if takes else {}

    def _parts(self) -> list[Optimizer]:
        """This optimizer and those inside of it."""
        return [self]

    def _check_hooks(self) -> None:
        """Refuses options that need the equation of a subclass that hides it."""
        used = {
            "weight_decay": self._get_option("weight_decay") is not None,
            "use_ema": self.use_ema,
            "gradient_accumulation_steps": self.gradient_accumulation_steps,
            "on_nonfinite": self.on_nonfinite == "skip",
        }
        names = [name for name, value in used.items() if value]
        if names and self._has_hooks(("_resource_apply_dense", *SPARSE_HOOKS)):
            raise NotImplementedError(
                f"{', '.join(names)} of {type(self).__name__}, which assigns to "
                "variables in _resource_apply_dense or _resource_apply_sparse; write its "
                "equation as `update(w, g, **slots, **coefficients)`."
            )

    def _update_variable(
        self, var: Variable, rows: Rows, apply_state: dict[Any, Any] | None
    ) -> Any:
        """Puts the equation to work on a variable and its slots.

        Args:
          var: The variable.
          rows: Its gradient, and what of it to work on.
          apply_state: What `_prepare` returned.
        """
        key = (var.device, var.dtype)
        if apply_state is None or key not in apply_state:
            # Called by a hook that was not told; `_prepare` has run for the step.
            apply_state = {key: self._fallback_apply_state(*key)}
        equation = self._equation_of(var)
        names = argument_names(equation)
        state = {k: v for k, v in apply_state[key].items() if k in names}
        slots = {name: self.get_slot(var, name) for name in self._slots_of(var)}
        update = on_touched_rows(equation, rows)
        if self.use_ema:
            slots[AVERAGE] = self.get_slot(var, AVERAGE)
            update = self._with_average(update, var.dtype)
        weight_decay = self._weight_decay_of(var)
        if weight_decay is not None:
            weight_decay = as_number(weight_decay, var.dtype)
            rate = self._rate(var.dtype)
            update = with_weight_decay(update, weight_decay, rate)
        return apply_equation(update, var, slots, rows, state, self._only_if)

    def _equation_of(self, var: Variable) -> Callable[..., Any]:
        """The equation that updates a variable; a hook for subclasses with several."""
        return self.update

    def _slots_of(self, var: Variable) -> Iterable[str]:
        """The slots in the equation of a variable; a hook for subclasses."""
        return self._slot_initializers()

    def _weight_decay_of(self, var: Variable) -> Any:
        """How much of a variable decays, or None; a hook for subclasses."""
        return self._get_option("weight_decay") if self._decays(var) else None

    def _with_average(self, update: Callable[..., Any], dtype: DType) -> Any:
        """Adds the average of a variable to its equation."""
        # The first value is an average of one.
        later = cast(not_equal(self._step(), 0), dtype)
        momentum = later * self._get_hyper("ema_momentum", dtype)
        replace = None
        if self.ema_overwrite_frequency:
            replace = equal((self._step() + 1) % self.ema_overwrite_frequency, 0)
        return with_average(update, momentum, replace)

    def _apply_all(
        self,
        pairs: GradsAndVars,
        name: str,
        apply_state: dict[Any, Any],
        before: Sequence[Any] = (),
    ) -> Any:
        graph = building_graph()
        done = list(before)
        with name_scope(name):
            for grad, var in pairs:
                with name_scope(f"update_{var.key.name.rpartition('/')[2]}"):
                    done.append(self._apply_one(grad, var, apply_state))
            one = 1 if self._only_if is None else cast(self._only_if, dtypes.int64)
            if graph is None:
                return self.iterations.assign_add(one)
            with graph.control_dependencies([op for op in done if op is not None]):
                train_op = self.iterations.assign_add(one, read_value=False)
        if graph.building_function:
            with graph.control_dependencies([train_op]):
                return self.iterations.read_value()
        if hooks.on_train_op is not None:
            hooks.on_train_op(train_op)
        return train_op

    def _apply_one(self, grad: Any, var: Variable, apply_state: dict[Any, Any]) -> Any:
        self._rate_factor = self._factor_of(var)
        try:
            if self._rate_factor is not None:
                key = (var.device, var.dtype)
                apply_state = {key: self._fallback_apply_state(*key)}
            if isinstance(grad, IndexedSlices):
                done = self._apply_sparse(grad, var, apply_state)
            else:
                state = self._state_for(self._resource_apply_dense, apply_state)
                done = self._resource_apply_dense(grad, var, **state)
        finally:
            self._rate_factor = None
        return apply_constraint(var, done, self._only_if)
