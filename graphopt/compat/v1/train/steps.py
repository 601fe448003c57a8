"""The global step: a variable that counts the steps of a graph."""

from __future__ import annotations

from typing import Any

from graphopt.dtypes import int64
from graphopt.graph.context import building_graph, get_default_graph
from graphopt.graph.graph import Graph
from graphopt.graph.tensor import Tensor
from graphopt.keras.variable_scopes import get_variable
from graphopt.runtime.collections import GraphKeys
from graphopt.runtime.names import name_scope
from graphopt.runtime.variable import Variable, home_of


def get_global_step(graph: Graph | None = None) -> Any:
    """Returns the global step, or None if there is none.

    Args:
      graph: Where to look; by default the current graph, in eager mode the process.

    Raises:
      TypeError: What was put into the collection is no integer scalar.

    Source: `tf.compat.v1.train.get_global_step`.
    """
    home = home_of(building_graph()) if graph is None else graph
    holder = get_default_graph() if graph is None else graph
    found = [
        step
        for step in holder.get_collection(GraphKeys.GLOBAL_STEP)
        if getattr(step, "graph", None) is home
    ]
    if not found and home is not None:
        found = [
            var
            for var in home.get_collection(GraphKeys.GLOBAL_VARIABLES)
            if var.name == "global_step:0"
        ]
    if len(found) != 1:
        return None
    assert_global_step(found[0])
    return found[0]


def create_global_step(graph: Graph | None = None) -> Variable:
    """Makes the global step, an int64 variable that starts at 0.

    Args:
      graph: Where to make it; by default the current graph.

    Raises:
      ValueError: There is one already.

    Source: `tf.compat.v1.train.create_global_step`.
    """
    if get_global_step(graph) is not None:
        raise ValueError(
            '"global_step" already exists; expected a graph without one; try '
            "get_or_create_global_step()."
        )
    if graph is not None:
        with graph.as_default():
            return create_global_step()
    with name_scope(None):
        made = get_variable(
            GraphKeys.GLOBAL_STEP,
            shape=[],
            dtype=int64,
            initializer="zeros",
            trainable=False,
        )
    # In eager mode the graph that is there by default remembers it.
    get_default_graph().add_to_collection(GraphKeys.GLOBAL_STEP, made)
    return made


def get_or_create_global_step(graph: Graph | None = None) -> Variable:
    """Returns the global step, made if there is none.

    Args:
      graph: Where to look; by default the current graph.

    >>> import graphopt as tf
    >>> train = tf.compat.v1.train
    >>> with tf.Graph().as_default():
    ...     step = train.get_or_create_global_step()
    ...     print(step.name, train.get_global_step() is step)
    global_step:0 True

    Source: `tf.compat.v1.train.get_or_create_global_step`.
    """
    found = get_global_step(graph)
    return create_global_step(graph) if found is None else found


def global_step(sess: Any, global_step_tensor: Any) -> int:
    """Returns the number of steps taken in a session.

    Args:
      sess: The session; not used in eager mode.
      global_step_tensor: What `get_global_step` returned.

    Source: `tf.compat.v1.train.global_step`.
    """
    if building_graph() is None and getattr(global_step_tensor, "graph", None) is None:
        return int(global_step_tensor.numpy())
    return int(sess.run(global_step_tensor))


def assert_global_step(global_step_tensor: Any) -> None:
    """Refuses what cannot be a global step.

    Raises:
      TypeError: It is no variable or tensor, no integer, or no scalar.

    Source: `tf.compat.v1.train.assert_global_step`.
    """
    if not isinstance(global_step_tensor, (Variable, Tensor)):
        raise TypeError(
            f'Existing "global_step" must be a Variable or Tensor: {global_step_tensor}.'
        )
    if not global_step_tensor.dtype.is_integer:
        raise TypeError(
            'Existing "global_step" does not have integer type: '
            f"{global_step_tensor.dtype}."
        )
    shape = global_step_tensor.shape
    if shape.rank != 0 and shape.is_fully_defined():
        raise TypeError(f'Existing "global_step" is not scalar: {shape}.')
