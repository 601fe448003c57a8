"""What metrics share: variables that add up, shapes that match, collections."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

from graphopt.compat.v1.losses import match_weights, squeeze_to_match
from graphopt.dtypes import float32
from graphopt.errors import describe_shapes, fail
from graphopt.graph.context import building_graph, get_default_graph
from graphopt.graph.hooks import hooks
from graphopt.graph.provenance import user_site
from graphopt.keras.variable_scopes import variable_scope
from graphopt.ops.creation import zeros
from graphopt.ops.elementwise import cast
from graphopt.ops.reduction import broadcast_like
from graphopt.ops.shaping import expand_dims, squeeze
from graphopt.runtime.collections import GraphKeys
from graphopt.runtime.variable import Variable

Parts = dict[str, Any]
VARIABLES = (GraphKeys.LOCAL_VARIABLES, GraphKeys.METRIC_VARIABLES)


def require_graph(what: str) -> None:
    """Refuses eager mode.

    Raises:
      RuntimeError: There is no graph to keep the variables.
    """
    if building_graph() is None:
        raise RuntimeError(
            f"tf.metrics.{what} is not supported when eager execution is enabled; use "
            "tf.keras.metrics, or a graph."
        )


@contextlib.contextmanager
def metric_scope(name: str | None, default: str, what: str) -> Iterator[None]:
    """Enters the scope of a metric's variables and ops."""
    require_graph(what)
    with variable_scope(name, default):
        yield


def metric_variable(shape: Any, dtype: Any, name: str) -> Variable:
    """Makes a variable that starts at 0 and is in no checkpoint."""
    return Variable(
        lambda: zeros(shape, dtype),
        trainable=False,
        name=name,
        collections=VARIABLES,
    )


def accumulate(**amounts: Any) -> tuple[Parts, Parts]:
    """Adds to variables of these names.

    Args:
      **amounts: What a batch adds; of known shapes.

    Returns:
      The values of the variables from before the run, and what they have once a batch is
      added, which the run of these tensors does.
    """
    before, after = {}, {}
    for name, amount in amounts.items():
        variable = metric_variable(amount.shape, amount.dtype, name)
        # Made before the update: a run of both reads what was there before.
        before[name] = variable.read_value()
        after[name] = variable.assign_add(amount)
    return before, after


def publish(
    value: Any, update: Any, metrics_collections: Any, updates_collections: Any
) -> tuple[Any, Any]:
    """Puts a metric into collections and returns it."""
    graph = get_default_graph()
    for names, tensor in ((metrics_collections, value), (updates_collections, update)):
        if names:
            graph.add_to_collections(names, tensor)
    return value, update


def finish(
    parts: tuple[Parts, Parts],
    compute: Callable[[Parts, str], Any],
    metrics_collections: Any,
    updates_collections: Any,
) -> tuple[Any, Any]:
    """Computes a metric of variables before and after, and returns both."""
    value = compute(parts[0], "value")
    update = compute(parts[1], "update_op")
    return publish(value, update, metrics_collections, updates_collections)


def match_shapes(predictions: Any, labels: Any, weights: Any) -> tuple[Any, Any, Any]:
    """Leaves out, or adds, a last dimension of 1 where ranks differ by it.

    Raises:
      ValueError: Predictions and labels are of different shapes then.
    """
    predictions = hooks.convert(predictions)
    if labels is not None:
        labels, predictions = squeeze_to_match(hooks.convert(labels), predictions)
        require_same(predictions, labels)
    if weights is None:
        return predictions, labels, None
    weights = hooks.convert(weights)
    ranks = weights.shape.rank, predictions.shape.rank
    if ranks[0] and ranks[1] is not None:
        if ranks[0] - ranks[1] == 1:
            weights = squeeze(weights, [-1])
        elif ranks[1] - ranks[0] == 1:
            weights = expand_dims(weights, -1)
    return predictions, labels, weights


def require_same(first: Any, second: Any) -> None:
    """Refuses different shapes.

    Raises:
      ValueError: They differ.
    """
    if not first.shape.is_compatible_with(second.shape):
        raise fail(
            ValueError,
            f"Shapes {first.shape} and {second.shape} are incompatible",
            got=describe_shapes(first, second),
            expected="predictions and labels of one shape",
            site=str(user_site()),
            remedy="tf.reshape",
        )


def spread_weights(weights: Any, values: Any) -> Any:
    """Returns weights of the shape of values, as float32."""
    weights = match_weights(cast(weights, float32), values)
    return broadcast_like(weights, values)
