"""`Dimension`: a size that may not be known, as TensorFlow 1 hands them out.

Programs of version 1 write `x.get_shape()[1].value`. Inside of this package dimensions are
numbers and None; objects are made when code outside of it takes an element of a shape, and
only after `enable_dimensions(True)`, which TensorFlow 1's namespace calls.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from graphopt.graph.shape import TensorShape, dimensions


class Dimension:
    """A size, or one that is not known.

    Args:
      value: A number, None, or another `Dimension`.

    Raises:
      ValueError: It is below 0.

    >>> Dimension(3) + 1, Dimension(None) * 2, Dimension(3).value
    (Dimension(4), Dimension(None), 3)

    Source: `tf.compat.v1.Dimension`.
    """

    __slots__ = ("value",)
    __array_priority__ = 100

    def __init__(self, value: Any) -> None:
        value = getattr(value, "value", value)
        if value is not None:
            value = value.__index__()
            if value < 0:
                raise ValueError(f"Dimension {value} must be >= 0.")
        self.value: int | None = value

    def __repr__(self) -> str:
        return f"Dimension({self.value})"

    def __str__(self) -> str:
        return "?" if self.value is None else str(self.value)

    def __index__(self) -> int:
        if self.value is None:
            raise TypeError("The value of Dimension(None) is not known before the run.")
        return self.value

    __int__ = __index__

    def __float__(self) -> float:
        return float(self.__index__())

    def __bool__(self) -> bool:
        return bool(self.value)

    def __hash__(self) -> int:
        return hash(self.value)

    def __eq__(self, other: object) -> Any:
        other = getattr(other, "value", other)
        if self.value is None or other is None:
            # Nobody knows; with None itself that is what the comparison asks.
            return None if other is not None else self.value is None
        return self.value == other

    def __ne__(self, other: object) -> Any:
        equal = self == other
        return None if equal is None else not equal

    def is_compatible_with(self, other: Any) -> bool:
        """Returns whether the two could be one number."""
        other = Dimension(other)
        return self.value is None or other.value is None or self.value == other.value

    def merge_with(self, other: Any) -> Dimension:
        """Returns the one of the two that is known.

        Raises:
          ValueError: They are two numbers.
        """
        other = Dimension(other)
        if not self.is_compatible_with(other):
            raise ValueError(f"Dimensions {self} and {other} are not compatible")
        return other if self.value is None else self

    assert_is_compatible_with = merge_with


def _operator(name: str, *, compares: bool = False) -> Callable[[Dimension, Any], Any]:
    def operate(self: Dimension, other: Any) -> Any:
        other = getattr(other, "value", other)
        if other is not None and not hasattr(other, "__index__"):
            return NotImplemented
        if self.value is None or other is None:
            return None if compares else Dimension(None)
        result = getattr(self.value, name)(other.__index__())
        return result if compares else Dimension(result)

    operate.__name__ = name
    return operate


for _name in ("add", "sub", "mul", "floordiv", "mod"):
    setattr(Dimension, f"__{_name}__", _operator(f"__{_name}__"))
    setattr(Dimension, f"__r{_name}__", _operator(f"__r{_name}__"))
for _name in ("lt", "le", "gt", "ge"):
    setattr(Dimension, f"__{_name}__", _operator(f"__{_name}__", compares=True))


def dimension_value(dimension: Any) -> int | None:
    """Returns the number of a `Dimension`, and what is none as it is.

    Source: `tf.compat.dimension_value`.
    """
    value: int | None = getattr(dimension, "value", dimension)
    return value


def dimension_at_index(shape: TensorShape, index: int) -> Dimension:
    """Returns an element of a shape as a `Dimension`.

    Source: `tf.compat.dimension_at_index`.
    """
    plain = TensorShape(shape)
    return Dimension(None if plain.unknown_rank else tuple(plain)[index])


def enable_dimensions(enable: bool) -> None:
    """Chooses whether elements of shapes are objects to code outside of this package."""
    dimensions.make = Dimension
    dimensions.are_objects = enable
