"""`Optimizer` of TensorFlow 1: everything about it but the equation.

A subclass hands its hyperparameters to the constructor, lists its slots and writes its
equation once, in `update`, on tensors. What it shares with the optimizers of `tf.keras`
is how an equation reaches rows of a variable, and nothing that a user could see.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from graphopt.compat.v1.train.gradients import (
    gradients_of_function,
    gradients_of_tensor,
)
from graphopt.compat.v1.train.slots import SlotOwner
from graphopt.dtypes import DType
from graphopt.graph.context import building_graph
from graphopt.graph.hooks import hooks
from graphopt.graph.indexed_slices import IndexedSlices
from graphopt.graph.tensor import Tensor
from graphopt.keras.optimizers.checks import (
    GradsAndVars,
    checked_number,
    converted_pairs,
)
from graphopt.keras.optimizers.hyperparameters import called
from graphopt.keras.optimizers.updates import (
    Rows,
    apply_constraint,
    apply_equation,
    match_arguments,
    on_touched_rows,
    rows_of,
    unique_rows,
)
from graphopt.ops.creation import constant
from graphopt.ops.elementwise import cast
from graphopt.ops.state import group
from graphopt.parallel.aggregation import (
    current_aggregation,
    reduce_gradients,
    step_rows,
    weigh_by_rows,
)
from graphopt.parallel.ranks import share_first_values
from graphopt.runtime.collections import GraphKeys
from graphopt.runtime.names import name_scope
from graphopt.runtime.variable import Variable


class Optimizer(SlotOwner):
    """The base class of TensorFlow 1's optimizers.

    This class is not used directly: make one of a subclass, as
    `GradientDescentOptimizer`. Unlike `tf.keras.optimizers.Optimizer` it has no step
    count of its own (`global_step` is one that is passed), and by default it updates
    all trainable variables of the graph.

    Args:
      use_locking: Accepted for compatibility; a step is never seen half done.
      name: Scope of the ops that it makes, and part of the names of its slots.
      **hyperparameters: Numbers, tensors, variables, or functions without arguments,
        which subclasses get in `coefficients`.

    Raises:
      ValueError: There is no name, or a number cannot be right.

    >>> import graphopt as tf
    >>> v1 = tf.compat.v1
    >>> with tf.Graph().as_default(), v1.Session() as session:
    ...     w = tf.Variable(2.0, name="w")
    ...     step = v1.train.get_or_create_global_step()
    ...     opt = v1.train.GradientDescentOptimizer(0.1)
    ...     train = opt.minimize(w * w, global_step=step)
    ...     session.run(v1.global_variables_initializer())
    ...     session.run(train)
    ...     print(train.name, *session.run([w, step]))
    GradientDescent 1.6 1

    Source: `tf.compat.v1.train.Optimizer`.
    """

    # When gradients are computed relative to each other. All reads of a step come
    # before all updates here, which is what the strictest of them asks for.
    GATE_NONE = 0
    GATE_OP = 1
    GATE_GRAPH = 2

    # What a sparse gradient changes, see `rows_of`.
    sparse_rows: str = "touched"

    def __init__(self, use_locking: bool, name: str, **hyperparameters: Any) -> None:
        if not name:
            raise ValueError(f"Must specify the optimizer name; got {name!r}.")
        super().__init__(name)
        self._use_locking = use_locking
        self._hyper: dict[str, Any] = {
            key: value
            if isinstance(value, (Tensor, Variable)) or callable(value)
            else checked_number(key, value)
            for key, value in hyperparameters.items()
        }
        self._coefficients: dict[DType, dict[str, Any]] = {}
        # What it does to the gradients of several ranks, wherever it is called.
        self._aggregation = current_aggregation()

    def __repr__(self) -> str:
        return f"<graphopt {type(self).__name__} {self._name!r}>"

    # ---- minimizing

    def minimize(
        self,
        loss: Any,
        global_step: Variable | None = None,
        var_list: Any = None,
        gate_gradients: int = GATE_OP,
        aggregation_method: Any = None,
        colocate_gradients_with_ops: bool = False,
        name: str | None = None,
        grad_loss: Any = None,
    ) -> Any:
        """Updates variables so that a loss gets smaller.

        Args:
          loss: Tensor; or a function without arguments that returns it, which is the
            only way in eager mode.
          global_step: Variable to add 1 to after the updates.
          var_list: Variables; by default all trainable ones of the graph, or those that
            the function uses.
          gate_gradients: `GATE_NONE`, `GATE_OP` or `GATE_GRAPH`; accepted for
            compatibility.
          aggregation_method: Accepted for compatibility.
          colocate_gradients_with_ops: Accepted for compatibility.
          name: Name of the train op; by default that of the optimizer.
          grad_loss: Cotangent of the loss.

        Returns:
          The train op, which is the one that counts if there is a `global_step`; None
          in eager mode.

        Raises:
          ValueError: There are no variables, or none of them has a gradient.
          RuntimeError: The loss is an eager tensor.
        """
        pairs = self.compute_gradients(
            loss,
            var_list=var_list,
            gate_gradients=gate_gradients,
            aggregation_method=aggregation_method,
            colocate_gradients_with_ops=colocate_gradients_with_ops,
            grad_loss=grad_loss,
        )
        if all(grad is None for grad, _ in pairs):
            raise ValueError(
                "No gradients provided for any variable, check your graph for ops that "
                "do not support gradients, between variables "
                f"{[var.name for _, var in pairs]} and loss {loss!r}; expected a loss "
                "that is computed from at least one of them."
            )
        return self.apply_gradients(pairs, global_step=global_step, name=name)

    def compute_gradients(
        self,
        loss: Any,
        var_list: Any = None,
        gate_gradients: int = GATE_OP,
        aggregation_method: Any = None,
        colocate_gradients_with_ops: bool = False,
        grad_loss: Any = None,
    ) -> GradsAndVars:
        """Returns (gradient, variable) pairs: the first half of `minimize`.

        Args:
          loss: As in `minimize`.
          var_list: As in `minimize`.
          gate_gradients: As in `minimize`.
          aggregation_method: Accepted for compatibility.
          colocate_gradients_with_ops: Accepted for compatibility.
          grad_loss: Cotangent of the loss.

        Returns:
          A pair for each variable, whose gradient may be None.

        Raises:
          ValueError: There are no variables.
          RuntimeError: The loss is an eager tensor.
        """
        gates = (self.GATE_NONE, self.GATE_OP, self.GATE_GRAPH)
        if gate_gradients not in gates:
            raise ValueError(
                "gate_gradients must be one of: Optimizer.GATE_NONE, Optimizer.GATE_OP, "
                f"Optimizer.GATE_GRAPH ({gates}); got {gate_gradients!r}."
            )
        if callable(loss):
            return gradients_of_function(loss, var_list, grad_loss)
        if building_graph() is None:
            raise RuntimeError(
                "`loss` passed to Optimizer.compute_gradients should be a function when "
                f"eager execution is enabled; got {loss!r}; try `lambda: ...` around "
                "what computes it."
            )
        return gradients_of_tensor(loss, var_list, grad_loss)

    def apply_gradients(
        self,
        grads_and_vars: Iterable[tuple[Any, Variable]],
        global_step: Variable | None = None,
        name: str | None = None,
    ) -> Any:
        """Updates variables with gradients: the second half of `minimize`.

        Args:
          grads_and_vars: Pairs; those whose gradient is None are left out.
          global_step: Variable to add 1 to after the updates.
          name: Name of the train op; by default that of the optimizer.

        Returns:
          The train op; None in eager mode.

        Raises:
          ValueError: There are no pairs, or all gradients are None.
          TypeError: Something is no pair, or no variable.
        """
        pairs = converted_pairs(grads_and_vars)
        if not pairs:
            raise ValueError("No variables provided; got no (gradient, variable) pair.")
        updated = [(grad, var) for grad, var in pairs if grad is not None]
        if not updated:
            raise ValueError(
                "No gradients provided for any variable: "
                f"{[var.name for _, var in pairs]}; expected one that is not None."
            )
        if global_step is not None and not isinstance(global_step, Variable):
            raise TypeError(
                f"global_step must be a variable to add 1 to; got {global_step!r}; try "
                "tf.compat.v1.train.get_or_create_global_step()."
            )
        variables = list({var.key: var for _, var in updated}.values())
        self._create_slots(variables)
        aggregation = self._aggregation or current_aggregation()
        self._coefficients = {}
        with name_scope(name or self._name) as scope:
            rows = step_rows()
            if rows is not None:
                updated = weigh_by_rows(updated, *rows)
            if aggregation is not None and not aggregation.is_idle:
                share_first_values(variables, aggregation)
                updated = reduce_gradients(updated, aggregation)
            self._prepare()
            for dtype in dict.fromkeys(var.dtype for _, var in updated):
                self._coefficients[dtype] = self.coefficients(dtype)
            done = []
            for grad, var in updated:
                with name_scope(f"update_{var.key.name}"):
                    done.append(apply_constraint(var, self._apply(grad, var)))
            return self._finish_step(done, global_step, scope)

    def _finish_step(
        self, done: list[Any], global_step: Variable | None, scope: str
    ) -> Any:
        graph = building_graph()
        if graph is None:
            self._finish(done, scope)
            if global_step is not None:
                global_step.assign_add(1)
            return None
        if global_step is None:
            train_op = self._finish(done, scope)
        else:
            with graph.control_dependencies([self._finish(done, "update")]):
                train_op = global_step.assign_add(1, name=scope, read_value=False)
        if not graph.building_function:
            graph.add_to_collection(GraphKeys.TRAIN_OP, train_op)
            if hooks.on_train_op is not None:
                hooks.on_train_op(train_op)
        return train_op

    # ---- what subclasses define

    def update(self, w: Any, g: Any, *args: Any, **kwargs: Any) -> tuple[Any, Any]:
        """Returns the new value of a variable and of its slots: the equation.

        Args:
          w: The variable's value.
          g: Its gradient.
          *args: Subclasses name all their slots here,
          **kwargs: and all that `coefficients` returned; `**_` stands for what they do
            not use.

        Returns:
          The new value and a dict of the new slots.
        """
        raise NotImplementedError(
            f"{type(self).__name__} must define `update`, or `_apply_dense`."
        )

    def coefficients(self, dtype: DType) -> dict[str, Any]:
        """Returns the scalars of the equation, as tensors, computed once a step.

        Args:
          dtype: The dtype of the variables.
        """
        return {name: self._get_hyper(name, dtype) for name in self._hyper}

    @property
    def slots(self) -> Mapping[str, Any]:
        """What is kept for each variable: name -> initializer, in order.

        Subclasses have an attribute of this name, `slots = {"m": "zeros"}`, or a property.
        """
        return {}

    def _slot_initializers(self) -> dict[str, Any]:
        """Returns `slots`; the name that it had before, for subclasses."""
        return dict(self.slots)

    def _slot_op_name(self, slot_name: str) -> str:
        """Returns what a slot is named after its variable."""
        return self._name

    # ---- hooks under TensorFlow's names

    def _create_slots(self, var_list: Sequence[Variable]) -> None:
        for var in var_list:
            for name, start in self._slot_initializers().items():
                self._get_or_make_slot_with_initializer(
                    var, start, var.shape, var.dtype, name, self._slot_op_name(name)
                )

    def _prepare(self) -> None:
        """Computes what all updates of a step need; nothing, by default."""

    def _finish(self, update_ops: list[Any], name_scope: str) -> Any:
        """Returns the op that is done when the step is.

        Args:
          update_ops: The updates; None in place of each in eager mode.
          name_scope: The name of the op.
        """
        return group(*update_ops, name=name_scope)

    def _apply_dense(self, grad: Any, var: Variable) -> Any:
        return self._put_to_work(var, Rows(grad))

    def _resource_apply_dense(self, grad: Any, handle: Variable) -> Any:
        return self._apply_dense(grad, handle)

    def _apply_sparse(self, grad: IndexedSlices, var: Variable) -> Any:
        return self._put_to_work(var, rows_of(grad, var, self.sparse_rows))

    def _resource_apply_sparse(self, grad: Any, handle: Variable, indices: Any) -> Any:
        """Updates rows of a variable, each listed once."""
        return self._apply_sparse(IndexedSlices(grad, indices, handle.shape), handle)

    def _resource_apply_sparse_duplicate_indices(
        self, grad: Any, handle: Variable, indices: Any
    ) -> Any:
        """Updates rows of a variable, where some indices may be equal."""
        cls = type(self)
        if (
            cls._resource_apply_sparse is not Optimizer._resource_apply_sparse
            or cls._apply_sparse is not Optimizer._apply_sparse
        ):
            # Only a user's own code needs unique indices, whose number depends on data.
            grad, indices = unique_rows(grad, indices, int(handle.shape[0] or 0))
        return self._resource_apply_sparse(grad, handle, indices)

    @staticmethod
    def _call_if_callable(param: Any) -> Any:
        """Returns what a function returns, or the value that is none."""
        return param() if callable(param) else param

    # ---- putting the equation to work

    def _apply(self, grad: Any, var: Variable) -> Any:
        if isinstance(grad, IndexedSlices):
            return self._resource_apply_sparse_duplicate_indices(
                grad.values, var, grad.indices
            )
        return self._resource_apply_dense(grad, var)

    def _put_to_work(self, var: Variable, rows: Rows) -> Any:
        slots = {name: self._slots[name][var.key] for name in self._slot_initializers()}
        found = self._scalars(var.dtype)
        coefficients = match_arguments(self.update, slots, found)
        update = on_touched_rows(self.update, rows)
        what = f"{type(self).__name__}.update"
        return apply_equation(update, var, slots, rows, coefficients, name=what)

    def _scalars(self, dtype: DType) -> dict[str, Any]:
        """Returns the `coefficients` of this step."""
        return dict(self._coefficients[dtype])

    def _get_hyper(self, name: str, dtype: DType) -> Any:
        """Returns a hyperparameter as a tensor."""
        value = self._hyper[name]
        if callable(value) and not isinstance(value, Variable):
            value = called(value, dtype)
        if isinstance(value, (Tensor, Variable)):
            return cast(value, dtype)
        # Straight to its dtype: 0.1 is 0.1 for a variable of float64.
        return constant(float(value), dtype, name=name)
