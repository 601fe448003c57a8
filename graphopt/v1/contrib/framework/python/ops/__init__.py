"""`tf.contrib.framework.python.ops`: the names of `tf.contrib.framework`."""

from graphopt.v1.contrib.framework import *  # noqa: F403 (one list of the names)
from graphopt.v1.contrib.framework import variables as variables
from graphopt.v1.contrib.framework.arg_scopes import add_arg_scope as add_arg_scope
