"""`tf.contrib.slim`: layers, argument scopes, losses and training in one namespace."""

import importlib
from typing import Any

from graphopt.v1.contrib import losses as losses
from graphopt.v1.contrib import metrics as metrics
from graphopt.v1.contrib.below import look_below
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
from graphopt.v1.contrib.framework.variables import *  # noqa: F403 (one list of names)
from graphopt.v1.contrib.layers import *  # noqa: F403 (one list of the names)
from graphopt.v1.contrib.layers import summarizing
from graphopt.v1.contrib.slim import learning as learning

summaries = summarizing


def __getattr__(name: str) -> Any:
    if name == "nets":
        return importlib.import_module("graphopt.v1.contrib.slim.nets")
    return look_below("slim", name)
