"""`tf.losses` of TensorFlow 1: scalar losses, kept in a collection of the graph.

A loss of this module is one number, whatever the batch: terms times weights, combined as
`Reduction` says, by default their mean over those whose weight is not 0. It is put into the
collection `LOSSES`, from which `get_total_loss` sums. Functions of the same names in
`tf.keras.losses` return one number for each row and keep nothing.
"""

from __future__ import annotations

from typing import Any

from graphopt.compat.v1.scopes import op_scope
from graphopt.dtypes import float32
from graphopt.errors import InvalidArgumentError, describe_shapes, fail
from graphopt.graph.context import building_graph, get_default_graph
from graphopt.graph.hooks import hooks
from graphopt.graph.provenance import user_site
from graphopt.graph.tensor import Tensor
from graphopt.ops.creation import constant, ones_like, shape, zeros_like
from graphopt.ops.elementwise import (
    abs,
    cast,
    greater,
    log,
    maximum,
    minimum,
    multiply,
    not_equal,
    relu,
    square,
    squared_difference,
    where,
)
from graphopt.ops.nn import (
    sigmoid_cross_entropy_with_logits,
    softmax_cross_entropy_with_logits,
    sparse_softmax_cross_entropy_with_logits,
)
from graphopt.ops.reduction import broadcast_like, reduce_sum
from graphopt.ops.sequences import size
from graphopt.ops.shaping import identity, squeeze, stop_gradient
from graphopt.ops.special import divide_no_nan
from graphopt.ops.sums import add_n
from graphopt.runtime.collections import GraphKeys


class Reduction:
    """How the terms of a loss become one number.

    | name | result |
    |---|---|
    | NONE | the terms as they are |
    | SUM | their sum |
    | MEAN | the sum divided by the sum of the weights |
    | SUM_OVER_BATCH_SIZE | the sum divided by the number of terms |
    | SUM_BY_NONZERO_WEIGHTS | the sum divided by the number of weights that are not 0 |

    Source: `tf.compat.v1.losses.Reduction`.
    """

    NONE = "none"
    SUM = "weighted_sum"
    SUM_OVER_BATCH_SIZE = "weighted_sum_over_batch_size"
    MEAN = "weighted_mean"
    SUM_BY_NONZERO_WEIGHTS = "weighted_sum_by_nonzero_weights"
    SUM_OVER_NONZERO_WEIGHTS = SUM_BY_NONZERO_WEIGHTS

    @classmethod
    def all(cls) -> tuple[str, ...]:
        """Returns all reductions."""
        return (
            cls.NONE,
            cls.SUM,
            cls.MEAN,
            cls.SUM_OVER_BATCH_SIZE,
            cls.SUM_OVER_NONZERO_WEIGHTS,
            cls.SUM_BY_NONZERO_WEIGHTS,
        )

    @classmethod
    def validate(cls, key: str) -> None:
        """Refuses what is no reduction.

        Raises:
          ValueError: It is none.
        """
        if key not in cls.all():
            raise fail(
                ValueError,
                f"Invalid ReductionKey {key}",
                got=repr(key),
                expected=f"one of {', '.join(dict.fromkeys(cls.all()))}",
                site=str(user_site()),
                remedy="a name of tf.losses.Reduction",
            )


DEFAULT = Reduction.SUM_BY_NONZERO_WEIGHTS


def _to_float(x: Any) -> Any:
    return cast(hooks.convert(x), float32)


def _require(**tensors: Any) -> None:
    for name, tensor in tensors.items():
        if tensor is None:
            raise ValueError(f"{name} must not be None.")


def _same_shape(first: Any, second: Any) -> None:
    if not first.shape.is_compatible_with(second.shape):
        raise fail(
            ValueError,
            f"Shapes {first.shape} and {second.shape} are incompatible",
            got=describe_shapes(first, second),
            expected="predictions and labels of one shape",
            site=str(user_site()),
            remedy="tf.reshape",
        )


def match_weights(weights: Any, values: Any) -> Any:
    """Returns weights that are a scalar, or of the shape of what they weigh.

    Raises:
      ValueError: They are no scalar and of another rank, or a dimension is neither 1 nor
        that of the values.
    """
    if weights.shape.rank == 0:
        return weights
    wrong = None not in (weights.shape.rank, values.shape.rank) and (
        weights.shape.rank != values.shape.rank
        or any(
            None not in (own, other) and own not in (1, other)
            for own, other in zip(weights.shape, values.shape, strict=True)
        )
    )
    if wrong:
        raise fail(
            InvalidArgumentError,
            "weights can not be broadcast to values",
            got=f"{describe_shapes(weights)} for {describe_shapes(values)}",
            expected="a scalar, or the rank of the values, with 1 or their size in each "
            "dimension",
            site=str(user_site()),
            remedy="tf.reshape or tf.expand_dims",
        )
    return broadcast_like(weights, values)


def _count(x: Any) -> Any:
    known = x.shape.num_elements()
    return constant(float(known)) if known is not None else cast(size(x), float32)


def _count_present(losses: Any, weights: Any, given: Any, per_row: bool = False) -> Any:
    """How many terms have a weight that is not 0, in all or in each row."""
    if isinstance(given, float) and given != 0.0 and not per_row:
        return _count(losses)
    present = cast(not_equal(weights, 0.0), float32)
    if weights.shape.rank == 0:
        present = ones_like(losses) * present
    if not per_row:
        return reduce_sum(present)
    return reduce_sum(present, axis=list(range(1, len(losses.shape))), keepdims=True)


def compute_weighted_loss(
    losses: Any,
    weights: Any = 1.0,
    scope: str | None = None,
    loss_collection: str | None = GraphKeys.LOSSES,
    reduction: str = DEFAULT,
) -> Tensor:
    """Returns terms times weights, combined to one number.

    Args:
      losses: `[batch, ...]`, terms.
      weights: A scalar, or of the rank of the terms with 1 or their size in each
        dimension.
      scope: Name of the scope of the ops.
      loss_collection: Where the result is kept, or None.
      reduction: One of `Reduction`.

    Returns:
      A scalar of the dtype of the terms, computed in float32; terms if `reduction` is
      `NONE`.

    Raises:
      ValueError: The weights do not fit, or there is no such reduction.

    >>> import graphopt as tf
    >>> losses = tf.compat.v1.losses
    >>> float(losses.compute_weighted_loss([1.0, 2.0, 3.0], [1.0, 0.0, 1.0]))
    2.0

    Source: `tf.compat.v1.losses.compute_weighted_loss`.
    """
    Reduction.validate(reduction)
    with op_scope(scope, "weighted_loss"):
        terms = hooks.convert(losses)
        kind = terms.dtype
        given = weights
        terms = cast(terms, float32)
        weights = match_weights(_to_float(weights), terms)
        terms = multiply(terms, weights)
        loss = terms
        if reduction != Reduction.NONE:
            loss = reduce_sum(terms)
            if reduction == Reduction.MEAN:
                total = reduce_sum(ones_like(terms) * weights)
                loss = divide_no_nan(loss, total)
            elif reduction == Reduction.SUM_BY_NONZERO_WEIGHTS:
                loss = divide_no_nan(loss, _count_present(terms, weights, given))
            elif reduction == Reduction.SUM_OVER_BATCH_SIZE:
                loss = divide_no_nan(loss, _count(terms))
        loss = identity(cast(loss, kind), name="value")
        add_loss(loss, loss_collection)
        return loss


def absolute_difference(
    labels: Any,
    predictions: Any,
    weights: Any = 1.0,
    scope: str | None = None,
    loss_collection: str | None = GraphKeys.LOSSES,
    reduction: str = DEFAULT,
) -> Tensor:
    """Returns the mean of |predictions - labels|; as `compute_weighted_loss`.

    Source: `tf.compat.v1.losses.absolute_difference`.
    """
    _require(labels=labels, predictions=predictions)
    with op_scope(scope, "absolute_difference") as scope:
        predictions, labels = _to_float(predictions), _to_float(labels)
        _same_shape(predictions, labels)
        losses = abs(predictions - labels)
        return compute_weighted_loss(
            losses, weights, scope, loss_collection, reduction=reduction
        )


def cosine_distance(
    labels: Any,
    predictions: Any,
    axis: int | None = None,
    weights: Any = 1.0,
    scope: str | None = None,
    loss_collection: str | None = GraphKeys.LOSSES,
    reduction: str = DEFAULT,
    dim: int | None = None,
) -> Tensor:
    """Returns the mean of 1 - sum(predictions * labels) of vectors that have length 1.

    Args:
      labels, predictions: `[...]`, of one shape, of length 1 along `axis`.
      axis: The dimension of the vectors; `dim` is another name of it.
      weights, scope, loss_collection, reduction: As in `compute_weighted_loss`.
      dim: The old name of `axis`.

    Source: `tf.compat.v1.losses.cosine_distance`.
    """
    axis = dim if axis is None else axis
    if axis is None:
        raise ValueError("You must specify 'axis'.")
    _require(labels=labels, predictions=predictions)
    with op_scope(scope, "cosine_distance_loss") as scope:
        predictions, labels = _to_float(predictions), _to_float(labels)
        _same_shape(predictions, labels)
        losses = 1 - reduce_sum(predictions * labels, axis=(axis,), keepdims=True)
        return compute_weighted_loss(
            losses, weights, scope, loss_collection, reduction=reduction
        )


def hinge_loss(
    labels: Any,
    logits: Any,
    weights: Any = 1.0,
    scope: str | None = None,
    loss_collection: str | None = GraphKeys.LOSSES,
    reduction: str = DEFAULT,
) -> Tensor:
    """Returns the mean of max(1 - (2 labels - 1) logits, 0); labels are 0 or 1.

    Source: `tf.compat.v1.losses.hinge_loss`.
    """
    _require(labels=labels, logits=logits)
    with op_scope(scope, "hinge_loss") as scope:
        logits, labels = _to_float(logits), _to_float(labels)
        _same_shape(logits, labels)
        losses = relu(1.0 - (2.0 * labels - 1.0) * logits)
        return compute_weighted_loss(
            losses, weights, scope, loss_collection, reduction=reduction
        )


def huber_loss(
    labels: Any,
    predictions: Any,
    weights: Any = 1.0,
    delta: Any = 1.0,
    scope: str | None = None,
    loss_collection: str | None = GraphKeys.LOSSES,
    reduction: str = DEFAULT,
) -> Tensor:
    """Returns the mean of d**2 / 2 where |d| <= delta, else delta (|d| - delta / 2).

    Source: `tf.compat.v1.losses.huber_loss`.
    """
    _require(labels=labels, predictions=predictions)
    with op_scope(scope, "huber_loss") as scope:
        predictions, labels = _to_float(predictions), _to_float(labels)
        _same_shape(predictions, labels)
        distance = abs(predictions - labels)
        near = minimum(distance, delta)
        # The part outside has its derivative where `near` has none.
        losses = 0.5 * near * near + delta * (distance - near)
        return compute_weighted_loss(
            losses, weights, scope, loss_collection, reduction=reduction
        )


def log_loss(
    labels: Any,
    predictions: Any,
    weights: Any = 1.0,
    epsilon: float = 1e-7,
    scope: str | None = None,
    loss_collection: str | None = GraphKeys.LOSSES,
    reduction: str = DEFAULT,
) -> Tensor:
    """Returns the mean of -labels log(p) - (1 - labels) log(1 - p), each p plus epsilon.

    Source: `tf.compat.v1.losses.log_loss`.
    """
    _require(labels=labels, predictions=predictions)
    with op_scope(scope, "log_loss") as scope:
        predictions, labels = _to_float(predictions), _to_float(labels)
        _same_shape(predictions, labels)
        losses = -labels * log(predictions + epsilon) - (1 - labels) * log(
            1 - predictions + epsilon
        )
        return compute_weighted_loss(
            losses, weights, scope, loss_collection, reduction=reduction
        )


def mean_pairwise_squared_error(
    labels: Any,
    predictions: Any,
    weights: Any = 1.0,
    scope: str | None = None,
    loss_collection: str | None = GraphKeys.LOSSES,
) -> Tensor:
    """Returns how far differences within each example are from those of its labels.

    For an example with differences d between predictions and labels, the sum of
    (d[i] - d[j]) ** 2 over its pairs, divided by their number; then the sum over the
    batch.

    Args:
      labels, predictions: `[batch, ...]`.
      weights: A scalar, `[batch]` with as many 1s as there are other dimensions, or of
        the labels' shape.
      scope: Name of the scope of the ops.
      loss_collection: Where the result is kept, or None.

    Source: `tf.compat.v1.losses.mean_pairwise_squared_error`.
    """
    _require(labels=labels, predictions=predictions)
    with op_scope(scope, "mean_pairwise_squared_error"):
        predictions, labels = _to_float(predictions), _to_float(labels)
        _same_shape(predictions, labels)
        given, weights = weights, _to_float(weights)
        diffs = predictions - labels
        present = _count_present(diffs, match_weights(weights, diffs), given, True)
        axes = list(range(1, len(diffs.shape)))
        squares = reduce_sum(square(diffs), axis=axes, keepdims=True)
        pairs = maximum(present - 1, 0)
        first = 2.0 * divide_no_nan(squares, pairs)
        total = reduce_sum(diffs, axis=axes, keepdims=True)
        second = 2.0 * divide_no_nan(square(total), maximum(present * pairs, 0))
        loss = reduce_sum(multiply(first - second, weights))
        there = greater(reduce_sum(present), 0.0)
        mean = where(there, loss, zeros_like(loss), name="value")
        add_loss(mean, loss_collection)
        return mean


def mean_squared_error(
    labels: Any,
    predictions: Any,
    weights: Any = 1.0,
    scope: str | None = None,
    loss_collection: str | None = GraphKeys.LOSSES,
    reduction: str = DEFAULT,
) -> Tensor:
    """Returns the mean of (predictions - labels) ** 2; as `compute_weighted_loss`.

    >>> import graphopt as tf
    >>> losses = tf.compat.v1.losses
    >>> float(losses.mean_squared_error([[1.0, 2.0]], [[1.0, 4.0]]))
    2.0

    Source: `tf.compat.v1.losses.mean_squared_error`.
    """
    _require(labels=labels, predictions=predictions)
    with op_scope(scope, "mean_squared_error") as scope:
        predictions, labels = _to_float(predictions), _to_float(labels)
        _same_shape(predictions, labels)
        losses = squared_difference(predictions, labels)
        return compute_weighted_loss(
            losses, weights, scope, loss_collection, reduction=reduction
        )


def sigmoid_cross_entropy(
    multi_class_labels: Any,
    logits: Any,
    weights: Any = 1.0,
    label_smoothing: float = 0,
    scope: str | None = None,
    loss_collection: str | None = GraphKeys.LOSSES,
    reduction: str = DEFAULT,
) -> Tensor:
    """Returns the mean sigmoid cross entropy; smoothing moves labels towards 0.5.

    Source: `tf.compat.v1.losses.sigmoid_cross_entropy`.
    """
    _require(multi_class_labels=multi_class_labels, logits=logits)
    with op_scope(scope, "sigmoid_cross_entropy_loss") as scope:
        logits = hooks.convert(logits)
        labels = cast(hooks.convert(multi_class_labels), logits.dtype)
        _same_shape(logits, labels)
        if label_smoothing > 0:
            labels = labels * (1 - label_smoothing) + 0.5 * label_smoothing
        losses = sigmoid_cross_entropy_with_logits(
            labels=labels, logits=logits, name="xentropy"
        )
        return compute_weighted_loss(
            losses, weights, scope, loss_collection, reduction=reduction
        )


def softmax_cross_entropy(
    onehot_labels: Any,
    logits: Any,
    weights: Any = 1.0,
    label_smoothing: float = 0,
    scope: str | None = None,
    loss_collection: str | None = GraphKeys.LOSSES,
    reduction: str = DEFAULT,
) -> Tensor:
    """Returns the mean cross entropy; no gradient flows into the labels.

    Args:
      onehot_labels: `[batch, classes]`.
      logits: `[batch, classes]`.
      weights: A scalar, `[batch]`, or `[1]`.
      label_smoothing: How much of the labels is spread evenly over all classes.
      scope, loss_collection, reduction: As in `compute_weighted_loss`.

    Source: `tf.compat.v1.losses.softmax_cross_entropy`.
    """
    _require(onehot_labels=onehot_labels, logits=logits)
    with op_scope(scope, "softmax_cross_entropy_loss") as scope:
        logits = hooks.convert(logits)
        labels = cast(hooks.convert(onehot_labels), logits.dtype)
        _same_shape(logits, labels)
        if label_smoothing > 0:
            classes: Any = labels.shape[1]
            if classes is None:
                classes = cast(shape(labels)[1], logits.dtype)
            labels = labels * (1.0 - label_smoothing) + label_smoothing / classes
        losses = softmax_cross_entropy_with_logits(
            labels=stop_gradient(labels), logits=logits, name="xentropy"
        )
        return compute_weighted_loss(
            losses, weights, scope, loss_collection, reduction=reduction
        )


def sparse_softmax_cross_entropy(
    labels: Any,
    logits: Any,
    weights: Any = 1.0,
    scope: str | None = None,
    loss_collection: str | None = GraphKeys.LOSSES,
    reduction: str = DEFAULT,
) -> Tensor:
    """Returns the mean cross entropy, given the index of the right class of each row.

    Args:
      labels: `[...]`, integers, or `[..., 1]`.
      logits: `[..., classes]`.
      weights: A scalar, or of the labels' shape.
      scope, loss_collection, reduction: As in `compute_weighted_loss`.

    Source: `tf.compat.v1.losses.sparse_softmax_cross_entropy`.
    """
    _require(labels=labels, logits=logits)
    with op_scope(scope, "sparse_softmax_cross_entropy_loss") as scope:
        labels, logits = hooks.convert(labels), hooks.convert(logits)
        labels, logits = squeeze_to_match(labels, logits, 1)
        if not isinstance(weights, float):
            weights = hooks.convert(weights)
            if weights.shape.rank == (labels.shape.rank or 0) + 1:
                weights = squeeze(weights, [-1])
        losses = sparse_softmax_cross_entropy_with_logits(
            labels=labels, logits=logits, name="xentropy"
        )
        return compute_weighted_loss(
            losses, weights, scope, loss_collection, reduction=reduction
        )


def squeeze_to_match(labels: Any, predictions: Any, difference: int = 0) -> Any:
    """Leaves out a last dimension of 1 that one of two tensors has too much."""
    if None in (labels.shape.rank, predictions.shape.rank):
        return labels, predictions
    found = predictions.shape.rank - labels.shape.rank
    if found == difference + 1 and predictions.shape[-1] in (1, None):
        predictions = squeeze(predictions, [-1])
    elif found == difference - 1 and labels.shape[-1] in (1, None):
        labels = squeeze(labels, [-1])
    return labels, predictions


# ---- collections


def add_loss(loss: Any, loss_collection: str | None = GraphKeys.LOSSES) -> None:
    """Puts a loss into a collection; in eager mode nothing is kept.

    Source: `tf.compat.v1.losses.add_loss`.
    """
    if loss_collection and building_graph() is not None:
        get_default_graph().add_to_collection(loss_collection, loss)


def get_losses(
    scope: str | None = None, loss_collection: str = GraphKeys.LOSSES
) -> list[Any]:
    """Returns the losses of a collection.

    Source: `tf.compat.v1.losses.get_losses`.
    """
    return get_default_graph().get_collection(loss_collection, scope)


def get_regularization_losses(scope: str | None = None) -> list[Any]:
    """Returns the terms that regularizers of variables have made.

    Source: `tf.compat.v1.losses.get_regularization_losses`.
    """
    return get_default_graph().get_collection(GraphKeys.REGULARIZATION_LOSSES, scope)


def get_regularization_loss(
    scope: str | None = None, name: str = "total_regularization_loss"
) -> Any:
    """Returns the sum of the terms of regularizers, 0 if there are none.

    Source: `tf.compat.v1.losses.get_regularization_loss`.
    """
    losses = get_regularization_losses(scope)
    return add_n(losses, name=name) if losses else constant(0.0)


def get_total_loss(
    add_regularization_losses: bool = True,
    name: str = "total_loss",
    scope: str | None = None,
) -> Any:
    """Returns the sum of all losses of the graph.

    Args:
      add_regularization_losses: Whether terms of regularizers count.
      name: Name of the sum.
      scope: A regular expression on the names of those that count.

    Raises:
      ValueError: There are none.

    Source: `tf.compat.v1.losses.get_total_loss`.
    """
    losses = get_losses(scope=scope)
    if add_regularization_losses:
        losses += get_regularization_losses(scope=scope)
    if not losses:
        raise fail(
            ValueError,
            "There are no losses to add up",
            got="empty collections",
            expected="a loss of tf.losses in this graph",
            site=str(user_site()),
            remedy="tf.losses.add_loss",
        )
    return add_n(losses, name=name)
