"""What each loss function does first: tensors of one dtype, and shapes that belong together."""

from __future__ import annotations

from typing import Any

from graphopt.errors import describe_shapes, fail
from graphopt.graph.asked_sizes import choose_by_size
from graphopt.graph.hooks import hooks
from graphopt.graph.provenance import user_site
from graphopt.keras.messages import warn_user
from graphopt.ops.assertions import assert_equal
from graphopt.ops.elementwise import cast
from graphopt.ops.shaping import expand_dims


def convert_pair(y_true: Any, y_pred: Any, what: str) -> tuple[Any, Any]:
    """Returns both as tensors of the predictions' dtype, which must be floating.

    Warns where a vector and a column would be broadcast to a matrix: the loss of that is
    a number like any other, and training goes on with it.

    Args:
      y_true: `[batch, ..., n]`.
      y_pred: `[batch, ..., n]`.
      what: The name of the loss, for messages.
    """
    y_pred = hooks.convert(y_pred)
    y_true = hooks.convert(y_true, dtype_hint=y_pred.dtype)
    _warn_of_broadcast(y_true, y_pred, what)
    return cast(y_true, y_pred.dtype), y_pred


def _warn_of_broadcast(y_true: Any, y_pred: Any, what: str) -> None:
    ranks = y_true.shape.rank, y_pred.shape.rank
    if None in ranks or 0 in ranks or abs(ranks[0] - ranks[1]) != 1:
        return
    long, short = (y_true, y_pred) if ranks[0] > ranks[1] else (y_pred, y_true)
    choose_by_size(long.shape)
    choose_by_size(short.shape)
    if long.shape[-1] != 1 or short.shape[-1] == 1:
        return
    which = "y_pred" if long is y_pred else "y_true"
    warn_user(
        f"{what}: y_true is {describe_shapes(y_true)} and y_pred "
        f"{describe_shapes(y_pred)}: each is broadcast along the other, so that every "
        f"label is compared with every prediction. Try tf.squeeze({which}, -1), or the "
        "loss by its class or as a string in `compile`, which does so."
    )


def check_classes(y_true: Any, y_pred: Any, axis: int, what: str) -> None:
    """Refuses labels that are no rows of as many classes as the predictions have.

    Raises:
      ValueError: They are class numbers, or of another number of classes.
    """
    if y_true.shape.is_compatible_with(y_pred.shape):
        return
    if y_true.shape.rank is None or y_pred.shape.rank is None:
        return
    is_sparse = y_true.shape.rank == y_pred.shape.rank - 1 or (
        y_true.shape.rank == y_pred.shape.rank and y_true.shape[axis] == 1
    )
    remedy = f"a last layer of as many units as there are classes, {y_true.shape[axis]}"
    if is_sparse:
        remedy = f"sparse_{what} for labels that are class numbers, or to_categorical"
    raise fail(
        ValueError,
        f"{what}: Shapes {y_true.shape} and {y_pred.shape} are incompatible",
        got=f"y_true {describe_shapes(y_true)}, y_pred {describe_shapes(y_pred)}",
        expected="one row of probabilities for each of them",
        site=str(user_site()),
        remedy=remedy,
    )


def is_ragged(value: Any) -> bool:
    """Whether it is a ragged tensor, whose class lies above this part."""
    return hasattr(value, "nested_row_splits")


def flat_if_ragged(what: str, values: list[Any], weights: Any) -> tuple[list[Any], Any]:
    """Returns ragged tensors as columns of their elements, others as they are.

    Args:
      what: Whose they are, for messages.
      values: Tensors.
      weights: A tensor, or None.

    Raises:
      TypeError: Some are ragged, and others are not.
      ValueError: Their rows differ in number of dimensions.
      InvalidArgumentError: Their rows differ in length.
    """
    if not any(map(is_ragged, values)):
        if is_ragged(weights):
            raise TypeError(
                f"{what}: ragged weights are not allowed with values that are not ragged."
            )
        return values, weights
    if not all(map(is_ragged, values)):
        raise TypeError(f"{what}: some of the inputs are ragged, and others are not.")
    every = [*values, weights] if is_ragged(weights) else values
    splits = [each.nested_row_splits for each in every]
    for other in splits[1:]:
        if len(other) != len(splits[0]):
            raise ValueError(f"{what}: inputs must have identical ragged splits.")
        for a, b in zip(splits[0], other, strict=True):
            assert_equal(a, b, message=f"{what}: inputs must have identical splits.")
    columns = [expand_dims(each.flat_values, -1) for each in every]
    if is_ragged(weights):
        return columns[:-1], columns[-1]
    return columns, weights


def refuse_ragged(what: str, *values: Any) -> None:
    """Refuses ragged tensors.

    Raises:
      NotImplementedError: There is one.
    """
    if any(map(is_ragged, values)):
        raise NotImplementedError(
            f"{what} of ragged tensors. Try x.to_tensor() of both, and sample_weight 0 "
            "for what is filled up."
        )
