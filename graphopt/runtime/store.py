"""Where the values of variables live, and the protocol of those who use them.

Plans hold the addresses of arrays. So whoever changes a value, replaces an array or frees
one takes part in the protocol of those who run:

- A run, a read and a write of a store hold its lock. Other threads wait; but a thread that
  waits for a run which is inside of a Python function gets an error after a while, for that
  function may be waiting for the thread.
- From inside of a run, on its thread (a Python function, a callable hyperparameter, a
  signal handler), variables can be read: they have their values from before the step, even
  if the step has written some of them (`peek`). They cannot be set or freed: RuntimeError.
- New values go into the arrays that are there, so that addresses stay right. Where an array
  must be replaced, `generation` changes, and who is bound to the old one keeps it alive.
- A variable whose new value other ranks still send has no array here (`late`). So nobody can
  see an old one by mistake: who reads it waits for the new one, and who is bound to its
  address finds that the generation is another one.

A child that was forked while another thread held a lock gets new locks; the fork waits for
steps and for compilers that are at work, so that the child sees no half of anything.
"""

from __future__ import annotations

import contextlib
import operator
import os
import sys
import time
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import repeat, starmap
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from graphopt.codegen.kernels import let_compilers_go_on, wait_for_compilers
from graphopt.dtypes import float32
from graphopt.errors import (
    DeadlineExceededError,
    FailedPreconditionError,
    OpError,
    fail,
)
from graphopt.graph.draws import DrawCounts
from graphopt.graph.locks import new_lock
from graphopt.graph.provenance import Site, user_site
from graphopt.graph.shape import TensorShape
from graphopt.runtime.memory import aligned_copy

if TYPE_CHECKING:
    from graphopt.dtypes import DType
    from graphopt.graph.graph import Graph, Operation
    from graphopt.runtime.late_values import LateValues
    from graphopt.runtime.undo import Undo

# Seconds after which a thread does not wait any longer for one and the same call of a
# Python function inside of another thread's run.
PATIENCE = 30.0
# Seconds that a fork waits for the steps of other threads.
_FORK_PATIENCE = 10.0


_stores: weakref.WeakSet[VariableStore] = weakref.WeakSet()


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
        "piece",
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
        # What it is a part of, where several ranks keep one each (`runtime.variable.Piece`).
        self.piece: Any = None
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
      busy: Whether a run is going on, on the thread that holds the lock.
      calling: The op whose Python function is running, as a tuple of its own each time.
      calls_python: Whether any of its plans calls a Python function.
      undo: What the variables were before the step that is running, if it may have
        written some of them.
      is_closed: Whether the session is closed.
      is_cancelled: Whether it is, or is about to be: nobody may begin to wait.
      threads: The most threads that may compute one step; 0 if only the whole process
        has a limit.
      late: What is still to come, of variables that have no array meanwhile.
      resources: What else has a state in each session, as iterators and queues, by the
        Python object that stands for it.
    """

    shares_arrays = False

    def __init__(self) -> None:
        self.calling: tuple[Operation] | None = None
        self.calls_python = False
        # Told when that changes; those who hold it keep it alive.
        self.listeners: weakref.WeakSet[Any] = weakref.WeakSet()
        self.undo: Undo | None = None
        self.is_closed = self.is_cancelled = False
        _stores.add(self)
        self.values: dict[VariableKey, NDArray[Any]] = {}
        self.late: dict[VariableKey, LateValues] = {}
        self.lock = new_lock()
        self.generation = 0
        self.busy = False
        # How often each random op has drawn, by its stream.
        self.draws = DrawCounts()
        self.threads = 0
        self.resources: dict[Any, Any] = {}
        self._making = new_lock()

    def resource(self, key: Any, make: Callable[[], Any]) -> Any:
        """Returns what has a state in this session, made when first asked for.

        Args:
          key: What stands for it.
          make: Makes the state, which can be told to `cancel`.

        Raises:
          RuntimeError: The session is closed, or is being closed.
        """
        found = self.resources.get(key)
        if found is None:
            with self._making:
                if self.is_cancelled:
                    raise closed_session()
                found = self.resources.get(key)
                if found is None:
                    found = self.resources[key] = make()
        return found

    def cancel_resources(self) -> None:
        """Ends what threads do with iterators and queues, and forgets their states."""
        with self._making:
            self.is_cancelled = True
            resources, self.resources = self.resources, {}
        for resource in resources.values():
            resource.cancel()

    def read(self, key: VariableKey) -> NDArray[Any]:
        """Returns the array of a variable, which may change in place later.

        Raises:
          FailedPreconditionError: The variable was never initialized.
          UnavailableError: Other ranks were to send its value, and cannot.
        """
        array = self.values.get(key)
        if array is None and key in self.late:
            array = self.late[key].read(key)
        if array is None:
            raise closed_session() if self.is_closed else fail_uninitialized(key)
        return array

    def peek(self, key: VariableKey) -> NDArray[Any]:
        """Returns the array of a variable, from before the step if one is running.

        The caller holds the lock, and copies what it wants to keep.
        """
        kept = self.undo.value_of(key) if self.undo is not None else None
        return self.read(key) if kept is None else kept

    def is_initialized(self, key: VariableKey) -> bool:
        """Returns whether the variable has a value."""
        return self.has_array(key) or key in self.late

    def has_array(self, key: VariableKey) -> bool:
        """Returns whether it has one that is here."""
        return key in self.values

    # ---- values that are still to come

    def settle(self, keys: Iterable[VariableKey] | None = None) -> None:
        """Waits for values that other ranks still send, and puts them in place.

        Args:
          keys: Of which variables; by default of all.

        Raises:
          UnavailableError: They cannot come any more.
        """
        wanted = list(self.late) if keys is None else keys
        for late in {self.late[key]: None for key in wanted if key in self.late}:
            late.settle()

    def array_for(self, key: VariableKey, late: LateValues | None) -> NDArray[Any]:
        """As `read`, for who awaits what is still to come at its own time.

        Args:
          key: The variable.
          late: What it awaits itself.
        """
        kept = None if late is None or not late.is_out else late.arrays.get(key)
        return self.read(key) if kept is None else kept

    def take_arrays(self, keys: Sequence[VariableKey]) -> None:
        """Has no array of variables any more; the caller keeps them."""
        deque(map(self.values.pop, keys, repeat(None)), maxlen=0)

    def give_arrays(self, arrays: dict[VariableKey, NDArray[Any]]) -> None:
        """Has arrays again that were taken."""
        self.values.update(arrays)

    # ---- the protocol

    def wait(self) -> None:
        """Waits for the lock, which another thread has, and takes it.

        Raises:
          DeadlineExceededError: The run that holds it is inside of one call of a Python
            function for so long that it may be waiting for this thread.
        """
        calling, since = None, 0.0
        while not self.lock.acquire(timeout=0.1):
            if self.calling is not calling:
                calling, since = self.calling, time.monotonic()
            elif calling is not None and time.monotonic() - since > PATIENCE:
                raise fail(
                    DeadlineExceededError,
                    "A run waits for another thread's run, which is inside of a Python "
                    "function that may be waiting for this one",
                    got=f"one call for more than {PATIENCE:.0f} s",
                    expected="a function that returns",
                    op=calling[0],
                    remedy="a session of its own for the thread that it waits for",
                )

    def note_python(self) -> None:
        """Notes that a plan calls a Python function, before it runs for the first time."""
        if not self.calls_python:
            self.calls_python = True
            for listener in list(self.listeners):
                listener.forget_shortcuts()

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Holds the lock for a block that is no run."""
        try:
            if not self.lock.acquire(blocking=False):
                self.wait()
            yield
        finally:
            self.release()

    @contextlib.contextmanager
    def running(self) -> Iterator[None]:
        """Holds the lock for a run.

        Raises:
          RuntimeError: A run is going on, on this thread.
        """
        with self.held():
            if self.busy:
                raise nested_run(self.calling)
            self.busy = True
            try:
                yield
            finally:
                self.busy = False

    def release(self) -> None:
        """Gives the lock back, if an interrupt did not come before it was taken."""
        with contextlib.suppress(RuntimeError):
            self.lock.release()

    def require_idle(self, what: str) -> None:
        """Refuses what must not happen inside of a run; the caller holds the lock.

        Raises:
          RuntimeError: A run is going on, on this thread.
        """
        if self.busy:
            calling = self.calling
            raise fail(
                RuntimeError,
                f"{what} inside of a run of the same session on the same thread",
                got="a Python function, a callable or a signal handler in that run",
                expected="a variable that stays as it is until the run is over",
                op=calling[0] if calling is not None else None,
                site=str(user_site()),
                remedy="doing it after the run, or as an op of the graph",
            )

    def prepare_writes(self, keys: Sequence[VariableKey]) -> None:
        """Makes sure that arrays may be written to in place; here they always may."""

    def commit(self, pending: dict[VariableKey, NDArray[Any]]) -> None:
        """Writes several variables, all or none.

        They go in with one call that no signal handler can interrupt: into the arrays
        that are there, which plans hold the addresses of, or, where there is none of
        that shape, as new arrays.
        """
        if not pending:
            return
        self.settle(pending)
        kept = {key: self.values.get(key) for key in pending}
        owners = {id(_owner(old)) for old in kept.values() if old is not None}
        fresh: dict[VariableKey, NDArray[Any]] = {}
        targets, sources = [], []
        for key, given in pending.items():
            array, old = np.asarray(given), kept[key]
            if old is None or old.shape != array.shape:
                fresh[key] = aligned_copy(array, np.dtype(key.dtype.numpy))
                continue
            targets.append(old)
            # One of the old values may be the new one of another variable.
            overlaps = id(_owner(array)) in owners
            sources.append(array.copy() if overlaps else array)
        if fresh:
            self.generation += 1
        # One loop in C over functions in C.
        writes = [
            *(
                (operator.setitem, t, ..., s)
                for t, s in zip(targets, sources, strict=True)
            ),
            (self.values.update, fresh),
        ]
        deque(starmap(operator.call, writes), maxlen=0)


def _owner(array: NDArray[Any]) -> Any:
    """The array whose memory an array is."""
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array


class EagerStore(VariableStore):
    """The store of variables made in eager mode: each keeps its own array."""

    shares_arrays = True

    def __init__(self) -> None:
        super().__init__()
        self._replaced: list[Any] = []

    def read(self, key: VariableKey) -> NDArray[Any]:
        """Returns the array of a variable."""
        array = key.array
        if array is None and key in self.late:
            array = self.late[key].read(key)
        if array is None:
            raise fail_uninitialized(key)
        return array

    def has_array(self, key: VariableKey) -> bool:
        """Returns whether it has one that is here."""
        return key.array is not None

    def take_arrays(self, keys: Sequence[VariableKey]) -> None:
        """Has no array of variables any more; the caller keeps them."""
        deque(map(setattr, keys, repeat("array"), repeat(None)), maxlen=0)

    def give_arrays(self, arrays: dict[VariableKey, NDArray[Any]]) -> None:
        """Has arrays again that were taken."""
        deque(map(setattr, arrays, repeat("array"), arrays.values()), maxlen=0)

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
        self.settle(pending)
        # Not aligned: who else has an array is counted by its references.
        fresh = [
            np.array(array, key.dtype.numpy, order="C")
            for key, array in pending.items()
        ]
        # A step of this thread may be going on that has the addresses of the old ones.
        self._replaced = [key.array for key in pending] if self.busy else []
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


def nested_run(calling: tuple[Operation] | None = None) -> RuntimeError:
    """Makes the error for a run that starts another one.

    Args:
      calling: The op whose Python function is running.
    """
    return fail(
        RuntimeError,
        "A run was started inside another run of the same session on the same thread",
        got="a run within a run",
        expected="one run at a time",
        op=calling[0] if calling is not None else None,
        site=str(user_site()),
        remedy="fetching both in one run",
    )


def closed_session() -> RuntimeError:
    """Makes the error for the use of a session that is closed."""
    return fail(
        RuntimeError,
        "Attempted to use a closed Session",
        got="a session that was closed",
        expected="an open session",
        site=str(user_site()),
        remedy="a new tf.compat.v1.Session, whose variables are new too",
    )


def fail_uninitialized(key: VariableKey) -> FailedPreconditionError:
    """Makes the error for a variable without a value."""
    return fail(
        FailedPreconditionError,
        f"Attempting to use uninitialized value {key.name}",
        got="a variable that was never initialized in this session",
        expected="a variable with a value",
        site=str(key.site),
        remedy="session.run(tf.compat.v1.global_variables_initializer()) first",
    )


# ---- fork

_held_for_fork: list[VariableStore] = []


def _wait_for_steps() -> None:
    """Before a fork: takes the locks, so that no step of another thread is half done."""
    limit = time.monotonic() + _FORK_PATIENCE
    for store in list(_stores):
        # Who holds one for longer is inside of Python; the child gets a new lock then.
        if store.lock.acquire(timeout=max(0.0, limit - time.monotonic())):
            _held_for_fork.append(store)
            # A child is no rank, and would wait in vain.
            with contextlib.suppress(OpError):
                store.settle()
    # Last, for who runs a step may be waiting for a compiler.
    wait_for_compilers()


def _release_in_parent() -> None:
    let_compilers_go_on()
    while _held_for_fork:
        _held_for_fork.pop().lock.release()


def _go_on_in_child() -> None:
    """After a fork: what other threads were in the middle of is over."""
    held = {id(store) for store in _held_for_fork}
    _release_in_parent()
    for store in list(_stores):
        if id(store) not in held:
            store.busy, store.calling, store.undo = False, None, None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_wait_for_steps,
        after_in_parent=_release_in_parent,
        after_in_child=_go_on_in_child,
    )
