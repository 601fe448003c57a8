"""What one iteration over a data set is about: the values of tensors that it was made of,
where it draws its random numbers from, and what its functions keep.

Every iterator has a tree of contexts in the shape of its data set, so that an input that
is started again, as by `repeat`, goes on where it was: another epoch, the next random
numbers. What happens in one branch of the tree never depends on another one, whichever
thread runs first.
"""

from __future__ import annotations

import os
import weakref
from typing import Any

import numpy as np

from graphopt.errors import fail
from graphopt.graph.provenance import user_site
from graphopt.graph.tensor import EagerTensor, GraphTensor

# Epochs that one iteration may have before its random numbers meet those of the next one.
_EPOCHS = 1 << 32


class Context:
    """A place in the tree.

    Args:
      parent: The place above; None for an iterator.
      store: The variables of the session that iterates; None in eager mode.
      number: How often the data set was iterated before.
      bindings: The values of symbolic tensors, and the data sets behind symbolic ones.
    """

    def __init__(
        self,
        parent: Context | None = None,
        store: Any = None,
        number: int = 0,
        bindings: dict[Any, Any] | None = None,
    ) -> None:
        # The iterator has the tree; a way up would be a cycle, which is freed late.
        self._up = None if parent is None else weakref.ref(parent)
        self.bindings = bindings or {}
        self.store: Any = store if parent is None else parent.store
        self.number: int = number if parent is None else parent.number
        self._children: dict[Any, Context] = {}
        self._states: dict[Any, Any] = {}
        self._epochs = 0
        # What a cache keeps that belongs to this iterator.
        self.kept: Any = None
        self._salt: int = (
            int.from_bytes(os.urandom(6)) if parent is None else parent._salt
        )

    def child(self, key: Any = 0) -> Context:
        """Returns the place of an input."""
        found = self._children.get(key)
        if found is None:
            found = self._children[key] = Context(self)
        return found

    def bind(self, key: Any, bindings: dict[Any, Any]) -> Context:
        """Returns the place of an input that was made of other tensors this time."""
        found = self.child(key)
        found.bindings = bindings
        return found

    def state(self, owner: Any) -> Any:
        """Returns what a function keeps here."""
        found = self._states.get(owner)
        if found is None:
            found = self._states[owner] = owner.make_state(self)
        else:
            found.capture(self)
        return found

    def next_generator(self, stream: Any, again: bool) -> np.random.Generator:
        """Returns the random numbers of an epoch.

        Args:
          stream: A `RandomStream`.
          again: Whether every epoch has other numbers.
        """
        epoch, self._epochs = self._epochs, self._epochs + 1
        draw = self.number * _EPOCHS + epoch if again else 0
        if not stream.is_seeded and self.store is not None and again:
            draw ^= self._salt
        generator: np.random.Generator = stream.generator(draw & ((1 << 64) - 1))
        return generator

    def find(self, tensor: Any) -> Any:
        """Returns what stands for a symbolic tensor or data set in this iteration."""
        place: Context | None = self
        while place is not None:
            if tensor in place.bindings:
                return place.bindings[tensor]
            place = place._up() if place._up is not None else None
        raise fail(
            ValueError,
            f"A data set needs {tensor!r}, which has no value here",
            got="a symbolic tensor",
            expected="an iterator of the same graph or function",
            op=getattr(tensor, "op", None),
            site=str(user_site()),
            remedy="tf.compat.v1.data.make_initializable_iterator(dataset)",
        )

    def value(self, parameter: Any) -> Any:
        """Returns a parameter as an array or a Python number."""
        if isinstance(parameter, GraphTensor):
            return self.find(parameter)
        return parameter

    def count(self, parameter: Any) -> int:
        """Returns a parameter as an integer."""
        return int(self.value(parameter))


def as_parameter(value: Any) -> Any:
    """Returns a scalar argument: a number, or the symbolic tensor that it is."""
    converter = getattr(value, "_as_tensor", None)
    if converter is not None:
        value = converter()
    if isinstance(value, GraphTensor):
        from graphopt.ops.creation import constant_value

        known = constant_value(value)
        return value if known is None else known.item()
    if isinstance(value, EagerTensor):
        value = value.array
    if isinstance(value, (np.ndarray, np.generic)):
        return value.item()
    return value
