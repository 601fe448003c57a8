"""The values of variables, of one moment, wherever they live."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphopt.checkpoint.tensors import pack
from graphopt.dtypes import DType
from graphopt.errors import InvalidArgumentError, describe_shapes, fail
from graphopt.graph.shape import TensorShape
from graphopt.parallel.sharding import cut_whole, gather_whole
from graphopt.runtime.names import get_default_session
from graphopt.runtime.session import session_for
from graphopt.runtime.store import EAGER_STORE, VariableStore, fail_uninitialized
from graphopt.runtime.variable import Variable

Array = NDArray[Any]


def session_of(variables: Iterable[Variable], session: Any) -> Any:
    """Returns the session with the values of variables, None for eager ones.

    Args:
      variables: All of one graph, or all eager.
      session: The session; by default the one that is entered.

    Raises:
      ValueError: It is one of another graph, or there is none; or some variables were
        made in eager mode and some in a graph.
      RuntimeError: The session is closed.
    """
    graphs = {variable.graph for variable in variables}
    if len(graphs) > 1:
        raise ValueError(
            "A checkpoint holds variables of one graph, or eager ones; got some of "
            f"{sorted(str(graph) for graph in graphs)}; try one checkpoint for each."
        )
    graph = next(iter(graphs), None)
    if graph is None:
        return None
    found = session_for(graph, session or get_default_session())
    found._check_open()
    return found


def store_of(variables: Iterable[Variable], session: Any) -> VariableStore:
    """Returns the store with the values of variables; as `session_of`."""
    found = session_of(variables, session)
    if found is None:
        return EAGER_STORE
    store: VariableStore = found.store
    return store


def packed_values(
    variables: Mapping[str, Variable],
    session: Any,
    metadata: Mapping[str, str],
    instead: Mapping[str, Array],
) -> bytes:
    """Returns the content of a file with the values of one moment.

    Args:
      variables: By their name in the file.
      session: Where those of a graph have their values.
      metadata: Texts for the file.
      instead: Values in place of those of some variables.

    Raises:
      FailedPreconditionError: A variable has no value.
    """
    store = store_of(variables.values(), session)
    # Packed while no step of another thread can run: the file is the copy. A signal
    # handler may come in the middle of a step of this thread, and has the values from
    # before that step: a process that is told to end saves what it has.
    with store.held():
        arrays = {
            name: instead[name] if name in instead else store.peek(variable.key)
            for name, variable in variables.items()
        }
        for name, variable in variables.items():
            if variable.piece is not None and name not in instead:
                arrays[name] = gather_whole(arrays[name], variable.piece)
        return pack(arrays, metadata)


def check_fits(
    path: str, name: str, dtype: DType, shape: tuple[int, ...], variable: Variable
) -> None:
    """Refuses an array that a variable cannot hold.

    Args:
      path: The file that it comes from.
      name: Its name there.
      dtype: Its dtype.
      shape: Its shape.
      variable: Where it is to go.

    Raises:
      InvalidArgumentError: The variable's shape or dtype is another one.
    """
    whole = variable.shape if variable.piece is None else variable.piece.whole
    fits = TensorShape(shape).is_compatible_with(TensorShape(whole))
    if fits and dtype is variable.dtype:
        return
    raise fail(
        InvalidArgumentError,
        f"Variable {variable.name!r} cannot be restored from key {name} of {path}",
        got=f"{dtype.name}{list(shape)}",
        expected=describe_shapes(variable),
        site=str(variable.key.site),
        remedy="building the model as it was when it was saved",
    )


def value_now(variable: Variable, session: Any) -> Array | None:
    """Returns a copy of the value of a variable; None if it has none.

    From inside of a step it is the value from before the step.
    """
    store = store_of([variable], session)
    with store.held():
        if not store.is_initialized(variable.key):
            return None
        return np.array(store.peek(variable.key))


def value_or_error(variable: Variable, session: Any) -> Array:
    """As `value_now`.

    Raises:
      FailedPreconditionError: It has no value.
    """
    value = value_now(variable, session)
    if value is None:
        raise fail_uninitialized(variable.key)
    return value


def set_values(
    values: Mapping[Variable, Array], session: Any, *, in_steps: bool = False
) -> None:
    """Sets variables to values that fit: all of them, or none.

    Args:
      values: Arrays of the dtypes and shapes of the variables.
      session: Where variables of a graph have their values.
      in_steps: Whether it may be done from inside of a step, which must not have to do
        with these variables.

    Raises:
      RuntimeError: It is called from inside a step.
    """
    store = store_of(values, session)
    with store.held():
        if not in_steps:
            store.require_idle("Variables were restored")
        store.commit({v.key: _own_part(v, array) for v, array in values.items()})


def _own_part(variable: Variable, array: Array) -> Array:
    if variable.piece is None:
        return np.asarray(array)
    shape = [int(dim or 0) for dim in variable.shape]
    return cut_whole(np.asarray(array), variable.piece, shape)
