"""`tf.contrib.eager`: what eager execution was called before TensorFlow 2."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from graphopt.autodiff.python_functions import py_function
from graphopt.autodiff.tape import GradientTape
from graphopt.compat.v1.train.steps import (
    get_or_create_global_step as get_or_create_global_step,
)
from graphopt.graph.context import executing_eagerly
from graphopt.ops.creation import convert_to_tensor
from graphopt.runtime.collections import enable_eager_execution
from graphopt.runtime.function import function as defun
from graphopt.runtime.variable import Variable

__all__ = ["Iterator", "Variable", "defun", "enable_eager_execution", "py_func"]

Iterator = iter
in_eager_mode = executing_eagerly
py_func = py_function


def num_gpus() -> int:
    """Returns 0."""
    return 0


def list_devices() -> list[str]:
    """Returns the names of devices."""
    return ["/job:localhost/replica:0/task:0/device:CPU:0"]


def value_and_gradients_function(
    f: Callable[..., Any], params: Any = None
) -> Callable[..., Any]:
    """Returns a function that returns the value of another and its derivatives.

    Args:
      f: A function of numbers or tensors.
      params: The places of the arguments by which it is differentiated; by default all.

    Source: `tf.contrib.eager.value_and_gradients_function`.
    """

    @functools.wraps(f)
    def call(*arguments: Any) -> Any:
        tensors = [convert_to_tensor(each) for each in arguments]
        places = range(len(tensors)) if params is None else params
        chosen = [tensors[place] for place in places]
        with GradientTape() as tape:
            tape.watch(chosen)
            value = f(*tensors)
        return value, tape.gradient(value, chosen)

    return call


def gradients_function(f: Callable[..., Any], params: Any = None) -> Callable[..., Any]:
    """Returns a function that returns the derivatives of another.

    Source: `tf.contrib.eager.gradients_function`.
    """
    both = value_and_gradients_function(f, params)
    return functools.wraps(f)(lambda *arguments: both(*arguments)[1])


def implicit_value_and_gradients(f: Callable[..., Any]) -> Callable[..., Any]:
    """Returns a function that returns the value of another, and (derivative, variable)s.

    Source: `tf.contrib.eager.implicit_value_and_gradients`.
    """

    @functools.wraps(f)
    def call(*arguments: Any, **named: Any) -> Any:
        with GradientTape() as tape:
            value = f(*arguments, **named)
        variables = tape.watched_variables()
        if not variables:
            raise ValueError("No trainable variables were accessed while it ran.")
        return value, list(zip(tape.gradient(value, variables), variables, strict=True))

    return call


def implicit_gradients(f: Callable[..., Any]) -> Callable[..., Any]:
    """Returns a function that returns (derivative, variable) pairs of another.

    Source: `tf.contrib.eager.implicit_gradients`.
    """
    both = implicit_value_and_gradients(f)
    return functools.wraps(f)(lambda *arguments, **named: both(*arguments, **named)[1])
