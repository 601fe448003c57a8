"""What programs take from `tensorflow.python` and no public namespace has.

Modes by their names in `eager.context`, shapes by those in `tensor_shape`, decorators that
export a name (here they only return what they are given), small tests of values.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from graphopt.files.file_system import exists
from graphopt.graph.context import entered, executing_eagerly
from graphopt.graph.dimension import Dimension, dimension_value
from graphopt.graph.graph import Graph
from graphopt.graph.shape import TensorShape
from graphopt.graph.tensor import EagerTensor as EagerTensor
from graphopt.keras.optimizers import Optimizer
from graphopt.ops.creation import constant_value as constant_value
from graphopt.ops.creation import convert_to_tensor as internal_convert_to_tensor
from graphopt.ops.elementwise import multiply, negative, subtract

sub, mul, neg = subtract, multiply, negative
OptimizerV2 = Optimizer
file_exists = exists
convert_to_tensor_or_indexed_slices = internal_convert_to_tensor
convert_n_to_tensor_or_indexed_slices = internal_convert_to_tensor
as_dimension = Dimension
tensor_dimension_value = dimension_value
as_shape = TensorShape


def in_graph_mode() -> bool:
    """Returns whether calls add ops to a graph."""
    return not executing_eagerly()


def in_eager_mode() -> bool:
    """Returns whether ops run at once."""
    return executing_eagerly()


@contextlib.contextmanager
def graph_mode() -> Iterator[None]:
    """Adds ops to a graph of its own in the block."""
    with entered(Graph()):
        yield


@contextlib.contextmanager
def eager_mode() -> Iterator[None]:
    """Runs ops at once in the block."""
    with entered(None):
        yield


def scalar() -> TensorShape:
    """Returns the shape of a scalar."""
    return TensorShape(())


def vector(length: Any) -> TensorShape:
    """Returns the shape of a vector."""
    return TensorShape((length,))


def matrix(rows: Any, columns: Any) -> TensorShape:
    """Returns the shape of a matrix."""
    return TensorShape((rows, columns))


def unknown_shape(rank: int | None = None, **others: Any) -> TensorShape:
    """Returns a shape of which at most the rank is known."""
    rank = others.get("ndims", rank)
    return TensorShape(None if rank is None else [None] * rank)


smart_constant_value = constant_value


def smart_cond(
    pred: Any, true_fn: Any = None, false_fn: Any = None, name: str | None = None
) -> Any:
    """Calls one of two functions if the condition is known now, else adds a `cond`."""
    known = pred if isinstance(pred, (bool, int, np.bool_)) else constant_value(pred)
    if known is not None:
        return true_fn() if known else false_fn()
    from graphopt.ops.cond import cond

    return cond(pred, true_fn, false_fn, name=name)


def tf_export(*names: str, **options: Any) -> Callable[[Any], Any]:
    """Returns a decorator that leaves what it decorates as it is."""
    return lambda decorated: decorated


keras_export = estimator_export = tf_export


def deprecated(*_what: Any, **_options: Any) -> Callable[[Any], Any]:
    """Returns a decorator that leaves what it decorates as it is."""
    return lambda decorated: decorated


deprecated_args = deprecated_arg_values = deprecated_endpoints = deprecated


def deprecated_argument_lookup(
    new_name: str, new_value: Any, old_name: str, old_value: Any
) -> Any:
    """Returns the one of two arguments that is not None.

    Raises:
      ValueError: Both are given.
    """
    if old_value is None:
        return new_value
    if new_value is not None:
        raise ValueError(f"Cannot specify both '{old_name}' and '{new_name}'.")
    return old_value


def make_decorator(target: Any, decorator_func: Any, *_names: Any, **_more: Any) -> Any:
    """Returns a function that looks like the one it decorates."""
    return functools.wraps(target)(decorator_func)


def unwrap(function: Any) -> tuple[list[Any], Any]:
    """Returns a function without its decorators."""
    return [], inspect.unwrap(function)


getfullargspec = getargspec = inspect.getfullargspec
isclass, isfunction, ismethod = inspect.isclass, inspect.isfunction, inspect.ismethod


def run_in_graph_and_eager_modes(function: Any = None, **_options: Any) -> Any:
    """Decorates a test so that it runs twice, in a graph and eagerly."""
    if function is None:
        return run_in_graph_and_eager_modes

    @functools.wraps(function)
    def run(self: Any, *arguments: Any, **keywords: Any) -> None:
        graph = Graph()
        with entered(graph), self.test_session(graph=graph):
            function(self, *arguments, **keywords)
        with entered(None):
            function(self, *arguments, **keywords)

    return run


run_all_in_graph_and_eager_modes = run_in_graph_and_eager_modes


def run_deprecated_v1(function: Any) -> Any:
    """Decorates a test so that it runs in a graph."""

    @functools.wraps(function)
    def run(self: Any, *arguments: Any, **keywords: Any) -> None:
        with entered(Graph()):
            function(self, *arguments, **keywords)

    return run


def run_v1_only(*_reason: Any) -> Callable[[Any], Any]:
    """Returns a decorator that leaves a test as it is."""
    return lambda test: test


def read_file_to_string(filename: str, binary_mode: bool = False) -> str | bytes:
    """Returns what a file holds."""
    path = Path(filename)
    return path.read_bytes() if binary_mode else path.read_text()


def write_string_to_file(filename: str, file_content: str | bytes) -> None:
    """Replaces what a file holds."""
    data = file_content.encode() if isinstance(file_content, str) else file_content
    Path(filename).write_bytes(data)
