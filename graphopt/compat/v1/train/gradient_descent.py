"""Gradient descent."""

from __future__ import annotations

from typing import Any

from graphopt.compat.v1.train.optimizer import Optimizer
from graphopt.graph.indexed_slices import IndexedSlices
from graphopt.ops.creation import zeros_like
from graphopt.runtime.variable import Variable


class GradientDescentOptimizer(Optimizer):
    """Steps against the gradient.

        w <- w - lr g

    Rows that a sparse gradient names several times are changed several times.

    Args:
      learning_rate: Number, tensor, variable or callable.
      use_locking: Accepted for compatibility.
      name: Scope of its ops.

    >>> import graphopt as tf
    >>> opt, w = tf.compat.v1.train.GradientDescentOptimizer(0.1), tf.Variable(2.0)
    >>> opt.minimize(lambda: w * w)
    >>> round(float(w), 4)
    1.6

    Source: `tf.compat.v1.train.GradientDescentOptimizer`.
    """

    def __init__(
        self,
        learning_rate: Any,
        use_locking: bool = False,
        name: str = "GradientDescent",
    ) -> None:
        super().__init__(use_locking, name, learning_rate=learning_rate)

    def update(self, w: Any, g: Any, *, learning_rate: Any) -> tuple[Any, Any]:
        """Returns the new value, by the equation above."""
        return w - learning_rate * g, {}

    def _resource_apply_sparse_duplicate_indices(
        self, grad: Any, handle: Variable, indices: Any
    ) -> Any:
        # The step from zero is what every mention of a row adds to it.
        step, _ = self.update(zeros_like(grad), grad, **self._scalars(handle.dtype))
        return handle.scatter_add(
            IndexedSlices(step, indices, handle.shape), read_value=False
        )
