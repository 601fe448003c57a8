"""`tf.contrib.framework`: variables of models, and how they are found again."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from graphopt.compat.v1.train import steps
from graphopt.dtypes import float32
from graphopt.errors import fail
from graphopt.graph.context import get_default_graph
from graphopt.graph.provenance import user_site
from graphopt.keras.variable_scopes import get_variable
from graphopt.ops.state import group
from graphopt.runtime.collections import GraphKeys
from graphopt.runtime.variable import Variable
from graphopt.v1.contrib.framework.arg_scopes import add_arg_scope

__all__ = [
    "add_model_variable",
    "assert_global_step",
    "assert_or_get_global_step",
    "assign_from_values",
    "assign_from_values_fn",
    "create_global_step",
    "filter_variables",
    "get_global_step",
    "get_local_variables",
    "get_model_variables",
    "get_name_scope",
    "get_or_create_global_step",
    "get_trainable_variables",
    "get_unique_variable",
    "get_variable_full_name",
    "get_variables",
    "get_variables_by_name",
    "get_variables_by_suffix",
    "get_variables_to_restore",
    "global_variable",
    "local_variable",
    "model_variable",
    "variable",
]
get_global_step = steps.get_global_step
create_global_step = steps.create_global_step
get_or_create_global_step = steps.get_or_create_global_step
assert_global_step = steps.assert_global_step


def assert_or_get_global_step(graph: Any = None, global_step_tensor: Any = None) -> Any:
    """Checks the global step that is given, or returns the graph's.

    Source: `tf.contrib.framework.assert_or_get_global_step`.
    """
    if global_step_tensor is None:
        return get_global_step(graph)
    assert_global_step(global_step_tensor)
    return global_step_tensor


def local_variable(
    initial_value: Any,
    validate_shape: bool = True,
    name: str | None = None,
    use_resource: bool | None = None,
) -> Variable:
    """Makes a variable of the local ones, which checkpoints leave out.

    Source: `tf.contrib.framework.local_variable`.
    """
    collections = [GraphKeys.LOCAL_VARIABLES]
    return Variable(initial_value, trainable=False, collections=collections, name=name)


def global_variable(
    initial_value: Any,
    validate_shape: bool = True,
    name: str | None = None,
    use_resource: bool | None = None,
) -> Variable:
    """Makes a variable of the global ones that is not trainable.

    Source: `tf.contrib.framework.global_variable`.
    """
    return Variable(initial_value, trainable=False, name=name)


@add_arg_scope
def variable(
    name: str,
    shape: Any = None,
    dtype: Any = None,
    initializer: Any = None,
    regularizer: Any = None,
    trainable: bool = True,
    collections: Any = None,
    caching_device: Any = None,
    device: Any = None,
    partitioner: Any = None,
    custom_getter: Any = None,
    use_resource: bool | None = None,
    synchronization: Any = None,
    aggregation: Any = None,
) -> Any:
    """Returns the variable of a name in the current scope, made if it is new.

    Args:
      name: Its name within the scope.
      shape, dtype, initializer, regularizer, trainable: As in `tf.get_variable`.
      collections: Graph collections beside that of the global variables.
      caching_device, device, use_resource: Accepted for compatibility.
      partitioner: Must be None.
      custom_getter: Called instead of `tf.get_variable`.
      synchronization, aggregation: Accepted for compatibility.

    Source: `tf.contrib.framework.variable`.
    """
    names = [*(collections or ()), GraphKeys.GLOBAL_VARIABLES]
    getter = get_variable if custom_getter is None else custom_getter
    return getter(
        name,
        shape=shape,
        dtype=dtype,
        initializer=initializer,
        regularizer=regularizer,
        trainable=trainable,
        collections=list(dict.fromkeys(names)),
        partitioner=partitioner,
    )


@add_arg_scope
def model_variable(
    name: str,
    shape: Any = None,
    dtype: Any = float32,
    initializer: Any = None,
    regularizer: Any = None,
    trainable: bool = True,
    collections: Any = None,
    caching_device: Any = None,
    device: Any = None,
    partitioner: Any = None,
    custom_getter: Any = None,
    use_resource: bool | None = None,
    synchronization: Any = None,
    aggregation: Any = None,
) -> Any:
    """Returns a variable of the collection `MODEL_VARIABLES`; as `variable`.

    Source: `tf.contrib.framework.model_variable`.
    """
    names = [
        *(collections or ()),
        GraphKeys.GLOBAL_VARIABLES,
        GraphKeys.MODEL_VARIABLES,
    ]
    return variable(
        name,
        shape=shape,
        dtype=dtype,
        initializer=initializer,
        regularizer=regularizer,
        trainable=trainable,
        collections=names,
        partitioner=partitioner,
        custom_getter=custom_getter,
    )


def add_model_variable(var: Any) -> None:
    """Puts a variable into the collection `MODEL_VARIABLES`.

    Source: `tf.contrib.framework.add_model_variable`.
    """
    graph = get_default_graph()
    if all(var is not v for v in graph.get_collection(GraphKeys.MODEL_VARIABLES)):
        graph.add_to_collection(GraphKeys.MODEL_VARIABLES, var)


# ---- finding


def get_variables(
    scope: Any = None,
    suffix: str | None = None,
    collection: str = GraphKeys.GLOBAL_VARIABLES,
) -> list[Any]:
    """Returns variables of a scope.

    Args:
      scope: A regular expression that names begin with, or a scope.
      suffix: What names end with.
      collection: Which variables.

    Source: `tf.contrib.framework.get_variables`.
    """
    scope = getattr(scope, "name", scope)
    if suffix is not None:
        suffix = suffix if ":" in suffix else suffix + ":"
        scope = f"{scope or ''}.*{suffix}"
    return get_default_graph().get_collection(collection, scope)


def get_model_variables(scope: Any = None, suffix: str | None = None) -> list[Any]:
    """Returns the variables that models consist of; as `get_variables`.

    Source: `tf.contrib.framework.get_model_variables`.
    """
    return get_variables(scope, suffix, GraphKeys.MODEL_VARIABLES)


def get_local_variables(scope: Any = None, suffix: str | None = None) -> list[Any]:
    """Returns local variables; as `get_variables`.

    Source: `tf.contrib.framework.get_local_variables`.
    """
    return get_variables(scope, suffix, GraphKeys.LOCAL_VARIABLES)


def get_trainable_variables(scope: Any = None, suffix: str | None = None) -> list[Any]:
    """Returns trainable variables; as `get_variables`.

    Source: `tf.contrib.framework.get_trainable_variables`.
    """
    return get_variables(scope, suffix, GraphKeys.TRAINABLE_VARIABLES)


def get_variables_by_suffix(suffix: str, scope: Any = None) -> list[Any]:
    """Returns variables whose names end with something.

    Source: `tf.contrib.framework.get_variables_by_suffix`.
    """
    return get_variables(scope=scope, suffix=suffix)


def get_variables_by_name(given_name: str, scope: Any = None) -> list[Any]:
    """Returns variables whose last part of the name is a given one.

    Source: `tf.contrib.framework.get_variables_by_name`.
    """
    suffix = f"/{given_name}:|^{given_name}:"
    return get_variables(scope=scope, suffix=suffix)


def get_unique_variable(var_op_name: str) -> Any:
    """Returns the one variable of a name.

    Raises:
      ValueError: There is none, or several.

    Source: `tf.contrib.framework.get_unique_variable`.
    """
    found = [v for v in get_variables(scope=var_op_name) if v.op.name == var_op_name]
    if len(found) != 1:
        raise fail(
            ValueError,
            f"Variable {var_op_name} does not uniquely identify a variable",
            got=f"{len(found)} variables",
            expected="one",
            site=str(user_site()),
        )
    return found[0]


def get_variable_full_name(var: Any) -> str:
    """Returns the name under which a variable is saved.

    Source: `tf.contrib.framework.get_variable_full_name`.
    """
    return str(var.op.name)


def filter_variables(
    var_list: Sequence[Any],
    include_patterns: Sequence[str] | None = None,
    exclude_patterns: Sequence[str] | None = None,
    reg_search: bool = True,
) -> list[Any]:
    """Returns variables whose names match patterns and match none of others.

    Source: `tf.contrib.framework.filter_variables`.
    """
    matches: Callable[..., Any] = re.search if reg_search else re.match

    def is_any(patterns: Sequence[str], name: str) -> bool:
        return any(matches(pattern, name) for pattern in patterns)

    return [
        v
        for v in var_list
        if (include_patterns is None or is_any(include_patterns, v.name))
        and not is_any(exclude_patterns or (), v.name)
    ]


def get_variables_to_restore(
    include: Sequence[str] | None = None, exclude: Sequence[str] | None = None
) -> list[Any]:
    """Returns the variables of scopes, without those of other scopes.

    Args:
      include: Scopes; all variables by default.
      exclude: Scopes that are left out.

    Source: `tf.contrib.framework.get_variables_to_restore`.
    """
    for scopes in (include, exclude):
        if scopes is not None and not isinstance(scopes, (list, tuple)):
            raise TypeError(f"include and exclude must be lists; got {scopes!r}.")
    chosen: list[Any] = []
    for scope in [None] if include is None else include:
        chosen += get_variables(scope)
    left_out = {id(v) for scope in exclude or () for v in get_variables(scope)}
    return [v for v in chosen if id(v) not in left_out]


def get_name_scope() -> str:
    """Returns the current name scope.

    Source: `tf.contrib.framework.get_name_scope`.
    """
    return get_default_graph().get_name_scope()


def assign_from_values(var_names_to_values: dict[str, Any]) -> tuple[Any, Any]:
    """Returns an op that sets variables, and what to feed it.

    Args:
      var_names_to_values: Arrays by the names of variables.

    Source: `tf.contrib.framework.assign_from_values`.
    """
    from graphopt.ops.creation import placeholder

    feeds: dict[Any, Any] = {}
    updates = []
    for name, value in var_names_to_values.items():
        var = get_unique_variable(name)
        given = placeholder(var.dtype, var.shape, name=f"placeholder/{name}")
        updates.append(var.assign(given, read_value=False))
        feeds[given] = value.reshape(tuple(var.shape))
    return group(*updates), feeds


def assign_from_values_fn(var_names_to_values: dict[str, Any]) -> Callable[[Any], None]:
    """Returns a function that sets variables in a session.

    Source: `tf.contrib.framework.assign_from_values_fn`.
    """
    op, feeds = assign_from_values(var_names_to_values)
    return lambda session: session.run(op, feeds)
