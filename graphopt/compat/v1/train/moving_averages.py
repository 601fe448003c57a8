"""`ExponentialMovingAverage`: variables that follow others smoothly."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from graphopt.compat.v1.train.slots import create_slot
from graphopt.dtypes import DType, float32
from graphopt.graph.context import building_graph
from graphopt.graph.tensor import GraphTensor, Tensor
from graphopt.ops.creation import constant, zeros
from graphopt.ops.elementwise import cast, minimum, pow
from graphopt.ops.state import group
from graphopt.runtime.collections import (
    GraphKeys,
    global_variables,
    moving_average_variables,
    trainable_variables,
)
from graphopt.runtime.names import name_scope
from graphopt.runtime.variable import Variable


class ExponentialMovingAverage:
    """Running means of variables or tensors, in which old values fade.

        d = decay, or min(decay, (1 + num_updates) / (10 + num_updates))
        average <- average - (1 - d) (average - value)

    The average of a variable starts with its initial value, that of a tensor with zeros;
    `zero_debias` corrects for these zeros, as Adam does.

    Args:
      decay: Number in [0, 1], commonly near 1, or tensor.
      num_updates: Number, variable or tensor that makes the decay smaller in the
        beginning.
      zero_debias: Whether averages of tensors are divided by 1 - d^t after t updates.
      name: What the names of averages end in, and the scope of the ops.

    >>> import graphopt as tf
    >>> ema, w = tf.compat.v1.train.ExponentialMovingAverage(0.75), tf.Variable(0.0)
    >>> ema.apply([w])
    >>> _ = w.assign(4.0)
    >>> ema.apply([w])
    >>> float(ema.average(w)), ema.average_name(w)
    (1.0, 'Variable/ExponentialMovingAverage')

    Source: `tf.compat.v1.train.ExponentialMovingAverage`.
    """

    def __init__(
        self,
        decay: Any,
        num_updates: Any = None,
        zero_debias: bool = False,
        name: str = "ExponentialMovingAverage",
    ) -> None:
        self._decay = decay
        self._num_updates = num_updates
        self._zero_debias = zero_debias
        self._name = name
        # By variable or tensor, which is kept so that its identity stays its own.
        self._averages: dict[Any, tuple[Any, Variable]] = {}
        # The plain average and the count of updates behind each corrected average.
        self._biased: dict[Any, tuple[Variable, Variable]] = {}

    @property
    def name(self) -> str:
        """What the names of averages end in."""
        return self._name

    def apply(self, var_list: Iterable[Any] | None = None) -> Any:
        """Moves the averages towards the present values; makes them in the first call.

        Args:
          var_list: Variables, or tensors of a graph; by default the trainable variables.

        Returns:
          In a graph an op that does so; None in eager mode.

        Raises:
          TypeError: Something is not floating-point, or an eager tensor.
        """
        sources = trainable_variables() if var_list is None else list(var_list)
        for source in sources:
            self._check(source)
            if _key(source) not in self._averages:
                self._make(source)
        with name_scope(self._name) as scope:
            updates = [self._update(source) for source in sources]
            return group(*updates, name=scope)

    def average(self, var: Any) -> Variable | None:
        """Returns the average of a variable or tensor; None before `apply`."""
        found = self._averages.get(_key(var))
        return None if found is None else found[1]

    def average_name(self, var: Any) -> str:
        """Returns the name that the average of a variable has, or is going to have."""
        made = self.average(var)
        if made is not None:
            return made.key.name
        name = f"{_name_of(var)}/{self._name}"
        graph = building_graph()
        return graph.unique_name(name, mark_as_used=False) if graph else name

    def variables_to_restore(
        self, moving_avg_variables: Iterable[Any] | None = None
    ) -> dict[str, Any]:
        """Returns variables by the names that their values have in a checkpoint.

        A model that is to be used, not trained, is restored from averages.

        Args:
          moving_avg_variables: Which variables take the values of their averages; by
            default the trainable ones and those that have an average.

        Returns:
          All other variables of the graph are in it under their own names.
        """
        if moving_avg_variables is None:
            moving_avg_variables = [*trainable_variables(), *moving_average_variables()]
        averaged = list({_key(var): var for var in moving_avg_variables}.values())
        found = {self.average_name(var): var for var in averaged}
        keys = {_key(var) for var in averaged}
        for var in global_variables():
            if _key(var) not in keys and var.key.name not in found:
                found[var.key.name] = var
        return found

    # ---- one average

    def _check(self, source: Any) -> None:
        if not isinstance(source, (Variable, GraphTensor)):
            why = "an eager tensor changes never" if isinstance(source, Tensor) else ""
            raise TypeError(
                "Moving averages are of variables, or of tensors of a graph; got "
                f"{source!r:.100}{why and ', and ' + why}."
            )
        if not source.dtype.is_floating:
            raise TypeError(
                f"The variables must be half, float, or double: {source.name}; got "
                f"{source.dtype.name}."
            )

    def _make(self, source: Any) -> None:
        key = _key(source)
        if isinstance(source, Variable):
            made = create_slot(
                source.key.name, self._name, source.initialized_value(), source.dtype
            )
            if source.graph is not None:
                name = GraphKeys.MOVING_AVERAGE_VARIABLES
                source.graph.add_to_collection(name, source)
        else:
            made = self._zeros(source, _name_of(source), self._name)
            if self._zero_debias:
                biased = self._zeros(source, made.key.name, "biased")
                count = create_slot(made.key.name, "local_step", 0.0, source.dtype)
                self._biased[key] = (biased, count)
        self._averages[key] = (source, made)

    @staticmethod
    def _zeros(source: Any, primary: str, name: str) -> Variable:
        if not source.shape.is_fully_defined():
            raise ValueError(
                "The moving average of a tensor needs its shape; got "
                f"{source.name} of shape {source.shape}; try tensor.set_shape(...)."
            )
        shape, dtype = source.shape, source.dtype
        return create_slot(primary, name, lambda: zeros(shape, dtype), dtype)

    def _rest(self, dtype: DType) -> Any:
        """The weight of the present value."""
        if isinstance(self._decay, (Tensor, Variable)):
            decay = cast(self._decay, dtype)
        else:
            decay = constant(float(self._decay), dtype)
        if self._num_updates is not None:
            count = cast(self._num_updates, dtype if dtype.size > 4 else float32)
            decay = minimum(decay, cast((1.0 + count) / (10.0 + count), dtype))
        return 1.0 - decay

    def _update(self, source: Any) -> Any:
        average = self._averages[_key(source)][1]
        rest = self._rest(source.dtype)
        value = source.read_value() if isinstance(source, Variable) else source
        if _key(source) not in self._biased:
            old = average.read_value()
            return average.assign(old - rest * (old - value), read_value=False)
        biased, count = self._biased[_key(source)]
        old = biased.read_value()
        new = old - rest * (old - value)
        updates = count.read_value() + 1.0
        return group(
            biased.assign(new, read_value=False),
            count.assign(updates, read_value=False),
            average.assign(new / (1.0 - pow(1.0 - rest, updates)), read_value=False),
        )


def _key(source: Any) -> Any:
    return source.key if isinstance(source, Variable) else id(source)


def _name_of(source: Any) -> str:
    name: str = source.key.name if isinstance(source, Variable) else source.op.name
    return name
