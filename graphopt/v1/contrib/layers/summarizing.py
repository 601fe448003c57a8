"""`tf.contrib.layers`: summaries of tensors and collections."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterable
from typing import Any

from graphopt.compat.v1 import summary
from graphopt.dtypes import bool_, float32
from graphopt.graph.context import get_default_graph
from graphopt.ops.activations import RELU6
from graphopt.ops.elementwise import RELU, SOFTPLUS, cast, greater, less
from graphopt.ops.reduction import reduce_mean
from graphopt.runtime.collections import GraphKeys


def summarize_tensor(tensor: Any, tag: str | None = None) -> Any:
    """Adds a scalar or histogram summary of a tensor; None of bools.

    Source: `tf.contrib.layers.summarize_tensor`.
    """
    if tensor.dtype is bool_:
        return None
    tag = tag or f"{tensor.op.name}_summary"
    write = summary.scalar if tensor.shape.rank == 0 else summary.histogram
    return write(tag, tensor)


def summarize_activation(op: Any) -> Any:
    """Adds a histogram of an activation, and how much of it is cut off.

    Source: `tf.contrib.layers.summarize_activation`.
    """
    name = op.op.name
    if op.op.spec in (RELU, SOFTPLUS, RELU6):
        below = cast(less(op.op.inputs[0], 0.0), float32)
        summary.scalar(f"{name}/zeros", reduce_mean(below))
    if op.op.spec is RELU6:
        above = cast(greater(op.op.inputs[0], 6.0), float32)
        summary.scalar(f"{name}/sixes", reduce_mean(above))
    return summary.histogram(f"{name}/activation", op)


def summarize_tensors(
    tensors: Iterable[Any], summarizer: Callable[..., Any] = summarize_tensor
) -> list[Any]:
    """Adds a summary of each tensor.

    Source: `tf.contrib.layers.summarize_tensors`.
    """
    return [summarizer(tensor) for tensor in tensors]


def summarize_collection(
    collection: str,
    name_filter: str | None = None,
    summarizer: Callable[..., Any] = summarize_tensor,
) -> list[Any]:
    """Adds a summary of each tensor of a collection whose name matches.

    Source: `tf.contrib.layers.summarize_collection`.
    """
    found = get_default_graph().get_collection(collection)
    if name_filter is not None:
        found = [t for t in found if re.match(name_filter, t.op.name)]
    return summarize_tensors(found, summarizer)


def summarize_activations(
    name_filter: str | None = None,
    summarizer: Callable[..., Any] = summarize_activation,
) -> list[Any]:
    """Adds a summary of each tensor of the collection `ACTIVATIONS`.

    Source: `tf.contrib.layers.summarize_activations`.
    """
    return summarize_collection(GraphKeys.ACTIVATIONS, name_filter, summarizer)


summarize_variables = functools.partial(
    summarize_collection, GraphKeys.GLOBAL_VARIABLES
)
summarize_weights = functools.partial(summarize_collection, GraphKeys.WEIGHTS)
summarize_biases = functools.partial(summarize_collection, GraphKeys.BIASES)
