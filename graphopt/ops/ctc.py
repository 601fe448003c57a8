"""Connectionist temporal classification: the loss of labels without times."""

from __future__ import annotations

from typing import Any

from graphopt.dtypes import int32
from graphopt.errors import fail
from graphopt.graph.hooks import hooks
from graphopt.graph.provenance import user_site
from graphopt.graph.tensor import Tensor
from graphopt.ops.creation import constant_value, ones_like, shape, zeros, zeros_like
from graphopt.ops.elementwise import (
    cast,
    equal,
    exp,
    log,
    logical_and,
    maximum,
    not_equal,
    where,
)
from graphopt.ops.indexing import gather
from graphopt.ops.nn import log_softmax
from graphopt.ops.reduction import reduce_max, reduce_sum
from graphopt.ops.scan import cumsum
from graphopt.ops.scatter import tensor_scatter_nd_add, tensor_scatter_nd_update
from graphopt.ops.segments import unsorted_segment_sum
from graphopt.ops.sequences import range as range_
from graphopt.ops.shaping import (
    concat,
    expand_dims,
    reshape,
    stack,
    stop_gradient,
    transpose,
)
from graphopt.ops.tensor_array import TensorArray
from graphopt.ops.while_loop import while_loop

# Stands for the logarithm of 0; a sum of a thousand of them is finite.
_NONE = -1e30
_NEVER = -1e29


def is_sparse(value: Any) -> bool:
    """Whether something is a sparse tensor: indices, values and a dense shape."""
    return all(hasattr(value, n) for n in ("indices", "values", "dense_shape"))


def ctc_loss(
    labels: Any,
    logits: Any,
    label_length: Any,
    logit_length: Any,
    logits_time_major: bool = True,
    unique: Any = None,
    blank_index: int | None = None,
    name: str | None = None,
) -> Tensor:
    """Returns minus the logarithm of the probability of label sequences.

    Args:
      labels: `[batch, labels]`, integers, or a sparse tensor of them.
      logits: `[time, batch, classes]`, or `[batch, time, classes]`.
      label_length: `[batch]`: how many labels there are; None for sparse labels.
      logit_length: `[batch]`: how many steps there are.
      logits_time_major: Whether time comes first.
      unique: Accepted for compatibility.
      blank_index: The class that stands for no label: 0 by default, and it must be given
        for sparse labels; below 0 it counts from the end.
      name: Name of the op.

    Returns:
      `[batch]`; infinite where there are too few steps.

    Raises:
      ValueError: Sparse labels without `blank_index`, or unknown numbers of classes.

    >>> import graphopt as tf
    >>> logits = tf.zeros([3, 1, 2])
    >>> loss = tf.nn.ctc_loss([[1]], logits, [1], [3])
    >>> round(float(tf.exp(-loss[0])), 4)
    0.75

    Source: `tf.nn.ctc_loss`.
    """
    logits = hooks.convert(logits)
    if not logits_time_major:
        logits = transpose(logits, [1, 0, 2])
    classes = _classes(logits)
    if is_sparse(labels):
        if blank_index is None:
            raise ValueError(
                "blank_index must be provided when using SparseTensor labels."
            )
        labels, label_length = _dense(labels, logits)
    blank = 0 if blank_index is None else int(blank_index)
    blank += classes if blank < 0 else 0
    labels = cast(hooks.convert(labels), int32)
    label_length = cast(hooks.convert(label_length), int32)
    logit_length = cast(hooks.convert(logit_length), int32)
    return _loss(labels, logits, label_length, logit_length, blank)


def ctc_loss_v1(
    labels: Any,
    inputs: Any = None,
    sequence_length: Any = None,
    preprocess_collapse_repeated: bool = False,
    ctc_merge_repeated: bool = True,
    ignore_longer_outputs_than_inputs: bool = False,
    time_major: bool = True,
    logits: Any = None,
) -> Tensor:
    """As `ctc_loss`, of sparse labels; the last class stands for no label.

    Args:
      labels: A sparse tensor of integers, `[batch, labels]`.
      inputs: `[time, batch, classes]`: logits.
      sequence_length: `[batch]`: how many steps there are.
      preprocess_collapse_repeated: Must be False.
      ctc_merge_repeated: Must be True.
      ignore_longer_outputs_than_inputs: Whether the loss is 0, not infinite, where there are
        too few steps.
      time_major: Whether time comes first.
      logits: Another name of `inputs`.

    Source: `tf.compat.v1.nn.ctc_loss`.
    """
    if preprocess_collapse_repeated or not ctc_merge_repeated:
        raise NotImplementedError(
            "ctc_loss with preprocess_collapse_repeated=True or ctc_merge_repeated=False; "
            "change the labels before."
        )
    if not is_sparse(labels):
        raise TypeError(
            f"Expected labels (first argument) to be a SparseTensor: {labels}"
        )
    given = inputs if logits is None else logits
    loss = ctc_loss(labels, given, None, sequence_length, time_major, blank_index=-1)
    if not ignore_longer_outputs_than_inputs:
        return loss
    # The loss of what is left out has no slope either.
    return where(loss < -_NEVER, loss, 0.0)


def _classes(logits: Any) -> int:
    if logits.shape.rank != 3 or logits.shape[2] is None:
        raise fail(
            ValueError,
            "The logits of ctc_loss need three dimensions, of which the number of classes "
            "is known",
            got=f"shape {logits.shape}",
            expected="[time, batch, classes]",
            site=str(user_site()),
        )
    return int(logits.shape[2])


def _dense(labels: Any, logits: Any) -> tuple[Any, Any]:
    """Returns labels as rows and how long these are.

    Where the longest is not known, there is room for one label a step: more are never
    possible.
    """
    known = constant_value(hooks.convert(labels.dense_shape))
    width = int(known[1]) if known is not None else _size(logits, 0)
    batch = _size(logits, 1)
    places = cast(hooks.convert(labels.indices), int32)
    values = cast(hooks.convert(labels.values), int32)
    rows = tensor_scatter_nd_update(zeros([batch, width], int32), places, values)
    one_each = ones_like(places[:, 0])
    if isinstance(batch, int):
        return rows, unsorted_segment_sum(one_each, places[:, 0], batch)
    counts = zeros([batch], int32)
    return rows, tensor_scatter_nd_add(counts, places[:, :1], one_each)


def _size(tensor: Any, axis: int) -> Any:
    known = tensor.shape[axis]
    return shape(tensor)[axis] if known is None else known


def _loss(
    labels: Any, logits: Any, label_length: Any, logit_length: Any, blank: int
) -> Any:
    steps, batch = _size(logits, 0), _size(logits, 1)
    # States: a blank before each label, and one at the end.
    blanks = zeros_like(labels) + blank
    pairs = reshape(stack([blanks, labels], 2), [batch, -1])
    states = concat([pairs, zeros([batch, 1], int32) + blank], 1)
    before = concat([zeros([batch, 2], int32) + blank, states[:, :-2]], 1)
    # A label may follow another one without a blank between, unless they are the same.
    may_skip = logical_and(not_equal(states, blank), not_equal(states, before))
    rows = TensorArray(logits.dtype, steps, clear_after_read=False)
    rows = rows.unstack(log_softmax(logits))
    none = zeros([batch, 1], logits.dtype) + _NONE
    start = concat([none * 0, zeros_like(pairs, dtype=logits.dtype) + _NONE], 1)

    def body(t: Any, alpha: Any) -> Any:
        chances = gather(rows.read(t), states, axis=1, batch_dims=1)
        one = concat([none, alpha[:, :-1]], 1)
        two = where(may_skip, concat([none, none, alpha[:, :-2]], 1), _NONE)
        new = chances + _log_sum(alpha, one, two)
        goes_on = expand_dims(t < logit_length, 1)
        return t + 1, where(goes_on, maximum(new, _NONE), alpha)

    _, alpha = while_loop(
        lambda t, _: t < steps,
        body,
        (hooks.convert(0), start),
        maximum_iterations=steps if isinstance(steps, int) else None,
    )
    # It ends with the last label or the blank behind it.
    numbers = _count(states)
    last = expand_dims(2 * label_length, 1)
    end = logical_and(last > 0, equal(numbers, last - 1))
    ends = where(equal(numbers, last), alpha, where(end, alpha, _NONE))
    top = stop_gradient(reduce_max(ends, 1))
    total = top + log(reduce_sum(exp(ends - expand_dims(top, 1)), 1))
    return where(total < _NEVER, float("inf"), -total)


def _log_sum(a: Any, b: Any, c: Any) -> Any:
    top = stop_gradient(maximum(a, maximum(b, c)))
    return top + log(exp(a - top) + exp(b - top) + exp(c - top))


def _count(states: Any) -> Any:
    if states.shape[1] is not None:
        return expand_dims(range_(states.shape[1]), 0)
    return cumsum(ones_like(states), 1) - 1
