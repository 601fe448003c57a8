"""Shapes that notice when the user's code asks for a size that is not known.

A function that was traced for several shapes has None for the sizes that differ. Python
code that looks at such a size (`if x.shape[-1] == 1`, `for i in range(x.shape[0])`) does
something else then than it would for the shape of the call, and says nothing. So, while
such a trace is made, shapes write down that they were asked; the trace is thrown away
then, and one for the exact shape takes its place.

Questions of graphopt's own code do not count: shape rules treat None as what it is. Its
functions that choose by a size call `choose_by_size`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any, TypeVar

from graphopt.graph.shape import TensorShape

T = TypeVar("T")

_PACKAGE = __name__.partition(".")[0] + "."


def _is_users(depth: int) -> bool:
    """Whether the code that called is none of graphopt's."""
    name = sys._getframe(depth).f_globals.get("__name__", "")
    return not f"{name}.".startswith(_PACKAGE)


class AskedShape(TensorShape):
    """A shape with unknown sizes that counts the questions for them."""

    questions: list[str]

    def _ask(self, result: T) -> T:
        if _is_users(3):
            self.questions.append(str(self))
        return result

    def choose_by_size(self) -> None:
        """Notes that what is built depends on a size, whoever asks."""
        self.questions.append(str(self))

    @property
    def dims(self) -> list[int | None] | None:
        """As in `TensorShape`."""
        return self._ask(super().dims)

    def as_list(self) -> list[int | None]:
        """As in `TensorShape`."""
        return self._ask(super().as_list())

    def num_elements(self) -> int | None:
        """As in `TensorShape`."""
        return self._ask(super().num_elements())

    def is_fully_defined(self) -> bool:
        """As in `TensorShape`."""
        return self._ask(super().is_fully_defined())

    def is_compatible_with(self, other: Any) -> bool:
        """As in `TensorShape`."""
        return self._ask(super().is_compatible_with(other))

    def __getitem__(self, key: Any, /) -> Any:
        value = super().__getitem__(key)
        if value is None:
            return self._ask(value)
        if isinstance(value, TensorShape):
            return watch_shape(value, self.questions)
        return value

    def __iter__(self) -> Iterator[int | None]:
        return self._ask(super().__iter__())

    def __add__(self, other: Any) -> TensorShape:
        return watch_shape(super().__add__(other), self.questions)

    def __eq__(self, other: object) -> bool:
        # `None == shape` and comparisons of ranks ask for no size.
        return self._ask(super().__eq__(other))

    def __ne__(self, other: object) -> bool:
        same = self._ask(super().__eq__(other))
        return not same

    def __hash__(self) -> int:
        return super().__hash__()


def watch_shape(shape: Any, questions: list[str]) -> TensorShape:
    """Returns a shape that notes the user's questions for sizes it does not know.

    Args:
      shape: What makes a `TensorShape`.
      questions: Where they are noted.

    >>> questions = []
    >>> shape = watch_shape([None, 3], questions)
    >>> eval("shape[1], len(shape)", {"shape": shape, "__name__": "users"}), questions
    ((3, 2), [])
    >>> eval("shape[0] == 1", {"shape": shape, "__name__": "users"}), questions
    (False, ['(None, 3)'])
    """
    known = TensorShape(shape)
    # (Not a method of it: an unknown shape must not be asked.)
    if not known.unknown_rank and not any(dim is None for dim in tuple.__iter__(known)):
        return known
    watched = tuple.__new__(AskedShape, tuple.__iter__(known))
    watched.unknown_rank = known.unknown_rank
    watched.questions = questions
    return watched


def choose_by_size(shape: TensorShape) -> None:
    """Says that what the caller does next depends on sizes of a shape.

    To be called by functions that build something else for another size, without an
    error: a trace for several sizes must not contain the choice for one of them.
    """
    if isinstance(shape, AskedShape):
        shape.choose_by_size()
