"""`Metric`: numbers that a batch adds to, and a result that is computed of them.

A metric is a layer whose weights are its sums. `update_state` is ops and assignments, so
that it is traced into a training step; `result` is read when somebody asks. In eager mode
and in functions, assignments happen in the order in which they are written. In a graph of
version 1, `update_state` returns the op to run.
"""

from __future__ import annotations

import copy
import functools
import weakref
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from graphopt.dtypes import as_dtype
from graphopt.graph import nest
from graphopt.graph.context import building_graph
from graphopt.graph.hooks import hooks
from graphopt.graph.tensor import Tensor
from graphopt.keras import backend
from graphopt.keras.describing import describe_call
from graphopt.keras.layers.base import Layer
from graphopt.runtime.collections import control_dependencies
from graphopt.runtime.function import init_scope
from graphopt.runtime.variable import Variable

_OWN = "graphopt.keras.metrics."


def _convert_when_called(function: Callable[..., Any]) -> Callable[..., Any]:
    """Makes the user's method one whose `if` and `for` may be of tensors in graphs."""

    @functools.wraps(function)
    def convert_and_call(self: Any, *args: Any, **kwargs: Any) -> Any:
        if building_graph() is None:
            return function(self, *args, **kwargs)
        return hooks.convert_function(function)(self, *args, **kwargs)

    return convert_and_call


def _as_tensors(function: Callable[..., Any]) -> Callable[..., Any]:
    """Makes results tensors: one, or those of a dict, a list or a tuple."""

    @functools.wraps(function)
    def compute(self: Any, *args: Any, **kwargs: Any) -> Any:
        result = function(self, *args, **kwargs)
        if isinstance(result, Tensor):
            return result
        if isinstance(result, Variable):
            return result.read_value()
        return nest.map_structure(hooks.convert, result)

    return compute


class Metric(Layer):
    """A number, or a few, that stand for all batches so far.

    A subclass makes weights by `add_weight` in its constructor, and defines
    `update_state`, which assigns to them, and `result`.

    Args:
      name: Its name; by default made of the class's.
      dtype: The dtype of its weights and of the result; float32 by default.

    >>> import graphopt as tf
    >>> class Largest(tf.keras.metrics.Metric):
    ...     def __init__(self, name="largest"):
    ...         super().__init__(name=name)
    ...         self.most = self.add_weight(name="most", initializer="zeros")
    ...     def update_state(self, y_true, y_pred, sample_weight=None):
    ...         self.most.assign(tf.maximum(self.most, tf.reduce_max(y_pred)))
    ...     def result(self):
    ...         return self.most
    >>> largest = Largest()
    >>> largest.update_state(None, [1.0, 3.0]); largest.update_state(None, [2.0])
    >>> float(largest.result())
    3.0

    Source: `tf.keras.metrics.Metric`.
    """

    is_metric = True

    def __init__(
        self, name: str | None = None, dtype: Any = None, **kwargs: Any
    ) -> None:
        super().__init__(name=name, dtype=dtype, **kwargs)
        self._metric_dtype = as_dtype(dtype if dtype is not None else backend.floatx())
        self.stateful = True
        self.built = True

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        own = cls.__module__.startswith(_OWN)
        if not own and "update_state" in cls.__dict__:
            cls.update_state = _convert_when_called(  # type: ignore[method-assign]
                cls.__dict__["update_state"]
            )
        if not own and "result" in cls.__dict__:
            cls.result = _as_tensors(  # type: ignore[method-assign]
                _convert_when_called(cls.__dict__["result"])
            )

    @property
    def _dtype(self) -> str:
        """The name of its dtype: what programs that subclass it cast to."""
        return self._metric_dtype.name

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Updates the state and returns the result."""
        update = self.update_state(*args, **kwargs)
        with control_dependencies([update] if update is not None else []):
            result = self.result()
        self._last_result = (
            weakref.ref(result) if isinstance(result, Tensor) else lambda: None
        )
        return result

    def is_last_result(self, value: Any) -> bool:
        """Returns whether a tensor is what the last call returned."""
        last = vars(self).get("_last_result")
        return last is not None and last() is value

    def update_state(self, *args: Any, **kwargs: Any) -> Any:
        """Adds a batch; arguments are mostly `y_true, y_pred, sample_weight=None`.

        Returns:
          The op that does so in a graph of version 1; else nothing to be used.
        """
        raise NotImplementedError("Must be implemented in subclasses.")

    def result(self) -> Any:
        """Returns the tensor, or the dict of tensors, that the weights stand for."""
        raise NotImplementedError("Must be implemented in subclasses.")

    def reset_state(self) -> None:
        """Sets the weights to 0, as an epoch that begins does."""
        old = type(self).reset_states
        if old is not Metric.reset_states:
            self.reset_states()
            return
        zero_weights(self.weights)

    def reset_states(self) -> None:
        """The former name of `reset_state`; a subclass may still define it."""
        self.reset_state()

    def merge_state(self, metrics: Sequence[Metric]) -> list[Any]:
        """Adds the weights of other metrics of its kind to its own.

        Raises:
          ValueError: One has another number of weights.
        """
        updates = []
        for metric in metrics:
            if len(self.weights) != len(metric.weights):
                raise ValueError(f"Metric {metric} is not compatible with {self}.")
            for own, other in zip(self.weights, metric.weights, strict=True):
                updates.append(own.assign_add(other))
        return updates

    def add_weight(  # type: ignore[override]
        self,
        name: str | None = None,
        shape: Any = (),
        aggregation: Any = None,
        synchronization: Any = None,
        initializer: Any = "zeros",
        dtype: Any = None,
    ) -> Variable:
        """Makes a weight, outside of any function that is being traced.

        Args:
          name: Its name.
          shape: Its shape; a scalar by default.
          aggregation: Accepted for compatibility.
          synchronization: Accepted for compatibility.
          initializer: A name or function; zeros by default.
          dtype: Its dtype; by default that of the metric.
        """
        with init_scope():
            return super().add_weight(
                name=name,
                shape=tuple(shape),
                dtype=self._metric_dtype if dtype is None else dtype,
                initializer="zeros" if initializer is None else initializer,
                trainable=False,
            )

    # Keras 3's name.
    def add_variable(
        self,
        shape: Any = (),
        initializer: Any = "zeros",
        dtype: Any = None,
        aggregation: Any = None,
        name: str | None = None,
    ) -> Variable:
        """Makes a weight; the name and order of Keras 3."""
        return self.add_weight(name, shape, aggregation, None, initializer, dtype)

    def get_config(self) -> dict[str, Any]:
        """Returns the arguments of its constructor."""
        return {"name": self.name, "dtype": self._metric_dtype.name}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Any:
        """Makes a metric of what `get_config` returned."""
        return cls(**config)

    def __repr__(self) -> str:
        config = {
            k: v for k, v in self.get_config().items() if k not in ("fn", "dtype")
        }
        return describe_call(self, config)

    def __deepcopy__(self, memo: dict[int, Any]) -> Metric:
        made: Metric = self.from_config(copy.deepcopy(self.get_config(), memo))
        if self.weights and len(made.weights) == len(self.weights):
            made.set_weights(self.get_weights())
        memo[id(self)] = made
        return made

    def __str__(self) -> str:
        options = ",".join(f"{key}={value}" for key, value in self.get_config().items())
        return f"{type(self).__name__}({options})"


def zero_weights(weights: Sequence[Variable]) -> None:
    """Sets variables to 0, in either mode."""
    for weight in weights:
        shape: Any = tuple(weight.shape)
        zeros = np.zeros(shape, weight.dtype.as_numpy_dtype)
        if weight.graph is None:
            weight.assign(zeros)
        else:
            backend.set_value(weight, zeros)


def clone_metric(metric: Any) -> Any:
    """Returns a new metric of the same options, without the state; a function as it is.

    Source: `tf.keras.metrics.clone_metric`.
    """
    if not isinstance(metric, Metric):
        return metric
    with init_scope():
        return type(metric).from_config(metric.get_config())


def clone_metrics(metrics: Any) -> Any:
    """Returns the structure with `clone_metric` of each.

    Source: `tf.keras.metrics.clone_metrics`.
    """
    return nest.map_structure(clone_metric, metrics)
