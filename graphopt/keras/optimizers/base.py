"""`Optimizer`: everything about an optimizer but its equation.

The class is TensorFlow 2.0's `OptimizerV2`. A subclass names its arguments in its
constructor and its slots in `slots`, and writes its equation once, in `update`, on tensors:
the same lines run eagerly, are traced into a graph, and end up in one fused kernel for each
variable. What is here are the methods that users call and subclasses override; the work is
done by `hyperparameters`, `options`, `state`, `computing` and `steps`.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from inspect import signature
from typing import Any, overload

from graphopt import dtypes
from graphopt.autodiff.tape import GradientTape
from graphopt.dtypes import DType, as_dtype
from graphopt.graph.context import building_graph
from graphopt.graph.indexed_slices import IndexedSlices
from graphopt.graph.locks import building
from graphopt.keras.describing import describe_call
from graphopt.keras.messages import warn_user
from graphopt.keras.optimizers import computing, options, state, steps
from graphopt.keras.optimizers.checks import (
    GradsAndVars,
    check_fraction,
    check_pairs,
    check_variables,
)
from graphopt.keras.optimizers.compiled import CompiledUpdates
from graphopt.keras.optimizers.gradient_steps import clip
from graphopt.keras.optimizers.hyperparameters import (
    Hyperparameters,
    plain_constants,
    take_arguments,
    write_constructor,
)
from graphopt.keras.optimizers.updates import (
    Rows,
    Step,
    unique_rows,
)
from graphopt.ops.state import no_op
from graphopt.parallel.aggregation import (
    Aggregation,
    current_aggregation,
    current_collection,
    step_rows,
    weigh_by_rows,
)
from graphopt.parallel.ranks import share_first_values
from graphopt.parallel.sharding import parts_of
from graphopt.runtime.names import name_scope
from graphopt.runtime.tracking import Slot, Trackable
from graphopt.runtime.variable import Variable


class Optimizer(Trackable):
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

    # What a subclass takes that may change from step to step, with defaults. It is then
    # constructed with them, and `update` takes those that it names, as tensors.
    hyperparameters: Mapping[str, Any] = {}
    # What a sparse gradient changes: "all" rows, as if it were dense; all rows of the
    # slots but of the variable only those "touched" ("all slots"); or only "touched".
    sparse_rows: str = "all"
    # Whether the equation computes each element from those of the same place alone, so
    # that it may be given a piece of a variable.
    is_elementwise = False
    # Whether hyperparameters are float64 whatever is trained.
    wide_hyperparameters = False
    # Whether weights from an old file may lack the step count at the front.
    accepts_weights_without_iterations = False

    clipnorm = options.Clip("The largest norm of each gradient, or None.")
    clipvalue = options.Clip(
        "The largest absolute value of a gradient's element, or None."
    )
    global_clipnorm = options.Clip(
        "The largest norm of all gradients together, or None."
    )
    weight_decay = options.NumberOption(
        "What a variable loses in a step, times the rate."
    )
    ema_momentum = options.NumberOption(
        "How much of an average a step keeps.", check_fraction
    )
    loss_scale_factor = options.NumberOption("What the loss is multiplied by, or None.")
    use_ema = False
    ema_overwrite_frequency: int | None = None
    gradient_accumulation_steps: int | None = None
    on_nonfinite: str | None = None

    # What subclasses hand to `assign`; there is nothing to lock here.
    _use_locking = True
    _initial_decay: Any = 0.0
    _not_decayed: Sequence[options.Selector] = ()
    _iterations: Variable | None = None
    # How many calls are accumulated.
    _accumulated_calls: Variable | None = None
    # Whether gradients that are accumulated become their sum and not their mean.
    _sums_calls = False
    # What it does to the gradients of several ranks, wherever it is called.
    _aggregation: Aggregation | None = None
    # The class whose constructor declared the arguments.
    _declaring: type | None = None

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "hyperparameters" in vars(cls) and "__init__" not in vars(cls):
            write_constructor(cls)

    @overload
    def __init__(
        self,
        name: str,
        gradient_aggregator: Callable[[GradsAndVars], GradsAndVars] | None = None,
        gradient_transformers: Sequence[Callable[[GradsAndVars], GradsAndVars]]
        | None = None,
        **kwargs: Any,
    ) -> None: ...
    # Of a subclass that lists `hyperparameters`, which gets a constructor that takes them.
    @overload
    def __init__(self, *hyperparameters: Any, **kwargs: Any) -> None: ...
    def __init__(
        self,
        name: str,
        gradient_aggregator: Callable[[GradsAndVars], GradsAndVars] | None = None,
        gradient_transformers: Sequence[Callable[[GradsAndVars], GradsAndVars]]
        | None = None,
        **kwargs: Any,
    ) -> None:
        # `__setattr__` asks of each whether it is a hyperparameter, and is not needed.
        own = vars(self)
        own["_name"], own["_updates"] = name, CompiledUpdates()
        own["_hyper"], own["_slots"] = Hyperparameters(), state.Slots()
        own["_weights"] = []
        # Hyperparameters that are options; a subclass may have one of the same name.
        own["_options"] = set()
        # Of a subclass's hook that is not given `apply_state`, or does not hand it on.
        own["_step_of_hook"] = None
        own["gradient_aggregator"] = gradient_aggregator
        if (aggregation := current_aggregation()) is not None:
            own["_aggregation"] = aggregation
        own["gradient_transformers"] = [*(gradient_transformers or ())]
        own["learning_rate_factors"] = []
        if kwargs:
            options.take_options(self, kwargs)

    _name: str
    _updates: CompiledUpdates
    _hyper: Hyperparameters
    _slots: state.Slots
    _weights: list[Variable]
    _options: set[str]
    _step_of_hook: Step | None
    gradient_aggregator: Callable[[GradsAndVars], GradsAndVars] | None
    gradient_transformers: list[Callable[[GradsAndVars], GradsAndVars]]
    learning_rate_factors: list[tuple[options.Selector, Any]]

    _take_arguments = take_arguments

    # ---- hyperparameters

    def _set_hyper(self, name: str, value: Any) -> None:
        """Sets a hyperparameter: a number, tensor, variable, callable or schedule."""
        self._hyper.set(name, value)

    def _get_hyper(self, name: str, dtype: Any = None) -> Any:
        """Returns a hyperparameter, as a tensor of `dtype` if one is given."""
        if not self._hyper.are_made:
            self._create_hypers()
        return self._hyper.read(name, dtype)

    def _create_hypers(self) -> None:
        """Makes variables of the numbers; a hook for subclasses."""
        if not self._hyper.are_made:
            kept = len(self._weights)
            self._hyper.make_variables(self.add_weight, self.wide_hyperparameters)
            del self._weights[kept:]

    def _get_option(self, name: str) -> Any:
        """Returns a number option; None if it is not in use."""
        if name in self._options:
            return self._get_hyper(name)
        return None if name in self._hyper else vars(self).get(f"_{name}")

    def __getattr__(self, name: str) -> Any:
        hyper = vars(self).get("_hyper", ())
        key = "learning_rate" if name == "lr" else name
        if key in hyper:
            return self._get_hyper(key)
        # For its own words: a property may have failed.
        return object.__getattribute__(self, name)

    def __setattr__(self, name: str, value: Any) -> None:
        name = "learning_rate" if name == "lr" else name
        if name in vars(self).get("_hyper", ()) and not hasattr(type(self), name):
            self._set_hyper(name, value)
        else:
            super().__setattr__(name, value)

    def __dir__(self) -> Iterable[str]:
        return {*super().__dir__(), *self._hyper.names()}

    def _serialize_hyperparameter(self, name: str) -> Any:
        return self._hyper.plain(name)

    @staticmethod
    def _call_if_callable(param: Any) -> Any:
        """Returns what a function returns, or the value that is none."""
        return param() if callable(param) else param

    # ---- configuration

    def get_config(self) -> dict[str, Any]:
        """Returns what `from_config` makes the same optimizer of.

        Functions, and variables that options name, are no part of it.
        """
        config: dict[str, Any] = {"name": self._name, **options.list_options(self)}
        for name in self._hyper:
            config[name] = self._serialize_hyperparameter(name)
        return {**config, **plain_constants(self)}

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
        arguments = options.arguments_of(config, custom_objects)
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
        made._aggregation = self._aggregation
        made._sums_calls = self._sums_calls
        memo[id(self)] = made
        return made

    def __repr__(self) -> str:
        shown = {name: self._hyper.show(name) for name in self._hyper}
        if shown.get("decay") == 0.0:
            del shown["decay"]
        return describe_call(self, {**shown, "name": self._name})

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

    get_gradients = computing.get_gradients
    scale_loss = computing.scale_loss
    _compute_gradients = computing.compute_gradients

    def get_updates(self, loss: Any, params: Sequence[Variable]) -> list[Any]:
        """Returns a list with the train op for a loss, in a graph."""
        grads = self.get_gradients(loss, params)
        return [self.apply_gradients(list(zip(grads, params, strict=True)))]

    def _transform_loss(self, loss: Any) -> Any:
        """Returns the loss to differentiate; a hook for subclasses."""
        return loss

    def _get_gradients(
        self, tape: GradientTape, loss: Any, var_list: Any, grad_loss: Any = None
    ) -> list[Any]:
        """Returns the gradients; a hook for subclasses."""
        grads: list[Any] = tape.gradient(loss, list(var_list), grad_loss)
        return grads

    def _loss_scale(self) -> Any:
        """What `minimize` multiplies the loss by, or None."""
        return self._get_option("loss_scale_factor")

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
            self._create_for(variables)
            if not pairs:
                warn_user(
                    "apply_gradients was called without any gradients: nothing is "
                    "updated."
                )
                return no_op()
            aggregation = None
            if experimental_aggregate_gradients:
                pairs = self._aggregate_gradients(pairs)
                aggregation = self._find_aggregation()
                rows = step_rows()
                if rows is not None:
                    late = steps.divides_late(self, aggregation)
                    pairs = weigh_by_rows(pairs, rows[0], None if late else rows[1])
                    if aggregation is not None:
                        aggregation = replace(aggregation, mean=False)
            collection = current_collection()
            if collection is not None:
                collected = collection.add(self, pairs)
                if collected is None:
                    # The last part of the batch updates.
                    return no_op() if building_graph() is not None else self.iterations
                pairs = collected
            if aggregation is not None:
                share_first_values(variables, aggregation)
            name, eager = name or self._name, building_graph() is None
            if eager and self._updates.run(self, pairs, name, aggregation):
                return self.iterations
            return steps.aggregate_and_apply(self, pairs, name, aggregation)

    def build(self, var_list: Sequence[Variable]) -> None:
        """Makes what the optimizer keeps for variables, as `apply_gradients` would.

        Source: `keras.optimizers.Optimizer.build`.
        """
        with name_scope(self._name):
            self._create_for(check_variables(var_list))

    def _valid_dtypes(self) -> set[DType]:
        """The dtypes that variables may have; TensorFlow's name of it."""
        return {*dtypes.FLOATING, *dtypes.COMPLEX}

    def _create_for(self, variables: Sequence[Variable]) -> None:
        """Makes what this rank keeps for variables."""
        aggregation = self._find_aggregation()
        shards = aggregation is not None and aggregation.shard_optimizer
        if aggregation is None or not shards or aggregation.size == 1:
            self._create_all(variables)
        elif self.is_elementwise:
            parts: list[Any] = list(parts_of(variables, aggregation))
            self._create_all(parts)
        else:
            self._create_all(variables)
            state.share_out_slots(self, variables, aggregation)

    def _create_all_weights(self, var_list: Sequence[Variable]) -> None:
        """Makes what the optimizer keeps; TensorFlow's name of it, for subclasses."""
        self._create_for(var_list)

    def _create_all(self, variables: Sequence[Variable]) -> None:
        """Makes what the optimizer keeps: the step count first, then the slots.

        Of threads that take their first steps at the same time one makes it.
        """
        with building:
            state.create_all(self, variables)

    _apply_pairs = steps.apply_pairs

    def _aggregate_gradients(self, grads_and_vars: GradsAndVars) -> GradsAndVars:
        """Calls the aggregator; a hook for subclasses."""
        if self.gradient_aggregator is None:
            return grads_and_vars
        return self.gradient_aggregator(grads_and_vars)

    def _find_aggregation(self) -> Aggregation | None:
        """What becomes of gradients where several ranks train; None if there is one.

        An optimizer made in the scope of a strategy, or for one, keeps to it.
        """
        found = self._aggregation or current_aggregation()
        return None if found is None or found.is_idle else found

    def _transform_unaggregated_gradients(self, pairs: GradsAndVars) -> GradsAndVars:
        """Changes gradients before they are aggregated; a hook for subclasses."""
        return pairs

    def _transform_gradients(self, grads_and_vars: GradsAndVars) -> GradsAndVars:
        """Clips and transforms: value, norm, global norm, transformers in order."""
        pairs = clip(grads_and_vars, self)
        for transformer in self.gradient_transformers:
            pairs = list(transformer(pairs))
        return pairs

    _decayed_lr = steps.decayed_rate

    def _step(self) -> Any:
        """The number of steps before this one; two train ops in one run count on."""
        return self.iterations.read_value()

    def _begin_step(self, step: Step) -> list[Any]:
        """Moves on what is kept for all variables together; a hook for subclasses.

        Args:
          step: The step.

        Returns:
          Ops that are part of it.
        """
        return []

    def _prepare(self, var_list: Sequence[Variable]) -> dict[Any, Any]:
        """Returns what is computed once a step, by (device, dtype)."""
        keys = [(var.device, var.dtype) for var in var_list]
        return steps.prepare_state(self, Step(), keys)

    def _prepare_local(
        self, var_device: str, var_dtype: DType, apply_state: dict[Any, Any]
    ) -> None:
        """Fills in the coefficients of one dtype; a hook for subclasses."""
        steps.prepare_local(self, (var_device, var_dtype), apply_state)

    def _fallback_apply_state(self, var_device: str, var_dtype: Any) -> dict[str, Any]:
        """Returns the coefficients of one dtype where a hook was not given them."""
        key = (var_device, as_dtype(var_dtype))
        return steps.prepare_state(self, self._step_of_hook or Step(), [key])[key]

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
          *args: Subclasses name all their slots here,
          **kwargs: and all that `coefficients` returned; of `hyperparameters` what they
            use, `learning_rate` being that of the step, which is also `lr_t`; `**_`
            stands for what they do not use.

        Returns:
          The new value and a dict of the new slots.
        """
        raise NotImplementedError("Must be implemented in subclasses.")

    def _resource_apply_dense(
        self, grad: Any, handle: Variable, apply_state: dict[Any, Any] | None = None
    ) -> Any:
        """Updates one variable with a dense gradient; a hook for subclasses."""
        return steps.update_variable(self, handle, Rows(grad), apply_state)

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
        return steps.update_rows(self, sparse, handle, apply_state)

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
        if self._has_hooks(steps.SPARSE_HOOKS):
            hook = self._resource_apply_sparse_duplicate_indices
            state = steps.pass_state(self._resource_apply_sparse, apply_state)
            return hook(grad.values, var, grad.indices, **state)
        return steps.update_rows(self, grad, var, apply_state)

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

    def _optimizers_inside(self) -> dict[str, Optimizer]:
        """The optimizers inside of this one, by attribute."""
        found = vars(self).items()
        return {name: part for name, part in found if isinstance(part, Optimizer)}

    def _parts(self) -> list[Optimizer]:
        """This optimizer and those inside of it."""
        return [self]

    def _equation_of(self, var: Variable) -> Callable[..., Any]:
        """The equation that updates a variable; a hook for subclasses with several."""
        return self.update

    def _slots_of(self, var: Variable) -> Iterable[str]:
        """The slots in the equation of a variable; a hook for subclasses."""
        return self._slot_initializers()

    def _weight_decay_of(self, var: Variable) -> Any:
        """How much of a variable decays, or None; a hook for subclasses."""
        return self._get_option("weight_decay") if self._decays(var) else None

    # ---- what it keeps, and of which variables; written in `state` and `options`

    add_weight = state.add_weight
    add_slot = state.add_slot
    get_slot = state.get_slot
    get_weights = state.get_weights
    set_weights = state.set_weights
    _create_slots = state.create_slots
    trackable_children = state.trackable_children
    exclude_from_weight_decay = options.exclude_from_weight_decay
    finalize_variable_values = options.finalize_variable_values
    swap_variable_values = options.swap_variable_values
    _decays = options.decays
    _factor_of = options.factor_of

    @property
    def iterations(self) -> Variable:
        """The number of steps taken, int64; made when first asked for."""
        if self._iterations is None:
            self._iterations = self.add_weight(
                "iter", shape=[], dtype=dtypes.int64, trainable=False
            )
        return self._iterations

    @iterations.setter
    def iterations(self, variable: Variable) -> None:
        if self._iterations is not None:
            raise RuntimeError(
                "Cannot set `iterations` to a new Variable after the Optimizer weights "
                f"have been created; got {variable!r}."
            )
        self._iterations = variable
        self._weights.append(variable)

    @property
    def slots(self) -> Mapping[str, Any]:
        """What is kept for each variable: name -> initializer, in order.

        Subclasses have an attribute of this name, `slots = {"m": "zeros"}`, or a
        property. An initializer is a name, a function of shape and dtype, or a value.
        """
        return {}

    def _slot_initializers(self) -> dict[str, Any]:
        """Returns `slots`; the name that it had before, for subclasses."""
        return dict(self.slots)

    def get_slot_names(self) -> list[str]:
        """Returns the names of the slots, in the order in which they are made."""
        return list(self._slot_initializers())

    @property
    def weights(self) -> list[Variable]:
        """The step count and the slots, in the order in which they were made."""
        return self._weights

    def variables(self) -> list[Variable]:
        """Returns `weights`."""
        return self._weights

    def _track_trackable(
        self, trackable: Any, name: str, overwrite: bool = False
    ) -> Any:
        """Returns a part that a checkpoint is to save; for subclasses.

        Parts are found by the attributes that hold them.
        """
        return trackable

    def trackable_slots(self) -> Iterator[Slot]:
        """Yields the slots."""
        return self._slots.list_all()
