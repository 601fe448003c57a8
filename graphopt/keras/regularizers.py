"""Regularizers: terms of a loss that depend on the weights alone."""

from __future__ import annotations

import math
from typing import Any

from graphopt.graph.hooks import hooks
from graphopt.keras import serialization
from graphopt.keras.describing import describe_config
from graphopt.ops.creation import zeros
from graphopt.ops.diagonal import eye
from graphopt.ops.elementwise import abs as absolute
from graphopt.ops.elementwise import square
from graphopt.ops.matmul import matmul
from graphopt.ops.reduction import reduce_sum
from graphopt.ops.statistics import l2_normalize


class Regularizer:
    """A function from a weight to a scalar that is added to the loss.

    Source: `tf.keras.regularizers.Regularizer`.
    """

    def __call__(self, x: Any) -> Any:
        """Returns the term.

        Args:
          x: The weight, or the output of a layer.
        """
        raise NotImplementedError("Regularizer subclasses must implement __call__.")

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments."""
        return {k: v for k, v in vars(self).items() if not k.startswith("_")}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Regularizer:
        """Makes a regularizer of what `get_config` returned."""
        return cls(**config)

    def __repr__(self) -> str:
        return describe_config(self)


def _check(name: str, factor: Any) -> float:
    if isinstance(factor, bool) or not isinstance(factor, (int, float)):
        raise ValueError(f"Value of {name} must be a number; got {factor!r}.")
    if not math.isfinite(factor):
        raise ValueError(f"Value of {name} must be finite; got {factor!r}.")
    return float(factor)


class L1L2(Regularizer):
    """l1 sum|x| + l2 sum(x^2).

    Args:
      l1: Factor of the absolute values, a finite number.
      l2: Factor of the squares, a finite number.

    Raises:
      ValueError: A factor is no finite number.

    >>> import graphopt as tf
    >>> float(tf.keras.regularizers.L1L2(l1=1.0, l2=0.5)(tf.constant([1.0, -2.0])))
    5.5

    Source: `tf.keras.regularizers.L1L2`.
    """

    def __init__(self, l1: float = 0.0, l2: float = 0.0) -> None:
        self.l1 = _check("l1", 0.0 if l1 is None else l1)
        self.l2 = _check("l2", 0.0 if l2 is None else l2)

    def __call__(self, x: Any) -> Any:
        """Returns the term."""
        x = hooks.convert(x)
        term = zeros([], x.dtype)
        if self.l1:
            term = term + self.l1 * reduce_sum(absolute(x))
        if self.l2:
            term = term + self.l2 * reduce_sum(square(x))
        return term


class L1(Regularizer):
    """l1 sum|x|.

    Args:
      l1: The factor, a finite number.

    Raises:
      ValueError: The factor is no finite number.

    >>> import graphopt as tf
    >>> float(tf.keras.regularizers.L1(0.5)(tf.constant([1.0, -2.0])))
    1.5

    Source: `tf.keras.regularizers.L1`.
    """

    def __init__(self, l1: float = 0.01) -> None:
        self.l1 = _check("l1", 0.01 if l1 is None else l1)

    def __call__(self, x: Any) -> Any:
        """Returns the term."""
        return self.l1 * reduce_sum(absolute(x))


class L2(Regularizer):
    """l2 sum(x^2).

    Args:
      l2: The factor, a finite number.

    Raises:
      ValueError: The factor is no finite number.

    >>> import graphopt as tf
    >>> float(tf.keras.regularizers.L2(0.5)(tf.constant([1.0, -2.0])))
    2.5

    Source: `tf.keras.regularizers.L2`.
    """

    def __init__(self, l2: float = 0.01) -> None:
        self.l2 = _check("l2", 0.01 if l2 is None else l2)

    def __call__(self, x: Any) -> Any:
        """Returns the term."""
        return self.l2 * reduce_sum(square(x))


class OrthogonalRegularizer(Regularizer):
    """factor times the mean over pairs of rows of |cos| of the angle between them.

    Args:
      factor: A finite number.
      mode: `rows` or `columns`: which of a matrix are to be orthogonal.

    Raises:
      ValueError: An unknown mode, or the factor is no finite number.

    >>> import graphopt as tf
    >>> term = tf.keras.regularizers.OrthogonalRegularizer(1.0)
    >>> round(float(term(tf.constant([[1.0, 0.0], [3.0, 4.0]]))), 4)
    0.6

    Source: `tf.keras.regularizers.OrthogonalRegularizer`.
    """

    def __init__(self, factor: float = 0.01, mode: str = "rows") -> None:
        self.factor = _check("factor", factor)
        if mode not in ("rows", "columns"):
            raise ValueError(
                "Invalid value for argument `mode`. Expected one of 'rows' and "
                f"'columns'; got {mode!r}."
            )
        self.mode = mode

    def __call__(self, x: Any) -> Any:
        """Returns the term of a matrix.

        Raises:
          ValueError: It is no matrix of known size.
        """
        x = hooks.convert(x)
        rows = self.mode == "rows"
        size = x.shape[0 if rows else 1] if x.shape.rank == 2 else None
        if size is None:
            raise ValueError(
                "Inputs to OrthogonalRegularizer must have rank 2 and a known size; "
                f"got shape {x.shape}."
            )
        x = l2_normalize(x, axis=1 if rows else 0)
        product = matmul(x, x, transpose_a=not rows, transpose_b=rows)
        apart = product * (1.0 - eye(size, dtype=x.dtype))
        # One row has no pairs, and a term of 0 / 1.
        pairs = max(size * (size - 1) / 2, 1)
        return self.factor * 0.5 / pairs * reduce_sum(absolute(apart))


def l1_l2(l1: float = 0.01, l2: float = 0.01) -> L1L2:
    """Returns `L1L2`, with other defaults.

    Source: `tf.keras.regularizers.l1_l2`.
    """
    return L1L2(l1, l2)


l1 = L1
l2 = L2
orthogonal_regularizer = OrthogonalRegularizer

_TABLE: dict[str, Any] = {
    "L1": L1,
    "l1": L1,
    "L2": L2,
    "l2": L2,
    "L1L2": L1L2,
    "OrthogonalRegularizer": OrthogonalRegularizer,
    "orthogonal_regularizer": OrthogonalRegularizer,
}


def get(identifier: Any) -> Any:
    """Returns a regularizer for a name, a config, a class or a function; None for None.

    Raises:
      ValueError: It stands for none.

    Source: `tf.keras.regularizers.get`.
    """
    return (
        l1_l2()
        if identifier == "l1_l2"
        else (serialization.get(identifier, _TABLE, "regularizer"))
    )


def serialize(regularizer: Any) -> Any:
    """Returns class name and config as plain values.

    Source: `tf.keras.regularizers.serialize`.
    """
    return serialization.serialize(regularizer)


def deserialize(config: Any, custom_objects: dict[str, Any] | None = None) -> Any:
    """Makes a regularizer of what `serialize` returned.

    Raises:
      ValueError: No regularizer has that name.

    Source: `tf.keras.regularizers.deserialize`.
    """
    return serialization.deserialize(config, _TABLE, "regularizer", custom_objects)
