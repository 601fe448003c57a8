"""`Optimizer`: everything about an optimizer but its equation.

The class is TensorFlow 2.0's `OptimizerV2`. A subclass names its slots and hyperparameters
and writes its equation once, in `update`, on tensors: the same lines run eagerly, are
traced into a graph, and end up in one fused kernel for each variable.
"""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from graphopt.autodiff.gradients import gradients
from graphopt.autodiff.tape import GradientTape
from graphopt.dtypes import DType
from graphopt.errors import GraphoptWarning
from graphopt.graph import nest
from graphopt.graph.context import building_graph, get_default_graph, modes
from graphopt.graph.hooks import hooks
from graphopt.graph.indexed_slices import IndexedSlices
from graphopt.keras.optimizers.checks import (
    ALLOWED_KEYWORDS,
    CLIPS,
    GradsAndVars,
    check_any_gradient,
    check_loss,
    check_pairs,
    check_variables,
    nearest_keyword,
)
from graphopt.keras.optimizers.compiled import CompiledUpdates
from graphopt.keras.optimizers.schedules import LearningRateSchedule, deserialize
from graphopt.keras.optimizers.state import OptimizerState
from graphopt.keras.optimizers.updates import (
    Rows,
    apply_constraint,
    apply_equation,
    argument_names,
    rows_of,
    unique_rows,
)
from graphopt.ops.clipping import clip_by_global_norm, clip_by_norm, clip_by_value
from graphopt.ops.elementwise import cast
from graphopt.ops.state import no_op
from graphopt.runtime.names import name_scope
from graphopt.runtime.variable import Variable

# Keras replaces an epsilon of None or 0 by this.
EPSILON = 1e-7


class Optimizer(OptimizerState):
    """The base class of optimizers.

    This class is not used directly: make one of a subclass, as `SGD` or `Adam`.

    Args:
      name: Scope of the variables and ops that it makes.
      gradient_aggregator: Function from and to a list of (gradient, variable) pairs,
        called before clipping.
      gradient_transformers: Functions of the same kind, called after clipping, in order.
      **kwargs: `clipnorm`, `clipvalue`, `global_clipnorm`: clipping of each gradient by
        its norm, of each element, of all gradients together. `decay`: the learning rate
        is divided by 1 + decay * iterations. `lr`: old name of `learning_rate`.

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

    Source: `tf.keras.optimizers.Optimizer` (OptimizerV2).
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
        super().__init__(name)
        self.gradient_aggregator = gradient_aggregator
        self.gradient_transformers = list(gradient_transformers or ())
        self._check_keywords(kwargs)
        self._clipnorm = kwargs.pop("clipnorm", None)
        self._clipvalue = kwargs.pop("clipvalue", None)
        self._global_clipnorm = kwargs.pop("global_clipnorm", None)
        if self._clipnorm is not None and self._global_clipnorm is not None:
            raise ValueError(
                "Cannot accept both `clipnorm` and `global_clipnorm`; got "
                f"clipnorm={self._clipnorm}, global_clipnorm={self._global_clipnorm}."
            )
        if self.gradient_transformers and any(
            getattr(self, f"_{clip}") is not None for clip in CLIPS
        ):
            raise ValueError(
                "`clipnorm`, `clipvalue` and `global_clipnorm` may not be set together "
                "with `gradient_transformers`."
            )
        self._updates = CompiledUpdates()
        self._initial_decay = kwargs.pop("decay", 0.0)
        self._old_rate = kwargs.pop("lr", None)

    @staticmethod
    def _check_keywords(kwargs: dict[str, Any]) -> None:
        for key, value in kwargs.items():
            if key not in ALLOWED_KEYWORDS:
                raise TypeError(
                    f"Unexpected keyword argument passed to optimizer: {key}. Allowed "
                    f"are {', '.join(ALLOWED_KEYWORDS)}{nearest_keyword(key)}."
                )
            if isinstance(value, (int, float, np.number)) and value < 0:
                raise ValueError(f"Expected {key} >= 0, received: {value}")
        if "lr" in kwargs:
            warnings.warn(
                "The `lr` argument is deprecated, use `learning_rate` instead.",
                UserWarning,
                stacklevel=4,
            )

    # ---- clipping

    @property
    def clipnorm(self) -> Any:
        """The largest norm of each gradient, or None."""
        return self._clipnorm

    @clipnorm.setter
    def clipnorm(self, value: Any) -> None:
        self._set_clip("clipnorm", value)

    @property
    def clipvalue(self) -> Any:
        """The largest absolute value of an element of a gradient, or None."""
        return self._clipvalue

    @clipvalue.setter
    def clipvalue(self, value: Any) -> None:
        self._set_clip("clipvalue", value)

    @property
    def global_clipnorm(self) -> Any:
        """The largest norm of all gradients together, or None."""
        return self._global_clipnorm

    @global_clipnorm.setter
    def global_clipnorm(self, value: Any) -> None:
        self._set_clip("global_clipnorm", value)

    def _set_clip(self, name: str, value: Any) -> None:
        if value is not None and self.gradient_transformers:
            raise ValueError(
                f"`{name}` cannot be set when `gradient_transformers` is set."
            )
        setattr(self, f"_{name}", value)

    # ---- configuration

    def get_config(self) -> dict[str, Any]:
        """Returns what `from_config` makes the same optimizer of."""
        config: dict[str, Any] = {"name": self._name}
        for clip in CLIPS:
            if getattr(self, f"_{clip}") is not None:
                config[clip] = getattr(self, f"_{clip}")
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
        return cls(**arguments)

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        made = type(self).from_config(copy.deepcopy(self.get_config()))
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

    def _compute_gradients(
        self,
        loss: Any,
        var_list: Any,
        grad_loss: Any = None,
        tape: GradientTape | None = None,
    ) -> GradsAndVars:
        if not callable(loss) and tape is None:
            if building_graph() is None:
                raise ValueError(
                    "`tape` is required when a `Tensor` loss is passed; pass a function "
                    "that computes the loss, or the tape that recorded it."
                )
            return self._symbolic_gradients(loss, var_list, grad_loss)
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
            grads = self._get_gradients(tape, loss, variables, grad_loss)
        check_any_gradient(grads, variables, lambda var: tape.explain(loss, var))
        return list(zip(grads, variables, strict=True))

    def _symbolic_gradients(
        self, loss: Any, var_list: Any, grad_loss: Any
    ) -> GradsAndVars:
        variables = check_variables(var_list() if callable(var_list) else var_list)
        loss = self._transform_loss(hooks.convert(loss))
        grads = gradients(loss, variables, grad_loss, name=self._name + "/gradients")
        check_any_gradient(grads, variables, lambda var: "not connected to the loss")
        return list(zip(grads, variables, strict=True))

    def _transform_loss(self, loss: Any) -> Any:
        """Returns the loss to differentiate; a hook for subclasses."""
        return loss

    def _get_gradients(
        self, tape: GradientTape, loss: Any, var_list: Any, grad_loss: Any = None
    ) -> list[Any]:
        """Returns the gradients; a hook for subclasses."""
        grads: list[Any] = tape.gradient(loss, list(var_list), grad_loss)
        return grads

    def get_gradients(self, loss: Any, params: Sequence[Variable]) -> list[Any]:
        """Returns symbolic gradients of a loss, in a graph.

        Raises:
          ValueError: A variable has no gradient.
        """
        with get_default_graph().as_default(), name_scope(self._name + "/gradients"):
            grads = gradients(loss, list(params))
            for grad, param in zip(grads, params, strict=True):
                if grad is None:
                    raise ValueError(
                        f"Variable {param.name!r} has `None` for gradient. Make sure "
                        "that all your ops have a gradient defined."
                    )
        return grads

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
            pairs = self._transform_gradients(pairs)
            apply_state = self._prepare(variables)
            return self._apply_all(pairs, name or self._name, apply_state)

    def _create_all(self, variables: Sequence[Variable]) -> None:
        """Makes what the optimizer keeps: the step count first, then the slots."""
        _ = self.iterations
        self._create_hypers(variables)
        self._create_slots(variables)

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

    def _step(self) -> Any:
        """The number of steps before this one; two train ops in one run count on."""
        return self.iterations.read_value(in_order=True)

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
        rate = self._decayed_lr(var_dtype) if "learning_rate" in self._hyper else None
        state["lr_t"] = rate
        state.update(self.coefficients(var_dtype, rate))

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
        return self._update_variable(handle, grad, apply_state)

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
        raise NotImplementedError("Must be implemented in subclasses.")

    def _resource_scatter_add(self, x: Variable, i: Any, v: Any) -> Any:
        """Adds to rows of a variable; for the hooks of subclasses."""
        return x.scatter_add(IndexedSlices(v, i, x.shape))

    def _resource_scatter_update(self, x: Variable, i: Any, v: Any) -> Any:
        """Sets rows of a variable; for the hooks of subclasses."""
        return x.scatter_update(IndexedSlices(v, i, x.shape))

    def _apply_sparse(
        self, grad: IndexedSlices, var: Variable, apply_state: dict[Any, Any]
    ) -> Any:
        """Updates with a sparse gradient, by the same equation as with a dense one."""
        cls, base = type(self), Optimizer
        if (
            cls._resource_apply_sparse is not base._resource_apply_sparse
            or cls._resource_apply_sparse_duplicate_indices
            is not base._resource_apply_sparse_duplicate_indices
        ):
            return self._resource_apply_sparse_duplicate_indices(
                grad.values, var, grad.indices, apply_state=apply_state
            )
        rows = rows_of(grad, var, self.sparse_rows)
        return self._update_variable(
            var, rows.grad, apply_state, rows.indices, rows.touched
        )

    def _update_variable(
        self,
        var: Variable,
        grad: Any,
        apply_state: dict[Any, Any] | None,
        indices: Any = None,
        touched: Any = None,
    ) -> Any:
        """Puts the equation to work on a variable and its slots.

        Args:
          var: The variable.
          grad: Its gradient, or the rows of it that `indices` name.
          apply_state: What `_prepare` returned.
          indices: The rows to work on; all if None.
          touched: Which rows of the variable itself change; all if None.
        """
        key = (var.device, var.dtype)
        if apply_state is None or key not in apply_state:
            apply_state = self._prepare([var])
        names = argument_names(self.update)
        state = {k: v for k, v in apply_state[key].items() if k in names}
        slots = {name: self.get_slot(var, name) for name in self._slot_initializers()}
        rows = Rows(grad, indices, touched)
        return apply_equation(self.update, var, slots, rows, state)

    def _apply_all(
        self, pairs: GradsAndVars, name: str, apply_state: dict[Any, Any]
    ) -> Any:
        graph = building_graph()
        done = []
        with name_scope(name):
            for grad, var in pairs:
                with name_scope(f"update_{var.key.name.rpartition('/')[2]}"):
                    done.append(self._apply_one(grad, var, apply_state))
            if graph is None:
                return self.iterations.assign_add(1)
            with graph.control_dependencies([op for op in done if op is not None]):
                train_op = self.iterations.assign_add(1, read_value=False)
        if graph.building_function:
            with graph.control_dependencies([train_op]):
                return self.iterations.read_value()
        if hooks.on_train_op is not None:
            hooks.on_train_op(train_op)
        return train_op

    def _apply_one(self, grad: Any, var: Variable, apply_state: dict[Any, Any]) -> Any:
        if isinstance(grad, IndexedSlices):
            done = self._apply_sparse(grad, var, apply_state)
        else:
            done = self._resource_apply_dense(grad, var, apply_state)
        return apply_constraint(var, done)
