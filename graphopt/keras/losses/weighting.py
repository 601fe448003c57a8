"""How losses are weighted, masked and reduced; and which trailing 1 is no dimension.

Losses and metrics share these rules. Labels of shape [n] next to predictions of shape
[n, 1] are the usual case of both: one of them loses, or the weights gain, a last dimension
of 1. Only ranks decide it, so that a batch of one example is treated as any other; where a
last size that is not known decides, `choose_by_size` says so.
"""

from __future__ import annotations

from typing import Any

from graphopt.dtypes import DType
from graphopt.errors import (
    DecidedByRun,
    InvalidArgumentError,
    describe_shapes,
    fail,
    format_shape,
)
from graphopt.graph.asked_sizes import choose_by_size
from graphopt.graph.hooks import hooks
from graphopt.graph.provenance import user_site
from graphopt.ops.deferred import deferrable
from graphopt.ops.elementwise import cast
from graphopt.ops.reduction import reduce_sum
from graphopt.ops.sequences import size
from graphopt.ops.shaping import expand_dims, squeeze
from graphopt.ops.special import divide_no_nan


class Reduction:
    """What becomes of the values of the examples.

    Attributes:
      AUTO: As `SUM_OVER_BATCH_SIZE`.
      NONE: They stay.
      SUM: Their sum.
      SUM_OVER_BATCH_SIZE: Their sum divided by how many they are, weights or no weights.

    Source: `tf.keras.losses.Reduction`.
    """

    AUTO = "auto"
    NONE = "none"
    SUM = "sum"
    SUM_OVER_BATCH_SIZE = "sum_over_batch_size"
    # Of Keras 3: another word for the third, and the mean by weights.
    MEAN = "mean"
    MEAN_WITH_SAMPLE_WEIGHT = "mean_with_sample_weight"

    @classmethod
    def all(cls) -> tuple[str, ...]:
        """Returns the values."""
        return (
            cls.AUTO,
            cls.NONE,
            cls.SUM,
            cls.SUM_OVER_BATCH_SIZE,
            cls.MEAN,
            cls.MEAN_WITH_SAMPLE_WEIGHT,
        )

    @classmethod
    def validate(cls, key: Any) -> None:
        """Refuses what is none of them.

        Raises:
          ValueError: It is none.
        """
        if key not in cls.all():
            raise ValueError(
                f"Invalid Reduction Key: {key}. Expected keys are {cls.all()}."
            )


def _dtypes_of_both(y_true: Any, y_pred: Any, **_: Any) -> list[DType]:
    return [hooks.convert(y_true).dtype, hooks.convert(y_pred).dtype]


def _require_ranks(*tensors: Any) -> None:
    """Lets a call wait for the run, which knows the ranks."""
    if any(tensor.shape.rank is None for tensor in tensors):
        raise DecidedByRun(
            "Which of labels, predictions and weights has a dimension more."
        )


def _dtype_of_weights(values: Any, weights: Any) -> list[DType]:
    return [hooks.convert(weights).dtype]


@deferrable(_dtypes_of_both, name="squeeze_to_match")
def squeeze_to_match(y_true: Any, y_pred: Any, difference: int = 0) -> tuple[Any, Any]:
    """Drops a last dimension of 1 of the one whose rank is one too many.

    Args:
      y_true: Labels.
      y_pred: Predictions.
      difference: How many dimensions more the predictions are to have.
    """
    _require_ranks(y_true, y_pred)
    more = y_pred.shape.rank - y_true.shape.rank - difference
    if more == 1 and _may_be_one(y_pred):
        return y_true, squeeze(y_pred, -1)
    if more == -1 and _may_be_one(y_true):
        return squeeze(y_true, -1), y_pred
    return y_true, y_pred


@deferrable(_dtypes_of_both, name="match_ranks")
def match_ranks(y_true: Any, y_pred: Any) -> tuple[Any, Any]:
    """Drops a last dimension of 1 where only one of the two has it.

    Labels that are class numbers, one dimension fewer than the predictions, stay.
    """
    _require_ranks(y_true, y_pred)
    if y_pred.shape.rank - y_true.shape.rank == 1:
        choose_by_size(y_pred.shape)
        if y_pred.shape[-1] != 1:
            return y_true, y_pred
    return squeeze_to_match(y_true, y_pred)


@deferrable(_dtype_of_weights, name="match_weight_rank")
def match_weight_rank(values: Any, weights: Any) -> Any:
    """Gives weights the rank of the values where they lack, or have, one dimension."""
    if weights.shape.rank == 0:
        return weights
    _require_ranks(values, weights)
    more = weights.shape.rank - values.shape.rank
    if more == 1 and _may_be_one(weights):
        return squeeze(weights, -1)
    return expand_dims(weights, -1) if more == -1 else weights


def _may_be_one(tensor: Any) -> bool:
    choose_by_size(tensor.shape)
    return tensor.shape[-1] in (None, 1)


def mask_of(tensor: Any) -> Any:
    """Returns the mask that a layer left at a tensor, or None."""
    return getattr(tensor, "_keras_mask", None)


def mask_weights(values: Any, weights: Any, mask: Any, average: bool) -> Any:
    """Returns weights that are 0 where the mask says so.

    Args:
      values: `[batch, ...]`, what is to be weighted.
      weights: Of the examples, or None.
      mask: Booleans, or None: then the weights are returned as they are.
      average: Whether all values are counted afterwards: then the ones that are valid
        weigh more, so that the mean is that of the valid ones.
    """
    if mask is None:
        return weights
    mask = cast(mask, values.dtype)
    if average:
        mask = mask * divide_no_nan(cast(size(mask), mask.dtype), reduce_sum(mask))
    if weights is None:
        return mask
    weights = cast(weights, mask.dtype)
    return match_weight_rank(mask, weights) * mask


def weigh_and_reduce(
    losses: Any, sample_weight: Any, reduction: str, what: str = "loss"
) -> Any:
    """Returns the weighted loss.

    Args:
      losses: `[batch, d1, ...]`.
      sample_weight: A scalar, or what broadcasts to the losses, or None.
      reduction: One of `Reduction`.
      what: Whose they are, for messages.

    Returns:
      A scalar, or `[batch, d1, ...]` for `Reduction.NONE`; of the losses' dtype.

    Raises:
      ValueError: The weights do not broadcast to the losses.
    """
    losses = hooks.convert(losses)
    dtype = losses.dtype
    if not dtype.is_floating and not dtype.is_complex:
        losses = cast(losses, "float32")
    total: Any = None
    if sample_weight is not None:
        weights = cast(hooks.convert(sample_weight), losses.dtype)
        weights = match_weight_rank(losses, weights)
        _check_broadcast(losses, weights, what)
        total = reduce_sum(weights) if reduction == "mean_with_sample_weight" else None
        losses = losses * weights
    if reduction != Reduction.NONE:
        count = cast(size(losses), losses.dtype) if total is None else total
        losses = reduce_sum(losses)
        if reduction != Reduction.SUM:
            losses = divide_no_nan(losses, count)
    return losses if losses.dtype == dtype else cast(losses, dtype)


def _bare(shape: Any) -> str:
    """A shape as TensorFlow's messages have it, which programs match on."""
    return format_shape(shape).replace(" ", "")


def _check_broadcast(losses: Any, weights: Any, what: str) -> None:
    if losses.shape.rank is None or weights.shape.rank is None:
        return
    pairs = zip(reversed(losses.shape), reversed(weights.shape), strict=False)
    fits = weights.shape.rank <= losses.shape.rank and all(
        None in (a, b) or a == b or 1 in (a, b) for a, b in pairs
    )
    if not fits:
        raise fail(
            InvalidArgumentError,
            f"{what}: sample_weight cannot be broadcast to the values of the examples: "
            f"Incompatible shapes: {_bare(losses.shape)} vs. {_bare(weights.shape)}",
            got=f"values {describe_shapes(losses)}, sample_weight "
            f"{describe_shapes(weights)}",
            expected=f"one weight an example, {losses.shape[:1]}, or one a value",
            site=str(user_site()),
            remedy="tf.reshape of the weights",
        )
