"""`tf.contrib.framework`: argument scopes, variables of models, checkpoints."""

import importlib
from typing import Any

from graphopt import nest as nest
from graphopt.ops.selecting import argsort as argsort
from graphopt.ops.selecting import sort as sort
from graphopt.v1.contrib.framework.arg_scopes import add_arg_scope as add_arg_scope
from graphopt.v1.contrib.framework.arg_scopes import arg_scope as arg_scope
from graphopt.v1.contrib.framework.arg_scopes import (
    arg_scope_func_key as arg_scope_func_key,
)
from graphopt.v1.contrib.framework.arg_scopes import (
    arg_scoped_arguments as arg_scoped_arguments,
)
from graphopt.v1.contrib.framework.arg_scopes import (
    current_arg_scope as current_arg_scope,
)
from graphopt.v1.contrib.framework.arg_scopes import has_arg_scope as has_arg_scope
from graphopt.v1.contrib.framework.checkpoints import (
    assign_from_checkpoint as assign_from_checkpoint,
)
from graphopt.v1.contrib.framework.checkpoints import (
    assign_from_checkpoint_fn as assign_from_checkpoint_fn,
)
from graphopt.v1.contrib.framework.checkpoints import (
    init_from_checkpoint as init_from_checkpoint,
)
from graphopt.v1.contrib.framework.checkpoints import list_variables as list_variables
from graphopt.v1.contrib.framework.checkpoints import load_checkpoint as load_checkpoint
from graphopt.v1.contrib.framework.checkpoints import load_variable as load_variable
from graphopt.v1.contrib.framework.variables import (
    add_model_variable as add_model_variable,
)
from graphopt.v1.contrib.framework.variables import (
    assert_global_step as assert_global_step,
)
from graphopt.v1.contrib.framework.variables import (
    assert_or_get_global_step as assert_or_get_global_step,
)
from graphopt.v1.contrib.framework.variables import (
    assign_from_values as assign_from_values,
)
from graphopt.v1.contrib.framework.variables import (
    assign_from_values_fn as assign_from_values_fn,
)
from graphopt.v1.contrib.framework.variables import (
    create_global_step as create_global_step,
)
from graphopt.v1.contrib.framework.variables import filter_variables as filter_variables
from graphopt.v1.contrib.framework.variables import get_global_step as get_global_step
from graphopt.v1.contrib.framework.variables import (
    get_local_variables as get_local_variables,
)
from graphopt.v1.contrib.framework.variables import (
    get_model_variables as get_model_variables,
)
from graphopt.v1.contrib.framework.variables import get_name_scope as get_name_scope
from graphopt.v1.contrib.framework.variables import (
    get_or_create_global_step as get_or_create_global_step,
)
from graphopt.v1.contrib.framework.variables import (
    get_trainable_variables as get_trainable_variables,
)
from graphopt.v1.contrib.framework.variables import (
    get_unique_variable as get_unique_variable,
)
from graphopt.v1.contrib.framework.variables import (
    get_variable_full_name as get_variable_full_name,
)
from graphopt.v1.contrib.framework.variables import get_variables as get_variables
from graphopt.v1.contrib.framework.variables import (
    get_variables_by_name as get_variables_by_name,
)
from graphopt.v1.contrib.framework.variables import (
    get_variables_by_suffix as get_variables_by_suffix,
)
from graphopt.v1.contrib.framework.variables import (
    get_variables_to_restore as get_variables_to_restore,
)
from graphopt.v1.contrib.framework.variables import global_variable as global_variable
from graphopt.v1.contrib.framework.variables import local_variable as local_variable
from graphopt.v1.contrib.framework.variables import model_variable as model_variable
from graphopt.v1.contrib.framework.variables import variable as variable


def is_tensor(x: Any) -> bool:
    """Returns whether something is a tensor or a variable.

    Source: `tf.contrib.framework.is_tensor`.
    """
    from graphopt.graph.tensor import Tensor
    from graphopt.runtime.variable import Variable

    return isinstance(x, (Tensor, Variable))


__all__ = [
    name
    for name in globals()
    if not name.startswith("_") and name not in ("Any", "importlib")
]


def __getattr__(name: str) -> Any:
    if name in ("python", "ops"):
        below = "python" if name == "python" else "python.ops"
        return importlib.import_module(f"graphopt.v1.contrib.framework.{below}")
    raise AttributeError(f"module 'tf.contrib.framework' has no attribute {name!r}")
