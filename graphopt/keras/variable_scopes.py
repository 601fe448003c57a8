"""`variable_scope` and `get_variable`: variables that are shared by name."""

from __future__ import annotations

import contextlib
import enum
import functools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from graphopt.dtypes import DType, as_dtype, float32
from graphopt.errors import fail
from graphopt.graph.context import building_graph, get_default_graph
from graphopt.graph.provenance import user_site
from graphopt.graph.tensor import Tensor
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
      constraint: For variables that are given none.
      custom_getter: Called instead of `get_variable`, with it as its first argument.
      original_name_scope: The name scope of ops in the block, with a trailing `/`.

    Source: `tf.compat.v1.VariableScope`.
    """

    name: str = ""
    reuse: Any = False
    initializer: Any = None
    dtype: Any = float32
    regularizer: Any = None
    constraint: Any = None
    custom_getter: Any = None
    original_name_scope: str = ""

    def reuse_variables(self) -> None:
        """Makes the variables of this scope ones that exist."""
        self.reuse = True

    def set_initializer(self, initializer: Any) -> None:
        """Sets what variables that are given no initializer start with."""
        self.initializer = initializer

    def set_regularizer(self, regularizer: Any) -> None:
        """Sets the regularizer of variables that are given none."""
        self.regularizer = regularizer

    def set_dtype(self, dtype: Any) -> None:
        """Sets the dtype of variables that are given none."""
        self.dtype = dtype

    def set_custom_getter(self, custom_getter: Any) -> None:
        """Sets what is called instead of `get_variable`."""
        self.custom_getter = custom_getter

    def get_collection(self, name: str) -> list[Any]:
        """Returns what a collection of the graph has from this scope."""
        scope = re.escape(self.name) + "/" if self.name else ""
        return get_default_graph().get_collection(name, scope)

    def trainable_variables(self) -> list[Any]:
        """Returns the trainable variables of this scope."""
        return self.get_collection(GraphKeys.TRAINABLE_VARIABLES)

    def global_variables(self) -> list[Any]:
        """Returns the global variables of this scope."""
        return self.get_collection(GraphKeys.GLOBAL_VARIABLES)

    def local_variables(self) -> list[Any]:
        """Returns the local variables of this scope."""
        return self.get_collection(GraphKeys.LOCAL_VARIABLES)


def _scopes() -> list[VariableScope]:
    graph = building_graph()
    if graph is None:
        return _eager_scopes
    found: list[VariableScope] = graph.attachments.setdefault(
        "variable_scopes", [VariableScope()]
    )
    return found


_eager_scopes = [VariableScope()]


def _entries() -> dict[str, int]:
    """How often scopes were entered, by name, in scopes that are open now."""
    graph = building_graph()
    found: dict[str, int] = (
        graph.attachments.setdefault("variable_scope_entries", {}) if graph else {}
    )
    return found


def _unused_scope(prefix: str) -> str:
    """Returns a name for a scope inside of the current one that was not entered yet."""
    outer, entries = get_variable_scope().name, _entries()

    def is_used(name: str) -> bool:
        return bool(entries.get(f"{outer}/{name}" if outer else name))

    name, number = prefix, 0
    while is_used(name):
        number += 1
        name = f"{prefix}_{number}"
    return name


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
    caching_device: Any = None,
    partitioner: Any = None,
    custom_getter: Any = None,
    reuse: Any = None,
    dtype: Any = None,
    use_resource: Any = None,
    constraint: Any = None,
    auxiliary_name_scope: bool = True,
) -> Iterator[VariableScope]:
    """Puts a prefix before the names of variables and ops made in the block.

    Args:
      name_or_scope: A name, or a scope to enter again.
      default_name: The name, made unique, where the first is None.
      values: Accepted for compatibility.
      initializer: For variables that are given none.
      regularizer: For variables that are given none.
      caching_device: Accepted for compatibility.
      partitioner: Must be None.
      custom_getter: Called instead of `get_variable`, with it as its first argument.
      reuse: Whether variables exist: True, False, or AUTO_REUSE for either; a scope in
        one that reuses does so too.
      dtype: For variables that are given none.
      use_resource: Accepted for compatibility.
      constraint: For variables that are given none.
      auxiliary_name_scope: Whether the names of ops have the prefix as well.

    Raises:
      TypeError: There is no name.
      ValueError: `reuse` without a name that was chosen.

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
    _refuse_partitioner(partitioner)
    again = isinstance(name_or_scope, VariableScope)
    part = name_or_scope.name.rpartition("/")[2] if again else name_or_scope
    label = part
    if name_or_scope is None:
        if default_name is None:
            raise TypeError("If default_name is None then name_or_scope is required.")
        if reuse:
            raise ValueError("reuse=True cannot be used without a name_or_scope.")
        part, label = _unused_scope(default_name), default_name
    outer = get_variable_scope()
    full = name_or_scope.name if again else "/".join(filter(None, (outer.name, part)))
    inherited = name_or_scope if again else outer
    scope = VariableScope(
        full,
        reuse or inherited.reuse,
        inherited.initializer if initializer is None else initializer,
        inherited.dtype if dtype is None else dtype,
        inherited.regularizer if regularizer is None else regularizer,
        inherited.constraint if constraint is None else constraint,
        _wrap_getter(custom_getter, inherited.custom_getter),
    )
    with _name(label if auxiliary_name_scope else None) as ops_scope:
        scope.original_name_scope = (
            name_or_scope.original_name_scope if again else ops_scope
        )
        with _enter(scope, again):
            yield scope


def _name(label: str | None) -> contextlib.AbstractContextManager[str]:
    """Enters a name scope; without a label the current one stays."""
    if label:
        return name_scope(label)
    graph = building_graph()
    inner = graph.get_name_scope() if graph is not None else ""
    return contextlib.nullcontext(inner + "/" if inner else "")


@contextlib.contextmanager
def _enter(scope: VariableScope, again: bool) -> Iterator[None]:
    scopes, entries = _scopes(), _entries()
    entries[scope.name] = entries.get(scope.name, 0) + 1
    before = dict(entries)
    scopes.append(scope)
    try:
        yield
    finally:
        scopes.pop()
        # Scopes inside are numbered from the start when it is entered by name again.
        if again:
            entries.clear()
            entries.update(before)
        else:
            inside = [name for name in entries if name.startswith(scope.name + "/")]
            for name in inside:
                del entries[name]


def _refuse_partitioner(partitioner: Any) -> None:
    if partitioner is not None:
        raise NotImplementedError(
            "Partitioned variables; leave `partitioner` out: a variable is one array here."
        )


def _wrap_getter(own: Any, outer: Any) -> Any:
    """Returns a getter that calls `own`, with `outer` behind it."""
    if own is None or outer is None:
        return outer if own is None else own
    return lambda getter, *args, **options: own(
        functools.partial(outer, getter), *args, **options
    )


def get_variable(
    name: str,
    shape: Any = None,
    dtype: Any = None,
    initializer: Any = None,
    regularizer: Any = None,
    trainable: bool | None = None,
    collections: Any = None,
    caching_device: Any = None,
    partitioner: Any = None,
    validate_shape: bool = True,
    use_resource: bool | None = None,
    custom_getter: Any = None,
    constraint: Any = None,
    synchronization: Any = None,
    aggregation: Any = None,
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
      caching_device, validate_shape, use_resource: Accepted for compatibility.
      partitioner: Must be None.
      custom_getter: Called with this function, without the scope, as its first argument
        and all others by name; what it returns is the result.
      constraint: Applied after each update.
      synchronization, aggregation: Accepted for compatibility.

    Raises:
      ValueError: It exists and the scope does not reuse, or the other way round, or it
        exists with another shape or dtype.

    Source: `tf.compat.v1.get_variable`.
    """
    _refuse_partitioner(partitioner)
    scope = get_variable_scope()
    full = f"{scope.name}/{name}" if scope.name else name
    options = {
        "name": full,
        "shape": shape,
        "dtype": scope.dtype if dtype is None else dtype,
        "initializer": scope.initializer if initializer is None else initializer,
        "regularizer": scope.regularizer if regularizer is None else regularizer,
        "reuse": scope.reuse,
        "trainable": trainable,
        "collections": collections,
        "caching_device": caching_device,
        "partitioner": partitioner,
        "validate_shape": validate_shape,
        "use_resource": use_resource,
        "constraint": scope.constraint if constraint is None else constraint,
        "synchronization": synchronization,
        "aggregation": aggregation,
    }
    getter = _wrap_getter(custom_getter, scope.custom_getter)
    if getter is None:
        return _find_or_make(**options, is_given_dtype=dtype is not None)
    return getter(_find_or_make, **options)


def get_local_variable(
    name: str,
    shape: Any = None,
    dtype: Any = None,
    initializer: Any = None,
    regularizer: Any = None,
    trainable: bool | None = False,
    collections: Any = None,
    **options: Any,
) -> Variable:
    """Returns a variable of the collection of local ones; as `get_variable`.

    Source: `tf.compat.v1.get_local_variable`.
    """
    collections = [*(collections or ()), GraphKeys.LOCAL_VARIABLES]
    return get_variable(
        name, shape, dtype, initializer, regularizer, False, collections, **options
    )


def _find_or_make(
    name: str,
    shape: Any = None,
    dtype: Any = float32,
    initializer: Any = None,
    regularizer: Any = None,
    reuse: Any = False,
    trainable: bool | None = None,
    collections: Any = None,
    constraint: Any = None,
    is_given_dtype: bool = True,
    **_hints: Any,
) -> Variable:
    """Returns the variable of a full name, outside of every scope."""
    graph = building_graph()
    known: dict[str, Variable] = (
        graph.attachments.setdefault("variables_by_name", {}) if graph else {}
    )
    found = known.get(name)
    if found is not None:
        return _reuse(found, reuse, name, shape, dtype if is_given_dtype else None)
    if reuse is True and graph is not None:
        raise fail(
            ValueError,
            f"Variable {name} does not exist, or was not created with get_variable()",
            got="a scope that reuses variables",
            expected=f"one of {sorted(known)[:8]}",
            site=str(user_site()),
            remedy="reuse=tf.compat.v1.AUTO_REUSE",
        )
    given = getattr(initializer, "dtype", None)
    if isinstance(initializer, Tensor) and isinstance(given, DType):
        # A value says what the variable is, whatever the scope does.
        dtype = given
    wanted = as_dtype(dtype)
    if initializer is None:
        initializer = "glorot_uniform" if wanted.is_floating else "zeros"
    if shape is None and (isinstance(initializer, str) or callable(initializer)):
        raise ValueError(
            f"The initializer of a new variable ({name}) needs its shape; got None."
        )
    with _outside_of_name_scopes():
        made = Variable(
            lambda: initializers.make_value(initializer, shape, wanted),
            trainable=trainable,
            name=name,
            dtype=wanted,
            collections=collections,
            constraint=constraint,
        )
    known[name] = made
    if regularizer is not None:
        _regularize(made, regularizer)
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


def _reuse(found: Variable, reuse: Any, full: str, shape: Any, dtype: Any) -> Variable:
    if reuse and dtype is not None and as_dtype(dtype) is not found.dtype:
        raise fail(
            ValueError,
            f"Trying to share variable {full}, but specified dtype "
            f"{as_dtype(dtype).name} and found dtype {found.dtype.name}",
            got=as_dtype(dtype).name,
            expected=found.dtype.name,
            site=str(found.key.site),
            remedy="the dtype that it was made with, or tf.cast",
        )
    if not reuse:
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
