"""Where the values of variables live, and the lock that every run holds."""

from __future__ import annotations

import sys
import threading
from collections import deque
from collections.abc import Sequence
from itertools import repeat
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from graphopt.dtypes import float32
from graphopt.errors import FailedPreconditionError, fail
from graphopt.graph.draws import DrawCounts
from graphopt.graph.provenance import Site
from graphopt.graph.shape import TensorShape
from graphopt.runtime.memory import aligned_copy

if TYPE_CHECKING:
    from graphopt.dtypes import DType
    from graphopt.graph.graph import Graph


class VariableKey:
    """What identifies a variable's storage: an attribute of its handle op.

    A variable that was made eagerly keeps its value here; one that was made in a graph
    has a value in each session.
    """

    __slots__ = (
        "__weakref__",
        "array",
        "dtype",
        "graph",
        "name",
        "shape",
        "shared",
        "site",
    )

    def __init__(
        self,
        name: str,
        dtype: DType,
        shape: TensorShape,
        graph: Graph | None,
        site: Site | None,
    ) -> None:
        self.name = name
        self.dtype = dtype
        self.shape = shape
        self.graph = graph
        self.site = site
        self.array: NDArray[Any] | None = None
        # Whether an eager tensor may hold this very array, so that a write must not
        # happen in place.
        self.shared = False


class VariableStore:
    """The values of the variables of one session.

    Attributes:
      lock: Held by every run that touches the store; readers never see half a step.
      shares_arrays: Whether eager tensors may look at the arrays themselves.
      generation: Changes whenever an array is replaced by another one, so that plans
        bound to addresses know when to look again.
      threads: The most threads that may compute one step; 0 if only the whole process
        has a limit.
    """

    shares_arrays = False

    def __init__(self) -> None:
        self.values: dict[VariableKey, NDArray[Any]] = {}
        self.lock = threading.RLock()
        self.generation = 0
        self.busy = False
        # How often each random op has drawn, by its stream.
        self.draws = DrawCounts()
        self.threads = 0

    def read(self, key: VariableKey) -> NDArray[Any]:
        """Returns the array of a variable, which may change in place later.

        Raises:
          FailedPreconditionError: The variable was never initialized.
        """
        array = self.values.get(key)
        if array is None:
            raise uninitialized(key)
        return array

    def is_initialized(self, key: VariableKey) -> bool:
        """Returns whether the variable has a value."""
        return key in self.values

    def prepare_writes(self, keys: Sequence[VariableKey]) -> None:
        """Makes sure that arrays may be written to in place; here they always may."""

    def commit(self, pending: dict[VariableKey, NDArray[Any]]) -> None:
        """Writes several variables, all or none.

        The arrays are made before and go in with one call that no signal handler can
        interrupt; plans that hold addresses are told first.
        """
        if not pending:
            return
        fresh = {
            key: aligned_copy(np.asarray(array), np.dtype(key.dtype.numpy))
            for key, array in pending.items()
        }
        self.generation += 1
        self.values.update(fresh)


class EagerStore(VariableStore):
    """The store of variables made in eager mode: each keeps its own array."""

    shares_arrays = True

    def read(self, key: VariableKey) -> NDArray[Any]:
        """Returns the array of a variable."""
        if key.array is None:
            raise uninitialized(key)
        return key.array

    def is_initialized(self, key: VariableKey) -> bool:
        """Returns whether the variable has a value."""
        return key.array is not None

    def prepare_writes(self, keys: Sequence[VariableKey]) -> None:
        """Copies the arrays that eager tensors look at too."""
        for key in keys:
            if key.shared and key.array is not None:
                key.shared = False
                # The tensors of a step that is over are gone, and nobody looks.
                if sys.getrefcount(key.array) > _REFERENCES_OF_ONE_OWNER:
                    key.array = key.array.copy()
                    self.generation += 1

    def commit(self, pending: dict[VariableKey, NDArray[Any]]) -> None:
        """Writes several variables."""
        # Not aligned: who else has an array is counted by its references.
        fresh = [
            np.array(array, key.dtype.numpy, order="C")
            for key, array in pending.items()
        ]
        self.generation += 1
        # Loops in C, in which no signal handler runs: all variables change or none.
        deque(map(setattr, pending, repeat("array"), fresh), maxlen=0)
        deque(map(setattr, pending, repeat("shared"), repeat(False)), maxlen=0)


def _count_references_of_one_owner() -> int:
    """What Python counts for an array that only its key refers to."""
    key = VariableKey("probe", float32, TensorShape(()), None, None)
    key.array = np.zeros(())
    return sys.getrefcount(key.array)


_REFERENCES_OF_ONE_OWNER = _count_references_of_one_owner()
EAGER_STORE = EagerStore()


def uninitialized(key: VariableKey) -> FailedPreconditionError:
    """Makes the error for a variable without a value."""
    return fail(
        FailedPreconditionError,
        f"Attempting to use uninitialized value {key.name}",
        got="a variable that was never initialized in this session",
        expected="a variable with a value",
        site=str(key.site),
        remedy="session.run(tf.compat.v1.global_variables_initializer()) first",
    )
