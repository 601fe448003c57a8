"""`tf.contrib.framework`: variables that get their values from checkpoints."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from graphopt.checkpoint import (
    Saver,
    latest_checkpoint,
    load_checkpoint,
)
from graphopt.checkpoint import list_variables as list_variables
from graphopt.checkpoint import load_variable as load_variable
from graphopt.compat.v1 import logging
from graphopt.errors import fail
from graphopt.graph.context import entered
from graphopt.graph.hooks import hooks
from graphopt.graph.provenance import user_site
from graphopt.ops.state import ASSIGN, group
from graphopt.runtime.collections import global_variables
from graphopt.runtime.names import name_scope
from graphopt.runtime.variable import Variable

__all__ = [
    "assign_from_checkpoint",
    "assign_from_checkpoint_fn",
    "init_from_checkpoint",
    "list_variables",
    "load_checkpoint",
    "load_variable",
]


def _name(var_list: Any) -> dict[str, Any]:
    if isinstance(var_list, dict):
        return dict(var_list)
    return {var.op.name: var for var in var_list}


def assign_from_checkpoint_fn(
    model_path: Any,
    var_list: Any,
    ignore_missing_vars: bool = False,
    reshape_variables: bool = False,
) -> Callable[[Any], None] | None:
    """Returns a function that sets variables in a session from a checkpoint.

    Args:
      model_path: The checkpoint.
      var_list: Variables, or a dict of them by their names in the checkpoint.
      ignore_missing_vars: Whether variables that it does not have are left as they are.
      reshape_variables: Whether arrays of another shape are reshaped.

    Returns:
      The function, None if there is nothing to restore.

    Raises:
      ValueError: `var_list` is empty.

    Source: `tf.contrib.framework.assign_from_checkpoint_fn`.
    """
    if not var_list:
        raise ValueError("var_list cannot be empty.")
    variables = _name(var_list)
    if ignore_missing_vars:
        there = {name for name, _ in list_variables(model_path)}
        for name in sorted(set(variables) - there):
            logging.warning("Variable %s missing in checkpoint %s", name, model_path)
        variables = {name: v for name, v in variables.items() if name in there}
    if not variables:
        logging.warning("No Variables to restore")
        return None
    saver = Saver(variables, reshape=reshape_variables)
    return lambda session: saver.restore(session, str(model_path))


def assign_from_checkpoint(
    model_path: Any, var_list: Any, ignore_missing_vars: bool = False
) -> tuple[Any, dict[Any, Any]]:
    """Returns an op that sets variables from a checkpoint, and what to feed it.

    Raises:
      ValueError: The checkpoint lacks one, or has it in another shape.

    Source: `tf.contrib.framework.assign_from_checkpoint`.
    """
    from graphopt.ops.creation import placeholder

    reader = load_checkpoint(model_path)
    feeds: dict[Any, Any] = {}
    updates = []
    for name, var in _name(var_list).items():
        if not reader.has_tensor(name):
            if ignore_missing_vars:
                continue
            raise fail(
                ValueError,
                f"Checkpoint is missing variable [{name}]",
                got=f"{model_path}",
                site=str(user_site()),
                remedy="ignore_missing_vars=True",
            )
        value = _fit(reader.get_tensor(name), var, name)
        given = placeholder(var.dtype, var.shape, name=f"placeholder/{name}")
        updates.append(var.assign(given, read_value=False))
        feeds[given] = value
    return group(*updates), feeds


def _fit(value: Any, var: Any, name: str) -> Any:
    if np.size(value) != var.shape.num_elements():
        raise fail(
            ValueError,
            f"Total size of new array must be unchanged for {name}",
            got=f"shape {np.shape(value)} in the checkpoint",
            expected=f"shape {var.shape}",
            site=str(user_site()),
        )
    return np.reshape(value, tuple(var.shape))


def init_from_checkpoint(ckpt_dir_or_file: Any, assignment_map: dict[str, Any]) -> None:
    """Makes variables start with values of a checkpoint.

    Their initializers assign these values from then on.

    Args:
      ckpt_dir_or_file: The checkpoint, or a folder with one.
      assignment_map: From a name of the checkpoint to a variable or its name; from a scope,
        as `"scope/"`, to another, `"/"` being all.

    Raises:
      ValueError: A variable or an array is missing, or shapes differ.

    Source: `tf.train.init_from_checkpoint`.
    """
    path = latest_checkpoint(str(ckpt_dir_or_file)) or ckpt_dir_or_file
    reader = load_checkpoint(path)
    for name, target in assignment_map.items():
        if isinstance(target, str) and target.endswith("/"):
            _init_scope(reader, name, target)
            continue
        var = _variable(target)
        if not reader.has_tensor(name):
            raise fail(
                ValueError,
                f"Tensor {name} is not found in {path} checkpoint",
                got=f"{sorted(reader.get_variable_to_shape_map())[:8]}",
                site=str(user_site()),
            )
        _start_with(var, reader.get_tensor(name), name)


def _init_scope(reader: Any, source: str, target: str) -> None:
    prefix = "" if target == "/" else target
    start = "" if source == "/" else source
    for var in global_variables():
        if not var.op.name.startswith(prefix):
            continue
        name = start + var.op.name[len(prefix) :]
        if not reader.has_tensor(name):
            raise fail(
                ValueError,
                f"Tensor {name} ({var.op.name} in {target}) is not found in the "
                "checkpoint",
                got=f"{sorted(reader.get_variable_to_shape_map())[:8]}",
                site=str(user_site()),
            )
        _start_with(var, reader.get_tensor(name), name)


def _variable(target: Any) -> Variable:
    if isinstance(target, Variable):
        return target
    found = [v for v in global_variables() if v.op.name == target]
    if not found:
        raise fail(
            ValueError,
            f"Variable {target} is not found in the graph",
            got=repr(target),
            expected="a variable, or the name of one",
            site=str(user_site()),
        )
    variable: Variable = found[0]
    return variable


def _start_with(var: Variable, value: Any, name: str) -> None:
    if tuple(np.shape(value)) != tuple(var.shape):
        raise fail(
            ValueError,
            f"Shape of variable {var.op.name} ({var.shape}) doesn't match with shape of "
            f"tensor {name} in the checkpoint",
            got=str(np.shape(value)),
            expected=str(var.shape),
            site=str(user_site()),
        )
    graph = var.graph
    assert graph is not None
    with entered(graph), graph.control_dependencies(None), name_scope(None):
        initial = hooks.convert(value, dtype=var.dtype)
        made = graph.add_operation(
            ASSIGN,
            (var.handle, initial),
            {"initializer": True},
            f"{var.op.name}/init_from_checkpoint",
        )
    # Whoever asks the variable for its initializer from now on gets this one.
    var._initial_value, var._initializer = initial, made
