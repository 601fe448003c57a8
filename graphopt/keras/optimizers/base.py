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
from numpy.typing import NDArray

from graphopt import dtypes
from graphopt.autodiff.gradients import gradients
from graphopt.autodiff.tape import GradientTape
from graphopt.dtypes import DType, as_dtype
from graphopt.errors import GraphoptWarning, InvalidArgumentError, describe_shapes, fail
from graphopt.graph import nest
from graphopt.graph.context import building_graph, get_default_graph
from graphopt.graph.hooks import hooks
from graphopt.graph.tensor import EagerTensor, GraphTensor, Tensor
from graphopt.keras import initializers
from graphopt.keras.optimizers.schedules import (
    LearningRateSchedule,
    deserialize,
    serialize,
)
from graphopt.ops.clipping import clip_by_global_norm, clip_by_norm, clip_by_value
from graphopt.ops.elementwise import cast
from graphopt.ops.host import python_scalar
from graphopt.ops.state import group, no_op
from graphopt.runtime.names import get_default_session, name_scope
from graphopt.runtime.session import session_for
from graphopt.runtime.variable import Variable

GradsAndVars = list[tuple[Any, Variable]]
_ALLOWED = ("clipnorm", "clipvalue", "global_clipnorm", "lr", "decay")
_CLIPS = ("clipnorm", "clipvalue", "global_clipnorm")


class Optimizer:
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

    # Slots, in the order in which they are made: name -> initializer.
    slots: dict[str, Any] = {}

    def __init__(
        self,
        name: str,
        gradient_aggregator: Callable[[GradsAndVars], GradsAndVars] | None = None,
        gradient_transformers: Sequence[Callable[[GradsAndVars], GradsAndVars]]
        | None = None,
        **kwargs: Any,
    ) -> None:
        self._hyper: dict[str, Any] = {}
        self._name = name
        self._weights: list[Variable] = []
        self._slots: dict[Any, dict[str, Variable]] = {}
        self._iterations: Variable | None = None
        self._hypers_created = False
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
            getattr(self, f"_{clip}") is not None for clip in _CLIPS
        ):
            raise ValueError(
                "`clipnorm`, `clipvalue` and `global_clipnorm` may not be set together "
                "with `gradient_transformers`."
            )
        self._initial_decay = kwargs.pop("decay", 0.0)
        self._old_rate = kwargs.pop("lr", None)

    @staticmethod
    def _check_keywords(kwargs: dict[str, Any]) -> None:
        for key, value in kwargs.items():
            if key not in _ALLOWED:
                raise TypeError(
                    f"Unexpected keyword argument passed to optimizer: {key}. Allowed "
                    f"are {', '.join(_ALLOWED)}{_nearest(key)}."
                )
            if isinstance(value, (int, float, np.number)) and value < 0:
                raise ValueError(f"Expected {key} >= 0, received: {value}")
        if "lr" in kwargs:
            warnings.warn(
                "The `lr` argument is deprecated, use `learning_rate` instead.",
                UserWarning,
                stacklevel=4,
            )

    # ---- hyperparameters

    def _set_hyper(self, name: str, value: Any) -> None:
        """Sets a hyperparameter: a number, tensor, variable, callable or schedule."""
        if name == "learning_rate":
            value = value if self._old_rate is None else self._old_rate
            self._old_rate = None
        if isinstance(value, (Tensor, Variable)) or callable(value):
            self._hyper[name] = value
            return
        value = _checked_number(name, value)
        previous = self._hyper.get(name)
        if isinstance(previous, Variable) and self._hypers_created:
            _set_value(previous, value)
        else:
            self._hyper[name] = value

    def _get_hyper(self, name: str, dtype: Any = None) -> Any:
        """Returns a hyperparameter, as a tensor of `dtype` if one is given."""
        if not self._hypers_created:
            self._create_hypers()
        value = self._hyper[name]
        if isinstance(value, LearningRateSchedule):
            return value
        if callable(value) and not isinstance(value, Variable):
            value = self._call_hyper(value, dtype)
        return value if dtype is None else cast(value, dtype)

    @staticmethod
    def _call_hyper(function: Callable[[], Any], dtype: Any) -> Any:
        """In a graph a Python number has to be asked for again before each run."""
        value = function()
        if building_graph() is None or isinstance(value, (Tensor, Variable)):
            return value
        return python_scalar(function, dtype or dtypes.float32)

    def _create_hypers(self, variables: Sequence[Variable] = ()) -> None:
        """Makes variables of the numbers, of float64 if that is trained."""
        if self._hypers_created:
            return
        wide = any(v.dtype is dtypes.float64 for v in variables)
        dtype = dtypes.float64 if wide else dtypes.float32
        for name, value in sorted(self._hyper.items()):
            if isinstance(value, (Tensor, Variable)) or callable(value):
                continue
            self._hyper[name] = self.add_weight(
                name, shape=[], dtype=dtype, trainable=False, initializer=value
            )
            self._weights.pop()
        self._hypers_created = True

    def __getattribute__(self, name: str) -> Any:
        try:
            return super().__getattribute__(name)
        except AttributeError:
            hyper = self.__dict__.get("_hyper", {})
            if name == "lr":
                name = "learning_rate"
            if name in hyper:
                return self._get_hyper(name)
            raise

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "lr":
            name = "learning_rate"
        if name in self.__dict__.get("_hyper", {}):
            self._set_hyper(name, value)
        else:
            super().__setattr__(name, value)

    def __dir__(self) -> Iterable[str]:
        names = {*super().__dir__(), *self._hyper}
        return names | ({"lr"} if "learning_rate" in names else set())

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

    def _serialize_hyperparameter(self, name: str) -> Any:
        value = self._hyper[name]
        if isinstance(value, LearningRateSchedule):
            return serialize(value)
        if callable(value) and not isinstance(value, Variable):
            value = value()
        if isinstance(value, (Tensor, Variable)):
            return _value_of(value)
        return value

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

    # ---- weights

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

    def add_weight(
        self,
        name: str,
        shape: Any,
        dtype: Any = None,
        initializer: Any = "zeros",
        trainable: bool | None = None,
        synchronization: Any = None,
        aggregation: Any = None,
    ) -> Variable:
        """Makes a variable of the optimizer.

        Args:
          name: Its name within the current scope.
          shape: Its shape.
          dtype: Its dtype, float32 by default.
          initializer: A name, a function of shape and dtype, or a value.
          trainable: Whether it is trainable; True by default.
          synchronization: Accepted for compatibility.
          aggregation: Accepted for compatibility.
        """
        dtype = as_dtype(dtype) if dtype is not None else dtypes.float32
        made = Variable(
            lambda: initializers.make_value(initializer, shape, dtype),
            name=name,
            dtype=dtype,
            trainable=trainable is None or trainable,
        )
        self._weights.append(made)
        return made

    def add_slot(
        self,
        var: Variable,
        slot_name: str,
        initializer: Any = "zeros",
        shape: Any = None,
    ) -> Variable:
        """Returns the slot of a variable, made when first asked for.

        Args:
          var: The variable.
          slot_name: The name of the slot.
          initializer: As in `add_weight`; ignored when the slot exists.
          shape: Its shape; by default that of the variable.
        """
        slots = self._slots.setdefault(var.key, {})
        if slot_name not in slots:
            name = f"{var.key.name}/{slot_name}"
            slots[slot_name] = self.add_weight(
                name,
                var.shape if shape is None else shape,
                var.dtype,
                initializer,
                trainable=False,
            )
        return slots[slot_name]

    def get_slot(self, var: Variable, slot_name: str) -> Variable:
        """Returns a slot of a variable.

        Raises:
          KeyError: The variable, or the slot, is not known.
        """
        slots = self._slots.get(var.key)
        if slots is None or slot_name not in slots:
            known = (
                list(slots) if slots is not None else "no slots: it was never updated"
            )
            raise KeyError(
                f"Optimizer {self._name!r} has no slot {slot_name!r} for variable "
                f"{var.name!r}; known for it: {known}."
            )
        return slots[slot_name]

    def get_slot_names(self) -> list[str]:
        """Returns the names of the slots, in the order in which they are made."""
        return list(self._slot_initializers())

    def _slot_initializers(self) -> dict[str, Any]:
        return dict(self.slots)

    def _create_slots(self, var_list: Sequence[Variable]) -> None:
        for slot_name, initializer in self._slot_initializers().items():
            for var in var_list:
                self.add_slot(var, slot_name, initializer)

    @property
    def weights(self) -> list[Variable]:
        """The step count and the slots, in the order in which they were made."""
        return self._weights

    def variables(self) -> list[Variable]:
        """Returns `weights`."""
        return self._weights

    def get_weights(self) -> list[Any]:
        """Returns the values of `weights`."""
        return [_value_of(weight) for weight in self.weights]

    def set_weights(self, weights: Sequence[Any]) -> None:
        """Sets the values of `weights`.

        Raises:
          ValueError: The number or the shapes of the values do not fit.
        """
        params = self.weights
        if len(params) != len(weights):
            raise ValueError(
                f"You called `set_weights(weights)` on optimizer {self._name} with a "
                f"weight list of length {len(weights)}, but the optimizer was "
                f"expecting {len(params)} weights."
            )
        for weight, value in zip(params, weights, strict=True):
            if weight.shape != np.shape(value):
                raise ValueError(
                    f"Optimizer weight {weight.name!r} has shape {weight.shape}, "
                    f"provided weight has shape {np.shape(value)}."
                )
        for weight, value in zip(params, weights, strict=True):
            _set_value(weight, value)

    # ---- configuration

    def get_config(self) -> dict[str, Any]:
        """Returns what `from_config` makes the same optimizer of."""
        config: dict[str, Any] = {"name": self._name}
        for clip in _CLIPS:
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
            with tape:
                if not callable(var_list):
                    tape.watch(_check_variables(var_list))
                value = loss()
            _check_loss(value, loss)
            loss = value
        variables = _check_variables(var_list() if callable(var_list) else var_list)
        loss = nest.map_structure(self._transform_loss, loss)
        with name_scope(self._name + "/gradients"):
            grads = self._get_gradients(tape, loss, variables, grad_loss)
        _check_any(grads, variables, lambda var: tape.explain(loss, var))
        return list(zip(grads, variables, strict=True))

    def _symbolic_gradients(
        self, loss: Any, var_list: Any, grad_loss: Any
    ) -> GradsAndVars:
        variables = _check_variables(var_list() if callable(var_list) else var_list)
        loss = self._transform_loss(hooks.convert(loss))
        grads = gradients(loss, variables, grad_loss, name=self._name + "/gradients")
        _check_any(grads, variables, lambda var: "not connected to the loss")
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
        pairs = _check_pairs(grads_and_vars)
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
        key = (handle.device, handle.dtype)
        if apply_state is None or key not in apply_state:
            apply_state = self._prepare([handle])
        state = {
            k: v for k, v in apply_state[key].items() if k in self._coefficient_names()
        }
        slots = {
            name: self.get_slot(handle, name).read_value(in_order=True)
            for name in self._slot_initializers()
        }
        value = handle.read_value(in_order=True)
        new_value, new_slots = self.update(value, grad, **slots, **state)
        done = [
            self.get_slot(handle, slot).assign(new, read_value=False)
            for slot, new in new_slots.items()
        ]
        done.append(handle.assign(new_value, read_value=False))
        return group(*done) if building_graph() is not None else None

    def _coefficient_names(self) -> tuple[str, ...]:
        code = self.update.__code__
        return code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]

    def _resource_apply_sparse(
        self, grad: Any, handle: Variable, indices: Any, apply_state: Any = None
    ) -> Any:
        """Updates rows of one variable; a hook for subclasses."""
        raise NotImplementedError("Must be implemented in subclasses.")

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
        if hooks.on_train_op is not None:
            hooks.on_train_op(train_op)
        return train_op

    def _apply_one(self, grad: Any, var: Variable, apply_state: dict[Any, Any]) -> Any:
        done = self._resource_apply_dense(grad, var, apply_state)
        if var.constraint is None:
            return done
        graph = building_graph()
        if graph is None:
            return var.assign(var.constraint(var))
        with graph.control_dependencies([done] if done is not None else []):
            return var.assign(var.constraint(var.read_value()), read_value=False)


# ---- checks


def _nearest(key: str) -> str:
    import difflib

    near = difflib.get_close_matches(key, (*_ALLOWED, "learning_rate"), 1)
    return f"; did you mean {near[0]!r}?" if near else ""


def _checked_number(name: str, value: Any) -> Any:
    """Refuses what can be no hyperparameter.

    Raises:
      ValueError: It is not a number, not a scalar, or out of range.
    """
    try:
        number = np.asarray(value, np.float64)
    except (TypeError, ValueError):
        raise ValueError(f"{name} must be a number; got {value!r}.") from None
    if number.ndim:
        raise ValueError(f"{name} must be a scalar; got shape {number.shape}.")
    if np.isnan(number):
        raise ValueError(f"{name} must not be NaN.")
    if name in ("learning_rate", "decay") and number < 0:
        raise ValueError(f"Expected {name} >= 0, received: {value}")
    return value


def check_fraction(name: str, value: Any, upper_included: bool = True) -> None:
    """Refuses numbers outside of [0, 1].

    Raises:
      ValueError: The number is out of range.
    """
    if isinstance(value, (int, float, np.number)) and not (
        0 <= value <= 1 if upper_included else 0 <= value < 1
    ):
        bracket = "]" if upper_included else ")"
        raise ValueError(f"`{name}` must be in [0, 1{bracket}; got {value}.")


def _check_variables(var_list: Any) -> list[Variable]:
    """Returns the variables of a nest.

    Raises:
      TypeError: Something in it is no variable.
      ValueError: A variable is not floating-point.
    """
    if var_list is None or isinstance(var_list, (str, np.ndarray)):
        raise TypeError(
            f"var_list must hold variables; got {type(var_list).__name__} {var_list!r}."
        )
    found = nest.flatten(var_list)
    if not found:
        warnings.warn(
            "var_list is empty: nothing is updated.", GraphoptWarning, stacklevel=4
        )
    for index, var in enumerate(found):
        if not isinstance(var, Variable):
            raise TypeError(
                f"var_list must hold variables; item {index} is a "
                f"{type(var).__name__}: {var!r:.100}."
            )
        if not var.dtype.is_floating:
            raise fail(
                ValueError,
                f"Invalid dtype {var.dtype.name} for variable {var.name!r}",
                got=describe_shapes(var),
                expected="one of float16, float32, float64",
                site=str(var.key.site),
            )
    return found


def _check_loss(value: Any, loss: Any) -> None:
    for item in nest.flatten(value):
        if not isinstance(item, Tensor):
            name = getattr(loss, "__qualname__", repr(loss))
            raise TypeError(
                f"The loss function {name} must return a tensor; got "
                f"{type(item).__name__} {item!r}. Compute it from variables with tf ops."
            )
        if not item.dtype.is_floating:
            raise fail(
                ValueError,
                "The loss must be floating-point",
                got=describe_shapes(item),
                op=getattr(item, "op", None),
                remedy="tf.cast(loss, tf.float32)",
            )


def _check_any(
    grads: Sequence[Any], variables: Sequence[Variable], why: Callable[[Any], str]
) -> None:
    """Warns of variables without a gradient; with none at all it is an error."""
    missing = [var for grad, var in zip(grads, variables, strict=True) if grad is None]
    if not missing:
        return
    reasons = "; ".join(f"{var.name!r}: {why(var)}" for var in missing[:4])
    if len(missing) == len(variables):
        names = [var.name for var in variables]
        raise ValueError(
            f"No gradients provided for any variable: {names} ({reasons})."
        )
    names = [var.name for var in missing]
    warnings.warn(
        f"Gradients do not exist for variables {names} when minimizing the loss "
        f"({reasons}).",
        GraphoptWarning,
        stacklevel=5,
    )


def _check_pairs(grads_and_vars: Iterable[tuple[Any, Variable]]) -> GradsAndVars:
    """Returns the pairs that have a gradient, converted to tensors."""
    try:
        given = [tuple(pair) for pair in grads_and_vars]
    except TypeError:
        given = [()]
    if any(len(pair) != 2 for pair in given):
        raise TypeError(
            "apply_gradients expected (gradient, variable) pairs; got "
            f"{grads_and_vars!r:.200}."
        )
    pairs: GradsAndVars = []
    for grad, var in given:
        if not isinstance(var, Variable):
            if isinstance(var, Tensor):
                raise NotImplementedError(f"Trying to update a Tensor: {var!r}")
            raise TypeError(f"Expected a variable to update; got {var!r:.100}.")
        if grad is not None:
            pairs.append((_checked_gradient(grad, var), var))
    if given and not pairs:
        names = [var.name for _, var in given]
        raise ValueError(f"No gradients provided for any variable: {names}.")
    if len(pairs) < len(given):
        names = [var.name for grad, var in given if grad is None]
        warnings.warn(
            f"Gradients do not exist for variables {names}.",
            GraphoptWarning,
            stacklevel=4,
        )
    return pairs


def _checked_gradient(grad: Any, var: Variable) -> Any:
    if hasattr(grad, "indices") and hasattr(grad, "values"):
        raise NotImplementedError(
            f"Sparse gradients (for {var.name!r}) are not available; use "
            "tf.convert_to_tensor on the gradient."
        )
    if not isinstance(grad, (GraphTensor, EagerTensor)):
        grad = hooks.convert(grad, dtype_hint=var.dtype)
    if grad.dtype is not var.dtype or not grad.shape.is_compatible_with(var.shape):
        raise fail(
            InvalidArgumentError,
            f"The gradient of variable {var.name!r} does not fit it",
            got=describe_shapes(grad),
            expected=describe_shapes(var),
            op=getattr(grad, "op", None),
            site=str(var.key.site),
        )
    return grad


# ---- values in both modes


def _value_of(value: Any) -> Any:
    if isinstance(value, Variable) and value.graph is not None:
        graph = value.graph
        session = session_for(graph, get_default_session())
        return session.run(value)
    if isinstance(value, GraphTensor):
        return value.eval()
    return value.numpy()


def _set_value(variable: Variable, value: NDArray[Any] | float) -> None:
    if variable.graph is None:
        variable.assign(np.asarray(value, variable.dtype.numpy))
        return
    session = session_for(variable.graph, get_default_session())
    session.load(variable, np.asarray(value, variable.dtype.numpy))
