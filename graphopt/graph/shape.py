"""`TensorShape`: a tuple of dimensions in which None is one that is not known yet."""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, SupportsIndex, overload

from graphopt.errors import format_shape


class TensorShape(tuple[int | None, ...]):
    """The shape of a tensor, a tuple with TensorFlow's methods.

    A dimension that is not known before the run is None; a shape of which not even the
    number of dimensions is known is `TensorShape(None)`.

    >>> shape = TensorShape([None, 3])
    >>> shape.rank, shape.as_list(), shape.is_fully_defined(), shape == (None, 3)
    (2, [None, 3], False, True)

    Source: `tf.TensorShape`.
    """

    unknown_rank: bool

    def __new__(cls, dims: Any = None) -> TensorShape:  # noqa: D102 (the class says it)
        if isinstance(dims, TensorShape):
            return dims.without_dimensions()
        if hasattr(dims, "tolist"):
            dims = dims.tolist()
        # Not isinstance(dims, SupportsIndex), which takes 20 microseconds.
        if hasattr(dims, "__index__"):
            dims = (dims,)
        self = super().__new__(cls, () if dims is None else map(_dimension, dims))
        self.unknown_rank = dims is None
        return self

    def without_dimensions(self) -> TensorShape:
        """Returns the shape whose elements are numbers: itself."""
        return self

    @property
    def rank(self) -> int | None:
        """The number of dimensions, or None."""
        return None if self.unknown_rank else len(self)

    ndims = rank

    @property
    def dims(self) -> list[int | None] | None:
        """The dimensions as a list, or None for an unknown rank."""
        return None if self.unknown_rank else list(self)

    def as_list(self) -> list[int | None]:
        """Returns the dimensions as a list.

        Raises:
          ValueError: The rank is not known.
        """
        if self.unknown_rank:
            raise ValueError("as_list() is not defined on a shape of unknown rank.")
        return list(self)

    def num_elements(self) -> int | None:
        """Returns the number of elements, or None when a dimension is unknown."""
        return math.prod(self) if self.is_fully_defined() else None  # type: ignore[arg-type]

    def is_fully_defined(self) -> bool:
        """Returns whether every dimension is known."""
        return not self.unknown_rank and None not in self

    def is_compatible_with(self, other: Any) -> bool:
        """Returns whether one array could have both shapes."""
        other = TensorShape(other)
        if self.unknown_rank or other.unknown_rank:
            return True
        return len(self) == len(other) and all(
            a is None or b is None or a == b for a, b in zip(self, other, strict=True)
        )

    def merge_with(self, other: Any) -> TensorShape:
        """Returns the shape that knows what either of the two knows.

        Raises:
          ValueError: The shapes contradict each other.
        """
        shape = TensorShape(other)
        if not self.is_compatible_with(shape):
            raise ValueError(f"Shapes {self} and {shape} are not compatible.")
        if self.unknown_rank:
            return shape
        if shape.unknown_rank:
            return self
        return TensorShape(
            a if b is None else b for a, b in zip(self, shape, strict=True)
        )

    @overload
    def __getitem__(self, key: SupportsIndex, /) -> int | None: ...
    @overload
    def __getitem__(self, key: slice, /) -> TensorShape: ...
    def __getitem__(self, key: Any, /) -> Any:
        if self.unknown_rank:
            return TensorShape(None) if isinstance(key, slice) else None
        value = super().__getitem__(key)
        if dimensions.are_objects and _asked_by_user():
            if isinstance(key, slice):
                return ShapeOfDimensions(value)
            return dimensions.make(value)
        return TensorShape(value) if isinstance(key, slice) else value

    def __add__(self, other: Iterable[int | None]) -> TensorShape:  # type: ignore[override]
        if self.unknown_rank or getattr(other, "unknown_rank", False):
            return TensorShape(None)
        return TensorShape((*self, *other))

    def __eq__(self, other: object) -> bool:
        if isinstance(other, TensorShape):
            same_rank = self.unknown_rank == other.unknown_rank
            return same_rank and tuple.__eq__(self, other)
        if isinstance(other, (tuple, list)):
            return not self.unknown_rank and tuple.__eq__(self, tuple(other))
        return other is None and self.unknown_rank

    def __ne__(self, other: object) -> bool:
        return not self == other

    def __hash__(self) -> int:
        return hash((self.unknown_rank, *tuple.__iter__(self)))

    def __str__(self) -> str:
        if self.unknown_rank:
            return "<unknown>"
        return str(tuple(self))

    def __repr__(self) -> str:
        return f"TensorShape({None if self.unknown_rank else list(self)})"

    def __reduce__(self) -> tuple[Any, tuple[Any]]:
        return TensorShape, (self.dims,)


class _Dimensions:
    """Whether code outside of this package gets dimensions as objects.

    Attributes:
      are_objects: Set by TensorFlow 1's namespace; see `graph.dimension`.
      make: From a number or None to a `Dimension`.
    """

    are_objects = False
    make: Any = None


dimensions = _Dimensions()
_PACKAGE = str(Path(__file__).resolve().parent.parent) + os.sep


def _asked_by_user() -> bool:
    # The caller of the caller: rules of shapes count with numbers.
    return not sys._getframe(2).f_code.co_filename.startswith(_PACKAGE)


class ShapeOfDimensions(TensorShape):
    """A shape whose elements are `Dimension` objects to whoever takes them out."""

    def __new__(cls, dims: Any = None) -> ShapeOfDimensions:  # noqa: D102
        plain = TensorShape(dims)
        self = tuple.__new__(cls, tuple(plain))
        self.unknown_rank = plain.unknown_rank
        return self

    def without_dimensions(self) -> TensorShape:
        """Returns the same shape, of numbers."""
        return TensorShape(None if self.unknown_rank else self.as_list())

    def as_list(self) -> list[int | None]:
        """Returns the dimensions as numbers and None."""
        if self.unknown_rank:
            raise ValueError("as_list() is not defined on a shape of unknown rank.")
        return list(tuple.__iter__(self))

    @property
    def dims(self) -> Any:
        """The dimensions as a list of objects, or None for an unknown rank."""
        return None if self.unknown_rank else list(self)

    def is_fully_defined(self) -> bool:
        """Returns whether every dimension is known."""
        return self.without_dimensions().is_fully_defined()

    def num_elements(self) -> int | None:
        """Returns the number of elements, or None when a dimension is unknown."""
        return self.without_dimensions().num_elements()

    def is_compatible_with(self, other: Any) -> bool:
        """Returns whether one array could have both shapes."""
        return self.without_dimensions().is_compatible_with(other)

    def merge_with(self, other: Any) -> TensorShape:
        """Returns the shape that knows what either of the two knows."""
        return self.without_dimensions().merge_with(other)

    def __iter__(self) -> Any:
        return map(dimensions.make, tuple.__iter__(self))

    def __getitem__(self, key: Any, /) -> Any:
        value = tuple.__getitem__(self, key)
        if isinstance(key, slice):
            return ShapeOfDimensions(value)
        return dimensions.make(value)

    def __str__(self) -> str:
        return str(self.without_dimensions())

    __hash__ = TensorShape.__hash__

    def __eq__(self, other: object) -> bool:
        return self.without_dimensions() == (
            other.without_dimensions() if isinstance(other, TensorShape) else other
        )

    def __repr__(self) -> str:
        if self.unknown_rank:
            return "TensorShape(None)"
        return f"TensorShape({list(self)})"

    def __reduce__(self) -> tuple[Any, tuple[Any]]:
        return TensorShape, (None if self.unknown_rank else self.as_list(),)


def shape_for_user(shape: TensorShape) -> TensorShape:
    """Returns what `get_shape()` gives: a shape of objects in TensorFlow 1's namespace."""
    return ShapeOfDimensions(shape) if dimensions.are_objects else shape


def _dimension(value: Any) -> int | None:
    if value is None:
        return None
    number = getattr(value, "value", value)
    if number is None:
        return None
    number = number.__index__()
    if number == -1:
        return None
    if number < 0:
        raise ValueError(f"Dimension {number} must be >= 0.")
    return int(number)


SCALAR = TensorShape(())
UNKNOWN = TensorShape(None)


def broadcast_shapes(first: TensorShape, second: TensorShape) -> TensorShape | None:
    """Returns the shape that two shapes broadcast to, or None if they do not.

    A dimension known only on one side is taken from there when it is not 1: running
    with anything else would fail.

    >>> broadcast_shapes(TensorShape([None, 1]), TensorShape([3]))
    TensorShape([None, 3])
    """
    if first == second:
        return first
    if first.unknown_rank or second.unknown_rank:
        return UNKNOWN
    rank = max(len(first), len(second))
    dims: list[int | None] = []
    for a, b in zip(
        (1,) * (rank - len(first)) + tuple(first),
        (1,) * (rank - len(second)) + tuple(second),
        strict=True,
    ):
        if a == b or b == 1:
            dims.append(a)
        elif a == 1 or a is None:
            dims.append(b)
        elif b is None:
            dims.append(a)
        else:
            return None
    return TensorShape(dims)


def describe(shape: TensorShape) -> str:
    """Writes a shape as error messages show it."""
    return format_shape(shape)
