"""Hyperparameters: numbers, tensors, callables and schedules that act as attributes.

A number becomes a variable when the optimizer first needs it, so that a new learning
rate is an assignment and nothing is built or compiled again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphopt import dtypes
from graphopt.dtypes import as_dtype
from graphopt.graph.context import building_graph
from graphopt.graph.tensor import GraphTensor, Tensor
from graphopt.keras import initializers
from graphopt.keras.optimizers.checks import checked_number
from graphopt.keras.optimizers.schedules import LearningRateSchedule, serialize
from graphopt.ops.elementwise import cast
from graphopt.ops.host import python_scalar
from graphopt.runtime.names import get_default_session
from graphopt.runtime.session import session_for
from graphopt.runtime.variable import Variable


class Hyperparameters:
    """What an optimizer keeps by name in `_hyper` and shows as attributes.

    The variables that it makes of them, and of whatever else it keeps, are its weights.
    """

    def __init__(self) -> None:
        self._hyper: dict[str, Any] = {}
        self._hypers_created = False
        # The value of the keyword `lr`, until `learning_rate` is set.
        self._old_rate: Any = None
        self._weights: list[Variable] = []

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

    def _set_hyper(self, name: str, value: Any) -> None:
        """Sets a hyperparameter: a number, tensor, variable, callable or schedule."""
        if name == "learning_rate":
            value = value if self._old_rate is None else self._old_rate
            self._old_rate = None
        if isinstance(value, (Tensor, Variable)) or callable(value):
            self._hyper[name] = value
            return
        value = checked_number(name, value)
        previous = self._hyper.get(name)
        if isinstance(previous, Variable) and self._hypers_created:
            set_value(previous, value)
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

    def _serialize_hyperparameter(self, name: str) -> Any:
        value = self._hyper[name]
        if isinstance(value, LearningRateSchedule):
            return serialize(value)
        if callable(value) and not isinstance(value, Variable):
            value = value()
        if isinstance(value, (Tensor, Variable)):
            return value_of(value)
        return value


def value_of(value: Any) -> Any:
    """Returns the value of a tensor or variable, in both modes."""
    if isinstance(value, Variable) and value.graph is not None:
        graph = value.graph
        session = session_for(graph, get_default_session())
        return session.run(value)
    if isinstance(value, GraphTensor):
        return value.eval()
    return value.numpy()


def set_value(variable: Variable, value: NDArray[Any] | float) -> None:
    """Sets a variable at once, in both modes."""
    if variable.graph is None:
        variable.assign(np.asarray(value, variable.dtype.numpy))
        return
    session = session_for(variable.graph, get_default_session())
    session.load(variable, np.asarray(value, variable.dtype.numpy))
