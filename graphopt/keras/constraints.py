"""Constraints: what a weight is changed to after each update.

A constraint is a function from a tensor to one of the same shape. It is made of ops, so
it becomes part of the compiled step; after a sparse gradient it is applied to the whole
variable.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from graphopt.graph.hooks import hooks
from graphopt.keras import serialization
from graphopt.keras.describing import describe_config
from graphopt.ops.clipping import clip_by_value
from graphopt.ops.elementwise import maximum, sqrt, square
from graphopt.ops.indexing import gather
from graphopt.ops.reduction import reduce_sum
from graphopt.ops.shaping import reshape

# What Keras adds to norms before it divides by them.
EPSILON = 1e-7


class Constraint:
    """A function from the value of a weight to one that is allowed.

    Source: `tf.keras.constraints.Constraint`.
    """

    def __call__(self, w: Any) -> Any:
        """Returns the allowed value.

        Args:
          w: The value after an update.
        """
        return w

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {k: v for k, v in vars(self).items() if not k.startswith("_")}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Constraint:
        """Makes a constraint of what `get_config` returned."""
        return cls(**config)

    def __repr__(self) -> str:
        return describe_config(self)


def _norms(w: Any, axis: Any) -> Any:
    return sqrt(reduce_sum(square(w), axis, keepdims=True))


class MaxNorm(Constraint):
    """Norms of at most c: w <- w min(norm, c) / (1e-7 + norm).

    Args:
      max_value: The largest norm, c >= 0.
      axis: Dimension or dimensions that a norm is of: 0 for each column of a `[in, out]`
        kernel of `Dense`, `[0, 1, 2]` for each filter of an image.

    >>> import graphopt as tf
    >>> constraint = tf.keras.constraints.MaxNorm(5.0)
    >>> constraint(tf.constant([[6.0, 0.75], [8.0, 1.0]])).numpy().round(4)
    array([[3.  , 0.75],
           [4.  , 1.  ]], dtype=float32)

    Source: `tf.keras.constraints.MaxNorm`; Srivastava et al. 2014.
    """

    def __init__(self, max_value: float = 2, axis: Any = 0) -> None:
        self.max_value, self.axis = max_value, axis

    def __call__(self, w: Any) -> Any:
        """Returns w with smaller norms."""
        w = hooks.convert(w)
        norms = _norms(w, self.axis)
        return w * (clip_by_value(norms, 0.0, self.max_value) / (EPSILON + norms))


class NonNeg(Constraint):
    """No negative elements: w <- max(w, 0).

    >>> import graphopt as tf
    >>> tf.keras.constraints.NonNeg()(tf.constant([-1.0, 2.0])).numpy().tolist()
    [0.0, 2.0]

    Source: `tf.keras.constraints.NonNeg`.
    """

    def __call__(self, w: Any) -> Any:
        """Returns w without negative elements."""
        return maximum(w, 0.0)


class UnitNorm(Constraint):
    """Norms of 1: w <- w / (1e-7 + norm).

    Args:
      axis: As in `MaxNorm`.

    >>> import graphopt as tf
    >>> w = tf.keras.constraints.UnitNorm()(tf.constant([[3.0], [4.0]]))
    >>> w.numpy().round(4)
    array([[0.6],
           [0.8]], dtype=float32)

    Source: `tf.keras.constraints.UnitNorm`.
    """

    def __init__(self, axis: Any = 0) -> None:
        self.axis = axis

    def __call__(self, w: Any) -> Any:
        """Returns w with norms of 1."""
        w = hooks.convert(w)
        return w / (EPSILON + _norms(w, self.axis))


class MinMaxNorm(Constraint):
    """Norms that are drawn into a range.

        w <- w (rate clip(norm, min, max) + (1 - rate) norm) / (1e-7 + norm)

    Args:
      min_value: The smallest norm, >= 0.
      max_value: The largest norm.
      rate: In [0, 1]; at 1 the norms are in the range at once.
      axis: As in `MaxNorm`.

    >>> import graphopt as tf
    >>> constraint = tf.keras.constraints.MinMaxNorm(1.0, 2.0, rate=0.5)
    >>> constraint(tf.constant([[6.0], [8.0]])).numpy().round(4)
    array([[3.6],
           [4.8]], dtype=float32)

    Source: `tf.keras.constraints.MinMaxNorm`.
    """

    def __init__(
        self,
        min_value: float = 0.0,
        max_value: float = 1.0,
        rate: float = 1.0,
        axis: Any = 0,
    ) -> None:
        self.min_value, self.max_value = min_value, max_value
        self.rate, self.axis = rate, axis

    def __call__(self, w: Any) -> Any:
        """Returns w with other norms."""
        w = hooks.convert(w)
        norms = _norms(w, self.axis)
        wanted = self.rate * clip_by_value(norms, self.min_value, self.max_value)
        wanted = wanted + (1.0 - self.rate) * norms
        return w * (wanted / (EPSILON + norms))


class RadialConstraint(Constraint):
    """Filters whose elements depend on the distance from the middle alone.

    Each square ring around the middle takes one value of the diagonal: that of a filter
    of n rows at n // 2 - 1 in the middle, and the next ones outwards, as in TensorFlow.

    >>> import graphopt as tf
    >>> w = tf.reshape(tf.range(9.0), [3, 3, 1, 1])
    >>> tf.keras.constraints.RadialConstraint()(w)[:, :, 0, 0].numpy().tolist()
    [[4.0, 4.0, 4.0], [4.0, 0.0, 4.0], [4.0, 4.0, 4.0]]

    Source: `tf.keras.constraints.RadialConstraint`.
    """

    def __call__(self, w: Any) -> Any:
        """Returns w in rings.

        Raises:
          ValueError: It is not `[n, n, channels, filters]`.
        """
        w = hooks.convert(w)
        if w.shape.rank != 4 or None in w.shape.as_list() or w.shape[0] != w.shape[1]:
            raise ValueError(
                "The weight tensor must have rank 4 and square filters; got shape "
                f"{w.shape}, expected [n, n, channels, filters]."
            )
        n, _, channels, filters = w.shape.as_list()
        rows = gather(reshape(w, [n * n, channels * filters]), _rings(n))
        return reshape(rows, [n, n, channels, filters])


def _rings(n: int) -> Any:
    """Returns which element of a filter each one takes, as indices into n * n."""
    if n == 1:
        # TensorFlow reads before the beginning, and fails.
        return np.zeros(1, np.int32)
    from_middle = np.abs(np.arange(n) - (n - 1) / 2)
    ring = np.floor(np.maximum(from_middle[:, None], from_middle)).astype(np.int32)
    # Of an even number of rows the first ring is the middle, of 2 x 2; the element
    # after its own is left out.
    skipped = (ring > 0).astype(np.int32) if n % 2 == 0 else 0
    return ((n // 2 - 1 + ring + skipped) * (n + 1)).reshape(-1)


max_norm = MaxNorm
non_neg = NonNeg
unit_norm = UnitNorm
min_max_norm = MinMaxNorm
radial_constraint = RadialConstraint

_TABLE: dict[str, type[Constraint]] = {
    "MaxNorm": MaxNorm,
    "max_norm": MaxNorm,
    "NonNeg": NonNeg,
    "non_neg": NonNeg,
    "UnitNorm": UnitNorm,
    "unit_norm": UnitNorm,
    "MinMaxNorm": MinMaxNorm,
    "min_max_norm": MinMaxNorm,
    "RadialConstraint": RadialConstraint,
    "radial_constraint": RadialConstraint,
}


def get(identifier: Any) -> Any:
    """Returns a constraint for a name, a config, a class or a function; None for None.

    Raises:
      ValueError: It stands for none.

    Source: `tf.keras.constraints.get`.
    """
    return serialization.get(identifier, _TABLE, "constraint")


def serialize(constraint: Any) -> Any:
    """Returns class name and config as plain values.

    Source: `tf.keras.constraints.serialize`.
    """
    return serialization.serialize(constraint)


def deserialize(config: Any, custom_objects: dict[str, Any] | None = None) -> Any:
    """Makes a constraint of what `serialize` returned.

    Raises:
      ValueError: No constraint has that name.

    Source: `tf.keras.constraints.deserialize`.
    """
    return serialization.deserialize(config, _TABLE, "constraint", custom_objects)
