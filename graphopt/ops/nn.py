"""Ops of neural networks: softmax and the cross entropies, fused for accuracy."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphopt import dtypes
from graphopt.dtypes import DType
from graphopt.errors import (
    DecidedByRun,
    InvalidArgumentError,
    OpError,
    describe_shapes,
    fail,
)
from graphopt.graph.dispatch import as_inputs, call
from graphopt.graph.hooks import hooks
from graphopt.graph.opspec import BadInput, Cost, Family, OpSpec, Sample, register
from graphopt.graph.provenance import user_site
from graphopt.graph.shape import TensorShape
from graphopt.graph.status import Report
from graphopt.graph.tensor import Tensor
from graphopt.ops.creation import shape, zeros_like
from graphopt.ops.deferred import deferrable
from graphopt.ops.elementwise import (
    MUL,
    abs,
    add,
    cast,
    exp,
    log,
    log1p,
    relu,
    sigmoid,
    where,
)
from graphopt.ops.elementwise_specs import elementwise
from graphopt.ops.reduction import reduce_sum
from graphopt.ops.shaping import expand_dims, reshape, transpose


def _rows(x: NDArray[Any]) -> tuple[Any, Any, Any]:
    """Shifted logits, their exponentials and the sums of those, in float64."""
    wide = x.astype(np.float64)
    if not x.size:
        return wide, wide, np.ones((*x.shape[:-1], 1))
    shifted = wide - np.max(wide, axis=-1, keepdims=True)
    powers = np.exp(shifted)
    return shifted, powers, np.sum(powers, axis=-1, keepdims=True)


def _softmax_numpy(x: NDArray[Any]) -> NDArray[Any]:
    with np.errstate(all="ignore"):
        _, powers, total = _rows(x)
        return np.asarray(powers / total, x.dtype)


def _log_softmax_numpy(x: NDArray[Any]) -> NDArray[Any]:
    with np.errstate(all="ignore"):
        shifted, _, total = _rows(x)
        return np.asarray(shifted - np.log(total), x.dtype)


def _at_least_vector(x: Any) -> tuple[TensorShape, DType]:
    if x.shape.rank == 0:
        raise fail(
            InvalidArgumentError,
            "logits must have at least one dimension",
            got=describe_shapes(x),
            site=str(user_site()),
        )
    return x.shape, x.dtype


def _logit_samples() -> list[Sample]:
    rng = np.random.default_rng(6)
    return [
        Sample(((rng.standard_normal(shape) * 3).astype(dtype),))
        for dtype in (np.float64, np.float32)
        for shape in ((4, 7), (5,), (2, 3, 40))
    ]


def _softmax_vjp(g: Any, y: Any, x: Any) -> tuple[Any]:
    return ((g - reduce_sum(g * y, axis=-1, keepdims=True)) * y,)


def _scalar_bad() -> list[BadInput]:
    return [BadInput((np.float32(1),), {}, InvalidArgumentError, "one dimension")]


# Nanoseconds that NumPy takes about for an element of a row of logits.
_ROW_NS = 20.0
SOFTMAX = register(
    OpSpec(
        "Softmax",
        _at_least_vector,
        _softmax_numpy,
        _softmax_vjp,
        Family("rows", "softmax"),
        _logit_samples,
        errors=_scalar_bad,
        dtypes=dtypes.FLOATING,
        reference_ns=_ROW_NS,
    )
)
LOG_SOFTMAX = register(
    OpSpec(
        "LogSoftmax",
        _at_least_vector,
        _log_softmax_numpy,
        lambda g, y, x: (g - exp(y) * reduce_sum(g, axis=-1, keepdims=True),),
        Family("rows", "log_softmax"),
        _logit_samples,
        errors=_scalar_bad,
        dtypes=dtypes.FLOATING,
        reference_ns=_ROW_NS,
    )
)


# ---- cross entropies: outputs are the loss of each row and its derivative


def _dense_infer(logits: Any, labels: Any) -> list[tuple[TensorShape, DType]]:
    merged = logits.shape.is_compatible_with(labels.shape)
    if not merged or logits.shape.rank != 2:
        raise fail(
            InvalidArgumentError,
            "logits and labels must be matrices of the same size",
            got=describe_shapes(logits, labels),
            site=str(user_site()),
        )
    shape = logits.shape.merge_with(labels.shape)
    return [(shape[:1], logits.dtype), (shape, logits.dtype)]


def _dense_numpy(logits: NDArray[Any], labels: NDArray[Any]) -> tuple[Any, Any]:
    with np.errstate(all="ignore"):
        shifted, powers, total = _rows(logits)
        wide = labels.astype(np.float64)
        # A label of 0 takes nothing, even from a logit of minus infinity.
        terms = np.where(wide == 0, 0.0, wide * (np.log(total) - shifted))
        loss = np.sum(terms, axis=-1)
        return loss.astype(logits.dtype), (powers / total - wide).astype(logits.dtype)


def _dense_vjp(g: Any, y: Any, logits: Any, labels: Any) -> tuple[Any, Any]:
    g_loss, g_backprop = g
    grad = None
    if g_loss is not None:
        grad = expand_dims(g_loss, -1) * y[1]
    if g_backprop is not None:
        # Second order: the backprop output is softmax(logits) - labels.
        second = _softmax_vjp(g_backprop, softmax(logits), logits)[0]
        grad = second if grad is None else grad + second
    to_labels = None if g_backprop is None else -g_backprop
    if g_loss is not None:
        from_loss = expand_dims(g_loss, -1) * -log_softmax(logits)
        to_labels = from_loss if to_labels is None else to_labels + from_loss
    return grad, to_labels


def _dense_samples() -> list[Sample]:
    rng = np.random.default_rng(7)
    out = []
    for dtype in (np.float64, np.float32):
        logits = (rng.standard_normal((5, 4)) * 2).astype(dtype)
        labels = rng.random((5, 4)).astype(dtype)
        out.append(Sample((logits, labels / labels.sum(-1, keepdims=True))))
    return out


CROSS_ENTROPY = register(
    OpSpec(
        "SoftmaxCrossEntropyWithLogits",
        _dense_infer,
        _dense_numpy,
        _dense_vjp,
        Family("rows", "cross_entropy"),
        _dense_samples,
        errors=lambda: [
            BadInput(
                (np.zeros((2, 3)), np.zeros((2, 4))), {}, InvalidArgumentError, "same"
            )
        ],
        dtypes=dtypes.FLOATING,
        outputs=2,
        reference_ns=_ROW_NS,
    )
)


def _sparse_infer(logits: Any, labels: Any) -> list[tuple[TensorShape, DType]]:
    if not labels.dtype.is_integer:
        raise fail(
            InvalidArgumentError,
            "labels must be integers, the index of the right class in each row",
            got=describe_shapes(labels),
            site=str(user_site()),
            remedy="softmax_cross_entropy_with_logits for rows of probabilities",
        )
    if logits.shape.rank != 2 or not logits.shape[:1].is_compatible_with(labels.shape):
        raise fail(
            InvalidArgumentError,
            "logits must be [batch, classes] and labels [batch]",
            got=describe_shapes(logits, labels),
            expected="the shapes [batch, classes] and [batch]",
            remedy="tf.reshape, or one label for each row",
            site=str(user_site()),
        )
    shape = logits.shape[:1].merge_with(labels.shape)
    return [(shape, logits.dtype), (logits.shape, logits.dtype)]


def _sparse_numpy(logits: NDArray[Any], labels: NDArray[Any]) -> tuple[Any, Any]:
    classes = logits.shape[-1]
    wrong = (labels < 0) | (labels >= classes)
    if wrong.any():
        at = int(np.flatnonzero(wrong)[0])
        raise label_error(at, int(labels[at]), classes)
    with np.errstate(all="ignore"):
        shifted, powers, total = _rows(logits)
        row = np.arange(len(labels))
        loss = np.log(total[:, 0]) - shifted[row, labels]
        backprop = powers / total
        backprop[row, labels] -= 1
    return loss.astype(logits.dtype), backprop.astype(logits.dtype)


def label_error(row: int, label: int, classes: int, op: Any = None) -> OpError:
    """Makes the error for a label that is no class."""
    return fail(
        InvalidArgumentError,
        f"Received a label value of {label} which is outside the valid range of "
        f"[0, {classes})",
        got=f"labels[{row}] == {label}",
        expected=f"0 to {classes - 1}",
        remedy="`labels - 1` where labels start at 1, or as many logits as there are "
        "classes",
        op=op,
        site=str(user_site()) if op is None else None,
    )


def _explain_label(report: Report) -> OpError:
    classes = int(report.op.inputs[0].shape[-1] or 0)
    return label_error(report.index, report.value, classes, report.op)


def _sparse_vjp(g: Any, y: Any, logits: Any, labels: Any) -> tuple[Any, None]:
    g_loss, g_backprop = g
    grad = expand_dims(g_loss, -1) * y[1] if g_loss is not None else None
    if g_backprop is not None:
        second = _softmax_vjp(g_backprop, softmax(logits), logits)[0]
        grad = second if grad is None else grad + second
    return grad, None


def _sparse_samples() -> list[Sample]:
    rng = np.random.default_rng(8)
    return [
        Sample(
            (
                (rng.standard_normal((6, 5)) * 2).astype(dtype),
                rng.integers(0, 5, 6).astype(labels),
            )
        )
        for dtype in (np.float64, np.float32)
        for labels in (np.int32, np.int64)
    ]


SPARSE_CROSS_ENTROPY = register(
    OpSpec(
        "SparseSoftmaxCrossEntropyWithLogits",
        _sparse_infer,
        _sparse_numpy,
        _sparse_vjp,
        Family("rows", "sparse_cross_entropy"),
        _sparse_samples,
        errors=lambda: [
            BadInput(
                (np.zeros((2, 3), np.float32), np.array([0, 3])),
                {},
                InvalidArgumentError,
                "outside the valid range",
            ),
            BadInput(
                (np.zeros((2, 3), np.float32), np.zeros(2, np.float32)),
                {},
                InvalidArgumentError,
                "must be integers",
            ),
        ],
        types=("T", "any"),
        dtypes=dtypes.FLOATING,
        outputs=2,
        explain=_explain_label,
        reference_ns=_ROW_NS,
    )
)


def _sigmoid_numpy(x: NDArray[Any], z: NDArray[Any]) -> NDArray[Any]:
    loss: NDArray[Any] = np.maximum(x, 0) - x * z + np.log1p(np.exp(-np.absolute(x)))
    return loss


SIGMOID_CROSS_ENTROPY = elementwise(
    "SigmoidCrossEntropyWithLogits",
    numpy=_sigmoid_numpy,
    kernel="(maximum({0}, zero({0})) - {0} * {1} + log1p(exp(-abs({0}))))",
    vjp=lambda g, y, x, z: (g * (sigmoid(x) - z), g * -x),
    arity=2,
    cost=Cost.FUNCTION,
)


# ---- public functions


def softmax(logits: Any, axis: int = -1, name: str | None = None) -> Tensor:
    """Returns exp(x) divided by its sum along an axis.

    Args:
      logits: Floats of at least one dimension.
      axis: The dimension that sums to 1; the last by default.
      name: Name of the op.

    Raises:
      InvalidArgumentError: There is no such dimension.

    >>> import graphopt as tf
    >>> tf.nn.softmax([[0.0, 1.0], [0.0, 1.0]], axis=0).numpy().tolist()
    [[0.5, 0.5], [0.5, 0.5]]

    Source: `tf.nn.softmax`.
    """
    return _along(SOFTMAX, logits, axis, name)


def log_softmax(logits: Any, axis: int = -1, name: str | None = None) -> Tensor:
    """Returns the logarithm of softmax along an axis; as `softmax`.

    Source: `tf.nn.log_softmax`.
    """
    return _along(LOG_SOFTMAX, logits, axis, name)


def _along(spec: OpSpec, x: Any, axis: int | None, name: str | None) -> Any:
    """Applies an op on the last dimension along any."""
    x = hooks.convert(x)
    if axis is None or axis == -1:
        return call(spec, x, name=name)
    moved, back = _axis_last(x, axis, spec.name)
    return back(call(spec, moved, name=name))


def _axis_last(x: Any, axis: int, what: str) -> tuple[Any, Any]:
    """Returns a tensor with a dimension moved to the end, and what moves it back."""
    if x.shape.rank is None:
        raise NotImplementedError(
            f"{what} along axis {axis} of a tensor of unknown rank."
        )
    rank = len(x.shape)
    if not -rank <= axis < rank:
        raise fail(
            InvalidArgumentError,
            f"There is no dimension {axis} for {what}",
            got=f"{describe_shapes(x)} and axis {axis}",
            expected=f"an axis from {-rank} to {rank - 1}",
            site=str(user_site()),
        )
    axis = axis % rank
    if axis == rank - 1:
        return x, lambda y: y
    # The exchange of two dimensions undoes itself.
    order = list(range(rank))
    order[axis], order[-1] = order[-1], order[axis]
    return transpose(x, order), lambda y: transpose(y, order)


def _axis_to_end(x: Any, axis: int, what: str) -> Any:
    """Moves a dimension to the end and keeps the order of the others."""
    _axis_last(x, axis, what)
    rank = len(x.shape)
    axis = axis % rank
    order = [i for i in range(rank) if i != axis]
    return transpose(x, [*order, axis])


def _dtype_of_logits(labels: Any, logits: Any, axis: int = -1) -> list[DType]:
    return [hooks.convert(logits).dtype]


@deferrable(_dtype_of_logits)
def softmax_cross_entropy_with_logits(
    labels: Any, logits: Any, axis: int = -1, name: str | None = None
) -> Tensor:
    """Returns the cross entropy of each row: -sum(labels * log_softmax(logits)).

    Args:
      labels: `[..., classes]`, rows that sum to 1; of another dtype, integers for
        example, they are cast. One row of them stands for all.
      logits: `[..., classes]`.
      axis: The dimension of the classes.
      name: Name of the op.

    Returns:
      `[...]`, one loss a row.

    Raises:
      InvalidArgumentError: The shapes do not fit.

    >>> import graphopt as tf
    >>> loss = tf.nn.softmax_cross_entropy_with_logits([[0, 1]], [[0.0, 0.0]])
    >>> round(float(loss.numpy()[0]), 4)
    0.6931

    Source: `tf.nn.softmax_cross_entropy_with_logits` (version 2: gradients flow into
    the labels too).
    """
    logits = hooks.convert(logits)
    # Integers stay integers as a list too, and are exact in any float.
    labels = cast(hooks.convert(labels, dtype_hint=logits.dtype), logits.dtype)
    rank = logits.shape.rank
    if axis not in (-1, None) and axis + 1 != rank:
        what = "softmax_cross_entropy_with_logits"
        logits = _axis_to_end(logits, axis, what)
        labels = _axis_to_end(labels, axis, what)
    if rank == 2 and (labels.shape.rank or 0) > 2 and logits.shape[1] is not None:
        # TensorFlow looks at both as matrices.
        labels = reshape(labels, [-1, logits.shape[1]])
    labels = _broadcast_labels(labels, logits)
    flat_logits, flat_labels, restore = _as_matrix(logits, labels)
    return restore(call(CROSS_ENTROPY, flat_logits, flat_labels, name=name)[0])


def _broadcast_labels(labels: Any, logits: Any) -> Any:
    """Repeats labels of which there is one row for all, or one number for each row."""
    known = labels.shape.rank is not None and logits.shape.rank is not None
    if not known or not logits.shape or labels.shape.is_compatible_with(logits.shape):
        return labels
    one_row = all(dim == 1 for dim in labels.shape[:-1])
    same_rows = labels.shape[:-1].is_compatible_with(logits.shape[:-1])
    ends = (labels.shape[-1:], logits.shape[-1:])
    one_number = labels.shape.rank and labels.shape[-1] == 1
    if (one_row and (one_number or ends[0].is_compatible_with(ends[1]))) or (
        same_rows and one_number
    ):
        return add(zeros_like(logits), reshape(labels, [-1]) if one_row else labels)
    return labels


def _as_matrix(logits: Any, labels: Any) -> tuple[Any, Any, Any]:
    rank = logits.shape.rank
    if rank is None:
        raise DecidedByRun("The cross entropy of logits of unknown rank.")
    if rank == 2:
        return logits, labels, lambda loss: loss
    if rank > 2 and None in logits.shape[1:]:
        sizes = shape(logits)
        last = logits.shape[-1]
        rows = [-1, sizes[rank - 1] if last is None else last]
        flat_labels = reshape(labels, rows if labels.shape.rank == rank else [-1])
        outer_sizes = sizes[: rank - 1]
        return reshape(logits, rows), flat_labels, lambda x: reshape(x, outer_sizes)
    classes, outer = logits.shape[-1], [d or -1 for d in logits.shape[:-1]]
    flat = [-1, classes] if classes else [int(np.prod(outer)), 0]
    flat_labels = reshape(labels, flat if labels.shape.rank == rank else [-1])
    return reshape(logits, flat), flat_labels, lambda loss: reshape(loss, outer)


@deferrable(_dtype_of_logits)
def sparse_softmax_cross_entropy_with_logits(
    labels: Any, logits: Any, name: str | None = None
) -> Tensor:
    """Returns the cross entropy of each row, given the index of the right class.

    Args:
      labels: `[...]` integers in [0, classes).
      logits: `[..., classes]`.
      name: Name of the op.

    Returns:
      `[...]`, one loss a row.

    Raises:
      InvalidArgumentError: A label is no class.

    >>> import graphopt as tf
    >>> loss = tf.nn.sparse_softmax_cross_entropy_with_logits([1], [[0.0, 0.0]])
    >>> round(float(loss.numpy()[0]), 4)
    0.6931

    Source: `tf.nn.sparse_softmax_cross_entropy_with_logits`.
    """
    logits, labels = as_inputs(SPARSE_CROSS_ENTROPY, (logits, labels), name)
    flat_logits, flat_labels, restore = _as_matrix(logits, labels)
    return restore(call(SPARSE_CROSS_ENTROPY, flat_logits, flat_labels, name=name)[0])


def sigmoid_cross_entropy_with_logits(
    labels: Any, logits: Any, name: str | None = None
) -> Tensor:
    """Returns max(x, 0) - x * labels + log(1 + exp(-|x|)) for logits x, elementwise.

    Source: `tf.nn.sigmoid_cross_entropy_with_logits`.
    """
    logits, labels = as_inputs(MUL, (logits, labels), name)
    _same_shape(logits, labels)
    # The gradient at 0 is that of the sigmoid, which max and abs alone would miss.
    return call(SIGMOID_CROSS_ENTROPY, logits, labels, name=name)


def weighted_cross_entropy_with_logits(
    labels: Any, logits: Any, pos_weight: Any, name: str | None = None
) -> Tensor:
    """Returns the sigmoid cross entropy in which positive labels count `pos_weight`.

    (1 - z) x + (1 + (q - 1) z) (log(1 + exp(-|x|)) + max(-x, 0)) for logits x, labels
    z and weight q, elementwise.

    Raises:
      InvalidArgumentError: The shapes of logits and labels differ.

    >>> import graphopt as tf
    >>> loss = tf.nn.weighted_cross_entropy_with_logits(1.0, 0.0, pos_weight=2.0)
    >>> round(float(loss), 4)
    1.3863

    Source: `tf.nn.weighted_cross_entropy_with_logits`.
    """
    logits, labels = as_inputs(MUL, (logits, labels), name)
    _same_shape(logits, labels)
    weight = 1 + (pos_weight - 1) * labels
    positive = log1p(exp(-abs(logits))) + relu(-logits)
    return add((1 - labels) * logits, weight * positive, name=name)


def log_poisson_loss(
    targets: Any,
    log_input: Any,
    compute_full_loss: bool = False,
    name: str | None = None,
) -> Tensor:
    """Returns exp(c) - z c for targets z and logarithms c of the rate, elementwise.

    Args:
      targets: Counts.
      log_input: Logarithms of the predicted rates.
      compute_full_loss: Whether to add Stirling's z log(z) - z + log(2 pi z) / 2 where
        z is not within 0 and 1.
      name: Name of the op.

    Raises:
      InvalidArgumentError: The shapes differ.

    Source: `tf.nn.log_poisson_loss`.
    """
    log_input, targets = as_inputs(MUL, (log_input, targets), name)
    _same_shape(log_input, targets)
    loss = exp(log_input) - log_input * targets
    if compute_full_loss:
        rest = targets * log(targets) - targets + 0.5 * log(2 * math.pi * targets)
        small = (targets >= 0) & (targets <= 1)
        loss = loss + where(small, zeros_like(rest), rest)
    return loss


def _same_shape(logits: Any, labels: Any) -> None:
    if not logits.shape.is_compatible_with(labels.shape):
        raise fail(
            InvalidArgumentError,
            "logits and labels must have the same shape",
            got=describe_shapes(logits, labels),
            site=str(user_site()),
        )


def bias_add(
    value: Any, bias: Any, data_format: str | None = None, name: str | None = None
) -> Tensor:
    """Adds a vector to the dimension of the channels.

    Args:
      value: `[batch, ..., channels]`.
      bias: `[channels]`.
      data_format: Channels are the second dimension if it begins with "NC".
      name: Name of the op.

    Raises:
      ValueError: It is no layout.

    Source: `tf.nn.bias_add`.
    """
    value, bias = as_inputs(MUL, (value, bias), name)
    if data_format is not None and data_format[:2] == "NC":
        others = [1] * (len(value.shape) - 2)
        bias = reshape(bias, [-1, *others])
    elif data_format is not None and (data_format[:1], data_format[-1:]) != ("N", "C"):
        raise ValueError(
            f"`data_format` must be of the form `N...C` or `NC...`: {data_format}."
        )
    return add(value, bias, name=name or "BiasAdd")


def l2_loss(t: Any, name: str | None = None) -> Tensor:
    """Returns half the sum of squares.

    Source: `tf.nn.l2_loss`.
    """
    t = hooks.convert(t)
    return reduce_sum(t * t, name=name) * 0.5
