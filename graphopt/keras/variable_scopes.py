"""`variable_scope` and `get_variable`: variables that are shared by name."""

from __future__ import annotations

import contextlib
import enum
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from graphopt.dtypes import as_dtype, float32
from graphopt.errors import fail
from graphopt.graph.context import building_graph
from graphopt.graph.provenance import user_site
from graphopt.keras import initializers
from graphopt.runtime.collections import GraphKeys
from graphopt.runtime.names import name_scope
from graphopt.runtime.variable import Variable


class ReuseMode(enum.Enum):
    """Whether a variable that exists is returned, without asking for it to exist."""

    AUTO_REUSE = 1


AUTO_REUSE = ReuseMode.AUTO_REUSE


@dataclass
class VariableScope:
    """Where `get_variable` looks.

    Attributes:
      name: What comes before the names of variables.
      reuse: False: variables are new; True: they exist; AUTO_REUSE: either.
      initializer: For variables that are given none.
      dtype: For variables that are given none.
      regularizer: For variables that are given none.
    """

    name: str = ""
    reuse: Any = False
    initializer: Any = None
    dtype: Any = float32
    regularizer: Any = None

    def reuse_variables(self) -> None:
        """Makes the variables of this scope ones that exist."""
        self.reuse = True


def _scopes() -> list[VariableScope]:
    graph = building_graph()
    if graph is None:
        return _eager_scopes
    found: list[VariableScope] = graph.attachments.setdefault(
        "variable_scopes", [VariableScope()]
    )
    return found


_eager_scopes = [VariableScope()]


def get_variable_scope() -> VariableScope:
    """Returns the current scope.

    Source: `tf.compat.v1.get_variable_scope`.
    """
    return _scopes()[-1]


@contextlib.contextmanager
def variable_scope(
    name_or_scope: Any,
    default_name: str | None = None,
    values: Any = None,
    initializer: Any = None,
    regularizer: Any = None,
    reuse: Any = None,
    dtype: Any = None,
    **_ignored: Any,
) -> Iterator[VariableScope]:
    """Puts a prefix before the names of variables and ops made in the block.

    Args:
      name_or_scope: A name, or a scope to enter again.
      default_name: The name, made unique, where the first is None.
      values: Accepted for compatibility.
      initializer: For variables that are given none.
      regularizer: For variables that are given none.
      reuse: Whether variables exist: True, False, or AUTO_REUSE for either; by default
        as in the enclosing scope.
      dtype: For variables that are given none.

    >>> import graphopt as tf
    >>> v1 = tf.compat.v1
    >>> with tf.Graph().as_default():
    ...     with v1.variable_scope("layer"):
    ...         w = v1.get_variable("w", [2, 3])
    ...     with v1.variable_scope("layer", reuse=True):
    ...         print(v1.get_variable("w", [2, 3]) is w, w.name)
    True layer/w:0

    Source: `tf.compat.v1.variable_scope`.
    """
    outer = get_variable_scope()
    again = isinstance(name_or_scope, VariableScope)
    name = name_or_scope.name if again else name_or_scope
    if name is None:
        graph = building_graph()
        name = default_name
        if name is None:
            raise TypeError("If default_name is None then name_or_scope is required.")
        name = graph.unique_name(name, mark_as_used=False) if graph else name
    full = name if again or not outer.name else f"{outer.name}/{name}"
    inherited = name_or_scope if again else outer
    scope = VariableScope(
        full,
        inherited.reuse if reuse is None else reuse,
        initializer or inherited.initializer,
        dtype or inherited.dtype,
        regularizer or inherited.regularizer,
    )
    scopes = _scopes()
    with name_scope(full + "/" if again else name):
        scopes.append(scope)
        try:
            yield scope
        finally:
            scopes.pop()


def get_variable(
    name: str,
    shape: Any = None,
    dtype: Any = None,
    initializer: Any = None,
    regularizer: Any = None,
    trainable: bool | None = None,
    collections: Any = None,
    constraint: Any = None,
    **_ignored: Any,
) -> Variable:
    """Returns the variable of a name in the current scope, made if it is new.

    Args:
      name: Its name within the scope.
      shape: Its shape; not needed if the initializer is a value.
      dtype: Its dtype, float32 by default.
      initializer: A name, a function of shape and dtype, or a value; by default
        Glorot's uniform numbers, zeros for integers.
      regularizer: Function whose result, a term of the loss, is put into the collection
        `REGULARIZATION_LOSSES`; only in graphs.
      trainable: Whether it is trainable; True by default.
      collections: Graph collections to add it to.
      constraint: Applied after each update.

    Raises:
      ValueError: It exists and the scope does not reuse, or the other way round, or it
        exists with another shape or dtype.

    Source: `tf.compat.v1.get_variable`.
    """
    scope = get_variable_scope()
    full = f"{scope.name}/{name}" if scope.name else name
    graph = building_graph()
    known: dict[str, Variable] = (
        graph.attachments.setdefault("variables_by_name", {}) if graph else {}
    )
    found = known.get(full)
    if found is not None:
        return _reused(found, scope, full, shape, dtype)
    if scope.reuse is True and graph is not None:
        raise fail(
            ValueError,
            f"Variable {full} does not exist, or was not created with get_variable()",
            got="a scope that reuses variables",
            expected=f"one of {sorted(known)[:8]}",
            site=str(user_site()),
            remedy="reuse=tf.compat.v1.AUTO_REUSE",
        )
    wanted = as_dtype(dtype or scope.dtype)
    init = initializer if initializer is not None else scope.initializer
    if init is None:
        init = "glorot_uniform" if wanted.is_floating else "zeros"
    if shape is None and (isinstance(init, str) or callable(init)):
        raise ValueError(
            f"The initializer of a new variable ({full}) needs its shape; got None."
        )
    with _outside_of_name_scopes():
        made = Variable(
            lambda: initializers.make_value(init, shape, wanted),
            trainable=trainable,
            name=full,
            dtype=wanted,
            collections=collections,
            constraint=constraint,
        )
    known[full] = made
    term_of = regularizer if regularizer is not None else scope.regularizer
    if term_of is not None:
        _regularize(made, term_of)
    return made


@contextlib.contextmanager
def _outside_of_name_scopes() -> Iterator[None]:
    """Leaves the name scopes of the current graph, and of those around a body."""
    with contextlib.ExitStack() as stack:
        stack.enter_context(name_scope(None))
        outer = getattr(building_graph(), "outer", None)
        while outer is not None:
            stack.enter_context(outer.name_scope(None))
            outer = getattr(outer, "outer", None)
        yield


def _regularize(variable: Variable, term_of: Any) -> None:
    graph = building_graph()
    if graph is None:
        raise NotImplementedError(
            "Regularizers of get_variable in eager mode; add the term to the loss, or "
            "use those of a layer."
        )
    with name_scope(None), name_scope(f"{variable.key.name}/Regularizer/"):
        term = term_of(variable)
    if term is not None:
        graph.add_to_collection(GraphKeys.REGULARIZATION_LOSSES, term)


def _reused(
    found: Variable, scope: VariableScope, full: str, shape: Any, dtype: Any
) -> Variable:
    if scope.reuse and dtype is not None and as_dtype(dtype) is not found.dtype:
        raise fail(
            ValueError,
            f"Trying to share variable {full}, but specified dtype "
            f"{as_dtype(dtype).name} and found dtype {found.dtype.name}",
            got=as_dtype(dtype).name,
            expected=found.dtype.name,
            site=str(found.key.site),
            remedy="the dtype that it was made with, or tf.cast",
        )
    if not scope.reuse:
        raise fail(
            ValueError,
            f"Variable {full} already exists, disallowed",
            got="a second get_variable in a scope that does not reuse",
            expected="a new name",
            site=str(found.key.site),
            remedy="reuse=True or reuse=tf.compat.v1.AUTO_REUSE in variable_scope",
        )
    if shape is not None and not found.shape.is_compatible_with(shape):
        raise fail(
            ValueError,
            f"Trying to share variable {full}, but specified another shape",
            got=f"shape {shape}",
            expected=f"shape {found.shape}",
            site=str(found.key.site),
        )
    return found
