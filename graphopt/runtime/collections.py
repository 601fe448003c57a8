"""Functions on the current graph's variables and collections."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from typing import Any

import numpy as np

from graphopt.graph.context import (
    building_graph,
    get_default_graph,
    set_eager_by_default,
)
from graphopt.ops.state import group
from graphopt.runtime.names import require_session
from graphopt.runtime.variable import GLOBAL_VARIABLES, TRAINABLE_VARIABLES, Variable


def global_variables(scope: str | None = None) -> list[Any]:
    """Returns the variables of the current graph.

    Source: `tf.compat.v1.global_variables`.
    """
    return get_default_graph().get_collection(GLOBAL_VARIABLES, scope)


def trainable_variables(scope: str | None = None) -> list[Any]:
    """Returns the trainable variables of the current graph.

    Source: `tf.compat.v1.trainable_variables`.
    """
    return get_default_graph().get_collection(TRAINABLE_VARIABLES, scope)


def moving_average_variables(scope: str | None = None) -> list[Any]:
    """Returns the variables of the current graph that have a moving average.

    Source: `tf.compat.v1.moving_average_variables`.
    """
    return get_default_graph().get_collection(GraphKeys.MOVING_AVERAGE_VARIABLES, scope)


def variables_initializer(var_list: Sequence[Variable], name: str = "init") -> Any:
    """Returns an op that gives variables their initial values; None in eager mode.

    Source: `tf.compat.v1.variables_initializer`.
    """
    if building_graph() is None:
        return None
    return group(*(var.initializer for var in var_list), name=name)


def global_variables_initializer() -> Any:
    """Returns an op that initializes all variables of the current graph.

    Source: `tf.compat.v1.global_variables_initializer`.
    """
    return variables_initializer(
        global_variables() if building_graph() is not None else []
    )


def local_variables(scope: str | None = None) -> list[Any]:
    """Returns the variables of the current graph that no checkpoint is to have.

    Source: `tf.compat.v1.local_variables`.
    """
    return get_default_graph().get_collection(GraphKeys.LOCAL_VARIABLES, scope)


def metric_variables(scope: str | None = None) -> list[Any]:
    """Returns the variables in which metrics of the current graph add up.

    Source: `tf.compat.v1.GraphKeys.METRIC_VARIABLES`.
    """
    return get_default_graph().get_collection(GraphKeys.METRIC_VARIABLES, scope)


def model_variables(scope: str | None = None) -> list[Any]:
    """Returns the variables of the current graph that its model consists of.

    Source: `tf.compat.v1.model_variables`.
    """
    return get_default_graph().get_collection(GraphKeys.MODEL_VARIABLES, scope)


def local_variables_initializer() -> Any:
    """Returns an op that initializes the local variables of the current graph.

    Source: `tf.compat.v1.local_variables_initializer`.
    """
    return variables_initializer(
        local_variables() if building_graph() is not None else [], name="init_local"
    )


def report_uninitialized_variables(var_list: Sequence[Variable] | None = None) -> Any:
    """Returns the names of the variables without a value in the default session."""
    session = require_session()
    found = global_variables() if var_list is None else var_list
    missing = [v.key.name for v in found if not session.store.is_initialized(v.key)]
    return np.array(missing, dtype=object)


def is_variable_initialized(variable: Variable) -> bool:
    """Returns whether a variable has a value in the default session."""
    return bool(require_session().store.is_initialized(variable.key))


def add_to_collection(name: Any, value: Any) -> None:
    """Appends a value to a collection of the current graph."""
    get_default_graph().add_to_collection(name, value)


def get_collection(key: Any, scope: str | None = None) -> list[Any]:
    """Returns a collection of the current graph."""
    return get_default_graph().get_collection(key, scope)


class GraphKeys:
    """Names of collections.

    Source: `tf.compat.v1.GraphKeys`.
    """

    GLOBAL_VARIABLES = GLOBAL_VARIABLES
    TRAINABLE_VARIABLES = TRAINABLE_VARIABLES
    LOSSES = "losses"
    UPDATE_OPS = "update_ops"
    GLOBAL_STEP = "global_step"
    TRAIN_OP = "train_op"
    MOVING_AVERAGE_VARIABLES = "moving_average_variables"
    REGULARIZATION_LOSSES = "regularization_losses"
    ACTIVATIONS = "activations"
    ASSET_FILEPATHS = "asset_filepaths"
    BIASES = "biases"
    CONCATENATED_VARIABLES = "concatenated_variables"
    COND_CONTEXT = "cond_context"
    EVAL_STEP = "eval_step"
    INIT_OP = "init_op"
    LOCAL_INIT_OP = "local_init_op"
    LOCAL_RESOURCES = "local_resources"
    LOCAL_VARIABLES = "local_variables"
    METRIC_VARIABLES = "metric_variables"
    MODEL_VARIABLES = "model_variables"
    QUEUE_RUNNERS = "queue_runners"
    READY_FOR_LOCAL_INIT_OP = "ready_for_local_init_op"
    READY_OP = "ready_op"
    RESOURCES = "resources"
    SAVEABLE_OBJECTS = "saveable_objects"
    SAVERS = "savers"
    SUMMARIES = "summaries"
    SUMMARY_OP = "summary_op"
    TABLE_INITIALIZERS = "table_initializer"
    TRAINABLE_RESOURCE_VARIABLES = "trainable_resource_variables"
    VARIABLES = GLOBAL_VARIABLES
    WEIGHTS = "weights"
    WHILE_CONTEXT = "while_context"


def control_dependencies(
    control_inputs: Any,
) -> contextlib.AbstractContextManager[Any]:
    """Makes the ops of a block run after others; no effect in eager mode.

    Source: `tf.control_dependencies`.
    """
    graph = building_graph()
    if graph is None:
        return contextlib.nullcontext()
    return graph.control_dependencies(control_inputs)


def device(name: Any) -> contextlib.AbstractContextManager[Any]:
    """Records a device string on the ops of a block; everything runs on the CPU.

    Source: `tf.device`.
    """
    graph = building_graph()
    return contextlib.nullcontext() if graph is None else graph.device(name)


def disable_eager_execution() -> None:
    """Makes graphs the default mode of the process.

    Source: `tf.compat.v1.disable_eager_execution`.
    """
    set_eager_by_default(False)


def enable_eager_execution() -> None:
    """Makes eager mode the default of the process.

    Source: `tf.compat.v1.enable_eager_execution`.
    """
    set_eager_by_default(True)
