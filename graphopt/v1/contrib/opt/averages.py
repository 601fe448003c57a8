"""An optimizer whose variables have averages that are saved in their place."""

from __future__ import annotations

from typing import Any

from graphopt.compat.v1.train import ExponentialMovingAverage, Optimizer, Saver
from graphopt.graph.context import building_graph
from graphopt.ops.state import group
from graphopt.runtime.collections import control_dependencies, global_variables


class MovingAverageOptimizer(Optimizer):
    """Moves averages of the variables that another optimizer updates.

    Args:
      opt: The optimizer.
      average_decay: How much of an average is kept.
      num_updates: Makes the decay smaller in the beginning.
      sequential_update: Accepted; averages are always moved after the update.

    Source: `tf.contrib.opt.MovingAverageOptimizer`.
    """

    def __init__(
        self,
        opt: Optimizer,
        average_decay: Any = 0.9999,
        num_updates: Any = None,
        sequential_update: bool = True,
    ) -> None:
        super().__init__(False, type(self).__name__)
        self._optimizer = opt
        self._ema = ExponentialMovingAverage(average_decay, num_updates)
        self._averaged: dict[str, Any] = {}

    def compute_gradients(self, *args: Any, **kwargs: Any) -> Any:
        """Returns (gradient, variable) pairs; as that optimizer does."""
        return self._optimizer.compute_gradients(*args, **kwargs)

    def apply_gradients(
        self, grads_and_vars: Any, global_step: Any = None, name: str | None = None
    ) -> Any:
        """Updates variables with gradients, and then their averages."""
        pairs = list(grads_and_vars)
        done = self._optimizer.apply_gradients(pairs, global_step, name)
        variables = [v for g, v in pairs if g is not None]
        if building_graph() is None:
            self._ema.apply(variables)
            update = None
        else:
            with control_dependencies([done]):
                update = group(self._ema.apply(variables))
        for variable in variables:
            average = self._ema.average(variable)
            if average is not None:
                self._averaged[variable.op.name if variable.op else variable.name] = (
                    variable,
                    average,
                )
        return update

    def get_slot(self, var: Any, name: str) -> Any:
        """Returns a slot of that optimizer."""
        return self._optimizer.get_slot(var, name)

    def get_slot_names(self) -> list[str]:
        """Returns the names of that optimizer's slots."""
        return self._optimizer.get_slot_names()

    def variables(self) -> list[Any]:
        """Returns the variables of that optimizer."""
        return self._optimizer.variables()

    def swapping_saver(
        self, var_list: Any = None, name: str = "swapping_saver", **kwargs: Any
    ) -> Saver:
        """Returns a saver that saves averages under the names of their variables.

        Args:
          var_list: What is saved; by default all variables.
          name: Accepted for compatibility.
          **kwargs: As in `Saver`.

        Raises:
          RuntimeError: No step was made before.

        Source: `tf.contrib.opt.MovingAverageOptimizer.swapping_saver`.
        """
        if not self._averaged:
            raise RuntimeError(
                "Must call apply_gradients or minimize before creating the swapping_saver."
            )
        if var_list is None:
            var_list = global_variables()
        if not isinstance(var_list, dict):
            var_list = {v.op.name: v for v in var_list}
        swapped = dict(var_list)
        by_variable = {id(v): average for v, average in self._averaged.values()}
        names = {id(v): key for key, v in var_list.items()}
        for key, variable in var_list.items():
            average = by_variable.get(id(variable))
            if average is None:
                continue
            swapped[key] = average
            # The variable is saved where its average would have been.
            swapped[names.get(id(average), average.op.name)] = variable
        return Saver(swapped, name=name, **kwargs)
