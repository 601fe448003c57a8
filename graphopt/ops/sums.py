"""Sums of several tensors, polynomials, and how much of a tensor is zero."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from graphopt import dtypes
from graphopt.dtypes import as_dtype
from graphopt.errors import InvalidArgumentError, describe_shapes, fail
from graphopt.graph.dispatch import as_inputs
from graphopt.graph.hooks import hooks
from graphopt.graph.provenance import user_site
from graphopt.graph.tensor import Tensor
from graphopt.ops.creation import zeros_like
from graphopt.ops.elementwise import ADD, add, cast, equal
from graphopt.ops.reduction import reduce_mean
from graphopt.ops.shaping import identity


def add_n(inputs: Sequence[Any], name: str | None = None) -> Tensor:
    """Adds tensors of one shape and dtype, from the first to the last.

    Raises:
      ValueError: There are none.
      InvalidArgumentError: Their shapes differ.

    >>> import graphopt as tf
    >>> tf.add_n([[1, 2], [3, 4], [5, 6]]).numpy().tolist()
    [9, 12]

    Source: `tf.math.add_n`.
    """
    if hasattr(inputs, "dtype") or not isinstance(inputs, (list, tuple)):
        inputs = [inputs]
    if not inputs:
        raise ValueError(
            "Inputs must be an Operation, or a list of at least one Tensor with the "
            "same dtype and shape."
        )
    tensors = as_inputs(ADD, tuple(inputs), name)
    shape = tensors[0].shape
    for tensor in tensors[1:]:
        if not shape.is_compatible_with(tensor.shape):
            raise fail(
                InvalidArgumentError,
                "Inputs to add_n must have the same size and shape",
                got=describe_shapes(*tensors),
                expected="tensors of one shape",
                site=str(user_site()),
                remedy="tf.add, which broadcasts",
            )
        shape = shape.merge_with(tensor.shape)
    if len(tensors) == 1:
        return identity(tensors[0], name=name)
    total = tensors[0]
    for tensor in tensors[1:-1]:
        total = add(total, tensor)
    return add(total, tensors[-1], name=name or "AddN")


def accumulate_n(
    inputs: Sequence[Any],
    shape: Any = None,
    tensor_dtype: Any = None,
    name: str | None = None,
) -> Tensor:
    """Adds tensors of one shape and dtype; as `add_n`.

    Source: `tf.math.accumulate_n`.
    """
    total = add_n(inputs, name=name)
    if tensor_dtype is not None and as_dtype(tensor_dtype) is not total.dtype:
        raise TypeError(
            f"accumulate_n of {total.dtype.name} tensors with tensor_dtype="
            f"{as_dtype(tensor_dtype).name}."
        )
    if shape is not None and not total.shape.is_compatible_with(shape):
        raise ValueError(
            f"accumulate_n of tensors of shape {total.shape} with shape={shape}."
        )
    return total


def polyval(coeffs: Sequence[Any], x: Any, name: str | None = None) -> Tensor:
    """Evaluates a polynomial, its highest coefficient first, by Horner's rule.

    >>> import graphopt as tf
    >>> float(tf.math.polyval([2.0, 0.0, 1.0], 3.0))
    19.0

    Source: `tf.math.polyval`.
    """
    if not isinstance(coeffs, (list, tuple)):
        raise ValueError(
            f"Argument coeffs must be list type. Received type {type(coeffs)}."
        )
    x = hooks.convert(x)
    if not coeffs:
        return zeros_like(x, name=name)
    total = hooks.convert(coeffs[0], dtype_hint=x.dtype)
    for coefficient in coeffs[1:]:
        total = coefficient + total * x
    return total


def zero_fraction(value: Any, name: str | None = None) -> Tensor:
    """Returns how much of a tensor is zero, as a float32 from 0 to 1; NaN if empty.

    >>> import graphopt as tf
    >>> float(tf.nn.zero_fraction([0, 5, 0, 0]))
    0.75

    Source: `tf.math.zero_fraction`.
    """
    return reduce_mean(cast(equal(value, 0), dtypes.float32), name=name)
